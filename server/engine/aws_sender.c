/*
 * aws_sender.c - EventBridge, SNS and CloudWatch: several deliveries as one call, judged by its
 * answer.
 *
 * What is sent is made by the pure channels.c. A refused call is an attempt that failed like any
 * other: topics, buses and rights can be mended, and the delivery is tried again by the same plan.
 * EventBridge refuses single entries; the others of the call have arrived.
 */
#include <stdio.h>
#include <string.h>

#include "outbox.h"
#include "steward/channels.h"
#include "steward/clock.h"
#include "steward/json.h"
#include "steward/log.h"
#include "work.h"

#define ENTRIES_MAX 10 /* of PutEvents */
#define EVENTS_MAX  20 /* per PutMetricData; a training has some ten data points, 1,000 may go */

struct sender;
/* Adds one message (taken) to the request of a call. */
typedef void (*put_fn)(const struct sender *s, json_t *request, json_t *message,
                       const struct delivery *d);

struct aws_channel {
    enum channel_id id;
    enum aws_service service;
    const char *operation;
    size_t most; /* deliveries per call */
    const char *(*target)(const struct channel_options *o);
    const char *setting; /* name of the target, for people */
    put_fn put;
};

/* Several deliveries on their way in one call. */
struct parcel {
    struct parcel *next;
    struct aws_call call;
    struct delivery *list, **tail; /* in the order of the request */
    size_t n;
};

struct sender {
    const struct engine_options *options;
    const struct aws_channel *channel;
    struct channel_place place;
    struct aws_batch *calls;
    struct parcel *filling;        /* not yet sent; NULL: none */
    struct parcel *open;           /* under way */
    struct delivery *over, **tail; /* attempts that ended */
};

static void add_over(struct sender *s, struct delivery *d)
{
    d->next = NULL;
    *s->tail = d;
    s->tail = &d->next;
}

static void *sender_open(struct engine *engine, const struct aws_channel *channel)
{
    const struct engine_options *o = engine_get_options(engine);
    struct sender *s;

    if (!channel->target(&o->channels))
        return NULL;
    s = xcalloc(1, sizeof *s);
    s->options = o;
    s->channel = channel;
    s->place = (struct channel_place){ .region = o->settings.region,
                                       .account_id = o->settings.account_id,
                                       .partition = o->settings.partition };
    s->calls = aws_batch_new(o->aws);
    s->tail = &s->over;
    return s;
}

static void free_parcels(struct parcel *p)
{
    while (p) {
        struct parcel *next = p->next;

        aws_call_done(&p->call);
        delivery_free(p->list);
        free(p);
        p = next;
    }
}

static void sender_close(void *sender)
{
    struct sender *s = sender;

    aws_batch_free(s->calls);
    free_parcels(s->open);
    free_parcels(s->filling);
    delivery_free(s->over);
    free(s);
}

static enum err_code sender_renew(void *sender, struct db_conn *db, struct err *e)
{
    struct sender *s = sender;
    const char *name = channels[s->channel->id].name;
    AUTO_JSON json_t *settings =
        json_pack("{s:s, s:s}", "target", s->channel->target(&s->options->channels), "setting",
                  s->channel->setting);
    AUTO_FREE char *text = json_compact(settings);
    const struct outbox_channel endpoint = {
        .id = name, .kind = name, .patterns = channels[s->channel->id].patterns, .settings = text
    };

    return outbox_store_put_channel(db, &endpoint, e);
}

/* ---- sending ---- */

static void send_parcel(struct sender *s)
{
    struct parcel *p = TAKE(s->filling);

    p->call.user = p;
    p->next = s->open;
    s->open = p;
    aws_batch_start(s->calls, &p->call);
}

static void add_to_parcel(struct sender *s, struct delivery *d, json_t *message)
{
    struct parcel *p = s->filling;

    if (!p) {
        p = s->filling = xcalloc(1, sizeof *p);
        aws_call_init(&p->call, s->channel->service, s->channel->operation, json_object());
        p->call.is_mutating = true; /* libcurl would send it twice without a word */
        p->call.timeout_ms = s->options->delivery_timeout_ms;
        p->tail = &p->list;
    }
    s->channel->put(s, p->call.request, message, d);
    d->next = NULL;
    *p->tail = d;
    p->tail = &d->next;
    if (++p->n == s->channel->most)
        send_parcel(s);
}

static void sender_start(void *sender, struct delivery *d)
{
    struct sender *s = sender;
    AUTO_JSON json_t *event = NULL;
    json_t *message;
    struct err e;

    if (json_parse(d->body, strlen(d->body), &event, NULL, &e)) {
        log_error("outbox", "not_an_event", &e);
        d->is_refused = true;
        d->error_class = "event";
        add_over(s, d);
        return;
    }
    message = channel_message(s->channel->id, event, &s->place);
    if (message) {
        add_to_parcel(s, d, message);
        return;
    }
    d->is_success = true; /* there is nothing to say about it here */
    (void) str_copy(d->excerpt, sizeof d->excerpt, "This channel has no message for the event.");
    add_over(s, d);
}

static void sender_wake(void *sender)
{
    aws_batch_wake(((struct sender *) sender)->calls);
}

static void sender_wait(void *sender, int64_t timeout_ms)
{
    struct sender *s = sender;

    if (s->filling)
        send_parcel(s);
    aws_batch_wait(s->calls, s->over ? 0 : timeout_ms);
}

/* ---- what came of it ---- */

