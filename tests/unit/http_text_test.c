/*
 * http_text_test.c - the pure parts of answering: problems, encodings, indenting, hosts, request
 * ids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/internal.h"
#include "http/text.h"
#include "steward/json.h"

static void test_problem_has_the_shape_of_rfc_9457(void **state)
{
    AUTO_BUF struct buf out = { 0 };
    AUTO_JSON json_t *errors = json_pack("[{s:s}]", "pointer", "/a");
    AUTO_JSON json_t *extra = json_pack("{s:i,s:i}", "status", 1, "used", 3);
    struct problem p = { .status = 422,
                         .code = "invalid",
                         .title = "Not so",
                         .detail = "d",
                         .errors = errors,
                         .extra = extra,
                         .is_retryable = true };

    (void) state;
    problem_write(&out, &p, "/configs", "req_1");
    assert_string_equal(
        out.data,
        "{\"type\":\"/problems/invalid\",\"title\":\"Not so\",\"status\":422,\"detail\":\"d\","
        "\"instance\":\"/configs\",\"code\":\"invalid\",\"retryable\":true,"
        "\"errors\":[{\"pointer\":\"/a\"}],\"requestId\":\"req_1\",\"used\":3}");
}

static void test_problem_fills_in_what_a_status_says(void **state)
{
    AUTO_BUF struct buf out = { 0 };
    AUTO_BUF struct buf odd = { 0 };
    struct problem p = { .status = 404 };
    struct problem q = { .status = 499 };

    (void) state;
    problem_write(&out, &p, NULL, NULL);
    assert_string_equal(out.data,
                        "{\"type\":\"/problems/not-found\",\"title\":\"Not Found\",\"status\":404,"
                        "\"code\":\"not-found\",\"retryable\":false}");
    problem_write(&odd, &q, NULL, NULL);
    assert_string_equal(odd.data,
                        "{\"type\":\"/problems/error\",\"title\":\"Error\",\"status\":499,"
                        "\"code\":\"error\",\"retryable\":false}");
    assert_string_equal(http_status_words(421), "Misdirected Request");
}

static void test_problem_survives_text_that_is_not_utf8(void **state)
{
    AUTO_BUF struct buf out = { 0 };
    AUTO_JSON json_t *parsed = NULL;
    struct problem p = { .status = 400, .detail = "a\xC0\xAE\"b" };

    (void) state;
    problem_write(&out, &p, "/\xFF", "req_1");
    parsed = json_loads(out.data, 0, NULL);
    assert_non_null(parsed);
    assert_string_equal(json_text(parsed, "instance"), "/\xEF\xBF\xBD");
}

static void test_accept_encoding(void **state)
{
    static const struct {
        const char *value;
        bool accepts;
    } cases[] = {
        { NULL, false },
        { "", false },
        { "gzip", true },
        { "GZIP", true },
        { "x-gzip", true },
        { "br, gzip", true },
        { "br,gzip;q=0.1", true },
        { "gzip;q=0", false },
        { "gzip; q=0.000", false },
        { "gzip ; Q=0", false },
        { "gzip;q=1.0", true },
        { "*", true },
        { "*;q=0", false },
        { "gzip;q=0, *", false },
        { "*, gzip;q=0", false },
        { "identity", false },
        { "gzipped", false },
        { ", ,gzip", true },
        { "deflate;q=0.5, *;q=0.1", true },
        { "gzip;x=y;q=0", false },
        { "gzip;x", true },
        { ";q=0", false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        print_message("%s\n", cases[i].value ? cases[i].value : "NULL");
        assert_int_equal(http_text_accepts_gzip(cases[i].value), cases[i].accepts);
    }
}

static void test_types(void **state)
{
    (void) state;
    assert_true(http_text_is_compressible("text/plain; charset=utf-8"));
    assert_true(http_text_is_compressible("text/html"));
    assert_true(http_text_is_compressible("application/json"));
    assert_true(http_text_is_compressible("application/problem+json; x=y"));
    assert_true(http_text_is_compressible("image/svg+xml"));
    assert_true(http_text_is_compressible("application/javascript"));
    assert_false(http_text_is_compressible("text/event-stream"));
    assert_false(http_text_is_compressible("application/octet-stream"));
    assert_false(http_text_is_compressible("image/png"));
    assert_false(http_text_is_compressible(NULL));
    assert_true(http_text_is_json("application/JSON; charset=utf-8"));
    assert_false(http_text_is_json("application/jsonl"));
    assert_false(http_text_is_json(NULL));
}

static void indented(const char *json, const char *expected)
{
    AUTO_BUF struct buf out = { 0 };

    http_text_indent(&out, json, strlen(json));
    assert_string_equal(out.data, expected);
}

static void test_indent(void **state)
{
    (void) state;
    indented("{}", "{}\n");
    indented("[ ]", "[]\n");
    indented("1", "1\n");
    indented("{\"a\":1,\"b\":[true,{\"c\":[]}]}",
             "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    {\n      \"c\": []\n    }\n  ]\n}\n");
    indented(" [ 12345678901234567890.10 , \"a,b:{\\\"}\\\\\" ] ",
             "[\n  12345678901234567890.10,\n  \"a,b:{\\\"}\\\\\"\n]\n");
    indented("\"open", "\"open\n"); /* not JSON, not a crash */
    indented("\"\\", "\"\\\n");
    indented("]]}", "\n]\n]\n}\n");
}

static void test_hosts(void **state)
{
    static const char *const hosts[] = { "localhost", "[::1]", "steward.example", NULL };

    (void) state;
    assert_true(http_text_host_is_allowed("localhost", hosts));
    assert_true(http_text_host_is_allowed("LocalHost:8080", hosts));
    assert_true(http_text_host_is_allowed("[::1]:8080", hosts));
    assert_true(http_text_host_is_allowed("[::1]", hosts));
    assert_true(http_text_host_is_allowed("steward.example:", hosts));
    assert_false(http_text_host_is_allowed("", hosts));
    assert_false(http_text_host_is_allowed("steward.example.evil", hosts));
    assert_false(http_text_host_is_allowed("evil.steward.example", hosts));
    assert_false(http_text_host_is_allowed("localhost:80a", hosts));
    assert_false(http_text_host_is_allowed("localhost:80:80", hosts));
    assert_false(http_text_host_is_allowed("[::1", hosts));
    assert_false(http_text_host_is_allowed("[::1]x", hosts));
    assert_false(http_text_host_is_allowed("::1", hosts));
}

static void test_request_ids(void **state)
{
    char text[66];

    (void) state;
    assert_true(http_text_is_request_id("0af7651916cd43dd8448eb211c80319c"));
    assert_true(http_text_is_request_id("Root=1-67891233:a/b+c~d._="));
    assert_false(http_text_is_request_id(""));
    assert_false(http_text_is_request_id("a b"));
    assert_false(http_text_is_request_id("a\"b"));
    assert_false(http_text_is_request_id("\xC3\xA4"));
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    assert_true(http_text_is_request_id(text));
    text[64] = 'a';
    text[65] = '\0';
    assert_false(http_text_is_request_id(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem_has_the_shape_of_rfc_9457),
        cmocka_unit_test(test_problem_fills_in_what_a_status_says),
        cmocka_unit_test(test_problem_survives_text_that_is_not_utf8),
        cmocka_unit_test(test_accept_encoding),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_indent),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_request_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
