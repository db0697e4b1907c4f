/*
 * channels_test.c - events become the AWS solution's messages; a mail is well-formed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/channels.h"
#include "steward/json.h"
#include "steward/mem.h"

#define ARN "arn:aws:personalize:us-east-1:123456789012:"

static const struct channel_place place = { "us-east-1", "123456789012", "aws" };

static json_t *make(enum channel_id id, const char *type, const char *data)
{
    AUTO_JSON json_t *event =
        json_pack("{s:s, s:s, s:s, s:o}", "type", type, "config", "shop", "time",
                  "2026-11-24T00:14:39.123Z", "data", json_loads(data, 0, NULL));

    return channel_message(id, event, &place);
}

static void check(json_t *message, const char *wanted)
{
    AUTO_JSON json_t *expected = json_loads(wanted, 0, NULL);
    AUTO_FREE char *text = message ? json_compact(message) : xstrdup("nothing");

    assert_non_null(expected);
    if (!json_equal(message, expected))
        fail_msg("%s\n is not %s", text, wanted);
    json_decref(message);
}

static void test_eventbridge(void **state)
{
    (void) state;
    check(make(CHANNEL_EVENTBRIDGE, "step.waiting",
               "{\"kind\":\"datasetImportJob\",\"arn\":\"" ARN "dataset-import-job/x\","
               "\"sent\":\"create\",\"waitingFor\":\"ACTIVE\"}"),
          "{\"Source\":\"solutions.aws.personalize\","
          "\"DetailType\":\"Personalize Dataset Import Job State Change\","
          "\"Detail\":\"{\\\"Arn\\\":\\\"" ARN "dataset-import-job/x\\\",\\\"Status\\\":"
          "\\\"CREATING\\\"}\",\"Resources\":[\"" ARN "dataset-import-job/x\"],"
          "\"Time\":1795479279}");
    check(make(CHANNEL_EVENTBRIDGE, "training.succeeded",
               "{\"kind\":\"solutionVersion\",\"arn\":\"" ARN "solution/a/1\","
               "\"result\":\"created\",\"durationSeconds\":1800}"),
          "{\"Source\":\"solutions.aws.personalize\","
          "\"DetailType\":\"Personalize Solution Version State Change\","
          "\"Detail\":\"{\\\"Arn\\\":\\\"" ARN "solution/a/1\\\",\\\"Status\\\":\\\"ACTIVE\\\","
          "\\\"Duration\\\":1800}\",\"Resources\":[\"" ARN "solution/a/1\"],\"Time\":1795479279}");
    check(make(CHANNEL_EVENTBRIDGE, "step.waiting",
               "{\"kind\":\"campaign\",\"arn\":\"" ARN "campaign/c\",\"sent\":\"update\"}"),
          "{\"Source\":\"solutions.aws.personalize\","
          "\"DetailType\":\"Personalize Campaign State Change\","
          "\"Detail\":\"{\\\"Arn\\\":\\\"" ARN "campaign/c\\\",\\\"Status\\\":\\\"UPDATING\\\"}\","
          "\"Resources\":[\"" ARN "campaign/c\"],\"Time\":1795479279}");
}

static void test_eventbridge_is_silent(void **state)
{
    (void) state;
    /* a schema has no status, so it never becomes ACTIVE */
    assert_null(make(CHANNEL_EVENTBRIDGE, "resource.created",
                     "{\"kind\":\"schema\",\"arn\":\"" ARN "schema/s\",\"result\":\"created\"}"));
    /* a look that sent nothing */
    assert_null(make(CHANNEL_EVENTBRIDGE, "step.waiting",
                     "{\"kind\":\"campaign\",\"arn\":\"" ARN "campaign/c\"}"));
    assert_null(make(CHANNEL_EVENTBRIDGE, "run.succeeded", "{\"kind\":\"apply\"}"));
    assert_null(
        make(CHANNEL_EVENTBRIDGE, "step.waiting", "{\"kind\":\"campaign\",\"sent\":\"x\"}"));
}

