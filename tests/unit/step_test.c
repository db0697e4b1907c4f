/*
 * step_test.c - the pure core: every rule of the create protocol as a table, and its laws over all
 * inputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steward/machine.h"
#include "steward/step.h"

#define NOW 1000000000
#define Q   1080000

static struct step base(void)
{
    return (struct step){
        .state = STEP_READY, .attempt = 1, .max_attempts = 2, .quiescence_ms = Q, .poll_ms = 1000
    };
}

static struct step maybe_sent(enum op op, bool needs_quiescence, int64_t age_ms)
{
    struct step s = base();

    s.intent = INTENT_MAYBE_SENT;
    s.op = op;
    s.sends = 1;
    s.last_mark_ms = NOW - age_ms;
    s.needs_quiescence = needs_quiescence;
    return s;
}

static struct command next(const struct step *s, enum outcome_type type, enum seen seen)
{
    struct outcome o = { .type = type, .seen = seen, .command_id = s->command_id };
    struct command c;

    step_next(s, &o, NOW, &c);
    return c;
}

/* A deletion gives up after so many refusals. The failures of an hour without credentials were
 * counted among them: the first refusal after it failed the run. */
static void test_an_outage_is_no_refusal_of_a_deletion(void **state)
{
    struct step s = maybe_sent(OP_DELETE, false, 0);

    (void) state;
    s.goal = GOAL_ABSENT;
    s.failures = 90;
    assert_int_equal(next(&s, OUT_SENT_BUSY, SEEN_ABSENT).type, CMD_WAIT);
    s.is_busy = true;
    assert_int_equal(next(&s, OUT_SENT_BUSY, SEEN_ABSENT).type, CMD_FAIL);
    s.failures = 1;
    assert_int_equal(next(&s, OUT_SENT_BUSY, SEEN_ABSENT).type, CMD_WAIT);
}

/* Spending is stopped: it waits for the end that is known, or looks again now and then; nothing was
 * marked, so nothing is refunded. */
static void test_a_pause_is_waited_for(void **state)
{
    struct step s = base();
    struct outcome o = { .type = OUT_MARK_PAUSED, .command_id = s.command_id };
    struct command c;

    (void) state;
    step_next(&s, &o, NOW, &c);
    assert_int_equal(c.type, CMD_WAIT);
    assert_int_equal(c.why, WHY_PAUSED);
    assert_in_range(c.wait_ms, 1000, 60000);
    assert_false(c.is_refund);
    o.until_ms = NOW + 5000;
    step_next(&s, &o, NOW, &c);
    assert_int_equal(c.wait_ms, 5000);
}

/* The database was restored: nothing is sent until no call of before can land any more. */
static void test_a_restore_is_waited_for(void **state)
{
    struct step s = base();
    struct outcome o = { .type = OUT_MARK_HALTED, .command_id = 0, .until_ms = NOW + 7000 };
    struct command c;

    (void) state;
    step_next(&s, &o, NOW, &c);
    assert_int_equal(c.type, CMD_WAIT);
    assert_int_equal(c.why, WHY_HALTED);
    assert_int_equal(c.wait_ms, 7000);
    assert_false(c.is_refund);
    o.until_ms = 0; /* nobody has noticed yet: soon */
    step_next(&s, &o, NOW, &c);
    assert_int_equal(c.wait_ms, 1000);
}

/* A question stands until it is answered, until nothing is asked any more, or until its time is
 * over; it never acts. */
static void test_a_question_waits_for_its_answer(void **state)
{
    struct step s = base();

    (void) state;
    s.goal = GOAL_ANSWERED;
    s.deadline_ms = NOW + 1000;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_PROBE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_DIFFERS).why, WHY_HELD);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_DIFFERS).wait_ms, 1000);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_MATCHES).why, WHY_MATCHES);
    s.deadline_ms = NOW;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_DIFFERS).type, CMD_DONE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_DIFFERS).why, WHY_EXPIRED);
    s.answer = ANSWER_APPROVED;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).why, WHY_APPROVED);
    s.answer = ANSWER_REJECTED;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).why, WHY_REJECTED);
    s.answer = ANSWER_SUPERSEDED;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).why, WHY_SUPERSEDED);
    s.is_cancelled = true;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_CANCEL);
}

