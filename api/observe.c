/*
 * observe.c - looking at everything a file names, and what a plan is made of it.
 *
 * The run is a row like any other; the request hangs on the feed and reads the run when something
 * of it happened.
 */
#include "observe.h"

#include <string.h>

#include "config_left.h"
#include "config_write.h"
#include "steward/clock.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/plan_judge.h"
#include "steward/plan_lines.h"
#include "steward/plans_store.h"
#include "steward/run_store.h"
#include "steward/runs_store.h"

#define WAIT_MS 30000

void observation_done(struct observation *o)
{
    plan_done(&o->plan);
    parameter_file_done(&o->file);
    json_decref(o->run);
    json_decref(o->facts);
}

static void left_read(struct call *c)
{
    if (config_left_plan(c, 0, &c->observation->plan, c->is_prune ? LEFTOVER_PRUNE : LEFTOVER_KEEP))
        c->observation_next(c);
}

void observation_plan(struct call *c, struct observation *o, phase_fn next)
{
    struct db_op op;
    struct err e;

    plan_done(&o->plan);
    if (plan_build(&o->file, c->api->settings, RUN_KIND_OBSERVE, NULL, &o->plan, &e)) {
        answer_field(c, "", "cannot-plan", e.message);
        return;
    }
    c->observation = o;
    c->observation_next = next;
    config_left_read(c, &o->file, &op);
    call_read(c, &op, 1, left_read);
}

size_t observation_ops(struct call *c, struct observation *o, struct db_op *ops)
{
    struct run_new run = { .config = o->config,
                           .config_version =
                               o->config && o->version ? strtoll(o->version, NULL, 10) : 0,
                           .kind = RUN_KIND_OBSERVE,
                           .trigger = "api",
                           .overlap = "queue",
                           .created_by = c->who.token_id };
    size_t n = 0;

    id_new("run", run.id);
    o->run_id = arena_strdup(c->arena, run.id);
    if (o->config)
        configs_store_fence(o->config, o->version, &ops[n++]);
    return n + run_store_insert(c->arena, &run, &o->plan, ops + n);
}

/* ---- waiting ---- */

static void look(struct call *c, struct observation *o);

static void woken(struct feed_waiter *w)
{
    struct observation *o =
        (struct observation *) (void *) ((char *) w - offsetof(struct observation, waiter));

    look(w->call, o);
}

static struct observation *waiting(const struct call *c)
{
    return c->observation;
}

static void too_late(struct call *c, struct observation *o)
{
    if (o->late) {
        o->late(c);
        return;
    }
    http_set_header(c->rq, "Location", arena_printf(c->arena, "/runs/%s", o->run_id));
    answer_text(c, 202, rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0));
}

static void run_read(struct call *c)
{
    struct observation *o = waiting(c);
    const char *text = rows_text(c->reply, 0, 0, 0);
    struct err e;

    if (text && !rows_bool(c->reply, 0, 0, 1)) {
        if (o->waiter.is_expired || clock_mono_ms() >= o->waiter.deadline_ms) {
            too_late(c, o);
            return;
        }
        o->waiter.call = c;
        o->waiter.run_id = o->run_id;
        o->waiter.wake = woken;
        feed_wait(c->api->feed, &o->waiter);
        return;
    }
    json_decref(o->run);
    o->run = NULL;
    if (!text || json_parse(text, rows_length(c->reply, 0, 0, 0), &o->run, NULL, &e))
        answer_problem(c, 500, "internal", "The run of the plan cannot be read.");
    else
        o->over(c);
}

static void look(struct call *c, struct observation *o)
{
    struct db_op op;

    c->observation = o;
    runs_store_read(o->run_id, &op);
    call_read(c, &op, 1, run_read);
}

static void written(struct call *c)
{
    look(c, waiting(c));
}

void observation_await(struct call *c, struct observation *o, int64_t deadline_ms)
{
    o->waiter.deadline_ms = deadline_ms;
    look(c, o);
}

void observation_begin(struct call *c, struct observation *o)
{
    struct db_op ops[CALL_OPS_MAX];
    size_t n = observation_ops(c, o, ops);

    if (o->extra)
        n += o->extra(c, ops + n);
    c->observation = o;
    o->waiter.is_expired = false;
    o->waiter.deadline_ms = clock_mono_ms() + WAIT_MS;
    http_extend(c->rq, WAIT_MS + 10000);
    call_write(
        c, ops, n,
        &(struct write_note){
            .status = 200,
            .detail = arena_printf(c->arena, "{\"run\":\"%s\",\"kind\":\"observe\"}", o->run_id),
            .next = written });
}

