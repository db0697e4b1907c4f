/*
 * firing_batch.h - a batch of due schedules, the parsed configs it plans from, and a crowd of them
 * in two batches at once. Private to the engine.
 */
#ifndef STEWARD_ENGINE_FIRING_BATCH_H
#define STEWARD_ENGINE_FIRING_BATCH_H

#include "steward/firing_store.h"
#include "work.h"

/* ---- plan_cache.c: parsed configs, the newest used; bounded ---- */
struct plan_cache;
struct plan_cache *plan_cache_new(void);
void plan_cache_free(struct plan_cache *cache);
/* The config of the schedule at its version. *out is borrowed until the next call. ERR_NOT_FOUND:
 * it is gone. */
MUST_USE enum err_code plan_cache_get(struct plan_cache *cache, struct db_conn *db,
                                      const struct due_schedule *s,
                                      const struct parameter_file **out, struct err *e);

/* ---- firing_batch.c ---- */
struct firing_place {
    struct engine *engine;
    struct db_conn *db, *beside; /* beside: of the crowd's other half; NULL: not needed so far */
    struct plan_cache *cache;
};
/* What a batch is to do, in three steps so that others may come between. */
struct batch;
/* Which nominal times start, by which plans; the due schedules are borrowed. NULL on an error. */
MUST_USE enum err_code firing_batch_begin(const struct firing_place *at,
                                          const struct due_schedule *due, size_t n,
                                          struct batch **out, struct err *e);
/* Runs in the way are asked of the database, so after those of other batches are there. */
MUST_USE enum err_code firing_batch_complete(struct batch *b, struct err *e);
/* All of them in one transaction, or none. A schedule that others moved on meanwhile is left out.
 * db may be another session than the one it was made with. */
MUST_USE enum err_code firing_batch_write(struct batch *b, struct db_conn *db, struct err *e);
void firing_batch_free(struct batch *b);
/* Whether a run that the completed batch starts is in the way of this one, which has begun. */
bool firing_batch_meets(struct batch *b, const struct batch *completed);
/* The three steps in one go. */
MUST_USE enum err_code firing_batch_run(const struct firing_place *at,
                                        const struct due_schedule *due, size_t n, struct err *e);

/* ---- firing_crowd.c ---- */
/* Fires what is due, a crowd in two batches at once; one by one what fails together. Returns how
 * many fired. */
size_t firing_crowd_run(struct firing_place *at, const struct due *due);

#endif
