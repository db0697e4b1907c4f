/*
 * world_runs.c - runs of two configs, and what people do to them: cancel, retry, apply another
 * version, destroy, stop trainings, stop spending.
 *
 * Runs of one config wait for each other (they claim the same resources); a step waits for what it
 * needs, and is skipped when that fails. Runs and steps move by the tables of machine.c.
 */
#include <assert.h>

#include "world_internal.h"

const struct thing_rule things[THING_COUNT] = {
    [THING_IMPORT] = { "import", .is_per_run = true, .is_billed = true, .quota = 1 },
    [THING_TRAINING] = { "training", .is_per_run = true, .is_billed = true, .is_fused = true,
                         .quota = 1 },
    [THING_CAMPAIGN] = { "campaign", .is_billed = true, .has_update = true },
    [THING_FILTER] = { "filter" },
};

static void set_run_state(struct world *w, struct run *run, enum run_state state)
{
    if (run->state != state && !run_may_become(run->state, state))
        violate(w, "I10: a run took a turn that its machine does not have");
    run->state = state;
}

/* ---- making runs ---- */

static int add_run(struct world *w, int config, bool is_aside)
{
    assert(w->db.n_runs < RUNS_MAX);
    w->db.runs[w->db.n_runs] = (struct run){
        .state = RUN_QUEUED, .config = config, .value = w->versions[config], .is_aside = is_aside
    };
    return w->db.n_runs++;
}

static struct row *add_row(struct world *w, int run, enum thing thing, enum goal goal)
{
    struct row *row = &w->db.rows[w->db.n_rows++];
    bool is_training = thing == THING_TRAINING;

    assert(w->db.n_rows <= ROWS_MAX);
    *row = (struct row){
        .step = { .state = STEP_BLOCKED,
                  .goal = goal,
                  .is_per_run = things[thing].is_per_run,
                  .needs_quiescence = is_training && !w->is_name_unique,
                  .attempt = 1,
                  .max_attempts = 2,
                  .poll_ms = MINUTE,
                  .quiescence_ms =
                      w->x->mutant == MUTANT_SHORT_QUIESCENCE ? 30 * SECOND : QUIESCENCE },
        .run = run,
        .config = w->db.runs[run].config,
        .thing = thing,
        .name = w->next_name++,
        .needs = -1,
        .resource = -1,
    };
    assert(w->next_name * ATTEMPTS_MAX <= NAMES_MAX);
    if (thing == THING_CAMPAIGN)
        row->value = w->db.runs[run].value;
    if (thing == THING_FILTER)
        row->fixed = w->db.runs[run].value / 2; /* some versions change it */
    return row;
}

static int add_need(struct world *w, int run, enum thing thing, int needs)
{
    add_row(w, run, thing, GOAL_PRESENT)->needs = needs;
    return w->db.n_rows - 1;
}

static void add_apply(struct world *w, int config)
{
    int run, needs = -1;

    w->versions[config]++;
    run = add_run(w, config, false);
    if (below(w, 2))
        needs = add_need(w, run, THING_IMPORT, -1);
    needs = add_need(w, run, THING_TRAINING, needs);
    w->db.rows[needs].is_renewal = below(w, 2) == 1;
    add_need(w, run, THING_CAMPAIGN, needs);
    if (below(w, 2))
        add_need(w, run, THING_FILTER, -1);
}

static void add_destroy(struct world *w, int config)
{
    int run = add_run(w, config, false);

    add_row(w, run, THING_CAMPAIGN, GOAL_ABSENT);
    add_row(w, run, THING_FILTER, GOAL_ABSENT);
}

static void add_stop(struct world *w, int config)
{
    add_row(w, add_run(w, config, true), THING_TRAINING, GOAL_IDLE);
}

static bool has_room(const struct world *w)
{
    return w->db.n_runs < RUNS_MAX && w->db.n_rows + 4 <= ROWS_MAX &&
           (w->next_name + 4) * ATTEMPTS_MAX <= NAMES_MAX;
}

/* ---- going on ---- */

static void make_ready(struct world *w, int run)
{
    for (int i = 0; i < w->db.n_rows; i++) {
        struct row *row = &w->db.rows[i];

        if (row->run != run || row->step.state != STEP_BLOCKED)
            continue;
        if (row->needs >= 0 && w->db.rows[row->needs].step.state != STEP_SUCCEEDED)
            continue;
        set_step_state(w, row, STEP_READY);
        row->wake_ms = db_now(w);
    }
}

static void end_run(struct world *w, int run);

/* The oldest queued run of a config goes when no other one works on its resources. */
static void admit(struct world *w)
{
    bool is_taken[CONFIGS] = { false };

    for (int i = 0; i < w->db.n_runs; i++) {
        const struct run *run = &w->db.runs[i];

        is_taken[run->config] |=
            !run->is_aside && (run->state == RUN_RUNNING || run->state == RUN_CANCELLING);
    }
    for (int i = 0; i < w->db.n_runs; i++) {
        struct run *run = &w->db.runs[i];

        if (run->state != RUN_QUEUED || (!run->is_aside && is_taken[run->config]))
            continue;
        is_taken[run->config] |= !run->is_aside;
        set_run_state(w, run, RUN_RUNNING);
        make_ready(w, i);
        end_run(w, i); /* a retry of which nothing was left */
    }
}

