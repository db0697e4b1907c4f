/*
 * identity_store.h - what a database is bound to: deployment, account, region, kind of endpoint.
 */
#ifndef STEWARD_IDENTITY_STORE_H
#define STEWARD_IDENTITY_STORE_H

#include "steward/db.h"
#include "steward/tokens_store.h"

struct identity {
    char deployment_id[40];
    char account_id[16], region[40], endpoint_kind[16]; /* "" until bound */
};
/* Makes the row at first contact, with a random deployment id. */
MUST_USE enum err_code identity_store_read(struct db_conn *c, struct identity *out, struct err *e);
/* Binds what is not bound yet. ERR_CONFLICT names what differs: another account or region must use
 * another database. */
MUST_USE enum err_code identity_store_bind(struct db_conn *c, const struct identity *wanted,
                                           struct err *e);

/* True in *out when a live token exists; is_known: whether the given id (may be NULL) is one. */
MUST_USE enum err_code identity_store_has_tokens(struct db_conn *c, const char *id, bool out[2],
                                                 struct err *e);
/* The first token: all scopes, no expiry. */
MUST_USE enum err_code identity_store_first_token(struct db_conn *c, const char *id,
                                                  const char *secret_sha256_hex, struct err *e);

/* Revokes the first admin token(s) and makes another one, in one transaction with its audit row. */
MUST_USE enum err_code identity_store_reset_token(struct db_conn *c, struct arena *arena,
                                                  const struct token_new *t, struct err *e);

#endif
