/*
 * tokens.c - who may come in, who did what, and which answer a repeated request gets.
 *
 * Only hashes of secrets come here. The audit row and the kept answer belong to the transaction of
 * the write itself.
 */
#include "steward/tokens_store.h"

#include "shapes.h"
#include "steward/run_store.h"

/* SQL has its own layout. */
/* clang-format off */
#define IS_LIVE "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())"

static const struct db_stmt token_find = {
    "api_token_find",
    "SELECT encode(t.secret_sha256, 'hex'), array_to_string(t.scopes, ' '), " IS_LIVE ","
    " t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute',"
    " CASE WHEN t.previous_until > now() THEN encode(t.previous_sha256, 'hex') END"
    " FROM tokens t WHERE t.id = $1",
    1
};
static const struct db_stmt token_touch = {
    "api_token_touch",
    "UPDATE tokens SET last_used_at = now() WHERE id = $1"
    " AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
    1
};
static const struct db_stmt tokens_page = {
    "api_tokens_page",
    "SELECT t.id, " SQL_TOKEN " FROM tokens t WHERE $1::text IS NULL OR (t.created_at, t.id) <"
    " (SELECT b.created_at, b.id FROM tokens b WHERE b.id = $1) ORDER BY t.created_at DESC, t.id"
    " DESC LIMIT $2::int",
    2
};
static const struct db_stmt token_read = { "api_token_read",
                                           "SELECT " SQL_TOKEN " FROM tokens t WHERE t.id ="
    " $1", 1 };
static const struct db_stmt token_insert = {
    "api_token_insert",
    "INSERT INTO tokens (id, name, secret_sha256, scopes, created_by, expires_at)"
    " VALUES ($1, $2, decode($3, 'hex'), $4::text[], $5, $6::timestamptz)",
    6
};
#define OTHER_ADMIN                                                                            \
    "EXISTS (SELECT 1 FROM tokens t WHERE t.id <> $1 AND 'admin' = ANY (t.scopes)"             \
    " AND " IS_LIVE ")"
/* Locked in a statement of their own, so that the next one sees what another request did
   meanwhile: two requests that revoke each other's token leave one. */
static const struct db_stmt tokens_lock = {
    "api_tokens_lock",
    "SELECT count(*) FROM (SELECT id FROM tokens WHERE 'admin' = ANY (scopes) ORDER BY id FOR"
    " UPDATE) locked", 0
};
static const struct db_stmt token_revoke = {
    "api_token_revoke",
    "WITH hit AS (UPDATE tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"
    " AND (NOT 'admin' = ANY (scopes) OR " OTHER_ADMIN ") RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit)"
    " THEN api_fence('ST001', 'revoked already, or the last admin token') END",
    1
};
static const struct db_stmt token_standing = {
    "api_token_standing",
    "SELECT t.revoked_at IS NOT NULL, 'admin' = ANY (t.scopes) AND NOT " OTHER_ADMIN
    " FROM tokens t WHERE t.id = $1",
    1
};
/* Of two live secrets at most: what was rotated out before goes. */
static const struct db_stmt token_rotate = {
    "api_token_rotate",
    "WITH hit AS (UPDATE tokens SET previous_sha256 = secret_sha256,"
    "  previous_until = now() + make_interval(secs => $3::int), secret_sha256 = decode($2, 'hex'),"
    "  rotated_at = now(), expires_at = CASE WHEN expires_at IS NULL THEN NULL ELSE $4::timestamptz END"
    "  WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit)"
    " THEN api_fence('ST001', 'revoked or expired meanwhile') END",
    4
};
static const struct db_stmt token_live = {
    "api_token_live",
    "SELECT " IS_LIVE ", array_to_string(t.scopes, ' ') FROM tokens t WHERE t.id = $1", 1
};
static const struct db_stmt ticket_insert = {
    "api_ticket_insert",
    "INSERT INTO login_tickets (sha256, token_id, expires_at)"
    " VALUES (decode($1, 'hex'), $2, now() + interval '60 seconds')",
    2
};
/* One use: the first to mark it wins. */
static const struct db_stmt ticket_use = {
    "api_ticket_use",
    "WITH hit AS (UPDATE login_tickets l SET used_at = now() WHERE l.sha256 = decode($1, 'hex')"
    "  AND l.used_at IS NULL AND l.expires_at > now() RETURNING 1)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'used or expired') END",
    1
};
static const struct db_stmt ticket_find = {
    "api_ticket_find",
    "SELECT l.token_id, t.scopes::text"
    " FROM login_tickets l JOIN tokens t ON t.id = l.token_id WHERE l.sha256 = decode($1, 'hex')"
    " AND l.used_at IS NULL AND l.expires_at > now() AND " IS_LIVE, 1
};
static const struct db_stmt token_answer = {
    "api_token_answer",
    "SELECT set_config('steward.answer', (SELECT " SQL_TOKEN " FROM tokens t WHERE t.id ="
    " $1)::text, true)", 1
};
static const struct db_stmt token_fence = {
    "api_token_fence",
    "SELECT CASE WHEN (SELECT " SQL_TAG("(" SQL_TOKEN ")::text") " FROM tokens t WHERE t.id = $1)"
    " IS DISTINCT FROM $2 THEN api_fence('ST001', 'the token has changed') END", 2
};
static const struct db_stmt token_lock = { "api_token_lock", "SELECT 1 FROM tokens WHERE id = $1 FOR UPDATE", 1 };
static const struct db_stmt trace_set = {
    "api_trace_set", "SELECT set_config('steward.traceparent', $1, true)", 1
};
static const struct db_stmt tokens_count = { "api_tokens_count",
                                             "SELECT count(*) FROM tokens t WHERE " IS_LIVE, 0 };
