/*
 * checkpoint_extra.c - what a checkpoint writes besides: drift that was looked for, the inventory
 * of what was taken down, and a config whose destruction is complete.
 *
 * Written from stamped steps and ended runs only, in the checkpoint's own transaction.
 */
#include "checkpoint_extra.h"

/* SQL has its own layout. */
/* clang-format off */
#define STAMPED(columns)                                     \
    " FROM json_to_recordset($1::json) AS u(id text" columns \
    ") JOIN steps s ON s.id = u.id AND s.checkpoint_id = $2::bigint AND s.state = 'succeeded'"
/* As a list: a table that is joined could be the inner one, and all runs gone through for it. */
#define ENDED "r.id = ANY (ARRAY(SELECT u.run_id FROM json_to_recordset($1::json) AS u(run_id text)))" \
    " AND r.state = 'succeeded'"

/* A question takes the place of older ones about the same campaign; and when a campaign was moved,
   those who ask about it look again. */
const struct db_stmt cp_questions = {
    "cp_questions",
    "WITH x AS (SELECT s.id, s.run_id, s.resource_key, s.kind, s.result, u.is_question FROM json_to_recordset($1::json)"
    "  AS u(id text, is_question boolean) JOIN steps s ON s.id = u.id AND s.checkpoint_id = $2::bigint),"
    " old AS (SELECT o.id, x.run_id AS by, x.kind = 'approval' AS is_over FROM steps o JOIN x ON x.resource_key = o.resource_key"
    "  WHERE o.kind = 'approval' AND o.state = 'waiting' AND (x.is_question AND o.run_id < x.run_id"
    "   OR x.kind = 'campaign' AND x.result = 'updated') AND o.options -> 'answer' IS NULL ORDER BY o.id FOR NO KEY UPDATE OF o)"
    " UPDATE steps o SET wake_at = clock_timestamp(), lease_owner = NULL, options = CASE WHEN old.is_over THEN"
    "  (o.options::jsonb || jsonb_build_object('answer', jsonb_build_object('verdict', 'superseded', 'by', old.by)))::json"
    "  ELSE o.options END FROM old WHERE o.id = old.id",
    2
};

/* A campaign that serves another version than the inventory says, before the inventory says so too: told once, whoever sees it
   first. It is put down to the run of this deployment that asked for that version: this one, or the one that worked on the
   campaign before (a cancelled one, say). */
