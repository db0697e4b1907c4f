/*
 * conn.c - the blocking connection of a worker thread.
 *
 * db_run() sends its statements as one pipeline with one Sync: one implicit transaction, one round
 * trip. PREPAREs of statements that are new to the connection go ahead with Syncs of their own, so
 * that they survive a rollback. Rule: at most 6 s without progress; what was sent and not answered
 * is never guessed at.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db_internal.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/mem.h"
#include "steward/str.h"

struct db_conn {
    struct db_target *target;
    PGconn *pg; /* NULL when down; in pipeline mode otherwise */
    struct stmt_set stmts;
    struct db_failure failure; /* of the last run */
    uint64_t generation;
};

/* The state of one db_run attempt. */
struct run {
    const struct db_op *ops;
    size_t n;
    PGresult **results;           /* NULL: rows not wanted */
    const struct db_stmt **fresh; /* prepared by this run, in order */
    size_t n_fresh;
    bool is_flushed; /* the whole pipeline with its Sync left this process */
    bool has_failed; /* c->failure is set */
};

static const struct db_session worker_session = { .statement_timeout_ms = DB_STATEMENT_TIMEOUT_MS,
                                                  .lock_timeout_ms = DB_LOCK_TIMEOUT_MS };

static void disconnect(struct db_conn *c)
{
    PQfinish(c->pg);
    c->pg = NULL;
    stmt_set_done(&c->stmts);
}

static enum err_code connect_now(struct db_conn *c, struct err *e)
{
    disconnect(c);
    FP("db.reconnect");
    c->pg = db_connect(c->target, &worker_session, e);
    if (!c->pg)
        return e->code;
    c->generation++;
    if (PQenterPipelineMode(c->pg))
        return OK;
    disconnect(c);
    return err_set(e, ERR_INTERNAL, "libpq refused the pipeline mode");
}

enum err_code db_conn_open(const char *url, const char *application, struct db_conn **out,
                           struct err *e)
{
    struct db_conn *c;
    struct db_target *target;

    TRY(db_target_new(url, application, &target, e));
    c = xcalloc(1, sizeof *c);
    c->target = target;
    if (connect_now(c, e)) {
        db_conn_close(c);
        return e->code;
    }
    *out = c;
    return OK;
}

void db_conn_close(struct db_conn *c)
{
    if (!c)
        return;
    disconnect(c);
    db_target_free(c->target);
    free(c);
}

bool db_conn_is_alive(const struct db_conn *c)
{
    return c->pg && PQstatus(c->pg) == CONNECTION_OK;
}

uint64_t db_conn_generation(const struct db_conn *c)
{
    return c->generation;
}

const char *db_conn_sqlstate(const struct db_conn *c)
{
    return c->failure.sqlstate;
}

int db_conn_socket(const struct db_conn *c)
{
    return c->pg ? PQsocket(c->pg) : -1;
}

PGconn *db_conn_raw(struct db_conn *c)
{
    return c->pg;
}

/* An idle connection with something to read has bad news: the server said good-bye or is gone. */
static void notice_farewell(struct db_conn *c)
{
    struct pollfd fd = { .fd = db_conn_socket(c), .events = POLLIN };

    for (int i = 0; i < 16 && c->pg && poll(&fd, 1, 0) > 0; i++) {
        if (!PQconsumeInput(c->pg))
            disconnect(c);
        else
            (void) PQisBusy(c->pg); /* parses */
    }
}

enum err_code db_conn_ensure(struct db_conn *c, struct err *e)
{
    if (db_conn_is_alive(c))
        notice_farewell(c);
    if (db_conn_is_alive(c))
        return OK;
    return connect_now(c, e);
}

/* ---- one attempt ---- */

static bool send_fresh(struct db_conn *c, struct run *run)
{
    for (size_t i = 0; i < run->n; i++) {
        const struct db_stmt *stmt = run->ops[i].stmt;
        struct stmt_slot *slot = stmt_set_at(&c->stmts, stmt);

        assert(stmt->n_params >= 0 && stmt->n_params <= DB_PARAMS_MAX);
        if (slot->state == STMT_READY || slot->state == STMT_SENT)
            continue;
        if (!PQsendPrepare(c->pg, stmt->name, stmt->sql, stmt->n_params, NULL) ||
            !PQpipelineSync(c->pg))
            return false;
        slot->state = STMT_SENT;
        run->fresh[run->n_fresh++] = stmt;
    }
    return true;
}

