/*
 * world_aws.c - Amazon Personalize as far as the engine's calls meet it: calls that land late,
 * signatures that grow old, names that are unique or not, quotas, resources that are busy.
 *
 * Where an effect lands it is judged by what must hold of effects: I7, I8, I11, I12.
 */
#include <assert.h>

#include "world_internal.h"

int name_of(const struct row *row, int attempt)
{
    assert(attempt <= ATTEMPTS_MAX);
    return things[row->thing].is_per_run ? row->name * ATTEMPTS_MAX + attempt - 1
                                         : NAMES_MAX + row->config * THING_COUNT + (int) row->thing;
}

bool is_gone(const struct world *w, const struct resource *x)
{
    return x->gone_ms != 0 && w->now_ms >= x->gone_ms;
}

bool is_in_progress(const struct world *w, const struct resource *x)
{
    return x->gone_ms == 0 && w->now_ms < x->ready_ms;
}

int aws_find(const struct world *w, int name, bool with_hidden)
{
    for (int i = w->n_resources - 1; i >= 0; i--) {
        const struct resource *x = &w->resources[i];

        if (x->name == name && !is_gone(w, x) && (with_hidden || w->now_ms >= x->visible_ms))
            return i;
    }
    return -1;
}

bool aws_is_busy(struct world *w)
{
    bool is_storm = w->now_ms >= w->storm_from_ms && w->now_ms < w->storm_until_ms;

    return strikes(w, FAULT_THROTTLE) || (is_storm && strikes(w, FAULT_STORM));
}

int aws_add(struct world *w, const struct resource *like)
{
    struct resource *x = &w->resources[w->n_resources];

    assert(w->n_resources < RESOURCES_MAX);
    *x = *like;
    x->created_ms = x->changed_ms = w->now_ms;
    x->visible_ms = w->now_ms + (strikes(w, FAULT_LIST_LAG) ? below(w, 60 * SECOND) : 0);
    x->ready_ms = w->now_ms + 10 * SECOND + below(w, 40 * MINUTE);
    x->will_fail = strikes(w, FAULT_JOB_FAILURE);
    return w->n_resources++;
}

/* ---- creates ---- */

static bool is_quota_full(const struct world *w, enum thing thing)
{
    int n = 0;

    for (int i = 0; i < w->n_resources; i++)
        n += w->resources[i].thing == thing && is_in_progress(w, &w->resources[i]);
    return w->rates[FAULT_QUOTA] && things[thing].quota > 0 && n >= things[thing].quota;
}

/* I12, whatever the database has counted. Its clock may have been set meanwhile, by two hours. */
static void check_fuse(struct world *w, int config)
{
    int of_solution = 0, of_account = 0;

    for (int i = 0; i < w->n_resources; i++) {
        const struct resource *x = &w->resources[i];

        if (!things[x->thing].is_fused || x->owner != OWNER_US ||
            x->created_ms < w->now_ms - FUSE_WINDOW + 3 * HOUR)
            continue;
        of_account++;
        of_solution += x->config == config;
    }
    if (of_solution > w->fuse_per_solution + w->lost_marks ||
        of_account > w->fuse_per_account + w->lost_marks)
        violate(w, "I12: more trainings than the fuse lets through");
}

static void check_created(struct world *w, const struct call *c)
{
    int n = 0;

    if (!things[c->thing].is_per_run)
        return;
    for (int i = 0; i < w->n_resources; i++)
        n += w->resources[i].name == c->name;
    if (n > 1)
        violate(w, "I8: two resources of one intent");
    if (!w->is_marked[c->name])
        violate(w, "I7: sent without a mark");
    if (things[c->thing].is_fused)
        check_fuse(w, c->config);
}

static enum outcome_type create(struct world *w, const struct call *c, int *made)
{
    bool is_unique = c->thing != THING_TRAINING || w->is_name_unique;

    if (is_unique && aws_find(w, c->name, true) >= 0)
        return OUT_SENT_EXISTS;
    if (is_quota_full(w, c->thing))
        return OUT_SENT_FULL;
    *made = aws_add(w, &(struct resource){ .name = c->name,
                                           .config = c->config,
                                           .thing = c->thing,
                                           .owner = OWNER_US,
                                           .fixed = c->fixed,
                                           .value = c->value });
    count(w, COUNT_CREATED);
    check_created(w, c);
    return OUT_SENT_OK;
}

