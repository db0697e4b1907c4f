/*
 * step_next.c - the pure core of the engine.
 *
 * Called with what a step is and what just happened; answers with one command. It looks before it
 * acts, acts at most once per mark, and treats every uncertain outcome as "maybe": only a look may
 * settle it. Nothing here reads a clock, allocates or does I/O: the same object file runs in the
 * deterministic simulation.
 */
#include "steward/step.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#define BACKOFF_BASE_MS 500
#define BACKOFF_CAP_MS  60000
#define POLL_NEAR_MS    2000
#define POLL_FAR_MS     10000
#define IN_LINE_MS      600000 /* who stands in line is woken; this is the net */
#define UPDATE_TRIES    5
#define DELETE_TRIES    30 /* refusals of a deletion because something hangs under it */
#define PAUSED_POLL_MS  30000
#define HELD_POLL_MS    300000
/* Looks for a resource that must exist before "the name is taken elsewhere": together they outlast
 * a list that lags by a minute. */
#define EXISTS_TRIES 8

int64_t step_backoff_ms(int failures)
{
    int shift = failures < 0 ? 0 : failures > 7 ? 7 : failures;
    int64_t ms = (int64_t) BACKOFF_BASE_MS << shift;

    return ms < BACKOFF_CAP_MS ? ms : BACKOFF_CAP_MS;
}

/* The end is waited for from four fifths of the expected time on: the next job is rarely much
 * faster. */
int64_t step_poll_ms(int64_t age_ms, int64_t expected_ms, int64_t most_ms)
{
    int64_t near_ms = expected_ms * 4 / 5;
    int64_t off_ms = expected_ms > 0 && age_ms > near_ms ? age_ms - near_ms : age_ms;
    int64_t ms = off_ms / 20;

    if (expected_ms > 0 && age_ms < near_ms) {
        ms = near_ms - age_ms;
        return ms > most_ms ? most_ms : ms > POLL_NEAR_MS ? ms : POLL_NEAR_MS;
    }
    ms = ms < POLL_NEAR_MS ? POLL_NEAR_MS : ms > POLL_FAR_MS ? POLL_FAR_MS : ms;
    return ms > most_ms ? most_ms : ms;
}

const char *step_check(const struct step *s)
{
    if (s->intent == INTENT_MAYBE_SENT && s->sends <= 0)
        return "maybe_sent without a send";
    if (s->intent == INTENT_MAYBE_SENT && s->op == OP_NONE)
        return "maybe_sent without an operation";
    if (s->intent == INTENT_NONE && s->sends != 0)
        return "sends without an intent";
    if (s->attempt < 1 || s->attempt > s->max_attempts)
        return "attempt out of range";
    return NULL;
}

/* A create is settled by what was found. A change, a deletion or a stop also by being over: what it
 * was sent for is as wanted, and no late call can turn it. */
bool step_settles(const struct step *s, const struct command *c)
{
    if (c->type == CMD_SAVE)
        return true;
    if (s->intent != INTENT_MAYBE_SENT)
        return false;
    return c->is_found || (c->type == CMD_DONE && s->op != OP_CREATE && !c->is_refund);
}

void step_recover(struct step *s)
{
    if (s->intent != INTENT_NONE && s->intent != INTENT_PLANNED)
        return;
    s->intent = INTENT_MAYBE_SENT;
    s->op = OP_CREATE;
    s->sends += s->sends == 0;
}

/* A NO to the last call says nothing about an uncertain one before it. */
static bool may_be_made(const struct step *s)
{
    return s->op == OP_CREATE && (s->intent == INTENT_MAYBE_SENT ||
                                  (s->intent == INTENT_PLANNED && s->ambiguous_ms != 0));
}

enum look_by step_look_by(const struct step *s, bool has_arn, bool is_restored)
{
    bool may_be_lost = is_restored && s->intent != INTENT_SAVED;

    if (s->is_per_run && (may_be_made(s) || may_be_lost))
        return LOOK_BY_NAME;
    if (has_arn)
        return LOOK_BY_ARN;
    return s->is_per_run ? LOOK_AMONG_ALL : LOOK_BY_NAME;
}

