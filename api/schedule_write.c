/*
 * schedule_write.c - pausing, resuming and firing a schedule by hand.
 *
 * What a schedule says is written in its config's document; a pause is not, and survives its
 * versions.
 */
#include "api_private.h"
#include "run_start.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/run_store.h"
#include "steward/schedules_store.h"

static const struct body_member patch_members[] = {
    { .name = "paused", .type = JSON_TRUE, .is_required = true },
    { .name = "reason", .type = JSON_STRING, .max_length = 200 },
    { .name = "until", .type = JSON_STRING, .max_length = 40 },
};

/* Columns of schedules_store_spec(). */
enum { SPEC_LIVE = 4, SPEC_CONFIG = 7, SPEC_KIND, SPEC_OPTIONS, SPEC_PATH, SPEC_RETIRED };

static bool take_id(struct call *c)
{
    if (id_is_valid("sch", c->match.params[0]))
        return true;
    answer_not_found(c, "schedule", c->match.params[0]);
    return false;
}

static bool check_live(struct call *c)
{
    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "schedule", c->match.params[0]);
        return false;
    }
    if (!rows_bool(c->reply, 0, 0, SPEC_RETIRED))
        return true;
    answer_problem(c, 409, "schedule-retired",
                   "The config's document does not have this schedule any more.");
    return false;
}

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void fill_event(struct call *c, bool is_paused, struct db_op *op)
{
    AUTO_JSON json_t *data = json_pack("{s:s, s:s*}", "schedule", c->match.params[0], "reason",
                                       json_text(c->body, "reason"));

    event_store_insert(c->arena,
                       &(struct event_new){
                           .type = is_paused ? "schedule.paused" : "schedule.resumed",
                           .subject = arena_printf(c->arena, "schedules/%s", c->match.params[0]),
                           .config = arena_strdup(c->arena, rows_text(c->reply, 0, 0, SPEC_CONFIG)),
                           .data = data },
                       op);
}

static void spec_read(struct call *c)
{
    const char *id = c->match.params[0];
    bool is_paused = json_bool_or(c->body, "paused", false);
    struct db_op ops[3];

    if (!check_live(c))
        return;
    if (c->is_dry_run) {
        schedules_store_read(id, ops);
        call_read(c, ops, 1, written);
        return;
    }
    if (is_paused)
        schedules_store_pause(id, json_text(c->body, "until"), json_text(c->body, "reason"),
                              c->who.token_id, &ops[0]);
    else
        schedules_store_resume(id, &ops[0]);
    fill_event(c, is_paused, &ops[1]);
    schedules_store_answer(id, &ops[2]);
    call_write(c, ops, ARRAY_LEN(ops),
               &(struct write_note){ .status = 200,
                                     .detail = arena_printf(c->arena, "{\"schedule\":\"%s\"}", id),
                                     .next = written });
}

static void read_spec(struct call *c)
{
    struct db_op op;

    c->note.status = 200;
    c->answer_op = 0;
    schedules_store_spec(c->match.params[0], &op);
    call_read(c, &op, 1, spec_read);
}

void api_schedule_patch(struct call *c)
{
    const char *until;
    int64_t ms;

    if (!take_id(c) || !body_parse(c) || !body_check(c, patch_members, ARRAY_LEN(patch_members)))
        return;
    until = json_text(c->body, "until");
    if (until && !clock_parse(until, &ms))
        answer_field(c, "/until", "bad-value", "\"until\" is a time such as 2026-11-24T06:00:00Z.");
    else
        call_begin_write(c, read_spec);
}

/* ---- fire now ---- */

static void fire(struct call *c)
{
    struct run_start *s = c->state;
    json_error_t ignored;

    if (!check_live(c))
        return;
    s->config = arena_strdup(c->arena, rows_text(c->reply, 0, 0, SPEC_CONFIG));
    s->schedule_id = c->match.params[0];
    json_decref(s->options);
    s->options = json_loads(rows_text(c->reply, 0, 0, SPEC_OPTIONS), 0, &ignored);
    if (!run_kind_find(rows_text(c->reply, 0, 0, SPEC_KIND), &s->kind))
        answer_problem(c, 422, "not-supported",
                       "This release does not know the schedule's run kind.");
    else
        run_start_read(c);
}

static void read_fire(struct call *c)
{
    struct db_op op;

    schedules_store_spec(c->match.params[0], &op);
    call_read(c, &op, 1, fire);
}

/* Pauses, overlap and jitter are about the clock's fires; a person who asks for one gets it. */
void api_schedule_run(struct call *c)
{
    (void) run_start_new(c);
    if (take_id(c) && body_parse(c) && body_check(c, NULL, 0))
        call_begin_write(c, read_fire);
}
