/*
 * config_run.c - from a stored config to a run of it, for routes that start one kind of run.
 *
 * The config's version is the fence: a run is never planned from a document that is no longer the
 * current one.
 */
#include "config_run.h"

#include <string.h>

#include "config_write.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/runs_store.h"

static void state_done(void *state)
{
    struct config_run *s = state;

    plan_done(&s->plan);
    parameter_file_done(&s->file);
    json_decref(s->options);
}

struct config_run *config_run_new(struct call *c, enum run_kind kind)
{
    struct config_run *s = arena_alloc(c->arena, sizeof *s);

    c->state = s;
    c->state_done = state_done;
    s->kind = kind;
    s->config = c->match.params[0];
    s->options = json_object();
    s->loaded = config_run_write;
    return s;
}

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void answer_trial(struct call *c, const struct config_run *s)
{
    AUTO_JSON json_t *steps = config_plan_json(&s->plan);
    AUTO_JSON json_t *answer =
        json_pack("{s:b, s:s, s:s, s:s, s:O}", "dryRun", true, "config", s->config, "configVersion",
                  s->version, "kind", run_kind_name(s->kind), "steps", steps);

    if (s->kind == RUN_KIND_DESTROY)
        config_destroy_lines(&s->plan, answer);
    answer_json(c, 200, answer);
}

static bool make_plan(struct call *c, struct config_run *s)
{
    struct err e;
    enum err_code rc;

    plan_done(&s->plan);
    rc = plan_build(&s->file, c->api->settings, s->kind, s->options, &s->plan, &e);
    if (rc == ERR_CONFLICT)
        answer_problem(c, 409, "destroy-prevented", e.message);
    else if (rc)
        answer_field(c, "", "cannot-plan", e.message);
    return !rc;
}

void config_run_write(struct call *c)
{
    struct config_run *s = c->state;
    struct db_op ops[CALL_OPS_MAX];
    size_t n = 0;

    if (!make_plan(c, s) || (s->adjust && !s->adjust(c, s)))
        return;
    if (c->is_dry_run) {
        answer_trial(c, s);
        return;
    }
    s->run = (struct run_new){ .config = s->config,
                               .config_version = strtoll(s->version, NULL, 10),
                               .kind = s->kind,
                               .trigger = "api",
                               .overlap = "queue",
                               .created_by = c->who.token_id,
                               .options = s->options };
    id_new("run", s->run.id);
    configs_store_fence(s->config, s->version, &ops[n++]);
    for (size_t i = 0; i < s->n_extra; i++)
        ops[n++] = s->extra[i];
    n += run_store_insert(c->arena, &s->run, &s->plan, ops + n);
    runs_store_answer(s->run.id, &ops[n++]);
    call_write(
        c, ops, n,
        &(struct write_note){ .status = 202,
                              .location = arena_printf(c->arena, "/runs/%s", s->run.id),
                              .detail = arena_printf(c->arena, "{\"run\":\"%s\",\"kind\":\"%s\"}",
                                                     s->run.id, run_kind_name(s->kind)),
                              .next = written });
}

/* The row is (version, sha256, sync, state of the newest apply, document). */
static void config_read(struct call *c)
{
    struct config_run *s = c->state;
    const char *version = rows_text(c->reply, 0, 0, 0), *document = rows_text(c->reply, 0, 0, 4);

    if (!version) {
        answer_not_found(c, "config", s->config);
        return;
    }
    s->version = arena_strdup(c->arena, version);
    parameter_file_done(&s->file);
    s->file = (struct parameter_file){ 0 };
    parameter_file_parse(document, strlen(document), &s->file);
    if (s->file.errors.count)
        answer_findings(c, 422, "stored-config-invalid", &s->file.errors);
    else
        s->loaded(c);
}

void config_run_begin(struct call *c)
{
    struct config_run *s = c->state;
    struct db_op op;

    configs_store_current(s->config, &op);
    call_read(c, &op, 1, config_read);
}
