/*
 * connection.c - connections: their states, their deadlines, and what happens when one passes.
 *
 * Every state but CONN_DOOMED has an absolute deadline, looked at by one timer (the tick) that runs
 * only while there are connections. Nothing here counts inactivity, so a client that drips a byte a
 * second gains nothing by it.
 *
 *   FRESH      no request line yet   receive deadline since accept   408 when something came, then
 * shut down RECEIVING  on its way in         receive deadline                408, shut down
 *   HANDLING   the handler has it    answer deadline                 503 in its place
 *   SENDING    on its way out        30 s + what 8 KiB/s needs, and  shut down
 *                                    nothing taken for 30 s
 *   STREAMING  server-sent events    see sse.c
 *   IDLE       between requests      idle deadline; becomes FRESH with the first byte of the next
 * request
 *
 * When every place is taken, whoever has nothing to say makes room for those who wait in the
 * backlog: answers close their connections, idle ones are shut down, and a new one has two seconds
 * for its first byte.
 *
 * The daemon, the tick and the CLOSED notification share the loop thread, so a descriptor seen here
 * is open: the notification comes before close(2) and takes the connection off the list.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "tcp_bytes.h"

#define LINGER_TICK_MS   20
#define CROWDED_FRESH_MS 2000
#define CROWDED_IDLE_MS  500
#define CROWDED_SHARE    8 /* of the places are taken back by one tick, at most */

static void address_text(const struct sockaddr *address, char out[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

    out[0] = '\0';
    if (address && address->sa_family == AF_INET)
        (void) inet_ntop(AF_INET, &((const struct sockaddr_in *) address)->sin_addr, out,
                         INET6_ADDRSTRLEN);
    else if (address && address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        (void) inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, out, INET6_ADDRSTRLEN);
    else if (address && address->sa_family == AF_INET6)
        (void) inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN);
}

static void start_ticking(struct http_server *s, int64_t every_ms)
{
    s->is_reaping = true;
    uv_timer_start(&s->reaper, conn_on_tick, (uint64_t) every_ms, (uint64_t) every_ms);
}

static struct conn *conn_new(struct http_server *s, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *peer =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct conn *c = xcalloc(1, sizeof *c);

    c->server = s;
    c->mhd = mhd;
    c->fd = fd->connect_fd;
    if (s->tls)
        gnutls_session_set_ptr(
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session, c);
    address_text(peer ? peer->client_addr : NULL, c->peer);
    conn_set_state(c, CONN_FRESH, server_now_ms(s) + s->options.receive_deadline_ms);
    c->next = s->conns;
    if (s->conns)
        s->conns->prev = c;
    s->conns = c;
    s->n_conns++;
    if (!s->is_reaping)
        start_ticking(s, s->tick_ms);
    return c;
}

/* Takes the socket over for a moment: closing it with unread bytes would reset the answer away. */
static void linger_add(struct conn *c)
{
    struct http_server *s = c->server;
    int fd;

    if (s->n_lingering == HTTP_LINGER_MAX || s->is_closing)
        return;
    fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void) shutdown(fd, SHUT_WR);
    s->lingering[s->n_lingering++] = (struct lingerer){
        .fd = fd, .until_ms = server_now_ms(s) + HTTP_LINGER_MS, .left_bytes = HTTP_LINGER_BYTES
    };
    start_ticking(s, LINGER_TICK_MS < s->tick_ms ? LINGER_TICK_MS : s->tick_ms);
}

static void conn_free(struct conn *c)
{
    struct http_server *s = c->server;

    handshake_forget(c);
    if (c->wants_linger)
        linger_add(c);
    /* At its limit the daemon stops listening, and listens again only in its next run; nothing else
     * would wake it. */
    s->need_run = true;
    s->n_conns--;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    free(c);
}

void conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
                 enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = conn_new(cls, mhd);
    } else if (*context) {
        conn_free(*context);
        *context = NULL;
    }
}

struct conn *conn_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

bool conn_is_crowded(const struct http_server *s)
{
    return s->n_conns >= s->options.connection_limit;
}

