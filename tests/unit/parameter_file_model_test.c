/*
 * parameter_file_model_test.c - the model that a valid file becomes, and the documents made from
 * its tables.
 */
#include "parameter_file_testing.h"

/* ---- the model ---- */

static const struct component *component(const struct parameter_file *f, const char *key)
{
    for (size_t i = 0; i < f->n_components; i++)
        if (strcmp(f->components[i].key, key) == 0)
            return &f->components[i];
    fail_msg("no component %s", key);
    return NULL;
}

static void test_components(void **state)
{
    static const char *const keys[] = {
        "datasetGroup/shop",
        "schema/shop/shop-events-schema",
        "schema/shop/shop-items-schema",
        "schema/shop/shop-users-schema",
        "dataset/shop/INTERACTIONS",
        "dataset/shop/ITEMS",
        "dataset/shop/USERS",
        "datasetImportJob/shop/INTERACTIONS",
        "datasetImportJob/shop/ITEMS",
        "datasetImportJob/shop/USERS",
        "eventTracker/shop",
        "filter/not-bought",
        "solution/shop-up",
        "solution/shop-affinity",
        "solutionVersion/shop-up",
        "solutionVersion/shop-affinity",
        "campaign/shop-up-live",
        "recommender/shop-trending",
        "batchInferenceJob/shop-up/0",
        "batchSegmentJob/shop-affinity/0",
    };
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;
    const struct component *c;

    (void) state;
    parameter_file_load(document, &f);
    assert_int_equal(f.n_components, ARRAY_LEN(keys));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_string_equal(f.components[i].key, keys[i]);
    c = component(&f, "datasetImportJob/shop/USERS");
    assert_string_equal(c->name, "USERS");
    assert_string_equal(c->dataset_type, "USERS");
    assert_int_equal(c->max_age_s, 30 * 86400);
    assert_string_equal(f.components[c->parent].key, "dataset/shop/USERS");
    assert_string_equal(json_text(c->service, "importMode"), "FULL");
    c = component(&f, "solution/shop-up");
    assert_true(json_is_false(json_object_get(c->service, "performAutoTraining")));
    assert_true(json_is_false(json_object_get(c->service, "performHPO")));
    assert_null(json_object_get(c->service, "solutionVersion"));
    c = component(&f, "solutionVersion/shop-up");
    assert_string_equal(json_text(c->service, "trainingMode"), "FULL");
    assert_string_equal(f.components[c->parent].key, "solution/shop-up");
    c = component(&f, "campaign/shop-up-live");
    assert_string_equal(f.components[c->parent].key, "solutionVersion/shop-up");
    c = component(&f, "batchInferenceJob/shop-up/0");
    assert_string_equal(c->name, "shop-up/0");
    assert_int_equal(c->max_age_s, 86400);
    c = component(&f, "schema/shop/shop-items-schema");
    assert_true(json_is_object(json_object_get(c->service, "schema")));
    assert_int_equal(c->parent, SIZE_MAX);
    parameter_file_done(&f);
}

/* Own tags as they are, even none; else the root's; a campaign inherits from the root, not from its
 * solution. */
static void test_tags(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;

    (void) state;
    edit(document, "/tags", "[{\"tagKey\": \"root\", \"tagValue\": \"1\"}]");
    edit(document, "/solutions/0/serviceConfig/tags",
         "[{\"tagKey\": \"own\", \"tagValue\": \"2\"}]");
    edit(document, "/eventTracker/serviceConfig/tags", "[]");
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 0);
    assert_string_equal(
        json_text(json_array_get(component(&f, "solution/shop-up")->tags, 0), "tagKey"), "own");
    assert_string_equal(
        json_text(json_array_get(component(&f, "campaign/shop-up-live")->tags, 0), "tagKey"),
        "root");
    assert_string_equal(
        json_text(json_array_get(component(&f, "solutionVersion/shop-up")->tags, 0), "tagKey"),
        "root");
    assert_string_equal(
        json_text(json_array_get(component(&f, "datasetImportJob/shop/ITEMS")->tags, 0), "tagKey"),
        "root");
    assert_string_equal(
        json_text(json_array_get(component(&f, "filter/not-bought")->tags, 0), "tagKey"), "team");
    assert_int_equal(json_array_size(component(&f, "eventTracker/shop")->tags), 0);
    assert_int_equal(json_array_size(component(&f, "schema/shop/shop-users-schema")->tags), 0);
    parameter_file_done(&f);
}

