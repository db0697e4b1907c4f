/*
 * schedules_write.c - the schedules of a config's document, and the pauses people make.
 *
 * A specification is compared as a whole: unchanged means nothing about the row moves; changed
 * means a new generation, whose nominal times are considered from now on. A pause survives both.
 */
#include <string.h>

#include "shapes.h"
#include "steward/schedules_store.h"
#include "steward/str.h"

/* SQL has its own layout. */
/* clang-format off */
#define SPEC(x)                                                                                    \
    "(" x ".kind, " x ".run_options::text, " x ".expression, " x ".time_zone, " x ".start_at," \
    " " x \
    ".end_at, " x ".overlap, " x ".catch_up, " x ".starting_deadline_seconds, " x \
    ".jitter_seconds, " x ".is_enabled)"
#define IS_CHANGED           SPEC("s") " IS DISTINCT FROM " SPEC("excluded")
#define IF_CHANGED(new, old) "CASE WHEN " IS_CHANGED " THEN " new " ELSE " old " END"

static const struct db_stmt schedules_put = {
    "api_schedules_put",
    "INSERT INTO schedules AS s (id, config, path, pointer, kind, run_options, expression,"
    " description, time_zone,"
    " start_at, end_at, overlap, catch_up, starting_deadline_seconds, jitter_seconds, is_enabled,"
    " next_nominal_at, next_fire_at)"
    " SELECT w.id, $1, w.path, w.pointer, w.kind, w.\"runOptions\", w.expression, w.description,"
    " w.\"timeZone\","
    " w.\"startAt\", w.\"endAt\", w.overlap, w.\"catchUp\", w.\"startingDeadlineSeconds\","
    " w.\"jitterSeconds\","
    " w.enabled, w.\"nextNominalAt\", w.\"nextFireAt\""
    " FROM json_to_recordset($2::json) AS w(id text, path text, pointer text, kind text,"
    " \"runOptions\" json,"
    " expression text, description text, \"timeZone\" text, \"startAt\" timestamptz, \"endAt\""
    " timestamptz,"
    " overlap text, \"catchUp\" text, \"startingDeadlineSeconds\" bigint, \"jitterSeconds\""
    " bigint, enabled boolean,"
    " \"nextNominalAt\" timestamptz, \"nextFireAt\" timestamptz) ORDER BY w.path"
    " ON CONFLICT (config, path) WHERE path IS NOT NULL AND retired_at IS NULL DO UPDATE SET"
    " pointer = excluded.pointer, description = excluded.description,"
    " kind = excluded.kind, run_options = excluded.run_options, expression = excluded.expression,"
    " time_zone = excluded.time_zone, start_at = excluded.start_at, end_at = excluded.end_at,"
    " overlap = excluded.overlap, catch_up = excluded.catch_up,"
    " starting_deadline_seconds = excluded.starting_deadline_seconds, jitter_seconds ="
    " excluded.jitter_seconds,"
    " is_enabled = excluded.is_enabled, generation = s.generation + " IF_CHANGED("1", "0") ","
    " considered_at = " IF_CHANGED("clock_timestamp()", "s.considered_at") ","
    " next_nominal_at = " IF_CHANGED("excluded.next_nominal_at", "s.next_nominal_at") ","
    " next_fire_at = " IF_CHANGED("excluded.next_fire_at", "s.next_fire_at") ","
    " updated_at = " IF_CHANGED("now()", "s.updated_at"),
    2
};
static const struct db_stmt schedules_retire = {
    "api_schedules_retire",
    "UPDATE schedules SET retired_at = now(), next_nominal_at = NULL, next_fire_at = NULL,"
    " updated_at = now()"
    " WHERE config = $1 AND path IS NOT NULL AND retired_at IS NULL AND NOT path = ANY"
    " ($2::text[])",
    2
};
#define OWN_ROW                                                                                    \
    "json_to_record($1::json) AS w(id text, config text, name text, kind text, \"runOptions\" json," \
    " expression text, description text, \"timeZone\" text, \"startAt\" timestamptz," \
    " \"endAt\" timestamptz, overlap text, \"catchUp\" text, \"startingDeadlineSeconds\" bigint," \
    " \"jitterSeconds\" bigint, enabled boolean, \"nextNominalAt\" timestamptz," \
    " \"nextFireAt\" timestamptz)"
static const struct db_stmt own_insert = {
    "api_schedule_own_insert",
    "INSERT INTO schedules (id, config, name, kind, run_options, expression, description, time_zone,"
    " start_at, end_at, overlap, catch_up, starting_deadline_seconds, jitter_seconds, is_enabled,"
    " next_nominal_at, next_fire_at)"
    " SELECT w.id, w.config, w.name, w.kind, w.\"runOptions\", w.expression, w.description,"
    " w.\"timeZone\", w.\"startAt\", w.\"endAt\", w.overlap, w.\"catchUp\","
    " w.\"startingDeadlineSeconds\", w.\"jitterSeconds\", w.enabled, w.\"nextNominalAt\","
    " w.\"nextFireAt\" FROM " OWN_ROW,
    1
};
#define OWN_CHANGED                                                                                \
    SPEC("s") " IS DISTINCT FROM (w.kind, w.\"runOptions\"::text, w.expression, w.\"timeZone\"," \
    " w.\"startAt\", w.\"endAt\", w.overlap, w.\"catchUp\", w.\"startingDeadlineSeconds\"," \
    " w.\"jitterSeconds\", w.enabled)"
