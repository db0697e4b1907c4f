/*
 * checkpoint_store.c - one set-based checkpoint: what a worker saw and did, for many steps in one
 * transaction.
 *
 * First the run rows are locked, in a statement of its own, so that the later ones see what
 * siblings committed. The fenced UPDATE stamps the steps whose lease still matches with this
 * checkpoint's id; every other row is written from the stamped steps only. A step whose lease was
 * lost is left out; its siblings commit.
 */
#include "by_key.h"
#include "checkpoint_extra.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/step_store.h"
#include "steward/str.h"

#include <stdlib.h>
#include <string.h>

/* As a list: a table that is joined could be the inner one, and all runs gone through for it. */
#define OUR_RUNS "ANY (ARRAY(SELECT u.run_id FROM json_to_recordset($1::json) AS u(run_id text)))"

static const struct db_stmt lock_runs = {
    "cp_lock_runs", "SELECT id FROM runs WHERE id = " OUR_RUNS " ORDER BY id FOR NO KEY UPDATE", 1
};

#define ITEM                                                                                     \
    "json_to_recordset($1::json) AS u(id text, token bigint, state text, wake_ms float8, "       \
    "is_saved boolean,"                                                                          \
    " is_refund boolean, is_retry boolean, is_ambiguous boolean, is_in_line boolean, sends int," \
    " arn text, aws_status text,"                                                                \
    " waiting_for text, result text, reason text, failure json, details json, failures int,"     \
    " aws_request_id text, observed jsonb, resource_name text, failure_reason text, is_adopted " \
    "boolean,"                                                                                   \
    " aws_created_at timestamptz, aws_updated_at timestamptz, version json)"

static const struct db_stmt save_steps = {
    "cp_steps",
    "UPDATE steps s SET state = u.state::step_state, lease_owner = NULL, claims = 0, checkpoint_id "
    "= $2::bigint,"
    " quota_since = CASE WHEN u.is_in_line THEN coalesce(s.quota_since, clock_timestamp()) END,"
    " wake_at = CASE WHEN u.wake_ms IS NULL THEN 'infinity'"
    /* Cancelled while its call was under way, and nothing is uncertain any more: over at once. */
    "   WHEN (u.is_saved OR u.is_refund) AND EXISTS (SELECT FROM runs r WHERE r.id = s.run_id AND "
    "r.cancel_requested_at IS NOT NULL) THEN clock_timestamp()"
    "   ELSE clock_timestamp() + make_interval(secs => u.wake_ms / 1000.0) END,"
    " intent_state = CASE WHEN u.is_retry THEN 'none' WHEN u.is_saved THEN 'saved'"
    "   WHEN u.is_refund AND s.sends = u.sends AND s.intent_state = 'maybe_sent' THEN 'planned' "
    "ELSE s.intent_state END,"
    " intent_op = CASE WHEN u.is_retry THEN NULL WHEN u.is_saved THEN coalesce(s.intent_op, "
    "'create') ELSE s.intent_op END,"
    " intent_name = CASE WHEN u.is_retry THEN NULL ELSE s.intent_name END,"
    " attempt = s.attempt + CASE WHEN u.is_retry THEN 1 ELSE 0 END,"
    /* What a restore took away may have been this attempt's beginning: it looks by its name first.
     */
    " is_restored = s.is_restored OR (u.is_retry AND EXISTS (SELECT FROM server_identity WHERE "
    "halted_at > clock_timestamp() - interval '7 days')),"
    " sends = CASE WHEN u.is_retry THEN 0 ELSE s.sends END,"
    " spent = greatest(0, s.spent - CASE WHEN u.is_refund AND s.intent_op <> 'stop' THEN 1 ELSE 0 "
    "END),"
    " ambiguous_at = CASE WHEN u.is_retry THEN NULL WHEN u.is_ambiguous THEN s.last_mark_at ELSE "
    "s.ambiguous_at END,"
    " failures = u.failures, arn = CASE WHEN u.is_retry THEN NULL ELSE coalesce(u.arn, s.arn) END,"
    " aws_status = coalesce(u.aws_status, s.aws_status), looks = s.looks + 1,"
    " waiting_since = CASE WHEN u.waiting_for IS NULL THEN NULL"
    "   WHEN s.waiting_for = u.waiting_for THEN s.waiting_since ELSE clock_timestamp() END,"
    " waiting_for = u.waiting_for, result = coalesce(u.result, s.result), reason = u.reason,"
    " failure = u.failure, details = coalesce(u.details, s.details),"
    " aws_request_id = coalesce(u.aws_request_id, s.aws_request_id),"
    " started_at = coalesce(s.started_at, clock_timestamp()),"
    " finished_at = CASE WHEN u.state IN ('succeeded', 'failed', 'skipped', 'cancelled') THEN "
    "clock_timestamp() END"
    /* As text, lest all that is due is gone through for each of ours. */
    " FROM " ITEM " WHERE s.id = u.id AND s.lease_token = u.token AND s.lease_owner = $3 AND "
    "s.state::text IN ('ready', 'waiting')"
    " RETURNING s.id",
    3
};

