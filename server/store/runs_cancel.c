/*
 * runs_cancel.c - the durable cancel: after its commit no new intent is marked for the run.
 *
 * A step one of whose sends may have had an effect, or still have it (intent maybe_sent, an
 * uncertain one before), is left to the engine, which looks at what came of it. A lease is taken
 * away by emptying its owner, so a worker that is about to mark loses its fence. When the cancel
 * asks for it, a training that the run has begun is left to the engine, too: it stops it first.
 */
#include <assert.h>

#include "steward/run_store.h"
#include "steward/runs_store.h"

/* SQL has its own layout. */
/* clang-format off */
/* Lock order: the run first. The fence: a run that is over, or already being cancelled, is read
   again. */
static const struct db_stmt cancel_run = {
    "api_cancel_run",
    "WITH hit AS (UPDATE runs SET cancel_requested_at = clock_timestamp(), reason = $2,"
    " updated_at = now(), cancel_stops = $3::boolean,"
    " state = CASE WHEN state = 'queued' THEN 'cancelled'::run_state ELSE 'cancelling' END,"
    " finished_at = CASE WHEN state = 'queued' THEN clock_timestamp() END"
    " WHERE id = $1 AND state IN ('queued', 'running') RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit)"
    " THEN api_fence('ST001', 'the run is over or being cancelled') END",
    3
};
/* A training of the run that is to be stopped. */
#define TO_STOP                                                                                    \
    "(SELECT cancel_stops FROM runs WHERE id = $1) AND kind = 'solutionVersion'"                   \
    " AND intent_op = 'create' AND intent_state = 'saved'"
static const struct db_stmt cancel_steps = {
    "api_cancel_steps",
    "UPDATE steps SET state = 'cancelled', finished_at = clock_timestamp(), reason = $2, wake_at"
    " = 'infinity',"
    " lease_owner = NULL WHERE run_id = $1 AND state IN ('blocked', 'ready', 'waiting')"
    " AND intent_state <> 'maybe_sent' AND ambiguous_at IS NULL AND NOT (" TO_STOP ")",
    2
};
/* What is left waits for the engine, which is asked to look now (a leased step is being looked
   at). What is looked at only to see whether it has ended is taken from who looks. */
static const struct db_stmt cancel_rest = {
    "api_cancel_rest",
    "UPDATE steps SET wake_at = clock_timestamp(), lease_owner = NULL WHERE run_id = $1"
    " AND state IN ('ready', 'waiting') AND (lease_owner IS NULL OR (" TO_STOP "))",
    1
};
/* A run that had not begun is over with this transaction; a running one is ended by the engine,
   which frees its claims. */
static const struct db_stmt cancel_roll_up = {
    "api_cancel_roll_up",
    "WITH over AS (UPDATE runs SET open_steps = 0 WHERE id = $1 AND state = 'cancelled'"
    " RETURNING id, config, kind),"
    " told AS (UPDATE configs c SET health = CASE WHEN observed_version IS NULL THEN 'missing'"
    " ELSE 'degraded' END,"
    " health_reason = 'runCancelled', health_message = 'The last apply was cancelled.',"
    " health_since = clock_timestamp(), sync = 'unknown', sync_reason = 'runCancelled',"
    " sync_since = clock_timestamp()"
    " FROM over WHERE c.name = over.config AND over.kind = 'apply')"
    " INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT $2, 'run.cancelled', 'runs/' || id, config, id, jsonb_build_object('kind', kind,"
    " 'reason', $3::text)"
    " FROM over",
    3
};
/* clang-format on */

size_t runs_store_cancel(struct arena *arena, const struct run_cancel *cancel, struct db_op *ops)
{
    const char *id = cancel->id, *reason = cancel->reason;
    char *event_id = arena_alloc(arena, ID_BYTES);
    size_t n = 0;

    id_new("evt", event_id);
    ops[n++] = (struct db_op){ .stmt = &cancel_run,
                               .params = { id, reason, cancel->stops ? "true" : "false" } };
    ops[n++] = (struct db_op){ .stmt = &cancel_steps, .params = { id, reason } };
    ops[n++] = (struct db_op){ .stmt = &cancel_rest, .params = { id } };
    ops[n++] = (struct db_op){ .stmt = &cancel_roll_up, .params = { id, event_id, reason } };
    assert(n <= RUNS_STORE_CANCEL_OPS);
    return n;
}
