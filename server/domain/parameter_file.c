/*
 * parameter_file.c - from text to the model: parse, check, complete, list.
 *
 * Everything that can be wrong is reported at once, in the order of the AWS solution's validator.
 * Pure.
 */
#include "steward/parameter_file.h"

#include <stdio.h>
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

static void check_length(struct check *c, const json_t *list, const char *pointer, bool *is_long)
{
    if (json_array_size(list) <= LIST_MAX)
        return;
    problem(c, CODE_TOO_LONG, pointer, "%zu entries; at most %d are read. Split the file.",
            json_array_size(list), LIST_MAX);
    *is_long = true;
}

/* Lists beyond all quotas are not worked on: the file answers for itself in milliseconds. */
static bool is_oversized(struct check *c, const json_t *document)
{
    static const char *const roots[] = { "filters", "solutions", "recommenders" };
    static const char *const below[] = { "campaigns", "batchInferenceJobs", "batchSegmentJobs" };
    const json_t *solutions = json_object_get(document, "solutions"), *solution;
    bool is_long = false;
    size_t i;

    for (i = 0; i < ARRAY_LEN(roots); i++)
        check_length(c, json_object_get(document, roots[i]), place_below("", roots[i]).text,
                     &is_long);
    json_array_foreach (solutions, i, solution) {
        char base[64];

        if (i >= LIST_MAX)
            break;
        (void) snprintf(base, sizeof base, "/solutions/%zu", i);
        for (size_t k = 0; k < ARRAY_LEN(below); k++)
            check_length(c, json_object_get(solution, below[k]), place_below(base, below[k]).text,
                         &is_long);
    }
    return is_long;
}

/* False when the document is not one to work on. */
static bool check_document(struct check *c, const json_t *document)
{
    c->phase = PHASE_DOCUMENT;
    if (!json_is_object(document)) {
        problem(c, CODE_WRONG_TYPE, "", "A parameter file is a JSON object; found %s.",
                json_type_words(document));
        return false;
    }
    if (json_object_size(document) == 0) {
        problem(c, CODE_EMPTY, "",
                "The configuration is empty: it needs at least "
                "datasetGroup.serviceConfig.name.");
        return false;
    }
    if (is_oversized(c, document))
        return false;
    check_shape(c, document);
    check_datasets(c, document);
    check_filters(c, document);
    check_solutions(c, document);
    check_recommenders(c, document);
    check_schedules(c, document);
    check_names(c, document);
    check_settings(c, document);
    check_metric_attribution(c, document);
    check_changed_meaning(c, document);
    return true;
}

static void load(json_t *document, struct parameter_file *out)
{
    struct check c = { .file = out };
    const json_t *group;

    bool is_usable;

    out->document = json_incref(document);
    is_usable = check_document(&c, document);
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        move_findings(&out->errors, &c.errors[i]);
        move_findings(&out->warnings, &c.warnings[i]);
    }
    if (c.n_dropped > 0)
        findings_add(&out->errors, "", finding_codes[CODE_TOO_MANY].code,
                     "%zu more problems are not listed.", c.n_dropped);
    if (!is_usable) {
        out->effective = json_incref(document);
        return;
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