#define STAMPED(columns)                                     \
    " FROM json_to_recordset($1::json) AS u(id text" columns \
    ") JOIN steps s ON s.id = u.id AND s.checkpoint_id = $2::bigint"

/* SQL has its own layout. */
/* clang-format off */
/* Dependents: one row per target, counted first, since UPDATE … FROM touches a row once. */
#define RELEASE_DEPENDENTS                                                                                   \
    "UPDATE steps d SET blocked_by = d.blocked_by - n.count,"                                                \
    " state = CASE WHEN d.blocked_by - n.count <= 0 THEN 'ready'::step_state ELSE d.state END,"              \
    " wake_at = CASE WHEN d.blocked_by - n.count <= 0 THEN clock_timestamp() ELSE d.wake_at END"
static const struct db_stmt free_dependents = {
    "cp_dependents",
    RELEASE_DEPENDENTS
    " FROM (SELECT g.step_id, count(*)::int AS count" STAMPED("")
    "  JOIN step_edges g ON g.needs_id = s.id WHERE s.state = 'succeeded' OR (g.is_always AND s.state = 'failed')"
    "  GROUP BY g.step_id) n"
    " WHERE d.id = n.step_id AND d.state = 'blocked'",
    2
};
/* What hangs under a failed or cancelled step is skipped, all the way down; what runs in any case is freed by it. */
static const struct db_stmt skip_dependents = {
    "cp_skip",
    "WITH RECURSIVE below AS ("
    "  SELECT g.step_id, s.kind, s.name" STAMPED("")
    "  JOIN step_edges g ON g.needs_id = s.id WHERE s.state IN ('failed', 'cancelled') AND NOT g.is_always"
    "  UNION SELECT g.step_id, b.kind, b.name FROM below b JOIN step_edges g ON g.needs_id = b.step_id"
    "   WHERE NOT g.is_always),"
    " skipped AS (UPDATE steps d SET state = 'skipped', wake_at = 'infinity', finished_at = clock_timestamp(),"
    "  waiting_for = NULL, reason = 'Skipped because ' || w.kind || ' ' || w.name || ' did not succeed.'"
    "  FROM (SELECT DISTINCT ON (step_id) step_id, kind, name FROM below) w"
    "  WHERE d.id = w.step_id AND d.state = 'blocked' RETURNING d.id) "
    RELEASE_DEPENDENTS
    " FROM (SELECT g.step_id, count(*)::int AS count FROM skipped k JOIN step_edges g ON g.needs_id = k.id AND g.is_always"
    "  GROUP BY g.step_id) n WHERE d.id = n.step_id AND d.state = 'blocked'",
    2
};
/* clang-format on */
static const struct db_stmt save_resources = {
    "cp_resources",
    "INSERT INTO resources AS r (key, config, kind, name, arn, status, is_adopted, desired, "
    "observed, failure_reason, details,"
    "  run_id, aws_created_at, aws_updated_at, observed_at, drift)"
    " SELECT DISTINCT ON (s.resource_key) s.resource_key, n.config, s.kind, "
    "coalesce(u.resource_name, s.intent_name, s.name), "
    "s.arn, s.aws_status,"
    "  coalesce(u.is_adopted, false), s.request, u.observed, u.failure_reason, coalesce(u.details, "
    "'{}') - 'observation', s.run_id,"
    "  u.aws_created_at, u.aws_updated_at, clock_timestamp(),"
    /* Until the step has succeeded, the drift that it mends stands. */
    " CASE WHEN s.state <> 'succeeded' THEN '[]'::jsonb END" STAMPED(
        ", observed jsonb, resource_name text, failure_reason text, is_adopted boolean, "
        "aws_created_at timestamptz,"
        " aws_updated_at timestamptz, details jsonb") " JOIN runs n ON n.id = s.run_id WHERE s.arn "
                                                      "IS NOT NULL AND n.config IS NOT NULL AND "
                                                      "s.verb <> 'retire'"
                                                      " ORDER BY s.resource_key, (s.verb = "
                                                      "'observe'), s.run_id DESC"
                                                      " ON CONFLICT (key) DO UPDATE SET config = "
                                                      "coalesce(r.config, excluded.config), name = "
                                                      "excluded.name, arn "
                                                      "= excluded.arn,"
                                                      "  status = excluded.status, desired = "
                                                      "excluded.desired, observed = "
                                                      "coalesce(excluded.observed, r.observed),"
                                                      "  is_adopted = CASE WHEN r.arn IS DISTINCT "
                                                      "FROM excluded.arn THEN excluded.is_adopted "
                                                      "ELSE r.is_adopted END,"
                                                      "  failure_reason = excluded.failure_reason, "
                                                      "details = r.details || excluded.details, "
                                                      "run_id = excluded.run_id,"
                                                      "  drift = CASE WHEN excluded.drift IS NOT "
                                                      "NULL THEN r.drift END, aws_created_at = "
                                                      "coalesce(excluded.aws_created_at, "
                                                      "r.aws_created_at),"
                                                      "  aws_updated_at = "
                                                      "coalesce(excluded.aws_updated_at, "
                                                      "r.aws_updated_at), observed_at = "
                                                      "excluded.observed_at"
                                                      /* A job or version in progress, or failed,
                                                         does not take the place of the ACTIVE one
                                                         others refer to. */
                                                      "  WHERE excluded.status = 'ACTIVE' OR "
                                                      "r.status IS DISTINCT FROM 'ACTIVE' OR r.arn "
                                                      "= excluded.arn"
                                                      "   OR excluded.kind NOT IN "
                                                      "('datasetImportJob', 'solutionVersion', "
                                                      "'batchInferenceJob', 'batchSegmentJob')",
    2
};
static const struct db_stmt save_versions = {
    "cp_versions",
    "INSERT INTO solution_versions AS v (arn, solution, config, name, status, training_mode, "
    "training_type, training_hours,"
    "  metrics, failure_reason, run_id, is_adopted, aws_created_at, aws_updated_at)"
    " SELECT DISTINCT ON (s.arn) s.arn, s.name, n.config, s.intent_name, s.aws_status, u.version "
    "->> 'trainingMode',"
    "  u.version ->> 'trainingType', (u.version ->> 'trainingHours')::float8, (u.version -> "
    "'metrics')::jsonb,"
    "  u.failure_reason, s.run_id, coalesce(u.is_adopted, false), u.aws_created_at, "
    "u.aws_updated_at" STAMPED(
        ", version json, failure_reason text, is_adopted boolean, aws_created_at timestamptz, "
        "aws_updated_at timestamptz") " JOIN runs n ON n.id = s.run_id WHERE s.arn IS NOT NULL AND "
                                      "s.kind = 'solutionVersion' AND s.aws_status IS NOT NULL"
                                      " ORDER BY s.arn, s.run_id DESC"
                                      " ON CONFLICT (arn) DO UPDATE SET status = excluded.status, "
                                      "metrics = coalesce(excluded.metrics, v.metrics),"
                                      "  training_mode = coalesce(excluded.training_mode, "
                                      "v.training_mode),"
                                      "  training_type = coalesce(excluded.training_type, "
                                      "v.training_type),"
                                      "  training_hours = coalesce(excluded.training_hours, "
                                      "v.training_hours), failure_reason = excluded.failure_reason,"
                                      "  aws_created_at = coalesce(excluded.aws_created_at, "
                                      "v.aws_created_at),"
                                      "  aws_updated_at = coalesce(excluded.aws_updated_at, "
                                      "v.aws_updated_at)",
    2
};
static const struct db_stmt save_events = {
    "cp_events",
    "INSERT INTO events (id, type, subject, config, run_id, step_id, data)"
    " SELECT u.event_id, u.type, 'runs/' || s.run_id || '/steps/' || s.ordinal, n.config, "
    "s.run_id, s.id,"
    "  u.data || jsonb_build_object('kind', s.kind, 'name', s.name, 'step', s.ordinal, 'run', "
    "s.run_id, 'arn', s.arn)"
    " FROM ROWS FROM (json_to_recordset($1::json) AS (event_id text, id text, type text, data "
    "jsonb))"
    " WITH ORDINALITY AS u(event_id, id, type, data, at)"
    " JOIN steps s ON s.id = u.id AND s.checkpoint_id = $2::bigint JOIN runs n ON n.id = s.run_id "
    "ORDER BY u.at ON CONFLICT (id) DO NOTHING", /* what is told once has an id that follows from it
                                                  */
    2
};
/* The run's roll-up, and what follows from its end: claims freed, the config's status, the event.
 */
