/*
 * lanes.c - the asynchronous side: queues, deadlines, the pump.
 *
 * db_submit() only queues. The pump runs from uv_prepare and uv_check (a handler may run in either
 * half of a loop turn; an idle handle keeps the loop from sleeping in between), so all reads of a
 * turn share one Sync. Rule: callbacks run with the lane structures consistent and may submit or
 * close; nothing here calls back from inside db_submit().
 */
#include "lanes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/str.h"

#define TICK_MS           50
#define SUBMIT_TIMEOUT_MS 5000 /* from db_submit to the answer */
#define SERVER_TIMEOUT_MS \
    4500                /* default per statement: the server's own word comes before our deadline */
#define AHEAD         2 /* reads under way, from which on others gather */
#define DOWN_GRACE_MS 2000 /* a lane without a connection for longer refuses at once */

/*
 * One connection for reads: more backends compete for the same cores and win nothing. Several for
 * writes, as one connection commits one transaction after the other, each with its own flush to the
 * disk: four share flushes and do twice as many.
 */
static const struct lane_kind lane_kinds[DB_LANE_COUNT] = {
    [DB_READ] = { "read", 1, 4096, 256, false },
    [DB_LIST] = { "list", 1, 1024, 32, false },
    [DB_WRITE] = { "write", 4, 1024, 16, true },
};

/* ---- submissions ---- */

void sub_queue_init(struct sub_queue *q)
{
    *q = (struct sub_queue){ .tail = &q->head };
}

void sub_queue_push(struct sub_queue *q, struct submission *s)
{
    s->next = NULL;
    *q->tail = s;
    q->tail = &s->next;
    q->n++;
}

struct submission *sub_queue_pop(struct sub_queue *q)
{
    struct submission *s = q->head;

    if (!s)
        return NULL;
    q->head = s->next;
    if (!q->head)
        q->tail = &q->head;
    q->n--;
    s->next = NULL;
    return s;
}

/* One block of memory: the struct, its ops, parameter pointers, results, texts. */
static struct submission *submission_new(const struct db_op *ops, size_t n)
{
    size_t pointers = n, texts = 0;
    struct submission *s;
    const char **next_pointer;
    char *next_text;

    for (size_t i = 0; i < n; i++) {
        assert(ops[i].stmt->n_params >= 0 && ops[i].stmt->n_params <= DB_PARAMS_MAX);
        pointers += (size_t) ops[i].stmt->n_params;
        for (int p = 0; p < ops[i].stmt->n_params; p++)
            texts += ops[i].params[p] ? strlen(ops[i].params[p]) + 1 : 0;
    }
    s = xmalloc(sizeof *s + n * sizeof s->ops[0] + pointers * sizeof(char *) + texts);
    *s = (struct submission){ .n_ops = n, .results = (PGresult **) (void *) &s->ops[n] };
    memset(s->results, 0, n * sizeof(PGresult *));
    next_pointer = (const char **) (void *) (s->results + n);
    next_text = (char *) (next_pointer + (pointers - n));
    for (size_t i = 0; i < n; i++) {
        s->ops[i] = (struct sub_op){ .stmt = ops[i].stmt, .params = next_pointer };
        for (int p = 0; p < ops[i].stmt->n_params; p++) {
            const char *text = ops[i].params[p];
            size_t size = text ? strlen(text) + 1 : 0;

            *next_pointer++ = text ? memcpy(next_text, text, size) : NULL;
            next_text += size;
        }
    }
    return s;
}

static void clear_results(struct submission *s)
{
    for (size_t i = 0; i < s->n_ops; i++) {
        PQclear(s->results[i]);
        s->results[i] = NULL;
    }
}

void submission_free(struct submission *s)
{
    clear_results(s);
    free(s->failure);
    free(s);
}

void submission_fail(struct submission *s, const struct db_failure *why)
{
    if (s->failure)
        return;
    s->failure = xmalloc(sizeof *s->failure);
    *s->failure = *why;
}

/* ---- answers ---- */

