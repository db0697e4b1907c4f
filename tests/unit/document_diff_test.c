/*
 * document_diff_test.c - what changed between two documents.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "steward/document_diff.h"
#include "steward/json.h"
#include "steward/mem.h"

static const struct {
    const char *before, *after, *text;
} rows[] = {
    { "{\"a\":1}", "{\"a\":1}", "No difference.\n" },
    { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "No difference.\n" },
    { "{\"a\":1}", "{\"a\":2}", "~ /a: 1 -> 2\n" },
    { "{\"a\":1}", "{\"a\":1,\"b\":{\"c\":[]}}", "+ /b: {\"c\":[]}\n" },
    { "{\"a\":1,\"b\":null}", "{\"a\":1}", "- /b: null\n" },
    { "{\"a\":{\"b\":1}}", "{\"a\":[1]}", "~ /a: {\"b\":1} -> [1]\n" },
    { "{\"a\":[1,2]}", "{\"a\":[1,3,4]}", "~ /a/1: 2 -> 3\n+ /a/2: 4\n" },
    { "{\"a/b~\":1}", "{\"a/b~\":2}", "~ /a~1b~0: 1 -> 2\n" },
    /* One more in front is one change; a change in another follows its name. */
    { "{\"s\":[{\"serviceConfig\":{\"name\":\"x\",\"t\":1}},{\"serviceConfig\":{\"name\":\"y\"}}]}",
      "{\"s\":[{\"serviceConfig\":{\"name\":\"z\"}},{\"serviceConfig\":{\"name\":\"x\",\"t\":2}}]}",
      "~ /s/1/serviceConfig/t: 1 -> 2\n- /s/1: {\"serviceConfig\":{\"name\":\"y\"}}\n"
      "+ /s/0: {\"serviceConfig\":{\"name\":\"z\"}}\n" },
    { "{\"tags\":[{\"tagKey\":\"a\",\"tagValue\":\"1\"},{\"tagKey\":\"b\",\"tagValue\":\"2\"}]}",
      "{\"tags\":[{\"tagKey\":\"b\",\"tagValue\":\"3\"},{\"tagKey\":\"a\",\"tagValue\":\"1\"}]}",
      "~ /tags/0/tagValue: \"2\" -> \"3\"\n" },
};

static void test_differences(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON json_t *before = json_loads(rows[i].before, 0, NULL);
        AUTO_JSON json_t *after = json_loads(rows[i].after, 0, NULL);
        AUTO_JSON json_t *changes = document_diff(before, after);
        AUTO_BUF struct buf text = { 0 };

        document_diff_text(changes, &text);
        assert_string_equal(text.data, rows[i].text);
    }
}

static void test_json_has_both_sides(void **state)
{
    AUTO_JSON json_t *before = json_loads("{\"a\":1,\"b\":2}", 0, NULL);
    AUTO_JSON json_t *after = json_loads("{\"a\":3,\"c\":4}", 0, NULL);
    AUTO_JSON json_t *changes = document_diff(before, after);
    AUTO_FREE char *text = json_compact(changes);

    (void) state;
    assert_string_equal(text, "[{\"op\":\"replace\",\"pointer\":\"/a\",\"before\":1,\"after\":3},"
                              "{\"op\":\"remove\",\"pointer\":\"/b\",\"before\":2},"
                              "{\"op\":\"add\",\"pointer\":\"/c\",\"after\":4}]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences),
        cmocka_unit_test(test_json_has_both_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
