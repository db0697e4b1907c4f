/*
 * text.h - the pure parts of answering: what may be compressed, what the client accepts, indenting
 * JSON.
 */
#ifndef STEWARD_HTTP_TEXT_H
#define STEWARD_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "steward/str.h"

/* True when an Accept-Encoding value admits gzip (RFC 9110 12.5.3: q=0 refuses, * stands for the
 * unnamed). */
bool http_text_accepts_gzip(const char *accept_encoding);
/* text of any kind, JSON, XML, JavaScript, SVG; never an event stream. */
bool http_text_is_compressible(const char *type);
bool http_text_is_json(const char *type);
/* Indents valid JSON by two blanks without touching its numbers, strings or order. */
void http_text_indent(struct buf *out, const char *json, size_t n);
/* A request id a client may choose: 1 to 64 characters of A-Z a-z 0-9 . _ ~ : + = / -. */
bool http_text_is_request_id(const char *text);
/* True when a Host value (with or without a port) names one of hosts (NULL-terminated, brackets
 * optional). */
bool http_text_host_is_allowed(const char *host, const char *const *hosts);

#endif
