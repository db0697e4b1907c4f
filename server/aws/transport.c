/*
 * transport.c - one exchange over a libcurl handle.
 *
 * A mutating call travels on a fresh connection that is not used again and by HTTP/1.1: on a reused
 * connection that turns out to be dead, libcurl sends a POST a second time without a word. Whether
 * anything was written is known exactly: libcurl asks us when the connection stands and the request
 * is about to go out - where the call's own deadline is checked, too.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/failpoint.h"

#define BODY_MAX_BYTES   1048576
#define HEADER_MAX_BYTES 65536

struct aws_transfer {
    struct aws_session *session;
    struct aws_call *call;
    struct aws_wire wire;
    CURL *curl;
    struct curl_slist *header_list;
    struct buf body;
    size_t header_bytes, sent_bytes;
    bool is_written, is_late, is_too_big, has_age;
    bool is_head_whole, is_framed; /* the headers ended; they said how long the body is */
    int64_t started_ms, written_wall_ms, written_mono_ms;
    int64_t date_s; /* of the Date header; 0: none */
    char error_type[160], query_error[160], bucket_region[64];
    char trouble[CURL_ERROR_SIZE];
};

/* The last moment before the first byte. */
// NOLINTNEXTLINE(readability-function-size): the signature is libcurl's
static int on_ready(void *user, char *remote, char *local, int remote_port, int local_port)
{
    struct aws_transfer *t = user;

    (void) remote;
    (void) local;
    (void) remote_port;
    (void) local_port;
    if (t->call->is_mutating)
        FP("eng.send_after_connect");
    if (t->call->not_after_mono_ms && clock_mono_ms() > t->call->not_after_mono_ms) {
        t->is_late = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->is_written = true;
    t->written_wall_ms = t->session->settings.src->now_ms(t->session->settings.src->context);
    t->written_mono_ms = clock_mono_ms();
    return CURL_PREREQFUNC_OK;
}

/* The body of a mutating call is handed over once and cannot be rewound: libcurl could not send it
 * again if it wanted to. */
static size_t on_send(char *to, size_t size, size_t n, void *user)
{
    struct aws_transfer *t = user;
    size_t left = t->wire.body_n - t->sent_bytes, part = size * n;

    if (left == 0)
        return 0;
    if (part > left)
        part = left;
#ifdef STEWARD_FAILPOINTS
    if (t->sent_bytes == 0 && part > 1)
        part /= 2; /* so that there is a middle */
    else
        FP("eng.send_mid_body");
#endif
    memcpy(to, t->wire.body + t->sent_bytes, part);
    t->sent_bytes += part;
    return part;
}

#ifdef STEWARD_FAILPOINTS
/* Only the trace tells when the last byte was written to the socket. */
static int on_trace(CURL *curl, curl_infotype type, char *data, size_t n, void *user)
{
    const struct aws_transfer *t = user;

    (void) curl, (void) data, (void) n;
    if (type == CURLINFO_DATA_OUT && t->call->is_mutating && t->sent_bytes == t->wire.body_n)
        FP("eng.send_after_body");
    return 0;
}
#endif

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    struct aws_transfer *t = user;

    if (t->call->is_mutating)
        FP("eng.resp_mid_body");
    if (t->body.length + size * n > BODY_MAX_BYTES) {
        t->is_too_big = true;
        return 0;
    }
    buf_add(&t->body, data, size * n);
    return size * n;
}

/* The value of the header when the line is that header; copied and trimmed. */
static bool take_header(const char *line, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);

    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    line += n + 1;
    line += strspn(line, " \t");
    (void) str_copy(out, size, line);
    n = strlen(out);
    while (n && strchr(" \t\r\n", out[n - 1]))
        out[--n] = '\0';
    return true;
}

static void note_header(struct aws_transfer *t, const char *line)
{
    struct aws_call *call = t->call;
    char value[160];
    const struct {
        const char *name;
        char *out;
        size_t size;
    } wanted[] = {
        { "x-amzn-requestid", call->request_id, sizeof call->request_id },
        { "x-amz-request-id", call->request_id, sizeof call->request_id },
        { "x-amzn-errortype", t->error_type, sizeof t->error_type },
        { "x-amzn-query-error", t->query_error, sizeof t->query_error },
        { "x-amz-bucket-region", t->bucket_region, sizeof t->bucket_region },
        { "last-modified", call->last_modified, sizeof call->last_modified },
        { "content-length", call->content_length, sizeof call->content_length },
        { "etag", call->etag, sizeof call->etag },
    };

    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (take_header(line, wanted[i].name, wanted[i].out, wanted[i].size))
            return;
    if (take_header(line, "age", value, sizeof value))
        t->has_age = true;
    else if (take_header(line, "transfer-encoding", value, sizeof value))
        t->is_framed = true;
    else if (take_header(line, "date", value, sizeof value) && !clock_parse_http(value, &t->date_s))
        t->date_s = 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
    struct aws_transfer *t = user;
    size_t total = size * n, kept;
    char line[1024];

    if (t->call->is_mutating && t->header_bytes == 0)
        FP("eng.resp_headers");
    t->header_bytes += total;
    if (t->header_bytes > HEADER_MAX_BYTES) {
        t->is_too_big = true;
        return 0;
    }
    kept = total < sizeof line ? total : sizeof line - 1;
    memcpy(line, data, kept);
    line[kept] = '\0';
    if (str_starts(line, "HTTP/"))
        t->is_head_whole = t->is_framed = false; /* an answer after an interim one */
    else if (line[strspn(line, "\r\n")] == '\0')
        t->is_head_whole = true;
    else
        note_header(t, line);
    return total;
}

