/*
 * webhooks_store.h - webhooks and their deliveries as the API makes, shows and repeats them.
 *
 * Secrets come here sealed and are never part of a shape. Functions fill statements; texts are
 * borrowed until they were submitted.
 */
#ifndef STEWARD_WEBHOOKS_STORE_H
#define STEWARD_WEBHOOKS_STORE_H

#include "steward/db.h"

/* Rows (id, json), newest first. */
void webhooks_store_page(const char *before_id, const char *limit, struct db_op *op);
/* One row: (json, id, is_disabled, pings of the last minute, sealed secret). By id or name. */
void webhooks_store_read(const char *id_or_name, struct db_op *op);

struct webhook_row { /* NULL: as it is (insert: empty) */
    const char *id, *name, *url;
    const char *types, *patterns, *configs; /* text array literals */
    const char *is_enabled;                 /* "true", "false" */
    const char *secret;                     /* sealed; insert only */
    const char *created_by;
};
void webhooks_store_insert(const struct webhook_row *w, struct db_op *op);
#define WEBHOOKS_STORE_FENCE_OPS 2
/* Raises unless the webhook's JSON has this hash (answer_etag()); sha256 NULL: no statement.
 * Returns how many. */
size_t webhooks_store_fence(const char *id, const char *sha256, struct db_op *ops);
/* Raises ST001 when it is gone. Enabling forgets why it was disabled. */
void webhooks_store_update(const struct webhook_row *w, struct db_op *op);
void webhooks_store_delete(const char *id, struct db_op *op);
/* old_secret: as read, so that of two rotations at once one starts over. */
struct webhook_rotation {
    const char *id, *old_secret, *secret, *overlap_seconds;
};
void webhooks_store_rotate(const struct webhook_rotation *r, struct db_op *op);
/* The webhook's json, also kept for idempotency_store_keep(). */
void webhooks_store_answer(const char *id, struct db_op *op);

/* statuses: text array literal or NULL. Rows (id, json), newest first. */
struct deliveries_filter {
    const char *webhook, *statuses, *before_id, *limit;
};
void webhooks_store_deliveries(const struct deliveries_filter *f, struct db_op *op);

#define WEBHOOKS_STORE_PING_OPS 3
/* A test.ping for this webhook alone; raises ST001 when there were ten in the last minute. The last
 * op is the answer: the delivery's json. */
size_t webhooks_store_ping(const char *id, const char *event_id, struct db_op *ops);

struct webhook_replay { /* NULL: any */
    const char *id, *event, *delivery, *since, *until;
    const char *is_all; /* "true": also what was delivered or never expected; "false": dead ones */
};
/* One row, also kept: {"replayed": n}. At most 10,000 events. */
void webhooks_store_replay(const struct webhook_replay *r, struct db_op *op);

#endif
