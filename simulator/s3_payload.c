/*
 * s3_payload.c - is the body what the headers say? Framing, SHA-256, MD5 and the checksums, in
 * headers or trailers.
 *
 * The signature over the headers was verified before; here the body is held against what was
 * signed.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "s3_internal.h"

/* ---- signatures of aws-chunked chunks: each signs the one before ---- */

struct chain {
    uint8_t key[32];
    char date[17], scope[160], previous[65];
};

static void derive_key(const struct s3_caller *caller, const char *day, uint8_t key[32])
{
    AUTO_FREE char *secret = xasprintf("AWS4%s", caller->secret_access_key);
    const char *steps[] = { day, caller->verified->region, caller->verified->service,
                            "aws4_request" };
    uint8_t next[32];

    hmac_sha256(secret, strlen(secret), steps[0], strlen(steps[0]), key);
    for (size_t i = 1; i < ARRAY_LEN(steps); i++) {
        hmac_sha256(key, 32, steps[i], strlen(steps[i]), next);
        memcpy(key, next, sizeof next);
    }
}

static bool chain_start(const struct s3_call *c, struct chain *chain)
{
    const char *authorization = http_header(c->rq, "authorization");
    const char *seed = authorization ? strstr(authorization, "Signature=") : NULL;
    const struct sigv4_verified *v = c->caller->verified;
    char day[9] = "";

    if (!seed || strlen(seed + 10) < 64)
        return false;
    (void) snprintf(chain->previous, sizeof chain->previous, "%.64s", seed + 10);
    clock_format_amz(v->signed_at_s, chain->date);
    memcpy(day, chain->date, 8);
    (void) snprintf(chain->scope, sizeof chain->scope, "%s/%s/%s/aws4_request", day, v->region,
                    v->service);
    derive_key(c->caller, day, chain->key);
    return true;
}

static bool check_chunk(void *context, const struct s3_chunk *chunk)
{
    struct chain *chain = context;
    AUTO_BUF struct buf text = { 0 };
    char hash[HEX_SHA256], expected[HEX_SHA256];
    uint8_t mac[32];

    if (!chunk->signature)
        return false;
    sha256_hex(chunk->data, chunk->n, hash);
    buf_printf(&text, "AWS4-HMAC-SHA256-%s\n%s\n%s\n%s\n",
               chunk->is_trailer ? "TRAILER" : "PAYLOAD", chain->date, chain->scope,
               chain->previous);
    if (!chunk->is_trailer) {
        char none[HEX_SHA256];

        sha256_hex("", 0, none);
        buf_printf(&text, "%s\n", none);
    }
    buf_adds(&text, hash);
    hmac_sha256(chain->key, sizeof chain->key, text.data, text.length, mac);
    hex_encode(mac, sizeof mac, expected);
    memcpy(chain->previous, expected, sizeof expected);
    return strncasecmp(expected, chunk->signature, 64) == 0;
}

static enum s3_code take_framing_off(struct s3_call *c, bool is_signed)
{
    const char *length = http_header(c->rq, "x-amz-decoded-content-length");
    struct chain chain;
    int64_t n;
    enum s3_code rc;

    if (is_signed && c->caller->secret_access_key && !chain_start(c, &chain))
        return S3_MALFORMED_AUTHORIZATION;
    if (is_signed && c->caller->secret_access_key) {
        c->chunked.check = check_chunk;
        c->chunked.context = &chain;
    }
    rc = s3_chunked_decode(c->body, c->body_n, &c->chunked);
    if (rc == S3_INVALID_REQUEST)
        return s3_fail(c, rc, "The aws-chunked framing of the body is malformed");
    if (rc)
        return rc;
    c->body = c->chunked.data.length ? c->chunked.data.data : "";
    c->body_n = c->chunked.data.length;
    if (!length || !str_to_i64(length, 0, INT64_MAX, &n))
        return s3_fail(c, S3_INVALID_REQUEST, "x-amz-decoded-content-length must be a number");
    return (uint64_t) n == c->body_n ? S3_OK : S3_INCOMPLETE_BODY;
}

