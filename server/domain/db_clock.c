/*
 * db_clock.c - whether somebody set the database's clock.
 *
 * A reading is only as good as it was quick: one that a stopped process read late says little, so
 * bounds are kept, and only bounds that do not meet prove a step.
 */
#include "steward/db_clock.h"

#include <assert.h>

bool db_clock_note(struct db_clock *c, int64_t before_ms, int64_t after_ms, int64_t db_ms)
{
    struct db_clock now = { .is_known = true,
                            .least_ms = db_ms - after_ms,
                            .most_ms = db_ms - before_ms };
    bool is_set = c->is_known && (now.least_ms > c->most_ms + DB_CLOCK_SLACK_MS ||
                                  now.most_ms < c->least_ms - DB_CLOCK_SLACK_MS);

    assert(before_ms <= after_ms);
    /* A slow reading does not replace a good one. */
    if (is_set || !c->is_known || after_ms - before_ms < DB_CLOCK_SLACK_MS)
        *c = now;
    return is_set;
}
