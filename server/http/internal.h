/*
 * internal.h - what the files of the http floor share.
 *
 * server.c owns the daemon and the loop handles, connection.c the connections and their deadlines,
 * request.c the way from the first byte to the handler, response.c the way back, sse.c the streams.
 * All of it on the loop thread.
 *
 * Life of a request: taken from the pool when the request line is parsed; `is_bound` while
 * libmicrohttpd knows it, `is_owed` while the handler has it and has not answered. It goes back to
 * the pool when it is neither.
 */
#ifndef STEWARD_HTTP_INTERNAL_H
#define STEWARD_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <zlib.h>

#include "steward/http.h"
#include "steward/str.h"
#include "tls.h"

enum conn_state {
    CONN_FRESH,     /* accepted, no request line yet */
    CONN_RECEIVING, /* a request is on its way in */
    CONN_HANDLING,  /* the handler has it */
    CONN_SENDING,   /* an answer is on its way out */
    CONN_STREAMING, /* server-sent events */
    CONN_IDLE,      /* kept alive between requests */
    CONN_DOOMED     /* shut down by us; libmicrohttpd will notice */
};

struct conn {
    struct conn *next, *prev;
    struct http_server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum conn_state state;
    bool is_suspended; /* out of libmicrohttpd's epoll set: nobody but us looks at the socket */
    bool has_mark;     /* bytes_mark is set */
    bool wants_linger; /* read on for a moment after closing, so that the refusal is not lost in a
                          reset */
    int64_t deadline_ms;
    int64_t progress_ms; /* when the peer last took bytes, or the state began */
    uint64_t bytes_mark; /* bytes received (idle) or acknowledged (sending) at the last look */
    struct http_request *rq;
    struct sse_stream *sse;
    struct handshake *handshake; /* one that waits for its client */
    char peer[INET6_ADDRSTRLEN];
};

#define HTTP_HEADERS_INLINE 12

struct http_request {
    struct http_request *next, *prev; /* pool, or the list of detached requests */
    struct http_server *server;       /* NULL once the server is gone */
    uv_loop_t *loop;
    struct conn *conn; /* NULL once the connection is done with it */
    struct arena arena;
    const char *method, *version;        /* libmicrohttpd's memory until detached */
    const char *wire_uri, *wire_uri_end; /* places in its read buffer; compared, never read */
    char *raw_uri, *raw_path, *raw_query, *path;
    struct http_header_pair *headers; /* in; strings are libmicrohttpd's until detached */
    size_t n_headers;
    struct http_header_pair *query;
    size_t n_query;
    struct buf body;
    size_t body_limit;
    char id[72];
    char peer[INET6_ADDRSTRLEN];
    int64_t started_us;
    void *user;
    void (*end)(struct http_request *rq, void *user);
    struct http_header_pair *out; /* response headers, in the arena or out_inline */
    struct http_header_pair out_inline[HTTP_HEADERS_INLINE];
    size_t n_out, out_capacity;
    struct MHD_Response *response; /* prepared inside the handler, not queued yet */
    int status;
    uint64_t sent_bytes;
    bool is_begun, is_bound, is_owed, is_in_handler, is_answered, is_detached, is_gone,
        is_query_parsed;
    bool is_counted; /* in server->n_open */
    bool is_refused; /* an answer went out past libmicrohttpd */
};

#define HTTP_LINGER_MAX   64
#define HTTP_POOLED_MAX   256
#define HTTP_DRAIN_RUNS   16
#define HTTP_LINGER_MS    2000
#define HTTP_LINGER_BYTES ((size_t) 1024 * 1024)

struct lingerer {
    int fd;
    int64_t until_ms;
    size_t left_bytes;
};

struct http_server {
    struct http_options options;
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    struct tls *tls; /* NULL: plain HTTP */
    int listen_fd;   /* owned by the daemon until quiesced */
    uint16_t port;
    uv_poll_t poll;
    uv_idle_t again; /* the daemon has more to do: in the loop's next turn, after the others */
    uv_timer_t timer, reaper;
    uv_prepare_t prepare;
    uv_check_t check;
    int n_handles; /* not yet closed */
    bool need_run, is_running, is_reaping, is_quiesced, is_closing;
    int64_t tick_ms;
    struct conn *conns;
    unsigned n_conns;
    struct http_request *pool, *detached;
    size_t n_pooled, n_open;
    struct lingerer lingering[HTTP_LINGER_MAX];
    size_t n_lingering;
    z_stream gzip;
    bool has_gzip;
    char id_prefix[16];
    uint64_t n_ids;
};

/* server.c */
void server_kick(
    struct http_server *s); /* something was resumed: run the daemon before the loop sleeps */
void server_make_id(struct http_server *s,
                    char *out); /* "req_", 8 random characters, 10 counting; 23 bytes */
int64_t server_now_ms(const struct http_server *s);
struct http_server *server_running(void); /* whose daemon this thread is running; NULL: none */

/* handshake.c */
void handshake_forget(struct conn *c); /* its socket goes */
void handshake_resume(struct conn *c); /* goes on whether or not the client has said more */

/* connection.c */
void conn_notify(void *cls, struct MHD_Connection *mhd, void **context,
                 enum MHD_ConnectionNotificationCode code);
struct conn *conn_of(struct MHD_Connection *mhd);
/* Every place is taken: others wait in the backlog. */
bool conn_is_crowded(const struct http_server *s);
void conn_set_state(struct conn *c, enum conn_state state, int64_t deadline_ms);
void conn_suspend(struct conn *c);
void conn_resume(struct conn *c);
void conn_shutdown(struct conn *c);
void conn_on_tick(uv_timer_t *timer);
/* Writes an answer past libmicrohttpd, which has no place for one at this point; the caller makes
 * the connection end. */
void conn_send_raw(struct conn *c, const struct problem *p);
void conn_linger_drain(struct http_server *s, bool is_final);

/* request.c */
void *request_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context);
void request_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_RequestTerminationCode code);
/* The handler did not answer in time (or the server stops): 503 goes out in its place. */
void request_expire(struct http_request *rq, const char *detail);
void request_uncount(struct http_request *rq);
void request_settle(struct http_request *rq); /* back to the pool when nobody needs it any more */
void request_free(struct http_request *rq);
bool request_has_pretty(struct http_request *rq);

/* response.c */
/* Sends or drops what was built; every answer passes here. length is the body's, for the sending
 * deadline. */
void response_give(struct http_request *rq, int status, struct MHD_Response *response,
                   uint64_t length);
void response_add_headers(struct http_request *rq, struct MHD_Response *response, const char *type);

/* daemon_errors.c */
/* The library's MHD_queue_response(); the name itself is taken by our interception of its refusals.
 */
enum MHD_Result daemon_queue_response(struct MHD_Connection *mhd, unsigned status,
                                      struct MHD_Response *response);

/* sse.c */
void sse_on_completed(struct sse_stream *s);
void sse_on_tick(struct sse_stream *s, int64_t now_ms);
void sse_on_stop(struct sse_stream *s);
void sse_on_gone(struct sse_stream *s);

/* problem.c */
const char *http_status_words(int status);
void problem_write(struct buf *out, const struct problem *p, const char *instance,
                   const char *request_id);

#endif