static void wait_for(struct command *c, enum why why, int64_t wait_ms, int64_t jitter_ms)
{
    c->type = CMD_WAIT;
    c->why = why;
    c->wait_ms = wait_ms;
    c->jitter_ms = jitter_ms;
}

static void back_off(const struct step *s, struct command *c, enum why why)
{
    int64_t ms = step_backoff_ms(s->failures);

    wait_for(c, why, ms / 2, ms / 2); /* never longer than the cap */
}

static void fail(struct command *c, enum why why)
{
    c->type = CMD_FAIL;
    c->why = why;
}

/* An effect is wanted: nothing is marked once the cancel is committed. */
static void act(const struct step *s, struct command *c, enum op op)
{
    if (s->is_cancelled) {
        c->type = CMD_CANCEL;
        return;
    }
    if (op == OP_UPDATE && s->op == OP_UPDATE && s->intent == INTENT_SAVED &&
        s->sends >= UPDATE_TRIES) {
        fail(c, WHY_CONFLICT); /* accepted again and again, and never what was asked for */
        return;
    }
    c->type = CMD_MARK;
    c->op = op;
}

/* The cancel asks for more than to begin nothing: the training that this step began, and is known
 * to have begun, is stopped. */
static bool is_to_stop(const struct step *s)
{
    return s->is_cancelled && s->stops && s->goal == GOAL_PRESENT &&
           (s->op == OP_STOP || (s->op == OP_CREATE && s->intent == INTENT_SAVED));
}

static void on_in_progress(const struct step *s, struct command *c)
{
    if (is_to_stop(s) && !(s->op == OP_STOP && s->intent == INTENT_SAVED)) {
        c->type = CMD_MARK;
        c->op = OP_STOP;
        return;
    }
    wait_for(c, WHY_IN_PROGRESS, s->poll_ms, s->poll_ms / 8);
    c->is_found = true;
}

/* True: a call of ours with an uncertain outcome may still land, and is waited for. */
static bool awaits_late_call(const struct step *s, enum op op, int64_t now, struct command *c)
{
    int64_t maybe_ms = s->intent == INTENT_MAYBE_SENT ? s->last_mark_ms : s->ambiguous_ms;

    if (s->op != op || maybe_ms <= 0 || now >= maybe_ms + s->quiescence_ms)
        return false;
    wait_for(c, WHY_VERIFY, maybe_ms + s->quiescence_ms - now, 0);
    c->is_ambiguous = s->intent == INTENT_MAYBE_SENT;
    return true;
}

/* Nothing there. After an uncertain create, that is final only when no call of ours can land any
 * more. */
static void on_absent(const struct step *s, int64_t now, struct command *c)
{
    bool is_maybe = s->intent == INTENT_MAYBE_SENT && s->op == OP_CREATE;

    /* Replacing: an uncertain deletion must not hit the new one. */
    if (awaits_late_call(s, OP_DELETE, now, c))
        return;
    if (s->op == OP_UPDATE || (s->op == OP_CREATE && s->intent == INTENT_SAVED)) {
        fail(c, WHY_VANISHED);
        return;
    }
    if (is_maybe && s->needs_quiescence && now < s->last_mark_ms + s->quiescence_ms) {
        wait_for(c, WHY_QUIESCENCE, s->last_mark_ms + s->quiescence_ms - now, 0);
        c->is_ambiguous = true;
        return;
    }
    if (is_maybe && s->is_lagging) {
        /* The service said "exists" and does not show it yet: its lists lag, for a while. */
        if (s->failures < EXISTS_TRIES)
            back_off(s, c, WHY_LIST_LAG);
        else
            fail(c, WHY_NAME_TAKEN);
        return;
    }
    act(s, c, OP_CREATE);
}

/* As wanted. After an update whose outcome was uncertain a late call may flip it back: verify once
 * it is dead. */
static void on_matches(const struct step *s, int64_t now, struct command *c)
{
    if (awaits_late_call(s, OP_UPDATE, now, c))
        return;
    c->type = CMD_DONE;
    c->why = WHY_MATCHES;
    c->is_found = true;
}

static void on_failed(const struct step *s, struct command *c)
{
    c->is_found = true;
    if (s->is_per_run && s->is_ours && s->attempt < s->max_attempts && !s->is_cancelled) {
        c->type = CMD_RETRY;
        c->why = WHY_FAILED;
        c->wait_ms = step_backoff_ms(s->attempt);
        return;
    }
    fail(c, WHY_FAILED);
}

