/*
 * plan_leftover_test.c - what left the file, and what a replacement left: steps and their order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "steward/json.h"
#include "steward/plan_leftover.h"
#include "steward/str.h"

static const struct plan_settings settings = {
    .account_id = "123456789012", .region = "us-east-1", .partition = "aws", .deployment_id = "dep"
};

static const char document[] = "{\"datasetGroup\": {\"serviceConfig\": {\"name\": \"shop\"}}, "
                               "\"solutions\": [{\"serviceConfig\": "
                               "{\"name\": \"a\", \"recipeArn\": "
                               "\"arn:aws:personalize:::recipe/aws-user-personalization-v2\"}, "
                               "\"workflowConfig\": {\"onImmutableChange\": \"blueGreen\"}, "
                               "\"campaigns\": [{\"serviceConfig\": "
                               "{\"name\": \"live\"}}]}]}";

static const struct plan_leftover left[] = {
    { KIND_SCHEMA, "schema/shop/old", "old", false },
    { KIND_SOLUTION, "solution/b", "b", false },
    { KIND_CAMPAIGN, "campaign/b-live", "b-live", false },
};

struct made {
    struct parameter_file file;
    struct plan plan;
};

static void make(struct made *m, enum run_kind kind, const char *resources)
{
    AUTO_JSON json_t *options = resources ? json_pack("{s:s}", "resources", resources) : NULL;
    struct err e;

    parameter_file_parse(document, strlen(document), &m->file);
    assert_int_equal(m->file.errors.count, 0);
    assert_int_equal(plan_build(&m->file, &settings, kind, options, &m->plan, &e), OK);
}

static void unmake(struct made *m)
{
    plan_done(&m->plan);
    parameter_file_done(&m->file);
}

static size_t find(const struct plan *p, const char *key)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (str_eq(p->steps[i].key, key))
            return i;
    fail_msg("there is no step %s", key);
    return 0;
}

static bool needs(const struct plan *p, const char *key, const char *other)
{
    const struct plan_step *s = &p->steps[find(p, key)];
    size_t wanted = find(p, other);

    for (size_t i = 0; i < s->n_needs; i++)
        if (s->needs[i] == wanted)
            return true;
    return false;
}

static void test_prune_deletes_children_first(void **state)
{
    struct made m;
    struct err e;

    (void) state;
    make(&m, RUN_KIND_APPLY, NULL);
    assert_int_equal(plan_add_leftovers(&m.plan, left, 3, LEFTOVER_DELETE, &e), OK);
    assert_int_equal(m.plan.steps[find(&m.plan, "solution/b")].verb, VERB_DELETE);
    assert_true(needs(&m.plan, "solution/b", "campaign/b-live"));
    assert_true(needs(&m.plan, "solution/b", "campaign/live")); /* it may move off it */
    assert_false(needs(&m.plan, "campaign/b-live", "solution/b"));
    unmake(&m);
}

static void test_a_plan_only_looks(void **state)
{
    struct made m;
    struct err e;

    (void) state;
    make(&m, RUN_KIND_OBSERVE, NULL);
    assert_int_equal(plan_add_leftovers(&m.plan, left, 3, LEFTOVER_KEEP, &e), OK);
    for (size_t i = 0; i < m.plan.n_steps; i++)
        assert_int_equal(m.plan.steps[i].verb, VERB_OBSERVE);
    assert_string_equal(
        json_text(m.plan.steps[find(&m.plan, "schema/shop/old")].options, "leftBehind"), "keep");
    unmake(&m);
}

static void test_a_destruction_waits_for_leftovers(void **state)
{
    struct made m;
    struct err e;

    (void) state;
    make(&m, RUN_KIND_DESTROY, "delete");
    assert_int_equal(plan_add_leftovers(&m.plan, left, 3, LEFTOVER_DESTROY, &e), OK);
    assert_true(needs(&m.plan, "datasetGroup/shop", "solution/b"));
    assert_true(needs(&m.plan, "datasetGroup/shop", "retired/a"));
    assert_true(needs(&m.plan, "solution/b", "campaign/b-live"));
    unmake(&m);
}

static void test_protection_outlives_the_file(void **state)
{
    struct plan_leftover guarded = { KIND_FILTER, "filter/f", "f", true };
    struct made m;
    struct err e;

    (void) state;
    make(&m, RUN_KIND_APPLY, NULL);
    assert_int_equal(plan_add_leftovers(&m.plan, &guarded, 1, LEFTOVER_DELETE, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.message, "preventDestroy"));
    assert_int_equal(plan_add_leftovers(&m.plan, &guarded, 1, LEFTOVER_PRUNE, &e), OK);
    assert_string_equal(json_text(m.plan.steps[find(&m.plan, "filter/f")].options, "leftBehind"),
                        "protected");
    unmake(&m);
}

static void test_what_was_replaced_goes_after_its_campaigns(void **state)
{
    struct made m;

    (void) state;
    make(&m, RUN_KIND_APPLY, NULL);
    assert_int_equal(m.plan.steps[find(&m.plan, "retired/a")].verb, VERB_RETIRE);
    assert_true(needs(&m.plan, "retired/a", "campaign/live"));
    assert_true(needs(&m.plan, "retired/a", "solution/a"));
    unmake(&m);
    make(&m, RUN_KIND_OBSERVE, NULL);
    for (size_t i = 0; i < m.plan.n_steps; i++)
        assert_int_not_equal(m.plan.steps[i].verb, VERB_RETIRE);
    unmake(&m);
}

static void test_words(void **state)
{
    static const struct {
        const char *observation, *action;
    } rows[] = {
        { "{\"seen\": \"matches\", \"leftBehind\": \"keep\"}", "noop" },
        { "{\"seen\": \"matches\", \"leftBehind\": \"prune\"}", "delete" },
        { "{\"seen\": \"matches\", \"leftBehind\": \"protected\"}", "blocked" },
        { "{\"seen\": \"absent\", \"leftBehind\": \"prune\"}", "noop" },
        { "{\"seen\": \"conflict\", \"leftBehind\": \"prune\", \"conflict\": \"not ours\"}",
          "noop" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON json_t *o = json_loads(rows[i].observation, 0, NULL);
        const char *action, *reason;

        plan_leftover_judge(o, &action, &reason);
        assert_string_equal(action, rows[i].action);
        assert_true(strlen(reason) > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prune_deletes_children_first),
        cmocka_unit_test(test_a_plan_only_looks),
        cmocka_unit_test(test_a_destruction_waits_for_leftovers),
        cmocka_unit_test(test_protection_outlives_the_file),
        cmocka_unit_test(test_what_was_replaced_goes_after_its_campaigns),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
