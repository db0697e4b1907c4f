/*
 * request.c - from the request line to the handler, and the request's readers.
 *
 * libmicrohttpd calls: request_on_uri (the request line is there; the raw URI is seen only now),
 * request_on_access first with the headers, then for each piece of body, then once with nothing
 * more to come; request_on_completed at the end. A refusal goes out at the first call: the daemon
 * then never reads the body and closes the connection, so nothing behind it can be taken for a
 * request.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "internal.h"
#include "lint.h"
#include "steward/clock.h"
#include "steward/log.h"
#include "text.h"
#include "wire.h"

#define HEADERS_MAX 100

/* ---- pool ---- */

static struct http_request *request_new(struct http_server *s)
{
    struct http_request *rq = s->pool;

    if (rq) {
        s->pool = rq->next;
        s->n_pooled--;
        rq->next = NULL;
    } else {
        rq = xcalloc(1, sizeof *rq);
    }
    rq->server = s;
    rq->loop = s->loop;
    rq->out = rq->out_inline;
    rq->out_capacity = HTTP_HEADERS_INLINE;
    return rq;
}

void request_free(struct http_request *rq)
{
    arena_done(&rq->arena);
    buf_done(&rq->body);
    free(rq);
}

static void request_recycle(struct http_request *rq)
{
    struct http_server *s = rq->server;
    struct arena arena;
    struct buf body = rq->body;

    if (!s || s->n_pooled >= HTTP_POOLED_MAX) {
        request_free(rq);
        return;
    }
    arena_reset(&rq->arena);
    arena = rq->arena;
    if (body.capacity > (size_t) 64 * 1024)
        buf_done(&body);
    body.length = 0;
    memset(rq, 0, sizeof *rq);
    rq->arena = arena;
    rq->body = body;
    rq->next = s->pool;
    s->pool = rq;
    s->n_pooled++;
}

static void detached_remove(struct http_request *rq)
{
    if (!rq->server)
        return; /* the list went with the server */
    if (rq->prev)
        rq->prev->next = rq->next;
    else
        rq->server->detached = rq->next;
    if (rq->next)
        rq->next->prev = rq->prev;
    rq->next = rq->prev = NULL;
}

void request_uncount(struct http_request *rq)
{
    if (rq->is_counted && rq->server)
        rq->server->n_open--;
    rq->is_counted = false;
}

void request_settle(struct http_request *rq)
{
    if (rq->is_bound || rq->is_owed)
        return;
    request_uncount(rq);
    if (rq->is_begun && rq->server && rq->server->options.on_done)
        rq->server->options.on_done(rq, rq->server->options.context);
    if (rq->end)
        rq->end(rq, rq->user);
    if (rq->is_detached)
        detached_remove(rq);
    if (rq->response)
        MHD_destroy_response(rq->response);
    request_recycle(rq);
}

/* Copies what libmicrohttpd will take away, for a handler that is still at work. */
static void request_detach(struct http_request *rq)
{
    struct http_server *s = rq->server;

    if (rq->is_detached)
        return;
    rq->is_detached = true;
    rq->method = arena_strdup(&rq->arena, rq->method);
    rq->version = arena_strdup(&rq->arena, rq->version);
    for (size_t i = 0; i < rq->n_headers; i++) {
        rq->headers[i].name = arena_strdup(&rq->arena, rq->headers[i].name);
        rq->headers[i].value = arena_strdup(&rq->arena, rq->headers[i].value);
    }
    rq->next = s->detached;
    if (s->detached)
        s->detached->prev = rq;
    s->detached = rq;
}

/* ---- refusing ---- */

static void refuse(struct http_request *rq, int status, const char *code, const char *detail)
{
    struct problem p = { .status = status, .code = code, .detail = detail };

    rq->conn->wants_linger = true;
    http_set_header(rq, "Connection", "close");
    http_problem(rq, &p);
}

/* A head that fills the connection's pool leaves libmicrohttpd no room for that of an answer. */
static void refuse_head(struct http_request *rq)
{
    struct problem p = { .status = 431,
                         .code = "headers-too-large",
                         .detail = "The request headers are more than this server reads." };

    rq->conn->wants_linger = true;
    conn_send_raw(rq->conn, &p);
    rq->is_refused = true;
}

