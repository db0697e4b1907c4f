/*
 * stream.c - the clients of text/event-stream: each holds a cursor into the shared ring, nothing
 * more.
 *
 * A client is given bytes only while little is pending, and asks again when it took them. Behind
 * the ring it reads pages of the log, at most four clients at a time.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "feed_private.h"
#include "steward/events_store.h"
#include "steward/failpoint.h"

#define PENDING_MAX      (64U << 10)
#define PAGE_ROWS        200
#define PAGE_ROWS_TEXT   "200"
#define PAGE_READERS_MAX 4

struct client {
    struct client *next, **link;
    struct feed *feed;
    struct sse_stream *stream; /* NULL once it is gone */
    struct feed_filter filter;
    char *types;       /* the filter as a text array literal of LIKE patterns */
    int64_t seq;       /* last one given */
    int64_t page_upto; /* what the page under way certainly covers */
    char seq_text[24];
    char token_id[TOKEN_ID_BYTES], peer[INET6_ADDRSTRLEN];
    bool is_reading;
};

static void pump(struct client *c);

static bool type_matches(char *const *types, const char *type)
{
    if (!types)
        return true;
    for (; *types; types++) {
        size_t n = strlen(*types);
        bool is_glob = n && (*types)[n - 1] == '*';

        if (is_glob ? strncmp(*types, type, n - 1) == 0 : str_eq(*types, type))
            return true;
    }
    return false;
}

static bool matches(const struct client *c, const struct frame *frame)
{
    return (!c->filter.config || str_eq(c->filter.config, frame->config)) &&
           (!c->filter.run_id || str_eq(c->filter.run_id, frame->run_id)) &&
           type_matches(c->filter.types, frame->type);
}

void feed_filter_done(struct feed_filter *f)
{
    for (char **type = f->types; type && *type; type++)
        free(*type);
    free(f->types);
    free(f->config);
    free(f->run_id);
    *f = (struct feed_filter){ 0 };
}

static void client_free(struct client *c)
{
    struct feed *f = c->feed;

    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    f->n_clients--;
    feed_filter_done(&c->filter);
    free(c->types);
    free(c);
    if (f->is_closed)
        feed_release(f);
}

static void give(struct client *c, const char *text, size_t n, int64_t seq)
{
    FP("sse.frame");
    (void) sse_write(c->stream, text, n);
    c->seq = seq;
}

static void on_page(const struct db_reply *reply, void *user)
{
    struct client *c = user;
    size_t n = 0;

    c->is_reading = false;
    c->feed->n_page_readers--;
    if (!c->stream) {
        client_free(c);
        return;
    }
    if (reply->err.code) {
        sse_close(c->stream); /* it resumes where it was, by Last-Event-ID */
        return;
    }
    n = rows_count(reply, 0);
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *text =
            xasprintf("id: %s\nevent: %s\ndata: %s\n\n", rows_text(reply, 0, i, 0),
                      rows_text(reply, 0, i, 2), rows_text(reply, 0, i, 1));

        give(c, text, strlen(text), rows_int(reply, 0, i, 0, c->seq));
    }
    if (n < PAGE_ROWS && c->seq < c->page_upto)
        c->seq = c->page_upto; /* the filter left out the rest of what was there */
    pump(c);
    feed_pump_all(c->feed); /* another one may read its page now */
}

static void read_page(struct client *c)
{
    struct feed *f = c->feed;
    struct events_filter filter = { .types = c->types,
                                    .config = c->filter.config,
                                    .run_id = c->filter.run_id,
                                    .limit = PAGE_ROWS_TEXT };
    struct db_op op;

    if (c->is_reading || f->n_page_readers >= PAGE_READERS_MAX || !f->api->db || f->is_stopped)
        return;
    c->is_reading = true;
    f->n_page_readers++;
    c->page_upto = f->last_seq;
    (void) snprintf(c->seq_text, sizeof c->seq_text, "%lld", (long long) c->seq);
    filter.after = c->seq_text;
    events_store_page(&filter, &op);
    FP("sse.resume_query");
    db_submit(f->api->db, DB_LIST, &op, 1, on_page, c);
}

