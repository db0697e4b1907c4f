/*
 * neighbour_sqs.c - standard queues: send, receive with visibility timeout and long polling,
 * delete.
 *
 * A queue is named by the last part of its URL. Forms name attributes and batches differently; both
 * spellings are read.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "neighbour.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/json.h"

#define MISSING      "AWS.SimpleQueueService.NonExistentQueue"
#define VISIBILITY_S 30
#define MESSAGE_MAX  ((size_t) 256 << 10)
#define RECEIVE_MAX  10
#define WAIT_MAX_S   20

static void md5_hex(const char *text, char out[33])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    (void) EVP_Digest(text, strlen(text), digest, &n, EVP_md5(), NULL);
    for (unsigned i = 0; i < 16; i++)
        (void) snprintf(out + 2 * (size_t) i, 3, "%02x", digest[i]);
}

static const char *missing(struct neighbour_call *c)
{
    (void) neighbour_fail(c, "", "The specified queue does not exist.");
    return http_header(c->rq, "x-amz-target") ? "com.amazonaws.sqs#QueueDoesNotExist" : MISSING;
}

static json_t *find_queue(const struct neighbour_call *c)
{
    const char *url = json_text(c->in, "QueueUrl"), *slash = url ? strrchr(url, '/') : NULL;

    return slash ? json_object_get(c->all->queues, slash + 1) : NULL;
}

static json_t *queue_url(const struct neighbour_call *c, const char *name)
{
    const char *host = http_header(c->rq, "host");

    return json_sprintf("http://%s/%s/%s", host ? host : "localhost",
                        c->wire->sim->settings.account_id, name);
}

/* "Attributes": {name: value}, or a form's "Attribute": [{"Name", "Value"}]. */
static int64_t attribute(const struct neighbour_call *c, const char *name, int64_t fallback)
{
    size_t i;
    json_t *a;

    json_array_foreach (json_object_get(c->in, "Attribute"), i, a)
        if (str_eq(json_text(a, "Name"), name))
            return neighbour_int(a, "Value", fallback);
    return neighbour_int(json_object_get(c->in, "Attributes"), name, fallback);
}

static const char *create_queue(struct neighbour_call *c)
{
    const char *name = json_text(c->in, "QueueName");

    if (str_is_empty(name) || strlen(name) > 80 || strchr(name, '/'))
        return neighbour_fail(c, "InvalidParameterValue",
                              "Can only include alphanumeric characters, hyphens, or underscores. "
                              "1 to 80 in length");
    if (!json_object_get(c->all->queues, name))
        json_object_set_new(c->all->queues, name,
                            json_pack("{s:I, s:[]}", "VisibilityTimeout",
                                      (json_int_t) attribute(c, "VisibilityTimeout", VISIBILITY_S),
                                      "Messages"));
    c->has_effect = true;
    c->out = json_pack("{s:o}", "QueueUrl", queue_url(c, name));
    return NULL;
}

static const char *get_url(struct neighbour_call *c)
{
    const char *name = json_text(c->in, "QueueName");

    if (!name || !json_object_get(c->all->queues, name))
        return missing(c);
    c->out = json_pack("{s:o}", "QueueUrl", queue_url(c, name));
    return NULL;
}

static const char *list_queues(struct neighbour_call *c)
{
    json_t *list = json_array(), *queue;
    const char *name;

    json_object_foreach (c->all->queues, name, queue)
        if (str_starts(name, json_text_or(c->in, "QueueNamePrefix", "")))
            json_array_append_new(list, queue_url(c, name));
    c->out = json_pack("{s:o}", "QueueUrls", list);
    return NULL;
}

static json_t *put_message(struct neighbours *all, json_t *queue, const char *body)
{
    char id[UUID_BYTES], md5[33];
    json_t *message;

    uuid_new(id);
    md5_hex(body, md5);
    message = json_pack("{s:s, s:s, s:s, s:i, s:i, s:I}", "MessageId", id, "MD5OfBody", md5, "Body",
                        body, "received", 0, "visibleAtMs", 0, "number", (json_int_t) ++all->count);
    json_array_append_new(json_object_get(queue, "Messages"), message);
    return message;
}

bool neighbour_queue_put(struct neighbours *all, const char *arn, const char *body)
{
    const char *colon = arn ? strrchr(arn, ':') : NULL;
    json_t *queue = colon ? json_object_get(all->queues, colon + 1) : NULL;

    return queue && put_message(all, queue, body);
}

static const char *send_message(struct neighbour_call *c)
{
    const char *body = json_text(c->in, "MessageBody");
    json_t *queue = find_queue(c), *message;

    if (!queue)
        return missing(c);
    if (str_is_empty(body) || strlen(body) > MESSAGE_MAX)
        return neighbour_fail(c, "InvalidParameterValue",
                              "One or more parameters are invalid. Reason: Message must be 1 to "
                              "262144 bytes.");
    message = put_message(c->all, queue, body);
    json_object_set_new(message, "visibleAtMs",
                        json_integer(c->now_ms + 1000 * neighbour_int(c->in, "DelaySeconds", 0)));
    c->has_effect = true;
    c->out = json_pack("{s:O, s:O}", "MessageId", json_object_get(message, "MessageId"),
                       "MD5OfMessageBody", json_object_get(message, "MD5OfBody"));
    return NULL;
}

