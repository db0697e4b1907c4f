/*
 * aws.h - signed calls to Amazon Web Services over libcurl.
 *
 * A call is a plain struct: fill in, start, look at its result. Mutating calls use a fresh
 * connection that is not reused (libcurl re-sends a POST silently when a reused connection dies)
 * and HTTP/1.1; nothing here retries a mutating call: the engine's create protocol decides.
 */
#ifndef STEWARD_AWS_H
#define STEWARD_AWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"

/* ---- session: region, endpoints, credentials. Immutable after open except for the credential
 * cache; shared by threads. ---- */
enum aws_service {
    AWS_PERSONALIZE,
    AWS_PERSONALIZE_RUNTIME,
    AWS_PERSONALIZE_EVENTS,
    AWS_S3,
    AWS_STS,
    AWS_EVENTBRIDGE,
    AWS_SNS,
    AWS_CLOUDWATCH,
    AWS_SQS,
    AWS_SERVICE_COUNT
};
struct aws_session;
struct aws_options {
    bool is_ambient_ignored;  /* --local: no environment, files, container or instance metadata */
    const char *profile;      /* NULL: AWS_PROFILE, then "default" */
    const char *region;       /* NULL: the chain of docs/aws.md */
    const char *endpoint_url; /* one endpoint for all services (--local: the simulator); NULL:
                                 standard resolution */
    const char *access_key_id, *secret_access_key,
        *session_token; /* explicit static keys; NULL: the chain */
    const char *ca_bundle;
    int64_t connect_timeout_ms, total_timeout_ms; /* 3 s and 20 s when 0 */
    int64_t call_spacing_ms; /* between two calls of batches to one service; 0: none */
};
MUST_USE enum err_code aws_session_open(const struct aws_options *options, struct aws_session **out,
                                        struct err *e);
void aws_session_close(struct aws_session *s);
const char *aws_region(const struct aws_session *s);
const char *aws_partition(const struct aws_session *s); /* "aws", "aws-cn", "aws-us-gov", … */
const char *aws_endpoint(const struct aws_session *s,
                         enum aws_service service); /* full URL with base path */
bool aws_is_endpoint_custom(const struct aws_session *s);
/* Account id by STS GetCallerIdentity; the caller owns *account. */
MUST_USE enum err_code aws_caller_account(struct aws_session *s, char **account, char **arn,
                                          struct err *e);
/* Milliseconds to add to the local clock to get the service's (from Date headers). */
int64_t aws_clock_offset_ms(const struct aws_session *s, enum aws_service service);
/* What the service's clock showed when clock_mono_ms() was mono_ms. Once an answer has told it, the
 * wall clock has no part in it: somebody may set that at any time. */
int64_t aws_time_at_mono_ms(const struct aws_session *s, enum aws_service service, int64_t mono_ms);

/* ---- calls ---- */
enum aws_outcome {
    AWS_PENDING,
    AWS_DONE,    /* 2xx and a well-formed body */
    AWS_REFUSED, /* a definite NO: parsed modelled error, throttling, auth failure, or nothing was
                    ever sent */
    AWS_UNKNOWN  /* timeout, reset, 5xx, truncated or unparseable answer: it may have had its effect
                  */
};
enum aws_error_class { /* of AWS_REFUSED (and of AWS_UNKNOWN: what is known) */
                       AWS_ERROR_NONE,
                       AWS_ERROR_NOT_FOUND,
                       AWS_ERROR_EXISTS,
                       AWS_ERROR_IN_USE,
                       AWS_ERROR_LIMIT,
                       AWS_ERROR_THROTTLED,
                       AWS_ERROR_INVALID,
                       AWS_ERROR_ACCESS_DENIED,
                       AWS_ERROR_CREDENTIALS, /* expired, unknown or missing keys */
                       AWS_ERROR_SIGNATURE_EXPIRED,
                       AWS_ERROR_NOT_SENT, /* DNS, connect, TLS: before the first byte of the
                                              request */
                       AWS_ERROR_SERVER,
                       AWS_ERROR_TRANSPORT,
                       AWS_ERROR_OTHER
};