/* Index of the first frame after seq: numbers in the ring are consecutive, so it is a subtraction.
 */
static uint64_t find(const struct feed *f, int64_t seq)
{
    int64_t first = f->ring[f->first % RING_FRAMES].seq;
    uint64_t at = seq < first ? f->first : f->first + (uint64_t) (seq - first) + 1;

    if (at > f->next)
        at = f->next;
    while (at > f->first && f->ring[(at - 1) % RING_FRAMES].seq > seq)
        at--;
    return at;
}

static void pump(struct client *c)
{
    struct feed *f = c->feed;
    bool has_ring = f->first < f->next;

    if (!c->stream || c->is_reading || !f->is_started || c->seq >= f->last_seq)
        return;
    if (!has_ring || c->seq < f->ring[f->first % RING_FRAMES].seq - 1) {
        if (sse_pending(c->stream) < PENDING_MAX)
            read_page(c);
        return;
    }
    for (uint64_t i = find(f, c->seq); i < f->next && sse_pending(c->stream) < PENDING_MAX; i++) {
        const struct frame *frame = &f->ring[i % RING_FRAMES];

        if (matches(c, frame))
            give(c, frame->text, frame->n, frame->seq);
        else
            c->seq = frame->seq;
    }
}

void feed_pump_all(struct feed *f)
{
    for (struct client *c = f->clients, *next; c; c = next) {
        next = c->next;
        pump(c);
    }
}

void feed_end_streams(struct feed *f)
{
    for (struct client *c = f->clients; c; c = c->next)
        if (c->stream)
            sse_close(c->stream);
}

static void on_writable(struct sse_stream *s, void *user)
{
    (void) s;
    pump(user);
}

static void on_close(struct sse_stream *s, void *user)
{
    struct client *c = user;

    (void) s;
    c->stream = NULL;
    if (!c->is_reading)
        client_free(c);
}

char *feed_like_patterns(char *const *types)
{
    const char *patterns[64] = { NULL };
    char *literal;
    size_t n = 0;

    for (; types[n] && n < ARRAY_LEN(patterns); n++) {
        size_t length = strlen(types[n]);
        char *pattern = xstrdup(types[n]);

        if (length && pattern[length - 1] == '*')
            pattern[length - 1] = '%';
        patterns[n] = pattern;
    }
    literal = db_text_array(patterns, n);
    for (size_t i = 0; i < n; i++)
        free((char *) patterns[i]);
    return literal;
}

size_t feed_streams_of(const struct feed *f, const char *token_id, const char *peer)
{
    size_t n = 0;

    for (const struct client *c = f->clients; c; c = c->next)
        n += (!token_id || str_eq(c->token_id, token_id)) && (!peer || str_eq(c->peer, peer));
    return n;
}

void feed_stream(struct call *call, const struct feed_filter *filter, int64_t after)
{
    struct feed *f = call->api->feed;
    struct client *c = xcalloc(1, sizeof *c);

    c->feed = f;
    c->filter = *filter;
    c->types = filter->types ? feed_like_patterns(filter->types) : NULL;
    c->seq = after;
    (void) str_copy(c->token_id, sizeof c->token_id, call->who.token_id);
    (void) str_copy(c->peer, sizeof c->peer, call->peer);
    c->next = f->clients;
    c->link = &f->clients;
    if (c->next)
        c->next->link = &c->next;
    f->clients = c;
    f->n_clients++;
    c->stream = http_respond_sse(
        call->rq,
        &(struct sse_options){ .on_writable = on_writable, .on_close = on_close, .user = c });
    (void) sse_write(c->stream, "retry: 3000\n\n", 13);
    pump(c);
}
