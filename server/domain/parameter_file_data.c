/*
 * parameter_file_data.c - rules about data: which datasets there are, their schemas, and filters
 * over their fields.
 */
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "parameter_file_internal.h"
#include "steward/schema_check.h"

#define GROUP_FIELDS_MAX 20 /* distinct ones, of all filters of a group */

static const json_t *service_of(const json_t *section)
{
    return json_object_get(section, "serviceConfig");
}

static const char *group_domain(const json_t *document)
{
    return json_text(service_of(json_object_get(document, "datasetGroup")), "domain");
}

struct schema_context {
    struct check *check;
    const char *pointer;
    bool is_lenient; /* the file does not say that the schema is of the domain */
};

static void report_schema(void *context, const struct schema_trouble *t)
{
    const struct schema_context *s = context;
    AUTO_FREE char *pointer = xasprintf("%s%s", s->pointer, t->pointer);
    enum code code = 0;

    while (strcmp(finding_codes[code].code, t->code) != 0)
        code++;
    if (s->is_lenient)
        caution(s->check, code, pointer, "%s", t->detail);
    else
        problem(s->check, code, pointer, "%s", t->detail);
}

/*
 * A schema in a domain group that names no domain is held to the group's with warnings only:
 * whether the service insists is not documented for such a schema.
 */
static void check_schema(struct check *c, const json_t *document, const struct dataset_section *d,
                         const json_t *service)
{
    AUTO_FREE char *base = xasprintf("/datasets/%s/schema/serviceConfig", d->key);
    AUTO_FREE char *pointer = xasprintf("%s/schema", base);
    const json_t *schema = json_object_get(service, "schema");
    const char *group = group_domain(document), *own = json_text(service, "domain");
    struct schema_context context = { c, pointer, false };
    struct schema_listener listener = { report_schema, &context };
    size_t before = c->errors[c->phase].count;

    if (json_is_object(schema))
        schema_check(schema, d->type, own, &listener);
    if (own && !str_eq(own, group)) {
        problem(c, CODE_SCHEMA_DOMAIN, place_below(base, "domain").text,
                "The schema's domain is %s, the dataset group's %s; make them the same.", own,
                group ? group : "none");
    } else if (group && !own &&
               (str_eq(d->type, "ACTIONS") || str_eq(d->type, "ACTION_INTERACTIONS"))) {
        problem(c, CODE_SCHEMA_DOMAIN, base, "A domain dataset group has no %s dataset.", d->key);
    } else if (group && !own && json_is_object(schema)) {
        caution(c, CODE_SCHEMA_DOMAIN, base,
                "The dataset group is of domain %s and the schema names none. Write \"domain\": "
                "\"%s\"; it is filled in only where the schema has all the domain's fields.",
                group, group);
        context.is_lenient = true;
        if (c->errors[c->phase].count == before)
            schema_check(schema, d->type, group, &listener);
    }
}

static void check_one_dataset(struct check *c, const json_t *document,
                              const struct dataset_section *d)
{
    const json_t *section = json_object_get(json_object_get(document, "datasets"), d->key);
    const json_t *service = service_of(json_object_get(section, "schema"));

    if (json_is_object(service)) {
        c->phase = PHASE_SCHEMAS;
        check_schema(c, document, d, service);
    }
}

void check_datasets(struct check *c, const json_t *document)
{
    static const int order[N_DATASET_SECTIONS] = { 2, 1, 0, 3, 4 }; /* users, items, interactions */
    const json_t *datasets = json_object_get(document, "datasets");
    const json_t *interactions = json_object_get(datasets, "interactions");

    for (size_t i = 0; i < N_DATASET_SECTIONS; i++)
        check_one_dataset(c, document, &dataset_sections[order[i]]);
    c->phase = PHASE_DATASETS;
    if (json_object_size(datasets) > 0 &&
        (!interactions || (json_is_object(interactions) && json_object_size(interactions) == 0)))
        problem(c, CODE_MISSING, "/datasets/interactions",
                "With datasets there must be an interactions dataset with its schema: add "
                "\"interactions\".");
    if (json_object_size(datasets) == 0 &&
        json_array_size(json_object_get(document, "solutions")) > 0)
        caution(c, CODE_RECIPE_DATASET, "/datasets",
                "The file has solutions and no datasets: nothing is imported, and a training needs "
                "data that is already there.");
}

/* ---- filters ---- */

/* One field of an expression. Fields the service knows by itself (streamed events bring EVENT_TYPE)
 * are only a warning. */
