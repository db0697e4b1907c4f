/*
 * hook_auth.c - requests to triggers: Standard Webhooks, GitHub's signature, a bearer secret.
 *
 * The last of several reasons is never looked for: each check is made with what the request has,
 * and a missing secret is compared with all the same.
 */
#include "steward/hook_auth.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "steward/mem.h"
#include "steward/webhook_sign.h"

#define ID_MAX     200
#define SECRET_MIN 16
#define SECRET_MAX 200
#define BEARER_MIN 24

static const char *const names[HOOK_AUTH_COUNT] = { [HOOK_STANDARD] = "standardWebhooks",
                                                    [HOOK_GITHUB] = "github",
                                                    [HOOK_SNS] = "sns",
                                                    [HOOK_BEARER] = "bearer" };

const char *hook_auth_name(enum hook_auth auth)
{
    return names[auth];
}

bool hook_auth_find(const char *name, enum hook_auth *out)
{
    for (unsigned i = 0; i < HOOK_AUTH_COUNT; i++)
        if (str_eq(names[i], name))
            return *out = (enum hook_auth) i, true;
    return false;
}

const char *hook_verdict_text(enum hook_verdict v)
{
    static const char *const texts[] = {
        [HOOK_GOOD] = "It is signed as the trigger expects.",
        [HOOK_UNSIGNED] = "The headers that carry the signature are missing.",
        [HOOK_MALFORMED] = "The headers that carry the signature are malformed.",
        [HOOK_STALE] = "Its timestamp is more than five minutes away from this server's clock.",
        [HOOK_FORGED] = "The signature is not the one of this body by the trigger's secret.",
    };

    return texts[v];
}

static bool is_printable(const char *text)
{
    size_t n = 0;

    for (; text[n]; n++)
        if (text[n] <= 0x20 || text[n] >= 0x7f || n >= ID_MAX)
            return false;
    return n > 0;
}

/* "id.timestamp.body" is read from the left: an id with a dot could be two messages. */
static bool is_standard_id(const char *id)
{
    return is_printable(id) && !strchr(id, '.');
}

static enum hook_verdict verify_standard(const struct hook_secrets *s,
                                         const struct hook_request *rq)
{
    struct webhook_message m = {
        .id = rq->id, .timestamp = rq->timestamp, .body = rq->body, .body_n = rq->body_n
    };
    bool is_good, is_old_good;

    if (!rq->id || !rq->timestamp || !rq->signature)
        return HOOK_UNSIGNED;
    if (!is_standard_id(rq->id) || strlen(rq->timestamp) > 15)
        return HOOK_MALFORMED;
    is_good = webhook_verify(s->current, &m, rq->signature);
    is_old_good = s->old && webhook_verify(s->old, &m, rq->signature);
    if (!webhook_time_is_fresh(rq->timestamp, rq->now_s))
        return HOOK_STALE;
    return is_good || is_old_good ? HOOK_GOOD : HOOK_FORGED;
}

static enum hook_verdict verify_github(const struct hook_secrets *s, const struct hook_request *rq)
{
    bool is_good, is_old_good;

    if (!rq->github_signature)
        return HOOK_UNSIGNED;
    is_good = webhook_verify_github(s->current, rq->body, rq->body_n, rq->github_signature);
    is_old_good =
        s->old && webhook_verify_github(s->old, rq->body, rq->body_n, rq->github_signature);
    return is_good || is_old_good ? HOOK_GOOD : HOOK_FORGED;
}

static enum hook_verdict verify_bearer(const struct hook_secrets *s, const struct hook_request *rq)
{
    char hash[HEX_SHA256];
    const char *token;
    bool is_good, is_old_good;

    if (!rq->authorization)
        return HOOK_UNSIGNED;
    if (strncasecmp(rq->authorization, "Bearer ", 7) != 0)
        return HOOK_MALFORMED;
    token = rq->authorization + 7 + strspn(rq->authorization + 7, " ");
    sha256_hex(token, strlen(token), hash);
    is_good = CRYPTO_memcmp(hash, s->current, HEX_SHA256) == 0;
    is_old_good = s->old && CRYPTO_memcmp(hash, s->old, HEX_SHA256) == 0;
    return is_good || is_old_good ? HOOK_GOOD : HOOK_FORGED;
}

enum hook_verdict hook_verify(enum hook_auth auth, const struct hook_secrets *s,
                              const struct hook_request *rq)
{
    switch (auth) {
    case HOOK_STANDARD:
        return verify_standard(s, rq);
    case HOOK_GITHUB:
        return verify_github(s, rq);
    case HOOK_BEARER:
        return verify_bearer(s, rq);
    case HOOK_SNS:
    case HOOK_AUTH_COUNT:
        break;
    }
    return HOOK_FORGED;
}

bool hook_seen_key(enum hook_auth auth, const struct hook_request *rq, char key[HOOK_ID_BYTES],
                   char message_id[HOOK_ID_BYTES])
{
    const char *id = auth == HOOK_GITHUB              ? rq->github_id
                     : auth == HOOK_BEARER && !rq->id ? rq->key
                                                      : rq->id;
    char hash[HEX_SHA256];

    if (id && !is_printable(id))
        id = NULL;
    (void) str_copy(message_id, HOOK_ID_BYTES, id ? id : "");
    if (auth == HOOK_GITHUB) {
        sha256_hex(rq->body, rq->body_n, hash);
        (void) snprintf(key, HOOK_ID_BYTES, "body %s", hash);
        return true;
    }
    (void) snprintf(key, HOOK_ID_BYTES, "id %s", id ? id : "");
    return id != NULL;
}

static bool is_secret_text(const char *secret, size_t least)
{
    size_t n = strlen(secret);

    for (size_t i = 0; i < n; i++)
        if (secret[i] <= 0x20 || secret[i] >= 0x7f)
            return false;
    return n >= least && n <= SECRET_MAX;
}

bool hook_secret_is_valid(enum hook_auth auth, const char *secret)
{
    switch (auth) {
    case HOOK_STANDARD:
        return webhook_secret_is_valid(secret);
    case HOOK_GITHUB:
        return is_secret_text(secret, SECRET_MIN);
    case HOOK_BEARER:
        return is_secret_text(secret, BEARER_MIN);
    case HOOK_SNS:
    case HOOK_AUTH_COUNT:
        break;
    }
    return false;
}

const char *hook_secret_rule(enum hook_auth auth)
{
    static const char *const rules[HOOK_AUTH_COUNT] = {
        [HOOK_STANDARD] =
            "A secret is \"whsec_\" and base64 of 16 to 64 bytes; leave it out and one "
            "is made.",
        [HOOK_GITHUB] =
            "A secret is 16 to 200 printable characters without blanks; leave it out and "
            "one is made.",
        [HOOK_SNS] =
            "A trigger of the kind \"sns\" has no secret: Amazon signs with its certificate.",
        [HOOK_BEARER] =
            "A secret is 24 to 200 printable characters without blanks; leave it out and "
            "one is made.",
    };

    return rules[auth];
}
