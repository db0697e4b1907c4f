/*
 * http.h - libmicrohttpd inside the libuv loop thread.
 *
 * One thread serves everything short. A handler runs when the request is complete (headers and
 * body); it answers at once or later, always exactly once, always on the loop thread. Slow work
 * never runs here: it is a row for a worker.
 */
#ifndef STEWARD_HTTP_H
#define STEWARD_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "steward/err.h"
#include "steward/mem.h"

struct http_server;
struct http_request;

struct http_header_pair {
    const char *name;
    const char *value;
};

/* ---- server ---- */
struct http_options {    /* zero means the default named here; pointers must outlive the server */
    const char *address; /* "127.0.0.1" or "::1" or "0.0.0.0" */
    uint16_t port;       /* 0: the kernel chooses */
    unsigned connection_limit;      /* 12,000 */
    unsigned connections_per_ip;    /* 0: no limit of its own */
    size_t connection_memory_bytes; /* header pool of a connection; 15 KiB */
    int64_t receive_deadline_ms; /* absolute, from the first byte to the end of the body; 10 s, then
                                    408 */
    int64_t answer_deadline_ms;  /* 30 s, then 503; a handler may lengthen it with http_extend() */
    int64_t
        idle_deadline_ms;   /* a kept-alive connection without a request is closed after it; 60 s */
    int64_t send_stall_ms;  /* a stalled writer is closed after it; 30 s */
    size_t uri_limit_bytes; /* 4 KiB, then 414 */
    const struct http_header_pair
        *default_headers; /* put on every response unless it sets its own; ends with a NULL name */
    const char *const *allowed_hosts; /* Host allow-list without port, NULL-terminated; NULL: any */
    bool is_lint_strict;              /* refuse what smuggling needs before routing */
    size_t body_limit_bytes;          /* 1 MiB; see on_headers */
    /* PEM files; both or none. A server with them speaks TLS 1.2 and 1.3 only; one in a process. */
    const char *tls_cert_file, *tls_key_file;
    /* Optional: called when the headers are complete and before the body is read. Returns the body
       limit in bytes for this request; larger bodies are answered 413 without being read. It may
       answer at once (401, 404, …): the body is then never read, the connection closes after the
       answer, and on_request is not called. */
    size_t (*on_headers)(struct http_request *rq, void *context);
    /* Called when the request is complete. Must lead to exactly one http_respond…() on the loop
     * thread. */
    void (*on_request)(struct http_request *rq, void *context);
    /* Optional: called once per request when it ends, whoever answered it (access log, metrics).
     * See http_status(). */
    void (*on_done)(struct http_request *rq, void *context);
    void *context;
};
MUST_USE enum err_code http_server_open(uv_loop_t *loop, const struct http_options *options,
                                        struct http_server **out, struct err *e);
uint16_t http_server_port(const struct http_server *server);
/* Reads the TLS files again; on failure the certificate stays as it was. */
MUST_USE enum err_code http_server_tls_reload(struct http_server *server, struct err *e);
/* Stops accepting; open requests may finish. */
void http_server_quiesce(struct http_server *server);
size_t http_server_open_requests(const struct http_server *server);
/*
 * Answers what is suspended with 503, stops and frees; loop thread only, never from inside a
 * handler. NULL is fine. The memory goes when the loop has closed the handles: run the loop once
 * more before uv_loop_close(). A handler that still owes an answer may give it later; the answer is
 * dropped.
 */
void http_server_close(struct http_server *server);

/* ---- request: everything borrowed, valid until the response was sent ---- */
const char *http_method(const struct http_request *rq);
const char *http_raw_uri(
    const struct http_request *rq); /* as on the wire: path and query, undecoded */
const char *http_raw_path(const struct http_request *rq);  /* the wire path without the query */
const char *http_raw_query(const struct http_request *rq); /* "" when none */
const char *http_path(const struct http_request *rq);      /* percent-decoded; never holds NUL */
const char *http_header(const struct http_request *rq, const char *name); /* first value or NULL */
/* Calls visit for every header in arrival order. */
void http_headers(const struct http_request *rq,
                  void (*visit)(void *context, const char *name, const char *value), void *context);
const char *http_query(const struct http_request *rq,
                       const char *name); /* decoded, first; NULL when absent */
size_t http_query_count(const struct http_request *rq);
bool http_query_at(const struct http_request *rq, size_t i, const char **name, const char **value);
const char *http_body(const struct http_request *rq, size_t *n); /* never NULL; NUL-terminated */
const char *http_peer(const struct http_request *rq);            /* "127.0.0.1" */
const char *http_request_id(const struct http_request *rq);      /* X-Request-Id given or made */
struct arena *http_arena(struct http_request *rq);               /* lives as long as the request */
int64_t http_started_us(const struct http_request *rq);  /* clock_mono_us() of the first byte */
void http_set_user(struct http_request *rq, void *user); /* the handler's own per-request state */
void *http_user(const struct http_request *rq);
/*
 * Called once when the request ends for any reason (answered or the client went away); frees the
 * user state. It never runs while on_request's answer is still owed: a request that was answered
 * 503 by the deadline, or whose client left, stays valid (headers included) until the handler has
 * responded; that response is dropped.
 */
