/*
 * webhook_sign.h - Standard Webhooks: secrets and signatures, both ways. Pure.
 *
 * A secret is "whsec_" + base64; a signature is "v1," + base64(HMAC-SHA256(secret, id "." timestamp
 * "." body)). Comparisons take the same time whatever differs.
 */
#ifndef STEWARD_WEBHOOK_SIGN_H
#define STEWARD_WEBHOOK_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_SECRET_BYTES    32
#define WEBHOOK_SIGNATURE_BYTES 48 /* "v1,", 44 characters, NUL */
#define WEBHOOK_TOLERANCE_S     300

/* From random bytes. Caller owns, and wipes. */
char *webhook_secret_text(const uint8_t bytes[WEBHOOK_SECRET_BYTES]);
/* "whsec_" and base64 of 16 to 64 bytes. */
bool webhook_secret_is_valid(const char *secret);

struct webhook_message {
    const char *id, *timestamp; /* seconds, as text */
    const void *body;
    size_t body_n;
};
/* False when the secret is malformed. */
bool webhook_sign(const char *secret, const struct webhook_message *m,
                  char out[WEBHOOK_SIGNATURE_BYTES]);
/* Whether one of the signatures of the header ("v1,… v1,…") is the message's by the secret. */
bool webhook_verify(const char *secret, const struct webhook_message *m, const char *header);
/* Seconds within the tolerance of now. */
bool webhook_time_is_fresh(const char *timestamp, int64_t now_s);
/* GitHub's "sha256=<hex>" over the raw body, by the secret as text. */
bool webhook_verify_github(const char *secret, const void *body, size_t n, const char *header);

/* Whether text matches a glob: '*' is any run of characters. No other character is special. */
bool glob_is_valid(const char *glob);
/* The glob as a LIKE pattern. Caller owns. */
char *glob_to_like(const char *glob);

#endif
