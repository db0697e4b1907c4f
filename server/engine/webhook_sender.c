/*
 * webhook_sender.c - one attempt at a webhook: signed by Standard Webhooks, judged by its status.
 *
 * Only a 2xx within the time is a success. A redirect is a failure, 410 ends the endpoint,
 * Retry-After is waited for. During a rotation both secrets sign.
 */
#include <stdio.h>
#include <string.h>

#include "outbox.h"
#include "steward/clock.h"
#include "steward/delivery_plan.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/outbound.h"
#include "steward/secret_box.h"
#include "steward/str.h"
#include "steward/webhook_sign.h"
#include "work.h"

#define HEADER_BYTES 200

struct sender {
    const struct engine_options *options;
    struct outbound_batch *calls;
    struct delivery *failed; /* over before they began */
    struct delivery *open;   /* attempts under way */
};

struct attempt {
    struct outbound_call call;
    struct webhook_message message;
    char seconds[24];
    char id[HEADER_BYTES], timestamp[HEADER_BYTES], signature[HEADER_BYTES], trace[HEADER_BYTES];
    const char *headers[7];
};

static void *sender_open(struct engine *engine)
{
    const struct engine_options *o = engine_get_options(engine);
    struct sender *s;

    if (!o->outbound || !o->secrets)
        return NULL;
    s = xcalloc(1, sizeof *s);
    s->options = o;
    s->calls = outbound_batch_new(o->outbound);
    return s;
}

static void sender_close(void *sender)
{
    struct sender *s = sender;

    outbound_batch_free(s->calls); /* first: the calls live in their deliveries */
    delivery_free(s->failed);
    delivery_free(s->open);
    free(s);
}

static char *sender_key_ids(void *sender)
{
    struct sender *s = sender;
    char ids[SECRET_BOX_KEYS_MAX][SECRET_BOX_ID_BYTES];
    const char *items[SECRET_BOX_KEYS_MAX];
    size_t n = secret_box_ids(s->options->secrets, ids);

    for (size_t i = 0; i < n; i++)
        items[i] = ids[i];
    return db_text_array(items, n);
}

/* Appends " v1,…" by one sealed secret. */
static enum err_code sign(struct sender *s, const struct delivery *d, const char *sealed,
                          struct attempt *a, struct err *e)
{
    AUTO_SECRET char *secret = NULL;
    char signature[WEBHOOK_SIGNATURE_BYTES];
    size_t n = strlen(a->signature);

    TRY(secret_box_unseal(s->options->secrets, d->endpoint_id, sealed, &secret, e));
    if (!webhook_sign(secret, &a->message, signature))
        return err_set(e, ERR_INTERNAL, "The secret of webhook %s is malformed.", d->endpoint_id);
    (void) snprintf(a->signature + n, sizeof a->signature - n, " %s", signature);
    return OK;
}

/* The trace that the event belongs to goes along. */
static bool trace_header(const char *body, char out[HEADER_BYTES])
{
    AUTO_JSON json_t *event = json_loads(body, 0, NULL);
    const char *trace = json_text(event, "traceparent");

    return trace && snprintf(out, HEADER_BYTES, "traceparent: %s", trace) < HEADER_BYTES;
}

static enum err_code prepare(struct sender *s, struct delivery *d, struct attempt *a, struct err *e)
{
    (void) snprintf(a->seconds, sizeof a->seconds, "%lld", (long long) (clock_wall_ms() / 1000));
    a->message = (struct webhook_message){
        .id = d->event_id, .timestamp = a->seconds, .body = d->body, .body_n = strlen(d->body)
    };
    (void) snprintf(a->id, sizeof a->id, "webhook-id: %s", d->event_id);
    (void) snprintf(a->timestamp, sizeof a->timestamp, "webhook-timestamp: %s", a->seconds);
    (void) snprintf(a->signature, sizeof a->signature, "webhook-signature:");
    TRY(sign(s, d, d->secret, a, e));
    if (d->old_secret)
        TRY(sign(s, d, d->old_secret, a, e));
    a->headers[0] = "Content-Type: application/cloudevents+json";
    a->headers[1] = a->id;
    a->headers[2] = a->timestamp;
    a->headers[3] = a->signature;
    a->headers[4] = "Expect:";
    if (trace_header(d->body, a->trace))
        a->headers[5] = a->trace;
    a->call.url = d->url;
    a->call.body = d->body;
    a->call.body_n = a->message.body_n;
    a->call.headers = a->headers;
    a->call.timeout_ms = s->options->delivery_timeout_ms;
    return OK;
}

