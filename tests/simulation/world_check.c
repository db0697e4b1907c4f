/*
 * world_check.c - what must hold at the end: every run is over, leases are free, nothing of ours is
 * without a step that knows it, and what serves is what was asked for last.
 */
#include <stddef.h>

#include "world_internal.h"

/* I9, I10: within the bound. */
static void check_over(struct world *w)
{
    for (int i = 0; i < w->db.n_runs; i++)
        if (!run_state_is_final(w->db.runs[i].state))
            violate(w, "I9: a run did not end");
    for (int i = 0; i < w->db.n_rows; i++) {
        if (!step_state_is_final(w->db.rows[i].step.state))
            violate(w, "I9: a step did not end");
        if (w->db.rows[i].owner != 0)
            violate(w, "a lease outlived its step");
        if (w->db.rows[i].step.state == STEP_SUCCEEDED &&
            w->db.rows[i].step.intent == INTENT_MAYBE_SENT)
            violate(w, "succeeded with an unsettled intent");
    }
}

static const struct row *row_of_name(const struct world *w, int name)
{
    for (int i = 0; i < w->db.n_rows; i++)
        if (things[w->db.rows[i].thing].is_per_run && w->db.rows[i].name == name / ATTEMPTS_MAX)
            return &w->db.rows[i];
    return NULL;
}

/* A job or version of ours is on record with its step, or was of an attempt that failed before. */
static void check_orphans(struct world *w)
{
    for (int i = 0; i < w->n_resources; i++) {
        const struct resource *x = &w->resources[i];
        const struct row *row;

        if (!things[x->thing].is_per_run || x->name < 0)
            continue;
        row = row_of_name(w, x->name);
        if (!row)
            violate(w, "an orphan of a step that is not there");
        else if (x->name % ATTEMPTS_MAX == row->step.attempt - 1 && row->resource != i)
            violate(w, "an orphan: its step ended without it");
    }
}

/* The step of the newest run that had to do with that name. */
static const struct row *last_of(const struct world *w, int config, enum thing thing)
{
    for (int i = w->db.n_rows - 1; i >= 0; i--) {
        const struct row *row = &w->db.rows[i];

        if (row->config == config && row->thing == thing)
            return row;
    }
    return NULL;
}

/* I14: nothing that was sent before undoes what the last step has seen to. */
static void check_converged(struct world *w, int config, enum thing thing)
{
    const struct row *row = last_of(w, config, thing);
    const struct resource *x;
    int at;

    if (!row || row->step.state != STEP_SUCCEEDED)
        return;
    at = aws_find(w, name_of(row, 1), true);
    x = at >= 0 ? &w->resources[at] : NULL;
    for (int i = 0; i < w->n_resources; i++)
        if (w->resources[i].name == name_of(row, 1) && w->resources[i].touched_ms > row->looked_ms)
            return; /* by somebody else, afterwards */
    if (row->step.goal == GOAL_ABSENT) {
        if (x && x->owner == OWNER_US)
            violate(w, "taken down, and there again");
    } else if (!x || x->gone_ms) {
        violate(w, "I14: what was seen to is gone");
    } else if (x->value != row->value || x->fixed != row->fixed) {
        violate(w, "I14: a late call undid what was asked for last");
    }
}

void check_end(struct world *w)
{
    check_over(w);
    if (w->out->counts[COUNT_FAILOVERS])
        return; /* runs and their ends may be among what was lost: the audit's to find */
    check_orphans(w);
    for (int config = 0; config < CONFIGS; config++) {
        check_converged(w, config, THING_CAMPAIGN);
        check_converged(w, config, THING_FILTER);
    }
}
