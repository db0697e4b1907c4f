/*
 * hooks.c - what is delivered to triggers: seen before, refused, started at once or waiting for
 * quiet.
 *
 * The trigger's row is locked in a statement of its own, so that the next one sees what another
 * delivery committed meanwhile. What was decided on a read is fenced: when it no longer holds,
 * nothing has happened and the request starts over.
 */
#include "shapes.h"
#include "steward/triggers_store.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt find = {
    "hook_find",
    "SELECT t.id, t.auth, t.topic_arn, t.secret, CASE WHEN t.old_secret_until > clock_timestamp() THEN t.old_secret END,"
    " t.config, t.kind, t.run_options::text, t.quiet_seconds, t.updated_at::text FROM triggers t WHERE t.id = $1", 1
};
/* People name it as they like; a sender knows the id only. */
static const struct db_stmt find_named = {
    "hook_find_named",
    "SELECT t.id, t.auth, t.topic_arn, t.secret, CASE WHEN t.old_secret_until > clock_timestamp() THEN t.old_secret END,"
    " t.config, t.kind, t.run_options::text, t.quiet_seconds, t.updated_at::text FROM triggers t WHERE t.id = $1 OR t.name = $1", 1
};
static const struct db_stmt refusal = {
    "hook_refusal",
    "SELECT code, retry_seconds, detail FROM trigger_refusal($1, $2::boolean, $3::text[], $4::int, $5::int)", 5
};
/* A run that failed or was cancelled did not do what was asked for: the same content may come again, in a message of its own. */
#define STILL_COUNTS                                                                                   \
    "x.expires_at > clock_timestamp() AND (x.key NOT LIKE 'content %' OR NOT EXISTS (SELECT FROM"      \
    " trigger_deliveries f LEFT JOIN runs r ON r.id = f.run_id WHERE f.id = x.delivery_id"             \
    " AND (f.state = 'failed' OR r.state IN ('failed', 'cancelled'))))"
static const struct db_stmt seen = {
    "hook_seen",
    "SELECT " SQL_RECEIVED " FROM trigger_seen x JOIN trigger_deliveries d ON d.id = x.delivery_id"
    " WHERE x.trigger_id = $1 AND x.key IN ($2, $3) AND " STILL_COUNTS " ORDER BY x.key DESC LIMIT 1", 3
};
static const struct db_stmt waiting = { "hook_waiting", "SELECT 1 FROM quiet_runs WHERE key = $1", 1 };

/* Locks go config, trigger, then the rest. */
static const struct db_stmt lock_config = {
    "hook_lock_config",
    "SELECT c.name FROM configs c WHERE c.name = (SELECT t.config FROM triggers t WHERE t.id = $1) FOR KEY SHARE", 1
};
static const struct db_stmt lock = { "hook_lock", "SELECT id FROM triggers WHERE id = $1 FOR UPDATE", 1 };
static const struct db_stmt check = {
    "hook_check",
    "SELECT CASE WHEN NOT EXISTS (SELECT FROM triggers WHERE id = $1 AND updated_at = $6::timestamptz)"
    "  OR (NOT $7::boolean AND EXISTS (SELECT FROM trigger_refusal($1, $2::boolean, $3::text[], $4::int, $5::int)))"
    "  OR $7::boolean <> EXISTS (SELECT FROM quiet_runs WHERE key = $1) AND $8::boolean"
    " THEN api_fence('ST001', 'the trigger has changed') END", 8
};
/* $3: seconds, or NULL for the trigger's window. */
static const struct db_stmt remember = {
    "hook_remember",
    "WITH w AS (SELECT coalesce($4::bigint, t.dedupe_window_seconds) AS seconds FROM triggers t WHERE t.id = $1),"
    " put AS (INSERT INTO trigger_seen AS x (trigger_id, key, delivery_id, expires_at)"
    "  SELECT $1, $2, $3, clock_timestamp() + w.seconds * interval '1 second' FROM w WHERE w.seconds > 0"
    "  ON CONFLICT (trigger_id, key) DO UPDATE SET delivery_id = excluded.delivery_id, expires_at = excluded.expires_at"
    "  WHERE NOT (" STILL_COUNTS ") RETURNING 1)"
    " SELECT CASE WHEN (SELECT seconds > 0 FROM w) AND NOT EXISTS (SELECT FROM put)"
    " THEN api_fence('ST001', 'it was seen already') END", 4
};
static const struct db_stmt started = {
    "hook_started",
    "WITH r AS (UPDATE runs SET trigger_id = $2, data_version = $5 WHERE id = $3),"
    " t AS (UPDATE triggers SET last_received_at = clock_timestamp(), last_started_at = clock_timestamp(),"
    "  last_run_id = $3 WHERE id = $2)"
    " INSERT INTO trigger_deliveries (id, trigger_id, run_id, message_id, data_version, body_sha256, state)"
    " VALUES ($1, $2, $3, $4, $5, $6, 'started')", 6
};
static const struct db_stmt wait_delivery = {
    "hook_wait_delivery",
    "WITH t AS (UPDATE triggers SET last_received_at = clock_timestamp() WHERE id = $2)"
    " INSERT INTO trigger_deliveries (id, trigger_id, message_id, data_version, body_sha256, state)"
    " VALUES ($1, $2, $3, $4, $5, 'waiting')", 5
};
/* Ten quiet times at most: who never stops uploading gets a run all the same. */
static const struct db_stmt wait_run = {
    "hook_wait_run",
    "INSERT INTO quiet_runs AS q (key, trigger_id, config, kind, run_options, is_buying, due_at)"
    " SELECT t.id, t.id, t.config, t.kind, t.run_options, $2::boolean,"
    "  clock_timestamp() + t.quiet_seconds * interval '1 second' FROM triggers t WHERE t.id = $1"
    " ON CONFLICT (key) DO UPDATE SET count = q.count + 1, is_buying = excluded.is_buying, due_at = least(excluded.due_at,"
    "  q.first_at + 10 * (excluded.due_at - clock_timestamp()))", 2
};
static const struct db_stmt upload_files = {
    "hook_upload_files",
    "INSERT INTO uploads (id, bucket, key, mark, only_config, trigger_id, delivery_id)"
    " SELECT u.id, u.bucket, u.key, $2, t.config, t.id, $2 FROM triggers t CROSS JOIN json_to_recordset($3::json)"
    " AS u(id text, bucket text, key text) WHERE t.id = $1 ON CONFLICT DO NOTHING", 3
};
static const struct db_stmt rejected = {
    "hook_rejected",
    "WITH t AS (UPDATE triggers SET last_received_at = clock_timestamp() WHERE id = $2 RETURNING *),"
    " told AS (SELECT 1 FROM trigger_deliveries d WHERE d.trigger_id = $2 AND d.state = 'rejected' AND d.code = $6"
    "  AND d.message_id = $3 AND d.received_at > clock_timestamp() - interval '24 hours' LIMIT 1),"
    " made AS (INSERT INTO trigger_deliveries (id, trigger_id, message_id, data_version, body_sha256, state, code, reason)"
    "  SELECT $1, $2, $3, $4, $5, 'rejected', $6, $7 WHERE NOT EXISTS (SELECT FROM told) RETURNING 1)"
    " INSERT INTO events (id, type, subject, config, data) SELECT $8, 'trigger.rejected', 'triggers/' || t.id, t.config,"
    "  jsonb_strip_nulls(jsonb_build_object('trigger', t.id, 'name', t.name, 'kind', t.kind, 'code', $6::text,"
    "  'reason', $7::text, 'messageId', $3::text, 'dataVersion', $4::text)) FROM t WHERE EXISTS (SELECT FROM made)", 8
};
static const struct db_stmt confirmed = {
    "hook_confirmed",
    "WITH t AS (UPDATE triggers SET last_received_at = clock_timestamp() WHERE id = $2)"
    " INSERT INTO trigger_deliveries (id, trigger_id, message_id, body_sha256, state, reason)"
    " VALUES ($1, $2, $3, $4, 'confirmed', $5)", 5
};
static const struct db_stmt answer = {
    "hook_answer",
    "SELECT set_config('steward.answer', (SELECT " SQL_RECEIVED " FROM trigger_deliveries d WHERE d.id = $1)::text, true)", 1
};
/* clang-format on */

