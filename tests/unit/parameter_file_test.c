/*
 * parameter_file_test.c - the parameter file: verdicts of the example files, every rule good and
 * bad, the model they become, and properties over all of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/parameter_file.h"
#include "steward/str.h"

#define EXAMPLES TEST_DATA "/parameter-files/"
#define BASE     EXAMPLES "m139-filter-tags-good.json"

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    struct buf b = { 0 };
    char chunk[4096];
    size_t got;

    if (!f)
        fail_msg("cannot open %s", path);
    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&b, chunk, got);
    (void) fclose(f);
    *n = b.length;
    return buf_take(&b);
}

static json_t *read_json(const char *path)
{
    size_t n;
    AUTO_FREE char *text = read_file(path, &n);
    json_t *json = json_loadb(text, n, 0, NULL);

    assert_non_null(json);
    return json;
}

static void print_findings(const char *title, const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        print_message("  %s %s %s: %s\n", title, f->items[i].pointer, f->items[i].code,
                      f->items[i].detail);
}

static const struct finding *find(const struct findings *f, const char *pointer, const char *code)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].pointer, pointer) == 0 && strcmp(f->items[i].code, code) == 0)
            return &f->items[i];
    return NULL;
}

/* Sets (or with value NULL removes) what the pointer leads to; "-" as last token appends to a list.
 */
static void edit(json_t *document, const char *pointer, const char *value)
{
    AUTO_FREE char *parent = xstrdup(pointer);
    char *last = strrchr(parent, '/');
    json_t *at, *new = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;

    assert_non_null(last);
    assert_true(!value || new);
    *last++ = '\0';
    at = json_at(document, parent);
    if (!at)
        fail_msg("nothing at %s", parent);
    if (json_is_array(at) && strcmp(last, "-") == 0)
        assert_int_equal(json_array_append_new(at, new), 0);
    else if (json_is_array(at))
        assert_int_equal(new ? json_array_set_new(at, (size_t) atoi(last), new)
                             : json_array_remove(at, (size_t) atoi(last)),
                         0);
    else
        assert_int_equal(new ? json_object_set_new(at, last, new) : json_object_del(at, last), 0);
}

/* Every finding is at a place that exists, or whose parent does; codes are known; sentences are
 * there. */
static void check_findings(const json_t *document, const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        AUTO_FREE char *pointer = xstrdup(f->items[i].pointer);
        const struct finding_code *code = finding_codes;
        char *last = strrchr(pointer, '/');

        while (code->code && strcmp(code->code, f->items[i].code) != 0)
            code++;
        assert_non_null(code->code);
        assert_true(strlen(f->items[i].detail) > 10);
        if (json_at(document, pointer))
            continue;
        if (!last)
            fail_msg("%s leads nowhere", pointer);
        *last = '\0';
        if (!json_at(document, pointer))
            fail_msg("%s: its parent does not exist", f->items[i].pointer);
    }
}

/* What must hold of every file: places resolve; the effective document is a fixed point and as
 * valid as the file. */
static void check_properties(const json_t *document, struct parameter_file *f)
{
    struct parameter_file again;

    check_findings(document, &f->errors);
    check_findings(document, &f->warnings);
    if (f->errors.count > 0)
        return;
    parameter_file_load(f->effective, &again);
    print_findings("effective", &again.errors);
    assert_int_equal(again.errors.count, 0);
    assert_true(json_equal(f->effective, again.effective));
    assert_int_equal(again.n_components, f->n_components);
    assert_int_equal(again.n_schedules, f->n_schedules);
    parameter_file_done(&again);
    for (size_t i = 0; i < f->n_components; i++) {
        const struct component *c = &f->components[i];

        assert_true(c->parent == SIZE_MAX || c->parent < i);
        assert_non_null(json_at(f->effective, c->pointer));
        assert_true(json_is_object(c->service));
        assert_true(json_is_array(c->tags));
        assert_null(json_object_get(c->service, "tags"));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(f->components[k].key, c->key);
    }
}

/* Every file of the examples has the verdict its index gives. */
static void test_examples(void **state)
{
    size_t n, i, n_wrong = 0;
    AUTO_JSON json_t *index = read_json(EXAMPLES "index.json");
    const json_t *cases = json_object_get(index, "cases"), *one;

    (void) state;
    assert_true(json_array_size(cases) >= 50);
    json_array_foreach (cases, i, one) {
        AUTO_FREE char *path = xasprintf(EXAMPLES "%s", json_text(one, "file"));
        AUTO_FREE char *document = read_file(path, &n);
        bool is_valid = strcmp(json_text(one, "expect"), "valid") == 0;
        struct parameter_file f;

        parameter_file_parse(document, n, &f);
        if ((f.errors.count == 0) != is_valid) {
            n_wrong++;
            print_message("%s: expected %s (%s)\n", json_text(one, "file"),
                          json_text(one, "expect"), json_text(one, "why"));
            print_findings("error", &f.errors);
        }
        if (f.document)
            check_properties(f.document, &f);
        parameter_file_done(&f);
    }
    assert_int_equal(n_wrong, 0);
}

/* ---- one rule each ---- */

struct rule {
    const char *at, *value;     /* the edit of the base file; value NULL: remove */
    const char *pointer, *code; /* the finding it makes; NULL: none */
};

static void try_rule(const json_t *base, const struct rule *r, bool is_error)
{
    AUTO_JSON json_t *document = json_deep_copy(base);
    struct parameter_file f;

    edit(document, r->at, r->value);
    parameter_file_load(document, &f);
    check_properties(document, &f);
    if (!r->code && f.errors.count > 0) {
        print_findings("error", &f.errors);
        fail_msg("%s = %s should be valid", r->at, r->value ? r->value : "(removed)");
    }
    if (r->code && !find(is_error ? &f.errors : &f.warnings, r->pointer, r->code)) {
        print_findings("error", &f.errors);
        print_findings("warning", &f.warnings);
        fail_msg("%s = %s should give %s at %s", r->at, r->value ? r->value : "(removed)", r->code,
                 r->pointer);
    }
    if (r->code && !is_error)
        assert_int_equal(f.errors.count, 0);
    parameter_file_done(&f);
}