/* Calls back once; the submission stays (it may still have a place in a FIFO). */
static void answer(struct db *db, struct submission *s, const struct db_failure *failure)
{
    struct db_reply reply = { .err = { .code = OK } };
    db_done_fn done = s->done;

    if (failure) {
        reply.err = failure->err;
        memcpy(reply.sqlstate, failure->sqlstate, sizeof reply.sqlstate);
        memcpy(reply.constraint, failure->constraint, sizeof reply.constraint);
    } else {
        reply.results = s->results;
        reply.n_results = s->n_ops;
        reply.rows_max = SIZE_MAX;
    }
    s->done = NULL;
    db->n_pending--;
    done(&reply, s->user);
}

void db_finish(struct db *db, struct submission *s)
{
    if (s->done)
        answer(db, s, s->failure);
    submission_free(s);
}

void db_answer_late(struct db *db, struct submission *s, enum err_code code)
{
    struct db_failure failure;

    db_failure_lost(&failure, code, "the database did not answer in time");
    if (code == ERR_UNAVAILABLE)
        (void) err_set(&failure.err, code, "the database took too long");
    answer(db, s, &failure);
}

void db_fail_later(struct db *db, struct submission *s, enum err_code code, const char *why)
{
    struct db_failure failure;

    db_failure_lost(&failure, code, why);
    submission_fail(s, &failure);
    sub_queue_push(&db->answers, s);
    db_wake(db);
}

void db_requeue(struct db *db, struct lane *lane, struct submission *s)
{
    if (!s->done) {
        submission_free(s);
        return;
    }
    if (db->is_closing) {
        db_fail_later(db, s, ERR_UNAVAILABLE, "the server is shutting down");
        return;
    }
    clear_results(s);
    free(s->failure);
    s->failure = NULL;
    s->n_seen = 0;
    s->is_aborted = s->is_synced = false;
    sub_queue_push(&lane->queue, s);
    db_wake(db);
}

/* ---- the pump ---- */

static void on_idle(uv_idle_t *handle)
{
    (void) handle; /* being active is its job: the loop does not sleep */
}

void db_wake(struct db *db)
{
    if (db->is_dirty || db->is_torn_down)
        return;
    db->is_dirty = true;
    (void) uv_idle_start(&db->idle, on_idle);
}

static struct wire *least_busy(struct lane *lane)
{
    struct wire *best = NULL;

    for (size_t i = 0; i < lane->kind->n_links; i++) {
        struct wire *w = lane->links[i].wire;

        if (w && !w->is_stale && w->n_subs < lane->kind->window_max &&
            (!best || w->n_subs < best->n_subs))
            best = w;
    }
    return best;
}

/* What is sent now would only wait at the server: meanwhile more can share it. */
static bool has_enough_ahead(struct lane *lane)
{
    const struct wire *w = least_busy(lane);

    return w && w->n_subs >= AHEAD;
}

static void lane_pump(struct lane *lane)
{
    if (!has_enough_ahead(lane))
        gathers_send(lane);
    while (lane->queue.n > 0) {
        struct wire *w = least_busy(lane);

        if (!w)
            break;
        wire_send(w, sub_queue_pop(&lane->queue));
    }
    for (size_t i = 0; i < lane->kind->n_links; i++) {
        if (lane->links[i].wire)
            wire_sync(lane->links[i].wire);
        if (lane->links[i].wire)
            wire_flush(lane->links[i].wire);
    }
}

static void pump_answers(struct db *db)
{
    struct sub_queue taken;
    struct submission *s;

    sub_queue_init(&taken);
    while ((s = sub_queue_pop(&db->answers)))
        sub_queue_push(&taken, s);
    while ((s = sub_queue_pop(&taken)))
        db_finish(db, s);
}

static void tear_down(struct db *db);

