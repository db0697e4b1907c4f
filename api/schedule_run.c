/*
 * schedule_run.c - the run of a schedule, now.
 *
 * Pauses, overlap and jitter are about the clock's fires; a person who asks for one gets it, unless
 * spending is stopped.
 */
#include "api_private.h"
#include "run_start.h"
#include "steward/schedules_store.h"

/* Columns of schedules_store_spec(). */
enum { SPEC_CONFIG = 7, SPEC_KIND, SPEC_OPTIONS, SPEC_RETIRED = 11 };

static bool check_live(struct call *c)
{
    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "schedule", c->match.params[0]);
        return false;
    }
    if (!rows_bool(c->reply, 0, 0, SPEC_RETIRED))
        return true;
    answer_problem(c, 409, "schedule-retired", "This schedule has ended; its history stays.");
    return false;
}

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

static void begin(struct call *c)
{
    call_begin_write(c, read_fire);
}

void api_schedule_run(struct call *c)
{
    (void) run_start_new(c);
    if (body_parse(c) && body_check(c, NULL, 0))
        schedule_find(c, begin);
}
