/*
 * pause.c - "stop spending": one row that the mark of everything that buys asks in its own
 * transaction.
 *
 * A change takes the lock (7410025) alone, a mark shares it: whoever came first has committed
 * before the other looks. So nothing is bought after the pause was acknowledged.
 */
#include "steward/pause_store.h"

#include "shapes.h"
#include "steward/id.h"
#include "steward/str.h"

/* SQL has its own layout. */
/* clang-format off */
#define IN_FORCE "p.paused_at IS NOT NULL AND (p.until_at IS NULL OR p.until_at > clock_timestamp())"

static const struct db_stmt read_state = {
    "pause_read",
    "SELECT " IN_FORCE ", " SQL_PAUSE ", 'Spending is stopped since ' || " SQL_AT("p.paused_at")
    " || coalesce(' until ' || " SQL_AT("p.until_at") ", '') || coalesce(': ' || p.reason, '')"
    " || '. POST /resume ends the pause.' FROM server_pause p",
    0
};
static const struct db_stmt lock = { "pause_lock", "SELECT pg_advisory_xact_lock(7410025)", 0 };
static const struct db_stmt set = {
    "pause_set",
    "WITH hit AS (UPDATE server_pause p SET"
    "  paused_at = CASE WHEN " IN_FORCE " THEN p.paused_at ELSE clock_timestamp() END,"
    "  until_at = $2::timestamptz, reason = $3, paused_by = $4 RETURNING p.*)"
    " INSERT INTO events (id, type, subject, data) SELECT $1, 'server.paused', 'server',"
    "  jsonb_strip_nulls(jsonb_build_object('reason', p.reason, 'by', p.paused_by, 'until',"
    "  " SQL_AT("p.until_at") ")) FROM hit p",
    4
};
/* $3: only when its time is over. The event names who, when it was a person. */
static const struct db_stmt clear = {
    "pause_clear",
    "WITH was AS (SELECT * FROM server_pause p WHERE p.paused_at IS NOT NULL"
    "  AND (NOT $3::boolean OR p.until_at <= clock_timestamp()) FOR UPDATE),"
    " hit AS (UPDATE server_pause SET paused_at = NULL, until_at = NULL, reason = NULL,"
    "  paused_by = NULL WHERE EXISTS (SELECT FROM was))"
    " INSERT INTO events (id, type, subject, data) SELECT $1, 'server.resumed', 'server',"
    "  jsonb_strip_nulls(jsonb_build_object('by', $2::text, 'pausedAt', " SQL_AT("p.paused_at")
    ", 'reason', p.reason)) FROM was p RETURNING 1",
    3
};
/* What waits for the end of the pause is due now. */
static const struct db_stmt wake = {
    "pause_wake",
    "UPDATE steps SET wake_at = clock_timestamp() WHERE state = 'waiting' AND lease_owner IS NULL"
    " AND wake_at > clock_timestamp() AND wake_at < 'infinity' AND waiting_for = 'the end of the"
    " pause' AND NOT server_is_paused()",
    0
};
static const struct db_stmt answer = {
    "pause_answer",
    "SELECT set_config('steward.answer', (SELECT " SQL_PAUSE " FROM server_pause p)::text, true)",
    0
};
/* clang-format on */

void pause_store_read(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &read_state };
}

static void fill_clear(struct arena *arena, const char *by, bool is_expiry, struct db_op *op)
{
    char *id = arena_alloc(arena, ID_BYTES);

    id_new("evt", id);
    *op = (struct db_op){ .stmt = &clear, .params = { id, by, is_expiry ? "true" : "false" } };
}

size_t pause_store_change(struct arena *arena, const struct pause_change *change, struct db_op *ops)
{
    char *id = arena_alloc(arena, ID_BYTES);

    ops[0] = (struct db_op){ .stmt = &lock };
    if (change->is_paused) {
        id_new("evt", id);
        ops[1] = (struct db_op){ .stmt = &set,
                                 .params = { id, change->until, change->reason, change->by } };
    } else {
        fill_clear(arena, change->by, false, &ops[1]);
    }
    ops[2] = (struct db_op){ .stmt = &wake };
    ops[3] = (struct db_op){ .stmt = &answer };
    return PAUSE_STORE_OPS;
}

enum err_code pause_store_expire(struct db_conn *c, bool *has_ended, struct err *e)
{
    struct arena arena = { 0 };
    struct db_op ops[3] = { { .stmt = &lock }, { 0 }, { .stmt = &wake } };
    PGresult *results[ARRAY_LEN(ops)] = { 0 };
    enum err_code rc;

    *has_ended = false;
    fill_clear(&arena, NULL, true, &ops[1]);
    rc = db_run(c, ops, ARRAY_LEN(ops), results, e);
    if (!rc)
        *has_ended = PQntuples(results[1]) > 0;
    for (size_t i = 0; !rc && i < ARRAY_LEN(ops); i++)
        PQclear(results[i]);
    arena_done(&arena);
    return rc;
}
