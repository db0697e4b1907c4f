/*
 * verify.c - checks the signature of a request that a foreign client signed.
 *
 * Both forms: the Authorization header and the presigned query. The secret is compared in constant
 * time, and nothing of it reaches the detail text. What the signature does not bind is refused: an
 * unsigned Host, a body that differs from its announced hash, an unsigned payload outside S3.
 */
#include <ctype.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sigv4_private.h"
#include "steward/clock.h"
#include "steward/mem.h"

/* What the client claims, taken apart. */
struct claim {
    bool is_presigned;
    char *credential, *signed_headers, *signature,
        *date; /* owned; "KEY/20150830/region/service/aws4_request" */
    int64_t time_s, expires_s;
    char day[9];
    char *payload_hash; /* owned; X-Amz-Content-Sha256 of a presigned query */
};

static void claim_done(struct claim *c)
{
    free(c->credential);
    free(c->signed_headers);
    free(c->signature);
    free(c->date);
    free(c->payload_hash);
}

static char *header(const struct sigv4_request *rq, const char *name)
{
    AUTO_BUF struct buf value = { 0 };

    return sigv4_header_value(rq, name, strlen(name), &value) ? buf_take(&value) : NULL;
}

/* The decoded value of the query parameter; the caller owns it; NULL when absent. */
static char *parameter(const struct sigv4_request *rq, const char *key)
{
    size_t key_n = strlen(key);

    for (const char *s = rq->query ? rq->query : ""; *s;) {
        size_t n = strcspn(s, "&");

        if (n > key_n && s[key_n] == '=' && strncmp(s, key, key_n) == 0) {
            AUTO_BUF struct buf value = { 0 };

            buf_adds(&value, "");
            return uri_decode(&value, s + key_n + 1, n - key_n - 1, true) ? buf_take(&value) : NULL;
        }
        s += n + (s[n] == '&');
    }
    return NULL;
}

static bool parse_amz_date(const char *text, int64_t *time_s)
{
    char rfc3339[CLOCK_TEXT_BYTES];
    int64_t ms;

    if (strlen(text) != SIGV4_DATE_BYTES - 1 || text[8] != 'T' || text[15] != 'Z')
        return false;
    (void) snprintf(rfc3339, sizeof rfc3339, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 4,
                    text + 6, text + 9, text + 11, text + 13);
    if (!clock_parse(rfc3339, &ms))
        return false;
    *time_s = ms / 1000;
    return true;
}

/* The value of "Name=…" in an Authorization header; the caller owns it. */
static char *authorization_part(const char *text, const char *name)
{
    size_t name_n = strlen(name);

    for (const char *s = text; *s;) {
        size_t n;

        s += strspn(s, ", \t");
        n = strcspn(s, ", \t");
        if (n > name_n && strncmp(s, name, name_n) == 0)
            return xstrndup(s + name_n, n - name_n);
        s += n;
    }
    return NULL;
}

static enum sigv4_verdict incomplete(struct sigv4_verified *out, const char *what)
{
    (void) str_copy(out->detail, sizeof out->detail, what);
    return SIGV4_INCOMPLETE;
}

static enum sigv4_verdict read_header_claim(const struct sigv4_request *rq,
                                            const char *authorization, struct claim *c,
                                            struct sigv4_verified *out)
{
    size_t n = strlen(SIGV4_ALGORITHM);

    if (strncmp(authorization, SIGV4_ALGORITHM, n) != 0 || authorization[n] != ' ')
        return incomplete(out, "Unsupported AWS 'algorithm': only " SIGV4_ALGORITHM " is known.");
    c->credential = authorization_part(authorization + n, "Credential=");
    c->signed_headers = authorization_part(authorization + n, "SignedHeaders=");
    c->signature = authorization_part(authorization + n, "Signature=");
    if (!c->credential)
        return incomplete(out, "Authorization header requires 'Credential' parameter.");
    if (!c->signed_headers)
        return incomplete(out, "Authorization header requires 'SignedHeaders' parameter.");
    if (!c->signature)
        return incomplete(out, "Authorization header requires 'Signature' parameter.");
    c->date = header(rq, "x-amz-date");
    if (c->date)
        return parse_amz_date(c->date, &c->time_s)
                   ? SIGV4_OK
                   : incomplete(out, "X-Amz-Date must be in the form 20150830T123600Z.");
    c->date = header(rq, "date");
    if (!c->date)
        return incomplete(out, "Authorization header requires existence of either a 'X-Amz-Date' "
                               "or a 'Date' header.");
    if (!clock_parse_http(c->date, &c->time_s) && !parse_amz_date(c->date, &c->time_s))
        return incomplete(out, "The Date header is not a date.");
    return SIGV4_OK;
}

static enum sigv4_verdict read_query_claim(const struct sigv4_request *rq, struct claim *c,
                                           struct sigv4_verified *out)
{
    AUTO_FREE char *algorithm = parameter(rq, "X-Amz-Algorithm");
    AUTO_FREE char *expires = parameter(rq, "X-Amz-Expires");

