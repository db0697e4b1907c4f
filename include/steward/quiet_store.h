/*
 * quiet_store.h - runs that wait until nothing more comes in: which are due, and their start.
 */
#ifndef STEWARD_QUIET_STORE_H
#define STEWARD_QUIET_STORE_H

#include "steward/db.h"
#include "steward/mem.h"

struct quiet_run {
    const char *key, *trigger; /* trigger: NULL: uploads */
    const char *config, *kind, *options, *due;
    int64_t version;      /* of the config */
    const char *document; /* at it */
};
struct quiet_list {
    struct quiet_run *items;
    size_t count;
};
/* Whose time has come; what buys waits for the end of a pause, and a trigger's run while it is off.
 */
MUST_USE enum err_code quiet_store_due(struct db_conn *c, struct arena *arena,
                                       struct quiet_list *out, struct err *e);

#define QUIET_STORE_FENCE_OPS 2
/* After the config's fence. Raises ST001 when another replica started it, or something came. */
size_t quiet_store_fence(const struct quiet_run *q, struct db_op *ops);
/* After the run was inserted: whose it is, and the deliveries that led to it. */
void quiet_store_started(const struct quiet_run *q, const char *run_id, struct db_op *op);
/* It will never start: the deliveries say why, with an event. */
void quiet_store_failed(struct arena *arena, const struct quiet_run *q, const char *reason,
                        struct db_op *op);

#endif
