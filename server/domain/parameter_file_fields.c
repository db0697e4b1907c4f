/*
 * parameter_file_fields.c - the shape of the parameter file, as tables.
 *
 * One row per key. The walk that checks a file, the completion of defaults and the JSON Schema for
 * editors read the same rows. What stands inside a service-config is the API model's business
 * (service_model.h); here is only which operation it belongs to and which of its members Steward
 * derives.
 */
#include "parameter_file_internal.h"

#define NAMES(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

const struct dataset_section dataset_sections[N_DATASET_SECTIONS] = {
    { "interactions", "INTERACTIONS" },
    { "items", "ITEMS" },
    { "users", "USERS" },
    { "actions", "ACTIONS" },
    { "actionInteractions", "ACTION_INTERACTIONS" },
};

/* ---- service-configs ---- */
static const struct service_config service_dataset_group = { KIND_DATASET_GROUP,
                                                             "CreateDatasetGroup", NULL, NULL };
static const struct service_config service_schema = { KIND_SCHEMA, "CreateSchema", NULL, NULL };
static const struct service_config service_dataset = {
    KIND_DATASET, "CreateDataset", NAMES("datasetGroupArn", "schemaArn", "datasetType"), NULL
};
static const struct service_config service_import = {
    KIND_DATASET_IMPORT_JOB, "CreateDatasetImportJob",
    NAMES("jobName", "datasetArn", "dataSource", "roleArn"), NULL
};
static const struct service_config service_event_tracker = { KIND_EVENT_TRACKER,
                                                             "CreateEventTracker",
                                                             NAMES("datasetGroupArn"), NULL };
static const struct service_config service_metric_attribution = { KIND_METRIC_ATTRIBUTION,
                                                                  "CreateMetricAttribution",
                                                                  NAMES("datasetGroupArn"), NULL };
static const struct service_config service_filter = { KIND_FILTER, "CreateFilter",
                                                      NAMES("datasetGroupArn"), NULL };
static const struct service_config service_solution = { KIND_SOLUTION, "CreateSolution",
                                                        NAMES("datasetGroupArn"),
                                                        NAMES("solutionVersion") };
const struct service_config service_solution_version = { KIND_SOLUTION_VERSION,
                                                         "CreateSolutionVersion",
                                                         NAMES("solutionArn"), NULL };
static const struct service_config service_campaign = { KIND_CAMPAIGN, "CreateCampaign",
                                                        NAMES("solutionVersionArn"), NULL };
static const struct service_config service_recommender = { KIND_RECOMMENDER, "CreateRecommender",
                                                           NAMES("datasetGroupArn"), NULL };
static const struct service_config service_batch_inference = {
    KIND_BATCH_INFERENCE_JOB, "CreateBatchInferenceJob",
    NAMES("jobName", "solutionVersionArn", "jobInput", "jobOutput", "roleArn"), NULL
};
static const struct service_config service_batch_segment = {
    KIND_BATCH_SEGMENT_JOB, "CreateBatchSegmentJob",
    NAMES("jobName", "solutionVersionArn", "jobInput", "jobOutput", "roleArn"), NULL
};

/* ---- workflow-configs ---- */
/* clang-format off */
#define COMMON_WORKFLOW                                                                            \
    { "adopt", FIELD_ENUM, .phase = PHASE_OURS, .values = NAMES("auto", "never", "takeover"),      \
      .fallback = "\"auto\"", .description = "Whether a resource of this name that already exists is taken over." }, \
    { "manage", FIELD_ENUM, .phase = PHASE_OURS, .values = NAMES("full", "observe"),               \
      .fallback = "\"full\"", .description = "observe: look and report; someone else owns the resource." }, \
    { "preventDestroy", FIELD_BOOLEAN, .phase = PHASE_OURS, .fallback = "false",                   \
      .description = "Refuse every plan that would delete the resource." },                        \
    { "ignoreFields", FIELD_TEXT_LIST, .phase = PHASE_OURS,                                        \
      .description = "Members of the service-config whose differences are left alone." }

static const struct field common_workflow[] = { COMMON_WORKFLOW, { .key = NULL } };

static const struct field recommender_workflow[] = {
    { "state", FIELD_ENUM, .phase = PHASE_OURS, .values = NAMES("started", "stopped", "any"), .fallback = "\"started\"",
      .description = "started; stopped: kept, not billed, answering no requests; any: as somebody has switched it." },
    COMMON_WORKFLOW,
    { .key = NULL }
};

