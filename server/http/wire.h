/*
 * wire.h - what the bytes of a request head looked like, read from where libmicrohttpd left its
 * parts.
 */
#ifndef STEWARD_HTTP_WIRE_H
#define STEWARD_HTTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "lint.h"

struct wire_head {
    const char *uri, *uri_end; /* the URI in the read buffer, as seen by the URI callback */
    size_t head_bytes;         /* from the method to the end of the head */
};

/* True when the running library lays a head out the way wire_is_plain() reads it. */
bool wire_is_readable(void);
/* True when the head was "METHOD SP URI SP VERSION CRLF *(NAME ':' VALUE CRLF) CRLF" and nothing
 * else. */
bool wire_is_plain(const struct http_lint_request *rq, const struct wire_head *head);

#endif
