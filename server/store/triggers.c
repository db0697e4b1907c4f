/*
 * triggers.c - statements of /triggers.
 *
 * What comes in through them is written by hooks.c; runs that wait for quiet are fired by a
 * scheduler (quiet.c).
 */
#include "steward/triggers_store.h"

#include "shapes.h"

/* SQL has its own layout. */
/* clang-format off */
#define SQL_TRIGGER                                                                                \
    "json_strip_nulls(json_build_object('id', t.id, 'name', t.name, 'config', t.config, 'kind', t.kind," \
    " 'options', t.run_options, 'auth', t.auth, 'topicArn', t.topic_arn, 'hook', '/hooks/' || t.id," \
    " 'cooldownSeconds', t.cooldown_seconds, 'maxPerDay', t.max_per_day, 'dedupeWindowSeconds'," \
    " t.dedupe_window_seconds, 'quietSeconds', t.quiet_seconds, 'enabled', t.is_enabled," \
    " 'dueAt', (SELECT " SQL_AT("q.due_at") " FROM quiet_runs q WHERE q.key = t.id)," \
    " 'lastReceivedAt', " SQL_AT("t.last_received_at") ", 'lastStartedAt', " SQL_AT("t.last_started_at") \
    ", 'lastRunId', t.last_run_id, 'oldSecretUntil', CASE WHEN t.old_secret_until > now() THEN " \
    SQL_AT("t.old_secret_until") " END, 'createdBy', t.created_by, 'createdAt', " SQL_AT("t.created_at") \
    ", 'updatedAt', " SQL_AT("t.updated_at") "))"

static const struct db_stmt page = {
    "api_triggers_page",
    "SELECT t.id, " SQL_TRIGGER " FROM triggers t WHERE ($1::text IS NULL OR t.config = ANY ($1::text[]))"
    " AND ($2::text IS NULL OR t.id < $2) ORDER BY t.id DESC LIMIT $3::int", 3
};
static const struct db_stmt read_one = {
    "api_trigger_read",
    "SELECT " SQL_TRIGGER ", t.id, t.auth, t.config, t.kind, t.run_options::text, t.secret, t.quiet_seconds"
    " FROM triggers t WHERE t.id = $1 OR t.name = $1", 1
};
static const struct db_stmt insert = {
    "api_trigger_insert",
    "INSERT INTO triggers (id, name, config, kind, run_options, topic_arn, cooldown_seconds, max_per_day,"
    " dedupe_window_seconds, quiet_seconds, is_enabled, auth, secret, created_by) VALUES ($1, $2, $3, $4,"
    " coalesce($5::json, '{}'), $6, coalesce($7::bigint, 0), coalesce($8::bigint, 24), coalesce($9::bigint, 300),"
    " coalesce($10::bigint, 0), coalesce($11::boolean, true), $12, $13, $14)", 14
};
#define OR_GONE                                                                            \
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the trigger" \
    " has changed') END"
static const struct db_stmt update = {
    "api_trigger_update",
    "WITH hit AS (UPDATE triggers SET name = coalesce($2, name), config = coalesce($3, config), kind = coalesce($4, kind),"
    " run_options = coalesce($5::json, run_options), topic_arn = coalesce($6, topic_arn),"
    " cooldown_seconds = coalesce($7::bigint, cooldown_seconds), max_per_day = coalesce($8::bigint, max_per_day),"
    " dedupe_window_seconds = coalesce($9::bigint, dedupe_window_seconds),"
    " quiet_seconds = coalesce($10::bigint, quiet_seconds), is_enabled = coalesce($11::boolean, is_enabled),"
    " updated_at = clock_timestamp() WHERE id = $1 RETURNING 1)" OR_GONE, 11
};
static const struct db_stmt lock_one = { "api_trigger_lock", "SELECT 1 FROM triggers WHERE id = $1 FOR UPDATE", 1 };
static const struct db_stmt fence = {
    "api_trigger_fence",
    "SELECT CASE WHEN (SELECT " SQL_TAG("(" SQL_TRIGGER ")::text") " FROM triggers t WHERE t.id = $1)"
    " IS DISTINCT FROM $2 THEN api_fence('ST001', 'the trigger has changed') END", 2
};
static const struct db_stmt delete_one = { "api_trigger_delete", "DELETE FROM triggers WHERE id = $1", 1 };
static const struct db_stmt rotate = {
    "api_trigger_rotate",
    "WITH hit AS (UPDATE triggers SET old_secret = secret, secret = $3, old_secret_until ="
    " clock_timestamp() + $4::bigint * interval '1 second', updated_at = clock_timestamp()"
    " WHERE id = $1 AND secret = $2 RETURNING 1)" OR_GONE, 4
};
static const struct db_stmt answer = {
    "api_trigger_answer",
    "SELECT set_config('steward.answer', (SELECT " SQL_TRIGGER " FROM triggers t WHERE t.id = $1)::text, true)", 1
};
static const struct db_stmt deliveries = {
    "api_trigger_deliveries",
    "SELECT d.id, " SQL_RECEIVED " FROM trigger_deliveries d WHERE d.trigger_id = $1"
    " AND ($2::text IS NULL OR d.state = ANY ($2::text[])) AND ($3::text IS NULL OR d.id < $3)"
    " ORDER BY d.id DESC LIMIT $4::int", 4
};
/* clang-format on */

void triggers_store_page(const struct triggers_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &page, .params = { f->configs, f->before_id, f->limit } };
}

void triggers_store_read(const char *id_or_name, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &read_one, .params = { id_or_name } };
}

void triggers_store_insert(const struct trigger_row *t, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &insert,
                          .params = { t->id, t->name, t->config, t->kind, t->options, t->topic_arn,
                                      t->cooldown, t->max_per_day, t->window, t->quiet,
                                      t->is_enabled, t->auth, t->secret, t->created_by } };
}

size_t triggers_store_fence(const char *id, const char *sha256, struct db_op *ops)
{
    if (!sha256)
        return 0;
    ops[0] = (struct db_op){ .stmt = &lock_one, .params = { id } };
    ops[1] = (struct db_op){ .stmt = &fence, .params = { id, sha256 } };
    return TRIGGERS_STORE_FENCE_OPS;
}

void triggers_store_update(const struct trigger_row *t, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &update,
                          .params = { t->id, t->name, t->config, t->kind, t->options, t->topic_arn,
                                      t->cooldown, t->max_per_day, t->window, t->quiet,
                                      t->is_enabled } };
}

void triggers_store_delete(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &delete_one, .params = { id } };
}

void triggers_store_rotate(const struct trigger_rotation *r, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &rotate,
                          .params = { r->id, r->old_secret, r->secret, r->overlap_seconds } };
}

void triggers_store_answer(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &answer, .params = { id } };
}

void triggers_store_deliveries(const struct received_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &deliveries,
                          .params = { f->trigger, f->states, f->before_id, f->limit } };
}
