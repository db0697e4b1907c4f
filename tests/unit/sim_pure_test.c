/*
 * sim_pure_test.c - the simulator's pure parts: CSV, schemas, filters, S3 places, faults, quotas,
 * the table of operations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "avro.h"
#include "csv.h"
#include "filter.h"
#include "place.h"
#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

/* ---- CSV ---- */

static void expect_row(struct csv_reader *r, size_t n, const char *const *fields)
{
    assert_true(csv_next(r));
    assert_int_equal(r->count, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(r->fields[i].text, fields[i]);
        assert_int_equal(r->fields[i].n, strlen(fields[i]));
    }
}

static void test_csv_reads_quotes_and_line_ends(void **state)
{
    static const char text[] = "\xEF\xBB\xBF"
                               "A,B\r\n\r\n1,\"x, \"\"y\"\" \\\"z\\\"\nw\"\n,\n\"open";
    struct csv_reader r;

    (void) state;
    csv_init(&r, text, sizeof text - 1);
    expect_row(&r, 2, (const char *const[]){ "A", "B" });
    expect_row(&r, 2, (const char *const[]){ "1", "x, \"y\" \"z\"\nw" });
    expect_row(&r, 2, (const char *const[]){ "", "" });
    expect_row(&r, 1, (const char *const[]){ "open" });
    assert_false(csv_next(&r));
    csv_done(&r);
}

static void test_csv_writes_what_it_reads(void **state)
{
    static const char *const values[] = { "plain",       "with, comma", "\"quoted\"",
                                          "back\\slash", "two\nlines",  "" };
    AUTO_BUF struct buf out = { 0 };
    struct csv_reader r;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        csv_write(&out, values[i], i == 0);
    buf_addc(&out, '\n');
    csv_init(&r, out.data, out.length);
    expect_row(&r, ARRAY_LEN(values), values);
    csv_done(&r);
}

/* ---- S3 places ---- */

static void test_places(void **state)
{
    struct s3_place p;

    (void) state;
    assert_true(s3_place_parse("s3://bucket/a/b.csv", &p));
    assert_string_equal(p.bucket, "bucket");
    assert_string_equal(p.key, "a/b.csv");
    assert_false(s3_place_is_folder(&p));
    assert_true(s3_place_parse("s3://bucket", &p));
    assert_string_equal(p.key, "");
    assert_true(s3_place_is_folder(&p));
    assert_true(s3_place_parse("s3://bucket/out", &p) && s3_place_is_folder(&p));
    assert_false(s3_place_parse("http://bucket/a", &p));
    assert_false(s3_place_parse("s3://b", &p));
    assert_false(s3_place_parse("s3://Bucket_/a", &p));
    assert_false(s3_place_parse(NULL, &p));
}

/* ---- schemas ---- */

static void test_avro_fields(void **state)
{
    static const char text[] = "{\"type\":\"record\",\"name\":\"Items\",\"namespace\":\"com."
                               "amazonaws.personalize.schema\",\"fields\":["
                               "{\"name\":\"ITEM_ID\",\"type\":\"string\"},{\"name\":\"PRICE\","
                               "\"type\":[\"null\",\"float\"]},"
                               "{\"name\":\"TEXT\",\"type\":\"string\",\"textual\":true}]}";
    AUTO_JSON json_t *schema = NULL;
    struct err e;

    (void) state;
    assert_int_equal(avro_schema_read(text, NULL, &schema, &e), OK);
    assert_string_equal(json_text(schema, "type"), "ITEMS");
    assert_string_equal(json_text(avro_field(schema, "PRICE"), "type"), "float");
    assert_true(json_bool_or(avro_field(schema, "PRICE"), "isNullable", false));
    assert_true(json_bool_or(avro_field(schema, "TEXT"), "isTextual", false));
    assert_null(avro_field(schema, "price"));
}

/* ---- filters ---- */

struct shelf {
    const char *genre, *price, *age;
    json_t *values;
};

static const json_t *look_up(void *context, const char *dataset, const char *field)
{
    struct shelf *s = context;
    const char *text = str_eq(dataset, "CurrentUser") ? s->age
                       : str_eq(field, "GENRE")       ? s->genre
                                                      : s->price;

    json_array_clear(s->values);
    if (text)
        json_array_append_new(s->values, json_string(text));
    return s->values;
}