static const struct db_stmt audit_insert = {
    "api_audit_insert",
    "INSERT INTO audit (token_id, peer, method, path, status, request_id, detail)"
    " VALUES ($1, $2, $3, $4, $5::int, $6, $7::jsonb)",
    7
};
static const struct db_stmt idempotency_find = {
    "api_idempotency_find",
    "SELECT method, path, body_sha256, status, headers, body FROM idempotency_keys"
    " WHERE token_id = $1 AND key = $2 AND created_at > now() - interval '24 hours'",
    2
};
static const struct db_stmt idempotency_lock = {
    "api_idempotency_lock",
    "SELECT CASE WHEN NOT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 7061))"
    " THEN api_fence('ST002', 'the same request is at work') END",
    2
};
/* A key older than a day is free again. */
static const struct db_stmt idempotency_keep = {
    "api_idempotency_keep",
    "INSERT INTO idempotency_keys AS k (token_id, key, method, path, body_sha256, status,"
    " headers, body)"
    " VALUES ($1, $2, $3, $4, $5, $6::int, $7::json, coalesce(current_setting('steward.answer',"
    " true), ''))"
    " ON CONFLICT (token_id, key) DO UPDATE SET method = excluded.method, path = excluded.path,"
    " body_sha256 = excluded.body_sha256, status = excluded.status, headers = excluded.headers,"
    " body = excluded.body,"
    " created_at = CASE WHEN k.created_at > now() - interval '24 hours'"
    " AND api_fence('ST001', 'the key was used meanwhile') THEN now() ELSE now() END",
    7
};
static const struct db_stmt plain_answer = { "api_plain_answer",
                                             "SELECT set_config('steward.answer', $1, true)", 1 };
/* clang-format on */

void tokens_store_find(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_find, .params = { id } };
}

void tokens_store_touch(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_touch, .params = { id } };
}

void tokens_store_page(const char *before_id, const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &tokens_page, .params = { before_id, limit } };
}

void tokens_store_read(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_read, .params = { id } };
}

void tokens_store_insert(const struct token_new *t, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_insert,
                          .params = { t->id, t->name, t->secret_sha256_hex, t->scopes,
                                      t->created_by, t->expires_at } };
}

size_t tokens_store_revoke(const char *id, struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &tokens_lock };
    ops[1] = (struct db_op){ .stmt = &token_revoke, .params = { id } };
    return TOKENS_STORE_REVOKE_OPS;
}

void tokens_store_standing(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_standing, .params = { id } };
}

size_t tokens_store_fence(const char *id, const char *sha256, struct db_op *ops)
{
    if (!sha256)
        return 0;
    ops[0] = (struct db_op){ .stmt = &token_lock, .params = { id } };
    ops[1] = (struct db_op){ .stmt = &token_fence, .params = { id, sha256 } };
    return TOKENS_STORE_FENCE_OPS;
}

void trace_store_set(const char *traceparent, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &trace_set, .params = { traceparent } };
}

void tokens_store_answer(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_answer, .params = { id } };
}

void tokens_store_event(struct arena *arena, const char *type, const char *id, struct db_op *op)
{
    AUTO_JSON json_t *data = json_pack("{s:s}", "token", id);

    event_store_insert(arena,
                       &(struct event_new){ .type = type,
                                            .subject = arena_printf(arena, "tokens/%s", id),
                                            .data = data },
                       op);
}

void tokens_store_count(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &tokens_count };
}

void tokens_store_rotate(const struct token_rotate *r, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_rotate,
                          .params = { r->id, r->secret_sha256_hex, r->overlap_seconds,
                                      r->expires_at } };
}

void tokens_store_live(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &token_live, .params = { id } };
}

void tickets_store_insert(const char *sha256_hex, const char *token_id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &ticket_insert, .params = { sha256_hex, token_id } };
}

void tickets_store_find(const char *sha256_hex, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &ticket_find, .params = { sha256_hex } };
}

void tickets_store_use(const char *sha256_hex, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &ticket_use, .params = { sha256_hex } };
}

void audit_store_insert(const struct audit_new *a, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &audit_insert,
                          .params = { a->token_id, a->peer, a->method, a->path, a->status,
                                      a->request_id, a->detail } };
}

void idempotency_store_find(const char *token_id, const char *key, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &idempotency_find, .params = { token_id, key } };
}

void idempotency_store_lock(const char *token_id, const char *key, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &idempotency_lock, .params = { token_id, key } };
}

void idempotency_store_keep(const struct idempotency_new *k, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &idempotency_keep,
                          .params = { k->token_id, k->key, k->method, k->path, k->body_sha256,
                                      k->status, k->headers } };
}

void idempotency_store_answer(const char *text, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &plain_answer, .params = { text } };
}