#define GROUP    "/datasetGroup/serviceConfig"
#define SOLUTION "/solutions/0"
#define CAMPAIGN "/solutions/0/campaigns/0/serviceConfig"
#define BATCH    "/solutions/0/batchInferenceJobs/0"
#define SEGMENT  "/solutions/1/batchSegmentJobs/0"
#define IMPORT   "/datasetGroup/workflowConfig/schedules/import"
#define FULL     "/solutions/0/workflowConfig/schedules/full"
#define UPDATE   "/solutions/0/workflowConfig/schedules/update"
#define ARN      "\"arn:aws:personalize:us-east-1:123456789012:"
#define RECIPE   "\"arn:aws:personalize:::recipe/"
#define FILTER   "/filters/0/serviceConfig/filterExpression"
#define ITEMS    "/datasets/items/schema/serviceConfig"

/* clang-format off */
static const struct rule good[] = {
    /* an empty section means none */
    { "/filters", "[]", NULL, NULL },
    { "/solutions", "[]", NULL, NULL },
    { "/recommenders", "[]", NULL, NULL },
    { "/tags", "[]", NULL, NULL },
    { "/datasets", "{}", NULL, NULL },
    { "/datasets/users", "{}", NULL, NULL },
    { "/eventTracker", "{}", NULL, NULL },
    { SOLUTION "/campaigns", "[]", NULL, NULL },
    { SOLUTION "/workflowConfig", "{}", NULL, NULL },
    { SOLUTION "/workflowConfig/schedules", "{}", NULL, NULL },
    { BATCH "/serviceConfig", "{}", NULL, NULL },
    { "/deployment", "{}", NULL, NULL },
    { "/guards", "{}", NULL, NULL },
    { "/datasets", NULL, NULL, NULL },
    { "/$schema", "\"https://example.com/parameter-file.json\"", NULL, NULL },
    /* false, 0 and [] are values */
    { SOLUTION "/serviceConfig/performHPO", "false", NULL, NULL },
    { BATCH "/serviceConfig/numResults", "0", NULL, NULL },
    { CAMPAIGN "/tags", "[]", NULL, NULL },
    /* what the AWS solution refused or dropped and the service takes */
    { SOLUTION "/serviceConfig/solutionVersion", "{\"name\": \"nightly\", \"trainingMode\": \"UPDATE\"}", NULL, NULL },
    { SOLUTION "/serviceConfig/performAutoTraining", "true", NULL, NULL },
    { SOLUTION "/serviceConfig/performAutoML", "true", NULL, NULL },
    { SOLUTION "/serviceConfig/solutionConfig", "{\"autoTrainingConfig\": {\"schedulingExpression\": \"rate(30 days)\"}}", NULL, NULL },
    { SOLUTION "/serviceConfig/name", "\"sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss\"", NULL, NULL },
    { "/datasets/serviceConfig", "{\"importMode\": \"INCREMENTAL\", \"publishAttributionMetricsToS3\": true}", NULL, NULL },
    { CAMPAIGN "/campaignConfig", "{\"syncWithLatestSolutionVersion\": true, \"rankingInfluence\": {\"FRESHNESS\": 0.5}}", NULL, NULL },
    { "/recommenders/0/serviceConfig/recommenderConfig", "{\"minRecommendationRequestsPerSecond\": 2}", NULL, NULL },
    { "/solutions/1/serviceConfig/recipeArn", "\"arn:aws-cn:personalize:::recipe/aws-item-affinity\"", NULL, NULL },
    /* as the AWS solution's own samples have it: record names in lower case, no version, "in" */
    { "/datasets/users/schema/serviceConfig/schema/name", "\"users\"", NULL, NULL },
    { "/datasets/users/schema/serviceConfig/schema/version", NULL, NULL, NULL },
    { FILTER, "\"INCLUDE ItemID WHERE Interactions.EVENT_TYPE in (\\\"click\\\", \\\"stream\\\")\"", NULL, NULL },
    /* schedules and durations */
    { IMPORT, "\"\"", NULL, NULL },
    { IMPORT, "\"delete\"", NULL, NULL },
    { IMPORT, "\"rate(6 hours)\"", NULL, NULL },
    { IMPORT, "\"at(2027-01-31T06:00:00)\"", NULL, NULL },
    { IMPORT, "{\"expression\": \"cron(0 4 LW * ? 2027,2028)\", \"timeZone\": \"Europe/Berlin\", \"startAt\": \"2027-01-01T00:00:00Z\", \"endAt\": \"2027-12-31T00:00:00+01:00\", \"overlap\": \"queue\", \"catchUp\": \"none\", \"startingDeadlineSeconds\": 60, \"jitterSeconds\": 30, \"enabled\": false}", NULL, NULL },
    { FULL, "{\"after\": \"import\"}", NULL, NULL },
    { BATCH "/workflowConfig/schedule", "{\"expression\": \"rate(1 day)\"}", NULL, NULL },
    { SEGMENT "/workflowConfig/schedule", "\"delete\"", NULL, NULL },
    { BATCH "/workflowConfig/maxAge", "\"two days\"", NULL, NULL },
    { "/datasetGroup/workflowConfig/maxAge", "\"P30D\"", NULL, NULL },
    /* ours */
    { "/filters/0/workflowConfig", "{\"adopt\": \"takeover\", \"manage\": \"observe\", \"preventDestroy\": true, \"ignoreFields\": [\"filterExpression\"]}", NULL, NULL },
    { "/datasets/users/workflowConfig", "{\"source\": {\"dataLocation\": \"s3://b/users/\", \"pattern\": \"newestPrefix\"}, \"check\": \"warn\"}", NULL, NULL },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"gated\", \"rules\": [{\"metric\": \"coverage\", \"min\": 0.1, \"maxDropFromMedianOf\": {\"versions\": 5, \"drop\": 0.1}, \"minGainOverBaseline\": 0.05}], \"baselineSolution\": \"shop-affinity\", \"holdFor\": \"2 days\", \"whenNoMetrics\": \"promote\"}", NULL, NULL },
    { SOLUTION "/workflowConfig/onImmutableChange", "\"blueGreen\"", NULL, NULL },
    { "/guards", "{\"maxMinProvisionedTPS\": 5, \"maxMonthlyFloor\": {\"amount\": \"500.00\", \"currency\": \"USD\"}, \"maxTrainingsPerDay\": 2, \"minRowsRatio\": 0.5}", NULL, NULL },
    { "/deployment", "{\"bucket\": \"b\", \"prefix\": \"train/x/\", \"roleArn\": \"arn:aws:iam::123456789012:role/r\", \"region\": \"eu-central-1\", \"accountId\": \"123456789012\"}", NULL, NULL },
    { "/metricAttribution", "{\"serviceConfig\": {\"name\": \"m\", \"metrics\": [{\"eventType\": \"watch\", \"metricName\": \"n\", \"expression\": \"SAMPLECOUNT()\"}], \"metricsOutputConfig\": {\"roleArn\": \"arn:aws:iam::123456789012:role/r\"}}}", NULL, NULL },
    { "/datasets/actions", "{\"dataset\": {\"serviceConfig\": {\"name\": \"a\"}}, \"schema\": {\"serviceConfig\": {\"name\": \"as\", \"schema\": {\"type\": \"record\", \"name\": \"Actions\", \"namespace\": \"com.amazonaws.personalize.schema\", \"version\": \"1.0\", \"fields\": [{\"name\": \"ACTION_ID\", \"type\": \"string\"}, {\"name\": \"VALUE\", \"type\": [\"null\", \"long\"]}]}}}}", NULL, NULL },
    { FILTER, "\"EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\\\"*\\\") | INCLUDE ItemID WHERE Items.PRICE <= ($MAX) IF CurrentUser.TIER = \\\"gold\\\"\"", NULL, NULL },
};