/* ---- updates, deletions, stops ---- */

/* Nobody else had a hand in it since we looked: what we do to it we do knowingly. */
static bool is_as_looked_at(const struct resource *x, const struct call *c)
{
    return x->touched_ms <= c->looked_ms && x->created_ms <= c->looked_ms;
}

static enum outcome_type update(struct world *w, const struct call *c)
{
    int at = aws_find(w, c->name, true);
    struct resource *x = &w->resources[at];

    if (at < 0 || x->gone_ms)
        return OUT_SENT_REFUSED; /* not found */
    if (is_in_progress(w, x))
        return OUT_SENT_BUSY; /* in use */
    if (is_as_looked_at(x, c) && (x->owner == OWNER_OTHERS || x->fixed != c->fixed))
        violate(w, "I11: what belongs to somebody else was changed");
    count(w, COUNT_UPDATED);
    x->ready_ms = w->now_ms + 10 * SECOND + below(w, 5 * MINUTE);
    x->changed_ms = w->now_ms;
    x->has_failed_update = !x->will_fail && strikes(w, FAULT_JOB_FAILURE);
    if (x->has_failed_update)
        return OUT_SENT_OK;
    x->owner = OWNER_US;
    x->value = c->value;
    x->will_fail = false;
    return OUT_SENT_OK;
}

static enum outcome_type delete (struct world *w, const struct call *c) {
    int at = aws_find(w, c->name, true); struct resource *x = &w->resources[at];

    if (at < 0) return OUT_SENT_OK; /* not found: as wanted */
    if (x->gone_ms || is_in_progress(w, x)) return OUT_SENT_BUSY;
    if (is_as_looked_at(x, c) && x->owner != OWNER_US)
        violate(w, "I11: what is not ours was deleted");
    if (x->created_ms > c->looked_ms && x->owner == OWNER_US && x->touched_ms == 0)
        violate(w, "a late deletion hit what was made anew");
    count(w, COUNT_DELETED);
    x->gone_ms = w->now_ms + SECOND + below(w, 2 * MINUTE);
    x->changed_ms = w->now_ms;
    return OUT_SENT_OK;
}

static enum outcome_type stop(struct world *w, const struct call *c)
{
    struct resource *x = &w->resources[c->target];

    if (c->target < 0 || !is_in_progress(w, x) || x->is_stopped)
        return OUT_SENT_BUSY;
    count(w, COUNT_STOPPED);
    x->is_stopped = true;
    x->ready_ms = w->now_ms + 10 * SECOND + below(w, MINUTE);
    return OUT_SENT_OK;
}

/* ---- a call lands ---- */

static enum outcome_type land(struct world *w, const struct call *c, int *made)
{
    enum outcome_type reply;

    if (w->now_ms - c->dated_ms > WINDOW || c->dated_ms - w->now_ms > WINDOW)
        return OUT_NOT_SENT; /* the signature is too old, or of the future */
    if (aws_is_busy(w))
        return OUT_SENT_BUSY;
    if (strikes(w, FAULT_SERVER_ERROR))
        return OUT_SENT_UNKNOWN; /* 5xx before the effect */
    reply = c->op == OP_CREATE   ? create(w, c, made)
            : c->op == OP_UPDATE ? update(w, c)
            : c->op == OP_DELETE ? delete (w, c)
                                 : stop(w, c);
    return reply == OUT_SENT_OK && strikes(w, FAULT_SERVER_ERROR)
               ? OUT_SENT_UNKNOWN /* 5xx after the effect */
               : reply;
}

void aws_on_land(struct world *w, struct event call)
{
    w->n_calls--;
    call.resource = -1;
    call.reply = land(w, &call.call, &call.resource);
    if (strikes(w, FAULT_LOST_REPLY))
        return; /* the caller times out */
    call.type = EV_REPLY;
    call.at_ms = w->now_ms + 5 + below(w, 500);
    push(w, call);
}
