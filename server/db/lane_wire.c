/*
 * lane_wire.c - one connection in pipeline mode: statements out, results in, and what its loss
 * means.
 *
 * The FIFO mirrors what libpq has been given: every entry gets exactly one result that is not a
 * separator. A statement that is new to the connection is prepared ahead with a Sync of its own, so
 * that no neighbour's failure can take it along.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/mem.h"
#include "steward/str.h"

#define RACE_SENDS_MAX 5
#define LOSS_SENDS_MAX 2 /* a statement that kills its connection shall not kill them for ever */

static void on_poll(uv_poll_t *handle, int status, int events);

/* ---- the FIFO ---- */

static void fifo_push(struct wire *w, struct entry entry)
{
    if (w->n == 0)
        w->progress_ms = clock_mono_ms();
    if (w->n == w->capacity) {
        size_t bigger = w->capacity ? w->capacity * 2 : 64;
        struct entry *entries = xmalloc(bigger * sizeof *entries);

        for (size_t i = 0; i < w->n; i++)
            entries[i] = w->entries[(w->first + i) & (w->capacity - 1)];
        free(w->entries);
        w->entries = entries;
        w->capacity = bigger;
        w->first = 0;
    }
    w->entries[(w->first + w->n++) & (w->capacity - 1)] = entry;
}

static struct entry *fifo_at(const struct wire *w, size_t i)
{
    return &w->entries[(w->first + i) & (w->capacity - 1)];
}

static void fifo_pop(struct wire *w)
{
    w->first = (w->first + 1) & (w->capacity - 1);
    w->n--;
    w->progress_ms = clock_mono_ms();
}

/* ---- birth and end ---- */

struct wire *wire_open(struct link *link, PGconn *pg)
{
    struct wire *w = xcalloc(1, sizeof *w);

    w->pg = pg;
    w->link = link;
    w->events = UV_READABLE;
    if ((link->lane && !PQenterPipelineMode(pg)) ||
        uv_poll_init(link->db->loop, &w->poll, PQsocket(pg)) != 0) {
        PQfinish(pg);
        free(w);
        return NULL;
    }
    w->poll.data = w;
    link->db->n_handles++;
    (void) uv_poll_start(&w->poll, w->events, on_poll);
    return w;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct wire *w = handle->data;
    struct db *db = w->link->db;

    free(w->entries);
    free(w);
    db_handle_closed(db);
}

/* The connection is gone: what is known about a submission that was under way? */
static void resolve(struct wire *w, struct submission *s, const char *why)
{
    struct db *db = w->link->db;
    struct lane *lane = w->link->lane;
    bool is_complete = s->n_seen == s->n_ops; /* all ops executed, the Sync was next */
    /* a farewell in the place of a result: neither that statement nor what stands behind was
     * executed */
    bool is_untouched = s->failure || (w->is_fatal_seen && !is_complete);
    bool was_executed = lane->kind->is_write && s->is_synced && !is_untouched;

    if (!s->done) {
        submission_free(s);
        return;
    }
    if (s->failure && !s->failure->is_fatal) { /* rolled back, and we know why */
        sub_queue_push(&db->answers, s);
        db_wake(db);
        return;
    }
    free(s->failure);
    s->failure = NULL;
    if (was_executed)
        db_fail_later(db, s, ERR_UNKNOWN_OUTCOME, why);
    else if (s->sends < LOSS_SENDS_MAX)
        db_requeue(db, lane, s);
    else
        db_fail_later(db, s, ERR_UNAVAILABLE, why);
}

void wire_lose(struct wire *w, const char *why)
{
    struct submission *last = NULL;
    char line[200];

    if (w->is_closed)
        return;
    w->is_closed = true;
    db_one_line(why, line, sizeof line); /* may be libpq's, which goes with the connection */
    (void) uv_poll_stop(&w->poll);
    PQfinish(w->pg);
    w->pg = NULL;
    w->link->wire = NULL;
    for (size_t i = 0; i < w->n; i++) {
        struct submission *s = fifo_at(w, i)->sub;

        if (s && s != last)
            resolve(w, s, line);
        if (s)
            last = s;
    }
    w->n = w->n_subs = 0;
    stmt_set_done(&w->stmts);
    uv_close((uv_handle_t *) &w->poll, on_poll_closed);
    link_lost(w->link);
}

/* ---- out ---- */

