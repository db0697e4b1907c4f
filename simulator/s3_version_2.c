/*
 * s3_version_2.c - presigned links of the old kind (Signature Version 2), and what a refused
 * signature is told.
 *
 * boto3 and the AWS CLI still make them by default for us-east-1, and S3 takes them there. Signed
 * are the method, three headers, every x-amz-… and the path with the parameters that choose what is
 * answered; such values travel in the query as well. Headers with version 2 are refused.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3_internal.h"

#define VALUES_MAX 64

/* Parameters that are signed with the path. */
static const char *const signed_parameters[] = {
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
};

struct value {
    const char *name, *text;
};

struct values {
    struct value items[VALUES_MAX];
    size_t count;
};

static bool is_amz(const char *name)
{
    return strncasecmp(name, "x-amz-", 6) == 0;
}

static void add_value(struct values *to, const char *name, const char *text)
{
    if (to->count < VALUES_MAX)
        to->items[to->count++] = (struct value){ name, text };
}

static void visit_header(void *context, const char *name, const char *text)
{
    if (is_amz(name))
        add_value(context, name, text);
}

static int compare(const void *a, const void *b)
{
    return strcasecmp(((const struct value *) a)->name, ((const struct value *) b)->name);
}

static void add_amz(const struct http_request *rq, struct buf *out)
{
    struct values found = { .count = 0 };
    const char *name, *text;

    http_headers(rq, visit_header, &found);
    for (size_t i = 0; http_query_at(rq, i, &name, &text); i++)
        if (is_amz(name))
            add_value(&found, name, text);
    qsort(found.items, found.count, sizeof *found.items, compare);
    for (size_t i = 0; i < found.count; i++) {
        for (const char *p = found.items[i].name; *p; p++)
            buf_addc(out, (char) (*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
        buf_printf(out, ":%s\n", found.items[i].text);
    }
}

static void add_resource(const struct http_request *rq, struct buf *out)
{
    char bucket[S3_BUCKET_MAX + 1];
    char separator = '?';

    if (s3_bucket_of_host(rq, bucket))
        buf_printf(out, "/%s", bucket);
    buf_adds(out, http_raw_path(rq));
    for (size_t i = 0; i < ARRAY_LEN(signed_parameters); i++) { /* they are sorted */
        const char *text = http_query(rq, signed_parameters[i]);

        if (!text)
            continue;
        buf_printf(out, "%c%s", separator, signed_parameters[i]);
        if (*text)
            buf_printf(out, "=%s", text);
        separator = '&';
    }
}

/* A header, or the parameter that stands for it; "" when there is neither. */
static const char *value_of(const struct http_request *rq, const char *name)
{
    const char *header = http_header(rq, name), *parameter = http_query(rq, name);

    return header ? header : parameter ? parameter : "";
}

static char *signature_of(const struct http_request *rq, const char *secret)
{
    AUTO_BUF struct buf text = { 0 };
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    buf_printf(&text, "%s\n%s\n%s\n%s\n", http_method(rq), value_of(rq, "content-md5"),
               value_of(rq, "content-type"), value_of(rq, "Expires"));
    add_amz(rq, &text);
    add_resource(rq, &text);
    if (!HMAC(EVP_sha1(), secret, (int) strlen(secret), (const unsigned char *) text.data,
              text.length, mac, &n))
        abort();
    return base64_encode(mac, n);
}

bool s3_is_version_2_link(const struct http_request *rq)
{
    return http_query(rq, "AWSAccessKeyId") != NULL;
}

enum sigv4_verdict s3_version_2_verify(const struct http_request *rq,
                                       const struct s3_version_2 *known, struct sigv4_verified *out)
{
    const char *given = http_query(rq, "Signature"), *expires = http_query(rq, "Expires");
    AUTO_FREE char *wanted = NULL;
    int64_t until_s;

    (void) str_copy(out->access_key_id, sizeof out->access_key_id,
                    http_query(rq, "AWSAccessKeyId"));
    (void) str_copy(out->service, sizeof out->service, "s3");
    out->signed_at_s = known->now_s;
    if (!given || !expires || !str_to_i64(expires, 0, INT64_MAX, &until_s))
        return SIGV4_INCOMPLETE;
    if (!str_eq(out->access_key_id, known->access_key_id))
        return SIGV4_UNKNOWN_KEY;
    wanted = signature_of(rq, known->secret_access_key);
    if (strlen(given) != strlen(wanted) || CRYPTO_memcmp(given, wanted, strlen(wanted)) != 0)
        return SIGV4_BAD_SIGNATURE;
    return known->now_s > until_s ? SIGV4_EXPIRED : SIGV4_OK;
}

void s3_refuse(struct http_request *rq, enum sigv4_verdict verdict,
               const struct sigv4_verified *verified)
{
    static const enum s3_code codes[] = {
        [SIGV4_OK] = S3_INTERNAL_ERROR,
        [SIGV4_MISSING] = S3_ACCESS_DENIED,
        [SIGV4_INCOMPLETE] = S3_MALFORMED_AUTHORIZATION,
        [SIGV4_UNKNOWN_KEY] = S3_INVALID_ACCESS_KEY,
        [SIGV4_BAD_SIGNATURE] = S3_SIGNATURE_MISMATCH,
        [SIGV4_EXPIRED] = S3_TIME_TOO_SKEWED,
        [SIGV4_TOO_EARLY] = S3_TIME_TOO_SKEWED,
    };
    const char *authorization = http_header(rq, "authorization");
    bool is_link = http_query(rq, "X-Amz-Signature") || s3_is_version_2_link(rq);
    const struct s3_error *row =
        s3_error_of(is_link && verdict == SIGV4_EXPIRED ? S3_REQUEST_EXPIRED : codes[verdict]);

    (void) verified;
    if (authorization && str_starts(authorization, "AWS "))
        s3_respond_error(rq, 400, "InvalidRequest",
                         "The authorization mechanism you have provided is not supported. Please "
                         "use AWS4-HMAC-SHA256.");
    else
        s3_respond_error(rq, row->status, row->code, row->message);
}
