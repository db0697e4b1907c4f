/*
 * triggers_store.h - triggers as the API makes and shows them, and what was delivered to them.
 *
 * Secrets come here sealed or hashed and are never part of a shape. Functions fill statements;
 * texts are borrowed until they were submitted.
 */
#ifndef STEWARD_TRIGGERS_STORE_H
#define STEWARD_TRIGGERS_STORE_H

#include "steward/db.h"

/* configs, auths: text array literals or NULL. Rows (id, json), newest first. */
struct triggers_filter {
    const char *configs, *before_id, *limit;
};
void triggers_store_page(const struct triggers_filter *f, struct db_op *op);
/* One row: (json, id, auth, config, kind, options, sealed secret, quiet). By id or name. */
void triggers_store_read(const char *id_or_name, struct db_op *op);

struct trigger_row { /* NULL: as it is */
    const char *id, *name, *config, *kind, *options, *topic_arn;
    const char *cooldown, *max_per_day, *window, *quiet; /* numbers as text */
    const char *is_enabled;                              /* "true", "false" */
    const char *auth, *secret, *created_by;              /* insert only */
};
void triggers_store_insert(const struct trigger_row *t, struct db_op *op);
#define TRIGGERS_STORE_FENCE_OPS 2
/* Raises unless the trigger's JSON has this hash (answer_etag()); sha256 NULL: no statement.
 * Returns how many. */
size_t triggers_store_fence(const char *id, const char *sha256, struct db_op *ops);
/* Raises ST001 when it is gone. */
void triggers_store_update(const struct trigger_row *t, struct db_op *op);
void triggers_store_delete(const char *id, struct db_op *op);
/* old_secret: as read, so that of two rotations at once one starts over. */
struct trigger_rotation {
    const char *id, *old_secret, *secret, *overlap_seconds;
};
void triggers_store_rotate(const struct trigger_rotation *r, struct db_op *op);
/* The trigger's json, also kept for idempotency_store_keep(). */
void triggers_store_answer(const char *id, struct db_op *op);
/* states: text array literal or NULL. Rows (id, json), newest first. */
struct received_filter {
    const char *trigger, *states, *before_id, *limit;
};
void triggers_store_deliveries(const struct received_filter *f, struct db_op *op);

/* ---- receiving (hooks.c) ---- */
/* Columns of hooks_store_find(); SECRET, OLD_SECRET: sealed or hashed. */
enum {
    HOOK_ROW_ID,
    HOOK_ROW_AUTH,
    HOOK_ROW_TOPIC,
    HOOK_ROW_SECRET,
    HOOK_ROW_OLD_SECRET,
    HOOK_ROW_CONFIG,
    HOOK_ROW_KIND,
    HOOK_ROW_OPTIONS,
    HOOK_ROW_QUIET,
    HOOK_ROW_UPDATED
};
/* One row when there is one; by id. */
void hooks_store_find(const char *id, struct db_op *op);
void hooks_store_find_named(const char *id_or_name, struct db_op *op);
/* What is refused now: one row (code, retry after so many seconds, sentence), or none. keys: text
 * array literal of the solutions it would train. */
struct hook_guard {
    const char *trigger, *is_buying, *keys, *per_solution, *per_account;
};
void hooks_store_refusal(const struct hook_guard *g, struct db_op *op);
/* What was seen: rows (json of the first delivery, whether it still counts), at most one of each
 * key. id_key, content_key: NULL: not asked. */
struct hook_keys {
    const char *trigger, *id_key, *content_key;
};
void hooks_store_seen(const struct hook_keys *k, struct db_op *op);
/* One row when a run of the trigger waits for quiet. */
void hooks_store_waiting(const char *trigger, struct db_op *op);

struct hook_delivery {
    const char *id, *trigger, *message_id, *data_version, *body_sha256; /* message_id: NULL: none */
    const char *updated;                  /* of the trigger, as read */
    const char *id_key, *content_key;     /* NULL: none */
    const char *run_id;                   /* of a started one */
    const char *code, *reason, *event_id; /* of a rejected one */
    const char *is_buying;                /* of one that waits */
};
#define HOOKS_STORE_OPS 5
/* Locks the trigger, and raises ST001 when it changed, would start nothing now, or the message was
 * seen. is_joining: a run waits already, so nothing is refused. */
size_t hooks_store_fence(const struct hook_delivery *d, const struct hook_guard *g, bool is_joining,
                         struct db_op *ops);
/* The delivery with its run, which was inserted before. */
void hooks_store_started(const struct hook_delivery *d, struct db_op *op);
/* The delivery, and the run that waits: due when nothing came for the trigger's quiet time. */
size_t hooks_store_wait(const struct hook_delivery *d, struct db_op *ops);
/* The delivery, and parameter files to be read: [{id, bucket, key}]. */
size_t hooks_store_upload(const struct hook_delivery *d, const char *files, struct db_op *ops);
/* The delivery and its event; the same message rejected for the same reason is told once a day. */
void hooks_store_rejected(const struct hook_delivery *d, struct db_op *op);
/* A topic's subscription was confirmed. */
void hooks_store_confirmed(const struct hook_delivery *d, struct db_op *op);
/* The delivery's json. */
void hooks_store_answer(const char *id, struct db_op *op);

#endif
