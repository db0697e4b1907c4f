/*
 * overview.c - the dashboard's first screen in one statement, and the list of what is wrong now.
 *
 * A problem is not stored: it is what the rows say at this moment, so it ends when they do.
 */
#include "steward/overview_store.h"

#include "shapes.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt problems = {
    "api_problems",
    "WITH found AS ("
    /* the newest run of a config failed */
    " SELECT 'run-failed' AS code, 'error' AS severity, 'runs/' || r.id AS subject, r.config,"
    "  r.finished_at AS since, coalesce(r.reason, 'The run failed.') AS message,"
    "  'POST /runs/' || r.id || '/retry' AS command"
    "  FROM configs c CROSS JOIN LATERAL (SELECT * FROM runs x WHERE x.config = c.name"
    "   AND x.finished_at IS NOT NULL ORDER BY x.id DESC LIMIT 1) r WHERE r.state = 'failed'"
    " UNION ALL"
    /* a step that is looked at or tried again and again */
    " SELECT 'step-retrying', 'warning', 'runs/' || s.run_id, r.config,"
    "  coalesce(s.waiting_since, s.created_at),"
    "  'Step ' || s.ordinal || ' (' || s.kind || ' ' || s.name || ') has failed ' || s.failures"
    "   || ' times in a row: ' || coalesce(s.waiting_for, 'it is tried again'),"
    "  'GET /runs/' || s.run_id"
    "  FROM steps s JOIN runs r ON r.id = s.run_id"
    "  WHERE s.state IN ('ready', 'waiting') AND s.failures >= 5"
    " UNION ALL"
    " SELECT 'drift', 'warning', 'resources/' || q.key, q.config,"
    "  coalesce(q.observed_at, q.created_at), 'The ' || q.kind || ' ' || q.name"
    "   || ' differs from the config in ' || jsonb_array_length(q.drift) || ' field(s).',"
    "  'GET /configs/' || q.config || '/plan'"
    "  FROM resources q WHERE q.config IS NOT NULL AND jsonb_typeof(q.drift) = 'array'"
    "   AND jsonb_array_length(q.drift) > 0"
    " UNION ALL"
    " SELECT 'resource-failed', 'error', 'resources/' || q.key, q.config,"
    "  coalesce(q.observed_at, q.created_at), 'The ' || q.kind || ' ' || q.name || ' is '"
    "   || q.status || coalesce(': ' || rtrim(q.failure_reason, '.'), '') || '.',"
    "  'GET /configs/' || q.config || '/resources'"
    "  FROM resources q WHERE q.config IS NOT NULL AND q.status LIKE '%FAILED'"
    " UNION ALL"
    " SELECT 'server-paused', 'warning', 'server', NULL, p.paused_at,"
    "  'Spending is stopped' || coalesce(' until ' || " SQL_AT("p.until_at") ", '')"
    "   || coalesce(': ' || p.reason, '') || '. Running campaigns still bill.', 'POST /resume'"
    "  FROM server_pause p WHERE p.paused_at IS NOT NULL"
    "   AND (p.until_at IS NULL OR p.until_at > clock_timestamp())"
    " UNION ALL"
    " SELECT 'schedule-paused', 'info', 'schedules/' || s.id, s.config, s.paused_at,"
    "  'The schedule ' || coalesce(s.path, s.name, s.id) || ' is paused'"
    "   || coalesce(': ' || s.paused_reason, '') || '.',"
    "  'PATCH /schedules/' || s.id || ' {\"paused\":false}'"
    "  FROM schedules s WHERE " SQL_IS_PAUSED("s") " AND s.retired_at IS NULL"
    " UNION ALL"
    " SELECT CASE e.kind WHEN 'webhook' THEN 'webhook' ELSE 'channel' END || '-failing', 'warning',"
    "  CASE e.kind WHEN 'webhook' THEN 'webhooks/' ELSE 'channels/' END || e.id, NULL,"
    "  e.failing_since, CASE e.kind WHEN 'webhook' THEN 'The webhook ' || coalesce(e.name, e.url)"
    "   ELSE 'The channel ' || e.kind || ' to ' || (e.settings ->> 'target') END || ' has failed '"
    "   || e.failures || ' times in a row (' || coalesce(e.last_error ->> 'errorClass', 'unknown')"
    "   || ')' || coalesce(': ' || left(e.last_error ->> 'response', 300), '.'),"
    "  'GET /' || CASE e.kind WHEN 'webhook' THEN 'webhooks/' ELSE 'channels/' END || e.id"
    "   || '/deliveries?status=pending'"
    "  FROM endpoints e WHERE e.failures >= 3 AND e.is_enabled AND e.disabled_at IS NULL"
    " UNION ALL"
    " SELECT 'webhook-disabled', 'error', 'webhooks/' || e.id, NULL, e.disabled_at, 'The webhook '"
    "   || coalesce(e.name, e.url) || ' was switched off: ' || CASE e.disabled_reason WHEN 'gone'"
    "   THEN 'it answered 410.' ELSE 'it failed for days.' END,"
    "  'PATCH /webhooks/' || e.id || ' {\"enabled\":true}'"
    "  FROM endpoints e WHERE e.kind = 'webhook' AND e.disabled_at IS NOT NULL"
    " UNION ALL"
    " SELECT 'channel-dead-letters', 'warning', 'channels/' || e.id, NULL, x.since,"
    "  x.n || ' messages to the channel ' || e.kind || ' (' || (e.settings ->> 'target')"
    "   || ') were given up.',"
    "  'POST /channels/' || e.id || '/replay {\"since\":\"' || " SQL_AT("x.made") " || '\"}'"
    "  FROM endpoints e CROSS JOIN LATERAL (SELECT count(*) AS n, min(d.finished_at) AS since,"
    "   min(ev.time) AS made FROM deliveries d JOIN events ev ON ev.id = d.event_id"
    "   WHERE d.endpoint_id = e.id AND d.state = 'dead') x"
    "  WHERE e.kind <> 'webhook' AND e.disabled_at IS NULL AND x.n > 0"
    " UNION ALL"
    /* what its newest message came to: nothing, or a run that failed; a cool-down or a switch is no trouble */
    " SELECT 'trigger-failed', 'warning', 'triggers/' || t.id, t.config, d.received_at,"
    "  'The newest message to the trigger ' || coalesce(t.name, t.id) || CASE WHEN d.state = 'started'"
    "   THEN ' started ' || d.run_id || ', which failed' || coalesce(': ' || r.reason, '.')"
    "   ELSE ' started nothing' || coalesce(': ' || d.reason, '.') END,"
    "  'GET /triggers/' || t.id || '/deliveries'"
    "  FROM triggers t CROSS JOIN LATERAL (SELECT * FROM trigger_deliveries x WHERE x.trigger_id = t.id"
    "   AND x.state <> 'confirmed' ORDER BY x.id DESC LIMIT 1) d LEFT JOIN runs r ON r.id = d.run_id"
    "  WHERE t.is_enabled AND (d.state = 'failed' OR (d.state = 'started' AND r.state = 'failed')"
    "   OR (d.state = 'rejected' AND d.code IN ('cannot-plan', 'budget')))"
    " UNION ALL"
    " SELECT 'token-expiring', 'warning', 'tokens/' || t.id, NULL, t.created_at,"
    "  'The token \"' || t.name || '\" expires at ' || " SQL_AT("t.expires_at") " || '.',"
    "  'POST /tokens' FROM tokens t WHERE t.revoked_at IS NULL"
    "   AND t.expires_at BETWEEN now() AND now() + interval '7 days'"
    "   AND t.expires_at - t.created_at > interval '8 days')"
    " SELECT " SQL_AT("since") ", json_strip_nulls(json_build_object('code', code,"
    " 'severity', severity, 'subject', subject, 'config', config, 'since', " SQL_AT("since")
    ", 'message', message, 'command', command))"
    " FROM found WHERE $1::text IS NULL OR config = $1 ORDER BY since DESC, subject LIMIT $2::int",
    2
};

