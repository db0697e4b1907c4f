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

/* What the API makes an ETag of (answer_etag()): the begin of the SHA-256 of a resource's JSON. */
#define SQL_TAG(json_text) "left(encode(sha256(convert_to(" json_text ", 'UTF8')), 'hex'), 20)"

/*
 * Runs and steps are read most, so their JSON is put together as text: json_build_object() looks up
 * the type of every argument in the catalogue at every call (40 us for a run, this 8). concat()
 * leaves out what is NULL, and with it the member. A word is text in which JSON escapes nothing by
 * its own rules: ids, states, our kinds.
 */
#define SQL_MEMBER_WORD(name, x)   ", ',\"" name "\":\"' || " x " || '\"'"
#define SQL_MEMBER_TEXT(name, x)   ", ',\"" name "\":' || to_json(" x ")"
#define SQL_MEMBER_NUMBER(name, x) ", ',\"" name "\":' || " x
#define SQL_MEMBER_AT(name, x)     SQL_MEMBER_WORD(name, SQL_AT(x))
#define SQL_MEMBER_JSON(name, x)   ", ',\"" name "\":' || json_strip_nulls(" x ")::text"

/* A held run goes on when it is answered; until then that is what people want to see. */
#define RUN_STATUS_OF(r)                                                                           \
    "CASE WHEN " r ".held_at IS NOT NULL AND " r ".state = 'running' THEN 'held' ELSE " r          \
    ".state::text END"
/* Arguments of concat() for a run r; the object is still open. */
#define SQL_RUN_OPEN                                                                               \
    "'{\"id\":\"', r.id, '\"'" SQL_MEMBER_TEXT("config", "r.config")                               \
    SQL_MEMBER_NUMBER("configVersion", "r.config_version") SQL_MEMBER_WORD("kind", "r.kind")       \
    SQL_MEMBER_WORD("status", RUN_STATUS_OF("r")) SQL_MEMBER_WORD("result", "r.result")                     \
    SQL_MEMBER_TEXT("reason", "r.reason") SQL_MEMBER_WORD("trigger", "r.trigger")                  \
    SQL_MEMBER_WORD("scheduleId", "r.schedule_id") SQL_MEMBER_WORD("triggerId", "r.trigger_id")    \
    SQL_MEMBER_TEXT("dataVersion", "r.data_version") SQL_MEMBER_AT("nominalAt", "r.nominal_at")    \
    SQL_MEMBER_WORD("retryOf", "r.retry_of") SQL_MEMBER_JSON("options", "r.options")               \
    SQL_MEMBER_WORD("overlap", "r.overlap") SQL_MEMBER_NUMBER("openSteps", "r.open_steps")         \
    SQL_MEMBER_NUMBER("totalSteps", "r.total_steps") SQL_MEMBER_TEXT("createdBy", "r.created_by")  \
    SQL_MEMBER_AT("cancelRequestedAt", "r.cancel_requested_at")                                    \
    SQL_MEMBER_NUMBER("stopTraining", "CASE WHEN r.cancel_stops THEN 'true' END")                  \
    SQL_MEMBER_AT("createdAt", "r.created_at") SQL_MEMBER_AT("startedAt", "r.started_at")          \
    SQL_MEMBER_AT("finishedAt", "r.finished_at") SQL_MEMBER_AT("updatedAt", "r.updated_at")
#define SQL_RUN_TEXT "concat(" SQL_RUN_OPEN ", '}')"
#define SQL_RUN      SQL_RUN_TEXT "::json"

