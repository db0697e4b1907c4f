/*
 * admission_store.c - who may go on: queued runs that can have all their resources, steps in line
 * whose quota has room, cancelled and empty runs that are over.
 *
 * One pass at a time, under a lock: each sees the claims of the one before. An older queued run
 * goes before a younger one that wants the same resource; what does not meet never waits.
 */
#include "quota_line.h"
#include "steward/json.h"
#include "steward/step_store.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt admit_lock = { "admit_lock", "SELECT pg_advisory_xact_lock(7410001)", 0 };

/* heads: the oldest queued run of each wanted resource, one probe of the primary key each. A run goes when it is the head of
   every resource it wants and nobody holds one of them. */
static const struct db_stmt admit = {
    "admit",
    "WITH RECURSIVE heads AS ("
    "  (SELECT resource_key, run_id FROM run_wants ORDER BY resource_key, created_at, run_id LIMIT 1)"
    "  UNION ALL SELECT n.resource_key, n.run_id FROM heads h CROSS JOIN LATERAL (SELECT w.resource_key, w.run_id"
    "   FROM run_wants w WHERE w.resource_key > h.resource_key ORDER BY w.resource_key, w.created_at, w.run_id LIMIT 1) n),"
    " free AS (SELECT h.run_id, count(*) AS n FROM heads h"
    "  WHERE NOT EXISTS (SELECT FROM run_claims c WHERE c.resource_key = h.resource_key)"
    "  AND NOT EXISTS (SELECT FROM run_claims c WHERE c.shared_key = h.resource_key) GROUP BY h.run_id),"
    " candidates AS MATERIALIZED (SELECT f.run_id AS id FROM free f"
    "  WHERE f.n = (SELECT count(*) FROM run_wants w WHERE w.run_id = f.run_id)"
    "  AND (SELECT bool_or(p.finished_at IS NULL AND p.held_at IS NULL) FROM runs r CROSS JOIN LATERAL unnest(r.after_runs) AS a(id)"
    "   JOIN runs p ON p.id = a.id WHERE r.id = f.run_id) IS NOT TRUE"
    /* overlap allow: beside any other run, but not beside one that takes down */
    "  UNION ALL (SELECT r.id FROM runs r WHERE r.state = 'queued' AND r.overlap = 'allow' AND r.claims <> '{}'"
    "   AND NOT EXISTS (SELECT FROM run_claims c JOIN runs h ON h.id = c.run_id WHERE c.resource_key = ANY (r.claims)"
    "    AND h.kind IN ('destroy', 'deleteData'))"
    "   AND NOT EXISTS (SELECT FROM runs p WHERE p.id = ANY (r.after_runs) AND p.finished_at IS NULL AND p.held_at IS NULL)"
    "   ORDER BY r.created_at LIMIT 2000)"
    "  UNION ALL (SELECT id FROM runs WHERE state = 'queued' AND claims = '{}' ORDER BY created_at LIMIT 2000)),"
    " admitted AS (UPDATE runs SET state = 'running', started_at = clock_timestamp(), reason = NULL,"
    /* As a list and as text: the queue is not gone through for each candidate. */
    "  updated_at = clock_timestamp() WHERE id = ANY (ARRAY(SELECT id FROM candidates)) AND state::text = 'queued'"
    "  RETURNING id, config, kind, claims, overlap = 'allow' AS shares),"
    " untold AS MATERIALIZED (SELECT r.id, (SELECT min(c.run_id) FROM run_claims c WHERE c.resource_key = ANY (r.claims))"
    "  AS holder FROM runs r WHERE r.state = 'queued' AND r.reason IS NULL ORDER BY r.created_at LIMIT 200),"
    /* Materialized: a plan made while the tables were small would make it anew for each queued run. */
    " words AS MATERIALIZED (SELECT DISTINCT ON (x.run_id) x.run_id, 'Waits for ' || x.other"
    "   || CASE WHEN x.is_elder THEN ', which comes first at this minute.' ELSE ', which works on the same resources.' END"
    "   AS reason FROM ("
    "    SELECT h.run_id, c.run_id AS other, false AS is_elder FROM heads h JOIN run_claims c"
    "     ON c.resource_key = h.resource_key"
    "    UNION ALL SELECT h.run_id, c.run_id, false FROM heads h JOIN run_claims c ON c.shared_key = h.resource_key"
    /* OFFSET 0: run by run, never all queued ones against all open ones. */
    "    UNION ALL SELECT h.run_id, p.id, true FROM heads h CROSS JOIN LATERAL (SELECT r.after_runs FROM runs r"
    "     WHERE r.id = h.run_id AND r.after_runs <> '{}' OFFSET 0) r CROSS JOIN LATERAL (SELECT p.id FROM runs p"
    "     WHERE p.id = ANY (r.after_runs) AND p.finished_at IS NULL AND p.held_at IS NULL OFFSET 0) p"
    "    UNION ALL SELECT u.id, u.holder, false FROM untold u WHERE u.holder IS NOT NULL) x"
    "    WHERE x.run_id NOT IN (SELECT id FROM candidates) ORDER BY x.run_id, x.is_elder DESC, x.other),"
    " told AS (UPDATE runs q SET reason = b.reason FROM words b"
    "  WHERE q.id = b.run_id AND q.state = 'queued' AND q.reason IS DISTINCT FROM b.reason),"
    " claimed AS (INSERT INTO run_claims (resource_key, run_id, shared_key)"
    "  SELECT CASE WHEN a.shares THEN k.key || '#' || a.id ELSE k.key END, a.id, CASE WHEN a.shares THEN k.key END"
    "  FROM admitted a CROSS JOIN LATERAL unnest(a.claims) AS k(key) ORDER BY 1),"
    " ready AS (UPDATE steps SET state = 'ready', wake_at = clock_timestamp()"
    "  WHERE run_id = ANY (ARRAY(SELECT id FROM admitted)) AND state = 'blocked' AND blocked_by = 0),"
    " busy AS (UPDATE configs SET health = 'progressing', health_reason = 'runActive', health_message = NULL,"
    "  health_since = CASE WHEN health = 'progressing' THEN health_since ELSE clock_timestamp() END"
    "  WHERE name IN (SELECT config FROM admitted WHERE kind = 'apply'))"
    " INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT 'evt_' || substr(id, 5), 'run.started', 'runs/' || id, config, id, jsonb_build_object('kind', kind)"
    " FROM admitted RETURNING 1",
    0
};

