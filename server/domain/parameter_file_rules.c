/*
 * parameter_file_rules.c - names that must differ, settings that exclude each other, and what has
 * changed its meaning.
 */
#include <stdio.h>

#include "parameter_file_internal.h"
#include "steward/duration.h"

static const json_t *service_of(const json_t *section)
{
    return json_object_get(section, "serviceConfig");
}

/* ---- names ---- */

/* Names seen so far: name -> pointer of the first. One kind of resource is one name space. */
static void check_name(struct check *c, json_t *seen, const json_t *service, const char *pointer)
{
    const char *name = json_text(service, "name"), *first;

    if (!name)
        return;
    first = json_text(seen, name);
    if (first)
        problem(c, CODE_DUPLICATE_NAME, pointer,
                "The name \"%s\" is taken by %s; one name is one resource. Rename one.", name,
                first);
    else
        json_object_set_new(seen, name, json_string(pointer));
}

static void check_list_names(struct check *c, json_t *seen, const json_t *list, const char *base)
{
    size_t i;
    const json_t *item;

    json_array_foreach (list, i, item) {
        char pointer[POINTER_BYTES];

        (void) snprintf(pointer, sizeof pointer, "%s/%zu/serviceConfig/name", base, i);
        check_name(c, seen, service_of(item), pointer);
    }
}

static void check_campaign_names(struct check *c, const json_t *solutions)
{
    AUTO_JSON json_t *seen = json_object();
    size_t i;
    const json_t *solution;

    json_array_foreach (solutions, i, solution) {
        char base[64];

        (void) snprintf(base, sizeof base, "/solutions/%zu/campaigns", i);
        check_list_names(c, seen, json_object_get(solution, "campaigns"), base);
    }
}

static void check_dataset_names(struct check *c, const json_t *datasets, const char *part)
{
    AUTO_JSON json_t *seen = json_object();

    for (size_t i = 0; i < N_DATASET_SECTIONS; i++) {
        const char *key = dataset_sections[i].key;
        char pointer[POINTER_BYTES];

        (void) snprintf(pointer, sizeof pointer, "/datasets/%s/%s/serviceConfig/name", key, part);
        check_name(c, seen, service_of(json_object_get(json_object_get(datasets, key), part)),
                   pointer);
    }
}

void check_names(struct check *c, const json_t *document)
{
    static const char *const lists[] = { "solutions", "filters", "recommenders" };
    const json_t *datasets = json_object_get(document, "datasets");

    c->phase = PHASE_NAMES;
    check_campaign_names(c, json_object_get(document, "solutions"));
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        AUTO_JSON json_t *seen = json_object();
        char base[32];

        (void) snprintf(base, sizeof base, "/%s", lists[i]);
        check_list_names(c, seen, json_object_get(document, lists[i]), base);
    }
    check_dataset_names(c, datasets, "schema");
    check_dataset_names(c, datasets, "dataset");
}

/* ---- settings of ours ---- */

static bool is_amount(const char *text)
{
    size_t whole = strspn(text, "0123456789"), cents = 0;

    if (text[whole] == '.')
        cents = strspn(text + whole + 1, "0123456789") + 1;
    return whole > 0 && whole <= 12 && cents != 1 && cents <= 3 && text[whole + cents] == '\0';
}

/* The API model takes http addresses for a place; data is read from S3. */
static void check_sources(struct check *c, const json_t *datasets)
{
    for (size_t i = 0; i < N_DATASET_SECTIONS; i++) {
        const char *key = dataset_sections[i].key;
        const json_t *workflow = json_object_get(json_object_get(datasets, key), "workflowConfig");
        const char *place = json_text(json_object_get(workflow, "source"), "dataLocation");
        char pointer[POINTER_BYTES];

        if (!place || str_starts(place, "s3://") || !strstr(place, "://"))
            continue;
        (void) snprintf(pointer, sizeof pointer, "/datasets/%s/workflowConfig/source/dataLocation",
                        key);
        problem(c, CODE_PATTERN, pointer, "\"%s\" is not in S3; write s3://bucket/folder/.", place);
    }
}

/* As they will be sent, the deployment's filled in: see parameter_file_effective.c. */
static void check_key(struct check *c, const json_t *group, const json_t *deployment)
{
    bool has_key = json_object_get(group, "kmsKeyArn") || json_object_get(deployment, "kmsKeyArn");
    bool has_role =
        json_object_get(group, "roleArn") || (has_key && json_object_get(deployment, "kmsRoleArn"));

    if (has_key != has_role)
        problem(c, CODE_CONFLICT, "/datasetGroup/serviceConfig",
                "kmsKeyArn and roleArn go together, and Amazon refuses one without the other: give "
                "%s too, or %s under deployment.",
                has_key ? "roleArn" : "kmsKeyArn", has_key ? "kmsRoleArn" : "kmsKeyArn");
}

