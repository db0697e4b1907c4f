/*
 * events.c - the event log as a JSON page, and as a stream for whoever asks for text/event-stream.
 */
#include <string.h>

#include "api_private.h"
#include "feed_private.h"
#include "steward/events_store.h"
#include "steward/id.h"

#define TYPES_MAX 32

struct events_read {
    struct feed_filter filter; /* handed to the stream, or freed */
    int64_t limit;
    int64_t after; /* -1: not given */
    bool is_stream;
};

static void read_done(void *state)
{
    struct events_read *r = state;

    feed_filter_done(&r->filter);
}

static bool is_type_pattern(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.");

    return strlen(text) <= 60 && (text[n] == '\0' || (text[n] == '*' && text[n + 1] == '\0'));
}

static bool take_filter(struct call *c, struct events_read *r)
{
    const char *config = http_query(c->rq, "config"), *run = http_query(c->rq, "run");
    size_t n = 0;

    if (run && !id_is_valid("run", run)) {
        answer_problem(c, 400, "bad-parameter", "run is the id of a run: run_ and 26 characters.");
        return false;
    }
    r->filter.config = config ? xstrdup(config) : NULL;
    r->filter.run_id = run ? xstrdup(run) : NULL;
    for (size_t i = 0; i < http_query_count(c->rq); i++) {
        const char *name, *value;

        if (!http_query_at(c->rq, i, &name, &value) || !str_eq(name, "type"))
            continue;
        if (n == TYPES_MAX) {
            answer_problemf(c, 400, "bad-parameter",
                            "type may be given %d times; a pattern such "
                            "as run.* stands for many.",
                            TYPES_MAX);
            return false;
        }
        if (!is_type_pattern(value)) {
            answer_problem(c, 400, "bad-parameter",
                           "type is an event type such as run.failed, or a pattern such as run.*");
            return false;
        }
        if (!r->filter.types)
            r->filter.types = xcalloc(TYPES_MAX + 1, sizeof *r->filter.types);
        r->filter.types[n++] = xstrdup(value);
    }
    return true;
}

/* Last-Event-ID wins: a client that reconnects repeats its first address. */
static bool take_after(struct call *c, struct events_read *r)
{
    static const int64_t range[2] = { 0, INT64_MAX };
    const char *last = http_header(c->rq, "Last-Event-ID");

    r->after = -1;
    if (r->is_stream && last && *last) {
        if (str_to_i64(last, 0, INT64_MAX, &r->after))
            return true;
        answer_problem(c, 400, "bad-parameter", "Last-Event-ID is the number of an event.");
        return false;
    }
    return query_integer(c, "after", range, &r->after);
}

static void gone(struct call *c, int64_t after, int64_t oldest, int64_t newest)
{
    if (after > newest) {
        answer_problemf(c, 410, "cursor-expired",
                        "There is no event %lld yet: the newest is %lld. The number comes from "
                        "another server or from before a restored backup; read the state, then "
                        "follow without a cursor.",
                        (long long) after, (long long) newest);
        return;
    }
    answer_problemf(c, 410, "cursor-expired",
                    "Events after %lld are not all kept any more (the oldest kept is %lld): read "
                    "the state, then follow "
                    "without a cursor.",
                    (long long) after, (long long) oldest);
}

/* Ascending pages are read from "after"; their cursor is the number to go on from. */
static void page_read(struct call *c)
{
    struct events_read *r = c->state;

    answer_page(c, r->limit);
}

static void read_page(struct call *c)
{
    struct events_read *r = c->state;
    struct events_filter f = { .config = r->filter.config, .run_id = r->filter.run_id };
    const char *key;
    struct db_op op;

    if (!query_limit(c, &r->limit, &f.limit) || !query_cursor(c, &key))
        return;
    if (r->filter.types) {
        AUTO_FREE char *patterns = feed_like_patterns(r->filter.types);

        f.types = arena_strdup(c->arena, patterns);
    }
    if (r->after >= 0)
        f.after = key ? key : arena_printf(c->arena, "%lld", (long long) r->after);
    else
        f.before = key;
    events_store_page(&f, &op);
    call_list(c, &op, page_read);
}

static bool admit_stream(struct call *c)
{
    const struct api_options *o = &c->api->options;
    const struct feed *f = c->api->feed;

    if ((!o->streams_per_token ||
         feed_streams_of(f, c->who.token_id, NULL) < o->streams_per_token) &&
        (!o->streams_per_address || feed_streams_of(f, NULL, c->peer) < o->streams_per_address))
        return true;
    http_problem(c->rq, &(struct problem){ .status = 429,
                                           .code = "too-many-streams",
                                           .detail = "This token or address has as many event "
                                                     "streams open as it may; close one.",
                                           .is_retryable = true,
                                           .retry_after_s = 5 });
    return false;
}

/* The row is (newest number, oldest kept). */
static void bounds_read(struct call *c)
{
    struct events_read *r = c->state;
    int64_t newest = rows_int(c->reply, 0, 0, 0, 0),
            oldest = rows_int(c->reply, 0, 0, 1, newest + 1);

    if (r->after >= 0 && (r->after + 1 < oldest || r->after > newest)) {
        gone(c, r->after, oldest, newest);
        return;
    }
    if (!r->is_stream) {
        read_page(c);
        return;
    }
    if (!admit_stream(c))
        return;
    c->state_done = NULL; /* the stream owns the filter from here */
    feed_stream(c, &r->filter, r->after >= 0 ? r->after : newest);
}

static bool wants_stream(const struct call *c)
{
    const char *accept = http_header(c->rq, "Accept");

    return accept && strstr(accept, "text/event-stream");
}

void api_events(struct call *c)
{
    struct events_read *r = arena_alloc(c->arena, sizeof *r);
    struct db_op op;

    c->state = r;
    c->state_done = read_done;
    r->is_stream = wants_stream(c);
    if (!take_filter(c, r) || !take_after(c, r))
        return;
    events_store_bounds(&op);
    call_read(c, &op, 1, bounds_read);
}