static void check_sns(json_t *message, const char *form, const char *wanted)
{
    AUTO_JSON json_t *forms = json_loads(json_text_or(message, "Message", "{}"), 0, NULL);

    assert_string_equal(json_text(message, "Subject"),
                        "Maintaining Personalized Experiences with Machine Learning Notifications");
    assert_string_equal(json_text(message, "MessageStructure"), "json");
    assert_int_equal(json_object_size(forms), 5);
    assert_string_equal(json_text_or(forms, "email-json", ""), json_text_or(forms, "sqs", "-"));
    if (*wanted == '{') {
        AUTO_JSON json_t *document = json_loads(json_text_or(forms, form, ""), 0, NULL);

        check(json_incref(document), wanted);
    } else {
        assert_string_equal(json_text_or(forms, form, ""), wanted);
    }
    json_decref(message);
}

static void test_sns_success(void **state)
{
    (void) state;
    check_sns(make(CHANNEL_SNS, "run.succeeded", "{\"kind\":\"apply\",\"result\":\"changed\"}"),
              "default", "The personalization workflow for shop completed successfully");
    check_sns(make(CHANNEL_SNS, "run.succeeded", "{\"kind\":\"train\"}"), "sqs",
              "{\"datasetGroup\":\"shop\",\"status\":\"UPDATE COMPLETE\",\"summary\":"
              "\"The personalization workflow for shop completed successfully\",\"description\":"
              "\"The Personalization job for dataset group shop is complete\\n\\nLink: "
              "https://console.aws.amazon.com/personalize/home?region=us-east-1#arn:aws:"
              "personalize:us-east-1:123456789012:dataset-group$shop/setup\"}");
    assert_null(make(CHANNEL_SNS, "run.succeeded", "{\"kind\":\"observe\"}"));
    assert_null(make(CHANNEL_SNS, "run.queued", "{\"kind\":\"apply\"}"));
}

static void test_sns_failure(void **state)
{
    const char *data = "{\"kind\":\"import\",\"reason\":\"campaign c: \\\"quoted\\\" trouble\"}";

    (void) state;
    check_sns(make(CHANNEL_SNS, "run.failed", data), "sms",
              "The personalization workflow for shop completed with errors");
    check_sns(make(CHANNEL_SNS, "run.failed", data), "email",
              "There was an error running the personalization job for dataset group shop\n\n"
              "Message: campaign c: \"quoted\" trouble\n\n");
    check_sns(make(CHANNEL_SNS, "run.failed", "{\"kind\":\"import\"}"), "email",
              "There was an error running the personalization job for dataset group shop\n\n"
              "Message: UNKNOWN\n\n");
}

static void test_sns_invalid_file(void **state)
{
    const char *data = "{\"code\":\"invalid-file\",\"key\":\"train/a/b.json\","
                       "\"errors\":[\"/x: no\",\"/y: neither\"]}";

    (void) state;
    check_sns(make(CHANNEL_SNS, "trigger.rejected", data), "sqs",
              "{\"datasetGroup\":\"shop\",\"status\":\"UPDATE FAILED\",\"summary\":\"There were "
              "errors detected when reading a personalization job configuration file\","
              "\"description\":[\"/x: no\",\"/y: neither\"]}");
    check_sns(make(CHANNEL_SNS, "trigger.rejected", data), "default",
              "The personalization workflow for shop completed with errors");
    check_sns(make(CHANNEL_SNS, "trigger.rejected", data), "email",
              "There were errors detected when reading a personalization job configuration file "
              "(train/a/b.json):\n\n   - /x: no\n   - /y: neither\n\nPlease correct these errors "
              "and upload the configuration again.");
    assert_null(make(CHANNEL_SNS, "trigger.rejected", "{\"code\":\"cool-down\"}"));
    /* Findings and a bare reason become sentences, too; there is always one. */
    check_sns(
        make(CHANNEL_SNS, "trigger.rejected",
             "{\"code\":\"invalid-file\",\"errors\":[{\"pointer\":\"/a\",\"detail\":\"no\"},7]}"),
        "sqs",
        "{\"datasetGroup\":\"shop\",\"status\":\"UPDATE FAILED\",\"summary\":\"There were errors "
        "detected when reading a personalization job configuration file\",\"description\":[\"/a: "
        "no\",\"invalid\"]}");
    check_sns(
        make(CHANNEL_SNS, "trigger.rejected", "{\"code\":\"invalid-file\",\"reason\":\"no JSON\"}"),
        "email",
        "There were errors detected when reading a personalization job configuration file:\n\n"
        "   - no JSON\n\nPlease correct these errors and upload the configuration again.");
}

