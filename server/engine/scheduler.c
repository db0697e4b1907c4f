/*
 * scheduler.c - the thread that fires schedules.
 *
 * Every replica's scheduler looks; the row's fence and the primary key of schedule_fires keep each
 * nominal time to one run. It sleeps until the next due time and is woken by changes; a poll is the
 * net. What is due fires in batches (firing_crowd.c); when a batch fails, one by one.
 */
#include "firing_batch.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/log.h"
#include "steward/pause_store.h"
#include "work.h"

#define POLL_MS         1000
#define OBSERVE_POLL_MS 5000
#define PAUSE_MS        500

/* Fires a batch of what is due; *next_ms says when to look again. */
static enum err_code fire_due(struct firing_place *at, int64_t *next_ms, struct err *e)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct due due;
    size_t fired = 0;
    bool has_ended = false;

    TRY(firing_store_due(at->db, &arena, &due, e));
    FP("sch.select");
    engine_note_crowd(at->engine, due.is_full);
    if (due.count)
        fired = firing_crowd_run(at, &due);
    if (due.is_pause_over)
        TRY(pause_store_expire(at->db, &has_ended, e));
    /* Of a crowd, the next batch comes first: its runs are found soon enough. */
    if ((fired && !due.is_full) || has_ended)
        engine_wake_workers(at->engine);
    FP("sch.next_computed");
    if (fired)
        *next_ms = 0; /* there may be more, or what had to come after these */
    else if (due.next_ms < 0 || due.next_ms > POLL_MS)
        *next_ms = POLL_MS;
    else /* what is due and could not be had is being fired elsewhere, or waits for its elders */
        *next_ms = due.next_ms < 20 ? 20 : due.next_ms;
    return OK;
}

/* Looks every few seconds for configs to be looked at. */
static enum err_code observe_due(struct engine *engine, struct db_conn *db, int64_t *last_ms,
                                 struct err *e)
{
    int64_t interval = engine_get_options(engine)->observe_ms, now = clock_mono_ms();

    if (now - *last_ms < (interval > 0 && interval < OBSERVE_POLL_MS ? interval : OBSERVE_POLL_MS))
        return OK;
    *last_ms = now;
    TRY(importer_settle(engine, db, NULL, e));
    if (interval > 0)
        TRY(audit_tick(engine, db, e));
    return observer_tick(engine, db, interval, e);
}

void scheduler_run(struct engine *engine)
{
    struct firing_place at = { .engine = engine, .cache = plan_cache_new() };
    struct db_conn *db = NULL;
    int64_t observed_ms = 0;
    struct err e;

    while (!engine_is_stopping(engine)) {
        int64_t next_ms = POLL_MS;

        enum err_code rc = engine_connect(engine, "steward scheduler", &db, &e);

        at.db = db;
        if (rc || fire_due(&at, &next_ms, &e) || quiet_tick(engine, db, &e) ||
            observe_due(engine, db, &observed_ms, &e)) {
            log_error("engine", "scheduler_trouble", &e);
            next_ms = PAUSE_MS;
        }
        if (next_ms > 0)
            engine_sleep(engine, 0, next_ms);
    }
    plan_cache_free(at.cache);
    db_conn_close(at.beside);
    db_conn_close(db);
}
