/*
 * schedule_fields.c - field arithmetic of a cron(): years, months, days, hours and minutes as bit
 * sets.
 *
 * Pure. Never steps through time: the next year, month, day, hour and minute are each one look at a
 * bit set, so a fire in 2199 costs what one tomorrow does. The worst case, a date that never comes,
 * looks at each month once.
 */
#include "schedule_fields.h"

#include <assert.h>

#include "steward/clock.h"

#define DAY_S      86400
#define YEAR_COUNT (SCHEDULE_YEAR_MAX - SCHEDULE_YEAR_MIN + 1)

struct date {
    int64_t year;
    int month, day;
};

static int lowest(uint64_t bits)
{
    return __builtin_ctzll(bits);
}

static int highest(uint64_t bits)
{
    return 63 - __builtin_clzll(bits);
}

/* Bits n and up. */
static uint64_t from_bit(int n)
{
    return n > 63 ? 0 : ~UINT64_C(0) << n;
}

/* Bits n and down. */
static uint64_t to_bit(int n)
{
    return n < 0 ? 0 : ~UINT64_C(0) >> (63 - n);
}

static int month_days(int64_t year, int month)
{
    static const uint8_t days[] = { 0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month] + (month == 2 && is_leap);
}

/* 0 = Sunday. 1970-01-01 was a Thursday. */
static int weekday_of_first(int64_t year, int month)
{
    int64_t days = clock_days_from_civil(year, month, 1);

    return (int) (((days + 4) % 7 + 7) % 7);
}

/* Saturday goes to Friday and Sunday to Monday, but never out of the month: then it is the other
 * side of the weekend. */
static int nearest_workday(int day, int first, int last_day)
{
    int weekday = (first + day - 1) % 7;

    if (weekday == 6)
        return day == 1 ? 3 : day - 1;
    if (weekday == 0)
        return day == last_day ? day - 2 : day + 1;
    return day;
}

static uint32_t days_by_day_field(const struct schedule_expression *x, int first, int last_day)
{
    int n = x->day_rule.a, weekday;

    switch ((enum schedule_day_rule) x->day_rule.type) {
    case DAY_RULE_LAST:
        return last_day - n >= 1 ? UINT32_C(1) << (last_day - n) : 0;
    case DAY_RULE_LAST_WORKDAY:
        weekday = (first + last_day - 1) % 7;
        return UINT32_C(1) << (last_day - (weekday == 6 ? 1 : weekday == 0 ? 2 : 0));
    case DAY_RULE_NEAREST_WORKDAY:
        return n <= last_day ? UINT32_C(1) << nearest_workday(n, first, last_day) : 0;
    case DAY_RULE_BITS:
    case DAY_RULE_LAST_WEEKDAY:
    case DAY_RULE_NTH_WEEKDAY:
        break;
    }
    return x->days & (uint32_t) to_bit(last_day);
}

static uint32_t days_by_weekday_field(const struct schedule_expression *x, int first, int last_day)
{
    /* the first day of the month that is the rule's weekday */
    int day = 1 + (x->weekday_rule.a - 1 - first + 7) % 7;
    uint32_t bits = 0;

    switch ((enum schedule_day_rule) x->weekday_rule.type) {
    case DAY_RULE_NTH_WEEKDAY:
        day += 7 * (x->weekday_rule.b - 1);
        return day <= last_day ? UINT32_C(1) << day : 0;
    case DAY_RULE_LAST_WEEKDAY:
        return UINT32_C(1) << (day + (last_day - day) / 7 * 7);
    case DAY_RULE_BITS:
    case DAY_RULE_LAST:
    case DAY_RULE_LAST_WORKDAY:
    case DAY_RULE_NEAREST_WORKDAY:
        break;
    }
    for (int weekday = 1; weekday <= 7; weekday++)
        if (x->weekdays & 1U << weekday) /* 1, 8, 15, 22 and 29 are one weekday */
            bits |= UINT32_C(0x20408102) << (weekday - 1 - first + 7) % 7;
    return bits & (uint32_t) to_bit(last_day);
}

uint32_t schedule_fields_days(const struct schedule_expression *x, int64_t year, int month)
{
    int first = weekday_of_first(year, month), last_day = month_days(year, month);

    return x->is_any_day ? days_by_weekday_field(x, first, last_day)
                         : days_by_day_field(x, first, last_day);
}

