/*
 * world.c - the fake world.
 *
 * Single thread, a heap of (time, event), a generator seeded once. Which faults happen at all, and
 * how often, is drawn per seed (swarm testing), so that quiet faults are not drowned by loud ones.
 * After HEAL_MS all faults stop: then every step must end.
 */
#include "world_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const mutant_names[MUTANT_COUNT] = {
    "none",        "no-fence", "late-signing",   "short-quiescence", "unmatched-reply",
    "blind-retry", "no-mark",  "ignored-cancel", "unseen-restore",   "short-halt",
    "set-clock"
};

static uint64_t draw(struct world *w)
{
    uint64_t x = w->random += 0x9E3779B97F4A7C15ULL;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
}

int64_t below(struct world *w, int64_t n)
{
    return n > 0 ? (int64_t) (draw(w) % (uint64_t) n) : 0;
}

bool chance(struct world *w, unsigned per_mille)
{
    return w->now_ms < HEAL_MS && below(w, 1000) < (int64_t) per_mille;
}

void violate(struct world *w, const char *what)
{
    if (!w->out->violation)
        w->out->violation = what;
    if (w->verbose)
        printf("  VIOLATION %s\n", what);
}

/* ---- the heap ---- */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void push(struct world *w, struct event ev)
{
    int i = w->n_events++;

    assert(w->n_events <= EVENTS_MAX);
    ev.order = w->order++;
    while (i > 0 && is_before(&ev, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = ev;
}

static struct event pop(struct world *w)
{
    struct event top = w->heap[0], last = w->heap[--w->n_events];
    int i = 0;

    for (;;) {
        int child = 2 * i + 1;

        if (child >= w->n_events)
            break;
        if (child + 1 < w->n_events && is_before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!is_before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void later(struct world *w, int r, enum event_type type, int64_t delay_ms)
{
    struct event ev = { .at_ms = w->now_ms + delay_ms,
                        .type = type,
                        .replica = r,
                        .incarnation = w->replicas[r].incarnation,
                        .call = w->replicas[r].call };

    /* A process may be stopped between any two of its instructions. */
    if ((type == EV_MARK || type == EV_SEND || type == EV_SAVE) && chance(w, w->pause)) {
        ev.at_ms += below(w, 20 * MINUTE);
        w->out->pauses++;
    }
    push(w, ev);
}

/* ---- the database ---- */

void drop(struct world *w, int r)
{
    w->replicas[r].is_busy = false;
    w->replicas[r].call = 0;
    later(w, r, EV_POLL, 200 + below(w, 1000));
}

/* ---- the shell around the core ---- */

static void execute(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];

    p->copy.step.command_id = p->command.id;
    p->call = ++w->next_call;
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

void proceed(struct world *w, int r, enum outcome_type type, enum seen seen, uint32_t command_id)
{
    struct replica *p = &w->replicas[r];
    struct outcome o = { .type = type,
                         .seen = seen,
                         .command_id = command_id,
                         .mark_ms = p->copy.step.last_mark_ms,
                         .sends = p->copy.step.sends };
    struct command c;

    if (step_check(&p->copy.step)) {
        violate(w, step_check(&p->copy.step));
        drop(w, r);
        return;
    }
    step_next(&p->copy.step, &o, w->now_ms, &c);
    if (c.type == CMD_NONE)
        return; /* matched nothing: whatever is open stays open */
    p->command = c;
    execute(w, r);
}

/* Polling every second finds nothing before something is due: it is skipped, not simulated. */
static int64_t until_due_ms(const struct world *w)
{
    int64_t soonest = w->now_ms + 20 * MINUTE;

    for (int i = 0; i < STEPS; i++)
        if (is_live(&w->rows[i]) && w->rows[i].wake_ms < soonest)
            soonest = w->rows[i].wake_ms;
    return soonest > w->now_ms + 200 ? soonest - w->now_ms : 200;
}

static void on_poll(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    struct row *row = NULL;

    if (p->is_busy)
        return;
    for (int i = 0; i < STEPS && !row; i++)
        if (is_live(&w->rows[i]) && w->rows[i].wake_ms <= w->now_ms)
            row = &w->rows[i], p->step = i;
    if (!row) {
        later(w, r, EV_POLL, until_due_ms(w) + below(w, 1000));
        return;
    }
    row->owner = r;
    row->token++;
    row->wake_ms = w->now_ms + LEASE;
    remember(w);
    if (chance(w, w->lost_commit)) { /* claimed, and the reply was lost: the lease must lapse */
        later(w, r, EV_POLL, 1000);
        return;
    }
    p->is_busy = true;
    p->token = row->token;
    p->copy = *row;
    p->copy.step.is_cancelled = w->is_cancelled;
    p->copy.step.is_ours = row->step.intent == INTENT_SAVED;
    p->copy.step.command_id = 0;
    proceed(w, r, OUT_CLAIMED, SEEN_ABSENT, 0);
}

static void on_send(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    bool is_late = w->mutant == MUTANT_LATE_SIGNING;
    struct event call = { .type = EV_LAND,
                          .replica = r,
                          .incarnation = p->incarnation,
                          .call = p->call,
                          .step = p->step,
                          .attempt = p->copy.step.attempt,
                          .op = p->command.op,
                          .dated_ms = is_late ? w->now_ms : p->command.mark_ms };

    if (chance(w, w->clock)) /* somebody sets the clock between the look and the send */
        w->wall_skew_ms[r] += below(w, 2 * WINDOW) - WINDOW;
    if (w->mutant == MUTANT_SET_CLOCK)
        call.dated_ms += w->wall_skew_ms[r];
    if (!is_late && w->now_ms - p->marked_ms > SEND_WITHIN) {
        proceed(w, r, OUT_NOT_SENT, SEEN_ABSENT, p->command.id);
        return;
    }
    w->out->sends++;
    if (chance(w, w->failover)) /* what was just marked may not have got to the standby */
        push(w, (struct event){ .at_ms = w->now_ms + below(w, 20 * SECOND), .type = EV_FAILOVER });
    call.at_ms = w->now_ms + 10 + below(w, 2000);
    if (chance(w, w->late_landing)) /* held up in the network, for seconds or for hours */
        call.at_ms += below(w, chance(w, 500) ? 30 * SECOND : 180 * MINUTE);
    push(w, call);
    w->n_landing++;
    later(w, r, EV_TIMEOUT, CALL_TIMEOUT);
}

static void on_reply(struct world *w, const struct event *ev)
{
    struct replica *p = &w->replicas[ev->replica];
    enum outcome_type type = ev->reply;
    bool is_mine = p->call == ev->call && p->incarnation == ev->incarnation;

    if (w->mutant == MUTANT_UNMATCHED_REPLY)
        is_mine = p->is_busy && p->command.type == CMD_SEND;
    if (!is_mine || !p->is_busy)
        return; /* a reply of an abandoned call is dropped */
    if (w->mutant == MUTANT_BLIND_RETRY && type == OUT_SENT_UNKNOWN)
        type = OUT_SENT_BUSY;
    proceed(w, ev->replica, type, SEEN_ABSENT, p->command.id);
}

static void on_timeout(struct world *w, const struct event *ev)
{
    struct replica *p = &w->replicas[ev->replica];

    if (p->call != ev->call || p->command.type != CMD_SEND)
        return;
    proceed(w, ev->replica, w->mutant == MUTANT_BLIND_RETRY ? OUT_SENT_BUSY : OUT_SENT_UNKNOWN,
            SEEN_ABSENT, p->command.id);
}

static void on_crash(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];

    p->incarnation++;
    p->is_busy = false;
    p->is_up = false;
    p->call = 0;
    w->out->crashes++;
    later(w, r, EV_RESTART, 100 + below(w, 90 * SECOND));
}

static void note(struct world *w, const struct event *ev)
{
    static const char *const names[] = { "poll", "crash",  "restart", "pause", "looked",
                                         "mark", "send",   "land",    "reply", "timeout",
                                         "save", "cancel", "failover" };
    uint64_t x = (uint64_t) ev->at_ms * 31 + (uint64_t) ev->type * 7 + (uint64_t) ev->replica;

    w->out->trace = (w->out->trace ^ x) * 0x100000001B3ULL;
    w->out->events++;
    if (w->verbose && ev->type != EV_POLL) {
        const struct replica *p = &w->replicas[ev->replica];

        printf("%10.3f s  replica %d.%u  %-8s step %d intent %d sends %d command %d why %d\n",
               (double) ev->at_ms / 1000.0, ev->replica, p->incarnation, names[ev->type], p->step,
               w->rows[p->step].step.intent, w->rows[p->step].step.sends, p->command.type,
               p->command.why);
    }
}

static void handle(struct world *w, const struct event *ev)
{
    struct replica *p = &w->replicas[ev->replica];
    bool is_process = ev->type != EV_LAND && ev->type != EV_REPLY && ev->type != EV_CANCEL &&
                      ev->type != EV_RESTART && ev->type != EV_FAILOVER;

    note(w, ev);
    if (ev->type == EV_CANCEL) {
        w->is_cancelled = true;
        return;
    }
    if (ev->type == EV_LAND) {
        on_land(w, *ev);
        return;
    }
    if (ev->type == EV_FAILOVER) {
        on_failover(w);
        return;
    }
    if (is_process && ev->incarnation != p->incarnation)
        return; /* of a process that is gone */
    if (is_process && ev->type != EV_TIMEOUT && ev->type != EV_POLL && chance(w, w->crash)) {
        on_crash(w, ev->replica);
        return;
    }
    switch ((int) ev->type) {
    case EV_POLL:
        on_poll(w, ev->replica);
        return;
    case EV_RESTART:
        p->is_up = true;
        later(w, ev->replica, EV_POLL, 10);
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
    case EV_REPLY:
        on_reply(w, ev);
        return;
    case EV_TIMEOUT:
        on_timeout(w, ev);
        return;
    case EV_SAVE:
        on_save(w, ev->replica);
        return;
    default:
        return;
    }
}

static unsigned rate(struct world *w, int most)
{
    return below(w, 2) ? (unsigned) below(w, most) : 0;
}

static void set_up(struct world *w)
{
    w->crash = rate(w, 60);
    w->pause = rate(w, 80);
    w->lost_commit = rate(w, 60);
    w->lost_reply = rate(w, 300);
    w->server_error = rate(w, 200);
    w->throttle = rate(w, 300);
    w->late_landing = rate(w, 200);
    w->list_lag_ms = below(w, 2) ? (unsigned) below(w, 60 * SECOND) : 0;
    w->fail = rate(w, 150);
    w->failover = rate(w, 60);
    w->clock = rate(w, 900);
    w->needs_quiescence = below(w, 2) == 0; /* names of solution versions: not unique, or unique */
    for (int i = 0; i < STEPS; i++) {
        struct step *s = &w->rows[i].step;

        w->rows[i].owner = -1;
        s->state = STEP_READY;
        s->is_per_run = true;
        s->needs_quiescence = w->needs_quiescence;
        s->attempt = 1;
        s->max_attempts = 2;
        s->poll_ms = 30 * SECOND;
        s->quiescence_ms = w->mutant == MUTANT_SHORT_QUIESCENCE ? 30 * SECOND : 18 * MINUTE;
    }
    for (int r = 0; r < REPLICAS; r++) {
        w->replicas[r].is_up = true;
        later(w, r, EV_POLL, below(w, 1000));
    }
    if (below(w, 10) == 0 || w->mutant == MUTANT_IGNORED_CANCEL)
        push(w, (struct event){ .at_ms = below(w, 30 * MINUTE), .type = EV_CANCEL });
}

static bool is_all_done(const struct world *w)
{
    for (int i = 0; i < STEPS; i++)
        if (is_live(&w->rows[i]))
            return false;
    return true;
}

/* What must hold at the end. A run that was not cancelled leaves no resource without a step that
 * knows it. */
static void check_end(struct world *w)
{
    for (int i = 0; i < STEPS; i++) {
        const struct step *s = &w->rows[i].step;

        if (is_live(&w->rows[i]))
            violate(w, "I9: a step did not end");
        if (s->state == STEP_SUCCEEDED && w->resources[i][s->attempt - 1].count == 0)
            violate(w, "succeeded without a resource");
        if (s->state == STEP_CANCELLED && w->resources[i][s->attempt - 1].count > 0 &&
            s->intent == INTENT_MAYBE_SENT && w->needs_quiescence)
            violate(w, "a resource was left behind by a cancel that did not wait");
    }
}

void world_simulate(uint64_t seed, enum mutant mutant, bool verbose, struct verdict *out)
{
    struct world w = {
        .random = seed * 0x2545F4914F6CDD1DULL + 1, .mutant = mutant, .verbose = verbose, .out = out
    };

    *out = (struct verdict){ .trace = 0xCBF29CE484222325ULL };
    set_up(&w);
    while (w.n_events > 0 && w.now_ms < END_MS && !out->violation) {
        struct event ev = pop(&w);

        w.now_ms = ev.at_ms;
        handle(&w, &ev);
        if (is_all_done(&w) && w.n_landing == 0)
            break; /* late calls were let land */
    }
    if (!out->violation)
        check_end(&w);
    out->simulated_ms = w.now_ms;
}
