/*
 * configs_write.c - one new version of the desired state, as statements of one transaction.
 *
 * They were prepared from an earlier read; the fences make the transaction fail as a whole when
 * that read is out of date. Lock order: the config's row first.
 */
#include <assert.h>

#include "shapes.h"
#include "steward/configs_store.h"
#include "steward/str.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt config_current = {
    "api_config_current",
    "SELECT c.version, v.sha256, c.sync,"
    " (SELECT r.state FROM runs r WHERE r.config = c.name AND r.kind = 'apply' ORDER BY r.id"
    " DESC LIMIT 1),"
    " v.document::text FROM configs c JOIN config_versions v ON v.config = c.name AND v.version"
    " = c.version"
    " WHERE c.name = $1",
    1
};
static const struct db_stmt clock_now = {
    "api_clock_now", "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint", 0
};

#define WANTED                                                                                 \
    "json_to_recordset($2::json) AS w(key text, kind text, name text, desired json,"          \
    " is_protected boolean)"
/* Made anew for every run: there is nothing of them to keep or to delete. */
#define PER_RUN                                                                                \
    "('datasetImportJob', 'solutionVersion', 'batchInferenceJob', 'batchSegmentJob',"         \
    " 'datasetExportJob', 'dataDeletionJob')"
static const struct db_stmt resources_foreign = {
    "api_resources_foreign",
    /* LIMIT: each is looked up by its key, however long the planner takes the list to be. */
    "SELECT r.key, r.config FROM unnest($2::text[]) AS w(key)"
    " CROSS JOIN LATERAL (SELECT * FROM resources q WHERE q.key = w.key LIMIT 1) r"
    " WHERE r.config IS NOT NULL AND r.config <> $1", 2
};

static const struct db_stmt config_fence = {
    "api_config_fence",
    "SELECT CASE WHEN (SELECT version FROM configs WHERE name = $1 FOR UPDATE) IS DISTINCT FROM"
    " $2::bigint"
    " THEN api_fence('ST001', 'the config has moved') END",
    2
};
static const struct db_stmt config_insert = {
    "api_config_insert",
    "INSERT INTO configs (name, version, sync, sync_reason, sync_message, health, health_reason,"
    " health_message)"
    " VALUES ($1, $2::bigint, 'outOfSync', 'neverApplied', 'Version ' || $2 || ' is being"
    " applied.',"
    " 'progressing', 'applying', 'The first apply is under way.')",
    2
};
static const struct db_stmt config_update = {
    "api_config_update",
    "UPDATE configs SET version = $2::bigint, updated_at = now(), sync = 'outOfSync',"
    " sync_reason = 'newVersion',"
    " sync_message = 'Version ' || $2 || ' is being applied.',"
    " sync_since = CASE WHEN sync = 'outOfSync' THEN sync_since ELSE now() END,"
    " health = 'progressing', health_reason = 'applying', health_message = 'Version ' || $2 || '"
    " is being applied.',"
    " health_since = CASE WHEN health = 'progressing' THEN health_since ELSE now() END WHERE"
    " name = $1",
    2
};
static const struct db_stmt version_insert = {
    "api_version_insert",
    "INSERT INTO config_versions (config, version, document, effective, sha256, message,"
    " revision, url, created_by)"
    " VALUES ($1, $2::bigint, $3::json, $4::json, $5, $6, $7, $8, $9)",
    9
};
/* The fence counts: a key that another config took between our read and now is not written, and
   is missed. */
static const struct db_stmt resources_want = {
    "api_resources_want",
    "WITH wanted AS (SELECT * FROM " WANTED "),"
    " put AS (INSERT INTO resources AS r (key, config, kind, name, desired, is_protected)"
    " SELECT key, $1, kind, name, desired, is_protected FROM wanted ORDER BY key"
    " ON CONFLICT (key) DO UPDATE SET desired = excluded.desired, config = coalesce(r.config,"
    " excluded.config), is_protected = excluded.is_protected"
    " WHERE r.config IS NULL OR r.config = excluded.config RETURNING 1)"
    " SELECT CASE WHEN (SELECT count(*) FROM put) <> (SELECT count(*) FROM wanted)"
    " THEN api_fence('ST001', 'a resource belongs to another config now') END",
    2
};
/* What the new version no longer asks for: forgotten when nothing lives there, else kept as
   unmanaged. */
static const struct db_stmt resources_drop = {
    "api_resources_drop",
    "WITH forgotten AS (DELETE FROM resources WHERE config = $1"
    " AND (arn IS NULL OR kind IN " PER_RUN ") AND NOT key = ANY ($2::text[]))"
    " UPDATE resources SET desired = NULL WHERE config = $1 AND arn IS NOT NULL"
    " AND kind NOT IN " PER_RUN " AND NOT key = ANY ($2::text[]) AND desired IS NOT NULL",
    2
};
static const struct db_stmt resources_left = {
    "api_resources_left",
    "SELECT key, kind, name, is_protected FROM resources WHERE config = $1 AND arn IS NOT NULL"
    " AND kind NOT IN " PER_RUN " AND NOT key = ANY ($2::text[]) ORDER BY key",
    2
};
/* Transaction-local, so that the statement that keeps the answer for an idempotency key finds it.
   */
static const struct db_stmt write_answer = {
    "api_config_answer",
    "SELECT set_config('steward.answer', json_build_object("
    "'config', (SELECT json_build_object(" SQL_CONFIG_MEMBERS ", 'document', v.document)"
    " FROM configs c JOIN config_versions v ON v.config = c.name AND v.version = c.version WHERE"
    " c.name = $1),"
    " 'run', (SELECT " SQL_RUN " FROM runs r WHERE r.id = $2), 'warnings', $3::json)::text,"
    " true)",
    3
};
/* clang-format on */

void configs_store_current(const char *name, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &config_current, .params = { name } };
}

void configs_store_now(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &clock_now };
}

void configs_store_foreign(const char *name, const char *keys, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &resources_foreign, .params = { name, keys } };
}

void configs_store_left(const char *name, const char *keys, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &resources_left, .params = { name, keys } };
}

void configs_store_fence(const char *name, const char *version, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &config_fence, .params = { name, version } };
}

size_t configs_store_write(const struct config_write *w, struct db_op *ops)
{
    bool is_new = !w->old_version, is_same = str_eq(w->old_version, w->version);
    size_t n = 0;

    if (!is_new)
        configs_store_fence(w->name, w->old_version, &ops[n++]);
    if (!is_same) {
        ops[n++] = (struct db_op){ .stmt = is_new ? &config_insert : &config_update,
                                   .params = { w->name, w->version } };
        ops[n++] =
            (struct db_op){ .stmt = &version_insert,
                            .params = { w->name, w->version, w->document, w->effective, w->sha256,
                                        w->message, w->revision, w->url, w->created_by } };
    }
    ops[n++] = (struct db_op){ .stmt = &resources_want, .params = { w->name, w->resources } };
    ops[n++] = (struct db_op){ .stmt = &resources_drop, .params = { w->name, w->resource_keys } };
    assert(n <= CONFIGS_STORE_WRITE_OPS);
    return n;
}

void configs_store_answer(const char *name, const char *run_id, const char *warnings,
                          struct db_op *op)
{
    *op = (struct db_op){ .stmt = &write_answer, .params = { name, run_id, warnings } };
}
