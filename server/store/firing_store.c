/*
 * firing_store.c - which schedules are due, and what is in their way.
 *
 * Every replica looks. Rows that another one is writing are passed over, so replicas share a crowd
 * instead of racing for it; correctness comes from the write (firing_write.c).
 */
#include "steward/firing_store.h"

#include <stdlib.h>
#include <string.h>

#include "row.h"
#include "steward/json.h"

#define BATCH_MAX 1000 /* two halves at once */

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt due = {
    "firing_due",
    "SELECT s.id, s.config, s.kind, s.run_options, s.expression, s.time_zone, s.overlap, s.catch_up,"
    " s.generation, s.updated_at, (SELECT c.version FROM configs c WHERE c.name = s.config) AS version,"
    " extract(epoch FROM s.next_nominal_at)::bigint AS nominal_s,"
    " floor(extract(epoch FROM clock_timestamp()))::bigint AS now_s,"
    " extract(epoch FROM s.end_at)::bigint AS end_s, s.starting_deadline_seconds, s.jitter_seconds,"
    " (SELECT server_is_paused()) AS is_server_paused,"
    " (s.paused_at IS NOT NULL AND (s.paused_until IS NULL OR s.paused_until > clock_timestamp()))"
    "  AS is_paused,"
    " CASE WHEN s.paused_at IS NOT NULL AND s.paused_until <= clock_timestamp()"
    "  THEN extract(epoch FROM s.paused_until)::bigint END AS paused_until_s,"
    " CASE WHEN (SELECT server_is_paused()) THEN (SELECT 'Spending is stopped' || coalesce(': ' || reason, '')"
    "  || '.' FROM server_pause) ELSE s.paused_reason END AS pause_reason"
    " FROM schedules s"
    " WHERE s.next_fire_at <= (SELECT clock_timestamp()) AND s.next_fire_at IS NOT NULL AND s.retired_at IS NULL"
    " AND (schedule_rank(s.kind) < 2 OR NOT schedule_has_elder(s.config, s.kind, s.next_nominal_at))"
    " ORDER BY s.next_fire_at LIMIT $1::int FOR NO KEY UPDATE OF s SKIP LOCKED",
    1
};
static const struct db_stmt next_due = {
    "firing_next_due",
    /* not min(): a plan of an empty table must not walk through a million rows later */
    "SELECT (SELECT (extract(epoch FROM next_fire_at - clock_timestamp()) * 1000)::bigint FROM schedules"
    "  WHERE next_fire_at IS NOT NULL AND retired_at IS NULL ORDER BY next_fire_at LIMIT 1),"
    " (SELECT until_at <= clock_timestamp() FROM server_pause)",
    0
};
static const struct db_stmt document = {
    "firing_document", "SELECT document FROM config_versions WHERE config = $1 AND version = $2::bigint", 2
};
static const struct db_stmt overlaps = {
    "firing_overlaps",
    "WITH t AS MATERIALIZED (SELECT * FROM json_to_recordset($2::json) AS t(t int, claims text[]))"
    " SELECT u.no, r.id FROM json_to_recordset($1::json) AS u(no int, schedule text, t int, config text,"
    "  kind text, nominal bigint) JOIN t ON t.t = u.t"
    " CROSS JOIN LATERAL (SELECT o.id FROM runs o WHERE o.state IN ('queued', 'running', 'cancelling') AND o.held_at IS NULL"
    "  AND (o.schedule_id = u.schedule OR o.claims && t.claims)"
    "  AND NOT (o.trigger = 'schedule' AND o.config = u.config"
    "   AND o.nominal_at >= date_trunc('minute', to_timestamp(u.nominal))"
    "   AND o.nominal_at < date_trunc('minute', to_timestamp(u.nominal)) + interval '1 minute'"
    "   AND schedule_rank(o.kind) BETWEEN 1 AND schedule_rank(u.kind) - 1)"
    "  ORDER BY o.id LIMIT 20) r ORDER BY u.no, r.id",
    2
};
/* 1 s, 2 s, 4 s, … up to five minutes. */
static const struct db_stmt postpone = {
    "firing_postpone",
    "UPDATE schedules SET fire_failures = least(fire_failures + 1, 20), next_fire_at = clock_timestamp()"
    " + least(interval '5 minutes', make_interval(secs => power(2, least(fire_failures, 10))))"
    " WHERE id = $1 AND generation = $2::int AND next_nominal_at = to_timestamp($3::bigint)"
    " AND retired_at IS NULL",
    3
};
/* clang-format on */

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
    s->updated_at = row_keep(r, "updated_at", arena);
    s->generation = (int) row_int(r, "generation");
    s->config_version = row_int(r, "version");
    s->nominal_s = row_int(r, "nominal_s");
    s->now_s = row_int(r, "now_s");
    s->end_s = row_int(r, "end_s");
    s->starting_deadline_s = row_int(r, "starting_deadline_seconds");
    s->jitter_s = row_int(r, "jitter_seconds");
    s->paused_until_s = row_int(r, "paused_until_s");
    s->is_server_paused = row_bool(r, "is_server_paused");
    s->is_paused = s->is_server_paused || row_bool(r, "is_paused");
    s->pause_reason = row_keep(r, "pause_reason", arena);
}

