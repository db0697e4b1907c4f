/*
 * schedules_read.c - schedules and their fires as the API shows them.
 */
#include "shapes.h"
#include "steward/schedules_store.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt schedules_page = {
    "api_schedules_page",
    "SELECT s.id, " SQL_SCHEDULE " FROM schedules s WHERE s.retired_at IS NULL"
    " AND ($1::text IS NULL OR s.config = $1) AND ($2::text IS NULL OR s.kind = ANY ($2::text[]))"
    " AND ($3::boolean IS NULL OR " SQL_IS_PAUSED("s") " = $3::boolean)"
    " AND ($4::text IS NULL OR s.id < $4) ORDER BY s.id DESC LIMIT $5::int",
    5
};
static const struct db_stmt schedule_read = { "api_schedule_read",
                                              "SELECT " SQL_SCHEDULE " FROM schedules s WHERE"
    " s.id = $1", 1 };
static const struct db_stmt schedule_read_path = {
    "api_schedule_read_path",
    "SELECT " SQL_SCHEDULE " FROM schedules s WHERE s.config = $1 AND s.path = $2 AND s.retired_at IS NULL", 2
};
static const struct db_stmt schedules_named = {
    "api_schedules_named", "SELECT id FROM schedules WHERE name = $1 AND retired_at IS NULL LIMIT 2", 1
};
static const struct db_stmt schedule_fires = {
    "api_schedule_fires",
    "SELECT " SQL_AT("f.nominal_at") ", json_strip_nulls(json_build_object('nominalAt',"
    " " SQL_AT("f.nominal_at")
    ", 'nominalLocal', f.nominal_local, 'fold', f.fold, 'generation', f.generation, 'outcome',"
    " f.outcome,"
    " 'runId', f.run_id, 'count', f.count, 'fromAt', " SQL_AT("f.from_at") ", 'toAt',"
    " " SQL_AT("f.to_at")
    ", 'reason', f.reason, 'createdAt', " SQL_AT("f.created_at") ")) FROM schedule_fires f"
    " WHERE f.schedule_id = $1 AND ($2::timestamptz IS NULL OR f.nominal_at < $2::timestamptz)"
    " ORDER BY f.nominal_at DESC LIMIT $3::int",
    3
};
static const struct db_stmt schedule_spec = {
    "api_schedule_spec",
    "SELECT expression, time_zone, extract(epoch FROM start_at)::bigint, extract(epoch FROM"
    " end_at)::bigint,"
    " is_enabled AND retired_at IS NULL, extract(epoch FROM coalesce(next_nominal_at,"
    " created_at))::bigint,"
    " floor(extract(epoch FROM clock_timestamp()))::bigint, config, kind, run_options::text, path,"
    " retired_at IS NOT NULL, pointer, name, overlap, catch_up, starting_deadline_seconds,"
    " jitter_seconds, " SQL_AT("start_at") ", " SQL_AT("end_at") ", is_enabled"
    " FROM schedules WHERE id = $1",
    1
};
static const struct db_stmt schedules_owned = {
    "api_schedules_owned",
    "SELECT path, id FROM schedules WHERE config = $1 AND path IS NOT NULL AND retired_at IS"
    " NULL", 1
};
/* clang-format on */

void schedules_store_page(const struct schedules_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedules_page,
                          .params = { f->config, f->kinds, f->is_paused, f->before_id, f->limit } };
}

void schedules_store_read(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedule_read, .params = { id } };
}

void schedules_store_read_path(const char *config, const char *path, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedule_read_path, .params = { config, path } };
}

void schedules_store_named(const char *name, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedules_named, .params = { name } };
}

void schedules_store_fires(const char *id, const char *before, const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedule_fires, .params = { id, before, limit } };
}

void schedules_store_spec(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedule_spec, .params = { id } };
}

void schedules_store_owned(const char *config, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedules_owned, .params = { config } };
}
