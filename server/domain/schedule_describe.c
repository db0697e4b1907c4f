/*
 * schedule_describe.c - a schedule expression in plain English.
 *
 * Pure, and told from the meaning, not from the text: "0 0/6 * * ? *" and "0 0,6,12,18 ? * * *"
 * read the same. The sentence is days, time, zone, months, years: "Mondays to Fridays at 06:30
 * Europe/Berlin in July and August of 2028".
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schedule_fields.h"
#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/str.h"

#define ALL_MINUTES  ((UINT64_C(1) << 60) - 1)
#define ALL_HOURS    UINT64_C(0xFFFFFF)
#define ALL_DAYS     UINT64_C(0xFFFFFFFE)
#define ALL_MONTHS   UINT64_C(0x1FFE)
#define ALL_WEEKDAYS UINT64_C(0xFE)
#define TIMES_MAX    6 /* so many clock times are listed one by one */

static const char *const month_names[] = { "",        "January",  "February", "March",  "April",
                                           "May",     "June",     "July",     "August", "September",
                                           "October", "November", "December" };
static const char *const weekday_names[] = { "",          "Sunday",   "Monday", "Tuesday",
                                             "Wednesday", "Thursday", "Friday", "Saturday" };
static const char *const ordinals[] = { "", "first", "second", "third", "fourth", "fifth" };

/* How a set of numbers is written. */
struct wording {
    const char *const *names; /* by value; NULL: digits */
    const char *suffix;       /* behind each name: "s" */
    int width;                /* of digits */
};

/* A set of at most 256 numbers. */
struct set {
    uint64_t word[4];
};

static bool set_has(const struct set *s, int i)
{
    return i >= 0 && i < 256 && s->word[i / 64] >> (i % 64) & 1;
}

static int set_count(const struct set *s)
{
    int n = 0;

    for (int i = 0; i < 4; i++)
        n += __builtin_popcountll(s->word[i]);
    return n;
}

static struct set set_of(uint64_t bits)
{
    return (struct set){ { bits } };
}

static int set_first(const struct set *s)
{
    for (int i = 0; i < 256; i++)
        if (set_has(s, i))
            return i;
    return -1;
}

static void one_add(struct buf *b, const struct wording *w, int value)
{
    if (w->names)
        buf_printf(b, "%s%s", w->names[value], w->suffix);
    else
        buf_printf(b, "%0*d", w->width, value);
}

/* Stretches of three and more become "a to b"; the rest is a list with "and". base is added to
 * digits. */
static void set_add(struct buf *b, const struct set *s, const struct wording *w, int base)
{
    struct {
        int low, high;
    } parts[128];
    int n = 0;

    for (int i = 0; i < 256; i++) {
        int high = i;

        if (!set_has(s, i))
            continue;
        while (set_has(s, high + 1))
            high++;
        if (high - i < 2)
            high = i;
        parts[n].low = i;
        parts[n++].high = high;
        i = high;
    }
    for (int i = 0; i < n; i++) {
        if (i)
            buf_adds(b, i == n - 1 ? " and " : ", ");
        one_add(b, w, parts[i].low + base);
        if (parts[i].high > parts[i].low) {
            buf_adds(b, " to ");
            one_add(b, w, parts[i].high + base);
        }
    }
}

/* The step when the set is evenly spread around its cycle, such as 1, 7, 13, 19 of 24; 0 when it is
 * not. */
static int even_step(uint64_t bits, int cycle)
{
    int n = __builtin_popcountll(bits), first = __builtin_ctzll(bits);
    uint64_t expected = 0;

    if (n < 2 || cycle % n != 0 || first >= cycle / n)
        return 0;
    for (int i = first; i < cycle; i += cycle / n)
        expected |= UINT64_C(1) << i;
    return expected == bits ? cycle / n : 0;
}

static void every_add(struct buf *b, int64_t n, const char *unit)
{
    if (n == 1)
        buf_printf(b, "every %s", unit);
    else
        buf_printf(b, "every %lld %ss", (long long) n, unit);
}

static void rate_add(struct buf *b, int64_t seconds)
{
    if (seconds % 86400 == 0)
        every_add(b, seconds / 86400, "day");
    else if (seconds % 3600 == 0)
        every_add(b, seconds / 3600, "hour");
    else
        every_add(b, seconds / 60, "minute");
}

