/*
 * json_patch_test.c - RFC 6902 by the examples of its appendix A and by what else may be said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steward/json.h"
#include "steward/json_patch.h"
#include "steward/mem.h"

static const struct {
    const char *document, *patch;
    const char *result; /* NULL: refused */
} rows[] = {
    /* RFC 6902, A.1 to A.16 */
    { "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
      "{\"baz\":\"qux\",\"foo\":\"bar\"}" },
    { "{\"foo\":[\"bar\",\"baz\"]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
      "{\"foo\":[\"bar\",\"qux\",\"baz\"]}" },
    { "{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
      "{\"foo\":\"bar\"}" },
    { "{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
      "{\"foo\":[\"bar\",\"baz\"]}" },
    { "{\"baz\":\"qux\",\"foo\":\"bar\"}",
      "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
      "{\"baz\":\"boo\",\"foo\":\"bar\"}" },
    { "{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
      "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
      "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}" },
    { "{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
      "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
      "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}" },
    { "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
      "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},{\"op\":\"test\",\"path\":\"/foo/1\","
      "\"value\":2}]",
      "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}" },
    { "{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", NULL },
    { "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
      "{\"child\":{\"grandchild\":{}},\"foo\":\"bar\"}" },
    { "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
      "{\"baz\":\"qux\",\"foo\":\"bar\"}" },
    { "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", NULL },
    { "{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]",
      "{\"/\":9,\"~1\":10}" },
    { "{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", NULL },
    { "{\"foo\":[\"bar\"]}", "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
      "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}" },
    /* the rest */
    { "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}" },
    { "{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/b\"}]",
      "{\"a\":1,\"b\":{\"a\":1}}" },
    { "{\"a\":[1,2]}", "[{\"op\":\"copy\",\"from\":\"/a/0\",\"path\":\"/a/2\"}]",
      "{\"a\":[1,2,1]}" },
    { "{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":1}" },
    { "{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL },
    { "{\"a\":{},\"ab\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/abc\"}]",
      "{\"ab\":1,\"abc\":{}}" },
    { "{\"a\":null}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}" },
    { "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1.0}]", "{\"a\":1}" },
    { "{\"a\":[{\"b\":1}]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[{\"b\":1.0}]}]",
      "{\"a\":[{\"b\":1}]}" },
    { "{\"a\":[1]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1,2]}]", NULL },
    { "{\"a\":{\"b\":1}}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"c\":1}}]", NULL },
    { "{\"a\":9007199254740993}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":9007199254740992}]",
      NULL },
    { "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":1}]", NULL },
    { "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/01\",\"value\":1}]", NULL },
    { "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/+1\",\"value\":1}]", NULL },
    { "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/x\",\"value\":1}]", NULL },
    { "{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/-\"}]", NULL },
    { "{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/1\",\"value\":1}]", NULL },
    { "{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/0\",\"value\":2}]", "{\"a\":[2]}" },
    { "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", NULL },
    { "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", NULL },
    { "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/~\",\"value\":1}]", NULL },
    { "{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]", NULL },
    { "{\"a\":1}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/b\"}]", NULL },
    { "{\"\":1}", "[{\"op\":\"replace\",\"path\":\"/\",\"value\":2}]", "{\"\":2}" },
    { "{\"a\":1}", "[{\"op\":\"add\",\"path\":7,\"value\":2}]", NULL },
    { "{\"a\":1}", "[]", "{\"a\":1}" },
};

static void test_operations(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON json_t *document = json_loads(rows[i].document, 0, NULL);
        AUTO_JSON json_t *patch = json_loads(rows[i].patch, 0, NULL);
        struct json_patch_trouble trouble;
        bool is_good = json_patch_apply(&document, patch, &trouble);
        AUTO_FREE char *text = json_canonical(document);

        if (is_good != (rows[i].result != NULL))
            print_error("row %zu: %s\n", i, trouble.detail);
        assert_int_equal(is_good, rows[i].result != NULL);
        if (is_good)
            assert_string_equal(text, rows[i].result);
        else
            assert_true(*trouble.detail);
    }
}

static void test_a_test_that_fails_says_so(void **state)
{
    AUTO_JSON json_t *document = json_loads("{\"a\":1}", 0, NULL);
    AUTO_JSON json_t *patch = json_loads("[{\"op\":\"test\",\"path\":\"/a\",\"value\":1},"
                                         "{\"op\":\"test\",\"path\":\"/b\",\"value\":1}]",
                                         0, NULL);
    struct json_patch_trouble trouble;

    (void) state;
    assert_false(json_patch_apply(&document, patch, &trouble));
    assert_true(trouble.is_test);
    assert_int_equal(trouble.operation, 1);
    assert_string_equal(trouble.member, "path");
}

/* Each operation doubles the document: 40 of them would be a million million values. */
static void test_copies_of_copies_end(void **state)
{
    AUTO_JSON json_t *document = json_loads("{\"a\":[1,2,3]}", 0, NULL);
    AUTO_JSON json_t *patch = json_array();
    struct json_patch_trouble trouble;

    (void) state;
    for (int i = 0; i < 40; i++)
        json_array_append_new(
            patch, json_pack("{s:s, s:s, s:s}", "op", "copy", "from", "/a", "path", "/a/-"));
    assert_false(json_patch_apply(&document, patch, &trouble));
    assert_string_equal(trouble.member, "path");
}

/* Each operation makes the document deeper by itself; recursion over it has to stay shallow. */
static void test_depth_ends(void **state)
{
    AUTO_JSON json_t *document = json_loads("{\"a\":{}}", 0, NULL);
    AUTO_JSON json_t *patch = json_array();
    struct json_patch_trouble trouble;

    (void) state;
    for (int i = 0; i < 500; i++)
        json_array_append_new(
            patch, json_pack("{s:s, s:s, s:s}", "op", "copy", "from", "", "path", "/a/a"));
    assert_false(json_patch_apply(&document, patch, &trouble));
    assert_true(trouble.operation < 64);
}

static void test_merge(void **state)
{
    AUTO_JSON json_t *document =
        json_loads("{\"a\":\"b\",\"c\":{\"d\":\"e\",\"f\":\"g\"}}", 0, NULL);
    AUTO_JSON json_t *patch =
        json_loads("{\"a\":\"z\",\"c\":{\"f\":null},\"h\":{\"i\":null}}", 0, NULL);
    AUTO_FREE char *text = NULL;

    (void) state;
    json_merge_patch(document, patch);
    text = json_canonical(document);
    assert_string_equal(text, "{\"a\":\"z\",\"c\":{\"d\":\"e\"},\"h\":{}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_a_test_that_fails_says_so),
        cmocka_unit_test(test_copies_of_copies_end),
        cmocka_unit_test(test_depth_ends),
        cmocka_unit_test(test_merge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
