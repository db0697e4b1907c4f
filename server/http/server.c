/*
 * server.c - the daemon and its place in the loop.
 *
 * libmicrohttpd runs with an external epoll set and no thread of its own. The rules that keep it
 * awake:
 *  - its client sockets are edge-triggered, so after every MHD_run() we ask MHD_get_timeout() and
 * run again while it says "now", a bounded number of times, then by an idle handle, in the loop's
 * next turn, so that other handles get theirs (a timer of 0 ms started in its own callback would
 * not do: libuv runs it again before it looks at anything else, and one client that never stops
 * sending has the whole loop);
 *  - MHD_resume_connection() wakes nothing in this mode, not even MHD_get_timeout(): whoever
 * resumes calls server_kick(), and uv_prepare, uv_check or the timer runs the daemon before the
 * loop can sleep. Deadlines are ours (connection.c); libmicrohttpd's own inactivity timeout is off.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/log.h"

#define LISTEN_BACKLOG 1024
/* What waits for a slow reader in the kernel: left to itself it becomes megabytes for each. */
#define SEND_BUFFER_BYTES (128 * 1024)
#define DRAIN_NS          2000000U /* then the loop's other handles have their turn */

static void on_timer(uv_timer_t *timer);
static void on_again(uv_idle_t *idle);

static _Thread_local struct http_server *running;

struct http_server *server_running(void)
{
    return running;
}

int64_t server_now_ms(const struct http_server *s)
{
    return (int64_t) uv_now(s->loop);
}

void server_make_id(struct http_server *s, char *out)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t n = ++s->n_ids;
    size_t at = 12;

    memcpy(out, "req_", 4);
    memcpy(out + 4, s->id_prefix, 8);
    for (int shift = 36; shift >= 0; shift -= 4)
        out[at++] = hex[n >> shift & 15U];
    out[at] = '\0';
}

static void run(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    uint64_t end_ns = uv_hrtime() + DRAIN_NS;
    bool is_due = true;

    if (s->is_running || !s->daemon)
        return;
    s->is_running = true;
    running = s;
    for (int i = 0; i < HTTP_DRAIN_RUNS && is_due && (i == 0 || uv_hrtime() < end_ns); i++) {
        s->need_run = false;
        (void) MHD_run(s->daemon);
        is_due = s->need_run || (MHD_get_timeout(s->daemon, &ms) == MHD_YES && ms == 0);
    }
    running = NULL;
    s->is_running = false;
    if (is_due) {
        uv_idle_start(&s->again, on_again);
        return;
    }
    uv_idle_stop(&s->again);
    if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
        uv_timer_start(&s->timer, on_timer, ms, 0);
    else
        uv_timer_stop(&s->timer);
}

static void on_again(uv_idle_t *idle)
{
    run(idle->data);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void) status;
    (void) events;
    run(poll->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct http_server *s = prepare->data;

    if (s->need_run)
        run(s);
}

static void on_check(uv_check_t *check)
{
    struct http_server *s = check->data;

    if (s->need_run)
        run(s);
}

void server_kick(struct http_server *s)
{
    if (s->need_run || s->is_running) {
        s->need_run = true;
        return;
    }
    s->need_run = true;
    if (!s->is_closing)
        uv_idle_start(&s->again, on_again);
}

__attribute__((format(printf, 2, 0))) static void on_daemon_log(void *cls, const char *fmt,
                                                                va_list ap)
{
    AUTO_BUF struct buf text = { 0 };

    (void) cls;
    if (!log_is_on(LOG_DEBUG))
        return;
    buf_vprintf(&text, fmt, ap);
    while (text.length > 0 && text.data[text.length - 1] == '\n')
        text.data[--text.length] = '\0';
    log_event(LOG_DEBUG, "http", "daemon", "msg=%s", log_quote(text.data));
}

/* We decode paths and queries ourselves, from the raw bytes. */
static size_t keep_escaped(void *cls, struct MHD_Connection *mhd, char *s)
{
    (void) cls;
    (void) mhd;
    return strlen(s);
}

