/*
 * world_process.c - replicas: the shell around the core, as the worker has it.
 *
 * A replica holds one step at a time. Between any two of its instructions it may be stopped for
 * minutes, or die; what it had sent to the database may commit all the same, and what it had sent
 * to AWS may land hours later.
 */
#include <assert.h>

#include "world_internal.h"

static void later(struct world *w, int r, enum event_type type, int64_t delay_ms)
{
    struct replica *p = &w->replicas[r];
    struct event ev = { .at_ms = w->now_ms + delay_ms,
                        .type = type,
                        .replica = r,
                        .incarnation = p->incarnation,
                        .id = type == EV_POLL ? p->poll : p->call };

    p->is_in_database = type == EV_MARK || type == EV_SAVE;
    if ((p->is_in_database || type == EV_SEND) && strikes(w, FAULT_PAUSE)) {
        p->is_in_database = false; /* stopped before it gave its statement away */
        ev.at_ms += below(w, 20 * MINUTE);
        count(w, COUNT_PAUSES);
    }
    push(w, ev);
}

static void drop(struct world *w, int r)
{
    w->replicas[r].is_busy = false;
    w->replicas[r].call = 0;
    later(w, r, EV_POLL, 200 + below(w, 1000));
}

void process_start(struct world *w, int r)
{
    w->replicas[r].is_up = true;
    w->replicas[r].owner = ++w->next_id; /* new per process start */
    w->replicas[r].clock.is_known = false;
    later(w, r, EV_POLL, 10 + below(w, 1000));
}

void process_wake_all(struct world *w)
{
    for (int r = 0; r < REPLICAS; r++)
        if (w->replicas[r].is_up && !w->replicas[r].is_busy) {
            w->replicas[r].poll++;
            later(w, r, EV_POLL, 0);
        }
}

/* ---- what the core says is done ---- */

static void execute(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];

    p->copy.step.command_id = p->command.id;
    p->call = ++w->next_id;
    switch (p->command.type) {
    case CMD_PROBE:
        later(w, r, EV_LOOKED, 20 + below(w, 500));
        return;
    case CMD_MARK:
        p->marked_ms = w->now_ms;
        later(w, r, EV_MARK, 1 + below(w, 20));
        return;
    case CMD_SEND:
        later(w, r, EV_SEND, 1 + below(w, 50));
        return;
    case CMD_NONE:
    case CMD_DROP:
        drop(w, r);
        return;
    case CMD_SAVE:
    case CMD_WAIT:
    case CMD_RETRY:
    case CMD_FAIL:
    case CMD_CANCEL:
    case CMD_DONE:
        later(w, r, EV_SAVE, 1 + below(w, 20));
        return;
    }
}

static void proceed(struct world *w, int r, struct outcome o)
{
    struct replica *p = &w->replicas[r];
    const char *broken = step_check(&p->copy.step);
    struct command c;

    if (broken) {
        violate(w, broken);
        drop(w, r);
        return;
    }
    step_next(&p->copy.step, &o, w->now_ms + p->db_offset_ms, &c);
    if (c.type == CMD_NONE)
        return; /* matched nothing: whatever is open stays open */
    p->command = c;
    execute(w, r);
}

/* The outcome of the open command. */
static void answer(struct world *w, int r, enum outcome_type type)
{
    const struct replica *p = &w->replicas[r];

    proceed(w, r,
            (struct outcome){ .type = type,
                              .command_id = p->command.id,
                              .mark_ms = p->copy.step.last_mark_ms,
                              .sends = p->copy.step.sends });
}

/* ---- claims ---- */

/* True when the database's clock was set since this process looked last: as after a restore,
 * nothing is sent until no call of before can land (worker.c). */
static bool is_clock_set(struct world *w, struct replica *p)
{
    bool is_set = db_clock_note(&p->clock, w->now_ms, w->now_ms, db_now(w));

    if (!is_set || w->x->mutant == MUTANT_UNSEEN_CLOCK)
        return false;
    database_sweep(w);
    remember(w);
    return true;
}

