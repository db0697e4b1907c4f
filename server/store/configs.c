/*
 * configs.c - configs as the API reads them: one statement per answer, its JSON built by
 * PostgreSQL.
 */
#include "shapes.h"
#include "steward/configs_store.h"

/* SQL has its own layout. */
/* clang-format off */
/* The document is joined as text: json_strip_nulls would drop the nulls of a user's document. */
#define CONFIG_WITH(document)                                                                      \
    "SELECT json_build_object(" SQL_CONFIG_MEMBERS ", 'document', v." document ")::text," \
    " c.version" \
    " FROM configs c JOIN config_versions v ON v.config = c.name AND v.version = c.version" \
    " WHERE c.name = $1"
#define VERSION_MEMBERS                                                                            \
    "'config', v.config, 'version', v.version, 'sha256', v.sha256, 'message', v.message," \
    " 'revision', v.revision, 'url', v.url, 'createdBy', v.created_by, 'createdAt', " \
    SQL_AT("v.created_at")
#define VERSION_WITH(document)                                                                     \
    "SELECT json_build_object(" VERSION_MEMBERS ", 'document', v." document ")::text" \
    " FROM config_versions v WHERE v.config = $1 AND v.version = $2::bigint"

static const struct db_stmt config_read = { "api_config_read", CONFIG_WITH("document"), 1 };
static const struct db_stmt config_read_effective = { "api_config_read_effective",
                                                      CONFIG_WITH("effective"), 1 };
static const struct db_stmt configs_page = {
    "api_configs_page",
    "SELECT c.name, json_strip_nulls(json_build_object(" SQL_CONFIG_MEMBERS "))"
    " FROM configs c JOIN config_versions v ON v.config = c.name AND v.version = c.version"
    " WHERE $1::text IS NULL OR c.name > $1 ORDER BY c.name LIMIT $2::int",
    2
};
static const struct db_stmt config_versions = {
    "api_config_versions",
    "SELECT v.version, json_strip_nulls(json_build_object(" VERSION_MEMBERS ")) FROM"
    " config_versions v"
    " WHERE v.config = $1 AND ($2::bigint IS NULL OR v.version < $2::bigint)"
    " ORDER BY v.version DESC LIMIT $3::int",
    3
};
static const struct db_stmt config_version = { "api_config_version", VERSION_WITH("document"), 2 };
static const struct db_stmt config_version_effective = { "api_config_version_effective",
                                                         VERSION_WITH("effective"), 2 };
static const struct db_stmt config_resources = {
    "api_config_resources",
    "SELECT r.key, json_build_object('key', r.key, 'kind', r.kind, 'name', r.name, 'arn', r.arn,"
    " 'status', r.status, 'adopted', r.is_adopted, 'desired', r.desired, 'observed', r.observed,"
    " 'drift', coalesce(r.drift, '[]'::jsonb), 'failureReason', r.failure_reason, 'details',"
    " live_details(r.details),"
    " 'runId', r.run_id, 'awsCreatedAt', " SQL_AT("r.aws_created_at") ", 'awsUpdatedAt', "
    SQL_AT("r.aws_updated_at") ", 'observedAt', " SQL_AT("r.observed_at")
    ", 'ageSeconds', extract(epoch FROM now() - r.observed_at)::bigint)"
    " FROM resources r WHERE r.config = $1 AND ($2::text IS NULL OR r.key > $2) ORDER BY r.key"
    " LIMIT $3::int",
    3
};
static const struct db_stmt config_exists = { "api_config_exists",
                                              "SELECT name FROM configs WHERE name = $1", 1 };
static const struct db_stmt solution_versions = {
    "api_solution_versions",
    "SELECT v.arn, json_strip_nulls(json_build_object('arn', v.arn, 'solution', v.solution,"
    " 'config', v.config,"
    " 'name', v.name, 'status', v.status, 'trainingMode', v.training_mode, 'trainingType',"
    " v.training_type,"
    " 'trainingHours', v.training_hours, 'metrics', v.metrics, 'failureReason', v.failure_reason,"
    " 'runId', v.run_id, 'adopted', v.is_adopted, 'awsCreatedAt', " SQL_AT("v.aws_created_at")
    ", 'awsUpdatedAt', " SQL_AT("v.aws_updated_at") ", 'createdAt', " SQL_AT("v.created_at")
    ", 'serves', (SELECT json_agg(json_build_object('kind', r.kind, 'name', r.name) ORDER BY"
    " r.key)"
    " FROM resources r WHERE r.kind = 'campaign' AND r.observed ->> 'solutionVersionArn' ="
    " v.arn),"
    /* Of recipes that have them ($4), and once a newer version is there. */
    " 'note', (SELECT 'A newer version exists: Amazon''s free two-hourly updates go to that one, and"
    " this one gets none any more.' WHERE EXISTS (SELECT FROM resources r WHERE r.kind = 'campaign'"
    " AND r.observed ->> 'solutionVersionArn' = v.arn) AND EXISTS (SELECT FROM solution_versions n"
    " WHERE n.solution = v.solution AND n.status = 'ACTIVE' AND n.aws_created_at > v.aws_created_at)"
    " AND EXISTS (SELECT FROM resources q WHERE q.key = 'solution/' || v.solution"
    " AND split_part(q.observed ->> 'recipeArn', 'recipe/', 2) = ANY ($4::text[])))))"
    " FROM solution_versions v WHERE v.solution = $1"
    " AND ($2::text IS NULL OR (v.aws_created_at, v.arn) < (SELECT b.aws_created_at, b.arn"
    " FROM solution_versions b WHERE b.arn = $2))"
    " ORDER BY v.aws_created_at DESC, v.arn DESC LIMIT $3::int",
    4
};
static const struct db_stmt solution_exists = {
    "api_solution_exists", "SELECT key FROM resources WHERE key = $1 AND kind = 'solution'", 1
};
/* clang-format on */

void configs_store_read(const char *name, bool is_effective, struct db_op *op)
{
    *op = (struct db_op){ .stmt = is_effective ? &config_read_effective : &config_read,
                          .params = { name } };
}

void configs_store_page(const char *after_name, const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &configs_page, .params = { after_name, limit } };
}

void configs_store_versions(const char *name, const char *before_version, const char *limit,
                            struct db_op *op)
{
    *op = (struct db_op){ .stmt = &config_versions, .params = { name, before_version, limit } };
}

void configs_store_version(const char *name, const char *version, bool is_effective,
                           struct db_op *op)
{
    *op = (struct db_op){ .stmt = is_effective ? &config_version_effective : &config_version,
                          .params = { name, version } };
}

void configs_store_resources(const char *name, const char *after_key, const char *limit,
                             struct db_op *op)
{
    *op = (struct db_op){ .stmt = &config_resources, .params = { name, after_key, limit } };
}

void configs_store_exists(const char *name, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &config_exists, .params = { name } };
}

void configs_store_solution_versions(const struct versions_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &solution_versions,
                          .params = { f->solution, f->before, f->limit, f->updated_recipes } };
}

void configs_store_solution_exists(const char *key, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &solution_exists, .params = { key } };
}
