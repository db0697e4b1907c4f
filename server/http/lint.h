/*
 * lint.h - refuses requests that two parsers could read in two ways.
 */
#ifndef STEWARD_HTTP_LINT_H
#define STEWARD_HTTP_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "steward/http.h"

struct http_lint_request {
    const char *method;
    const char *uri;     /* raw, as on the wire */
    const char *version; /* "HTTP/1.1" */
    const struct http_header_pair *headers;
    size_t n_headers;
};

/* NULL when the request is beyond doubt, else a sentence that says what is wrong with it (static
 * memory). */
const char *http_lint(const struct http_lint_request *rq);

/* One of the methods this server has routes for. What follows a request with any other is not read:
 * its framing is somebody else's. */
bool http_lint_knows_method(const char *method);

#endif
