/*
 * adopt_document.c - a parameter file from what exists in Amazon Personalize.
 *
 * What Describe tells is taken over as far as the file has a place for it; defaults of the service
 * are left out. A campaign that does not serve its solution's newest version is promoted by hand
 * from now on, so that the import moves nothing.
 */
#include "steward/adopt_document.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "steward/json.h"
#include "steward/kinds.h"
#include "steward/mem.h"
#include "steward/str.h"

/* Members that a serviceConfig takes from a description, by kind; NULL ends. */
static const struct {
    enum kind_id kind;
    const char *members[8];
} taken[] = {
    { KIND_DATASET_GROUP, { "name", "domain", "roleArn", "kmsKeyArn" } },
    { KIND_SCHEMA, { "name", "domain" } },
    { KIND_DATASET, { "name" } },
    { KIND_EVENT_TRACKER, { "name" } },
    { KIND_METRIC_ATTRIBUTION, { "name", "metrics", "metricsOutputConfig" } },
    { KIND_FILTER, { "name", "filterExpression" } },
    { KIND_SOLUTION,
      { "name", "recipeArn", "performHPO", "performAutoTraining", "performIncrementalUpdate",
        "eventType", "solutionConfig" } },
    { KIND_CAMPAIGN, { "name", "minProvisionedTPS", "campaignConfig" } },
    { KIND_RECOMMENDER, { "name", "recipeArn", "recommenderConfig" } },
    { KIND_BATCH_INFERENCE_JOB,
      { "numResults", "filterArn", "batchInferenceJobConfig", "batchInferenceJobMode",
        "themeGenerationConfig" } },
    { KIND_BATCH_SEGMENT_JOB, { "numResults", "filterArn" } },
};
static const struct {
    const char *type, *section;
} sections[] = {
    { "INTERACTIONS", "interactions" },
    { "ITEMS", "items" },
    { "USERS", "users" },
    { "ACTIONS", "actions" },
    { "ACTION_INTERACTIONS", "actionInteractions" },
};

/* An empty object or a false that is the default says nothing. */
static bool says_nothing(const char *member, const json_t *value)
{
    return (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_false(value) && !str_eq(member, "performAutoTraining"));
}

static json_t *tags_of(const json_t *item)
{
    json_t *tags = json_array(), *tag;
    size_t i;

    json_array_foreach (json_object_get(item, "tags"), i, tag) {
        const char *key = json_text_or(tag, "tagKey", "");

        if (!str_starts(key, "steward:") && !str_starts(key, "aws:"))
            json_array_append_new(tags, json_pack("{s:s, s:s}", "tagKey", key, "tagValue",
                                                  json_text_or(tag, "tagValue", "")));
    }
    return tags;
}

/* {"serviceConfig": {…}} of a found item. */
static json_t *section_of(const json_t *item)
{
    const struct kind *kind = kind_find(json_text(item, "kind"));
    const json_t *resource = json_object_get(item, "resource");
    json_t *service = json_object(), *tags = tags_of(item);

    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        for (size_t k = 0; taken[i].kind == kind->id && k < ARRAY_LEN(taken[i].members); k++) {
            const char *member = taken[i].members[k];
            json_t *value = member ? json_object_get(resource, member) : NULL;

            if (value && !json_is_null(value) && !says_nothing(member, value))
                json_object_set_new(service, member, json_clone(value));
        }
    if (json_array_size(tags) && !kind->is_per_run)
        json_object_set(service, "tags", tags);
    json_decref(tags);
    return json_pack("{s:o}", "serviceConfig", service);
}

static bool is_kind(const json_t *item, enum kind_id kind)
{
    return str_eq(json_text(item, "kind"), kinds[kind].name);
}

struct named {
    const char *name;
    json_t *item;
};

