/*
 * audit_store.c - what an audit saw against what the rows know.
 *
 * A resource is owned when a config's current file asks for it: by its ARN, or by its name while no
 * ARN is known. A job or version is known when any step, resource or version row has its ARN.
 */
#include "steward/audit_store.h"

#include "shapes.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt write_orphans = {
    "audit_write",
    "WITH seen AS (SELECT * FROM json_to_recordset($1::json) AS x(arn text, kind text, name text, status text,"
    "  deployment text, is_job boolean, created_ms bigint)),"
    " lost AS (SELECT x.*,"
    "  CASE WHEN x.deployment = $2 THEN 'us' WHEN x.deployment IS NULL THEN 'nobody' ELSE 'other' END AS owner,"
    "  (SELECT r.config FROM resources r WHERE r.arn = x.arn AND r.desired IS NULL LIMIT 1) AS config FROM seen x"
    "  WHERE NOT x.is_job AND NOT EXISTS (SELECT FROM resources r WHERE r.config IS NOT NULL AND r.desired IS NOT NULL"
    "    AND (r.arn = x.arn OR (r.arn IS NULL AND r.kind = x.kind AND r.name = x.name)))"
    "  OR x.is_job AND x.deployment = $2 AND NOT EXISTS (SELECT FROM resources r WHERE r.arn = x.arn)"
    "    AND NOT EXISTS (SELECT FROM solution_versions v WHERE v.arn = x.arn)"
    "    AND x.arn NOT IN (SELECT s.arn FROM steps s WHERE s.arn IS NOT NULL)),"
    " gone AS (DELETE FROM orphans WHERE arn NOT IN (SELECT arn FROM lost))"
    " INSERT INTO orphans AS o (arn, kind, name, status, owner, deployment, config, aws_created_at)"
    " SELECT arn, kind, name, status, owner, deployment, config,"
    "  CASE WHEN created_ms > 0 THEN to_timestamp(created_ms / 1000.0) END FROM lost"
    " ON CONFLICT (arn) DO UPDATE SET name = excluded.name, status = excluded.status, owner = excluded.owner,"
    "  deployment = excluded.deployment, config = excluded.config, seen_at = clock_timestamp()",
    2
};
static const struct db_stmt done = {
    "audit_done",
    "WITH old AS (DELETE FROM runs WHERE id <> $1 AND id IN (SELECT run_id FROM orphan_audit)"
    "  AND state IN ('succeeded', 'failed', 'cancelled'))"
    " UPDATE orphan_audit SET done_at = clock_timestamp(), run_id = $1",
    1
};
static const struct db_stmt fence = {
    "audit_fence",
    "WITH due AS (UPDATE orphan_audit SET done_at = clock_timestamp() WHERE"
    "  coalesce(done_at, (SELECT created_at FROM server_identity)) < clock_timestamp() - interval '24 hours'"
    "  RETURNING 1)"
    " SELECT CASE WHEN $1::text IS NULL OR NOT EXISTS (SELECT FROM due) THEN api_fence('ST001', 'no audit is due') END",
    1
};
static const struct db_stmt page = {
    "audit_page",
    "SELECT o.arn, json_strip_nulls(json_build_object('arn', o.arn, 'kind', o.kind, 'name', o.name, 'status', o.status,"
    " 'owner', o.owner, 'deployment', o.deployment, 'config', o.config, 'createdAt', " SQL_AT("o.aws_created_at") ","
    " 'foundAt', " SQL_AT("o.found_at") ", 'seenAt', " SQL_AT("o.seen_at") "))::text FROM orphans o"
    " WHERE ($1::text[] IS NULL OR o.kind = ANY ($1::text[])) AND ($2::text[] IS NULL OR o.owner = ANY ($2::text[]))"
    " AND ($3::text IS NULL OR o.config = $3) AND ($4::text IS NULL OR o.arn > $4) ORDER BY o.arn LIMIT $5::int",
    5
};
static const struct db_stmt is_fresh = {
    "audit_is_fresh",
    "SELECT coalesce(done_at > clock_timestamp() - interval '60 seconds' AND run_id IS NOT NULL, false) FROM orphan_audit",
    0
};
/* clang-format on */

enum err_code audit_store_write(struct db_conn *c, const char *run_id, const char *found,
                                const char *deployment_id, struct err *e)
{
    const struct db_op ops[] = { { .stmt = &write_orphans, .params = { found, deployment_id } },
                                 { .stmt = &done, .params = { run_id } } };

    return db_run(c, ops, 2, NULL, e);
}

void audit_store_fence(const char *run_id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &fence, .params = { run_id } };
}

void audit_store_page(const struct orphans_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &page,
                          .params = { f->kinds, f->owners, f->config, f->after_arn, f->limit } };
}

void audit_store_is_fresh(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &is_fresh };
}