void conn_set_state(struct conn *c, enum conn_state state, int64_t deadline_ms)
{
    if (c->state == CONN_DOOMED)
        return;
    c->state = state;
    c->deadline_ms = deadline_ms;
    c->progress_ms = server_now_ms(c->server);
    c->has_mark = false;
}

void conn_suspend(struct conn *c)
{
    MHD_suspend_connection(c->mhd);
    c->is_suspended = true;
}

void conn_resume(struct conn *c)
{
    if (!c->is_suspended)
        return;
    c->is_suspended = false;
    MHD_resume_connection(c->mhd);
    server_kick(c->server);
}

void conn_shutdown(struct conn *c)
{
    if (c->state == CONN_DOOMED)
        return;
    c->state = CONN_DOOMED;
    (void) shutdown(c->fd, SHUT_RDWR);
}

/* A client that has not finished its TLS handshake would not understand a word. */
static bool send_now(const struct conn *c, const char *text, size_t n)
{
    const union MHD_ConnectionInfo *info;

    if (!c->server->tls)
        return send(c->fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info && tls_send(info->tls_session, text, n);
}

void conn_send_raw(struct conn *c, const struct problem *p)
{
    AUTO_BUF struct buf body = { 0 };
    AUTO_BUF struct buf head = { 0 };
    const struct http_header_pair *h = c->server->options.default_headers;
    char made[sizeof c->rq->id];
    const char *id = made;

    if (c->rq && c->rq->id[0])
        id = c->rq->id;
    else
        server_make_id(c->server, made);
    problem_write(&body, p, c->rq ? http_raw_path(c->rq) : NULL, id);
    buf_printf(&head,
               "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
               "Content-Length: %zu\r\n",
               p->status, http_status_words(p->status), body.length);
    buf_printf(&head, "X-Request-Id: %s\r\n", id);
    for (; h && h->name; h++)
        buf_printf(&head, "%s: %s\r\n", h->name, h->value);
    buf_adds(&head, "\r\n");
    buf_add(&head, body.data, body.length);
    /* At most about 2 KiB on a socket we have not written to: it fits, or the client is not worth
     * waiting for. */
    if (!send_now(c, head.data, head.length))
        conn_shutdown(c);
    if (c->rq)
        c->rq->status = p->status;
}

/* The first byte of the next request starts its receive deadline, though no request line is
 * complete. */
static void watch_idle(struct conn *c, int64_t now_ms)
{
    struct tcp_bytes bytes;

    if (now_ms >= c->deadline_ms) {
        conn_shutdown(c);
        return;
    }
    if (!tcp_bytes_read(c->fd, &bytes))
        return;
    if (bytes.is_half_closed && c->has_mark && bytes.received == c->bytes_mark) {
        conn_shutdown(c); /* its end came along with its last request, which the daemon overlooks */
    } else if (!c->has_mark) {
        c->bytes_mark = bytes.received;
        c->has_mark = true;
    } else if (bytes.received != c->bytes_mark) {
        conn_set_state(c, CONN_FRESH, now_ms + c->server->options.receive_deadline_ms);
    }
}

/* A reader that takes nothing for send_stall_ms is as gone as one that is slower than the deadline
 * allows. */
static void watch_sending(struct conn *c, int64_t now_ms)
{
    struct tcp_bytes bytes;

    if (now_ms < c->deadline_ms && tcp_bytes_read(c->fd, &bytes) &&
        (!c->has_mark || bytes.acked != c->bytes_mark)) {
        c->bytes_mark = bytes.acked;
        c->has_mark = true;
        c->progress_ms = now_ms;
    }
    if (now_ms >= c->deadline_ms || now_ms - c->progress_ms >= c->server->options.send_stall_ms)
        conn_shutdown(c);
}

static void refuse_slow(struct conn *c)
{
    struct tcp_bytes bytes;
    struct problem p = {
        .status = 408,
        .code = "request-timeout",
        .is_retryable = true,
        .detail = "The request did not arrive completely within the time allowed for receiving one."
    };

    if (c->state == CONN_RECEIVING || (tcp_bytes_read(c->fd, &bytes) && bytes.received > 0))
        conn_send_raw(c, &p);
    conn_shutdown(c);
}

static void watch(struct conn *c, int64_t now_ms)
{
    bool is_late = now_ms >= c->deadline_ms;

    switch (c->state) {
    case CONN_FRESH:
    case CONN_RECEIVING:
        if (is_late)
            refuse_slow(c);
        break;
    case CONN_HANDLING:
        if (is_late && c->rq && !c->rq->is_answered)
            request_expire(c->rq, "The answer took too long; the work may go on. Look at its state "
                                  "before repeating.");
        break;
    case CONN_SENDING:
        watch_sending(c, now_ms);
        break;
    case CONN_STREAMING:
        if (c->sse)
            sse_on_tick(c->sse, now_ms);
        break;
    case CONN_IDLE:
        watch_idle(c, now_ms);
        break;
    case CONN_DOOMED:
        break;
    }
}

/* A suspended connection is in nobody's epoll set: ask the kernel who hung up, all in one call. */
static void watch_suspended(struct http_server *s)
{
    AUTO_FREE struct pollfd *fds = NULL;
    AUTO_FREE struct conn **owners = NULL;
    nfds_t n = 0;

    for (struct conn *c = s->conns; c; c = c->next)
        n += c->is_suspended;
    if (n == 0)
        return;
    fds = xcalloc(n, sizeof *fds);
    owners = xcalloc(n, sizeof(struct conn *));
    n = 0;
    for (struct conn *c = s->conns; c; c = c->next) {
        if (!c->is_suspended)
            continue;
        owners[n] = c;
        fds[n++] = (struct pollfd){ .fd = c->fd, .events = POLLRDHUP };
    }
    if (poll(fds, n, 0) <= 0)
        return;
    for (nfds_t i = 0; i < n; i++) {
        if (!(fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)))
            continue;
        if (owners[i]->sse)
            sse_on_gone(owners[i]->sse);
        else if (owners[i]->rq)
            owners[i]->rq->is_gone = true;
    }
}