static void pump(struct db *db)
{
    if (!db->is_dirty)
        return;
    db->is_dirty = false;
    (void) uv_idle_stop(&db->idle);
    pump_answers(db);
    if (db->is_closing) {
        tear_down(db);
        return;
    }
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        lane_pump(&db->lanes[i]);
    if (db->is_up != db->is_told_up) {
        db->is_told_up = db->is_up;
        if (db->on_state)
            db->on_state(db->is_up, db->user);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    pump(handle->data);
}

static void on_check(uv_check_t *handle)
{
    pump(handle->data);
}

/* ---- time ---- */

static void expire_queue(struct db *db, struct lane *lane, int64_t now_ms)
{
    bool is_down = lane->down_since_ms && now_ms - lane->down_since_ms > DOWN_GRACE_MS;
    struct sub_queue kept;
    struct submission *s;

    sub_queue_init(&kept);
    while ((s = sub_queue_pop(&lane->queue))) {
        if (is_down)
            db_fail_later(db, s, ERR_UNAVAILABLE, "no connection");
        else if (now_ms >= s->deadline_ms)
            db_fail_later(db, s, ERR_UNAVAILABLE, "waited too long for its turn");
        else
            sub_queue_push(&kept, s);
    }
    while ((s = sub_queue_pop(&kept)))
        sub_queue_push(&lane->queue, s);
}

static void on_tick(uv_timer_t *timer)
{
    struct db *db = timer->data;
    int64_t now_ms = clock_mono_ms();
    bool is_busy = db->n_pending > 0 || links_are_waiting(db);

    if (db->is_closing)
        return;
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        struct lane *lane = &db->lanes[i];

        gathers_send(lane); /* in the queue they have a deadline */
        expire_queue(db, lane, now_ms);
        for (size_t k = 0; k < lane->kind->n_links; k++) {
            if (!lane->links[k].wire)
                continue;
            is_busy |= lane->links[k].wire->n > 0;
            wire_expire(lane->links[k].wire, now_ms);
        }
    }
    links_connect(db);
    if (!is_busy)
        (void) uv_timer_stop(timer);
}

void db_start_ticking(struct db *db)
{
    if (!uv_is_active((uv_handle_t *) &db->timer))
        (void) uv_timer_start(&db->timer, on_tick, TICK_MS, TICK_MS);
}

void db_note_state(struct db *db)
{
    bool is_up = true;

    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        struct lane *lane = &db->lanes[i];
        size_t n = 0;

        for (size_t k = 0; k < lane->kind->n_links; k++)
            n += lane->links[k].wire != NULL;
        is_up &= n == lane->kind->n_links;
        if (n > 0)
            lane->down_since_ms = 0;
        else if (!lane->down_since_ms)
            lane->down_since_ms = clock_mono_ms();
    }
    db->is_up = is_up;
    db_wake(db);
}

/* ---- public ---- */

void db_submit_alone(struct db *db, enum db_lane which, const struct db_request *rq)
{
    struct lane *lane = &db->lanes[which];
    struct submission *s = submission_new(rq->ops, rq->n);
    int64_t now_ms = clock_mono_ms();

    assert(rq->n > 0 && !db->is_torn_down);
    s->done = rq->done;
    s->user = rq->user;
    s->deadline_ms = now_ms + SUBMIT_TIMEOUT_MS;
    db->n_pending++;
    db_start_ticking(db);
    if (db->is_closing) {
        db_fail_later(db, s, ERR_UNAVAILABLE, "the server is shutting down");
    } else if (lane->queue.n + lane->n_gathered >= lane->kind->queue_max) {
        db_fail_later(db, s, ERR_UNAVAILABLE, "the queue of the database is full");
    } else if (lane->down_since_ms && now_ms - lane->down_since_ms > DOWN_GRACE_MS) {
        db_fail_later(db, s, ERR_UNAVAILABLE, "no connection");
    } else {
        sub_queue_push(&lane->queue, s);
        db_wake(db);
    }
}

// NOLINTNEXTLINE(readability-function-size): the contract of db.h
void db_submit(struct db *db, enum db_lane which, const struct db_op *ops, size_t n,
               db_done_fn done, void *user)
{
    struct db_request rq = { .ops = ops, .n = n, .done = done, .user = user };

    if (!gather_join(db, which, &rq))
        db_submit_alone(db, which, &rq);
}

size_t db_queued(const struct db *db)
{
    return db->n_pending;
}

bool db_is_up(const struct db *db)
{
    return db->is_up;
}