static const struct db_stmt roll_up = {
    "cp_roll_up",
    "WITH c AS (SELECT s.run_id, count(*) FILTER (WHERE s.state IN ('blocked', 'ready', "
    "'waiting')) AS open,"
    "   count(*) FILTER (WHERE s.state = 'failed') AS failed,"
    "   count(*) FILTER (WHERE s.result IN ('created', 'updated', 'deleted', 'stopped', "
    "'released')) AS changed,"
    "   count(*) FILTER (WHERE s.result = 'skipped') AS skipped, count(*) AS total,"
    "   count(*) FILTER (WHERE s.kind = 'approval' AND s.state = 'waiting') AS held,"
    "   min(s.ordinal) FILTER (WHERE s.kind = 'approval' AND s.state = 'waiting') AS first_held,"
    "   array_agg(s.resource_key) FILTER (WHERE s.kind <> 'approval' AND s.state IN ('blocked', "
    "'ready', 'waiting')) AS busy,"
    "   (SELECT o.held_at IS NOT NULL FROM runs o WHERE o.id = s.run_id) AS was_held,"
    "   min(s.ordinal) FILTER (WHERE s.state = 'failed') AS first_failed,"
    "   min(s.ordinal) FILTER (WHERE s.result = 'skipped') AS first_skipped"
    "  FROM steps s WHERE s.run_id = " OUR_RUNS "  GROUP BY s.run_id),"
    " r AS (UPDATE runs SET open_steps = c.open, updated_at = clock_timestamp(),"
    "   state = CASE WHEN c.open > 0 THEN runs.state WHEN runs.state = 'cancelling' THEN "
    "'cancelled'"
    "     WHEN c.failed > 0 THEN 'failed' ELSE 'succeeded' END,"
    "   result = CASE WHEN c.open > 0 OR c.failed > 0 OR runs.state = 'cancelling' THEN NULL WHEN "
    "c.changed > 0 THEN 'changed'"
    "     WHEN c.skipped = c.total OR (c.skipped > 0 AND runs.kind <> 'apply') THEN 'skipped' ELSE "
    "'unchanged' END,"
    "   reason = CASE WHEN runs.state = 'cancelling' THEN runs.reason WHEN c.open = 0 THEN (SELECT "
    "f.kind || ' ' || f.name || ': ' || "
    "coalesce(f.reason, 'failed')"
    "     FROM steps f WHERE f.run_id = runs.id AND f.ordinal = coalesce(c.first_failed,"
    "       CASE WHEN c.skipped = c.total OR (c.changed = 0 AND runs.kind <> 'apply') THEN "
    "c.first_skipped END))"
    "     WHEN c.open = c.held THEN (SELECT f.reason FROM steps f WHERE f.run_id = runs.id AND "
    "f.ordinal = c.first_held) ELSE runs.reason END,"
    /* What only waits for an answer holds nothing. */
    "   held_at = CASE WHEN c.open > 0 AND c.open = c.held AND runs.state = 'running' THEN "
    "coalesce(runs.held_at, clock_timestamp()) END,"
    "   claims = CASE WHEN c.held > 0 THEN ARRAY(SELECT k FROM unnest(runs.claims) AS k WHERE k = "
    "ANY (coalesce(c.busy, '{}')) ORDER BY k) ELSE runs.claims END,"
    "   finished_at = CASE WHEN c.open = 0 THEN clock_timestamp() END"
    /* As text, lest all open runs are gone through for each of ours. */
    "  FROM c WHERE runs.id = c.run_id AND runs.state::text IN ('running', 'cancelling')"
    "  RETURNING runs.id, runs.config, runs.config_version, runs.kind, runs.state, runs.result, "
    "runs.reason, c.open, c.held, c.busy, runs.held_at IS NOT NULL AND NOT c.was_held AS "
    "is_newly_held),"
    " freed AS (DELETE FROM run_claims q USING r WHERE q.run_id = r.id AND (r.open = 0 OR (r.held "
    "> "
    "0 AND NOT coalesce(q.shared_key, q.resource_key) = ANY (coalesce(r.busy, '{}'))))),"
    " told AS (UPDATE configs k SET"
    "   sync = CASE WHEN r.state = 'cancelled' THEN 'unknown'"
    "     WHEN r.state = 'succeeded' AND k.version = r.config_version THEN 'synced' ELSE "
    "'outOfSync' END,"
    "   sync_reason = CASE r.state WHEN 'cancelled' THEN 'runCancelled' WHEN 'failed' THEN "
    "'applyFailed'"
    "     ELSE CASE WHEN k.version = r.config_version THEN 'applied' ELSE 'newerVersion' END END,"
    "   sync_message = CASE WHEN r.state <> 'cancelled' THEN r.reason END, sync_since = "
    "clock_timestamp(),"
    "   observed_version = CASE WHEN r.state = 'succeeded' THEN r.config_version ELSE "
    "k.observed_version END,"
    "   health = CASE WHEN r.state = 'succeeded' THEN 'healthy' WHEN r.state = 'cancelled' AND "
    "k.observed_version IS NULL THEN 'missing' ELSE 'degraded' END,"
    "   health_reason = CASE r.state WHEN 'succeeded' THEN 'allActive' WHEN 'cancelled' THEN "
    "'runCancelled' ELSE 'applyFailed' END,"
    "   health_message = CASE r.state WHEN 'cancelled' THEN 'The last apply was cancelled.' ELSE "
    "r.reason END, health_since = clock_timestamp()"
    "  FROM r WHERE k.name = r.config AND r.open = 0 AND r.kind = 'apply')"
    " INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT u.event_id, 'run.' || CASE WHEN r.open = 0 THEN r.state::text ELSE 'held' END, "
    "'runs/' "
    "|| r.id, r.config, r.id,"
    "  jsonb_strip_nulls(jsonb_build_object('kind', r.kind, 'result', r.result, 'reason', "
    "r.reason))"
    " FROM r JOIN json_to_recordset($1::json) AS u(run_id text, event_id text) ON u.run_id = r.id"
    " WHERE r.open = 0 OR r.is_newly_held RETURNING 1",
    1
};

