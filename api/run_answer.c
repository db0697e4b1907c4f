/*
 * run_answer.c - answering the question of a held run: approve or reject a new version.
 *
 * Approving is two things in one transaction: the answer on the step that asks, and the run that
 * promotes the version, which holds its claims like any other. Rejecting is the answer alone. The
 * engine ends the held run when it reads the answer.
 */
#include "config_run.h"
#include "steward/id.h"
#include "steward/runs_store.h"

static const struct body_member answer_members[] = {
    { .name = "campaign", .type = JSON_STRING, .max_length = 63 },
    { .name = "reason", .type = JSON_STRING, .max_length = 200 },
};

/* Rows (state, config, step, campaign, version, is_answered): one per question, or one with only
 * the state. The row of the question that is meant, or SIZE_MAX and an answer. */
static size_t pick(struct call *c)
{
    const char *wanted = json_text(c->body, "campaign");
    AUTO_BUF struct buf names = { 0 };
    size_t found = SIZE_MAX, n = 0;

    if (rows_count(c->reply, 0) == 0) {
        answer_not_found(c, "run", c->match.params[0]);
        return SIZE_MAX;
    }
    for (size_t i = 0; i < rows_count(c->reply, 0); i++) {
        const char *campaign = rows_text(c->reply, 0, i, 3);

        if (!campaign || str_eq(rows_text(c->reply, 0, i, 5), "t"))
            continue;
        buf_printf(&names, "%s\"%s\"", n++ ? ", " : "", campaign);
        if (!wanted || str_eq(wanted, campaign))
            found = i;
    }
    if (n == 0)
        answer_problemf(c, 409, "run-not-held", "The run is %s and asks nothing.",
                        rows_text(c->reply, 0, 0, 0));
    else if (found == SIZE_MAX)
        answer_field(c, "/campaign", "not-found",
                     arena_printf(c->arena, "The run asks about %s.", names.data));
    else if (!wanted && n > 1)
        answer_field(
            c, "/campaign", "missing",
            arena_printf(c->arena, "The run asks about %s: say which is meant.", names.data));
    else
        return found;
    return SIZE_MAX;
}

static void answer_op(struct call *c, size_t row, const char *verdict, struct db_op *op)
{
    AUTO_JSON json_t *answer = json_pack("{s:s, s:s?, s:s?}", "verdict", verdict, "by",
                                         c->who.token_id, "reason", json_text(c->body, "reason"));
    AUTO_FREE char *text = json_compact(answer);

    runs_store_answer_question(arena_strdup(c->arena, rows_text(c->reply, 0, row, 2)),
                               arena_strdup(c->arena, text), op);
}

static void read_questions(struct call *c, phase_fn next)
{
    struct db_op op;

    runs_store_questions(c->match.params[0], &op);
    call_read(c, &op, 1, next);
}

static bool take_answer(struct call *c)
{
    if (id_is_valid("run", c->match.params[0]))
        return body_parse(c) && body_check(c, answer_members, ARRAY_LEN(answer_members));
    answer_not_found(c, "run", c->match.params[0]);
    return false;
}

/* ---- approve ---- */

static void approved(struct call *c)
{
    struct config_run *s = c->state;
    const json_t *reason = json_object_get(c->body, "reason");
    size_t row = pick(c);

    if (row == SIZE_MAX)
        return;
    s->config = arena_strdup(c->arena, rows_text(c->reply, 0, row, 1));
    json_object_set_new(s->options, "campaigns", json_pack("[s]", rows_text(c->reply, 0, row, 3)));
    json_object_set_new(s->options, "version", json_string(rows_text(c->reply, 0, row, 4)));
    json_object_set_new(s->options, "pin", json_false());
    json_object_set_new(s->options, "approves", json_string(c->match.params[0]));
    if (reason)
        json_object_set(s->options, "reason", (json_t *) reason);
    answer_op(c, row, "approved", &s->extra[0]);
    s->n_extra = 1;
    config_run_begin(c);
}

static void read_to_approve(struct call *c)
{
    read_questions(c, approved);
}

void api_run_approve(struct call *c)
{
    struct config_run *s = config_run_new(c, RUN_KIND_PROMOTE);

    if (!take_answer(c))
        return;
    s->loaded = config_run_write;
    call_begin_write(c, read_to_approve);
}

/* ---- reject ---- */

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void answer_summary(struct call *c)
{
    answer_text(c, 200, rows_text(c->reply, 0, 0, 1), rows_length(c->reply, 0, 0, 1));
}

static void rejected(struct call *c)
{
    const char *id = c->match.params[0];
    size_t row = pick(c), n = 0;
    struct db_op ops[CALL_OPS_MAX];

    if (row == SIZE_MAX)
        return;
    if (c->is_dry_run) {
        runs_store_summary(id, &ops[0]);
        call_read(c, ops, 1, answer_summary);
        return;
    }
    answer_op(c, row, "rejected", &ops[n++]);
    runs_store_answer(id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 202,
                                     .location = arena_printf(c->arena, "/runs/%s", id),
                                     .detail = arena_printf(c->arena, "{\"run\":\"%s\"}", id),
                                     .next = written });
}

static void read_to_reject(struct call *c)
{
    read_questions(c, rejected);
}

void api_run_reject(struct call *c)
{
    if (take_answer(c))
        call_begin_write(c, read_to_reject);
}
