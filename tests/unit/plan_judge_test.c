/*
 * plan_judge_test.c - prices, floors, guards and quotas of a plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/plan_judge.h"
#include "steward/plan_lines.h"

/* ---- money and prices ---- */

static void test_money(void **state)
{
    static const struct {
        const char *text;
        int64_t micros; /* -1: refused */
    } rows[] = { { "0.05", 50000 },
                 { "12", 12000000 },
                 { "0.0556", 55600 },
                 { "0.000001", 1 },
                 { "500.00", 500000000 },
                 { "", -1 },
                 { "1.", -1 },
                 { ".5", -1 },
                 { "-1", -1 },
                 { "1.0000001", -1 },
                 { "1e3", -1 },
                 { "1234567890123", -1 },
                 { "999999999999.999999", INT64_C(999999999999999999) } };
    AUTO_BUF struct buf out = { 0 };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t micros = -1;

        assert_int_equal(money_parse(rows[i].text, &micros), rows[i].micros >= 0);
        if (rows[i].micros >= 0)
            assert_int_equal(micros, rows[i].micros);
    }
    money_text(146116800, false, &out);
    buf_addc(&out, ' ');
    money_text(-4999, true, &out);
    buf_addc(&out, ' ');
    money_text(5000, true, &out);
    buf_addc(&out, ' ');
    money_text(-1315051200, false, &out);
    assert_string_equal(out.data, "146.12 +0.00 +0.01 -1315.05");
}

/* The figures that the price list itself names: $146.1 and $394.2 per TPS, $273.8 a recommender. */
static void test_floors(void **state)
{
    const struct prices *p = prices_builtin();
    AUTO_BUF struct buf words = { 0 };

    (void) state;
    assert_int_equal(prices_campaign(p, 1, false, &words), 146116800);
    assert_string_equal(words.data,
                        "1 TPS x 3,600 s x 730 h = 2,628,000 requests a month, at 0.0556 "
                        "per 1,000");
    assert_int_equal(prices_campaign(p, 10, false, &words), 1461168000);
    assert_int_equal(prices_campaign(p, 1, true, &words), 394200000);
    assert_int_equal(prices_campaign(p, 0, false, &words), 0);
    assert_int_equal(prices_recommender(p, 1, &words), 273750000);
    /* 3,200 above the 4,000 that are included. */
    assert_int_equal(prices_recommender(p, 2, &words), (375000 + 266560) * 730);
    /* 30 TPS pass the first tier: 72 million at 0.0556, the rest at 0.0278. */
    buf_clear(&words);
    assert_int_equal(prices_campaign(p, 30, false, &words), 72000 * 55600LL + 6840 * 27800LL);
    assert_non_null(strstr(words.data, "72,000,000 at 0.0556 per 1,000 + 6,840,000 at 0.0278"));
    /* What nobody means stays a number. */
    assert_true(prices_campaign(p, INT64_MAX, true, &words) > 0);
    assert_true(prices_recommender(p, INT64_MAX, &words) > 0);
}

static void test_price_lists(void **state)
{
    static const char good[] =
        "{\"asOf\":\"2027-01\",\"currency\":\"USD\",\"hoursPerMonth\":730,\"ingestionPerGB\":\"1\","
        "\"customTrainingPerHour\":\"1\",\"customBatchPer1000\":\"1\","
        "\"v2TrainingPer1000Interactions\":\"1\",\"v2RequestsPer1000\":\"1\",\"v2BatchPer1000\":"
        "\"1\",\"recommenderPerHour\":\"1\",\"recommenderUsers\":1,\"recommenderRequestsPerHour\":"
        "1,"
        "\"recommenderExtraPer1000\":\"1\",\"customRequestsPer1000\":[{\"price\":\"1\"}]}";
    static const char *const bad[] = {
        "", "[]", "{}", "{\"asOf\":\"x\",\"currency\":\"USD\"}",
        "{\"asOf\":\"x\",\"currency\":\"USD\",\"hoursPerMonth\":730,\"ingestionPerGB\":0.05}"
    };
    struct prices p;
    struct err e;

    (void) state;
    assert_int_equal(prices_parse(good, strlen(good), &p, &e), OK);
    assert_int_equal(p.ingestion_per_gb, MICROS);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(prices_parse(bad[i], strlen(bad[i]), &p, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "ingestionPerGB"));
}

