/*
 * response.c - from the handler's answer to libmicrohttpd.
 *
 * Every answer passes response_give(): at once while the handler runs inside the daemon's callback,
 * otherwise by queueing on the suspended connection and resuming it. An answer nobody waits for any
 * more (deadline passed, client gone) is dropped there.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "internal.h"
#include "steward/json.h"
#include "text.h"

#define GZIP_ABOVE_BYTES 1024
#define GZIP_LEVEL \
    1 /* the loop is shared: four times faster than the default for 10 % more bytes */
#define SEND_BYTES_PER_MS 8 /* slower readers than 8 KiB/s are not waited for */

struct body {
    void *data;
    size_t n;
    enum MHD_ResponseMemoryMode mode;
};

/* ---- headers ---- */

static void put_header(struct http_request *rq, const char *name, const char *value)
{
    char *clean = arena_strdup(&rq->arena, value);

    for (char *p = clean; *p; p++)
        if ((unsigned char) *p < 0x20 || *p == 0x7F)
            *p = ' ';
    if (rq->n_out == rq->out_capacity) {
        struct http_header_pair *more =
            arena_alloc(&rq->arena, 2 * rq->out_capacity * sizeof *more);

        memcpy(more, rq->out, rq->n_out * sizeof *more);
        rq->out = more;
        rq->out_capacity *= 2;
    }
    rq->out[rq->n_out++] =
        (struct http_header_pair){ .name = arena_strdup(&rq->arena, name), .value = clean };
}

static const struct http_header_pair *find_out(const struct http_request *rq, const char *name)
{
    for (size_t i = 0; i < rq->n_out; i++)
        if (strcasecmp(rq->out[i].name, name) == 0)
            return &rq->out[i];
    return NULL;
}

void http_set_header(struct http_request *rq, const char *name, const char *value)
{
    size_t kept = 0;

    for (size_t i = 0; i < rq->n_out; i++)
        if (strcasecmp(rq->out[i].name, name) != 0)
            rq->out[kept++] = rq->out[i];
    rq->n_out = kept;
    put_header(rq, name, value);
}

void http_add_header(struct http_request *rq, const char *name, const char *value)
{
    put_header(rq, name, value);
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    /* Refused only for what put_header() has cleaned, or for lack of memory. */
    if (*value && MHD_add_response_header(response, name, value) != MHD_YES)
        assert(strpbrk(name, " \t\r\n") == NULL);
}

void response_add_headers(struct http_request *rq, struct MHD_Response *response, const char *type)
{
    const struct http_header_pair *h = rq->server->options.default_headers;

    if (type)
        add(response, "Content-Type", type);
    add(response, "X-Request-Id", rq->id);
    for (size_t i = 0; i < rq->n_out; i++)
        if (!type || strcasecmp(rq->out[i].name, "Content-Type") != 0)
            add(response, rq->out[i].name, rq->out[i].value);
    for (; h && h->name; h++)
        if (!find_out(rq, h->name))
            add(response, h->name, h->value);
    if ((rq->server->is_quiesced || conn_is_crowded(rq->server)) && !find_out(rq, "Connection"))
        add(response, "Connection", "close");
}

/* ---- the one way out ---- */

/* True when nobody waits for this answer: the request was answered in the handler's place. */
static bool is_dropped(struct http_request *rq)
{
    assert(!rq->is_answered || rq->is_detached); /* a handler answers once */
    return rq->is_detached;
}

static void drop(struct http_request *rq)
{
    rq->is_owed = false;
    request_settle(rq);
}

void response_give(struct http_request *rq, int status, struct MHD_Response *response,
                   uint64_t length)
{
    struct conn *c = rq->conn;
    int64_t now_ms = server_now_ms(rq->server);

    rq->is_answered = true;
    rq->is_owed = false;
    rq->status = status;
    rq->sent_bytes = length;
    if (c->state != CONN_STREAMING)
        conn_set_state(c, CONN_SENDING,
                       now_ms + rq->server->options.send_stall_ms +
                           (int64_t) (length / SEND_BYTES_PER_MS));
    if (rq->is_in_handler) {
        rq->response = response;
        return;
    }
    if (daemon_queue_response(c->mhd, (unsigned) status, response) != MHD_YES)
        conn_shutdown(c); /* the connection died meanwhile; resuming lets the daemon see it */
    MHD_destroy_response(response);
    conn_resume(c);
}