/* A run whose steps only went on waiting: what was read of it is out of date all the same. */
static const struct db_stmt touch_runs = {
    "cp_touch",
    "UPDATE runs SET updated_at = clock_timestamp() FROM json_to_recordset($1::json) AS u(run_id "
    "text)"
    " WHERE runs.id = u.run_id AND runs.state::text IN ('running', 'cancelling')",
    1
};

/* {"after": "import"}: an import run that brought data is over, in this transaction. */
static const struct db_stmt after_import = {
    "cp_after_import",
    "UPDATE schedules s SET next_nominal_at = date_trunc('second', clock_timestamp()), "
    "next_fire_at ="
    " date_trunc('second', clock_timestamp()) + make_interval(secs => abs(hashtextextended(s.id, "
    "0) % (s.jitter_seconds + 1)))"
    " FROM runs r WHERE r.id = " OUR_RUNS
    " AND r.kind = 'import' AND r.state = 'succeeded' AND r.finished_at >= now()"
    " AND EXISTS (SELECT FROM steps p WHERE p.run_id = r.id AND p.kind = 'datasetImportJob' AND "
    "p.result = 'created')"
    " AND s.config = r.config AND s.expression = 'after import' AND s.retired_at IS NULL AND "
    "s.is_enabled"
    " AND (s.start_at IS NULL OR s.start_at <= clock_timestamp()) AND (s.end_at IS NULL OR "
    "s.end_at >= clock_timestamp())",
    1
};