static void add_line(struct aws_transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->header_list, line);

    if (!longer)
        mem_exhausted();
    t->header_list = longer;
}

static void set_headers(struct aws_transfer *t)
{
    static const char *const suppressed[] = { "Accept:", "Expect:", "Transfer-Encoding:" };

    for (size_t i = 0; i < ARRAY_LEN(suppressed); i++)
        add_line(t, suppressed[i]);
    if (!t->wire.body)
        add_line(t, "Content-Type:");
    for (size_t i = 0; i < t->wire.n_headers; i++) {
        AUTO_FREE char *line =
            xasprintf("%s: %s", t->wire.headers[i].name, t->wire.headers[i].value);

        add_line(t, line);
    }
    (void) curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->header_list);
}

static void set_body(struct aws_transfer *t)
{
    bool is_once = t->call->is_mutating && t->wire.body_n > 0;

    (void) curl_easy_setopt(t->curl, CURLOPT_POST, 1L);
    (void) curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) t->wire.body_n);
    if (is_once) {
        (void) curl_easy_setopt(t->curl, CURLOPT_READFUNCTION, on_send);
        (void) curl_easy_setopt(t->curl, CURLOPT_READDATA, t);
#ifdef STEWARD_FAILPOINTS
        (void) curl_easy_setopt(t->curl, CURLOPT_VERBOSE, 1L);
        (void) curl_easy_setopt(t->curl, CURLOPT_DEBUGFUNCTION, on_trace);
        (void) curl_easy_setopt(t->curl, CURLOPT_DEBUGDATA, t);
#endif
    } else {
        (void) curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, t->wire.body ? t->wire.body : "");
    }
    (void) curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, t->wire.method);
}

static void set_method(struct aws_transfer *t)
{
    if (str_eq(t->wire.method, "HEAD")) {
        (void) curl_easy_setopt(t->curl, CURLOPT_NOBODY, 1L);
    } else if (t->wire.body || str_eq(t->wire.method, "PUT") || str_eq(t->wire.method, "POST")) {
        set_body(t);
    } else {
        (void) curl_easy_setopt(t->curl, CURLOPT_HTTPGET, 1L);
        (void) curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, t->wire.method);
    }
}

/* Where it may go and by what: nothing of the environment, no redirect, verified certificates. */
static void set_rules(struct aws_transfer *t)
{
    const struct aws_settings *s = &t->session->settings;

    (void) curl_easy_setopt(t->curl, CURLOPT_URL, t->wire.url);
    (void) curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR,
                            str_starts(t->wire.url, "http://") ? "http" : "https");
    (void) curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
    (void) curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void) curl_easy_setopt(t->curl, CURLOPT_PATH_AS_IS, 1L);
    (void) curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(t->curl, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    (void) curl_easy_setopt(t->curl, CURLOPT_SSL_VERIFYPEER, 1L);
    (void) curl_easy_setopt(t->curl, CURLOPT_SSL_VERIFYHOST, 2L);
    (void) curl_easy_setopt(t->curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    (void) curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT_MS, (long) s->connect_timeout_ms);
    (void) curl_easy_setopt(
        t->curl, CURLOPT_TIMEOUT_MS,
        (long) (t->call->timeout_ms ? t->call->timeout_ms : s->total_timeout_ms));
    (void) curl_easy_setopt(t->curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    if (s->ca_bundle) {
        (void) curl_easy_setopt(t->curl, CURLOPT_CAINFO, s->ca_bundle);
        (void) curl_easy_setopt(t->curl, CURLOPT_CAPATH, NULL);
    }
    if (t->call->is_mutating) {
        (void) curl_easy_setopt(t->curl, CURLOPT_FRESH_CONNECT, 1L);
        (void) curl_easy_setopt(t->curl, CURLOPT_FORBID_REUSE, 1L);
    }
}

struct aws_transfer *aws_transfer_new(struct aws_session *s, struct aws_call *call,
                                      struct aws_wire *wire)
{
    struct aws_transfer *t = xcalloc(1, sizeof *t);

    t->session = s;
    t->call = call;
    t->wire = *wire;
    *wire = (struct aws_wire){ 0 };
    t->curl = curl_easy_init();
    if (!t->curl)
        mem_exhausted();
    t->started_ms = clock_mono_ms();
    set_rules(t);
    set_headers(t);
    set_method(t);
    (void) curl_easy_setopt(t->curl, CURLOPT_PRIVATE, t);
    (void) curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, t->trouble);
    (void) curl_easy_setopt(t->curl, CURLOPT_PREREQFUNCTION, on_ready);
    (void) curl_easy_setopt(t->curl, CURLOPT_PREREQDATA, t);
    (void) curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
    (void) curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, t);
    return t;
}

