/*
 * runs.c - reading runs: lists, one run with its steps, and the long poll that waits for its next
 * change.
 */
#include <stdio.h>
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"
#include "steward/events_store.h"
#include "steward/id.h"
#include "steward/machine.h"
#include "steward/runs_store.h"

#define WAIT_MAX_S 60

struct run_read {
    struct feed_waiter waiter;
    int64_t limit;       /* of a page */
    int64_t deadline_ms; /* of a long poll; 0: answer at once */
    char etag[96];       /* what the client knows, or what the first look found */
    bool is_baseline_set;
    char key[64]; /* of the kept answer */
};

/* Ids are checked before any statement is made of them; what can not be one is not there. */
static bool take_run_id(struct call *c)
{
    if (id_is_valid("run", c->match.params[0]))
        return true;
    answer_not_found(c, "run", c->match.params[0]);
    return false;
}

static void page_read(struct call *c)
{
    struct run_read *r = c->state;

    answer_page(c, r->limit);
}

/* ---- the newest runs: what everybody polls ---- */

static void newest_checked(struct call *c);

/* The row is (items, next, version). */
static void newest_read(struct call *c)
{
    const struct run_read *r = c->state;
    const char *items = rows_text(c->reply, 0, 0, 0), *next = rows_text(c->reply, 0, 0, 1);
    struct kept_answer new = { .n = rows_length(c->reply, 0, 0, 0) };

    (void) str_copy(new.key, sizeof new.key, r->key);
    (void) str_copy(new.next, sizeof new.next, next ? next : "");
    (void) str_copy(new.version, sizeof new.version, rows_text(c->reply, 0, 0, 2));
    answer_cache_keep(c->api->answers, &new, items ? items : "");
    answer_items(c, items ? items : "", new.n, next);
}

static void read_newest(struct call *c, bool is_version_enough)
{
    const struct run_read *r = c->state;
    const char *limit = arena_printf(c->arena, "%lld", (long long) r->limit + 1);
    struct db_op op;

    if (is_version_enough)
        runs_store_newest_version(limit, &op);
    else
        runs_store_newest(limit, &op);
    call_list(c, &op, is_version_enough ? newest_checked : newest_read);
}

/* The row is (version). */
static void newest_checked(struct call *c)
{
    const struct run_read *r = c->state;
    const struct kept_answer *kept = answer_cache_find(c->api->answers, r->key);

    if (kept && str_eq(kept->version, rows_text(c->reply, 0, 0, 0)))
        answer_items(c, kept->text, kept->n, *kept->next ? kept->next : NULL);
    else
        read_newest(c, false);
}

static const char *const *run_states(struct call *c)
{
    const char **names = arena_alloc(c->arena, (RUN_STATE_COUNT + 2) * sizeof *names);

    for (unsigned i = 0; i < RUN_STATE_COUNT; i++)
        names[i] = run_state_name((enum run_state) i);
    names[RUN_STATE_COUNT] = "held"; /* running, and all that is left asks */
    return names;
}

static const char *const *run_kinds(struct call *c)
{
    const char **names = arena_alloc(c->arena, (RUN_KIND_COUNT + 1) * sizeof *names);

    for (unsigned i = 0; i < RUN_KIND_COUNT; i++)
        names[i] = run_kind_name((enum run_kind) i);
    return names;
}

void api_runs_list(struct call *c)
{
    static const char *const triggers[] = { "api",   "apply",  "schedule", "hook",
                                            "retry", "upload", NULL };
    struct run_read *r = arena_alloc(c->arena, sizeof *r);
    struct runs_filter f = { .config = http_query(c->rq, "config"),
                             .schedule_id = http_query(c->rq, "scheduleId") };
    struct db_op op;

    c->state = r;
    if (!query_limit(c, &r->limit, &f.limit) || !query_cursor(c, &f.before_id) ||
        !query_list(c, "status", run_states(c), &f.statuses) ||
        !query_list(c, "kind", run_kinds(c), &f.kinds) ||
        !query_list(c, "trigger", triggers, &f.triggers) ||
        !query_time(c, "createdAfter", &f.created_after) ||
        !query_time(c, "createdBefore", &f.created_before))
        return;
    if (runs_filter_is_plain(&f)) {
        (void) snprintf(r->key, sizeof r->key, "runs?%lld", (long long) r->limit);
        read_newest(c, answer_cache_find(c->api->answers, r->key) != NULL);
        return;
    }
    runs_store_page(&f, &op);
    call_list(c, &op, page_read);
}