struct sentence {
    const struct schedule_expression *x;
    const char *zone;
    bool is_every_day; /* no day is left out */
};

/* "every 6 hours", "every 15 minutes", "every hour at minute 30"; false when the times are no
 * interval. */
static bool interval_add(struct buf *b, const struct sentence *s)
{
    const struct schedule_expression *x = s->x;
    int minute = __builtin_ctzll(x->minutes), hour = __builtin_ctz(x->hours);
    int step = even_step(x->minutes, 60), hour_step = even_step(x->hours, 24);
    bool is_one_minute = (x->minutes & (x->minutes - 1)) == 0;

    if (x->is_any_hour && step && minute == 0) {
        every_add(b, step, "minute");
        return true;
    }
    if (x->is_any_hour && is_one_minute) {
        buf_adds(b, "every hour");
        if (minute)
            buf_printf(b, " at minute %d", minute);
        return true;
    }
    if (!x->is_any_hour && is_one_minute && hour_step && s->is_every_day) {
        every_add(b, hour_step, "hour");
        if (hour || minute || strcmp(s->zone, "UTC") != 0)
            buf_printf(b, " from %02d:%02d %s", hour, minute, s->zone);
        return true;
    }
    return false;
}

/* "at 01:30, 06:30 and 21:30 UTC", or minutes and hours apart when they are many. */
static void times_add(struct buf *b, const struct sentence *s)
{
    static const struct wording numbers = { NULL, "", 1 }, hours = { NULL, "", 2 };
    const struct schedule_expression *x = s->x;
    struct set minute_set = set_of(x->minutes), hour_set = set_of(x->hours);
    int n = set_count(&minute_set) * set_count(&hour_set), done = 0;

    if (n <= TIMES_MAX) {
        for (int t = 0; t < 24 * 60; t++) {
            if (!set_has(&hour_set, t / 60) || !set_has(&minute_set, t % 60))
                continue;
            buf_adds(b, done == 0 ? "at " : done == n - 1 ? " and " : ", ");
            buf_printf(b, "%02d:%02d", t / 60, t % 60);
            done++;
        }
        buf_printf(b, " %s", s->zone);
        return;
    }
    if (x->minutes == ALL_MINUTES) {
        buf_adds(b, "every minute");
    } else if (even_step(x->minutes, 60) && x->minutes & 1) {
        every_add(b, even_step(x->minutes, 60), "minute");
    } else {
        buf_adds(b, set_count(&minute_set) == 1 ? "at minute " : "at minutes ");
        set_add(b, &minute_set, &numbers, 0);
    }
    if (x->is_any_hour) {
        buf_adds(b, " of every hour");
    } else {
        buf_adds(b, set_count(&hour_set) == 1 ? " of hour " : " of hours ");
        set_add(b, &hour_set, &hours, 0);
        buf_printf(b, " %s", s->zone);
    }
}

/* "the month", or the months that are meant. */
static void months_add(struct buf *b, const struct schedule_expression *x)
{
    static const struct wording names = { month_names, "", 0 };
    struct set months = set_of(x->months);

    if (x->months == ALL_MONTHS)
        buf_adds(b, "the month");
    else
        set_add(b, &months, &names, 0);
}

static void weekdays_add(struct buf *b, const struct schedule_expression *x)
{
    static const struct wording names = { weekday_names, "s", 0 };
    struct set weekdays = set_of(x->weekdays);

    set_add(b, &weekdays, &names, 0);
}

/* Days that are told with their months: "on the last Friday of June". False when the months are
 * still to be told. */
