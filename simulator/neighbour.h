/*
 * neighbour.h - the services that stand beside Amazon Personalize in an account: EventBridge, SNS,
 * CloudWatch, SQS; as much of each as notifications need.
 *
 * One shape for all: an operation takes an object and gives an object, whatever protocol it came by
 * (JSON with a target, or a form answered in XML). What they hold lives as long as the process.
 */
#ifndef SIMULATOR_NEIGHBOUR_H
#define SIMULATOR_NEIGHBOUR_H

#include "steward/mem.h"
#include "wire.h"

#define NEIGHBOUR_KEPT 10000 /* of events, notifications, data points; older ones are dropped */

struct neighbours {
    json_t *buses;         /* names */
    json_t *events;        /* entries that were put */
    json_t *topics;        /* ARN -> {"Subscriptions": […]} */
    json_t *notifications; /* what was published */
    json_t *metrics;       /* data points with their Namespace */
    json_t *queues;        /* name -> {"VisibilityTimeout", "Messages": […]} */
    uv_timer_t timer;      /* long polls and held requests */
    struct exchange *waiting;
    uint64_t count; /* of receipts and messages */
};

struct neighbour_call {
    struct wire *wire;
    struct http_request *rq;
    struct neighbours *all;
    const json_t *in;
    json_t *out;
    int64_t now_ms;    /* wall clock: nothing here follows the model's */
    int64_t waited_ms; /* how long the request has been held already */
    int64_t wait_ms;   /* set by an operation: ask me again, for at most so long in all */
    int status;        /* of an error; 400 */
    bool has_effect;
    char message[512];
};
/* The code of an error, NULL when it is done. */
typedef const char *(*neighbour_fn)(struct neighbour_call *c);
PRINTF_LIKE(3, 4)
const char *neighbour_fail(struct neighbour_call *c, const char *code, const char *fmt, ...);

struct neighbour_operation {
    const char *name;
    neighbour_fn run;
};
struct neighbour {
    const char *title;  /* "SQS": before operations in ledger and fault rules */
    const char *scope;  /* of signatures: "sqs" */
    const char *target; /* "AmazonSQS."; NULL: forms only */
    const char *type;   /* content type of JSON */
    const char *xmlns;  /* of XML; NULL: JSON only */
    const struct neighbour_operation *operations; /* ends with a row without a name */
};
extern const struct neighbour neighbour_eventbridge, neighbour_sns, neighbour_cloudwatch,
    neighbour_sqs;

/* NULL: the request is for somebody else. *operation lives as long as the request. */
const struct neighbour *neighbour_find(struct http_request *rq, const char **operation);
/* Answers; code: why the signature was refused, NULL: it holds. Takes the exchange. */
void neighbour_handle(struct exchange *x, const char *code);
/* GET /_simulator/messages; POST reset; the end. */
json_t *neighbour_messages(struct wire *w);
void neighbour_reset(struct wire *w);
void neighbour_close(struct wire *w);

/* Adds value (takes it) to a list that keeps the newest. */
void neighbour_keep(json_t *list, json_t *value);
/* Puts a message into the queue of the ARN; false: there is none. */
bool neighbour_queue_put(struct neighbours *all, const char *arn, const char *body);

/* ---- neighbour_form.c: pure ---- */
/* "A.member.1.B=x&C=y" as {"A": [{"B": "x"}], "C": "y"}; caller owns. */
json_t *neighbour_form_read(const char *body, size_t n);
/* Members of an object as XML elements; a list is <Name><member>…, or repeated elements when the
 * service flattens (SQS). */
void neighbour_xml_write(struct buf *out, const json_t *object, bool is_flat);
void neighbour_xml_text(struct buf *out, const char *text);
/* A number that came as text, too. */
int64_t neighbour_int(const json_t *object, const char *key, int64_t fallback);
double neighbour_real(const json_t *object, const char *key, double fallback);

#endif
