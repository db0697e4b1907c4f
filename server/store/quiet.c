/*
 * quiet.c - statements of runs that wait for quiet.
 *
 * Every scheduler looks; the row's end, at the time that was read, is the fence. Lock order:
 * config, trigger, the row.
 */
#include "steward/quiet_store.h"

#include "row.h"
#include "steward/id.h"

/* SQL has its own layout. */
/* clang-format off */
/* A trigger is asked what it starts when it starts. */
static const struct db_stmt due = {
    "quiet_due",
    "SELECT q.key, q.trigger_id, c.name AS config, coalesce(t.kind, q.kind) AS kind,"
    " coalesce(t.run_options, q.run_options)::text AS options, q.due_at::text AS due, c.version, v.document::text AS document"
    " FROM quiet_runs q LEFT JOIN triggers t ON t.id = q.trigger_id JOIN configs c ON c.name = coalesce(t.config, q.config)"
    " JOIN config_versions v ON v.config = c.name AND v.version = c.version"
    " WHERE q.due_at <= (SELECT clock_timestamp()) AND NOT (q.is_buying AND (SELECT server_is_paused()))"
    " AND coalesce(t.is_enabled, true) ORDER BY q.due_at LIMIT 50", 0
};
static const struct db_stmt lock = { "quiet_lock", "SELECT id FROM triggers WHERE id = $1 FOR UPDATE", 1 };
static const struct db_stmt fence = {
    "quiet_fence",
    "WITH gone AS (DELETE FROM quiet_runs WHERE key = $1 AND due_at = $2::timestamptz RETURNING 1)"
    " SELECT CASE WHEN NOT EXISTS (SELECT FROM gone) THEN api_fence('ST001', 'it was started, or something came') END", 2
};
static const struct db_stmt started = {
    "quiet_started",
    "WITH d AS (UPDATE trigger_deliveries SET state = 'started', run_id = $2 WHERE trigger_id = $1 AND state = 'waiting'"
    "  RETURNING id, data_version),"
    " t AS (UPDATE triggers SET last_started_at = clock_timestamp(), last_run_id = $2 WHERE id = $1)"
    " UPDATE runs SET trigger_id = $1, data_version = (SELECT d.data_version FROM d WHERE d.data_version IS NOT NULL"
    "  ORDER BY d.id DESC LIMIT 1) WHERE id = $2", 2
};
static const struct db_stmt failed = {
    "quiet_failed",
    "WITH gone AS (DELETE FROM quiet_runs WHERE key = $1 AND due_at = $2::timestamptz RETURNING *),"
    " d AS (UPDATE trigger_deliveries d SET state = 'failed', code = 'cannot-plan', reason = $3 FROM gone"
    "  WHERE d.trigger_id = gone.trigger_id AND d.state = 'waiting')"
    " INSERT INTO events (id, type, subject, config, data) SELECT $4, 'trigger.rejected',"
    "  CASE WHEN trigger_id IS NULL THEN 'configs/' || config ELSE 'triggers/' || trigger_id END, config,"
    "  jsonb_strip_nulls(jsonb_build_object('trigger', trigger_id, 'kind', kind, 'code', 'cannot-plan', 'reason', $3::text))"
    "  FROM gone", 4
};
/* clang-format on */

enum err_code quiet_store_due(struct db_conn *c, struct arena *arena, struct quiet_list *out,
                              struct err *e)
{
    const struct db_op op = { .stmt = &due };
    AUTO_PGRES PGresult *r = NULL;

    *out = (struct quiet_list){ 0 };
    TRY(db_query(c, &op, &r, e));
    out->count = (size_t) PQntuples(r);
    out->items = arena_alloc(arena, (out->count + 1) * sizeof *out->items);
    for (size_t i = 0; i < out->count; i++) {
        const struct row row = { r, (int) i };

        out->items[i] = (struct quiet_run){ .key = row_keep(row, "key", arena),
                                            .trigger = row_keep(row, "trigger_id", arena),
                                            .config = row_keep(row, "config", arena),
                                            .kind = row_keep(row, "kind", arena),
                                            .options = row_keep(row, "options", arena),
                                            .due = row_keep(row, "due", arena),
                                            .version = row_int(row, "version"),
                                            .document = row_keep(row, "document", arena) };
    }
    return OK;
}

size_t quiet_store_fence(const struct quiet_run *q, struct db_op *ops)
{
    size_t n = 0;

    if (q->trigger)
        ops[n++] = (struct db_op){ .stmt = &lock, .params = { q->trigger } };
    ops[n++] = (struct db_op){ .stmt = &fence, .params = { q->key, q->due } };
    return n;
}

void quiet_store_started(const struct quiet_run *q, const char *run_id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &started, .params = { q->trigger, run_id } };
}

void quiet_store_failed(struct arena *arena, const struct quiet_run *q, const char *reason,
                        struct db_op *op)
{
    char *id = arena_alloc(arena, ID_BYTES);

    id_new("evt", id);
    *op = (struct db_op){ .stmt = &failed, .params = { q->key, q->due, reason, id } };
}