static int compare_names(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* The found items of a kind below a parent (NULL: any), by name. */
static json_t *items_of(const json_t *found, enum kind_id kind, const char *parent)
{
    AUTO_FREE struct named *list = xcalloc(json_object_size(found) + 1, sizeof *list);
    json_t *items = json_array(), *item;
    const char *arn;
    size_t n = 0;

    json_object_foreach ((json_t *) found, arn, item)
        if (is_kind(item, kind) && (!parent || str_eq(json_text(item, "parent"), parent)))
            list[n++] =
                (struct named){ json_text_or(json_object_get(item, "resource"), "name", arn),
                                item };
    qsort(list, n, sizeof *list, compare_names);
    for (size_t i = 0; i < n; i++)
        json_array_append(items, list[i].item);
    return items;
}

static json_t *sections_of(const json_t *found, enum kind_id kind, const char *parent)
{
    AUTO_JSON json_t *items = items_of(found, kind, parent);
    json_t *list = json_array(), *item;
    size_t i;

    json_array_foreach (items, i, item)
        json_array_append_new(list, section_of(item));
    return list;
}

static void set_list(json_t *document, const char *key, json_t *list)
{
    if (json_array_size(list))
        json_object_set(document, key, list);
    json_decref(list);
}

/* ---- datasets ---- */

static json_t *schema_of(const json_t *found, const json_t *dataset)
{
    const json_t *item =
        json_object_get(found, json_text_or(json_object_get(dataset, "resource"), "schemaArn", ""));
    json_t *section = item ? section_of(item) : NULL;
    const char *text = item ? json_text(json_object_get(item, "resource"), "schema") : NULL;
    json_t *avro = text ? json_loads(text, 0, NULL) : NULL;

    if (avro)
        json_object_set_new(json_object_get(section, "serviceConfig"), "schema", avro);
    return section;
}

/* The folder that the AWS solution's layout would have, in "s3://bucket/folder/type[.csv]"; 0: it
 * has another. */
static size_t layout_length(const char *location, const char *type)
{
    AUTO_FREE char *folder = xasprintf("/%s", type);
    AUTO_FREE char *file = NULL;
    size_t n = strlen(location);

    for (char *at = folder; *at; at++)
        *at = (char) tolower((unsigned char) *at);
    file = xasprintf("%s.csv", folder);

    if (n && location[n - 1] == '/')
        n--;
    if (n >= strlen(folder) && strncmp(location + n - strlen(folder), folder, strlen(folder)) == 0)
        return n - strlen(folder) + 1;
    if (str_ends(location, file))
        return n - strlen(file) + 1;
    return 0;
}

/* Bucket and prefix when the place follows the layout and does not contradict those before; else
 * the place itself. */
static void set_place(const char *location, const char *type, json_t *section, json_t *deployment)
{
    size_t n_bucket = strcspn(location + 5, "/"), n = 0;
    AUTO_FREE char *bucket = xstrndup(location + 5, n_bucket);
    AUTO_FREE char *prefix = NULL;

    n = layout_length(location, type);
    prefix = n > n_bucket + 6 ? xstrndup(location + n_bucket + 6, n - n_bucket - 6) : NULL;
    if (!json_object_get(deployment, "bucket"))
        json_object_set_new(deployment, "bucket", json_string(bucket));
    if (prefix && !json_object_get(deployment, "prefix") &&
        str_eq(json_text(deployment, "bucket"), bucket))
        json_object_set_new(deployment, "prefix", json_string(prefix));
    if (!prefix || !str_eq(json_text(deployment, "bucket"), bucket) ||
        !str_eq(json_text(deployment, "prefix"), prefix))
        json_object_set_new(section, "workflowConfig",
                            json_pack("{s:{s:s}}", "source", "dataLocation", location));
}

/* Bucket, place and role are those of the newest import. */
static void set_source(const json_t *found, const json_t *dataset, json_t *section,
                       json_t *deployment)
{
    AUTO_JSON json_t *imports =
        items_of(found, KIND_DATASET_IMPORT_JOB, json_text(dataset, "datasetArn"));
    const json_t *job = json_object_get(json_array_get(imports, 0), "resource");
    const char *location = json_text(json_object_get(job, "dataSource"), "dataLocation");

    if (location && str_starts(location, "s3://"))
        set_place(location, json_text_or(dataset, "datasetType", ""), section, deployment);
    if (json_text(job, "roleArn"))
        json_object_set(deployment, "importRoleArn", json_object_get(job, "roleArn"));
}

static void add_datasets(const json_t *found, json_t *document, json_t *deployment)
{
    AUTO_JSON json_t *items = items_of(found, KIND_DATASET, NULL);
    json_t *datasets = json_object(), *item;
    size_t i;

    json_array_foreach (items, i, item) {
        const json_t *resource = json_object_get(item, "resource");
        const char *type = json_text_or(resource, "datasetType", "");
        json_t *section =
            json_pack("{s:o, s:o*}", "dataset", section_of(item), "schema", schema_of(found, item));

        set_source(found, resource, section, deployment);
        for (size_t k = 0; k < ARRAY_LEN(sections); k++)
            if (strcasecmp(sections[k].type, type) == 0)
                json_object_set(datasets, sections[k].section, section);
        json_decref(section);
    }
    if (json_object_size(datasets))
        json_object_set(document, "datasets", datasets);
    json_decref(datasets);
}

/* ---- solutions ---- */

static bool is_behind(const json_t *found, const json_t *solution)
{
    const json_t *resource = json_object_get(solution, "resource");
    const char *newest = json_text(solution, "newestVersion");
    AUTO_JSON json_t *campaigns =
        items_of(found, KIND_CAMPAIGN, json_text(resource, "solutionArn"));
    size_t i;
    json_t *c;

    json_array_foreach (campaigns, i, c)
        if (newest &&
            !str_eq(newest, json_text(json_object_get(c, "resource"), "solutionVersionArn")))
            return true;
    return false;
}

static const char *batch_role(const json_t *found, const char *solution)
{
    AUTO_JSON json_t *jobs = items_of(found, KIND_BATCH_INFERENCE_JOB, solution);
    AUTO_JSON json_t *segments = items_of(found, KIND_BATCH_SEGMENT_JOB, solution);
    const char *role = json_text(json_object_get(json_array_get(jobs, 0), "resource"), "roleArn");

    return role ? role
                : json_text(json_object_get(json_array_get(segments, 0), "resource"), "roleArn");
}

static void add_solutions(const json_t *found, json_t *document, json_t *deployment)
{
    AUTO_JSON json_t *items = items_of(found, KIND_SOLUTION, NULL);
    json_t *list = json_array(), *item;
    size_t i;

    json_array_foreach (items, i, item) {
        const char *arn = json_text(json_object_get(item, "resource"), "solutionArn");
        const char *role = batch_role(found, arn);
        json_t *section = section_of(item);

        set_list(section, "campaigns", sections_of(found, KIND_CAMPAIGN, arn));
        set_list(section, "batchInferenceJobs", sections_of(found, KIND_BATCH_INFERENCE_JOB, arn));
        set_list(section, "batchSegmentJobs", sections_of(found, KIND_BATCH_SEGMENT_JOB, arn));
        if (is_behind(found, item))
            json_object_set_new(section, "workflowConfig",
                                json_pack("{s:{s:s}}", "promotion", "policy", "manual"));
        if (role)
            json_object_set_new(deployment, "batchRoleArn", json_string(role));
        json_array_append_new(list, section);
    }
    set_list(document, "solutions", list);
}

/* Nobody asked for one that is stopped to be started, and billed. */
static json_t *recommenders_of(const json_t *found)
{
    AUTO_JSON json_t *items = items_of(found, KIND_RECOMMENDER, NULL);
    json_t *list = json_array(), *item;
    size_t i;

    json_array_foreach (items, i, item) {
        json_t *section = section_of(item);

        if (str_eq(json_text(json_object_get(item, "resource"), "status"), "INACTIVE"))
            json_object_set_new(section, "workflowConfig", json_pack("{s:s}", "state", "stopped"));
        json_array_append_new(list, section);
    }
    return list;
}

static void add_single(const json_t *found, enum kind_id kind, json_t *document)
{
    AUTO_JSON json_t *items = items_of(found, kind, NULL);

    if (json_array_size(items))
        json_object_set_new(document, kinds[kind].name, section_of(json_array_get(items, 0)));
}

json_t *adopt_document(const json_t *found)
{
    json_t *document = json_object();
    AUTO_JSON json_t *deployment = json_object();

    add_single(found, KIND_DATASET_GROUP, document);
    add_datasets(found, document, deployment);
    add_single(found, KIND_EVENT_TRACKER, document);
    add_single(found, KIND_METRIC_ATTRIBUTION, document);
    set_list(document, "filters", sections_of(found, KIND_FILTER, NULL));
    add_solutions(found, document, deployment);
    set_list(document, "recommenders", recommenders_of(found));
    if (json_object_size(deployment))
        json_object_set(document, "deployment", deployment);
    return document;
}

/* ---- schedules that the import is asked for ---- */

static json_t *workflow_below(json_t *section)
{
    if (!json_object_get(section, "workflowConfig"))
        json_object_set_new(section, "workflowConfig", json_object());
    section = json_object_get(section, "workflowConfig");
    if (!json_object_get(section, "schedules"))
        json_object_set_new(section, "schedules", json_object());
    return json_object_get(section, "schedules");
}

static json_t *solution_named(json_t *document, const char *name)
{
    size_t i;
    json_t *solution;

    json_array_foreach (json_object_get(document, "solutions"), i, solution)
        if (str_eq(json_text(json_object_get(solution, "serviceConfig"), "name"), name))
            return solution;
    return NULL;
}

const char *adopt_document_schedule(json_t *document, const json_t *schedules)
{
    json_t *import = json_object_get(schedules, "import"), *given;
    const char *name;

    if (import)
        json_object_set(workflow_below(json_object_get(document, "datasetGroup")), "import",
                        import);
    json_object_foreach (json_object_get(schedules, "solutions"), name, given) {
        json_t *solution = solution_named(document, name);

        if (!solution)
            return name;
        json_object_update(workflow_below(solution), given);
    }
    return NULL;
}
