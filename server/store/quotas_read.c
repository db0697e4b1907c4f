/*
 * quotas_read.c - what is used of the quotas: what stands by the inventory, what is in progress by
 * the same query that the mark counts with.
 */
#include "quota_line.h"
#include "steward/quotas_store.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt standing = {
    "api_quotas_standing",
    "SELECT x.kind, sum(x.n)::bigint, (array_agg(x.config ORDER BY x.n DESC, x.config)"
    " FILTER (WHERE x.config IS NOT NULL))[1], max(x.n) FILTER (WHERE x.config IS NOT NULL)"
    " FROM (SELECT r.kind, r.config, count(*) AS n FROM resources r WHERE r.arn IS NOT NULL GROUP BY 1, 2) x"
    " GROUP BY x.kind", 0
};
static const struct db_stmt in_progress = {
    "api_quotas_in_progress",
    "WITH used AS (" QUOTA_USED("") "), line AS (" QUOTA_LINE("") "),"
    " u AS (SELECT kind, sum(n)::bigint AS n FROM used GROUP BY kind),"
    " l AS (SELECT kind, count(*) AS n FROM line GROUP BY kind)"
    " SELECT coalesce(u.kind, l.kind), coalesce(u.n, 0), coalesce(l.n, 0) FROM u FULL JOIN l ON l.kind = u.kind", 0
};
/* clang-format on */

void quotas_store_used(struct db_op ops[QUOTAS_STORE_OPS])
{
    ops[0] = (struct db_op){ .stmt = &standing };
    ops[1] = (struct db_op){ .stmt = &in_progress };
}