void check_settings(struct check *c, const json_t *document)
{
    const json_t *deployment = json_object_get(document, "deployment");
    const char *account = json_text(deployment, "accountId");
    const char *amount = json_text(
        json_object_get(json_object_get(document, "guards"), "maxMonthlyFloor"), "amount");
    const json_t *group = service_of(json_object_get(document, "datasetGroup"));

    c->phase = PHASE_OURS;
    check_sources(c, json_object_get(document, "datasets"));
    if (account && (strlen(account) != 12 || strspn(account, "0123456789") != 12))
        problem(c, CODE_PATTERN, "/deployment/accountId",
                "\"%s\" is not an AWS account: 12 digits.", account);
    if (amount && !is_amount(amount))
        problem(c, CODE_PATTERN, "/guards/maxMonthlyFloor/amount",
                "\"%s\" is not an amount; write for example \"500.00\".", amount);
    if (json_array_size(json_object_get(deployment, "allowUnknown")) > ALLOW_MAX)
        problem(c, CODE_TOO_LONG, "/deployment/allowUnknown", "At most %d pointers are allowed.",
                ALLOW_MAX);
    check_key(c, group, deployment);
}

/* ---- what the AWS solution read in another way ---- */

static void check_solution_meaning(struct check *c, const json_t *solution, size_t index)
{
    const json_t *service = service_of(solution);
    const json_t *schedules =
        json_object_get(json_object_get(solution, "workflowConfig"), "schedules");
    char base[64];

    (void) snprintf(base, sizeof base, "/solutions/%zu/serviceConfig", index);
    if (str_eq(json_text(json_object_get(service, "solutionVersion"), "trainingMode"), "UPDATE") &&
        json_object_get(schedules, "full"))
        caution(c, CODE_CHANGED_MEANING, place_below(base, "solutionVersion/trainingMode").text,
                "The AWS solution trained UPDATE on the full schedule too; here \"full\" trains "
                "FULL and \"update\" trains UPDATE.");
    if (json_is_object(service) && !json_object_get(service, "performAutoTraining"))
        caution(c, CODE_CHANGED_MEANING, base,
                "The AWS solution never sent performAutoTraining, so Amazon trained new solutions "
                "every 7 days; here it is sent as false unless the file says true.");
}

static void check_duration_meaning(struct check *c, const json_t *workflow, const char *base)
{
    const char *text = json_text(workflow, "maxAge");

    if (text && (*text == 'P' || *text == 'p'))
        caution(c, CODE_CHANGED_MEANING, place_below(base, "maxAge").text,
                "The AWS solution did not understand \"%s\" and took it for none; here it counts.",
                text);
}

static void check_batch_meaning(struct check *c, const json_t *solution, size_t index)
{
    static const char *const keys[] = { "batchInferenceJobs", "batchSegmentJobs" };

    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        const json_t *jobs = json_object_get(solution, keys[k]), *job;
        size_t i;

        json_array_foreach (jobs, i, job) {
            AUTO_FREE char *base =
                xasprintf("/solutions/%zu/%s/%zu/workflowConfig", index, keys[k], i);

            check_duration_meaning(c, json_object_get(job, "workflowConfig"), base);
        }
    }
}

void check_changed_meaning(struct check *c, const json_t *document)
{
    const json_t *group = json_object_get(document, "datasetGroup");
    const json_t *solutions = json_object_get(document, "solutions"), *solution;
    static const char *const from_stack[] = { "kmsKeyArn", "roleArn" };
    size_t i;

    c->phase = PHASE_OURS;
    for (i = 0; i < ARRAY_LEN(from_stack); i++)
        if (json_object_get(service_of(group), from_stack[i]))
            caution(c, CODE_CHANGED_MEANING,
                    place_below("/datasetGroup/serviceConfig", from_stack[i]).text,
                    "The AWS solution ignored \"%s\" and took its stack's; here it is sent.",
                    from_stack[i]);
    if (str_eq(json_text(service_of(json_object_get(document, "datasets")), "importMode"),
               "INCREMENTAL"))
        caution(c, CODE_CHANGED_MEANING, "/datasets/serviceConfig/importMode",
                "The AWS solution ignored INCREMENTAL and imported FULL; here it is honoured (the "
                "first import is FULL).");
    check_duration_meaning(c, json_object_get(group, "workflowConfig"),
                           "/datasetGroup/workflowConfig");
    json_array_foreach (solutions, i, solution) {
        check_solution_meaning(c, solution, i);
        check_batch_meaning(c, solution, i);
    }
}