#define IF_OWN_CHANGED(new, old) "CASE WHEN " OWN_CHANGED " THEN " new " ELSE " old " END"
static const struct db_stmt own_update = {
    "api_schedule_own_update",
    "WITH hit AS (UPDATE schedules s SET name = w.name, kind = w.kind, run_options = w.\"runOptions\","
    " expression = w.expression, description = w.description, time_zone = w.\"timeZone\","
    " start_at = w.\"startAt\", end_at = w.\"endAt\", overlap = w.overlap, catch_up = w.\"catchUp\","
    " starting_deadline_seconds = w.\"startingDeadlineSeconds\", jitter_seconds = w.\"jitterSeconds\","
    " is_enabled = w.enabled, generation = s.generation + " IF_OWN_CHANGED("1", "0") ","
    " considered_at = " IF_OWN_CHANGED("clock_timestamp()", "s.considered_at") ","
    " next_nominal_at = " IF_OWN_CHANGED("w.\"nextNominalAt\"", "s.next_nominal_at") ","
    " next_fire_at = " IF_OWN_CHANGED("w.\"nextFireAt\"", "s.next_fire_at") ","
    " fire_failures = 0, updated_at = clock_timestamp() FROM " OWN_ROW
    " WHERE s.id = w.id AND s.path IS NULL AND s.retired_at IS NULL RETURNING s.id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the schedule is"
    " gone') END",
    1
};
static const struct db_stmt own_retire = {
    "api_schedule_own_retire",
    "WITH hit AS (UPDATE schedules SET retired_at = clock_timestamp(), next_nominal_at = NULL,"
    " next_fire_at = NULL, updated_at = clock_timestamp()"
    " WHERE id = $1 AND path IS NULL AND retired_at IS NULL RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the schedule is"
    " gone') END",
    1
};
static const struct db_stmt schedule_pause = {
    "api_schedule_pause",
    "WITH hit AS (UPDATE schedules SET paused_at = coalesce(paused_at, clock_timestamp()),"
    " paused_until = $2::timestamptz, paused_reason = $3, paused_by = $4, updated_at = clock_timestamp()"
    " WHERE id = $1 AND retired_at IS NULL RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the schedule is"
    " gone') END",
    4
};
static const struct db_stmt schedule_resume = {
    "api_schedule_resume",
    "WITH hit AS (UPDATE schedules SET paused_at = NULL, paused_until = NULL, paused_reason ="
    " NULL, paused_by = NULL,"
    " updated_at = clock_timestamp() WHERE id = $1 AND retired_at IS NULL RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the schedule is"
    " gone') END",
    1
};
static const struct db_stmt schedule_answer = {
    "api_schedule_answer",
    "SELECT set_config('steward.answer', (SELECT " SQL_SCHEDULE " FROM schedules s WHERE s.id ="
    " $1)::text, true)",
    1
};
/* Two statements: the second sees what the first waited for. */
static const struct db_stmt own_lock = {
    "schedules_lock", "SELECT 1 FROM schedules WHERE id = $1 FOR UPDATE", 1
};
static const struct db_stmt own_fence = {
    "schedules_fence",
    "SELECT CASE WHEN (SELECT " SQL_TAG("(" SQL_SCHEDULE ")::text") " FROM schedules s WHERE s.id = $1)"
    " IS DISTINCT FROM $2 THEN api_fence('ST001', 'the schedule has changed') END", 2
};
/* clang-format on */

size_t schedules_store_write(const char *config, const char *rows, const char *paths,
                             struct db_op *ops)
{
    ops[0] = (struct db_op){ .stmt = &schedules_retire, .params = { config, paths } };
    ops[1] = (struct db_op){ .stmt = &schedules_put, .params = { config, rows } };
    return SCHEDULES_STORE_WRITE_OPS;
}

size_t schedules_store_fence(const char *id, const char *sha256, struct db_op *ops)
{
    if (!sha256)
        return 0;
    ops[0] = (struct db_op){ .stmt = &own_lock, .params = { id } };
    ops[1] = (struct db_op){ .stmt = &own_fence, .params = { id, sha256 } };
    return SCHEDULES_STORE_FENCE_OPS;
}

void schedules_store_put_own(const char *row, bool is_new, struct db_op *op)
{
    *op = (struct db_op){ .stmt = is_new ? &own_insert : &own_update, .params = { row } };
}

void schedules_store_retire_own(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &own_retire, .params = { id } };
}

void schedules_store_pause(const char *id, const char *until, const char *reason, const char *by,
                           struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedule_pause, .params = { id, until, reason, by } };
}

void schedules_store_resume(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedule_resume, .params = { id } };
}

void schedules_store_answer(const char *id, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &schedule_answer, .params = { id } };
}