static void copy_channels(struct db *db, const char *const *channels)
{
    size_t n = 0;

    while (channels && channels[n])
        n++;
    if (n == 0)
        return;
    db->channels = xcalloc(n + 1, sizeof *db->channels);
    for (size_t i = 0; i < n; i++)
        db->channels[i] = xstrdup(channels[i]);
}

/* Handles cannot fail to initialise on a working loop; starting them neither. */
static void start_handles(struct db *db)
{
    int rc = uv_prepare_init(db->loop, &db->prepare);

    rc |= uv_check_init(db->loop, &db->check) | uv_idle_init(db->loop, &db->idle) |
          uv_timer_init(db->loop, &db->timer);
    db->prepare.data = db->check.data = db->idle.data = db->timer.data = db;
    rc |= uv_prepare_start(&db->prepare, on_prepare) | uv_check_start(&db->check, on_check);
    assert(rc == 0);
    (void) rc;
    db->n_handles = 4;
}

enum err_code db_open(uv_loop_t *loop, const struct db_options *options, struct db **out,
                      struct err *e)
{
    struct db_target *target;
    struct db *db;

    TRY(db_target_new(options->url, options->application ? options->application : "steward",
                      &target, e));
    db = xcalloc(1, sizeof *db);
    db->loop = loop;
    db->target = target;
    db->statement_timeout_ms =
        options->statement_timeout_ms > 0 ? options->statement_timeout_ms : SERVER_TIMEOUT_MS;
    db->lock_timeout_ms =
        options->lock_timeout_ms > 0 ? options->lock_timeout_ms : DB_LOCK_TIMEOUT_MS;
    db->on_notify = options->on_notify;
    db->on_state = options->on_state;
    db->user = options->user;
    copy_channels(db, options->channels);
    sub_queue_init(&db->answers);
    start_handles(db);
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        struct lane *lane = &db->lanes[i];

        lane->kind = &lane_kinds[i];
        sub_queue_init(&lane->queue);
        lane->down_since_ms = clock_mono_ms();
        for (size_t k = 0; k < lane->kind->n_links; k++)
            link_init(&lane->links[k], db, lane);
    }
    link_init(&db->listen, db, NULL);
    links_connect(db);
    *out = db;
    return OK;
}

/* ---- the end ---- */

void db_close(struct db *db, void (*done)(void *user), void *user)
{
    assert(!db->is_closing);
    db->is_closing = true;
    db->closed = done;
    db->closed_user = user;
    db_wake(db);
}

static void on_closed(uv_handle_t *handle)
{
    db_handle_closed(handle->data);
}

/* From the pump: answers everybody, then lets go of everything. */
static void tear_down(struct db *db)
{
    struct submission *s;

    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        gathers_send(&db->lanes[i]);
        while ((s = sub_queue_pop(&db->lanes[i].queue)))
            db_fail_later(db, s, ERR_UNAVAILABLE, "the server is shutting down");
        for (size_t k = 0; k < db->lanes[i].kind->n_links; k++)
            if (db->lanes[i].links[k].wire)
                wire_lose(db->lanes[i].links[k].wire, "the server is shutting down");
    }
    if (db->listen.wire)
        wire_lose(db->listen.wire, "the server is shutting down");
    while (db->answers.n > 0) /* callbacks may submit: that fails, too */
        pump_answers(db);
    db->is_torn_down = true;
    links_cancel(db);
    uv_close((uv_handle_t *) &db->prepare, on_closed);
    uv_close((uv_handle_t *) &db->check, on_closed);
    uv_close((uv_handle_t *) &db->idle, on_closed);
    uv_close((uv_handle_t *) &db->timer, on_closed);
}

void db_handle_closed(struct db *db)
{
    void (*closed)(void *user) = db->closed;
    void *user = db->closed_user;

    if (--db->n_handles > 0)
        return;
    assert(db->is_torn_down && db->n_pending == 0);
    for (size_t i = 0; db->channels && db->channels[i]; i++)
        free(db->channels[i]);
    free(db->channels);
    db_target_free(db->target);
    free(db);
    if (closed)
        closed(user);
}
