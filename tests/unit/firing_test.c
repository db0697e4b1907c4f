/*
 * firing_test.c - the policy of late fires, and that a gap of ten years costs nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/clock.h"
#include "steward/firing.h"
#include "steward/mem.h"

#define NOON      1767268800 /* 2026-01-01T12:00:00Z */
#define HOUR      3600
#define TEN_YEARS (3653 * 86400) /* 2016 to 2025, three leap days */

static struct schedule_expression expression;

static struct firing_schedule schedule_of(const char *text)
{
    struct err e;

    assert_int_equal(schedule_parse(text, &expression, NULL, &e), OK);
    return (struct firing_schedule){ .expression = &expression, .zone = tz_utc() };
}

static struct firing_decision decide(const struct firing_schedule *s, int64_t considered,
                                     int64_t now)
{
    struct firing_decision d;

    firing_decide(s, considered, now, &d);
    return d;
}

static void check_gap(const struct firing_decision *d, int64_t count, const int64_t from_to[2])
{
    assert_int_equal(d->gap.count, count);
    assert_int_equal(d->gap.from_s, from_to[0]);
    assert_int_equal(d->gap.to_s, from_to[1]);
}

static void test_on_time(void **state)
{
    struct firing_schedule s = schedule_of("cron(0 * * * ? *)");
    struct firing_decision d = decide(&s, NOON - HOUR, NOON);

    (void) state;
    assert_int_equal(d.n_starts, 1);
    assert_int_equal(d.starts[0], NOON);
    assert_int_equal(d.gap.count, 0);
    assert_true(d.has_next);
    assert_int_equal(d.next_s, NOON + HOUR);
    assert_int_equal(d.next_fire_s, NOON + HOUR);
    /* nothing is due: a second look at the same time, and a clock that went back */
    d = decide(&s, NOON, NOON);
    assert_int_equal(d.n_starts + (size_t) d.gap.count, 0);
    assert_int_equal(d.next_s, NOON + HOUR);
    d = decide(&s, NOON, NOON - 5 * HOUR);
    assert_int_equal(d.n_starts + (size_t) d.gap.count, 0);
    assert_int_equal(d.next_s, NOON + HOUR);
}

