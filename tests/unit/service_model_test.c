/*
 * service_model_test.c - the compiled-in API model: lookups, patterns, and the checker's reports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/mem.h"
#include "steward/service_model.h"
#include "steward/str.h"

struct seen {
    struct buf text;
};

static void collect(void *context, const struct service_violation *v)
{
    struct seen *s = context;

    buf_printf(&s->text, "%s %s%s%s\n", v->pointer, service_violation_code(v->kind),
               v->nearest ? " near " : "", v->nearest ? v->nearest : "");
}

static char *check(const char *shape, const char *json, struct service_check_options options)
{
    json_error_t error;
    AUTO_JSON json_t *value = json_loads(json, JSON_DECODE_ANY, &error);
    struct seen s = { 0 };
    size_t n;

    assert_non_null(value);
    options.context = &s;
    n = service_model_check(service_shape_find(&service_personalize, shape), value, &options,
                            collect);
    assert_int_equal(n == 0, s.text.length == 0);
    return buf_take(&s.text);
}

static void expect(const char *shape, const char *json, const char *report)
{
    AUTO_FREE char *text = check(shape, json, (struct service_check_options){ 0 });

    assert_string_equal(text, report);
}

static void test_lookups(void **state)
{
    const struct service_operation *op =
        service_operation_find(&service_personalize, "CreateSolution");

    (void) state;
    assert_int_equal(service_personalize.n_operations, 71);
    assert_non_null(op);
    assert_string_equal(op->input->name, "CreateSolutionRequest");
    assert_string_equal(op->input->members[0].name, "name");
    assert_true(service_operation_declares(op, "LimitExceededException"));
    assert_false(service_operation_declares(op, "TooManyTagKeysException"));
    assert_null(service_operation_find(&service_personalize, "DeleteSolution")->output);
    assert_null(service_operation_find(&service_personalize, "createSolution"));
    assert_string_equal(service_operation_find(&service_personalize, "ListFilters")->page_key,
                        "Filters");
    assert_string_equal(
        service_operation_find(&service_personalize, "ListDataDeletionJobs")->page_key,
        "dataDeletionJobs");
    assert_int_equal(
        service_error_status(&service_personalize_runtime, "ResourceNotFoundException"), 404);
    assert_string_equal(service_operation_find(&service_personalize_events, "PutEvents")->uri,
                        "/events");
}

static bool matches(const char *shape, const char *text)
{
    return service_pattern_matches(service_shape_find(&service_personalize, shape), text);
}

static void test_patterns_are_anchored(void **state)
{
    (void) state;
    assert_true(matches("Name", "a"));
    assert_true(matches("Name", "Shop-home_2"));
    assert_false(matches("Name", ""));
    assert_false(matches("Name", "-a"));
    assert_false(matches("Name", "a b"));
    assert_false(matches("Name", "a\n"));
    assert_true(matches("Arn", "arn:aws-us-gov:personalize:us-east-1:123456789012:schema/a"));
    assert_true(matches("Arn", "arn:aws:personalize:::recipe/aws-sims"));
    assert_false(matches("Arn", "arn:aws:personalize:us-east-1:"));
    assert_false(matches("Arn", "xarn:aws:personalize:::recipe/aws-sims"));
    assert_true(matches("RoleArn", "arn:aws:iam::123456789012:role/p/Steward+x"));
    assert_true(matches("RoleArn", "arn:aws:iam::123456789012:roleX"));
    assert_false(matches("RoleArn", "arn:aws:iam::12345678901:role/x"));
    assert_true(matches("S3Location", "s3://b/k"));
    assert_false(matches("S3Location", "s3://"));
    assert_false(matches("S3Location", "ftp://b/k"));
    assert_true(matches("SchedulingExpression", "rate(7 days)"));
    assert_true(matches("SchedulingExpression", "rate(1 day)"));
    assert_false(matches("SchedulingExpression", "rate(7 days) "));
    assert_true(matches("KmsKeyArn", "arn:aws-cn:kms:x:123456789012:key/"));
    assert_true(matches("NextToken", ""));
    assert_false(matches("NextToken", "\xC3\xA4"));
    assert_true(matches("TagKey", "\xC3\xA4 \xE6\x97\xA5 7_.:/=+-@"));
    assert_false(matches("TagKey", "a#b"));
    assert_false(matches("TagKey", "\xF0\x9F\x98\x80")); /* an emoji is a symbol */
    assert_true(matches("TagKey", "\xF0\x9D\x94\xB8"));  /* a letter beyond the basic plane */
}

