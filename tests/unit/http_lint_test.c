/*
 * http_lint_test.c - requests that two parsers could read in two ways are refused; ordinary ones
 * are not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/lint.h"
#include "http/wire.h"

#define HOST                     \
    {                            \
        "Host", "localhost:8080" \
    }

struct expectation {
    const char *method, *uri, *version;
    struct http_header_pair headers[4];
    const char *words; /* part of the verdict; NULL: accepted */
};

static const struct expectation expectations[] = {
    { "GET", "/", "HTTP/1.1", { HOST }, NULL },
    { "GET", "/", "HTTP/1.0", { { NULL, NULL } }, NULL },
    { "HEAD", "/a/b.c?x=..&y=%2f/../", "HTTP/1.1", { HOST }, NULL },
    { "OPTIONS", "*", "HTTP/1.1", { HOST }, NULL },
    { "POST", "/hooks/trg_1", "HTTP/1.1", { HOST, { "content-length", "12" } }, NULL },
    { "PUT", "/", "HTTP/1.1", { HOST, { "Transfer-Encoding", "Chunked" } }, NULL },
    { "PATCH", "/...", "HTTP/1.1", { { "Host", "[::1]:80" } }, NULL },
    { "DELETE", "/..a/a..", "HTTP/1.1", { HOST, { "X", "tab\tand \xC3\xA4 pass" } }, NULL },
    { "GET", "/", "HTTP/1.1", { HOST, { "Cookie", "a" }, { "Cookie", "b" } }, NULL },

    { "get", "/", "HTTP/1.1", { HOST }, NULL }, /* nobody's method: the router answers 405 */
    { "TRACE", "/", "HTTP/1.1", { HOST }, NULL },
    { "CONNECT", "a:80", "HTTP/1.1", { HOST }, "start" },
    { "", "/", "HTTP/1.1", { HOST }, "method" },
    { "GE(T", "/", "HTTP/1.1", { HOST }, "method" },
    { "GET", "/runs/%zz", "HTTP/1.1", { HOST }, "hexadecimal" },
    { "GET", "/runs/%4", "HTTP/1.1", { HOST }, "hexadecimal" },
    { "GET", "/runs?x=%zz", "HTTP/1.1", { HOST }, NULL },
    { "GET", "/", "HTTP/1.2", { HOST }, "version" },
    { "GET", "/", "HTTP/2.0", { HOST }, "version" },
    { "GET", "/", "", { HOST }, "version" },
    { "GET", "", "HTTP/1.1", { HOST }, "start" },
    { "GET", "*", "HTTP/1.1", { HOST }, "start" },
    { "GET", "http://a/", "HTTP/1.1", { HOST }, "start" },
    { "GET", "/a b", "HTTP/1.1", { HOST }, "blank" },
    { "GET", "/a\tb", "HTTP/1.1", { HOST }, "blank" },
    { "GET", "/\xC0\xAE", "HTTP/1.1", { HOST }, "non-ASCII" },
    { "GET", "/a\x7f", "HTTP/1.1", { HOST }, "control" },
    { "GET", "/a#b", "HTTP/1.1", { HOST }, "fragment" },
    { "GET", "/a%00", "HTTP/1.1", { HOST }, "%00" },
    { "GET", "/a?b=%00", "HTTP/1.1", { HOST }, "%00" },
    { "GET", "/a%2Fb", "HTTP/1.1", { HOST }, "slash" },
    { "GET", "/a%5cb", "HTTP/1.1", { HOST }, "slash" },
    { "GET", "/a\\b", "HTTP/1.1", { HOST }, "slash" },
    { "GET", "/..", "HTTP/1.1", { HOST }, ".." },
    { "GET", "/a/../b", "HTTP/1.1", { HOST }, ".." },
    { "GET", "/a/%2e%2E/b", "HTTP/1.1", { HOST }, ".." },
    { "GET", "/a/.%2e", "HTTP/1.1", { HOST }, ".." },
    { "GET", "/a/%2e.?x", "HTTP/1.1", { HOST }, ".." },
    { "GET", "/", "HTTP/1.1", { HOST, { "A b", "" } }, "token" },
    { "GET", "/", "HTTP/1.1", { HOST, { "Content-Length ", "1" } }, "token" },
    { "GET", "/", "HTTP/1.1", { HOST, { "", "1" } }, "token" },
    { "GET", "/", "HTTP/1.1", { HOST, { "X\xE9", "1" } }, "token" },
    { "GET", "/", "HTTP/1.1", { HOST, { "X", "a\rb" } }, "control" },
    { "GET", "/", "HTTP/1.1", { HOST, { "X", "a\x7f" } }, "control" },
    { "GET", "/", "HTTP/1.1", { HOST, HOST }, "one Host" },
    { "GET", "/", "HTTP/1.1", { { "HOST", "a" }, { "hOst", "a" } }, "one Host" },
    { "GET", "/", "HTTP/1.1", { { NULL, NULL } }, "needs a Host" },
    { "GET", "/", "HTTP/1.1", { { "Host", "a/b" } }, "not a host" },
    { "GET", "/", "HTTP/1.1", { { "Host", "u@a" } }, "not a host" },
    { "POST",
      "/",
      "HTTP/1.1",
      { HOST, { "Content-Length", "1" }, { "Transfer-Encoding", "chunked" } },
      "in one request" },
    { "POST", "/", "HTTP/1.0", { { "Transfer-Encoding", "chunked" } }, "HTTP/1.0" },
    { "POST",
      "/",
      "HTTP/1.1",
      { HOST, { "Transfer-Encoding", "xchunked" } },
      "only Transfer-Encoding" },
    { "POST",
      "/",
      "HTTP/1.1",
      { HOST, { "Transfer-Encoding", "chunked, chunked" } },
      "only Transfer-Encoding" },
    { "POST",
      "/",
      "HTTP/1.1",
      { HOST, { "Transfer-Encoding", "chunked " } },
      "only Transfer-Encoding" },
    { "POST", "/", "HTTP/1.1", { HOST, { "Transfer-Encoding", "" } }, "only Transfer-Encoding" },
    { "POST",
      "/",
      "HTTP/1.1",
      { HOST, { "Transfer-Encoding", "chunked" }, { "Transfer-Encoding", "chunked" } },
      "one Transfer-Encoding" },
    { "POST",
      "/",
      "HTTP/1.1",
      { HOST, { "Content-Length", "1" }, { "content-length", "1" } },
      "one Content-Length" },
    { "POST", "/", "HTTP/1.1", { HOST, { "Content-Length", "+1" } }, "not a number" },
    { "POST", "/", "HTTP/1.1", { HOST, { "Content-Length", "0x1" } }, "not a number" },
    { "POST", "/", "HTTP/1.1", { HOST, { "Content-Length", "" } }, "not a number" },
    { "POST", "/", "HTTP/1.1", { HOST, { "Content-Length", "1 " } }, "not a number" },
    { "POST",
      "/",
      "HTTP/1.1",
      { HOST, { "Content-Length", "18446744073709551616" } },
      "not a number" },
    { "GET",
      "/",
      "HTTP/1.1",
      { HOST, { "Authorization", "a" }, { "authorization", "b" } },
      "one Authorization" },
    { "GET",
      "/",
      "HTTP/1.1",
      { HOST, { "Content-Type", "a" }, { "Content-type", "a" } },
      "one Content-Type" },
    { "GET", "/", "HTTP/1.1", { HOST, { "Expect", "a" }, { "Expect", "a" } }, "one Expect" },
};