static void sender_start(void *sender, struct delivery *d)
{
    struct sender *s = sender;
    struct attempt *a = arena_alloc(&d->arena, sizeof *a);
    struct err e;

    a->call.user = d;
    if (prepare(s, d, a, &e) == OK) {
        d->next = s->open;
        s->open = d;
        outbound_batch_start(s->calls, &a->call);
        return;
    }
    log_error("outbox", "not_signed", &e);
    d->error_class = "secret";
    d->next = s->failed;
    s->failed = d;
}

static void sender_wait(void *sender, int64_t timeout_ms)
{
    struct sender *s = sender;

    outbound_batch_wait(s->calls, s->failed ? 0 : timeout_ms);
}

/* Seconds or a date; at most a day. */
static int64_t retry_after_ms(const char *text)
{
    int64_t seconds, at_s;

    if (str_to_i64(text, 0, INT64_C(1) << 32, &seconds)) {
        /* as said */
    } else if (clock_parse_http(text, &at_s)) {
        seconds = at_s - clock_wall_ms() / 1000;
    } else {
        return 0;
    }
    if (seconds <= 0)
        return 0;
    return seconds * 1000 > DELIVERY_RETRY_AFTER_MAX_MS ? DELIVERY_RETRY_AFTER_MAX_MS
                                                        : seconds * 1000;
}

static void judge(struct delivery *d, const struct outbound_call *call)
{
    static const char *const classes[] = { [OUTBOUND_ANSWERED] = "status",
                                           [OUTBOUND_UNREACHABLE] = "unreachable",
                                           [OUTBOUND_TIMED_OUT] = "timeout",
                                           [OUTBOUND_BROKEN] = "protocol" };

    d->latency_ms = call->latency_ms;
    d->status = call->end == OUTBOUND_ANSWERED ? call->status : 0;
    d->is_success = d->status >= 200 && d->status < 300;
    (void) str_copy(d->excerpt, sizeof d->excerpt, call->excerpt);
    if (d->is_success)
        return;
    d->error_class = d->status >= 300 && d->status < 400 ? "redirect" : classes[call->end];
    d->is_gone = d->status == 410;
    d->retry_after_ms = retry_after_ms(call->retry_after);
}

static void leave_open(struct sender *s, struct delivery *d)
{
    struct delivery **at = &s->open;

    while (*at != d) /* at most as many as are under way */
        at = &(*at)->next;
    *at = d->next;
    d->next = NULL;
}

static struct delivery *sender_take(void *sender)
{
    struct sender *s = sender;
    struct delivery *d = s->failed;
    struct outbound_call *call;

    if (d) {
        s->failed = d->next;
        d->next = NULL;
        return d;
    }
    call = outbound_batch_take(s->calls);
    if (!call)
        return NULL;
    d = call->user;
    leave_open(s, d);
    judge(d, call);
    return d;
}

static void sender_wake(void *sender)
{
    outbound_batch_wake(((struct sender *) sender)->calls);
}

static const char *const sent_kinds[] = { "webhook", NULL };
const struct outbox_sender webhook_sender = {
    .name = "steward webhooks",
    .kinds = sent_kinds,
    .per_endpoint = 4,
    .open = sender_open,
    .close = sender_close,
    .key_ids = sender_key_ids,
    .start = sender_start,
    .wait = sender_wait,
    .take = sender_take,
    .wake = sender_wake,
};
