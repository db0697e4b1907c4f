/*
 * quiet.c - starting what waited until nothing more came in: of triggers with a quiet time, and of
 * data that was uploaded.
 *
 * The scheduler calls it in every turn. Who comes second at a row finds it gone and leaves it.
 */
#include <string.h>

#include "steward/configs_store.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/log.h"
#include "steward/quiet_store.h"
#include "steward/run_store.h"
#include "work.h"

struct start {
    struct engine *engine;
    struct db_conn *db;
    struct arena *arena;
    const struct quiet_run *q;
    struct parameter_file file;
    struct plan plan;
    json_t *options;
};

/* NULL: planned; else a sentence that says why it never will be. */
static const char *make_plan(struct start *s, enum run_kind *kind)
{
    struct err e;

    parameter_file_parse(s->q->document, strlen(s->q->document), &s->file);
    s->options = json_loads(s->q->options, 0, NULL);
    if (!run_kind_find(s->q->kind, kind))
        return "This release does not know the run kind.";
    if (s->file.errors.count)
        return "The stored config is not valid for this release.";
    if (plan_build(&s->file, &engine_get_options(s->engine)->settings, *kind, s->options, &s->plan,
                   &e))
        return arena_strdup(s->arena, e.message);
    return s->plan.n_steps ? NULL : "The config has nothing that a run of this kind would work on.";
}

static enum err_code start_one(struct start *s, struct err *e)
{
    struct run_new run = { .config = s->q->config,
                           .config_version = s->q->version,
                           .trigger = s->q->trigger ? "hook" : "upload",
                           .overlap = "queue" };
    struct db_op ops[RUN_STORE_OPS + QUIET_STORE_FENCE_OPS + 2];
    const char *trouble = make_plan(s, &run.kind);
    size_t n = 0;

    if (trouble) {
        quiet_store_failed(s->arena, s->q, trouble, &ops[0]);
        return db_run(s->db, ops, 1, NULL, e);
    }
    id_new("run", run.id);
    run.options = s->options;
    configs_store_fence(s->q->config, arena_printf(s->arena, "%lld", (long long) s->q->version),
                        &ops[n++]);
    n += quiet_store_fence(s->q, ops + n);
    n += run_store_insert(s->arena, &run, &s->plan, ops + n);
    quiet_store_started(s->q, run.id, &ops[n++]);
    FP("quiet.before_commit");
    TRY(db_run(s->db, ops, n, NULL, e));
    FP("quiet.after_commit");
    log_event(LOG_INFO, "engine", "quiet_started", "key=%s run=%s", log_quote(s->q->key), run.id);
    return OK;
}

enum err_code quiet_tick(struct engine *engine, struct db_conn *db, struct err *e)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct quiet_list due;
    size_t n = 0;

    TRY(quiet_store_due(db, &arena, &due, e));
    for (size_t i = 0; i < due.count; i++) {
        struct start s = { .engine = engine, .db = db, .arena = &arena, .q = &due.items[i] };
        struct err own;
        enum err_code rc = start_one(&s, &own);

        if (rc == OK)
            n++;
        else if (rc != ERR_CONFLICT) /* ERR_CONFLICT: somebody else did, or something came */
            log_event(LOG_ERROR, "engine", "quiet_failed", "key=%s msg=%s",
                      log_quote(due.items[i].key), log_quote(own.message));
        json_decref(s.options);
        plan_done(&s.plan);
        parameter_file_done(&s.file);
    }
    if (n)
        engine_wake_workers(engine);
    return OK;
}