void request_expire(struct http_request *rq, const char *detail)
{
    struct problem p = { .status = 503,
                         .code = "answer-timeout",
                         .detail = detail,
                         .is_retryable = true,
                         .retry_after_s = 1 };

    assert(rq->is_owed && !rq->is_answered && !rq->is_in_handler);
    rq->n_out = 0; /* what the handler had prepared */
    http_problem(rq, &p);
    request_detach(rq);
    rq->is_owed = true; /* answering cleared it; the handler still has the request */
}

/* ---- receiving ---- */

/*
 * Hides the parameters from libmicrohttpd, which reads them after this call. We take them from the
 * raw URI; it puts each into the connection's pool, and when that is full (250 parameters will do)
 * it answers 431, gives its read buffer away, and goes on reading in it: the process dies.
 */
static void hide_parameters(const char *uri, size_t path)
{
    if (uri[path])
        *(char *) ((uintptr_t) uri + path + 1) = '\0'; /* its buffer; it writes there itself */
}

void *request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *s = cls;
    struct conn *c = conn_of(mhd);
    struct http_request *rq = request_new(s);
    size_t path = strcspn(uri, "?");
    int64_t now_ms = server_now_ms(s);

    rq->conn = c;
    rq->is_bound = true;
    rq->started_us = clock_mono_us();
    rq->wire_uri = uri;
    rq->wire_uri_end = uri + strlen(uri);
    rq->raw_uri = arena_strndup(&rq->arena, uri, (size_t) (rq->wire_uri_end - uri));
    rq->raw_query = rq->raw_uri + path + (uri[path] == '?');
    rq->raw_path = uri[path] ? arena_strndup(&rq->arena, uri, path) : rq->raw_uri;
    hide_parameters(uri, path);
    memcpy(rq->peer, c->peer, sizeof rq->peer);
    c->rq = rq;
    /* A connection that was FRESH brings its deadline along: it began with the first byte. */
    conn_set_state(c, CONN_RECEIVING,
                   c->state == CONN_FRESH ? c->deadline_ms
                                          : now_ms + s->options.receive_deadline_ms);
    return rq;
}

struct collect {
    struct http_request *rq;
    struct MHD_Connection *mhd;
    size_t n, bytes;
};

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature */
static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                 size_t name_size, const char *value, size_t value_size)
{
    struct collect *collect = cls;

    (void) kind;
    collect->bytes += name_size + value_size + 4;
    if (collect->n < collect->rq->n_headers)
        collect->rq->headers[collect->n++] =
            (struct http_header_pair){ .name = name, .value = value ? value : "" };
    return MHD_YES;
}

static void request_name(struct http_request *rq)
{
    const char *given = http_header(rq, "X-Request-Id");

    if (given && http_text_is_request_id(given))
        (void) str_copy(rq->id, sizeof rq->id, given);
    else
        server_make_id(rq->server, rq->id);
}

/* What is wrong with the head, or NULL. */
static const char *lint(const struct http_request *rq, struct MHD_Connection *mhd)
{
    struct http_lint_request lint = { .method = rq->method,
                                      .uri = rq->raw_uri,
                                      .version = rq->version,
                                      .headers = rq->headers,
                                      .n_headers = rq->n_headers };
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct wire_head head = { .uri = rq->wire_uri, .uri_end = rq->wire_uri_end };
    const char *trouble = http_lint(&lint);

    if (trouble || !size || !wire_is_readable())
        return trouble;
    head.head_bytes = size->header_size;
    return wire_is_plain(&lint, &head) ? NULL
                                       : "the head holds a bare line feed, a folded line, a NUL "
                                         "byte or an empty header name";
}

/* Refuses with an answer and returns true, or returns false. */
static bool refuse_doubtful(struct http_request *rq, const struct collect *seen)
{
    const struct http_options *o = &rq->server->options;
    const char *host = http_header(rq, "Host");
    const char *trouble = NULL;

    if (strlen(rq->raw_uri) > o->uri_limit_bytes)
        refuse(rq, 414, "uri-too-long", "The request target is longer than this server reads.");
    else if (rq->n_headers > HEADERS_MAX || seen->bytes > o->connection_memory_bytes / 8 * 5)
        refuse_head(rq);
    else if (o->is_lint_strict && (trouble = lint(rq, seen->mhd)))
        refuse(rq, 400, "malformed-request", trouble);
    else if (!o->is_lint_strict && strstr(rq->raw_path, "%00"))
        refuse(rq, 400, "malformed-request", "the path holds %00");
    else if (o->allowed_hosts && host && !http_text_host_is_allowed(host, o->allowed_hosts))
        refuse(rq, 421, "misdirected-request",
               "The Host header names a host this server does not answer for; add it to the "
               "allowed hosts.");
    else if (!http_lint_knows_method(rq->method)) /* 405 is the router's to say; nothing follows */
        http_set_header(rq, "Connection", "close");
    return rq->is_answered || rq->is_refused;
}