/* A receipt names the message and the time it was received: "number-count". */
static json_t *receive_one(json_t *message, int64_t visible_at_ms)
{
    int64_t received = json_int_or(message, "received", 0) + 1;

    json_object_set_new(message, "received", json_integer(received));
    json_object_set_new(message, "visibleAtMs", json_integer(visible_at_ms));
    return json_pack("{s:O, s:o, s:O, s:O, s:{s:o}}", "MessageId",
                     json_object_get(message, "MessageId"), "ReceiptHandle",
                     json_sprintf("%lld-%lld", (long long) json_int_or(message, "number", 0),
                                  (long long) received),
                     "MD5OfBody", json_object_get(message, "MD5OfBody"), "Body",
                     json_object_get(message, "Body"), "Attributes", "ApproximateReceiveCount",
                     json_sprintf("%lld", (long long) received));
}

static const char *receive_message(struct neighbour_call *c)
{
    json_t *queue = find_queue(c), *list = json_array(), *message;
    int64_t limit = neighbour_int(c->in, "MaxNumberOfMessages", 1);
    int64_t wait_s = neighbour_int(c->in, "WaitTimeSeconds", 0), hidden_s;
    size_t i;

    c->out = json_object();
    if (queue && limit >= 1 && limit <= RECEIVE_MAX && wait_s >= 0 && wait_s <= WAIT_MAX_S) {
        hidden_s = neighbour_int(c->in, "VisibilityTimeout",
                                 json_int_or(queue, "VisibilityTimeout", VISIBILITY_S));
        json_array_foreach (json_object_get(queue, "Messages"), i, message)
            if (json_array_size(list) < (size_t) limit &&
                json_int_or(message, "visibleAtMs", 0) <= c->now_ms)
                json_array_append_new(list, receive_one(message, c->now_ms + 1000 * hidden_s));
        if (json_array_size(list)) {
            c->has_effect = true;
            json_object_set(c->out, "Messages", list);
        } else {
            c->wait_ms = wait_s * 1000;
        }
        json_decref(list);
        return NULL;
    }
    json_decref(list);
    if (!queue)
        return missing(c);
    return neighbour_fail(c, "InvalidParameterValue",
                          "MaxNumberOfMessages is 1 to %d, WaitTimeSeconds 0 to %d.", RECEIVE_MAX,
                          WAIT_MAX_S);
}

/* The place of the message that a receipt names in its queue; -1: it is gone. */
static int64_t find_receipt(const json_t *queue, const char *receipt)
{
    int64_t number;
    AUTO_FREE char *digits = receipt ? xstrndup(receipt, strcspn(receipt, "-")) : NULL;
    size_t i;
    json_t *message;

    if (!digits || !str_to_i64(digits, 1, INT64_MAX, &number))
        return -1;
    json_array_foreach (json_object_get(queue, "Messages"), i, message)
        if (json_int_or(message, "number", 0) == number)
            return (int64_t) i;
    return -1;
}

static const char *delete_message(struct neighbour_call *c)
{
    json_t *queue = find_queue(c);
    const char *receipt = json_text(c->in, "ReceiptHandle");
    int64_t at;

    if (!queue)
        return missing(c);
    if (!receipt || !strchr(receipt, '-'))
        return neighbour_fail(c, "ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
    at = find_receipt(queue, receipt);
    if (at >= 0)
        (void) json_array_remove(json_object_get(queue, "Messages"), (size_t) at);
    c->has_effect = at >= 0;
    return NULL;
}

static const char *change_visibility(struct neighbour_call *c)
{
    json_t *queue = find_queue(c);
    int64_t at = queue ? find_receipt(queue, json_text(c->in, "ReceiptHandle")) : -1;

    if (!queue)
        return missing(c);
    if (at < 0)
        return neighbour_fail(c, "ReceiptHandleIsInvalid", "The input receipt handle is invalid.");
    json_object_set_new(
        json_array_get(json_object_get(queue, "Messages"), (size_t) at), "visibleAtMs",
        json_integer(c->now_ms + 1000 * neighbour_int(c->in, "VisibilityTimeout", 0)));
    c->has_effect = true;
    return NULL;
}

static const char *get_attributes(struct neighbour_call *c)
{
    const struct sim_settings *s = &c->wire->sim->settings;
    const json_t *queue = find_queue(c);
    const char *name = strrchr(json_text_or(c->in, "QueueUrl", "/"), '/');
    int visible = 0, hidden = 0;
    size_t i;
    json_t *message;

    if (!queue)
        return missing(c);
    json_array_foreach (json_object_get(queue, "Messages"), i, message) {
        if (json_int_or(message, "visibleAtMs", 0) <= c->now_ms)
            visible++;
        else
            hidden++;
    }
    c->out = json_pack(
        "{s:{s:o, s:o, s:o, s:o}}", "Attributes", "QueueArn",
        json_sprintf("arn:%s:sqs:%s:%s:%s", s->partition, s->region, s->account_id, name + 1),
        "ApproximateNumberOfMessages", json_sprintf("%d", visible),
        "ApproximateNumberOfMessagesNotVisible", json_sprintf("%d", hidden), "VisibilityTimeout",
        json_sprintf("%lld", (long long) json_int_or(queue, "VisibilityTimeout", VISIBILITY_S)));
    return NULL;
}

static const struct neighbour_operation operations[] = {
    { "ChangeMessageVisibility", change_visibility },
    { "CreateQueue", create_queue },
    { "DeleteMessage", delete_message },
    { "GetQueueAttributes", get_attributes },
    { "GetQueueUrl", get_url },
    { "ListQueues", list_queues },
    { "ReceiveMessage", receive_message },
    { "SendMessage", send_message },
    { NULL, NULL },
};

const struct neighbour neighbour_sqs = { .title = "SQS",
                                         .scope = "sqs",
                                         .target = "AmazonSQS.",
                                         .type = "application/x-amz-json-1.0",
                                         .xmlns = "http://queue.amazonaws.com/doc/2012-11-05/",
                                         .operations = operations };