/* True when the lingering socket is done with. */
static bool linger_drain(struct lingerer *l, int64_t now_ms)
{
    char scratch[16384];
    ssize_t n = 1;

    while (l->left_bytes > 0 && (n = recv(l->fd, scratch, sizeof scratch, MSG_DONTWAIT)) > 0)
        l->left_bytes -= (size_t) n > l->left_bytes ? l->left_bytes : (size_t) n;
    return n == 0 || l->left_bytes == 0 || now_ms >= l->until_ms;
}

void conn_linger_drain(struct http_server *s, bool is_final)
{
    for (size_t i = 0; i < s->n_lingering;) {
        if (linger_drain(&s->lingering[i], server_now_ms(s)) || is_final) {
            (void) close(s->lingering[i].fd);
            s->lingering[i] = s->lingering[--s->n_lingering];
        } else {
            i++;
        }
    }
}

static bool has_nothing_to_say(const struct conn *c, int64_t now_ms)
{
    struct tcp_bytes bytes;
    int64_t since_ms = now_ms - c->progress_ms;

    if (c->state == CONN_IDLE)
        return since_ms >= CROWDED_IDLE_MS;
    return c->state == CONN_FRESH && since_ms >= CROWDED_FRESH_MS &&
           tcp_bytes_read(c->fd, &bytes) && bytes.received == 0;
}

static void make_room(struct http_server *s, int64_t now_ms)
{
    unsigned most = s->options.connection_limit / CROWDED_SHARE + 1, n = 0;

    if (!conn_is_crowded(s))
        return;
    for (struct conn *c = s->conns; c && n < most; c = c->next) {
        if (!has_nothing_to_say(c, now_ms))
            continue;
        conn_shutdown(c);
        n++;
    }
}

void conn_on_tick(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    int64_t now_ms = server_now_ms(s);
    bool had_lingering = s->n_lingering > 0;

    for (struct conn *c = s->conns; c; c = c->next)
        watch(c, now_ms);
    make_room(s, now_ms);
    watch_suspended(s);
    conn_linger_drain(s, false);
    if (!s->conns && s->n_lingering == 0) {
        uv_timer_stop(&s->reaper);
        s->is_reaping = false;
    } else if (had_lingering && s->n_lingering == 0) {
        start_ticking(s, s->tick_ms);
    }
}
