/*
 * firing_store.c - due schedules, and firing exactly once.
 *
 * Every replica looks; the first whose transaction moves the schedule on wins, the others meet the
 * raising fence. The primary key of schedule_fires is the second line: one row per (schedule,
 * generation, nominal time).
 */
#include "steward/firing_store.h"

#include <stdlib.h>

#include "row.h"

static const struct db_stmt due = {
    "firing_due",
    "SELECT s.id, s.config, s.kind, s.run_options, s.expression, s.time_zone, s.overlap, "
    "s.catch_up, s.generation,"
    " c.version, v.document, extract(epoch FROM s.next_nominal_at)::bigint AS nominal_s,"
    " floor(extract(epoch FROM clock_timestamp()))::bigint AS now_s, extract(epoch FROM "
    "s.end_at)::bigint AS end_s,"
    " s.starting_deadline_seconds, s.jitter_seconds,"
    " (s.paused_at IS NOT NULL AND (s.paused_until IS NULL OR s.paused_until > clock_timestamp())) "
    "OR server_is_paused() AS is_paused,"
    " CASE WHEN server_is_paused() THEN (SELECT 'Spending is stopped' || coalesce(': ' || reason, "
    "'') || '.' FROM server_pause) ELSE s.paused_reason END AS pause_reason"
    " FROM schedules s JOIN configs c ON c.name = s.config"
    " JOIN config_versions v ON v.config = c.name AND v.version = c.version"
    " WHERE s.next_fire_at <= (SELECT clock_timestamp()) AND s.next_fire_at IS NOT NULL AND "
    "s.retired_at IS NULL"
    " ORDER BY s.next_fire_at LIMIT 100",
    0
};
static const struct db_stmt next_due = { "firing_next_due",
                                         "SELECT (extract(epoch FROM min(next_fire_at) - "
                                         "clock_timestamp()) * 1000)::bigint,"
                                         " (SELECT until_at <= clock_timestamp() FROM "
                                         "server_pause) FROM schedules"
                                         " WHERE next_fire_at IS NOT NULL AND retired_at IS NULL",
                                         0 };
static const struct db_stmt overlap = {
    "firing_overlap",
    "SELECT id FROM runs WHERE state IN ('queued', 'running', 'cancelling')"
    " AND (schedule_id = $1 OR claims && ARRAY(SELECT json_array_elements_text($2::json))) LIMIT 1",
    2
};
static const struct db_stmt move_on = {
    "firing_move",
    "WITH hit AS (UPDATE schedules SET considered_at = to_timestamp($4::bigint), next_nominal_at = "
    "to_timestamp($5::bigint),"
    " next_fire_at = to_timestamp($6::bigint) WHERE id = $1 AND generation = $2::int"
    " AND next_nominal_at = to_timestamp($3::bigint) AND retired_at IS NULL RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the schedule has "
    "moved on') END",
    6
};
static const struct db_stmt insert_fires = {
    "firing_fires",
    "INSERT INTO schedule_fires (schedule_id, generation, nominal_local, fold, nominal_at, "
    "outcome, run_id, count, from_at,"
    " to_at, reason) SELECT $1, $2::int, u.local, u.fold, to_timestamp(u.at), u.outcome, "
    "u.\"runId\", coalesce(u.count, 1),"
    " to_timestamp(u.\"from\"), to_timestamp(u.\"to\"), u.reason FROM json_to_recordset($3::json)"
    " AS u(local text, fold int, at bigint, outcome text, \"runId\" text, count bigint, \"from\" "
    "bigint, \"to\" bigint,"
    " reason text)",
    3
};

static const struct db_stmt skip_on = {
    "firing_skip",
    "WITH hit AS (UPDATE schedules SET considered_at = to_timestamp($4::bigint), next_nominal_at = "
    "to_timestamp($5::bigint),"
    " next_fire_at = to_timestamp($6::bigint) WHERE id = $1 AND generation = $2::int"
    " AND next_nominal_at = to_timestamp($3::bigint) AND retired_at IS NULL"
    " AND EXISTS (SELECT 1 FROM schedule_fires f JOIN json_to_recordset($7::json) AS u(local text, "
    "fold int)"
    " ON f.nominal_local = u.local AND f.fold = u.fold WHERE f.schedule_id = $1 AND f.generation = "
    "$2::int) RETURNING id)"
    " SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM hit) THEN api_fence('ST001', 'the schedule has "
    "moved on') END",
    7
};