static void done(struct command *c, enum why why)
{
    c->type = CMD_DONE;
    c->why = why;
}

/* Gone. A deletion of ours that may still land would hit whoever takes the name next: the step
 * keeps it until no call can. */
static void on_gone(const struct step *s, int64_t now, struct command *c)
{
    if (!awaits_late_call(s, OP_DELETE, now, c))
        done(c, WHY_GONE);
}

static void on_seen_to_delete(const struct step *s, enum seen seen, int64_t now, struct command *c)
{
    switch ((int) seen) {
    case SEEN_ABSENT:
    case SEEN_STALE:
    case SEEN_NO_INPUT:
        on_gone(s, now, c);
        return;
    case SEEN_CONFLICT:
        done(c, WHY_NOT_OURS);
        return;
    case SEEN_DELETING:
        wait_for(c, WHY_DELETING, s->poll_ms, s->poll_ms / 8);
        c->is_found = true;
        return;
    case SEEN_IN_PROGRESS:
    case SEEN_STOPPING:
        wait_for(c, WHY_IN_PROGRESS, s->poll_ms, s->poll_ms / 8);
        return;
    default:
        act(s, c, OP_DELETE);
    }
}

static void on_seen_to_stop(const struct step *s, enum seen seen, struct command *c)
{
    if (seen == SEEN_IN_PROGRESS)
        act(s, c, OP_STOP);
    else if (seen == SEEN_STOPPING)
        wait_for(c, WHY_IN_PROGRESS, s->poll_ms, s->poll_ms / 8);
    else
        done(c, WHY_GONE);
}

/* The question stands until somebody answers, or its time is over; now and then it is looked
 * whether it still is one. */
static void on_seen_to_ask(const struct step *s, enum seen seen, int64_t now, struct command *c)
{
    int64_t left = s->deadline_ms - now;

    if (seen != SEEN_DIFFERS)
        done(c, WHY_MATCHES);
    else if (left <= 0)
        done(c, WHY_EXPIRED);
    else
        wait_for(c, WHY_HELD, left < HELD_POLL_MS ? left : HELD_POLL_MS, 0);
}

/* Answered: nothing is left to be looked at. */
static void on_answer(const struct step *s, struct command *c)
{
    static const enum why whys[] = { [ANSWER_NONE] = WHY_NONE,
                                     [ANSWER_APPROVED] = WHY_APPROVED,
                                     [ANSWER_REJECTED] = WHY_REJECTED,
                                     [ANSWER_SUPERSEDED] = WHY_SUPERSEDED };

    done(c, whys[s->answer]);
}

/* The mark is off. A call of ours that may still land would take it from whoever takes the resource
 * over next. */
static void on_seen_to_release(const struct step *s, enum seen seen, int64_t now, struct command *c)
{
    if (seen == SEEN_DIFFERS)
        act(s, c, OP_UPDATE);
    else if (!awaits_late_call(s, OP_UPDATE, now, c))
        done(c, seen == SEEN_CONFLICT ? WHY_NOT_OURS : WHY_MATCHES);
}

/* True when the goal is another than to have it there. */
static bool on_seen_otherwise(const struct step *s, const struct outcome *o, int64_t now,
                              struct command *c)
{
    switch (s->goal) {
    case GOAL_PRESENT:
        return false;
    case GOAL_ABSENT:
        on_seen_to_delete(s, o->seen, now, c);
        return true;
    case GOAL_IDLE:
        on_seen_to_stop(s, o->seen, c);
        return true;
    case GOAL_RELEASED:
        on_seen_to_release(s, o->seen, now, c);
        return true;
    case GOAL_ANSWERED:
        on_seen_to_ask(s, o->seen, now, c);
        return true;
    case GOAL_SEEN:
        done(c, WHY_OBSERVED);
        c->is_found = o->seen != SEEN_ABSENT && o->seen != SEEN_STALE && o->seen != SEEN_NO_INPUT;
        return true;
    }
    abort();
}

