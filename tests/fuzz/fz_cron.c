/*
 * fz_cron.c - any text as a schedule, in several zones, from any instant: the next fire is later
 * and is its own previous one, the count agrees, and a scan of the real minutes finds no fire that
 * was passed over.
 *
 * Input: one byte for the zone, eight for the instant, then the text. The scan has its own idea of
 * what a minute means: it reads the wall clock's text and asks the bits, it does no arithmetic on
 * fields.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/schedule_fields.h"
#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/schedule.h"
#include "steward/str.h"

#define SCAN_MINUTES 200

static void check(bool holds)
{
    if (!holds)
        abort();
}

static const struct tz *zone_pick(uint8_t which)
{
    static const char *const names[] = { "UTC",          "Europe/Berlin",       "America/New_York",
                                         "Africa/Cairo", "Australia/Lord_Howe", "Europe/Dublin",
                                         "Pacific/Apia", "Asia/Kathmandu" };
    const struct tz *zone;
    struct err e;

    check(tz_load(names[which % ARRAY_LEN(names)], &zone, &e) == OK);
    return zone;
}

static bool local_is_named(const struct schedule_expression *x, int64_t local)
{
    char text[CLOCK_TEXT_BYTES];
    int year, month, day, hour, minute;

    clock_format_s(local, text);
    check(sscanf(text, "%d-%d-%dT%d:%d", &year, &month, &day, &hour, &minute) == 5);
    if (year < SCHEDULE_YEAR_MIN || year > SCHEDULE_YEAR_MAX)
        return false;
    return x->years[(year - 1970) / 64] >> ((year - 1970) % 64) & 1 && x->months >> month & 1 &&
           schedule_fields_days(x, year, month) >> day & 1 && x->hours >> hour & 1 &&
           x->minutes >> minute & 1;
}

/* Whether a real minute fires: it is named and shown for the first time, or the clock has just
 * jumped over a named one. */
static bool minute_fires(const struct schedule_expression *x, const struct tz *zone, int64_t at)
{
    int64_t local = at + tz_offset_s(zone, at), before = at - 60 + tz_offset_s(zone, at - 60);
    char text[32];
    int fold;

    if (x->is_any_hour)
        return local_is_named(x, local);
    if (local - before <= 60) {
        tz_local(zone, at, text, &fold);
        return fold == 0 && local_is_named(x, local);
    }
    for (int64_t skipped = before + 60; skipped <= local; skipped += 60)
        if (local_is_named(x, skipped))
            return true;
    return false;
}

/* No minute between the instant and its next fire fires, and the next fire does. Whole-minute zones
 * only, so from 1973. */
static void scan(const struct schedule_expression *x, const struct tz *zone, int64_t after,
                 const int64_t *next)
{
    int64_t at = after / 60 * 60 + 60;

    if (x->type != SCHEDULE_CRON || after < 94694400 || after > 7000000000)
        return;
    for (int i = 0; i < SCAN_MINUTES && !(next && at >= *next); i++, at += 60)
        check(!minute_fires(x, zone, at));
    if (next)
        check(minute_fires(x, zone, *next));
}

static void check_text(const char *text, struct schedule_expression *x)
{
    struct schedule_expression strict;
    char words[400];
    struct err e;

    memset(&strict, 0, sizeof strict);
    if (schedule_parse(text, &strict, NULL, &e)) {
        AUTO_FREE char *wrapped = xasprintf("cron(%s)", text);

        check(strlen(text) + 6 > SCHEDULE_TEXT_MAX ||
              schedule_parse(wrapped, &strict, NULL, &e) == OK);
    }
    check(strlen(text) + 6 > SCHEDULE_TEXT_MAX || memcmp(&strict, x, sizeof strict) == 0);
    check(schedule_describe(x, "Europe/Berlin", words, sizeof words) == strlen(words));
    check(strlen(words) > 3 && str_is_utf8(words, strlen(words)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = NULL;
    struct schedule_expression x;
    const struct tz *zone;
    int64_t after, next = 0, back;
    struct err e = { 0 };
    size_t position = SIZE_MAX;
    bool has_next;

    if (size < 9)
        return 0;
    zone = zone_pick(data[0]);
    memcpy(&after, data + 1, sizeof after);
    if (data[0] & 0x80)
        after = (int64_t) ((uint64_t) after % 7300000000); /* mostly where fires are */
    text = xstrndup((const char *) data + 9, size - 9);
    if (schedule_parse_loose(text, &x, &position, &e)) {
        check(e.code == ERR_INVALID && position <= strlen(text) && strlen(e.message) > 20);
        return 0;
    }
    check_text(text, &x);
    has_next = schedule_next(&x, zone, 0, after, &next);
    if (has_next) {
        check(next > after);
        check(schedule_prev(&x, zone, 0, next, &back) && back == next);
        check(!schedule_prev(&x, zone, 0, next - 1, &back) || back <= after);
        check(schedule_count(&x, zone, 0, (int64_t[]){ after, next }) == 1);
    } else {
        check(x.type == SCHEDULE_RATE ||
              schedule_count(&x, zone, 0, (int64_t[]){ after, INT64_MAX }) == 0);
    }
    if (schedule_prev(&x, zone, 0, after, &back))
        check(back <= after);
    scan(&x, zone, after, has_next ? &next : NULL);
    return 0;
}
