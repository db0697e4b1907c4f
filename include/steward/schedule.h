/*
 * schedule.h - schedule expressions: cron() of EventBridge, rate(), at(), delete; and the time
 * zones they run in.
 *
 * Pure but for tz_load: field arithmetic, never stepping minutes. Times are seconds since the
 * epoch.
 *
 * Clock changes. A zone's local time may jump forward (gap) or backward (fold).
 *  - Fixed-time schedules, which are all cron() that do not fire in every hour of the day and all
 * at(): a local time inside a gap fires at the first valid instant after it, one inside a fold
 * once, at its first occurrence. Nothing is lost and nothing doubled. Two local times that come to
 * the same instant are one fire.
 *  - Wildcard-hour schedules follow real elapsed time: every minute that the wall clock shows and
 * the fields name fires, so both 02:xx hours of a fold do and no 02:xx of a gap does. Wildcard-hour
 * means that the hour field names all 24 hours, however it is spelt: *, 0-23, 0/1. A stepped or
 * ranged field that leaves an hour out (such as every sixth hour, 1/5, 9-17) names hours of the day
 * and is fixed-time: each of them is due once on every matching day.
 *  - rate() counts elapsed seconds from its anchor and knows no local time.
 */
#ifndef STEWARD_SCHEDULE_H
#define STEWARD_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"

#define SCHEDULE_YEAR_MIN 1970
#define SCHEDULE_YEAR_MAX 2199
#define SCHEDULE_TEXT_MAX 512 /* longest expression in bytes */

enum schedule_type { SCHEDULE_CRON, SCHEDULE_RATE, SCHEDULE_AT, SCHEDULE_DELETE };

/* How day-of-month or day-of-week picks its days: from the bits, or by one of the letters. */
enum schedule_day_rule {
    DAY_RULE_BITS,            /* a set of days of the month, or of the week */
    DAY_RULE_LAST,            /* L, L-n: a = n days before the last of the month */
    DAY_RULE_LAST_WORKDAY,    /* LW */
    DAY_RULE_NEAREST_WORKDAY, /* nW: a = n; within the month, and only in months that have day n */
    DAY_RULE_LAST_WEEKDAY,    /* nL of day-of-week: a = weekday, the last one of the month */
    DAY_RULE_NTH_WEEKDAY      /* n#k: a = weekday, b = k */
};

/* Plain value: copy freely. */
struct schedule_expression {
    enum schedule_type type;
    uint64_t minutes;                /* bit 0..59 */
    uint32_t hours;                  /* bit 0..23 */
    uint32_t days;                   /* bit 1..31 of the month; 0 with day_rule */
    uint16_t months;                 /* bit 1..12 */
    uint8_t weekdays;                /* bit 1..7, 1 = Sunday */
    bool is_any_day, is_any_weekday; /* '?' stands in that field; exactly one of the two */
    bool is_any_hour;                /* all 24 hours: follows elapsed time (above) */
    struct {
        uint8_t type;
        uint8_t a, b;
    } day_rule; /* enum schedule_day_rule */
    struct {
        uint8_t type;
        uint8_t a, b;
    } weekday_rule;    /* enum schedule_day_rule */
    uint64_t years[4]; /* bit per year from 1970 */
    int64_t rate_s;    /* of rate() */
    int64_t at_s;      /* of at(): local wall time as seconds, zone applied at use */
};

struct tz; /* a loaded IANA zone; immutable, shared by threads, cached for the process' life */
/*
 * "Europe/Berlin"; NULL or "" is UTC. ERR_INVALID names the nearest zone. Reads the system's tz
 * data on the first use of a name (the only I/O of this header) and is safe from any thread.
 */
MUST_USE enum err_code tz_load(const char *name, const struct tz **out, struct err *e);
/* The zone that needs no file. */
const struct tz *tz_utc(void);

/*
 * "cron(0 6 ? * MON *)", "rate(6 hours)", "at(2027-01-31T06:00:00)", "delete". position (may be
 * NULL) gets the 0-based offset of the trouble in text. The error names field, position and cure.
 */
MUST_USE enum err_code schedule_parse(const char *text, struct schedule_expression *out,
                                      size_t *position, struct err *e);
/* The same, and also the bare six fields of a cron(): "0 6 ? * MON *". For people at a terminal,
 * not for files. */
MUST_USE enum err_code schedule_parse_loose(const char *text, struct schedule_expression *out,
                                            size_t *position, struct err *e);
/*
 * First fire strictly after / last fire at or before the instant; false when there is none. rate()
 * fires at anchor_s and every rate_s later; a schedule whose anchor is its creation first fires one
 * period after it, because "after" is strict.
 */
bool schedule_next(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s,
                   int64_t after_s, int64_t *out);
bool schedule_prev(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s,
                   int64_t at_or_before_s, int64_t *out);
/*
 * How many fires lie in (after_s, to_s], without visiting them. Exact: months are counted, not
 * minutes, and the few clock changes whose fold or gap a schedule can meet are corrected one by
 * one.
 */
int64_t schedule_count(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s,
                       const int64_t after_to_s[2]);
/* Plain English: "every 6 hours", "Sundays at 00:00 UTC". Returns the length written (cut at size).
 */
size_t schedule_describe(const struct schedule_expression *x, const char *zone_name, char *out,
                         size_t size);

/* Local wall time of an instant: "2026-03-29T02:30:00" and the fold (0, or 1 for the second
 * occurrence). */
void tz_local(const struct tz *zone, int64_t at_s, char out[32], int *fold);
int32_t tz_offset_s(const struct tz *zone, int64_t at_s);

#endif
