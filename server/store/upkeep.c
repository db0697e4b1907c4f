/*
 * upkeep.c - statements of what people do with what is there: take down, promote, try again.
 */
#include "steward/upkeep_store.h"

#include <stdio.h>

#include "row.h"
#include "steward/id.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt retire_schedules = {
    "upkeep_retire_schedules",
    "UPDATE schedules SET retired_at = clock_timestamp(), next_fire_at = NULL, updated_at = now()"
    " WHERE config = $1 AND retired_at IS NULL",
    1
};
static const struct db_stmt cancel_queued = {
    "upkeep_cancel_queued",
    "WITH hit AS (UPDATE runs SET state = 'cancelled', cancel_requested_at = clock_timestamp(),"
    "   finished_at = clock_timestamp(), updated_at = now(), open_steps = 0,"
    "   reason = 'The config is being taken down.'"
    "  WHERE config = $1 AND state = 'queued' RETURNING id, config, kind),"
    " steps AS (UPDATE steps SET state = 'cancelled', finished_at = clock_timestamp(), wake_at = 'infinity'"
    "  WHERE run_id IN (SELECT id FROM hit) AND state IN ('blocked', 'ready', 'waiting'))"
    " INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT 'evt_0' || substr(md5(id || 'cancelled'), 1, 25), 'run.cancelled', 'runs/' || id, config, id,"
    "  jsonb_build_object('kind', kind) FROM hit",
    1
};
static const struct db_stmt mark_going = {
    "upkeep_mark_going",
    "UPDATE configs SET health = 'progressing', health_reason = 'destroying',"
    " health_message = 'The config is being taken down.', health_since = clock_timestamp(),"
    " sync = 'unknown', sync_reason = 'destroying', sync_message = NULL, sync_since = clock_timestamp()"
    " WHERE name = $1",
    1
};
static const struct db_stmt find_version = {
    "upkeep_version",
    "SELECT arn, status FROM solution_versions WHERE solution = $1"
    " AND (arn = $2 OR name = $2 OR ($2::text IS NULL AND status = 'ACTIVE'))"
    " ORDER BY aws_created_at DESC NULLS LAST LIMIT 1",
    2
};

#define IDS "json_to_recordset($3::json) AS m(old text, new text)"
/* What was switched off has been restored since: it is switched off again. */
#define IS_DONE(s) s ".state = 'succeeded' AND " s ".options ->> 'autoTraining' IS NULL"
#define TAKEN_OVER(s) "(NOT $4::boolean AND " IS_DONE(s) ")"
static const struct db_stmt step_ids = {
    "upkeep_step_ids", "SELECT s.id, (" IS_DONE("s") ") FROM steps s WHERE s.run_id = $1", 1
};
static const struct db_stmt retry_run = {
    "upkeep_retry_run",
    "WITH made AS (INSERT INTO runs (id, config, config_version, kind, trigger, retry_of, overlap, options,"
    "  claims, created_by, data_version, open_steps, total_steps)"
    "  SELECT $2, r.config, r.config_version, r.kind, 'retry', r.id, 'queue', r.options, r.claims, $3, r.data_version,"
    "   (SELECT count(*) FROM steps s WHERE s.run_id = r.id AND NOT " TAKEN_OVER("s") "), r.total_steps"
    "  FROM runs r WHERE r.id = $1 AND (r.state IN ('failed', 'cancelled') OR (r.state = 'succeeded' AND $4::boolean))"
    "   AND r.config IS NOT NULL RETURNING 1)"
    " SELECT CASE WHEN NOT EXISTS (SELECT FROM made) THEN"
    "  api_fence('ST001', 'the run is not over, or its config is gone') END",
    4
};
static const struct db_stmt retry_steps = {
    "upkeep_retry_steps",
    "INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, pointer, state, blocked_by, request,"
    "  tags, refs, options, arn, aws_status, result, reason, details, started_at, finished_at)"
    " SELECT m.new, $2, s.ordinal, s.kind, s.verb, s.name, s.resource_key, s.pointer, x.state, coalesce(w.n, 0),"
    /* A question is asked anew. */
    "  s.request, s.tags, s.refs, CASE WHEN s.kind = 'approval' AND NOT " TAKEN_OVER("s") " THEN (s.options::jsonb - 'answer')::json"
    "   ELSE s.options END, x.arn, x.aws_status, x.result, x.reason, x.details, x.at, x.at"
    " FROM " IDS " JOIN steps s ON s.id = m.old AND s.run_id = $1 LEFT JOIN"
    "  (SELECT e.step_id, count(*) AS n FROM steps o JOIN step_edges e ON e.needs_id = o.id"
    "    WHERE o.run_id = $1 AND NOT " TAKEN_OVER("o") " GROUP BY e.step_id) w ON w.step_id = s.id"
    " CROSS JOIN LATERAL (SELECT"
    "  CASE WHEN " TAKEN_OVER("s") " THEN s.state ELSE 'blocked'::step_state END AS state,"
    "  CASE WHEN " TAKEN_OVER("s") " THEN s.arn END AS arn,"
    "  CASE WHEN " TAKEN_OVER("s") " THEN s.aws_status END AS aws_status,"
    "  CASE WHEN " TAKEN_OVER("s") " THEN 'unchanged' END AS result,"
    "  CASE WHEN " TAKEN_OVER("s") " THEN 'Taken over from run ' || $1 || '.' END AS reason,"
    "  CASE WHEN " TAKEN_OVER("s") " THEN s.details END AS details,"
    "  CASE WHEN " TAKEN_OVER("s") " THEN clock_timestamp() END AS at) x",
    4
};
static const struct db_stmt retry_edges = {
    "upkeep_retry_edges",
    "INSERT INTO step_edges (needs_id, step_id, is_always) SELECT a.new, b.new, e.is_always FROM step_edges e"
    " JOIN json_to_recordset($1::json) AS a(old text, new text) ON a.old = e.needs_id"
    " JOIN json_to_recordset($1::json) AS b(old text, new text) ON b.old = e.step_id",
    1
};
static const struct db_stmt retry_event = {
    "upkeep_retry_event",
    "INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT $1, 'run.queued', 'runs/' || id, config, id,"
    "  jsonb_build_object('kind', kind, 'trigger', trigger, 'retryOf', retry_of) FROM runs WHERE id = $2",
    2
};
#define UNSEEN                                                                              \
    "NOT EXISTS (SELECT FROM runs r WHERE r.config = c.name AND (r.finished_at IS NULL"     \
    "  OR (r.kind IN ('apply', 'observe') AND r.finished_at > clock_timestamp() - make_interval(secs => $1::text::float8))))"
