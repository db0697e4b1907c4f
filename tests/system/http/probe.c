/*
 * probe.c - a server of nothing but the http floor, for tests/system/test_http_floor.py.
 *
 * Prints "port N" and serves until SIGTERM. Options come as NAME=VALUE arguments (see
 * option_table).
 *
 *   GET  /static           1 KiB of JSON, at once
 *   ANY  /echo             JSON of what was received: method, path, query, headers, body length and
 * SHA-256 GET  /delay?ms=N       answers from a timer (suspended meanwhile) GET  /never never
 * answers by itself; the deadline does GET  /late?ms=N        like delay, but meant to come after
 * the deadline GET  /big?n=N          N bytes of text/plain GET  /json?n=N         an array of N
 * numbers GET  /fd?n=N&offset=N  a part of a temporary file GET  /sse?n=N&ms=N     N numbered
 * events, one every ms; size=N makes them bigger GET  /flood            events as fast as the
 * client takes them GET  /header?v=TEXT    reflects v in a response header GET  /problem          a
 * problem with errors and extra members ANY  /count            adds one to the counter of
 * executions; GET /counters reads all counters PUT  /huge             like echo, but 64 MiB are
 * welcome POST /early            answered 401 by on_headers, before the body
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "steward/http.h"
#include "steward/log.h"
#include "steward/str.h"

static struct {
    uint64_t executed, ended, done, gone, sse_open, sse_closed, late_dropped;
} counters;

static struct http_server *server;
static char text_1k[1025];

struct wait {
    uv_timer_t timer;
    struct http_request *rq;
};

struct feed {
    uv_timer_t timer;
    struct sse_stream *stream;
    int64_t next, n, size;
    bool is_flood;
};

static int64_t number(const struct http_request *rq, const char *name, int64_t fallback)
{
    const char *text = http_query(rq, name);
    int64_t n;

    return text && str_to_i64(text, 0, INT64_MAX, &n) ? n : fallback;
}

static void on_end(struct http_request *rq, void *user)
{
    (void) rq;
    (void) user;
    counters.ended++;
}

/* ---- handlers ---- */

static void get_static(struct http_request *rq)
{
    http_respond(rq, 200, "application/json", text_1k, sizeof text_1k - 1);
}

static void add_header(void *context, const char *name, const char *value)
{
    json_array_append_new(context, json_pack("[s,s+]", name, value, ""));
}

static void echo(struct http_request *rq)
{
    AUTO_JSON json_t *o = json_object();
    json_t *query = json_object(), *headers = json_array();
    char hash[HEX_SHA256];
    size_t n;
    const char *body = http_body(rq, &n), *name, *value;

    sha256_hex(body, n, hash);
    for (size_t i = 0; http_query_at(rq, i, &name, &value); i++)
        json_object_set_new(query, name, json_string(value));
    http_headers(rq, add_header, headers);
    json_object_set_new(o, "method", json_string(http_method(rq)));
    json_object_set_new(o, "rawUri", json_string(http_raw_uri(rq)));
    json_object_set_new(o, "rawPath", json_string(http_raw_path(rq)));
    json_object_set_new(o, "rawQuery", json_string(http_raw_query(rq)));
    json_object_set_new(o, "path", json_string(http_path(rq)));
    json_object_set_new(o, "query", query);
    json_object_set_new(o, "headers", headers);
    json_object_set_new(o, "bodyBytes", json_integer((json_int_t) n));
    json_object_set_new(o, "bodySha256", json_string(hash));
    json_object_set_new(o, "peer", json_string(http_peer(rq)));
    json_object_set_new(o, "requestId", json_string(http_request_id(rq)));
    http_respond_json(rq, 200, o);
}

static void on_wait(uv_timer_t *timer)
{
    struct wait *w = timer->data;

    if (http_is_client_gone(w->rq)) {
        counters.gone++;
        if (http_header(w->rq, "Host")) /* still readable */
            counters.late_dropped += http_is_answered(w->rq);
    }
    http_respond(w->rq, 200, "text/plain", "waited\n", 7);
    uv_close((uv_handle_t *) timer, (uv_close_cb) free);
}

static void delay(struct http_request *rq)
{
    struct wait *w = xcalloc(1, sizeof *w);

    w->rq = rq;
    uv_timer_init(uv_default_loop(), &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, on_wait, (uint64_t) number(rq, "ms", 50), 0);
    if (http_query(rq, "extend"))
        http_extend(rq, number(rq, "extend", 0));
}

static struct http_request *forgotten[4096];
static size_t n_forgotten;

static void never(struct http_request *rq)
{
    if (n_forgotten < ARRAY_LEN(forgotten))
        forgotten[n_forgotten++] = rq;
}

