/*
 * fz_tzif.c - any bytes as a compiled time zone: refused, or a zone whose instants and local times
 * fit together.
 *
 * Input: eight bytes for an instant, then the file. Checked: spans cover all time without holes; an
 * instant is in its span; a local time is reached at an instant exactly when its first instant is
 * not later; schedules go forward.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/tz_data.h"
#include "steward/mem.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_instant(const struct tz *zone, int64_t at)
{
    struct tz_span s = tz_span_at(zone, at);
    int64_t reached = tz_reached(zone, at);
    char local[32];
    int fold;

    check(s.start <= at && at < s.end);
    check(s.offset_s >= TZ_OFFSET_MIN && s.offset_s <= TZ_OFFSET_MAX);
    if (s.start > -TZ_LIMIT)
        check(tz_span_at(zone, s.start - 1).end == s.start);
    if (s.end < TZ_LIMIT)
        check(tz_span_at(zone, s.end).start == s.end);
    check(reached >= at + s.offset_s);
    check(tz_first_instant(zone, reached) <= at);
    check(tz_first_instant(zone, reached + 1) > at);
    tz_local(zone, at, local, &fold);
    check(fold == (at + s.offset_s < s.reached));
}

static void check_schedule(const struct tz *zone, const char *text, int64_t after)
{
    struct schedule_expression x;
    struct err e;
    int64_t at, back;

    check(schedule_parse(text, &x, NULL, &e) == OK);
    for (int i = 0; i < 3 && schedule_next(&x, zone, 0, after, &at); i++) {
        check(at > after);
        check(schedule_prev(&x, zone, 0, at, &back) && back == at);
        check(!schedule_prev(&x, zone, 0, at - 1, &back) || back <= after);
        check(schedule_count(&x, zone, 0, (int64_t[]){ after, at }) == 1);
        after = at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE struct tz *zone = NULL;
    struct err e = { 0 };
    int64_t at;

    if (size < 8)
        return 0;
    memcpy(&at, data, sizeof at);
    at %= 8000000000; /* 1716 to 2223 */
    if (tzif_parse(data + 8, size - 8, &zone, &e)) {
        check(e.code == ERR_INVALID && e.message[0] && !zone);
        return 0;
    }
    check_instant(zone, at);
    for (size_t i = 0; i < zone->n_changes && i < 50; i++) {
        if (llabs(zone->changes[i].at) > TZ_LIMIT / 2)
            continue;
        check_instant(zone, zone->changes[i].at);
        check_instant(zone, zone->changes[i].at - 1);
    }
    check_schedule(zone, "cron(30 2 * * ? *)", at);
    check_schedule(zone, "cron(30 * * * ? *)", at);
    check_schedule(zone, "cron(0 0 29 2 ? *)", at);
    return 0;
}
