/*
 * hook_auth_test.c - who may deliver to a trigger: forged, replayed and stale messages of each way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/hook_auth.h"
#include "steward/mem.h"
#include "steward/webhook_sign.h"

/* The vectors that Standard Webhooks and GitHub publish. */
#define SECRET     "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define BODY       "{\"test\": 2432232314}"
#define SIGNED     "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define AT         1614265330
#define HUB_BODY   "Hello, World!"
#define HUB_SIGNED "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

static struct hook_request standard(void)
{
    return (struct hook_request){ .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                                  .timestamp = "1614265330",
                                  .signature = SIGNED,
                                  .body = BODY,
                                  .body_n = sizeof BODY - 1,
                                  .now_s = AT };
}

static enum hook_verdict judge(enum hook_auth auth, const char *secret, struct hook_request rq)
{
    const struct hook_secrets s = { .current = secret };

    return hook_verify(auth, &s, &rq);
}

static void test_standard_webhooks(void **state)
{
    struct hook_request rq = standard();
    struct hook_secrets both = { "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx", SECRET };

    (void) state;
    assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_GOOD);
    assert_int_equal(hook_verify(HOOK_STANDARD, &both, &rq), HOOK_GOOD);
    assert_int_equal(judge(HOOK_STANDARD, both.current, rq), HOOK_FORGED);
    for (int64_t off = -300; off <= 300; off += 600) {
        rq.now_s = AT + off;
        assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_GOOD);
        rq.now_s = AT + off + (off < 0 ? -1 : 1);
        assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_STALE);
    }
    rq = standard();
    rq.signature = NULL;
    assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_UNSIGNED);
    rq = standard();
    rq.timestamp = "1614265331";
    assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_FORGED);
    rq = standard();
    rq.body_n--;
    assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_FORGED);
    rq = standard();
    rq.timestamp = "16142653300000000000";
    assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_MALFORMED);
}

/* "a.1" at 2 with the body "x" is signed like "a" at "1" with the body "2.x". */
static void test_an_id_with_a_dot_could_be_two_messages(void **state)
{
    char good[WEBHOOK_SIGNATURE_BYTES];
    struct hook_request rq = standard();
    const struct webhook_message m = {
        .id = "a.b", .timestamp = rq.timestamp, .body = BODY, .body_n = sizeof BODY - 1
    };

    (void) state;
    assert_true(webhook_sign(SECRET, &m, good));
    rq.id = m.id;
    rq.signature = good;
    assert_int_equal(judge(HOOK_STANDARD, SECRET, rq), HOOK_MALFORMED);
}

static void test_github(void **state)
{
    struct hook_request rq = { .github_signature = HUB_SIGNED,
                               .body = HUB_BODY,
                               .body_n = sizeof HUB_BODY - 1 };

    (void) state;
    assert_int_equal(judge(HOOK_GITHUB, "It's a Secret to Everybody", rq), HOOK_GOOD);
    assert_int_equal(judge(HOOK_GITHUB, "It's a secret to everybody", rq), HOOK_FORGED);
    rq.github_signature = "sha1=757107ea0eb2509fc211221cce984b8a37570b6d";
    assert_int_equal(judge(HOOK_GITHUB, "It's a Secret to Everybody", rq), HOOK_FORGED);
    rq.github_signature = NULL;
    assert_int_equal(judge(HOOK_GITHUB, "It's a Secret to Everybody", rq), HOOK_UNSIGNED);
}

static void test_bearer(void **state)
{
    char hash[HEX_SHA256];
    struct hook_request rq = { .authorization = "bearer  a-secret-of-this-test-only", .body = "" };

    (void) state;
    sha256_hex("a-secret-of-this-test-only", 26, hash);
    assert_int_equal(judge(HOOK_BEARER, hash, rq), HOOK_GOOD);
    rq.authorization = "Bearer a-secret-of-this-test-onlx";
    assert_int_equal(judge(HOOK_BEARER, hash, rq), HOOK_FORGED);
    rq.authorization = "Basic a-secret-of-this-test-only";
    assert_int_equal(judge(HOOK_BEARER, hash, rq), HOOK_MALFORMED);
    rq.authorization = "Bearer ";
    assert_int_equal(judge(HOOK_BEARER, hash, rq), HOOK_FORGED);
}

/* GitHub does not sign its delivery id: whoever replays a body under a new one is known all the
 * same. */
static void test_what_a_repeat_is_known_by(void **state)
{
    struct hook_request rq = standard();
    char key[HOOK_ID_BYTES], again[HOOK_ID_BYTES], id[HOOK_ID_BYTES];

    (void) state;
    assert_true(hook_seen_key(HOOK_STANDARD, &rq, key, id));
    assert_string_equal(key, "id msg_p5jXN8AQM9LWM0D4loKWxJek");
    rq.github_id = "one";
    assert_true(hook_seen_key(HOOK_GITHUB, &rq, key, id));
    assert_string_equal(id, "one");
    rq.github_id = "two";
    assert_true(hook_seen_key(HOOK_GITHUB, &rq, again, id));
    assert_string_equal(key, again);
    assert_string_equal(id, "two");
    rq = (struct hook_request){ .body = "" };
    assert_false(hook_seen_key(HOOK_BEARER, &rq, key, id));
    rq.key = "nightly-7";
    assert_true(hook_seen_key(HOOK_BEARER, &rq, key, id));
    assert_string_equal(key, "id nightly-7");
    rq.key = "not printable\n";
    assert_false(hook_seen_key(HOOK_BEARER, &rq, key, id));
}

static void test_secrets(void **state)
{
    (void) state;
    assert_true(hook_secret_is_valid(HOOK_STANDARD, SECRET));
    assert_false(hook_secret_is_valid(HOOK_STANDARD, "a-secret-of-this-test-only"));
    assert_true(hook_secret_is_valid(HOOK_GITHUB, "0123456789abcdef"));
    assert_false(hook_secret_is_valid(HOOK_GITHUB, "0123456789abcde"));
    assert_false(hook_secret_is_valid(HOOK_GITHUB, "0123456789 abcdef"));
    assert_false(hook_secret_is_valid(HOOK_BEARER, "0123456789abcdef"));
    assert_false(hook_secret_is_valid(HOOK_SNS, SECRET));
    for (unsigned i = 0; i < HOOK_AUTH_COUNT; i++) {
        enum hook_auth found;

        assert_true(hook_auth_find(hook_auth_name((enum hook_auth) i), &found));
        assert_int_equal(found, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard_webhooks),
        cmocka_unit_test(test_an_id_with_a_dot_could_be_two_messages),
        cmocka_unit_test(test_github),
        cmocka_unit_test(test_bearer),
        cmocka_unit_test(test_what_a_repeat_is_known_by),
        cmocka_unit_test(test_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