static bool keeps(const char *expression, struct shelf shelf, const char *placeholder)
{
    AUTO_JSON json_t *values = json_object();
    struct filter_question q = { look_up, &shelf, values };
    struct filter f;
    struct err e;
    bool kept;

    shelf.values = json_array();
    if (placeholder)
        json_object_set_new(values, "X", json_string(placeholder));
    assert_int_equal(sim_filter_parse(expression, &f, &e), OK);
    kept = sim_filter_keeps(&f, &q);
    sim_filter_done(&f);
    json_decref(shelf.values);
    return kept;
}

static void test_filters_decide(void **state)
{
    const struct shelf cheap = { "drama", "9.5", "20", NULL },
                       dear = { "comedy", "10.5", NULL, NULL };

    (void) state;
    assert_true(keeps("INCLUDE ItemID WHERE Items.PRICE < 10", cheap, NULL));
    assert_false(keeps("INCLUDE ItemID WHERE Items.PRICE < 10", dear, NULL));
    assert_false(keeps("EXCLUDE ItemID WHERE Items.PRICE < 10", cheap, NULL));
    assert_true(keeps("INCLUDE ItemID WHERE Items.GENRE IN (\"a\", \"drama\")", cheap, NULL));
    assert_false(keeps("INCLUDE ItemID WHERE Items.GENRE NOT IN (\"drama\")", cheap, NULL));
    assert_true(keeps("INCLUDE ItemID WHERE Items.GENRE IN ($X)", cheap, "\"a\",\"drama\""));
    assert_false(keeps("INCLUDE ItemID WHERE Items.PRICE <= $X", dear, "10"));
    /* AND binds tighter than OR */
    assert_true(keeps(
        "INCLUDE ItemID WHERE Items.PRICE > 100 AND Items.GENRE = \"drama\" OR Items.PRICE < 10",
        cheap, NULL));
    assert_false(
        keeps("INCLUDE ItemID WHERE Items.PRICE < 10 AND Items.GENRE = \"x\" OR Items.PRICE > 100",
              cheap, NULL));
    /* a clause whose IF does not hold says nothing */
    assert_true(
        keeps("INCLUDE ItemID WHERE Items.PRICE > 100 IF CurrentUser.AGE > 30", cheap, NULL));
    assert_false(
        keeps("INCLUDE ItemID WHERE Items.PRICE > 100 IF CurrentUser.AGE < 30", cheap, NULL));
    /* chained clauses must all agree; numbers compare as numbers */
    assert_false(keeps(
        "INCLUDE ItemID WHERE Items.PRICE < 10 | EXCLUDE ItemID WHERE Items.GENRE = \"drama\"",
        cheap, NULL));
    assert_true(keeps("INCLUDE ItemID WHERE Items.PRICE > 9", dear, NULL));
}

static void test_filters_refuse(void **state)
{
    static const char *const wrong[] = {
        "",
        "INCLUDE",
        "INCLUDE ItemID",
        "INCLUDE ItemID WHERE",
        "INCLUDE ItemID WHERE Items.A",
        "INCLUDE ItemID WHERE Items.A IN",
        "INCLUDE ItemID WHERE Items.A IN (",
        "INCLUDE ItemID WHERE Items.A IN ()",
        "INCLUDE ItemID WHERE Items.A = \"x\" AND",
        "INCLUDE ItemID WHERE Items.A = \"x\" |",
        "INCLUDE ItemID WHERE Things.A = \"x\"",
        "INCLUDE ItemID WHERE Items.A ~ \"x\"",
        "INCLUDE ItemID WHERE Items.A = \"x\" IF Items.B = 1",
        "INCLUDE Item WHERE Items.A = 1",
        "INCLUDE ItemID WHERE Items.A = word",
    };
    struct filter f;
    struct err e;
    AUTO_JSON json_t *fields = json_object();

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(sim_filter_parse(wrong[i], &f, &e), ERR_INVALID);
    assert_int_equal(
        sim_filter_parse("INCLUDE ItemID WHERE Items.A = $P AND Items.A = $Q OR Items.B = 1", &f,
                         &e),
        OK);
    sim_filter_add_fields(&f, fields);
    sim_filter_add_fields(&f, fields);
    assert_int_equal(json_object_size(fields), 2);
    assert_string_equal(sim_filter_missing_value(&f, NULL), "P");
    sim_filter_done(&f);
}

