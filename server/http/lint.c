/*
 * lint.c - refuses requests that two parsers could read in two ways.
 *
 * Request smuggling lives on requests that a proxy and a server frame differently, so whatever is
 * ambiguous is refused before routing and the connection is closed. Pure: request line and header
 * list in, verdict out.
 *
 * What cannot be seen here, because libmicrohttpd 0.9.75 has already normalised it when it shows us
 * the headers:
 *  - lines ended by a bare LF look like lines ended by CRLF; a folded header (obs-fold) arrives
 * joined to one line; a value is cut at a NUL byte; an empty header name ends the head. wire.c sees
 * these from where the parts lie.
 *  - chunk framing is consumed: extensions and a bare LF after a size are accepted, malformed sizes
 * refused. Trailers are read and ignored.
 */
#include "lint.h"

#include <string.h>
#include <strings.h>

#include "steward/mem.h"

/* Headers that decide framing, routing or identity: twice is an attack or an accident. */
static const char *const once[] = { "Transfer-Encoding", "Content-Length", "Host",
                                    "Authorization",     "Content-Type",   "Expect" };
enum { ONCE_TE, ONCE_CL, ONCE_HOST };

static const char *const twice_words[ARRAY_LEN(once)] = {
    "more than one Transfer-Encoding header",
    "more than one Content-Length header",
    "more than one Host header",
    "more than one Authorization header",
    "more than one Content-Type header",
    "more than one Expect header",
};

/* RFC 9110 5.6.2 */
static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if (!is_token_char((unsigned char) *s))
            return false;
    return true;
}

static bool has_control(const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char) *s;

        if ((c < 0x20 && c != '\t') || c == 0x7F)
            return true;
    }
    return false;
}

static bool has_escape(const char *s, const char *end, const char *hex)
{
    for (; s + 2 < end; s++)
        if (s[0] == '%' && strncasecmp(s + 1, hex, 2) == 0)
            return true;
    return false;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool has_broken_escape(const char *s, const char *end)
{
    for (; s < end; s++)
        if (*s == '%' && (end - s < 3 || !is_hex(s[1]) || !is_hex(s[2])))
            return true;
    return false;
}

/* The length of "." at s, plain or escaped; 0 when there is none. */
static size_t dot_length(const char *s, const char *end)
{
    if (s < end && *s == '.')
        return 1;
    return end - s >= 3 && strncasecmp(s, "%2e", 3) == 0 ? 3 : 0;
}

static bool has_dot_segment(const char *path, const char *end)
{
    const char *s = path;

    while (s < end) {
        size_t first, second;

        if (*s == '/')
            s++;
        first = dot_length(s, end);
        second = first ? dot_length(s + first, end) : 0;
        if (second && (s + first + second == end || s[first + second] == '/'))
            return true;
        while (s < end && *s != '/')
            s++;
    }
    return false;
}

static const char *lint_uri(const char *uri, const char *method)
{
    const char *end = uri + strlen(uri);
    const char *path_end = uri + strcspn(uri, "?");

    if (strcmp(uri, "*") == 0 && strcmp(method, "OPTIONS") == 0)
        return NULL;
    if (*uri != '/')
        return "the request target must be a path that starts with /";
    for (const char *p = uri; p < end; p++)
        if ((unsigned char) *p <= 0x20 || (unsigned char) *p >= 0x7F)
            return "the request target holds a blank, control or non-ASCII byte; percent-encode it";
    if (has_escape(uri, end, "00"))
        return "the request target holds %00";
    if (has_escape(uri, path_end, "2f") || has_escape(uri, path_end, "5c") ||
        memchr(uri, '\\', (size_t) (path_end - uri)))
        return "the path holds an escaped slash or a backslash";
    if (has_broken_escape(uri, path_end))
        return "the path holds a % that two hexadecimal digits do not follow";
    if (memchr(uri, '#', (size_t) (end - uri)))
        return "the request target holds a fragment";
    if (has_dot_segment(uri, path_end))
        return "the path holds a .. segment";
    return NULL;
}

static bool is_host_value(const char *s)
{
    for (; *s; s++)
        if (!is_token_char((unsigned char) *s) && !strchr("[]:", *s))
            return false;
    return true;
}

/* Each header by itself; counts and remembers the ones that may come once. */
static const char *lint_headers(const struct http_lint_request *rq,
                                const char *found[ARRAY_LEN(once)])
{
    for (size_t i = 0; i < rq->n_headers; i++) {
        const struct http_header_pair *h = &rq->headers[i];

        if (!is_token(h->name))
            return "a header name is not a token (a blank before the colon?)";
        if (has_control(h->value))
            return "a header value holds a control byte";
        for (size_t k = 0; k < ARRAY_LEN(once); k++) {
            if (strcasecmp(h->name, once[k]) != 0)
                continue;
            if (found[k])
                return twice_words[k];
            found[k] = h->value;
        }
    }
    return NULL;
}

static const char *lint_framing(const char *te, const char *cl, bool is_http_1_1)
{
    if (te && cl)
        return "Transfer-Encoding and Content-Length in one request";
    if (te && !is_http_1_1)
        return "Transfer-Encoding in an HTTP/1.0 request";
    if (te && strcasecmp(te, "chunked") != 0)
        return "the only Transfer-Encoding understood is chunked";
    if (cl && (!*cl || cl[strspn(cl, "0123456789")] || strlen(cl) > 19))
        return "Content-Length is not a number";
    return NULL;
}

bool http_lint_knows_method(const char *method)
{
    static const char *const known[] = {
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(method, known[i]) == 0)
            return true;
    return false;
}

const char *http_lint(const struct http_lint_request *rq)
{
    const char *found[ARRAY_LEN(once)] = { NULL };
    bool is_http_1_1 = strcmp(rq->version, "HTTP/1.1") == 0;
    const char *trouble;

    /* One that nobody knows is the router's business: 405 says what is possible there. */
    if (!is_token(rq->method))
        return "the method is not a token";
    if (!is_http_1_1 && strcmp(rq->version, "HTTP/1.0") != 0)
        return "the protocol version is neither HTTP/1.1 nor HTTP/1.0";
    trouble = lint_uri(rq->uri, rq->method);
    if (!trouble)
        trouble = lint_headers(rq, found);
    if (!trouble)
        trouble = lint_framing(found[ONCE_TE], found[ONCE_CL], is_http_1_1);
    if (!trouble && is_http_1_1 && !found[ONCE_HOST])
        trouble = "an HTTP/1.1 request needs a Host header";
    if (!trouble && found[ONCE_HOST] && !is_host_value(found[ONCE_HOST]))
        trouble = "the Host header is not a host";
    return trouble;
}