#define CONFIG_CARD                                                                                \
    "json_strip_nulls(json_build_object('name', c.name, 'version', c.version,"                     \
    " 'status', " SQL_CONFIG_STATUS ","                                                            \
    " 'modelTrainedAt', (SELECT " SQL_AT("max(v.aws_created_at)") " FROM solution_versions v"      \
    "  WHERE v.config = c.name AND v.status = 'ACTIVE'),"                                          \
    " 'dataImportedAt', (SELECT " SQL_AT("max(q.aws_created_at)") " FROM resources q"              \
    "  WHERE q.config = c.name AND q.kind = 'datasetImportJob' AND q.status = 'ACTIVE'),"          \
    " 'nextFire', (SELECT json_build_object('scheduleId', s.id, 'kind', s.kind, 'at', "            \
    SQL_AT("s.next_fire_at") ") FROM schedules s WHERE s.config = c.name AND s.retired_at IS NULL" \
    "  AND NOT " SQL_IS_PAUSED("s") " AND s.next_fire_at IS NOT NULL ORDER BY s.next_fire_at LIMIT 1),"   \
    " 'openRuns', (SELECT count(*) FROM runs r WHERE r.config = c.name"                            \
    "  AND r.state IN ('queued', 'running', 'cancelling') AND r.held_at IS NULL),"                                       \
    " 'recentRuns', (SELECT coalesce(json_agg(json_build_object('id', r.id, 'kind', r.kind,"       \
    "  'status', " RUN_STATUS_OF("r") ", 'createdAt', " SQL_AT("r.created_at") ") ORDER BY r.id DESC), '[]')"     \
    "  FROM (SELECT * FROM runs x WHERE x.config = c.name ORDER BY x.id DESC LIMIT 30) r)))"

static const struct db_stmt overview = {
    "api_overview",
    "SELECT json_build_object('configs', (SELECT coalesce(json_agg(" CONFIG_CARD
    " ORDER BY c.name), '[]') FROM (SELECT * FROM configs ORDER BY name LIMIT 200) c),"
    " 'pause', (SELECT " SQL_PAUSE " FROM server_pause p),"
    " 'totals', json_build_object('configs', (SELECT count(*) FROM configs),"
    " 'queuedRuns', (SELECT count(*) FROM runs WHERE state = 'queued'),"
    " 'openRuns', (SELECT count(*) FROM runs WHERE state IN ('running', 'cancelling')),"
    " 'pausedSchedules', (SELECT count(*) FROM schedules s"
    "  WHERE " SQL_IS_PAUSED("s") " AND s.retired_at IS NULL),"
    " 'lastSequence', (SELECT last_seq FROM event_counter)))::text",
    0
};
/* clang-format on */

void overview_store_problems(const char *config, const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &problems, .params = { config, limit } };
}

void overview_store_read(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &overview };
}
