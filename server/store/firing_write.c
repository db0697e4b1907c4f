/*
 * firing_write.c - a batch of schedules fires, each exactly once.
 *
 * One statement: the fence moves each schedule on and says which rows were still as they had been
 * read; only those get rows of schedule_fires; only new rows of schedule_fires get runs. The
 * primary key (schedule, generation, nominal wall time) is the promise, whatever replicas, crashes
 * and clocks do.
 */
#include "steward/firing_store.h"
#include "steward/json.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt write_batch = {
    "firing_write",
    "WITH m AS MATERIALIZED (SELECT * FROM json_to_recordset($1::json) AS u(id text, generation int, nominal bigint,"
    "  updated timestamptz, next bigint, \"nextFire\" bigint)),"
    " hit AS (UPDATE schedules s SET considered_at = clock_timestamp(), next_nominal_at = to_timestamp(m.next),"
    "  next_fire_at = to_timestamp(m.\"nextFire\"), fire_failures = 0"
    "  FROM m WHERE s.id = m.id AND s.generation = m.generation AND s.next_nominal_at = to_timestamp(m.nominal)"
    "  AND s.updated_at = m.updated AND s.retired_at IS NULL AND (SELECT server_is_paused()) = $6::boolean"
    "  RETURNING s.id),"
    " u AS MATERIALIZED (SELECT * FROM json_to_recordset($2::json) AS u(schedule text, generation int, local text,"
    "  fold int, at bigint, outcome text, \"runId\" text, count bigint, \"from\" bigint, \"to\" bigint, reason text,"
    "  event text, type text, kind text, config text)),"
    " f AS (INSERT INTO schedule_fires (schedule_id, generation, nominal_local, fold, nominal_at, outcome, run_id,"
    "   count, from_at, to_at, reason)"
    "  SELECT u.schedule, u.generation, u.local, u.fold, to_timestamp(u.at), u.outcome, u.\"runId\","
    "   coalesce(u.count, 1), to_timestamp(u.\"from\"), to_timestamp(u.\"to\"), u.reason"
    "  FROM u JOIN hit ON hit.id = u.schedule ON CONFLICT DO NOTHING"
    "  RETURNING schedule_id, nominal_local, fold, nominal_at, run_id),"
    " t AS MATERIALIZED (SELECT *, schedule_rank(kind) AS rank FROM json_to_recordset($4::json) AS t(t int,"
    "  config text, version bigint, kind text, options json, claims text[], n int)),"
    " x AS MATERIALIZED (SELECT * FROM json_to_recordset($3::json) AS x(id text, t int, overlap text, ids text[],"
    "  event text)),"
    " r AS (INSERT INTO runs (id, config, config_version, kind, trigger, schedule_id, nominal_at, overlap, options,"
    "   claims, open_steps, total_steps, after_runs)"
    "  SELECT x.id, t.config, t.version, t.kind, 'schedule', f.schedule_id, f.nominal_at, x.overlap, t.options,"
    "   t.claims, t.n, t.n, CASE WHEN t.rank < 2 THEN '{}' ELSE ARRAY(SELECT o.id FROM runs o"
    "    WHERE o.config = t.config AND o.state IN ('queued', 'running', 'cancelling') AND o.held_at IS NULL AND o.trigger = 'schedule'"
    "    AND o.nominal_at >= date_trunc('minute', f.nominal_at)"
    "    AND o.nominal_at < date_trunc('minute', f.nominal_at) + interval '1 minute'"
    "    AND schedule_rank(o.kind) BETWEEN 1 AND t.rank - 1"
    /* of another solution: they do not meet */
    "    AND (o.options -> 'solutions' IS NULL OR t.options -> 'solutions' IS NULL OR EXISTS ("
    "     SELECT value FROM json_array_elements_text(o.options -> 'solutions')"
    "     INTERSECT SELECT value FROM json_array_elements_text(t.options -> 'solutions')))) END"
    "  FROM x JOIN f ON f.run_id = x.id JOIN t ON t.t = x.t RETURNING id, config, kind),"
    " p AS MATERIALIZED (SELECT * FROM json_to_recordset($5::json) AS p(t int, ordinal int, kind text, verb text,"
    "  name text, resource_key text, pointer text, blocked_by int, request json, tags json, refs jsonb,"
    "  options json, needs int[])),"
    " s AS (INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, pointer, blocked_by, request,"
    "   tags, refs, options)"
    "  SELECT x.ids[p.ordinal + 1], x.id, p.ordinal, p.kind, p.verb, p.name, p.resource_key, p.pointer,"
    "   p.blocked_by, p.request, p.tags, p.refs, p.options FROM x JOIN r ON r.id = x.id JOIN p ON p.t = x.t),"
    " g AS (INSERT INTO step_edges (needs_id, step_id)"
    "  SELECT x.ids[n.needs + 1], x.ids[p.ordinal + 1] FROM x JOIN r ON r.id = x.id JOIN p ON p.t = x.t"
    "   CROSS JOIN LATERAL unnest(p.needs) AS n(needs)),"
    " v AS (INSERT INTO events (id, type, subject, config, run_id, data)"
    "  SELECT x.event, 'run.queued', 'runs/' || r.id, r.config, r.id,"
    "   jsonb_build_object('kind', r.kind, 'trigger', 'schedule') FROM x JOIN r ON r.id = x.id"
    "  UNION ALL SELECT u.event, u.type, 'schedules/' || u.schedule, u.config, NULL,"
    "   jsonb_strip_nulls(jsonb_build_object('schedule', u.schedule, 'kind', u.kind, 'nominalAt',"
    "    to_char(f.nominal_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'outcome', u.outcome,"
    "    'runId', u.\"runId\", 'count', u.count, 'reason', u.reason))"
    "   FROM u JOIN f ON f.schedule_id = u.schedule AND f.nominal_local = u.local AND f.fold = u.fold)"
    " SELECT count(*) FROM f",
    6
};
/* overlap cancelOther: the run in the way makes room. What may have had its effect is looked up first, as after
   every cancel; the new run waits for its resources. */
