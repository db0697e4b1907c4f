/*
 * webhooks.c - statements of /webhooks, and those that /channels shares.
 *
 * A webhook is an endpoint of the kind 'webhook', a channel one of another kind; what is sent to
 * it, and how it fares, the threads write (outbox_store.c).
 */
#include "steward/webhooks_store.h"

#include "shapes.h"

/* SQL has its own layout. */
/* clang-format off */
#define SQL_WEBHOOK                                                                                \
    "json_strip_nulls(json_build_object('id', e.id, 'name', e.name, 'url', e.url," \
    " 'types', e.types, 'configs', e.configs, 'enabled', e.is_enabled, 'status', CASE" \
    " WHEN e.disabled_at IS NOT NULL THEN 'disabled' WHEN NOT e.is_enabled THEN 'paused'" \
    " WHEN e.failing_since IS NOT NULL THEN 'failing' ELSE 'active' END," \
    " 'disabledAt', " SQL_AT("e.disabled_at") ", 'disabledReason', e.disabled_reason," \
    " 'failingSince', " SQL_AT("e.failing_since") ", 'failures', e.failures," \
    " 'notBefore', CASE WHEN e.not_before > now() THEN " SQL_AT("e.not_before") " END," \
    " 'lastSuccessAt', " SQL_AT("e.last_success_at") ", 'lastFailureAt', " \
    SQL_AT("e.last_failure_at") ", 'oldSecretUntil', CASE WHEN e.old_secret_until > now() THEN " \
    SQL_AT("e.old_secret_until") " END, 'createdBy', e.created_by, 'createdAt', " \
    SQL_AT("e.created_at") ", 'updatedAt', " SQL_AT("e.updated_at") "))"
#define SQL_ATTEMPT                                                                                \
    "json_strip_nulls(json_build_object('number', a.number, 'at', " SQL_AT("a.at") \
    ", 'success', a.is_success, 'status', a.status, 'latencyMs', a.latency_ms," \
    " 'errorClass', a.error_class, 'response', a.excerpt))"
#define SQL_WHAT(id) "CASE WHEN starts_with(" id ", 'whk_') THEN 'webhook' ELSE 'channel' END"
#define SQL_DELIVERY                                                                               \
    "json_build_object('id', d.id, " SQL_WHAT("d.endpoint_id") ", d.endpoint_id, 'event',"         \
    " d.event_id, 'type'," \
    " d.event_type, 'status', d.state, 'reason', d.reason, 'attempts', d.attempts," \
    " 'nextAttemptAt', CASE WHEN d.state = 'pending' THEN " SQL_AT("d.wake_at") " END," \
    " 'createdAt', " SQL_AT("d.created_at") ", 'finishedAt', " SQL_AT("d.finished_at") \
    ", 'log', (SELECT coalesce(json_agg(x.j), '[]') FROM (SELECT " SQL_ATTEMPT " AS j FROM" \
    " delivery_attempts a WHERE a.delivery_id = d.id ORDER BY a.number DESC LIMIT 30) x))"

static const struct db_stmt page = {
    "api_webhooks_page",
    "SELECT e.id, " SQL_WEBHOOK " FROM endpoints e WHERE e.kind = 'webhook'"
    " AND ($1::text IS NULL OR e.id < $1) ORDER BY e.id DESC LIMIT $2::int", 2
};
static const struct db_stmt read_one = {
    "api_webhook_read",
    "SELECT " SQL_WEBHOOK ", e.id, e.disabled_at IS NOT NULL OR NOT e.is_enabled, (SELECT count(*)"
    " FROM deliveries d WHERE d.endpoint_id = e.id AND d.event_type = 'test.ping'"
    " AND d.created_at > clock_timestamp() - interval '1 minute'), e.secret"
    " FROM endpoints e WHERE e.kind = 'webhook' AND (e.id = $1 OR e.name = $1)", 1
};
static const struct db_stmt insert = {
    "api_webhook_insert",
    "INSERT INTO endpoints (id, kind, name, url, types, patterns, configs, is_enabled, secret,"
    " created_by, after_seq) VALUES ($1, 'webhook', $2, $3, coalesce($4::text[], '{}'),"
    " coalesce($5::text[], '{}'), coalesce($6::text[], '{}'), coalesce($7::boolean, true), $8, $9,"
    " (SELECT last_seq FROM event_counter))", 9
};
#define OR_GONE                                                                            \
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the webhook" \
    " has changed') END"
