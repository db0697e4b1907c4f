/*
 * json_write_test.c - our text of a value is jansson's, byte for byte.
 *
 * The hash of a document is kept with its version: had the text changed with the writer, every
 * config would have had a new version without an edit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "steward/json.h"
#include "steward/mem.h"

static void check(const json_t *value)
{
    AUTO_FREE char *ours = json_compact(value), *sorted = json_canonical(value);
    AUTO_FREE char *theirs = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    AUTO_FREE char *theirs_sorted =
        json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

    assert_string_equal(ours, theirs);
    assert_string_equal(sorted, theirs_sorted);
}

static void test_values(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-9223372036854775808",
        "9223372036854775807",
        "0.3",
        "-1.5e300",
        "2.0",
        "1e-7",
        "0.1000000000000000055511151231257827",
        "\"\"",
        "\"/ \\\" \\\\ \x7f \xc3\xa4 \xf0\x9f\x99\x82\"",
        "[]",
        "{}",
        "[[],{},[{}],[[1]],\",\"]",
        "{\"b\":1,\"a\":{\"d\":[],\"c\":{}},\"\":[null,true],\"B\":\",\",\"\xc3\xa4\":2,\"aa\":3}",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO_JSON json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);

        assert_non_null(value);
        check(value);
    }
}

static void test_every_character(void **state)
{
    AUTO_JSON json_t *object = json_object();

    (void) state;
    for (char c = 1; c < 127; c++) {
        char text[4] = { 'x', c, 'y', '\0' };

        json_object_set_new(object, text, json_string(text + 1));
    }
    check(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_every_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
