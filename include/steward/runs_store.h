/*
 * runs_store.h - runs as the API reads and cancels them.
 *
 * Each function fills one or more statements; texts are borrowed until they were submitted. Rows
 * come back as documented per function (rows.h).
 */
#ifndef STEWARD_RUNS_STORE_H
#define STEWARD_RUNS_STORE_H

#include "steward/db.h"
#include "steward/mem.h"

/* One row: (json of the run with its steps, is_final, version of its rows). */
void runs_store_read(const char *id, struct db_op *op);
/* One row: (version, is_final); a tenth of the cost. */
void runs_store_version(const char *id, struct db_op *op);
/* One row: (state). */
void runs_store_state(const char *id, struct db_op *op);
/* One row: (state, json of the run without its steps). */
void runs_store_summary(const char *id, struct db_op *op);
/* One row: (json of the run without its steps), also kept for idempotency_store_keep(). */
void runs_store_answer(const char *id, struct db_op *op);

struct runs_filter { /* NULL: any; lists are text array literals */
    const char *config, *statuses, *kinds, *triggers, *schedule_id;
    const char *created_after, *created_before; /* RFC 3339 */
    const char *before_id;                      /* rows older than this */
    const char *limit;                          /* rows wanted */
};
/* Rows (id, json), newest first. */
void runs_store_page(const struct runs_filter *f, struct db_op *op);

/* Whether nothing narrows it and it is the first page. */
bool runs_filter_is_plain(const struct runs_filter *f);
/* The plain page: one row (items joined by commas, key of the last one when there are more or NULL,
 * version). limit counts one more than is shown. */
void runs_store_newest(const char *limit, struct db_op *op);
/* One row: (version). */
void runs_store_newest_version(const char *limit, struct db_op *op);

#define RUNS_STORE_CANCEL_OPS 5
/*
 * Cancels for good: a queued run is over at once; of a running one the steps that may not have
 * bought anything end here, and the engine ends the others. Raises ST001 when the run is over or
 * already being cancelled. Returns the number of ops.
 */
struct run_cancel {
    const char *id, *reason;
    bool stops; /* a training that the run has begun is stopped, too */
};
size_t runs_store_cancel(struct arena *arena, const struct run_cancel *cancel, struct db_op *ops);

/* Rows (status, config, step, campaign, version, is_answered): one per question of the run, or one
 * with NULLs from the third on; none: there is no such run. */
void runs_store_questions(const char *run, struct db_op *op);
/* Writes {verdict, by, reason} on the step. Raises ST001 when it asks no more. */
void runs_store_answer_question(const char *step, const char *answer, struct db_op *op);

/* One row per state of open runs and steps: ('run'|'step', state, count). */
void runs_store_open_counts(struct db_op *op);

#endif