/* A file that no config was made of names its group by the event's subject; a broken one by
 * nothing.
 */
static void test_invalid_file_of_no_config(void **state)
{
    static const struct {
        const char *subject, *group;
    } cases[] = { { "configs/other", "other" }, { "uploads", "UNKNOWN" } };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_JSON json_t *event =
            json_pack("{s:s, s:s, s:{s:s, s:s}}", "type", "trigger.rejected", "subject",
                      cases[i].subject, "data", "code", "invalid-file", "reason", "no");
        AUTO_JSON json_t *message = channel_message(CHANNEL_SNS, event, &place);
        AUTO_JSON json_t *forms = json_loads(json_text_or(message, "Message", "{}"), 0, NULL);
        AUTO_JSON json_t *document = json_loads(json_text_or(forms, "sqs", "{}"), 0, NULL);

        assert_string_equal(json_text_or(document, "datasetGroup", ""), cases[i].group);
    }
}

#define COUNT(name)                                                   \
    "{\"MetricName\":\"" name "\",\"Value\":1.0,\"Unit\":\"Count\","  \
    "\"Dimensions\":[{\"Name\":\"service\",\"Value\":\"Workflow\"}]," \
    "\"Timestamp\":1795479279}"

static void test_cloudwatch(void **state)
{
    (void) state;
    check(make(CHANNEL_CLOUDWATCH, "run.succeeded", "{\"kind\":\"retrain\"}"),
          "{\"MetricData\":[" COUNT("JobSuccess") "]}");
    check(make(CHANNEL_CLOUDWATCH, "run.failed", "{\"kind\":\"retrain\"}"),
          "{\"MetricData\":[" COUNT("JobFailure") "]}");
    check(make(CHANNEL_CLOUDWATCH, "run.queued", "{\"kind\":\"apply\",\"trigger\":\"apply\"}"),
          "{\"MetricData\":[" COUNT("ConfigurationsProcessed") "," COUNT(
              "ConfigurationsProcessedSuccesses") "]}");
    check(make(CHANNEL_CLOUDWATCH, "trigger.rejected", "{\"code\":\"invalid-file\"}"),
          "{\"MetricData\":[" COUNT("ConfigurationsProcessed") "," COUNT(
              "ConfigurationsProcessedFailures") "]}");
    check(make(CHANNEL_CLOUDWATCH, "step.waiting",
               "{\"kind\":\"batchSegmentJob\",\"sent\":\"create\"}"),
          "{\"MetricData\":[" COUNT("BatchSegmentJobCreated") "]}");
    check(make(CHANNEL_CLOUDWATCH, "config.created",
               "{\"schedulesCreated\":2,\"schedulesDeleted\":0}"),
          "{\"MetricData\":[{\"MetricName\":\"JobsCreated\",\"Value\":2.0,\"Unit\":\"Count\","
          "\"Dimensions\":[{\"Name\":\"service\",\"Value\":\"Scheduler\"}],"
          "\"Timestamp\":1795479279}]}");
    assert_null(
        make(CHANNEL_CLOUDWATCH, "step.waiting", "{\"kind\":\"campaign\",\"sent\":\"update\"}"));
    assert_null(make(CHANNEL_CLOUDWATCH, "run.queued", "{\"kind\":\"train\"}"));
    assert_null(
        make(CHANNEL_CLOUDWATCH, "run.queued", "{\"kind\":\"apply\",\"trigger\":\"retry\"}"));
}

static void test_cloudwatch_offline_metrics(void **state)
{
    (void) state;
    check(make(CHANNEL_CLOUDWATCH, "training.succeeded",
               "{\"kind\":\"solutionVersion\",\"arn\":\"" ARN "solution/a/0f\","
               "\"metrics\":{\"coverage\":0.25,\"note\":\"x\"}}"),
          "{\"MetricData\":[{\"MetricName\":\"coverage\",\"Value\":0.25,\"Unit\":\"None\","
          "\"Dimensions\":[{\"Name\":\"service\",\"Value\":\"SolutionMetrics\"},"
          "{\"Name\":\"solutionArn\",\"Value\":\"" ARN "solution/a\"}],"
          "\"Timestamp\":1795479279}]}");
    assert_null(make(CHANNEL_CLOUDWATCH, "training.succeeded",
                     "{\"kind\":\"solutionVersion\",\"arn\":\"" ARN "solution/a/0f\"}"));
}