static void on_seen(const struct step *s, const struct outcome *o, int64_t now, struct command *c)
{
    if (on_seen_otherwise(s, o, now, c))
        return;
    switch (o->seen) {
    case SEEN_ABSENT:
    case SEEN_STALE:
        on_absent(s, now, c);
        return;
    case SEEN_IN_PROGRESS:
        on_in_progress(s, c);
        return;
    case SEEN_STOPPING:
        wait_for(c, WHY_IN_PROGRESS, s->poll_ms, s->poll_ms / 8);
        c->is_found = true;
        return;
    case SEEN_MATCHES:
        on_matches(s, now, c);
        return;
    case SEEN_CURRENT:
        c->type = CMD_DONE;
        c->why = WHY_CURRENT;
        c->is_found = true;
        return;
    case SEEN_NO_INPUT:
        c->type = CMD_DONE;
        c->why = WHY_NO_INPUT;
        return;
    case SEEN_DIFFERS:
        act(s, c, OP_UPDATE);
        return;
    case SEEN_REPLACEABLE:
        act(s, c, OP_DELETE);
        return;
    case SEEN_CONFLICT:
        fail(c, WHY_CONFLICT);
        return;
    case SEEN_FAILED:
        on_failed(s, c);
        return;
    case SEEN_STOPPED:
        c->is_found = true;
        if (s->is_cancelled)
            c->type = CMD_CANCEL;
        else
            fail(c, WHY_STOPPED);
        return;
    case SEEN_DELETING:
        wait_for(c, WHY_DELETING, s->poll_ms, s->poll_ms / 8);
        return;
    case SEEN_COUNT:
        break;
    }
    abort();
}

/* The answer to a send. Every definite NO puts the intent back; the unknown stays "maybe" and is
 * looked up. */
static void on_sent(const struct step *s, const struct outcome *o, struct command *c)
{
    c->op = s->op;
    switch ((int) o->type) {
    case OUT_SENT_OK:
        c->type = CMD_SAVE;
        c->why = WHY_IN_PROGRESS;
        c->wait_ms = s->poll_ms;
        return;
    case OUT_SENT_EXISTS:
        back_off(s, c, WHY_LIST_LAG);
        return;
    case OUT_SENT_BUSY:
        if (s->op == OP_DELETE && s->is_busy && s->failures >= DELETE_TRIES)
            fail(c, WHY_REFUSED);
        else
            back_off(s, c, WHY_BUSY);
        c->is_refund = true;
        return;
    case OUT_SENT_FULL:
        back_off(s, c, WHY_QUOTA);
        c->is_refund = true;
        return;
    case OUT_SENT_KEPT:
        done(c, WHY_IN_USE);
        c->is_refund = true;
        return;
    case OUT_NOT_SENT:
        back_off(s, c, WHY_UNKNOWN_OUTCOME);
        c->is_refund = true;
        return;
    case OUT_SENT_REFUSED:
        /* What is to be stopped may have ended since the look: another one tells. */
        if (s->op == OP_STOP && s->failures == 0)
            back_off(s, c, WHY_BUSY);
        else
            fail(c, WHY_REFUSED);
        c->is_refund = true;
        return;
    case OUT_SENT_UNKNOWN:
        back_off(s, c, WHY_UNKNOWN_OUTCOME);
        c->is_ambiguous = true;
        return;
    default:
        abort();
    }
}

/* The end of the pause wakes the step; looking now and then is the net. */
static void wait_for_resume(const struct outcome *o, int64_t now, struct command *c)
{
    int64_t left = o->until_ms > now ? o->until_ms - now : PAUSED_POLL_MS;

    wait_for(c, WHY_PAUSED, left < PAUSED_POLL_MS ? left : PAUSED_POLL_MS, 1000);
}

/* Until when a call of this step may still land; 0: none is under way. */
static int64_t may_land_until_ms(const struct step *s, const struct command *c)
{
    /* The last one was answered with NO, or "exists": what was uncertain before it counts. */
    bool is_answered = s->intent != INTENT_MAYBE_SENT || s->is_lagging || c->is_refund;
    int64_t maybe_ms = is_answered ? s->ambiguous_ms : s->last_mark_ms;
    bool is_on_record = s->intent == INTENT_SAVED && s->op == OP_CREATE; /* a late one is refused */

    return maybe_ms == 0 || is_on_record || s->op == OP_STOP ? 0 : maybe_ms + s->quiescence_ms;
}

