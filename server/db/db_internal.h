/*
 * db_internal.h - what the files of this floor share: failures, connecting, prepared statements.
 *
 * Private to server/db (and its tests). Nothing here is visible to other floors.
 */
#ifndef STEWARD_DB_INTERNAL_H
#define STEWARD_DB_INTERNAL_H

#include "steward/db.h"

#define DB_STATEMENT_TIMEOUT_MS 5000 /* on the server, per statement */
#define DB_LOCK_TIMEOUT_MS      3000 /* write lane default */
#define DB_ANSWER_TIMEOUT_MS    6000 /* ours: no progress for so long means a dead peer */
#define DB_REPEATS_MAX          5 /* of a transaction that lost a serialization race or a deadlock */

/* ---- failure.c: what a failed statement means ---- */
struct db_failure {
    struct err err;
    char sqlstate[6]; /* "" when the server did not answer */
    char constraint[64];
    bool is_fatal; /* the server ended the session with this message */
};
void db_failure_set(struct db_failure *f, const PGresult *r);
/* The connection is gone or the answer late; why is for the log. */
void db_failure_lost(struct db_failure *f, enum err_code code, const char *why);
/* 40001, 40P01: the same transaction may succeed when it is repeated. */
bool db_failure_is_race(const struct db_failure *f);
/* The session's prepared statements no longer fit the schema: a new session will do. */
bool db_failure_is_stale_session(const struct db_failure *f);
/* True unless the statement surely only reads (a cautious look at its words). */
bool db_sql_writes(const char *sql);
/* libpq's message as one line without the newline at its end. */
void db_one_line(const char *text, char *out, size_t size);

/* ---- connect.c: from a URL to a session with our settings; blocks ---- */
struct db_target; /* parsed URL with our defaults; immutable, so threads may share it */
MUST_USE enum err_code db_target_new(const char *url, const char *application,
                                     struct db_target **out, struct err *e);
void db_target_free(struct db_target *t); /* NULL is fine */

struct db_session {
    int64_t statement_timeout_ms, lock_timeout_ms; /* 0: none */
    bool is_read_only;
    const char *const *channels; /* to LISTEN on; NULL-terminated or NULL */
};
/* NULL on failure. The caller owns the connection: non-blocking, not yet in pipeline mode. */
PGconn *db_connect(const struct db_target *t, const struct db_session *session, struct err *e);
/* One simple query (may hold several statements); waits at most timeout_ms without progress. The
 * last result. */
PGresult *db_exec(PGconn *pg, const char *sql, int64_t timeout_ms, struct db_failure *f);
/* The same for one statement with text parameters. */
PGresult *db_exec_params(PGconn *pg, const struct db_op *op, struct db_failure *f);
/* The raw connection under a blocking one, for migrations; NULL when it is down. */
PGconn *db_conn_raw(struct db_conn *c);
/* Ends the session; the next use starts a new one. */
void db_conn_reset(struct db_conn *c);

/* ---- stmts.c: which statements a connection has prepared ---- */
enum stmt_state { STMT_NEW, STMT_SENT, STMT_READY, STMT_FAILED };
struct stmt_slot {
    const struct db_stmt *stmt;
    enum stmt_state state;
    struct db_failure *failure; /* why PREPARE failed */
};
struct stmt_set {
    struct stmt_slot *slots;
    size_t n, capacity; /* a power of two */
};
/* Never NULL; valid until the next call with another statement. */
struct stmt_slot *stmt_set_at(struct stmt_set *set, const struct db_stmt *stmt);
void stmt_slot_fail(struct stmt_slot *slot, const struct db_failure *why);
void stmt_set_done(struct stmt_set *set);

/* ---- migrate.c ---- */
/* db_migrate() over any table, for tests. */
struct migration_table {
    const struct migration *rows; /* numbers rise */
    size_t n;
};
MUST_USE enum err_code db_migrate_table(struct db_conn *c, struct migration_table table,
                                        int *applied, struct err *e);

#endif