void http_on_end(struct http_request *rq, void (*end)(struct http_request *rq, void *user));
/* Moves the answer deadline (long polls): milliseconds from now. */
void http_extend(struct http_request *rq, int64_t ms);
/* True when nobody waits for the answer any more (looked at about twice a second while the request
 * waits). */
bool http_is_client_gone(const struct http_request *rq);
bool http_is_answered(const struct http_request *rq);
int http_status(
    const struct http_request *rq); /* of the answer; 0 before, and when the client left first */
uint64_t http_sent_bytes(const struct http_request *rq); /* length of the answer's body */

/* ---- response: headers first, then exactly one respond ---- */
/* Control bytes in a value become blanks, so no reflected text can start a header of its own. An
   empty value removes the header, a default one included. */
void http_set_header(struct http_request *rq, const char *name,
                     const char *value); /* copies; replaces */
void http_add_header(struct http_request *rq, const char *name,
                     const char *value); /* copies; repeats */
/* Copies the body. type may be NULL when n is 0. HEAD answers are cut by the server. Compresses
   with gzip above 1 KiB when the client accepts it and the type is text or JSON. JSON is indented
   when the query has ?pretty. */
void http_respond(struct http_request *rq, int status, const char *type, const void *body,
                  size_t n);
/* Takes the body (free()d later). */
void http_respond_take(struct http_request *rq, int status, const char *type, char *body, size_t n);
/* A body that outlives the server (compiled-in files): neither copied nor compressed. */
void http_respond_static(struct http_request *rq, int status, const char *type, const void *body,
                         size_t n);
/* Sends a file or a part of it (descriptor is closed by the server). */
void http_respond_fd(struct http_request *rq, int status, const char *type, int fd, uint64_t offset,
                     uint64_t n);
/* Closes the connection without a byte of an answer (injected faults); counts as the one respond.
 */
void http_cut(struct http_request *rq);
/* application/json of a value (borrowed); ?pretty indents. */
void http_respond_json(struct http_request *rq, int status, const json_t *value);

/* ---- problem+json (RFC 9457) ---- */
struct problem {
    int status;
    const char *code;   /* stable slug; the type is "/problems/<code>" */
    const char *title;  /* NULL: the status' words */
    const char *detail; /* one sentence: what and what to do */
    json_t *errors;     /* borrowed list of {pointer, code, detail}; NULL: none */
    json_t *extra;      /* borrowed object whose members are added; NULL: none */
    bool is_retryable;
    int retry_after_s; /* 0: no header */
};
void http_problem(struct http_request *rq, const struct problem *p);
/* The usual case: an error value becomes a problem (5xx hide the detail and log it with the request
 * id). */
void http_problem_err(struct http_request *rq, const struct err *e);

/* ---- server-sent events ---- */
struct sse_stream; /* one connected client; owned by the server */
/* Answers 200 text/event-stream and keeps the connection. on_writable is called on the loop thread
   whenever the client took everything given so far; on_close once when it is gone (also for
   slowness: a write stalled for 30 s). */
struct sse_options {
    void (*on_writable)(struct sse_stream *s, void *user);
    void (*on_close)(struct sse_stream *s, void *user);
    void *user;
    int64_t heartbeat_ms; /* comment line when idle; 0: 15 s */
};
/* on_close comes exactly once for every stream, also for one that never got going. */
struct sse_stream *http_respond_sse(struct http_request *rq, const struct sse_options *options);
/* Queues bytes of whole frames (copied). Returns the number of bytes now waiting to be taken. */
size_t sse_write(struct sse_stream *s, const char *frames, size_t n);
size_t sse_pending(const struct sse_stream *s);
/* Ends the stream after what is pending; on_close follows later, from the loop. */
void sse_close(struct sse_stream *s);

/* ---- router: a table of routes becomes a matcher ---- */
struct route_match {
    size_t route; /* index into the table given to router_new */
    const char
        *params[6]; /* decoded values of {…} in order of appearance (in the request's arena) */
    size_t n_params;
};
struct router;
struct router_entry {
    const char *method; /* "GET" */
    const char *path;   /* "/configs/{name}/versions/{n}"; a literal segment wins over {…};
                           "{rest...}" takes the rest */
};
/* Copies the entries, not their strings. */
struct router *router_new(const struct router_entry *entries, size_t count);
void router_free(struct router *r);
enum router_verdict { ROUTER_FOUND, ROUTER_NOT_FOUND, ROUTER_METHOD_NOT_ALLOWED };
/* HEAD matches GET. On METHOD_NOT_ALLOWED, allow (size bytes) gets "GET, HEAD, POST" (asking for
   OPTIONS is how one learns it). path is the raw wire path. A literal that knows the path but not
   the method gives way to {…} that knows both. */
enum router_verdict router_match(const struct router *r, const char *method, const char *raw_path,
                                 struct route_match *match, struct arena *arena, char *allow,
                                 size_t size);

#endif