const struct field schedule_fields[] = {
    { "expression", FIELD_TEXT, .description = "cron(minutes hours day-of-month month day-of-week year), rate(value unit), at(yyyy-mm-ddThh:mm:ss) or \"delete\"." },
    { "after", FIELD_ENUM, .values = NAMES("import"), .description = "Instead of an expression: run after every successful import." },
    { "timeZone", FIELD_TEXT, .fallback = "\"UTC\"", .description = "IANA time zone of the expression, such as \"Europe/Berlin\"." },
    { "startAt", FIELD_TIME, .description = "No fire before this time (RFC 3339)." },
    { "endAt", FIELD_TIME, .description = "No fire after this time (RFC 3339)." },
    { "overlap", FIELD_ENUM, .values = NAMES("skip", "queue", "cancelOther", "allow"), .fallback = "\"skip\"",
      .description = "What happens when the previous run is still going on." },
    { "catchUp", FIELD_ENUM, .values = NAMES("latest", "none", "all"), .fallback = "\"latest\"",
      .description = "What happens to times that passed while the server was away." },
    { "startingDeadlineSeconds", FIELD_INTEGER, .min = 0, .max = 31536000, .description = "A fire later than this is skipped." },
    { "jitterSeconds", FIELD_INTEGER, .min = 0, .max = 86400, .fallback = "0", .description = "Spread: a fixed delay between 0 and this, by schedule." },
    { "enabled", FIELD_BOOLEAN, .fallback = "true", .description = "false keeps the schedule but does not fire it." },
    { .key = NULL }
};

static const struct field group_schedules[] = {
    { "import", FIELD_SCHEDULE, .description = "Imports every dataset whose data changed." },
    { .key = NULL }
};
static const struct field group_workflow[] = {
    { "maxAge", FIELD_DURATION, .fallback = "\"365 days\"", .description = "An import younger than this counts as current when the file is applied." },
    { "schedules", FIELD_OBJECT, .members = group_schedules, .description = "When data is imported." },
    COMMON_WORKFLOW,
    { .key = NULL }
};
static const struct field source_fields[] = {
    { "dataLocation", FIELD_PATTERN, .is_required = true, .shape = "S3Location", .description = "s3://bucket/folder/ that holds the CSV files." },
    { "pattern", FIELD_ENUM, .values = NAMES("newestPrefix"), .description = "newestPrefix: the newest folder below dataLocation." },
    { .key = NULL }
};
static const struct field dataset_workflow[] = {
    { "source", FIELD_OBJECT, .phase = PHASE_OURS, .members = source_fields, .description = "Where the data lies when not in the usual layout." },
    { "check", FIELD_ENUM, .phase = PHASE_OURS, .values = NAMES("error", "warn", "off"), .fallback = "\"error\"",
      .description = "What a CSV file that breaks its schema does before an import." },
    COMMON_WORKFLOW,
    { .key = NULL }
};
static const struct field median_fields[] = {
    { "versions", FIELD_INTEGER, .is_required = true, .min = 1, .max = 50, .description = "How many of the latest versions the median is taken of." },
    { "drop", FIELD_NUMBER, .is_required = true, .min = 0, .max = 1, .description = "Greatest drop, as a fraction: 0.1 is ten per cent." },
    { .key = NULL }
};
static const struct field rule_fields[] = {
    { "metric", FIELD_TEXT, .is_required = true, .description = "An offline metric, such as \"normalized_discounted_cumulative_gain_at_10\"." },
    { "min", FIELD_NUMBER, .description = "The least value." },
    { "maxDropFromMedianOf", FIELD_OBJECT, .members = median_fields, .description = "How far the metric may lie under the median of the latest versions." },
    { "minGainOverBaseline", FIELD_NUMBER, .min = -1, .max = 1000, .description = "Least gain over promotion.baselineSolution, as a fraction." },
    { .key = NULL }
};
static const struct field promotion_fields[] = {
    { "policy", FIELD_ENUM, .is_required = true, .values = NAMES("automatic", "gated", "manual"),
      .description = "automatic: deploy every new version; gated: when the rules hold; manual: when someone approves." },
    { "rules", FIELD_LIST, .members = rule_fields, .description = "What a new version's metrics must hold." },
    { "baselineSolution", FIELD_TEXT, .description = "Solution of this file that rules compare with." },
    { "holdFor", FIELD_DURATION, .fallback = "\"72 hours\"", .description = "How long a held version waits for an approval." },
    { "whenNoMetrics", FIELD_ENUM, .values = NAMES("promote", "hold"), .fallback = "\"hold\"", .description = "What happens when a version has no such metric." },
    { .key = NULL }
};
static const struct field solution_schedules[] = {
    { "full", FIELD_SCHEDULE, .description = "When a new version is trained from all data." },
    { "update", FIELD_SCHEDULE, .description = "When a new version is trained from what is new (aws-user-personalization, aws-hrnn-coldstart)." },
    { .key = NULL }
};
static const struct field solution_workflow[] = {
    { "schedules", FIELD_OBJECT, .members = solution_schedules, .description = "When new versions are trained." },
    { "promotion", FIELD_OBJECT, .phase = PHASE_OURS, .members = promotion_fields, .description = "Which new versions the campaigns get." },
    { "onImmutableChange", FIELD_ENUM, .phase = PHASE_OURS, .values = NAMES("block", "blueGreen"), .fallback = "\"block\"",
      .description = "What a change does that Amazon cannot make in place." },
    COMMON_WORKFLOW,
    { .key = NULL }
};
static const struct field batch_workflow[] = {
    { "schedule", FIELD_SCHEDULE, .description = "When the job runs." },
    { "maxAge", FIELD_DURATION, .description = "A job younger than this counts as current when the file is applied." },
    COMMON_WORKFLOW,
    { .key = NULL }
};

