/*
 * shapes.h - the JSON that PostgreSQL builds for the API: one fragment per resource, so that a run
 * looks the same alone, in a list and inside a config. Private to server/store.
 *
 * Members without a value are left out (json_strip_nulls) except in documents of users, which stay
 * as given.
 */
#ifndef STEWARD_STORE_SHAPES_H
#define STEWARD_STORE_SHAPES_H

/* SQL has its own layout. */
/* clang-format off */
/* RFC 3339 UTC with milliseconds; NULL for NULL and infinity. */
#define SQL_AT(x) "to_char(" x " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* Members of a run r, for json_build_object. */
#define SQL_RUN_MEMBERS                                                                            \
    "'id', r.id, 'config', r.config, 'configVersion', r.config_version, 'kind', r.kind," \
    " 'status', r.state, 'result', r.result, 'reason', r.reason, 'trigger', r.trigger," \
    " 'scheduleId', r.schedule_id, 'nominalAt', " SQL_AT("r.nominal_at") ", 'retryOf'," \
    " r.retry_of," \
    " 'options', r.options, 'overlap', r.overlap, 'openSteps', r.open_steps," \
    " 'totalSteps', r.total_steps, 'createdBy', r.created_by," \
    " 'cancelRequestedAt', " SQL_AT("r.cancel_requested_at") ", 'createdAt'," \
    " " SQL_AT("r.created_at") \
    ", 'startedAt', " SQL_AT("r.started_at") ", 'finishedAt', " SQL_AT("r.finished_at") \
    ", 'updatedAt', " SQL_AT("r.updated_at")
#define SQL_RUN "json_strip_nulls(json_build_object(" SQL_RUN_MEMBERS "))"

/* A step s; e.needs are the ordinals it waits for (SQL_STEP_NEEDS, once per run). */
#define SQL_STEP                                                                                   \
    "json_build_object('id', s.id, 'ordinal', s.ordinal, 'kind', s.kind, 'verb', s.verb," \
    " 'name', s.name, 'resourceKey', s.resource_key, 'pointer', s.pointer, 'status', s.state," \
    " 'needs', e.needs, 'waitingFor', s.waiting_for, 'waitingSince', " SQL_AT("s.waiting_since") \
    ", 'nextLookAt', CASE WHEN s.state IN ('ready', 'waiting') THEN " SQL_AT("s.wake_at") " END" \
    ", 'attempt', s.attempt, 'sends', s.sends, 'looks', s.looks, 'intent', s.intent_state," \
    " 'operation', s.intent_op, 'intentName', s.intent_name, 'arn', s.arn," \
    " 'awsStatus', s.aws_status, 'awsRequestId', s.aws_request_id, 'result', s.result," \
    " 'reason', s.reason, 'failure', s.failure, 'details', s.details, 'request', s.request," \
    " 'createdAt', " SQL_AT("s.created_at") ", 'startedAt', " SQL_AT("s.started_at") \
    ", 'finishedAt', " SQL_AT("s.finished_at") ")"

#define SQL_STEP_NEEDS                                                                             \
    "(SELECT x.step_id, json_agg(n.ordinal ORDER BY n.ordinal) AS needs FROM steps n"              \
    " JOIN step_edges x ON x.needs_id = n.id WHERE n.run_id = r.id GROUP BY x.step_id)"

/* Status of a config c. */
#define SQL_CONFIG_STATUS                                                                          \
    "json_strip_nulls(json_build_object(" \
    "'sync', json_build_object('status', c.sync, 'reason', c.sync_reason, 'message'," \
    " c.sync_message," \
    " 'observedVersion', c.observed_version, 'since', " SQL_AT("c.sync_since") ")," \
    " 'health', json_build_object('status', c.health, 'reason', c.health_reason," \
    " 'message', c.health_message, 'observedVersion', c.observed_version," \
    " 'since', " SQL_AT("c.health_since") ")))"

/* The newest run of config c. */
#define SQL_CONFIG_LAST_RUN                                                                        \
    "(SELECT " SQL_RUN " FROM runs r WHERE r.config = c.name ORDER BY r.id DESC LIMIT 1)"

/* Config c at its version v with the given document column, as text: a document keeps its members
   and their order. */
