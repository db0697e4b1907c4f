/*
 * canonical.c - the canonical request and the string to sign.
 *
 * The one canonicaliser of signer and verifier. It takes what is on the wire, so that a server that
 * checks a foreign client's request reads it exactly as that client wrote it.
 */
#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "sigv4_private.h"
#include "steward/clock.h"
#include "steward/mem.h"

/* Percent-decodes; a malformed escape stands for itself (the other side did not decode it either).
 */
static void decode_lenient(const char *s, size_t n, bool plus_is_space, struct buf *out)
{
    buf_reserve(out, n);
    for (size_t i = 0; i < n;) {
        if (s[i] == '%' && i + 2 < n && uri_decode(out, s + i, 3, false)) {
            i += 3;
        } else {
            buf_add(out, plus_is_space && s[i] == '+' ? " " : s + i, 1);
            i++;
        }
    }
}

/* Removes ".", ".." and empty segments; a path that ended in one of them keeps its final slash. */
static void remove_dot_segments(const char *path, struct buf *out)
{
    bool is_folder = false;

    for (const char *s = path; *s;) {
        size_t n;

        while (*s == '/') {
            s++;
            is_folder = true;
        }
        n = strcspn(s, "/");
        if (n == 0)
            break;
        if (n == 1 && s[0] == '.') {
            is_folder = true;
        } else if (n == 2 && s[0] == '.' && s[1] == '.') {
            const char *slash = out->length ? memrchr(out->data, '/', out->length) : NULL;

            out->length = slash ? (size_t) (slash - out->data) : 0;
            is_folder = true;
        } else {
            is_folder = false;
            buf_addc(out, '/');
            buf_add(out, s, n);
        }
        s += n;
    }
    if (out->length == 0 || is_folder)
        buf_addc(out, '/');
}

static void canonical_path(const char *path, const struct sigv4_scope *scope, struct buf *out)
{
    AUTO_BUF struct buf plain = { 0 };

    if (scope->is_s3)
        decode_lenient(path, strlen(path), false, &plain);
    else if (scope->is_normalized)
        remove_dot_segments(path, &plain);
    else
        buf_adds(&plain, path);
    if (plain.length == 0)
        buf_addc(&plain, '/');
    uri_encode(out, plain.data, plain.length, true);
}

struct pair {
    char *key, *value;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : strcmp(x->value, y->value);
}

/* Decoded once and encoded again; the caller owns the result. */
static char *reencode(const char *s, size_t n)
{
    AUTO_BUF struct buf plain = { 0 };
    struct buf out = { 0 };

    decode_lenient(s, n, true, &plain);
    uri_encode(&out, plain.data ? plain.data : "", plain.length, false);
    return buf_take(&out);
}

static size_t split_query(const char *query, struct pair *pairs)
{
    size_t count = 0;

    for (const char *s = query;; s++) {
        size_t n = strcspn(s, "&"), key_n = strcspn(s, "=&");

        if (n > 0) {
            size_t value_at = key_n < n ? key_n + 1 : n;

            pairs[count++] =
                (struct pair){ reencode(s, key_n), reencode(s + value_at, n - value_at) };
        }
        s += n;
        if (!*s)
            return count;
    }
}

void sigv4_canonical_query(const char *query, struct buf *out)
{
    AUTO_FREE struct pair *pairs = NULL;
    size_t count = 1;
    bool is_first = true;

    for (const char *s = query; *s; s++)
        count += *s == '&';
    pairs = xcalloc(count, sizeof *pairs);
    count = split_query(query, pairs);
    if (count > 1)
        qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        if (!str_eq(pairs[i].key, "X-Amz-Signature")) {
            buf_printf(out, "%s%s=%s", is_first ? "" : "&", pairs[i].key, pairs[i].value);
            is_first = false;
        }
        free(pairs[i].key);
        free(pairs[i].value);
    }
}

static void add_collapsed(const char *value, struct buf *out)
{
    bool is_first = true;

    for (const char *s = value; *s;) {
        size_t n;

        s += strspn(s, " \t\r\n\v\f");
        n = strcspn(s, " \t\r\n\v\f");
        if (n == 0)
            break;
        if (!is_first)
            buf_addc(out, ' ');
        is_first = false;
        buf_add(out, s, n);
        s += n;
    }
}

bool sigv4_header_value(const struct sigv4_request *rq, const char *name, size_t name_n,
                        struct buf *out)
{
    bool is_found = false;

    for (size_t i = 0; i < rq->n_headers; i++) {
        const struct sigv4_header *h = &rq->headers[i];

        if (strlen(h->name) != name_n || strncasecmp(h->name, name, name_n) != 0)
            continue;
        if (is_found)
            buf_addc(out, ',');
        is_found = true;
        add_collapsed(h->value, out);
    }
    return is_found;
}

static void add_payload_hash(const struct sigv4_request *rq, struct buf *out)
{
    char hash[HEX_SHA256];

    if (rq->payload_hash) {
        buf_adds(out, rq->payload_hash);
    } else {
        sha256_hex(rq->body, rq->body_n, hash);
        buf_adds(out, hash);
    }
}

void sigv4_canonical_request(const struct sigv4_request *rq, const struct sigv4_scope *scope,
                             const char *signed_headers, struct buf *out)
{
    buf_printf(out, "%s\n", rq->method);
    canonical_path(rq->path, scope, out);
    buf_addc(out, '\n');
    sigv4_canonical_query(rq->query ? rq->query : "", out);
    buf_addc(out, '\n');
    for (const char *name = signed_headers; *name;) {
        size_t n = strcspn(name, ";");

        buf_add(out, name, n);
        buf_addc(out, ':');
        (void) sigv4_header_value(rq, name, n, out);
        buf_addc(out, '\n');
        name += n + (name[n] == ';');
    }
    buf_printf(out, "\n%s\n", signed_headers);
    add_payload_hash(rq, out);
}

void sigv4_scope_text(const struct sigv4_scope *scope, int64_t time_s, struct buf *out)
{
    char date[SIGV4_DATE_BYTES];

    clock_format_amz(time_s, date);
    buf_printf(out, "%.8s/%s/%s/aws4_request", date, scope->region, scope->service);
}

// NOLINTNEXTLINE(readability-function-size): bytes with their length, and the two that go with them
void sigv4_string_to_sign(const char *canonical_request, size_t n, const struct sigv4_scope *scope,
                          int64_t time_s, struct buf *out)
{
    char date[SIGV4_DATE_BYTES], hash[HEX_SHA256];

    clock_format_amz(time_s, date);
    sha256_hex(canonical_request, n, hash);
    buf_printf(out, SIGV4_ALGORITHM "\n%s\n", date);
    sigv4_scope_text(scope, time_s, out);
    buf_printf(out, "\n%s", hash);
}