/* What hangs under a step that did not succeed is skipped, all the way down: rows come after those
 * that they need. */
static void skip_dependents(struct world *w, int run)
{
    for (int i = 0; i < w->db.n_rows; i++) {
        struct row *row = &w->db.rows[i];
        enum step_state needed = row->needs >= 0 ? w->db.rows[row->needs].step.state : STEP_READY;

        if (row->run == run && row->step.state == STEP_BLOCKED &&
            (needed == STEP_FAILED || needed == STEP_CANCELLED || needed == STEP_SKIPPED))
            set_step_state(w, row, STEP_SKIPPED);
    }
}

static void end_run(struct world *w, int run)
{
    bool has_failed = false;

    for (int i = 0; i < w->db.n_rows; i++) {
        const struct row *row = &w->db.rows[i];

        if (row->run == run && !step_state_is_final(row->step.state))
            return;
        has_failed |= row->run == run && row->step.state == STEP_FAILED;
    }
    set_run_state(w, &w->db.runs[run],
                  w->db.runs[run].state == RUN_CANCELLING ? RUN_CANCELLED
                  : has_failed                            ? RUN_FAILED
                                                          : RUN_SUCCEEDED);
    admit(w);
}

void runs_roll_up(struct world *w, int row)
{
    int run = w->db.rows[row].run;

    skip_dependents(w, run);
    make_ready(w, run);
    end_run(w, run);
}

/* ---- what people do ---- */

/* What may have been sent is left to the engine, which looks at what came of it. */
static void cancel(struct world *w, int at)
{
    struct run *run = &w->db.runs[at];

    if (run->state != RUN_QUEUED && run->state != RUN_RUNNING)
        return;
    count(w, COUNT_CANCELS);
    run->is_cancelled = true;
    set_run_state(w, run, run->state == RUN_QUEUED ? RUN_CANCELLED : RUN_CANCELLING);
    for (int i = 0; i < w->db.n_rows; i++) {
        struct row *row = &w->db.rows[i];

        if (row->run != at || step_state_is_final(row->step.state))
            continue;
        if (row->step.intent != INTENT_MAYBE_SENT && row->step.ambiguous_ms == 0)
            set_step_state(w, row, STEP_CANCELLED);
        else if (row->owner == 0)
            row->wake_ms = db_now(w);
    }
    if (run->state == RUN_CANCELLING)
        end_run(w, at);
}

/* A new run takes over the finished steps: here, what is left of it is made anew. */
static void retry(struct world *w, int at)
{
    const struct run *old = &w->db.runs[at];
    int run, copies[ROWS_MAX], before = w->db.n_rows;

    if (old->state != RUN_FAILED && old->state != RUN_CANCELLED)
        return;
    count(w, COUNT_RETRIES);
    run = add_run(w, old->config, old->is_aside);
    w->db.runs[run].value = old->value;
    for (int i = 0; i < before; i++) {
        const struct row *row = &w->db.rows[i];
        struct row *copy;

        copies[i] = -1;
        if (row->run != at || row->step.state == STEP_SUCCEEDED)
            continue;
        copies[i] = w->db.n_rows;
        copy = add_row(w, run, row->thing, row->step.goal);
        copy->is_renewal = row->is_renewal;
        copy->needs = row->needs >= 0 ? copies[row->needs] : -1;
    }
}

static void set_spending(struct world *w, bool is_paused)
{
    w->db.is_paused = is_paused;
    for (int i = 0; i < w->db.n_rows && !is_paused; i++) {
        struct row *row = &w->db.rows[i];

        if (row->step.state == STEP_WAITING && row->owner == 0 && row->waiting_for == WHY_PAUSED &&
            row->wake_ms > db_now(w))
            row->wake_ms = db_now(w);
    }
}

static void act(struct world *w)
{
    int config = (int) below(w, CONFIGS), run = (int) below(w, w->db.n_runs);

    if (strikes(w, FAULT_CANCEL))
        cancel(w, run);
    if (strikes(w, FAULT_SPENDING)) {
        set_spending(w, true);
        push(w, (struct event){ .at_ms = w->now_ms + below(w, 20 * MINUTE), .type = EV_RESUME });
    }
    if (strikes(w, FAULT_STOP) && has_room(w))
        add_stop(w, config);
    if (!strikes(w, FAULT_MORE_RUNS) || !has_room(w))
        return;
    switch (below(w, 4)) {
    case 0:
        add_destroy(w, config);
        return;
    case 1:
        add_apply(w, config);
        return;
    default:
        retry(w, run);
    }
}

void runs_on_resume(struct world *w)
{
    set_spending(w, false);
    remember(w);
    process_wake_all(w);
}

void runs_on_person(struct world *w)
{
    act(w);
    admit(w);
    remember(w);
    process_wake_all(w);
}

void runs_set_up(struct world *w)
{
    add_apply(w, 0);
    if (below(w, 2))
        add_apply(w, 1);
    admit(w);
    remember(w);
}
