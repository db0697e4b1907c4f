/*
 * schedule.h - schedule expressions: cron() of EventBridge, rate(), at(), delete.
 *
 * Pure: field arithmetic, never stepping minutes. Time zones come from the system's tz data; times are seconds since
 * the epoch. Fixed-time schedules in a gap fire at the first valid instant after it and in a fold once, at the first
 * occurrence; wildcard-hour schedules follow elapsed time.
 */
#ifndef STEWARD_SCHEDULE_H
#define STEWARD_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"

enum schedule_type { SCHEDULE_CRON, SCHEDULE_RATE, SCHEDULE_AT, SCHEDULE_DELETE };

/* Plain value: copy freely. */
struct schedule_expression {
    enum schedule_type type;
    uint64_t minutes;          /* bit 0..59 */
    uint32_t hours;            /* bit 0..23 */
    uint32_t days;             /* bit 1..31 of the month; 0 with day_rule */
    uint16_t months;           /* bit 1..12 */
    uint8_t weekdays;          /* bit 1..7, 1 = Sunday */
    bool is_any_day, is_any_weekday; /* '?' stands in that field */
    bool is_any_hour;          /* '*': follows elapsed time at a fold */
    struct { uint8_t type; uint8_t a, b; } day_rule;     /* L, L-n, LW, nW */
    struct { uint8_t type; uint8_t a, b; } weekday_rule; /* nL, n#k */
    uint64_t years[4];         /* bit per year from 1970 */
    int64_t rate_s;            /* of rate() */
    int64_t at_s;              /* of at(): local wall time as seconds, zone applied at use */
};

struct tz; /* a loaded IANA zone; immutable, shared by threads, cached for the process' life */
/* "Europe/Berlin"; NULL or "" is UTC. ERR_INVALID names the nearest zone. */
MUST_USE enum err_code tz_load(const char *name, const struct tz **out, struct err *e);

/* position (may be NULL) gets the 0-based offset of the trouble in text. The error names field and cure. */
MUST_USE enum err_code schedule_parse(const char *text, struct schedule_expression *out, size_t *position,
                                      struct err *e);
/* First fire strictly after / last fire at or before the instant; false when there is none. anchor_s: start of rate(). */
bool schedule_next(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s, int64_t after_s,
                   int64_t *out);
bool schedule_prev(const struct schedule_expression *x, const struct tz *zone, int64_t anchor_s, int64_t at_or_before_s,
                   int64_t *out);
/* Plain English: "every 6 hours", "Sundays at 00:00 UTC". Returns the length written (cut at size). */
size_t schedule_describe(const struct schedule_expression *x, const char *zone_name, char *out, size_t size);

/* Local wall time of an instant: "2026-03-29T02:30:00" and the fold (0, or 1 for the second occurrence). */
void tz_local(const struct tz *zone, int64_t at_s, char out[32], int *fold);
int32_t tz_offset_s(const struct tz *zone, int64_t at_s);

#endif
