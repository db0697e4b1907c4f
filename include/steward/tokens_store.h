/*
 * tokens_store.h - tokens, the audit log and kept answers of idempotent requests.
 */
#ifndef STEWARD_TOKENS_STORE_H
#define STEWARD_TOKENS_STORE_H

#include "steward/db.h"
#include "steward/mem.h"

/* ---- tokens ---- */
/* One row: (hex of the secret's SHA-256, scopes separated by blanks, is_live, is last used a minute
 * ago or more, hex of the secret before the last rotation while that one still counts). */
void tokens_store_find(const char *id, struct db_op *op);
void tokens_store_touch(const char *id, struct db_op *op);
/* Rows (id, json), newest first. */
void tokens_store_page(const char *before_id, const char *limit, struct db_op *op);
/* One row: (json). */
void tokens_store_read(const char *id, struct db_op *op);

struct token_new {
    const char *id, *name, *secret_sha256_hex, *scopes /* text array literal */, *created_by;
    const char *expires_at; /* RFC 3339; NULL: never */
};
void tokens_store_insert(const struct token_new *t, struct db_op *op);
/* Raises ST001 when it is revoked already or the last live one with the scope admin. */
#define TOKENS_STORE_REVOKE_OPS 2
size_t tokens_store_revoke(const char *id, struct db_op *ops);
/* One row: (is_revoked, is_last_admin). */
void tokens_store_standing(const char *id, struct db_op *op);
struct token_rotate {
    const char *id, *secret_sha256_hex, *overlap_seconds, *expires_at;
};
/* A new secret; the one before it counts for the overlap. Raises ST001 when the token is not live.
 */
void tokens_store_rotate(const struct token_rotate *r, struct db_op *op);
/* One row: (is_live, scopes separated by blanks). */
void tokens_store_live(const char *id, struct db_op *op);
/* The token's json without its secret, also kept for idempotency_store_keep(). */
#define TOKENS_STORE_FENCE_OPS 2
/* Raises unless the token's JSON has this hash (answer_etag()); sha256 NULL: no statement. Returns
 * how many. */
size_t tokens_store_fence(const char *id, const char *sha256, struct db_op *ops);
void tokens_store_answer(const char *id, struct db_op *op);
/* "token.created", "token.revoked". */
void tokens_store_event(struct arena *arena, const char *type, const char *id, struct db_op *op);
/* One row: (number of live tokens). */
void tokens_store_count(struct db_op *op);

/* ---- tickets: a link that logs in once, within 60 s ---- */
void tickets_store_insert(const char *sha256_hex, const char *token_id, struct db_op *op);
/* One row while it counts: (token id, scopes as a text array literal). */
void tickets_store_find(const char *sha256_hex, struct db_op *op);
/* Raises ST001 when somebody else was first. */
void tickets_store_use(const char *sha256_hex, struct db_op *op);

/* ---- one row per write, in its transaction ---- */
struct audit_new {
    const char *token_id, *peer, *method, *path, *status, *request_id, *detail /* JSON object */;
};
void audit_store_insert(const struct audit_new *a, struct db_op *op);

/* ---- idempotency ---- */
/* One row when the key was used within a day: (method, path, body_sha256, status, headers, body).
 */
/* What the transaction inserts belongs to this trace (traceparent of W3C Trace Context). */
void trace_store_set(const char *traceparent, struct db_op *op);
void idempotency_store_find(const char *token_id, const char *key, struct db_op *op);
/* Raises ST002 when the same key is at work in another transaction. */
void idempotency_store_lock(const char *token_id, const char *key, struct db_op *op);
struct idempotency_new {
    const char *token_id, *key, *method, *path, *body_sha256, *status, *headers /* JSON object */;
};
/* Keeps the answer that an …_answer() statement of this transaction produced. */
void idempotency_store_keep(const struct idempotency_new *k, struct db_op *op);
/* Keeps and gives back a text as this transaction's answer. */
void idempotency_store_answer(const char *text, struct db_op *op);

#endif