static void on_poll(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    int due;

    if (p->is_busy)
        return;
    if (is_clock_set(w, p)) {
        later(w, r, EV_POLL, 1000);
        return;
    }
    due = database_claim(w, p->owner);
    if (due < 0) {
        /* Polling every second finds nothing before something is due: not simulated. */
        later(w, r, EV_POLL, database_next_due_ms(w) + below(w, 1000));
        return;
    }
    if (strikes(w, FAULT_LOST_COMMIT)) { /* claimed, and the reply was lost: the lease must lapse */
        later(w, r, EV_POLL, 1000);
        return;
    }
    p->is_busy = true;
    p->step = due;
    database_read(w, due, &p->copy);
    p->token = p->copy.token;
    p->db_offset_ms = w->db_skew_ms;
    proceed(w, r, (struct outcome){ .type = OUT_CLAIMED });
}

/* ---- looks, marks, sends ---- */

/* Forgets that the step's last call may still land. */
static void mutate_look(const struct world *w, struct step *s, enum seen seen)
{
    bool is_forgotten =
        (w->x->mutant == MUTANT_UNVERIFIED_UPDATE && s->op == OP_UPDATE && seen == SEEN_MATCHES) ||
        (w->x->mutant == MUTANT_HASTY_DELETE && s->op == OP_DELETE && seen == SEEN_ABSENT);

    if (!is_forgotten)
        return;
    s->ambiguous_ms = 0;
    if (s->intent == INTENT_MAYBE_SENT)
        s->intent = INTENT_SAVED;
}

static void on_looked(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    struct outcome o = { .type = OUT_SEEN, .command_id = p->command.id };

    if (aws_is_busy(w) || strikes(w, FAULT_SERVER_ERROR)) {
        answer(w, r, OUT_LOOK_RETRY);
        return;
    }
    p->looked_ms = w->now_ms;
    p->wall_skew_ms = 0; /* the answer told the time */
    o.seen = look_at(w, p);
    mutate_look(w, &p->copy.step, o.seen);
    proceed(w, r, o);
}

static void on_mark(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    struct outcome o = { .command_id = p->command.id };
    const struct step *marked = &w->db.rows[p->step].step;
    struct step *s = &p->copy.step;

    o.type = database_mark(w, p, &o.until_ms);
    if (o.type == OUT_MARKED && strikes(w, FAULT_LOST_COMMIT))
        o.type = OUT_MARK_UNKNOWN;
    if (o.type == OUT_MARKED) {
        if (s->intent == INTENT_MAYBE_SENT)
            s->ambiguous_ms = s->last_mark_ms;
        s->intent = INTENT_MAYBE_SENT;
        s->op = p->command.op;
        s->sends = w->x->mutant == MUTANT_NO_MARK ? s->sends + 1 : marked->sends;
        s->last_mark_ms = db_now(w);
        o.mark_ms = s->last_mark_ms;
        o.sends = s->sends;
    }
    proceed(w, r, o);
}

static void on_send(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    const struct row *row = &p->copy;
    bool is_late = w->x->mutant == MUTANT_LATE_SIGNING;
    struct event ev = { .type = EV_LAND,
                        .replica = r,
                        .incarnation = p->incarnation,
                        .id = p->call,
                        .call = { .row = p->step,
                                  .name = name_of(row, row->step.attempt),
                                  .config = row->config,
                                  .thing = row->thing,
                                  .op = p->command.op,
                                  .fixed = row->fixed,
                                  .value = row->value,
                                  .target = p->found,
                                  .looked_ms = p->looked_ms,
                                  .dated_ms = is_late ? w->now_ms : p->marked_ms } };

    if (strikes(w, FAULT_WALL_CLOCK)) /* somebody sets it between the look and the send */
        p->wall_skew_ms += below(w, 2 * WINDOW) - WINDOW;
    if (w->x->mutant == MUTANT_SET_CLOCK)
        ev.call.dated_ms += p->wall_skew_ms;
    if (!is_late && w->now_ms - p->marked_ms > SEND_WITHIN) {
        answer(w, r, OUT_NOT_SENT);
        return;
    }
    count(w, COUNT_SENDS);
    if (strikes(w, FAULT_FAILOVER)) /* what was just marked may not have got to the standby */
        push(w, (struct event){ .at_ms = w->now_ms + below(w, 20 * SECOND), .type = EV_FAILOVER });
    ev.at_ms = w->now_ms + 10 + below(w, 2000);
    if (strikes(w, FAULT_LATE_LANDING)) /* held up in the network, for seconds or for hours */
        ev.at_ms += below(w, below(w, 2) ? 30 * SECOND : 3 * HOUR);
    push(w, ev);
    w->n_calls++;
    later(w, r, EV_TIMEOUT, CALL_TIMEOUT);
}

