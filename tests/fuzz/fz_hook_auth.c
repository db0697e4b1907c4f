/*
 * fz_hook_auth.c - any headers over any body: only what the secret has signed is let in, in time; a
 * message of SNS never verifies by a certificate that is not there.
 *
 * The input is lines (id, timestamp, signature, GitHub's signature, authorization), then the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steward/hook_auth.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/sns_message.h"
#include "steward/webhook_sign.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define NOW    1614265330

static void check(bool holds)
{
    if (!holds)
        abort();
}

static char *next_line(const char **at, const char *end)
{
    const char *newline = memchr(*at, '\n', (size_t) (end - *at));
    char *line = newline ? xstrndup(*at, (size_t) (newline - *at)) : NULL;

    if (newline)
        *at = newline + 1;
    return line;
}

/* What is good is signed as we would sign it. */
static void check_standard(const struct hook_request *rq)
{
    const struct hook_secrets s = { .current = SECRET };
    const struct webhook_message m = {
        .id = rq->id, .timestamp = rq->timestamp, .body = rq->body, .body_n = rq->body_n
    };
    struct hook_request own = *rq;
    char wanted[WEBHOOK_SIGNATURE_BYTES];

    if (hook_verify(HOOK_STANDARD, &s, rq) == HOOK_GOOD) {
        check(webhook_sign(SECRET, &m, wanted) && strstr(rq->signature, wanted));
        check(webhook_time_is_fresh(rq->timestamp, NOW));
    }
    if (!rq->id || !rq->timestamp || !webhook_sign(SECRET, &m, wanted))
        return;
    own.signature = wanted;
    switch (hook_verify(HOOK_STANDARD, &s, &own)) {
    case HOOK_GOOD:
        check(!strchr(rq->id, '.'));
        break;
    case HOOK_STALE:
        check(!webhook_time_is_fresh(rq->timestamp, NOW));
        break;
    case HOOK_MALFORMED:
        break;
    default:
        abort();
    }
}

static void check_sns(const struct hook_request *rq)
{
    AUTO_JSON json_t *body = NULL;
    struct sns_message m;
    struct err e;

    if (json_parse(rq->body, rq->body_n, &body, NULL, &e) || sns_message_read(body, &m, &e))
        return;
    AUTO_FREE char *text = sns_signed_text(&m);

    check(strstr(text, m.topic_arn) != NULL);
    check(!sns_verify(&m, m.message, strlen(m.message), NOW));
    if (sns_url_is_good(m.certificate_url, ".pem"))
        check(strncmp(m.certificate_url, "https://sns.", 12) == 0 &&
              strstr(m.certificate_url, ".amazonaws.com") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *) data, *end = at + size;
    AUTO_FREE char *id = next_line(&at, end);
    AUTO_FREE char *timestamp = next_line(&at, end);
    AUTO_FREE char *signature = next_line(&at, end);
    AUTO_FREE char *hub = next_line(&at, end);
    AUTO_FREE char *authorization = next_line(&at, end);
    const struct hook_request rq = { .id = id,
                                     .timestamp = timestamp,
                                     .signature = signature,
                                     .github_signature = hub,
                                     .github_id = id,
                                     .authorization = authorization,
                                     .key = id,
                                     .body = at,
                                     .body_n = (size_t) (end - at),
                                     .now_s = NOW };
    const struct hook_secrets nobody = {
        .current = "0000000000000000000000000000000000000000000000000000000000000000"
    };
    char key[HOOK_ID_BYTES], message[HOOK_ID_BYTES];

    check_standard(&rq);
    check_sns(&rq);
    check(hook_verify(HOOK_BEARER, &nobody, &rq) != HOOK_GOOD);
    check(hook_verify(HOOK_SNS, &nobody, &rq) != HOOK_GOOD);
    (void) hook_verify(HOOK_GITHUB, &nobody, &rq);
    for (unsigned i = 0; i < HOOK_AUTH_COUNT; i++)
        if (hook_seen_key((enum hook_auth) i, &rq, key, message))
            check(strlen(key) > 3);
    return 0;
}