static void test_quota_limits(void **state)
{
    char *good[] = { "campaigns=20", "dataset-groups=0" };
    char *bad[][1] = {
        { "campaigns" }, { "campaign=2" }, { "campaigns=-1" }, { "event-trackers=3" }
    };
    struct quota_limits limits;
    struct err e;

    (void) state;
    assert_int_equal(quota_limits_parse(&(struct conf_list){ good, 2 }, &limits, &e), OK);
    assert_int_equal(limits.values[KIND_CAMPAIGN], 20);
    assert_int_equal(limits.values[KIND_DATASET_GROUP], 0);
    assert_int_equal(limits.values[KIND_SOLUTION], 10);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(quota_limits_parse(&(struct conf_list){ bad[i], 1 }, &limits, &e),
                         ERR_INVALID);
    assert_int_equal(limits.values[KIND_SOLUTION_VERSION], 20);
    assert_int_equal(limits.values[KIND_DATASET], 0);
}

/* ---- plans ---- */

#define CAMPAIGN(name, tps) \
    "{\"serviceConfig\":{\"name\":\"" name "\",\"minProvisionedTPS\":" #tps "}}"
#define FILE_WITH(recipe, campaigns, guards)                                                    \
    "{\"datasetGroup\":{\"serviceConfig\":{\"name\":\"g\"}},\"datasets\":{\"interactions\":{"   \
    "\"dataset\":{\"serviceConfig\":{\"name\":\"d\"}},\"schema\":{\"serviceConfig\":{\"name\":" \
    "\"sc\",\"schema\":{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":"           \
    "\"com.amazonaws.personalize.schema\",\"fields\":[{\"name\":\"USER_ID\",\"type\":"          \
    "\"string\"},{\"name\":\"ITEM_ID\",\"type\":\"string\"},{\"name\":\"TIMESTAMP\",\"type\":"  \
    "\"long\"}],\"version\":\"1.0\"}}}}},\"solutions\":[{\"serviceConfig\":{\"name\":\"s\","    \
    "\"recipeArn\":\"arn:aws:personalize:::recipe/" recipe "\"},\"campaigns\":[" campaigns      \
    "]}],\"guards\":" guards "}"

struct made {
    struct parameter_file file;
    json_t *steps, *plan;
};

/* Of each component one step that saw the same; campaigns what the test says. */
static void make(struct made *m, const char *text, const char *facts, const char *seen,
                 int before_tps)
{
    AUTO_JSON json_t *known = facts ? json_loads(facts, 0, NULL) : NULL;
    struct quota_limits limits;

    quota_limits_default(&limits);
    parameter_file_parse(text, strlen(text), &m->file);
    assert_int_equal(m->file.errors.count, 0);
    m->steps = json_array();
    for (size_t i = 0; i < m->file.n_components; i++) {
        const struct component *c = &m->file.components[i];
        json_t *step = json_pack("{s:i, s:s, s:s, s:s, s:O, s:{s:{s:s, s:b, s:[]}}}", "ordinal",
                                 (int) i, "kind", kinds[c->kind].name, "name", c->name,
                                 "resourceKey", c->key, "request", c->service, "details",
                                 "observation", "seen", seen, "isKnown", 1, "differences");

        if (c->kind == KIND_CAMPAIGN && before_tps) {
            json_t *o = json_object_get(json_object_get(step, "details"), "observation");

            json_object_set_new(o, "seen", json_string("differs"));
            json_array_append_new(json_object_get(o, "differences"),
                                  json_pack("{s:s, s:O, s:i, s:b}", "field", "minProvisionedTPS",
                                            "desired",
                                            json_object_get(c->service, "minProvisionedTPS"),
                                            "observed", before_tps, "inPlace", 1));
        }
        json_array_append_new(m->steps, step);
    }
    m->plan = plan_lines_of(m->steps);
    plan_judge(
        m->plan, m->steps,
        &(struct plan_world){
            .file = &m->file, .prices = prices_builtin(), .limits = &limits, .facts = known });
}

