/*
 * db.h - PostgreSQL: async pipeline lanes on the loop thread, blocking connections for worker
 * threads.
 *
 * SQL and PGresult stay inside server/store/. On the loop there is no BEGIN/COMMIT: the statements
 * up to a Sync are one implicit transaction. Reads of a loop turn share a Sync; every write has its
 * own.
 */
#ifndef STEWARD_DB_H
#define STEWARD_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "steward/err.h"

static inline void pgres_p(PGresult **r)
{
    PQclear(*r);
}
#define AUTO_PGRES __attribute__((cleanup(pgres_p)))

#define DB_PARAMS_MAX 32

/* A named statement: prepared on each connection at its first use there. Text parameters; NULL is
 * NULL. */
struct db_stmt {
    const char *name; /* unique in the program */
    const char *sql;
    int n_params;
};

/* One statement with its parameters. Parameter texts are copied by the async lanes, borrowed by
 * blocking calls. */
struct db_op {
    const struct db_stmt *stmt;
    const char *params[DB_PARAMS_MAX];
    /* Of a read of at most one row by one key: the same for an array of keys, at most one row each,
     * in any order, with one column more at the end: the place of its key in the array, from 1
     * (WITH ORDINALITY). The lanes of reads use it for those who ask at once. May be NULL. */
    const struct db_stmt *many;
};

/* ---- on the loop thread ---- */
enum db_lane {
    DB_READ,  /* fast single-row reads; all of a loop turn share a Sync; retried once alone when a
                 neighbour aborted it;  the session is read-only, so a statement that writes is
                 refused */
    DB_LIST,  /* list reads, so that they never delay the fast ones; read-only, too */
    DB_WRITE, /* ops of one submission + own Sync = one transaction; several connections, so there
                 is no order among submissions */
    DB_LANE_COUNT
};
struct db;
struct db_options {
    const char *url;                               /* libpq connection string or URL */
    const char *application;                       /* application_name */
    int64_t statement_timeout_ms, lock_timeout_ms; /* write lane: lock_timeout; 0: 4.5 s and 3 s */
    /* May be NULL. An empty payload comes for each channel whenever LISTEN was (re)established:
     * look what was missed. */
    void (*on_notify)(const char *channel, const char *payload, void *user);
    const char *const *channels;              /* NULL-terminated */
    void (*on_state)(bool is_up, void *user); /* all lanes connected / some lane lost */
    void *user;
};
/* Connects in the background and reconnects for ever with backoff (50 ms to 2 s). */
MUST_USE enum err_code db_open(uv_loop_t *loop, const struct db_options *options, struct db **out,
                               struct err *e);
bool db_is_up(const struct db *db);
/* Loop thread; pending submissions end with ERR_UNAVAILABLE. done (may be NULL) is called when all
 * handles are closed. */
void db_close(struct db *db, void (*done)(void *user), void *user);

struct db_reply {
    struct err
        err;          /* code OK, or: ERR_UNAVAILABLE (connection, timeout, lane full: nothing was
                         changed), ERR_CONFLICT   (unique violation, foreign key, raised fence ST…: its
                         sentence is the message), ERR_INVALID   (22…: bad value), ERR_UNKNOWN_OUTCOME
                         (a write was cut off after it had been sent: read back),   ERR_INTERNAL */
    char sqlstate[6]; /* "" when the server did not answer */
    char constraint[64]; /* of a violation */
    PGresult **results;  /* one per op when OK; borrowed until the callback returns */
    size_t n_results;
    size_t first_row, rows_max; /* ours are these of the rows: others may have asked with us */
};
typedef void (*db_done_fn)(const struct db_reply *reply, void *user);
/*
 * Queues ops on a lane; reads of a turn that ask the same, or by one key each of a statement with
 * a form for many, share one execution (rows.h knows which rows are whose). done is called exactly
 * once within about 5 s, on the loop thread, never from inside db_submit. What was not executed
 * (lost connection before its turn, deadlock, serialization race, changed table) is sent again
 * inside.
 */
void db_submit(struct db *db, enum db_lane lane, const struct db_op *ops, size_t n, db_done_fn done,
               void *user);
size_t db_queued(const struct db *db); /* submissions without an answer, for load shedding */

/* ---- blocking, for threads: each thread owns its connection ---- */
struct db_conn;
MUST_USE enum err_code db_conn_open(const char *url, const char *application, struct db_conn **out,
                                    struct err *e);
