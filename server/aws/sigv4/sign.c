/*
 * sign.c - signs a request, in a header or in the query.
 *
 * The caller decides which headers are signed: all that it passes.
 */
#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "sigv4_private.h"
#include "steward/clock.h"
#include "steward/mem.h"

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* "host;x-amz-date": the names of all headers, lower case, sorted, once each. */
static void add_signed_headers(const struct sigv4_request *rq, struct buf *out)
{
    AUTO_FREE char **names = xcalloc(rq->n_headers + 1, sizeof *names);

    for (size_t i = 0; i < rq->n_headers; i++) {
        names[i] = xstrdup(rq->headers[i].name);
        for (char *c = names[i]; *c; c++)
            *c = (char) tolower((unsigned char) *c);
    }
    if (rq->n_headers > 1)
        qsort(names, rq->n_headers, sizeof *names, compare_names);
    buf_adds(out, "");
    for (size_t i = 0; i < rq->n_headers; i++) {
        if (i == 0 || !str_eq(names[i - 1], names[i]))
            buf_printf(out, "%s%s", i ? ";" : "", names[i]);
    }
    for (size_t i = 0; i < rq->n_headers; i++)
        free(names[i]);
}

// NOLINTNEXTLINE(readability-function-size): canonical is a second result
void sigv4_signature(const struct sigv4_request *rq, const char *signed_headers,
                     const struct sigv4_signing *signing, struct buf *canonical,
                     char out[HEX_SHA256])
{
    const struct sigv4_scope *scope = signing->scope;
    AUTO_BUF struct buf text = { 0 };
    AUTO_BUF struct buf key = { 0 };
    char date[SIGV4_DATE_BYTES];
    uint8_t k[32], signature[32];

    sigv4_canonical_request(rq, scope, signed_headers, canonical);
    sigv4_string_to_sign(canonical->data, canonical->length, scope, signing->time_s, &text);
    clock_format_amz(signing->time_s, date);
    buf_printf(&key, "AWS4%s", signing->secret);
    hmac_sha256(key.data, key.length, date, 8, k);
    OPENSSL_cleanse(key.data, key.length);
    hmac_sha256(k, sizeof k, scope->region, strlen(scope->region), k);
    hmac_sha256(k, sizeof k, scope->service, strlen(scope->service), k);
    hmac_sha256(k, sizeof k, "aws4_request", 12, k);
    hmac_sha256(k, sizeof k, text.data, text.length, signature);
    OPENSSL_cleanse(k, sizeof k);
    hex_encode(signature, sizeof signature, out);
}

// NOLINTNEXTLINE(readability-function-size): the four things a signature is made of, and its place
void sigv4_sign(const struct sigv4_request *rq, const struct sigv4_scope *scope,
                const struct sigv4_credentials *credentials, int64_t time_s,
                struct buf *authorization)
{
    struct sigv4_signing signing = { scope, credentials->secret_access_key, time_s };
    AUTO_BUF struct buf names = { 0 };
    AUTO_BUF struct buf canonical = { 0 };
    char signature[HEX_SHA256];

    add_signed_headers(rq, &names);
    sigv4_signature(rq, names.data, &signing, &canonical, signature);
    buf_printf(authorization, SIGV4_ALGORITHM " Credential=%s/", credentials->access_key_id);
    sigv4_scope_text(scope, time_s, authorization);
    buf_printf(authorization, ", SignedHeaders=%s, Signature=%s", names.data, signature);
}

static void add_parameter(struct buf *query, const char *key, const char *value)
{
    buf_printf(query, "%s%s=", query->length ? "&" : "", key);
    uri_encode(query, value, strlen(value), false);
}

// NOLINTNEXTLINE(readability-function-size): as sigv4_sign, and how long it holds
void sigv4_presign(const struct sigv4_request *rq, const struct sigv4_scope *scope,
                   const struct sigv4_credentials *credentials, int64_t time_s, int64_t expires_s,
                   struct buf *query)
{
    struct sigv4_signing signing = { scope, credentials->secret_access_key, time_s };
    AUTO_BUF struct buf names = { 0 };
    AUTO_BUF struct buf credential = { 0 };
    AUTO_BUF struct buf canonical = { 0 };
    struct sigv4_request presigned = *rq;
    char date[SIGV4_DATE_BYTES], expires[24], signature[HEX_SHA256];

    clock_format_amz(time_s, date);
    (void) snprintf(expires, sizeof expires, "%lld", (long long) expires_s);
    add_signed_headers(rq, &names);
    buf_printf(&credential, "%s/", credentials->access_key_id);
    sigv4_scope_text(scope, time_s, &credential);
    add_parameter(query, "X-Amz-Algorithm", SIGV4_ALGORITHM);
    add_parameter(query, "X-Amz-Credential", credential.data);
    add_parameter(query, "X-Amz-Date", date);
    add_parameter(query, "X-Amz-SignedHeaders", names.data);
    add_parameter(query, "X-Amz-Expires", expires);
    if (credentials->session_token)
        add_parameter(query, "X-Amz-Security-Token", credentials->session_token);
    presigned.query = query->data;
    if (scope->is_s3 && !rq->payload_hash)
        presigned.payload_hash = SIGV4_UNSIGNED;
    sigv4_signature(&presigned, names.data, &signing, &canonical, signature);
    add_parameter(query, "X-Amz-Signature", signature);
}