static void big(struct http_request *rq)
{
    size_t n = (size_t) number(rq, "n", 4096);
    char *body = xmalloc(n + 1);

    for (size_t i = 0; i < n; i++)
        body[i] = (char) ('a' + i % 26);
    http_respond_take(rq, 200, "text/plain; charset=utf-8", body, n);
}

static void json(struct http_request *rq)
{
    AUTO_JSON json_t *list = json_array();
    int64_t n = number(rq, "n", 3);

    for (int64_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer(i));
    http_respond_json(rq, 200, list);
}

static void file(struct http_request *rq)
{
    FILE *f = tmpfile();
    uint64_t n = (uint64_t) number(rq, "n", 100000), offset = (uint64_t) number(rq, "offset", 0);

    if (!f)
        abort();
    for (uint64_t i = 0; i < offset + n; i++)
        (void) fputc('0' + (int) (i % 10), f);
    (void) fflush(f);
    http_respond_fd(rq, 200, "application/octet-stream", dup(fileno(f)), offset, n);
    (void) fclose(f);
}

static void reflect(struct http_request *rq)
{
    const char *v = http_query(rq, "v");

    http_set_header(rq, "X-Reflected", v ? v : "");
    http_set_header(rq, "Cache-Control", "max-age=60");
    http_add_header(rq, "X-Twice", "1");
    http_add_header(rq, "X-Twice", "2");
    http_respond(rq, 204, NULL, NULL, 0);
}

static void problem(struct http_request *rq)
{
    AUTO_JSON json_t *errors = json_pack("[{s:s,s:s,s:s}]", "pointer", "/a/0", "code", "required",
                                         "detail", "a is required");
    AUTO_JSON json_t *extra = json_pack("{s:{s:s}}", "upstream", "service", "personalize");
    struct problem p = { .status = 422,
                         .code = "invalid-config",
                         .detail = "One problem.",
                         .errors = errors,
                         .extra = extra,
                         .retry_after_s = 7 };

    http_problem(rq, &p);
}

static void count(struct http_request *rq)
{
    counters.executed++;
    http_respond(rq, 200, "text/plain", "counted\n", 8);
}

static void show_counters(struct http_request *rq)
{
    AUTO_JSON json_t *o = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "executed", (json_int_t) counters.executed, "ended",
        (json_int_t) counters.ended, "done", (json_int_t) counters.done, "gone",
        (json_int_t) counters.gone, "sseOpen", (json_int_t) counters.sse_open, "sseClosed",
        (json_int_t) counters.sse_closed, "lateDropped", (json_int_t) counters.late_dropped, "open",
        (json_int_t) http_server_open_requests(server));

    http_respond_json(rq, 200, o);
}

/* ---- streams ---- */

static void feed_frame(struct feed *f)
{
    AUTO_BUF struct buf frame = { 0 };

    buf_printf(&frame, "id: %lld\ndata: ", (long long) f->next++);
    for (int64_t i = 0; i < f->size; i++)
        buf_addc(&frame, 'x');
    buf_adds(&frame, "\n\n");
    (void) sse_write(f->stream, frame.data, frame.length);
}

static void on_feed_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_close(struct sse_stream *s, void *user)
{
    struct feed *f = user;

    (void) s;
    f->stream = NULL;
    counters.sse_closed++;
    uv_close((uv_handle_t *) &f->timer, on_feed_closed);
}

static void on_writable(struct sse_stream *s, void *user)
{
    struct feed *f = user;

    (void) s;
    if (f->is_flood)
        feed_frame(f);
}

static void on_feed(uv_timer_t *timer)
{
    struct feed *f = timer->data;

    if (!f->stream)
        return;
    if (f->next < f->n) {
        feed_frame(f);
    } else {
        uv_timer_stop(timer);
        sse_close(f->stream);
    }
}

static void stream(struct http_request *rq)
{
    struct feed *f = xcalloc(1, sizeof *f);
    struct sse_options o = { .on_writable = on_writable,
                             .on_close = on_close,
                             .user = f,
                             .heartbeat_ms = number(rq, "heartbeat", 0) };
    int64_t ms = number(rq, "ms", 1);

    counters.sse_open++;
    f->n = number(rq, "n", 5);
    f->size = number(rq, "size", 4);
    f->is_flood = str_eq(http_path(rq), "/flood");
    uv_timer_init(uv_default_loop(), &f->timer);
    f->timer.data = f;
    f->stream = http_respond_sse(rq, &o);
    if (!f->is_flood && f->n > 0)
        uv_timer_start(&f->timer, on_feed, (uint64_t) ms, (uint64_t) (ms > 0 ? ms : 1));
}

/* ---- the table ---- */

