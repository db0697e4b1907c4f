/*
 * decide_test.c - the one comparison, and when a job or version is current.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "steward/decide.h"
#include "steward/json.h"
#include "steward/mem.h"

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(value);
    return value;
}

/* Fields that differ, as "a,b". */
static void assert_differences(enum kind_id kind, const char *desired, const char *observed,
                               const char *expected)
{
    AUTO_JSON json_t *d = parse(desired), *o = parse(observed), *list = NULL;
    char got[200] = "";
    size_t i;
    json_t *item;

    list = decide_differences(&kinds[kind], d, o, NULL);
    json_array_foreach (list, i, item) {
        (void) snprintf(got + strlen(got), sizeof got - strlen(got), "%s%s", i ? "," : "",
                        json_text(item, "field"));
    }
    assert_string_equal(got, expected);
}

static void test_differences(void **state)
{
    (void) state;
    assert_differences(KIND_CAMPAIGN, "{\"minProvisionedTPS\":2}",
                       "{\"minProvisionedTPS\":1,\"status\":\"ACTIVE\"}", "minProvisionedTPS");
    /* An update in progress counts with the values it will have. */
    assert_differences(KIND_CAMPAIGN, "{\"minProvisionedTPS\":2}",
                       "{\"minProvisionedTPS\":1,\"latestCampaignUpdate\":{\"minProvisionedTPS\":2,"
                       "\"status\":\"CREATE "
                       "IN_PROGRESS\"}}",
                       "");
    assert_differences(KIND_CAMPAIGN, "{\"minProvisionedTPS\":2}",
                       "{\"minProvisionedTPS\":1,\"latestCampaignUpdate\":{\"minProvisionedTPS\":2,"
                       "\"status\":\"CREATE "
                       "FAILED\"}}",
                       "minProvisionedTPS");
    /* Wanted as far as given: Describe fills in defaults. */
    assert_differences(KIND_SOLUTION,
                       "{\"solutionConfig\":{\"hpoConfig\":{}},\"performHPO\":false}",
                       "{\"solutionConfig\":{\"hpoConfig\":{\"x\":1},\"y\":2}}", "");
    assert_differences(KIND_SOLUTION, "{\"solutionConfig\":{\"a\":\"1\"}}",
                       "{\"solutionConfig\":{\"a\":\"2\"}}", "solutionConfig/a");
    /* Metrics of an attribution are a set. */
    assert_differences(KIND_METRIC_ATTRIBUTION,
                       "{\"metrics\":[{\"metricName\":\"a\"},{\"metricName\":\"b\"}]}",
                       "{\"metrics\":[{\"metricName\":\"b\"},{\"metricName\":\"a\"}]}", "");
    assert_differences(KIND_METRIC_ATTRIBUTION, "{\"metrics\":[{\"metricName\":\"a\"}]}",
                       "{\"metrics\":[{\"metricName\":\"b\"}]}", "metrics");
    assert_differences(
        KIND_SCHEMA, "{\"schema\":{\"type\":\"record\",\"name\":\"Users\"}}",
        "{\"schema\":\"{\\\"name\\\": \\\"Users\\\", \\\"type\\\": \\\"record\\\"}\"}", "");
    assert_differences(KIND_SCHEMA, "{\"schema\":{\"name\":\"Items\"}}",
                       "{\"schema\":\"{\\\"name\\\":\\\"Users\\\"}\"}", "schema");
    assert_differences(KIND_DATASET, "{\"datasetType\":\"INTERACTIONS\"}",
                       "{\"datasetType\":\"Interactions\"}", "");
    assert_differences(KIND_FILTER, "{\"filterExpression\":\" INCLUDE x\\n\"}",
                       "{\"filterExpression\":\"INCLUDE x\"}", "");
    assert_differences(KIND_FILTER, "{\"name\":\"a\",\"tags\":[]}", "{\"name\":\"b\"}", "");
}