static bool send_all(struct db_conn *c, struct run *run)
{
    if (!send_fresh(c, run))
        return false;
    FP("db.send_query");
    for (size_t i = 0; i < run->n; i++) {
        const struct db_op *op = &run->ops[i];

        if (!PQsendQueryPrepared(c->pg, op->stmt->name, op->stmt->n_params, op->params, NULL, NULL,
                                 0))
            return false;
    }
    FP("db.commit_send");
    return PQpipelineSync(c->pg);
}

/* The next result that is not a separator; NULL when the connection is gone or silent for too long.
 */
static PGresult *next_result(struct db_conn *c, struct run *run)
{
    int64_t deadline_ms = clock_mono_ms() + DB_ANSWER_TIMEOUT_MS;

    for (int separators = 0; separators < 3;) {
        int unsent = PQflush(c->pg);
        struct pollfd fd = { .fd = PQsocket(c->pg),
                             .events = (short) (POLLIN | (unsent > 0 ? POLLOUT : 0)) };
        int64_t left = deadline_ms - clock_mono_ms();

        run->is_flushed |=
            unsent == 0; /* when sending failed, the server's last words may still be read */
        if (!PQisBusy(c->pg)) {
            PGresult *r = PQgetResult(c->pg);

            if (r)
                return r;
            separators++;
            continue;
        }
        if (left <= 0 || (poll(&fd, 1, (int) left) < 0 && errno != EINTR))
            return NULL;
        if (fd.revents && !PQconsumeInput(c->pg))
            return NULL;
    }
    return NULL;
}

static void run_fail(struct db_conn *c, struct run *run, const PGresult *r)
{
    struct stmt_slot *slot;

    if (run->has_failed)
        return;
    run->has_failed = true;
    db_failure_set(&c->failure, r);
    if (!str_eq(c->failure.sqlstate, "26000"))
        return;
    /* the statement is not there: say why its PREPARE failed */
    for (size_t i = 0; i < run->n; i++) {
        slot = stmt_set_at(&c->stmts, run->ops[i].stmt);
        if (slot->state == STMT_FAILED) {
            c->failure = *slot->failure;
            return;
        }
    }
}

static bool receive_fresh(struct db_conn *c, struct run *run)
{
    for (size_t i = 0; i < run->n_fresh; i++) {
        AUTO_PGRES PGresult *r = next_result(c, run);
        AUTO_PGRES PGresult *sync = r ? next_result(c, run) : NULL;
        struct stmt_slot *slot = stmt_set_at(&c->stmts, run->fresh[i]);

        if (!sync)
            return false;
        if (PQresultStatus(r) == PGRES_COMMAND_OK) {
            slot->state = STMT_READY;
        } else {
            struct db_failure why;

            db_failure_set(&why, r);
            stmt_slot_fail(slot, &why);
        }
    }
    return true;
}

/* True when the whole answer came: committed, or rolled back with run->has_failed. */
static bool receive_all(struct db_conn *c, struct run *run)
{
    if (!receive_fresh(c, run))
        return false;
    for (size_t i = 0; i < run->n; i++) {
        PGresult *r = next_result(c, run);
        ExecStatusType status = PQresultStatus(r);

        if (!r)
            return false;
        if (status == PGRES_FATAL_ERROR && !PQresultErrorField(r, PG_DIAG_SQLSTATE)) {
            PQclear(r); /* libpq's own: the connection broke */
            return false;
        }
        if (status == PGRES_FATAL_ERROR)
            run_fail(c, run, r);
        if (run->results && (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK))
            run->results[i] = r;
        else
            PQclear(r);
    }
    FP("db.commit_recv");
    for (;;) { /* the Sync, before it maybe an error of the commit itself */
        AUTO_PGRES PGresult *r = next_result(c, run);

        if (!r ||
            (PQresultStatus(r) == PGRES_FATAL_ERROR && !PQresultErrorField(r, PG_DIAG_SQLSTATE)))
            return false;
        if (PQresultStatus(r) == PGRES_PIPELINE_SYNC)
            return true;
        if (PQresultStatus(r) == PGRES_FATAL_ERROR) {
            run_fail(c, run, r);
            if (c->failure.is_fatal) { /* it may have come after the commit */
                run->has_failed = false;
                return false;
            }
        }
    }
}

