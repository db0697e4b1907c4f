/*
 * budget_test.c - the retry quota, the brake and the backoff, with time and chance of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steward/budget.h"

static void quota(void **state)
{
    struct aws_budget b;
    int taken = 0;

    (void) state;
    aws_budget_init(&b);
    while (aws_budget_take(&b, AWS_BUDGET_COST_RETRY))
        taken++;
    assert_int_equal(taken, 100);
    assert_false(aws_budget_take(&b, 1));
    aws_budget_give(&b, 4);
    assert_false(aws_budget_take(&b, 5));
    aws_budget_give(&b, 1);
    assert_true(aws_budget_take(&b, 5));
    aws_budget_give(&b, 100000);
    assert_int_equal(b.tokens, AWS_BUDGET_CAPACITY);
}

/* Calls sent in the span, one asked for every step_ms; every n-th succeeds (0: none). */
static int simulate(struct aws_budget *b, int64_t from_ms, int64_t span_ms, int every)
{
    static const int64_t step_ms = 10;
    int sent = 0;

    for (int64_t now = from_ms; now < from_ms + span_ms; now += step_ms) {
        int64_t wait_ms;

        if (!aws_budget_admit(b, now, &wait_ms)) {
            assert_true(wait_ms > 0 && wait_ms <= 2 * AWS_BUDGET_INTERVAL_MAX_MS);
            continue;
        }
        sent++;
        if (every && sent % every == 0)
            aws_budget_succeeded(b);
        else
            aws_budget_refused(b, AWS_BUDGET_COST_RETRY, now);
    }
    return sent;
}

/* 95 % refusals for ten minutes: within 30 s the rate falls to a tenth; within 60 s of the end it
 * is whole again. */
static void throttle_storm(void **state)
{
    struct aws_budget b;
    int first, rest, after;

    (void) state;
    aws_budget_init(&b);
    assert_int_equal(simulate(&b, 0, 10000, 1), 1000); /* nothing is held back while all is well */
    first = simulate(&b, 10000, 30000, 20);
    assert_true(first < 600);
    rest = simulate(&b, 40000, 570000, 20);
    assert_true(rest <= 57000 / 10);
    assert_true(rest >= 570000 / AWS_BUDGET_INTERVAL_MAX_MS / 2); /* it goes on asking */
    after = simulate(&b, 610000, 60000, 1);
    assert_true(after > 3000);
    assert_int_equal(b.interval_ms, 0);
    assert_int_equal(simulate(&b, 670000, 10000, 1), 1000);
}

static void a_total_outage_is_probed(void **state)
{
    struct aws_budget b;
    int sent;

    (void) state;
    aws_budget_init(&b);
    (void) simulate(&b, 0, 60000, 0);
    sent = simulate(&b, 60000, 60000, 0);
    assert_in_range(sent, 10, 14);
}

static void backoff(void **state)
{
    (void) state;
    for (int attempt = 1; attempt < 200; attempt++) {
        int64_t limit = attempt > 5 ? 20000 : 1000L << (attempt - 1);

        if (limit > 20000)
            limit = 20000;
        assert_in_range(aws_backoff_ms(attempt, 1000, 20000, UINT64_MAX - 12345), 0, limit - 1);
        assert_int_equal(aws_backoff_ms(attempt, 1000, 20000, (uint64_t) limit - 1), limit - 1);
        assert_int_equal(aws_backoff_ms(attempt, 1000, 20000, 0), 0);
    }
    assert_int_equal(aws_backoff_ms(3, 0, 0, 7), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quota),
        cmocka_unit_test(throttle_storm),
        cmocka_unit_test(a_total_outage_is_probed),
        cmocka_unit_test(backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
