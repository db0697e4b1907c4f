/*
 * call.c - one call of the control plane: the table of operations, the constraint checks and the
 * service's error names.
 *
 * Order of checks (after authentication and JSON): constraints, existence of parents, their status,
 * duplicates, quotas, semantics. The first one that fails answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

static const struct {
    const char *name;
    int status;
} errors[WIRE_ERROR_COUNT] = {
    [WIRE_OK] = { "", 200 },
    [WIRE_INVALID_INPUT] = { "InvalidInputException", 400 },
    [WIRE_INVALID_NEXT_TOKEN] = { "InvalidNextTokenException", 400 },
    [WIRE_LIMIT_EXCEEDED] = { "LimitExceededException", 400 },
    [WIRE_ALREADY_EXISTS] = { "ResourceAlreadyExistsException", 400 },
    [WIRE_IN_USE] = { "ResourceInUseException", 400 },
    [WIRE_NOT_FOUND] = { "ResourceNotFoundException", 400 },
    [WIRE_TOO_MANY_TAG_KEYS] = { "TooManyTagKeysException", 400 },
    [WIRE_TOO_MANY_TAGS] = { "TooManyTagsException", 400 },
    [WIRE_UNKNOWN_OPERATION] = { "UnknownOperationException", 400 },
    [WIRE_SERIALIZATION] = { "SerializationException", 400 },
    [WIRE_THROTTLING] = { "ThrottlingException", 400 },
    [WIRE_INTERNAL] = { "InternalServerException", 500 },
    [WIRE_UNAVAILABLE] = { "ServiceUnavailable", 503 },
    [WIRE_ACCESS_DENIED] = { "AccessDeniedException", 400 },
};

struct operation {
    const char *name;
    operation_fn run;
    int kind; /* sim_kind_id, or -1 */
};