/* What bears our generated name and has no mark on record was sent in a history that is lost. */
static void test_a_lost_mark_is_recovered(void **state)
{
    struct step s = base(), saved = base();

    (void) state;
    step_recover(&s);
    assert_int_equal(s.intent, INTENT_MAYBE_SENT);
    assert_int_equal(s.op, OP_CREATE);
    assert_int_equal(s.sends, 1);
    assert_null(step_check(&s));
    saved.intent = INTENT_SAVED;
    saved.op = OP_UPDATE;
    saved.sends = 2;
    step_recover(&saved);
    assert_int_equal(saved.intent, INTENT_SAVED);
    assert_int_equal(saved.sends, 2);
}

static void test_looks_before_it_acts(void **state)
{
    struct step s = base();

    (void) state;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_PROBE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).type, CMD_MARK);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).op, OP_CREATE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_DIFFERS).op, OP_UPDATE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_MATCHES).type, CMD_DONE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_CONFLICT).type, CMD_FAIL);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_IN_PROGRESS).type, CMD_WAIT);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_NO_INPUT).type, CMD_DONE);
}

/* Between the mark and Q a version that is not seen may still land: waiting is the only answer. */
static void test_quiescence(void **state)
{
    struct step s = maybe_sent(OP_CREATE, true, 1000);
    struct command c = next(&s, OUT_SEEN, SEEN_ABSENT);

    (void) state;
    assert_int_equal(c.type, CMD_WAIT);
    assert_int_equal(c.why, WHY_QUIESCENCE);
    assert_int_equal(c.wait_ms, Q - 1000);
    s = maybe_sent(OP_CREATE, true, Q);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).type, CMD_MARK);
    s = maybe_sent(OP_CREATE, false, 1000); /* a unique name needs no wait */
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).type, CMD_MARK);
}

/* I14: a late update may flip the campaign back, so an uncertain one is verified after Q. */
static void test_ambiguous_update_is_verified(void **state)
{
    struct step s = maybe_sent(OP_UPDATE, false, 1000);

    (void) state;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_MATCHES).why, WHY_VERIFY);
    s.intent = INTENT_SAVED;
    s.ambiguous_ms = s.last_mark_ms;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_MATCHES).why, WHY_VERIFY);
    s.ambiguous_ms = s.last_mark_ms = NOW - Q;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_MATCHES).type, CMD_DONE);
    s.ambiguous_ms = 0;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_MATCHES).type, CMD_DONE);
}

static void test_answers_to_a_send(void **state)
{
    struct step s = maybe_sent(OP_CREATE, true, 10);

    (void) state;
    assert_int_equal(next(&s, OUT_SENT_OK, 0).type, CMD_SAVE);
    assert_false(next(&s, OUT_SENT_UNKNOWN, 0).is_refund);
    assert_true(next(&s, OUT_SENT_UNKNOWN, 0).is_ambiguous);
    assert_int_equal(next(&s, OUT_SENT_UNKNOWN, 0).type, CMD_WAIT);
    assert_true(next(&s, OUT_SENT_BUSY, 0).is_refund);
    assert_true(next(&s, OUT_SENT_FULL, 0).is_refund);
    assert_int_equal(next(&s, OUT_SENT_FULL, 0).why, WHY_QUOTA);
    assert_int_equal(next(&s, OUT_MARK_QUOTA, 0).why, WHY_QUOTA);
    assert_true(next(&s, OUT_NOT_SENT, 0).is_refund);
    assert_int_equal(next(&s, OUT_SENT_REFUSED, 0).type, CMD_FAIL);
    assert_true(next(&s, OUT_SENT_REFUSED, 0).is_refund);
    assert_false(
        next(&s, OUT_SENT_EXISTS, 0).is_refund); /* somebody's call had its effect: maybe ours */
}