static enum err_code bind_address(const struct http_options *o, int fd, bool is_v6, struct err *e)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(o->port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(o->port) };
    int on = 1, send_buffer = SEND_BUFFER_BYTES;

    (void) inet_pton(AF_INET, o->address, &v4.sin_addr);
    (void) inet_pton(AF_INET6, o->address, &v6.sin6_addr);
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer); /* inherited */
    if (is_v6)
        (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if ((is_v6 ? bind(fd, (struct sockaddr *) &v6, sizeof v6)
               : bind(fd, (struct sockaddr *) &v4, sizeof v4)) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0)
        return err_set(e, ERR_UNAVAILABLE, "cannot listen on %s port %u: %s%s", o->address, o->port,
                       strerror(errno),
                       errno == EADDRINUSE ? "; choose another port or stop what uses it" : "");
    return OK;
}

static enum err_code listen_open(struct http_server *s, struct err *e)
{
    const struct http_options *o = &s->options;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = { .v6 = { 0 } };
    socklen_t n = sizeof bound;
    struct in6_addr scratch;
    bool is_v6 = inet_pton(AF_INET6, o->address, &scratch) == 1;

    if (!is_v6 && inet_pton(AF_INET, o->address, &scratch) != 1)
        return err_set(e, ERR_INVALID, "\"%s\" is not an IP address to listen on", o->address);
    s->listen_fd =
        socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listen_fd < 0)
        return err_set(e, ERR_UNAVAILABLE, "cannot make a socket: %s", strerror(errno));
    TRY(bind_address(o, s->listen_fd, is_v6, e));
    if (getsockname(s->listen_fd, &bound.any, &n) != 0)
        return err_set(e, ERR_INTERNAL, "cannot read the bound address: %s", strerror(errno));
    s->port = ntohs(is_v6 ? bound.v6.sin6_port : bound.v4.sin_port);
    return OK;
}

static enum err_code daemon_open(struct http_server *s, struct err *e)
{
    const struct http_options *o = &s->options;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *) (uintptr_t) TLS_PRIORITIES },
        { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *) (uintptr_t) tls_on_handshake },
        { MHD_OPTION_END, 0, NULL }
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;

    if (o->tls_cert_file) {
        TRY(tls_open(o->tls_cert_file, o->tls_key_file, &s->tls, e));
        flags |= MHD_USE_TLS;
    } else {
        tls[0].option = MHD_OPTION_END;
    }
    s->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, request_on_access, s, MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, s,
        MHD_OPTION_LISTEN_SOCKET, s->listen_fd, MHD_OPTION_CONNECTION_LIMIT, o->connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->connections_per_ip,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->connection_memory_bytes,
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_URI_LOG_CALLBACK,
        request_on_uri, s, MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, conn_notify, s, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (!s->daemon)
        return err_set(e, ERR_UNAVAILABLE,
                       "libmicrohttpd does not start (out of file descriptors?)");
    return OK;
}

static void default_options(struct http_options *o)
{
    if (!o->connection_limit)
        o->connection_limit = 12000;
    if (!o->connection_memory_bytes)
        o->connection_memory_bytes = (size_t) 15 * 1024; /* all of it becomes resident */
    if (!o->receive_deadline_ms)
        o->receive_deadline_ms = 10000;
    if (!o->answer_deadline_ms)
        o->answer_deadline_ms = 30000;
    if (!o->idle_deadline_ms)
        o->idle_deadline_ms = 60000;
    if (!o->send_stall_ms)
        o->send_stall_ms = 30000;
    if (!o->uri_limit_bytes)
        o->uri_limit_bytes = 4096;
    if (!o->body_limit_bytes)
        o->body_limit_bytes = (size_t) 1024 * 1024;
}

/* Twice a second, or finer when a deadline is short (tests). */
static int64_t tick_of(const struct http_options *o)
{
    int64_t least = o->receive_deadline_ms;

    if (o->answer_deadline_ms < least)
        least = o->answer_deadline_ms;
    if (o->send_stall_ms < least)
        least = o->send_stall_ms;
    if (o->idle_deadline_ms < least)
        least = o->idle_deadline_ms;
    return least / 8 > 500 ? 500 : least / 8 < 10 ? 10 : least / 8;
}

