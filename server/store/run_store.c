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
/* Ids, not positions: a position would have the whole list parsed again for every edge. Arrays, not
   JSON: a quarter of the text. */
static const struct db_stmt insert_edges = {
    "run_insert_edges",
    "INSERT INTO step_edges (needs_id, step_id, is_always)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[])",
    3
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

static size_t count_edges(const json_t *rows)
{
    json_t *row;
    size_t i, n = 0;

    json_array_foreach (rows, i, row)
        n += json_array_size(json_object_get(row, "needs"));
    return n;
}

static const char *id_of(const json_t *row)
{
    return json_string_value(json_object_get(row, "id"));
}

/* Of rows whose "needs" are positions in the list: three columns, one element for each edge. */
static void add_edges(struct arena *arena, const json_t *rows, struct db_op *op)
{
    size_t most = count_edges(rows) + 1, n = 0, i, k;
    AUTO_FREE const char **needed = xcalloc(most, sizeof *needed);
    AUTO_FREE const char **steps = xcalloc(most, sizeof *steps);
    AUTO_FREE const char **always = xcalloc(most, sizeof *always);
    json_t *row, *need;

    json_array_foreach (rows, i, row)
        json_array_foreach (json_object_get(row, "needs"), k, need) {
            needed[n] = id_of(json_array_get(rows, (size_t) json_integer_value(need)));
            steps[n] = id_of(row);
            always[n++] = json_is_true(json_object_get(row, "is_always")) ? "t" : "f";
        }
    *op = (struct db_op){ .stmt = &insert_edges,
                          .params = { keep(arena, db_text_array(needed, n)),
                                      keep(arena, db_text_array(steps, n)),
                                      keep(arena, db_text_array(always, n)) } };
}

size_t run_store_insert(struct arena *arena, const struct run_new *run, const struct plan *plan,
                        struct db_op *ops)
{
    AUTO_JSON json_t *rows = plan_to_rows(plan);
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
    add_edges(arena, rows, &ops[n++]);
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
