/*
 * schedules_store.h - schedules as the API reads them and as a config's new version writes them.
 */
#ifndef STEWARD_SCHEDULES_STORE_H
#define STEWARD_SCHEDULES_STORE_H

#include "steward/db.h"
#include "steward/mem.h"

struct schedules_filter { /* NULL: any */
    const char *config, *kinds /* text array literal */, *is_paused /* "true", "false" */;
    const char *before_id, *limit;
};
/* Rows (id, json), newest first; retired ones are left out. */
void schedules_store_page(const struct schedules_filter *f, struct db_op *op);
/* One row: (json). A retired one is found by its id too. */
void schedules_store_read(const char *id, struct db_op *op);
/* Rows (id), two at most: the live schedules with this name. */
void schedules_store_named(const char *name, struct db_op *op);
/* One row: (json) of the live schedule that the config's document has at path. */
void schedules_store_read_path(const char *config, const char *path, struct db_op *op);
/* Rows (nominal_at text, json): past fires, newest first. */
void schedules_store_fires(const char *id, const char *before, const char *limit, struct db_op *op);
/* One row: (expression, time zone, start, end, enabled, anchor, now; times in epoch seconds,
 * config, kind, options, path, is_retired, pointer, name, overlap, catch-up, starting deadline,
 * jitter, start and end as RFC 3339, enabled). */
void schedules_store_spec(const char *id, struct db_op *op);

/* Rows (path, id): the schedules that a config's document owns now. */
void schedules_store_owned(const char *config, struct db_op *op);
#define SCHEDULES_STORE_WRITE_OPS 2
/*
 * rows: [{id, path, pointer, kind, runOptions, expression, description, timeZone, startAt, endAt,
 * overlap, catchUp, startingDeadlineSeconds, jitterSeconds, enabled, nextNominalAt, nextFireAt}],
 * ids of owned() kept. An unchanged specification keeps id, pause, history and next fire; a changed
 * one gets the next generation; a path that is not in paths (text array literal) is retired.
 * Belongs behind the fence of the config.
 */
size_t schedules_store_write(const char *config, const char *rows, const char *paths,
                             struct db_op *ops);

/* One schedule of its own, of nobody's document: a new one, or (is_new false) the live one of that
 * id anew. row: as above with "config", "name", "kind", "runOptions", without path. A changed
 * specification gets the next generation; an unchanged one keeps its next fire. */
void schedules_store_put_own(const char *row, bool is_new, struct db_op *op);
#define SCHEDULES_STORE_FENCE_OPS 2
/* Raises unless the schedule's JSON has this hash (answer_etag()); sha256 NULL: no statement.
 * Returns how many. */
size_t schedules_store_fence(const char *id, const char *sha256, struct db_op *ops);
/* Ends a schedule of its own; its history stays. */
void schedules_store_retire_own(const char *id, struct db_op *op);

/* Pause and resume: one row (id) when the schedule is live. until, reason: NULL: none. */
void schedules_store_pause(const char *id, const char *until, const char *reason, const char *by,
                           struct db_op *op);
void schedules_store_resume(const char *id, struct db_op *op);
/* The schedule's json, also kept for idempotency_store_keep(). */
void schedules_store_answer(const char *id, struct db_op *op);

#endif