static void handles_open(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    assert(info);
    uv_timer_init(s->loop, &s->timer);
    uv_timer_init(s->loop, &s->reaper);
    uv_prepare_init(s->loop, &s->prepare);
    uv_check_init(s->loop, &s->check);
    uv_idle_init(s->loop, &s->again);
    if (uv_poll_init(s->loop, &s->poll, info->epoll_fd) != 0)
        abort(); /* an epoll descriptor that was just made is always pollable */
    s->timer.data = s->reaper.data = s->prepare.data = s->check.data = s->poll.data =
        s->again.data = s;
    s->n_handles = 6;
    uv_poll_start(&s->poll, UV_READABLE, on_poll);
    uv_prepare_start(&s->prepare, on_prepare);
    uv_check_start(&s->check, on_check);
    run(s);
}

enum err_code http_server_open(uv_loop_t *loop, const struct http_options *options,
                               struct http_server **out, struct err *e)
{
    struct http_server *s = xcalloc(1, sizeof *s);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    uint8_t seed[5];
    enum err_code code;

    assert(options->on_request && options->address);
    (void) sigaction(SIGPIPE, &ignore, NULL); /* sendfile(2) has no flag against it */
    s->options = *options;
    default_options(&s->options);
    s->tick_ms = tick_of(&s->options);
    s->loop = loop;
    s->listen_fd = -1;
    random_bytes(seed, sizeof seed);
    base32_lower(seed, 8, s->id_prefix);
    code = listen_open(s, e);
    if (code == OK)
        code = daemon_open(s, e);
    if (code != OK) {
        if (s->listen_fd >= 0)
            (void) close(s->listen_fd);
        tls_close(s->tls);
        free(s);
        return code;
    }
    handles_open(s);
    *out = s;
    return OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

enum err_code http_server_tls_reload(struct http_server *server, struct err *e)
{
    return server->tls ? tls_reload(server->tls, e) : OK;
}

size_t http_server_open_requests(const struct http_server *server)
{
    return server->n_open;
}

void http_server_quiesce(struct http_server *server)
{
    if (server->is_quiesced)
        return;
    server->is_quiesced = true;
    if (MHD_quiesce_daemon(server->daemon) == server->listen_fd)
        (void) close(server->listen_fd);
    for (struct conn *c = server->conns; c; c = c->next)
        if (c->state == CONN_IDLE)
            conn_shutdown(c);
    server_kick(server);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;

    if (--s->n_handles > 0)
        return;
    while (s->pool) {
        struct http_request *rq = s->pool;

        s->pool = rq->next;
        request_free(rq);
    }
    if (s->has_gzip)
        (void) deflateEnd(&s->gzip);
    free(s);
}

/* Nothing may be suspended when the daemon stops: answers go out, streams end, then sockets are
 * shut down. */
static void wind_down(struct http_server *s)
{
    for (struct conn *c = s->conns; c; c = c->next) {
        handshake_resume(c);
        if (c->sse)
            sse_on_stop(c->sse);
        else if (c->rq && c->rq->is_owed && !c->rq->is_answered)
            request_expire(c->rq, "The server is stopping; send the request again.");
    }
    for (int i = 0; i < HTTP_DRAIN_RUNS; i++)
        (void) MHD_run(s->daemon);
    for (struct conn *c = s->conns; c; c = c->next) {
        assert(!c->is_suspended);
        conn_shutdown(c);
    }
}

void http_server_close(struct http_server *server)
{
    struct MHD_Daemon *daemon;

    if (!server)
        return;
    assert(!server->is_running);
    http_server_quiesce(server);
    server->is_closing = true;
    server->is_running = true;
    wind_down(server);
    daemon = server->daemon;
    server->daemon = NULL;
    uv_poll_stop(&server->poll); /* before its descriptor goes */
    MHD_stop_daemon(daemon);
    tls_close(server->tls);
    server->tls = NULL;
    assert(!server->conns);
    conn_linger_drain(server, true);
    for (struct http_request *rq = server->detached; rq; rq = rq->next)
        rq->server = NULL;
    uv_close((uv_handle_t *) &server->poll, on_handle_closed);
    uv_close((uv_handle_t *) &server->again, on_handle_closed);
    uv_close((uv_handle_t *) &server->timer, on_handle_closed);
    uv_close((uv_handle_t *) &server->reaper, on_handle_closed);
    uv_close((uv_handle_t *) &server->prepare, on_handle_closed);
    uv_close((uv_handle_t *) &server->check, on_handle_closed);
}
