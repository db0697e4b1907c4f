/*
 * world.c - the fake world's time: events, chance, the faults of a seed, the end.
 *
 * Single thread, a heap of (time, event), a generator seeded once. Which faults happen at all, and
 * how often, is drawn per seed (swarm testing), so that quiet faults are not drowned by loud ones.
 * After HEAL_MS all faults stop: then every run must end, within a bound.
 */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "world_internal.h"

#define BIT(fault) (1U << (fault))

/* needs: faults without which the mistake can not show; they are on when it is made. */
static const struct {
    const char *name;
    uint32_t needs;
} mutants[MUTANT_COUNT] = {
    [MUTANT_NONE] = { "none", 0 },
    [MUTANT_NO_FENCE] = { "no-fence", 0 },
    [MUTANT_LATE_SIGNING] = { "late-signing", BIT(FAULT_PAUSE) },
    [MUTANT_SHORT_QUIESCENCE] = { "short-quiescence", BIT(FAULT_LATE_LANDING) },
    [MUTANT_UNMATCHED_REPLY] = { "unmatched-reply", BIT(FAULT_LATE_LANDING) },
    [MUTANT_BLIND_RETRY] = { "blind-retry", 0 },
    [MUTANT_NO_MARK] = { "no-mark", 0 },
    [MUTANT_IGNORED_CANCEL] = { "ignored-cancel", BIT(FAULT_CANCEL) | BIT(FAULT_LOST_REPLY) },
    [MUTANT_UNSEEN_RESTORE] = { "unseen-restore", BIT(FAULT_FAILOVER) },
    [MUTANT_SHORT_HALT] = { "short-halt", BIT(FAULT_FAILOVER) },
    [MUTANT_SET_CLOCK] = { "set-clock", BIT(FAULT_WALL_CLOCK) | BIT(FAULT_LATE_LANDING) },
    [MUTANT_UNSEEN_CLOCK] = { "unseen-clock", BIT(FAULT_DATABASE_CLOCK) | BIT(FAULT_LATE_LANDING) },
    [MUTANT_UNCOUNTED_FUSE] = { "uncounted-fuse", BIT(FAULT_TIGHT_FUSE) },
    [MUTANT_EAGER_REFUND] = { "eager-refund", BIT(FAULT_TIGHT_FUSE) },
    [MUTANT_IGNORED_QUOTA] = { "ignored-quota", BIT(FAULT_QUOTA) },
    [MUTANT_IGNORED_PAUSE] = { "ignored-pause", BIT(FAULT_SPENDING) },
    [MUTANT_UNVERIFIED_UPDATE] = { "unverified-update",
                                   BIT(FAULT_MORE_RUNS) | BIT(FAULT_LATE_LANDING) },
    [MUTANT_HASTY_DELETE] = { "hasty-delete", BIT(FAULT_MORE_RUNS) | BIT(FAULT_LATE_LANDING) },
    [MUTANT_BLIND_ADOPTION] = { "blind-adoption", BIT(FAULT_OPERATOR) },
    [MUTANT_BLIND_DELETE] = { "blind-delete", BIT(FAULT_OPERATOR) | BIT(FAULT_MORE_RUNS) },
    [MUTANT_ADOPTED_FIRST] = { "adopted-first", BIT(FAULT_OPERATOR) | BIT(FAULT_LOST_REPLY) },
};

const char *world_mutant_name(enum mutant mutant)
{
    return mutants[mutant].name;
}

