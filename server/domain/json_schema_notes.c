/*
 * json_schema_notes.c - words and defaults for the members of Amazon's requests, for editors.
 *
 * The API model has types and bounds but no words. A request's own members come first in a lookup
 * at the top of a service-config; the rest is named below it. A unit test holds that every member
 * the JSON Schema offers has its sentence.
 */
#include <string.h>

#include "json_schema_notes.h"
#include "steward/mem.h"

/* clang-format off */
static const struct member_note request_notes[] = {
    { "name", NULL, "Name in Amazon Personalize; unique in the account and region." },
    { "domain", NULL, "ECOMMERCE or VIDEO_ON_DEMAND makes a domain dataset group; absent: custom." },
    { "roleArn", NULL, "Role that Amazon Personalize uses the KMS key with; goes with kmsKeyArn." },
    { "kmsKeyArn", NULL, "KMS key that encrypts the dataset group; goes with roleArn." },
    { "tags", NULL, "Tags of this resource; absent: the root tags; an empty list: none." },
    { "schema", NULL, "The Avro schema, as an object." },
    { "importMode", "\"FULL\"", "FULL replaces the data, INCREMENTAL adds to it; the first import is FULL." },
    { "publishAttributionMetricsToS3", "false", "Write metric attribution reports for the import." },
    { "filterExpression", NULL, "Such as: EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"purchase\")" },
    { "solutionVersion", NULL, "Options of the trainings." },
    { "performAutoTraining", "false", "Amazon trains new versions by itself. Sent as false where a schedule of this file trains." },
    { "performAutoML", NULL, "Not sent: name a recipe." },
    { "performHPO", "false", "Search for better hyperparameters; costs more training hours." },
    { "performIncrementalUpdate", NULL, "Take new items in between trainings; aws-semantic-similarity only." },
    { "eventType", NULL, "Train from events of this type only." },
    { "solutionConfig", NULL, "Hyperparameters, training data and events of the trainings." },
    { "minProvisionedTPS", "1", "Throughput that is always there, and billed every hour." },
    { "campaignConfig", NULL, "How the campaign serves." },
    { "recommenderConfig", NULL, "How the recommender is trained and serves." },
    { "numResults", "25", "Recommendations per line of input." },
    { "filterArn", NULL, "ARN of a filter that the job's results pass." },
    { "batchInferenceJobMode", "\"BATCH_INFERENCE\"", "THEME_GENERATION names the themes of similar items." },
    { "batchInferenceJobConfig", NULL, "Exploration and ranking influence of the job." },
    { "themeGenerationConfig", NULL, "What themes are made from; with batchInferenceJobMode THEME_GENERATION." },
    { "trainingMode", "\"FULL\"", "What a training that is started by hand does." },
    { "metrics", NULL, "What is measured, at most ten." },
    { "metricsOutputConfig", NULL, "Where the reports go, and the role that writes them." },
};

static const struct member_note inner_notes[] = {
    { "tagKey", NULL, "Up to 128 characters; \"aws:\" and \"steward:\" are reserved." },
    { "tagValue", NULL, "Up to 256 characters." },
    { "itemExplorationConfig", NULL, "How often items with little data are shown: explorationWeight, explorationItemAgeCutOff." },
    { "enableMetadataWithRecommendations", "false", "Answers may carry item metadata." },
    { "syncWithLatestSolutionVersion", "false", "Amazon deploys every new version by itself; excludes a gated or manual promotion." },
    { "rankingInfluence", NULL, "Weight of POPULARITY or FRESHNESS, 0 to 1; aws-semantic-similarity only." },
    { "minRecommendationRequestsPerSecond", "1", "Throughput that is always there, and billed every hour." },
    { "trainingDataConfig", NULL, "Columns that are trained with." },
    { "excludedDatasetColumns", NULL, "By dataset type: columns that are left out." },
    { "includedDatasetColumns", NULL, "By dataset type: the only columns that are taken." },
    { "fieldsForThemeGeneration", NULL, "Columns of the items dataset that themes are made from." },
    { "itemName", NULL, "Column that holds the items' names." },
    { "eventType", NULL, "The events that count." },
    { "eventValueThreshold", NULL, "Events with a smaller EVENT_VALUE do not count." },
    { "weight", NULL, "How much these events count against others, 0 to 1." },
    { "eventsConfig", NULL, "Event types to train from, with thresholds and weights." },
    { "eventParametersList", NULL, "One entry per event type, at most ten." },
    { "optimizationObjective", NULL, "What is sought besides relevance, such as revenue." },
    { "itemAttribute", NULL, "Numeric column of the items dataset that is maximised." },
    { "objectiveSensitivity", NULL, "How much the objective counts against relevance." },
    { "autoTrainingConfig", NULL, "How often Amazon trains by itself." },
    { "schedulingExpression", "\"rate(7 days)\"", "rate(1 day) to rate(30 days)." },
    { "algorithmHyperParameters", NULL, "Hyperparameters of the recipe, as texts." },
    { "featureTransformationParameters", NULL, "How the data is prepared, as texts." },
    { "hpoConfig", NULL, "What performHPO searches." },
    { "hpoObjective", NULL, "What the search seeks; Amazon no longer supports it." },
    { "hpoResourceConfig", NULL, "How much the search may train." },
    { "maxNumberOfTrainingJobs", NULL, "Trainings in all, as a text." },
    { "maxParallelTrainingJobs", NULL, "Trainings at a time, as a text." },
    { "algorithmHyperParameterRanges", NULL, "Where the search looks." },
    { "integerHyperParameterRanges", NULL, "Hyperparameters that are whole numbers." },
    { "continuousHyperParameterRanges", NULL, "Hyperparameters that are numbers." },
    { "categoricalHyperParameterRanges", NULL, "Hyperparameters with a list of values." },
    { "name", NULL, "Name of the hyperparameter." },
    { "minValue", NULL, "The least value." },
    { "maxValue", NULL, "The greatest value." },
    { "values", NULL, "The values tried." },
    { "type", NULL, "Maximize or Minimize." },
    { "metricName", NULL, "Name of the metric." },
    { "metricRegex", NULL, "Pattern that finds the metric." },
    { "autoMLConfig", NULL, "Not sent: name a recipe." },
    { "recipeList", NULL, "Recipes to choose from." },
    { "expression", NULL, "SUM(Items.PRICE) or SAMPLECOUNT()." },
    { "s3DataDestination", NULL, "Folder in S3." },
    { "path", NULL, "s3://bucket/folder/" },
    { "kmsKeyArn", NULL, "KMS key that encrypts what is written." },
    { "roleArn", NULL, "Role that writes there." },
};
/* clang-format on */

static const struct member_note *find(const struct member_note *notes, size_t n, const char *member)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(notes[i].member, member) == 0)
            return &notes[i];
    return NULL;
}

const struct member_note *request_note(const char *member)
{
    return find(request_notes, ARRAY_LEN(request_notes), member);
}

const struct member_note *inner_note(const char *member)
{
    return find(inner_notes, ARRAY_LEN(inner_notes), member);
}