void db_conn_close(struct db_conn *c); /* NULL is fine */
bool db_conn_is_alive(const struct db_conn *c);
/* Reconnects when the connection was lost (no wait loop inside; ERR_UNAVAILABLE at once). */
MUST_USE enum err_code db_conn_ensure(struct db_conn *c, struct err *e);
/*
 * Sends the ops as one pipeline with one Sync = one transaction and waits (poll, at most 6 s
 * without progress: a blackholed server is noticed). A connection that was lost while idle is made
 * anew first, once. results[i] (may be NULL as a whole) get the rows; the caller clears them. On
 * failure all are NULL. ERR_UNKNOWN_OUTCOME when the connection broke after the Sync was sent and
 * some op writes: read back before repeating. 40001 and 40P01 are repeated inside, up to 5 times.
 */
MUST_USE enum err_code db_run(struct db_conn *c, const struct db_op *ops, size_t n,
                              PGresult **results, struct err *e);
/* The one-statement case; *result may be NULL. */
MUST_USE enum err_code db_query(struct db_conn *c, const struct db_op *op, PGresult **result,
                                struct err *e);
/* SQLSTATE of the last failure on this connection ("" when none). */
const char *db_conn_sqlstate(const struct db_conn *c);
int db_conn_socket(const struct db_conn *c);
/* Counts the sessions: another number than last time means that the connection was lost and made
 * anew in between. */
uint64_t db_conn_generation(const struct db_conn *c);

/* Who the server is: after a failover or a restore one of the two differs from what was recorded.
 */
struct db_identity {
    char system_id[24];
    int timeline;
};
MUST_USE enum err_code db_conn_identity(struct db_conn *c, struct db_identity *out, struct err *e);

/*
 * TLS policy for servers on other machines: sslmode=verify-full with channel binding is what we use
 * when the URL says nothing. ERR_INVALID when the URL is malformed, or asks for less without
 * allow_weak_tls (an explicit option; warn then).
 */
MUST_USE enum err_code db_url_check(const char *url, bool allow_weak_tls, struct err *e);

/* Text array literal '{"a","b"}' with escapes, for unnest($1::text[]). Caller owns. NULL items
 * become NULL. */
char *db_text_array(const char *const *items, size_t n);
char *db_int_array(const int64_t *items, size_t n);

/* ---- migrations: migrations/NNNN_name.sql compiled into the binary ---- */
struct migration {
    int number;
    const char *name, *sql;
};
extern const struct migration migrations[];
extern const size_t n_migrations;
/* Applies what is missing, each in one transaction, under an advisory lock; checks the checksums of
   applied ones. ERR_CONFLICT when the database is newer than this binary supports (exit 4).
   *applied gets the count. */
MUST_USE enum err_code db_migrate(struct db_conn *c, int *applied, struct err *e);

/* ---- embedded PostgreSQL ---- */
struct pg_embedded;
struct pg_embedded_options {
    const char *data_dir;     /* ours: the cluster lives in DATA_DIR/postgres */
    const char *run_as;       /* user for the children when we are root; NULL: "steward" */
    int64_t start_timeout_ms; /* 0: 60 s */
};
/*
 * The caller holds the lock of the data folder (data_dir.h). initdb when new (checksums, SCRAM with
 * random passwords in DATA_DIR/postgres.pgpass, unix socket only), adopts a running postmaster of
 * this data folder, starts one otherwise. A postmaster that dies later is started again by a thread
 * in here. ERR_UNAVAILABLE says what is missing, with the last lines of PostgreSQL's log in the
 * detail.
 */
MUST_USE enum err_code pg_embedded_start(const struct pg_embedded_options *options,
                                         struct pg_embedded **out, struct err *e);
/* libpq connection strings over the unix socket, without secrets (they name the password file). */
const char *pg_embedded_url(const struct pg_embedded *pg); /* role steward: rows only, no DDL */
const char *pg_embedded_owner_url(
    const struct pg_embedded *pg); /* role steward_owner: db_migrate(), backups */
int pg_embedded_pid(const struct pg_embedded *pg);
bool pg_embedded_was_adopted(const struct pg_embedded *pg);
/* Fast shutdown and wait; frees. keep: leave the postmaster running. NULL is fine. */
void pg_embedded_stop(struct pg_embedded *pg, bool keep);

#endif
