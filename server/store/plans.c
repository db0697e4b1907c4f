/*
 * plans.c - statements about plans: what the inventory says, and those that are kept for a day.
 */
#include "shapes.h"
#include "steward/plans_store.h"

/* SQL has its own layout. */
/* clang-format off */
/* What is there besides the resources of the plan; of jobs and versions what is in progress. */
#define OTHERS                                                                                     \
    "r.arn IS NOT NULL AND NOT r.key = ANY ($2::text[]) AND (r.status ~ 'PENDING|IN_PROGRESS'"     \
    " OR NOT r.kind = ANY ('{datasetImportJob,solutionVersion,batchInferenceJob,batchSegmentJob}'))"
#define COUNTS(condition)                                                                          \
    "(SELECT coalesce(json_object_agg(x.kind, x.n), '{}') FROM (SELECT r.kind, count(*) AS n"      \
    " FROM resources r WHERE " OTHERS condition " GROUP BY r.kind) x)"
static const struct db_stmt facts = {
    "plan_facts",
    "SELECT json_build_object('account', " COUNTS("") ", 'group', " COUNTS(" AND r.config = $1")
    ", 'trainings', (SELECT coalesce(json_object_agg(x.name, x.n), '{}') FROM (SELECT s.name, sum(s.spent) AS n"
    "   FROM steps s WHERE s.kind = 'solutionVersion' AND s.spent > 0 AND s.resource_key = ANY ($2::text[])"
    "    AND s.last_mark_at > clock_timestamp() - interval '24 hours' GROUP BY s.name) x)"
    ", 'hours', (SELECT coalesce(json_object_agg(x.solution, x.training_hours), '{}')"
    "   FROM (SELECT DISTINCT ON (v.solution) v.solution, v.training_hours FROM solution_versions v"
    "    WHERE 'solution/' || v.solution = ANY ($2::text[]) AND v.training_hours IS NOT NULL"
    "    ORDER BY v.solution, v.aws_created_at DESC NULLS LAST) x)"
    ", 'left', (SELECT coalesce(json_object_agg(r.key, json_strip_nulls(json_build_object('observed', r.observed,"
    "   'recipeArn', s.observed ->> 'recipeArn'))), '{}') FROM resources r LEFT JOIN resources s ON s.kind = 'solution'"
    "    AND s.arn = regexp_replace(r.observed ->> 'solutionVersionArn', '/[^/]*$', '')"
    "   WHERE r.config = $1 AND r.kind IN ('campaign', 'recommender') AND r.arn IS NOT NULL AND NOT r.key = ANY ($2::text[])))"
    "::text",
    2
};
static const struct db_stmt sweep = { "plan_sweep", "DELETE FROM plans WHERE expires_at < now() - interval '1 day'", 0 };
static const struct db_stmt insert = {
    "plan_insert",
    "INSERT INTO plans (id, config, config_version, document, facts, message, revision, url, created_by, run_id,"
    " is_prune) VALUES ($1, $2, $3::bigint, $4::json, $5::json, $6, $7, $8, $9, $10, $11::boolean)",
    11
};
#define PLAN                                                                                       \
    "json_strip_nulls(json_build_object('id', p.id, 'status', CASE"                                \
    "  WHEN p.applied_at IS NOT NULL THEN 'applied' WHEN p.expires_at <= now() THEN 'expired'"     \
    "  WHEN r.id IS NULL OR r.state = 'cancelled' THEN 'failed'"                                   \
    "  WHEN r.finished_at IS NULL THEN 'looking' ELSE 'ready' END,"                                \
    " 'config', p.config, 'configVersion', p.config_version, 'prune', CASE WHEN p.is_prune THEN true END, 'run', p.run_id, 'message', p.message," \
    " 'revision', p.revision, 'url', p.url, 'createdBy', p.created_by, 'createdAt', "              \
    SQL_AT("p.created_at") ", 'expiresAt', " SQL_AT("p.expires_at") ", 'appliedAt', "              \
    SQL_AT("p.applied_at") ", 'appliedRun', p.applied_run))"
#define PLAN_FROM " FROM plans p LEFT JOIN runs r ON r.id = p.run_id WHERE p.id = $1"
static const struct db_stmt read_one = {
    "plan_read",
    "SELECT " PLAN "::text, p.document::text, p.facts::text, p.config_version, r.id,"
    " p.expires_at <= now(), p.applied_at IS NOT NULL, p.is_prune" PLAN_FROM,
    1
};
static const struct db_stmt answer = {
    "plan_answer", "SELECT set_config('steward.answer', (SELECT " PLAN PLAN_FROM ")::text, true)", 1
};
static const struct db_stmt applied = {
    "plan_applied",
    "WITH hit AS (UPDATE plans SET applied_at = clock_timestamp(), applied_run = $2"
    "  WHERE id = $1 AND applied_at IS NULL RETURNING 1)"
    " SELECT CASE WHEN NOT EXISTS (SELECT FROM hit) THEN api_fence('ST001', 'the plan was applied meanwhile') END",
    2
};
/* clang-format on */

void plans_store_facts(const char *config, const char *keys, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &facts, .params = { config, keys } };
}

size_t plans_store_insert(const struct plan_new *p, struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &sweep };
    ops[1] = (struct db_op){ .stmt = &insert,
                             .params = { p->id, p->config, p->config_version, p->document, p->facts,
                                         p->message, p->revision, p->url, p->created_by, p->run_id,
                                         p->is_prune ? "true" : "false" } };
    return 2;
}

void plans_store_read(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &read_one, .params = { id } };
}

void plans_store_answer(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &answer, .params = { id } };
}

void plans_store_applied(const char *id, const char *run_id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &applied, .params = { id, run_id } };
}
