/*
 * parameter_file_test.c - the parameter file: verdicts of the example files, and the model they
 * become.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/parameter_file.h"
#include "steward/str.h"

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    struct buf b = { 0 };
    char chunk[4096];
    size_t got;

    if (!f)
        fail_msg("cannot open %s", path);
    while ((got = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(&b, chunk, got);
    (void) fclose(f);
    *n = b.length;
    return buf_take(&b);
}

static void print_findings(const char *title, const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        print_message("  %s %s %s: %s\n", title, f->items[i].pointer, f->items[i].code,
                      f->items[i].detail);
}

/* Every file of the examples has the verdict its index gives. */
static void test_examples(void **state)
{
    size_t n, i, n_wrong = 0;
    AUTO_FREE char *text = read_file(TEST_DATA "/parameter-files/index.json", &n);
    AUTO_JSON json_t *index = json_loads(text, 0, NULL);
    const json_t *cases = json_object_get(index, "cases"), *one;

    (void) state;
    assert_true(json_array_size(cases) >= 50);
    json_array_foreach (cases, i, one) {
        AUTO_FREE char *path = xasprintf(TEST_DATA "/parameter-files/%s", json_text(one, "file"));
        AUTO_FREE char *document = read_file(path, &n);
        bool is_valid = strcmp(json_text(one, "expect"), "valid") == 0;
        struct parameter_file f;

        parameter_file_parse(document, n, &f);
        if ((f.errors.count == 0) != is_valid || getenv("SHOW")) {
            n_wrong += (f.errors.count == 0) != is_valid;
            print_message("%s: expected %s (%s)\n", json_text(one, "file"),
                          json_text(one, "expect"), json_text(one, "why"));
            print_findings("error", &f.errors);
            print_findings("warning", &f.warnings);
        }
        parameter_file_done(&f);
    }
    assert_int_equal(n_wrong, 0);
}

static void test_model(void **state)
{
    size_t n;
    AUTO_FREE char *text = read_file(TEST_DATA "/parameter-files/m139-filter-tags-good.json", &n);
    struct parameter_file f;

    (void) state;
    parameter_file_parse(text, n, &f);
    print_findings("error", &f.errors);
    for (size_t i = 0; i < f.n_components; i++) {
        AUTO_FREE char *service = json_compact(f.components[i].service);

        print_message("%zu %s %s parent %zd age %ld %s\n", i, f.components[i].key,
                      f.components[i].pointer, (ssize_t) f.components[i].parent,
                      (long) f.components[i].max_age_s, service);
    }
    for (size_t i = 0; i < f.n_schedules; i++)
        print_message("%s %s %s %zd\n", f.schedules[i].path, f.schedules[i].pointer,
                      f.schedules[i].expression, (ssize_t) f.schedules[i].component);
    assert_string_equal(f.name, "shop");
    parameter_file_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_model),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