/* Sorted by name; a unit test compares it with the API model both ways. */
static const struct operation operations[] = {
    { "CreateBatchInferenceJob", op_create, SIM_BATCH_INFERENCE_JOB },
    { "CreateBatchSegmentJob", op_create, SIM_BATCH_SEGMENT_JOB },
    { "CreateCampaign", op_create, SIM_CAMPAIGN },
    { "CreateDataDeletionJob", op_create, SIM_DELETION_JOB },
    { "CreateDataset", op_create, SIM_DATASET },
    { "CreateDatasetExportJob", op_create, SIM_EXPORT_JOB },
    { "CreateDatasetGroup", op_create, SIM_DATASET_GROUP },
    { "CreateDatasetImportJob", op_create, SIM_IMPORT_JOB },
    { "CreateEventTracker", op_create, SIM_EVENT_TRACKER },
    { "CreateFilter", op_create, SIM_FILTER },
    { "CreateMetricAttribution", op_create, SIM_METRIC_ATTRIBUTION },
    { "CreateRecommender", op_create, SIM_RECOMMENDER },
    { "CreateSchema", op_create, SIM_SCHEMA },
    { "CreateSolution", op_create, SIM_SOLUTION },
    { "CreateSolutionVersion", op_create, SIM_SOLUTION_VERSION },
    { "DeleteCampaign", op_delete, SIM_CAMPAIGN },
    { "DeleteDataset", op_delete, SIM_DATASET },
    { "DeleteDatasetGroup", op_delete, SIM_DATASET_GROUP },
    { "DeleteEventTracker", op_delete, SIM_EVENT_TRACKER },
    { "DeleteFilter", op_delete, SIM_FILTER },
    { "DeleteMetricAttribution", op_delete, SIM_METRIC_ATTRIBUTION },
    { "DeleteRecommender", op_delete, SIM_RECOMMENDER },
    { "DeleteSchema", op_delete, SIM_SCHEMA },
    { "DeleteSolution", op_delete, SIM_SOLUTION },
    { "DescribeAlgorithm", op_describe_algorithm, -1 },
    { "DescribeBatchInferenceJob", op_describe, SIM_BATCH_INFERENCE_JOB },
    { "DescribeBatchSegmentJob", op_describe, SIM_BATCH_SEGMENT_JOB },
    { "DescribeCampaign", op_describe, SIM_CAMPAIGN },
    { "DescribeDataDeletionJob", op_describe, SIM_DELETION_JOB },
    { "DescribeDataset", op_describe, SIM_DATASET },
    { "DescribeDatasetExportJob", op_describe, SIM_EXPORT_JOB },
    { "DescribeDatasetGroup", op_describe, SIM_DATASET_GROUP },
    { "DescribeDatasetImportJob", op_describe, SIM_IMPORT_JOB },
    { "DescribeEventTracker", op_describe, SIM_EVENT_TRACKER },
    { "DescribeFeatureTransformation", op_describe_transformation, -1 },
    { "DescribeFilter", op_describe, SIM_FILTER },
    { "DescribeMetricAttribution", op_describe, SIM_METRIC_ATTRIBUTION },
    { "DescribeRecipe", op_describe_recipe, -1 },
    { "DescribeRecommender", op_describe, SIM_RECOMMENDER },
    { "DescribeSchema", op_describe, SIM_SCHEMA },
    { "DescribeSolution", op_describe, SIM_SOLUTION },
    { "DescribeSolutionVersion", op_describe, SIM_SOLUTION_VERSION },
    { "GetSolutionMetrics", op_get_metrics, SIM_SOLUTION_VERSION },
    { "ListBatchInferenceJobs", op_list, SIM_BATCH_INFERENCE_JOB },
    { "ListBatchSegmentJobs", op_list, SIM_BATCH_SEGMENT_JOB },
    { "ListCampaigns", op_list, SIM_CAMPAIGN },
    { "ListDataDeletionJobs", op_list, SIM_DELETION_JOB },
    { "ListDatasetExportJobs", op_list, SIM_EXPORT_JOB },
    { "ListDatasetGroups", op_list, SIM_DATASET_GROUP },
    { "ListDatasetImportJobs", op_list, SIM_IMPORT_JOB },
    { "ListDatasets", op_list, SIM_DATASET },
    { "ListEventTrackers", op_list, SIM_EVENT_TRACKER },
    { "ListFilters", op_list, SIM_FILTER },
    { "ListMetricAttributionMetrics", op_list_attribution_metrics, SIM_METRIC_ATTRIBUTION },
    { "ListMetricAttributions", op_list, SIM_METRIC_ATTRIBUTION },
    { "ListRecipes", op_list_recipes, -1 },
    { "ListRecommenders", op_list, SIM_RECOMMENDER },
    { "ListSchemas", op_list, SIM_SCHEMA },
    { "ListSolutionVersions", op_list, SIM_SOLUTION_VERSION },
    { "ListSolutions", op_list, SIM_SOLUTION },
    { "ListTagsForResource", op_list_tags, -1 },
    { "StartRecommender", op_start_recommender, SIM_RECOMMENDER },
    { "StopRecommender", op_stop_recommender, SIM_RECOMMENDER },
    { "StopSolutionVersionCreation", op_stop_version, SIM_SOLUTION_VERSION },
    { "TagResource", op_tag, -1 },
    { "UntagResource", op_untag, -1 },
    { "UpdateCampaign", op_update, SIM_CAMPAIGN },
    { "UpdateDataset", op_update, SIM_DATASET },
    { "UpdateMetricAttribution", op_update_attribution, SIM_METRIC_ATTRIBUTION },
    { "UpdateRecommender", op_update, SIM_RECOMMENDER },
    { "UpdateSolution", op_update, SIM_SOLUTION },
};

const char *wire_error_name(enum wire_error error)
{
    return errors[error].name;
}

int wire_error_status(enum wire_error error)
{
    return errors[error].status;
}

static int compare_operation(const void *name, const void *row)
{
    return strcmp(name, ((const struct operation *) row)->name);
}

static const struct operation *find_operation(const char *name)
{
    return bsearch(name, operations, ARRAY_LEN(operations), sizeof *operations, compare_operation);
}

bool sim_is_operation(const char *name)
{
    return find_operation(name) != NULL;
}

enum wire_error call_fail(struct call *c, enum wire_error error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(c->message, sizeof c->message, fmt, ap);
    va_end(ap);
    return error;
}

const json_t *call_member(const struct call *c, const char *member)
{
    const json_t *value = json_object_get(c->in, member);

    return json_is_null(value) ? NULL : value;
}

const char *call_text(const struct call *c, const char *member)
{
    return json_string_value(call_member(c, member));
}

json_t *call_known_members(const struct call *c)
{
    AUTO_JSON json_t *known = shape_project(c->model->input, c->in);

    return json_deep_copy(known);
}

enum wire_error call_not_found(struct call *c, const char *arn)
{
    return call_fail(c, WIRE_NOT_FOUND, "Resource Arn %s does not exist.", arn);
}

/* ---- constraints, in the service's words ---- */
struct complaint {
    struct buf constraints, types;
    size_t n_constraints;
};

/* "/jobInput/tags/0/tagKey" becomes "jobInput.tags.1.member.tagKey". */
static void add_path(struct buf *out, const char *pointer)
{
    while (*pointer == '/') {
        size_t n = strcspn(pointer + 1, "/");

        if (n && strspn(pointer + 1, "0123456789") == n)
            buf_printf(out, ".%ld.member", strtol(pointer + 1, NULL, 10) + 1);
        else
            buf_printf(out, "%s%.*s", out->length ? "." : "", (int) n, pointer + 1);
        pointer += n + 1;
    }
}

