/*
 * run_store.h - creating runs: the same statements for the API (async), the scheduler and retries
 * (blocking).
 */
#ifndef STEWARD_RUN_STORE_H
#define STEWARD_RUN_STORE_H

#include <jansson.h>

#include "steward/db.h"
#include "steward/id.h"
#include "steward/mem.h"
#include "steward/plan.h"

struct run_new {
    char id[ID_BYTES]; /* id_new("run", …) */
    const char *config;
    int64_t config_version;
    enum run_kind kind;
    const char *trigger;     /* 'api' 'apply' 'schedule' 'hook' 'retry' */
    const char *schedule_id; /* NULL: none */
    const char *nominal_at;  /* RFC 3339; NULL */
    const char *retry_of;    /* NULL */
    const char *overlap;     /* "queue" for people; a schedule's own policy otherwise */
    const char *created_by;  /* token id; NULL */
    const json_t *options;   /* NULL: {} */
};

#define RUN_STORE_OPS 4
/* Fills ops with the statements that insert the run (queued), its steps, edges and events; texts
   live in the arena. Returns how many (<= RUN_STORE_OPS). They belong into the same transaction as
   what caused the run. */
size_t run_store_insert(struct arena *arena, const struct run_new *run, const struct plan *plan,
                        struct db_op *ops);

/* One event row for the caller's transaction: data is a JSON object (borrowed). */
struct event_new {
    const char *type, *subject, *config, *run_id, *step_id;
    const json_t *data;
};
void event_store_insert(struct arena *arena, const struct event_new *ev, struct db_op *op);

#endif
