/*
 * tz.c - from instants to local time and back, by spans of one offset.
 *
 * Pure. Past the table the yearly rule is computed for the year at hand, so any far year costs the
 * same.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/mem.h"
#include "tz_data.h"

static const struct tz utc = { .name = "UTC", .footer = { .is_present = true } };

const struct tz *tz_utc(void)
{
    return &utc;
}

static int64_t clamp(int64_t at)
{
    return at < -TZ_LIMIT ? -TZ_LIMIT : at > TZ_LIMIT ? TZ_LIMIT : at;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since the epoch of a rule in a year. */
static int64_t rule_day(const struct tz_rule *r, int64_t year)
{
    int64_t first, days, next;

    if (r->type == TZ_RULE_DAY)
        return clock_days_from_civil(year, 1, 1) + r->day;
    if (r->type == TZ_RULE_JULIAN) { /* day 60 is 1 March in every year */
        first = r->day < 60 ? clock_days_from_civil(year, 1, 1) - 1
                            : clock_days_from_civil(year, 3, 1) - 60;
        return first + r->day;
    }
    first = clock_days_from_civil(year, r->month, 1);
    next = clock_days_from_civil(r->month == 12 ? year + 1 : year,
                                 r->month == 12 ? 1 : r->month + 1, 1);
    /* 1970-01-01 was a Thursday (4) */
    days = first + (r->weekday - ((first + 4) % 7 + 7) % 7 + 7) % 7 + 7 * (r->week - 1);
    return days >= next ? days - 7 : days;
}

/* The span of the yearly rule around the instant, without "reached". When both ends fall together,
 * summer time holds. */
static struct tz_span footer_span(const struct tz_footer *f, int64_t at)
{
    struct tz_span s = { .start = TZ_BEGIN, .end = TZ_END, .offset_s = f->std_offset_s };
    int64_t year;
    int month, day;

    if (!f->has_dst)
        return s;
    clock_civil_from_days(floor_div(at, 86400), &year, &month, &day);
    for (int64_t y = year - 2; y <= year + 2; y++) {
        int64_t ends = rule_day(&f->dst_end, y) * 86400 + f->dst_end.time_s - f->dst_offset_s;
        int64_t starts = rule_day(&f->dst_start, y) * 86400 + f->dst_start.time_s - f->std_offset_s;

        if (ends <= at && ends > s.start) {
            s.start = ends;
            s.offset_s = f->std_offset_s;
        }
        if (starts <= at && starts >= s.start) {
            s.start = starts;
            s.offset_s = f->dst_offset_s;
        }
        if (ends > at && ends < s.end)
            s.end = ends;
        if (starts > at && starts < s.end)
            s.end = starts;
    }
    return s;
}

/* How many changes lie at or before the instant. */
static size_t changes_before(const struct tz *zone, int64_t at)
{
    size_t low = 0, high = zone->n_changes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->changes[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct tz_span table_span(const struct tz *zone, size_t n)
{
    struct tz_span s = { TZ_BEGIN, TZ_END, TZ_BEGIN - TZ_OFFSET_SPAN, zone->first_offset_s };

    if (n) {
        s.start = zone->changes[n - 1].at;
        s.reached = zone->changes[n - 1].reached;
        s.offset_s = zone->changes[n - 1].offset_s;
    }
    if (n < zone->n_changes)
        s.end = zone->changes[n].at;
    return s;
}

/* A span ruled by the footer; it begins no earlier than the last change. */
static struct tz_span tail_span(const struct tz *zone, int64_t at)
{
    struct tz_span last = table_span(zone, zone->n_changes), s = footer_span(&zone->footer, at);

    s.reached = TZ_BEGIN - TZ_OFFSET_SPAN;
    if (zone->n_changes && s.start <= last.start) {
        s.start = last.start;
        s.reached = last.reached;
    }
    return s;
}

struct tz_span tz_span_at(const struct tz *zone, int64_t at)
{
    size_t n;
    struct tz_span s, earlier;

    at = clamp(at);
    n = changes_before(zone, at);
    if (n < zone->n_changes || !zone->footer.is_present)
        return table_span(zone, n);
    s = tail_span(zone, at);
    if ((n && s.start == zone->changes[n - 1].at) || s.start == TZ_BEGIN)
        return s;
    /* What was reached before: only spans that ended within two offsets of here can have shown
     * later local times. */
    for (earlier = s; earlier.start > s.start - 2 * TZ_OFFSET_SPAN;) {
        if (zone->n_changes && earlier.start == zone->changes[n - 1].at) {
            s.reached = earlier.reached > s.reached ? earlier.reached : s.reached;
            break;
        }
        earlier = tail_span(zone, earlier.start - 1);
        if (earlier.end + earlier.offset_s > s.reached)
            s.reached = earlier.end + earlier.offset_s;
    }
    return s;
}

int64_t tz_first_instant(const struct tz *zone, int64_t local)
{
    struct tz_span s = tz_span_at(zone, local - TZ_OFFSET_SPAN);

    while (s.end + s.offset_s <= local)
        s = tz_span_at(zone, s.end);
    return local - s.offset_s > s.start ? local - s.offset_s : s.start;
}

int64_t tz_reached(const struct tz *zone, int64_t at)
{
    struct tz_span s = tz_span_at(zone, at);
    int64_t now = clamp(at) + s.offset_s;

    return now > s.reached - 1 ? now : s.reached - 1;
}

int32_t tz_offset_s(const struct tz *zone, int64_t at_s)
{
    return tz_span_at(zone, at_s).offset_s;
}

void tz_local(const struct tz *zone, int64_t at_s, char out[32], int *fold)
{
    struct tz_span s = tz_span_at(zone, at_s);
    int64_t local = clamp(at_s) + s.offset_s, days, rest, year;
    int month, day;

    days = floor_div(local, 86400);
    rest = local - days * 86400;
    clock_civil_from_days(days, &year, &month, &day);
    assert(rest >= 0 && rest < 86400);
    (void) snprintf(out, 32, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long) year, month, day,
                    (int) (rest / 3600), (int) (rest / 60 % 60), (int) (rest % 60));
    *fold = local < s.reached;
}
