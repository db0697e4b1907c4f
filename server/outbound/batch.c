/*
 * batch.c - many calls to foreign addresses over one curl_multi; mails go by smtp.c.
 *
 * Every call has a connection of its own, and the guard is asked for every socket. What ended
 * without a connection is held back until the time a connection is given has passed: whether an
 * address is forbidden, closed or silent can not be told from outside.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outbound_private.h"
#include "steward/clock.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

#define BODY_MAX    65536
#define EXCERPT_MAX 1024

static void entry_free(struct entry *x)
{
    if (x->curl) {
        (void) curl_multi_remove_handle(x->batch->multi, x->curl);
        curl_easy_cleanup(x->curl);
    }
    curl_slist_free_all(x->headers);
    buf_done(&x->kept);
    buf_done(&x->excerpt);
    free(x);
}

struct outbound_batch *outbound_batch_new(const struct outbound_rules *r)
{
    struct outbound_batch *b = xcalloc(1, sizeof *b);

    b->rules = r;
    b->multi = curl_multi_init();
    if (!b->multi)
        mem_exhausted();
    return b;
}

void outbound_batch_free(struct outbound_batch *b)
{
    struct entry *lists[2], *next;
    int running;

    if (!b)
        return;
    for (struct entry *x = b->open; x; x = x->next)
        x->is_given_up = true;
    (void) curl_multi_perform(b->multi, &running);
    lists[0] = b->open;
    lists[1] = b->over;
    for (size_t i = 0; i < 2; i++)
        for (struct entry *x = lists[i]; x; x = next) {
            next = x->next;
            entry_free(x);
        }
    (void) curl_multi_cleanup(b->multi);
    free(b);
}

/* The last word: the real address of the socket that is about to be connected. */
static curl_socket_t on_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct entry *x = user;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        !outbound_address_is_allowed(x->batch->rules, &address->addr))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    struct entry *x = user;
    size_t total = size * n;

    if (x->excerpt.length < EXCERPT_MAX) {
        size_t room = EXCERPT_MAX - x->excerpt.length;

        buf_add(&x->excerpt, data, total < room ? total : room);
    }
    if (x->kept.length + total <= x->call->keep_bytes)
        buf_add(&x->kept, data, total);
    x->seen_bytes += total;
    if (x->seen_bytes <= BODY_MAX)
        return total;
    x->is_cut = true;
    return 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *user)
{
    static const char name[] = "retry-after:";
    struct entry *x = user;
    size_t total = size * n, k = sizeof name - 1;
    char value[64];

    if (total > k && total - k < sizeof value && strncasecmp(data, name, k) == 0) {
        memcpy(value, data + k, total - k);
        value[total - k] = '\0';
        value[strcspn(value, "\r\n")] = '\0';
        (void) str_copy(x->call->retry_after, sizeof x->call->retry_after,
                        value + strspn(value, " \t"));
    }
    return total;
}

