/*
 * parameter_file_effective.c - the document with defaults and inherited tags filled in.
 *
 * The result is a parameter file again, and filling it in a second time changes nothing. Values of
 * another type than expected are left as they are: the check has reported them.
 */
#include "parameter_file_internal.h"
#include "steward/schema_check.h"

static json_t *service_of(const json_t *section)
{
    json_t *service = json_object_get(section, "serviceConfig");

    return json_is_object(service) ? service : NULL;
}

static void fill(json_t *object, const char *key, json_t *value)
{
    if (json_is_object(object) && !json_object_get(object, key))
        json_object_set_new(object, key, value);
    else
        json_decref(value);
}

/* Own tags, even an empty list, are used as they are; else the root's. */
static void fill_tags(json_t *service, const json_t *root_tags)
{
    bool is_usable = json_is_array(root_tags) && json_array_size(root_tags) <= TAGS_MAX;

    fill(service, "tags", is_usable ? json_clone(root_tags) : json_array());
}

static void fill_list_tags(const json_t *list, const json_t *root_tags)
{
    size_t i;
    const json_t *item;

    json_array_foreach (list, i, item)
        fill_tags(service_of(item), root_tags);
}

static void fill_group(json_t *document, const json_t *root_tags)
{
    json_t *group = json_object_get(document, "datasetGroup");
    json_t *service = service_of(group);
    const json_t *deployment = json_object_get(document, "deployment");
    const char *key = json_text(deployment, "kmsKeyArn");
    const char *role = json_text(deployment, "kmsRoleArn");

    fill(group, "workflowConfig", json_object());
    fill(json_object_get(group, "workflowConfig"), "maxAge", json_string("365 days"));
    fill_tags(service, root_tags);
    if (key)
        fill(service, "kmsKeyArn", json_string(key));
    if (role && json_object_get(service, "kmsKeyArn"))
        fill(service, "roleArn", json_string(role));
}

static void count_trouble(void *context, const struct schema_trouble *t)
{
    (void) t;
    ++*(size_t *) context;
}

/* A schema that names no domain gets the group's, when its fields are what the domain asks for. */
static void fill_domain(json_t *service, const struct dataset_section *d, const char *domain)
{
    const json_t *schema = json_object_get(service, "schema");
    size_t n_troubles = 0;
    struct schema_listener listener = { count_trouble, &n_troubles };

    if (!domain || !json_is_object(schema) || json_object_get(service, "domain"))
        return;
    schema_check(schema, d->type, domain, &listener);
    if (n_troubles == 0)
        fill(service, "domain", json_string(domain));
}

static void fill_datasets(json_t *document, const json_t *root_tags)
{
    json_t *datasets = json_object_get(document, "datasets");
    const char *domain = json_text(service_of(json_object_get(document, "datasetGroup")), "domain");
    json_t *import;

    if (json_object_size(datasets) == 0)
        return;
    fill(datasets, "serviceConfig", json_object());
    import = service_of(datasets);
    fill(import, "importMode", json_string("FULL"));
    fill(import, "publishAttributionMetricsToS3", json_false());
    fill_tags(import, root_tags);
    for (size_t i = 0; i < N_DATASET_SECTIONS; i++) {
        const json_t *section = json_object_get(datasets, dataset_sections[i].key);

        fill_tags(service_of(json_object_get(section, "dataset")), root_tags);
        fill_domain(service_of(json_object_get(section, "schema")), &dataset_sections[i], domain);
    }
}

static void fill_solution(json_t *solution, const json_t *root_tags)
{
    json_t *service = service_of(solution), *version;
    const json_t *campaigns = json_object_get(solution, "campaigns"), *campaign;
    size_t i;

    (void) json_object_del(service, "performAutoML");
    if (service && solution_is_scheduled(solution))
        json_object_set_new(service, "performAutoTraining", json_false());
    fill(service, "performAutoTraining", json_false());
    fill(service, "solutionVersion", json_object());
    version = json_object_get(service, "solutionVersion");
    fill(version, "trainingMode", json_string("FULL"));
    fill_tags(version, root_tags);
    fill_tags(service, root_tags);
    json_array_foreach (campaigns, i, campaign)
        fill(service_of(campaign), "minProvisionedTPS", json_integer(1));
    fill_list_tags(campaigns, root_tags);
    fill_list_tags(json_object_get(solution, "batchInferenceJobs"), root_tags);
    fill_list_tags(json_object_get(solution, "batchSegmentJobs"), root_tags);
}

json_t *effective_document(const json_t *document)
{
    json_t *e = json_clone(document);
    const json_t *tags = json_object_get(e, "tags");
    const json_t *solutions;
    size_t i;
    json_t *solution;

    if (!json_is_object(e))
        return e;
    fill_group(e, tags);
    fill_datasets(e, tags);
    fill_tags(service_of(json_object_get(e, "eventTracker")), tags);
    fill_list_tags(json_object_get(e, "filters"), tags);
    fill_list_tags(json_object_get(e, "recommenders"), tags);
    solutions = json_object_get(e, "solutions");
    json_array_foreach (solutions, i, solution)
        fill_solution(solution, tags);
    return e;
}
