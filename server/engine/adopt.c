/*
 * adopt.c - reading a dataset group with everything in it, to make a parameter file of it.
 *
 * One look of many calls, breadth first: each answer may ask for more. Nothing is changed, and
 * nothing is written but the document in the step's details. Per-run kinds count as their newest
 * finished one.
 */
#include <string.h>

#include "steward/adopt_document.h"
#include "steward/decide.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

#define CALLS_MAX 5000

/* What is listed below each kind. */
static const struct {
    enum kind_id parent, child;
} below[] = {
    { KIND_DATASET_GROUP, KIND_DATASET },
    { KIND_DATASET_GROUP, KIND_EVENT_TRACKER },
    { KIND_DATASET_GROUP, KIND_METRIC_ATTRIBUTION },
    { KIND_DATASET_GROUP, KIND_FILTER },
    { KIND_DATASET_GROUP, KIND_SOLUTION },
    { KIND_DATASET_GROUP, KIND_RECOMMENDER },
    { KIND_DATASET, KIND_DATASET_IMPORT_JOB },
    { KIND_SOLUTION, KIND_SOLUTION_VERSION },
    { KIND_SOLUTION, KIND_CAMPAIGN },
};

/* A task: {"do": "describe|list|tags|metrics", "kind", "arn", "parent", "token"}. */
static void ask(struct work *w, const char *what, enum kind_id kind, const char *arn,
                const char *parent)
{
    json_array_append_new(w->look.items, json_pack("{s:s, s:s, s:s, s:s?}", "do", what, "kind",
                                                   kinds[kind].name, "arn", arn, "parent", parent));
}

static json_t *task_request(const json_t *task, const struct kind *kind)
{
    const char *what = json_text(task, "do"), *arn = json_text(task, "arn");
    json_t *rq;

    if (str_eq(what, "describe"))
        return json_pack("{s:s}", kind->arn_member, arn);
    if (str_eq(what, "tags"))
        return json_pack("{s:s}", "resourceArn", arn);
    if (str_eq(what, "metrics"))
        return json_pack("{s:s, s:i}", "metricAttributionArn", arn, "maxResults", 100);
    rq = json_pack("{s:s, s:i}", kind->list_filter, arn, "maxResults", 100);
    if (json_object_get(task, "token"))
        json_object_set(rq, "nextToken", json_object_get(task, "token"));
    return rq;
}

static const char *task_operation(const json_t *task, const struct kind *kind)
{
    const char *what = json_text(task, "do");

    return str_eq(what, "describe") ? kind->describe_op
           : str_eq(what, "tags")   ? "ListTagsForResource"
           : str_eq(what, "list")   ? kind->list_op
                                    : "ListMetricAttributionMetrics";
}

static enum look_result next_call(struct work *w)
{
    const json_t *task = json_array_get(w->look.items, 0);
    const struct kind *kind = kind_find(json_text(task, "kind"));

    w->look.stage = LOOK_ADOPT;
    if (++w->look.pages > CALLS_MAX) {
        (void) err_set(&w->trouble, ERR_INVALID, "The dataset group %s is too large to import.",
                       w->row.name);
        return LOOK_NEVER;
    }
    aws_call_done(&w->call);
    aws_call_init(&w->call, AWS_PERSONALIZE, task_operation(task, kind), task_request(task, kind));
    w->call.user = w;
    return LOOK_CALL;
}

static json_t *found_at(struct work *w, const char *arn)
{
    json_t *item = json_object_get(w->observed, arn);

    if (!item) {
        item = json_object();
        json_object_set_new(w->observed, arn, item);
    }
    return item;
}

static void take_description(struct work *w, const json_t *task, const struct kind *kind)
{
    const char *arn = json_text(task, "arn");
    json_t *resource = json_object_get(w->call.response, kind->describe_member);
    json_t *item = found_at(w, arn);

    json_object_set_new(item, "kind", json_string(kind->name));
    json_object_set(item, "resource", resource);
    if (json_object_get(task, "parent"))
        json_object_set(item, "parent", json_object_get(task, "parent"));
    if (kind->is_taggable && !kind->is_per_run)
        ask(w, "tags", kind->id, arn, NULL);
    if (kind->id == KIND_METRIC_ATTRIBUTION)
        ask(w, "metrics", kind->id, arn, NULL);
    if (kind->id == KIND_DATASET && json_text(resource, "schemaArn"))
        ask(w, "describe", KIND_SCHEMA, json_text(resource, "schemaArn"), NULL);
    for (size_t i = 0; i < ARRAY_LEN(below); i++)
        if (below[i].parent == kind->id)
            ask(w, "list", below[i].child, arn, arn);
}

