/*
 * tz_data.h - a time zone in memory: how its local time follows the clock. Private to
 * server/domain.
 *
 * A zone is a list of changes (the table of a TZif file) and, past the last of them, a yearly rule
 * (its POSIX footer). Everything else asks for spans: stretches of time with one offset.
 */
#ifndef STEWARD_TZ_DATA_H
#define STEWARD_TZ_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"
#include "steward/schedule.h"

#define TZ_NAME_BYTES  64
#define TZ_CHANGES_MAX 2000          /* as many as zic writes */
#define TZ_FILE_MAX    (1024 * 1024) /* bytes; a zone has 4 KiB, the list of names 110 */
#define TZ_OFFSET_MIN  (-89999)      /* RFC 8536 section 3.2 */
#define TZ_OFFSET_MAX  93599
#define TZ_OFFSET_SPAN ((int64_t) 26 * 3600) /* more than any offset, either way */
#define TZ_BEGIN       (-((int64_t) 1 << 60))
#define TZ_END         ((int64_t) 1 << 60)
#define TZ_LIMIT       ((int64_t) 1 << 52) /* instants beyond are treated as this one */

/* One end of daylight saving time: the day of a year, and the local time on it (may be negative or
 * past 24 h). */
struct tz_rule {
    enum {
        TZ_RULE_JULIAN,
        TZ_RULE_DAY,
        TZ_RULE_WEEKDAY
    } type; /* Jn without leap days, n, Mm.w.d */
    int day, month, week, weekday;
    int32_t time_s;
};

struct tz_footer {
    bool is_present, has_dst;
    int32_t std_offset_s, dst_offset_s;
    struct tz_rule dst_start, dst_end;
};

struct tz_change {
    int64_t at;      /* from this instant on … */
    int64_t reached; /* all local times below this one were shown before it */
    int32_t offset_s;
};

struct tz {
    char name[TZ_NAME_BYTES];
    struct tz *next; /* of the cache */
    int32_t first_offset_s;
    struct tz_footer footer;
    size_t n_changes;
    struct tz_change changes[];
};

/* [start, end) with one offset. A gap lies before start when start + offset > reached, a fold
 * begins there when less. */
struct tz_span {
    int64_t start, end, reached;
    int32_t offset_s;
};

/* Parses a TZif file of version 2 or later (RFC 8536, 9636). Pure; the caller frees *out with
 * free(). */
MUST_USE enum err_code tzif_parse(const uint8_t *bytes, size_t n, struct tz **out, struct err *e);
/* Parses the POSIX TZ text of a footer; n bytes, no NUL needed. */
MUST_USE bool tz_footer_parse(const char *text, size_t n, struct tz_footer *out);

struct tz_span tz_span_at(const struct tz *zone, int64_t at);
/* The first instant whose local time is this one or later: a gap's end, a fold's first occurrence.
 */
int64_t tz_first_instant(const struct tz *zone, int64_t local);
/* The latest local time shown up to the instant. The inverse of the above: tz_first_instant(l) <= t
 * iff l <= reached(t). */
int64_t tz_reached(const struct tz *zone, int64_t at);

#endif