static const struct rule bad[] = {
    /* null is no value, and a section has its type */
    { "/filters", "null", "/filters", "wrong-type" },
    { "/solutions", "{\"serviceConfig\": {\"name\": \"x\"}}", "/solutions", "wrong-type" },
    { "/solutions/0", "\"x\"", "/solutions/0", "wrong-type" },
    { SOLUTION "/campaigns", "null", "/solutions/0/campaigns", "wrong-type" },
    { SOLUTION "/campaigns/0", "{}", "/solutions/0/campaigns/0/serviceConfig", "missing" },
    { "/datasets", "[]", "/datasets", "wrong-type" },
    { "/datasets/interactions", "{}", "/datasets/interactions", "missing" },
    { "/datasets/users/dataset", NULL, "/datasets/users/dataset", "missing" },
    { "/datasets/users/schema", "{}", "/datasets/users/schema/serviceConfig", "missing" },
    { "/datasetGroup", NULL, "/datasetGroup", "missing" },
    { "/datasetGroup/serviceConfig", "{}", GROUP "/name", "missing" },
    { GROUP, "\"x\"", GROUP, "wrong-type" },
    { "/recommenders/0", "{}", "/recommenders/0/serviceConfig", "missing" },
    { "/eventTracker", "[]", "/eventTracker", "wrong-type" },
    { "/eventTracker/serviceConfig", "{}", "/eventTracker/serviceConfig/name", "missing" },
    { SOLUTION "/serviceConfig/solutionVersion", "null", SOLUTION "/serviceConfig/solutionVersion", "wrong-type" },
    { SOLUTION "/serviceConfig/solutionVersion", "\"x\"", SOLUTION "/serviceConfig/solutionVersion", "wrong-type" },
    /* unknown keys, ours and Amazon's */
    { "/solution", "[]", "/solution", "unknown-key" },
    { "/a~1b", "1", "/a~01b", "unknown-key" } /* the key is a~1b */,
    { SOLUTION "/workflowConfig/maxAge", "\"1 day\"", SOLUTION "/workflowConfig/maxAge", "unknown-key" },
    { SOLUTION "/workflowConfig/schedules/maxAge", "\"1 day\"", SOLUTION "/workflowConfig/schedules/maxAge", "unknown-key" },
    { SOLUTION "/serviceConfig/recipeARN", "\"x\"", SOLUTION "/serviceConfig/recipeARN", "unknown-key" },
    { SOLUTION "/serviceConfig/solutionConfig", "{\"eventsConfig\": {\"x\": 1}}", SOLUTION "/serviceConfig/solutionConfig/eventsConfig/x", "unknown-key" },
    { SOLUTION "/serviceConfig/solutionVersion", "{\"mode\": \"FULL\"}", SOLUTION "/serviceConfig/solutionVersion/mode", "unknown-key" },
    { "/datasets/serviceConfig", "{\"import\": 1}", "/datasets/serviceConfig/import", "unknown-key" },
    { "/datasets/users/schema/serviceConfig/tags", "[]", "/datasets/users/schema/serviceConfig/tags", "unknown-key" },
    { "/filters/0/workflowConfig", "{\"maxAge\": \"1 day\"}", "/filters/0/workflowConfig/maxAge", "unknown-key" },
    { "/guards", "{\"maxTPS\": 1}", "/guards/maxTPS", "unknown-key" },
    /* the API model: type, length, value, form, enumeration */
    { GROUP "/name", "7", GROUP "/name", "wrong-type" },
    { GROUP "/name", "\"\"", GROUP "/name", "too-short" },
    { GROUP "/name", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", GROUP "/name", "too-long" },
    { GROUP "/name", "\"a b\"", GROUP "/name", "pattern" },
    { GROUP "/domain", "\"TOYS\"", GROUP "/domain", "enum" },
    { GROUP "/roleArn", "\"r\"", GROUP "/roleArn", "pattern" },
    { CAMPAIGN "/minProvisionedTPS", "0", CAMPAIGN "/minProvisionedTPS", "too-small" },
    { CAMPAIGN "/minProvisionedTPS", "1.5", CAMPAIGN "/minProvisionedTPS", "wrong-type" },
    { CAMPAIGN "/minProvisionedTPS", "true", CAMPAIGN "/minProvisionedTPS", "wrong-type" },
    { CAMPAIGN "/campaignConfig", "{\"itemExplorationConfig\": {\"explorationWeight\": 0.3}}", CAMPAIGN "/campaignConfig/itemExplorationConfig/explorationWeight", "wrong-type" },
    { CAMPAIGN "/campaignConfig", "{\"rankingInfluence\": {\"PRICE\": 0.5}}", CAMPAIGN "/campaignConfig/rankingInfluence/PRICE", "enum" },
    { CAMPAIGN "/campaignConfig", "{\"rankingInfluence\": {\"FRESHNESS\": 1.5}}", CAMPAIGN "/campaignConfig/rankingInfluence/FRESHNESS", "too-large" },
    { "/recommenders/0/serviceConfig/recommenderConfig", "{\"minRecommendationRequestsPerSecond\": 0}", "/recommenders/0/serviceConfig/recommenderConfig/minRecommendationRequestsPerSecond", "too-small" },
    { "/datasets/serviceConfig", "{\"importMode\": \"PARTIAL\"}", "/datasets/serviceConfig/importMode", "enum" },
    { SOLUTION "/serviceConfig/solutionVersion", "{\"trainingMode\": \"full\"}", SOLUTION "/serviceConfig/solutionVersion/trainingMode", "enum" },
    { SOLUTION "/serviceConfig/solutionConfig", "{\"autoTrainingConfig\": {\"schedulingExpression\": \"rate(31 days)\"}}", SOLUTION "/serviceConfig/solutionConfig/autoTrainingConfig/schedulingExpression", "too-large" },
    { BATCH "/serviceConfig/filterArn", "\"not-bought\"", BATCH "/serviceConfig/filterArn", "pattern" },
    { "/metricAttribution", "{\"serviceConfig\": {\"name\": \"m\"}}", "/metricAttribution/serviceConfig/metrics", "missing" },
    /* tags */
    { "/tags", "{}", "/tags", "wrong-type" },
    { "/tags", "[{\"tagKey\": \"a\"}]", "/tags/0/tagValue", "missing" },
    { "/tags", "[{\"tagKey\": \"a\", \"tagValue\": \"b\", \"x\": 1}]", "/tags/0/x", "unknown-key" },
    { "/tags", "[{\"tagKey\": \"a!\", \"tagValue\": \"b\"}]", "/tags/0/tagKey", "pattern" },
    { "/tags", "[{\"tagKey\": \"aws:x\", \"tagValue\": \"b\"}]", "/tags/0/tagKey", "reserved-tag" },
    { "/tags", "[{\"tagKey\": \"a\", \"tagValue\": \"b\"}, {\"tagKey\": \"a\", \"tagValue\": \"b\"}]", "/tags/1/tagKey", "duplicate-tag" },
    { CAMPAIGN "/tags", "[{\"tagKey\": \"steward:x\", \"tagValue\": \"b\"}]", CAMPAIGN "/tags/0/tagKey", "reserved-tag" },
    /* derived values */
    { SOLUTION "/serviceConfig/datasetGroupArn", ARN "dataset-group/x\"", SOLUTION "/serviceConfig/datasetGroupArn", "derived" },
    { "/datasets/users/dataset/serviceConfig/schemaArn", ARN "schema/x\"", "/datasets/users/dataset/serviceConfig/schemaArn", "derived" },
    { "/datasets/users/dataset/serviceConfig/datasetType", "\"USERS\"", "/datasets/users/dataset/serviceConfig/datasetType", "derived" },
    { CAMPAIGN "/solutionVersionArn", ARN "solution/x/y\"", CAMPAIGN "/solutionVersionArn", "derived" },
    { BATCH "/serviceConfig/jobName", "\"x\"", BATCH "/serviceConfig/jobName", "derived" },
    { BATCH "/serviceConfig/jobInput", "{}", BATCH "/serviceConfig/jobInput", "derived" },
    { SEGMENT "/serviceConfig/jobOutput", "{}", SEGMENT "/serviceConfig/jobOutput", "derived" },
    { SEGMENT "/serviceConfig/roleArn", "\"x\"", SEGMENT "/serviceConfig/roleArn", "derived" },
    { "/datasets/serviceConfig", "{\"dataSource\": {}}", "/datasets/serviceConfig/dataSource", "derived" },
    { SOLUTION "/serviceConfig/solutionVersion", "{\"solutionArn\": \"x\"}", SOLUTION "/serviceConfig/solutionVersion/solutionArn", "derived" },
    /* names */
    { "/filters/-", "{\"serviceConfig\": {\"name\": \"not-bought\", \"filterExpression\": \"EXCLUDE ItemID WHERE Items.PRICE > 1\"}}", "/filters/1/serviceConfig/name", "duplicate-name" },
    { "/solutions/1/serviceConfig/name", "\"shop-up\"", "/solutions/1/serviceConfig/name", "duplicate-name" },
    { "/recommenders/-", "{\"serviceConfig\": {\"name\": \"shop-trending\", \"recipeArn\": " RECIPE "aws-vod-top-picks\"}}", "/recommenders/1/serviceConfig/name", "duplicate-name" },
    { "/datasets/users/dataset/serviceConfig/name", "\"shop-items\"", "/datasets/users/dataset/serviceConfig/name", "duplicate-name" },
    { "/datasets/users/schema/serviceConfig/name", "\"shop-items-schema\"", "/datasets/users/schema/serviceConfig/name", "duplicate-name" },
    /* recipes */
    { SOLUTION "/serviceConfig/recipeArn", NULL, SOLUTION "/serviceConfig/recipeArn", "missing" },
    { SOLUTION "/serviceConfig/recipeArn", RECIPE "aws-user-personalisation\"", SOLUTION "/serviceConfig/recipeArn", "unknown-recipe" },
    { SOLUTION "/serviceConfig/recipeArn", ARN "recipe/aws-sims\"", SOLUTION "/serviceConfig/recipeArn", "unknown-recipe" },
    { SOLUTION "/serviceConfig/recipeArn", RECIPE "aws-ecomm-recommended-for-you\"", SOLUTION "/serviceConfig/recipeArn", "recipe-use" },
    { SOLUTION "/serviceConfig/recipeArn", RECIPE "aws-next-best-action\"", SOLUTION "/serviceConfig/recipeArn", "recipe-dataset" },
    { "/solutions/1/campaigns", "[{\"serviceConfig\": {\"name\": \"c\"}}]", "/solutions/1/campaigns", "recipe-use" },
    { SOLUTION "/batchSegmentJobs", "[{\"serviceConfig\": {}}]", SOLUTION "/batchSegmentJobs", "recipe-use" },
    { "/recommenders/0/serviceConfig/recipeArn", RECIPE "aws-sims\"", "/recommenders/0/serviceConfig/recipeArn", "recipe-use" },
    { GROUP "/domain", "\"VIDEO_ON_DEMAND\"", "/recommenders/0/serviceConfig/recipeArn", "recipe-domain" },
    { SOLUTION "/serviceConfig/recipeArn", RECIPE "aws-user-personalization-v2\"", UPDATE, "training-mode" },
    { "/solutions/1/workflowConfig", "{\"schedules\": {\"update\": \"delete\"}}", "/solutions/1/workflowConfig/schedules/update", "training-mode" },
    { SOLUTION "/serviceConfig/solutionVersion", "{\"trainingMode\": \"AUTOTRAIN\"}", SOLUTION "/serviceConfig/solutionVersion/trainingMode", "training-mode" },
    { "/solutions/1/serviceConfig/solutionVersion", "{\"trainingMode\": \"UPDATE\"}", "/solutions/1/serviceConfig/solutionVersion/trainingMode", "training-mode" },
    { BATCH "/serviceConfig/batchInferenceJobMode", "\"THEME_GENERATION\"", BATCH "/serviceConfig/batchInferenceJobMode", "recipe-use" },
    { BATCH "/serviceConfig/themeGenerationConfig", "{\"fieldsForThemeGeneration\": {\"itemName\": \"TITLE\"}}", BATCH "/serviceConfig/themeGenerationConfig", "conflict" },
    /* promotion */
    { SOLUTION "/workflowConfig/promotion", "{\"rules\": []}", SOLUTION "/workflowConfig/promotion/policy", "missing" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"gated\"}", SOLUTION "/workflowConfig/promotion/policy", "conflict" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"gated\", \"rules\": [{\"metric\": \"coverage\"}]}", SOLUTION "/workflowConfig/promotion/rules/0", "missing" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"gated\", \"rules\": [{\"metric\": \"coverage\", \"minGainOverBaseline\": 0.1}]}", SOLUTION "/workflowConfig/promotion/rules/0/minGainOverBaseline", "conflict" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"manual\", \"baselineSolution\": \"nobody\"}", SOLUTION "/workflowConfig/promotion/baselineSolution", "unknown-name" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"manual\", \"baselineSolution\": \"shop-up\"}", SOLUTION "/workflowConfig/promotion/baselineSolution", "conflict" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"sometimes\"}", SOLUTION "/workflowConfig/promotion/policy", "enum" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"manual\", \"holdFor\": \"soon\"}", SOLUTION "/workflowConfig/promotion/holdFor", "bad-duration" },
    /* schedules: all five places */
    { IMPORT, "\"cron(0 0 * * ?)\"", IMPORT, "bad-schedule" },
    { IMPORT, "[\"cron(0 0 * * ? *)\"]", IMPORT, "wrong-type" },
    { IMPORT, "null", IMPORT, "wrong-type" },
    { IMPORT, "{\"after\": \"import\"}", IMPORT "/after", "conflict" },
    { FULL, "\"@daily\"", FULL, "bad-schedule" },
    { FULL, "{\"a\": 1}", FULL "/a", "unknown-key" },
    { FULL, "{\"a\": 1}", FULL, "bad-schedule" },
    { FULL, "{\"expression\": \"cron(99 0 * * ? *)\"}", FULL "/expression", "bad-schedule" },
    { FULL, "{\"expression\": \"rate(1 day)\", \"after\": \"import\"}", FULL, "conflict" },
    { FULL, "{\"expression\": \"rate(1 day)\", \"timeZone\": \"Europe/Berlyn\"}", FULL "/timeZone", "bad-time-zone" },
    { FULL, "{\"expression\": \"rate(1 day)\", \"overlap\": \"sometimes\"}", FULL "/overlap", "enum" },
    { FULL, "{\"expression\": \"rate(1 day)\", \"startAt\": \"tomorrow\"}", FULL "/startAt", "bad-time" },
    { FULL, "{\"expression\": \"rate(1 day)\", \"startAt\": \"2027-01-01T00:00:00Z\", \"endAt\": \"2026-01-01T00:00:00Z\"}", FULL "/endAt", "bad-time" },
    { FULL, "{\"expression\": \"rate(1 day)\", \"jitterSeconds\": -1}", FULL "/jitterSeconds", "too-small" },
    { UPDATE, "\"cron(0 0 ? * ? *)\"", UPDATE, "bad-schedule" },
    { BATCH "/workflowConfig/schedule", "7", BATCH "/workflowConfig/schedule", "wrong-type" },
    { SEGMENT "/workflowConfig/schedule", "\"cron(0 0 1 * MON *)\"", SEGMENT "/workflowConfig/schedule", "bad-schedule" },
    { "/datasetGroup/workflowConfig/maxAge", "\"banana\"", "/datasetGroup/workflowConfig/maxAge", "bad-duration" },
    { "/datasetGroup/workflowConfig/maxAge", "86400", "/datasetGroup/workflowConfig/maxAge", "wrong-type" },
    { BATCH "/workflowConfig/maxAge", "\"1 day ago\"", BATCH "/workflowConfig/maxAge", "bad-duration" },
    /* columns and metrics */
    { SOLUTION "/serviceConfig/solutionConfig", "{\"trainingDataConfig\": {\"excludedDatasetColumns\": {\"THINGS\": [\"A\"]}}}", SOLUTION "/serviceConfig/solutionConfig/trainingDataConfig/excludedDatasetColumns/THINGS", "enum" },
    { "/metricAttribution", "{\"serviceConfig\": {\"name\": \"m\", \"metrics\": [{\"eventType\": \"w\", \"metricName\": \"n\", \"expression\": \"AVG(Items.PRICE)\"}], \"metricsOutputConfig\": {\"roleArn\": \"arn:aws:iam::123456789012:role/r\"}}}", "/metricAttribution/serviceConfig/metrics/0/expression", "pattern" },
    { "/metricAttribution", "{\"serviceConfig\": {\"name\": \"m\", \"metrics\": [{\"eventType\": \"w\", \"metricName\": \"n\", \"expression\": \"SAMPLECOUNT()\"}, {\"eventType\": \"w\", \"metricName\": \"n\", \"expression\": \"SUM(Items.PRICE)\"}], \"metricsOutputConfig\": {\"roleArn\": \"arn:aws:iam::123456789012:role/r\"}}}", "/metricAttribution/serviceConfig/metrics/1/metricName", "duplicate-name" },
    /* schemas and filters (their rules have tests of their own) */
    { ITEMS "/schema", "\"string\"", ITEMS "/schema", "bad-avro" },
    { ITEMS "/schema/fields/1/type", "\"text\"", ITEMS "/schema", "bad-avro" },
    { ITEMS "/schema/fields/0/name", "\"ID\"", ITEMS "/schema/fields", "schema-field-missing" },
    { ITEMS "/schema/name", "\"Users\"", ITEMS "/schema/name", "schema-name" },
    { ITEMS "/domain", "\"ECOMMERCE\"", ITEMS "/domain", "schema-domain" },
    { FILTER, "\"EXCLUDE\"", FILTER, "bad-filter" },
    { FILTER, "\"EXCLUDE ItemID WHERE Items.PRICE IN (\\\"*\\\")\"", FILTER, "bad-filter" },
    /* ours */
    { "/filters/0/workflowConfig", "{\"adopt\": \"yes\"}", "/filters/0/workflowConfig/adopt", "enum" },
    { "/filters/0/workflowConfig", "{\"preventDestroy\": 1}", "/filters/0/workflowConfig/preventDestroy", "wrong-type" },
    { "/filters/0/workflowConfig", "{\"ignoreFields\": [1]}", "/filters/0/workflowConfig/ignoreFields/0", "wrong-type" },
    { "/filters/0/workflowConfig", "{\"ignoreFields\": [\"colour\"]}", "/filters/0/workflowConfig/ignoreFields/0", "unknown-name" },
    { "/datasets/users/workflowConfig", "{\"source\": {\"dataLocation\": \"here\"}}", "/datasets/users/workflowConfig/source/dataLocation", "pattern" },
    { "/deployment", "{\"accountId\": \"12\"}", "/deployment/accountId", "pattern" },
    { "/guards", "{\"maxMonthlyFloor\": {\"amount\": \"cheap\", \"currency\": \"USD\"}}", "/guards/maxMonthlyFloor/amount", "pattern" },
    { "/guards", "{\"minRowsRatio\": 2}", "/guards/minRowsRatio", "too-large" },
};

static const struct rule warned[] = {
    { SOLUTION "/serviceConfig/solutionConfig", "{\"trainingDataConfig\": {\"excludedDatasetColumns\": {\"Items\": [\"PRICE\", \"COLOUR\"]}}}", SOLUTION "/serviceConfig/solutionConfig/trainingDataConfig/excludedDatasetColumns/Items/1", "unknown-name" },
    { SOLUTION "/serviceConfig/solutionConfig", "{\"optimizationObjective\": {\"itemAttribute\": \"COLOUR\"}}", SOLUTION "/serviceConfig/solutionConfig/optimizationObjective/itemAttribute", "unknown-name" },
    { SOLUTION "/serviceConfig/eventType", "\"purchase\"", SOLUTION "/serviceConfig/eventType", "unknown-name" },
    { "/recommenders/0/serviceConfig/recommenderConfig", "{\"trainingDataConfig\": {\"includedDatasetColumns\": {\"USERS\": [\"X\"]}}}", "/recommenders/0/serviceConfig/recommenderConfig/trainingDataConfig/includedDatasetColumns/USERS/0", "unknown-name" },
    { "/metricAttribution", "{\"serviceConfig\": {\"name\": \"m\", \"metrics\": [{\"eventType\": \"w\", \"metricName\": \"n\", \"expression\": \"SUM(Items.X)\"}], \"metricsOutputConfig\": {\"roleArn\": \"arn:aws:iam::123456789012:role/r\"}}}", "/metricAttribution/serviceConfig/metrics/0/expression", "unknown-name" },
    { SOLUTION "/serviceConfig/performAutoML", "false", SOLUTION "/serviceConfig/performAutoML", "no-effect" },
    { SOLUTION "/serviceConfig/performAutoTraining", "true", SOLUTION "/serviceConfig/performAutoTraining", "auto-training" },
    { SOLUTION "/serviceConfig/performIncrementalUpdate", "true", SOLUTION "/serviceConfig/performIncrementalUpdate", "no-effect" },
    { IMPORT, "\"\"", IMPORT, "no-effect" },
    { "/datasets/serviceConfig", "{\"importMode\": \"INCREMENTAL\"}", "/datasets/serviceConfig/importMode", "changed-meaning" },
    { SOLUTION "/serviceConfig/solutionVersion", "{\"trainingMode\": \"UPDATE\"}", SOLUTION "/serviceConfig/solutionVersion/trainingMode", "changed-meaning" },
    { "/datasetGroup/workflowConfig/maxAge", "\"P1D\"", "/datasetGroup/workflowConfig/maxAge", "changed-meaning" },
    { GROUP "/kmsKeyArn", "\"arn:aws:kms:us-east-1:123456789012:key/k\"", GROUP "/kmsKeyArn", "changed-meaning" },
    { "/filters/0/serviceConfig/tags", "[]", SOLUTION "/serviceConfig", "changed-meaning" },
    { GROUP "/domain", "\"ECOMMERCE\"", ITEMS, "schema-domain" },
    { GROUP "/domain", "\"ECOMMERCE\"", ITEMS "/schema/fields", "schema-field-missing" },
    { "/datasets/items", NULL, "/filters/0/serviceConfig/filterExpression", "filter-field" },
    { "/filters/0/serviceConfig/tags", "[]", "/recommenders/0/serviceConfig/recipeArn", "recipe-domain" },
    { SOLUTION "/workflowConfig/promotion", "{\"policy\": \"gated\", \"rules\": [{\"metric\": \"beauty\", \"min\": 1}]}", SOLUTION "/workflowConfig/promotion/rules/0/metric", "unknown-name" },
};
/* clang-format on */

static void test_rules(void **state)
{
    AUTO_JSON json_t *base = read_json(BASE);
    AUTO_JSON json_t *attribute = NULL;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        try_rule(base, &good[i], true);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        try_rule(base, &bad[i], true);
    for (size_t i = 0; i < ARRAY_LEN(warned); i++)
        try_rule(base, &warned[i], false);
    attribute = json_deep_copy(base);
    edit(attribute, "/datasets/items", NULL);
    try_rule(attribute,
             &(struct rule){ "/solutions/1/serviceConfig/recipeArn",
                             RECIPE "aws-item-attribute-affinity\"",
                             "/solutions/1/serviceConfig/recipeArn", "recipe-dataset" },
             false);
    try_rule(attribute,
             &(struct rule){ "/solutions/1",
                             "{\"serviceConfig\": {\"name\": \"x\", \"recipeArn\": " RECIPE
                             "aws-semantic-similarity\"}}",
                             "/solutions/1/serviceConfig/recipeArn", "recipe-dataset" },
             true);
}

/* A campaign that follows new versions by itself goes past the gate. */
static void test_auto_sync(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;

    (void) state;
    edit(document, CAMPAIGN "/campaignConfig", "{\"syncWithLatestSolutionVersion\": true}");
    edit(document, SOLUTION "/workflowConfig/promotion", "{\"policy\": \"manual\"}");
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 1);
    assert_non_null(
        find(&f.errors, CAMPAIGN "/campaignConfig/syncWithLatestSolutionVersion", "auto-sync"));
    parameter_file_done(&f);
    edit(document, SOLUTION "/workflowConfig/promotion/policy", "\"automatic\"");
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 0);
    parameter_file_done(&f);
}

