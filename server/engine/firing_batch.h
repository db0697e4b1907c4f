/*
 * firing_batch.h - a batch of due schedules, and the parsed configs it plans from. Private to the
 * engine.
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
    struct db_conn *db;
    struct plan_cache *cache;
};
/* Fires all of them in one transaction, or none. A schedule that others moved on meanwhile is left
 * out. */
MUST_USE enum err_code firing_batch_run(const struct firing_place *at,
                                        const struct due_schedule *due, size_t n, struct err *e);

#endif