static bool year_is_named(const struct schedule_expression *x, int64_t year)
{
    int64_t i = year - SCHEDULE_YEAR_MIN;

    return i >= 0 && i < YEAR_COUNT && x->years[i / 64] >> (i % 64) & 1;
}

/* The named days of a month, or none when its year or itself is not named. */
static uint32_t days_of(const struct schedule_expression *x, int64_t year, int month)
{
    if (!year_is_named(x, year) || !(x->months >> month & 1))
        return 0;
    return schedule_fields_days(x, year, month);
}

static bool year_next(const struct schedule_expression *x, int64_t *year)
{
    int i = *year < SCHEDULE_YEAR_MIN ? 0 : (int) (*year - SCHEDULE_YEAR_MIN);

    for (int word = i / 64; word < 4; word++, i = 64 * word) {
        uint64_t bits = x->years[word] & from_bit(i % 64);

        if (bits) {
            *year = SCHEDULE_YEAR_MIN + 64 * word + lowest(bits);
            return true;
        }
    }
    return false;
}

static bool year_prev(const struct schedule_expression *x, int64_t *year)
{
    int i = *year > SCHEDULE_YEAR_MAX ? YEAR_COUNT - 1 : (int) (*year - SCHEDULE_YEAR_MIN);

    for (int word = i / 64; i >= 0; word--, i = 64 * word + 63) {
        uint64_t bits = x->years[word] & to_bit(i % 64);

        if (bits) {
            *year = SCHEDULE_YEAR_MIN + 64 * word + highest(bits);
            return true;
        }
    }
    return false;
}

/* The first named date at or after *d. */
static bool date_next(const struct schedule_expression *x, struct date *d)
{
    for (struct date at = *d;; at = (struct date){ at.year + 1, 1, 1 }) {
        int64_t asked = at.year;

        if (at.year > SCHEDULE_YEAR_MAX || !year_next(x, &at.year))
            return false;
        if (at.year != asked)
            at = (struct date){ at.year, 1, 1 };
        for (uint64_t months = x->months & from_bit(at.month); months; months &= months - 1) {
            int month = lowest(months);
            uint64_t days =
                schedule_fields_days(x, at.year, month) & from_bit(month == at.month ? at.day : 1);

            if (days) {
                *d = (struct date){ at.year, month, lowest(days) };
                return true;
            }
        }
    }
}

/* The last named date at or before *d. */
static bool date_prev(const struct schedule_expression *x, struct date *d)
{
    for (struct date at = *d;; at = (struct date){ at.year - 1, 12, 31 }) {
        int64_t asked = at.year;

        if (at.year < SCHEDULE_YEAR_MIN || !year_prev(x, &at.year))
            return false;
        if (at.year != asked)
            at = (struct date){ at.year, 12, 31 };
        for (uint64_t months = x->months & to_bit(at.month); months;) {
            int month = highest(months);
            uint64_t days =
                schedule_fields_days(x, at.year, month) & to_bit(month == at.month ? at.day : 31);

            if (days) {
                *d = (struct date){ at.year, month, highest(days) };
                return true;
            }
            months &= ~(UINT64_C(1) << month);
        }
    }
}

/* The first named minute of a day at or after minute, -1 when there is none. */
static int minute_next(const struct schedule_expression *x, int minute)
{
    uint64_t hours = x->hours & from_bit(minute / 60), minutes;

    if (!hours)
        return -1;
    if (lowest(hours) != minute / 60)
        return lowest(hours) * 60 + lowest(x->minutes);
    minutes = x->minutes & from_bit(minute % 60);
    if (minutes)
        return minute / 60 * 60 + lowest(minutes);
    hours &= hours - 1;
    return hours ? lowest(hours) * 60 + lowest(x->minutes) : -1;
}

static int minute_prev(const struct schedule_expression *x, int minute)
{
    uint64_t hours = x->hours & to_bit(minute / 60), minutes;

    if (!hours)
        return -1;
    if (highest(hours) != minute / 60)
        return highest(hours) * 60 + highest(x->minutes);
    minutes = x->minutes & to_bit(minute % 60);
    if (minutes)
        return minute / 60 * 60 + highest(minutes);
    hours &= ~(UINT64_C(1) << highest(hours));
    return hours ? highest(hours) * 60 + highest(x->minutes) : -1;
}

static struct date date_of(int64_t days)
{
    struct date d;

    clock_civil_from_days(days, &d.year, &d.month, &d.day);
    return d;
}