static void test_schedules(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;

    (void) state;
    edit(document, FULL, "{\"after\": \"import\"}");
    edit(document, UPDATE,
         "{\"expression\": \"rate(2 hours)\", \"timeZone\": \"Europe/Berlin\", \"overlap\": "
         "\"cancelOther\", \"catchUp\": \"all\", \"startAt\": \"2027-01-01T00:00:00Z\", "
         "\"jitterSeconds\": 9, \"enabled\": false}");
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 0);
    assert_int_equal(f.n_schedules, 5);
    assert_string_equal(f.schedules[0].path, "import");
    assert_null(f.schedules[0].subject);
    assert_int_equal(f.schedules[0].component, SIZE_MAX);
    assert_string_equal(f.schedules[0].expression, "cron(0 4 * * ? *)");
    assert_true(f.schedules[0].is_enabled);
    assert_string_equal(f.schedules[1].path, "solutions/shop-up/full");
    assert_true(f.schedules[1].is_after_import);
    assert_string_equal(f.schedules[2].path, "solutions/shop-up/update");
    assert_string_equal(f.schedules[2].subject, "shop-up");
    assert_int_equal(f.schedules[2].parsed.rate_s, 7200);
    assert_string_equal(f.schedules[2].time_zone, "Europe/Berlin");
    assert_int_equal(f.schedules[2].overlap, OVERLAP_CANCEL_OTHER);
    assert_int_equal(f.schedules[2].catch_up, CATCH_UP_ALL);
    assert_int_equal(f.schedules[2].start_s, 1798761600);
    assert_int_equal(f.schedules[2].jitter_s, 9);
    assert_false(f.schedules[2].is_enabled);
    assert_string_equal(f.schedules[3].path, "solutions/shop-up/batchInferenceJobs/0");
    assert_string_equal(f.components[f.schedules[3].component].key, "batchInferenceJob/shop-up/0");
    assert_string_equal(f.schedules[4].path, "solutions/shop-affinity/batchSegmentJobs/0");
    assert_string_equal(f.components[f.schedules[4].component].key,
                        "batchSegmentJob/shop-affinity/0");
    parameter_file_done(&f);
}

