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

static void add_words(struct buf *out, const char *member, const char *text)
{
    buf_printf(out, ",\"%s\":", member);
    json_add_string(out, text);
}

static void add_document(struct buf *out, const char *member, const json_t *value)
{
    buf_printf(out, ",\"%s\":", member);
    json_add(out, value);
}

/* The rows of insert_steps, as text at once: forty steps are two thousand values of jansson's. */
static const char *steps_json(struct arena *arena, const struct plan *plan, const char *const *ids)
{
    struct buf out = { 0 };

    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct plan_step *s = &plan->steps[i];

        buf_printf(&out, "%c{\"id\":\"%s\",\"ordinal\":%zu,\"blocked_by\":%zu", i ? ',' : '[',
                   ids[i], i, s->n_needs);
        add_words(&out, "kind", kinds[s->kind].name);
        add_words(&out, "verb", verb_name(s->verb));
        add_words(&out, "name", s->name);
        add_words(&out, "resource_key", s->key);
        add_words(&out, "pointer", s->pointer);
        add_document(&out, "request", s->request);
        add_document(&out, "tags", s->tags);
        add_document(&out, "refs", s->refs);
        add_document(&out, "options", s->options);
        buf_addc(&out, '}');
    }
    buf_adds(&out, plan->n_steps ? "]" : "[]");
    return keep(arena, buf_take(&out));
}

/* Three columns, one element for each edge. */
static void add_edges(struct arena *arena, const struct plan *plan, const char *const *ids,
                      struct db_op *op)
{
    size_t most = 1, n = 0;
    AUTO_FREE const char **needed = NULL, **steps = NULL, **always = NULL;

    for (size_t i = 0; i < plan->n_steps; i++)
        most += plan->steps[i].n_needs;
    needed = xcalloc(most, sizeof *needed);
    steps = xcalloc(most, sizeof *steps);
    always = xcalloc(most, sizeof *always);
    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct plan_step *s = &plan->steps[i];

        for (size_t k = 0; k < s->n_needs; k++) {
            needed[n] = ids[s->needs[k]];
            steps[n] = ids[i];
            always[n++] = s->is_always ? "t" : "f";
        }
    }
    *op = (struct db_op){ .stmt = &insert_edges,
                          .params = { keep(arena, db_text_array(needed, n)),
                                      keep(arena, db_text_array(steps, n)),
                                      keep(arena, db_text_array(always, n)) } };
}

static const char *const *new_ids(struct arena *arena, size_t n)
{
    const char **ids = arena_alloc(arena, (n + 1) * sizeof *ids);

    for (size_t i = 0; i < n; i++) {
        char *id = arena_alloc(arena, ID_BYTES);

        id_new("stp", id);
        ids[i] = id;
    }
    return ids;
}

size_t run_store_insert(struct arena *arena, const struct run_new *run, const struct plan *plan,
                        struct db_op *ops)
{
    AUTO_JSON json_t *claims = plan_claims(plan);
    AUTO_JSON json_t *data =
        json_pack("{s:s, s:s}", "kind", run_kind_name(run->kind), "trigger", run->trigger);
    const char *id = arena_strdup(arena, run->id);
    const char *const *ids = new_ids(arena, plan->n_steps);
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
    ops[n++] =
        (struct db_op){ .stmt = &insert_steps, .params = { steps_json(arena, plan, ids), id } };
    add_edges(arena, plan, ids, &ops[n++]);
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
