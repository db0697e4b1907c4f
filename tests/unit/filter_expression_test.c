/*
 * filter_expression_test.c - the grammar of filter expressions: what the developer guide shows, and
 * what it forbids.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "steward/filter_expression.h"
#include "steward/mem.h"
#include "steward/str.h"

static const char *const good[] = {
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"click\", \"stream\")",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($EVENT_TYPE)",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"*\")",
    "INCLUDE ItemID WHERE Items.CATEGORY_L1 IN (\"shoe\") AND Items.CATEGORY_L2 NOT IN (\"boot\")",
    "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE AND Items.GENRE IN CurrentItem.GENRE",
    "INCLUDE ItemID WHERE Items.PRICE > 10.5 AND Items.PRICE<=100",
    "INCLUDE ItemID WHERE Items.PRICE != -1 OR Items.PRICE = $PRICE",
    "INCLUDE ItemID WHERE Items.A IN (\"b\") IF CurrentUser.AGE > 18 AND CurrentUser.C IN (\"d\")",
    "EXCLUDE ActionID WHERE Actions.VALUE < ($VALUE) IF CurrentUser.MEMBERSHIP = $PREMIUM",
    "INCLUDE ActionID WHERE Action.MEMBERSHIP_LEVEL IN (\"Premium\")",
    "INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN (\"TAKEN\")",
    "INCLUDE UserID WHERE Users.STATUS IN ($STATUS) | EXCLUDE UserID WHERE Users.AGE < 18",
    "include itemid where items.a in ('x') and items.b not in (1, 2)",
    "  EXCLUDE\n\tItemID WHERE Items.A IN (\"with \\\" quote\", \"Käse\")  ",
};

static const struct {
    const char *text;
    size_t position;
    const char *says;
} bad[] = {
    { "", 0, "INCLUDE or EXCLUDE" },
    { "   ", 3, "INCLUDE or EXCLUDE" },
    { "SELECT ItemID", 0, "found SELECT" },
    { "EXCLUDE", 7, "ItemID, UserID or ActionID" },
    { "EXCLUDE Item WHERE Items.A = 1", 8, "found Item;" },
    { "EXCLUDE ItemID Items.A = 1", 15, "WHERE" },
    { "EXCLUDE ItemID WHERE", 20, "a field such as" },
    { "EXCLUDE ItemID WHERE Products.A = 1", 21, "Interactions, Items" },
    { "EXCLUDE ItemID WHERE CurrentUser.A = 1", 21, "Interactions, Items" },
    { "EXCLUDE ItemID WHERE Items A = 1", 27, "\".\"" },
    { "EXCLUDE ItemID WHERE Items. = 1", 28, "a field's name" },
    { "EXCLUDE ItemID WHERE Items.A", 28, "IN, NOT IN" },
    { "EXCLUDE ItemID WHERE Items.A LIKE \"x\"", 29, "found LIKE" },
    { "EXCLUDE ItemID WHERE Items.A NOT (\"x\")", 33, "IN after NOT" },
    { "EXCLUDE ItemID WHERE Items.A IN \"x\"", 32, "\"(\"" },
    { "EXCLUDE ItemID WHERE Items.A IN ()", 33, "a \"text\" in quotes" },
    { "EXCLUDE ItemID WHERE Items.A IN (\"x\"", 36, "\",\" or \")\"" },
    { "EXCLUDE ItemID WHERE Items.A IN (\"x\",)", 37, "a \"text\" in quotes" },
    { "EXCLUDE ItemID WHERE Items.A IN (\"x)", 33, "does not end" },
    { "EXCLUDE ItemID WHERE Items.A IN (x)", 33, "a \"text\" in quotes" },
    { "EXCLUDE ItemID WHERE Items.A = CurrentUser.A", 31, "CurrentItem.FIELD" },
    { "EXCLUDE ItemID WHERE Item.A = 1", 21, "Interactions, Items" },
    { "EXCLUDE ItemID WHERE Items.A = $", 31, "a name after $" },
    { "EXCLUDE ItemID WHERE Items.A = (1", 33, "\")\"" },
    { "EXCLUDE ItemID WHERE Items.A = 1 AND", 36, "a field such as" },
    { "EXCLUDE ItemID WHERE Items.A = 1 AND Users.B = 1", 37, "dataset of the first test" },
    { "EXCLUDE ItemID WHERE Items.A = 1 IF Items.B = 1", 36, "CurrentUser.FIELD" },
    { "EXCLUDE ItemID WHERE Items.A = 1 IF CurrentUser.B = 1 OR CurrentUser.C = 1", 54, "the end" },
    { "EXCLUDE ItemID WHERE Items.A = 1 |", 34, "INCLUDE or EXCLUDE" },
    { "EXCLUDE ItemID WHERE Items.A = 1 | INCLUDE UserID WHERE Users.A = 1", 43, "the same kind" },
    { "EXCLUDE ItemID WHERE Items.A = 1; DROP", 32, "found ;" },
    { "EXCLUDE ItemID WHERE Items.A é 1", 29, "found é;" },
};

static void test_good(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct filter_expression x;
        struct err e;

        if (filter_parse(good[i], &x, NULL, &e))
            fail_msg("%s: %s", good[i], e.message);
        assert_true(x.n_tests >= 1 && x.n_parts >= 1);
    }
}

static void test_bad(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct filter_expression x;
        struct err e;
        size_t position;

        if (filter_parse(bad[i].text, &x, &position, &e) != ERR_INVALID)
            fail_msg("%s: should be refused", bad[i].text);
        if (position != bad[i].position || !strstr(e.message, bad[i].says))
            fail_msg("%s: position %zu, %s", bad[i].text, position, e.message);
    }
}

static void test_fields(void **state)
{
    struct filter_expression x;
    struct err e;

    (void) state;
    assert_int_equal(filter_parse("INCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN (\"*\") | "
                                  "EXCLUDE ItemID WHERE Items.PRICE > $MAX "
                                  "IF CurrentUser.PLAN = \"free\"",
                                  &x, NULL, &e),
                     OK);
    assert_int_equal(x.n_parts, 2);
    assert_int_equal(x.n_tests, 3);
    assert_int_equal(x.target, FILTER_ITEMS);
    assert_string_equal(x.tests[0].dataset, "Interactions");
    assert_string_equal(x.tests[0].field, "EVENT_TYPE");
    assert_int_equal(x.tests[0].position, 21);
    assert_int_equal(x.tests[0].operator, FILTER_NOT_IN);
    assert_true(x.tests[0].has_wildcard);
    assert_int_equal(x.tests[1].part, 1);
    assert_int_equal(x.tests[1].operator, FILTER_ORDER);
    assert_true(x.tests[1].has_placeholder);
    assert_false(x.tests[1].is_condition);
    assert_true(x.tests[2].is_condition);
    assert_string_equal(x.tests[2].field, "PLAN");
    assert_int_equal(x.tests[2].operator, FILTER_EQUAL);
}

static void test_many_tests(void **state)
{
    AUTO_BUF struct buf text = { 0 };
    struct filter_expression x;
    struct err e;

    (void) state;
    buf_adds(&text, "EXCLUDE ItemID WHERE Items.A = 1");
    for (int i = 1; i < FILTER_FIELDS_MAX; i++)
        buf_adds(&text, " AND Items.A = 1");
    assert_int_equal(filter_parse(text.data, &x, NULL, &e), OK);
    assert_int_equal(x.n_tests, FILTER_FIELDS_MAX);
    buf_adds(&text, " AND Items.A = 1");
    assert_int_equal(filter_parse(text.data, &x, NULL, &e), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_many_tests),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
