/*
 * wire.c - what the bytes of a request head looked like, read from where libmicrohttpd left its
 * parts.
 *
 * The library parses a head in place: names and values it shows us are pointers into its read
 * buffer, with separators overwritten by NUL. So the distance between neighbours tells what stood
 * there: exactly two bytes where a line ended in CRLF, one for a bare LF, anything else where a NUL
 * byte cut a value, a folded line was joined elsewhere, or an empty header name (": x") made the
 * library take the head for finished. All of that a strict reader and a lenient one frame
 * differently, and after parsing nothing but these distances shows it. (One thing leaves no trace
 * at all: an empty name that is itself ended by a bare LF, ":" LF. No proxy forwards such a line.)
 */
#include "wire.h"

#include <microhttpd.h>
#include <stdint.h>
#include <string.h>

bool wire_is_readable(void)
{
    /* 0.9.75 is what this was read from; a later library may move things, and then the check would
     * refuse everything. */
    return MHD_VERSION == 0x00097500 && strcmp(MHD_get_version(), "0.9.75") == 0;
}

static uintptr_t end_of(const char *s)
{
    return (uintptr_t) s + strlen(s);
}

bool wire_is_plain(const struct http_lint_request *rq, const struct wire_head *head)
{
    uintptr_t at = end_of(rq->method) + 1;

    if (at != (uintptr_t) head->uri || (uintptr_t) rq->version != (uintptr_t) head->uri_end + 1)
        return false;
    at = end_of(rq->version) + 2;
    for (size_t i = 0; i < rq->n_headers; i++) {
        const struct http_header_pair *h = &rq->headers[i];
        const char *value;

        if ((uintptr_t) h->name != at)
            return false;
        value = h->name + strlen(h->name) + 1;
        value += strspn(value, " \t");
        if (value != h->value)
            return false;
        at = end_of(h->value) + 2;
    }
    return at + 2 == (uintptr_t) rq->method + head->head_bytes;
}
