/*
 * schedule.c - next and previous fires of a schedule in its time zone, and how many lie between.
 *
 * Pure. Fixed-time schedules need no search at all: the first instant at which the zone's local
 * time has reached a named time never falls back as the named time grows, so gaps and folds come
 * out right by construction. Wildcard-hour schedules look at one span of constant offset after the
 * other, and jump over those in which nothing is named.
 */
#include "steward/schedule.h"

#include <assert.h>

#include "schedule_fields.h"
#include "tz_data.h"

#define RESULT_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z: what can be written */

static int64_t clamp(int64_t at)
{
    return at < -TZ_LIMIT ? -TZ_LIMIT : at > TZ_LIMIT ? TZ_LIMIT : at;
}

static bool fixed_next(const struct schedule_expression *x, const struct tz *zone, int64_t after,
                       int64_t *out)
{
    int64_t local;

    if (!schedule_fields_next(x, tz_reached(zone, after) + 1, &local))
        return false;
    *out = tz_first_instant(zone, local);
    return true;
}

static bool fixed_prev(const struct schedule_expression *x, const struct tz *zone, int64_t at,
                       int64_t *out)
{
    int64_t local;

    if (!schedule_fields_prev(x, tz_reached(zone, at), &local))
        return false;
    *out = tz_first_instant(zone, local);
    return true;
}

/* Local times of one span: [span.start, span.end) + offset. */
static bool elapsed_next(const struct schedule_expression *x, const struct tz *zone, int64_t after,
                         int64_t *out)
{
    struct tz_span s = tz_span_at(zone, after + 1);
    int64_t from = after + 1, local;

    for (;;) {
        bool is_any = schedule_fields_next(x, from + s.offset_s, &local);

        if (is_any && local - s.offset_s < s.end) {
            *out = local - s.offset_s;
            return true;
        }
        /* Soon after, a fold may show earlier local times again. After two offsets the clock only
         * nears "local". */
        if (s.end <= from + 2 * TZ_OFFSET_SPAN)
            from = s.end;
        else if (!is_any)
            return false;
        else
            from = local - TZ_OFFSET_SPAN > s.end ? local - TZ_OFFSET_SPAN : s.end;
        s = tz_span_at(zone, from);
    }
}

static bool elapsed_prev(const struct schedule_expression *x, const struct tz *zone, int64_t at,
                         int64_t *out)
{
    struct tz_span s = tz_span_at(zone, at);
    int64_t to = at, local;

    for (;;) {
        bool is_any = schedule_fields_prev(x, to + s.offset_s, &local);

        if (is_any && local - s.offset_s >= s.start) {
            *out = local - s.offset_s;
            return true;
        }
        if (s.start >= to - 2 * TZ_OFFSET_SPAN)
            to = s.start - 1;
        else if (!is_any)
            return false;
        else
            to = local + TZ_OFFSET_SPAN < s.start ? local + TZ_OFFSET_SPAN : s.start - 1;
        s = tz_span_at(zone, to);
    }
}

static bool rate_next(const struct schedule_expression *x, int64_t anchor, int64_t after,
                      int64_t *out)
{
    *out = after < anchor ? anchor : anchor + ((after - anchor) / x->rate_s + 1) * x->rate_s;
    return *out <= RESULT_MAX;
}

static bool rate_prev(const struct schedule_expression *x, int64_t anchor, int64_t at, int64_t *out)
{
    *out = anchor + (at - anchor) / x->rate_s * x->rate_s;
    return at >= anchor;
}

bool schedule_next(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s,
                   int64_t after_s, int64_t *out)
{
    int64_t after = clamp(after_s);

    switch (x->type) {
    case SCHEDULE_CRON:
        return x->is_any_hour ? elapsed_next(x, zone, after, out) : fixed_next(x, zone, after, out);
    case SCHEDULE_RATE:
        return rate_next(x, clamp(anchor_s), after, out);
    case SCHEDULE_AT:
        *out = tz_first_instant(zone, x->at_s);
        return *out > after;
    case SCHEDULE_DELETE:
        break;
    }
    return false;
}

bool schedule_prev(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s,
                   int64_t at_or_before_s, int64_t *out)
{
    int64_t at = clamp(at_or_before_s);

    switch (x->type) {
    case SCHEDULE_CRON:
        return x->is_any_hour ? elapsed_prev(x, zone, at, out) : fixed_prev(x, zone, at, out);
    case SCHEDULE_RATE:
        return rate_prev(x, clamp(anchor_s), at, out);
    case SCHEDULE_AT:
        *out = tz_first_instant(zone, x->at_s);
        return *out <= at;
    case SCHEDULE_DELETE:
        break;
    }
    return false;
}

/* The part of time in which a cron() can fire, so that the spans to walk are few. */
static int64_t clamp_cron(int64_t at)
{
    static const int64_t last = INT64_C(7258204800); /* 2200-01-02 */

    return at < -2 * TZ_OFFSET_SPAN ? -2 * TZ_OFFSET_SPAN : at > last ? last : at;
}

/* Named times up to a local time reach it together when they lie in one gap: they are one fire, not
 * several. */
static int64_t fixed_count(const struct schedule_expression *x, const struct tz *zone,
                           int64_t after, int64_t to)
{
    int64_t count = schedule_fields_count(x, tz_reached(zone, after) + 1, tz_reached(zone, to) + 1);
    struct tz_span s = tz_span_at(zone, after);

    while (s.end <= to) {
        int64_t in_gap;

        s = tz_span_at(zone, s.end);
        in_gap = schedule_fields_count(x, s.reached, s.start + s.offset_s + 1);
        if (in_gap > 1)
            count -= in_gap - 1;
    }
    return count;
}

static int64_t elapsed_count(const struct schedule_expression *x, const struct tz *zone,
                             int64_t after, int64_t to)
{
    int64_t count = 0, from = after + 1;

    while (from <= to) {
        struct tz_span s = tz_span_at(zone, from);
        int64_t end = s.end <= to ? s.end : to + 1;

        count += schedule_fields_count(x, from + s.offset_s, end + s.offset_s);
        from = end;
    }
    return count;
}

int64_t schedule_count(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s,
                       const int64_t after_to_s[2])
{
    int64_t after = clamp(after_to_s[0]), to = clamp(after_to_s[1]), anchor = clamp(anchor_s), at;

    if (to <= after)
        return 0;
    switch (x->type) {
    case SCHEDULE_CRON:
        after = clamp_cron(after);
        to = clamp_cron(to);
        return x->is_any_hour ? elapsed_count(x, zone, after, to) : fixed_count(x, zone, after, to);
    case SCHEDULE_RATE:
        if (to < anchor)
            return 0;
        return (to - anchor) / x->rate_s - (after < anchor ? -1 : (after - anchor) / x->rate_s);
    case SCHEDULE_AT:
        at = tz_first_instant(zone, x->at_s);
        return at > after && at <= to;
    case SCHEDULE_DELETE:
        break;
    }
    return 0;
}
