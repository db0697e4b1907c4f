/*
 * channels.h - what the AWS solution told the world, made of our event log: pure.
 *
 * A channel takes a numbered event (a CloudEvent as GET /events shows it) and makes the message
 * that the AWS solution would have sent there, or nothing. Names, statuses, JSON members and metric
 * names are the solution's, so that rules, subscriptions and dashboards made for it go on working.
 * Where it goes (bus, topic, addresses, namespace) is the sender's business.
 */
#ifndef STEWARD_CHANNELS_H
#define STEWARD_CHANNELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/str.h"

enum channel_id {
    CHANNEL_EVENTBRIDGE,
    CHANNEL_SNS,
    CHANNEL_MAIL,
    CHANNEL_CLOUDWATCH,
    CHANNEL_COUNT
};
struct channel {
    const char *name;     /* "eventbridge": kind and id of its endpoint */
    const char *patterns; /* event types it may make something of: array literal for LIKE */
};
extern const struct channel channels[CHANNEL_COUNT];
bool channel_find(const char *name, enum channel_id *out);

/* Where this server works; for links and metrics. */
struct channel_place {
    const char *region, *account_id, *partition;
};

/*
 * The message of an event, NULL when the channel has nothing to say about it. Caller owns.
 *   eventbridge  an entry of PutEvents without EventBusName
 *   sns          {Subject, Message, MessageStructure}
 *   mail         {subject, text}
 *   cloudwatch   {MetricData: […]}
 * A test.ping makes a message on every channel.
 */
json_t *channel_message(enum channel_id id, const json_t *event, const struct channel_place *place);

/* A mail as RFC 5322 wants it: lines end in CRLF, headers in ASCII, the text in UTF-8. */
struct mail_head {
    const char *from, *const *to;
    size_t n_to;
    const char *id;  /* left part of the Message-ID: the same for every attempt */
    int64_t time_ms; /* Date */
};
void mail_write(const struct mail_head *head, const json_t *message, struct buf *out);
/* "shop@example.org" or "Shop <shop@example.org>": the address alone; false when it is neither. */
bool mail_address(const char *text, char *out, size_t size);

#endif