static void test_cancel_wins_but_a_maybe_is_looked_up(void **state)
{
    struct step s = base();

    (void) state;
    s.is_cancelled = true;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_CANCEL);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).type, CMD_CANCEL);
    s = maybe_sent(OP_CREATE, true, 1000);
    s.is_cancelled = true;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_PROBE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).why, WHY_QUIESCENCE);
}

/* A cancel may ask that the training is stopped: only what is known to be ours, once, and whatever
 * the answer the step ends with what became of the training. */
static void test_a_cancel_that_stops(void **state)
{
    struct step s = base();

    (void) state;
    s.is_cancelled = s.stops = true;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_CANCEL);           /* nothing was begun */
    assert_int_equal(next(&s, OUT_SEEN, SEEN_IN_PROGRESS).type, CMD_WAIT); /* somebody else's */
    s = maybe_sent(OP_CREATE, true, 1000);
    s.is_cancelled = s.stops = true;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).why, WHY_QUIESCENCE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_IN_PROGRESS).type, CMD_WAIT); /* it is saved first */
    s.intent = INTENT_SAVED;
    s.is_ours = true;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_PROBE);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_IN_PROGRESS).type, CMD_MARK);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_IN_PROGRESS).op, OP_STOP);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_MATCHES).type, CMD_DONE); /* too late */
    s = maybe_sent(OP_STOP, true, 1000);
    s.is_cancelled = s.stops = s.is_ours = true;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_STOPPING).type, CMD_WAIT);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_STOPPED).type, CMD_CANCEL);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_IN_PROGRESS).type, CMD_MARK); /* it was lost */
    assert_int_equal(next(&s, OUT_SENT_REFUSED, 0).why, WHY_BUSY);
    s.failures = 1;
    assert_int_equal(next(&s, OUT_SENT_REFUSED, 0).type, CMD_FAIL);
    s.intent = INTENT_SAVED;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_IN_PROGRESS).type,
                     CMD_WAIT); /* taken once is enough */
}

/* Found by the simulation: an import that was cancelled, or refused at the second try, while the
 * first call was still on its way left a job that no step knew of; a late update changed what the
 * next run had seen to. A step that gives up waits until none of its calls can land. */
static void test_gives_up_when_no_call_can_land(void **state)
{
    struct step s = maybe_sent(OP_CREATE, false, 1000);

    (void) state;
    s.is_cancelled = true;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).why, WHY_VERIFY);
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).wait_ms, Q - 1000);
    assert_true(next(&s, OUT_SEEN, SEEN_ABSENT).is_ambiguous);
    s.last_mark_ms = NOW - Q;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).type, CMD_CANCEL);

    s = maybe_sent(OP_UPDATE, false, 1000);
    s.ambiguous_ms = NOW - 5000; /* the one before */
    assert_int_equal(next(&s, OUT_SENT_REFUSED, 0).why, WHY_VERIFY);
    assert_int_equal(next(&s, OUT_SENT_REFUSED, 0).wait_ms, Q - 5000);
    assert_true(next(&s, OUT_SENT_REFUSED, 0).is_refund);
    assert_false(next(&s, OUT_SENT_REFUSED, 0).is_ambiguous);
    s.ambiguous_ms = NOW - Q;
    assert_int_equal(next(&s, OUT_SENT_REFUSED, 0).type, CMD_FAIL);

    s = maybe_sent(OP_UPDATE, false, 1000); /* the second was taken, and failed */
    s.intent = INTENT_SAVED;
    s.ambiguous_ms = NOW - 5000;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_FAILED).why, WHY_VERIFY);

    s = maybe_sent(OP_CREATE, false, 1000); /* somebody else's is current, and ours may yet come */
    s.intent = INTENT_PLANNED;
    s.ambiguous_ms = NOW - 5000;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_CURRENT).why, WHY_VERIFY);
    s.ambiguous_ms = 0;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_CURRENT).type, CMD_DONE);

    s = maybe_sent(OP_CREATE, false, 1000);
    s.intent = INTENT_SAVED; /* on record: a late one is answered "exists" */
    s.ambiguous_ms = NOW - 1000;
    s.is_cancelled = true;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_CANCEL);
}

