/*
 * aws_classify_test.c - bytes to outcome: what is a definite no, and what only a look can tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aws/aws_private.h"

struct sample {
    const char *name;
    enum aws_service service;
    const char *method;
    struct aws_answer answer;
    enum aws_outcome outcome;
    enum aws_error_class error_class;
    const char *code; /* NULL: any */
};

#define COMPLETE(status, text)                                                           \
    {                                                                                    \
        .is_complete = true, .is_written = true, .http_status = (status), .body = (text) \
    }
#define TYPED(status, text, type)                                                         \
    {                                                                                     \
        .is_complete = true, .is_written = true, .http_status = (status), .body = (text), \
        .error_type = (type)                                                              \
    }
#define XML_ERROR(code) \
    "<Error><Code>" code "</Code><Message>m</Message><RequestId>r</RequestId></Error>"

static const struct sample samples[] = {
    { "200", AWS_PERSONALIZE, NULL, COMPLETE(200, "{\"a\":1}"), AWS_DONE, AWS_ERROR_NONE, "" },
    { "200 empty", AWS_PERSONALIZE, NULL, COMPLETE(200, ""), AWS_DONE, AWS_ERROR_NONE, "" },
    { "200 text", AWS_PERSONALIZE, NULL, COMPLETE(200, "ok"), AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "200 list", AWS_PERSONALIZE, NULL, COMPLETE(200, "[]"), AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "200 cut", AWS_PERSONALIZE, NULL, COMPLETE(200, "{\"a\":"), AWS_UNKNOWN, AWS_ERROR_SERVER,
      "" },
    { "200 twice", AWS_PERSONALIZE, NULL, COMPLETE(200, "{}{}"), AWS_UNKNOWN, AWS_ERROR_SERVER,
      "" },
    { "200 duplicate member", AWS_PERSONALIZE, NULL, COMPLETE(200, "{\"a\":1,\"a\":2}"),
      AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "not written",
      AWS_PERSONALIZE,
      NULL,
      { .trouble = "no route" },
      AWS_REFUSED,
      AWS_ERROR_NOT_SENT,
      "" },
    { "written",
      AWS_PERSONALIZE,
      NULL,
      { .is_written = true, .trouble = "reset" },
      AWS_UNKNOWN,
      AWS_ERROR_TRANSPORT,
      "" },
    { "cut after a 400 status",
      AWS_PERSONALIZE,
      NULL,
      { .is_written = true, .http_status = 400, .trouble = "cut", .body = "{\"__type\":\"X\"}" },
      AWS_UNKNOWN,
      AWS_ERROR_TRANSPORT,
      "" },
    { "namespaced type", AWS_PERSONALIZE, NULL,
      COMPLETE(
          400,
          "{\"__type\":\"com.amazonaws.personalize#ResourceNotFoundException\",\"message\":\"m\"}"),
      AWS_REFUSED, AWS_ERROR_NOT_FOUND, "ResourceNotFoundException" },
    { "Message", AWS_PERSONALIZE, NULL,
      COMPLETE(400, "{\"__type\":\"InvalidInputException\",\"Message\":\"m\"}"), AWS_REFUSED,
      AWS_ERROR_INVALID, "InvalidInputException" },
    { "code member", AWS_PERSONALIZE, NULL, COMPLETE(400, "{\"code\":\"ThrottlingException\"}"),
      AWS_REFUSED, AWS_ERROR_THROTTLED, "ThrottlingException" },
    { "type header and empty body", AWS_PERSONALIZE_EVENTS, NULL,
      TYPED(400, "", "InvalidInputException:http://internal/"), AWS_REFUSED, AWS_ERROR_INVALID,
      "InvalidInputException" },
    { "type header and object", AWS_PERSONALIZE_EVENTS, NULL,
      TYPED(404, "{\"message\":\"m\"}", "ResourceNotFoundException"), AWS_REFUSED,
      AWS_ERROR_NOT_FOUND, "ResourceNotFoundException" },
    { "type header and a page", AWS_PERSONALIZE, NULL,
      TYPED(400, "<html>", "InvalidInputException"), AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "400 without a code", AWS_PERSONALIZE, NULL, COMPLETE(400, "{\"message\":\"m\"}"),
      AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "400 with a code of another type", AWS_PERSONALIZE, NULL, COMPLETE(400, "{\"__type\":5}"),
      AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    /* Found by fz_aws_response: a name that is only a namespace is no name. */
    { "400 with an empty code", AWS_PERSONALIZE, NULL, COMPLETE(400, "{\"__type\":\"a#\"}"),
      AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "500 with a code", AWS_PERSONALIZE, NULL,
      COMPLETE(500, "{\"__type\":\"InternalServerException\"}"), AWS_UNKNOWN, AWS_ERROR_SERVER,
      "InternalServerException" },
    { "503 throttled", AWS_S3, "GET", COMPLETE(503, XML_ERROR("SlowDown")), AWS_UNKNOWN,
      AWS_ERROR_THROTTLED, "SlowDown" },
    { "307", AWS_PERSONALIZE, NULL, COMPLETE(307, ""), AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "1xx as the end", AWS_PERSONALIZE, NULL, COMPLETE(100, ""), AWS_UNKNOWN, AWS_ERROR_SERVER,
      "" },
    { "no status", AWS_PERSONALIZE, NULL, COMPLETE(0, ""), AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "expired token", AWS_PERSONALIZE, NULL,
      COMPLETE(400, "{\"__type\":\"ExpiredTokenException\"}"), AWS_REFUSED, AWS_ERROR_CREDENTIALS,
      NULL },
    { "clock", AWS_PERSONALIZE, NULL,
      COMPLETE(403,
               "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: 1\"}"),
      AWS_REFUSED, AWS_ERROR_SIGNATURE_EXPIRED, NULL },
    { "early clock", AWS_PERSONALIZE, NULL,
      COMPLETE(403, "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature not yet "
                    "current: 1\"}"),
      AWS_REFUSED, AWS_ERROR_SIGNATURE_EXPIRED, NULL },
    { "wrong secret", AWS_PERSONALIZE, NULL,
      COMPLETE(403, "{\"__type\":\"InvalidSignatureException\",\"message\":\"does not match\"}"),
      AWS_REFUSED, AWS_ERROR_CREDENTIALS, NULL },
    { "S3 object", AWS_S3, "GET", COMPLETE(200, "anything"), AWS_DONE, AWS_ERROR_NONE, "" },
    { "S3 gone", AWS_S3, "GET", COMPLETE(404, XML_ERROR("NoSuchKey")), AWS_REFUSED,
      AWS_ERROR_NOT_FOUND, "NoSuchKey" },
    { "S3 skew", AWS_S3, "GET", COMPLETE(403, XML_ERROR("RequestTimeTooSkewed")), AWS_REFUSED,
      AWS_ERROR_SIGNATURE_EXPIRED, NULL },
    { "S3 HEAD 404", AWS_S3, "HEAD", COMPLETE(404, ""), AWS_REFUSED, AWS_ERROR_NOT_FOUND,
      "NotFound" },
    { "S3 HEAD 403", AWS_S3, "HEAD", COMPLETE(403, ""), AWS_REFUSED, AWS_ERROR_ACCESS_DENIED,
      "AccessDenied" },
    { "S3 HEAD 500", AWS_S3, "HEAD", COMPLETE(500, ""), AWS_UNKNOWN, AWS_ERROR_SERVER, "" },
    { "query answer", AWS_SNS, NULL, COMPLETE(200, "<R><MessageId>1</MessageId></R>"), AWS_DONE,
      AWS_ERROR_NONE, "" },
    { "query answer cut", AWS_SNS, NULL, COMPLETE(200, "<R><MessageId>1</Mess"), AWS_UNKNOWN,
      AWS_ERROR_SERVER, "" },
    { "query error", AWS_SNS, NULL,
      COMPLETE(403,
               "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>"),
      AWS_REFUSED, AWS_ERROR_ACCESS_DENIED, "AuthorizationError" },
};

static void table(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        const struct sample *s = &samples[i];
        struct aws_answer answer = s->answer;
        struct aws_call call;

        aws_call_init(&call, s->service, "Operation", NULL);
        call.method = s->method;
        answer.body = answer.body ? answer.body : "";
        answer.body_n = strlen(answer.body);
        aws_outcome_set(&call, &answer);
        if (call.outcome != s->outcome || call.error_class != s->error_class ||
            (s->code && !str_eq(call.error_code, s->code)))
            fail_msg("%s: outcome %d, class %d, code '%s'", s->name, call.outcome, call.error_class,
                     call.error_code);
        assert_true(call.outcome == AWS_DONE || call.error_message[0] || call.error_code[0]);
        assert_true(call.outcome != AWS_DONE || s->service == AWS_S3 ||
                    json_is_object(call.response));
        aws_call_done(&call);
    }
}

