/*
 * wire.h - HTTP in, HTTP out: who asks, for which service, and how an answer is written down and
 * sent.
 *
 * One port for everything; services are told apart by the signing scope, X-Amz-Target and the path.
 * Loop thread only.
 */
#ifndef SIMULATOR_WIRE_H
#define SIMULATOR_WIRE_H

#include <uv.h>

#include "ledger.h"
#include "sim.h"
#include "steward/http.h"
#include "steward/sigv4.h"

struct exchange;
struct neighbour;
struct neighbours;

struct wire {
    struct sim *sim;
    struct ledger *ledger;
    struct http_server *server;
    uv_loop_t *loop;
    uv_timer_t timer; /* the next transition */
    char *access_key_id, *secret_access_key;
    int64_t signature_window_ms;
    char instance_id[40];
    struct exchange *waiting; /* answers that wait for a transition or a delay */
    struct admin_wait *admin_waiting;
    struct neighbours *neighbours;      /* NULL: nobody has asked for one yet */
    int64_t rate_second, reads, writes; /* of the current second */
};

/* One request of an AWS protocol, from the check of its signature to its line in the ledger. */
struct exchange {
    struct exchange *next; /* in wire.waiting */
    struct wire *wire;
    struct http_request *rq;
    struct sigv4_verified who;
    struct call call;
    const char *service; /* "personalize", "personalize-events", "personalize-runtime", "sts" */
    const struct neighbour *neighbour; /* instead: EventBridge, SNS, CloudWatch, SQS; NULL */
    int64_t since_ms;                  /* monotonic: when a neighbour's request came */
    json_t *in;
    struct fault *after; /* a copy of the fault that spoils the answer; NULL */
    char *wait_arn;      /* until this resource has settled (only with --time-scale 0) */
    char request_id[40];
    int64_t until_ms; /* monotonic: answer then in any case */
    enum wire_error error;
};

size_t wire_on_headers(struct http_request *rq, void *context);
void wire_on_request(struct http_request *rq, void *context);
/* Called after every change of the world: answers what waited, sets the timer. */
void wire_settle(struct wire *w);
void wire_schedule(struct wire *w);
/* Answers whoever still waits; before the server is closed. */
void wire_close(struct wire *w);

/* admin.c: below /_simulator/ */
void admin_handle(struct wire *w, struct http_request *rq);
/* Answers those who moved the clock and wait for the work that became due. */
void admin_settle(struct wire *w);
void admin_close(struct wire *w);
/* sts.c */
void sts_handle(struct exchange *x);
void sts_refuse(struct exchange *x, int status, const char *code, const char *message);
/* data_plane.c: events and runtime */
bool data_plane_find(const char *path, const char **service, const char **operation);
enum wire_error data_plane_call(struct call *c);
const struct service_model *data_plane_model(const char *service);

/* foreign.c: what somebody else does before the call */
void foreign_act(struct exchange *x, const struct fault_call *call);

/* Writes the ledger line; takes the exchange. */
void exchange_done(struct exchange *x, int status, const char *error);

#endif