/* most: of the rate, in 1/1000 per occasion. */
static const struct {
    const char *name;
    unsigned most;
} faults[FAULT_COUNT] = {
    [FAULT_CRASH] = { "crash", 60 },
    [FAULT_PAUSE] = { "pause", 80 },
    [FAULT_DYING_COMMIT] = { "dying-commit", 1000 },
    [FAULT_LOST_COMMIT] = { "lost-commit", 60 },
    [FAULT_FAILOVER] = { "failover", 60 },
    [FAULT_DATABASE_CLOCK] = { "database-clock", 60 },
    [FAULT_WALL_CLOCK] = { "wall-clock", 900 },
    [FAULT_LOST_REPLY] = { "lost-reply", 300 },
    [FAULT_SERVER_ERROR] = { "server-error", 200 },
    [FAULT_LATE_LANDING] = { "late-landing", 200 },
    [FAULT_THROTTLE] = { "throttle", 300 },
    [FAULT_STORM] = { "storm", 950 },
    [FAULT_LIST_LAG] = { "list-lag", 1000 },
    [FAULT_JOB_FAILURE] = { "job-failure", 150 },
    [FAULT_QUOTA] = { "quota", 500 },
    [FAULT_TIGHT_FUSE] = { "tight-fuse", 1000 },
    [FAULT_OPERATOR] = { "operator", 1000 },
    [FAULT_CANCEL] = { "cancel", 500 },
    [FAULT_STOP] = { "stop", 500 },
    [FAULT_SPENDING] = { "spending", 500 },
    [FAULT_MORE_RUNS] = { "more-runs", 1000 },
};

const char *world_fault_name(enum fault fault)
{
    return faults[fault].name;
}

/* ---- chance ---- */

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

bool is_healed(const struct world *w)
{
    return w->now_ms >= HEAL_MS;
}

bool happens(struct world *w, unsigned per_mille)
{
    return !is_healed(w) && below(w, 1000) < (int64_t) per_mille;
}

bool strikes(struct world *w, enum fault fault)
{
    return w->rates[fault] > 0 && happens(w, w->rates[fault]);
}

int64_t db_now(const struct world *w)
{
    return w->now_ms + w->db_skew_ms;
}

void count(struct world *w, enum count what)
{
    w->out->counts[what]++;
}

void violate(struct world *w, const char *what)
{
    if (!w->out->violation)
        w->out->violation = what;
    if (w->x->is_told)
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

/* ---- what happens ---- */

static void note(struct world *w, const struct event *ev)
{
    static const char *const names[EV_COUNT] = { "poll",   "restart", "looked",   "mark",
                                                 "send",   "timeout", "save",     "land",
                                                 "reply",  "dying",   "failover", "clock",
                                                 "person", "resume",  "operator" };
    uint64_t x = (uint64_t) ev->at_ms * 31 + (uint64_t) ev->type * 7 + (uint64_t) ev->replica;
    const struct replica *p = &w->replicas[ev->replica];
    const struct row *row = &w->db.rows[p->step];

    w->out->trace = (w->out->trace ^ x) * 0x100000001B3ULL;
    count(w, COUNT_EVENTS);
    if (!w->x->is_told || ev->type == EV_POLL)
        return;
    printf("%11.3f s  %d.%u %-8s", (double) ev->at_ms / 1000.0, ev->replica, p->incarnation,
           names[ev->type]);
    if (ev->type == EV_LAND)
        printf(" row %d op %d name %d dated %.3f s\n", ev->call.row, ev->call.op, ev->call.name,
               (double) ev->call.dated_ms / 1000.0);
    else if (ev->type < EV_LAND || ev->type == EV_REPLY)
        printf(" row %d (run %d of config %d, %s, goal %d) state %d intent %d sends %d; command %d "
               "op %d why %d%s\n",
               p->step, row->run, row->config, things[row->thing].name, row->step.goal,
               row->step.state, row->step.intent, row->step.sends, p->command.type, p->command.op,
               p->command.why, p->incarnation != ev->incarnation ? " (gone)" : "");
    else
        printf("\n");
}

static bool is_planned(const struct event *ev)
{
    return ev->type == EV_PERSON || ev->type == EV_OPERATOR || ev->type == EV_CLOCK;
}

static void handle(struct world *w, const struct event *ev)
{
    note(w, ev);
    w->n_coming -= is_planned(ev);
    switch (ev->type) {
    case EV_POLL:
    case EV_RESTART:
    case EV_LOOKED:
    case EV_MARK:
    case EV_SEND:
    case EV_TIMEOUT:
    case EV_SAVE:
    case EV_REPLY:
        process_on_event(w, ev);
        return;
    case EV_LAND:
        aws_on_land(w, *ev);
        return;
    case EV_DYING_COMMIT:
        process_on_dying_commit(w, ev);
        return;
    case EV_FAILOVER:
        database_on_failover(w);
        return;
    case EV_CLOCK:
        database_on_clock(w);
        return;
    case EV_PERSON:
        runs_on_person(w);
        return;
    case EV_RESUME:
        runs_on_resume(w);
        return;
    case EV_OPERATOR:
        operator_on_event(w);
        return;
    case EV_COUNT:
        break;
    }
    assert(false);
}

/* ---- beginning and end ---- */

static void draw_faults(struct world *w)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        bool is_on = below(w, 2) == 1;
        unsigned rate = 1 + (unsigned) below(w, faults[i].most);

        if (mutants[w->x->mutant].needs & BIT(i))
            w->rates[i] = faults[i].most;
        else if (is_on && !(w->x->without & BIT(i)))
            w->rates[i] = rate;
        if (w->rates[i])
            w->out->faults |= BIT(i);
    }
    w->is_name_unique = below(w, 2) == 1;
    w->storm_from_ms = below(w, 2 * HOUR);
    w->storm_until_ms = w->storm_from_ms + MINUTE + below(w, 15 * MINUTE);
    w->fuse_per_solution = w->rates[FAULT_TIGHT_FUSE] ? 1 + (int) below(w, 3) : 4;
    w->fuse_per_account = w->rates[FAULT_TIGHT_FUSE] ? 1 + (int) below(w, 4) : 20;
}