    c->is_presigned = true;
    c->credential = parameter(rq, "X-Amz-Credential");
    c->signed_headers = parameter(rq, "X-Amz-SignedHeaders");
    c->signature = parameter(rq, "X-Amz-Signature");
    c->date = parameter(rq, "X-Amz-Date");
    c->payload_hash = parameter(rq, "X-Amz-Content-Sha256");
    if (!str_eq(algorithm, SIGV4_ALGORITHM))
        return incomplete(out, "X-Amz-Algorithm only supports \"" SIGV4_ALGORITHM "\".");
    if (!c->credential || !c->signed_headers || !c->signature || !c->date || !expires)
        return incomplete(out, "A presigned URL needs the parameters X-Amz-Credential, X-Amz-Date, "
                               "X-Amz-Expires, X-Amz-SignedHeaders and X-Amz-Signature.");
    if (!parse_amz_date(c->date, &c->time_s))
        return incomplete(out, "X-Amz-Date must be in the form 20150830T123600Z.");
    if (!str_to_i64(expires, 1, SIGV4_EXPIRES_MAX_S, &c->expires_s))
        return incomplete(out, "X-Amz-Expires must be a number of seconds from 1 to 604800.");
    return SIGV4_OK;
}

/* Takes "KEY/20150830/region/service/aws4_request" apart, from the right: a key may hold slashes,
 * the rest may not. */
static bool split_credential(struct claim *c, struct sigv4_verified *out)
{
    char *part[5];

    for (int i = 4; i > 0; i--) {
        char *slash = strrchr(c->credential, '/');

        if (!slash)
            return false;
        *slash = '\0';
        part[i] = slash + 1;
    }
    part[0] = c->credential;
    if (!str_eq(part[4], "aws4_request") || strlen(part[1]) != 8)
        return false;
    if (!*part[0] || strlen(part[0]) >= sizeof out->access_key_id ||
        strlen(part[2]) >= sizeof out->region || strlen(part[3]) >= sizeof out->service)
        return false;
    (void) str_copy(out->access_key_id, sizeof out->access_key_id, part[0]);
    (void) str_copy(c->day, sizeof c->day, part[1]);
    (void) str_copy(out->region, sizeof out->region, part[2]);
    (void) str_copy(out->service, sizeof out->service, part[3]);
    return true;
}

static enum sigv4_verdict check_signed_headers(const struct sigv4_request *rq,
                                               const struct claim *c, struct sigv4_verified *out)
{
    bool is_host_signed = false;

    for (const char *name = c->signed_headers; *name;) {
        AUTO_BUF struct buf ignored = { 0 };
        size_t n = strcspn(name, ";");

        for (size_t i = 0; i < n; i++) {
            if (isupper((unsigned char) name[i]))
                return incomplete(out, "The names in SignedHeaders must be in lower case.");
        }
        if (!sigv4_header_value(rq, name, n, &ignored)) {
            (void) snprintf(out->detail, sizeof out->detail,
                            "The header '%.*s' is signed but not in the request.",
                            (int) (n > 128 ? 128 : n), name);
            return SIGV4_BAD_SIGNATURE;
        }
        is_host_signed = is_host_signed || (n == 4 && strncmp(name, "host", 4) == 0);
        name += n + (name[n] == ';');
    }
    if (!is_host_signed)
        return incomplete(out, "'Host' or ':authority' must be a 'SignedHeader' in the AWS "
                               "Authorization.");
    return SIGV4_OK;
}