static size_t lost_leases(PGresult *saved, const json_t *steps)
{
    size_t n = (size_t) PQntuples(saved);

    return json_array_size(steps) - n;
}

/* What the items say came to an end. */
struct ended {
    bool any, succeeded, failed, cancelled;
};

static struct ended ended_of(const json_t *steps)
{
    struct ended said = { 0 };
    json_t *item;
    size_t i;

    json_array_foreach (steps, i, item) {
        const char *state = json_string_value(json_object_get(item, "state"));

        said.succeeded |= str_eq(state, "succeeded");
        said.failed |= str_eq(state, "failed");
        said.cancelled |= str_eq(state, "cancelled");
        said.any |= !str_eq(state, "waiting");
    }
    return said;
}

enum err_code step_store_checkpoint(struct db_conn *c, const char *owner, struct checkpoint *cp,
                                    struct err *e)
{
    AUTO_FREE char *steps = json_compact(cp->steps);
    AUTO_FREE char *events = json_compact(cp->events);
    AUTO_FREE char *runs = json_compact(cp->run_events);
    const struct ended said = ended_of(cp->steps);
    /* A question that is asked, or answered, changes its run as an end does. */
    const bool is_turn = said.any || cp->has_questions;
    /* A destroy may end with a look. */
    const bool is_extra = cp->has_config && (cp->has_looked || cp->has_removed);
    char id[24];
    /* Most checkpoints are looks at something in progress: what cannot find a row is not sent. */
    const struct {
        bool is_wanted;
        struct db_op op;
    } parts[] = {
        { true, { .stmt = &store_by_key } },
        { true, { .stmt = &lock_runs, .params = { runs } } },
        { true, { .stmt = &save_steps, .params = { steps, id, owner } } },
        { said.succeeded || said.failed, { .stmt = &free_dependents, .params = { steps, id } } },
        { said.failed || said.cancelled, { .stmt = &skip_dependents, .params = { steps, id } } },
        { cp->has_questions, { .stmt = &cp_moved, .params = { steps, id } } },
        { cp->has_config, { .stmt = &save_resources, .params = { steps, id } } },
        { cp->has_versions, { .stmt = &save_versions, .params = { steps, id } } },
        { cp->has_versions, { .stmt = &cp_versions_ended, .params = { steps, id } } },
        { json_array_size(cp->events) > 0, { .stmt = &save_events, .params = { events, id } } },
        { !is_turn, { .stmt = &touch_runs, .params = { runs } } },
        { is_turn, { .stmt = &roll_up, .params = { runs } } },
        { cp->has_config && said.any, { .stmt = &after_import, .params = { runs } } },
        { cp->has_questions, { .stmt = &cp_questions, .params = { steps, id } } },
        { cp->has_config && cp->has_looked, { .stmt = &cp_observed, .params = { steps, id } } },
        { cp->has_removed, { .stmt = &cp_taken_down, .params = { steps, id } } },
        { cp->has_removed, { .stmt = &cp_versions_gone, .params = { steps, id } } },
        { cp->has_config && cp->has_looked && said.any, { .stmt = &cp_drift, .params = { runs } } },
        { is_extra && said.any, { .stmt = &cp_destroyed, .params = { runs } } },
    };
    struct db_op ops[ARRAY_LEN(parts)];
    PGresult *results[ARRAY_LEN(parts)] = { 0 };
    uint64_t random;
    size_t n = 0;