static void test_catch_up(void **state)
{
    struct firing_schedule s = schedule_of("cron(0 * * * ? *)");
    struct firing_decision d;

    (void) state;
    s.catch_up = CATCH_UP_LATEST;
    d = decide(&s, NOON - 5 * HOUR, NOON + 1800);
    assert_int_equal(d.n_starts, 1);
    assert_int_equal(d.starts[0], NOON);
    check_gap(&d, 4, (int64_t[]){ NOON - 4 * HOUR, NOON - HOUR });
    assert_string_equal(firing_outcome_text(d.gap.outcome), "coalesced");

    s.catch_up = CATCH_UP_NONE;
    d = decide(&s, NOON - 5 * HOUR, NOON + 1800);
    assert_int_equal(d.n_starts, 0);
    check_gap(&d, 5, (int64_t[]){ NOON - 4 * HOUR, NOON });
    assert_string_equal(firing_outcome_text(d.gap.outcome), "skippedMisfire");
    d = decide(&s, NOON - 5 * HOUR, NOON + 60); /* a minute late is on time */
    assert_int_equal(d.n_starts, 1);
    check_gap(&d, 4, (int64_t[]){ NOON - 4 * HOUR, NOON - HOUR });
    assert_int_equal(d.gap.outcome, FIRING_MISSED);
    d = decide(&s, NOON - 5 * HOUR, NOON + 61);
    assert_int_equal(d.n_starts, 0);

    s.catch_up = CATCH_UP_ALL;
    d = decide(&s, NOON - 5 * HOUR, NOON + 1800);
    assert_int_equal(d.n_starts, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(d.starts[i], NOON - (int64_t) (4 - i) * HOUR);
    assert_int_equal(d.gap.count, 0);
    d = decide(&s, NOON - 24 * HOUR, NOON);
    assert_int_equal(d.n_starts, FIRING_STARTS_MAX);
    assert_int_equal(d.starts[0], NOON - 9 * HOUR);
    check_gap(&d, 14, (int64_t[]){ NOON - 23 * HOUR, NOON - 10 * HOUR });
    assert_int_equal(d.gap.outcome, FIRING_COALESCED);
}

static void test_deadline(void **state)
{
    struct firing_schedule s = schedule_of("cron(0 * * * ? *)");
    struct firing_decision d;

    (void) state;
    s.starting_deadline_s = 2 * HOUR;
    s.catch_up = CATCH_UP_ALL;
    d = decide(&s, NOON - 5 * HOUR, NOON);
    assert_int_equal(d.n_starts, 3); /* 10:00 is just in time */
    check_gap(&d, 2, (int64_t[]){ NOON - 4 * HOUR, NOON - 3 * HOUR });
    s.starting_deadline_s = 600;
    s.catch_up = CATCH_UP_LATEST;
    d = decide(&s, NOON - 5 * HOUR, NOON + 601);
    assert_int_equal(d.n_starts, 0);
    check_gap(&d, 5, (int64_t[]){ NOON - 4 * HOUR, NOON });
    assert_int_equal(d.gap.outcome, FIRING_MISSED);
    assert_int_equal(decide(&s, NOON - 5 * HOUR, NOON + 600).n_starts, 1);
}

static void test_paused(void **state)
{
    struct firing_schedule s = schedule_of("cron(0 * * * ? *)");
    struct firing_decision d;

    (void) state;
    s.is_paused = true;
    s.catch_up = CATCH_UP_ALL;
    d = decide(&s, NOON - 5 * HOUR, NOON);
    assert_int_equal(d.n_starts, 0);
    check_gap(&d, 5, (int64_t[]){ NOON - 4 * HOUR, NOON });
    assert_string_equal(firing_outcome_text(d.gap.outcome), "paused");
    assert_int_equal(d.next_s, NOON + HOUR);
}

static void test_start_and_end(void **state)
{
    struct firing_schedule s = schedule_of("cron(0 * * * ? *)");
    struct firing_decision d;

    (void) state;
    s.catch_up = CATCH_UP_ALL;
    s.start_s = NOON - 2 * HOUR;
    s.end_s = NOON - HOUR;
    d = decide(&s, NOON - 9 * HOUR, NOON);
    assert_int_equal(d.n_starts, 2);
    assert_int_equal(d.starts[0], NOON - 2 * HOUR);
    assert_int_equal(d.starts[1], NOON - HOUR);
    assert_int_equal(d.gap.count, 0);
    assert_false(d.has_next);
    assert_int_equal(d.next_s, 0);
    d = decide(&s, NOON - 9 * HOUR, NOON - 5 * HOUR); /* not yet begun */
    assert_int_equal(d.n_starts, 0);
    assert_true(d.has_next);
    assert_int_equal(d.next_s, NOON - 2 * HOUR);
}

/*
 * A jitter moves all fires of a schedule alike. The scheduler once looked for the latest nominal
 * time up to now: with a jitter longer than the period it passed over the one that was due in
 * favour of one that was not.
 */
static void test_jitter(void **state)
{
    struct firing_schedule s = schedule_of("cron(0/5 * * * ? *)");
    struct firing_decision d;

    (void) state;
    s.jitter_s = 420;
    d = decide(&s, NOON - 300, NOON + 419);
    assert_int_equal(d.n_starts, 0);
    assert_int_equal(d.gap.count, 0);
    assert_int_equal(d.next_s, NOON);
    assert_int_equal(d.next_fire_s, NOON + 420);
    d = decide(&s, NOON - 300, NOON + 420);
    assert_int_equal(d.n_starts, 1);
    assert_int_equal(d.starts[0], NOON);
    assert_int_equal(d.gap.count, 0);
    assert_int_equal(d.next_s, NOON + 300);
    s.starting_deadline_s = 60; /* counts from when the fire was due */
    assert_int_equal(decide(&s, NOON - 300, NOON + 480).n_starts, 1);
    assert_int_equal(decide(&s, NOON - 300, NOON + 481).n_starts, 0);
}

static void test_jitter_value(void **state)
{
    int64_t seen[2] = { 0 };

    (void) state;
    assert_int_equal(firing_jitter_s("sch_a", 0), 0);
    assert_int_equal(firing_jitter_s("sch_a", -5), 0);
    assert_int_equal(firing_jitter_s("sch_a", 3600), firing_jitter_s("sch_a", 3600));
    for (int i = 0; i < 1000; i++) {
        char id[16];
        int64_t jitter;

        (void) snprintf(id, sizeof id, "sch_%d", i);
        jitter = firing_jitter_s(id, 1);
        assert_true(jitter == 0 || jitter == 1);
        seen[jitter]++;
        assert_in_range(firing_jitter_s(id, 3600), 0, 3600);
    }
    assert_true(seen[0] > 400 && seen[1] > 400);
}

static void test_rate(void **state)
{
    struct firing_schedule s = schedule_of("rate(6 hours)");
    struct firing_decision d;

    (void) state;
    s.anchor_s = NOON;
    d = decide(&s, NOON, NOON + 6 * HOUR);
    assert_int_equal(d.n_starts, 1);
    assert_int_equal(d.starts[0], NOON + 6 * HOUR);
    d = decide(&s, NOON, NOON + 24 * HOUR + 5);
    check_gap(&d, 3, (int64_t[]){ NOON + 6 * HOUR, NOON + 18 * HOUR });
    assert_int_equal(d.next_s, NOON + 30 * HOUR);
    s = schedule_of("at(2026-01-01T12:00:00)");
    d = decide(&s, 0, NOON);
    assert_int_equal(d.n_starts, 1);
    assert_false(d.has_next);
    s = schedule_of("delete");
    d = decide(&s, 0, NOON);
    assert_int_equal(d.n_starts, 0);
    assert_false(d.has_next);
}

/* Down for ten years, every minute due: one start, one gap with the exact count, in less than a
 * millisecond. */
static void test_ten_years(void **state)
{
    static const char *const zones[] = { "UTC", "Europe/Berlin", "America/New_York" };
    struct firing_schedule s = schedule_of("cron(* * * * ? *)");
    int64_t best_us = INT64_MAX;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        struct err e;

        assert_int_equal(tz_load(zones[i], &s.zone, &e), OK);
        for (int k = 0; k < 20; k++) {
            int64_t started = clock_mono_us(), took;
            struct firing_decision d = decide(&s, NOON - TEN_YEARS, NOON);

            took = clock_mono_us() - started;
            best_us = took < best_us ? took : best_us;
            assert_int_equal(d.n_starts, 1);
            /* every real minute, whatever the clocks did */
            check_gap(&d, TEN_YEARS / 60 - 1, (int64_t[]){ NOON - TEN_YEARS + 60, NOON - 60 });
        }
    }
    if (best_us >= 1000)
        fail_msg("a gap of ten years took %lld us", (long long) best_us);
}

/* Fixed times: two of them inside one clock gap are one fire, in the count as in the fires. */
static void test_count_across_changes(void **state)
{
    struct firing_schedule s = schedule_of("cron(0,30 2 * * ? *)");
    struct firing_decision d;
    struct err e;

    (void) state;
    assert_int_equal(tz_load("Europe/Berlin", &s.zone, &e), OK);
    s.is_paused = true;
    d = decide(&s, 1767225600 - 1, 1798761600 - 1); /* the year 2026 */
    assert_int_equal(d.gap.count, 2 * 365 - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_time),       cmocka_unit_test(test_catch_up),
        cmocka_unit_test(test_deadline),      cmocka_unit_test(test_paused),
        cmocka_unit_test(test_start_and_end), cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_jitter_value),  cmocka_unit_test(test_rate),
        cmocka_unit_test(test_ten_years),     cmocka_unit_test(test_count_across_changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
