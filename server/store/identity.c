/*
 * identity.c - the first contact of a server with its database; blocking, on the start-up thread.
 */
#include "steward/identity_store.h"

#include "steward/id.h"
#include "steward/str.h"
#include "steward/tokens_store.h"

#define FIRST_NAME "first admin token"

static const struct db_stmt identity_make = {
    "identity_make",
    "INSERT INTO server_identity (deployment_id) VALUES ($1) ON CONFLICT (singleton) DO NOTHING", 1
};
static const struct db_stmt identity_read = {
    "identity_read",
    "SELECT deployment_id, coalesce(account_id, ''), coalesce(region, ''), coalesce(endpoint_kind, "
    "'') FROM server_identity",
    0
};
static const struct db_stmt identity_bind = {
    "identity_bind",
    "UPDATE server_identity SET account_id = coalesce(account_id, nullif($1, '')), region = "
    "coalesce(region, nullif($2, '')),"
    " endpoint_kind = coalesce(endpoint_kind, nullif($3, ''))",
    3
};
static const struct db_stmt token_retire = {
    "identity_token_retire",
    "UPDATE tokens SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL", 1
};
static const struct db_stmt token_known = { "identity_token_known",
                                            "SELECT count(*) > 0 FROM tokens WHERE id = $1", 1 };

static void copy_row(const PGresult *r, struct identity *out)
{
    (void) str_copy(out->deployment_id, sizeof out->deployment_id, PQgetvalue(r, 0, 0));
    (void) str_copy(out->account_id, sizeof out->account_id, PQgetvalue(r, 0, 1));
    (void) str_copy(out->region, sizeof out->region, PQgetvalue(r, 0, 2));
    (void) str_copy(out->endpoint_kind, sizeof out->endpoint_kind, PQgetvalue(r, 0, 3));
}

enum err_code identity_store_read(struct db_conn *c, struct identity *out, struct err *e)
{
    char id[UUID_BYTES];
    AUTO_PGRES PGresult *row = NULL;
    const struct db_op read = { .stmt = &identity_read };
    struct db_op make = { .stmt = &identity_make };

    uuid_new(id);
    make.params[0] = id;
    TRY(db_query(c, &make, NULL, e));
    TRY(db_query(c, &read, &row, e));
    copy_row(row, out);
    return OK;
}

static enum err_code compare(const char *what, const char *bound, const char *wanted, struct err *e)
{
    if (!*wanted || !*bound || str_eq(bound, wanted))
        return OK;
    return err_set(e, ERR_CONFLICT,
                   "This database is bound to the %s \"%s\" and can not serve \"%s\": give that "
                   "one its own database.",
                   what, bound, wanted);
}

enum err_code identity_store_bind(struct db_conn *c, const struct identity *wanted, struct err *e)
{
    const struct db_op bind = { .stmt = &identity_bind,
                                .params = { wanted->account_id, wanted->region,
                                            wanted->endpoint_kind } };
    struct identity bound;

    TRY(db_query(c, &bind, NULL, e));
    TRY(identity_store_read(c, &bound, e));
    TRY(compare("account", bound.account_id, wanted->account_id, e));
    TRY(compare("region", bound.region, wanted->region, e));
    return compare("kind of endpoint", bound.endpoint_kind, wanted->endpoint_kind, e);
}

enum err_code identity_store_has_tokens(struct db_conn *c, const char *id, bool out[2],
                                        struct err *e)
{
    AUTO_PGRES PGresult *count = NULL;
    AUTO_PGRES PGresult *known = NULL;
    const struct db_op ask = { .stmt = &token_known, .params = { id ? id : "" } };
    struct db_op op;

    tokens_store_count(&op);
    TRY(db_query(c, &op, &count, e));
    TRY(db_query(c, &ask, &known, e));
    out[0] = !str_eq(PQgetvalue(count, 0, 0), "0");
    out[1] = str_eq(PQgetvalue(known, 0, 0), "t");
    return OK;
}

enum err_code identity_store_first_token(struct db_conn *c, const char *id,
                                         const char *secret_sha256_hex, struct err *e)
{
    struct db_op op;

    tokens_store_insert(&(struct token_new){ .id = id,
                                             .name = FIRST_NAME,
                                             .secret_sha256_hex = secret_sha256_hex,
                                             .scopes = "{read,operate,apply,admin}" },
                        &op);
    return db_query(c, &op, NULL, e);
}

enum err_code identity_store_reset_token(struct db_conn *c, struct arena *arena,
                                         const struct token_new *t, struct err *e)
{
    struct token_new row = *t;
    struct db_op ops[4] = { { .stmt = &token_retire, .params = { FIRST_NAME } } };

    row.name = FIRST_NAME;
    row.scopes = "{read,operate,apply,admin}";
    tokens_store_insert(&row, &ops[1]);
    tokens_store_event(arena, "token.created", t->id, &ops[2]);
    audit_store_insert(&(struct audit_new){ .peer = "local",
                                            .method = "CLI",
                                            .path = "token reset",
                                            .status = "200",
                                            .detail = "{}" },
                       &ops[3]);
    return db_run(c, ops, 4, NULL, e);
}