void wire_flush(struct wire *w)
{
    int unsent = PQflush(w->pg);
    int events = UV_READABLE | (unsent > 0 ? UV_WRITABLE : 0);

    if (unsent < 0 && PQstatus(w->pg) == CONNECTION_BAD) {
        wire_lose(w, PQerrorMessage(w->pg));
    } else if (events != w->events) {
        w->events = events;
        (void) uv_poll_start(&w->poll, events, on_poll);
    }
}

void wire_sync(struct wire *w)
{
    if (!w->has_unsynced)
        return;
    w->has_unsynced = false;
    fifo_push(w, (struct entry){ .kind = ENTRY_SYNC });
    if (!PQpipelineSync(w->pg))
        wire_lose(w, PQerrorMessage(w->pg));
}

/* False when the connection is broken. */
static bool prepare(struct wire *w, const struct submission *s)
{
    for (size_t i = 0; i < s->n_ops; i++) {
        const struct db_stmt *stmt = s->ops[i].stmt;
        struct stmt_slot *slot = stmt_set_at(&w->stmts, stmt);

        if (slot->state == STMT_SENT || slot->state == STMT_READY)
            continue;
        wire_sync(w);
        if (w->is_closed || !PQsendPrepare(w->pg, stmt->name, stmt->sql, stmt->n_params, NULL))
            return false;
        fifo_push(w, (struct entry){ .kind = ENTRY_PREPARE, .stmt = stmt });
        fifo_push(w, (struct entry){ .kind = ENTRY_PREPARE_SYNC });
        if (!PQpipelineSync(w->pg))
            return false;
        slot->state = STMT_SENT;
    }
    return true;
}

/* From the first entry on the submission belongs to the FIFO. */
static bool send_ops(struct wire *w, struct submission *s)
{
    bool is_write = w->link->lane->kind->is_write;

    w->n_subs++;
    for (size_t i = 0; i < s->n_ops; i++) {
        const struct sub_op *op = &s->ops[i];

        fifo_push(w, (struct entry){ .kind = ENTRY_OP, .sub = s });
        if (!PQsendQueryPrepared(w->pg, op->stmt->name, op->stmt->n_params, op->params, NULL, NULL,
                                 0))
            return false;
    }
    if (!is_write && !s->is_alone) {
        w->has_unsynced = true;
        return true;
    }
    FP("db.commit_send");
    fifo_push(w, (struct entry){ .kind = ENTRY_SYNC, .sub = is_write ? s : NULL });
    s->is_synced = true;
    return PQpipelineSync(w->pg);
}

void wire_send(struct wire *w, struct submission *s)
{
    struct db *db = w->link->db;
    struct lane *lane = w->link->lane;
    bool is_ready = prepare(w, s);

    if (is_ready && (lane->kind->is_write || s->is_alone))
        wire_sync(w);
    if (!is_ready || w->is_closed) {
        db_requeue(db, lane, s); /* nothing of it went out */
        if (!w->is_closed)
            wire_lose(w, PQerrorMessage(w->pg));
        return;
    }
    s->sends++;
    if (!send_ops(w, s))
        wire_lose(w, PQerrorMessage(w->pg));
}

/* ---- in ---- */

/* It was not executed, for a reason that another try may not meet. */
static bool may_succeed_again(struct wire *w, struct submission *s)
{
    if (!s->failure && s->is_aborted) { /* by a neighbour: next time alone */
        assert(!s->is_alone);
        s->is_alone = true;
        return true;
    }
    if (!s->failure)
        return false;
    if (db_failure_is_race(s->failure))
        return s->sends <= RACE_SENDS_MAX;
    if (db_failure_is_stale_session(s->failure) && !s->is_renewed) {
        s->is_renewed = w->is_stale = true;
        return true;
    }
    return s->failure->is_fatal &&
           s->sends < LOSS_SENDS_MAX; /* the server ended the session before it */
}

/* All results of a submission are there (of a write: the Sync's as well). */
static void complete(struct wire *w, struct submission *s)
{
    struct db *db = w->link->db;

    w->n_subs--;
    db_wake(db); /* the window is wider: more may go out */
    if (!s->done) {
        submission_free(s);
        return;
    }
    if (may_succeed_again(w, s))
        db_requeue(db, w->link->lane, s);
    else
        db_finish(db, s);
}

/* After the server's FATAL nothing more is sent: the connection is about to end. */
static void note_farewell(struct wire *w, const struct db_failure *failure)
{
    if (failure->is_fatal)
        w->is_fatal_seen = w->is_stale = true;
}

