/*
 * engine.c - starting, waking and stopping the threads; the little they share.
 *
 * Threads meet through rows. What is shared here is a stop flag, wake-ups and counters, nothing of
 * the work itself.
 */
#include "steward/engine.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "intake.h"
#include "outbox.h"
#include "steward/clock.h"
#include "steward/log.h"
#include "work.h"

#define ADMIT_EVERY_MS 1000
#define CROWD_FIRST_MS 1000

struct sleeper {
    uv_mutex_t lock;
    uv_cond_t cond;
    bool is_woken;
};

struct engine {
    struct engine_options options;
    struct worker *workers;
    int n_workers;
    uv_thread_t threads[2]; /* scheduler, publisher */
    struct sleeper sleepers[2];
    struct outbox *outbox;
    struct intake *intake;
    _Atomic bool is_stopping, are_workers_gone, wants_admission;
    _Atomic int64_t stop_deadline_ms, admitted_ms; /* clock_mono_ms() */
    _Atomic int64_t crowd_ms;                      /* since when; 0: there is none */
    _Atomic uint64_t stats[sizeof(struct engine_stats) / sizeof(uint64_t)];
};

bool engine_is_stopping(const struct engine *engine)
{
    return engine->is_stopping;
}

bool engine_workers_are_gone(const struct engine *engine)
{
    return engine->are_workers_gone;
}

int64_t engine_stop_deadline_ms(const struct engine *engine)
{
    return engine->stop_deadline_ms;
}

void engine_note_crowd(struct engine *engine, bool is_crowd)
{
    if (!is_crowd)
        engine->crowd_ms = 0;
    else if (!engine->crowd_ms)
        engine->crowd_ms = clock_mono_ms();
}

bool engine_is_crowded(const struct engine *engine)
{
    int64_t since_ms = engine->crowd_ms;

    return since_ms && clock_mono_ms() - since_ms < CROWD_FIRST_MS;
}

bool engine_take_admission(struct engine *engine, bool is_due)
{
    int64_t now = clock_mono_ms(), before = engine->admitted_ms;

    if (engine_is_crowded(engine))
        return false;
    if (atomic_exchange(&engine->wants_admission, false)) {
        engine->admitted_ms = now;
        return true;
    }
    return is_due && now - before >= ADMIT_EVERY_MS &&
           atomic_compare_exchange_strong(&engine->admitted_ms, &before, now);
}

const struct engine_options *engine_get_options(const struct engine *engine)
{
    return &engine->options;
}

void engine_count(struct engine *engine, size_t field_offset, uint64_t n)
{
    atomic_fetch_add(&engine->stats[field_offset / sizeof(uint64_t)], n);
}

void engine_get_stats(const struct engine *engine, struct engine_stats *out)
{
    uint64_t *fields = (uint64_t *) out;

    for (size_t i = 0; i < sizeof *out / sizeof(uint64_t); i++)
        fields[i] = atomic_load(&engine->stats[i]);
}

static void wake_sleeper(struct sleeper *s)
{
    uv_mutex_lock(&s->lock);
    s->is_woken = true;
    uv_cond_signal(&s->cond);
    uv_mutex_unlock(&s->lock);
}

void engine_sleep(struct engine *engine, int kind, int64_t ms)
{
    struct sleeper *s = &engine->sleepers[kind];

    uv_mutex_lock(&s->lock);
    if (!s->is_woken && !engine->is_stopping && ms > 0)
        (void) uv_cond_timedwait(&s->cond, &s->lock, (uint64_t) ms * 1000000);
    s->is_woken = false;
    uv_mutex_unlock(&s->lock);
}

void engine_wake_publisher(struct engine *engine)
{
    wake_sleeper(&engine->sleepers[1]);
}

static void wake_workers(struct engine *engine)
{
    for (int i = 0; i < engine->n_workers; i++) {
        engine->workers[i].is_woken = true;
        aws_batch_wake(engine->workers[i].calls);
    }
}

