/*
 * sigv4.h - AWS Signature Version 4: one canonicaliser for signing (client) and verifying
 * (simulator, triggers).
 *
 * Facts: the published signing test suite of AWS (tests/data/sigv4). Pure: no clock, no I/O.
 */
#ifndef STEWARD_SIGV4_H
#define STEWARD_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"
#include "steward/str.h"

struct sigv4_header {
    const char *name, *value; /* as on the wire; duplicates in arrival order */
};

struct sigv4_request {
    const char *method;
    const char *path;  /* wire path, undecoded, without the query; "" is "/" */
    const char *query; /* wire query, undecoded; "" when none */
    const struct sigv4_header *headers;
    size_t n_headers;
    const void *body;
    size_t body_n;
    /* Value to use instead of sha256(body): when signing "UNSIGNED-PAYLOAD", …; when verifying the
       hash of a body that the caller has read elsewhere. NULL: compute. */
    const char *payload_hash;
};

struct sigv4_scope {
    const char *region, *service; /* "us-east-1", "personalize" */
    bool is_s3;                   /* S3: path encoded once, never normalised */
    bool is_normalized;           /* remove dot segments (everything but S3) */
};

struct sigv4_credentials {
    const char *access_key_id, *secret_access_key, *session_token; /* token NULL: none */
};

/* Signs with the given time (seconds since the epoch). headers must hold every header to be signed,
   host and x-amz-date included, but not authorization. authorization gets the header's value. */
void sigv4_sign(const struct sigv4_request *rq, const struct sigv4_scope *scope,
                const struct sigv4_credentials *credentials, int64_t time_s,
                struct buf *authorization);
/* The presigned-URL form: appends the X-Amz-… parameters (signature last) to query, which holds the
   request's own query (rq->query is not read). S3 without a payload_hash: UNSIGNED-PAYLOAD. */
void sigv4_presign(const struct sigv4_request *rq, const struct sigv4_scope *scope,
                   const struct sigv4_credentials *credentials, int64_t time_s, int64_t expires_s,
                   struct buf *query);
/* Building blocks, exposed for the vectors. signed_headers: "host;x-amz-date", lower case, sorted.
 */
void sigv4_canonical_request(const struct sigv4_request *rq, const struct sigv4_scope *scope,
                             const char *signed_headers, struct buf *out);
void sigv4_string_to_sign(const char *canonical_request, size_t n, const struct sigv4_scope *scope,
                          int64_t time_s, struct buf *out);

/* What a server finds in a request. */
enum sigv4_verdict {
    SIGV4_OK,
    SIGV4_MISSING,    /* no authentication at all */
    SIGV4_INCOMPLETE, /* malformed Authorization header or query */
    SIGV4_UNKNOWN_KEY,
    SIGV4_BAD_SIGNATURE,
    SIGV4_EXPIRED,  /* dated too early, or a presigned URL whose time is over */
    SIGV4_TOO_EARLY /* dated in the future beyond the window */
};
struct sigv4_verified {
    char access_key_id[129], region[64], service[64];
    int64_t signed_at_s;
    char detail[1024]; /* for the error reply: canonical string on a mismatch, times when expired */
};
/* lookup returns the secret of a key id, or NULL. window_s: how far the date may lie from now_s
   (both directions; a presigned request lives for its own X-Amz-Expires instead). A hash announced
   in x-amz-content-sha256 must be that of the body; UNSIGNED-PAYLOAD and STREAMING-… are taken from
   S3 clients only. The caller checks region and service of the scope. */
enum sigv4_verdict sigv4_verify(const struct sigv4_request *rq,
                                const char *(*lookup)(void *context, const char *key_id),
                                void *context, int64_t now_s, int64_t window_s,
                                struct sigv4_verified *out);

#endif