/* Found by the simulation: after a NO to the second call the first one's effect was not looked for
 * by its name, and a cancel did not look at all. And by reading: after an uncertain create the ARN
 * on record was looked at, of somebody else's failed training that had been waited for, and another
 * one was bought. */
static void test_where_a_look_begins(void **state)
{
    struct step s = maybe_sent(OP_CREATE, true, 1000);

    (void) state;
    s.is_per_run = true;
    assert_int_equal(step_look_by(&s, true, false), LOOK_BY_NAME);
    s.intent = INTENT_PLANNED;
    assert_int_equal(step_look_by(&s, true, false), LOOK_BY_ARN);
    assert_int_equal(step_look_by(&s, false, false), LOOK_AMONG_ALL);
    assert_int_equal(step_look_by(&s, true, true), LOOK_BY_NAME);
    s.ambiguous_ms = NOW - 5000;
    assert_int_equal(step_look_by(&s, true, false), LOOK_BY_NAME);
    s.is_cancelled = true;
    assert_int_equal(next(&s, OUT_CLAIMED, 0).type, CMD_PROBE);
    s.intent = INTENT_SAVED;
    assert_int_equal(step_look_by(&s, true, true), LOOK_BY_ARN);
    s = base();
    assert_int_equal(step_look_by(&s, false, false), LOOK_BY_NAME);
    assert_int_equal(step_look_by(&s, true, false), LOOK_BY_ARN);
}

/* Found by the simulation: the database's clock was set back between two marks, and the step was
 * set aside as broken. */
static void test_a_mark_may_be_older_than_an_uncertain_one(void **state)
{
    struct step s = maybe_sent(OP_CREATE, true, 1000);

    (void) state;
    s.ambiguous_ms = NOW + 3600000;
    assert_null(step_check(&s));
}

/* Found by the simulation: a list that lags for 40 s made "the name is taken elsewhere" of a job of
 * ours. */
static void test_outlasts_a_list_that_lags(void **state)
{
    struct step s = maybe_sent(OP_CREATE, false, 1000);
    int64_t waited_ms = next(&s, OUT_SENT_EXISTS, 0).wait_ms;

    (void) state;
    s.is_lagging = true;
    for (s.failures = 1; next(&s, OUT_SEEN, SEEN_ABSENT).type == CMD_WAIT; s.failures++)
        waited_ms += next(&s, OUT_SEEN, SEEN_ABSENT).wait_ms;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_ABSENT).why, WHY_NAME_TAKEN);
    assert_in_range(waited_ms, 60000, 120000);
}

static void test_failed_training_is_tried_again_under_a_new_name(void **state)
{
    struct step s = base();

    (void) state;
    s.is_per_run = true;
    s.is_ours = true;
    s.intent = INTENT_SAVED;
    s.op = OP_CREATE;
    s.sends = 1;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_FAILED).type, CMD_RETRY);
    s.attempt = 2;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_FAILED).type, CMD_FAIL);
    s.attempt = 1;
    s.is_ours = false;
    assert_int_equal(next(&s, OUT_SEEN, SEEN_FAILED).type, CMD_FAIL);
}

#define SECONDS 1000LL

/* The mean lag (half the interval at the end) is a tenth of the AWS solution's 60 s + 2 % of the
   age, with a history and without; and with one, few looks are spent long before the end. */