/* A member newer than the server passes when the file lists it, and only where it lists it. */
static void test_allow_unknown(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;
    size_t i = 0;

    (void) state;
    edit(document, CAMPAIGN "/newMember", "{\"x\": 1}");
    edit(document, "/deployment", "{\"allowUnknown\": [\"" CAMPAIGN "/newMember\"]}");
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 0);
    assert_non_null(find(&f.warnings, CAMPAIGN "/newMember", "passed-through"));
    while (f.components[i].kind != KIND_CAMPAIGN)
        i++;
    assert_int_equal(json_integer_value(json_at(f.components[i].service, "/newMember/x")), 1);
    parameter_file_done(&f);
    edit(document, "/deployment/allowUnknown/0", "\"" CAMPAIGN "/other\"");
    parameter_file_load(document, &f);
    assert_non_null(find(&f.errors, CAMPAIGN "/newMember", "unknown-key"));
    parameter_file_done(&f);
}

/* ---- the text ---- */

static void try_text(const char *text, size_t n, const char *code, int line)
{
    struct parameter_file f;

    parameter_file_parse(text, n, &f);
    if (f.errors.count != 1 || strcmp(f.errors.items[0].code, code) != 0)
        fail_msg("%.40s: %s expected", text, code);
    assert_string_equal(f.errors.items[0].pointer, "");
    assert_int_equal(f.errors.items[0].line, line);
    assert_true(line == 0 || f.errors.items[0].column > 0);
    parameter_file_done(&f);
}