/* Whether the only difference can change in place. */
static bool is_soft(enum kind_id kind, const char *desired, const char *observed)
{
    AUTO_JSON json_t *d = parse(desired), *o = parse(observed);
    AUTO_JSON json_t *list = decide_differences(&kinds[kind], d, o, NULL);

    assert_int_equal(json_array_size(list), 1);
    return json_bool_or(json_array_get(list, 0), "inPlace", false);
}

static void test_in_place(void **state)
{
    (void) state;
    assert_true(is_soft(KIND_DATASET, "{\"schemaArn\":\"b\"}",
                        "{\"schemaArn\":\"a\",\"datasetType\":\"ITEMS\"}"));
    assert_false(is_soft(KIND_DATASET, "{\"schemaArn\":\"b\"}",
                         "{\"schemaArn\":\"a\",\"datasetType\":\"INTERACTIONS\"}"));
    assert_true(is_soft(KIND_SOLUTION, "{\"solutionConfig\":{\"autoTrainingConfig\":{\"x\":1}}}",
                        "{\"solutionConfig\":{}}"));
    assert_false(is_soft(KIND_SOLUTION, "{\"solutionConfig\":{\"hpoConfig\":{\"x\":1}}}",
                         "{\"solutionConfig\":{}}"));
    assert_false(
        is_soft(KIND_FILTER, "{\"filterExpression\":\"a\"}", "{\"filterExpression\":\"b\"}"));
}

static enum seen seen(enum kind_id kind, const char *observed, const char *differences)
{
    AUTO_JSON json_t *o = parse(observed), *d = parse(differences);

    return decide_seen(&kinds[kind], o, d);
}

static void test_seen(void **state)
{
    const char *none = "[]", *fixed = "[{\"field\":\"recipeArn\",\"inPlace\":false}]",
               *soft = "[{\"field\":\"minProvisionedTPS\",\"inPlace\":true}]";

    (void) state;
    assert_int_equal(seen(KIND_SOLUTION, "{\"status\":\"ACTIVE\"}", none), SEEN_MATCHES);
    assert_int_equal(seen(KIND_SOLUTION, "{\"status\":\"ACTIVE\"}", fixed), SEEN_CONFLICT);
    assert_int_equal(seen(KIND_CAMPAIGN, "{\"status\":\"ACTIVE\"}", soft), SEEN_DIFFERS);
    assert_int_equal(seen(KIND_CAMPAIGN, "{\"status\":\"CREATE PENDING\"}", soft),
                     SEEN_IN_PROGRESS);
    assert_int_equal(seen(KIND_CAMPAIGN, "{\"status\":\"CREATE FAILED\"}", soft), SEEN_DIFFERS);
    assert_int_equal(seen(KIND_CAMPAIGN, "{\"status\":\"CREATE FAILED\"}", none), SEEN_FAILED);
    assert_int_equal(
        seen(KIND_CAMPAIGN,
             "{\"status\":\"ACTIVE\",\"latestCampaignUpdate\":{\"status\":\"CREATE PENDING\"}}",
             none),
        SEEN_IN_PROGRESS);
    assert_int_equal(seen(KIND_SOLUTION_VERSION, "{\"status\":\"CREATE STOPPED\"}", none),
                     SEEN_STOPPED);
    assert_int_equal(seen(KIND_SOLUTION_VERSION, "{\"status\":\"CREATE STOPPING\"}", none),
                     SEEN_IN_PROGRESS);
    assert_int_equal(seen(KIND_DATASET_GROUP, "{\"status\":\"DELETE PENDING\"}", fixed),
                     SEEN_DELETING);
    assert_int_equal(seen(KIND_SCHEMA, "{\"name\":\"s\"}", none), SEEN_MATCHES);
}

#define DAY 86400

static size_t current(const char *list, struct currency rule)
{
    AUTO_JSON json_t *items = parse(list);

    return decide_current(items, &rule);
}