/* ---- facts ---- */

/* The row is (json); then rows (key, owner). */
static void facts_read(struct call *c)
{
    struct observation *o = waiting(c);
    json_t *foreign = json_object();
    struct err e;

    json_decref(o->facts);
    o->facts = NULL;
    if (json_parse(rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0), &o->facts, NULL,
                   &e)) {
        json_decref(foreign);
        http_problem_err(c->rq, &e);
        return;
    }
    for (size_t i = 0; i < rows_count(c->reply, 1); i++)
        json_object_set_new(foreign, rows_text(c->reply, 1, i, 0),
                            json_string(rows_text(c->reply, 1, i, 1)));
    json_object_set_new(o->facts, "foreign", foreign);
    c->observation_next(c);
}

void observation_facts(struct call *c, struct observation *o, phase_fn next)
{
    const char *keys = config_resource_keys(c, &o->file);
    struct db_op ops[2];

    c->observation = o;
    c->observation_next = next;
    plans_store_facts(o->file.name, keys, &ops[0]);
    configs_store_foreign(o->file.name, keys, &ops[1]);
    call_read(c, ops, ARRAY_LEN(ops), facts_read);
}

/* ---- what it becomes ---- */

json_t *observation_to_plan(const struct call *c, const struct observation *o)
{
    const json_t *steps = json_object_get(o->run, "steps");
    json_t *plan = plan_lines_of(steps);

    plan_judge(plan, steps,
               &(struct plan_world){ .file = &o->file,
                                     .prices = c->api->settings->prices,
                                     .limits = c->api->settings->limits,
                                     .facts = o->facts,
                                     .is_rehearsal = c->api->options.is_simulated });
    json_object_set_new(plan, "config", json_string(o->file.name));
    if (o->version)
        json_object_set_new(plan, "configVersion", json_integer(strtoll(o->version, NULL, 10)));
    json_object_set(plan, "observedAt", json_object_get(o->run, "finishedAt"));
    json_object_set_new(plan, "run", json_string(o->run_id));
    json_object_set_new(plan, "warnings", findings_to_json(&o->file.warnings));
    return plan;
}

static bool wants(const struct call *c, const char *type)
{
    const char *accept = http_header(c->rq, "Accept");

    return accept && strstr(accept, type);
}

void observation_answer(struct call *c, int status, const json_t *plan, const char *title)
{
    bool is_markdown = wants(c, "text/markdown");
    struct buf out = { 0 };
    size_t n;

    if (!is_markdown && !wants(c, "text/plain")) {
        answer_json(c, status, plan);
        return;
    }
    if (is_markdown)
        plan_lines_markdown(plan, title, &out);
    else
        plan_lines_text(plan, title, &out);
    n = out.length;
    http_respond_take(c->rq, status,
                      is_markdown ? "text/markdown; charset=utf-8" : "text/plain; charset=utf-8",
                      buf_take(&out), n);
}

/* What counts as moved. Whether we knew it, and whose tag it bears, moves by looking alone. */
static json_t *seen_of(const json_t *step)
{
    const json_t *o = json_object_get(json_object_get(step, "details"), "observation");

    return json_pack("{s:O?, s:O?, s:O?, s:O?, s:O?, s:O?}", "key",
                     json_object_get(step, "resourceKey"), "arn", json_object_get(step, "arn"),
                     "seen", json_object_get(o, "seen"), "differences",
                     json_object_get(o, "differences"), "conflict", json_object_get(o, "conflict"),
                     "location", json_object_get(o, "location"));
}

static void add_moved(const json_t *step, const json_t *was, const json_t *is, struct findings *out)
{
    const struct kind *kind = kind_find(json_text_or(step, "kind", ""));
    const char *before = json_text_or(was, "seen", "unknown"),
               *now = json_text_or(is, "seen", "unknown");

    findings_add(out, json_text_or(step, "pointer", ""), "world-moved",
                 "The %s %s is not as it was when the plan was made (%s%s%s).",
                 kind ? kind->title : "resource", json_text_or(step, "name", ""), before,
                 str_eq(before, now) ? ", but otherwise" : " then, now ",
                 str_eq(before, now) ? "" : now);
}

void observation_moved(const json_t *before, const json_t *after, struct findings *out)
{
    const json_t *old = json_object_get(before, "steps"), *new = json_object_get(after, "steps");
    size_t i;
    json_t *step;

    json_array_foreach ((json_t *) new, i, step) {
        AUTO_JSON json_t *was = seen_of(json_array_get(old, i)), *is = seen_of(step);

        if (!json_equal(was, is))
            add_moved(step, was, is, out);
    }
}
