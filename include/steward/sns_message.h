/*
 * sns_message.h - messages that Amazon SNS posts: read, and their signature verified. Pure.
 *
 * The certificate is fetched by the caller, from the address that sns_url_is_good() has let pass;
 * the signature is over the members of the message, not over the body.
 */
#ifndef STEWARD_SNS_MESSAGE_H
#define STEWARD_SNS_MESSAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"

enum sns_type { SNS_NOTIFICATION, SNS_SUBSCRIBE, SNS_UNSUBSCRIBE };
struct sns_message { /* borrowed from the body */
    enum sns_type type;
    const char *id, *topic_arn, *message, *subject, *timestamp, *token, *subscribe_url;
    const char *signature, *version, *certificate_url;
    int64_t at_s; /* of the timestamp */
};
/* ERR_INVALID: it is none. */
MUST_USE enum err_code sns_message_read(const json_t *body, struct sns_message *out, struct err *e);

/* https://sns.<region>.amazonaws.com[.cn]/…, nothing else in it: where certificates and
 * confirmations are. path_end: what the path ends with, or NULL. */
bool sns_url_is_good(const char *url, const char *path_end);
/* arn:<partition>:sns:<region>:<account>:<name> */
bool sns_topic_is_valid(const char *arn);
/* Whether the certificate (PEM) has signed the message, and is in its time. */
bool sns_verify(const struct sns_message *m, const char *pem, size_t n, int64_t now_s);
/* What is signed. Caller owns. */
char *sns_signed_text(const struct sns_message *m);

#endif
