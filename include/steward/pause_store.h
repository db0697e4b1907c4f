/*
 * pause_store.h - the server-wide pause ("stop spending").
 *
 * While it is in force schedules start nothing and nothing that buys is marked: the mark's own
 * transaction asks (step_store.h).
 */
#ifndef STEWARD_PAUSE_STORE_H
#define STEWARD_PAUSE_STORE_H

#include <stdbool.h>

#include "steward/db.h"
#include "steward/mem.h"

/* One row: (is in force, json, one sentence that says so). */
void pause_store_read(struct db_op *op);

#define PAUSE_STORE_OPS 4
/* What a person or the clock does to the pause: the change, the event, what it wakes. */
struct pause_change {
    bool is_paused;
    const char *until, *reason, *by; /* of a pause; NULL: none */
};
/* An event is written when it begins, changes or ends, and only then. The last op is the answer:
 * json, also kept for idempotency_store_keep(). */
size_t pause_store_change(struct arena *arena, const struct pause_change *change,
                          struct db_op *ops);
/* Ends a pause whose time is over, with its event. *has_ended: it was this call. */
MUST_USE enum err_code pause_store_expire(struct db_conn *c, bool *has_ended, struct err *e);

#endif
