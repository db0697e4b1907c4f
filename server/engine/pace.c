/*
 * pace.c - how often to look at what is in progress.
 *
 * As the one before in the same place lets expect, within the options' bounds.
 */
#include "steward/clock.h"
#include "steward/json.h"
#include "work.h"

int64_t pace_interval_ms(const struct worker *k, const struct step_row *row)
{
    int64_t now = clock_mono_ms() + k->db_offset_ms;
    int64_t since = row->step.last_mark_ms ? row->step.last_mark_ms : row->started_ms;
    bool has_history = row->kind->is_per_run && !k->options->is_simulated; /* another clock */
    int64_t expected = has_history ? json_int_or(row->known, "took_ms", 0) : 0;
    int64_t most = row->kind->poll_ms, ms;

    if (k->options->poll_max_ms && most > k->options->poll_max_ms)
        most = k->options->poll_max_ms;
    ms = step_poll_ms(since ? now - since : 0, expected, most);
    if (k->options->poll_min_ms) {
        int64_t tenth = since ? (now - since) / 10 : 0;
        ms = tenth < k->options->poll_min_ms ? k->options->poll_min_ms : tenth < ms ? tenth : ms;
    }
    return ms < k->options->poll_min_ms ? k->options->poll_min_ms : ms;
}
