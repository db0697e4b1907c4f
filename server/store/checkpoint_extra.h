/*
 * checkpoint_extra.h - what a checkpoint writes besides, for steps that looked only or took down.
 * Private to the store.
 */
#ifndef STEWARD_STORE_CHECKPOINT_EXTRA_H
#define STEWARD_STORE_CHECKPOINT_EXTRA_H

#include "steward/db.h"

/* Params: items, checkpoint id. */
extern const struct db_stmt cp_questions, cp_moved, cp_observed, cp_taken_down, cp_versions_gone,
    cp_versions_ended;
/* Params: runs ([{run_id, event_id}]); after the roll-up. */
extern const struct db_stmt cp_drift, cp_destroyed;

#endif