/* The AWS solution's rule, section by section. */
static void test_currency(void **state)
{
    const char *old =
        "[{\"status\":\"ACTIVE\",\"creationDateTime\":1000,\"lastUpdatedDateTime\":1000}]";
    const char *open =
        "[{\"status\":\"ACTIVE\",\"creationDateTime\":1000,\"lastUpdatedDateTime\":1000},"
        "{\"status\":\"CREATE "
        "IN_PROGRESS\",\"creationDateTime\":2000,\"lastUpdatedDateTime\":2000}]";
    const char *failed =
        "[{\"status\":\"CREATE FAILED\",\"creationDateTime\":5000,\"lastUpdatedDateTime\":5000}]";
    int64_t now = (1000LL + 10 * DAY) * 1000;

    (void) state;
    assert_int_equal(current(old, (struct currency){ .now_ms = now }),
                     0); /* no maxAge: any ACTIVE one */
    assert_int_equal(current(old, (struct currency){ .now_ms = now, .max_age_s = 11 * DAY }), 0);
    assert_true(current(old, (struct currency){ .now_ms = now, .max_age_s = 9 * DAY }) == SIZE_MAX);
    assert_true(current(old, (struct currency){ .now_ms = now, .is_renewal = true }) == SIZE_MAX);
    assert_int_equal(current(open, (struct currency){ .now_ms = now, .is_renewal = true }),
                     1); /* in progress: adopted */
    assert_true(current(failed, (struct currency){ .now_ms = now }) == SIZE_MAX);
    /* An import is renewed only for data newer than the last one. */
    assert_int_equal(current(old, (struct currency){ .now_ms = now,
                                                     .is_renewal = true,
                                                     .has_data_time = true,
                                                     .data_ms = 999000 }),
                     0);
    assert_true(current(old, (struct currency){ .now_ms = now,
                                                .is_renewal = true,
                                                .has_data_time = true,
                                                .data_ms = 1001000 }) == SIZE_MAX);
    assert_true(current(old, (struct currency){ .now_ms = now,
                                                .has_data_time = true,
                                                .data_ms = 999000,
                                                .is_forced = true }) == SIZE_MAX);
}

/* A second job of a solution, or a job whose file changed, was once taken for the one that was
 * there. */
static void test_batch_jobs_by_what_they_do(void **state)
{
    static const struct {
        const char *request, *observed, *ignore;
        bool is_same;
    } cases[] = {
        { "{}", "{\"numResults\": 25, \"jobName\": \"x\"}", "[]", true },
        { "{\"numResults\": 25}", "{\"numResults\": 25}", "[]", true },
        { "{\"numResults\": 25}", "{\"numResults\": 50}", "[]", false },
        { "{\"numResults\": 25}", "{\"numResults\": 50}", "[\"numResults\"]", true },
        { "{\"numResults\": 25}", "{}", "[]", true },
        { "{\"filterArn\": \"a\"}", "{}", "[]", false },
        { "{\"filterArn\": \"a\"}", "{\"filterArn\": \"a\"}", "[]", true },
        { "{\"roleArn\": \"a\"}", "{\"roleArn\": \"b\"}", "[]", true },
        { "{\"batchInferenceJobConfig\": {\"itemExplorationConfig\": {\"explorationWeight\": "
          "\"0.3\"}}}",
          "{\"batchInferenceJobConfig\": {\"itemExplorationConfig\": {\"explorationWeight\": "
          "\"0.5\"}}}",
          "[]", false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_JSON json_t *request = json_loads(cases[i].request, 0, NULL);
        AUTO_JSON json_t *observed = json_loads(cases[i].observed, 0, NULL);
        AUTO_JSON json_t *ignore = json_loads(cases[i].ignore, 0, NULL);

        if (decide_is_as_asked(&kinds[KIND_BATCH_INFERENCE_JOB], request, observed, ignore) !=
            cases[i].is_same)
            fail_msg("%s and %s", cases[i].request, cases[i].observed);
        assert_true(decide_is_as_asked(&kinds[KIND_DATASET_IMPORT_JOB], request, observed, ignore));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_seen),
        cmocka_unit_test(test_currency),
        cmocka_unit_test(test_batch_jobs_by_what_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