static void test_text(void **state)
{
    static const struct {
        const char *text, *code;
        int line;
    } cases[] = {
        { "", "json", 1 },
        { "{\n \"a\": }", "json", 2 },
        { "{\"datasetGroup\": NaN}", "json", 1 },
        { "{/*x*/}", "json", 1 },
        { "\xEF\xBB\xBF{}", "json", 1 },
        { "{\"a\": 1}\n{}", "json", 2 },
        { "{\"tags\": [],\n \"tags\": []}", "duplicate-key", 2 },
        { "{}", "empty", 0 },
        { "[]", "wrong-type", 0 },
        { "null", "wrong-type", 0 },
        { "7", "wrong-type", 0 },
        { "\"x\"", "wrong-type", 0 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        try_text(cases[i].text, strlen(cases[i].text), cases[i].code, cases[i].line);
    try_text("{\"a\": \"\xff\"}", 10, "json", 0);
    {
        /* A body is bytes without an end mark: the parser once looked for one behind a blank text. */
        AUTO_FREE char *exact = xmalloc(3);

        memcpy(exact, " \n\t", 3);
        try_text(exact, 3, "json", 2);
    }
}

static void test_smallest(void **state)
{
    static const char text[] = "{\"datasetGroup\":{\"serviceConfig\":{\"name\":\"x\"}}}";
    struct parameter_file f;

    (void) state;
    parameter_file_parse(text, strlen(text), &f);
    assert_int_equal(f.errors.count, 0);
    assert_int_equal(f.warnings.count, 0);
    assert_string_equal(f.name, "x");
    assert_null(f.domain);
    assert_int_equal(f.n_components, 1);
    assert_int_equal(f.n_schedules, 0);
    assert_string_equal(f.components[0].key, "datasetGroup/x");
    parameter_file_done(&f);
}

/* All problems at once, in the documented order. */
static void test_order(void **state)
{
    static const char text[] =
        "{\"solutions\": [{\"serviceConfig\": {\"name\": \"s\", \"recipeArn\": \"x\"},"
        "  \"workflowConfig\": {\"schedules\": {\"full\": \"x\"}}, \"colour\": 1},"
        " {\"serviceConfig\": {\"name\": \"s\"}}],"
        " \"filters\": [{\"serviceConfig\": {\"name\": \"f\", \"filterExpression\": \"x\", "
        "\"tags\": 1}}],"
        " \"guards\": {\"minRowsRatio\": \"x\"},"
        " \"recommenders\": [{}], \"eventTracker\": {\"serviceConfig\": {}},"
        " \"datasets\": {\"users\": {\"dataset\": {\"serviceConfig\": {}}}, \"serviceConfig\": "
        "{\"importMode\": 1}},"
        " \"tags\": 1, \"datasetGroup\": {\"serviceConfig\": {\"name\": \"\"}}}";
    static const char *const order[][2] = {
        { "/solutions/0/colour", "unknown-key" },
        { "/tags", "wrong-type" },
        { "/filters/0/serviceConfig/tags", "wrong-type" },
        { "/datasetGroup/serviceConfig/name", "too-short" },
        { "/datasetGroup/serviceConfig/name", "pattern" },
        { "/datasets/users/schema", "missing" },
        { "/datasets/users/dataset/serviceConfig/name", "missing" },
        { "/datasets/interactions", "missing" },
        { "/datasets/serviceConfig/importMode", "wrong-type" },
        { "/eventTracker/serviceConfig/name", "missing" },
        { "/filters/0/serviceConfig/filterExpression", "bad-filter" },
        { "/solutions/0/serviceConfig/recipeArn", "pattern" },
        { "/solutions/0/serviceConfig/recipeArn", "unknown-recipe" },
        { "/solutions/1/serviceConfig/recipeArn", "missing" },
        { "/recommenders/0/serviceConfig", "missing" },
        { "/solutions/0/workflowConfig/schedules/full", "bad-schedule" },
        { "/solutions/1/serviceConfig/name", "duplicate-name" },
        { "/guards/minRowsRatio", "wrong-type" },
    };
    struct parameter_file f;

    (void) state;
    parameter_file_parse(text, strlen(text), &f);
    assert_int_equal(f.errors.count, ARRAY_LEN(order));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_string_equal(f.errors.items[i].pointer, order[i][0]);
        assert_string_equal(f.errors.items[i].code, order[i][1]);
    }
    parameter_file_done(&f);
}

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
        "schema/shop-events-schema",
        "schema/shop-items-schema",
        "schema/shop-users-schema",
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
    c = component(&f, "schema/shop-items-schema");
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
    assert_int_equal(json_array_size(component(&f, "schema/shop-users-schema")->tags), 0);
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

/* ---- limits ---- */

static void test_many_problems(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    json_t *filters = json_array();
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *padding = xmalloc(201);
    struct parameter_file f;
    int64_t started;

    (void) state;
    memset(padding, 'x', 200);
    padding[200] = '\0';
    for (int i = 0; i < 125; i++) {
        json_t *filter = json_pack("{s:{s:s++,s:s,s:s}}", "serviceConfig", "name", "f", padding,
                                   padding, "filterExpression", padding, "colour", "blue");

        assert_non_null(filter);
        json_array_append_new(filters, filter);
    }
    json_object_set_new(document, "filters", filters);
    text = json_compact(document);
    assert_true(strlen(text) > 80000);
    started = clock_mono_us();
    parameter_file_parse(text, strlen(text), &f);
    print_message("%zu bytes, %zu problems: %lld microseconds\n", strlen(text), f.errors.count,
                  (long long) (clock_mono_us() - started));
    assert_true(f.errors.count >= 499);
    check_findings(f.document, &f.errors);
    parameter_file_done(&f);
}

/* More problems than anybody reads are counted, and lists beyond all quotas are not worked on. */
static void test_limits(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;
    json_t *solutions = json_array();

    (void) state;
    for (int i = 0; i < 1500; i++) {
        char key[16];

        (void) snprintf(key, sizeof key, "k%d", i);
        json_object_set_new(document, key, json_true());
    }
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 1001);
    assert_string_equal(f.errors.items[1000].code, "too-many");
    parameter_file_done(&f);
    for (int i = 0; i < 501; i++)
        json_array_append_new(solutions, json_object());
    json_object_set_new(document, "solutions", solutions);
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 1);
    assert_non_null(find(&f.errors, "/solutions", "too-long"));
    assert_int_equal(f.n_components, 0);
    parameter_file_done(&f);
}