static void test_ping_is_a_message_everywhere(void **state)
{
    (void) state;
    for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
        AUTO_JSON json_t *message = make((enum channel_id) i, "test.ping", "{}");

        assert_non_null(message);
    }
}

static void test_mail_address(void **state)
{
    static const struct {
        const char *text, *address;
    } cases[] = {
        { "shop@example.org", "shop@example.org" },
        { "The Shop <shop@example.org>", "shop@example.org" },
        { "<shop@example.org>", "shop@example.org" },
        { "shop", NULL },
        { "", NULL },
        { "a@b@c", NULL },
        { "@example.org", NULL },
        { "a@", NULL },
        { "a@b, c@d", NULL },
        { "a@b\r\nBcc: c@d", NULL },
        { "x <a@b> y", NULL },
    };
    char out[256];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool is_good = mail_address(cases[i].text, out, sizeof out);

        assert_int_equal(is_good, cases[i].address != NULL);
        if (is_good)
            assert_string_equal(out, cases[i].address);
    }
}

static void test_mail(void **state)
{
    static const char *const to[] = { "a@example.org", "Jos\xc3\xa9 <b@example.org>",
                                      "\"Shop, Inc.\" <c@example.org>" };
    const struct mail_head head = { .from = "Shop <shop@example.com>",
                                    .to = to,
                                    .n_to = 3,
                                    .id = "dlv_1",
                                    .time_ms = 1795479279123 };
    AUTO_JSON json_t *message =
        json_pack("{s:s, s:s}", "subject", "It went well\r\nBcc: x@y", "text", "one\ntw\xc3\xb6");
    AUTO_BUF struct buf out = { 0 };

    (void) state;
    mail_write(&head, message, &out);
    assert_string_equal(out.data,
                        "From: Shop <shop@example.com>\r\n"
                        "To: <a@example.org>,\r\n =?UTF-8?B?Sm9zw6k=?= <b@example.org>,\r\n"
                        " =?UTF-8?B?U2hvcCwgSW5jLg==?= <c@example.org>\r\n"
                        "Subject: =?UTF-8?B?SXQgd2VudCB3ZWxsDQpCY2M6IHhAeQ==?=\r\n"
                        "Date: Tue, 24 Nov 2026 00:14:39 +0000\r\n"
                        "Message-ID: <dlv_1@example.com>\r\n"
                        "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=utf-8\r\n"
                        "Content-Transfer-Encoding: base64\r\n\r\n"
                        "b25lDQp0d8O2\r\n");
    for (size_t i = 0; i < out.length; i++)
        assert_true((unsigned char) out.data[i] < 127);
}

static void test_mail_lines_are_short(void **state)
{
    static const char *const to[] = { "a@example.org" };
    const struct mail_head head = { "shop@example.com", to, 1, "dlv_2", 0 };
    AUTO_BUF struct buf out = { 0 }, long_text = { 0 };
    AUTO_JSON json_t *message = NULL;
    size_t line = 0;

    (void) state;
    for (int i = 0; i < 500; i++)
        buf_adds(&long_text, "\xc3\xa4.");
    message = json_pack("{s:s, s:s}", "subject", long_text.data, "text", long_text.data);
    mail_write(&head, message, &out);
    for (size_t i = 0; i < out.length; i++) {
        line = out.data[i] == '\n' ? 0 : line + 1;
        assert_true(line <= 79);
    }
    assert_true(str_is_utf8(out.data, out.length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eventbridge),
        cmocka_unit_test(test_eventbridge_is_silent),
        cmocka_unit_test(test_sns_success),
        cmocka_unit_test(test_sns_failure),
        cmocka_unit_test(test_sns_invalid_file),
        cmocka_unit_test(test_invalid_file_of_no_config),
        cmocka_unit_test(test_cloudwatch),
        cmocka_unit_test(test_cloudwatch_offline_metrics),
        cmocka_unit_test(test_ping_is_a_message_everywhere),
        cmocka_unit_test(test_mail_address),
        cmocka_unit_test(test_mail),
        cmocka_unit_test(test_mail_lines_are_short),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
