/*
 * import_store.c - an import's document on its way to a config.
 *
 * What an import read stands in its step's details. Storing it is a transaction of its own, fenced
 * by the step's outcome, so that it happens once whoever does it.
 */
#include "steward/import_store.h"

#include "row.h"
#include "steward/configs_store.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt pending = {
    "import_pending",
    "SELECT r.id AS run_id, s.id AS step_id, r.created_by, r.options::text AS options,"
    " (s.details -> 'document')::text AS document, floor(extract(epoch FROM clock_timestamp()))::bigint AS now_s"
    " FROM runs r JOIN steps s ON s.run_id = r.id AND s.verb = 'import' AND s.state = 'succeeded'"
    " WHERE r.kind = 'adopt' AND r.config IS NULL AND r.state = 'succeeded' AND ($1::text IS NULL OR r.id = $1)"
    " AND s.details -> 'document' IS NOT NULL AND s.details -> 'outcome' IS NULL ORDER BY r.id LIMIT 5",
    1
};
static const struct db_stmt settle = {
    "import_settle",
    "WITH hit AS (UPDATE steps SET details = (details::jsonb || jsonb_build_object('outcome', $2::jsonb))::json"
    "  WHERE id = $1 AND details -> 'outcome' IS NULL RETURNING run_id),"
    " told AS (UPDATE runs SET reason = coalesce($2::jsonb ->> 'detail', reason), updated_at = clock_timestamp()"
    "  WHERE id IN (SELECT run_id FROM hit))"
    " SELECT CASE WHEN NOT EXISTS (SELECT FROM hit) THEN api_fence('ST001', 'the import is settled') END",
    2
};
static const struct db_stmt status = {
    "import_status",
    "UPDATE configs SET sync = 'synced', sync_reason = 'imported',"
    " sync_message = 'Made of what exists in Amazon Personalize; the first apply marks it as ours.',"
    " sync_since = clock_timestamp(), health = 'healthy', health_reason = 'imported', health_message = NULL,"
    " health_since = clock_timestamp(), observed_version = version WHERE name = $1",
    1
};
static const struct db_stmt own_run = {
    "import_own_run",
    "UPDATE runs SET config = $1, config_version = 1, updated_at = clock_timestamp() WHERE id = $2", 2
};
static const struct db_stmt pause_all = {
    "import_pause",
    "UPDATE schedules SET paused_at = clock_timestamp(), considered_at = clock_timestamp(),"
    " paused_reason = 'Imported: resume it when the config is to take over.' WHERE config = $1 AND retired_at IS NULL",
    1
};
/* clang-format on */

enum err_code import_store_pending(struct db_conn *c, const char *run_id, struct arena *arena,
                                   struct import_list *out, struct err *e)
{
    const struct db_op op = { .stmt = &pending, .params = { run_id } };
    AUTO_PGRES PGresult *result = NULL;

    *out = (struct import_list){ 0 };
    TRY(db_query(c, &op, &result, e));
    out->count = (size_t) PQntuples(result);
    out->items = arena_alloc(arena, (out->count + 1) * sizeof *out->items);
    for (size_t i = 0; i < out->count; i++) {
        struct row r = { result, (int) i };

        out->items[i] = (struct import_pending){ .run_id = row_keep(r, "run_id", arena),
                                                 .step_id = row_keep(r, "step_id", arena),
                                                 .created_by = row_keep(r, "created_by", arena),
                                                 .options = row_keep(r, "options", arena),
                                                 .document = row_keep(r, "document", arena),
                                                 .now_s = row_int(r, "now_s") };
    }
    return OK;
}

// NOLINTNEXTLINE(readability-function-size): whose, what, where to: each its own thing
enum err_code import_store_owner(struct db_conn *c, const char *name, const char *keys,
                                 struct arena *arena, struct import_owner *out, struct err *e)
{
    AUTO_PGRES PGresult *current = NULL, *foreign = NULL;
    struct db_op op;

    *out = (struct import_owner){ 0 };
    configs_store_exists(name, &op);
    TRY(db_query(c, &op, &current, e));
    out->exists = PQntuples(current) > 0;
    configs_store_foreign(name, keys, &op);
    TRY(db_query(c, &op, &foreign, e));
    if (PQntuples(foreign)) {
        out->key = arena_strdup(arena, PQgetvalue(foreign, 0, 0));
        out->config = arena_strdup(arena, PQgetvalue(foreign, 0, 1));
    }
    return OK;
}

void import_store_settle(const char *step_id, const char *outcome, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &settle, .params = { step_id, outcome } };
}

size_t import_store_take_over(const char *config, const char *run_id, struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &status, .params = { config } };
    ops[1] = (struct db_op){ .stmt = &own_run, .params = { config, run_id } };
    ops[2] = (struct db_op){ .stmt = &pause_all, .params = { config } };
    return 3;
}
