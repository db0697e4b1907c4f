/*
 * problem.c - errors as application/problem+json (RFC 9457).
 *
 * One shape for everything: handlers' errors, routing failures and what the server itself refuses.
 * 5xx never show causes to clients; the log line carries them with the request's id.
 */
#include <assert.h>
#include <string.h>

#include "internal.h"
#include "steward/json.h"
#include "steward/log.h"

static const struct {
    int status;
    const char *words, *slug;
} statuses[] = {
    { 400, "Bad Request", "bad-request" },
    { 401, "Unauthorized", "unauthenticated" },
    { 403, "Forbidden", "forbidden" },
    { 404, "Not Found", "not-found" },
    { 405, "Method Not Allowed", "method-not-allowed" },
    { 406, "Not Acceptable", "not-acceptable" },
    { 408, "Request Timeout", "request-timeout" },
    { 409, "Conflict", "conflict" },
    { 410, "Gone", "gone" },
    { 411, "Length Required", "length-required" },
    { 412, "Precondition Failed", "precondition-failed" },
    { 413, "Content Too Large", "content-too-large" },
    { 414, "URI Too Long", "uri-too-long" },
    { 415, "Unsupported Media Type", "unsupported-media-type" },
    { 416, "Range Not Satisfiable", "range-not-satisfiable" },
    { 417, "Expectation Failed", "expectation-failed" },
    { 421, "Misdirected Request", "misdirected-request" },
    { 422, "Unprocessable Content", "invalid" },
    { 423, "Locked", "locked" },
    { 428, "Precondition Required", "precondition-required" },
    { 429, "Too Many Requests", "too-many-requests" },
    { 431, "Request Header Fields Too Large", "headers-too-large" },
    { 500, "Internal Server Error", "internal" },
    { 501, "Not Implemented", "not-implemented" },
    { 502, "Bad Gateway", "bad-gateway" },
    { 503, "Service Unavailable", "unavailable" },
    { 504, "Gateway Timeout", "gateway-timeout" },
    { 507, "Insufficient Storage", "insufficient-storage" },
};

static size_t status_index(int status)
{
    size_t i = 0;

    while (i < ARRAY_LEN(statuses) && statuses[i].status != status)
        i++;
    return i;
}

const char *http_status_words(int status)
{
    size_t i = status_index(status);

    return i < ARRAY_LEN(statuses) ? statuses[i].words : "Error";
}

/* A JSON string; bytes that are not UTF-8 become U+FFFD so that the answer stays valid. */
static json_t *text_new(const char *s)
{
    json_t *value = json_string(s);
    AUTO_BUF struct buf clean = { 0 };

    if (value)
        return value;
    for (; *s; s++)
        if ((unsigned char) *s < 0x80)
            buf_addc(&clean, *s);
        else
            buf_adds(&clean, "\xEF\xBF\xBD");
    return json_string(clean.data ? clean.data : "");
}

void problem_write(struct buf *out, const struct problem *p, const char *instance,
                   const char *request_id)
{
    AUTO_JSON json_t *o = json_object();
    AUTO_BUF struct buf type = { 0 };
    size_t i = status_index(p->status);
    const char *code = p->code;
    const char *key;
    json_t *value;
    char *text;

    if (!code)
        code = i < ARRAY_LEN(statuses) ? statuses[i].slug : "error";
    buf_printf(&type, "/problems/%s", code);
    json_object_set_new(o, "type", text_new(type.data));
    json_object_set_new(o, "title", text_new(p->title ? p->title : http_status_words(p->status)));
    json_object_set_new(o, "status", json_integer(p->status));
    if (p->detail)
        json_object_set_new(o, "detail", text_new(p->detail));
    if (instance)
        json_object_set_new(o, "instance", text_new(instance));
    json_object_set_new(o, "code", text_new(code));
    json_object_set_new(o, "retryable", json_boolean(p->is_retryable));
    if (p->errors)
        json_object_set_new(o, "errors", json_incref(p->errors));
    if (request_id)
        json_object_set_new(o, "requestId", text_new(request_id));
    json_object_foreach (p->extra, key, value)
        if (!json_object_get(o, key))
            json_object_set_new(o, key, json_incref(value));
    text = json_compact(o);
    buf_adds(out, text);
    free(text);
}

void http_problem(struct http_request *rq, const struct problem *p)
{
    struct buf text = { 0 };
    size_t n;

    assert(p->status >= 400 && p->status <= 599);
    if (p->retry_after_s > 0) {
        char seconds[16];

        (void) snprintf(seconds, sizeof seconds, "%d", p->retry_after_s);
        http_set_header(rq, "Retry-After", seconds);
    }
    problem_write(&text, p, http_raw_path(rq), http_request_id(rq));
    n = text.length;
    http_respond_take(rq, p->status, "application/problem+json", buf_take(&text), n);
}

void http_problem_err(struct http_request *rq, const struct err *e)
{
    int status = err_http_status(e->code);
    struct problem p = { .status = status,
                         .code = err_slug(e->code),
                         .detail = e->message,
                         .is_retryable = err_is_retryable(e->code) };

    if (status >= 500) {
        log_event(LOG_ERROR, "http", "request_failed", "request=%s status=%d msg=%s detail=%s",
                  http_request_id(rq), status, log_quote(e->message), log_quote(e->detail));
        p.detail =
            status == 503
                ? "A part this answer depends on is away; retry in a moment."
                : "The server could not answer; the log has the cause under this request id.";
    }
    if (p.is_retryable)
        p.retry_after_s = 1;
    http_problem(rq, &p);
}