/* Ends without what its own calls may still make or do. */
static bool gives_up(const struct step *s, const struct command *c)
{
    bool has_made_it = c->is_found && s->op == OP_CREATE;

    switch ((int) c->type) {
    case CMD_CANCEL:
        return !has_made_it;
    case CMD_FAIL:
        return !has_made_it && c->why != WHY_NAME_TAKEN;
    case CMD_DONE:
        return c->why == WHY_CURRENT || c->why == WHY_NO_INPUT;
    default:
        return false;
    }
}

/* A step that gives up keeps its resource until none of its calls can land any more: what they make
 * would be nobody's, and what they change or delete would be the next run's. */
static void hold_back(const struct step *s, int64_t now, struct command *c)
{
    int64_t until_ms = gives_up(s, c) ? may_land_until_ms(s, c) : 0;

    if (now >= until_ms)
        return;
    wait_for(c, WHY_VERIFY, until_ms - now, 0);
    c->is_found = false;
    c->is_ambiguous = s->intent == INTENT_MAYBE_SENT && !c->is_refund && !s->is_lagging;
}

static void decide(const struct step *s, const struct outcome *o, int64_t db_now_ms,
                   struct command *c)
{
    *c = (struct command){ .type = CMD_NONE, .id = s->command_id + 1, .op = OP_NONE };
    assert(step_check(s) == NULL);
    if (o->type != OUT_CLAIMED && o->command_id != s->command_id)
        return;
    switch (o->type) {
    case OUT_CLAIMED:
        if (s->answer != ANSWER_NONE && !s->is_cancelled) {
            on_answer(s, c);
            return;
        }
        /* Cancelled and certainly without effect in flight: no need to look. */
        c->type =
            s->is_cancelled && s->intent != INTENT_MAYBE_SENT && !is_to_stop(s) && !may_be_made(s)
                ? CMD_CANCEL
                : CMD_PROBE;
        return;
    case OUT_SEEN:
        on_seen(s, o, db_now_ms, c);
        return;
    case OUT_LOOK_RETRY:
        back_off(s, c, WHY_LOOK);
        return;
    case OUT_LOOK_REFUSED:
        fail(c, WHY_REFUSED);
        return;
    case OUT_MARKED:
        c->type = CMD_SEND;
        c->op = s->op;
        c->mark_ms = o->mark_ms;
        return;
    case OUT_MARK_LOST:
    case OUT_MARK_UNKNOWN:
        c->type = CMD_DROP; /* the next claim reads what was committed */
        return;
    case OUT_MARK_CANCELLED:
        /* The committed cancel wins: nothing was sent for this mark. An older maybe stays to be
         * looked up. */
        c->type = s->intent == INTENT_MAYBE_SENT ? CMD_DROP : CMD_CANCEL;
        return;
    case OUT_MARK_FUSE:
        wait_for(c, WHY_FUSE, o->until_ms > db_now_ms ? o->until_ms - db_now_ms : 1000, 1000);
        return;
    case OUT_MARK_PAUSED:
        wait_for_resume(o, db_now_ms, c);
        return;
    case OUT_MARK_HALTED:
        wait_for(c, WHY_HALTED, o->until_ms > db_now_ms ? o->until_ms - db_now_ms : 1000, 1000);
        return;
    case OUT_MARK_QUOTA:
        wait_for(c, WHY_QUOTA, IN_LINE_MS, IN_LINE_MS / 10);
        return;
    case OUT_PREPARE_FAILED:
        fail(c, WHY_PREPARE);
        return;
    case OUT_SENT_OK:
    case OUT_SENT_EXISTS:
    case OUT_SENT_BUSY:
    case OUT_SENT_FULL:
    case OUT_SENT_REFUSED:
    case OUT_SENT_KEPT:
    case OUT_NOT_SENT:
    case OUT_SENT_UNKNOWN:
        on_sent(s, o, c);
        return;
    case OUT_COUNT:
        break;
    }
    abort();
}

void step_next(const struct step *s, const struct outcome *o, int64_t db_now_ms, struct command *c)
{
    decide(s, o, db_now_ms, c);
    hold_back(s, db_now_ms, c);
}
