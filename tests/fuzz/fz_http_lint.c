/*
 * fz_http_lint.c - any head: what the lint accepts, a strict reading of RFC 9112 written another
 * way accepts too.
 *
 * The input is a head in lines: request line, then name:value lines. The reference decodes first
 * and looks afterwards, where the lint looks for escapes, so that a mistake in one is not repeated
 * in the other.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/lint.h"
#include "http/text.h"
#include "steward/str.h"

#define HEADERS_MAX 32

static void check(bool holds)
{
    if (!holds)
        abort();
}

static size_t count(const struct http_lint_request *rq, const char *name, const char **value)
{
    size_t n = 0;

    for (size_t i = 0; i < rq->n_headers; i++)
        if (strcasecmp(rq->headers[i].name, name) == 0) {
            n++;
            *value = rq->headers[i].value;
        }
    return n;
}

/* Decodes the path and splits it like a file system would. */
static void check_path(const char *uri)
{
    AUTO_BUF struct buf path = { 0 };
    size_t start = 1;

    for (const char *p = uri; *p && *p != '?'; p++)
        if (*p == '%' && isxdigit((unsigned char) p[1]) && isxdigit((unsigned char) p[2])) {
            const char hex[3] = { p[1], p[2], '\0' };

            buf_addc(&path, (char) strtol(hex, NULL, 16));
            check(path.data[path.length - 1] != '/'); /* an escaped slash */
            p += 2;
        } else {
            buf_addc(&path, *p);
        }
    check(path.length > 0 && path.data[0] == '/');
    check(!memchr(path.data, '\0', path.length) && !memchr(path.data, '\\', path.length));
    for (size_t i = 1; i <= path.length; i++)
        if (i == path.length || path.data[i] == '/') {
            check(!(i - start == 2 && memcmp(path.data + start, "..", 2) == 0));
            start = i + 1;
        }
}

static void check_token(const char *s)
{
    check(*s && strcspn(s, " \t\"(),/:;<=>?@[\\]{}\r\n") == strlen(s));
}

static void check_accepted(const struct http_lint_request *rq)
{
    const char *te = NULL, *cl = NULL, *value = NULL;
    size_t n_te = count(rq, "transfer-encoding", &te), n_cl = count(rq, "content-length", &cl);
    bool is_http_1_0 = strcmp(rq->version, "HTTP/1.0") == 0;

    check_token(rq->method); /* known or not: 405 is the router's to say */
    check(is_http_1_0 || strcmp(rq->version, "HTTP/1.1") == 0);
    for (const char *p = rq->uri; *p; p++)
        check(*p > ' ' && *p < 0x7F && *p != '#');
    if (strcmp(rq->uri, "*") != 0)
        check_path(rq->uri);
    check(n_te + n_cl <= 1);
    check(!te || (!is_http_1_0 && strcasecmp(te, "chunked") == 0));
    for (const char *p = cl; p && *p; p++)
        check(isdigit((unsigned char) *p));
    check(!cl || *cl);
    check(count(rq, "host", &value) <= 1 && (is_http_1_0 || count(rq, "host", &value) == 1));
    check(count(rq, "authorization", &value) <= 1 && count(rq, "content-type", &value) <= 1);
    for (size_t i = 0; i < rq->n_headers; i++) {
        check_token(rq->headers[i].name);
        check(strcspn(rq->headers[i].value, "\r\n") == strlen(rq->headers[i].value));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *) data, size), *rest = text, *line;
    struct http_header_pair headers[HEADERS_MAX];
    struct http_lint_request rq = { .headers = headers };

    rq.method = strsep(&rest, " ");
    rq.uri = rest ? strsep(&rest, " ") : "";
    rq.version = rest ? strsep(&rest, "\n") : "";
    while (rq.n_headers < HEADERS_MAX && rest && (line = strsep(&rest, "\n"))) {
        char *value = strchr(line, ':');

        if (value)
            *value++ = '\0';
        headers[rq.n_headers++] =
            (struct http_header_pair){ .name = line, .value = value ? value : "" };
    }
    if (!http_lint(&rq))
        check_accepted(&rq);
    for (size_t i = 0; i < rq.n_headers; i++)
        (void) http_text_accepts_gzip(headers[i].value);
    free(text);
    return 0;
}
