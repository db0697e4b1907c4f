/*
 * s3.h - the little S3 of the simulator: buckets and objects in a directory, served over HTTP.
 *
 * Objects are immutable files put in place by rename(2), so a kill -9 leaves the old object or the
 * new one, never half of one, and an open descriptor keeps what it saw. Keys are byte strings
 * (UTF-8, at most 1024 bytes, nothing normalised). The C functions may be called from any thread;
 * s3_handle() runs on the loop thread.
 */
#ifndef SIMULATOR_S3_H
#define SIMULATOR_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/clock.h"
#include "steward/err.h"
#include "steward/http.h"
#include "steward/sigv4.h"

#define S3_KEY_MAX    1024
#define S3_BUCKET_MAX 63
#define S3_ETAG_BYTES 48 /* 32 hex digits, '-', part count; without the quotes */
#define S3_BODY_LIMIT                                                           \
    ((size_t) 64 << 20) /* what one request may carry: a part or a small object \
                         */

struct s3_store;

struct s3_options {
    const char *directory;  /* made when absent; belongs to the store alone */
    const char *account_id; /* the owner of every bucket */
    const char *region;     /* what a bucket made without a LocationConstraint is in */
    struct clock clock;     /* Last-Modified; now_ms NULL: the wall clock */
};

MUST_USE enum err_code s3_store_open(const struct s3_options *options, struct s3_store **out,
                                     struct err *e);
void s3_store_close(struct s3_store *store); /* NULL is fine */
/* Removes every bucket, object and upload. */
MUST_USE enum err_code s3_store_reset(struct s3_store *store, struct err *e);

/* ---- HTTP ---- */

/* True when the request is for S3: by signing scope, else (unsigned) by host, method and path. A
   request with X-Amz-Target or below /_simulator/ never is. Needs the headers only, so it may be
   asked in on_headers too. */
bool s3_is_request(const struct http_request *rq);

struct s3_caller {
    const struct sigv4_verified *verified;
    const char *secret_access_key; /* checks the signatures of aws-chunked chunks; NULL: they are
                                      not checked */
};
/* Answers a request whose signature was verified (every way the answer may go: exactly one
   response). The payload hash was taken from x-amz-content-sha256 by the verifier; whether the body
   fits it is checked here. */
void s3_handle(struct s3_store *store, struct http_request *rq, const struct s3_caller *caller);
/* Presigned links of Signature Version 2 (s3_version_2.c). */
struct s3_version_2 {
    const char *access_key_id, *secret_access_key;
    int64_t now_s;
};
bool s3_is_version_2_link(const struct http_request *rq);
enum sigv4_verdict s3_version_2_verify(const struct http_request *rq,
                                       const struct s3_version_2 *known,
                                       struct sigv4_verified *out);
/* Answers a request whose signature was refused: 403 XML with S3's code for the verdict. */
void s3_refuse(struct http_request *rq, enum sigv4_verdict verdict,
               const struct sigv4_verified *verified);
/* Any other error in S3's XML: injected faults such as (503, "SlowDown", "Please reduce your
 * request rate."). */
void s3_respond_error(struct http_request *rq, int status, const char *code, const char *message);

/* ---- for imports, exports and jobs: any thread ----
 * ERR_NOT_FOUND: no such bucket or key (err.detail holds S3's code: NoSuchBucket, NoSuchKey);
 * ERR_INVALID: bad name. */

struct s3_stat {
    uint64_t size;
    int64_t modified_ms;
    char etag[S3_ETAG_BYTES];
};

struct s3_location {
    const char *bucket, *key;
};

bool s3_bucket_exists(struct s3_store *store, const char *bucket);
/* OK also when the bucket is there already. */
MUST_USE enum err_code s3_bucket_create(struct s3_store *store, const char *bucket, struct err *e);
MUST_USE enum err_code s3_object_stat(struct s3_store *store, const struct s3_location *at,
                                      struct s3_stat *out, struct err *e);
/* A descriptor positioned at 0. The object is its first stat.size bytes (bookkeeping follows them:
   stop there). It stays as it is while open, whatever happens to the key. The caller closes fd. */
struct s3_opened {
    int fd;
    struct s3_stat stat;
};
MUST_USE enum err_code s3_object_open(struct s3_store *store, const struct s3_location *at,
                                      struct s3_opened *out, struct err *e);
/* The whole object in memory, NUL-terminated; the caller owns out->data. ERR_INVALID when it is
   larger than out->limit. */
struct s3_blob {
    char *data;
    size_t n;
    size_t limit; /* set by the caller */
};
MUST_USE enum err_code s3_object_read(struct s3_store *store, const struct s3_location *at,
                                      struct s3_blob *out, struct err *e);
/* Stores bytes; content_type NULL: binary/octet-stream. */
struct s3_content {
    const void *data;
    size_t n;
    const char *content_type;
};
MUST_USE enum err_code s3_object_put(struct s3_store *store, const struct s3_location *at,
                                     const struct s3_content *content, struct err *e);
/* Deleting what is not there is OK. */
MUST_USE enum err_code s3_object_delete(struct s3_store *store, const struct s3_location *at,
                                        struct err *e);

/* An object written piece by piece; it appears at s3_writer_commit(). One thread at a time. */
struct s3_writer;
/* NULL and *e when the place is wrong; content_type NULL: binary/octet-stream. */
MUST_USE struct s3_writer *s3_writer_open(struct s3_store *store, const struct s3_location *at,
                                          const char *content_type, struct err *e);
MUST_USE enum err_code s3_writer_write(struct s3_writer *w, const void *data, size_t n,
                                       struct err *e);
MUST_USE enum err_code s3_writer_commit(struct s3_writer *w,
                                        struct err *e); /* frees w in any case */
void s3_writer_abort(struct s3_writer *w);              /* NULL is fine; frees w */

/* Lists keys in byte order. With a delimiter, keys that share the part up to it come as one entry
 * with is_prefix. */
struct s3_query {
    const char *bucket;
    const char *prefix;    /* NULL: all */
    const char *delimiter; /* NULL: none */
    const char *after;     /* only entries behind this key or common prefix; NULL: from the start */
    size_t limit;          /* entries at most; 0: no limit */
};
struct s3_entry {
    char *key;
    struct s3_stat stat; /* zero when is_prefix */
    bool is_prefix;
};
struct s3_list {
    struct s3_entry *entries;
    size_t count;
    bool is_truncated; /* more follow: ask again with after = the last entry's key */
};
MUST_USE enum err_code s3_list(struct s3_store *store, const struct s3_query *query,
                               struct s3_list *out, struct err *e);
void s3_list_done(struct s3_list *list);

#endif