static void read_run(struct call *c);

static void woken(struct feed_waiter *w)
{
    read_run(w->call);
}

/* True when the call now waits: the run is not over, looks as it did, and there is time left. */
static bool park(struct call *c, struct run_read *r, const char *etag)
{
    if (!r->deadline_ms || rows_bool(c->reply, 0, 0, 1) || r->waiter.is_expired)
        return false;
    if (!r->is_baseline_set) {
        const char *known = http_header(c->rq, "If-None-Match");

        r->is_baseline_set = true;
        if (known && !etag_matches(known, etag))
            return false; /* it has changed since the client looked */
        (void) str_copy(r->etag, sizeof r->etag, etag);
    }
    if (!str_eq(r->etag, etag) || clock_mono_ms() >= r->deadline_ms)
        return false;
    r->waiter.call = c;
    r->waiter.run_id = c->match.params[0];
    r->waiter.deadline_ms = r->deadline_ms;
    r->waiter.wake = woken;
    feed_wait(c->api->feed, &r->waiter);
    return true;
}

static void answer_run(struct call *c, const char *text, size_t n, const char *etag)
{
    if (!park(c, c->state, etag))
        answer_tagged(c, text, n, etag);
}

/* The row is (json, is_final, version). */
static void run_read(struct call *c)
{
    const char *id = c->match.params[0], *text = rows_text(c->reply, 0, 0, 0);
    struct kept_answer new = { .n = rows_length(c->reply, 0, 0, 0) };
    char etag[96];

    if (!text) {
        answer_not_found(c, "run", id);
        return;
    }
    answer_etag(text, new.n, NULL, etag);
    (void) str_copy(new.key, sizeof new.key, id);
    (void) str_copy(new.etag, sizeof new.etag, etag);
    (void) str_copy(new.version, sizeof new.version, rows_text(c->reply, 0, 0, 2));
    answer_cache_keep(c->api->answers, &new, text);
    answer_run(c, text, new.n, etag);
}

/* The row is (version, is_final). */
static void run_checked(struct call *c)
{
    const char *id = c->match.params[0];
    const struct kept_answer *kept = answer_cache_find(c->api->answers, id);
    struct db_op op;

    if (kept && str_eq(kept->version, rows_text(c->reply, 0, 0, 0))) {
        answer_run(c, kept->text, kept->n, kept->etag);
        return;
    }
    runs_store_read(id, &op);
    call_read(c, &op, 1, run_read);
}

static void read_run(struct call *c)
{
    const char *id = c->match.params[0];
    bool is_kept = answer_cache_find(c->api->answers, id) != NULL;
    struct db_op op;

    if (is_kept)
        runs_store_version(id, &op);
    else
        runs_store_read(id, &op);
    call_read(c, &op, 1, is_kept ? run_checked : run_read);
}

void api_run_get(struct call *c)
{
    static const int64_t range[2] = { 0, WAIT_MAX_S };
    struct run_read *r = arena_alloc(c->arena, sizeof *r);
    int64_t wait_s = 0;

    c->state = r;
    if (!take_run_id(c) || !query_integer(c, "wait", range, &wait_s))
        return;
    if (wait_s) {
        r->deadline_ms = clock_mono_ms() + wait_s * 1000;
        http_extend(c->rq, wait_s * 1000 + 10000);
    }
    read_run(c);
}

static void run_exists(struct call *c)
{
    struct run_read *r = c->state;
    struct events_filter f = { .run_id = c->match.params[0] };
    struct db_op op;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "run", c->match.params[0]);
        return;
    }
    if (!query_limit(c, &r->limit, &f.limit) || !query_cursor(c, &f.before))
        return;
    events_store_page(&f, &op);
    call_list(c, &op, page_read);
}

void api_run_events(struct call *c)
{
    struct db_op op;

    c->state = arena_alloc(c->arena, sizeof(struct run_read));
    if (!take_run_id(c))
        return;
    runs_store_state(c->match.params[0], &op);
    call_read(c, &op, 1, run_exists);
}