#define SQL_CONFIG_MEMBERS                                                                         \
    "'name', c.name, 'version', c.version, 'message', v.message, 'revision', v.revision," \
    " 'url', v.url, 'createdBy', v.created_by, 'versionCreatedAt', " SQL_AT("v.created_at") \
    ", 'createdAt', " SQL_AT("c.created_at") ", 'updatedAt', " SQL_AT("c.updated_at") \
    ", 'status', " SQL_CONFIG_STATUS ", 'lastRun', " SQL_CONFIG_LAST_RUN

/* A schedule s. */
#define SQL_SCHEDULE                                                                               \
    "json_strip_nulls(json_build_object('id', s.id, 'name', s.name, 'config', s.config," \
    " 'path', s.path, 'pointer', s.pointer, 'owner', CASE WHEN s.path IS NULL THEN 'api' ELSE" \
    " 'config' END," \
    " 'kind', s.kind, 'options', s.run_options, 'expression', s.expression," \
    " 'description', s.description, 'timeZone', s.time_zone, 'startAt', " SQL_AT("s.start_at") \
    ", 'endAt', " SQL_AT("s.end_at") ", 'overlap', s.overlap, 'catchUp', s.catch_up," \
    " 'startingDeadlineSeconds', s.starting_deadline_seconds, 'jitterSeconds'," \
    " s.jitter_seconds," \
    " 'enabled', s.is_enabled, 'generation', s.generation," \
    " 'paused', CASE WHEN s.paused_at IS NOT NULL THEN json_build_object('at'," \
    " " SQL_AT("s.paused_at") \
    ", 'until', " SQL_AT("s.paused_until") ", 'reason', s.paused_reason, 'by', s.paused_by)" \
    " END," \
    " 'nextNominalAt', " SQL_AT("s.next_nominal_at") ", 'nextFireAt', " SQL_AT("s.next_fire_at") \
    ", 'lastFire', (SELECT json_build_object('nominalAt', " SQL_AT("f.nominal_at") \
    ", 'outcome', f.outcome, 'runId', f.run_id, 'reason', f.reason, 'at'," \
    " " SQL_AT("f.created_at") \
    ") FROM schedule_fires f WHERE f.schedule_id = s.id ORDER BY f.nominal_at DESC LIMIT 1)," \
    " 'retiredAt', " SQL_AT("s.retired_at") ", 'createdAt', " SQL_AT("s.created_at") \
    ", 'updatedAt', " SQL_AT("s.updated_at") "))"

/* The server-wide pause p. */
#define SQL_PAUSE                                                                                  \
    "(CASE WHEN p.paused_at IS NOT NULL AND (p.until_at IS NULL OR p.until_at > clock_timestamp())" \
    " THEN json_strip_nulls(json_build_object('paused', true, 'at', " SQL_AT("p.paused_at") \
    ", 'until', " SQL_AT("p.until_at") ", 'reason', p.reason, 'by', p.paused_by, 'note'," \
    " 'Nothing new is bought. Running campaigns and recommenders still bill.'))" \
    " ELSE json_build_object('paused', false) END)"

/* A CloudEvent of the numbered event ev. */
#define SQL_EVENT                                                                                  \
    "json_strip_nulls(json_build_object('specversion', '1.0', 'id', ev.id," \
    " 'source', (SELECT '/steward/' || deployment_id FROM server_identity), 'type', ev.type," \
    " 'subject', ev.subject, 'time', " SQL_AT("ev.time") ", 'datacontenttype'," \
    " 'application/json'," \
    " 'sequence', ev.seq::text, 'config', ev.config, 'runid', ev.run_id, 'stepid', ev.step_id," \
    " 'data', ev.data))"

/* Of an event at an endpoint: always the same, and ordered by the event's time. */
#define SQL_DELIVERY_ID(event, endpoint)                                                           \
    "'dlv_' || substr(" event ", 5, 10) || upper(substr(md5(" endpoint " || ' ' || " event \
    "), 1, 16))"

/* A token t, without its secret. */
#define SQL_TOKEN                                                                                  \
    "json_strip_nulls(json_build_object('id', t.id, 'name', t.name, 'scopes', t.scopes," \
    " 'createdBy', t.created_by, 'createdAt', " SQL_AT("t.created_at") ", 'expiresAt', " \
    SQL_AT("t.expires_at") ", 'revokedAt', " SQL_AT("t.revoked_at") ", 'lastUsedAt', " \
    SQL_AT("t.last_used_at") "))"

/* clang-format on */
#endif
