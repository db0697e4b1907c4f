/*
 * run_retry.c - a run once more: a new one that takes over the finished steps of one that did not
 * succeed, or does all of them again.
 *
 * Its inputs are those of the old run: the plan as it was made then (the version of the config, the
 * options, where the data lies), not a new one of what the config has become.
 */
#include "api_private.h"
#include "run_start.h"
#include "steward/id.h"
#include "steward/pause_store.h"
#include "steward/plan.h"
#include "steward/runs_store.h"
#include "steward/upkeep_store.h"

static const struct body_member retry_members[] = {
    { .name = "from", .type = JSON_STRING, .max_length = 16 },
};

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

/* [{old, new}]: ids of the steps. Rows (id, …). */
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

struct retried {
    enum run_kind kind;
    bool has_config, deletes;
    size_t n_open; /* steps that are left to do */
};

/* The rows are (state, json), and the steps' (id, is_done). */
static bool read_retried(struct call *c, struct retried *old)
{
    AUTO_JSON json_t *run = NULL;
    struct err e;

    if (json_parse(rows_text(c->reply, 0, 0, 1), rows_length(c->reply, 0, 0, 1), &run, NULL, &e) ||
        !run_kind_find(json_text_or(run, "kind", ""), &old->kind)) {
        answer_problem(c, 500, "internal", "The run could not be read.");
        return false;
    }
    old->has_config = json_text(run, "config") != NULL;
    old->deletes = run_kind_deletes(old->kind, json_object_get(run, "options"));
    for (size_t i = 0; i < rows_count(c->reply, 1); i++)
        old->n_open += !rows_bool(c->reply, 1, i, 1);
    return true;
}

static bool is_whole(const struct call *c)
{
    return str_eq(json_text(c->body, "from"), "start");
}

/* Whether there is something to do again; if not, the answer was given. */
static bool may_retry(struct call *c, const char *state, const struct retried *old)
{
    bool has_succeeded = str_eq(state, "succeeded");

    if (old->deletes && !(c->who.scopes >> SCOPE_APPLY & 1))
        answer_problemf(c, 403, "forbidden", "Runs of the kind \"%s\" need the scope \"apply\".",
                        run_kind_name(old->kind));
    else if (!str_eq(state, "failed") && !str_eq(state, "cancelled") && !has_succeeded)
        answer_problemf(c, 409, "not-retryable",
                        "The run is %s; only one that is over can be tried again.", state);
    else if (has_succeeded && !is_whole(c))
        answer_problem(c, 409, "not-retryable",
                       "The run has succeeded; {\"from\": \"start\"} does all of it again.");
    else if (!old->has_config)
        answer_problem(c, 409, "not-retryable",
                       "The run has no config, or it is gone: there is nothing to try again.");
    else if (old->n_open == 0 && !is_whole(c))
        answer_problem(c, 409, "not-retryable",
                       "Every step of the run had succeeded when it was cancelled; {\"from\": "
                       "\"start\"} does all of it again.");
    else
        return !run_kind_buys(old->kind) || !answer_if_paused(c, 2);
    return false;
}

/* The row is (state, json); then the rows of the steps, then the pause. */
static void run_read(struct call *c)
{
    const char *id_of_old = c->match.params[0], *state = rows_text(c->reply, 0, 0, 0);
    struct upkeep_retry retry = { .old_run = id_of_old,
                                  .created_by = c->who.token_id,
                                  .is_whole = is_whole(c) };
    struct retried old = { 0 };
    struct db_op ops[CALL_OPS_MAX];
    char id[ID_BYTES];
    size_t n;

    if (!state) {
        answer_not_found(c, "run", id_of_old);
        return;
    }
    if (!read_retried(c, &old) || !may_retry(c, state, &old))
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
                                                            retry.new_run, id_of_old),
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
    if (!body_parse(c) || !body_check(c, retry_members, ARRAY_LEN(retry_members)))
        return;
    if (json_text(c->body, "from") && !is_whole(c) && !str_eq(json_text(c->body, "from"), "failed"))
        answer_field(c, "/from", "bad-value", "\"from\" is \"failed\" or \"start\".");
    else
        call_begin_write(c, read_run);
}
