/*
 * upload_test.c - what an object in S3 means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"
#include "steward/upload.h"

#define RECORD(event, key)                                                         \
    "{\"eventName\":\"" event "\",\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":" \
    "{\"key\":\"" key "\",\"size\":3}}}"

/* "b/key b/key", or NULL when it is refused. */
static char *read(const char *text)
{
    AUTO_JSON json_t *body = json_loads(text, 0, NULL);
    AUTO_JSON json_t *list = NULL;
    struct buf out = { 0 };
    struct err e;
    size_t i;
    json_t *o;

    assert_non_null(body);
    if (upload_read_notification(body, &list, &e))
        return NULL;
    buf_adds(&out, "");
    json_array_foreach (list, i, o)
        buf_printf(&out, "%s%s/%s", i ? " " : "", json_text(o, "bucket"), json_text(o, "key"));
    return buf_take(&out);
}

static void test_notifications(void **state)
{
    static const struct {
        const char *body, *objects; /* NULL: refused */
    } cases[] = {
        { "{\"Records\":[" RECORD("ObjectCreated:Put", "train/a+b%2Fc.csv") "," RECORD(
              "ObjectCreated:CompleteMultipartUpload", "x") "]}",
          "b/train/a b/c.csv b/x" },
        { "{\"Records\":[" RECORD("ObjectRemoved:Delete", "x") "]}", "" },
        { "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\"}, 7]}", "" },
        { "{\"Records\":[" RECORD("ObjectCreated:Put", "bad%zz") "]}", "" },
        { "{\"Service\":\"Amazon S3\",\"Event\":\"s3:TestEvent\",\"Bucket\":\"b\"}", "" },
        { "{\"Type\":\"Notification\",\"Message\":\"{\\\"source\\\":\\\"aws.s3\\\","
          "\\\"detail-type\\\":\\\"Object Created\\\",\\\"detail\\\":{\\\"bucket\\\":{\\\"name\\\":"
          "\\\"b\\\"},\\\"object\\\":{\\\"key\\\":\\\"k+1\\\"}}}\"}",
          "b/k+1" },
        { "{\"source\":\"aws.s3\",\"detail-type\":\"Object Created\",\"detail\":{\"bucket\":"
          "{\"name\":\"b\"},\"object\":{\"key\":\"train/s/users.csv\"}}}",
          "b/train/s/users.csv" },
        { "{\"source\":\"aws.s3\",\"detail-type\":\"Object Deleted\",\"detail\":{}}", "" },
        { "{\"source\":\"aws.ec2\",\"detail-type\":\"Object Created\",\"detail\":{}}", NULL },
        { "{\"Type\":\"Notification\",\"Message\":\"hello\"}", NULL },
        { "{}", NULL },
        { "[]", NULL },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *objects = read(cases[i].body);

        if (!str_eq(objects, cases[i].objects))
            fail_msg("%s gave %s", cases[i].body, objects ? objects : "nothing");
    }
}

static void test_parameter_files(void **state)
{
    (void) state;
    assert_true(upload_is_parameter_file("train/", "train/config.json"));
    assert_true(upload_is_parameter_file("train/", "train/a/b/c.json"));
    assert_true(upload_is_parameter_file("data", "data/x.json"));
    assert_false(upload_is_parameter_file("train/", "train/.json"));
    assert_false(upload_is_parameter_file("train/", "batch/x.json"));
    assert_false(upload_is_parameter_file("train/", "train/x.csv"));
    assert_false(upload_is_parameter_file("data", "database/x.json"));
    assert_string_equal(upload_root(NULL), "train/");
    assert_string_equal(upload_root("p"), "p");
}

