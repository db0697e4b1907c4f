/*
 * fz_config_validate.c - any text as a parameter file: every problem has a place, and what is
 * accepted stays accepted when it is completed, written and read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/parameter_file.h"
#include "steward/str.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* The place exists in the document, or its parent does. */
static void check_place(const json_t *document, const char *pointer)
{
    AUTO_FREE char *parent = xstrdup(pointer);
    char *last = strrchr(parent, '/');

    if (!document || json_at(document, pointer))
        return;
    check(last != NULL);
    *last = '\0';
    check(json_at(document, parent) != NULL);
}

static void check_findings(const json_t *document, const struct findings *f)
{
    AUTO_JSON json_t *list = findings_to_json(f);

    check(json_array_size(list) == f->count);
    for (size_t i = 0; i < f->count; i++) {
        const struct finding_code *code = finding_codes;

        check_place(document, f->items[i].pointer);
        while (code->code && strcmp(code->code, f->items[i].code) != 0)
            code++;
        check(code->code != NULL);
        check(json_text(json_array_get(list, i), "detail") != NULL);
    }
}

static void check_components(const struct parameter_file *f)
{
    for (size_t i = 0; i < f->n_components; i++) {
        const struct component *c = &f->components[i];

        check(c->parent == SIZE_MAX || c->parent < i);
        check(json_at(f->effective, c->pointer) != NULL);
        check(json_is_array(c->tags) && json_is_object(c->service));
    }
    for (size_t i = 0; i < f->n_schedules; i++)
        check(json_at(f->effective, f->schedules[i].pointer) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parameter_file f, again;

    parameter_file_parse((const char *) data, size, &f);
    check_findings(f.document, &f.errors);
    check_findings(f.document, &f.warnings);
    if (f.effective)
        check_components(&f);
    if (f.errors.count == 0) {
        AUTO_FREE char *text = json_compact(f.effective);

        parameter_file_parse(text, strlen(text), &again);
        check(again.errors.count == 0);
        check(json_equal(again.effective, f.effective));
        check(again.n_components == f.n_components && again.n_schedules == f.n_schedules);
        parameter_file_done(&again);
    }
    parameter_file_done(&f);
    return 0;
}
