/*
 * kinds.c - one row per resource kind of Amazon Personalize.
 *
 * Names are those of the service's API model; polling intervals follow how long each kind usually takes.
 */
#include "steward/kinds.h"

#include <stddef.h>

#include "steward/str.h"

#define OPS(Name) .describe_op = "Describe" Name, .create_op = "Create" Name

const struct kind kinds[KIND_COUNT] = {
    [KIND_DATASET_GROUP] = { .id = KIND_DATASET_GROUP, .name = "datasetGroup", .title = "dataset group",
        .arn_type = "dataset-group", OPS("DatasetGroup"), .delete_op = "DeleteDatasetGroup",
        .list_op = "ListDatasetGroups", .describe_member = "datasetGroup", .list_member = "datasetGroups",
        .arn_member = "datasetGroupArn", .name_member = "name", .is_taggable = true, .has_status = true,
        .poll_ms = 5000 },
    [KIND_SCHEMA] = { .id = KIND_SCHEMA, .name = "schema", .title = "schema", .arn_type = "schema", OPS("Schema"),
        .delete_op = "DeleteSchema", .list_op = "ListSchemas", .describe_member = "schema",
        .list_member = "schemas", .arn_member = "schemaArn", .name_member = "name", .poll_ms = 5000 },
    [KIND_DATASET] = { .id = KIND_DATASET, .name = "dataset", .title = "dataset", .arn_type = "dataset",
        OPS("Dataset"), .update_op = "UpdateDataset", .delete_op = "DeleteDataset", .list_op = "ListDatasets",
        .describe_member = "dataset", .list_member = "datasets", .list_filter = "datasetGroupArn",
        .arn_member = "datasetArn", .name_member = "name", .update_member = "latestDatasetUpdate",
        .is_taggable = true, .has_status = true, .poll_ms = 5000 },
    [KIND_DATASET_IMPORT_JOB] = { .id = KIND_DATASET_IMPORT_JOB, .name = "datasetImportJob",
        .title = "dataset import job", .arn_type = "dataset-import-job", OPS("DatasetImportJob"),
        .list_op = "ListDatasetImportJobs", .describe_member = "datasetImportJob",
        .list_member = "datasetImportJobs", .list_filter = "datasetArn", .arn_member = "datasetImportJobArn",
        .name_member = "jobName", .is_per_run = true, .is_taggable = true, .has_status = true,
        .is_billed = true, .poll_ms = 30000 },
    [KIND_EVENT_TRACKER] = { .id = KIND_EVENT_TRACKER, .name = "eventTracker", .title = "event tracker",
        .arn_type = "event-tracker", OPS("EventTracker"), .delete_op = "DeleteEventTracker",
        .list_op = "ListEventTrackers", .describe_member = "eventTracker", .list_member = "eventTrackers",
        .list_filter = "datasetGroupArn", .arn_member = "eventTrackerArn", .name_member = "name",
        .is_taggable = true, .has_status = true, .poll_ms = 5000 },
    [KIND_METRIC_ATTRIBUTION] = { .id = KIND_METRIC_ATTRIBUTION, .name = "metricAttribution",
        .title = "metric attribution", .arn_type = "metric-attribution", OPS("MetricAttribution"),
        .update_op = "UpdateMetricAttribution", .delete_op = "DeleteMetricAttribution",
        .list_op = "ListMetricAttributions", .describe_member = "metricAttribution",
        .list_member = "metricAttributions", .list_filter = "datasetGroupArn",
        .arn_member = "metricAttributionArn", .name_member = "name", .has_status = true, .poll_ms = 10000 },
    [KIND_FILTER] = { .id = KIND_FILTER, .name = "filter", .title = "filter", .arn_type = "filter", OPS("Filter"),
        .delete_op = "DeleteFilter", .list_op = "ListFilters", .describe_member = "filter",
        .list_member = "Filters", .list_filter = "datasetGroupArn", .arn_member = "filterArn",
        .name_member = "name", .is_taggable = true, .has_status = true, .poll_ms = 10000 },
    [KIND_SOLUTION] = { .id = KIND_SOLUTION, .name = "solution", .title = "solution", .arn_type = "solution",
        OPS("Solution"), .update_op = "UpdateSolution", .delete_op = "DeleteSolution",
        .list_op = "ListSolutions", .describe_member = "solution", .list_member = "solutions",
        .list_filter = "datasetGroupArn", .arn_member = "solutionArn", .name_member = "name",
        .update_member = "latestSolutionUpdate", .is_taggable = true, .has_status = true, .poll_ms = 5000 },
    [KIND_SOLUTION_VERSION] = { .id = KIND_SOLUTION_VERSION, .name = "solutionVersion",
        .title = "solution version", .arn_type = "solution", OPS("SolutionVersion"),
        .list_op = "ListSolutionVersions", .describe_member = "solutionVersion",
        .list_member = "solutionVersions", .list_filter = "solutionArn", .arn_member = "solutionVersionArn",
        .name_member = "name", .is_per_run = true, .is_taggable = true, .has_status = true,
        .is_billed = true, .needs_quiescence = true, .poll_ms = 60000 },
    [KIND_CAMPAIGN] = { .id = KIND_CAMPAIGN, .name = "campaign", .title = "campaign", .arn_type = "campaign",
        OPS("Campaign"), .update_op = "UpdateCampaign", .delete_op = "DeleteCampaign",
        .list_op = "ListCampaigns", .describe_member = "campaign", .list_member = "campaigns",
        .list_filter = "solutionArn", .arn_member = "campaignArn", .name_member = "name",
        .update_member = "latestCampaignUpdate", .is_taggable = true, .has_status = true, .is_billed = true,
        .poll_ms = 20000 },
    [KIND_RECOMMENDER] = { .id = KIND_RECOMMENDER, .name = "recommender", .title = "recommender",
        .arn_type = "recommender", OPS("Recommender"), .update_op = "UpdateRecommender",
        .delete_op = "DeleteRecommender", .list_op = "ListRecommenders", .describe_member = "recommender",
        .list_member = "recommenders", .list_filter = "datasetGroupArn", .arn_member = "recommenderArn",
        .name_member = "name", .update_member = "latestRecommenderUpdate", .is_taggable = true,
        .has_status = true, .is_billed = true, .poll_ms = 60000 },
    [KIND_BATCH_INFERENCE_JOB] = { .id = KIND_BATCH_INFERENCE_JOB, .name = "batchInferenceJob",
        .title = "batch inference job", .arn_type = "batch-inference-job", OPS("BatchInferenceJob"),
        .list_op = "ListBatchInferenceJobs", .describe_member = "batchInferenceJob",
        .list_member = "batchInferenceJobs", .list_filter = "solutionVersionArn",
        .arn_member = "batchInferenceJobArn", .name_member = "jobName", .is_per_run = true,
        .is_taggable = true, .has_status = true, .is_billed = true, .poll_ms = 60000 },
    [KIND_BATCH_SEGMENT_JOB] = { .id = KIND_BATCH_SEGMENT_JOB, .name = "batchSegmentJob",
        .title = "batch segment job", .arn_type = "batch-segment-job", OPS("BatchSegmentJob"),
        .list_op = "ListBatchSegmentJobs", .describe_member = "batchSegmentJob",
        .list_member = "batchSegmentJobs", .list_filter = "solutionVersionArn",
        .arn_member = "batchSegmentJobArn", .name_member = "jobName", .is_per_run = true,
        .is_taggable = true, .has_status = true, .is_billed = true, .poll_ms = 60000 },
    [KIND_DATASET_EXPORT_JOB] = { .id = KIND_DATASET_EXPORT_JOB, .name = "datasetExportJob",
        .title = "dataset export job", .arn_type = "dataset-export-job", OPS("DatasetExportJob"),
        .list_op = "ListDatasetExportJobs", .describe_member = "datasetExportJob",
        .list_member = "datasetExportJobs", .list_filter = "datasetArn", .arn_member = "datasetExportJobArn",
        .name_member = "jobName", .is_per_run = true, .is_taggable = true, .has_status = true,
        .is_billed = true, .poll_ms = 30000 },
    [KIND_DATA_DELETION_JOB] = { .id = KIND_DATA_DELETION_JOB, .name = "dataDeletionJob",
        .title = "data deletion job", .arn_type = "data-deletion-job", OPS("DataDeletionJob"),
        .list_op = "ListDataDeletionJobs", .describe_member = "dataDeletionJob",
        .list_member = "dataDeletionJobs", .list_filter = "datasetGroupArn", .arn_member = "dataDeletionJobArn",
        .name_member = "jobName", .is_per_run = true, .is_taggable = true, .has_status = true,
        .is_billed = true, .poll_ms = 60000 },
};

const struct kind *kind_find(const char *name)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (str_eq(kinds[i].name, name))
            return &kinds[i];
    return NULL;
}
