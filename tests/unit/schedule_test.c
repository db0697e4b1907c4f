/*
 * schedule_test.c - schedule expressions: the reference's own cases (tests/data/cron.json), the
 * letters at the ends of months, clock changes, what is refused and where, and the plain English.
 * Zones are those of the system; the dates used here lie in the past or follow rules that have
 * stood for decades.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/schedule.h"
#include "steward/str.h"

static struct schedule_expression parsed(const char *text)
{
    struct schedule_expression x;
    struct err e = { 0 };

    if (schedule_parse_loose(text, &x, NULL, &e))
        fail_msg("\"%s\": %s", text, e.message);
    return x;
}

static const struct tz *zone_of(const char *name)
{
    const struct tz *zone = NULL;
    struct err e = { 0 };

    if (tz_load(name, &zone, &e))
        fail_msg("%s", e.message);
    return zone;
}

static int64_t instant(const char *text)
{
    int64_t ms = 0;

    if (!clock_parse(text, &ms))
        fail_msg("\"%s\" is no time", text);
    return ms / 1000;
}

/* The fires after an instant as one text, "2026-01-01T00:00:00Z 2026-…"; each is also asked for
 * backwards, and counted. */
static char *fires(const struct schedule_expression *x, const struct tz *zone, int64_t after,
                   int max)
{
    struct buf b = { 0 };
    char text[CLOCK_TEXT_BYTES];
    int64_t at = after, back = 0, last = after;

    buf_adds(&b, "");
    for (int n = 0; n < max && schedule_next(x, zone, after, at, &at); n++) {
        assert_true(at > last);
        assert_true(schedule_prev(x, zone, after, at, &back));
        assert_int_equal(back, at);
        if (n)
            assert_true(schedule_prev(x, zone, after, at - 1, &back) && back == last);
        assert_int_equal(schedule_count(x, zone, after, (int64_t[]){ after, at }), n + 1);
        clock_format_s(at, text);
        buf_printf(&b, "%s%s", n ? " " : "", text);
        last = at;
    }
    return buf_take(&b);
}

static void check_fires(const char *expression, const char *zone, const char *after,
                        const char *expected)
{
    struct schedule_expression x = parsed(expression);
    int max = 1;
    AUTO_FREE char *got = NULL;

    for (const char *p = expected; *p; p++)
        max += *p == ' ';
    got = fires(&x, zone_of(zone), instant(after), max);
    if (strcmp(got, expected) != 0)
        fail_msg("%s in %s after %s:\n got      %s\n expected %s", expression, zone, after, got,
                 expected);
}

static void test_reference_valid(void **state)
{
    AUTO_JSON json_t *doc = json_load_file(TEST_DATA "/cron.json", 0, NULL);
    json_t *cases = json_object_get(doc, "valid"), *c, *after, *time;
    size_t i, k, n;

    (void) state;
    assert_true(json_array_size(cases) > 60);
    json_array_foreach (cases, i, c) {
        const char *expression = json_string_value(json_object_get(c, "expr"));
        struct schedule_expression x = parsed(expression);

        json_array_foreach (json_object_get(c, "after"), k, after) {
            const char *at = json_string_value(json_object_get(after, "instant"));
            AUTO_FREE char *got = fires(&x, tz_utc(), instant(at), 5);
            AUTO_BUF struct buf expected = { 0 };

            buf_adds(&expected, "");
            json_array_foreach (json_object_get(after, "next"), n, time)
                buf_printf(&expected, "%s%s", n ? " " : "", json_string_value(time));
            if (strcmp(got, expected.data) != 0)
                fail_msg("%s after %s:\n got      %s\n expected %s", expression, at, got,
                         expected.data);
        }
    }
}

