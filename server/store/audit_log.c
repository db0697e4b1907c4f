/*
 * audit_log.c - the audit log: read in pages, chained by the sequencer, verified.
 *
 * The hash of a link is over the link before it, its number and the row (migration 0040), computed
 * by the database both times. Whoever may write to the database's files can make a new chain, but
 * not one that ends in a hash somebody noted before.
 */
#include "steward/audit_log.h"

#include <stdio.h>

#include "shapes.h"
#include "steward/str.h"

/* SQL has its own layout. */
/* clang-format off */
#define SQL_AUDIT                                                                                  \
    "json_strip_nulls(json_build_object('id', a.id, 'sequence', c.seq, 'at', " SQL_AT("a.time") ","   \
    " 'token', a.token_id, 'peer', a.peer, 'method', a.method, 'path', a.path,"                      \
    " 'status', a.status, 'requestId', a.request_id, 'detail', a.detail,"                            \
    " 'previousSha256', c.prev_sha256, 'sha256', c.sha256))"

static const struct db_stmt audit_page = {
    "api_audit_page",
    "SELECT a.id, " SQL_AUDIT " FROM audit a LEFT JOIN audit_chain c ON c.audit_id = a.id"
    " WHERE ($1::text IS NULL OR a.token_id = ANY ($1::text[]))"
    " AND ($2::text IS NULL OR a.method = ANY ($2::text[]))"
    " AND ($3::text IS NULL OR a.status = ANY ($3::int[]))"
    " AND ($4::text IS NULL OR a.path = $4 OR starts_with(a.path, $4 || '/'))"
    " AND ($5::text IS NULL OR a.time > $5::timestamptz) AND ($6::text IS NULL OR a.time < $6::timestamptz)"
    " AND ($7::text IS NULL OR a.id < $7::bigint) ORDER BY a.id DESC LIMIT $8::int",
    8
};
static const struct db_stmt audit_extend = { "audit_extend", "SELECT audit_extend(500)", 0 };
static const struct db_stmt audit_verify = {
    "audit_verify",
    "WITH links AS (SELECT c.*, lag(c.sha256, 1, repeat('0', 64)) OVER (ORDER BY c.seq) AS before,"
    "   row_number() OVER (ORDER BY c.seq) AS n FROM audit_chain c),"
    " bad AS (SELECT l.seq, CASE WHEN l.seq <> l.n THEN 'a link is missing before it'"
    "    WHEN l.prev_sha256 <> l.before THEN 'it does not follow from the link before it'"
    "    WHEN a.id IS NULL THEN 'its row is gone'"
    "    WHEN l.sha256 <> audit_hash(l.prev_sha256, l.seq, a) THEN 'its row was changed' END AS why"
    "   FROM links l LEFT JOIN audit a ON a.id = l.audit_id),"
    " loose AS (SELECT a.id FROM audit a WHERE NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit_id = a.id)"
    "   AND NOT EXISTS (SELECT FROM audit_pending p WHERE p.audit_id = a.id) ORDER BY a.id LIMIT 1)"
    " SELECT (SELECT count(*) FROM audit_chain), (SELECT count(*) FROM audit_pending),"
    " (SELECT seq FROM bad WHERE why IS NOT NULL ORDER BY seq LIMIT 1),"
    " (SELECT why FROM bad WHERE why IS NOT NULL ORDER BY seq LIMIT 1),"
    " (SELECT id FROM loose), coalesce((SELECT sha256 FROM audit_chain ORDER BY seq DESC LIMIT 1), repeat('0', 64)),"
    " (SELECT sha256 FROM audit_chain WHERE seq = $1::bigint)",
    1
};
/* clang-format on */

void audit_log_page(const struct audit_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &audit_page,
                          .params = { f->tokens, f->methods, f->statuses, f->path, f->after,
                                      f->before, f->older_than, f->limit } };
}

enum err_code audit_log_extend(struct db_conn *c, size_t *count, struct err *e)
{
    const struct db_op op = { .stmt = &audit_extend };
    AUTO_PGRES PGresult *row = NULL;
    int64_t n = 0;

    *count = 0;
    TRY(db_query(c, &op, &row, e));
    if (str_to_i64(PQgetvalue(row, 0, 0), 0, INT64_MAX, &n))
        *count = (size_t) n;
    return OK;
}

enum err_code audit_log_verify(struct db_conn *c, int64_t at, struct audit_verdict *out,
                               struct err *e)
{
    char number[24];
    const struct db_op op = { .stmt = &audit_verify, .params = { number } };
    AUTO_PGRES PGresult *row = NULL;

    *out = (struct audit_verdict){ 0 };
    (void) snprintf(number, sizeof number, "%lld", (long long) at);
    TRY(db_query(c, &op, &row, e));
    (void) str_to_i64(PQgetvalue(row, 0, 0), 0, INT64_MAX, &out->links);
    (void) str_to_i64(PQgetvalue(row, 0, 1), 0, INT64_MAX, &out->pending);
    if (!PQgetisnull(row, 0, 2)) {
        (void) str_to_i64(PQgetvalue(row, 0, 2), 0, INT64_MAX, &out->bad_seq);
        (void) str_copy(out->why, sizeof out->why, PQgetvalue(row, 0, 3));
    }
    if (!PQgetisnull(row, 0, 4))
        (void) str_to_i64(PQgetvalue(row, 0, 4), 0, INT64_MAX, &out->loose_id);
    (void) str_copy(out->last_sha256, sizeof out->last_sha256, PQgetvalue(row, 0, 5));
    (void) str_copy(out->sha256_at, sizeof out->sha256_at, PQgetvalue(row, 0, 6));
    return OK;
}
