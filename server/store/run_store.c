/*
 * run_store.c - the statements that create a run.
 *
 * A run is born queued, with all its steps blocked: admission (step_store) moves it to running once
 * it holds its claims. Everything here belongs into the transaction of what caused the run.
 */
#include "steward/run_store.h"

#include <assert.h>

#include "steward/json.h"

static const struct db_stmt insert_run = {
    "run_insert",
    "INSERT INTO runs (id, config, config_version, kind, trigger, schedule_id, nominal_at, "
    "retry_of, overlap, options, claims,"
    " created_by, open_steps, total_steps)"
    " SELECT $1, $2, $3::bigint, $4, $5, $6, $7::timestamptz, $8, $9, $10::json,"
    " ARRAY(SELECT json_array_elements_text($11::json)), $12, $13::int, $13::int",
    13
};
static const struct db_stmt insert_steps = {
    "run_insert_steps",
    "INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, pointer, blocked_by, "
    "request, tags, refs, options)"
    " SELECT u.id, $2, u.ordinal, u.kind, u.verb, u.name, u.resource_key, u.pointer, u.blocked_by, "
    "u.request, u.tags, u.refs,"
    " u.options FROM json_to_recordset($1::json) AS u(id text, ordinal int, kind text, verb text, "
    "name text,"
    " resource_key text, pointer text, blocked_by int, request json, tags json, refs jsonb, "
    "options json)",
    2
};
/* Ids, not positions: a position would have the whole list parsed again for every edge. */
static const struct db_stmt insert_edges = {
    "run_insert_edges",
    "INSERT INTO step_edges (needs_id, step_id, is_always)"
    " SELECT e.needs_id, e.step_id, coalesce(e.is_always, false)"
    " FROM json_to_recordset($1::json) AS e(needs_id text, step_id text, is_always boolean)",
    1
};
static const struct db_stmt insert_event = {
    "event_insert",
    "INSERT INTO events (id, type, subject, config, run_id, step_id, data)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)",
    7
};

static const char *keep(struct arena *arena, char *text)
{
    const char *copy = arena_strdup(arena, text);

    free(text);
    return copy;
}

void event_store_insert(struct arena *arena, const struct event_new *ev, struct db_op *op)
{
    char *id = arena_alloc(arena, ID_BYTES);

    id_new("evt", id);
    *op =
        (struct db_op){ .stmt = &insert_event,
                        .params = { id, ev->type, ev->subject, ev->config, ev->run_id, ev->step_id,
                                    ev->data ? keep(arena, json_compact(ev->data)) : "{}" } };
}

/* [{needs_id, step_id, is_always}] of rows whose "needs" are positions in the list. Caller owns. */
static json_t *edges_of(const json_t *rows)
{
    json_t *edges = json_array(), *row, *need;
    size_t i, k;

    json_array_foreach (rows, i, row)
        json_array_foreach (json_object_get(row, "needs"), k, need) {
            const json_t *needed = json_array_get(rows, (size_t) json_integer_value(need));

            json_array_append_new(edges, json_pack("{s:O, s:O, s:O?}", "needs_id",
                                                   json_object_get(needed, "id"), "step_id",
                                                   json_object_get(row, "id"), "is_always",
                                                   json_object_get(row, "is_always")));
        }
    return edges;
}

size_t run_store_insert(struct arena *arena, const struct run_new *run, const struct plan *plan,
                        struct db_op *ops)
{
    AUTO_JSON json_t *rows = plan_to_rows(plan);
    AUTO_JSON json_t *edges = edges_of(rows);
    AUTO_JSON json_t *claims = plan_claims(plan);
    AUTO_JSON json_t *data =
        json_pack("{s:s, s:s}", "kind", run_kind_name(run->kind), "trigger", run->trigger);
    const char *id = arena_strdup(arena, run->id);
    const char *rows_text = keep(arena, json_compact(rows));
    size_t n = 0;

    ops[n++] =
        (struct db_op){ .stmt = &insert_run,
                        .params = { id, run->config,
                                    arena_printf(arena, "%lld", (long long) run->config_version),
                                    run_kind_name(run->kind), run->trigger, run->schedule_id,
                                    run->nominal_at, run->retry_of, run->overlap,
                                    run->options ? keep(arena, json_compact(run->options)) : "{}",
                                    keep(arena, json_compact(claims)), run->created_by,
                                    arena_printf(arena, "%zu", plan->n_steps) } };
    ops[n++] = (struct db_op){ .stmt = &insert_steps, .params = { rows_text, id } };
    ops[n++] =
        (struct db_op){ .stmt = &insert_edges, .params = { keep(arena, json_compact(edges)) } };
    event_store_insert(arena,
                       &(struct event_new){ .type = "run.queued",
                                            .subject = arena_printf(arena, "runs/%s", id),
                                            .config = run->config,
                                            .run_id = id,
                                            .data = data },
                       &ops[n++]);
    assert(n <= RUN_STORE_OPS);
    return n;
}