static const struct router_entry entries[] = {
    { "GET", "/static" },
    { "GET", "/echo" },
    { "POST", "/echo" },
    { "PUT", "/echo" },
    { "GET", "/echo/{rest...}" },
    { "DELETE", "/echo" },
    { "PATCH", "/echo" },
    { "GET", "/delay" },
    { "GET", "/never" },
    { "GET", "/late" },
    { "GET", "/big" },
    { "GET", "/json" },
    { "GET", "/fd" },
    { "GET", "/sse" },
    { "GET", "/flood" },
    { "GET", "/header" },
    { "GET", "/problem" },
    { "GET", "/count" },
    { "POST", "/count" },
    { "GET", "/counters" },
    { "PUT", "/huge" },
    { "POST", "/early" },
    { "GET", "/healthz" },
};
static void (*const handlers[])(struct http_request *rq) = {
    get_static, echo,  echo,  echo,          echo, echo,   echo,       delay,
    never,      delay, big,   json,          file, stream, stream,     reflect,
    problem,    count, count, show_counters, echo, echo,   get_static,
};
static struct router *router;

static void on_request(struct http_request *rq, void *context)
{
    struct route_match match;
    char allow[64];
    struct problem p = { .status = 404, .detail = "There is nothing here." };

    (void) context;
    http_on_end(rq, on_end);
    switch (router_match(router, http_method(rq), http_raw_path(rq), &match, http_arena(rq), allow,
                         sizeof allow)) {
    case ROUTER_FOUND:
        handlers[match.route](rq);
        return;
    case ROUTER_METHOD_NOT_ALLOWED:
        http_set_header(rq, "Allow", allow);
        p.status = 405;
        p.detail = "This path knows other methods; see Allow.";
        break;
    case ROUTER_NOT_FOUND:
        break;
    }
    http_problem(rq, &p);
}

static size_t on_headers(struct http_request *rq, void *context)
{
    struct problem p = { .status = 401, .detail = "Who are you?" };

    (void) context;
    if (str_eq(http_raw_path(rq), "/early")) {
        http_problem(rq, &p);
        return 0;
    }
    return str_eq(http_raw_path(rq), "/huge") ? 64 * 1024 * 1024 : 1024 * 1024;
}

static void on_done(struct http_request *rq, void *context)
{
    (void) rq;
    (void) context;
    counters.done++;
}

/* ---- main ---- */

static void on_signal(uv_signal_t *handle, int signum)
{
    (void) signum;
    http_server_close(server);
    while (n_forgotten > 0) /* what is still owed may be answered after the server is gone */
        http_respond(forgotten[--n_forgotten], 200, NULL, NULL, 0);
    uv_close((uv_handle_t *) handle, NULL);
}

static bool set_option(struct http_options *o, const char *argument)
{
    const char *value = strchr(argument, '=');
    int64_t n;
    struct {
        const char *name;
        int64_t *at;
    } const table[] = {
        { "receive_ms=", &o->receive_deadline_ms },
        { "answer_ms=", &o->answer_deadline_ms },
        { "idle_ms=", &o->idle_deadline_ms },
        { "stall_ms=", &o->send_stall_ms },
    };

    if (!value || !str_to_i64(value + 1, 0, INT64_MAX, &n))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (str_starts(argument, table[i].name)) {
            *table[i].at = n;
            return true;
        }
    if (str_starts(argument, "port="))
        o->port = (uint16_t) n;
    else if (str_starts(argument, "per_ip="))
        o->connections_per_ip = (unsigned) n;
    else if (str_starts(argument, "strict="))
        o->is_lint_strict = n != 0;
    else if (str_starts(argument, "pool="))
        o->connection_memory_bytes = (size_t) n;
    else if (str_starts(argument, "limit="))
        o->connection_limit = (unsigned) n;
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static const struct http_header_pair headers[] = { { "X-Content-Type-Options", "nosniff" },
                                                       { "Cache-Control", "no-store" },
                                                       { NULL, NULL } };
    static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]", NULL };
    struct http_options o = { .address = "127.0.0.1",
                              .allowed_hosts = hosts,
                              .is_lint_strict = true,
                              .default_headers = headers,
                              .on_headers = on_headers,
                              .on_request = on_request,
                              .on_done = on_done };
    struct err e;
    uv_signal_t term;

    mem_init();
    log_init(LOG_INFO, false);
    (void) snprintf(text_1k, sizeof text_1k, "{\"pad\":\"%01014d\"}", 0);
    for (int i = 1; i < argc; i++)
        if (!set_option(&o, argv[i])) {
            (void) fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
    router = router_new(entries, ARRAY_LEN(entries));
    if (http_server_open(uv_default_loop(), &o, &server, &e) != OK) {
        (void) fprintf(stderr, "%s\n", e.message);
        return 1;
    }
    uv_signal_init(uv_default_loop(), &term);
    uv_signal_start(&term, on_signal, SIGTERM);
    printf("port %u\n", http_server_port(server));
    (void) fflush(stdout);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    router_free(router);
    return uv_loop_close(uv_default_loop()) == 0 ? 0 : 3;
}