/* A pointer that is too long for its field leads to an ancestor instead of being cut inside a name.
 */
static void test_long_keys(void **state)
{
    AUTO_FREE char *key = xmalloc(401);
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;

    (void) state;
    for (int i = 0; i < 400; i++)
        key[i] = (char) ('/' + i % 2);
    key[400] = '\0';
    json_object_set_new(json_at(document, CAMPAIGN), key, json_true());
    json_object_set_new(json_at(document, SOLUTION), key, json_true());
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 2);
    check_findings(document, &f.errors);
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

static void test_json_schema(void **state)
{
    AUTO_JSON json_t *schema = parameter_file_schema();
    AUTO_JSON json_t *base = read_json(BASE);

    (void) state;
    assert_string_equal(json_text(schema, "$schema"),
                        "https://json-schema.org/draft/2020-12/schema");
    assert_string_equal(json_string_value(json_at(schema, "/properties/solutions/title")),
                        "Solutions");
    assert_non_null(json_at(
        schema, "/properties/datasetGroup/properties/serviceConfig/properties/domain/enum"));
    assert_null(json_at(
        schema, "/properties/solutions/items/properties/serviceConfig/properties/datasetGroupArn"));
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO_JSON json_t *document = json_deep_copy(base);
        struct parameter_file f;

        edit(document, good[i].at, good[i].value);
        parameter_file_load(document, &f);
        walk_schema(schema, schema, f.effective, 0);
        parameter_file_done(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_auto_sync),
        cmocka_unit_test(test_allow_unknown),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_components),
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_auto_training),
        cmocka_unit_test(test_workflow),
        cmocka_unit_test(test_many_problems),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_keys),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_documented_codes),
        cmocka_unit_test(test_json_schema),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