/* Headers are complete: look at them before any of the body is read. */
static void request_begin(struct http_request *rq, struct MHD_Connection *mhd)
{
    struct http_server *s = rq->server;
    struct collect collect = { .rq = rq, .mhd = mhd };
    const char *length;

    rq->is_begun = true;
    rq->is_counted = true;
    s->n_open++;
    rq->n_headers = (size_t) MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, NULL, NULL);
    rq->headers = arena_alloc(&rq->arena, (rq->n_headers + 1) * sizeof *rq->headers);
    (void) MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_header, &collect);
    request_name(rq);
    if (refuse_doubtful(rq, &collect))
        return;
    rq->body_limit = s->options.body_limit_bytes;
    if (s->options.on_headers)
        rq->body_limit = s->options.on_headers(rq, s->options.context);
    if (rq->is_answered)
        return;
    length = http_header(rq, "Content-Length");
    if (length) {
        int64_t n = 0;

        /* What is not a number is longer than any limit; libmicrohttpd has refused it already. */
        if (!str_to_i64(length, 0, INT64_MAX, &n) || (uint64_t) n > rq->body_limit)
            refuse(rq, 413, "content-too-large", "The body is larger than this request may be.");
        else if (n > 0)
            buf_reserve(&rq->body, (size_t) (n < 65536 ? n : 65536));
    }
}

static enum MHD_Result request_take_body(struct http_request *rq, const char *bytes, size_t n)
{
    struct problem p = { .status = 413,
                         .code = "content-too-large",
                         .detail = "The body is larger than this request may be." };

    if (rq->body.length + n > rq->body_limit) {
        rq->conn->wants_linger = true;
        conn_send_raw(rq->conn, &p);
        return MHD_NO; /* libmicrohttpd takes no answer in the middle of a body: it closes */
    }
    buf_add(&rq->body, bytes, n);
    return MHD_YES;
}

static enum MHD_Result queue(struct http_request *rq, struct MHD_Connection *mhd)
{
    struct MHD_Response *response = TAKE(rq->response);
    enum MHD_Result result = daemon_queue_response(mhd, (unsigned) rq->status, response);

    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result request_handle(struct http_request *rq, struct MHD_Connection *mhd)
{
    struct http_server *s = rq->server;

    if (rq->is_owed || rq->is_answered)
        return MHD_YES; /* called again although nothing changed */
    rq->is_owed = true;
    conn_set_state(rq->conn, CONN_HANDLING, server_now_ms(s) + s->options.answer_deadline_ms);
    rq->is_in_handler = true;
    s->options.on_request(rq, s->options.context);
    rq->is_in_handler = false;
    if (rq->response)
        return queue(rq, mhd);
    conn_suspend(rq->conn);
    return MHD_YES;
}

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature */
enum MHD_Result request_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    struct http_request *rq = *context;
    enum MHD_Result result = MHD_YES;

    (void) cls;
    (void) url;
    if (!rq)
        return MHD_NO;
    if (!rq->is_begun) {
        rq->method = method;
        rq->version = version;
        rq->is_in_handler = true;
        request_begin(rq, mhd);
        rq->is_in_handler = false;
        if (rq->is_refused)
            return MHD_NO; /* it closes the connection */
        return rq->response ? queue(rq, mhd) : MHD_YES;
    }
    if (*upload_size == 0)
        return request_handle(rq, mhd);
    if (rq->conn->state != CONN_DOOMED)
        result = request_take_body(rq, upload, *upload_size);
    *upload_size = 0;
    return result;
}

void request_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_RequestTerminationCode code)
{
    struct http_server *s = cls;
    struct http_request *rq = *context;
    struct conn *c = conn_of(mhd);

    (void) code;
    *context = NULL;
    if (!rq)
        return;
    if (c->sse)
        sse_on_completed(c->sse);
    if (rq->is_owed && !rq->is_detached) {
        rq->is_gone = true;
        request_detach(rq);
    }
    c->rq = NULL;
    conn_set_state(c, CONN_IDLE, server_now_ms(s) + s->options.idle_deadline_ms);
    rq->conn = NULL;
    rq->is_bound = false;
    request_settle(rq);
}

/* ---- readers ---- */

