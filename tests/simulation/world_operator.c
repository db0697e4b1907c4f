/*
 * world_operator.c - somebody else in the same account: an operator, another deployment, Amazon's
 * own training.
 *
 * Makes what bears our names, changes and deletes what is there, and has trainings of its own.
 */
#include "world_internal.h"

static void make(struct world *w, const struct row *like)
{
    bool is_job = things[like->thing].is_per_run;
    int made;

    if (!is_job && aws_find(w, name_of(like, 1), true) >= 0)
        return;
    made = aws_add(
        w, &(struct resource){ .name = is_job ? -1 : name_of(like, 1),
                               .config = like->config,
                               .thing = like->thing,
                               .owner = !is_job && below(w, 3) == 0 ? OWNER_OTHERS : OWNER_NOBODY,
                               .fixed = like->fixed + (below(w, 3) == 0),
                               .value = like->value + (int) below(w, 2) });
    w->resources[made].touched_ms = w->now_ms;
    if (!is_job && below(w, 2)) /* since long ago */
        w->resources[made].ready_ms = w->now_ms;
}

static void change(struct world *w, const struct row *like)
{
    int at = aws_find(w, name_of(like, 1), true);
    struct resource *x = &w->resources[at];

    if (at < 0 || x->gone_ms || is_in_progress(w, x))
        return;
    x->changed_ms = x->touched_ms = w->now_ms;
    if (below(w, 2)) {
        x->value += 100;
        x->ready_ms = w->now_ms + below(w, 5 * MINUTE);
    } else {
        x->gone_ms = w->now_ms + SECOND + below(w, MINUTE);
    }
}

void operator_on_event(struct world *w)
{
    const struct row *like = &w->db.rows[below(w, w->db.n_rows)];

    if (w->n_resources > RESOURCES_MAX / 2)
        return;
    count(w, COUNT_OTHERS);
    if (things[like->thing].is_per_run || below(w, 2))
        make(w, like);
    else
        change(w, like);
}
