/*
 * parameter_file_rules_test.c - every rule of the parameter file, good and bad: an edit of the base
 * file and the finding it makes.
 */
#include "parameter_file_testing.h"

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

#define ARN    "\"arn:aws:personalize:us-east-1:123456789012:"
#define KEY    "\"arn:aws:kms:us-east-1:123456789012:key/k\""
#define ROLE   "\"arn:aws:iam::123456789012:role/r\""
#define RECIPE "\"arn:aws:personalize:::recipe/"

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
    { "/deployment", "{\"kmsKeyArn\": " KEY ", \"kmsRoleArn\": " ROLE "}", NULL, NULL },
    { "/deployment", "{\"kmsRoleArn\": " ROLE "}", NULL, NULL }, /* only for groups with a key */
    { "/recommenders/0/workflowConfig", "{\"state\": \"stopped\"}", NULL, NULL },
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
    { "/metricAttribution", "{\"serviceConfig\": {\"name\": \"m\", \"metrics\": [{\"eventType\": \"w\", \"metricName\": \"n\", \"expression\": \"SUM(Items.X)\"}], \"metricsOutputConfig\": {\"roleArn\": \"arn:aws:iam::123456789012:role/r\"}}}", "/metricAttribution/serviceConfig/metrics/0/expression", "unknown-name" },
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
    { GROUP "/kmsKeyArn", KEY, GROUP, "conflict" },
    { GROUP "/roleArn", ROLE, GROUP, "conflict" },
    { "/deployment", "{\"kmsKeyArn\": " KEY "}", GROUP, "conflict" },
    { "/recommenders/0/workflowConfig", "{\"state\": \"off\"}", "/recommenders/0/workflowConfig/state", "enum" },
};

static const struct rule warned[] = {
    { SOLUTION "/serviceConfig/solutionConfig", "{\"trainingDataConfig\": {\"excludedDatasetColumns\": {\"Items\": [\"PRICE\", \"COLOUR\"]}}}", SOLUTION "/serviceConfig/solutionConfig/trainingDataConfig/excludedDatasetColumns/Items/1", "unknown-name" },
    { SOLUTION "/serviceConfig/solutionConfig", "{\"optimizationObjective\": {\"itemAttribute\": \"COLOUR\"}}", SOLUTION "/serviceConfig/solutionConfig/optimizationObjective/itemAttribute", "unknown-name" },
    { SOLUTION "/serviceConfig/eventType", "\"purchase\"", SOLUTION "/serviceConfig/eventType", "unknown-name" },
    { "/recommenders/0/serviceConfig/recommenderConfig", "{\"trainingDataConfig\": {\"includedDatasetColumns\": {\"USERS\": [\"X\"]}}}", "/recommenders/0/serviceConfig/recommenderConfig/trainingDataConfig/includedDatasetColumns/USERS/0", "unknown-name" },
    { SOLUTION "/serviceConfig/performAutoML", "false", SOLUTION "/serviceConfig/performAutoML", "no-effect" },
    { SOLUTION "/serviceConfig/performAutoTraining", "true", SOLUTION "/serviceConfig/performAutoTraining", "auto-training" },
    { SOLUTION "/serviceConfig/performIncrementalUpdate", "true", SOLUTION "/serviceConfig/performIncrementalUpdate", "no-effect" },
    { IMPORT, "\"\"", IMPORT, "no-effect" },
    { "/datasets/serviceConfig", "{\"importMode\": \"INCREMENTAL\"}", "/datasets/serviceConfig/importMode", "changed-meaning" },
    { SOLUTION "/serviceConfig/solutionVersion", "{\"trainingMode\": \"UPDATE\"}", SOLUTION "/serviceConfig/solutionVersion/trainingMode", "changed-meaning" },
    { "/datasetGroup/workflowConfig/maxAge", "\"P1D\"", "/datasetGroup/workflowConfig/maxAge", "changed-meaning" },
    { GROUP, "{\"name\": \"shop\", \"kmsKeyArn\": " KEY ", \"roleArn\": " ROLE "}", GROUP "/kmsKeyArn", "changed-meaning" },
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_auto_sync),
        cmocka_unit_test(test_allow_unknown),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
