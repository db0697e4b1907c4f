/*
 * outbox_store.h - deliveries as the threads that send them see them: expand, claim, record.
 *
 * Whatever the kind of endpoint, a delivery is a row; what differs is who sends it. A sender claims
 * the deliveries of its kinds under a lease, makes one attempt each and records them; the fence of
 * the lease is in the statement that records.
 */
#ifndef STEWARD_OUTBOX_STORE_H
#define STEWARD_OUTBOX_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/db.h"
#include "steward/mem.h"

#define DELIVERY_EXCERPT_BYTES 1100 /* 1 KiB and the end of a character */

/* A claimed delivery and what became of the attempt. Texts live in its arena. */
struct delivery {
    struct arena arena;
    const char *id, *endpoint_id, *kind;
    const char *event_id, *event_type, *body; /* the CloudEvent as JSON text */
    const char *url;                          /* NULL for kinds without one */
    const char *settings;                     /* JSON text of the endpoint's settings */
    const char *secret, *old_secret;          /* sealed; NULL: none (old: or run out) */
    int64_t token;
    int attempt; /* number of this attempt in the log, from 1 */
    int tries;   /* of this round, from 1: its place in the table of waits */
    /* out */
    bool is_success;
    bool is_gone;            /* the endpoint wants no more */
    bool is_refused;         /* it can not be sent, now or later: no retry */
    int status;              /* 0: no answer */
    int64_t at_ms;           /* wall clock of the start */
    int64_t latency_ms;      /* -1: no answer */
    int64_t retry_after_ms;  /* 0: not said */
    const char *error_class; /* static text; NULL with a success */
    char excerpt[DELIVERY_EXCERPT_BYTES];
    /* of whoever sends it */
    void *attempt_data;
    struct delivery *next;
};
/* It and those behind it; NULL is fine. attempt_data is the sender's. */
void delivery_free(struct delivery *list);

/* Turns numbered events into deliveries, in the log's order; *count events were read. */
MUST_USE enum err_code outbox_store_expand(struct db_conn *c, size_t *count, struct err *e);

struct outbox_wish {
    const char *owner;
    const char *kinds;   /* text array literal */
    const char *key_ids; /* text array literal of the keys that can open secrets */
    int limit, per_endpoint;
    int64_t lease_ms;
};
/* Takes due deliveries under a lease, endpoints with little under way first; a failing endpoint
 * gets one at a time. *list: singly linked; *next_ms: until something is due, -1: nothing. */
MUST_USE enum err_code outbox_store_claim(struct db_conn *c, const struct outbox_wish *wish,
                                          struct delivery **list, int64_t *next_ms, struct err *e);

struct outbox_policy {
    int64_t disable_after_ms; /* only failures for so long disable an endpoint */
    /* Milliseconds until the next attempt after the tries-th failed; -1: there is none. */
    int64_t (*wait_ms)(int tries, void *context);
    void *context;
};
/* Writes down attempts that are over; those whose lease was lost are left out. */
MUST_USE enum err_code outbox_store_record(struct db_conn *c, const char *owner,
                                           const struct outbox_policy *policy,
                                           const struct delivery *list, struct err *e);
/* Gives back what was claimed and not attempted to its end: due at once, for anybody. */
MUST_USE enum err_code outbox_store_release(struct db_conn *c, const char *owner, struct err *e);
/* Deletes what is over for longer than keep_ms; settles what a switched-off endpoint left. */
MUST_USE enum err_code outbox_store_upkeep(struct db_conn *c, int64_t keep_ms, struct err *e);

/* ---- endpoints of the server's options (AWS's channels, mail) ---- */
struct outbox_channel {
    const char *id, *kind;
    const char *patterns; /* text array literal of LIKE patterns; '{}': all */
    const char *settings; /* JSON text: where it goes, for people */
};
/* Makes the endpoint or brings it up to date, and says that some server has it; new ones begin with
 * the events to come. */
MUST_USE enum err_code outbox_store_put_channel(struct db_conn *c, const struct outbox_channel *ch,
                                                struct err *e);
/* Switches off what no server has said to have for a minute; forgets what is off for longer than
 * keep_ms. */
MUST_USE enum err_code outbox_store_retire_channels(struct db_conn *c, int64_t keep_ms,
                                                    struct err *e);

#endif