static void check_filter_field(struct check *c, const json_t *document,
                               const struct filter_test *test, const char *pointer)
{
    const char *type = test->is_condition ? "USERS" : filter_dataset_type(test->dataset);
    const json_t *schema = file_schema(document, type);
    const json_t *field = schema_field(schema, test->field);

    if (json_object_size(json_object_get(document, "datasets")) == 0)
        return; /* the data is kept elsewhere: nothing to compare with */
    if (!schema) {
        caution(c, CODE_FILTER_FIELD, pointer,
                "Position %zu: %s.%s is used, but the file has no such dataset.",
                test->position + 1, test->dataset, test->field);
        return;
    }
    if (!json_is_object(schema))
        return;
    if (!field && (strcasecmp(test->field, "EVENT_TYPE") == 0 ||
                   strcasecmp(test->field, "EVENT_VALUE") == 0)) {
        caution(c, CODE_FILTER_FIELD, pointer,
                "Position %zu: the schema of %s has no field %s; add it, or the filter matches "
                "nothing that was imported.",
                test->position + 1, test->dataset, test->field);
        return;
    }
    if (!field) {
        problem(
            c, CODE_FILTER_FIELD, pointer,
            "Position %zu: the schema of %s has no field %s; the service refuses such a filter.",
            test->position + 1, test->dataset, test->field);
        return;
    }
    if (schema_field_is(field, "boolean"))
        problem(c, CODE_FILTER_FIELD, pointer,
                "Position %zu: %s.%s is boolean; filters cannot use boolean fields.",
                test->position + 1, test->dataset, test->field);
    else if (json_is_true(json_object_get(field, "textual")))
        problem(c, CODE_FILTER_FIELD, pointer,
                "Position %zu: %s.%s is textual; filters cannot use textual fields.",
                test->position + 1, test->dataset, test->field);
}

static void remember_field(json_t *fields, const struct filter_test *test)
{
    char name[2 * FILTER_NAME_BYTES];

    (void) snprintf(name, sizeof name, "%s.%s", test->dataset, test->field);
    for (char *p = name; *p; p++)
        *p = (char) tolower((unsigned char) *p);
    json_object_set_new(fields, name, json_true());
}

static void check_filter_tests(struct check *c, const json_t *document,
                               const struct filter_expression *x, const char *pointer)
{
    size_t n_distinct = 0;

    for (size_t i = 0; i < x->n_tests; i++) {
        const struct filter_test *test = &x->tests[i];
        bool is_new = true;

        for (size_t k = 0; k < i; k++)
            if (strcasecmp(x->tests[k].field, test->field) == 0 &&
                strcasecmp(x->tests[k].dataset, test->dataset) == 0)
                is_new = false;
        n_distinct += is_new;
        if (is_new)
            check_filter_field(c, document, test, pointer);
        if (test->has_wildcard && strcasecmp(test->field, "EVENT_TYPE") != 0)
            problem(c, CODE_BAD_FILTER, pointer,
                    "Position %zu: \"*\" stands for all event types only; %s.%s is another field.",
                    test->position + 1, test->dataset, test->field);
    }
    if (n_distinct > 10)
        problem(c, CODE_BAD_FILTER, pointer, "The expression uses %zu fields; 10 are allowed.",
                n_distinct);
}

void check_filters(struct check *c, const json_t *document)
{
    const json_t *filters = json_object_get(document, "filters");
    AUTO_JSON json_t *fields = json_object();
    size_t i;
    const json_t *filter;

    c->phase = PHASE_FILTERS;
    json_array_foreach (filters, i, filter) {
        const char *text = json_text(service_of(filter), "filterExpression");
        char pointer[POINTER_BYTES];
        struct filter_expression x;
        struct err e;

        if (str_is_empty(text))
            continue; /* the API model has said so */
        (void) snprintf(pointer, sizeof pointer, "/filters/%zu/serviceConfig/filterExpression", i);
        if (filter_parse(text, &x, NULL, &e))
            problem(c, CODE_BAD_FILTER, pointer, "%s", e.message);
        else
            check_filter_tests(c, document, &x, pointer);
        for (size_t k = 0; k < x.n_tests; k++)
            remember_field(fields, &x.tests[k]);
    }
    if (json_object_size(fields) > GROUP_FIELDS_MAX)
        problem(c, CODE_BAD_FILTER, "/filters",
                "The filters use %zu different fields together; a dataset group may have %d.",
                json_object_size(fields), GROUP_FIELDS_MAX);
}
