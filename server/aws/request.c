/*
 * request.c - a call becomes a signed HTTP request.
 *
 * One row of the service table decides the shape: JSON with a target header, JSON to a path, a
 * form, or S3.
 */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/json.h"

#define USER_AGENT    "steward"
#define HEADERS_ROOM  16
#define UNSIGNED_ROOM 5 /* authorization, amz-sdk-*, user-agent, range */

static void add_header(struct aws_wire *w, const char *name, const char *value)
{
    if (w->n_headers < HEADERS_ROOM)
        w->headers[w->n_headers++] = (struct sigv4_header){ name, value };
}

/* A query service's form: the members of the request are texts, numbers or booleans. */
static void build_form(const struct aws_call *call, const char *version, struct buf *out)
{
    const char *key;
    json_t *value;

    buf_printf(out, "Action=%s&Version=%s", call->operation, version);
    json_object_foreach (call->request, key, value) {
        AUTO_FREE char *other = json_is_string(value) ? NULL : json_compact(value);
        const char *text = other ? other : json_string_value(value);

        buf_addc(out, '&');
        uri_encode(out, key, strlen(key), false);
        buf_addc(out, '=');
        uri_encode(out, text, strlen(text), false);
    }
}

static enum err_code build_body(const struct aws_call *call, const char **path, struct aws_wire *w,
                                struct err *e)
{
    const struct aws_service_facts *facts = &aws_services[call->service];
    struct buf body = { 0 };

    *path = "/";
    switch (facts->protocol) {
    case AWS_PROTOCOL_REST_JSON:
        *path = aws_rest_path(call->service, call->operation);
        if (!*path)
            return err_set(e, ERR_INTERNAL, "The operation %.60s of %s is not known.",
                           call->operation, facts->id);
        w->body = call->request ? json_compact(call->request) : xstrdup("{}");
        break;
    case AWS_PROTOCOL_JSON:
        w->body = call->request ? json_compact(call->request) : xstrdup("{}");
        break;
    case AWS_PROTOCOL_QUERY:
        build_form(call, facts->version, &body);
        w->body = buf_take(&body);
        break;
    case AWS_PROTOCOL_S3:
        *path = call->path ? call->path : "/";
        if (call->upload) {
            w->body = xmalloc(call->upload_n + 1);
            memcpy(w->body, call->upload, call->upload_n);
            w->body[call->upload_n] = '\0';
            w->body_n = call->upload_n;
        }
        return OK;
    }
    w->body_n = strlen(w->body);
    return OK;
}

/* Host, path and URL from the endpoint (with its base path) and the operation's path. */
static void build_url(const struct aws_session *s, const struct aws_call *call, const char *path,
                      struct aws_wire *w)
{
    const char *endpoint = s->settings.endpoints[call->service];
    const char *host = strstr(endpoint, "://") + 3;
    size_t host_n = strcspn(host, "/");
    char *full = arena_printf(&w->arena, "%s%s", host + host_n, path);
    bool has_query = !str_is_empty(call->query);

    w->url = arena_printf(&w->arena, "%.*s%s%s%s", (int) (host + host_n - endpoint), endpoint, full,
                          has_query ? "?" : "", has_query ? call->query : "");
    add_header(w, "Host", arena_strndup(&w->arena, host, host_n));
    w->path = full;
}