static void test_data(void **state)
{
    static const struct {
        struct upload_place place;
        const char *bucket, *key;
        bool is_data;
    } cases[] = {
        { { "shop", "b", NULL, NULL }, "b", "train/shop/interactions.csv", true },
        { { "shop", "b", NULL, NULL }, "b", "train/shop/interactions/part-1.csv", true },
        { { "shop", "b", NULL, NULL }, "b", "train/shop/action_interactions.csv", true },
        { { "shop", "b", NULL, NULL }, "b", "train/shop/interactions/deep/part.csv", false },
        { { "shop", "b", NULL, NULL }, "b", "train/shop/interactions/part.parquet", false },
        { { "shop", "b", NULL, NULL }, "b", "train/shop/interactionsx.csv", false },
        { { "shop", "b", NULL, NULL }, "b", "train/shop2/interactions.csv", false },
        { { "shop", "b", NULL, NULL }, "c", "train/shop/interactions.csv", false },
        { { "shop", "b", NULL, NULL }, "b", "train/shop/config.json", false },
        { { "shop", "b", "data", NULL }, "b", "data/users.csv", true },
        { { "shop", "b", "data/", NULL }, "b", "data/users/1.csv", true },
        { { "shop", "b", "data", NULL }, "b", "database/users.csv", false },
        { { "shop", "b", NULL, "s3://c/daily/" }, "c", "daily/2026.csv", true },
        { { "shop", "b", NULL, "s3://c/daily/" }, "b", "daily/2026.csv", false },
        { { "shop", "b", NULL, "s3://c/all.csv" }, "c", "all.csv", true },
        { { "shop", "b", NULL, "c/all.csv" }, "c", "all.csv", false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (upload_is_data(&cases[i].place, cases[i].bucket, cases[i].key) != cases[i].is_data)
            fail_msg("%zu: %s/%s", i, cases[i].bucket, cases[i].key);
}

/* A dataset that lies elsewhere does not hide the usual place of the others. */
static void test_data_of_a_file(void **state)
{
    static const char text[] =
        "{\"datasetGroup\": {\"serviceConfig\": {\"name\": \"shop\"}}, \"deployment\": "
        "{\"bucket\": "
        "\"mine\"}, \"datasets\": {\"interactions\": {\"dataset\": {\"serviceConfig\": {\"name\": "
        "\"i\"}}, \"schema\": {\"serviceConfig\": {\"name\": \"s\", \"schema\": {\"type\": "
        "\"record\", "
        "\"name\": \"Interactions\", \"namespace\": \"com.amazonaws.personalize.schema\", "
        "\"fields\": "
        "[{\"name\": \"USER_ID\", \"type\": \"string\"}, {\"name\": \"ITEM_ID\", \"type\": "
        "\"string\"}, "
        "{\"name\": \"TIMESTAMP\", \"type\": \"long\"}], \"version\": \"1.0\"}}}, "
        "\"workflowConfig\": "
        "{\"source\": {\"dataLocation\": \"s3://lake/exports/today\"}}}}}";
    const struct plan_settings settings = { .bucket = "servers" };
    struct parameter_file f;

    (void) state;
    parameter_file_parse(text, sizeof text - 1, &f);
    if (f.errors.count)
        fail_msg("%s: %s", f.errors.items[0].pointer, f.errors.items[0].detail);
    assert_true(upload_is_data_of(&f, &settings, "lake", "exports/today/part-1.csv"));
    assert_true(upload_is_data_of(&f, &settings, "mine", "train/shop/users.csv"));
    assert_false(upload_is_data_of(&f, &settings, "servers", "train/shop/users.csv"));
    assert_false(upload_is_data_of(&f, &settings, "lake", "exports/yesterday/part-1.csv"));
    assert_false(upload_is_data_of(&f, &settings, "mine", "train/other/users.csv"));
    parameter_file_done(&f);
}

static void check_prefix(const char *document, const char *prefix, const char *key,
                         const char *wanted)
{
    AUTO_JSON json_t *d = json_loads(document, 0, NULL);
    const char *found;

    upload_settle_document(d, "shop", prefix, key);
    found = json_text(json_object_get(d, "deployment"), "prefix");
    if (!str_eq(found, wanted))
        fail_msg("%s: %s", key, found ? found : "none");
}

static void test_data_lies_beside_its_file(void **state)
{
    (void) state;
    check_prefix("{}", NULL, "train/shop/config.json", NULL);
    check_prefix("{}", NULL, "train/config.json", "train/");
    check_prefix("{}", NULL, "train/deep/er/config.json", "train/deep/er/");
    check_prefix("{}", "data/", "data/config.json", NULL);
    check_prefix("{\"deployment\":{\"prefix\":\"mine/\"}}", NULL, "train/config.json", "mine/");
    check_prefix("{\"deployment\":{\"bucket\":\"mine\"}}", NULL, "train/config.json", NULL);
    check_prefix("{\"deployment\":{\"roleArn\":\"r\"}}", NULL, "train/config.json", "train/");
}

static void test_errors(void **state)
{
    struct findings f = { 0 };
    AUTO_JSON json_t *list = NULL;

    (void) state;
    for (int i = 0; i < 60; i++)
        findings_add(&f, i ? "/a" : "", "code", "Sentence %d %0400d.", i, 0);
    list = upload_errors(&f);
    assert_int_equal(json_array_size(list), 50);
    assert_true(str_starts(json_string_value(json_array_get(list, 0)), "Sentence 0 "));
    assert_true(str_starts(json_string_value(json_array_get(list, 1)), "/a: Sentence 1 "));
    assert_true(json_string_length(json_array_get(list, 1)) < 300);
    findings_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notifications),
        cmocka_unit_test(test_parameter_files),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_data_of_a_file),
        cmocka_unit_test(test_data_lies_beside_its_file),
        cmocka_unit_test(test_errors),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
