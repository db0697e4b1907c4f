/*
 * parameter_file_testing.h - what the tests of the parameter file share: files, edits, and what
 * must hold of every file.
 */
#ifndef PARAMETER_FILE_TESTING_H
#define PARAMETER_FILE_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/parameter_file.h"
#include "steward/str.h"

#define EXAMPLES TEST_DATA "/parameter-files/"
#define BASE     EXAMPLES "m139-filter-tags-good.json"

/* Places in the base file. */
#define GROUP    "/datasetGroup/serviceConfig"
#define SOLUTION "/solutions/0"
#define CAMPAIGN "/solutions/0/campaigns/0/serviceConfig"
#define BATCH    "/solutions/0/batchInferenceJobs/0"
#define SEGMENT  "/solutions/1/batchSegmentJobs/0"
#define IMPORT   "/datasetGroup/workflowConfig/schedules/import"
#define FULL     "/solutions/0/workflowConfig/schedules/full"
#define UPDATE   "/solutions/0/workflowConfig/schedules/update"
#define FILTER   "/filters/0/serviceConfig/filterExpression"
#define ITEMS    "/datasets/items/schema/serviceConfig"

static inline char *read_file(const char *path, size_t *n)
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

static inline json_t *read_json(const char *path)
{
    size_t n;
    AUTO_FREE char *text = read_file(path, &n);
    json_t *json = json_loadb(text, n, 0, NULL);

    assert_non_null(json);
    return json;
}

static inline void print_findings(const char *title, const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++)
        print_message("  %s %s %s: %s\n", title, f->items[i].pointer, f->items[i].code,
                      f->items[i].detail);
}

static inline const struct finding *find(const struct findings *f, const char *pointer,
                                         const char *code)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].pointer, pointer) == 0 && strcmp(f->items[i].code, code) == 0)
            return &f->items[i];
    return NULL;
}

/* Sets (or with value NULL removes) what the pointer leads to; "-" as last token appends to a list.
 */
static inline void edit(json_t *document, const char *pointer, const char *value)
{
    AUTO_FREE char *parent = xstrdup(pointer);
    char *last = strrchr(parent, '/');
    json_t *at, *new = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    int64_t index = 0;

    assert_non_null(last);
    assert_true(!value || new);
    *last++ = '\0';
    at = json_at(document, parent);
    if (!at)
        fail_msg("nothing at %s", parent);
    if (json_is_array(at) && strcmp(last, "-") == 0)
        assert_int_equal(json_array_append_new(at, new), 0);
    else if (json_is_array(at) && str_to_i64(last, 0, 1000, &index))
        assert_int_equal(new ? json_array_set_new(at, (size_t) index, new)
                             : json_array_remove(at, (size_t) index),
                         0);
    else
        assert_int_equal(new ? json_object_set_new(at, last, new) : json_object_del(at, last), 0);
}

/* Every finding is at a place that exists, or whose parent does; codes are known; sentences are
 * there. */
static inline void check_findings(const json_t *document, const struct findings *f)
{
    for (size_t i = 0; i < f->count; i++) {
        AUTO_FREE char *parent = xstrdup(f->items[i].pointer);
        char *last = strrchr(parent, '/');
        const struct finding_code *code = finding_codes;

        while (code->code && strcmp(code->code, f->items[i].code) != 0)
            code++;
        assert_non_null(code->code);
        assert_true(strlen(f->items[i].detail) > 10);
        if (last)
            *last = '\0';
        if (!json_at(document, f->items[i].pointer) && !(last && json_at(document, parent)))
            fail_msg("%s: neither it nor its parent exists", f->items[i].pointer);
    }
}

/* What must hold of every file: places resolve; the effective document is a fixed point and as
 * valid as the file. */
static inline void check_properties(const json_t *document, struct parameter_file *f)
{
    struct parameter_file again;

    check_findings(document, &f->errors);
    check_findings(document, &f->warnings);
    if (f->errors.count > 0)
        return;
    parameter_file_load(f->effective, &again);
    print_findings("effective", &again.errors);
    assert_int_equal(again.errors.count, 0);
    assert_true(json_equal(f->effective, again.effective));
    assert_int_equal(again.n_components, f->n_components);
    assert_int_equal(again.n_schedules, f->n_schedules);
    parameter_file_done(&again);
    for (size_t i = 0; i < f->n_components; i++) {
        const struct component *c = &f->components[i];

        assert_true(c->parent == SIZE_MAX || c->parent < i);
        assert_non_null(json_at(f->effective, c->pointer));
        assert_true(json_is_object(c->service));
        assert_true(json_is_array(c->tags));
        assert_null(json_object_get(c->service, "tags"));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(f->components[k].key, c->key);
    }
}

#endif
