/*
 * db_clock_test.c - a clock that was set is told from a reading that was slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steward/db_clock.h"

#define OFFSET 1700000000000LL
#define HOUR   3600000LL

static void test_a_step_is_noticed(void **state)
{
    struct db_clock c = { 0 };

    (void) state;
    assert_false(db_clock_note(&c, 1000, 1010, OFFSET + 1005));
    assert_false(db_clock_note(&c, 2000, 2010, OFFSET + 2005));
    assert_true(db_clock_note(&c, 3000, 3010, OFFSET + 3005 + HOUR));
    assert_false(db_clock_note(&c, 4000, 4010, OFFSET + 4005 + HOUR)); /* once */
    assert_true(db_clock_note(&c, 5000, 5010, OFFSET + 5005));
}

/* What the quiescence has room for is no step, nor is a clock that runs a little fast. */
static void test_small_differences_are_none(void **state)
{
    struct db_clock c = { 0 };
    int64_t drift = 0;

    (void) state;
    for (int64_t now = 0; now < 100 * HOUR; now += HOUR, drift += 20000)
        assert_false(db_clock_note(&c, now, now + 5, OFFSET + now + drift));
    assert_false(db_clock_note(&c, 101 * HOUR, 101 * HOUR, OFFSET + 101 * HOUR + drift + 30000));
}

/* A process that was stopped for 20 minutes reads the answer late: that says nothing of the clock,
 * neither then nor with the next, quick reading. A step meanwhile is still seen. */
static void test_a_slow_reading_says_little(void **state)
{
    struct db_clock c = { 0 };

    (void) state;
    assert_false(db_clock_note(&c, 0, 10, OFFSET));
    assert_false(db_clock_note(&c, 1000, 1000 + HOUR / 3, OFFSET + 1000));
    assert_false(db_clock_note(&c, HOUR, HOUR + 10, OFFSET + HOUR));
    assert_false(db_clock_note(&c, 2 * HOUR, 2 * HOUR + HOUR / 3, OFFSET + 2 * HOUR));
    assert_true(db_clock_note(&c, 3 * HOUR, 3 * HOUR + 10, OFFSET + 4 * HOUR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_is_noticed),
        cmocka_unit_test(test_small_differences_are_none),
        cmocka_unit_test(test_a_slow_reading_says_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