static enum s3_code check_sha256(struct s3_call *c)
{
    const char *given = http_header(c->rq, "x-amz-content-sha256");
    char hash[HEX_SHA256];

    if (!given)
        return http_header(c->rq, "authorization")
                   ? s3_fail(c, S3_INVALID_REQUEST,
                             "Missing required header for this request: x-amz-content-sha256")
                   : S3_OK; /* presigned: the payload is unsigned */
    if (str_eq(given, "UNSIGNED-PAYLOAD"))
        return S3_OK;
    if (str_eq(given, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"))
        return take_framing_off(c, false);
    if (str_eq(given, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") ||
        str_eq(given, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"))
        return take_framing_off(c, true);
    if (strlen(given) != 64 || strspn(given, "0123456789abcdefABCDEF") != 64)
        return s3_fail(c, S3_INVALID_ARGUMENT,
                       "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
                       "STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
                       "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.");
    sha256_hex(c->body, c->body_n, hash);
    return strcasecmp(hash, given) == 0 ? S3_OK : S3_SHA256_MISMATCH;
}

static enum s3_code check_md5(const struct s3_call *c)
{
    const char *given = http_header(c->rq, "content-md5");
    AUTO_FREE uint8_t *wanted = NULL;
    uint8_t digest[EVP_MAX_MD_SIZE];
    size_t n = 0;

    if (!given)
        return S3_OK;
    wanted = base64_decode(given, &n);
    if (!wanted || n != 16)
        return S3_INVALID_DIGEST;
    if (!EVP_Digest(c->body, c->body_n, digest, NULL, EVP_md5(), NULL))
        mem_exhausted();
    return memcmp(digest, wanted, 16) == 0 ? S3_OK : S3_BAD_DIGEST;
}

static enum s3_code check_sum(struct s3_call *c, enum s3_sum sum, const char *given)
{
    const struct s3_sum_kind *kind = s3_sum_kind(sum);
    char computed[S3_SUM_TEXT];
    AUTO_FREE uint8_t *bytes = NULL;
    size_t n = 0;

    bytes = base64_decode(given, &n);
    if (!bytes || n != kind->bytes)
        return s3_fail(
            c, S3_INVALID_REQUEST,
            arena_printf(http_arena(c->rq), "Value for %s header is invalid.", kind->header));
    s3_sum_text(sum, c->body, c->body_n, computed);
    if (!str_eq(computed, given))
        return s3_fail(c, S3_CHECKSUM_MISMATCH,
                       arena_printf(http_arena(c->rq),
                                    "The %s you specified did not match the calculated checksum.",
                                    kind->name));
    c->sum_kind = sum;
    memcpy(c->sum, computed, sizeof computed);
    return S3_OK;
}

static enum s3_code check_sums(struct s3_call *c)
{
    const char *announced = http_header(c->rq, "x-amz-trailer");

    for (int i = 0; i < SUM_COUNT; i++) {
        enum s3_sum sum = (enum s3_sum) i;
        const char *name = s3_sum_kind(sum)->header, *given = http_header(c->rq, name);
        char trailer[S3_SUM_TEXT];
        enum s3_code rc = S3_OK;

        if (given)
            rc = check_sum(c, sum, given);
        if (rc == S3_OK && s3_chunked_trailer(&c->chunked, name, trailer, sizeof trailer))
            rc = check_sum(c, sum, trailer);
        else if (rc == S3_OK && announced && strcasecmp(announced, name) == 0)
            rc = s3_fail(c, S3_INVALID_REQUEST,
                         "The trailer that x-amz-trailer announces is missing");
        if (rc)
            return rc;
    }
    return S3_OK;
}

enum s3_code s3_payload_check(struct s3_call *c)
{
    enum s3_code rc = check_sha256(c);

    if (rc == S3_OK)
        rc = check_md5(c);
    /* On CompleteMultipartUpload these headers speak of the object, not of the body. */
    if (rc || (str_eq(http_method(c->rq), "POST") && http_query(c->rq, "uploadId")))
        return rc;
    return check_sums(c);
}
