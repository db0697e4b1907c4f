/*
 * overview_store.h - the aggregated reads: what is wrong now, and everything at a glance.
 */
#ifndef STEWARD_OVERVIEW_STORE_H
#define STEWARD_OVERVIEW_STORE_H

#include "steward/db.h"

/* Rows (since text, json {code, severity, subject, config?, since, message, command?}), newest
 * first. */
void overview_store_problems(const char *config, const char *limit, struct db_op *op);
/* One row: (json {configs: […], totals: {…}}). */
void overview_store_read(struct db_op *op);

#endif
