/*
 * publisher.c - the thread that gives committed events their order.
 *
 * Any replica's publisher may number; an advisory lock keeps it to one at a time. What goes out
 * (webhooks, mail, AWS's channels) is expanded from the numbered log, never in the writer's
 * transaction.
 */
#include "steward/audit_log.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/log.h"
#include "steward/retention_store.h"
#include "steward/step_store.h"
#include "work.h"

#define NUMBER_EVERY_MS    1000
#define PAUSE_MS           500
#define DRAIN_EVERY_MS     20
#define RETENTION_EVERY_MS 5000 /* 100 events a second, 20 runs a second at most */

static enum err_code number_all(struct engine *engine, struct db_conn *db, struct err *e)
{
    const struct engine_options *o = engine_get_options(engine);
    size_t count;

    /* The crowd's events are numbered when it has fired; in the last pass no schedule fires. */
    if (engine_is_crowded(engine) && !engine_workers_are_gone(engine))
        return OK;
    do {
        FP("ob.feed_before_commit");
        TRY(event_store_sequence(db, &count, e));
        if (count == 0)
            break;
        FP("ob.feed_after_commit");
        ENGINE_COUNT(engine, events, count);
        engine_wake_outbox(engine);
        if (o->on_events)
            o->on_events(o->user);
    } while (count > 0);
    return OK;
}

/* What was written gets its number and its place in the hash chain. Events do not wait until the
 * chain is through: under many writes it never is. */
static enum err_code number_and_chain(struct engine *engine, struct db_conn *db, struct err *e)
{
    size_t count;

    do {
        TRY(number_all(engine, db, e));
        FP("ob.audit_before_commit");
        TRY(audit_log_extend(db, &count, e));
        FP("ob.audit_after_commit");
    } while (count > 0);
    return OK;
}

/* A batch a while; trouble with it is no reason to number no events. */
static void drop_old(struct engine *engine, struct db_conn *db, int64_t *next_ms)
{
    const struct engine_options *o = engine_get_options(engine);
    const struct retention keep = { .events_ms = o->retain_events_ms,
                                    .runs_ms = o->retain_runs_ms };
    struct err e;

    if (clock_mono_ms() < *next_ms)
        return;
    *next_ms = clock_mono_ms() + RETENTION_EVERY_MS;
    FP("ob.retention");
    if (retention_store_batch(db, &keep, &e))
        log_error("engine", "retention_trouble", &e);
}

void publisher_run(struct engine *engine)
{
    struct db_conn *db = NULL;
    int64_t next_retention_ms = 0;
    struct err e;
    bool is_last, is_first = true;

    do {
        is_last = engine_workers_are_gone(engine); /* one more pass for what they wrote last */
        if (engine_is_stopping(engine) && !is_last)
            uv_sleep(DRAIN_EVERY_MS);
        if (engine_connect(engine, "steward publisher", &db, &e) ||
            (is_first && step_store_wake_fused(db, &e)) || number_and_chain(engine, db, &e)) {
            log_error("engine", "publisher_trouble", &e);
            engine_sleep(engine, 1, PAUSE_MS);
        } else {
            is_first = false;
            drop_old(engine, db, &next_retention_ms);
            engine_sleep(engine, 1, NUMBER_EVERY_MS);
        }
    } while (!is_last);
    db_conn_close(db);
}