static int64_t date_days(const struct date *d)
{
    return clock_days_from_civil(d->year, d->month, d->day);
}

static bool date_is_named(const struct schedule_expression *x, const struct date *d)
{
    return days_of(x, d->year, d->month) >> d->day & 1;
}

/* The days that can be named; what lies beyond is moved to the edge, so that no sum overflows. */
static int64_t clamp_local(int64_t local)
{
    int64_t low = -DAY_S;
    int64_t high = clock_days_from_civil(SCHEDULE_YEAR_MAX + 1, 1, 2) * DAY_S;

    return local < low ? low : local > high ? high : local;
}

static int64_t floor_days(int64_t local)
{
    return local / DAY_S - (local % DAY_S < 0);
}

bool schedule_fields_next(const struct schedule_expression *x, int64_t local, int64_t *out)
{
    int64_t whole = clamp_local(local), days;
    struct date d;
    int minute;

    whole += ((-whole) % 60 + 60) % 60; /* up to a whole minute */
    days = floor_days(whole);
    d = date_of(days);
    if (date_is_named(x, &d)) {
        minute = minute_next(x, (int) ((whole - days * DAY_S) / 60));
        if (minute >= 0) {
            *out = days * DAY_S + minute * 60;
            return true;
        }
    }
    d = date_of(days + 1);
    if (!date_next(x, &d))
        return false;
    *out = date_days(&d) * DAY_S + minute_next(x, 0) * 60;
    assert(*out >= local);
    return true;
}

bool schedule_fields_prev(const struct schedule_expression *x, int64_t local, int64_t *out)
{
    int64_t whole = clamp_local(local), days = floor_days(whole);
    struct date d = date_of(days);
    int minute;

    if (date_is_named(x, &d)) {
        minute = minute_prev(x, (int) ((whole - days * DAY_S) / 60));
        if (minute >= 0) {
            *out = days * DAY_S + minute * 60;
            return true;
        }
    }
    d = date_of(days - 1);
    if (!date_prev(x, &d))
        return false;
    *out = date_days(&d) * DAY_S + minute_prev(x, 24 * 60 - 1) * 60;
    assert(*out <= local);
    return true;
}

/* Named minutes of a day before minute. */
static int64_t minutes_before(const struct schedule_expression *x, int minute)
{
    int64_t whole_hours = __builtin_popcountll(x->hours & to_bit(minute / 60 - 1));
    int64_t count = whole_hours * __builtin_popcountll(x->minutes);

    if (minute < 24 * 60 && x->hours >> (minute / 60) & 1)
        count += __builtin_popcountll(x->minutes & to_bit(minute % 60 - 1));
    return count;
}

/* Named dates before a day, counted from the first year: one look per month. */
static int64_t dates_between(const struct schedule_expression *x, const struct date *from,
                             const struct date *to)
{
    int64_t count = 0;
    int64_t last = to->year > SCHEDULE_YEAR_MAX ? SCHEDULE_YEAR_MAX : to->year;

    for (int64_t year = from->year; year <= last; year++) {
        int first_month = year == from->year ? from->month : 1;
        int last_month = year == to->year ? to->month : 12;

        if (!year_is_named(x, year))
            continue;
        for (int month = first_month; month <= last_month; month++) {
            uint64_t days = days_of(x, year, month);

            if (year == from->year && month == from->month)
                days &= from_bit(from->day);
            if (year == to->year && month == to->month)
                days &= to_bit(to->day - 1);
            count += __builtin_popcountll(days);
        }
    }
    return count;
}

int64_t schedule_fields_count(const struct schedule_expression *x, int64_t from, int64_t to)
{
    int64_t from_days, to_days, count;
    struct date a, b;

    from = clamp_local(from);
    to = clamp_local(to);
    from += ((-from) % 60 + 60) % 60;
    to += ((-to) % 60 + 60) % 60;
    if (from >= to)
        return 0;
    from_days = floor_days(from);
    to_days = floor_days(to);
    a = date_of(from_days);
    b = date_of(to_days);
    count = dates_between(x, &a, &b) * minutes_before(x, 24 * 60);
    if (date_is_named(x, &b))
        count += minutes_before(x, (int) ((to - to_days * DAY_S) / 60));
    if (date_is_named(x, &a))
        count -= minutes_before(x, (int) ((from - from_days * DAY_S) / 60));
    return count;
}
