/*
 * parameter_file.c - from text to the model: parse, check, complete, list.
 *
 * Everything that can be wrong is reported at once, in the order of the AWS solution's validator.
 * Pure.
 */
#include "steward/parameter_file.h"

#include <string.h>

#include "parameter_file_internal.h"

static void start(struct parameter_file *out)
{
    *out = (struct parameter_file){ .arena = xcalloc(1, sizeof(struct arena)) };
}

static void move_findings(struct findings *to, struct findings *from)
{
    for (size_t i = 0; i < from->count; i++) {
        if (to->count == to->capacity) {
            to->capacity = to->capacity ? to->capacity * 2 : 16;
            to->items = xrealloc(to->items, to->capacity * sizeof *to->items);
        }
        to->items[to->count++] = from->items[i];
    }
    free(from->items);
    *from = (struct findings){ 0 };
}

static void check_document(struct check *c, const json_t *document)
{
    c->phase = PHASE_DOCUMENT;
    if (!json_is_object(document)) {
        problem(c, CODE_WRONG_TYPE, "", "A parameter file is a JSON object; found %s.",
                json_type_words(document));
        return;
    }
    if (json_object_size(document) == 0) {
        problem(c, CODE_EMPTY, "",
                "The configuration is empty: it needs at least "
                "datasetGroup.serviceConfig.name.");
        return;
    }
    check_shape(c, document);
    check_datasets(c, document);
    check_filters(c, document);
    check_solutions(c, document);
    check_recommenders(c, document);
    check_schedules(c, document);
    check_names(c, document);
    check_settings(c, document);
    check_changed_meaning(c, document);
}

static void load(json_t *document, struct parameter_file *out)
{
    struct check c = { .file = out };
    const json_t *group;

    out->document = json_incref(document);
    check_document(&c, document);
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        move_findings(&out->errors, &c.errors[i]);
        move_findings(&out->warnings, &c.warnings[i]);
    }
    out->effective = effective_document(document);
    group = json_object_get(json_object_get(out->effective, "datasetGroup"), "serviceConfig");
    out->name = json_text(group, "name");
    out->domain = json_text(group, "domain");
    out->deployment = json_object_get(out->effective, "deployment");
    out->guards = json_object_get(out->effective, "guards");
    build_components(out);
    build_schedules(out);
}

void parameter_file_load(json_t *document, struct parameter_file *out)
{
    start(out);
    load(document, out);
}

void parameter_file_parse(const char *text, size_t n, struct parameter_file *out)
{
    AUTO_JSON json_t *document = NULL;
    struct json_place place;
    struct err e;

    start(out);
    if (json_parse(text, n, &document, &place, &e)) {
        bool is_twice = str_eq(e.detail, "duplicate");

        findings_add(&out->errors, "",
                     finding_codes[is_twice ? CODE_DUPLICATE_KEY : CODE_JSON].code, "%s",
                     e.message);
        out->errors.items[0].line = place.line;
        out->errors.items[0].column = place.column;
        return;
    }
    load(document, out);
}

void parameter_file_done(struct parameter_file *f)
{
    for (size_t i = 0; i < f->n_components; i++) {
        json_decref(f->components[i].service);
        json_decref(f->components[i].tags);
        json_decref(f->components[i].workflow);
        json_decref(f->components[i].ignore_fields);
    }
    free(f->components);
    free(f->schedules);
    findings_done(&f->errors);
    findings_done(&f->warnings);
    json_decref(f->document);
    json_decref(f->effective);
    if (f->arena)
        arena_done(f->arena);
    free(f->arena);
    *f = (struct parameter_file){ 0 };
}