    random_bytes(&random, sizeof random);
    (void) snprintf(id, sizeof id, "%lld", (long long) (random >> 1));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (parts[i].is_wanted)
            ops[n++] = parts[i].op;
    TRY(db_run(c, ops, n, results, e));
    cp->ended = 0;
    for (size_t i = 0; i < n; i++) {
        if (ops[i].stmt == &save_steps)
            cp->lost = lost_leases(results[i], cp->steps);
        if (ops[i].stmt == &roll_up)
            cp->ended = (size_t) PQntuples(results[i]);
        PQclear(results[i]);
    }
    return OK;
}

/* ---- the sequencer ---- */

static const struct db_stmt sequence_lock = { "event_sequence_lock",
                                              "SELECT pg_try_advisory_xact_lock(7410003)", 0 };
static const struct db_stmt sequence = {
    "event_sequence",
    "WITH mine AS (SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory' AND classid = "
    "0 AND objid = 7410003"
    "   AND pid = pg_backend_pid() AND granted),"
    " pending AS (SELECT id, row_number() OVER (ORDER BY time, id) AS n FROM"
    "   (SELECT id, time FROM events WHERE seq IS NULL AND (SELECT held FROM mine) > 0 ORDER BY "
    "time, id LIMIT 1000) x),"
    " total AS (SELECT count(*) AS n FROM pending),"
    " counter AS (UPDATE event_counter SET last_seq = last_seq + total.n FROM total WHERE total.n "
    "> 0"
    "   RETURNING last_seq - total.n AS base)"
    " UPDATE events e SET seq = counter.base + p.n FROM pending p, counter WHERE e.id = p.id "
    "RETURNING e.seq",
    0
};
static const struct db_stmt notify = { "event_notify", "SELECT pg_notify('steward_events', '')",
                                       0 };

enum err_code event_store_sequence(struct db_conn *c, size_t *count, struct err *e)
{
    const struct db_op ops[] = { { .stmt = &store_by_key },
                                 { .stmt = &sequence_lock },
                                 { .stmt = &sequence } };
    const struct db_op tell = { .stmt = &notify };
    PGresult *results[ARRAY_LEN(ops)] = { 0 };

    *count = 0;
    TRY(db_run(c, ops, ARRAY_LEN(ops), results, e));
    *count = (size_t) PQntuples(results[2]);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        PQclear(results[i]);
    /* A notification in the writing transaction would serialise all commits: it goes out
     * afterwards, alone. */
    return *count ? db_query(c, &tell, NULL, e) : OK;
}
