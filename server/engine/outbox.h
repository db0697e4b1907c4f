/*
 * outbox.h - delivery threads and the senders that plug into them; private to the engine.
 *
 * A thread holds a few claimed deliveries; its sender makes one attempt of each. To send to a new
 * kind of endpoint, write a sender and name it in outbox_senders[] (outbox.c); rows, waits, leases,
 * logs and dead letters are the same for all.
 */
#ifndef STEWARD_ENGINE_OUTBOX_H
#define STEWARD_ENGINE_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "steward/engine.h"
#include "steward/outbox_store.h"

struct outbox_sender {
    const char *name;         /* of the thread's database session: "steward webhooks" */
    const char *const *kinds; /* of endpoints; NULL-terminated */
    int per_endpoint;         /* deliveries under way, of all replicas together */
    /* Anything the sender needs; NULL: this server has no use for it, the thread ends at once. */
    void *(*open)(struct engine *engine);
    void (*close)(void *sender); /* attempts under way are given up */
    /* Text array literal of the ids of keys that can open secrets, or NULL for {}. Caller owns. */
    char *(*key_ids)(void *sender);
    /* Says which endpoints this server's options make (channels); NULL: none. Every few seconds. */
    enum err_code (*renew)(void *sender, struct db_conn *db, struct err *e);
    /* Begins the attempt; the delivery comes back by take(), with its out members filled. */
    void (*start)(void *sender, struct delivery *d);
    /* Until an attempt is over, the time is up, or wake(). */
    void (*wait)(void *sender, int64_t timeout_ms);
    struct delivery *(*take)(void *sender); /* one that is over, or NULL */
    void (*wake)(void *sender);             /* from any thread */
};
extern const struct outbox_sender webhook_sender, eventbridge_sender, sns_sender, cloudwatch_sender,
    mail_sender;

#define OUTBOX_SENDERS_MAX 8
struct outbox;
/* One thread per sender; *count of them are started. */
MUST_USE enum err_code outbox_start(struct engine *engine, struct outbox **out, struct err *e);
void outbox_wake(struct outbox *o); /* NULL is fine */
/* After engine_is_stopping() became true: joins and frees. NULL is fine. */
void outbox_stop(struct outbox *o);

#endif