static void read_due(struct row r, struct arena *arena, struct due_schedule *s)
{
    s->id = row_keep(r, "id", arena);
    s->config = row_keep(r, "config", arena);
    s->kind = row_keep(r, "kind", arena);
    s->run_options = row_keep(r, "run_options", arena);
    s->expression = row_keep(r, "expression", arena);
    s->time_zone = row_keep(r, "time_zone", arena);
    s->overlap = row_keep(r, "overlap", arena);
    s->catch_up = row_keep(r, "catch_up", arena);
    s->document = row_keep(r, "document", arena);
    s->generation = (int) row_int(r, "generation");
    s->config_version = row_int(r, "version");
    s->nominal_s = row_int(r, "nominal_s");
    s->now_s = row_int(r, "now_s");
    s->end_s = row_int(r, "end_s");
    s->starting_deadline_s = row_int(r, "starting_deadline_seconds");
    s->jitter_s = row_int(r, "jitter_seconds");
    s->is_paused = row_bool(r, "is_paused");
    s->pause_reason = row_keep(r, "pause_reason", arena);
}

enum err_code firing_store_due(struct db_conn *c, struct arena *arena, struct due *out,
                               struct err *e)
{
    const struct db_op ops[] = { { .stmt = &due }, { .stmt = &next_due } };
    PGresult *results[2] = { 0 };
    int n;

    *out = (struct due){ .next_ms = -1 };
    TRY(db_run(c, ops, 2, results, e));
    n = PQntuples(results[0]);
    out->items = arena_alloc(arena, ((size_t) n + 1) * sizeof *out->items);
    out->count = (size_t) n;
    for (int i = 0; i < n; i++)
        read_due((struct row){ results[0], i }, arena, &out->items[i]);
    if (!PQgetisnull(results[1], 0, 0))
        out->next_ms = strtoll(PQgetvalue(results[1], 0, 0), NULL, 10);
    out->is_pause_over = PQgetvalue(results[1], 0, 1)[0] == 't';
    PQclear(results[0]);
    PQclear(results[1]);
    return OK;
}

enum err_code firing_store_overlap(struct db_conn *c, const struct overlap_query *q,
                                   const char **run_id, struct err *e)
{
    const struct db_op op = { .stmt = &overlap, .params = { q->schedule_id, q->claims } };
    AUTO_PGRES PGresult *r = NULL;

    *run_id = NULL;
    TRY(db_query(c, &op, &r, e));
    if (PQntuples(r))
        *run_id = arena_strdup(q->arena, PQgetvalue(r, 0, 0));
    return OK;
}

static const char *number(struct arena *arena, int64_t value)
{
    return arena_printf(arena, "%lld", (long long) value);
}

static void move_fill(struct arena *arena, const struct firing_move *move,
                      const struct db_stmt *stmt, struct db_op *op)
{
    const struct due_schedule *s = move->schedule;

    *op = (struct db_op){ .stmt = stmt,
                          .params = { s->id, number(arena, s->generation),
                                      number(arena, s->nominal_s), number(arena, s->now_s),
                                      move->next_s ? number(arena, move->next_s) : NULL,
                                      move->next_s ? number(arena, move->next_fire_s) : NULL } };
}

size_t firing_store_move(struct arena *arena, const struct firing_move *move, struct db_op *ops)
{
    const struct due_schedule *s = move->schedule;

    move_fill(arena, move, &move_on, &ops[0]);
    ops[1] = (struct db_op){ .stmt = &insert_fires,
                             .params = { s->id, number(arena, s->generation), move->fires } };
    return FIRING_STORE_OPS;
}

void firing_store_skip(struct arena *arena, const struct firing_move *move, struct db_op *op)
{
    move_fill(arena, move, &skip_on, op);
    op->params[6] = move->fires;
}