static bool writes(const struct run *run)
{
    for (size_t i = 0; i < run->n; i++)
        if (db_sql_writes(run->ops[i].stmt->sql))
            return true;
    return false;
}

/* The answer did not come: what is known about the transaction? */
static void run_lost(struct db_conn *c, struct run *run)
{
    AUTO_FREE char *why =
        xstrdup(PQstatus(c->pg) == CONNECTION_OK ? "no answer in time" : PQerrorMessage(c->pg));

    if (!run->has_failed) /* an error that did come means: rolled back */
        db_failure_lost(&c->failure,
                        run->is_flushed && writes(run) ? ERR_UNKNOWN_OUTCOME : ERR_UNAVAILABLE,
                        why);
    run->has_failed = true;
    disconnect(c);
}

static void run_once(struct db_conn *c, struct run *run)
{
    run->n_fresh = 0;
    run->is_flushed = run->has_failed = false;
    if (!send_all(c, run) || !receive_all(c, run))
        run_lost(c, run);
    if (!run->has_failed)
        return;
    for (size_t i = 0; run->results && i < run->n; i++) {
        PQclear(run->results[i]);
        run->results[i] = NULL;
    }
    if (c->failure.is_fatal)
        disconnect(c);
}

static void pause_ms(uint64_t ms)
{
    struct timespec t = { .tv_nsec = (long) (ms % 1000) * 1000000 };

    (void) nanosleep(&t, NULL);
}

// NOLINTNEXTLINE(readability-function-size): the contract of db.h
enum err_code db_run(struct db_conn *c, const struct db_op *ops, size_t n, PGresult **results,
                     struct err *e)
{
    AUTO_FREE const struct db_stmt **fresh = xcalloc(n, sizeof(const struct db_stmt *));
    struct run run = { .ops = ops, .n = n, .results = results, .fresh = fresh };
    bool was_renewed = false;

    assert(n > 0);
    for (size_t i = 0; results && i < n; i++)
        results[i] = NULL;
    for (int attempt = 0;; attempt++) {
        c->failure = (struct db_failure){ 0 };
        TRY(db_conn_ensure(c, e));
        run_once(c, &run);
        if (!run.has_failed)
            return OK;
        if (db_failure_is_stale_session(&c->failure) && !was_renewed) {
            was_renewed = true;
            disconnect(c);
        } else if (!db_failure_is_race(&c->failure) || attempt >= DB_REPEATS_MAX) {
            *e = c->failure.err;
            return e->code;
        } else {
            pause_ms(1 + random_below(UINT64_C(10) << attempt));
        }
    }
}

enum err_code db_query(struct db_conn *c, const struct db_op *op, PGresult **result, struct err *e)
{
    return db_run(c, op, 1, result, e);
}

enum err_code db_conn_identity(struct db_conn *c, struct db_identity *out, struct err *e)
{
    static const struct db_stmt identity = {
        "db_identity",
        "SELECT system_identifier::text, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), "
        "8))::bit(32)::int"
        " FROM pg_control_system()",
        0
    };
    AUTO_PGRES PGresult *r = NULL;
    int64_t timeline;

    TRY(db_query(c, &(struct db_op){ .stmt = &identity }, &r, e));
    if (PQntuples(r) != 1 || !str_to_i64(PQgetvalue(r, 0, 1), 1, INT32_MAX, &timeline))
        return err_set(e, ERR_INTERNAL, "the database does not say who it is");
    (void) str_copy(out->system_id, sizeof out->system_id, PQgetvalue(r, 0, 0));
    out->timeline = (int) timeline;
    return OK;
}

void db_conn_reset(struct db_conn *c)
{
    disconnect(c);
}