/* ---- faults and quotas ---- */

static void test_fault_rules(void **state)
{
    const struct fault_call create = { "CreateCampaign", "bad-1" },
                            other = { "CreateCampaign", "good" };
    struct fault_list list = { 0 };
    struct err e;

    (void) state;
    assert_int_equal(fault_add(&list, "Create*/bad-*=throttle,skip=1,times=2", &e), OK);
    assert_null(fault_strike(&list, &other, FAULT_BIT(FAULT_THROTTLE)));
    assert_null(fault_strike(&list, &create, FAULT_BIT(FAULT_SLOW)));
    assert_null(fault_strike(&list, &create, FAULT_BIT(FAULT_THROTTLE))); /* skipped */
    assert_non_null(fault_strike(&list, &create, FAULT_BIT(FAULT_THROTTLE)));
    assert_non_null(fault_strike(&list, &create, FAULT_BIT(FAULT_THROTTLE)));
    assert_null(fault_strike(&list, &create, FAULT_BIT(FAULT_THROTTLE))); /* used up */
    assert_int_equal(fault_add(&list, "x", &e), ERR_INVALID);
    assert_int_equal(fault_add(&list, "A=throttle,times=-1", &e), ERR_INVALID);
    assert_int_equal(fault_add(&list, "A=throttle,color=red", &e), ERR_INVALID);
    assert_int_equal(list.count, 1);
    faults_clear(&list);
}

static void test_fault_rules_go_through_json(void **state)
{
    struct fault_list list = { 0 }, copy = { 0 };
    AUTO_JSON json_t *a = NULL, *b = NULL;
    struct err e;

    (void) state;
    assert_int_equal(fault_add(&list, "A/b=create-failed,reason=No luck,probability=0.25", &e), OK);
    assert_int_equal(fault_add(&list, "C=slow,ms=2s,times=3,status=503", &e), OK);
    a = faults_to_json(&list);
    for (size_t i = 0; i < json_array_size(a); i++)
        assert_int_equal(fault_add_json(&copy, json_array_get(a, i), &e), OK);
    b = faults_to_json(&copy);
    assert_true(json_equal(a, b));
    assert_int_equal(copy.items[1].ms, 2000);
    faults_clear(&list);
    faults_clear(&copy);
}

static void test_quota_names(void **state)
{
    int64_t values[QUOTA_COUNT];

    (void) state;
    quota_defaults(values);
    assert_int_equal(values[QUOTA_SOLUTION_VERSIONS], 20);
    for (size_t i = 0; i < QUOTA_COUNT; i++)
        assert_true(quota_set(values, quota_name((enum quota_id) i), 3));
    assert_int_equal(values[QUOTA_CAMPAIGNS], 3);
    assert_false(quota_set(values, "nothing", 3));
}

/* Every operation of the API model is served, and nothing else. */
static void test_operations_are_those_of_the_model(void **state)
{
    (void) state;
    for (size_t i = 0; i < service_personalize.n_operations; i++)
        assert_true(sim_is_operation(service_personalize.operations[i].name));
    assert_false(sim_is_operation("CreateNothing"));
    for (size_t i = 0; i < SIM_KIND_COUNT; i++) {
        const struct sim_kind *k = &sim_kinds[i];
        const struct service_shape *shape = service_shape_find(&service_personalize, k->shape);
        const struct service_shape *summary = service_shape_find(&service_personalize, k->summary);

        assert_int_equal(k->id, i);
        assert_non_null(shape);
        assert_non_null(summary);
        assert_non_null(service_member_find(shape, k->arn_member));
        assert_non_null(service_member_find(summary, k->arn_member));
        assert_int_equal(k->has_failure_reason,
                         service_member_find(shape, "failureReason") != NULL);
        if (k->update_member)
            assert_non_null(service_member_find(shape, k->update_member));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_reads_quotes_and_line_ends),
        cmocka_unit_test(test_csv_writes_what_it_reads),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_avro_fields),
        cmocka_unit_test(test_filters_decide),
        cmocka_unit_test(test_filters_refuse),
        cmocka_unit_test(test_fault_rules),
        cmocka_unit_test(test_fault_rules_go_through_json),
        cmocka_unit_test(test_quota_names),
        cmocka_unit_test(test_operations_are_those_of_the_model),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
