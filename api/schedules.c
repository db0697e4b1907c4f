/*
 * schedules.c - reading schedules and what became of their fires.
 */
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/schedule.h"
#include "steward/schedules_store.h"

#define COMING_MAX 1000

struct page {
    int64_t limit;
    int64_t coming;     /* fires to come that were asked for */
    int64_t from_s;     /* of a calendar: they lie in [from, to]; 0: from now on */
    int64_t to_s;       /* 0: open */
    const char *resume; /* where a cut calendar goes on; NULL: it is whole */
};

static void name_read(struct call *c)
{
    size_t n = rows_count(c->reply, 0);

    if (n == 0) {
        answer_not_found(c, "schedule", c->match.params[0]);
    } else if (n > 1) {
        answer_problemf(c, 409, "ambiguous-name",
                        "Several schedules are named \"%s\"; say which by its id.",
                        c->match.params[0]);
    } else {
        c->match.params[0] = arena_strdup(c->arena, rows_text(c->reply, 0, 0, 0));
        c->found_next(c);
    }
}

void schedule_find(struct call *c, phase_fn next)
{
    struct db_op op;

    if (id_is_valid("sch", c->match.params[0])) {
        next(c);
        return;
    }
    c->found_next = next;
    schedules_store_named(c->match.params[0], &op);
    call_read(c, &op, 1, name_read);
}

static void page_read(struct call *c)
{
    struct page *p = c->state;

    answer_page(c, p->limit);
}

void api_schedules_list(struct call *c)
{
    struct page *p = arena_alloc(c->arena, sizeof *p);
    struct schedules_filter f = { .config = http_query(c->rq, "config") };
    bool is_paused;
    struct db_op op;

    c->state = p;
    if (!query_limit(c, &p->limit, &f.limit) || !query_cursor(c, &f.before_id) ||
        !query_list(c, "kind", NULL, &f.kinds))
        return;
    if (!query_flag(c, "paused", &is_paused)) {
        answer_problem(c, 400, "bad-parameter", "paused is true or false.");
        return;
    }
    if (http_query(c->rq, "paused"))
        f.is_paused = is_paused ? "true" : "false";
    schedules_store_page(&f, &op);
    call_list(c, &op, page_read);
}

static void schedule_read(struct call *c)
{
    if (rows_count(c->reply, 0))
        answer_resource(c, rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0), NULL);
    else
        answer_not_found(c, "schedule", c->match.params[0]);
}

static void read_schedule(struct call *c)
{
    struct db_op op;

    schedules_store_read(c->match.params[0], &op);
    call_read(c, &op, 1, schedule_read);
}

void api_schedule_get(struct call *c)
{
    schedule_find(c, read_schedule);
}

static void path_read(struct call *c)
{
    AUTO_JSON json_t *schedule = NULL;
    const char *text = rows_text(c->reply, 0, 0, 0);

    if (!text) {
        answer_problemf(c, 404, "not-found",
                        "The document of \"%s\" has no schedule at \"%s\"; GET "
                        "/schedules?config= lists their paths.",
                        c->match.params[0], c->match.params[1]);
        return;
    }
    schedule = json_loadb(text, rows_length(c->reply, 0, 0, 0), 0, NULL);
    http_set_header(c->rq, "Content-Location",
                    arena_printf(c->arena, "/schedules/%s", json_text_or(schedule, "id", "")));
    answer_resource(c, text, rows_length(c->reply, 0, 0, 0), NULL);
}

void api_config_schedule_get(struct call *c)
{
    struct db_op op;

    if (!config_name_check(c))
        return;
    schedules_store_read_path(c->match.params[0], c->match.params[1], &op);
    call_read(c, &op, 1, path_read);
}

/* Whether p is full: then the calendar goes on after this fire. */
static bool is_cut(struct call *c, struct page *p, const json_t *items, int64_t at)
{
    char text[CLOCK_TEXT_BYTES];

    if ((int64_t) json_array_size(items) < p->coming)
        return false;
    if (p->to_s) {
        clock_format_ms(at * 1000, text);
        p->resume = arena_strdup(c->arena, text);
    }
    return true;
}

static json_t *fire_times(struct call *c, struct page *p)
{
    const char *zone_name = rows_text(c->reply, 0, 0, 1);
    const struct tz *zone = tz_utc();
    struct schedule_expression x;
    json_t *items = json_array();
    int64_t start = rows_int(c->reply, 0, 0, 2, 0), end = rows_int(c->reply, 0, 0, 3, 0);
    int64_t anchor = rows_int(c->reply, 0, 0, 5, 0), at = rows_int(c->reply, 0, 0, 6, 0);
    struct err e;

    if (!rows_bool(c->reply, 0, 0, 4) ||
        schedule_parse(rows_text(c->reply, 0, 0, 0), &x, NULL, &e) ||
        (zone_name && tz_load(zone_name, &zone, &e)))
        return items; /* disabled, retired, or fired by imports: no times of its own */
    if (p->from_s)
        at = p->from_s - 1;
    if (start > at)
        at = start - 1;
    if (p->to_s && (!end || p->to_s < end))
        end = p->to_s;
    while (schedule_next(&x, zone, anchor, at, &at) && (!end || at <= end) &&
           !is_cut(c, p, items, at)) {
        char text[CLOCK_TEXT_BYTES], local[32];
        int fold;

        clock_format_ms(at * 1000, text);
        tz_local(zone, at, local, &fold);
        json_array_append_new(items, json_pack("{s:s, s:s, s:i}", "nominalAt", text, "nominalLocal",
                                               local, "fold", fold));
    }
    return items;
}

static void spec_read(struct call *c)
{
    struct page *p = c->state;
    const char *before, *rows;
    struct db_op op;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "schedule", c->match.params[0]);
        return;
    }
    if (p->coming) {
        AUTO_JSON json_t *items = fire_times(c, p);
        AUTO_JSON json_t *answer = json_pack("{s:O, s:s?}", "items", items, "next", p->resume);

        answer_json(c, 200, answer);
        return;
    }
    if (!query_limit(c, &p->limit, &rows) || !query_cursor(c, &before))
        return;
    schedules_store_fires(c->match.params[0], before, rows, &op);
    call_list(c, &op, page_read);
}

static bool take_time(struct call *c, const char *name, int64_t *seconds)
{
    const char *text = http_query(c->rq, name);
    int64_t ms;

    if (!text)
        return true;
    if (!clock_parse(text, &ms) || ms <= 0) {
        answer_problemf(c, 400, "bad-parameter", "%s is a time such as 2026-11-24T06:00:00Z.",
                        name);
        return false;
    }
    *seconds = (ms + 999) / 1000;
    return true;
}

static void read_spec(struct call *c)
{
    struct db_op op;

    schedules_store_spec(c->match.params[0], &op);
    call_read(c, &op, 1, spec_read);
}

/* Without parameters: what became of the past fires. With count: the next ones; with from and to:
 * those of a calendar. */
void api_schedule_fires(struct call *c)
{
    static const int64_t range[2] = { 1, COMING_MAX };
    struct page *p = arena_alloc(c->arena, sizeof *p);

    c->state = p;
    if (!query_integer(c, "count", range, &p->coming) || !take_time(c, "from", &p->from_s) ||
        !take_time(c, "to", &p->to_s))
        return;
    if ((p->from_s || p->to_s) && !p->coming)
        p->coming = COMING_MAX;
    schedule_find(c, read_spec);
}
