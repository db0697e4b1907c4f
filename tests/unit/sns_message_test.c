/*
 * sns_message_test.c - messages of Amazon SNS: read, signed text, signature, and where certificates
 * may be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/mem.h"
#include "steward/sns_message.h"
#include "steward/str.h"

/* Made for this test by openssl req -x509; its key is gone. Good for a hundred years. */
#define PEM                                                              \
    "-----BEGIN CERTIFICATE-----\n"                                      \
    "MIIDCTCCAfGgAwIBAgIUHeF+2lezmQOqpkAWHMpRDmpIEmMwDQYJKoZIhvcNAQEL\n" \
    "BQAwEzERMA8GA1UEAwwIc25zLnRlc3QwIBcNMjYxMjAxMTEzMTMyWhgPMjEyNjEx\n" \
    "MDcxMTMxMzJaMBMxETAPBgNVBAMMCHNucy50ZXN0MIIBIjANBgkqhkiG9w0BAQEF\n" \
    "AAOCAQ8AMIIBCgKCAQEArAjdcMXQtI1PxX6T1n2iyPh85nJCcpXrVxM0GaZqfmNi\n" \
    "0tiWnBzt8HGdugTkvr2XzYpixxfEjZ6oyFQyea4y9tK0osf48LOOFx4O5OoJzKEM\n" \
    "0t3RFH/98SbD9I35cDuFJzgBqYJHdalFEhECrj8rjHV4o9JYKoI/YfkaOCckvtwz\n" \
    "Lr+kOT3Lo7k3aZGM0U5/epkuHHq24IdcXZ+UVozni1bYh9BtgZDmTwVJEp+661YY\n" \
    "bhdl+7QnP8mf4cA0qR404v3d+LHqYEkGarhEq0ICW80hDC5hx5/XCdaft+UY55ph\n" \
    "3JdEovvgVkvLgV3ggp3+YIibFUJ8hED42JsnJjwsdQIDAQABo1MwUTAdBgNVHQ4E\n" \
    "FgQUetRPM8UaV3fYTmiO375wzm5ApkIwHwYDVR0jBBgwFoAUetRPM8UaV3fYTmiO\n" \
    "375wzm5ApkIwDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEAqgyq\n" \
    "P7WHpC8k4sy292FnCh9HMn/gOR6GJ/ASStRfT28uIeHKWIhR8pfmx2nZ87Io/Vf9\n" \
    "OXaYt6UhjxvVfUh660m8mlsP4ZNxt8P900giRz1mpDpzviPv7Q0YnyOYhw5+/FXa\n" \
    "Acs1zgBdobhJtbq9Lu4xjl6OH+ruJOOCl9e6Eac8tzEdF9DKPQC1vJwLbCj+yngj\n" \
    "ZIYMpWFUpoIbS/7HQCfrCMmXRGMe3mWvdoDT0rID5wDHR7MdNdyFmcypQTu/3lez\n" \
    "HFO4wvLDk12N/OCwTN0SMbr0Lr6zMLPYv66DJ+VCm2UFNq4l928aIja966omhIWw\n" \
    "XiJa0sHhsV96wdZ5Ig==\n"                                             \
    "-----END CERTIFICATE-----\n"
#define BY_SHA256                                                                  \
    "j7GihGpiE7dQrqqJD9+bkEczSMnhp+5yOOoWWAzdNKW9ZEvzq4nUHMO/8ULv4ivLOEcvjGSIIx8x" \
    "k6uXqGo8yVzkWvKmlg8P0efeCYJzMRc4TZYzecYWdRjSu7iG8972IXAv1F4AWge98MtuxuAYOd8E" \
    "Kd1dqHSZUh/W0xRM/oD+hX8Ko23fOrh4EFotO4Hl9PXqvA9FORcjckEVMWx/gZw6lEPG9uj+Asxg" \
    "rTKLI9SE2b2d17uk06vhXGvuaf6PYVyl/MQYd489oTZb8G8rqBriurixzQbQJvE6ZufFQ5jTWmth" \
    "YoCksaMUHztZ6c7HHTpohU5daXcVoDjqSjEXhQ=="
