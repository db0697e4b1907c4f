/*
 * names_test.c - what the AWS solution calls each kind, and what we call it
 * (tests/data/names.json).
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
#include "steward/kinds.h"
#include "steward/mem.h"

static json_t *cases(void)
{
    json_t *all = json_load_file(TEST_DATA "/names.json", 0, NULL);

    assert_non_null(all);
    return all;
}

static void test_kinds_have_the_same_names(void **state)
{
    AUTO_JSON json_t *all = cases();
    size_t i;
    json_t *one;

    (void) state;
    assert_true(json_array_size(json_object_get(all, "resources")) >= 12);
    json_array_foreach (json_object_get(all, "resources"), i, one) {
        const struct kind *kind = kind_find(json_text(one, "camel"));
        AUTO_FREE char *arn = NULL;

        assert_non_null(kind);
        arn = xasprintf("arn:aws:personalize:us-east-1:111111111111:%s/x", kind->arn_type);
        /* A version's ARN goes on behind its solution's. */
        assert_true(str_starts(json_text(one, "arn_of_x"), arn));
        if (kind->id != KIND_SOLUTION_VERSION)
            assert_string_equal(kind->arn_type, json_text(one, "dash"));
    }
}

static void test_events_are_called_the_same(void **state)
{
    static const struct channel_place place = { "us-east-1", "111111111111", "aws" };
    AUTO_JSON json_t *all = cases();
    size_t i;
    json_t *one;

    (void) state;
    json_array_foreach (json_object_get(all, "resources"), i, one) {
        AUTO_JSON json_t *event = json_pack(
            "{s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s}}", "type", "step.waiting", "config", "shop",
            "time", "2026-01-02T03:04:05.000Z", "data", "kind", json_text(one, "camel"), "arn",
            json_text(one, "arn_of_x"), "sent", "create", "waitingFor", "ACTIVE");
        AUTO_JSON json_t *message = channel_message(CHANNEL_EVENTBRIDGE, event, &place);

        /* A schema exists at once: there is no change of state to tell. */
        if (str_eq(json_text(one, "camel"), "schema") && !message)
            continue;
        assert_non_null(message);
        assert_string_equal(json_text(message, "DetailType"), json_text(one, "event_detail_type"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_have_the_same_names),
        cmocka_unit_test(test_events_are_called_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