static void test_violations(void **state)
{
    (void) state;
    expect("CreateSchemaRequest", "{\"name\":\"a\",\"schema\":\"{}\"}", "");
    expect("CreateSchemaRequest", "{}", "/name missing\n/schema missing\n");
    expect("CreateSchemaRequest", "[]", " wrong-type\n");
    expect("CreateSchemaRequest", "{\"name\":\"\",\"schema\":7,\"domain\":\"ECOMERCE\"}",
           "/name too-short\n/name pattern\n/schema wrong-type\n/domain enum near ECOMMERCE\n");
    expect("CreateSolutionRequest",
           "{\"name\":\"a\",\"datasetGroupArn\":\"arn:aws:personalize:r:1:dataset-group/"
           "a\",\"perfromHPO\":true}",
           "/perfromHPO unknown-key near performHPO\n");
    expect("SolutionConfig",
           "{\"trainingDataConfig\":{\"excludedDatasetColumns\":{\"a b\":[\"x/y\"]}}}",
           "/trainingDataConfig/excludedDatasetColumns/a b pattern\n"
           "/trainingDataConfig/excludedDatasetColumns/a b/0 pattern\n");
    expect("CreateCampaignRequest",
           "{\"name\":\"a\",\"solutionVersionArn\":\"arn:aws:personalize:r:1:solution/a/"
           "b\",\"minProvisionedTPS\":0}",
           "/minProvisionedTPS too-small\n");
    expect("ListSchemasRequest", "{\"maxResults\":101}", "/maxResults too-large\n");
    expect("ListSchemasRequest", "{\"maxResults\":3000000000}", "/maxResults wrong-type\n");
    expect("ListSchemasRequest", "{\"maxResults\":1.0}", "/maxResults wrong-type\n");
    expect("RankingInfluence", "{\"POPULARITY\":0.5,\"FRESHNES\":2}",
           "/FRESHNES enum near FRESHNESS\n/FRESHNES too-large\n");
}

static void test_options(void **state)
{
    static const char *const optional[] = { "datasetGroupArn", NULL };
    AUTO_FREE char *a = NULL, *b = NULL, *c = NULL;

    (void) state;
    a = check("CreateSolutionRequest", "{\"name\":null,\"x\":1}",
              (struct service_check_options){ .is_null_absent = true,
                                              .is_unknown_ignored = true,
                                              .optional = optional,
                                              .pointer = "/solutions/0" });
    assert_string_equal(a, "/solutions/0/name missing\n");
    b = check("CreateSolutionRequest", "{\"name\":null}",
              (struct service_check_options){ .optional = optional });
    assert_string_equal(b, "/name wrong-type\n");
    /* optional concerns the root only */
    c = check("CreateDatasetExportJobRequest",
              "{\"jobName\":\"a\",\"datasetArn\":\"arn:aws:personalize:r:1:dataset/a/ITEMS\","
              "\"roleArn\":\"arn:aws:iam::123456789012:role/a\",\"jobOutput\":{}}",
              (struct service_check_options){
                  .optional = (const char *const[]){ "s3DataDestination", NULL } });
    assert_string_equal(c, "/jobOutput/s3DataDestination missing\n");
}

/* Length counts characters, not bytes. */
static void test_length_in_characters(void **state)
{
    char json[600] = "[\"";

    (void) state;
    for (int i = 0; i < 256; i++)
        strcat(json, "\xC3\xA4");
    strcat(json, "\"]");
    expect("MetricAttributesNamesList", json, "");
    memmove(json + 4, json + 2, strlen(json) - 1);
    expect("MetricAttributesNamesList", json, "/0 too-long\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_patterns_are_anchored),
        cmocka_unit_test(test_violations),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_length_in_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