#define BY_SHA1                                                                    \
    "pqamLlFOSI/UZbljppJAF9Ne+jL12X4yLGwGCaxrUGQEzm/o7qSKFOj663XwwBXQdqQ9m5o3IRZX" \
    "mib7ePxdymf0gWJHs5l2yWxlHdVrXkrOmDO+Kw0mP81nq6KzaWjwOktQuijLx8nUmUhQyQPuj6dL" \
    "+DskOhj/+wh1flxhFkOrOe3OHMjJgCrjeiPmfwUOq5Y0kDn9IdcgCXDqQvfR9N5ePr9n1x+2MKh8" \
    "paTRw/D5EAphgb29/VFgXQe2MdP7UR9ZKIiw4WMRE3yoGjWJNegAsyI1jP46VpuPZ1Dh60gljnSO" \
    "rvSkKcLjog/lHjc609BHmv5k2Dfubk+fs7Bz0g=="
#define OF_SUBSCRIBING                                                             \
    "frraUKWYoGzmEl20dKIOdrB/+4hStDDUel955OX190qxedJYStBSlR82T6BqtrC1FMmlqpbmlyRm" \
    "5FFmy9oSOoPG+GaK6MpsSlH7XBSeuCtGrCWMjMHbegOEYbtG68dMN+AoREIoxHO04J4cPGVeNh+M" \
    "TULag9LoRnLVUExCdVaZU+LcwESWt35HCrF8lY+cc1Wl3vnMBYobFnrDyHz9z1THcTqoDR1AzmU5" \
    "Uct3HWMBfBoSVV62R3289g3osP3dfkA0oTHW4aB60mEmc++dJy6ZAZPNkYOthBHaAWToVVhcZmHI" \
    "UNguW5eSWRrYNX+jNdy9Z5eKBTE70mLtnyXowA=="
#define NOW 1800000000
#define URL                                \
    "https://sns.us-east-1.amazonaws.com/" \
    "SimpleNotificationService-01d088a6f77103d0fe307c0069e40ed6.pem"

static json_t *notification(const char *version, const char *signature)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Type", "Notification",
                     "MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn",
                     "arn:aws:sns:us-east-1:123456789012:uploads", "Subject", "My First Message",
                     "Message", "Hello world!", "Timestamp", "2026-11-24T03:46:56.854Z",
                     "SignatureVersion", version, "Signature", signature, "SigningCertURL", URL);
}

static bool is_good(const json_t *body)
{
    struct sns_message m;
    struct err e;

    return sns_message_read(body, &m, &e) == OK && sns_verify(&m, PEM, sizeof PEM - 1, NOW);
}

static void test_both_versions_of_the_signature(void **state)
{
    AUTO_JSON json_t *two = notification("2", BY_SHA256);
    AUTO_JSON json_t *one = notification("1", BY_SHA1);
    AUTO_JSON json_t *mixed = notification("1", BY_SHA256);
    AUTO_JSON json_t *none = notification("3", BY_SHA256);

    (void) state;
    assert_true(is_good(two));
    assert_true(is_good(one));
    assert_false(is_good(mixed));
    assert_false(is_good(none));
}

static void test_a_subscription(void **state)
{
    AUTO_JSON json_t *body = notification("2", OF_SUBSCRIBING);
    struct sns_message m;
    struct err e;

    (void) state;
    json_object_set_new(body, "Type", json_string("SubscriptionConfirmation"));
    assert_int_equal(sns_message_read(body, &m, &e), ERR_INVALID); /* where to? */
    json_object_set_new(body, "Token", json_string("2336412f37"));
    json_object_set_new(body, "SubscribeURL",
                        json_string("https://sns.us-east-1.amazonaws.com/"
                                    "?Action=ConfirmSubscription&Token=2336412f37"));
    assert_int_equal(sns_message_read(body, &m, &e), OK);
    assert_int_equal(m.type, SNS_SUBSCRIBE);
    assert_true(is_good(body));
    json_object_set_new(body, "Token", json_string("2336412f38"));
    assert_false(is_good(body));
}