static void test_polling_is_near_when_the_end_is(void **state)
{
    static const int64_t took[] = { 60 * SECONDS, 600 * SECONDS, 3600 * SECONDS, 18000 * SECONDS };

    (void) state;
    for (size_t i = 0; i < 4; i++)
        for (int64_t percent = 80; percent <= 140; percent += 5) {
            int64_t age = took[i] * percent / 100;

            assert_true(step_poll_ms(age, took[i], 60 * SECONDS) / 2 <=
                        (60 * SECONDS + age / 50) / 10);
            assert_true(step_poll_ms(age, 0, 60 * SECONDS) / 2 <= (60 * SECONDS + age / 50) / 10);
            assert_true(step_poll_ms(age, took[i], 60 * SECONDS) >= 2 * SECONDS);
        }
    assert_int_equal(step_poll_ms(600 * SECONDS, 3600 * SECONDS, 60 * SECONDS), 60 * SECONDS);
    assert_int_equal(step_poll_ms(2870 * SECONDS, 3600 * SECONDS, 60 * SECONDS), 10 * SECONDS);
    assert_int_equal(step_poll_ms(3600 * SECONDS, 3600 * SECONDS, 300), 300);
}

static void test_unmatched_outcome_is_ignored(void **state)
{
    struct step s = maybe_sent(OP_CREATE, true, 10);
    struct outcome o = { .type = OUT_SENT_OK, .command_id = 41 };
    struct command c;

    (void) state;
    s.command_id = 42;
    step_next(&s, &o, NOW, &c);
    assert_int_equal(c.type, CMD_NONE);
}

/* Which operation a goal may lead to. */
static bool is_op_of_goal(enum goal goal, enum op op)
{
    switch (goal) {
    case GOAL_PRESENT: /* a filter is replaced by deleting it */
        return op == OP_CREATE || op == OP_UPDATE || op == OP_DELETE;
    case GOAL_ABSENT:
        return op == OP_DELETE;
    case GOAL_IDLE:
        return op == OP_STOP;
    case GOAL_RELEASED:
        return op == OP_UPDATE;
    case GOAL_ANSWERED:
    case GOAL_SEEN:
        break;
    }
    return false;
}

static void assert_laws(const struct step *s, const struct outcome *o, const struct command *c)
{
    bool is_maybe = s->intent == INTENT_MAYBE_SENT;

    assert_int_not_equal(c->type, CMD_NONE);
    if (c->type == CMD_MARK) {
        assert_true(!s->is_cancelled || (s->stops && c->op == OP_STOP));
        assert_int_equal(o->type, OUT_SEEN); /* only a look leads to an act */
        assert_true(is_op_of_goal(s->goal, c->op) || (s->is_cancelled && c->op == OP_STOP));
        assert_false(is_maybe && s->op == OP_CREATE && s->needs_quiescence && c->op == OP_CREATE);
        /* What may still be deleted is not made again. */
        assert_false(is_maybe && s->op == OP_DELETE && c->op == OP_CREATE);
    }
    if (c->type == CMD_DONE && is_maybe && s->op == OP_DELETE && s->goal == GOAL_ABSENT)
        assert_int_not_equal(c->why, WHY_GONE);
    /* What may still land is not left alone. */
    if (c->type == CMD_CANCEL && is_maybe && s->op != OP_STOP)
        assert_true(s->is_lagging || c->is_found);
    /* A mark that may still be taken off is waited for as well. */
    if (c->type == CMD_DONE && is_maybe && s->op == OP_UPDATE && s->goal == GOAL_RELEASED)
        assert_int_not_equal(c->why, WHY_MATCHES);
    /* Found by the crash matrix: a stop or a deletion whose answer was lost ended its step and left
     * the intent as if something were still uncertain. */
    if (c->type == CMD_DONE && is_maybe && s->op != OP_CREATE && !c->is_refund)
        assert_true(step_settles(s, c));
    if (c->type == CMD_SEND)
        assert_int_equal(o->type, OUT_MARKED);
    if (c->is_refund)
        assert_true(o->type == OUT_SENT_BUSY || o->type == OUT_SENT_FULL ||
                    o->type == OUT_NOT_SENT || o->type == OUT_SENT_REFUSED ||
                    o->type == OUT_SENT_KEPT);
    if (c->type == CMD_WAIT || c->type == CMD_RETRY || c->type == CMD_SAVE)
        assert_true(c->wait_ms > 0);
}