static void unmake(struct made *m)
{
    json_decref(m->plan);
    json_decref(m->steps);
    parameter_file_done(&m->file);
}

static json_t *line_of(const struct made *m, const char *key)
{
    size_t i;
    json_t *line;

    json_array_foreach (json_object_get(m->plan, "lines"), i, line)
        if (str_eq(json_text(line, "resourceKey"), key))
            return line;
    fail_msg("no line %s", key);
    return NULL;
}

static const char *amount(const json_t *cost, const char *member)
{
    return json_text_or(json_object_get(cost, member), "amount", "none");
}

static void test_new_things_cost_and_use_quota(void **state)
{
    struct made m;
    const json_t *line, *total;

    (void) state;
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1) "," CAMPAIGN("b", 2), "{}"),
         "{\"group\":{\"campaign\":2}}", "absent", 0);
    line = line_of(&m, "campaign/b");
    assert_string_equal(json_text(line, "action"), "create");
    assert_string_equal(amount(json_object_get(line, "cost"), "monthly"), "292.23");
    assert_int_equal(json_int_or(json_object_get(line, "quota"), "used", 0), 4);
    assert_int_equal(json_int_or(json_object_get(line, "quota"), "left", 9), 1);
    assert_int_equal(json_int_or(json_object_get(line, "quota"), "limit", 0), 5);
    total = json_object_get(m.plan, "cost");
    assert_string_equal(amount(total, "monthly"), "438.35");
    assert_string_equal(amount(total, "monthlyBefore"), "0.00");
    assert_string_equal(amount(total, "monthlyAfter"), "438.35");
    assert_string_equal(amount(total, "oneOff"), "0.24");
    unmake(&m);
}

static void test_a_raise_is_a_difference(void **state)
{
    AUTO_BUF struct buf text = { 0 }, markdown = { 0 };
    struct made m;
    const json_t *cost;

    (void) state;
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 10), "{}"), NULL, "matches", 1);
    cost = json_object_get(line_of(&m, "campaign/a"), "cost");
    assert_string_equal(amount(cost, "monthly"), "1315.05");
    assert_string_equal(amount(cost, "monthlyBefore"), "146.12");
    assert_string_equal(amount(cost, "monthlyAfter"), "1461.17");
    assert_null(json_object_get(line_of(&m, "campaign/a"), "quota"));
    plan_lines_text(m.plan, "config g", &text);
    assert_non_null(strstr(text.data, "cost: +1315.05 USD a month = 10 TPS"));
    assert_non_null(strstr(text.data, "Monthly floor 146.12 -> 1461.17 USD (+1315.05)"));
    assert_non_null(strstr(text.data, "without traffic above the minimum"));
    plan_lines_markdown(m.plan, "config g", &markdown);
    assert_non_null(
        strstr(markdown.data, "`minProvisionedTPS`: `1` → `10` | +1315.05 USD a month<br>"));
    unmake(&m);
}

