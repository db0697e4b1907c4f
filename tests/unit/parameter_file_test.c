/*
 * parameter_file_test.c - the parameter file: verdicts of the example files, broken texts, order
 * and limits.
 */
#include "parameter_file_testing.h"

/* Every file of the examples has the verdict its index gives. */
static void test_examples(void **state)
{
    size_t n, i, n_wrong = 0;
    AUTO_JSON json_t *index = read_json(EXAMPLES "index.json");
    const json_t *cases = json_object_get(index, "cases"), *one;

    (void) state;
    assert_true(json_array_size(cases) >= 50);
    json_array_foreach (cases, i, one) {
        AUTO_FREE char *path = xasprintf(EXAMPLES "%s", json_text(one, "file"));
        AUTO_FREE char *document = read_file(path, &n);
        bool is_valid = strcmp(json_text(one, "expect"), "valid") == 0;
        struct parameter_file f;

        parameter_file_parse(document, n, &f);
        if ((f.errors.count == 0) != is_valid) {
            n_wrong++;
            print_message("%s: expected %s (%s)\n", json_text(one, "file"),
                          json_text(one, "expect"), json_text(one, "why"));
            print_findings("error", &f.errors);
        }
        if (f.document)
            check_properties(f.document, &f);
        parameter_file_done(&f);
    }
    assert_int_equal(n_wrong, 0);
}
/* ---- the text ---- */

static void try_text(const char *text, size_t n, const char *code, int line, int column)
{
    struct parameter_file f;

    parameter_file_parse(text, n, &f);
    if (f.errors.count != 1 || strcmp(f.errors.items[0].code, code) != 0)
        fail_msg("%.40s: %s expected", text, code);
    assert_string_equal(f.errors.items[0].pointer, "");
    assert_int_equal(f.errors.items[0].line, line);
    assert_int_equal(f.errors.items[0].column, column);
    parameter_file_done(&f);
}

static void test_text(void **state)
{
    static const struct {
        const char *text, *code;
        int line, column;
    } cases[] = {
        /* The column once was the one behind the token, and a byte that is not UTF-8 had no place.
         */
        { "", "json", 1, 1 },
        { "{\n \"a\": }", "json", 2, 7 },
        { "{\"a\": 1,\n}", "json", 2, 1 },
        { "{\"datasetGroup\": NaN}", "json", 1, 18 },
        { "{\"a\": [1,\n  Infinity]}", "json", 2, 3 },
        { "{\"a\": {\n \"b\": 'x'}}", "json", 2, 7 },
        { "{\"a\": 01}", "json", 1, 7 },
        { "{\"a\": 99999999999999999999}", "json", 1, 7 },
        { "{/*x*/}", "json", 1, 2 },
        { "\xEF\xBB\xBF{}", "json", 1, 1 },
        { "{\"a\": 1}\n{}", "json", 2, 1 },
        { "{\"a\": 1", "json", 1, 8 },
        { "{\"a\":\n \"b\nc\"}", "json", 2, 4 },
        { "{\"a\": \"\\\"\\u0000\"}", "json", 1, 7 },
        { "{\"ü\": tru}", "json", 1, 7 },
        { "{\n\"a\": \"ü\xff\"}", "json", 2, 8 },
        { "{\"tags\": [],\n \"tags\": []}", "duplicate-key", 2, 2 },
        { "{}", "empty", 0, 0 },
        { "[]", "wrong-type", 0, 0 },
        { "null", "wrong-type", 0, 0 },
        { "7", "wrong-type", 0, 0 },
        { "\"x\"", "wrong-type", 0, 0 },
    };
    AUTO_FREE char *exact = xmalloc(3); /* a body is bytes without an end mark */

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        try_text(cases[i].text, strlen(cases[i].text), cases[i].code, cases[i].line,
                 cases[i].column);
    exact[0] = ' ';
    exact[1] = '\n';
    exact[2] = '\t';
    try_text(exact, 3, "json", 2,
             2); /* the parser once looked for an end mark behind a blank body */
}

static void test_smallest(void **state)
{
    static const char text[] = "{\"datasetGroup\":{\"serviceConfig\":{\"name\":\"x\"}}}";
    struct parameter_file f;

    (void) state;
    parameter_file_parse(text, strlen(text), &f);
    assert_int_equal(f.errors.count, 0);
    assert_int_equal(f.warnings.count, 0);
    assert_string_equal(f.name, "x");
    assert_null(f.domain);
    assert_int_equal(f.n_components, 1);
    assert_int_equal(f.n_schedules, 0);
    assert_string_equal(f.components[0].key, "datasetGroup/x");
    parameter_file_done(&f);
}

