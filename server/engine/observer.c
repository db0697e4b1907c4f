/*
 * observer.c - looking for drift on a timer.
 *
 * A config that nobody works on and that was not looked at for the interval gets an observe run. A
 * fence in the transaction keeps replicas from starting two. Of such runs that found nothing only
 * the newest is kept.
 */
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/configs_store.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/log.h"
#include "steward/run_store.h"
#include "steward/upkeep_store.h"
#include "work.h"

static enum err_code start(struct engine *engine, struct db_conn *db, const struct unseen *u,
                           struct arena *arena, struct err *e)
{
    struct run_new run = { .config = u->config,
                           .config_version = u->version,
                           .kind = RUN_KIND_OBSERVE,
                           .trigger = "schedule",
                           .overlap = "queue" };
    struct db_op ops[RUN_STORE_OPS + 3];
    struct parameter_file file;
    struct plan plan;
    size_t n = 0;
    enum err_code rc;

    parameter_file_parse(u->document, strlen(u->document), &file);
    if (file.errors.count) {
        parameter_file_done(&file);
        return err_set(e, ERR_INVALID, "The stored config %s is no longer valid.", u->config);
    }
    rc = plan_build(&file, &engine_get_options(engine)->settings, RUN_KIND_OBSERVE, NULL, &plan, e);
    if (!rc) {
        id_new("run", run.id);
        configs_store_fence(u->config, arena_printf(arena, "%lld", (long long) u->version),
                            &ops[n++]);
        n += upkeep_store_observe_fence(u, ops + n);
        n += run_store_insert(arena, &run, &plan, ops + n);
        FP("obs.before_commit");
        rc = db_run(db, ops, n, NULL, e);
        plan_done(&plan);
    }
    parameter_file_done(&file);
    return rc;
}

enum err_code observer_tick(struct engine *engine, struct db_conn *db, int64_t interval_ms,
                            struct err *e)
{
    struct arena arena = { 0 };
    struct unseen_list due;
    size_t started = 0;
    enum err_code rc;

    if (interval_ms <= 0)
        return OK;
    rc = upkeep_store_unseen(db, interval_ms, &arena, &due, e);
    for (size_t i = 0; !rc && i < due.count; i++) {
        struct err own;
        enum err_code one = start(engine, db, &due.items[i], &arena, &own);

        if (one == OK)
            started++;
        else if (one != ERR_CONFLICT) /* another replica was faster */
            log_event(LOG_ERROR, "engine", "observe_failed", "config=%s msg=%s",
                      due.items[i].config, log_quote(own.message));
    }
    if (started)
        engine_wake(engine);
    arena_done(&arena);
    return rc;
}