static void test_guards_block_what_raises(void **state)
{
    struct made m;
    const json_t *line;

    (void) state;
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 10), "{\"maxMinProvisionedTPS\":5}"), NULL,
         "matches", 1);
    line = line_of(&m, "campaign/a");
    assert_string_equal(json_text(line, "action"), "blocked");
    assert_string_equal(json_text(line, "rule"), "guard");
    assert_string_equal(json_text(line, "guard"), "maxMinProvisionedTPS");
    assert_string_equal(amount(json_object_get(line, "cost"), "monthly"),
                        "1315.05"); /* what it would */
    assert_string_equal(amount(json_object_get(m.plan, "cost"), "monthly"), "0.00");
    assert_string_equal(amount(json_object_get(m.plan, "cost"), "monthlyAfter"), "146.12");
    assert_int_equal(json_int_or(json_object_get(m.plan, "summary"), "blocked", 0), 1);
    unmake(&m);

    /* Lowering passes, even to what is still above the guard. */
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 10), "{\"maxMinProvisionedTPS\":5}"), NULL,
         "matches", 20);
    assert_string_equal(json_text(line_of(&m, "campaign/a"), "action"), "updateInPlace");
    assert_string_equal(amount(json_object_get(m.plan, "cost"), "monthly"), "-1461.17");
    unmake(&m);

    /* The sum counts: the first campaign fits, the second does not. */
    make(&m,
         FILE_WITH("aws-sims", CAMPAIGN("a", 1) "," CAMPAIGN("b", 1),
                   "{\"maxMonthlyFloor\":{\"amount\":\"200.00\",\"currency\":\"USD\"}}"),
         NULL, "absent", 0);
    assert_string_equal(json_text(line_of(&m, "campaign/a"), "action"), "create");
    line = line_of(&m, "campaign/b");
    assert_string_equal(json_text(line, "guard"), "maxMonthlyFloor");
    assert_non_null(strstr(json_text(line, "reason"), "292.23 USD"));
    unmake(&m);

    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1), "{\"maxTrainingsPerDay\":2}"),
         "{\"trainings\":{\"s\":2}}", "absent", 0);
    assert_string_equal(json_text(line_of(&m, "solutionVersion/s"), "guard"), "maxTrainingsPerDay");
    assert_string_equal(amount(json_object_get(m.plan, "cost"), "oneOff"), "0.00");
    unmake(&m);
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1), "{\"maxTrainingsPerDay\":2}"),
         "{\"trainings\":{\"s\":1},\"hours\":{\"s\":2.5}}", "absent", 0);
    assert_string_equal(json_text(line_of(&m, "solutionVersion/s"), "action"), "job");
    assert_string_equal(amount(json_object_get(m.plan, "cost"), "oneOff"), "0.60");
    unmake(&m);
}

static void test_quotas_block_what_is_too_much(void **state)
{
    struct made m;
    const json_t *line;

    (void) state;
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1) "," CAMPAIGN("b", 1), "{}"),
         "{\"group\":{\"campaign\":4}}", "absent", 0);
    assert_string_equal(json_text(line_of(&m, "campaign/a"), "action"), "create");
    line = line_of(&m, "campaign/b");
    assert_string_equal(json_text(line, "action"), "blocked");
    assert_string_equal(json_text(line, "rule"), "quota");
    assert_int_equal(json_int_or(json_object_get(line, "quota"), "left", 9), 0);
    assert_int_equal(json_int_or(json_object_get(line, "quota"), "used", 0), 5);
    unmake(&m);

    /* Seven are there: AWS raised it, so nobody knows that an eighth is too many. */
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1), "{}"), "{\"group\":{\"campaign\":7}}",
         "absent", 0);
    line = line_of(&m, "campaign/a");
    assert_string_equal(json_text(line, "action"), "create");
    assert_null(json_object_get(json_object_get(line, "quota"), "limit"));
    unmake(&m);

    /* Jobs in progress only make others wait. */
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1), "{}"),
         "{\"account\":{\"datasetImportJob\":5}}", "absent", 0);
    assert_string_equal(json_text(line_of(&m, "datasetImportJob/g/INTERACTIONS"), "action"), "job");
    unmake(&m);
}

static void test_names_of_others_are_taken(void **state)
{
    struct made m;
    const json_t *line;

    (void) state;
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1), "{}"),
         "{\"foreign\":{\"campaign/a\":\"other\"}}", "matches", 0);
    line = line_of(&m, "campaign/a");
    assert_string_equal(json_text(line, "rule"), "nameTaken");
    assert_non_null(strstr(json_text(line, "reason"), "other"));
    unmake(&m);
    make(&m, FILE_WITH("aws-sims", CAMPAIGN("a", 1), "{}"), NULL, "conflict", 0);
    assert_string_equal(json_text(line_of(&m, "solution/s"), "rule"), "immutableField");
    unmake(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_money),
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_price_lists),
        cmocka_unit_test(test_quota_limits),
        cmocka_unit_test(test_new_things_cost_and_use_quota),
        cmocka_unit_test(test_a_raise_is_a_difference),
        cmocka_unit_test(test_guards_block_what_raises),
        cmocka_unit_test(test_quotas_block_what_is_too_much),
        cmocka_unit_test(test_names_of_others_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
