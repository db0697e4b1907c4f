/*
 * dispatch.c - from a complete request to its handler, in the order that gives nothing away: route,
 * token, scope, query, body type; objects are looked up only then.
 */
#include <arpa/inet.h>
#include <string.h>

#include "api_private.h"
#include "hook.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/log.h"

#define IN_FLIGHT_DEFAULT 256
#define KEY_MAX           255
#define REFUSALS_TOLD     5 /* lines a second */

/* Documents are for machines and this site's own pages: nothing of them may run, be framed or be
 * guessed at. */
/* clang-format off */
#define DEFAULT_HEADERS                                                                            \
    { "Content-Security-Policy",                                                                   \
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "            \
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "          \
      "require-trusted-types-for 'script'" },                                                      \
    { "X-Content-Type-Options", "nosniff" },                                                       \
    { "Referrer-Policy", "no-referrer" },                                                          \
    { "Cross-Origin-Opener-Policy", "same-origin" },                                               \
    { "Cross-Origin-Resource-Policy", "same-origin" },                                             \
    { "Permissions-Policy", "camera=(), geolocation=(), microphone=()" },                          \
    { "Cache-Control", "no-store" }
/* clang-format on */
const struct http_header_pair api_default_headers[] = { DEFAULT_HEADERS, { NULL, NULL } };
const struct http_header_pair api_default_headers_tls[] = {
    DEFAULT_HEADERS, { "Strict-Transport-Security", "max-age=31536000" }, { NULL, NULL }
};

struct api *api_new(const struct api_options *options)
{
    struct api *api = xcalloc(1, sizeof *api);

    api->options = *options;
    if (!api->options.in_flight_limit)
        api->options.in_flight_limit = IN_FLIGHT_DEFAULT;
    api->entries = xcalloc(n_api_routes, sizeof *api->entries);
    for (size_t i = 0; i < n_api_routes; i++)
        api->entries[i] = (struct router_entry){ api_routes[i].method, api_routes[i].path };
    api->router = router_new(api->entries, n_api_routes);
    api->auth = auth_cache_new();
    api->answers = answer_cache_new();
    api->refusals = refusals_new(api);
    api->metrics = metrics_new();
    api->certificates = sns_certificates_new(api);
    api->feed = feed_new(api);
    return api;
}

void api_attach(struct api *api, struct db *db, const struct plan_settings *settings)
{
    api->db = db;
    api->settings = settings;
    feed_start(api->feed);
}

void api_on_events(struct api *api)
{
    feed_poke(api->feed);
}

void api_quiesce(struct api *api)
{
    api->is_quiescing = true;
    refusals_flush(api->refusals);
    sns_certificates_flush(api->certificates);
    feed_stop(api->feed);
}

void api_close(struct api *api)
{
    feed_close(api->feed);
    refusals_close(api->refusals);
    auth_cache_free(api->auth);
    answer_cache_free(api->answers);
    metrics_free(api->metrics);
    sns_certificates_free(api->certificates);
    router_free(api->router);
    free(api->entries);
    free(api);
}

static void ended(struct http_request *rq, void *user)
{
    struct call *c = user;

    (void) rq;
    if (c->is_in_flight)
        c->api->in_flight--;
    json_decref(c->body);
    if (c->state && c->state_done)
        c->state_done(c->state);
}

/* Shedding load must not become the load: of these, a few a second are told. */
static bool is_worth_a_line(struct api *api, int status)
{
    int64_t second = clock_mono_ms() / 1000;

    if (status != 503)
        return true;
    if (second != api->refusal_second) {
        api->refusal_second = second;
        api->refusals_told = 0;
    }
    return api->refusals_told++ < REFUSALS_TOLD;
}