static void add_value(struct buf *out, const struct service_violation *v)
{
    if (!v->value) {
        buf_adds(out, "Value null");
    } else if (v->shape->is_sensitive) {
        buf_adds(out, "Value");
    } else if (json_is_string(v->value)) {
        buf_printf(out, "Value '%.120s'", v->is_map_key ? v->member : json_string_value(v->value));
    } else {
        AUTO_FREE char *text = json_compact(v->value);

        buf_printf(out, "Value '%.120s'", text);
    }
}

static void add_constraint(struct buf *out, const struct service_violation *v)
{
    const struct service_shape *s = v->shape;

    switch (v->kind) {
    case VIOLATION_MISSING:
        buf_adds(out, "Member must not be null");
        break;
    case VIOLATION_TOO_SHORT:
        buf_printf(out, "Member must have length greater than or equal to %.0f", s->min);
        break;
    case VIOLATION_TOO_LONG:
        buf_printf(out, "Member must have length less than or equal to %.0f", s->max);
        break;
    case VIOLATION_TOO_SMALL:
        buf_printf(out, "Member must have value greater than or equal to %.0f", s->min);
        break;
    case VIOLATION_TOO_LARGE:
        buf_printf(out, "Member must have value less than or equal to %.0f", s->max);
        break;
    case VIOLATION_PATTERN:
        buf_printf(out, "Member must satisfy regular expression pattern: %s", s->pattern);
        break;
    case VIOLATION_ENUM:
        buf_adds(out, "Member must satisfy enum value set: [");
        for (size_t i = 0; i < s->n_values; i++)
            buf_printf(out, "%s%s", i ? ", " : "", s->values[i]);
        buf_adds(out, "]");
        break;
    case VIOLATION_TYPE:
    case VIOLATION_UNKNOWN:
        break;
    }
}

static const char *shape_words(enum shape_type type)
{
    static const char *const words[] = {
        [SHAPE_STRUCTURE] = "an object", [SHAPE_LIST] = "a list",
        [SHAPE_MAP] = "an object",       [SHAPE_STRING] = "a string",
        [SHAPE_INTEGER] = "an integer",  [SHAPE_LONG] = "an integer",
        [SHAPE_FLOAT] = "a number",      [SHAPE_DOUBLE] = "a number",
        [SHAPE_BOOLEAN] = "a boolean",   [SHAPE_TIMESTAMP] = "a number",
    };

    return words[type];
}

static void complain(void *context, const struct service_violation *v)
{
    struct complaint *x = context;
    AUTO_BUF struct buf path = { 0 };

    add_path(&path, v->pointer);
    if (v->kind == VIOLATION_TYPE) {
        buf_printf(&x->types, "%s'%s' must be %s, not %s", x->types.length ? "; " : "",
                   path.length ? path.data : "the request", shape_words(v->shape->type),
                   json_type_words(v->value));
        return;
    }
    if (x->n_constraints++)
        buf_adds(&x->constraints, "; ");
    add_value(&x->constraints, v);
    buf_printf(&x->constraints,
               " at '%s' failed to satisfy constraint: ", path.length ? path.data : "");
    add_constraint(&x->constraints, v);
}

enum wire_error call_check_input(struct call *c)
{
    struct complaint x = { 0 };
    const struct service_check_options options = { .is_null_absent = true,
                                                   .is_unknown_ignored = true,
                                                   .context = &x };
    enum wire_error result = WIRE_OK;

    if (service_model_check(c->model->input, c->in, &options, complain) == 0)
        return WIRE_OK;
    if (x.types.length)
        result = call_fail(c, WIRE_SERIALIZATION, "%s.", x.types.data);
    else
        result = call_fail(c, WIRE_INVALID_INPUT, "%zu validation error%s detected: %s",
                           x.n_constraints, x.n_constraints == 1 ? "" : "s", x.constraints.data);
    buf_done(&x.constraints);
    buf_done(&x.types);
    return result;
}

enum wire_error sim_call(struct call *c)
{
    const struct operation *op = find_operation(c->operation);

    c->model = service_operation_find(&service_personalize, c->operation);
    if (!op || !c->model)
        return call_fail(c, WIRE_UNKNOWN_OPERATION, "The operation %.100s is not known.",
                         c->operation);
    c->now_ms = sim_now_ms(c->sim);
    PASS(call_check_input(c));
    return op->run(c, op->kind < 0 ? NULL : &sim_kinds[op->kind]);
}
