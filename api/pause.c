/*
 * pause.c - "stop spending", server-wide: who, when, why, until when.
 *
 * It blocks only what buys. What is there to spend is refused here with 423; what a run wants to
 * buy on its way waits in the engine, which asks in the transaction of the mark.
 */
#include "steward/pause_store.h"

#include "api_private.h"
#include "steward/clock.h"

static const struct body_member pause_members[] = {
    { .name = "reason", .type = JSON_STRING, .max_length = 200 },
    { .name = "until", .type = JSON_STRING, .max_length = 40 },
};

bool answer_if_paused(struct call *c, size_t op)
{
    if (!rows_bool(c->reply, op, 0, 0))
        return false;
    answer_problem(c, 423, "spending-stopped", rows_text(c->reply, op, 0, 2));
    return true;
}

static void state_read(struct call *c)
{
    answer_resource(c, rows_text(c->reply, 0, 0, 1), rows_length(c->reply, 0, 0, 1), NULL);
}

static void read_state(struct call *c)
{
    struct db_op op;

    pause_store_read(&op);
    call_read(c, &op, 1, state_read);
}

void api_pause_get(struct call *c)
{
    read_state(c);
}

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void write_change(struct call *c)
{
    const struct pause_change *change = c->state;
    struct db_op ops[PAUSE_STORE_OPS];
    size_t n;

    if (c->is_dry_run) {
        read_state(c);
        return;
    }
    n = pause_store_change(c->arena, change, ops);
    call_write(c, ops, n,
               &(struct write_note){ .status = 200,
                                     .detail = change->is_paused ? "{\"server\":\"paused\"}"
                                                                 : "{\"server\":\"resumed\"}",
                                     .next = written });
}

void api_pause_post(struct call *c)
{
    struct pause_change *change = arena_alloc(c->arena, sizeof *change);
    int64_t until_ms;

    c->state = change;
    if (!body_parse(c) || !body_check(c, pause_members, ARRAY_LEN(pause_members)))
        return;
    *change = (struct pause_change){ .is_paused = true,
                                     .until = json_text(c->body, "until"),
                                     .reason = json_text(c->body, "reason"),
                                     .by = c->who.token_id };
    if (change->until && !clock_parse(change->until, &until_ms))
        answer_field(c, "/until", "bad-value", "\"until\" is a time such as 2026-11-24T06:00:00Z.");
    else if (change->until && until_ms <= clock_wall_ms())
        answer_field(c, "/until", "bad-value",
                     "\"until\" is over already; POST /resume ends a pause.");
    else
        call_begin_write(c, write_change);
}

void api_resume_post(struct call *c)
{
    struct pause_change *change = arena_alloc(c->arena, sizeof *change);

    c->state = change;
    *change = (struct pause_change){ .by = c->who.token_id };
    if (body_parse(c) && body_check(c, NULL, 0))
        call_begin_write(c, write_change);
}