static void add_typed_headers(const struct aws_call *call, struct aws_wire *w)
{
    const struct aws_service_facts *facts = &aws_services[call->service];

    switch (facts->protocol) {
    case AWS_PROTOCOL_JSON:
        add_header(w, "X-Amz-Target",
                   arena_printf(&w->arena, "%s%s", facts->target_prefix, call->operation));
        add_header(w, "Content-Type", facts->content_type);
        break;
    case AWS_PROTOCOL_REST_JSON:
        add_header(w, "Content-Type", facts->content_type);
        break;
    case AWS_PROTOCOL_QUERY:
        add_header(w, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
        break;
    case AWS_PROTOCOL_S3:
        if (w->body)
            add_header(w, "Content-Type", "application/octet-stream");
        break;
    }
}

static void add_unsigned_headers(const struct aws_call *call, struct aws_wire *w)
{
    const struct aws_attempt *attempt = &w->attempt;

    add_header(w, "amz-sdk-invocation-id", arena_strdup(&w->arena, attempt->invocation_id));
    add_header(w, "amz-sdk-request",
               arena_printf(&w->arena, "attempt=%d; max=%d", attempt->number, attempt->max));
    add_header(w, "User-Agent", USER_AGENT);
    if (call->first_bytes)
        add_header(w, "Range", arena_printf(&w->arena, "bytes=0-%" PRIu64, call->first_bytes - 1));
}

static void sign(const struct aws_session *s, const struct aws_call *call,
                 const struct aws_credentials *keys, struct aws_wire *w)
{
    bool is_s3 = aws_services[call->service].protocol == AWS_PROTOCOL_S3;
    struct sigv4_scope scope = { s->settings.region, aws_services[call->service].signing_name,
                                 is_s3, !is_s3 };
    struct sigv4_credentials by = { keys->access_key_id, keys->secret_access_key, NULL };
    int64_t time_ms = call->sign_time_ms;
    AUTO_BUF struct buf authorization = { 0 };
    char hash[HEX_SHA256];
    char *date = arena_alloc(&w->arena, 17);
    struct sigv4_request rq;

    if (!time_ms && s->owned_sources)
        time_ms = aws_time_at_mono_ms(s, call->service, clock_mono_ms());
    else if (!time_ms) /* somebody else's clock */
        time_ms = s->settings.src->now_ms(s->settings.src->context) +
                  atomic_load(&s->offset_ms[call->service]);
    clock_format_amz(time_ms / 1000, date);
    add_header(w, "X-Amz-Date", date);
    if (keys->session_token)
        add_header(w, "X-Amz-Security-Token", arena_strdup(&w->arena, keys->session_token));
    if (is_s3) {
        sha256_hex(w->body, w->body_n, hash);
        add_header(w, "X-Amz-Content-Sha256", arena_strdup(&w->arena, hash));
    }
    rq = (struct sigv4_request){ .method = w->method,
                                 .path = w->path,
                                 .query = call->query ? call->query : "",
                                 .headers = w->headers,
                                 .n_headers = w->n_headers,
                                 .body = w->body,
                                 .body_n = w->body_n };
    sigv4_sign(&rq, &scope, &by, time_ms / 1000, &authorization);
    add_header(w, "Authorization", arena_strdup(&w->arena, authorization.data));
    (void) str_copy(w->access_key_id, sizeof w->access_key_id, keys->access_key_id);
}

enum err_code aws_wire_build(struct aws_session *s, const struct aws_call *call,
                             struct aws_wire *out, struct err *e)
{
    AUTO_CREDENTIALS struct aws_credentials keys = { 0 };
    const char *path;
    enum err_code rc;

    _Static_assert(ARRAY_LEN(out->headers) == HEADERS_ROOM, "one size");
    _Static_assert(HEADERS_ROOM >= 6 + UNSIGNED_ROOM, "every header fits");
    *out = (struct aws_wire){ .attempt = out->attempt,
                              .method = call->method ? call->method : "POST" };
    rc = build_body(call, &path, out, e);
    if (rc == OK)
        rc = aws_cache_get(s, &keys, e);
    if (rc != OK) {
        aws_wire_done(out);
        return rc;
    }
    build_url(s, call, path, out);
    add_typed_headers(call, out);
    sign(s, call, &keys, out);
    add_unsigned_headers(call, out);
    return OK;
}

void aws_wire_done(struct aws_wire *w)
{
    for (size_t i = 0; i < w->n_headers; i++)
        if (str_eq(w->headers[i].name, "X-Amz-Security-Token"))
            OPENSSL_cleanse((char *) w->headers[i].value, strlen(w->headers[i].value));
    free(TAKE(w->body));
    arena_done(&w->arena);
    *w = (struct aws_wire){ 0 };
}
