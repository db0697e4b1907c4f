/*
 * audit.c - what lives in the account: the lists of every kind, and whose mark each bears.
 *
 * One look of many calls. What no config owns is worked out afterwards from the rows (audit_store):
 * those are the orphans. Of jobs and versions only those count that bear our mark or our kind of
 * name and that no step knows: something of ours that got lost.
 */
#include <string.h>

#include "steward/audit_store.h"
#include "steward/clock.h"
#include "steward/decide.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/run_store.h"
#include "steward/str.h"
#include "work.h"

#define CALLS_MAX 5000
#define RECENT_MS \
    (INT64_C(7) * 86400 * 1000) /* older versions were audited when they were younger */
#define MARK       "steward:deployment"
#define NAME_CHARS 20 /* of the hash that ends a generated name */

static void ask(struct work *w, const char *what, enum kind_id kind, const char *arn)
{
    json_array_append_new(w->look.items, json_pack("{s:s, s:s, s:s?}", "do", what, "kind",
                                                   kinds[kind].name, "arn", arn));
}

static enum look_result next_call(struct work *w)
{
    const json_t *task = json_array_get(w->look.items, 0);
    const struct kind *kind = kind_find(json_text(task, "kind"));
    bool is_list = str_eq(json_text(task, "do"), "list");
    json_t *rq = is_list ? json_pack("{s:i}", "maxResults", 100)
                         : json_pack("{s:s}", "resourceArn", json_text(task, "arn"));

    w->look.stage = LOOK_AUDIT;
    if (++w->look.pages > CALLS_MAX) {
        (void) err_set(&w->trouble, ERR_INVALID, "The account is too large for an audit.");
        json_decref(rq);
        return LOOK_NEVER;
    }
    if (is_list && json_object_get(task, "token"))
        json_object_set(rq, "nextToken", json_object_get(task, "token"));
    aws_call_done(&w->call);
    aws_call_init(&w->call, AWS_PERSONALIZE, is_list ? kind->list_op : "ListTagsForResource", rq);
    w->call.user = w;
    return LOOK_CALL;
}

/* "<readable>-<20 characters of base32>" */
static bool is_generated(const char *name)
{
    size_t n = strlen(name);

    return n > NAME_CHARS && name[n - NAME_CHARS - 1] == '-' &&
           strspn(name + n - NAME_CHARS, "abcdefghijklmnopqrstuvwxyz234567") == NAME_CHARS;
}

/* Of jobs and versions, what may be ours. */
static bool may_be_ours(const struct kind *kind, const json_t *summary, int64_t now_ms)
{
    if (kind->id != KIND_SOLUTION_VERSION)
        return is_generated(json_text_or(summary, kind->name_member, ""));
    return !str_eq(json_text(summary, "trainingType"), "AUTOMATIC") &&
           now_ms - decide_time_ms(summary, "creationDateTime") < RECENT_MS;
}

static void take_summary(struct work *w, const struct kind *kind, const json_t *summary,
                         int64_t now_ms)
{
    const char *arn = json_text(summary, kind->arn_member);
    const char *name = json_text(summary, kind->name_member);

    if (!arn || str_starts(json_text_or(summary, "status", ""), "DELETE") ||
        (kind->is_per_run && !may_be_ours(kind, summary, now_ms)))
        return;
    json_object_set_new(w->observed, arn,
                        json_pack("{s:s, s:s, s:s, s:s?, s:b, s:I}", "arn", arn, "kind", kind->name,
                                  "name", name ? name : strrchr(arn, ':') + 1, "status",
                                  json_text(summary, "status"), "is_job", (int) kind->is_per_run,
                                  "created_ms",
                                  (json_int_t) decide_time_ms(summary, "creationDateTime")));
    if (kind->is_taggable)
        ask(w, "tags", kind->id, arn);
}

static void take_list(struct worker *k, struct work *w, const struct kind *kind)
{
    const char *token = json_text(w->call.response, "nextToken");
    int64_t now_ms = clock_wall_ms() + aws_clock_offset_ms(k->options->aws, AWS_PERSONALIZE);
    size_t i;
    json_t *summary;

    json_array_foreach (json_object_get(w->call.response, kind->list_member), i, summary)
        take_summary(w, kind, summary, now_ms);
    if (str_is_empty(token))
        return;
    ask(w, "list", kind->id, NULL);
    json_object_set_new(json_array_get(w->look.items, json_array_size(w->look.items) - 1), "token",
                        json_string(token));
}

static void take_tags(struct work *w, const char *arn)
{
    json_t *item = json_object_get(w->observed, arn), *tag;
    size_t i;

    json_array_foreach (json_object_get(w->call.response, "tags"), i, tag)
        if (str_eq(json_text(tag, "tagKey"), MARK))
            json_object_set(item, "deployment", json_object_get(tag, "tagValue"));
}

enum look_result audit_begin(struct work *w)
{
    json_decref(w->observed);
    w->observed = json_object();
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (kinds[i].list_op)
            ask(w, "list", kinds[i].id, NULL);
    return next_call(w);
}

enum look_result audit_continue(struct worker *k, struct work *w, enum seen *seen)
{
    AUTO_JSON json_t *task = json_incref(json_array_get(w->look.items, 0));
    const char *arn = json_text(task, "arn");

    json_array_remove(w->look.items, 0);
    if (w->call.outcome == AWS_DONE && arn)
        take_tags(w, arn);
    else if (w->call.outcome == AWS_DONE)
        take_list(k, w, kind_find(json_text(task, "kind")));
    else if (!arn || w->call.error_class != AWS_ERROR_NOT_FOUND)
        return judge_look_is_retryable(&w->call) ? LOOK_LATER : LOOK_NEVER;
    else
        json_object_del(w->observed, arn); /* gone between the two calls */
    if (json_array_size(w->look.items))
        return next_call(w);
    *seen = SEEN_MATCHES;
    return LOOK_SEEN;
}

void audit_settle(struct worker *k, const struct work *w)
{
    AUTO_JSON json_t *list = json_array();
    AUTO_FREE char *text = NULL;
    const char *arn;
    json_t *item;
    struct err e;

    json_object_foreach (w->observed, arn, item)
        json_array_append(list, item);
    text = json_compact(list);
    FP("adt.before_commit");
    if (audit_store_write(k->db, w->row.run_id, text, k->options->settings.deployment_id, &e))
        log_error("engine", "audit_not_stored", &e);
}

enum err_code audit_tick(struct engine *engine, struct db_conn *db, struct err *e)
{
    struct run_new run = { .kind = RUN_KIND_OBSERVE, .trigger = "schedule", .overlap = "queue" };
    struct arena arena = { 0 };
    struct db_op ops[RUN_STORE_OPS + 1];
    struct plan plan;
    size_t n = 0;
    enum err_code rc;

    id_new("run", run.id);
    plan_audit(&plan);
    audit_store_fence(arena_strdup(&arena, run.id), &ops[n++]);
    n += run_store_insert(&arena, &run, &plan, ops + n);
    rc = db_run(db, ops, n, NULL, e);
    if (!rc)
        engine_wake(engine);
    plan_done(&plan);
    arena_done(&arena);
    return rc == ERR_CONFLICT ? OK : rc; /* not due, or another replica was faster */
}