const struct db_stmt cp_moved = {
    "cp_moved",
    "WITH x AS (SELECT s.id, s.run_id, s.ordinal, s.name, s.arn, n.config, u.observed ->> 'solutionVersionArn' AS version,"
    "   r.observed ->> 'solutionVersionArn' AS previous, r.run_id AS before"
    "  FROM json_to_recordset($1::json) AS u(id text, observed jsonb)"
    "  JOIN steps s ON s.id = u.id AND s.checkpoint_id = $2::bigint AND s.kind = 'campaign' AND s.arn IS NOT NULL"
    "  JOIN runs n ON n.id = s.run_id JOIN resources r ON r.key = s.resource_key AND r.arn = s.arn AND r.config = n.config"
    "  WHERE r.observed ->> 'solutionVersionArn' <> u.observed ->> 'solutionVersionArn'"
    "   AND r.observed -> 'creationDateTime' = u.observed -> 'creationDateTime' ORDER BY r.key FOR NO KEY UPDATE OF r),"
    " y AS (SELECT x.*, a.id AS cause, a.options, q.options AS run_options, q.kind AS run_kind, q.trigger, q.created_by, q.schedule_id"
    "  FROM x LEFT JOIN LATERAL (SELECT c.* FROM steps c WHERE c.run_id IN (x.run_id, x.before) AND c.kind = 'campaign'"
    "    AND c.name = x.name AND c.intent_op = 'update' AND x.version IN (c.intent_request ->> 'solutionVersionArn',"
    "    c.options ->> 'version') ORDER BY c.run_id = x.run_id DESC LIMIT 1) a ON true LEFT JOIN runs q ON q.id = a.run_id)"
    " INSERT INTO events (id, type, subject, config, run_id, step_id, data)"
    " SELECT 'evt_0' || substr(md5(y.id || $2::text), 1, 25),"
    "  CASE WHEN t.aws_created_at < f.aws_created_at THEN 'model.rolledBack' ELSE 'model.promoted' END,"
    "  'runs/' || y.run_id || '/steps/' || y.ordinal, y.config, y.run_id, y.id, jsonb_strip_nulls(jsonb_build_object("
    "  'kind', 'campaign', 'name', y.name, 'step', y.ordinal, 'run', y.run_id, 'arn', y.arn, 'campaign', y.name,"
    "  'solution', split_part(split_part(y.version, ':solution/', 2), '/', 1), 'solutionVersion', y.version,"
    "  'previousVersion', y.previous, 'trigger', y.trigger, 'by', y.created_by, 'schedule', y.schedule_id,"
    "  'reason', CASE WHEN y.cause IS NULL THEN 'Seen, and not asked for by this server: somebody else, or Amazon, moved it.'"
    "   WHEN y.options ->> 'reason' IS NOT NULL THEN y.options ->> 'reason'"
    "   WHEN y.run_options ->> 'approves' IS NOT NULL THEN 'Approved in ' || (y.run_options ->> 'approves') || '.'"
    "   WHEN y.run_options ->> 'unpin' IS NOT NULL THEN 'The pin was taken off.'"
    "   WHEN y.run_kind = 'promote' THEN 'Promoted by hand.' ELSE 'It is the newest version, and promotion is automatic.' END))"
    " FROM y LEFT JOIN solution_versions t ON t.arn = y.version LEFT JOIN solution_versions f ON f.arn = y.previous",
    2
};