/* Things that come by themselves, whatever the processes do. */
static void schedule(struct world *w, enum event_type type, int64_t most)
{
    for (int64_t n = 1 + below(w, most); n > 0; n--, w->n_coming++)
        push(w, (struct event){ .at_ms = below(w, 2 * HOUR), .type = type });
}

static void set_up(struct world *w)
{
    draw_faults(w);
    runs_set_up(w);
    for (int r = 0; r < REPLICAS; r++)
        process_start(w, r);
    if (w->rates[FAULT_CANCEL] || w->rates[FAULT_STOP] || w->rates[FAULT_SPENDING] ||
        w->rates[FAULT_MORE_RUNS])
        schedule(w, EV_PERSON, 5);
    if (w->rates[FAULT_OPERATOR])
        schedule(w, EV_OPERATOR, 4);
    if (w->rates[FAULT_DATABASE_CLOCK])
        schedule(w, EV_CLOCK, 2);
}

static bool is_over(const struct world *w)
{
    for (int i = 0; i < w->db.n_runs; i++)
        if (!run_state_is_final(w->db.runs[i].state))
            return false;
    return w->n_calls + w->n_coming == 0; /* late calls are let land */
}

/* A training that meets the fuse waits for a day; every other wait is over within hours. */
static int64_t bound_ms(const struct world *w)
{
    int64_t trainings = 0;

    for (int i = 0; i < w->db.n_rows; i++)
        trainings += w->db.rows[i].thing == THING_TRAINING;
    return HEAL_MS + 12 * HOUR + trainings * w->db.rows[0].step.max_attempts * (FUSE_WINDOW + HOUR);
}

void world_simulate(const struct experiment *x, struct verdict *out)
{
    static struct world w; /* too large for a stack; one thread */
    bool is_late = false;

    memset(&w, 0, offsetof(struct world, pasts));
    memset(&w.n_pasts, 0, sizeof w - offsetof(struct world, n_pasts));
    w.x = x;
    w.out = out;
    w.random = x->seed * 0x2545F4914F6CDD1DULL + 1;
    *out = (struct verdict){ .trace = 0xCBF29CE484222325ULL };
    set_up(&w);
    while (w.n_events > 0 && !out->violation && !is_late && !is_over(&w)) {
        struct event ev = pop(&w);

        w.now_ms = ev.at_ms;
        handle(&w, &ev);
        is_late = is_healed(&w) && w.now_ms > bound_ms(&w);
    }
    if (!out->violation)
        check_end(&w);
    out->counts[COUNT_RUNS] += (uint32_t) w.db.n_runs;
    out->counts[COUNT_STEPS] += (uint32_t) w.db.n_rows;
    out->simulated_ms = w.now_ms;
}