static const struct db_stmt update = {
    "api_webhook_update",
    "WITH hit AS (UPDATE endpoints SET name = coalesce($2, name), url = coalesce($3, url),"
    " types = coalesce($4::text[], types), patterns = coalesce($5::text[], patterns),"
    " configs = coalesce($6::text[], configs), is_enabled = coalesce($7::boolean, is_enabled),"
    " after_seq = CASE WHEN $7::boolean AND (disabled_at IS NOT NULL OR NOT is_enabled)"
    "   THEN (SELECT last_seq FROM event_counter) ELSE after_seq END,"
    " disabled_at = CASE WHEN $7::boolean THEN NULL ELSE disabled_at END,"
    " disabled_reason = CASE WHEN $7::boolean THEN NULL ELSE disabled_reason END,"
    " failing_since = CASE WHEN $7::boolean THEN NULL ELSE failing_since END,"
    " failures = CASE WHEN $7::boolean THEN 0 ELSE failures END,"
    " not_before = CASE WHEN $7::boolean THEN NULL ELSE not_before END, updated_at = now()"
    " WHERE id = $1 AND kind = 'webhook' RETURNING 1)" OR_GONE, 7
};
static const struct db_stmt lock_one = {
    "api_webhook_lock", "SELECT 1 FROM endpoints WHERE id = $1 FOR UPDATE", 1
};
static const struct db_stmt fence = {
    "api_webhook_fence",
    "SELECT CASE WHEN (SELECT " SQL_TAG("(" SQL_WEBHOOK ")::text") " FROM endpoints e WHERE e.id = $1)"
    " IS DISTINCT FROM $2 THEN api_fence('ST001', 'the webhook has changed') END", 2
};
static const struct db_stmt delete_one = {
    "api_webhook_delete", "DELETE FROM endpoints WHERE id = $1 AND kind = 'webhook'", 1
};
static const struct db_stmt rotate = {
    "api_webhook_rotate",
    "WITH hit AS (UPDATE endpoints SET old_secret = secret, secret = $3, old_secret_until ="
    " clock_timestamp() + $4::bigint * interval '1 second', updated_at = now()"
    " WHERE id = $1 AND secret = $2 RETURNING 1)" OR_GONE, 4
};
static const struct db_stmt answer = {
    "api_webhook_answer",
    "SELECT set_config('steward.answer', (SELECT " SQL_WEBHOOK " FROM endpoints e WHERE e.id ="
    " $1)::text, true)", 1
};
static const struct db_stmt deliveries = {
    "api_webhook_deliveries",
    "SELECT d.id, " SQL_DELIVERY " FROM deliveries d WHERE d.endpoint_id = $1"
    " AND ($2::text IS NULL OR d.state = ANY ($2::text[])) AND ($3::text IS NULL OR d.id < $3)"
    " ORDER BY d.id DESC LIMIT $4::int", 4
};
/* The row's lock makes counting and adding one thing. */
static const struct db_stmt ping_fence = {
    "api_webhook_ping_fence",
    "WITH own AS (SELECT id FROM endpoints WHERE id = $1 AND disabled_at IS NULL AND is_enabled FOR"
    " UPDATE) SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM own) THEN api_fence('ST001', 'the webhook"
    " has changed') END", 1
};
static const struct db_stmt ping = {
    "api_webhook_ping",
    "WITH few AS (SELECT 1 WHERE (SELECT count(*) FROM deliveries d WHERE d.endpoint_id = $1 AND"
    "   d.event_type = 'test.ping' AND d.created_at > clock_timestamp() - interval '1 minute') < 10),"
    " ev AS (INSERT INTO events (id, type, subject, data) SELECT $2, 'test.ping', "
    SQL_WHAT("$1") " || 's/' || $1, jsonb_build_object(" SQL_WHAT("$1") ", $1::text) FROM few"
    "   RETURNING id),"
    " made AS (INSERT INTO deliveries (id, endpoint_id, event_id, event_type)"
    "   SELECT " SQL_DELIVERY_ID("ev.id", "$1") ", $1, ev.id, 'test.ping' FROM ev RETURNING 1)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM made) THEN api_fence('ST001', 'ten pings a"
    " minute') END", 2
};
static const struct db_stmt ping_answer = {
    "api_webhook_ping_answer",
    "SELECT set_config('steward.answer', (SELECT json_strip_nulls(" SQL_DELIVERY ") FROM deliveries"
    " d WHERE d.endpoint_id = $1 AND d.event_id = $2)::text, true)", 2
};
static const struct db_stmt replay = {
    "api_webhook_replay",
    "WITH e AS (SELECT * FROM endpoints WHERE id = $1 FOR UPDATE),"
    " wanted AS (SELECT ev.id, ev.type, ev.time FROM events ev, e WHERE ev.seq IS NOT NULL"
    "   AND ($2::text IS NULL OR ev.id = $2)"
    "   AND ($3::text IS NULL OR ev.id = (SELECT d.event_id FROM deliveries d WHERE d.id = $3"
    "     AND d.endpoint_id = e.id))"
    "   AND ($4::timestamptz IS NULL OR ev.time >= $4::timestamptz)"
    "   AND ($5::timestamptz IS NULL OR ev.time < $5::timestamptz)"
    "   AND (EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id AND d.event_id = ev.id"
    "       AND (d.state = 'dead' OR $2::text IS NOT NULL OR $3::text IS NOT NULL"
    "         OR $6::boolean))"
    "     OR (($6::boolean OR $2::text IS NOT NULL) AND ev.type <> 'test.ping'"
    "       AND ev.subject <> 'webhooks/' || e.id AND " SQL_HEARS("e", "ev")
    "       AND (e.patterns = '{}' OR ev.type LIKE ANY (e.patterns))"
    "       AND (e.configs = '{}' OR ev.config = ANY (e.configs))))"
    "   ORDER BY ev.seq LIMIT 10000),"
    " made AS (INSERT INTO deliveries AS d (id, endpoint_id, event_id, event_type)"
    "   SELECT " SQL_DELIVERY_ID("w.id", "$1") ", $1, w.id, w.type FROM wanted w"
    "   ON CONFLICT (endpoint_id, event_id) DO UPDATE SET state = 'pending', reason = NULL, tries ="
    "   0, wake_at = clock_timestamp(), finished_at = NULL, lease_owner = NULL"
    "   WHERE d.state <> 'pending' RETURNING 1)"
    " SELECT set_config('steward.answer', json_build_object('replayed', (SELECT count(*) FROM"
    " made))::text, true)", 6
};
/* clang-format on */

