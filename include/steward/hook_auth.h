/*
 * hook_auth.h - whether a request to a trigger comes from who may send it. Pure.
 *
 * Every way is judged over the raw body, in the same time whatever differs. What it says besides is
 * the id by which a repeat is known: a signed one where the sender signs one.
 */
#ifndef STEWARD_HOOK_AUTH_H
#define STEWARD_HOOK_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/str.h"

enum hook_auth { HOOK_STANDARD, HOOK_GITHUB, HOOK_SNS, HOOK_BEARER, HOOK_AUTH_COUNT };
/* "standardWebhooks", "github", "sns", "bearer" */
const char *hook_auth_name(enum hook_auth auth);
bool hook_auth_find(const char *name, enum hook_auth *out);

#define HOOK_ID_BYTES 256

/* Headers as they came; NULL: not there. */
struct hook_request {
    const char *id, *timestamp, *signature;   /* webhook-id, webhook-timestamp, webhook-signature */
    const char *github_signature, *github_id; /* X-Hub-Signature-256, X-GitHub-Delivery */
    const char *authorization;                /* Authorization */
    const char *key;                          /* Idempotency-Key */
    const void *body;
    size_t body_n;
    int64_t now_s;
};
/* In the clear; of bearer the SHA-256 in hex. old: during a rotation; NULL: none. */
struct hook_secrets {
    const char *current, *old;
};
/* Why it was refused, for whoever set it up; never told to the sender. */
enum hook_verdict { HOOK_GOOD, HOOK_UNSIGNED, HOOK_MALFORMED, HOOK_STALE, HOOK_FORGED };
const char *hook_verdict_text(enum hook_verdict v);

/* Not for HOOK_SNS (sns_message.h). */
enum hook_verdict hook_verify(enum hook_auth auth, const struct hook_secrets *s,
                              const struct hook_request *rq);

/*
 * The key by which a repeat of the message is known for a day: "id <id>" where the id is signed or
 * the sender's own word counts, "body <hash>" where only the body is signed (GitHub). false: there
 * is none. message_id: the sender's name for it, for people; "": none.
 */
bool hook_seen_key(enum hook_auth auth, const struct hook_request *rq, char key[HOOK_ID_BYTES],
                   char message_id[HOOK_ID_BYTES]);

/* A secret of its own for a trigger: is it one that the way can use? */
bool hook_secret_is_valid(enum hook_auth auth, const char *secret);
const char *hook_secret_rule(enum hook_auth auth);

#endif