enum err_code engine_connect(const struct engine *engine, const char *application,
                             struct db_conn **db, struct err *e)
{
    if (*db)
        return db_conn_ensure(*db, e);
    return db_conn_open(engine->options.database_url, application, db, e);
}

void engine_want_admission(struct engine *engine)
{
    engine->wants_admission = true;
}

void engine_wake_workers(struct engine *engine)
{
    engine->wants_admission = true;
    wake_workers(engine);
    wake_sleeper(&engine->sleepers[1]);
}

void engine_wake_scheduler(struct engine *engine)
{
    wake_sleeper(&engine->sleepers[0]);
}

void engine_wake(struct engine *engine)
{
    engine->wants_admission = true;
    wake_workers(engine);
    wake_sleeper(&engine->sleepers[0]);
    wake_sleeper(&engine->sleepers[1]);
    outbox_wake(engine->outbox);
}

void engine_wake_outbox(struct engine *engine)
{
    outbox_wake(engine->outbox);
}

static void run_worker(void *arg)
{
    worker_run(arg);
}

static void run_scheduler(void *arg)
{
    scheduler_run(arg);
}

static void run_publisher(void *arg)
{
    publisher_run(arg);
}

static void open_worker(struct engine *engine, struct worker *k, int number)
{
    char uuid[UUID_BYTES];

    uuid_new(uuid);
    k->engine = engine;
    k->options = &engine->options;
    k->next_due_ms = 0;
    (void) snprintf(k->owner, sizeof k->owner, "%s/%d", uuid, number);
    k->calls = aws_batch_new(engine->options.aws);
}

static enum err_code start_threads(struct engine *engine, struct err *e)
{
    for (int i = 0; i < engine->n_workers; i++)
        if (uv_thread_create(&engine->workers[i].thread, run_worker, &engine->workers[i]))
            return err_set(e, ERR_UNAVAILABLE, "A worker thread could not be started.");
    if (uv_thread_create(&engine->threads[0], run_scheduler, engine) ||
        uv_thread_create(&engine->threads[1], run_publisher, engine))
        return err_set(e, ERR_UNAVAILABLE, "A thread could not be started.");
    return OK;
}

enum err_code engine_start(const struct engine_options *options, struct engine **out, struct err *e)
{
    struct engine *engine = xcalloc(1, sizeof *engine);

    engine->options = *options;
    engine->n_workers = options->workers;
    engine->workers = xcalloc((size_t) options->workers, sizeof *engine->workers);
    engine->wants_admission = true;
    for (int i = 0; i < 2; i++) {
        if (uv_mutex_init(&engine->sleepers[i].lock) || uv_cond_init(&engine->sleepers[i].cond))
            return err_set(e, ERR_UNAVAILABLE, "A lock could not be made.");
    }
    for (int i = 0; i < engine->n_workers; i++)
        open_worker(engine, &engine->workers[i], i);
    TRY(outbox_start(engine, &engine->outbox, e));
    TRY(intake_start(engine, &engine->intake, e));
    TRY(start_threads(engine, e)); /* fatal for the caller, who exits */
    *out = engine;
    return OK;
}

void engine_stop(struct engine *engine, int64_t deadline_ms)
{
    if (!engine)
        return;
    engine->stop_deadline_ms = clock_mono_ms() + deadline_ms;
    engine->is_stopping = true;
    wake_workers(engine);
    wake_sleeper(&engine->sleepers[0]);
    wake_sleeper(&engine->sleepers[1]);
    outbox_wake(engine->outbox);
    for (int i = 0; i < engine->n_workers; i++) {
        uv_thread_join(&engine->workers[i].thread);
        worker_close(&engine->workers[i]);
    }
    engine->are_workers_gone = true;
    wake_sleeper(&engine->sleepers[1]);
    for (int i = 0; i < 2; i++)
        uv_thread_join(&engine->threads[i]);
    outbox_stop(engine->outbox);
    intake_stop(engine->intake);
    for (int i = 0; i < 2; i++) {
        uv_mutex_destroy(&engine->sleepers[i].lock);
        uv_cond_destroy(&engine->sleepers[i].cond);
    }
    free(engine->workers);
    free(engine);
}
