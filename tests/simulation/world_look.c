/*
 * world_look.c - what a look finds, judged as the engine judges it (look.c, decide.c, ownership.c).
 *
 * Where a look begins is the core's to say (step_look_by): by the ARN on record, by our generated
 * name, or among all that is there.
 */
#include "world_internal.h"

static enum seen status_of(const struct world *w, const struct resource *x)
{
    if (is_gone(w, x))
        return SEEN_ABSENT;
    if (x->gone_ms)
        return SEEN_DELETING;
    if (is_in_progress(w, x))
        return x->is_stopped ? SEEN_STOPPING : SEEN_IN_PROGRESS;
    return x->is_stopped ? SEEN_STOPPED : x->will_fail ? SEEN_FAILED : SEEN_MATCHES;
}

/* ---- jobs and versions ---- */

static enum seen judge_job(const struct world *w, const struct resource *x, bool is_foreign)
{
    enum seen seen = status_of(w, x);

    if (is_foreign && seen == SEEN_MATCHES)
        return SEEN_CURRENT;
    if (is_foreign && (seen == SEEN_FAILED || seen == SEEN_STOPPED))
        return SEEN_STALE;
    return seen;
}

/* The newest that is current: in progress, or ACTIVE where nothing new is asked for. */
static enum seen look_among_all(const struct world *w, struct replica *p)
{
    for (int i = w->n_resources - 1; i >= 0; i--) {
        const struct resource *x = &w->resources[i];
        enum seen seen = status_of(w, x);

        if (x->thing != p->copy.thing || x->config != p->copy.config || w->now_ms < x->visible_ms ||
            (seen != SEEN_IN_PROGRESS && (seen != SEEN_MATCHES || p->copy.is_renewal)))
            continue;
        p->found = i;
        return judge_job(w, x, true);
    }
    return SEEN_STALE;
}

static enum seen look_by_name(const struct world *w, struct replica *p)
{
    struct step *s = &p->copy.step;

    p->found = aws_find(w, name_of(&p->copy, s->attempt), false);
    if (p->found < 0)
        return s->intent == INTENT_MAYBE_SENT ? SEEN_ABSENT : look_among_all(w, p);
    s->is_ours = true;
    step_recover(
        s); /* where its mark is not the last, or was lost with the database's last commits */
    return judge_job(w, &w->resources[p->found], false);
}

static enum seen look_at_job(const struct world *w, struct replica *p)
{
    const struct row *row = &p->copy;
    bool has_arn = row->resource >= 0;
    enum look_by by = step_look_by(&row->step, has_arn, row->is_restored);

    if (w->x->mutant == MUTANT_ADOPTED_FIRST && has_arn)
        by = LOOK_BY_ARN;
    if (by == LOOK_BY_NAME)
        return look_by_name(w, p);
    if (by == LOOK_AMONG_ALL)
        return look_among_all(w, p);
    p->found = row->resource;
    return judge_job(w, &w->resources[p->found], !row->step.is_ours);
}

static enum seen look_to_stop(const struct world *w, struct replica *p)
{
    enum seen seen = SEEN_ABSENT;

    for (int i = w->n_resources - 1; i >= 0; i--) {
        const struct resource *x = &w->resources[i];

        if (x->thing != p->copy.thing || x->config != p->copy.config || !is_in_progress(w, x) ||
            w->now_ms < x->visible_ms)
            continue;
        p->found = i;
        seen = status_of(w, x);
        if (!x->is_stopped)
            break;
    }
    return seen;
}

/* ---- what has the config's name ---- */

static enum seen judge_removal(const struct world *w, const struct resource *x, enum seen seen)
{
    if (seen == SEEN_IN_PROGRESS || seen == SEEN_DELETING)
        return seen; /* its tags are not asked for yet */
    return x->owner == OWNER_US || w->x->mutant == MUTANT_BLIND_DELETE ? seen : SEEN_CONFLICT;
}

static enum seen judge_adoption(const struct row *row, const struct resource *x, enum seen seen)
{
    bool differs = x->value != row->value || x->owner != OWNER_US;

    if (x->owner == OWNER_OTHERS && seen != SEEN_IN_PROGRESS)
        return SEEN_CONFLICT;
    if (x->fixed != row->fixed)
        return things[row->thing].has_update || x->owner != OWNER_US ? SEEN_CONFLICT
               : seen == SEEN_IN_PROGRESS                            ? seen
                                                                     : SEEN_REPLACEABLE;
    if (seen == SEEN_FAILED)
        return differs && things[row->thing].has_update ? SEEN_DIFFERS : seen;
    if (seen != SEEN_MATCHES || !differs)
        return seen;
    return x->has_failed_update && row->step.op == OP_UPDATE && row->step.intent == INTENT_SAVED
               ? SEEN_FAILED
               : SEEN_DIFFERS;
}

/* Described by an ARN that follows from the name: that does not lag as lists do. */
static enum seen look_at_named(const struct world *w, struct replica *p)
{
    const struct row *row = &p->copy;
    const struct resource *x;
    enum seen seen;

    p->found = aws_find(w, name_of(row, 1), true);
    if (p->found < 0)
        return SEEN_ABSENT;
    x = &w->resources[p->found];
    seen = status_of(w, x);
    if (seen == SEEN_DELETING || w->x->mutant == MUTANT_BLIND_ADOPTION)
        return seen;
    return row->step.goal == GOAL_ABSENT ? judge_removal(w, x, seen) : judge_adoption(row, x, seen);
}

enum seen look_at(struct world *w, struct replica *p)
{
    p->found = -1;
    if (p->copy.step.goal == GOAL_IDLE)
        return look_to_stop(w, p);
    return things[p->copy.thing].is_per_run ? look_at_job(w, p) : look_at_named(w, p);
}