/* A step s; e.needs are the ordinals it waits for (SQL_STEP_NEEDS, once per run). */
#define SQL_STEP_TEXT                                                                              \
    "concat('{\"id\":\"', s.id, '\"'" SQL_MEMBER_NUMBER("ordinal", "s.ordinal")                    \
    SQL_MEMBER_WORD("kind", "s.kind") SQL_MEMBER_WORD("verb", "s.verb")                            \
    SQL_MEMBER_TEXT("name", "s.name") SQL_MEMBER_TEXT("resourceKey", "s.resource_key")             \
    SQL_MEMBER_TEXT("pointer", "s.pointer") SQL_MEMBER_WORD("status", "s.state")                   \
    SQL_MEMBER_NUMBER("needs", "e.needs") SQL_MEMBER_TEXT("waitingFor", "s.waiting_for")           \
    SQL_MEMBER_AT("waitingSince", "s.waiting_since")                                               \
    SQL_MEMBER_WORD("nextLookAt", "CASE WHEN s.state IN ('ready', 'waiting') THEN "                \
                                  SQL_AT("s.wake_at") " END")                                      \
    SQL_MEMBER_NUMBER("attempt", "s.attempt") SQL_MEMBER_NUMBER("sends", "s.sends")                \
    SQL_MEMBER_NUMBER("looks", "s.looks") SQL_MEMBER_WORD("intent", "s.intent_state")              \
    SQL_MEMBER_WORD("operation", "s.intent_op") SQL_MEMBER_TEXT("intentName", "s.intent_name")     \
    SQL_MEMBER_TEXT("arn", "s.arn") SQL_MEMBER_TEXT("awsStatus", "s.aws_status")                   \
    SQL_MEMBER_TEXT("awsRequestId", "s.aws_request_id") SQL_MEMBER_WORD("result", "s.result")      \
    SQL_MEMBER_TEXT("reason", "s.reason") SQL_MEMBER_JSON("failure", "s.failure")                  \
    SQL_MEMBER_JSON("details", "s.details") SQL_MEMBER_JSON("request", "s.request")                \
    SQL_MEMBER_AT("createdAt", "s.created_at") SQL_MEMBER_AT("startedAt", "s.started_at")          \
    SQL_MEMBER_AT("finishedAt", "s.finished_at") ", '}')"

#define SQL_STEP_NEEDS                                                                             \
    "(SELECT x.step_id, '[' || string_agg(n.ordinal::text, ',' ORDER BY n.ordinal) || ']' AS"      \
    " needs FROM steps n JOIN step_edges x ON x.needs_id = n.id WHERE n.run_id = r.id"             \
    " GROUP BY x.step_id)"

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

/* A pause ends by itself when its time is over. */
#define SQL_IS_PAUSED(s)                                                                           \
    "(" s ".paused_at IS NOT NULL AND (" s ".paused_until IS NULL OR " s ".paused_until >"         \
    " clock_timestamp()))"

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
    " 'paused', CASE WHEN " SQL_IS_PAUSED("s") " THEN json_build_object('at'," \
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
    " 'traceparent', coalesce(ev.traceparent, (SELECT tr.traceparent FROM runs tr WHERE tr.id ="     \
    " ev.run_id))," \
    " 'data', ev.data))"

/* Of an event at an endpoint: always the same, and ordered by the event's time. */
#define SQL_DELIVERY_ID(event, endpoint)                                                           \
    "'dlv_' || substr(" event ", 5, 10) || upper(substr(md5(" endpoint " || ' ' || " event \
    "), 1, 16))"

/* A delivery d to a trigger. */
#define SQL_RECEIVED                                                                               \
    "json_strip_nulls(json_build_object('id', d.id, 'trigger', d.trigger_id, 'status', d.state,"    \
    " 'run', d.run_id, 'dueAt', CASE WHEN d.state = 'waiting' THEN (SELECT " SQL_AT("q.due_at")     \
    " FROM quiet_runs q WHERE q.key = d.trigger_id) END, 'code', d.code, 'reason', d.reason,"       \
    " 'messageId', d.message_id, 'dataVersion', d.data_version, 'receivedAt', "                     \
    SQL_AT("d.received_at") "))"

/* Whether a channel e may have something to say about event s; webhooks always have. Which it is,
   its message says (channels.h). */
#define SQL_HEARS(e, s)                                                                            \
    "(" e ".kind = 'webhook' OR CASE WHEN " s ".type LIKE 'step.%' THEN " s ".data ? 'sent'"        \
    " WHEN " s ".type LIKE 'run.%' THEN " s ".data ->> 'kind' NOT IN ('observe', 'adopt')"          \
    " ELSE true END)"

/* A token t, without its secret. */
#define SQL_TOKEN                                                                                  \
    "json_strip_nulls(json_build_object('id', t.id, 'name', t.name, 'scopes', t.scopes," \
    " 'createdBy', t.created_by, 'createdAt', " SQL_AT("t.created_at") ", 'expiresAt', " \
    SQL_AT("t.expires_at") ", 'revokedAt', " SQL_AT("t.revoked_at") ", 'lastUsedAt', " \
    SQL_AT("t.last_used_at") ", 'rotatedAt', " SQL_AT("t.rotated_at") ", 'previousUntil'," \
    " CASE WHEN t.previous_until > now() THEN " SQL_AT("t.previous_until") " END))"

/* clang-format on */
#endif