static const json_t *newest_active(const json_t *items)
{
    const json_t *best = NULL;
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) items, i, item)
        if (str_eq(json_text(item, "status"), "ACTIVE") &&
            (!best ||
             decide_time_ms(item, "creationDateTime") > decide_time_ms(best, "creationDateTime")))
            best = item;
    return best;
}

/* The newest version leads to the batch jobs made of it. */
static void take_version(struct work *w, const char *solution, const char *version)
{
    json_object_set_new(found_at(w, solution), "newestVersion", json_string(version));
    ask(w, "list", KIND_BATCH_INFERENCE_JOB, version, solution);
    ask(w, "list", KIND_BATCH_SEGMENT_JOB, version, solution);
}

static void take_list(struct work *w, const json_t *task, const struct kind *kind)
{
    const json_t *page = json_object_get(w->call.response, kind->list_member);
    const char *token = json_text(w->call.response, "nextToken"),
               *parent = json_text(task, "parent");
    const json_t *newest = kind->is_per_run ? newest_active(page) : NULL;
    size_t i;
    json_t *summary;

    if (newest && kind->id == KIND_SOLUTION_VERSION)
        take_version(w, parent, json_text_or(newest, kind->arn_member, ""));
    else if (newest)
        ask(w, "describe", kind->id, json_text_or(newest, kind->arn_member, ""), parent);
    json_array_foreach ((json_t *) page, i, summary)
        if (!kind->is_per_run && !str_starts(json_text_or(summary, "status", ""), "DELETE"))
            ask(w, "describe", kind->id, json_text_or(summary, kind->arn_member, ""), parent);
    /* Lists come newest first: of jobs the first page is enough. */
    if (str_is_empty(token) || newest)
        return;
    ask(w, "list", kind->id, json_text(task, "arn"), parent);
    json_object_set_new(json_array_get(w->look.items, json_array_size(w->look.items) - 1), "token",
                        json_string(token));
}

enum look_result adopt_begin(struct worker *k, struct work *w)
{
    char arn[512];

    json_decref(w->observed);
    w->observed = json_object();
    request_arn(k, w->row.kind, w->row.name, arn, sizeof arn);
    str_copy(w->look.arn, sizeof w->look.arn, arn);
    ask(w, "describe", KIND_DATASET_GROUP, arn, NULL);
    return next_call(w);
}

enum look_result adopt_continue(struct work *w, enum seen *seen)
{
    AUTO_JSON json_t *task = json_incref(json_array_get(w->look.items, 0));
    const struct kind *kind = kind_find(json_text(task, "kind"));
    const char *what = json_text(task, "do");

    json_array_remove(w->look.items, 0);
    if (w->call.outcome != AWS_DONE) {
        /* What went away meanwhile is left out; without the group there is nothing. */
        if (w->call.error_class != AWS_ERROR_NOT_FOUND)
            return judge_look_is_retryable(&w->call) ? LOOK_LATER : LOOK_NEVER;
        if (kind->id == KIND_DATASET_GROUP) {
            (void) err_set(&w->trouble, ERR_NOT_FOUND,
                           "There is no dataset group %s in this account and region.", w->row.name);
            return LOOK_NEVER;
        }
    } else if (str_eq(what, "describe")) {
        take_description(w, task, kind);
    } else if (str_eq(what, "list")) {
        take_list(w, task, kind);
    } else if (str_eq(what, "tags")) {
        json_object_set(found_at(w, json_text(task, "arn")), "tags",
                        json_object_get(w->call.response, "tags"));
    } else {
        json_object_set(json_object_get(found_at(w, json_text(task, "arn")), "resource"), "metrics",
                        json_object_get(w->call.response, "metrics"));
    }
    if (json_array_size(w->look.items))
        return next_call(w);
    *seen = SEEN_MATCHES;
    return LOOK_SEEN;
}

json_t *adopt_result(const struct work *w)
{
    return adopt_document(w->observed);
}