#define CANCELS "json_to_recordset($1::json) AS c(run text, by text, reason text, event text)"
static const struct db_stmt cancel_runs = {
    "firing_cancel_runs",
    "UPDATE runs r SET cancel_requested_at = clock_timestamp(), reason = c.reason, updated_at = clock_timestamp(),"
    " state = CASE WHEN r.state = 'queued' THEN 'cancelled'::run_state ELSE 'cancelling' END,"
    " open_steps = CASE WHEN r.state = 'queued' THEN 0 ELSE r.open_steps END,"
    " finished_at = CASE WHEN r.state = 'queued' THEN clock_timestamp() END"
    " FROM " CANCELS " WHERE r.id = c.run AND r.state IN ('queued', 'running')"
    " AND EXISTS (SELECT FROM runs n WHERE n.id = c.by)",
    1
};
static const struct db_stmt cancel_steps = {
    "firing_cancel_steps",
    "UPDATE steps s SET state = 'cancelled', finished_at = clock_timestamp(), reason = c.reason,"
    " wake_at = 'infinity', lease_owner = NULL FROM " CANCELS " JOIN runs r ON r.id = c.run"
    " WHERE s.run_id = r.id AND r.cancel_requested_at IS NOT NULL AND s.state IN ('blocked', 'ready', 'waiting')"
    " AND s.intent_state <> 'maybe_sent'",
    1
};
static const struct db_stmt cancel_rest = {
    "firing_cancel_rest",
    "UPDATE steps s SET wake_at = clock_timestamp() FROM " CANCELS " JOIN runs r ON r.id = c.run"
    " WHERE s.run_id = r.id AND r.cancel_requested_at IS NOT NULL AND s.state IN ('ready', 'waiting')"
    " AND s.lease_owner IS NULL",
    1
};
static const struct db_stmt cancel_events = {
    "firing_cancel_events",
    "INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT c.event, 'run.cancelled', 'runs/' || r.id, r.config, r.id, jsonb_build_object('kind', r.kind,"
    " 'reason', c.reason) FROM " CANCELS " JOIN runs r ON r.id = c.run AND r.state = 'cancelled'"
    " AND r.reason = c.reason",
    1
};
/* clang-format on */

enum err_code firing_store_write(struct db_conn *c, const struct firing_batch *b, size_t *fired,
                                 struct err *e)
{
    AUTO_FREE char *moves = json_compact(b->moves);
    AUTO_FREE char *fires = json_compact(b->fires);
    AUTO_FREE char *runs = json_compact(b->runs);
    AUTO_FREE char *templates = json_compact(b->templates);
    AUTO_FREE char *steps = json_compact(b->steps);
    AUTO_FREE char *cancels = json_compact(b->cancels);
    const struct db_op ops[] = {
        { .stmt = &write_batch,
          .params = { moves, fires, runs, templates, steps,
                      b->is_server_paused ? "true" : "false" } },
        { .stmt = &cancel_runs, .params = { cancels } },
        { .stmt = &cancel_steps, .params = { cancels } },
        { .stmt = &cancel_rest, .params = { cancels } },
        { .stmt = &cancel_events, .params = { cancels } },
    };
    const size_t n = json_array_size(b->cancels) ? ARRAY_LEN(ops) : 1;
    PGresult *results[ARRAY_LEN(ops)] = { 0 };

    *fired = 0;
    TRY(db_run(c, ops, n, results, e));
    *fired = strtoul(PQgetvalue(results[0], 0, 0), NULL, 10);
    for (size_t i = 0; i < n; i++)
        PQclear(results[i]);
    return OK;
}
