/*
 * timeline_store.h - whether this is still the history of the database that was known (I31).
 */
#ifndef STEWARD_TIMELINE_STORE_H
#define STEWARD_TIMELINE_STORE_H

#include "steward/db.h"

struct timeline {
    char name[64]; /* system, timeline and table */
    bool is_new;   /* it was put on record just now: sends have stopped for the quiescence */
};
MUST_USE enum err_code timeline_store_check(struct db_conn *c, int64_t quiescence_ms,
                                            struct timeline *out, struct err *e);
/* The database's clock was set: what is on record of times can not be compared with those to come.
 * Nothing is sent for the quiescence, and all is looked at again. */
MUST_USE enum err_code timeline_store_void(struct db_conn *c, int64_t quiescence_ms,
                                           struct timeline *out, struct err *e);

#endif