static void test_reference_invalid(void **state)
{
    AUTO_JSON json_t *doc = json_load_file(TEST_DATA "/cron.json", 0, NULL);
    json_t *cases = json_object_get(doc, "invalid"), *c;
    size_t i;

    (void) state;
    assert_true(json_array_size(cases) >= 20);
    json_array_foreach (cases, i, c) {
        const char *text = json_string_value(json_object_get(c, "expr"));
        struct schedule_expression x;
        struct err e = { 0 };
        size_t position = 9999;

        if (schedule_parse_loose(text, &x, &position, &e) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", text);
        assert_true(position <= strlen(text));
    }
}

/* Ends of months, weekends at both of them, and what a month does not have. 2026-02 and -03 begin
 * on a Sunday. */
static void test_letters(void **state)
{
    static const struct {
        const char *expression, *after, *expected;
    } rows[] = {
        /* Saturday 15 August 2026 goes to Friday, Sunday 15 November to Monday */
        { "0 0 15W 8,11 ? 2026", "2026-01-01T00:00:00Z",
          "2026-08-14T00:00:00Z 2026-11-16T00:00:00Z" },
        /* Saturday the 1st cannot go back to July: Monday the 3rd */
        { "0 0 1W 2,8 ? 2026", "2026-01-01T00:00:00Z",
          "2026-02-02T00:00:00Z 2026-08-03T00:00:00Z" },
        /* Sunday the 31st cannot go on to June: Friday the 29th; short months have no 31W */
        { "0 0 31W 4-7 ? 2026", "2026-01-01T00:00:00Z",
          "2026-05-29T00:00:00Z 2026-07-31T00:00:00Z" },
        { "0 0 30W * ? 2027", "2027-01-31T00:00:00Z", "2027-03-30T00:00:00Z" },
        { "0 0 29W 2 ? 2028", "2027-01-01T00:00:00Z", "2028-02-29T00:00:00Z" },
        { "0 0 LW 1-5 ? 2026", "2026-01-01T00:00:00Z",
          "2026-01-30T00:00:00Z 2026-02-27T00:00:00Z 2026-03-31T00:00:00Z 2026-04-30T00:00:00Z "
          "2026-05-29T00:00:00Z" },
        { "0 0 L-0 2 ? *", "2027-01-01T00:00:00Z", "2027-02-28T00:00:00Z 2028-02-29T00:00:00Z" },
        { "0 0 L-28 2 ? *", "2026-01-01T00:00:00Z", "2028-02-01T00:00:00Z 2032-02-01T00:00:00Z" },
        { "0 0 L-29 2 ? *", "2026-01-01T00:00:00Z", "" },
        { "0 0 ? * L 2026", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z 2026-01-10T00:00:00Z" },
        { "0 0 ? 1-3 5L 2026", "2026-01-01T00:00:00Z",
          "2026-01-29T00:00:00Z 2026-02-26T00:00:00Z 2026-03-26T00:00:00Z" },
        { "0 0 ? * 6#5 2026", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z 2026-05-29T00:00:00Z" },
        { "0 0 ? * 6#3 2026", "2026-01-01T00:00:00Z", "2026-01-16T00:00:00Z 2026-02-20T00:00:00Z" },
        /* ranges that wrap */
        { "0 22-2/2 1 1 ? 2026", "2025-12-31T23:59:59Z",
          "2026-01-01T00:00:00Z 2026-01-01T02:00:00Z 2026-01-01T22:00:00Z" },
        { "58-1 0 1 1 ? 2027", "2026-01-01T00:00:00Z",
          "2027-01-01T00:00:00Z 2027-01-01T00:01:00Z 2027-01-01T00:58:00Z 2027-01-01T00:59:00Z" },
        { "0 0 ? * FRI-MON 2026", "2026-01-01T00:00:00Z",
          "2026-01-02T00:00:00Z 2026-01-03T00:00:00Z 2026-01-04T00:00:00Z 2026-01-05T00:00:00Z "
          "2026-01-09T00:00:00Z" },
        { "0 0 30-2/2 * ? 2026", "2026-02-01T00:00:00Z",
          "2026-03-01T00:00:00Z 2026-03-30T00:00:00Z 2026-04-01T00:00:00Z" },
        { "0 0 1 NOV-FEB ? *", "2026-01-01T00:00:00Z",
          "2026-02-01T00:00:00Z 2026-11-01T00:00:00Z 2026-12-01T00:00:00Z 2027-01-01T00:00:00Z" },
        { "0 0 ? * mon-FRI/2 *", "2026-01-04T00:00:00Z",
          "2026-01-05T00:00:00Z 2026-01-07T00:00:00Z 2026-01-09T00:00:00Z 2026-01-12T00:00:00Z" },
        { "0 0 ? * SUN,3,thu-5 *", "2026-01-04T00:00:00Z",
          "2026-01-06T00:00:00Z 2026-01-08T00:00:00Z" },
        { "0 0 1 1 ? 2190/3", "2026-01-01T00:00:00Z",
          "2190-01-01T00:00:00Z 2193-01-01T00:00:00Z 2196-01-01T00:00:00Z 2199-01-01T00:00:00Z" },
        { "0 0 29 2 ? *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z" }, /* 2100 has none */
        { "0 0 29 2 ? 2196", "1970-01-01T00:00:00Z", "2196-02-29T00:00:00Z" },
        { "0 0 29 2 ? 2199", "1970-01-01T00:00:00Z", "" },
        { "59 23 31 12 ? *", "2199-12-31T23:58:59Z", "2199-12-31T23:59:00Z" },
        { "59 23 31 12 ? *", "2199-12-31T23:59:00Z", "" },
        { "0 0 1 1 ? 1970", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z" },
        { "* * * * ? *", "1960-01-01T00:00:00Z", "1970-01-01T00:00:00Z 1970-01-01T00:01:00Z" },
        /* 2038: seconds do not fit 32 bits any more */
        { "* * * * ? *", "2038-01-19T03:14:07Z", "2038-01-19T03:15:00Z" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_fires(rows[i].expression, "UTC", rows[i].after, rows[i].expected);
}

static void test_clock_changes(void **state)
{
    static const struct {
        const char *expression, *zone, *after, *expected;
    } rows[] = {
        /* Berlin, 2026-03-29: 02:00 becomes 03:00 (01:00 UTC). 02:30 fires at 03:00. */
        { "30 2 * * ? *", "Europe/Berlin", "2026-03-28T00:00:00Z",
          "2026-03-28T01:30:00Z 2026-03-29T01:00:00Z 2026-03-30T00:30:00Z" },
        { "0 2 * * ? *", "Europe/Berlin", "2026-03-28T12:00:00Z",
          "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z" },
        /* several times in the gap, and the one at its end, are one fire */
        { "0/10 2-3 * * ? *", "Europe/Berlin", "2026-03-28T12:00:00Z",
          "2026-03-29T01:00:00Z 2026-03-29T01:10:00Z 2026-03-29T01:20:00Z" },
        /* every hour: 01:30, then 03:30, an hour later */
        { "30 * * * ? *", "Europe/Berlin", "2026-03-29T00:00:00Z",
          "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z 2026-03-29T02:30:00Z" },
        /* 2026-10-25: 03:00 becomes 02:00 (01:00 UTC). 02:30 fires once, first. */
        { "30 2 * * ? *", "Europe/Berlin", "2026-10-24T12:00:00Z",
          "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z" },
        /* asked between the two 02:30s */
        { "30 2 * * ? *", "Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z" },
        { "0/20 2,3 * * ? *", "Europe/Berlin", "2026-10-25T00:20:00Z",
          "2026-10-25T00:40:00Z 2026-10-25T02:00:00Z" },
        /* every hour fires in both */
        { "30 * * * ? *", "Europe/Berlin", "2026-10-24T23:30:00Z",
          "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z" },
        { "30 0-23 25 10 ? 2026", "Europe/Berlin", "2026-10-24T23:30:00Z",
          "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z" },
        /* each sixth hour is an hour of the day: at midnight's gap in Cairo it is late, not lost */
        { "0 */6 * * ? *", "Africa/Cairo", "2026-04-23T16:00:00Z",
          "2026-04-23T22:00:00Z 2026-04-24T03:00:00Z" },
        /* New York, 2026-03-08 and 2026-11-01 */
        { "15 2 * * ? *", "America/New_York", "2026-03-07T12:00:00Z",
          "2026-03-08T07:00:00Z 2026-03-09T06:15:00Z" },
        { "15 1 * * ? *", "America/New_York", "2026-10-31T12:00:00Z",
          "2026-11-01T05:15:00Z 2026-11-02T06:15:00Z" },
        /* Lord Howe moves by half an hour */
        { "15 2 * * ? *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
          "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z" },
        { "45 1 * * ? *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z",
          "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z" },
        /* Samoa went without the whole of 30 December 2011: its noon fires at the first instant of
           the 31st */
        { "0 12 30 12 ? 2011", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T10:00:00Z" },
        { "0 * 30 12 ? 2011", "Pacific/Apia", "2011-12-01T00:00:00Z", "" },
        /* past the table of the file: the yearly rule */
        { "30 2 ? 3 SUN#5 2150-2160", "Europe/Berlin", "2100-01-01T00:00:00Z",
          "2150-03-29T01:00:00Z 2154-03-31T01:00:00Z" },
        { "30 2 ? 10 1L 2150", "Europe/Berlin", "2100-01-01T00:00:00Z", "2150-10-25T00:30:00Z" },
        /* Dublin's winter time is the exception in its rule */
        { "30 1 29 3 ? 2150", "Europe/Dublin", "2100-01-01T00:00:00Z", "2150-03-29T01:00:00Z" },
        /* south of the equator */
        { "30 2 ? 10 1#1 2150", "Australia/Sydney", "2100-01-01T00:00:00Z",
          "2150-10-03T16:00:00Z" },
        { "30 5 1 1 ? 2199", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "2198-12-31T23:45:00Z" },
        { "at(2026-03-29T02:30:00)", "Europe/Berlin", "2026-01-01T00:00:00Z",
          "2026-03-29T01:00:00Z" },
        { "at(2026-10-25T02:30:00)", "Europe/Berlin", "2026-01-01T00:00:00Z",
          "2026-10-25T00:30:00Z" },
        { "at(2026-10-25T02:30:00)", "Europe/Berlin", "2026-10-25T00:30:00Z", "" },
        { "delete", "UTC", "2026-01-01T00:00:00Z", "" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check_fires(rows[i].expression, rows[i].zone, rows[i].after, rows[i].expected);
}

static void test_rate(void **state)
{
    struct schedule_expression x = parsed("rate(6 hours)");
    int64_t anchor = instant("2026-01-01T00:07:00Z"), at;

    (void) state;
    check_fires(
        "rate(1 day)", "Europe/Berlin", "2026-03-28T12:00:00Z",
        "2026-03-29T12:00:00Z 2026-03-30T12:00:00Z"); /* elapsed days, whatever the clocks do */
    assert_true(schedule_next(&x, tz_utc(), anchor, anchor - 99999, &at));
    assert_int_equal(at, anchor);
    assert_true(schedule_next(&x, tz_utc(), anchor, anchor, &at));
    assert_int_equal(at, anchor + 21600);
    assert_true(schedule_next(&x, tz_utc(), anchor, anchor + 21599, &at));
    assert_int_equal(at, anchor + 21600);
    assert_true(schedule_prev(&x, tz_utc(), anchor, anchor + 21599, &at));
    assert_int_equal(at, anchor);
    assert_false(schedule_prev(&x, tz_utc(), anchor, anchor - 1, &at));
    assert_false(schedule_next(&x, tz_utc(), anchor, INT64_MAX, &at));
    assert_int_equal(
        schedule_count(&x, tz_utc(), anchor, (int64_t[]){ anchor - 1, anchor + 21600 }), 2);
    assert_int_equal(schedule_count(&x, tz_utc(), anchor, (int64_t[]){ anchor, anchor + 21600 }),
                     1);
    assert_int_equal(schedule_count(&x, tz_utc(), anchor, (int64_t[]){ 0, anchor - 1 }), 0);
    assert_int_equal(schedule_count(&x, tz_utc(), anchor, (int64_t[]){ anchor, anchor }), 0);
}

static void test_delete(void **state)
{
    struct schedule_expression x = parsed("delete");
    int64_t at;

    (void) state;
    assert_int_equal(x.type, SCHEDULE_DELETE);
    assert_false(schedule_next(&x, tz_utc(), 0, 0, &at));
    assert_false(schedule_prev(&x, tz_utc(), 0, INT64_MAX, &at));
    assert_int_equal(schedule_count(&x, tz_utc(), 0, (int64_t[]){ 0, INT64_MAX }), 0);
}

/* All the ends of the number line. */
static void test_extremes(void **state)
{
    static const int64_t edges[] = { INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX };
    static const char *const expressions[] = { "* * * * ? *", "0 0 1 1 ? *",
                                               "at(2026-01-01T00:00:00)", "rate(1 day)" };
    int64_t at;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(expressions); i++) {
        struct schedule_expression x = parsed(expressions[i]);
        const struct tz *zone = zone_of("America/New_York");

        for (size_t k = 0; k < ARRAY_LEN(edges); k++) {
            if (schedule_next(&x, zone, 0, edges[k], &at))
                assert_true(at > edges[k]);
            if (schedule_prev(&x, zone, 0, edges[k], &at))
                assert_true(at <= edges[k]);
        }
        assert_true(schedule_next(&x, zone, 0, INT64_MIN, &at));
        assert_true(schedule_prev(&x, zone, 0, INT64_MAX, &at));
        assert_false(schedule_next(&x, zone, 0, INT64_MAX, &at));
        assert_false(schedule_prev(&x, zone, 0, INT64_MIN, &at));
        assert_true(schedule_count(&x, zone, 0, (int64_t[]){ INT64_MIN, INT64_MAX }) > 0);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        size_t position;
        const char *says;
    } rows[] = {
        { "cron(0 0 * * *)", 14, "found 5" },
        { "cron(0 0 * * ? * *)", 17, "begins a seventh" },
        { "cron()", 5, "found 0" },
        { "cron(0  0 * * ? *)", 7, "exactly one blank" },
        { "cron( 0 0 * * ? *)", 5, "exactly one blank" },
        { "cron(0 0 * * ? * )", 17, "exactly one blank" },
        { "cron(0\t0 * * ? *)", 6, "a tab" },
        { "cron(0 0 * * ? *", 16, "closing )" },
        { "cron(0 0 * * ? *) ", 17, "follows the closing" },
        { "CRON(0 0 * * ? *)", 0, "write cron(" },
        { "0 0 * * ? *", 0, "write cron(" },
        { "@daily", 0, "write cron(" },
        { "", 0, "write cron(" },
        { "cron(0 0 ? * ? *)", 13, "both ?" },
        { "cron(0 0 * * * *)", 13, "both given" },
        { "cron(0 0 1 * MON *)", 13, "both given" },
        { "cron(60 0 * * ? *)", 5, "minutes, offset 5: 60 is out of range; write 0-59" },
        { "cron(5-60 0 * * ? *)", 7, "60 is out of range" },
        { "cron(0 24 * * ? *)", 7, "hours, offset 7: 24 is out of range; write 0-23" },
        { "cron(0 0 0 * ? *)", 9, "day-of-month, offset 9: 0 is out of range" },
        { "cron(0 0 1 0 ? *)", 11, "month, offset 11: 0 is out of range" },
        { "cron(0 0 ? * 0 *)", 13, "1 is Sunday" },
        { "cron(0 0 ? * 8 *)", 13, "day-of-week, offset 13: 8 is out of range" },
        { "cron(0 0 * * ? 1969)", 15, "year, offset 15: 1969 is out of range" },
        { "cron(0 0 * * ? 2200)", 15, "write 1970-2199" },
        { "cron(0 0 * * ? 2030-2026)", 15, "write 2026-2030" },
        { "cron(*/0 0 * * ? *)", 7, "a step of 0 never moves on" },
        { "cron(*/60 0 * * ? *)", 7, "too large; write 1 to 59" },
        { "cron(0 0/24 * * ? *)", 9, "too large; write 1 to 23" },
        { "cron(0 0 */32 * ? *)", 11, "too large; write 1 to 31" },
        { "cron(5/5/5 0 * * ? *)", 7, "not a step" },
        { "cron(5/ 0 * * ? *)", 7, "not a step" },
        { "cron(/5 0 * * ? *)", 5, "a value is missing" },
        { "cron(5- 0 * * ? *)", 7, "a value is missing" },
        { "cron(-5 0 * * ? *)", 5, "not known here" },
        { "cron(1-2-3 0 * * ? *)", 8, "not understood" },
        { "cron(1,,2 0 * * ? *)", 7, "list is empty" },
        { "cron(1, 0 * * ? *)", 7, "list is empty" },
        { "cron(? 0 * * ? *)", 5, "only in day-of-month or day-of-week" },
        { "cron(0 0 ?,5 * ? *)", 9, "? stands alone" },
        { "cron(0 0 ? * ?/2 *)", 13, "? stands alone" },
        { "cron(0 0 L,15 * ? *)", 9, "not in a list" },
        { "cron(0 0 1,15W * ? *)", 13, "not in a list" },
        { "cron(0 0 32W * ? *)", 9, "names no day" },
        { "cron(0 0 1-5W * ? *)", 9, "names no day" },
        { "cron(0 0 L-31 * ? *)", 11, "L-1 to L-30" },
        { "cron(0 0 L-3W * ? *)", 11, "L-1 to L-30" },
        { "cron(0 0 LW-1 * ? *)", 9, "not understood" },
        { "cron(0 0 ? * 2#1,4#1 *)", 14, "not in a list" },
        { "cron(0 0 ? * 2#1,4 *)", 14, "not in a list" },
        { "cron(0 0 ? * 6#6 *)", 15, "1 to 5" },
        { "cron(0 0 ? * 6#0 *)", 15, "1 to 5" },
        { "cron(0 0 ? * 1-5#2 *)", 14, "only one weekday" },
        { "cron(0 0 ? * 1-5L *)", 14, "only one weekday" },
        { "cron(0 0 ? * 5L3 *)", 15, "nothing can follow the L" },
        { "cron(0 0 ? * 8L *)", 13, "8 is out of range" },
        { "cron(0 0 ? * FRIDAY *)", 13, "\"FRIDAY\" is not known here" },
        { "cron(0 0 ? FRI MON *)", 11, "\"FRI\" is not known here" },
        { "cron(0 0 \x01\" * ? *)", 9, "\"??\" is not known here" },
        { "cron(12345678901234567890 0 * * ? *)", 5, "12345678 is out of range" },
        { "cron(0 AVERYLONGWORDTHATDOESNOTEND * * ? *)", 7, "\"AVERYLONGWORDTHATDOESNOT...\"" },
        { "rate(1 minutes)", 7, "write rate(1 minute)" },
        { "rate(2 hour)", 7, "write rate(2 hours)" },
        { "rate(0 days)", 5, "at least 1" },
        { "rate(x days)", 5, "at least 1" },
        { "rate(5days)", 6, "one blank" },
        { "rate(5  days)", 7, "is no unit" },
        { "rate(5 Days)", 7, "is no unit" },
        { "rate(5 weeks)", 7, "\"weeks\" is no unit" },
        { "rate(36526 days)", 5, "100 years" },
        { "rate(5 days", 11, "closing )" },
        { "at(2026-01-01T00:00)", 19, "yyyy-mm-ddThh:mm:ss" },
        { "at(2026-01-01 00:00:00)", 13, "yyyy-mm-ddThh:mm:ss" },
        { "at(2026-01-01T00:00:00Z)", 22, "no Z" },
        { "at(2026-02-29T00:00:00)", 3, "not in the calendar" },
        { "at(2026-01-01T24:00:00)", 3, "not in the calendar" },
        { "at(1969-12-31T23:59:59)", 3, "1970 to 2199" },
        { "at(2200-01-01T00:00:00)", 3, "1970 to 2199" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct schedule_expression x;
        struct err e = { 0 };
        size_t position = 9999;

        if (schedule_parse(rows[i].text, &x, &position, &e) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", rows[i].text);
        if (position != rows[i].position || !strstr(e.message, rows[i].says))
            fail_msg("\"%s\": offset %zu, %s", rows[i].text, position, e.message);
        assert_int_equal(schedule_parse(rows[i].text, &x, NULL, &e), ERR_INVALID);
    }
}

static void test_too_long(void **state)
{
    char text[SCHEDULE_TEXT_MAX + 2];
    struct schedule_expression x;
    struct err e = { 0 };
    size_t position;

    (void) state;
    memset(text, '1', sizeof text - 1);
    memcpy(text, "cron(", 5);
    text[sizeof text - 1] = '\0';
    assert_int_equal(schedule_parse(text, &x, &position, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "longer than 512"));
}

static void test_describe(void **state)
{
    static const struct {
        const char *expression, *zone, *expected;
    } rows[] = {
        { "0 */6 * * ? *", "UTC", "every 6 hours" },
        { "0 0,6,12,18 ? * 1-7 *", NULL, "every 6 hours" },
        { "30 1/6 * * ? *", "Europe/Berlin", "every 6 hours from 01:30 Europe/Berlin" },
        { "0 0 ? * SUN *", "UTC", "Sundays at 00:00 UTC" },
        { "30 6 LW * ? *", "Europe/Berlin",
          "on the last weekday of the month at 06:30 Europe/Berlin" },
        { "* * * * ? *", "UTC", "every minute" },
        { "*/15 * * * ? *", "UTC", "every 15 minutes" },
        { "0 * * * ? *", "UTC", "every hour" },
        { "30 * * * ? *", "UTC", "every hour at minute 30" },
        { "0 * ? * 2-6 *", "UTC", "every hour on Mondays to Fridays, UTC" },
        { "0 12 * * ? *", "UTC", "every day at 12:00 UTC" },
        { "30 1/5 ? * FRI *", "UTC", "Fridays at 01:30, 06:30, 11:30, 16:30 and 21:30 UTC" },
        { "45 23 ? 3,9 FRI#3 *", "UTC", "on the third Friday of March and September at 23:45 UTC" },
        { "0 0 ? * FRIL *", "UTC", "on the last Friday of the month at 00:00 UTC" },
        { "0 0 L * ? *", "UTC", "on the last day of the month at 00:00 UTC" },
        { "0 0 L-1 * ? *", "UTC", "1 day before the last day of the month at 00:00 UTC" },
        { "0 0 15W * ? *", "UTC", "on the weekday nearest to day 15 of the month at 00:00 UTC" },
        { "0 0 1,15 * ? *", "UTC", "on days 1 and 15 of the month at 00:00 UTC" },
        { "0 0 1 1 ? 2027", "UTC", "on day 1 of January at 00:00 UTC in 2027" },
        { "0 6 ? 6-8 MON 2028", "UTC", "Mondays at 06:00 UTC in June to August of 2028" },
        { "30 6 ? * TUE */2", "UTC", "Tuesdays at 06:30 UTC in every 2nd year from 1970" },
        { "10-15 9-17 * * ? *", "UTC", "every day at minutes 10 to 15 of hours 09 to 17 UTC" },
        { "* 9-17 ? * MON-FRI *", "UTC", "Mondays to Fridays every minute of hours 09 to 17 UTC" },
        { "0/30 9-17 * * ? *", "UTC", "every day every 30 minutes of hours 09 to 17 UTC" },
        { "*/15,7 * * * ? *", "UTC", "every day at minutes 0, 7, 15, 30 and 45 of every hour" },
        { "0 0 30 2 ? *", "UTC", "on day 30 of February at 00:00 UTC (a date that never comes)" },
        { "rate(1 minute)", "UTC", "every minute" },
        { "rate(90 minutes)", "UTC", "every 90 minutes" },
        { "rate(48 hours)", "UTC", "every 2 days" },
        { "rate(6 hours)", "UTC", "every 6 hours" },
        { "0 0 1 1 ? 1970/3", "UTC",
          "on day 1 of January at 00:00 UTC in every 3rd year from 1970" },
        { "0 0 1 1 ? 1971/4", "UTC",
          "on day 1 of January at 00:00 UTC in every 4th year from 1971" },
        { "0 0 1 1 ? 2026/40", "UTC",
          "on day 1 of January at 00:00 UTC in 2026, 2066, 2106, 2146 and 2186" },
        { "at(2027-01-31T06:00:00)", "Asia/Tokyo", "once, on 2027-01-31 at 06:00:00 Asia/Tokyo" },
        { "delete", "UTC", "never: removes the schedule" },
    };
    struct schedule_expression x;
    char text[200];
    size_t n;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        x = parsed(rows[i].expression);
        n = schedule_describe(&x, rows[i].zone, text, sizeof text);
        assert_string_equal(text, rows[i].expected);
        assert_int_equal(n, strlen(text));
    }
    x = parsed("* * * * ? *");
    assert_int_equal(schedule_describe(&x, "UTC", text, 6), 5);
    assert_string_equal(text, "every");
}

static void test_zones(void **state)
{
    static const struct {
        const char *name, *says;
    } rows[] = {
        { "Europe/Berlim", "did you mean \"Europe/Berlin\"" },
        { "europe/berlin", "did you mean \"Europe/Berlin\"" },
        { "Berlin", "did you mean \"Europe/Berlin\"" },
        { "../../etc/passwd", "There is no time zone" },
        { "/etc/localtime", "There is no time zone" },
        { "Europe", "There is no time zone" },
        { "Europe//Berlin", "There is no time zone" },
        { "tzdata.zi", "There is no time zone" },
        { "zone1970", "There is no time zone" },
        { "right/Europe/Berlin", "leap seconds" },
        { "Europe/Berlin\n", "There is no time zone" },
        { "An/Extremely/Long/Name/That/No/Zone/Has/Or/Will/Ever/Have/In/This/World",
          "There is no" },
    };
    const struct tz *zone = NULL, *again = NULL;
    char local[32];
    int fold;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = { 0 };

        if (tz_load(rows[i].name, &zone, &e) != ERR_INVALID || !strstr(e.message, rows[i].says))
            fail_msg("\"%s\": %s", rows[i].name, e.message);
    }
    assert_ptr_equal(zone_of(NULL), tz_utc());
    assert_ptr_equal(zone_of(""), tz_utc());
    assert_ptr_equal(zone_of("UTC"), tz_utc());
    zone = zone_of("Europe/Berlin");
    again = zone_of("Europe/Berlin");
    assert_ptr_equal(zone, again);
    tz_local(zone, instant("2026-10-25T00:30:00Z"), local, &fold);
    assert_string_equal(local, "2026-10-25T02:30:00");
    assert_int_equal(fold, 0);
    tz_local(zone, instant("2026-10-25T01:30:00Z"), local, &fold);
    assert_string_equal(local, "2026-10-25T02:30:00");
    assert_int_equal(fold, 1);
    tz_local(zone, instant("2026-10-25T02:00:00Z"), local, &fold);
    assert_string_equal(local, "2026-10-25T03:00:00");
    assert_int_equal(fold, 0);
    tz_local(zone, instant("2150-10-25T01:30:00Z"), local, &fold);
    assert_int_equal(fold, 1);
    assert_int_equal(tz_offset_s(zone, instant("2026-07-01T00:00:00Z")), 7200);
    assert_int_equal(tz_offset_s(zone, instant("2150-01-01T00:00:00Z")), 3600);
}

/* Any expression, next fire, in microseconds: the best of many, so that a busy machine does not
 * fail the test. */
static void test_speed(void **state)
{
    static const char *const expressions[] = { "* * * * ? *", "0 0 29 2 ? 2196", "0 0 30 2 ? *",
                                               "0 0 ? 2 SUN#5 2150-2199", "0 0 31 2,4,6,9,11 ? *" };
    const struct tz *zone = zone_of("Europe/Berlin");

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(expressions); i++) {
        struct schedule_expression x = parsed(expressions[i]);
        int64_t best = INT64_MAX, at;

        for (int k = 0; k < 20; k++) {
            int64_t started = clock_mono_us();

            (void) schedule_next(&x, zone, 0, 1767225600, &at);
            (void) schedule_prev(&x, zone, 0, 7000000000, &at);
            best = clock_mono_us() - started < best ? clock_mono_us() - started : best;
        }
        if (best > 1000)
            fail_msg("%s took %lld us", expressions[i], (long long) best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_valid),
        cmocka_unit_test(test_reference_invalid),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_clock_changes),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_speed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
