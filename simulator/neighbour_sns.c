/*
 * neighbour_sns.c - topics, subscriptions, Publish: messages are checked as the service does, kept
 * to be read, and put into the queues that subscribed.
 */
#include <string.h>

#include "neighbour.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/json.h"

#define SUBJECT_MAX 100
#define MESSAGE_MAX ((size_t) 256 << 10)

static json_t *find_topic(struct neighbour_call *c)
{
    const char *arn = json_text(c->in, "TopicArn");
    json_t *topic = arn ? json_object_get(c->all->topics, arn) : NULL;

    if (!topic) {
        c->status = 404;
        (void) neighbour_fail(c, "", "Topic does not exist");
    }
    return topic;
}

static const char *create_topic(struct neighbour_call *c)
{
    const struct sim_settings *s = &c->wire->sim->settings;
    const char *name = json_text(c->in, "Name");

    if (str_is_empty(name) || strlen(name) > 256)
        return neighbour_fail(c, "InvalidParameter", "Invalid parameter: Topic Name");
    AUTO_FREE char *arn =
        xasprintf("arn:%s:sns:%s:%s:%s", s->partition, s->region, s->account_id, name);

    if (!json_object_get(c->all->topics, arn))
        json_object_set_new(c->all->topics, arn, json_pack("{s:[]}", "Subscriptions"));
    c->has_effect = true;
    c->out = json_pack("{s:s}", "TopicArn", arn);
    return NULL;
}

static const char *list_topics(struct neighbour_call *c)
{
    json_t *list = json_array(), *topic;
    const char *arn;

    json_object_foreach (c->all->topics, arn, topic)
        json_array_append_new(list, json_pack("{s:s}", "TopicArn", arn));
    c->out = json_pack("{s:o}", "Topics", list);
    return NULL;
}

static const char *subscribe(struct neighbour_call *c)
{
    json_t *topic = find_topic(c);
    const char *protocol = json_text(c->in, "Protocol"), *endpoint = json_text(c->in, "Endpoint");
    char id[UUID_BYTES];

    if (!topic)
        return "NotFound";
    if (str_is_empty(protocol) || str_is_empty(endpoint))
        return neighbour_fail(c, "InvalidParameter", "Invalid parameter: Protocol or Endpoint");
    uuid_new(id);
    AUTO_FREE char *arn = xasprintf("%s:%s", json_text(c->in, "TopicArn"), id);

    json_array_append_new(json_object_get(topic, "Subscriptions"),
                          json_pack("{s:s, s:s, s:s}", "SubscriptionArn", arn, "Protocol", protocol,
                                    "Endpoint", endpoint));
    c->has_effect = true;
    c->out = json_pack("{s:s}", "SubscriptionArn", arn);
    return NULL;
}

static const char *check_message(struct neighbour_call *c, json_t **forms)
{
    const char *message = json_text(c->in, "Message"), *subject = json_text(c->in, "Subject");
    struct err e;

    if (str_is_empty(message))
        return neighbour_fail(c, "InvalidParameter", "Invalid parameter: Empty message");
    if (strlen(message) > MESSAGE_MAX)
        return neighbour_fail(c, "InvalidParameter", "Invalid parameter: Message too long");
    if (subject && (strlen(subject) > SUBJECT_MAX || strpbrk(subject, "\r\n")))
        return neighbour_fail(c, "InvalidParameter", "Invalid parameter: Subject");
    if (!json_text(c->in, "MessageStructure"))
        return NULL;
    if (!str_eq(json_text(c->in, "MessageStructure"), "json"))
        return neighbour_fail(c, "InvalidParameter", "Invalid parameter: MessageStructure");
    if (json_parse(message, strlen(message), forms, NULL, &e) || !json_is_object(*forms))
        return neighbour_fail(c, "InvalidParameter",
                              "Invalid parameter: Message Structure - JSON message body failed to "
                              "parse");
    if (!json_text(*forms, "default"))
        return neighbour_fail(c, "InvalidParameter",
                              "Invalid parameter: Message Structure - No default entry in JSON "
                              "message body");
    return NULL;
}

/* Attributes of a message as a queue's subscriber finds them: {name: {Type, Value}}. */
static json_t *attributes(const json_t *in)
{
    json_t *out = json_object(), *attribute;
    size_t i;

    json_array_foreach (json_object_get(in, "MessageAttributes"), i, attribute) {
        const json_t *value = json_object_get(attribute, "Value");

        if (json_text(attribute, "Name") && json_text(value, "StringValue"))
            json_object_set_new(out, json_text(attribute, "Name"),
                                json_pack("{s:s, s:s}", "Type",
                                          json_text_or(value, "DataType", "String"), "Value",
                                          json_text(value, "StringValue")));
    }
    return out;
}

static void deliver(struct neighbour_call *c, const json_t *topic, const json_t *forms,
                    const char *id)
{
    const char *plain = json_text(c->in, "Message");
    char now[CLOCK_TEXT_BYTES];
    size_t i;
    json_t *s;

    clock_format_ms(c->now_ms, now);
    json_array_foreach (json_object_get(topic, "Subscriptions"), i, s) {
        const char *protocol = json_text(s, "Protocol");
        const char *text =
            forms ? json_text_or(forms, protocol, json_text(forms, "default")) : plain;
        AUTO_JSON json_t *envelope = json_pack(
            "{s:s, s:s, s:O, s:s, s:s}", "Type", "Notification", "MessageId", id, "TopicArn",
            json_object_get(c->in, "TopicArn"), "Message", text, "Timestamp", now);
        AUTO_FREE char *body = NULL;

        if (!str_eq(protocol, "sqs"))
            continue;
        if (json_text(c->in, "Subject"))
            json_object_set(envelope, "Subject", json_object_get(c->in, "Subject"));
        if (json_array_size(json_object_get(c->in, "MessageAttributes")))
            json_object_set_new(envelope, "MessageAttributes", attributes(c->in));
        body = json_compact(envelope);
        (void) neighbour_queue_put(c->all, json_text(s, "Endpoint"), body);
    }
}

static const char *publish(struct neighbour_call *c)
{
    const json_t *topic = find_topic(c);
    AUTO_JSON json_t *forms = NULL;
    char id[UUID_BYTES], now[CLOCK_TEXT_BYTES];
    const char *code;
    json_t *kept;

    if (!topic)
        return "NotFound";
    code = check_message(c, &forms);
    if (code)
        return code;
    uuid_new(id);
    clock_format_ms(c->now_ms, now);
    kept = json_deep_copy(c->in);
    json_object_set_new(kept, "MessageId", json_string(id));
    json_object_set_new(kept, "receivedAt", json_string(now));
    neighbour_keep(c->all->notifications, kept);
    deliver(c, topic, forms, id);
    c->has_effect = true;
    c->out = json_pack("{s:s}", "MessageId", id);
    return NULL;
}

static const struct neighbour_operation operations[] = { { "CreateTopic", create_topic },
                                                         { "ListTopics", list_topics },
                                                         { "Publish", publish },
                                                         { "Subscribe", subscribe },
                                                         { NULL, NULL } };

const struct neighbour neighbour_sns = { .title = "SNS",
                                         .scope = "sns",
                                         .xmlns = "http://sns.amazonaws.com/doc/2010-03-31/",
                                         .operations = operations };
