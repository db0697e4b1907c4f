/*
 * run_retry.c - a new run that takes over the finished steps of one that did not succeed.
 */
#include "api_private.h"
#include "steward/id.h"
#include "steward/pause_store.h"
#include "steward/plan.h"
#include "steward/runs_store.h"
#include "steward/upkeep_store.h"

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

/* [{old, new}]: ids of the steps. Rows (id). */
static const char *new_ids(struct call *c, size_t op)
{
    AUTO_JSON json_t *list = json_array();
    AUTO_FREE char *text = NULL;

    for (size_t i = 0; i < rows_count(c->reply, op); i++) {
        char id[ID_BYTES];

        id_new("stp", id);
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "old", rows_text(c->reply, op, i, 0), "new", id));
    }
    text = json_compact(list);
    return arena_strdup(c->arena, text);
}

/* Whether the kind of the run is there to spend. */
static bool is_buying(struct call *c)
{
    AUTO_JSON json_t *run = NULL;
    enum run_kind kind;
    struct err e;

    return !json_parse(rows_text(c->reply, 0, 0, 1), rows_length(c->reply, 0, 0, 1), &run, NULL,
                       &e) &&
           run_kind_find(json_text_or(run, "kind", ""), &kind) && run_kind_buys(kind);
}

/* The row is (state, json); then the rows of the steps' ids, then the pause. */
static void run_read(struct call *c)
{
    const char *old = c->match.params[0], *state = rows_text(c->reply, 0, 0, 0);
    struct upkeep_retry retry = { .old_run = old, .created_by = c->who.token_id };
    struct db_op ops[CALL_OPS_MAX];
    char id[ID_BYTES];
    size_t n;

    if (!state) {
        answer_not_found(c, "run", old);
        return;
    }
    if (!str_eq(state, "failed") && !str_eq(state, "cancelled")) {
        answer_problemf(c, 409, "not-retryable",
                        "The run is %s; only a failed or cancelled one can be tried again.", state);
        return;
    }
    if (is_buying(c) && answer_if_paused(c, 2))
        return;
    if (c->is_dry_run) {
        answer_text(c, 200, rows_text(c->reply, 0, 0, 1), rows_length(c->reply, 0, 0, 1));
        return;
    }
    id_new("run", id);
    retry.new_run = arena_strdup(c->arena, id);
    retry.ids = new_ids(c, 1);
    n = upkeep_store_retry(c->arena, &retry, ops);
    runs_store_answer(retry.new_run, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 202,
                                     .location = arena_printf(c->arena, "/runs/%s", retry.new_run),
                                     .detail = arena_printf(c->arena,
                                                            "{\"run\":\"%s\",\"retryOf\":\"%s\"}",
                                                            retry.new_run, old),
                                     .next = written });
}

static void read_run(struct call *c)
{
    struct db_op ops[3];

    runs_store_summary(c->match.params[0], &ops[0]);
    upkeep_store_step_ids(c->match.params[0], &ops[1]);
    pause_store_read(&ops[2]);
    call_read(c, ops, 3, run_read);
}

void api_run_retry(struct call *c)
{
    if (!id_is_valid("run", c->match.params[0])) {
        answer_not_found(c, "run", c->match.params[0]);
        return;
    }
    if (body_parse(c) && body_check(c, NULL, 0))
        call_begin_write(c, read_run);
}
