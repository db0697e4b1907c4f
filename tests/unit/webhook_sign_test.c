/*
 * webhook_sign_test.c - signatures by the vectors that Standard Webhooks and GitHub publish; the
 * table of waits; globs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steward/delivery_plan.h"
#include "steward/mem.h"
#include "steward/str.h"
#include "steward/webhook_sign.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define GOOD   "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct webhook_message vector(void)
{
    static const char body[] = "{\"test\": 2432232314}";

    return (struct webhook_message){ .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                                     .timestamp = "1614265330",
                                     .body = body,
                                     .body_n = sizeof body - 1 };
}

static void test_the_published_vector(void **state)
{
    struct webhook_message m = vector();
    char out[WEBHOOK_SIGNATURE_BYTES];

    (void) state;
    assert_true(webhook_sign(SECRET, &m, out));
    assert_string_equal(out, GOOD);
    assert_true(webhook_verify(SECRET, &m, GOOD));
    assert_true(webhook_verify(SECRET, &m, "v1,AAAA v2,BBBB " GOOD));
}

static void test_what_was_changed_does_not_verify(void **state)
{
    struct webhook_message m = vector(), other;

    (void) state;
    other = m;
    other.id = "msg_p5jXN8AQM9LWM0D4loKWxJel";
    assert_false(webhook_verify(SECRET, &other, GOOD));
    other = m;
    other.timestamp = "1614265331";
    assert_false(webhook_verify(SECRET, &other, GOOD));
    other = m;
    other.body_n--;
    assert_false(webhook_verify(SECRET, &other, GOOD));
    assert_false(webhook_verify("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx", &m, GOOD));
    assert_false(webhook_verify("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &m, GOOD));
    assert_false(webhook_verify(SECRET, &m, ""));
    assert_false(webhook_verify(SECRET, &m, "v1,"));
    assert_false(webhook_verify(SECRET, &m, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    assert_false(webhook_verify(SECRET, &m, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE"));
    assert_false(webhook_verify(SECRET, &m, "a a a a a a a a a a a a a a a a a a " GOOD));
}

static void test_secrets(void **state)
{
    uint8_t bytes[WEBHOOK_SECRET_BYTES] = { 1, 2, 3 };
    AUTO_FREE char *text = webhook_secret_text(bytes);

    (void) state;
    assert_true(webhook_secret_is_valid(text));
    assert_int_equal(strlen(text), 6 + 44);
    assert_false(webhook_secret_is_valid("whsec_AAAA"));
    assert_false(webhook_secret_is_valid("whsec_!!!!"));
    assert_false(webhook_secret_is_valid(""));
}

static void test_times(void **state)
{
    (void) state;
    assert_true(webhook_time_is_fresh("1000", 1000));
    assert_true(webhook_time_is_fresh("1000", 1300));
    assert_true(webhook_time_is_fresh("1300", 1000));
    assert_false(webhook_time_is_fresh("1000", 1301));
    assert_false(webhook_time_is_fresh("1301", 1000));
    assert_false(webhook_time_is_fresh("1000.5", 1000));
    assert_false(webhook_time_is_fresh("", 0));
    assert_false(webhook_time_is_fresh("-1", 0));
}

/* From GitHub's documentation of X-Hub-Signature-256. */
static void test_github(void **state)
{
    static const char secret[] = "It's a Secret to Everybody", body[] = "Hello, World!";
    static const char good[] =
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    (void) state;
    assert_true(webhook_verify_github(secret, body, sizeof body - 1, good));
    assert_false(webhook_verify_github(secret, body, sizeof body - 2, good));
    assert_false(webhook_verify_github("other", body, sizeof body - 1, good));
    assert_false(webhook_verify_github(secret, body, sizeof body - 1, good + 7));
}

static void test_waits(void **state)
{
    int64_t total = 0;

    (void) state;
    for (int tries = 1; tries <= 9; tries++) {
        int64_t middle = delivery_plan_wait_ms(tries, DELIVERY_JITTER_STEPS / 2, 1);

        assert_int_equal(delivery_plan_wait_ms(tries, 0, 1), middle - middle / 10);
        assert_int_equal(delivery_plan_wait_ms(tries, DELIVERY_JITTER_STEPS - 1, 1),
                         middle + middle / 10);
        assert_int_equal(delivery_plan_wait_ms(tries, DELIVERY_JITTER_STEPS / 2, 1000),
                         middle / 1000);
        total += middle;
    }
    assert_int_equal(total, INT64_C(1000) * (75 * 3600 + 35 * 60 + 5));
    assert_int_equal(delivery_plan_wait_ms(10, 0, 1), -1);
    assert_int_equal(delivery_plan_wait_ms(0, 0, 1), -1);
}

static void test_globs(void **state)
{
    AUTO_FREE char *like = glob_to_like("run.*");

    (void) state;
    assert_string_equal(like, "run.%");
    assert_true(glob_is_valid("*"));
    assert_true(glob_is_valid("step.waiting"));
    assert_false(glob_is_valid(""));
    assert_false(glob_is_valid("run.%"));
    assert_false(glob_is_valid("run_x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_vector),
        cmocka_unit_test(test_what_was_changed_does_not_verify),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_github),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_globs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