/* A schedule of ours owns the training; without one the file's word counts; else false. */
static void test_auto_training(void **state)
{
    static const struct {
        const char *schedules, *given;
        bool expected;
    } cases[] = {
        { "{\"full\": \"rate(7 days)\"}", "true", false },
        { "{\"full\": \"rate(7 days)\"}", NULL, false },
        { "{\"full\": \"delete\"}", "true", true },
        { "{\"full\": {\"expression\": \"rate(7 days)\", \"enabled\": false}}", "true", true },
        { "{\"update\": {\"after\": \"import\"}}", "true", false },
        { "{}", "true", true },
        { "{}", "false", false },
        { "{}", NULL, false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_JSON json_t *document = read_json(BASE);
        struct parameter_file f;

        edit(document, SOLUTION "/workflowConfig/schedules", cases[i].schedules);
        if (cases[i].given)
            edit(document, SOLUTION "/serviceConfig/performAutoTraining", cases[i].given);
        parameter_file_load(document, &f);
        assert_int_equal(f.errors.count, 0);
        assert_true(json_boolean_value(json_object_get(component(&f, "solution/shop-up")->service,
                                                       "performAutoTraining")) ==
                    cases[i].expected);
        parameter_file_done(&f);
    }
}

static void test_workflow(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;
    const struct component *c;

    (void) state;
    edit(document, "/filters/0/workflowConfig",
         "{\"adopt\": \"never\", \"manage\": \"observe\", \"preventDestroy\": true, "
         "\"ignoreFields\": [\"filterExpression\"]}");
    edit(document, "/datasets/users/workflowConfig",
         "{\"source\": {\"dataLocation\": \"s3://b/u/\"}}");
    edit(document, SOLUTION "/workflowConfig/onImmutableChange", "\"blueGreen\"");
    edit(document, "/deployment",
         "{\"kmsKeyArn\": \"arn:aws:kms:us-east-1:123456789012:key/k\", "
         "\"kmsRoleArn\": \"arn:aws:iam::123456789012:role/r\"}");
    parameter_file_load(document, &f);
    print_findings("error", &f.errors);
    assert_int_equal(f.errors.count, 0);
    c = component(&f, "filter/not-bought");
    assert_int_equal(c->adopt, ADOPT_NEVER);
    assert_true(c->is_observed_only && c->is_destroy_prevented);
    assert_int_equal(json_array_size(c->ignore_fields), 1);
    c = component(&f, "datasetImportJob/shop/USERS");
    assert_string_equal(json_string_value(json_at(c->workflow, "/source/dataLocation")),
                        "s3://b/u/");
    assert_true(component(&f, "solution/shop-up")->is_blue_green);
    c = component(&f, "datasetGroup/shop");
    assert_non_null(json_text(c->service, "kmsKeyArn"));
    assert_non_null(json_text(c->service, "roleArn"));
    parameter_file_done(&f);
}

/* ---- documents ---- */

static void test_sample(void **state)
{
    size_t n;
    AUTO_FREE char *text = read_file(TEST_DATA "/../../docs/samples/parameter-file.json", &n);
    struct parameter_file f;

    (void) state;
    parameter_file_parse(text, n, &f);
    print_findings("error", &f.errors);
    print_findings("warning", &f.warnings);
    assert_int_equal(f.errors.count, 0);
    assert_int_equal(f.warnings.count, 0);
    check_properties(f.document, &f);
    parameter_file_done(&f);
}

/* docs/validation.md has exactly the rows of finding_codes[]. */
static void test_documented_codes(void **state)
{
    size_t n, n_codes = 0, n_rows = 0;
    AUTO_FREE char *text = read_file(TEST_DATA "/../../docs/validation.md", &n);

    (void) state;
    for (const struct finding_code *c = finding_codes; c->code; c++, n_codes++) {
        AUTO_FREE char *row = xasprintf("\n| `%s` | %s | %s |\n", c->code, c->meaning, c->cure);

        if (!strstr(text, row))
            fail_msg("docs/validation.md lacks the row:%s", row);
        assert_true(strlen(c->code) < sizeof((struct finding *) NULL)->code);
    }
    for (const char *at = strstr(text, "## Codes"); at && (at = strstr(at + 1, "\n| `"));)
        n_rows += strchr(at + 4, '`')[1] == ' ' && strstr(at, "## What") != NULL;
    assert_int_equal(n_rows, n_codes);
}

static const json_t *follow(const json_t *schema, const json_t *at)
{
    const char *target = json_text(at, "$ref");

    return target ? json_at(schema, target + 1) : at;
}

/* The JSON Schema has a place for every key of a file that uses everything, and every reference
 * resolves. */
/* NOLINTNEXTLINE(misc-no-recursion): asserts its depth */
static void walk_schema(const json_t *root, const json_t *schema, const json_t *value, int depth)
{
    const json_t *choices = json_object_get(schema, "anyOf"), *items, *choice;
    const char *key;
    json_t *member;
    size_t i;

    assert_true(depth < 20);
    schema = follow(root, schema);
    assert_non_null(schema);
    json_array_foreach (choices, i, choice)
        if (json_is_object(value) && json_object_get(follow(root, choice), "properties"))
            schema = follow(root, choice);
    items = json_object_get(schema, "items");
    if (json_is_array(value) && items)
        json_array_foreach (value, i, member)
            walk_schema(root, items, member, depth + 1);
    if (!json_is_object(value) || !json_is_object(json_object_get(schema, "properties")))
        return;
    json_object_foreach ((json_t *) value, key, member) {
        const json_t *own = json_object_get(json_object_get(schema, "properties"), key);

        if (!own)
            fail_msg("the JSON Schema has no place for \"%s\"", key);
        walk_schema(root, own, member, depth + 1);
    }
}

/* Members without a sentence of their own: an editor once offered 60 of them, all of Amazon's. */
/* NOLINTNEXTLINE(misc-no-recursion): asserts its depth */
static int count_wordless(const json_t *at, int depth)
{
    const char *key;
    json_t *member;
    size_t i;
    int n = 0;

    assert_true(depth < 60);
    json_array_foreach (at, i, member)
        n += count_wordless(member, depth + 1);
    json_object_foreach ((json_t *) at, key, member)
        n += count_wordless(member, depth + 1);
    at = json_object_get(at, "properties");
    json_object_foreach ((json_t *) at, key, member) {
        if (json_text(member, "description"))
            continue;
        print_error("no words for \"%s\"\n", key);
        n++;
    }
    return n;
}

static void test_json_schema(void **state)
{
    static const char *const edits[][2] = {
        { "/tags", "[{\"tagKey\": \"a\", \"tagValue\": \"b\"}]" },
        { "/guards", "{\"maxMonthlyFloor\": {\"amount\": \"5\", \"currency\": \"USD\"}}" },
        { "/deployment", "{\"bucket\": \"b\", \"allowUnknown\": []}" },
        { "/filters/0/workflowConfig", "{\"adopt\": \"auto\", \"ignoreFields\": []}" },
        { "/datasets/users/workflowConfig", "{\"source\": {\"dataLocation\": \"s3://b/u/\"}}" },
        { FULL, "{\"expression\": \"rate(1 day)\", \"overlap\": \"queue\"}" },
        { SOLUTION "/workflowConfig/promotion",
          "{\"policy\": \"gated\", \"rules\": [{\"metric\": \"coverage\", "
          "\"maxDropFromMedianOf\": {\"versions\": 5, \"drop\": 0.1}}]}" },
        { SOLUTION "/serviceConfig/solutionConfig",
          "{\"algorithmHyperParameters\": {\"bptt\": \"32\"}}" },
        { CAMPAIGN "/campaignConfig", "{\"rankingInfluence\": {\"FRESHNESS\": 0.5}}" },
    };
    AUTO_JSON json_t *schema = parameter_file_schema();
    AUTO_JSON json_t *base = read_json(BASE);
    struct parameter_file f;

    (void) state;
    assert_string_equal(json_text(schema, "$schema"),
                        "https://json-schema.org/draft/2020-12/schema");
    assert_string_equal(json_string_value(json_at(schema, "/properties/solutions/title")),
                        "Solutions");
    assert_non_null(json_at(
        schema, "/properties/datasetGroup/properties/serviceConfig/properties/domain/enum"));
    assert_null(json_at(
        schema, "/properties/solutions/items/properties/serviceConfig/properties/datasetGroupArn"));
    assert_int_equal(count_wordless(schema, 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(edits); i++)
        edit(base, edits[i][0], edits[i][1]);
    parameter_file_load(base, &f);
    print_findings("error", &f.errors);
    assert_int_equal(f.errors.count, 0);
    walk_schema(schema, schema, f.effective, 0);
    parameter_file_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_components),       cmocka_unit_test(test_tags),
        cmocka_unit_test(test_schedules),        cmocka_unit_test(test_auto_training),
        cmocka_unit_test(test_workflow),         cmocka_unit_test(test_sample),
        cmocka_unit_test(test_documented_codes), cmocka_unit_test(test_json_schema),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