void webhooks_store_page(const char *before_id, const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &page, .params = { before_id, limit } };
}

void webhooks_store_read(const char *id_or_name, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &read_one, .params = { id_or_name } };
}

void webhooks_store_insert(const struct webhook_row *w, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &insert,
                          .params = { w->id, w->name, w->url, w->types, w->patterns, w->configs,
                                      w->is_enabled, w->secret, w->created_by } };
}

size_t webhooks_store_fence(const char *id, const char *sha256, struct db_op *ops)
{
    if (!sha256)
        return 0;
    ops[0] = (struct db_op){ .stmt = &lock_one, .params = { id } };
    ops[1] = (struct db_op){ .stmt = &fence, .params = { id, sha256 } };
    return WEBHOOKS_STORE_FENCE_OPS;
}

void webhooks_store_update(const struct webhook_row *w, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &update,
                          .params = { w->id, w->name, w->url, w->types, w->patterns, w->configs,
                                      w->is_enabled } };
}

void webhooks_store_delete(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &delete_one, .params = { id } };
}

void webhooks_store_rotate(const struct webhook_rotation *r, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &rotate,
                          .params = { r->id, r->old_secret, r->secret, r->overlap_seconds } };
}

void webhooks_store_answer(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &answer, .params = { id } };
}

void webhooks_store_deliveries(const struct deliveries_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &deliveries,
                          .params = { f->webhook, f->statuses, f->before_id, f->limit } };
}

size_t webhooks_store_ping(const char *id, const char *event_id, struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &ping_fence, .params = { id } };
    ops[1] = (struct db_op){ .stmt = &ping, .params = { id, event_id } };
    ops[2] = (struct db_op){ .stmt = &ping_answer, .params = { id, event_id } };
    return WEBHOOKS_STORE_PING_OPS;
}

void webhooks_store_replay(const struct webhook_replay *r, struct db_op *op)
{
    *op =
        (struct db_op){ .stmt = &replay,
                        .params = { r->id, r->event, r->delivery, r->since, r->until, r->is_all } };
}