/* All problems at once, in the documented order. */
static void test_order(void **state)
{
    static const char text[] =
        "{\"solutions\": [{\"serviceConfig\": {\"name\": \"s\", \"recipeArn\": \"x\"},"
        "  \"workflowConfig\": {\"schedules\": {\"full\": \"x\"}}, \"colour\": 1},"
        " {\"serviceConfig\": {\"name\": \"s\"}}],"
        " \"filters\": [{\"serviceConfig\": {\"name\": \"f\", \"filterExpression\": \"x\", "
        "\"tags\": 1}}],"
        " \"guards\": {\"minRowsRatio\": \"x\"},"
        " \"recommenders\": [{}], \"eventTracker\": {\"serviceConfig\": {}},"
        " \"datasets\": {\"users\": {\"dataset\": {\"serviceConfig\": {}}}, \"serviceConfig\": "
        "{\"importMode\": 1}},"
        " \"tags\": 1, \"datasetGroup\": {\"serviceConfig\": {\"name\": \"\"}}}";
    static const char *const order[][2] = {
        { "/solutions/0/colour", "unknown-key" },
        { "/tags", "wrong-type" },
        { "/filters/0/serviceConfig/tags", "wrong-type" },
        { "/datasetGroup/serviceConfig/name", "too-short" },
        { "/datasetGroup/serviceConfig/name", "pattern" },
        { "/datasets/users/schema", "missing" },
        { "/datasets/users/dataset/serviceConfig/name", "missing" },
        { "/datasets/interactions", "missing" },
        { "/datasets/serviceConfig/importMode", "wrong-type" },
        { "/eventTracker/serviceConfig/name", "missing" },
        { "/filters/0/serviceConfig/filterExpression", "bad-filter" },
        { "/solutions/0/serviceConfig/recipeArn", "pattern" },
        { "/solutions/0/serviceConfig/recipeArn", "unknown-recipe" },
        { "/solutions/1/serviceConfig/recipeArn", "missing" },
        { "/recommenders/0/serviceConfig", "missing" },
        { "/solutions/0/workflowConfig/schedules/full", "bad-schedule" },
        { "/solutions/1/serviceConfig/name", "duplicate-name" },
        { "/guards/minRowsRatio", "wrong-type" },
    };
    struct parameter_file f;

    (void) state;
    parameter_file_parse(text, strlen(text), &f);
    assert_int_equal(f.errors.count, ARRAY_LEN(order));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_string_equal(f.errors.items[i].pointer, order[i][0]);
        assert_string_equal(f.errors.items[i].code, order[i][1]);
    }
    parameter_file_done(&f);
}

/* ---- limits ---- */

static void test_many_problems(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    json_t *filters = json_array();
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *padding = xmalloc(201);
    struct parameter_file f;
    int64_t started;

    (void) state;
    memset(padding, 'x', 200);
    padding[200] = '\0';
    for (int i = 0; i < 125; i++) {
        json_t *filter = json_pack("{s:{s:s++,s:s,s:s}}", "serviceConfig", "name", "f", padding,
                                   padding, "filterExpression", padding, "colour", "blue");

        assert_non_null(filter);
        json_array_append_new(filters, filter);
    }
    json_object_set_new(document, "filters", filters);
    text = json_compact(document);
    assert_true(strlen(text) > 80000);
    started = clock_mono_us();
    parameter_file_parse(text, strlen(text), &f);
    print_message("%zu bytes, %zu problems: %lld microseconds\n", strlen(text), f.errors.count,
                  (long long) (clock_mono_us() - started));
    assert_true(f.errors.count >= 499);
    check_findings(f.document, &f.errors);
    parameter_file_done(&f);
}

/* More problems than anybody reads are counted, and lists beyond all quotas are not worked on. */
static void test_limits(void **state)
{
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;
    json_t *solutions = json_array();

    (void) state;
    for (int i = 0; i < 1500; i++) {
        char key[16];

        (void) snprintf(key, sizeof key, "k%d", i);
        json_object_set_new(document, key, json_true());
    }
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 1001);
    assert_string_equal(f.errors.items[1000].code, "too-many");
    parameter_file_done(&f);
    for (int i = 0; i < 501; i++)
        json_array_append_new(solutions, json_object());
    json_object_set_new(document, "solutions", solutions);
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 1);
    assert_non_null(find(&f.errors, "/solutions", "too-long"));
    assert_int_equal(f.n_components, 0);
    parameter_file_done(&f);
}

/* A pointer that is too long for its field leads to an ancestor instead of being cut inside a name.
 */
static void test_long_keys(void **state)
{
    AUTO_FREE char *key = xmalloc(401);
    AUTO_JSON json_t *document = read_json(BASE);
    struct parameter_file f;

    (void) state;
    for (int i = 0; i < 400; i++)
        key[i] = (char) ('/' + i % 2);
    key[400] = '\0';
    json_object_set_new(json_at(document, CAMPAIGN), key, json_true());
    json_object_set_new(json_at(document, SOLUTION), key, json_true());
    parameter_file_load(document, &f);
    assert_int_equal(f.errors.count, 2);
    check_findings(document, &f.errors);
    parameter_file_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),      cmocka_unit_test(test_text),
        cmocka_unit_test(test_smallest),      cmocka_unit_test(test_order),
        cmocka_unit_test(test_many_problems), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_long_keys),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