static void compatible_query_error(void **state)
{
    struct aws_answer answer = { .is_complete = true,
                                 .is_written = true,
                                 .http_status = 400,
                                 .query_error = "Throttling;Sender",
                                 .body = "{\"__type\":\"X#Other\"}",
                                 .body_n = 20 };
    struct aws_call call;

    (void) state;
    aws_call_init(&call, AWS_CLOUDWATCH, "PutMetricData", NULL);
    aws_outcome_set(&call, &answer);
    assert_string_equal(call.error_code, "Throttling");
    assert_int_equal(call.error_class, AWS_ERROR_THROTTLED);
    aws_call_done(&call);
}

static void long_texts_are_cut(void **state)
{
    char body[6000];
    struct aws_answer answer = {
        .is_complete = true, .is_written = true, .http_status = 400, .body = body
    };
    struct aws_call call;
    char text[64];

    (void) state;
    memcpy(body, "{\"__type\":\"", 11);
    memset(body + 11, 'A', 2000);
    memcpy(body + 2011, "\",\"message\":\"", 13);
    memset(body + 2024, 'm', 3000);
    memcpy(body + 5024, "\"}", 3);
    answer.body_n = strlen(body);
    aws_call_init(&call, AWS_PERSONALIZE, "CreateSolution", NULL);
    aws_outcome_set(&call, &answer);
    assert_int_equal(call.outcome, AWS_REFUSED);
    assert_int_equal(strlen(call.error_code), sizeof call.error_code - 1);
    assert_int_equal(strlen(call.error_message), sizeof call.error_message - 1);
    aws_call_describe(&call, text, sizeof text);
    assert_int_equal(strlen(text), sizeof text - 1);
    aws_call_done(&call);
}