static void test_verdicts(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        const struct expectation *x = &expectations[i];
        struct http_lint_request rq = {
            .method = x->method, .uri = x->uri, .version = x->version, .headers = x->headers
        };
        const char *verdict;

        while (rq.n_headers < ARRAY_LEN(x->headers) && x->headers[rq.n_headers].name)
            rq.n_headers++;
        verdict = http_lint(&rq);
        print_message("%zu %s %s: %s\n", i, x->method, x->uri, verdict ? verdict : "accepted");
        if (x->words) {
            assert_true(verdict && strstr(verdict, x->words));
        } else {
            assert_null(verdict);
        }
    }
}

/* A head as libmicrohttpd leaves it: separators are NUL bytes ('|' here). */
struct laid_out {
    const char *bytes;
    size_t method, uri, uri_end, version;
    size_t names[2], values[2];
    size_t n, end;
    bool is_plain;
};

static const struct laid_out layouts[] = {
    /*            0123456789012345678901234567890 */
    { .bytes = "GET|/x|HTTP/1.1||A|b||C| d||||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .names = { 17, 22 },
      .values = { 19, 25 },
      .n = 2,
      .end = 30,
      .is_plain = true },
    { .bytes = "GET|/x|HTTP/1.1||||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .end = 19,
      .is_plain = true },
    /* a bare LF: after the request line, after a header, at the end */
    { .bytes = "GET|/x|HTTP/1.1|A|b||||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .names = { 16 },
      .values = { 18 },
      .n = 1,
      .end = 23 },
    { .bytes = "GET|/x|HTTP/1.1||A|b|C|d||||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .names = { 17, 21 },
      .values = { 19, 23 },
      .n = 2,
      .end = 28 },
    { .bytes = "GET|/x|HTTP/1.1||A|b|||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .names = { 17 },
      .values = { 19 },
      .n = 1,
      .end = 23 },
    /* a NUL in the URI, in a value; two blanks after the method */
    { .bytes = "GET|/|x|HTTP/1.1||||", .uri = 4, .uri_end = 5, .version = 8, .end = 20 },
    { .bytes = "GET|/x|HTTP/1.1||A|b|c||||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .names = { 17 },
      .values = { 19 },
      .n = 1,
      .end = 26 },
    { .bytes = "GET||/x|HTTP/1.1||||", .uri = 5, .uri_end = 7, .version = 8, .end = 20 },
    /* a value joined from a folded line lies elsewhere; an empty name ended the head */
    { .bytes = "GET|/x|HTTP/1.1||A|b|| c||||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .names = { 17 },
      .values = { 19 },
      .n = 1,
      .end = 28 },
    { .bytes = "GET|/x|HTTP/1.1||A|b||| x||",
      .uri = 4,
      .uri_end = 6,
      .version = 7,
      .names = { 17 },
      .values = { 19 },
      .n = 1,
      .end = 27 },
};

static void test_wire(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        const struct laid_out *l = &layouts[i];
        char bytes[64];
        struct http_header_pair headers[2];
        struct http_lint_request rq = { .headers = headers, .n_headers = l->n };
        struct wire_head head = { .head_bytes = l->end };

        (void) snprintf(bytes, sizeof bytes, "%s", l->bytes);
        for (char *p = strchr(bytes, '|'); p; p = strchr(p + 1, '|'))
            *p = '\0';
        rq.method = bytes;
        rq.uri = head.uri = bytes + l->uri;
        head.uri_end = bytes + l->uri_end;
        rq.version = bytes + l->version;
        for (size_t k = 0; k < l->n; k++)
            headers[k] = (struct http_header_pair){ bytes + l->names[k], bytes + l->values[k] };
        print_message("%zu %s\n", i, l->bytes);
        assert_int_equal(wire_is_plain(&rq, &head), l->is_plain);
    }
    assert_true(wire_is_readable()); /* fails when the library changes: read its parser again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_wire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
