/*
 * sse.c - server-sent events: one stream is one connection that takes bytes when its socket can.
 *
 * The daemon asks for bytes (content reader) whenever the client took the last ones. With none at
 * hand the connection is suspended, and resumed by the next sse_write(): so an idle stream costs no
 * work but a heartbeat. While it is suspended nobody watches the socket; the tick does
 * (connection.c), and a stream that is not suspended and was not asked for bytes for send_stall_ms
 * has a client that does not read: it is closed, never waited for.
 */
#include <assert.h>
#include <string.h>

#include "internal.h"

#define SSE_BLOCK_BYTES \
    256 /* for HTTP/1.0 only; chunks are written into the pool of the connection */
#define SSE_HEARTBEAT_MS  15000
#define SSE_COMPACT_BYTES 65536

struct sse_stream {
    struct sse_options options;
    struct conn *conn;
    struct buf pending;
    size_t taken;        /* bytes of pending already given to the daemon */
    int64_t progress_ms; /* when the daemon last asked, or was woken */
    int64_t written_ms;  /* when anything was last queued, for the heartbeat */
    bool is_in_reader, is_ending, is_gone, is_dropped;
};

size_t sse_pending(const struct sse_stream *s)
{
    return s->pending.length - s->taken;
}

static void wake(struct sse_stream *s)
{
    if (!s->conn || !s->conn->is_suspended)
        return;
    s->progress_ms = server_now_ms(s->conn->server);
    conn_resume(s->conn);
}

static ssize_t on_read(void *cls, uint64_t position, char *out, size_t max)
{
    struct sse_stream *s = cls;
    size_t n;

    (void) position;
    s->progress_ms = server_now_ms(s->conn->server);
    if (s->is_gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (sse_pending(s) == 0) {
        buf_clear(&s->pending);
        s->taken = 0;
        if (s->options.on_writable && !s->is_ending) {
            s->is_in_reader = true;
            s->options.on_writable(s, s->options.user);
            s->is_in_reader = false;
        }
    }
    n = sse_pending(s);
    if (n > max)
        n = max;
    if (n > 0) {
        memcpy(out, s->pending.data + s->taken, n);
        s->taken += n;
        return (ssize_t) n;
    }
    if (s->is_ending)
        return MHD_CONTENT_READER_END_OF_STREAM;
    conn_suspend(s->conn);
    return 0;
}

static void stream_close(struct sse_stream *s)
{
    if (s->conn)
        s->conn->sse = NULL;
    if (s->options.on_close)
        s->options.on_close(s, s->options.user);
    buf_done(&s->pending);
    free(s);
}

void sse_on_completed(struct sse_stream *s)
{
    stream_close(s);
}

static void on_dropped(uv_timer_t *timer)
{
    stream_close(timer->data);
    uv_close((uv_handle_t *) timer, (uv_close_cb) free);
}

/* The client is gone already: the stream lives until the next turn of the loop, so that the caller
 * can keep it. */
static struct sse_stream *stream_drop(struct http_request *rq, struct sse_stream *s)
{
    uv_timer_t *timer = xcalloc(1, sizeof *timer);

    s->is_dropped = true;
    uv_timer_init(rq->loop, timer);
    timer->data = s;
    uv_timer_start(timer, on_dropped, 0, 0);
    rq->is_owed = false;
    request_settle(rq);
    return s;
}

struct sse_stream *http_respond_sse(struct http_request *rq, const struct sse_options *options)
{
    struct sse_stream *s = xcalloc(1, sizeof *s);
    struct MHD_Response *response;
    int64_t now_ms;

    assert(!rq->is_answered || rq->is_detached);
    s->options = *options;
    if (s->options.heartbeat_ms <= 0)
        s->options.heartbeat_ms = SSE_HEARTBEAT_MS;
    if (rq->is_detached)
        return stream_drop(rq, s);
    now_ms = server_now_ms(rq->server);
    s->conn = rq->conn;
    s->conn->sse = s;
    s->progress_ms = s->written_ms = now_ms;
    request_uncount(rq); /* a stream is not work that a shutdown waits for */
    conn_set_state(s->conn, CONN_STREAMING, INT64_MAX);
    /* To HEAD, libmicrohttpd 0.9.75 would send the last chunk of a chunked answer, which a client
     * takes for garbage. */
    if (strcmp(rq->method, "HEAD") == 0)
        response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    else
        response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, SSE_BLOCK_BYTES, on_read, s, NULL);
    if (!response)
        mem_exhausted();
    http_set_header(rq, "X-Accel-Buffering", "no"); /* nginx in front must not collect the events */
    response_add_headers(rq, response, "text/event-stream");
    response_give(rq, 200, response, 0);
    return s;
}

size_t sse_write(struct sse_stream *s, const char *frames, size_t n)
{
    if (s->is_gone || s->is_ending || s->is_dropped || n == 0)
        return sse_pending(s);
    if (s->taken > SSE_COMPACT_BYTES && s->taken > s->pending.length / 2) {
        memmove(s->pending.data, s->pending.data + s->taken, sse_pending(s));
        s->pending.length -= s->taken;
        s->taken = 0;
    }
    buf_add(&s->pending, frames, n);
    s->written_ms = server_now_ms(s->conn->server);
    if (!s->is_in_reader)
        wake(s);
    return sse_pending(s);
}

void sse_close(struct sse_stream *s)
{
    s->is_ending = true;
    if (!s->is_in_reader)
        wake(s);
}

void sse_on_gone(struct sse_stream *s)
{
    s->is_gone = true;
    conn_shutdown(s->conn);
    wake(s);
}

void sse_on_stop(struct sse_stream *s)
{
    sse_close(s);
}

void sse_on_tick(struct sse_stream *s, int64_t now_ms)
{
    if (!s->conn->is_suspended && now_ms - s->progress_ms >= s->conn->server->options.send_stall_ms)
        sse_on_gone(s);
    else if (now_ms - s->written_ms >= s->options.heartbeat_ms && sse_pending(s) == 0)
        (void) sse_write(s, ":\n\n", 3);
}
