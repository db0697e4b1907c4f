/*
 * aws_ini_test.c - the INI dialect of the AWS files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aws/ini.h"
#include "steward/mem.h"
#include "steward/str.h"

static void parse(const char *text, struct ini *ini)
{
    struct err e = { 0 };

    if (ini_parse(text, "file", ini, &e) != OK)
        fail_msg("%s", e.message);
}

static void values(void **state)
{
    static const char text[] = "# comment\r\n"
                               "; another = one\r\n"
                               "[default]\r\n"
                               "Region = eu-west-1  \r\n"
                               "empty =\r\n"
                               "url=https://a/b?c=d#e\r\n"
                               "with space = a  b\r\n"
                               "\r\n"
                               "[ profile   \"my name\" ]\n"
                               "key: colon\n"
                               "key = last\n"
                               "  # indented comment\n"
                               "[default]\n"
                               "more = yes";
    struct ini ini;

    (void) state;
    parse(text, &ini);
    assert_string_equal(ini_get(&ini, "default", "region", NULL), "eu-west-1");
    assert_string_equal(ini_get(&ini, "default", "empty", NULL), "");
    assert_string_equal(ini_get(&ini, "default", "url", NULL), "https://a/b?c=d#e");
    assert_string_equal(ini_get(&ini, "default", "with space", NULL), "a  b");
    assert_string_equal(ini_get(&ini, "default", "more", NULL), "yes");
    assert_string_equal(ini_get(&ini, "profile my name", "key", NULL), "last");
    assert_null(ini_get(&ini, "default", "key", NULL));
    assert_null(ini_get(&ini, "default", "Region", NULL));
    assert_true(ini_has_section(&ini, "profile my name"));
    assert_false(ini_has_section(&ini, "my name"));
    ini_done(&ini);
}

static void nested_and_continued(void **state)
{
    static const char text[] = "[services local]\n"
                               "s3 =\n"
                               "  endpoint_url = http://localhost:1\n"
                               "  other = x\n"
                               "personalize =\n"
                               "\tendpoint_url = http://localhost:2\n"
                               "[profile p]\n"
                               "long = first\n"
                               "    second\n"
                               "[empty]\n";
    struct ini ini;

    (void) state;
    parse(text, &ini);
    assert_string_equal(ini_get(&ini, "services local", "s3", "endpoint_url"),
                        "http://localhost:1");
    assert_string_equal(ini_get(&ini, "services local", "s3", "other"), "x");
    assert_string_equal(ini_get(&ini, "services local", "personalize", "endpoint_url"),
                        "http://localhost:2");
    assert_null(ini_get(&ini, "services local", "endpoint_url", NULL));
    assert_string_equal(ini_get(&ini, "profile p", "long", NULL), "first\nsecond");
    assert_true(ini_has_section(&ini, "empty"));
    ini_done(&ini);
}

static void errors_name_the_line(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "a = b\n", "Line 1" },
        { "[x]\n\nnonsense\n", "Line 3" },
        { "[x\n", "closing bracket" },
        { "\n# c\n[x]\na = b\n[\n", "Line 5" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ini ini;
        struct err e = { 0 };

        assert_int_equal(ini_parse(cases[i].text, "some/file", &ini, &e), ERR_INVALID);
        assert_non_null(strstr(e.message, cases[i].words));
        assert_non_null(strstr(e.message, "some/file"));
        assert_null(ini.entries);
    }
}

static void odd_but_fine(void **state)
{
    static const char *const texts[] = { "",
                                         "\n\n",
                                         "[]\n=\n",
                                         "[x]\n = \n",
                                         "[x]\n  a = b\n  c = d\n",
                                         "\xEF\xBB\xBF[x]\na=b",
                                         "[x]\na==b\n" };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct ini ini;

        parse(texts[i], &ini);
        ini_done(&ini);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(nested_and_continued),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(odd_but_fine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