static const struct db_stmt unseen = {
    "upkeep_unseen",
    "SELECT c.name, c.version, v.document, $1::text AS seconds FROM configs c"
    " JOIN config_versions v ON v.config = c.name AND v.version = c.version"
    " WHERE " UNSEEN " ORDER BY c.name LIMIT 20",
    1
};
static const struct db_stmt observe_fence = {
    "upkeep_observe_fence",
    "SELECT CASE WHEN NOT EXISTS (SELECT FROM configs c WHERE c.name = $2 AND " UNSEEN ")"
    " THEN api_fence('ST001', 'the config is being worked on') END",
    2
};
static const struct db_stmt drop_quiet = {
    "upkeep_drop_quiet",
    "DELETE FROM runs WHERE config = $1 AND kind = 'observe' AND trigger = 'schedule' AND state = 'succeeded'"
    " AND NOT EXISTS (SELECT FROM events e WHERE e.run_id = runs.id AND e.type LIKE 'drift.%')",
    1
};
/* clang-format on */

size_t upkeep_store_wind_up(const char *config, struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &retire_schedules, .params = { config } };
    ops[1] = (struct db_op){ .stmt = &cancel_queued, .params = { config } };
    ops[2] = (struct db_op){ .stmt = &mark_going, .params = { config } };
    return 3;
}

void upkeep_store_version(const char *solution, const char *version, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &find_version, .params = { solution, version } };
}

void upkeep_store_step_ids(const char *run_id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &step_ids, .params = { run_id } };
}

size_t upkeep_store_retry(struct arena *arena, const struct upkeep_retry *r, struct db_op *ops)
{
    const char *is_whole = r->is_whole ? "true" : "false";
    char *event_id = arena_alloc(arena, ID_BYTES);

    id_new("evt", event_id);
    ops[0] = (struct db_op){ .stmt = &retry_run,
                             .params = { r->old_run, r->new_run, r->created_by, is_whole } };
    ops[1] = (struct db_op){ .stmt = &retry_steps,
                             .params = { r->old_run, r->new_run, r->ids, is_whole } };
    ops[2] = (struct db_op){ .stmt = &retry_edges, .params = { r->ids } };
    ops[3] = (struct db_op){ .stmt = &retry_event, .params = { event_id, r->new_run } };
    return 4;
}

enum err_code upkeep_store_unseen(struct db_conn *c, int64_t interval_ms, struct arena *arena,
                                  struct unseen_list *out, struct err *e)
{
    char seconds[32];
    const struct db_op op = { .stmt = &unseen, .params = { seconds } };
    AUTO_PGRES PGresult *result = NULL;

    *out = (struct unseen_list){ 0 };
    (void) snprintf(seconds, sizeof seconds, "%.3f", (double) interval_ms / 1000.0);
    TRY(db_query(c, &op, &result, e));
    out->count = (size_t) PQntuples(result);
    out->items = arena_alloc(arena, (out->count + 1) * sizeof *out->items);
    for (size_t i = 0; i < out->count; i++) {
        struct row r = { result, (int) i };

        out->items[i] = (struct unseen){ .config = row_keep(r, "name", arena),
                                         .document = row_keep(r, "document", arena),
                                         .seconds = row_keep(r, "seconds", arena),
                                         .version = row_int(r, "version") };
    }
    return OK;
}

size_t upkeep_store_observe_fence(const struct unseen *u, struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &observe_fence, .params = { u->seconds, u->config } };
    ops[1] = (struct db_op){ .stmt = &drop_quiet, .params = { u->config } };
    return 2;
}
