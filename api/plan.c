/*
 * plan.c - what an apply would do, before it does it.
 *
 * A plan is an observe run: every resource is looked at afresh and judged by the comparison that
 * steps decide by. The request waits for it for half a minute, else the run's address is answered.
 * A document that is not stored is looked at without a config, so that nothing of it is kept but
 * the run.
 */
#include <string.h>

#include "api_private.h"
#include "config_left.h"
#include "config_write.h"
#include "steward/clock.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/plan_lines.h"
#include "steward/run_store.h"
#include "steward/runs_store.h"

#define WAIT_MS 30000

struct plan_call {
    struct parameter_file file;
    struct plan plan;
    const char *config, *version; /* of a stored config; NULL: a document on trial */
    const char *run_id;
    struct feed_waiter waiter;
};

static void state_done(void *state)
{
    struct plan_call *p = state;

    plan_done(&p->plan);
    parameter_file_done(&p->file);
}

static bool wants(const struct call *c, const char *type)
{
    const char *accept = http_header(c->rq, "Accept");

    return accept && strstr(accept, type);
}

static void answer_words(struct call *c, const json_t *plan, bool is_markdown)
{
    const struct plan_call *p = c->state;
    const char *title = arena_printf(c->arena, "config %s", p->file.name);
    struct buf out = { 0 };
    size_t n;

    if (is_markdown)
        plan_lines_markdown(plan, title, &out);
    else
        plan_lines_text(plan, title, &out);
    n = out.length;
    http_respond_take(c->rq, 200,
                      is_markdown ? "text/markdown; charset=utf-8" : "text/plain; charset=utf-8",
                      buf_take(&out), n);
}

static void answer_plan(struct call *c, const json_t *run)
{
    const struct plan_call *p = c->state;
    AUTO_JSON json_t *plan = plan_lines_of(json_object_get(run, "steps"));

    if (wants(c, "text/markdown")) {
        answer_words(c, plan, true);
        return;
    }
    if (wants(c, "text/plain")) {
        answer_words(c, plan, false);
        return;
    }
    json_object_set_new(plan, "config", json_string(p->file.name));
    if (p->version)
        json_object_set_new(plan, "configVersion", json_integer(strtoll(p->version, NULL, 10)));
    json_object_set(plan, "observedAt", json_object_get(run, "finishedAt"));
    json_object_set_new(plan, "run", json_string(p->run_id));
    json_object_set_new(plan, "warnings", findings_to_json(&p->file.warnings));
    answer_json(c, 200, plan);
}

static void look(struct call *c);

static void woken(struct feed_waiter *w)
{
    look(w->call);
}

static void run_read(struct call *c)
{
    struct plan_call *p = c->state;
    const char *text = rows_text(c->reply, 0, 0, 0);
    bool is_over = rows_bool(c->reply, 0, 0, 1);
    AUTO_JSON json_t *run = NULL;
    struct err e;

    if (!text || json_parse(text, rows_length(c->reply, 0, 0, 0), &run, NULL, &e)) {
        answer_problem(c, 500, "internal", "The run of the plan cannot be read.");
    } else if (is_over) {
        answer_plan(c, run);
    } else if (p->waiter.is_expired || clock_mono_ms() >= p->waiter.deadline_ms) {
        http_set_header(c->rq, "Location", arena_printf(c->arena, "/runs/%s", p->run_id));
        answer_text(c, 202, text, rows_length(c->reply, 0, 0, 0));
    } else {
        p->waiter.call = c;
        p->waiter.run_id = p->run_id;
        p->waiter.wake = woken;
        feed_wait(c->api->feed, &p->waiter);
    }
}

static void look(struct call *c)
{
    struct plan_call *p = c->state;
    struct db_op op;

    runs_store_read(p->run_id, &op);
    call_read(c, &op, 1, run_read);
}

static void begin_run(struct call *c)
{
    struct plan_call *p = c->state;
    struct run_new run = { .config = p->config,
                           .config_version = p->version ? strtoll(p->version, NULL, 10) : 0,
                           .kind = RUN_KIND_OBSERVE,
                           .trigger = "api",
                           .overlap = "queue",
                           .created_by = c->who.token_id };
    struct db_op ops[CALL_OPS_MAX];
    size_t n = 0;

    id_new("run", run.id);
    p->run_id = arena_strdup(c->arena, run.id);
    if (p->config)
        configs_store_fence(p->config, p->version, &ops[n++]);
    n += run_store_insert(c->arena, &run, &p->plan, ops + n);
    p->waiter.deadline_ms = clock_mono_ms() + WAIT_MS;
    http_extend(c->rq, WAIT_MS + 10000);
    call_write(c, ops, n,
               &(struct write_note){ .status = 200,
                                     .detail = arena_printf(
                                         c->arena, "{\"run\":\"%s\",\"kind\":\"observe\"}", run.id),
                                     .next = look });
}

static void left_read(struct call *c)
{
    struct plan_call *p = c->state;

    if (config_left_plan(c, 0, &p->plan, c->is_prune ? LEFTOVER_PRUNE : LEFTOVER_KEEP))
        begin_run(c);
}

static void read_left(struct call *c)
{
    const struct plan_call *p = c->state;
    struct db_op op;

    config_left_read(c, &p->file, &op);
    call_read(c, &op, 1, left_read);
}

static void plan_file(struct call *c)
{
    struct plan_call *p = c->state;
    struct err e;

    plan_done(&p->plan);
    if (plan_build(&p->file, c->api->settings, RUN_KIND_OBSERVE, NULL, &p->plan, &e))
        answer_field(c, "", "cannot-plan", e.message);
    else
        read_left(c);
}

static struct plan_call *plan_call_new(struct call *c)
{
    struct plan_call *p = arena_alloc(c->arena, sizeof *p);

    c->state = p;
    c->state_done = state_done;
    c->idempotency_key = NULL; /* it changes nothing, and its answer is about now */
    return p;
}

void api_config_plan_post(struct call *c)
{
    struct plan_call *p = plan_call_new(c);
    size_t n;
    const char *text = http_body(c->rq, &n);

    parameter_file_parse(text, n, &p->file);
    c->on_stale = plan_file;
    if (p->file.errors.count)
        answer_findings(c, p->file.errors.items[0].line ? 400 : 422,
                        p->file.errors.items[0].line ? "syntax" : "invalid", &p->file.errors);
    else
        plan_file(c);
}

/* The row is (version, sha256, sync, state of the newest apply, document). */
static void config_read(struct call *c)
{
    struct plan_call *p = c->state;
    const char *version = rows_text(c->reply, 0, 0, 0), *document = rows_text(c->reply, 0, 0, 4);

    if (!version) {
        answer_not_found(c, "config", c->match.params[0]);
        return;
    }
    p->config = c->match.params[0];
    p->version = arena_strdup(c->arena, version);
    parameter_file_done(&p->file);
    p->file = (struct parameter_file){ 0 };
    parameter_file_parse(document, strlen(document), &p->file);
    if (p->file.errors.count)
        answer_findings(c, 422, "stored-config-invalid", &p->file.errors);
    else
        plan_file(c);
}

static void read_config(struct call *c)
{
    struct db_op op;

    configs_store_current(c->match.params[0], &op);
    call_read(c, &op, 1, config_read);
}

void api_config_plan_get(struct call *c)
{
    (void) plan_call_new(c);
    c->on_stale = read_config;
    read_config(c);
}
