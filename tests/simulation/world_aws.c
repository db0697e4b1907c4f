/*
 * world_aws.c - Amazon Personalize as far as the create protocol meets it: calls that land late,
 * signatures that grow old, lists that lag, names that are unique or not.
 */
#include "world_internal.h"

static enum seen look(struct world *w, const struct replica *p, int attempt)
{
    const struct resource *x = &w->resources[p->step][attempt - 1];

    if (x->count == 0 || w->now_ms < x->created_ms + below(w, (int64_t) w->list_lag_ms + 1))
        return SEEN_ABSENT;
    if (w->now_ms < x->ready_ms)
        return SEEN_IN_PROGRESS;
    return x->will_fail ? SEEN_FAILED : SEEN_MATCHES;
}

void on_looked(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    enum seen seen = look(w, p, p->copy.step.attempt);

    if (chance(w, w->server_error + w->throttle)) {
        proceed(w, r, OUT_LOOK_RETRY, SEEN_ABSENT, p->command.id);
        return;
    }
    w->wall_skew_ms[r] = 0; /* the answer told the time */
    /* A saved resource is described by its ARN, which does not lag. */
    if (p->copy.step.intent == INTENT_SAVED && seen == SEEN_ABSENT)
        seen = SEEN_IN_PROGRESS;
    if (seen != SEEN_ABSENT) {
        p->copy.step.is_ours = true;
        if (p->copy.is_restored)
            step_recover(&p->copy.step);
    }
    proceed(w, r, OUT_SEEN, seen, p->command.id);
}

static void land(struct world *w, struct event *call)
{
    struct resource *x = &w->resources[call->step][call->attempt - 1];

    call->reply = OUT_SENT_OK;
    if (w->now_ms - call->dated_ms > WINDOW || call->dated_ms - w->now_ms > WINDOW) {
        call->reply = OUT_NOT_SENT; /* the signature is too old, or of the future */
        return;
    }
    if (chance(w, w->throttle)) {
        call->reply = OUT_SENT_BUSY;
        return;
    }
    if (chance(w, w->server_error)) {
        call->reply = OUT_SENT_UNKNOWN; /* 5xx before the effect */
        return;
    }
    if (x->count > 0 && !w->needs_quiescence) {
        call->reply = OUT_SENT_EXISTS;
        return;
    }
    if (++x->count > 1)
        violate(w, "I8: two resources of one intent");
    if (x->count == 1) {
        x->created_ms = w->now_ms;
        x->ready_ms = w->now_ms + 10 * SECOND + below(w, 40 * MINUTE);
        x->will_fail = below(w, 1000) < (int64_t) w->fail;
        w->out->resources++;
    }
    if (chance(w, w->server_error))
        call->reply = OUT_SENT_UNKNOWN; /* 5xx after the effect */
}

void on_land(struct world *w, struct event call)
{
    w->n_landing--;
    land(w, &call);
    if (chance(w, w->lost_reply))
        return; /* the caller times out */
    call.type = EV_REPLY;
    call.at_ms = w->now_ms + 5 + below(w, 500);
    push(w, call);
}