enum err_code firing_store_due(struct db_conn *c, struct arena *arena, struct due *out,
                               struct err *e)
{
    const char *limit = arena_printf(arena, "%d", BATCH_MAX);
    const struct db_op ops[] = { { .stmt = &due, .params = { limit } }, { .stmt = &next_due } };
    PGresult *results[2] = { 0 };
    int n;

    *out = (struct due){ .next_ms = -1 };
    TRY(db_run(c, ops, 2, results, e));
    n = PQntuples(results[0]);
    out->items = arena_alloc(arena, ((size_t) n + 1) * sizeof *out->items);
    out->count = (size_t) n;
    out->is_full = n == BATCH_MAX;
    for (int i = 0; i < n; i++)
        read_due((struct row){ results[0], i }, arena, &out->items[i]);
    if (!PQgetisnull(results[1], 0, 0))
        out->next_ms = strtoll(PQgetvalue(results[1], 0, 0), NULL, 10);
    out->is_pause_over = PQgetvalue(results[1], 0, 1)[0] == 't';
    PQclear(results[0]);
    PQclear(results[1]);
    return OK;
}

static const char *number(struct arena *arena, int64_t value)
{
    return arena_printf(arena, "%lld", (long long) value);
}

enum err_code firing_store_document(struct db_conn *c, const struct document_query *q,
                                    const char **text, struct err *e)
{
    const struct db_op op = { .stmt = &document,
                              .params = { q->config, number(q->arena, q->version) } };
    AUTO_PGRES PGresult *r = NULL;

    *text = NULL;
    TRY(db_query(c, &op, &r, e));
    if (PQntuples(r))
        *text = arena_strdup(q->arena, PQgetvalue(r, 0, 0));
    return OK;
}

enum err_code firing_store_overlaps(struct db_conn *c, const json_t *wanted,
                                    const json_t *templates, json_t *found, struct err *e)
{
    AUTO_FREE char *wanted_text = json_compact(wanted);
    AUTO_FREE char *templates_text = json_compact(templates);
    const struct db_op op = { .stmt = &overlaps, .params = { wanted_text, templates_text } };
    AUTO_PGRES PGresult *r = NULL;

    TRY(db_query(c, &op, &r, e));
    for (int i = 0; i < PQntuples(r); i++) {
        json_t *list = json_object_get(found, PQgetvalue(r, i, 0));

        if (!list) {
            list = json_array();
            json_object_set_new(found, PQgetvalue(r, i, 0), list);
        }
        json_array_append_new(list, json_string(PQgetvalue(r, i, 1)));
    }
    return OK;
}

enum err_code firing_store_postpone(struct db_conn *c, const struct due_schedule *s, struct err *e)
{
    AUTO_ARENA struct arena arena = { 0 };
    const struct db_op op = { .stmt = &postpone,
                              .params = { s->id, number(&arena, s->generation),
                                          number(&arena, s->nominal_s) } };

    return db_query(c, &op, NULL, e);
}
