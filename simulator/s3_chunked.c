/*
 * s3_chunked.c - takes the aws-chunked framing off a body. Pure.
 *
 *   400;chunk-signature=<64 hex>\r\n <0x400 bytes> \r\n … 0;chunk-signature=…\r\n
 *   x-amz-checksum-crc32:AAAAAA==\r\n x-amz-trailer-signature:<64 hex>\r\n \r\n
 *
 * Signatures and trailers are optional; a clear-text body has neither.
 */
#include <ctype.h>
#include <string.h>

#include "s3_internal.h"

#define SIGNATURE_N 64

struct reader {
    const char *p, *end;
    s3_chunk_fn check;
    void *context;
};

void s3_chunked_done(struct s3_chunked *c)
{
    buf_done(&c->data);
    buf_done(&c->trailers);
}

/* The next line without its end, which must be CRLF (or LF, as some clients end trailers); NULL:
 * there is none. */
static const char *line(struct reader *r, size_t *n)
{
    const char *start = r->p, *lf = memchr(start, '\n', (size_t) (r->end - start));

    if (!lf)
        return NULL;
    r->p = lf + 1;
    *n = (size_t) (lf - start);
    if (*n > 0 && start[*n - 1] == '\r')
        --*n;
    return start;
}

static bool is_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char) s[i]))
            return false;
    return true;
}

/* "1a2b" or "1a2b;chunk-signature=…" */
static bool parse_head(const char *s, size_t n, size_t *size, const char **signature)
{
    static const char extension[] = ";chunk-signature=";
    const char *semicolon = memchr(s, ';', n);
    size_t digits = semicolon ? (size_t) (semicolon - s) : n;

    *signature = NULL;
    *size = 0;
    if (digits == 0 || digits > 8 || !is_hex(s, digits))
        return false;
    for (size_t i = 0; i < digits; i++) {
        int c = tolower((unsigned char) s[i]);

        *size = *size << 4 | (size_t) (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (!semicolon)
        return true;
    if (n - digits != sizeof extension - 1 + SIGNATURE_N ||
        memcmp(semicolon, extension, sizeof extension - 1) != 0)
        return false;
    *signature = semicolon + sizeof extension - 1;
    return is_hex(*signature, SIGNATURE_N);
}

static bool has_control(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char) s[i] < ' ' && s[i] != '\t')
            return true;
    return false;
}

static enum s3_code one_trailer(const char *s, size_t n, struct s3_chunked *out,
                                const char **signature)
{
    static const char of_trailer[] = "x-amz-trailer-signature";
    const char *colon = memchr(s, ':', n);
    size_t name_n = colon ? (size_t) (colon - s) : 0, value_n;
    const char *value;

    if (name_n == 0 || has_control(s, n))
        return S3_INVALID_REQUEST;
    value = colon + 1;
    value_n = n - name_n - 1;
    while (value_n > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        value_n--;
    }
    while (value_n > 0 && (value[value_n - 1] == ' ' || value[value_n - 1] == '\t'))
        value_n--;
    if (name_n == sizeof of_trailer - 1 && strncasecmp(s, of_trailer, name_n) == 0) {
        if (value_n != SIGNATURE_N || !is_hex(value, value_n))
            return S3_INVALID_REQUEST;
        *signature = value;
        return S3_OK;
    }
    for (size_t i = 0; i < name_n; i++)
        buf_addc(&out->trailers, (char) tolower((unsigned char) s[i]));
    buf_addc(&out->trailers, ':');
    buf_add(&out->trailers, value, value_n);
    buf_addc(&out->trailers, '\n');
    return S3_OK;
}

static enum s3_code read_trailers(struct reader *r, struct s3_chunked *out)
{
    struct s3_chunk piece = { .is_trailer = true };
    const char *s;
    size_t n;

    while (r->p < r->end) {
        enum s3_code rc;

        s = line(r, &n);
        if (!s)
            return S3_INCOMPLETE_BODY;
        if (n == 0)
            break;
        rc = one_trailer(s, n, out, &piece.signature);
        if (rc)
            return rc;
    }
    if (r->p != r->end)
        return S3_INVALID_REQUEST; /* something follows the end */
    if (out->trailers.length == 0 && !piece.signature)
        return S3_OK;
    piece.data = out->trailers.length ? out->trailers.data : "";
    piece.n = out->trailers.length;
    return !r->check || r->check(r->context, &piece) ? S3_OK : S3_SIGNATURE_MISMATCH;
}

enum s3_code s3_chunked_decode(const char *body, size_t n, struct s3_chunked *out)
{
    struct reader r = { .p = body, .end = body + n, .check = out->check, .context = out->context };

    buf_reserve(&out->data, n);
    for (;;) {
        struct s3_chunk chunk = { 0 };
        size_t head_n;
        const char *head = line(&r, &head_n);

        if (!head)
            return S3_INCOMPLETE_BODY;
        if (!parse_head(head, head_n, &chunk.n, &chunk.signature))
            return S3_INVALID_REQUEST;
        if (chunk.n > (size_t) (r.end - r.p))
            return S3_INCOMPLETE_BODY;
        chunk.data = r.p;
        if (r.check && !r.check(r.context, &chunk))
            return S3_SIGNATURE_MISMATCH;
        if (chunk.n == 0)
            return read_trailers(&r, out);
        buf_add(&out->data, chunk.data, chunk.n);
        r.p += chunk.n;
        if (r.end - r.p < 2)
            return S3_INCOMPLETE_BODY;
        if (memcmp(r.p, "\r\n", 2) != 0)
            return S3_INVALID_REQUEST;
        r.p += 2;
    }
}

bool s3_chunked_trailer(const struct s3_chunked *c, const char *name, char *out, size_t size)
{
    const char *p = c->trailers.length ? c->trailers.data : "";
    size_t name_n = strlen(name);

    for (; *p; p = strchr(p, '\n') + 1) {
        const char *end = strchr(p, '\n');

        if (strncmp(p, name, name_n) == 0 && p[name_n] == ':') {
            size_t n = (size_t) (end - p) - name_n - 1;

            if (n >= size)
                return false;
            memcpy(out, p + name_n + 1, n);
            out[n] = '\0';
            return true;
        }
    }
    return false;
}