void api_on_done(struct http_request *rq, void *context)
{
    struct api *api = context;
    struct call *c = http_user(rq);
    int status = http_status(rq);
    int64_t us = clock_mono_us() - http_started_us(rq);
    bool is_read = str_eq(http_method(rq), "GET") || str_eq(http_method(rq), "HEAD");
    enum log_level level = status >= 500             ? LOG_WARN
                           : is_read && status < 400 ? LOG_DEBUG
                                                     : LOG_INFO;

    metrics_count(api->metrics, c ? c->route : NULL, status, us);
    if (log_is_on(level) && is_worth_a_line(api, status))
        log_event(
            level, "http", "request",
            "method=%s path=%s status=%d us=%lld bytes=%llu peer=%s token=%s request=%s%s%.32s",
            log_quote(http_method(rq)), log_quote(http_path(rq)), status, (long long) us,
            (unsigned long long) http_sent_bytes(rq), http_peer(rq),
            c && c->who.token_id[0] ? c->who.token_id : "-", log_quote(http_request_id(rq)),
            c && c->traceparent ? " trace=" : "", c && c->traceparent ? c->traceparent + 3 : "");
}

size_t api_on_headers(struct http_request *rq, void *context)
{
    (void) rq;
    (void) context;
    return (size_t) 1 << 20;
}

static bool is_json_type(const char *type)
{
    size_t n = type ? strcspn(type, "; \t") : 0;

    return n && (strncasecmp(type, "application/json", n > 16 ? n : 16) == 0 ||
                 (n > 17 && strncasecmp(type, "application/", 12) == 0 &&
                  strncasecmp(type + n - 5, "+json", 5) == 0));
}

/* JSON is UTF-8 (RFC 8259); another charset is a body that we would misread. */
static bool is_charset_ours(const char *type)
{
    const char *p = type ? strchr(type, ';') : NULL;

    for (; p; p = strchr(p, ';')) {
        size_t quote, n;

        p += 1 + strspn(p + 1, " \t");
        if (strncasecmp(p, "charset=", 8) != 0)
            continue;
        quote = p[8] == '"';
        n = strcspn(p + 8 + quote, "\"; \t");
        return (n == 5 && strncasecmp(p + 8 + quote, "utf-8", n) == 0) ||
               (n == 4 && strncasecmp(p + 8 + quote, "utf8", n) == 0) ||
               (n == 8 && strncasecmp(p + 8 + quote, "us-ascii", n) == 0);
    }
    return true;
}

/* A browser that sends a form or another site's script gets no further. */
static bool check_body_type(struct call *c)
{
    const char *type = http_header(c->rq, "Content-Type");
    const char *site = http_header(c->rq, "Sec-Fetch-Site");
    const char *coding = http_header(c->rq, "Content-Encoding");
    size_t n;

    (void) http_body(c->rq, &n);
    if (!str_eq(c->route->method, "GET") && !c->is_allowed_origin && site &&
        !str_eq(site, "same-origin") && !str_eq(site, "none")) {
        answer_problem(c, 403, "cross-site", "Requests from pages of other sites are refused.");
        return false;
    }
    if (c->route->body == BODY_NONE) {
        if (n == 0)
            return true;
        answer_problem(c, 400, "unexpected-body", "This request takes no body.");
        return false;
    }
    if (c->route->body == BODY_ANY || (n == 0 && c->route->body == BODY_OPTIONAL))
        return true;
    if (coding && strcasecmp(coding, "identity") != 0) {
        answer_problemf(c, 415, "unsupported-media-type",
                        "Bodies are read as they come: send it without Content-Encoding \"%.80s\".",
                        coding);
        return false;
    }
    if (is_json_type(type) && is_charset_ours(type))
        return true;
    if (is_json_type(type)) {
        answer_problemf(c, 415, "unsupported-media-type",
                        "Bodies are UTF-8, not \"%.80s\": leave the charset out, or send UTF-8.",
                        type);
        return false;
    }
    answer_problem(c, 415, "unsupported-media-type",
                   "Send the body as JSON with the header \"Content-Type: application/json\" (curl "
                   "--json does).");
    return false;
}

/* Whether range, of n bytes such as "text/" + "*;q=0.5", takes the type. */
static bool takes_type(const char *range, size_t n, const char *type)
{
    size_t named = 0, slash = strcspn(type, "/") + 1;
    const char *q = memmem(range, n, "q=0", 3);

    while (named < n && !strchr("; \t", range[named]))
        named++;
    if (q && q > range + named) { /* q=0, q=0.0, q=0.000: never this one */
        size_t zeros = strspn(q + 3, ".0");

        if (q + 3 + zeros >= range + n || strchr(" \t;", q[3 + zeros]))
            return false;
    }
    return (named == 3 && memcmp(range, "*/*", 3) == 0) ||
           (named == slash + 1 && range[slash] == '*' && strncasecmp(range, type, slash) == 0) ||
           (named == strlen(type) && strncasecmp(range, type, named) == 0);
}