void *aws_transfer_handle(struct aws_transfer *t)
{
    return t->curl;
}

/* The service's clock, from its Date header: half a second up (it is cut to seconds), read at the
 * middle of the exchange. */
static void note_clock(struct aws_transfer *t)
{
    struct aws_session *s = t->session;
    int64_t now_ms;

    if (t->date_s == 0 || t->has_age)
        return;
    now_ms = s->settings.src->now_ms(s->settings.src->context);
    atomic_store(&s->offset_ms[t->call->service],
                 t->date_s * 1000 + 500 - (t->written_wall_ms + now_ms) / 2);
    atomic_store(&s->mono_offset_ms[t->call->service],
                 t->date_s * 1000 + 500 - (t->written_mono_ms + clock_mono_ms()) / 2);
}

static void describe_trouble(struct aws_transfer *t, CURLcode code)
{
    if (t->is_late)
        (void) str_copy(t->trouble, sizeof t->trouble,
                        "the time to send had passed before the connection stood");
    else if (t->is_too_big)
        (void) str_copy(t->trouble, sizeof t->trouble,
                        "the answer is larger than 1 MiB, or its headers than 64 KiB");
    else if (!t->trouble[0])
        (void) str_copy(t->trouble, sizeof t->trouble, curl_easy_strerror(code));
}

/* libcurl takes the end of the connection for the end of an answer: in the middle of the headers,
   and for a body whose length nobody told. Such an answer is cut unless its text closes itself
   (JSON, XML). */
static bool is_whole(const struct aws_transfer *t, long status)
{
    if (!t->is_head_whole)
        return false;
    if (t->is_framed || t->call->content_length[0] || str_eq(t->call->method, "HEAD") ||
        status == 204 || status == 304)
        return true;
    return t->body.length > 0 && aws_services[t->call->service].protocol != AWS_PROTOCOL_S3;
}

void aws_transfer_finish(struct aws_transfer *t, int curl_code)
{
    CURLcode code = (CURLcode) curl_code;
    struct aws_call *call = t->call;
    struct aws_answer answer = { .is_complete = code == CURLE_OK, .is_written = t->is_written };
    long status = 0;

    (void) curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && !is_whole(t, status)) {
        answer.is_complete = false;
        (void) str_copy(t->trouble, sizeof t->trouble, "the answer was cut off");
    }
    if (code != CURLE_OK)
        describe_trouble(t, code);
    buf_reserve(&t->body, 0);
    t->body.data[t->body.length] = '\0';
    answer.trouble = t->trouble;
    answer.http_status = (int) status;
    answer.error_type = t->error_type[0] ? t->error_type : NULL;
    answer.query_error = t->query_error[0] ? t->query_error : NULL;
    answer.body = t->body.data;
    answer.body_n = t->body.length;
    aws_outcome_set(call, &answer);
    call->duration_ms = clock_mono_ms() - t->started_ms;
    if (answer.is_complete)
        note_clock(t);
    if (t->bucket_region[0] && status == 301)
        (void) snprintf(call->error_message, sizeof call->error_message,
                        "the bucket is in the region %s", t->bucket_region);
    if (call->outcome == AWS_REFUSED && call->error_class == AWS_ERROR_CREDENTIALS)
        aws_cache_expire(t->session, t->wire.access_key_id);
}

void aws_transfer_free(struct aws_transfer *t)
{
    if (!t)
        return;
    curl_easy_cleanup(t->curl);
    curl_slist_free_all(t->header_list);
    aws_wire_done(&t->wire);
    buf_done(&t->body);
    free(t);
}

struct aws_transfer *aws_transfer_prepare(struct aws_session *s, struct aws_call *call,
                                          const struct aws_attempt *attempt)
{
    struct aws_wire wire = { .attempt = *attempt };
    struct err e = { 0 };
    enum err_code rc = aws_wire_build(s, call, &wire, &e);

    if (rc == OK)
        return aws_transfer_new(s, call, &wire);
    aws_outcome_not_sent(call, rc == ERR_INTERNAL ? AWS_ERROR_OTHER : AWS_ERROR_CREDENTIALS, &e);
    return NULL;
}