/* A plan of a document that is not stored looks too, without a config: its findings stay in its steps. */
const struct db_stmt cp_observed = {
    "cp_observed",
    "WITH x AS (SELECT s.resource_key, n.config, u.drift, u.is_absent"
    STAMPED(", drift jsonb, is_absent boolean")
    "  JOIN runs n ON n.id = s.run_id WHERE s.verb = 'observe'),"
    /* What left the file and is gone is forgotten. */
    " gone AS (DELETE FROM resources r USING x WHERE r.key = x.resource_key AND r.config = x.config"
    "  AND r.desired IS NULL AND x.is_absent)"
    " UPDATE resources r SET drift = x.drift, observed_at = clock_timestamp(),"
    " status = CASE WHEN x.is_absent THEN NULL ELSE r.status END,"
    " observed = CASE WHEN x.is_absent THEN NULL ELSE r.observed END"
    " FROM x WHERE r.key = x.resource_key AND r.config = x.config"
    " AND NOT (r.desired IS NULL AND x.is_absent)",
    2
};
const struct db_stmt cp_taken_down = {
    "cp_taken_down",
    "DELETE FROM resources r USING (SELECT s.resource_key, n.config" STAMPED("")
    " JOIN runs n ON n.id = s.run_id WHERE s.verb IN ('delete', 'release')) x"
    " WHERE r.key = x.resource_key AND r.config = x.config",
    2
};
const struct db_stmt cp_versions_gone = {
    "cp_versions_gone",
    "DELETE FROM solution_versions v USING (SELECT s.name" STAMPED("")
    " WHERE s.verb = 'delete' AND s.kind = 'solution' AND s.result = 'deleted') x WHERE v.solution = x.name"
    " OR v.arn LIKE ANY (SELECT replace(s.arn, '_', '\\_') || '/%'" STAMPED("")
    "  WHERE s.verb = 'retire' AND s.result = 'deleted' AND s.arn IS NOT NULL)",
    2
};
/* A training that failed and is tried again, or found nothing new, is not what its step stands on any more. */
const struct db_stmt cp_versions_ended = {
    "cp_versions_ended",
    "INSERT INTO solution_versions AS v (arn, solution, config, name, status, training_mode, training_type, failure_reason,"
    "  run_id, aws_created_at, aws_updated_at)"
    " SELECT u.ended ->> 'arn', s.name, n.config, u.ended ->> 'name', u.ended ->> 'status', u.ended ->> 'trainingMode',"
    "  u.ended ->> 'trainingType', u.ended ->> 'failureReason', s.run_id, (u.ended ->> 'createdAt')::timestamptz,"
    "  (u.ended ->> 'updatedAt')::timestamptz"
    " FROM json_to_recordset($1::json) AS u(id text, ended json) JOIN steps s ON s.id = u.id AND s.checkpoint_id = $2::bigint"
    " JOIN runs n ON n.id = s.run_id WHERE u.ended ->> 'arn' IS NOT NULL AND u.ended ->> 'status' IS NOT NULL"
    " ON CONFLICT (arn) DO UPDATE SET status = excluded.status, failure_reason = excluded.failure_reason,"
    "  training_mode = excluded.training_mode, training_type = excluded.training_type,"
    "  aws_created_at = excluded.aws_created_at, aws_updated_at = excluded.aws_updated_at",
    2
};
/* Drift moves a config out of sync, and its end back; what an apply says stands above both. */
const struct db_stmt cp_drift = {
    "cp_drift",
    "WITH seen AS (SELECT r.config, r.config_version,"
    "   count(*) FILTER (WHERE q.drift IS NOT NULL AND q.drift <> '[]'::jsonb) AS drifted,"
    "   count(*) FILTER (WHERE q.drift @> '[{\"field\": \"status\", \"desired\": \"ACTIVE\"}]'::jsonb) AS gone"
    "  FROM runs r JOIN resources q ON q.config = r.config AND q.desired IS NOT NULL"
    "  WHERE " ENDED " AND r.kind = 'observe' GROUP BY r.config, r.config_version)"
    " UPDATE configs k SET sync = CASE WHEN seen.drifted > 0 THEN 'outOfSync' ELSE 'synced' END,"
    "  sync_reason = CASE WHEN seen.drifted > 0 THEN 'drift' ELSE 'observed' END,"
    "  sync_message = CASE WHEN seen.drifted > 0 THEN seen.drifted || ' of its resources differ from the file;"
    " GET /configs/' || k.name || '/plan says in what.' END,"
    "  sync_since = CASE WHEN (k.sync = 'outOfSync') = (seen.drifted > 0) THEN k.sync_since ELSE clock_timestamp() END,"
    "  health = CASE WHEN seen.gone > 0 THEN 'degraded' WHEN k.health_reason = 'resourceMissing' THEN 'healthy'"
    "    ELSE k.health END,"
    "  health_reason = CASE WHEN seen.gone > 0 THEN 'resourceMissing' WHEN k.health_reason = 'resourceMissing'"
    "    THEN 'allActive' ELSE k.health_reason END,"
    "  health_since = CASE WHEN (seen.gone > 0) = (k.health_reason IS NOT DISTINCT FROM 'resourceMissing')"
    "    THEN k.health_since ELSE clock_timestamp() END,"
    "  observed_version = seen.config_version"
    " FROM seen WHERE k.name = seen.config AND k.version = seen.config_version"
    " AND (k.sync = 'synced' OR (k.sync = 'outOfSync' AND k.sync_reason = 'drift')"
    "  OR (k.sync = 'unknown' AND seen.drifted = 0))",
    1
};
const struct db_stmt cp_destroyed = {
    "cp_destroyed",
    "WITH ended AS (SELECT r.id, r.config, r.options FROM runs r WHERE " ENDED " AND r.kind = 'destroy'),"
    " forgotten AS (DELETE FROM resources q USING ended WHERE q.config = ended.config),"
    " gone AS (DELETE FROM configs c USING ended r WHERE c.name = r.config RETURNING c.name, r.id, r.options)"
    " INSERT INTO events (id, type, subject, config, run_id, data)"
    " SELECT 'evt_0' || substr(md5(id || 'deleted'), 1, 25), 'config.deleted', 'configs/' || name, name, id,"
    "  jsonb_build_object('resources', options ->> 'resources') FROM gone",
    1
};
/* clang-format on */