static const struct {
    unsigned flag;
    const char *type;
} types[] = { { 0, "application/json" },
              { ROUTE_TEXT, "text/plain" },
              { ROUTE_TEXT, "text/markdown" },
              { ROUTE_STREAM, "text/event-stream" },
              { ROUTE_SCHEMA, "application/schema+json" } };

static bool gives(const struct call *c, size_t i)
{
    return !types[i].flag || types[i].flag & c->route->flags;
}

/* RFC 9110 12.5.1, in its strict reading: a client that names what it takes gets that or a 406. */
static bool check_accept(struct call *c)
{
    const char *accept = http_header(c->rq, "Accept");
    AUTO_BUF struct buf given = { 0 };

    if (!accept || !accept[strspn(accept, " \t")] || c->route->flags & ROUTE_DATALESS ||
        c->route->body == BODY_ANY) /* a message is not lost for a header */
        return true;
    for (const char *p = accept; *p; p += *p == ',') {
        size_t n;

        p += strspn(p, " \t,");
        n = strcspn(p, ",");
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
            if (gives(c, i) && takes_type(p, n, types[i].type))
                return true;
        p += n;
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (gives(c, i))
            buf_printf(&given, "%s%s", i ? ", " : "", types[i].type);
    answer_problemf(c, 406, "not-acceptable", "The answer can be %s, not \"%.100s\".", given.data,
                    accept);
    return false;
}

static bool take_idempotency_key(struct call *c)
{
    const char *key = http_header(c->rq, "Idempotency-Key");
    const char *text;
    size_t n;

    if (!key || str_eq(c->route->method, "GET"))
        return true;
    for (n = 0; key[n] >= 0x20 && key[n] < 0x7f; n++)
        continue;
    if (n == 0 || n > KEY_MAX || key[n]) {
        answer_problem(c, 400, "bad-idempotency-key",
                       "Idempotency-Key is 1 to 255 printable ASCII characters.");
        return false;
    }
    text = http_body(c->rq, &n);
    sha256_hex(text, n, c->body_sha256);
    c->idempotency_key = key;
    FP("api.idem_key");
    return true;
}

static void begin(struct call *c)
{
    c->state = NULL;
    FP("api.body_read");
    if (!query_check(c) || !check_accept(c) || !check_body_type(c) || !take_idempotency_key(c))
        return;
    c->route->start(c);
}

static bool is_open(const struct call *c)
{
    return c->route->scope == SCOPE_OPEN ||
           (c->route->scope == SCOPE_METRICS && c->api->options.is_metrics_open);
}

static bool admit_load(struct call *c)
{
    struct api *api = c->api;

    if (c->route->flags & (ROUTE_UNMETERED | ROUTE_DATALESS))
        return true;
    if (api->in_flight >= api->options.in_flight_limit) {
        answer_problem(c, 503, "overloaded",
                       "Too many requests are being worked on; try again in a second.");
        return false;
    }
    api->in_flight++;
    c->is_in_flight = true;
    return true;
}

static void not_routed(struct call *c, enum router_verdict verdict, const char *allow)
{
    if (str_eq(http_raw_path(c->rq), "*")) { /* the lint lets OPTIONS alone ask about the server */
        http_set_header(c->rq, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        http_respond(c->rq, 204, NULL, "", 0);
        return;
    }
    if (verdict == ROUTER_NOT_FOUND) {
        answer_problemf(c, 404, "no-such-route",
                        "There is no %.200s; /openapi.yaml lists what there is.", http_path(c->rq));
        return;
    }
    http_set_header(c->rq, "Allow", allow);
    if (str_eq(http_method(c->rq), "OPTIONS"))
        http_respond(c->rq, 204, NULL, "", 0);
    else
        answer_problemf(c, 405, "method-not-allowed", "%s is not possible here; possible: %s.",
                        http_method(c->rq), allow);
}

/* "00-<trace>-<parent>-<flags>" in small hexadecimal, none of both ids all zeros; what is not that
 * is as good as absent (W3C Trace Context 3.2.2.3). */
static const char *traceparent_of(const struct call *c)
{
    static const char shape[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    const char *text = http_header(c->rq, "traceparent");

    if (!text || strlen(text) != sizeof shape - 1)
        return NULL;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == 'x' ? !strchr("0123456789abcdef", text[i]) : text[i] != shape[i])
            return NULL;
    return strspn(text + 3, "0") < 32 && strspn(text + 36, "0") < 16 ? text : NULL;
}

static bool is_listed(const char *const *list, const char *text)
{
    for (; list && *list; list++)
        if (str_eq(*list, text))
            return true;
    return false;
}

/* A trusted proxy wrote the last address of X-Forwarded-For; everything before it is hearsay. */
static const char *client_address(struct call *c)
{
    const char *const *trusted = c->api->options.trusted_proxies;
    const char *peer = http_peer(c->rq), *list = http_header(c->rq, "X-Forwarded-For"), *last;
    unsigned char address[16];
    size_t n;

    if (!trusted || !*trusted)
        return peer;
    (void) http_body(c->rq, &n);
    if (n) /* two parsers that share a connection are what request smuggling lives on */
        http_set_header(c->rq, "Connection", "close");
    if (!list || !is_listed(trusted, peer))
        return peer;
    last = strrchr(list, ',');
    last = last ? last + 1 + strspn(last + 1, " \t") : list;
    return inet_pton(AF_INET, last, address) == 1 || inet_pton(AF_INET6, last, address) == 1 ? last
                                                                                             : peer;
}

/* An origin of the list may read the answers; true when it was a preflight, which is answered. */
static bool answer_cors(struct call *c)
{
    const char *origin = http_header(c->rq, "Origin");

    if (!origin || !c->api->options.cors_origins)
        return false;
    http_add_header(c->rq, "Vary", "Origin");
    if (!is_listed(c->api->options.cors_origins, origin))
        return false;
    http_set_header(c->rq, "Access-Control-Allow-Origin", origin);
    http_set_header(c->rq, "Access-Control-Expose-Headers",
                    "ETag, Location, Link, Retry-After, Idempotency-Replayed, X-Request-Id, "
                    "RateLimit, RateLimit-Policy");
    c->is_allowed_origin = true;
    if (!str_eq(http_method(c->rq), "OPTIONS") ||
        !http_header(c->rq, "Access-Control-Request-Method"))
        return false;
    http_set_header(c->rq, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    http_set_header(c->rq, "Access-Control-Allow-Headers",
                    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
                    "Last-Event-ID, X-Request-Id");
    http_set_header(c->rq, "Access-Control-Max-Age", "600");
    http_respond(c->rq, 204, NULL, "", 0);
    return true;
}

void api_on_request(struct http_request *rq, void *context)
{
    struct api *api = context;
    struct arena *arena = http_arena(rq);
    struct call *c = arena_alloc(arena, sizeof *c);
    enum router_verdict verdict;
    char allow[96] = "";

    c->api = api;
    c->rq = rq;
    c->arena = arena;
    c->peer = client_address(c);
    c->traceparent = traceparent_of(c);
    http_set_user(rq, c);
    http_on_end(rq, ended);
    if (answer_cors(c))
        return;
    verdict = router_match(api->router, http_method(rq), http_raw_path(rq), &c->match, arena, allow,
                           sizeof allow);
    if (verdict != ROUTER_FOUND) {
        not_routed(c, verdict, allow);
        return;
    }
    c->route = &api_routes[c->match.route];
    if (!(c->route->flags & ROUTE_DATALESS) && (!api->db || api->is_quiescing)) {
        answer_problem(c, 503, "starting",
                       api->is_quiescing
                           ? "The server is stopping; another replica or its restart will answer."
                           : "The server is starting; /readyz says what it waits for.");
        return;
    }
    if (!admit_load(c))
        return;
    if (is_open(c))
        begin(c);
    else
        auth_check(c, begin);
}