static bool days_add(struct buf *b, const struct schedule_expression *x)
{
    static const struct wording numbers = { NULL, "", 1 };
    struct set days = set_of(x->days);
    int rule = x->is_any_day ? x->weekday_rule.type : x->day_rule.type;
    int a = x->is_any_day ? x->weekday_rule.a : x->day_rule.a;

    if (rule == DAY_RULE_LAST_WEEKDAY)
        buf_printf(b, "on the last %s of ", weekday_names[a]);
    else if (rule == DAY_RULE_NTH_WEEKDAY)
        buf_printf(b, "on the %s %s of ", ordinals[x->weekday_rule.b], weekday_names[a]);
    else if (rule == DAY_RULE_LAST && a == 0)
        buf_adds(b, "on the last day of ");
    else if (rule == DAY_RULE_LAST)
        buf_printf(b, "%d day%s before the last day of ", a, a == 1 ? "" : "s");
    else if (rule == DAY_RULE_LAST_WORKDAY)
        buf_adds(b, "on the last weekday of ");
    else if (rule == DAY_RULE_NEAREST_WORKDAY)
        buf_printf(b, "on the weekday nearest to day %d of ", a);
    else if (x->is_any_day)
        return weekdays_add(b, x), false;
    else {
        buf_adds(b, set_count(&days) == 1 ? "on day " : "on days ");
        set_add(b, &days, &numbers, 0);
        buf_adds(b, " of ");
    }
    months_add(b, x);
    return true;
}

/* Plain weekdays follow an interval with "on": "every minute on Sundays". */
static bool is_plain_weekdays(const struct schedule_expression *x)
{
    return x->is_any_day && x->weekday_rule.type == DAY_RULE_BITS;
}

static void months_and_years_add(struct buf *b, const struct schedule_expression *x,
                                 bool are_months_told)
{
    static const struct wording numbers = { NULL, "", 4 };
    struct set years = { { x->years[0], x->years[1], x->years[2], x->years[3] } };

    if (!are_months_told && x->months != ALL_MONTHS) {
        buf_adds(b, " in ");
        months_add(b, x);
    }
    if (set_count(&years) == SCHEDULE_YEAR_MAX - SCHEDULE_YEAR_MIN + 1)
        return;
    buf_adds(b, !are_months_told && x->months != ALL_MONTHS ? " of " : " in ");
    if (set_count(&years) > 8 && !set_has(&years, set_first(&years) + 1)) {
        int first = set_first(&years), step = 1;

        while (!set_has(&years, first + step))
            step++;
        buf_printf(b, "every %d%s year from %d", step,
                   step == 2   ? "nd"
                   : step == 3 ? "rd"
                               : "th",
                   SCHEDULE_YEAR_MIN + first);
    } else {
        set_add(b, &years, &numbers, SCHEDULE_YEAR_MIN);
    }
}

static void cron_add(struct buf *b, const struct schedule_expression *x, const char *zone)
{
    bool has_all_days = x->is_any_day ? is_plain_weekdays(x) && x->weekdays == ALL_WEEKDAYS
                                      : x->day_rule.type == DAY_RULE_BITS && x->days == ALL_DAYS;
    struct sentence s = { x, zone, has_all_days };
    bool are_months_told = false;
    int64_t some;

    if (interval_add(b, &s)) {
        if (!has_all_days) {
            buf_adds(b, is_plain_weekdays(x) ? " on " : " ");
            are_months_told = days_add(b, x);
        }
        if (!x->is_any_hour || has_all_days)
            zone = NULL; /* told, or the same in every zone */
        if (zone)
            buf_printf(b, ", %s", zone);
    } else {
        if (has_all_days)
            buf_adds(b, "every day");
        else
            are_months_told = days_add(b, x);
        buf_addc(b, ' ');
        times_add(b, &s);
    }
    months_and_years_add(b, x, are_months_told);
    if (!schedule_fields_next(x, INT64_MIN / 4, &some))
        buf_adds(b, " (a date that never comes)");
}

size_t schedule_describe(const struct schedule_expression *x, const char *zone_name, char *out,
                         size_t size)
{
    AUTO_BUF struct buf b = { 0 };
    const char *zone = str_is_empty(zone_name) ? "UTC" : zone_name;
    char at[CLOCK_TEXT_BYTES];

    switch (x->type) {
    case SCHEDULE_CRON:
        cron_add(&b, x, zone);
        break;
    case SCHEDULE_RATE:
        rate_add(&b, x->rate_s);
        break;
    case SCHEDULE_AT:
        clock_format_s(x->at_s, at);
        buf_printf(&b, "once, on %.10s at %.8s %s", at, at + 11, zone);
        break;
    case SCHEDULE_DELETE:
        buf_adds(&b, "never: removes the schedule");
        break;
    }
    return str_copy(out, size, b.data);
}
