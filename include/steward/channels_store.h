/*
 * channels_store.h - the AWS solution's channels as the API shows them: endpoints that servers'
 * options make (outbox_store.h), and how they fare.
 */
#ifndef STEWARD_CHANNELS_STORE_H
#define STEWARD_CHANNELS_STORE_H

#include "steward/db.h"

/* Rows (id, json), by kind. */
void channels_store_list(struct db_op *op);
/* One row with the columns of webhooks_store_read(). */
void channels_store_read(const char *id, struct db_op *op);

#endif