static void set_rules(struct entry *x)
{
    const struct outbound_call *call = x->call;
    int64_t connect_ms = call->timeout_ms < CONNECT_MAX_MS ? call->timeout_ms : CONNECT_MAX_MS;

    (void) curl_easy_setopt(x->curl, CURLOPT_URL, call->url);
    (void) curl_easy_setopt(x->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void) curl_easy_setopt(x->curl, CURLOPT_PROXY, "");
    (void) curl_easy_setopt(x->curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void) curl_easy_setopt(x->curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    (void) curl_easy_setopt(x->curl, CURLOPT_SSL_VERIFYPEER, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_SSL_VERIFYHOST, 2L);
    (void) curl_easy_setopt(x->curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    (void) curl_easy_setopt(x->curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    (void) curl_easy_setopt(x->curl, CURLOPT_FRESH_CONNECT, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_FORBID_REUSE, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    (void) curl_easy_setopt(x->curl, CURLOPT_CONNECTTIMEOUT_MS, (long) connect_ms);
    (void) curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, (long) call->timeout_ms);
    (void) curl_easy_setopt(x->curl, CURLOPT_USERAGENT, "steward-webhooks/1");
    (void) curl_easy_setopt(x->curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    (void) curl_easy_setopt(x->curl, CURLOPT_OPENSOCKETDATA, x);
    if (x->batch->rules->connect_to)
        (void) curl_easy_setopt(x->curl, CURLOPT_CONNECT_TO, x->batch->rules->connect_to);
    if (x->batch->rules->ca_bundle) {
        (void) curl_easy_setopt(x->curl, CURLOPT_CAINFO, x->batch->rules->ca_bundle);
        (void) curl_easy_setopt(x->curl, CURLOPT_CAPATH, NULL);
    }
}

static void set_content(struct entry *x)
{
    const struct outbound_call *call = x->call;

    for (size_t i = 0; call->headers && call->headers[i]; i++) {
        struct curl_slist *longer = curl_slist_append(x->headers, call->headers[i]);

        if (!longer)
            mem_exhausted();
        x->headers = longer;
    }
    if (call->body) {
        (void) curl_easy_setopt(x->curl, CURLOPT_POST, 1L);
        (void) curl_easy_setopt(x->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) call->body_n);
        (void) curl_easy_setopt(x->curl, CURLOPT_POSTFIELDS, call->body);
    }
    (void) curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers);
    (void) curl_easy_setopt(x->curl, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, x);
    (void) curl_easy_setopt(x->curl, CURLOPT_HEADERFUNCTION, on_header);
    (void) curl_easy_setopt(x->curl, CURLOPT_HEADERDATA, x);
    (void) curl_easy_setopt(x->curl, CURLOPT_PRIVATE, x);
}

void outbound_batch_start(struct outbound_batch *b, struct outbound_call *call)
{
    struct entry *x = xcalloc(1, sizeof *x);

    x->batch = b;
    x->call = call;
    x->started_ms = clock_mono_ms();
    x->curl = curl_easy_init();
    if (!x->curl)
        mem_exhausted();
    call->latency_ms = -1;
    if (call->mail) {
        smtp_prepare(x);
    } else {
        set_rules(x);
        set_content(x);
    }
    x->next = b->open;
    b->open = x;
    (void) curl_multi_add_handle(b->multi, x->curl);
}

/* What may stand in a row and on a page: UTF-8 without control characters or what looks secret. */
void entry_take_excerpt(struct entry *x)
{
    char *text = x->excerpt.data, *out = x->call->excerpt;

    out[0] = '\0';
    if (!text)
        return;
    for (size_t i = 0; i < x->excerpt.length; i++)
        if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
    (void) str_copy(out, OUTBOUND_EXCERPT_BYTES, text);
    if (!str_is_utf8(out, strlen(out)))
        for (char *p = out; *p; p++)
            if ((unsigned char) *p >= 0x80)
                *p = '?';
    log_redact(out);
}

static void judge(struct entry *x, CURLcode code)
{
    struct outbound_call *call = x->call;
    long status = 0;
    curl_off_t connected = 0;
    bool is_connected;

    (void) curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(x->curl, CURLINFO_PRETRANSFER_TIME_T, &connected);
    is_connected = connected > 0;
    if (code == CURLE_OK || (x->is_cut && status >= 200)) {
        call->end = OUTBOUND_ANSWERED;
        call->status = (int) status;
        call->latency_ms = clock_mono_ms() - x->started_ms;
        entry_take_excerpt(x);
        call->text_n = x->kept.length;
        call->text = call->keep_bytes ? buf_take(&x->kept) : NULL;
        return;
    }
    call->end = !is_connected                      ? OUTBOUND_UNREACHABLE
                : code == CURLE_OPERATION_TIMEDOUT ? OUTBOUND_TIMED_OUT
                                                   : OUTBOUND_BROKEN;
    if (!is_connected) {
        int64_t least = call->timeout_ms < CONNECT_MAX_MS ? call->timeout_ms : CONNECT_MAX_MS;

        x->ready_ms = x->started_ms + least;
    }
}

static void work(struct outbound_batch *b)
{
    CURLMsg *message;
    int running, left;

    (void) curl_multi_perform(b->multi, &running);
    while ((message = curl_multi_info_read(b->multi, &left))) {
        struct entry *x = NULL, **at = &b->open;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &x);
        while (*at != x)
            at = &(*at)->next;
        *at = x->next;
        if (x->call->mail)
            smtp_judge(x, code);
        else
            judge(x, code);
        x->next = b->over;
        b->over = x;
    }
}

/* Milliseconds until something that is over may be handed back; -1: nothing is over. */
static int64_t ready_in(const struct outbound_batch *b)
{
    int64_t now = clock_mono_ms(), best = -1;

    for (const struct entry *x = b->over; x; x = x->next) {
        int64_t left = x->ready_ms > now ? x->ready_ms - now : 0;

        if (best < 0 || left < best)
            best = left;
    }
    return best;
}

void outbound_batch_wait(struct outbound_batch *b, int64_t timeout_ms)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;

    for (;;) {
        int64_t left_ms, ready_ms;

        work(b);
        left_ms = until_ms - clock_mono_ms();
        ready_ms = ready_in(b);
        if (ready_ms == 0 || atomic_exchange(&b->is_woken, false) || left_ms <= 0)
            return;
        if (ready_ms > 0 && ready_ms < left_ms)
            left_ms = ready_ms;
        (void) curl_multi_poll(b->multi, NULL, 0, (int) (left_ms < 60000 ? left_ms : 60000), NULL);
    }
}

struct outbound_call *outbound_batch_take(struct outbound_batch *b)
{
    int64_t now = clock_mono_ms();

    for (struct entry **at = &b->over; *at; at = &(*at)->next) {
        struct entry *x = *at;
        struct outbound_call *call = x->call;

        if (x->ready_ms > now)
            continue;
        *at = x->next;
        entry_free(x);
        return call;
    }
    return NULL;
}

void outbound_batch_wake(struct outbound_batch *b)
{
    atomic_store(&b->is_woken, true);
    (void) curl_multi_wakeup(b->multi);
}