void hooks_store_find(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &find, .params = { id } };
}

void hooks_store_find_named(const char *id_or_name, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &find_named, .params = { id_or_name } };
}

void hooks_store_refusal(const struct hook_guard *g, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &refusal,
                          .params = { g->trigger, g->is_buying, g->keys, g->per_solution,
                                      g->per_account } };
}

void hooks_store_seen(const struct hook_keys *k, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &seen, .params = { k->trigger, k->id_key, k->content_key } };
}

void hooks_store_waiting(const char *trigger, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &waiting, .params = { trigger } };
}

size_t hooks_store_fence(const struct hook_delivery *d, const struct hook_guard *g, bool is_joining,
                         struct db_op *ops)
{
    size_t n = 0;

    if (!d->run_id) /* who starts a run has the config's fence before */
        ops[n++] = (struct db_op){ .stmt = &lock_config, .params = { d->trigger } };
    ops[n++] = (struct db_op){ .stmt = &lock, .params = { d->trigger } };
    ops[n++] =
        (struct db_op){ .stmt = &check,
                        .params = { g->trigger, g->is_buying, g->keys, g->per_solution,
                                    g->per_account, d->updated, is_joining ? "true" : "false",
                                    d->run_id ? "false" : "true" } };
    if (d->id_key)
        ops[n++] = (struct db_op){ .stmt = &remember,
                                   .params = { d->trigger, d->id_key, d->id, "86400" } };
    if (d->content_key)
        ops[n++] = (struct db_op){ .stmt = &remember,
                                   .params = { d->trigger, d->content_key, d->id, NULL } };
    return n;
}

void hooks_store_started(const struct hook_delivery *d, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &started,
                          .params = { d->id, d->trigger, d->run_id, d->message_id, d->data_version,
                                      d->body_sha256 } };
}

size_t hooks_store_wait(const struct hook_delivery *d, struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &wait_delivery,
                             .params = { d->id, d->trigger, d->message_id, d->data_version,
                                         d->body_sha256 } };
    ops[1] = (struct db_op){ .stmt = &wait_run, .params = { d->trigger, d->is_buying } };
    return 2;
}

size_t hooks_store_upload(const struct hook_delivery *d, const char *files, struct db_op *ops)
{
    (void) hooks_store_wait(d, ops);
    ops[1] = (struct db_op){ .stmt = &upload_files, .params = { d->trigger, d->id, files } };
    return 2;
}

void hooks_store_rejected(const struct hook_delivery *d, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &rejected,
                          .params = { d->id, d->trigger, d->message_id, d->data_version,
                                      d->body_sha256, d->code, d->reason, d->event_id } };
}

void hooks_store_confirmed(const struct hook_delivery *d, struct db_op *op)
{
    *op =
        (struct db_op){ .stmt = &confirmed,
                        .params = { d->id, d->trigger, d->message_id, d->body_sha256, d->reason } };
}

void hooks_store_answer(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &answer, .params = { id } };
}
