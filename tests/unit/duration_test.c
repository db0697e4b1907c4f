/*
 * duration_test.c - durations against the reference's own table (tests/data/duration.json), ISO
 * 8601, and refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "steward/duration.h"
#include "steward/mem.h"

struct row {
    const char *text;
    int64_t seconds;
};

static void check(const char *text, int64_t expected)
{
    struct err e = { 0 };
    int64_t got = -1;

    if (duration_parse(text, &got, &e) != OK)
        fail_msg("\"%s\": %s", text, e.message);
    if (got != expected)
        fail_msg("\"%s\": %lld, expected %lld", text, (long long) got, (long long) expected);
}

/* What the reference reads as 0 is an error here, except ISO 8601, which it does not know. */
static void test_reference(void **state)
{
    AUTO_JSON json_t *doc = json_load_file(TEST_DATA "/duration.json", 0, NULL);
    json_t *cases = json_object_get(doc, "cases"), *c;
    size_t i;

    (void) state;
    assert_true(json_array_size(cases) > 30);
    json_array_foreach (cases, i, c) {
        const char *text = json_string_value(json_object_get(c, "text"));
        int64_t seconds = json_integer_value(json_object_get(c, "seconds")), got;
        struct err e = { 0 };

        if (seconds)
            check(text, seconds);
        else if (text[0] != 'P' && duration_parse(text, &got, &e) == OK)
            fail_msg("\"%s\" was taken for %lld seconds", text, (long long) got);
    }
}

static void test_english(void **state)
{
    static const struct row rows[] = {
        { "1 hour, 30 minutes", 5400 },
        { "1 hour and 30 minutes", 5400 },
        { "1 hour, and 30 minutes", 5400 },
        { "1h30m", 5400 },
        { "1d 6h", 108000 },
        { "an hour", 3600 },
        { "A Week", 604800 },
        { "  1 day  ", 86400 },
        { "twenty four hours", 86400 },
        { "twenty-four hours", 86400 },
        { "ninety minutes", 5400 },
        { "2 hours from now", 7200 },
        { "0.1 hours", 360 },
        { "1.5 days", 129600 },
        { "0.7 minutes", 42 },
        { "0.5 years", 181 * 86400 },
        { "3 months", 90 * 86400 },
        { "4 years", 1461 * 86400 },
        { "1 year 1 month", 396 * 86400 },
        /* in the order of the text: 31 January and a month is 28 February */
        { "30 days 1 month", 58 * 86400 },
        { "1 month 30 days", 61 * 86400 },
        { "13 months", 396 * 86400 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i].text, rows[i].seconds);
}

static void test_iso(void **state)
{
    static const struct row rows[] = {
        { "P1D", 86400 },
        { "PT1H", 3600 },
        { "P1Y2M", (365 + 59) * 86400 },
        { "P2W", 1209600 },
        { "P1DT6H", 108000 },
        { "PT1H30M5S", 5405 },
        { "P1M", 2678400 },
        { "PT1M", 60 },
        { "p1dt1h", 90000 },
        { "PT0.5H", 1800 },
        { "PT1,5M", 90 },
        { "P1Y2M3W4DT5H6M7S", (365 + 59 + 21 + 4) * 86400 + 5 * 3600 + 6 * 60 + 7 },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i].text, rows[i].seconds);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "number and a unit" },
        { "90", "unit is missing" },
        { "-1 day", "negative" },
        { "1 day ago", "past" },
        { "0 days", "longer than zero" },
        { "PT0S", "longer than zero" },
        { "0.4 seconds", "longer than zero" },
        { "1 fortnight", "no unit" },
        { "banana", "number and a unit" },
        { "1 day banana", "number and a unit" },
        { "1 day and", "number and a unit" },
        { "1 hour 30", "unit is missing" },
        { "1 day from", "number and a unit" },
        { "1 day from now on", "number and a unit" },
        { "1,000 seconds", "no unit" },
        { "0.5 months", "part of a month" },
        { "0.1 years", "part of a month" },
        { "99999 years", "9998 years" },
        { "9999999999 days", "number and a unit" },
        { "1000000000 days", "number and a unit" },
        { "999999999 weeks", "9998 years" },
        { "P", "ISO 8601" },
        { "PT", "ISO 8601" },
        { "P1DT", "ISO 8601" },
        { "P1H", "ISO 8601" },
        { "P1D2Y", "ISO 8601" },
        { "P1D1D", "ISO 8601" },
        { "P1", "ISO 8601" },
        { "PT1D", "ISO 8601" },
        { "P-1D", "ISO 8601" },
        { "P1D ", "ISO 8601" },
        { "P12345678901D", "number is too long" },
        { "1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 "
          "day 1 day "
          "1 day 1 day 1 day 1 day 1 day",
          "too long" },
        { "1 d\x01y", "Duration \"1 d?y\"" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = { 0 };
        int64_t got;

        if (duration_parse(rows[i].text, &got, &e) != ERR_INVALID)
            fail_msg("\"%s\" was taken for %lld seconds", rows[i].text, (long long) got);
        if (!strstr(e.message, rows[i].says))
            fail_msg("\"%s\" is refused with: %s", rows[i].text, e.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_english),
        cmocka_unit_test(test_iso),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