static void on_outcome(struct world *w, int r, enum outcome_type type)
{
    bool is_blind = w->x->mutant == MUTANT_BLIND_RETRY && type == OUT_SENT_UNKNOWN;

    answer(w, r, is_blind ? OUT_SENT_BUSY : type);
}

static void on_reply(struct world *w, const struct event *ev)
{
    struct replica *p = &w->replicas[ev->replica];
    bool is_mine = p->call == ev->id && p->incarnation == ev->incarnation;

    if (w->x->mutant == MUTANT_UNMATCHED_REPLY)
        is_mine = p->is_busy && p->command.type == CMD_SEND;
    if (!is_mine || !p->is_busy)
        return; /* a reply of an abandoned call is dropped */
    if (ev->resource >= 0)
        p->found = ev->resource;
    on_outcome(w, ev->replica, ev->reply);
}

static void on_timeout(struct world *w, const struct event *ev)
{
    const struct replica *p = &w->replicas[ev->replica];

    if (p->call == ev->id && p->command.type == CMD_SEND)
        on_outcome(w, ev->replica, OUT_SENT_UNKNOWN);
}

/* ---- ends ---- */

static void die(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];

    if (p->is_busy && p->is_in_database && w->n_dying < DYING_MAX &&
        strikes(w, FAULT_DYING_COMMIT)) {
        w->dying[w->n_dying] = *p;
        push(w, (struct event){ .at_ms = w->now_ms + below(w, 5 * SECOND),
                                .type = EV_DYING_COMMIT,
                                .replica = r,
                                .id = (uint32_t) w->n_dying++ });
    }
    p->incarnation++;
    p->is_busy = false;
    p->is_up = false;
    p->call = 0;
    count(w, COUNT_CRASHES);
    later(w, r, EV_RESTART, 100 + below(w, 90 * SECOND));
}

void process_on_dying_commit(struct world *w, const struct event *ev)
{
    struct replica *p = &w->dying[ev->id];
    int64_t until_ms;

    count(w, COUNT_DYING_COMMITS);
    if (p->command.type == CMD_MARK)
        (void) database_mark(w, p, &until_ms);
    else
        database_save(w, p);
}

void process_on_event(struct world *w, const struct event *ev)
{
    struct replica *p = &w->replicas[ev->replica];

    if (ev->type == EV_REPLY) {
        on_reply(w, ev);
        return;
    }
    if (ev->incarnation != p->incarnation || (ev->type == EV_POLL && ev->id != p->poll))
        return; /* of a process that is gone, or of before a wake-up */
    if (ev->type != EV_TIMEOUT && ev->type != EV_POLL && ev->type != EV_RESTART &&
        strikes(w, FAULT_CRASH)) {
        die(w, ev->replica);
        return;
    }
    switch ((int) ev->type) {
    case EV_POLL:
        on_poll(w, ev->replica);
        return;
    case EV_RESTART:
        process_start(w, ev->replica);
        return;
    case EV_LOOKED:
        on_looked(w, ev->replica);
        return;
    case EV_MARK:
        on_mark(w, ev->replica);
        return;
    case EV_SEND:
        on_send(w, ev->replica);
        return;
    case EV_TIMEOUT:
        on_timeout(w, ev);
        return;
    case EV_SAVE:
        database_save(w, p);
        drop(w, ev->replica);
        return;
    default:
        assert(false);
    }
}