/* Every signed member, changed. */
static void test_what_was_changed_does_not_verify(void **state)
{
    static const char *const members[][2] = {
        { "Message", "Hello world?" },
        { "MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf325" },
        { "TopicArn", "arn:aws:sns:us-east-1:123456789012:upload" },
        { "Subject", "My First Message " },
        { "Timestamp", "2026-11-24T03:46:57.854Z" },
        { "Signature", "AAAA" },
        { "Signature", "not base64" },
        { "Signature", "" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        AUTO_JSON json_t *body = notification("2", BY_SHA256);

        json_object_set_new(body, members[i][0], json_string(members[i][1]));
        if (is_good(body))
            fail_msg("%s may be changed", members[i][0]);
    }
    AUTO_JSON json_t *body = notification("2", BY_SHA256);

    json_object_del(body, "Subject");
    assert_false(is_good(body));
}

static void test_certificates(void **state)
{
    AUTO_JSON json_t *body = notification("2", BY_SHA256);
    struct sns_message m;
    struct err e;

    (void) state;
    assert_int_equal(sns_message_read(body, &m, &e), OK);
    assert_false(sns_verify(&m, "", 0, NOW));
    assert_false(sns_verify(&m, "nonsense", 8, NOW));
    assert_false(sns_verify(&m, PEM, sizeof PEM - 200, NOW));
    assert_false(sns_verify(&m, PEM, sizeof PEM - 1, 1000000000)); /* not yet */
    assert_false(sns_verify(&m, PEM, sizeof PEM - 1, INT64_C(7000000000)));
}

static void test_addresses(void **state)
{
    static const char *const good[] = {
        URL,
        "https://sns.eu-central-1.amazonaws.com/x.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/x.pem",
    };
    static const char *const bad[] = {
        "",
        "sns.us-east-1.amazonaws.com/x.pem",
        "http://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com",
        "https://sns.us-east-1.amazonaws.com/",
        "https://sns.us-east-1.amazonaws.com/x.pem?y=1",
        "https://sns.us-east-1.amazonaws.com/x.pem#y",
        "https://sns.us-east-1.amazonaws.com.evil.com/x.pem",
        "https://sns.evil.com/x.pem",
        "https://sns.us-east-1.amazonaws.com@evil.com/x.pem",
        "https://evil.com/sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.evil.com/.amazonaws.com/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://xsns.us-east-1.amazonaws.com/x.pem",
        "https://sns..amazonaws.com/x.pem",
        "https://sns.-x.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com:8443/x.pem",
        "https://sns.us-east-1.amazonaws.com/../x.pem",
        "https://sns.us-east-1.amazonaws.com/%2e%2e/x.pem",
        "https://sns.us-east-1.amazonaws.com/x y.pem",
        "https://sns.us-east-1.amazonaws.com/x\\.pem",
        "https://sns.us-east-1.s3.amazonaws.com/x.pem",
        "https://SNS.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com.cn.evil.com/x.pem",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!sns_url_is_good(good[i], ".pem"))
            fail_msg("%s is good", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (sns_url_is_good(bad[i], ".pem"))
            fail_msg("%s is bad", bad[i]);
    assert_true(
        sns_url_is_good("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription", NULL));
    assert_true(sns_topic_is_valid("arn:aws:sns:us-east-1:123456789012:uploads"));
    assert_true(sns_topic_is_valid("arn:aws-cn:sns:cn-north-1:123456789012:a_b-c.fifo"));
    assert_false(sns_topic_is_valid("arn:aws:sqs:us-east-1:123456789012:uploads"));
    assert_false(sns_topic_is_valid("arn:aws:sns:us-east-1:12345678901:uploads"));
    assert_false(sns_topic_is_valid("arn:aws:sns:us-east-1:123456789012:"));
    assert_false(sns_topic_is_valid("arn:aws:sns:us-east-1:123456789012:a:b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_versions_of_the_signature),
        cmocka_unit_test(test_a_subscription),
        cmocka_unit_test(test_what_was_changed_does_not_verify),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