struct aws_call {
    /* in */
    enum aws_service service;
    const char *operation; /* JSON services: "CreateSolution"; S3: a label for logs */
    json_t *request;       /* JSON services; owned by the call, freed by aws_call_done */
    const char *method;    /* S3: "GET" "HEAD" "PUT"; NULL: POST */
    char *path, *query;    /* S3: encoded path "/bucket/key" and query; owned by the call */
    char *upload;          /* S3 PUT: the content; owned by the call */
    size_t upload_n;
    uint64_t first_bytes; /* S3 GET: no more than these; 0: all (an answer over 1 MiB fails) */
    bool is_mutating;
    int64_t sign_time_ms;      /* date of the signature in AWS time; 0: now + offset */
    int64_t not_after_mono_ms; /* do not send after this (clock_mono_ms); 0: no limit */
    int64_t timeout_ms;        /* in all; 0: the session's */
    void *user;
    /* out */
    enum aws_outcome outcome;
    enum aws_error_class error_class;
    int http_status;
    char error_code[96]; /* "ResourceInUseException" */
    char error_message[1024];
    char request_id[80];
    json_t *response; /* JSON services, AWS_DONE: always an object */
    char *body;       /* S3: the text */
    size_t body_n;
    char last_modified[64], content_length[24], etag[128]; /* S3 HEAD */
    int64_t duration_ms;
    void *transport; /* private */
};
void aws_call_init(struct aws_call *call, enum aws_service service, const char *operation,
                   json_t *request);
void aws_call_done(struct aws_call *call); /* frees what it owns; zeroes */
/* Text of a failed call for humans: "CreateCampaign: ResourceInUseException: … (request 1b2c…)". */
void aws_call_describe(const struct aws_call *call, char *out, size_t size);

/* Blocking, one call on the calling thread; reads are retried in the standard mode, mutating calls
 * never. */
void aws_call_run(struct aws_session *s, struct aws_call *call);

/* ---- many calls of one thread ---- */
/* The service's brake (budget.h), one for all threads: may a call be sent now? True counts it as
 * sent; false: *wait_ms says when to ask again. A batch asks for its reads; who changes something
 * asks before the mark, which is good for seconds only. */
bool aws_admit(struct aws_session *s, enum aws_service service, int64_t *wait_ms);
struct aws_batch;
struct aws_batch *aws_batch_new(struct aws_session *s);
void aws_batch_free(struct aws_batch *b);    /* gives up first */
void aws_batch_give_up(struct aws_batch *b); /* aborts what is open; none of it is ever taken */
/* The call stays where it is until it is handed back. A read may stand in line for the brake. */
void aws_batch_start(struct aws_batch *b, struct aws_call *call);
/* Waits until a call finished, the time is over, or aws_batch_wake(). */
void aws_batch_wait(struct aws_batch *b, int64_t timeout_ms);
struct aws_call *aws_batch_take(struct aws_batch *b); /* a finished call, or NULL */
size_t aws_batch_open(const struct aws_batch *b);
size_t aws_batch_in_line(const struct aws_batch *b); /* of these, not sent yet */
void aws_batch_wake(struct aws_batch *b);            /* from any thread */

/* ---- S3 requests as calls ---- */
/* GET /bucket?list-type=2&prefix=…&delimiter=/&continuation-token=… */
void aws_s3_list_call(struct aws_call *call, const char *bucket, const char *prefix,
                      const char *token);
/* The same without delimiter: everything below, folders included. */
void aws_s3_list_all_call(struct aws_call *call, const char *bucket, const char *prefix,
                          const char *token);
void aws_s3_head_call(struct aws_call *call, const char *bucket, const char *key);
void aws_s3_get_call(struct aws_call *call, const char *bucket, const char *key);
struct s3_object {
    char *key;
    int64_t last_modified_ms; /* AWS time */
    uint64_t size;
    char etag[72]; /* without quotes; "": none */
};
struct s3_listing {
    struct s3_object *objects;
    size_t count;
    char *next_token; /* NULL: complete */
};
/* Parses a ListObjectsV2 answer. */
MUST_USE enum err_code aws_s3_parse_list(const char *xml, size_t n, struct s3_listing *out,
                                         struct err *e);
void aws_s3_listing_done(struct s3_listing *l);

#endif
