/*
 * firing.c - the policy of late fires: catch-up, starting deadline, pause, jitter.
 *
 * Pure. The due times form one stretch; its newest part is started, the older part is one gap with
 * one outcome.
 */
#include "steward/firing.h"

#include <assert.h>
#include <string.h>

#include "steward/str.h"

const char *firing_outcome_text(enum firing_outcome outcome)
{
    static const char *const texts[] = { [FIRING_COALESCED] = "coalesced",
                                         [FIRING_MISSED] = "skippedMisfire",
                                         [FIRING_PAUSED] = "paused" };

    return texts[outcome];
}

int64_t firing_jitter_s(const char *schedule_id, int64_t max_s)
{
    uint8_t digest[32];
    uint64_t head = 0;

    if (max_s <= 0)
        return 0;
    sha256(schedule_id, strlen(schedule_id), digest);
    for (size_t i = 0; i < sizeof head; i++)
        head |= (uint64_t) digest[i] << 8 * i;
    return (int64_t) (head % ((uint64_t) max_s + 1));
}

/* Due times lie in (after, until]. */
struct stretch {
    int64_t after, until;
};

static struct stretch stretch_of(const struct firing_schedule *s, int64_t considered_s,
                                 int64_t now_s)
{
    struct stretch d = { considered_s, now_s - s->jitter_s };

    if (s->start_s && s->start_s - 1 > d.after)
        d.after = s->start_s - 1;
    if (s->end_s && s->end_s < d.until)
        d.until = s->end_s;
    return d;
}

static bool prev_in(const struct firing_schedule *s, struct stretch d, int64_t *out)
{
    return d.until > d.after && schedule_prev(s->expression, s->zone, s->anchor_s, d.until, out) &&
           *out > d.after;
}

static bool is_too_late(const struct firing_schedule *s, int64_t nominal_s, int64_t now_s)
{
    int64_t late_s = now_s - s->jitter_s - nominal_s;

    if (s->starting_deadline_s && late_s > s->starting_deadline_s)
        return true;
    return s->catch_up == CATCH_UP_NONE && late_s > FIRING_GRACE_S;
}

/* The newest due times that may start; d->until is moved back to before them. */
static void choose_starts(const struct firing_schedule *s, int64_t now_s, struct stretch *d,
                          struct firing_decision *out)
{
    size_t most = s->is_paused ? 0 : s->catch_up == CATCH_UP_ALL ? FIRING_STARTS_MAX : 1;
    int64_t at;

    while (out->n_starts < most && prev_in(s, *d, &at) && !is_too_late(s, at, now_s)) {
        memmove(out->starts + 1, out->starts, out->n_starts * sizeof out->starts[0]);
        out->starts[0] = at;
        out->n_starts++;
        d->until = at - 1;
    }
}

static void fill_gap(const struct firing_schedule *s, struct stretch d, struct firing_decision *out)
{
    if (!prev_in(s, d, &out->gap.to_s))
        return;
    (void) schedule_next(s->expression, s->zone, s->anchor_s, d.after, &out->gap.from_s);
    out->gap.count =
        schedule_count(s->expression, s->zone, s->anchor_s, (int64_t[]){ d.after, d.until });
    assert(out->gap.count > 0 && out->gap.from_s <= out->gap.to_s);
    out->gap.outcome = s->is_paused                                     ? FIRING_PAUSED
                       : s->catch_up == CATCH_UP_NONE || !out->n_starts ? FIRING_MISSED
                                                                        : FIRING_COALESCED;
}

void firing_decide(const struct firing_schedule *s, int64_t considered_s, int64_t now_s,
                   struct firing_decision *out)
{
    struct stretch d = stretch_of(s, considered_s, now_s);
    int64_t from = d.until > d.after ? d.until : d.after;

    memset(out, 0, sizeof *out);
    choose_starts(s, now_s, &d, out);
    fill_gap(s, d, out);
    out->has_next = schedule_next(s->expression, s->zone, s->anchor_s, from, &out->next_s) &&
                    (!s->end_s || out->next_s <= s->end_s);
    if (out->has_next)
        out->next_fire_s = out->next_s + s->jitter_s;
    else
        out->next_s = 0;
}
