/*
 * events_store.h - the numbered event log as the API reads it.
 */
#ifndef STEWARD_EVENTS_STORE_H
#define STEWARD_EVENTS_STORE_H

#include "steward/db.h"

/* One row: (newest number, oldest kept number or NULL). */
void events_store_bounds(struct db_op *op);
/* Rows (seq, type, config, run_id, json of the CloudEvent) after a number, in order. */
void events_store_feed(const char *after, const char *limit, struct db_op *op);

struct events_filter { /* NULL: any */
    const char *types; /* text array literal of LIKE patterns: 'run.%' */
    const char *config, *run_id;
    const char *after;  /* ascending from here (exclusive); NULL: newest first */
    const char *before; /* newest first, older than this */
    const char *limit;
};
/* Rows (seq, json, type). */
void events_store_page(const struct events_filter *f, struct db_op *op);

#endif
