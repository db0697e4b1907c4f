/*
 * plan.c - what an apply would do, before it does it.
 *
 * A plan is an observe run: every resource is looked at afresh and judged by the comparison that
 * steps decide by. The request waits for it for half a minute, else the run's address is answered.
 * A document that is not stored is looked at without a config, so that nothing of it is kept but
 * the run.
 */
#include <string.h>

#include "config_write.h"
#include "observe.h"
#include "steward/configs_store.h"

static void state_done(void *state)
{
    observation_done(state);
}

static void answer_plan(struct call *c)
{
    const struct observation *o = c->state;
    AUTO_JSON json_t *plan = observation_to_plan(c, o);

    observation_answer(c, 200, plan, arena_printf(c->arena, "config %s", o->file.name));
}

static void over(struct call *c)
{
    observation_facts(c, c->state, answer_plan);
}

static void planned(struct call *c)
{
    struct observation *o = c->state;
    AUTO_JSON json_t *steps = NULL;

    if (!c->is_dry_run) {
        observation_begin(c, o);
        return;
    }
    /* Without a run there is no look: what would be looked at. */
    steps = config_plan_json(&o->plan);
    answer_dry_run(
        c, json_pack("{s:s, s:s, s:O}", "config", o->file.name, "kind", "observe", "steps", steps));
}

static void plan_file(struct call *c)
{
    observation_plan(c, c->state, planned);
}

static struct observation *begin(struct call *c)
{
    struct observation *o = arena_alloc(c->arena, sizeof *o);

    c->state = o;
    c->state_done = state_done;
    c->idempotency_key = NULL; /* it changes nothing, and its answer is about now */
    o->over = over;
    return o;
}

void api_config_plan_post(struct call *c)
{
    struct observation *o = begin(c);
    size_t n;
    const char *text = http_body(c->rq, &n);

    parameter_file_parse(text, n, &o->file);
    c->on_stale = plan_file;
    if (o->file.errors.count)
        answer_findings(c, o->file.errors.items[0].line ? 400 : 422,
                        o->file.errors.items[0].line ? "syntax" : "invalid", &o->file.errors);
    else
        plan_file(c);
}

/* The row is (version, sha256, sync, state of the newest apply, document). */
static void config_read(struct call *c)
{
    struct observation *o = c->state;
    const char *version = rows_text(c->reply, 0, 0, 0), *document = rows_text(c->reply, 0, 0, 4);

    if (!version) {
        answer_not_found(c, "config", c->match.params[0]);
        return;
    }
    o->config = c->match.params[0];
    o->version = arena_strdup(c->arena, version);
    plan_done(&o->plan);
    parameter_file_done(&o->file);
    o->file = (struct parameter_file){ 0 };
    parameter_file_parse(document, strlen(document), &o->file);
    if (o->file.errors.count)
        answer_findings(c, 422, "stored-config-invalid", &o->file.errors);
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
    (void) begin(c);
    c->on_stale = read_config;
    read_config(c);
}