/* ---- bodies ---- */

static void body_replace(struct body *b, struct buf *with)
{
    if (b->mode == MHD_RESPMEM_MUST_FREE)
        free(b->data);
    b->n = with->length;
    b->data = buf_take(with);
    b->mode = MHD_RESPMEM_MUST_FREE;
}

static bool gzip_ready(struct http_server *s)
{
    if (s->has_gzip)
        return deflateReset(&s->gzip) == Z_OK;
    if (deflateInit2(&s->gzip, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    s->has_gzip = true;
    return true;
}

static void body_compress(struct http_request *rq, struct body *b)
{
    struct http_server *s = rq->server;
    AUTO_BUF struct buf out = { 0 };

    if (b->n > UINT32_MAX || !gzip_ready(s))
        return;
    buf_reserve(&out, deflateBound(&s->gzip, b->n));
    s->gzip.next_in = b->data;
    s->gzip.avail_in = (uInt) b->n;
    s->gzip.next_out = (Bytef *) out.data;
    s->gzip.avail_out = (uInt) deflateBound(&s->gzip, b->n);
    if (deflate(&s->gzip, Z_FINISH) != Z_STREAM_END || s->gzip.total_out >= b->n)
        return;
    out.length = s->gzip.total_out;
    body_replace(b, &out);
    http_set_header(rq, "Content-Encoding", "gzip");
}

static void body_encode(struct http_request *rq, const char *type, struct body *b)
{
    AUTO_BUF struct buf pretty = { 0 };

    if (b->mode == MHD_RESPMEM_PERSISTENT)
        return;
    if (http_text_is_json(type) && b->n > 0 && request_has_pretty(rq)) {
        http_text_indent(&pretty, b->data, b->n);
        body_replace(b, &pretty);
    }
    if (b->n <= GZIP_ABOVE_BYTES || !http_text_is_compressible(type) ||
        find_out(rq, "Content-Encoding"))
        return;
    http_add_header(rq, "Vary", "Accept-Encoding");
    if (http_text_accepts_gzip(http_header(rq, "Accept-Encoding")))
        body_compress(rq, b);
}

static void respond_body(struct http_request *rq, int status, const char *type, struct body b)
{
    struct MHD_Response *response;

    if (is_dropped(rq)) {
        if (b.mode == MHD_RESPMEM_MUST_FREE)
            free(b.data);
        drop(rq);
        return;
    }
    body_encode(rq, type, &b);
    response = MHD_create_response_from_buffer(b.n, b.data, b.mode);
    if (!response)
        mem_exhausted();
    response_add_headers(rq, response, type);
    response_give(rq, status, response, b.n);
}

/* NOLINTNEXTLINE(readability-function-size): reads better at its many call sites */
void http_respond(struct http_request *rq, int status, const char *type, const void *body, size_t n)
{
    respond_body(
        rq, status, type,
        (struct body){ .data = n ? (void *) body : "", .n = n, .mode = MHD_RESPMEM_MUST_COPY });
}

/* NOLINTNEXTLINE(readability-function-size): as http_respond() */
void http_respond_take(struct http_request *rq, int status, const char *type, char *body, size_t n)
{
    respond_body(rq, status, type,
                 (struct body){ .data = body, .n = n, .mode = MHD_RESPMEM_MUST_FREE });
}

/* NOLINTNEXTLINE(readability-function-size): as http_respond() */
void http_respond_static(struct http_request *rq, int status, const char *type, const void *body,
                         size_t n)
{
    respond_body(
        rq, status, type,
        (struct body){ .data = n ? (void *) body : "", .n = n, .mode = MHD_RESPMEM_PERSISTENT });
}

/* NOLINTNEXTLINE(readability-function-size): as http_respond() */
void http_respond_fd(struct http_request *rq, int status, const char *type, int fd, uint64_t offset,
                     uint64_t n)
{
    struct MHD_Response *response;

    if (is_dropped(rq)) {
        (void) close(fd);
        drop(rq);
        return;
    }
    response = MHD_create_response_from_fd_at_offset64(n, fd, offset);
    if (!response)
        mem_exhausted();
    response_add_headers(rq, response, type);
    response_give(rq, status, response, n);
}

void http_respond_json(struct http_request *rq, int status, const json_t *value)
{
    char *text = json_compact(value);

    http_respond_take(rq, status, "application/json", text, strlen(text));
}
