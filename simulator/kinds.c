/*
 * kinds.c - the fifteen kinds of resources: names, parents, typical durations and hooks, one row
 * each.
 *
 * Durations are typical ones of the service for small data; --time-scale divides them.
 */
#include <string.h>

#include "rules.h"
#include "sim.h"
#include "steward/mem.h"

#define REFERENCES(...) ((const struct sim_reference[]){ __VA_ARGS__, { NULL, 0, false } })
#define IN_GROUP                                   \
    {                                              \
        "datasetGroupArn", SIM_DATASET_GROUP, true \
    }

const struct sim_kind sim_kinds[SIM_KIND_COUNT] = {
    [SIM_DATASET_GROUP] = {
        .id = SIM_DATASET_GROUP,
        .title = "DatasetGroup", .member = "datasetGroup", .shape = "DatasetGroup",
        .summary = "DatasetGroupSummary", .arn_part = "dataset-group",
        .arn_member = "datasetGroupArn", .name_member = "name",
        .is_taggable = true, .has_failure_reason = true, .is_deleted_in_one_step = true,
        .durations = { 5, 40, 0, 120, 0 },
        .check = group_check, .check_delete = group_check_delete, .on_life = group_on_life,
    },
    [SIM_SCHEMA] = {
        .id = SIM_SCHEMA,
        .title = "Schema", .member = "schema", .shape = "DatasetSchema",
        .summary = "DatasetSchemaSummary", .arn_part = "schema", .arn_member = "schemaArn",
        .name_member = "name", .check = schema_check, .check_delete = schema_check_delete,
    },
    [SIM_DATASET] = {
        .id = SIM_DATASET,
        .title = "Dataset", .member = "dataset", .shape = "Dataset", .summary = "DatasetSummary",
        .arn_part = "dataset", .arn_member = "datasetArn", .name_member = "name",
        .list_filter = "datasetGroupArn", .update_member = "latestDatasetUpdate",
        .is_taggable = true,
        .references = REFERENCES(IN_GROUP, { "schemaArn", SIM_SCHEMA, false }),
        .durations = { 5, 20, 30, 5, 30 },
        .make_arn = dataset_make_arn, .check = dataset_check,
        .check_update = dataset_check_update, .apply_update = dataset_apply_update,
        .check_delete = dataset_check_delete, .on_life = dataset_on_life,
    },
    [SIM_IMPORT_JOB] = {
        .id = SIM_IMPORT_JOB,
        .title = "DatasetImportJob", .member = "datasetImportJob", .shape = "DatasetImportJob",
        .summary = "DatasetImportJobSummary", .arn_part = "dataset-import-job",
        .arn_member = "datasetImportJobArn", .name_member = "jobName",
        .list_filter = "datasetArn", .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES({ "datasetArn", SIM_DATASET, true }),
        .durations = { 60, 660, 0, 0, 0 },
        .check = import_check, .start_work = job_start_work,
    },
    [SIM_EXPORT_JOB] = {
        .id = SIM_EXPORT_JOB,
        .title = "DatasetExportJob", .member = "datasetExportJob", .shape = "DatasetExportJob",
        .summary = "DatasetExportJobSummary", .arn_part = "dataset-export-job",
        .arn_member = "datasetExportJobArn", .name_member = "jobName",
        .list_filter = "datasetArn", .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES({ "datasetArn", SIM_DATASET, true }),
        .durations = { 60, 660, 0, 0, 0 },
        .check = export_check, .start_work = job_start_work,
    },
    [SIM_DELETION_JOB] = {
        .id = SIM_DELETION_JOB,
        .title = "DataDeletionJob", .member = "dataDeletionJob", .shape = "DataDeletionJob",
        .summary = "DataDeletionJobSummary", .arn_part = "data-deletion-job",
        .arn_member = "dataDeletionJobArn", .name_member = "jobName",
        .list_filter = "datasetGroupArn", .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES(IN_GROUP),
        .durations = { 300, 7200, 0, 0, 0 },
        .check = deletion_check, .start_work = job_start_work, .on_life = deletion_on_life,
    },
    [SIM_EVENT_TRACKER] = {
        .id = SIM_EVENT_TRACKER,
        .title = "EventTracker", .member = "eventTracker", .shape = "EventTracker",
        .summary = "EventTrackerSummary", .arn_part = "event-tracker",
        .arn_member = "eventTrackerArn", .name_member = "name", .list_filter = "datasetGroupArn",
        .is_taggable = true, .references = REFERENCES(IN_GROUP),
        .durations = { 5, 25, 0, 5, 20 },
        .make_arn = tracker_make_arn, .check = tracker_check,
    },
    [SIM_SOLUTION] = {
        .id = SIM_SOLUTION,
        .title = "Solution", .member = "solution", .shape = "Solution",
        .summary = "SolutionSummary", .arn_part = "solution", .arn_member = "solutionArn",
        .name_member = "name", .list_filter = "datasetGroupArn",
        .update_member = "latestSolutionUpdate", .is_taggable = true,
        .references = REFERENCES(IN_GROUP),
        .durations = { 5, 25, 25, 5, 60 },
        .check = solution_check, .check_update = solution_check_update,
        .apply_update = solution_apply_update, .check_delete = solution_check_delete,
        .on_life = solution_on_life, .on_auto = solution_on_auto,
    },
    [SIM_SOLUTION_VERSION] = {
        .id = SIM_SOLUTION_VERSION,
        .title = "SolutionVersion", .member = "solutionVersion", .shape = "SolutionVersion",
        .summary = "SolutionVersionSummary", .arn_part = "solution",
        .arn_member = "solutionVersionArn", .name_member = "name", .list_filter = "solutionArn",
        .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES({ "solutionArn", SIM_SOLUTION, true }),
        .durations = { 180, 2700, 0, 0, 0 },
        .make_arn = version_make_arn, .check = version_check, .start_work = job_start_work,
        .on_life = version_on_life,
    },
    [SIM_CAMPAIGN] = {
        .id = SIM_CAMPAIGN,
        .title = "Campaign", .member = "campaign", .shape = "Campaign",
        .summary = "CampaignSummary", .arn_part = "campaign", .arn_member = "campaignArn",
        .name_member = "name", .list_filter = "solutionArn",
        .update_member = "latestCampaignUpdate", .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES({ "solutionVersionArn", SIM_SOLUTION_VERSION, true }),
        .durations = { 60, 540, 540, 30, 240 },
        .check = campaign_check, .check_update = campaign_check_update,
        .apply_update = campaign_apply_update,
    },
    [SIM_FILTER] = {
        .id = SIM_FILTER,
        .title = "Filter", .member = "filter", .shape = "Filter", .summary = "FilterSummary",
        .arn_part = "filter", .arn_member = "filterArn", .name_member = "name",
        .list_filter = "datasetGroupArn", .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES(IN_GROUP),
        .durations = { 10, 80, 0, 5, 20 },
        .check = filter_check,
    },
    [SIM_RECOMMENDER] = {
        .id = SIM_RECOMMENDER,
        .title = "Recommender", .member = "recommender", .shape = "Recommender",
        .summary = "RecommenderSummary", .arn_part = "recommender",
        .arn_member = "recommenderArn", .name_member = "name", .list_filter = "datasetGroupArn",
        .update_member = "latestRecommenderUpdate", .is_taggable = true,
        .has_failure_reason = true, .references = REFERENCES(IN_GROUP),
        .durations = { 60, 2700, 540, 30, 540 },
        .check = recommender_check, .check_update = recommender_check_update,
        .apply_update = recommender_apply_update,
        .start_work = job_start_work, .on_life = recommender_on_life,
    },
    [SIM_METRIC_ATTRIBUTION] = {
        .id = SIM_METRIC_ATTRIBUTION,
        .title = "MetricAttribution", .member = "metricAttribution", .shape = "MetricAttribution",
        .summary = "MetricAttributionSummary", .arn_part = "metric-attribution",
        .arn_member = "metricAttributionArn", .name_member = "name",
        .list_filter = "datasetGroupArn", .has_failure_reason = true,
        .references = REFERENCES(IN_GROUP),
        .durations = { 5, 55, 0, 5, 20 },
        .check = attribution_check,
    },
    [SIM_BATCH_INFERENCE_JOB] = {
        .id = SIM_BATCH_INFERENCE_JOB,
        .title = "BatchInferenceJob", .member = "batchInferenceJob", .shape = "BatchInferenceJob",
        .summary = "BatchInferenceJobSummary", .arn_part = "batch-inference-job",
        .arn_member = "batchInferenceJobArn", .name_member = "jobName",
        .list_filter = "solutionVersionArn", .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES({ "solutionVersionArn", SIM_SOLUTION_VERSION, true },
                                 { "filterArn", SIM_FILTER, true }),
        .durations = { 120, 1080, 0, 0, 0 },
        .check = batch_inference_check, .start_work = job_start_work,
    },
    [SIM_BATCH_SEGMENT_JOB] = {
        .id = SIM_BATCH_SEGMENT_JOB,
        .title = "BatchSegmentJob", .member = "batchSegmentJob", .shape = "BatchSegmentJob",
        .summary = "BatchSegmentJobSummary", .arn_part = "batch-segment-job",
        .arn_member = "batchSegmentJobArn", .name_member = "jobName",
        .list_filter = "solutionVersionArn", .is_taggable = true, .has_failure_reason = true,
        .references = REFERENCES({ "solutionVersionArn", SIM_SOLUTION_VERSION, true },
                                 { "filterArn", SIM_FILTER, true }),
        .durations = { 120, 1080, 0, 0, 0 },
        .check = batch_segment_check, .start_work = job_start_work,
    },
};
