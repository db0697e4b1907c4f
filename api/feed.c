/*
 * feed.c - one reader of the numbered event log for everybody who waits: streams and long polls.
 *
 * A poke (the publisher numbered events, a NOTIFY of another replica, the 1 s poll) makes one read
 * of what is new. Frames go into a ring that all streams share, each with a cursor of its own; who
 * falls behind the ring reads pages from the log. Nobody waits for a slow client.
 */
#include "feed_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/events_store.h"
#include "steward/log.h"

#define POLL_MS      250
#define IDLE_POLL_MS 1000
#define READ_ROWS    "500"

static void frame_free(struct feed *f, struct frame *frame)
{
    f->ring_bytes -= frame->n;
    free(frame->text);
    free(frame->type);
    free(frame->config);
    free(frame->run_id);
    *frame = (struct frame){ 0 };
}

static void ring_drop_oldest(struct feed *f)
{
    frame_free(f, &f->ring[f->first % RING_FRAMES]);
    f->first++;
}

static void ring_add(struct feed *f, const struct db_reply *reply, size_t row)
{
    struct frame *frame;
    const char *seq = rows_text(reply, 0, row, 0), *type = rows_text(reply, 0, row, 1);
    const char *config = rows_text(reply, 0, row, 2), *run_id = rows_text(reply, 0, row, 3);

    while (f->next - f->first >= RING_FRAMES || f->ring_bytes > RING_BYTES)
        ring_drop_oldest(f);
    frame = &f->ring[f->next % RING_FRAMES];
    frame->seq = rows_int(reply, 0, row, 0, 0);
    frame->text =
        xasprintf("id: %s\nevent: %s\ndata: %s\n\n", seq, type, rows_text(reply, 0, row, 4));
    frame->n = strlen(frame->text);
    frame->type = xstrdup(type);
    frame->config = config ? xstrdup(config) : NULL;
    frame->run_id = run_id ? xstrdup(run_id) : NULL;
    f->ring_bytes += frame->n;
    f->next++;
    f->last_seq = frame->seq;
}

/* Wakes the long polls that an arrived event concerns. Waking may answer, park again or both. */
static void wake_waiters(struct feed *f, uint64_t from)
{
    struct feed_waiter *due = NULL;

    for (struct feed_waiter **link = &f->waiters; *link;) {
        struct feed_waiter *w = *link;
        bool is_hit = false;

        for (uint64_t i = from; i < f->next && !is_hit; i++)
            is_hit = str_eq(f->ring[i % RING_FRAMES].run_id, w->run_id);
        if (is_hit) {
            *link = w->next;
            w->next = due;
            due = w;
        } else {
            link = &w->next;
        }
    }
    while (due) {
        struct feed_waiter *w = due;

        due = w->next;
        w->wake(w);
    }
}

static void on_rows(const struct db_reply *reply, void *user)
{
    struct feed *f = user;
    uint64_t from = f->next;

    f->is_reading = false;
    if (f->is_closed) {
        feed_release(f);
        return;
    }
    if (reply->err.code || f->is_stopped)
        return; /* the poll asks again */
    for (size_t i = 0; i < rows_count(reply, 0); i++)
        ring_add(f, reply, i);
    if (from < f->first)
        from = f->first;
    if (f->next == from) {
        if (f->is_poked) /* while we read: what it was for may have come too late for the rows */
            feed_poke(f);
        return;
    }
    feed_pump_all(f);
    wake_waiters(f, from);
    feed_poke(f);
}

static void on_bounds(const struct db_reply *reply, void *user)
{
    struct feed *f = user;

    f->is_reading = false;
    if (f->is_closed) {
        feed_release(f);
        return;
    }
    if (reply->err.code)
        return;
    f->last_seq = rows_int(reply, 0, 0, 0, 0);
    f->is_started = true;
    feed_pump_all(f); /* streams that asked for the past before we knew where the present is */
    if (f->is_poked)
        feed_poke(f);
}

void feed_poke(struct feed *f)
{
    struct db_op op;

    f->is_poked = f->is_reading;
    if (!f->api->db || f->is_stopped || f->is_reading)
        return;
    f->is_reading = true;
    f->polled_ms = clock_mono_ms();
    if (!f->is_started) {
        events_store_bounds(&op);
        db_submit(f->api->db, DB_READ, &op, 1, on_bounds, f);
        return;
    }
    (void) snprintf(f->seq_text, sizeof f->seq_text, "%lld", (long long) f->last_seq);
    events_store_feed(f->seq_text, READ_ROWS, &op);
    db_submit(f->api->db, DB_READ, &op, 1, on_rows, f);
}

static void expire_waiters(struct feed *f, int64_t now_ms)
{
    struct feed_waiter *due = NULL;

    for (struct feed_waiter **link = &f->waiters; *link;) {
        struct feed_waiter *w = *link;

        if (f->is_stopped || w->deadline_ms <= now_ms || http_is_client_gone(w->call->rq)) {
            *link = w->next;
            w->next = due;
            due = w;
        } else {
            link = &w->next;
        }
    }
    while (due) {
        struct feed_waiter *w = due;

        due = w->next;
        w->is_expired = true;
        w->wake(w);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct feed *f = timer->data;
    int64_t now_ms = clock_mono_ms();

    expire_waiters(f, now_ms);
    if (!f->is_started || now_ms - f->polled_ms >= IDLE_POLL_MS)
        feed_poke(f);
}

void feed_wait(struct feed *f, struct feed_waiter *w)
{
    w->next = f->waiters;
    f->waiters = w;
}

struct feed *feed_new(struct api *api)
{
    struct feed *f = xcalloc(1, sizeof *f);

    f->api = api;
    f->ring = xcalloc(RING_FRAMES, sizeof *f->ring);
    f->tick.data = f;
    if (uv_timer_init(api->options.loop, &f->tick))
        abort();
    return f;
}

void feed_start(struct feed *f)
{
    (void) uv_timer_start(&f->tick, on_tick, 0, POLL_MS);
    feed_poke(f);
}

void feed_stop(struct feed *f)
{
    f->is_stopped = true;
    expire_waiters(f, clock_mono_ms());
    feed_end_streams(f);
}

int64_t feed_last(const struct feed *f)
{
    return f->last_seq;
}

size_t feed_clients(const struct feed *f)
{
    return f->n_clients;
}

void feed_release(struct feed *f)
{
    if (f->is_reading || !f->is_timer_closed || f->n_clients)
        return;
    while (f->first < f->next)
        ring_drop_oldest(f);
    free(f->ring);
    free(f);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct feed *f = handle->data;

    f->is_timer_closed = true;
    feed_release(f);
}

void feed_close(struct feed *f)
{
    f->is_closed = true;
    f->is_stopped = true;
    uv_close((uv_handle_t *) &f->tick, on_timer_closed);
}
