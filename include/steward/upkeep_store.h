/*
 * upkeep_store.h - statements of what people do with what is there: take down, promote, try again,
 * look.
 *
 * Functions fill statements; texts are borrowed until they were submitted.
 */
#ifndef STEWARD_UPKEEP_STORE_H
#define STEWARD_UPKEEP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/db.h"
#include "steward/mem.h"

/* Retires the config's schedules, cancels its queued runs, marks it as being taken down. Returns
 * how many ops (<= 3). */
size_t upkeep_store_wind_up(const char *config, struct db_op *ops);

/* Row (arn, status) of a solution's version by ARN or name; the newest ACTIVE one when version is
 * NULL. */
void upkeep_store_version(const char *solution, const char *version, struct db_op *op);

/* Rows (id, is_done) of a run's steps: what is done need not be done again. */
void upkeep_store_step_ids(const char *run_id, struct db_op *op);

struct upkeep_retry {
    const char *old_run, *new_run;
    const char *ids; /* [{old, new}]: ids of all its steps */
    const char *created_by;
    bool is_whole; /* nothing is taken over */
};
/* A new run of the same plan, queued, whose succeeded steps are the old one's. Raises ST001 when
 * the old one is not over or its config is gone. Returns how many ops (<= 4). */
size_t upkeep_store_retry(struct arena *arena, const struct upkeep_retry *r, struct db_op *ops);

/* A config that should be looked at for drift. */
struct unseen {
    const char *config, *document;
    const char *seconds; /* of the interval */
    int64_t version;
};
struct unseen_list {
    struct unseen *items; /* in the arena */
    size_t count;
};
/* Configs without an open run whose last observation is older than the interval; at most 20. */
MUST_USE enum err_code upkeep_store_unseen(struct db_conn *c, int64_t interval_ms,
                                           struct arena *arena, struct unseen_list *out,
                                           struct err *e);
/* Raises ST001 when the config was taken up meanwhile; drops the earlier quiet run of the timer. To
 * stand after the config's own fence. Returns how many ops (2). */
size_t upkeep_store_observe_fence(const struct unseen *u, struct db_op *ops);

#endif