/* ---- sections ---- */
static const struct field group_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_dataset_group, .description = "The dataset group." },
    { "workflowConfig", FIELD_OBJECT, .members = group_workflow, .description = "How it is kept." },
    { .key = NULL }
};
static const struct field schema_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_schema, .description = "Name, Avro schema (as an object) and domain." },
    { .key = NULL }
};
static const struct field dataset_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_dataset, .description = "The dataset's name and tags." },
    { .key = NULL }
};
static const struct field dataset_sections_fields[] = {
    { "schema", FIELD_OBJECT, .is_required = true, .phase = PHASE_SCHEMAS, .members = schema_section, .description = "The schema of the data." },
    { "dataset", FIELD_OBJECT, .is_required = true, .phase = PHASE_DATASETS, .members = dataset_section, .description = "The dataset." },
    { "workflowConfig", FIELD_OBJECT, .members = dataset_workflow, .description = "How it is kept." },
    { .key = NULL }
};
static const struct field datasets_section[] = {
    { "users", FIELD_OBJECT, .members = dataset_sections_fields, .description = "Users and what is known of them." },
    { "items", FIELD_OBJECT, .members = dataset_sections_fields, .description = "Items and what is known of them." },
    { "interactions", FIELD_OBJECT, .members = dataset_sections_fields, .description = "What users did with items. Required as soon as there are datasets." },
    { "actions", FIELD_OBJECT, .members = dataset_sections_fields, .description = "Actions for aws-next-best-action." },
    { "actionInteractions", FIELD_OBJECT, .members = dataset_sections_fields, .description = "What users did with actions." },
    { "serviceConfig", FIELD_SERVICE, .phase = PHASE_IMPORT, .service = &service_import, .description = "Options of the imports of all types." },
    { .key = NULL }
};
static const struct field tracker_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_event_tracker, .description = "The event tracker; one per dataset group." },
    { "workflowConfig", FIELD_OBJECT, .members = common_workflow, .description = "How it is kept." },
    { .key = NULL }
};
static const struct field attribution_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_metric_attribution, .description = "The metric attribution; one per dataset group." },
    { "workflowConfig", FIELD_OBJECT, .members = common_workflow, .description = "How it is kept." },
    { .key = NULL }
};
static const struct field filter_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_filter, .description = "Name and expression." },
    { "workflowConfig", FIELD_OBJECT, .members = common_workflow, .description = "How it is kept." },
    { .key = NULL }
};
static const struct field campaign_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_campaign, .description = "Name, minimum throughput and configuration." },
    { "workflowConfig", FIELD_OBJECT, .members = common_workflow, .description = "How it is kept." },
    { .key = NULL }
};
static const struct field batch_inference_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_batch_inference, .description = "The job's options; may be empty." },
    { "workflowConfig", FIELD_OBJECT, .members = batch_workflow, .description = "When it runs." },
    { .key = NULL }
};
static const struct field batch_segment_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_batch_segment, .description = "The job's options; may be empty." },
    { "workflowConfig", FIELD_OBJECT, .members = batch_workflow, .description = "When it runs." },
    { .key = NULL }
};
static const struct field solution_section[] = {
    { "campaigns", FIELD_LIST, .members = campaign_section, .description = "Where versions of the solution serve." },
    { "batchInferenceJobs", FIELD_LIST, .members = batch_inference_section, .description = "Recommendations in bulk." },
    { "batchSegmentJobs", FIELD_LIST, .members = batch_segment_section, .description = "User segments in bulk." },
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_solution, .description = "Name, recipe and configuration." },
    { "workflowConfig", FIELD_OBJECT, .members = solution_workflow, .description = "When it is trained and deployed." },
    { .key = NULL }
};
static const struct field recommender_section[] = {
    { "serviceConfig", FIELD_SERVICE, .is_required = true, .service = &service_recommender, .description = "Name, domain recipe and configuration." },
    { "workflowConfig", FIELD_OBJECT, .members = recommender_workflow, .description = "How it is kept." },
    { .key = NULL }
};
static const struct field deployment_fields[] = {
    { "bucket", FIELD_TEXT, .description = "S3 bucket of data and batch jobs." },
    { "prefix", FIELD_TEXT, .description = "Where the data lies in the bucket; default train/<dataset group>/." },
    { "roleArn", FIELD_PATTERN, .shape = "RoleArn", .description = "Role that Amazon Personalize takes to read and write the bucket." },
    { "importRoleArn", FIELD_PATTERN, .shape = "RoleArn", .description = "The role of imports, when another." },
    { "batchRoleArn", FIELD_PATTERN, .shape = "RoleArn", .description = "The role of batch jobs, when another." },
    { "kmsKeyArn", FIELD_PATTERN, .shape = "KmsKeyArn", .description = "Key that encrypts the dataset group." },
    { "kmsRoleArn", FIELD_PATTERN, .shape = "RoleArn", .description = "Role that may use the key." },
    { "region", FIELD_TEXT, .description = "AWS region; must be the server's." },
    { "accountId", FIELD_TEXT, .description = "AWS account; must be the server's." },
    { "allowUnknown", FIELD_TEXT_LIST, .description = "JSON Pointers of service-config members that this server does not know and sends all the same." },
    { .key = NULL }
};
static const struct field money_fields[] = {
    { "amount", FIELD_TEXT, .is_required = true, .description = "Decimal text, such as \"500.00\"." },
    { "currency", FIELD_ENUM, .is_required = true, .values = NAMES("USD"), .description = "Currency of Amazon's price list." },
    { .key = NULL }
};
static const struct field guard_fields[] = {
    { "maxMinProvisionedTPS", FIELD_INTEGER, .min = 1, .max = 100000, .description = "Greatest minimum throughput of one campaign." },
    { "maxMonthlyFloor", FIELD_OBJECT, .members = money_fields, .description = "Greatest monthly cost without any traffic." },
    { "maxTrainingsPerDay", FIELD_INTEGER, .min = 0, .max = 1000, .description = "Trainings per solution in 24 hours." },
    { "minRowsRatio", FIELD_NUMBER, .min = 0, .max = 1, .description = "A full import with fewer rows than this share of the last one is stopped." },
    { .key = NULL }
};
const struct field file_fields[] = {
    { "$schema", FIELD_TEXT, .phase = PHASE_OURS, .description = "Address of this JSON Schema, for editors." },
    { "tags", FIELD_TAGS, .phase = PHASE_ROOT_TAGS, .description = "Tags of every resource that has no tags of its own." },
    { "datasetGroup", FIELD_OBJECT, .is_required = true, .phase = PHASE_GROUP, .members = group_section, .description = "The dataset group; its name is the name of this configuration." },
    { "datasets", FIELD_OBJECT, .phase = PHASE_DATASETS, .members = datasets_section, .description = "Datasets, their schemas and imports." },
    { "eventTracker", FIELD_OBJECT, .phase = PHASE_TRACKER, .members = tracker_section, .description = "Records events as they happen." },
    { "filters", FIELD_LIST, .phase = PHASE_FILTERS, .members = filter_section, .description = "Filters for recommendations." },
    { "solutions", FIELD_LIST, .phase = PHASE_SOLUTIONS, .members = solution_section, .description = "Models, where they serve and their batch jobs." },
    { "recommenders", FIELD_LIST, .phase = PHASE_RECOMMENDERS, .members = recommender_section, .description = "Recommenders of a domain dataset group." },
    { "metricAttribution", FIELD_OBJECT, .phase = PHASE_OURS, .members = attribution_section, .description = "Measures what recommendations bring." },
    { "deployment", FIELD_OBJECT, .phase = PHASE_OURS, .members = deployment_fields, .description = "Bucket, roles and keys, where they differ from the server's." },
    { "guards", FIELD_OBJECT, .phase = PHASE_OURS, .members = guard_fields, .description = "Limits that no plan may pass." },
    { .key = NULL }
};
/* clang-format on */