static void fail_op(struct wire *w, struct submission *s, const PGresult *r)
{
    const struct stmt_slot *slot = stmt_set_at(&w->stmts, s->ops[s->n_seen].stmt);
    struct db_failure failure;

    db_failure_set(&failure, r);
    note_farewell(w, &failure);
    if (str_eq(failure.sqlstate, "26000") && slot->state == STMT_FAILED)
        failure = *slot->failure; /* not there because its PREPARE failed: that is the reason */
    submission_fail(s, &failure);
}

static void take_op(struct wire *w, struct submission *s, PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);

    if (status == PGRES_FATAL_ERROR)
        fail_op(w, s, r);
    if (status == PGRES_PIPELINE_ABORTED && !s->failure)
        s->is_aborted = true;
    if ((status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) && s->done)
        s->results[s->n_seen] = r;
    else
        PQclear(r);
    s->n_seen++;
    fifo_pop(w);
    if (s->n_seen == s->n_ops && !w->link->lane->kind->is_write)
        complete(w, s);
}

static void take_prepare(struct wire *w, const struct db_stmt *stmt, const PGresult *r)
{
    struct stmt_slot *slot = stmt_set_at(&w->stmts, stmt);
    struct db_failure failure;

    if (PQresultStatus(r) == PGRES_COMMAND_OK) {
        slot->state = STMT_READY;
    } else {
        db_failure_set(&failure, r);
        note_farewell(w, &failure);
        stmt_slot_fail(slot, &failure);
    }
    fifo_pop(w);
}

/* The Sync's own result, or ahead of it an error of the commit. */
static void take_sync(struct wire *w, struct submission *s, const PGresult *r)
{
    struct db_failure failure;

    if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
        FP("db.commit_recv");
        fifo_pop(w);
        if (s)
            complete(w, s);
        return;
    }
    db_failure_set(&failure, r);
    note_farewell(w, &failure);
    if (s &&
        !failure.is_fatal) /* a farewell may come after the commit: then the outcome is unknown */
        submission_fail(s, &failure);
}

/* False when the connection is broken: libpq's own error, without a SQLSTATE. */
static bool take(struct wire *w, PGresult *r)
{
    struct entry entry = *fifo_at(w, 0);

    if (PQresultStatus(r) == PGRES_FATAL_ERROR && !PQresultErrorField(r, PG_DIAG_SQLSTATE)) {
        PQclear(r);
        return false;
    }
    switch (entry.kind) {
    case ENTRY_OP:
        take_op(w, entry.sub, r);
        return true;
    case ENTRY_PREPARE:
        take_prepare(w, entry.stmt, r);
        break;
    case ENTRY_PREPARE_SYNC:
    case ENTRY_SYNC:
        take_sync(w, entry.sub, r);
        break;
    }
    PQclear(r);
    return true;
}

static void wire_read(struct wire *w)
{
    bool is_well = PQconsumeInput(w->pg);
    int separators = 0;

    while (!PQisBusy(w->pg) && w->n > 0 && separators < 3) {
        PGresult *r = PQgetResult(w->pg);

        separators = r ? 0 : separators + 1;
        if (r && !take(w, r)) {
            is_well = false;
            break;
        }
    }
    if (!is_well || PQstatus(w->pg) != CONNECTION_OK || separators >= 3)
        wire_lose(w, *PQerrorMessage(w->pg) ? PQerrorMessage(w->pg)
                                            : "the server closed the connection");
    else if (w->is_stale && w->n == 0)
        wire_lose(w, "renewed");
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct wire *w = handle->data;

    if (status < 0) {
        wire_lose(w, uv_strerror(status));
    } else if (!w->link->lane) {
        link_listen_read(w);
    } else {
        if (events & UV_WRITABLE)
            wire_flush(w);
        if (!w->is_closed && events & UV_READABLE)
            wire_read(w);
    }
}

/* ---- time ---- */

void wire_expire(struct wire *w, int64_t now_ms)
{
    bool is_write = w->link->lane->kind->is_write;

    for (size_t i = 0; i < w->n; i++) {
        struct submission *s = fifo_at(w, i)->sub;

        if (s && s->done && now_ms >= s->deadline_ms)
            db_answer_late(w->link->db, s, is_write ? ERR_UNKNOWN_OUTCOME : ERR_UNAVAILABLE);
    }
    if (w->n > 0 && now_ms - w->progress_ms > DB_ANSWER_TIMEOUT_MS)
        wire_lose(w, "the server gave no sign of life");
}