/* Runs whose steps all ended without a checkpoint of ours: cancelled ones, and runs without steps. What a cancelled apply says
   of its config is said once more in checkpoint_store.c, for those that a checkpoint ends. */
static const struct db_stmt finish_empty = {
    "finish_empty",
    "WITH ended AS (UPDATE runs r SET"
    "  state = CASE WHEN r.state = 'cancelling' THEN 'cancelled'::run_state ELSE 'succeeded'::run_state END,"
    "  result = CASE WHEN r.state = 'cancelling' THEN NULL ELSE 'unchanged' END, open_steps = 0,"
    "  finished_at = clock_timestamp(), updated_at = clock_timestamp()"
    "  WHERE (r.state = 'cancelling' OR (r.state = 'running' AND r.total_steps = 0))"
    "  AND NOT EXISTS (SELECT FROM steps s WHERE s.run_id = r.id AND s.state IN ('blocked', 'ready', 'waiting'))"
    "  RETURNING r.id, r.config, r.kind, r.state),"
    " freed AS (DELETE FROM run_claims WHERE run_id IN (SELECT id FROM ended)),"
    " told AS (UPDATE configs c SET health = CASE WHEN c.observed_version IS NULL THEN 'missing' ELSE 'degraded' END,"
    "  health_reason = 'runCancelled',"
    "  health_message = 'The last apply was cancelled.', health_since = clock_timestamp(), sync = 'unknown',"
    "  sync_reason = 'runCancelled', sync_message = NULL, sync_since = clock_timestamp()"
    "  FROM ended e WHERE c.name = e.config AND e.kind = 'apply' AND e.state = 'cancelled')"
    " INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT 'evt_' || reverse(substr(id, 5)), 'run.' || state::text, 'runs/' || id, config, id,"
    "  jsonb_build_object('kind', kind) FROM ended RETURNING 1",
    0
};

/* The first in line are woken as far as the quota has room. Who was refused by the service itself (failures) keeps its own
   pace: the room that we see is used by somebody else. */
static const struct db_stmt wake_line = {
    "admit_wake_line",
    "WITH wish AS (SELECT q.key AS kind, q.value::int AS quota FROM json_each_text($1::json) q"
    "  WHERE EXISTS (SELECT FROM steps s WHERE s.kind = q.key AND s.quota_since IS NOT NULL AND s.state IN ('ready', 'waiting'))),"
    " used AS (" QUOTA_USED(" AND s.kind IN (SELECT kind FROM wish)") "),"
    " line AS (" QUOTA_LINE(" AND s.kind IN (SELECT kind FROM wish)") "),"
    " placed AS (" QUOTA_PLACES ")"
    " UPDATE steps s SET wake_at = clock_timestamp() FROM wish w JOIN placed p ON p.kind = w.kind AND p.place <= w.quota"
    " WHERE s.id = p.id AND s.lease_owner IS NULL AND s.failures = 0 AND s.wake_at > clock_timestamp()"
    " AND s.state = 'waiting' RETURNING 1",
    1
};
/* A server that starts may have another fuse: what waits for it asks again. */
static const struct db_stmt wake_fused = {
    "admit_wake_fused",
    "UPDATE steps SET wake_at = clock_timestamp() WHERE state = 'waiting' AND lease_owner IS NULL"
    " AND wake_at > clock_timestamp() AND wake_at < 'infinity' AND waiting_for = 'the training fuse'",
    0
};
/* clang-format on */

/* {"datasetImportJob": 5, …} of the kinds that have one. */
static char *quotas_json(const int quotas[KIND_COUNT])
{
    AUTO_JSON json_t *object = json_object();

    for (size_t i = 0; i < KIND_COUNT; i++)
        if (quotas[i] > 0)
            json_object_set_new(object, kinds[i].name, json_integer(quotas[i]));
    return json_compact(object);
}

enum err_code step_store_admit(struct db_conn *c, const int quotas[KIND_COUNT], size_t *changed,
                               struct err *e)
{
    AUTO_FREE char *text = quotas_json(quotas);
    const struct db_op ops[] = { { .stmt = &admit_lock },
                                 { .stmt = &admit },
                                 { .stmt = &finish_empty },
                                 { .stmt = &wake_line, .params = { text } } };
    PGresult *results[ARRAY_LEN(ops)] = { 0 };

    *changed = 0;
    TRY(db_run(c, ops, ARRAY_LEN(ops), results, e));
    *changed = (size_t) PQntuples(results[1]) + (size_t) PQntuples(results[2]);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        PQclear(results[i]);
    return OK;
}

enum err_code step_store_wake_fused(struct db_conn *c, struct err *e)
{
    const struct db_op op = { .stmt = &wake_fused };
    PGresult *result = NULL;

    TRY(db_query(c, &op, &result, e));
    PQclear(result);
    return OK;
}
