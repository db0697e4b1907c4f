/*
 * retention_store.h - how long things are kept.
 */
#ifndef STEWARD_RETENTION_STORE_H
#define STEWARD_RETENTION_STORE_H

#include "steward/db.h"

struct retention { /* 0: for ever */
    int64_t events_ms, runs_ms;
};
/* Deletes one small batch of each kind of what is older. */
MUST_USE enum err_code retention_store_batch(struct db_conn *c, const struct retention *keep,
                                             struct err *e);

#endif
