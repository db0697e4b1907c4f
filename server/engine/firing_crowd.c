/*
 * firing_crowd.c - a crowd of due schedules, in two batches at once.
 *
 * A batch is mostly PostgreSQL's work. A crowd is cut in two: a thread of the moment writes the
 * first half over a session of its own while the second is put together and written over the
 * scheduler's. Halves that meet (a run of the first is in the way of a schedule of the second) go
 * one after the other. What fails together fires one by one, so that a bad schedule delays nobody
 * else.
 */
#include "firing_batch.h"
#include "steward/log.h"

#define CROWD 200 /* fewer are written before a second session would be of use */

/* One by one, after the batch failed: a bad schedule is tried again later, each time later. Returns
 * how many fired. */
static size_t fire_singly(const struct firing_place *at, const struct due_schedule *due, size_t n)
{
    size_t fired = 0;

    for (size_t i = 0; i < n; i++) {
        struct err own, e;

        if (!firing_batch_run(at, &due[i], 1, &own)) {
            fired++;
            continue;
        }
        log_event(LOG_ERROR, "engine", "fire_failed", "schedule=%s msg=%s detail=%s", due[i].id,
                  log_quote(own.message), log_quote(own.detail));
        if (own.code == ERR_UNAVAILABLE || firing_store_postpone(at->db, &due[i], &e))
            break; /* the database is away: not the schedule's fault */
    }
    return fired;
}

static size_t fire_together(const struct firing_place *at, const struct due_schedule *due, size_t n)
{
    struct err e;

    return firing_batch_run(at, due, n, &e) ? fire_singly(at, due, n) : n;
}

/* A half that is being written by a thread of its own. */
struct half {
    struct batch *batch;
    struct db_conn *db;
    uv_thread_t thread;
    enum err_code rc;
    bool is_writing;
};

static void write_half(void *arg)
{
    struct half *half = arg;
    struct err e;

    half->rc = firing_batch_write(half->batch, half->db, &e);
}

/* Waits for it. False: it was not written. */
static bool join(struct half *half)
{
    if (half->is_writing)
        uv_thread_join(&half->thread);
    half->is_writing = false;
    return !half->rc;
}

/* Prepares the half and has it written. False: nothing is under way. */
static bool start(struct firing_place *at, const struct due_schedule *due, size_t n,
                  struct half *half)
{
    struct err e;

    half->rc = engine_connect(at->engine, "steward scheduler beside", &at->beside, &e);
    if (!half->rc)
        half->rc = firing_batch_begin(at, due, n, &half->batch, &e);
    if (!half->rc)
        half->rc = firing_batch_complete(half->batch, &e);
    half->db = at->beside;
    half->is_writing = !half->rc && !uv_thread_create(&half->thread, write_half, half);
    return half->is_writing;
}

static size_t fire_halves(struct firing_place *at, const struct due *due)
{
    const size_t n = due->count / 2, n_rest = due->count - n;
    const struct due_schedule *rest = &due->items[n];
    struct half first = { 0 };
    struct batch *second = NULL;
    size_t fired = 0;
    enum err_code rc;
    struct err e;

    if (!start(at, due->items, n, &first)) {
        firing_batch_free(first.batch);
        return fire_together(at, due->items, n) + fire_together(at, rest, n_rest);
    }
    rc = firing_batch_begin(at, rest, n_rest, &second, &e);
    if (!rc && firing_batch_meets(second, first.batch))
        (void) join(&first); /* whether it was written is asked again below */
    if (!rc)
        rc = firing_batch_complete(second, &e);
    if (!rc)
        rc = firing_batch_write(second, at->db, &e);
    fired += join(&first) ? n : fire_singly(at, due->items, n);
    fired += rc ? fire_singly(at, rest, n_rest) : n_rest;
    firing_batch_free(first.batch);
    firing_batch_free(second);
    return fired;
}

size_t firing_crowd_run(struct firing_place *at, const struct due *due)
{
    return due->count < CROWD ? fire_together(at, due->items, due->count) : fire_halves(at, due);
}
