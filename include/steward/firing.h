/*
 * firing.h - which nominal times of a schedule to start now, and what becomes of the others.
 *
 * Pure: the schedule, what was considered last and the time now go in, the decision comes out.
 * Costs a few evaluations of the expression, however long the gap; the count of what is left out is
 * computed, exactly, never stepped through. Whether a run in the way keeps a start from happening
 * (overlap) is asked of the database, not here.
 */
#ifndef STEWARD_FIRING_H
#define STEWARD_FIRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/parameter_file.h"
#include "steward/schedule.h"

#define FIRING_STARTS_MAX 10 /* of catchUp "all" */
#define FIRING_GRACE_S    60 /* catchUp "none": what is later than this was missed */

/* What becomes of due times that are not started: one outcome for the whole stretch. */
enum firing_outcome {
    FIRING_COALESCED, /* the starts stand in for them */
    FIRING_MISSED,    /* too late: starting deadline, or catchUp "none" */
    FIRING_PAUSED
};
const char *firing_outcome_text(enum firing_outcome outcome); /* as schedule_fires has it */

struct firing_schedule {
    const struct schedule_expression *expression;
    const struct tz *zone;
    int64_t anchor_s;       /* of rate(): the start, or any earlier fire */
    int64_t start_s, end_s; /* fires only between them, both included; 0: open */
    int64_t jitter_s; /* of this schedule: firing_jitter_s(); every fire comes so much later */
    int64_t starting_deadline_s; /* 0: none */
    enum catch_up catch_up;
    bool is_paused;
};

struct firing_decision {
    int64_t starts[FIRING_STARTS_MAX]; /* nominal times, oldest first */
    size_t n_starts;
    struct {
        int64_t count, from_s,
            to_s; /* nominal times, first and last; count 0: nothing was left out */
        enum firing_outcome outcome;
    } gap; /* earlier than all starts */
    bool has_next;
    int64_t next_s, next_fire_s; /* nominal, and with the jitter */
};

/*
 * considered_s: the last nominal time that has its outcome; later ones are looked at. A fire is due
 * at its nominal time plus the jitter; lateness counts from there. A clock that went back decides
 * nothing and only names the next fire.
 */
void firing_decide(const struct firing_schedule *s, int64_t considered_s, int64_t now_s,
                   struct firing_decision *out);

/* In [0, max_s], the same for the same schedule everywhere and always. */
int64_t firing_jitter_s(const char *schedule_id, int64_t max_s);

#endif
