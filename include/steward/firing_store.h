/*
 * firing_store.h - due schedules and the one transaction in which a schedule fires.
 */
#ifndef STEWARD_FIRING_STORE_H
#define STEWARD_FIRING_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "steward/db.h"
#include "steward/mem.h"

/* A due schedule with what its run is planned from. Times are seconds since the epoch; texts live
 * in the arena. */
struct due_schedule {
    const char *id, *config, *kind, *expression, *time_zone, *overlap, *catch_up;
    const char *run_options, *document; /* JSON texts */
    int64_t config_version, nominal_s, now_s, end_s, starting_deadline_s, jitter_s;
    int generation;
    bool is_paused;
    const char *pause_reason; /* of the server's pause, or the schedule's own; NULL */
};
struct due {
    struct due_schedule *items; /* in the arena */
    size_t count;
    int64_t next_ms;    /* until the next one is due; -1: none */
    bool is_pause_over; /* the time of the server-wide pause has come */
};
MUST_USE enum err_code firing_store_due(struct db_conn *c, struct arena *arena, struct due *out,
                                        struct err *e);

/* Whether an open run of this schedule, or one on the same resources, is in the way. claims: JSON
 * list. *run_id: arena. */
struct overlap_query {
    const char *schedule_id, *claims;
    struct arena *arena;
};
MUST_USE enum err_code firing_store_overlap(struct db_conn *c, const struct overlap_query *q,
                                            const char **run_id, struct err *e);

#define FIRING_STORE_OPS 2
/* What moves the schedule on, and its fire rows: [{"local", "fold", "at", "outcome", "runId",
   "count", "from", "to", "reason"}] with times in epoch seconds. next_s 0: never again. Raises
   (ERR_CONFLICT) when another replica was faster or the schedule was edited. */
struct firing_move {
    const struct due_schedule *schedule;
    int64_t next_s, next_fire_s;
    const char *fires; /* JSON text */
};
size_t firing_store_move(struct arena *arena, const struct firing_move *move, struct db_op *ops);
/*
 * Moves the schedule on without a run or a row, but only if one of the move's nominal times has its
 * row already: tz data or a clock that changed between computing and firing name the same wall time
 * again. Otherwise raises as above.
 */
void firing_store_skip(struct arena *arena, const struct firing_move *move, struct db_op *op);

#endif