static void retries_are_for_trouble_only(void **state)
{
    static const struct {
        enum aws_outcome outcome;
        enum aws_error_class error_class;
        bool is_worth;
    } cases[] = {
        { AWS_DONE, AWS_ERROR_NONE, false },
        { AWS_REFUSED, AWS_ERROR_NOT_SENT, true },
        { AWS_REFUSED, AWS_ERROR_THROTTLED, true },
        { AWS_UNKNOWN, AWS_ERROR_SERVER, true },
        { AWS_UNKNOWN, AWS_ERROR_TRANSPORT, true },
        { AWS_REFUSED, AWS_ERROR_INVALID, false },
        { AWS_REFUSED, AWS_ERROR_NOT_FOUND, false },
        { AWS_REFUSED, AWS_ERROR_CREDENTIALS, false },
        { AWS_REFUSED, AWS_ERROR_ACCESS_DENIED, false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_call call;

        aws_call_init(&call, AWS_PERSONALIZE, "ListSchemas", NULL);
        call.outcome = cases[i].outcome;
        call.error_class = cases[i].error_class;
        assert_int_equal(aws_is_worth_a_retry(&call), cases[i].is_worth);
    }
}

static void xml_leaves(void **state)
{
    static const char *const malformed[] = {
        "",
        "text",
        "<a>",
        "<a></b>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY l2 \"&lol;&lol;\">]><a>&l2;</a>",
        "<a>\xff</a>",
    };
    static const char whole[] = "<a x='1'><b>1</b><c><d>0</d><d>&lt;&#233;</d></c> tail <e/></a>";
    json_t *leaves;

    (void) state;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_null(aws_xml_leaves(whole, n)); /* cut anywhere */
    leaves = aws_xml_leaves(whole, sizeof whole - 1);
    assert_non_null(leaves);
    assert_int_equal(json_object_size(leaves), 3);
    assert_string_equal(json_string_value(json_object_get(leaves, "b")), "1");
    assert_string_equal(json_string_value(json_object_get(leaves, "d")), "<é");
    assert_string_equal(json_string_value(json_object_get(leaves, "e")), "");
    json_decref(leaves);
    for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
        assert_null(aws_xml_leaves(malformed[i], strlen(malformed[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(compatible_query_error),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(retries_are_for_trouble_only),
        cmocka_unit_test(xml_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