const char *http_method(const struct http_request *rq)
{
    return rq->method;
}

const char *http_raw_uri(const struct http_request *rq)
{
    return rq->raw_uri;
}

const char *http_raw_path(const struct http_request *rq)
{
    return rq->raw_path;
}

const char *http_raw_query(const struct http_request *rq)
{
    return rq->raw_query;
}

static char *decoded(struct http_request *rq, const char *s, size_t n, bool is_form)
{
    AUTO_BUF struct buf out = { 0 };

    if (!memchr(s, '%', n) && !(is_form && memchr(s, '+', n)))
        return arena_strndup(&rq->arena, s, n);
    if (!uri_decode(&out, s, n, is_form) || !out.data)
        return arena_strndup(&rq->arena, s, n); /* a broken escape stays what it is */
    return arena_strndup(&rq->arena, out.data, out.length);
}

const char *http_path(const struct http_request *rq)
{
    struct http_request *m = (struct http_request *) rq; /* decoded when first asked for */

    if (!m->path)
        m->path = decoded(m, m->raw_path, strlen(m->raw_path), false);
    return m->path;
}

const char *http_header(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_headers; i++)
        if (strcasecmp(rq->headers[i].name, name) == 0)
            return rq->headers[i].value;
    return NULL;
}

void http_headers(const struct http_request *rq,
                  void (*visit)(void *context, const char *name, const char *value), void *context)
{
    for (size_t i = 0; i < rq->n_headers; i++)
        visit(context, rq->headers[i].name, rq->headers[i].value);
}

static void parse_query(struct http_request *rq)
{
    const char *s = rq->raw_query;
    size_t parts = 1;

    if (rq->is_query_parsed)
        return;
    rq->is_query_parsed = true;
    if (!*s)
        return;
    for (const char *p = s; *p; p++)
        parts += *p == '&';
    rq->query = arena_alloc(&rq->arena, parts * sizeof *rq->query);
    while (*s) {
        size_t n = strcspn(s, "&"), name = strcspn(s, "=&");

        if (n > 0)
            rq->query[rq->n_query++] = (struct http_header_pair){
                .name = decoded(rq, s, name, true),
                .value = decoded(rq, s + name + (name < n), n - name - (name < n), true),
            };
        s += n + (s[n] == '&');
    }
}

size_t http_query_count(const struct http_request *rq)
{
    parse_query((struct http_request *) rq);
    return rq->n_query;
}

bool http_query_at(const struct http_request *rq, size_t i, const char **name, const char **value)
{
    if (i >= http_query_count(rq))
        return false;
    *name = rq->query[i].name;
    *value = rq->query[i].value;
    return true;
}

const char *http_query(const struct http_request *rq, const char *name)
{
    size_t n = http_query_count(rq);

    for (size_t i = 0; i < n; i++)
        if (strcmp(rq->query[i].name, name) == 0)
            return rq->query[i].value;
    return NULL;
}

bool request_has_pretty(struct http_request *rq)
{
    const char *value;

    if (!strstr(rq->raw_query, "pretty"))
        return false; /* most requests; saves decoding */
    value = http_query(rq, "pretty");
    return value && strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

const char *http_body(const struct http_request *rq, size_t *n)
{
    *n = rq->body.length;
    return rq->body.length ? rq->body.data : "";
}

const char *http_peer(const struct http_request *rq)
{
    return rq->peer;
}

const char *http_request_id(const struct http_request *rq)
{
    return rq->id;
}

struct arena *http_arena(struct http_request *rq)
{
    return &rq->arena;
}

int64_t http_started_us(const struct http_request *rq)
{
    return rq->started_us;
}

void http_set_user(struct http_request *rq, void *user)
{
    rq->user = user;
}

void *http_user(const struct http_request *rq)
{
    return rq->user;
}

void http_on_end(struct http_request *rq, void (*end)(struct http_request *rq, void *user))
{
    rq->end = end;
}

void http_extend(struct http_request *rq, int64_t ms)
{
    if (rq->conn && rq->conn->state == CONN_HANDLING)
        rq->conn->deadline_ms = server_now_ms(rq->server) + ms;
}

bool http_is_client_gone(const struct http_request *rq)
{
    return rq->is_gone || rq->is_detached;
}

bool http_is_answered(const struct http_request *rq)
{
    return rq->is_answered;
}

int http_status(const struct http_request *rq)
{
    return rq->status;
}

uint64_t http_sent_bytes(const struct http_request *rq)
{
    return rq->sent_bytes;
}