static const char *class_of(const struct aws_call *call)
{
    switch ((int) call->error_class) {
    case AWS_ERROR_NOT_SENT:
        return "unreachable";
    case AWS_ERROR_TRANSPORT:
        return call->http_status ? "protocol" : "timeout";
    case AWS_ERROR_CREDENTIALS:
    case AWS_ERROR_ACCESS_DENIED:
        return "denied";
    default:
        return call->http_status ? "status" : "protocol";
    }
}

static void judge_one(const struct sender *s, const struct aws_call *call, struct delivery *d,
                      const json_t *entry)
{
    const char *code = json_text(entry, "ErrorCode");

    d->status = call->http_status;
    d->latency_ms = call->http_status ? call->duration_ms : -1;
    d->is_success = call->outcome == AWS_DONE && !code;
    if (d->is_success)
        return;
    d->error_class = code ? "entry" : class_of(call);
    if (code)
        (void) snprintf(d->excerpt, sizeof d->excerpt, "%s: %s: %s", s->channel->operation, code,
                        json_text_or(entry, "ErrorMessage", ""));
    else
        aws_call_describe(call, d->excerpt, sizeof d->excerpt);
    log_redact(d->excerpt);
}

static void unpack(struct sender *s, struct parcel *p)
{
    const json_t *entries = json_object_get(p->call.response, "Entries");
    struct parcel **at = &s->open;
    struct delivery *d, *next;
    size_t i = 0;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    for (d = TAKE(p->list); d; d = next) {
        next = d->next;
        judge_one(s, &p->call, d, json_array_get(entries, i++));
        add_over(s, d);
    }
    aws_call_done(&p->call);
    free(p);
}

static struct delivery *sender_take(void *sender)
{
    struct sender *s = sender;
    struct aws_call *call;
    struct delivery *d;

    while ((call = aws_batch_take(s->calls)))
        unpack(s, call->user);
    d = s->over;
    if (!d)
        return NULL;
    s->over = d->next;
    if (!s->over)
        s->tail = &s->over;
    d->next = NULL;
    return d;
}

/* ---- the three ---- */

static json_t *list_of(json_t *request, const char *name)
{
    json_t *list = json_object_get(request, name);

    if (list)
        return list;
    json_object_set_new(request, name, json_array());
    return json_object_get(request, name);
}

static const char *bus_of(const struct channel_options *o)
{
    return o->event_bus;
}

static void put_entry(const struct sender *s, json_t *request, json_t *message,
                      const struct delivery *d)
{
    (void) d;
    json_object_set_new(message, "EventBusName", json_string(s->options->channels.event_bus));
    json_array_append_new(list_of(request, "Entries"), message);
}

static const char *topic_of(const struct channel_options *o)
{
    return o->sns_topic_arn;
}

/* The event's id goes along as an attribute, so that a subscriber knows a repeat. */
static void put_notification(const struct sender *s, json_t *request, json_t *message,
                             const struct delivery *d)
{
    json_object_update(request, message);
    json_object_set_new(request, "TopicArn", json_string(s->options->channels.sns_topic_arn));
    json_object_set_new(request, "MessageAttributes.entry.1.Name", json_string("eventId"));
    json_object_set_new(request, "MessageAttributes.entry.1.Value.DataType", json_string("String"));
    json_object_set_new(request, "MessageAttributes.entry.1.Value.StringValue",
                        json_string(d->event_id));
    json_decref(message);
}

static const char *namespace_of(const struct channel_options *o)
{
    return o->cloudwatch_namespace;
}

static void put_data(const struct sender *s, json_t *request, json_t *message,
                     const struct delivery *d)
{
    (void) d;
    json_object_set_new(request, "Namespace",
                        json_string(s->options->channels.cloudwatch_namespace));
    json_array_extend(list_of(request, "MetricData"), json_object_get(message, "MetricData"));
    json_decref(message);
}

static const struct aws_channel eventbridge = {
    CHANNEL_EVENTBRIDGE, AWS_EVENTBRIDGE, "PutEvents", ENTRIES_MAX, bus_of, "bus", put_entry
};
static const struct aws_channel sns = { CHANNEL_SNS, AWS_SNS, "Publish",       1,
                                        topic_of,    "topic", put_notification };
static const struct aws_channel cloudwatch = {
    CHANNEL_CLOUDWATCH, AWS_CLOUDWATCH, "PutMetricData", EVENTS_MAX,
    namespace_of,       "namespace",    put_data
};

static void *open_eventbridge(struct engine *engine)
{
    return sender_open(engine, &eventbridge);
}

static void *open_sns(struct engine *engine)
{
    return sender_open(engine, &sns);
}

static void *open_cloudwatch(struct engine *engine)
{
    return sender_open(engine, &cloudwatch);
}

#define AWS_SENDER(title, names, opener, at_once)                                                 \
    {                                                                                             \
        .name = title, .kinds = names, .per_endpoint = at_once, .open = opener,                   \
        .close = sender_close, .renew = sender_renew, .start = sender_start, .wait = sender_wait, \
        .take = sender_take, .wake = sender_wake                                                  \
    }
static const char *const eventbridge_kinds[] = { "eventbridge", NULL };
static const char *const sns_kinds[] = { "sns", NULL };
static const char *const cloudwatch_kinds[] = { "cloudwatch", NULL };
const struct outbox_sender eventbridge_sender =
    AWS_SENDER("steward eventbridge", eventbridge_kinds, open_eventbridge, 4 * ENTRIES_MAX);
const struct outbox_sender sns_sender = AWS_SENDER("steward sns", sns_kinds, open_sns, 4);
const struct outbox_sender cloudwatch_sender =
    AWS_SENDER("steward cloudwatch", cloudwatch_kinds, open_cloudwatch, 2 * EVENTS_MAX);
