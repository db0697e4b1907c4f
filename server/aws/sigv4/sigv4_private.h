/*
 * sigv4_private.h - what the files of the signer share.
 */
#ifndef STEWARD_SIGV4_PRIVATE_H
#define STEWARD_SIGV4_PRIVATE_H

#include "steward/sigv4.h"

#define SIGV4_ALGORITHM      "AWS4-HMAC-SHA256"
#define SIGV4_UNSIGNED       "UNSIGNED-PAYLOAD"
#define SIGV4_DATE_BYTES     17 /* "20150830T123600Z" */
#define SIGV4_EXPIRES_MAX_S  604800
#define SIGV4_CONTENT_SHA256 "x-amz-content-sha256"

/* Appends the canonical form of a wire query: pairs decoded, encoded again, sorted; X-Amz-Signature
 * left out. */
void sigv4_canonical_query(const char *query, struct buf *out);
/* Appends the trimmed and collapsed values of every header of that name, joined with commas; false
 * when there is none. */
bool sigv4_header_value(const struct sigv4_request *rq, const char *name, size_t name_n,
                        struct buf *out);
/* "20150830/us-east-1/personalize/aws4_request" */
void sigv4_scope_text(const struct sigv4_scope *scope, int64_t time_s, struct buf *out);
/* Who signs, for what, when. */
struct sigv4_signing {
    const struct sigv4_scope *scope;
    const char *secret;
    int64_t time_s;
};
/* The signature in hex of the request; the canonical request is appended to canonical. */
void sigv4_signature(const struct sigv4_request *rq, const char *signed_headers,
                     const struct sigv4_signing *signing, struct buf *canonical,
                     char out[HEX_SHA256]);

#endif