static bool is_hex_sha256(const char *text)
{
    return strlen(text) == HEX_SHA256 - 1 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

/* The hash that the client put into its canonical request. Announced hashes must be those of the
 * body. */
static enum sigv4_verdict find_payload_hash(const struct sigv4_request *rq, const struct claim *c,
                                            char **hash, struct sigv4_verified *out)
{
    bool is_s3 = str_eq(out->service, "s3");
    char actual[HEX_SHA256];

    *hash = header(rq, SIGV4_CONTENT_SHA256);
    if (c->is_presigned && !*hash)
        *hash = c->payload_hash ? xstrdup(c->payload_hash) : is_s3 ? xstrdup(SIGV4_UNSIGNED) : NULL;
    if (*hash && !is_hex_sha256(*hash)) {
        if (is_s3)
            return SIGV4_OK; /* UNSIGNED-PAYLOAD, STREAMING-… */
        return incomplete(out, "x-amz-content-sha256 must be the SHA-256 of the body.");
    }
    if (rq->payload_hash)
        (void) str_copy(actual, sizeof actual, rq->payload_hash);
    else
        sha256_hex(rq->body, rq->body_n, actual);
    if (*hash && strcasecmp(*hash, actual) != 0) {
        (void) snprintf(out->detail, sizeof out->detail,
                        "The provided 'x-amz-content-sha256' header does not match what was "
                        "computed: %s.",
                        actual);
        return SIGV4_BAD_SIGNATURE;
    }
    if (!*hash)
        *hash = xstrdup(actual);
    return SIGV4_OK;
}

#define SPAN_BYTES 32

/* "5 min." as AWS writes it; what is not whole minutes in seconds. */
static const char *span_text(int64_t span_s, char out[SPAN_BYTES])
{
    bool is_minutes = span_s > 0 && span_s % 60 == 0;

    (void) snprintf(out, SPAN_BYTES, "%" PRId64 " %s", is_minutes ? span_s / 60 : span_s,
                    is_minutes ? "min." : "s.");
    return out;
}

static enum sigv4_verdict check_time(const struct claim *c, int64_t now_s, int64_t window_s,
                                     struct sigv4_verified *out)
{
    int64_t life_s = c->is_presigned ? c->expires_s : window_s;
    char signed_at[SIGV4_DATE_BYTES], now[SIGV4_DATE_BYTES], limit[SIGV4_DATE_BYTES];
    char span[SPAN_BYTES];

    clock_format_amz(c->time_s, signed_at);
    clock_format_amz(now_s, now);
    if (c->time_s > now_s + window_s) {
        clock_format_amz(now_s + window_s, limit);
        (void) snprintf(out->detail, sizeof out->detail,
                        "Signature not yet current: %s is still later than %s (%s + %s)", signed_at,
                        limit, now, span_text(window_s, span));
        return SIGV4_TOO_EARLY;
    }
    if (now_s - c->time_s <= life_s)
        return SIGV4_OK;
    clock_format_amz(now_s - life_s, limit);
    (void) snprintf(out->detail, sizeof out->detail,
                    "Signature expired: %s is now earlier than %s (%s - %s)", signed_at, limit, now,
                    span_text(life_s, span));
    return SIGV4_EXPIRED;
}

static enum sigv4_verdict compare_signature(const struct sigv4_request *rq, const struct claim *c,
                                            const char *secret, struct sigv4_verified *out)
{
    bool is_s3 = str_eq(out->service, "s3");
    struct sigv4_scope scope = { out->region, out->service, is_s3, !is_s3 };
    struct sigv4_signing signing = { &scope, secret, c->time_s };
    AUTO_BUF struct buf canonical = { 0 };
    char signature[HEX_SHA256];

    sigv4_signature(rq, c->signed_headers, &signing, &canonical, signature);
    if (strlen(c->signature) == sizeof signature - 1 &&
        CRYPTO_memcmp(c->signature, signature, sizeof signature - 1) == 0)
        return SIGV4_OK;
    (void) str_copy(out->detail, sizeof out->detail, canonical.data);
    return SIGV4_BAD_SIGNATURE;
}

static enum sigv4_verdict read_claim(const struct sigv4_request *rq, struct claim *c,
                                     struct sigv4_verified *out)
{
    AUTO_FREE char *authorization = header(rq, "authorization");
    AUTO_FREE char *signature = parameter(rq, "X-Amz-Signature");
    AUTO_FREE char *algorithm = parameter(rq, "X-Amz-Algorithm");
    enum sigv4_verdict verdict;
    char date[SIGV4_DATE_BYTES];

    if (!authorization && !signature && !algorithm)
        return SIGV4_MISSING;
    if (authorization && (signature || algorithm))
        return incomplete(out, "Only one auth mechanism allowed; only the X-Amz-Algorithm query "
                               "parameter or the Authorization header should be specified.");
    verdict =
        authorization ? read_header_claim(rq, authorization, c, out) : read_query_claim(rq, c, out);
    if (verdict != SIGV4_OK)
        return verdict;
    if (!split_credential(c, out))
        return incomplete(out, "Credential must have exactly 5 slash-delimited elements, e.g. "
                               "keyid/date/region/service/aws4_request.");
    clock_format_amz(c->time_s, date);
    if (strncmp(date, c->day, 8) != 0)
        return incomplete(out, "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
                               "version of date from HTTP.");
    out->signed_at_s = c->time_s;
    return SIGV4_OK;
}

// NOLINTNEXTLINE(readability-function-size): the clock and the key store are the caller's
enum sigv4_verdict sigv4_verify(const struct sigv4_request *rq,
                                const char *(*lookup)(void *context, const char *key_id),
                                void *context, int64_t now_s, int64_t window_s,
                                struct sigv4_verified *out)
{
    __attribute__((cleanup(claim_done))) struct claim claim = { 0 };
    AUTO_FREE char *hash = NULL;
    struct sigv4_request checked = *rq;
    enum sigv4_verdict verdict;
    const char *secret;

    *out = (struct sigv4_verified){ 0 };
    verdict = read_claim(rq, &claim, out);
    if (verdict == SIGV4_OK)
        verdict = check_signed_headers(rq, &claim, out);
    if (verdict != SIGV4_OK)
        return verdict;
    secret = lookup(context, out->access_key_id);
    if (!secret)
        return SIGV4_UNKNOWN_KEY;
    verdict = check_time(&claim, now_s, window_s, out);
    if (verdict == SIGV4_OK)
        verdict = find_payload_hash(rq, &claim, &hash, out);
    if (verdict != SIGV4_OK)
        return verdict;
    checked.payload_hash = hash;
    return compare_signature(&checked, &claim, secret, out);
}