static unsigned long check_outcomes(const struct step *s)
{
    unsigned long cases = 0;

    for (int out = 0; out < OUT_COUNT; out++)
        for (int seen = 0; seen < SEEN_COUNT; seen++) {
            struct outcome o = { .type = (enum outcome_type) out, .seen = (enum seen) seen };
            struct command c = next(s, o.type, o.seen);

            assert_laws(s, &o, &c);
            cases++;
        }
    return cases;
}

static struct step step_of_bits(unsigned bits)
{
    struct step s = base();

    s.is_per_run = bits & 1;
    s.needs_quiescence = bits & 2;
    s.is_cancelled = bits & 4;
    s.is_ours = bits & 8;
    s.failures = bits & 16 ? 7 : 0;
    s.stops = bits & 32;
    return s;
}

/* Laws over every combination: nothing is marked after a cancel, nothing is refunded that may have
   landed, a maybe inside Q is never sent again where names are not unique, a goal leads to its own
   operations only, and every wait is positive. */
static void test_laws_over_all_inputs(void **state)
{
    unsigned long cases = 0;

    (void) state;
    for (unsigned bits = 0; bits < 64; bits++)
        for (int goal = GOAL_PRESENT; goal <= GOAL_SEEN; goal++)
            for (int intent = 0; intent < INTENT_STATE_COUNT; intent++)
                for (int op = OP_NONE; op <= OP_STOP; op++) {
                    struct step s = step_of_bits(bits);

                    s.goal = (enum goal) goal;
                    s.intent = (enum intent_state) intent;
                    s.op = (enum op) op;
                    s.sends = intent == INTENT_NONE ? 0 : 1;
                    s.last_mark_ms = intent == INTENT_NONE ? 0 : NOW - 5000;
                    if (!step_check(&s))
                        cases += check_outcomes(&s);
                }
    print_message("%lu combinations\n", cases);
    assert_true(cases > 50000);
}

static void test_machines(void **state)
{
    (void) state;
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        enum run_state found;

        assert_true(run_state_find(run_state_name((enum run_state) s), &found));
        assert_int_equal(found, s);
        if (run_state_is_final((enum run_state) s))
            for (int t = 0; t < RUN_STATE_COUNT; t++)
                assert_false(run_may_become((enum run_state) s, (enum run_state) t));
    }
    assert_true(run_may_become(RUN_QUEUED, RUN_RUNNING));
    assert_false(run_may_become(RUN_CANCELLING, RUN_SUCCEEDED));
    assert_true(step_may_become(STEP_WAITING, STEP_READY));
    assert_false(step_may_become(STEP_SUCCEEDED, STEP_READY));
    assert_true(step_state_is_final(STEP_SKIPPED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_looks_before_it_acts),
        cmocka_unit_test(test_an_outage_is_no_refusal_of_a_deletion),
        cmocka_unit_test(test_a_pause_is_waited_for),
        cmocka_unit_test(test_a_restore_is_waited_for),
        cmocka_unit_test(test_a_lost_mark_is_recovered),
        cmocka_unit_test(test_a_question_waits_for_its_answer),
        cmocka_unit_test(test_quiescence),
        cmocka_unit_test(test_ambiguous_update_is_verified),
        cmocka_unit_test(test_answers_to_a_send),
        cmocka_unit_test(test_cancel_wins_but_a_maybe_is_looked_up),
        cmocka_unit_test(test_a_cancel_that_stops),
        cmocka_unit_test(test_gives_up_when_no_call_can_land),
        cmocka_unit_test(test_where_a_look_begins),
        cmocka_unit_test(test_a_mark_may_be_older_than_an_uncertain_one),
        cmocka_unit_test(test_outlasts_a_list_that_lags),
        cmocka_unit_test(test_failed_training_is_tried_again_under_a_new_name),
        cmocka_unit_test(test_polling_is_near_when_the_end_is),
        cmocka_unit_test(test_unmatched_outcome_is_ignored),
        cmocka_unit_test(test_laws_over_all_inputs),
        cmocka_unit_test(test_machines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
