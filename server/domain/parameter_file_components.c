/*
 * parameter_file_components.c - from the effective document to the list of resources it asks for.
 *
 * In the order of kinds, so that a parent stands before its children. What the check found wrong is
 * left out; the list counts only when the file has no errors.
 */
#include <stdio.h>

#include "parameter_file_internal.h"
#include "steward/duration.h"

#define NONE SIZE_MAX
#define VERSION_AGE_S \
    (365 * INT64_C(86400)) /* a version younger than this is current when a file is applied */

struct builder {
    struct parameter_file *file;
    const json_t *document; /* effective */
    size_t capacity;
    size_t group;
};

/* What makes a component. */
struct asked {
    enum kind_id kind;
    const char *name, *key;
    const char *pointer;
    size_t parent;
    json_t *service;
    json_t *workflow;
};

static json_t *service_of(const json_t *section)
{
    json_t *service = json_object_get(section, "serviceConfig");

    return json_is_object(service) ? service : NULL;
}

static json_t *workflow_of(const json_t *section)
{
    json_t *workflow = json_object_get(section, "workflowConfig");

    return json_is_object(workflow) ? workflow : NULL;
}

static int64_t seconds_of(const json_t *workflow, const char *key)
{
    const char *text = json_text(workflow, key);
    struct err e;
    int64_t seconds;

    return text && !duration_parse(text, &seconds, &e) ? seconds : 0;
}

static void read_workflow(struct component *c, json_t *workflow)
{
    const char *adopt = json_text(workflow, "adopt");
    json_t *ignored = json_object_get(workflow, "ignoreFields");

    c->workflow = json_incref(workflow);
    c->adopt = str_eq(adopt, "never")      ? ADOPT_NEVER
               : str_eq(adopt, "takeover") ? ADOPT_TAKEOVER
                                           : ADOPT_AUTO;
    c->is_observed_only = str_eq(json_text(workflow, "manage"), "observe");
    c->is_destroy_prevented = json_bool_or(workflow, "preventDestroy", false);
    c->is_blue_green = str_eq(json_text(workflow, "onImmutableChange"), "blueGreen");
    c->ignore_fields = json_is_array(ignored) ? json_incref(ignored) : NULL;
}

static struct component *add(struct builder *b, const struct asked *a)
{
    struct parameter_file *f = b->file;
    struct component *c;
    json_t *tags = json_object_get(a->service, "tags");

    if (f->n_components == b->capacity) {
        b->capacity = b->capacity ? b->capacity * 2 : 16;
        f->components = xrealloc(f->components, b->capacity * sizeof *f->components);
    }
    c = &f->components[f->n_components++];
    *c = (struct component){ .kind = a->kind,
                             .name = arena_strdup(f->arena, a->name),
                             .key = a->key,
                             .parent = a->parent,
                             .service = json_clone(a->service),
                             .tags = json_is_array(tags) ? json_clone(tags) : json_array() };
    (void) str_copy(c->pointer, sizeof c->pointer, a->pointer);
    (void) json_object_del(c->service, "tags");
    read_workflow(c, a->workflow);
    return c;
}

/* A resource with a name of the user's: nothing when the name is missing. */
static struct component *add_named(struct builder *b, struct asked a)
{
    a.name = json_text(a.service, "name");
    if (!a.name)
        return NULL;
    a.key = arena_printf(b->file->arena, "%s/%s", kinds[a.kind].name, a.name);
    return add(b, &a);
}

static void add_group(struct builder *b)
{
    const json_t *section = json_object_get(b->document, "datasetGroup");
    struct asked a = { .kind = KIND_DATASET_GROUP,
                       .pointer = "/datasetGroup/serviceConfig",
                       .parent = NONE,
                       .service = service_of(section),
                       .workflow = workflow_of(section) };

    if (add_named(b, a))
        b->group = 0;
}

static const json_t *dataset_at(const struct builder *b, size_t i)
{
    return json_object_get(json_object_get(b->document, "datasets"), dataset_sections[i].key);
}

static void add_schemas(struct builder *b)
{
    for (size_t i = 0; i < N_DATASET_SECTIONS; i++) {
        const json_t *section = dataset_at(b, i);
        struct asked a = { .kind = KIND_SCHEMA,
                           .parent = NONE,
                           .service = service_of(json_object_get(section, "schema")),
                           .workflow = workflow_of(section) };
        char pointer[POINTER_BYTES];

        a.name = json_text(a.service, "name");
        if (!a.name)
            continue;
        (void) snprintf(pointer, sizeof pointer, "/datasets/%s/schema/serviceConfig",
                        dataset_sections[i].key);
        a.pointer = pointer;
        /* Schemas belong to the account: one name may stand in several files, with equal content
           (one schema) or with different (two, the second under a name of its own). */
        a.key = arena_printf(b->file->arena, "schema/%s/%s", b->file->name, a.name);
        add(b, &a)->dataset_type = dataset_sections[i].type;
    }
}

static void add_datasets(struct builder *b)
{
    for (size_t i = 0; i < N_DATASET_SECTIONS; i++) {
        const json_t *section = dataset_at(b, i);
        json_t *service = service_of(json_object_get(section, "dataset"));
        struct asked a = { .kind = KIND_DATASET,
                           .name = json_text(service, "name"),
                           .parent = b->group,
                           .service = service,
                           .workflow = workflow_of(section) };
        char pointer[POINTER_BYTES];

        if (!a.name)
            continue;
        (void) snprintf(pointer, sizeof pointer, "/datasets/%s/dataset/serviceConfig",
                        dataset_sections[i].key);
        a.pointer = pointer;
        a.key =
            arena_printf(b->file->arena, "dataset/%s/%s", b->file->name, dataset_sections[i].type);
        add(b, &a)->dataset_type = dataset_sections[i].type;
    }
}

static void add_imports(struct builder *b)
{
    json_t *service = service_of(json_object_get(b->document, "datasets"));
    const json_t *workflow = workflow_of(json_object_get(b->document, "datasetGroup"));
    size_t n = b->file->n_components;

    for (size_t i = 0; service && i < n; i++) {
        const struct component *dataset = &b->file->components[i];
        const char *type = dataset->dataset_type;
        struct asked a = { .kind = KIND_DATASET_IMPORT_JOB,
                           .name = type,
                           .pointer = "/datasets/serviceConfig",
                           .parent = i,
                           .service = service,
                           .workflow = dataset->workflow };
        struct component *c;

        if (dataset->kind != KIND_DATASET)
            continue;
        a.key = arena_printf(b->file->arena, "datasetImportJob/%s/%s", b->file->name, type);
        c = add(b, &a);
        c->dataset_type = type;
        c->max_age_s = seconds_of(workflow, "maxAge");
    }
}

/* The tracker and the metric attribution: one per group, keyed by the group. */
static void add_single(struct builder *b, enum kind_id kind)
{
    const json_t *section = json_object_get(b->document, kinds[kind].name);
    struct asked a = { .kind = kind,
                       .parent = b->group,
                       .service = service_of(section),
                       .workflow = workflow_of(section) };
    char pointer[POINTER_BYTES];

    a.name = json_text(a.service, "name");
    if (!a.name)
        return;
    (void) snprintf(pointer, sizeof pointer, "/%s/serviceConfig", kinds[kind].name);
    a.pointer = pointer;
    a.key = arena_printf(b->file->arena, "%s/%s", kinds[kind].name, b->file->name);
    (void) add(b, &a);
}

static void add_list(struct builder *b, const char *list, enum kind_id kind)
{
    const json_t *items = json_object_get(b->document, list), *item;
    size_t i;

    json_array_foreach (items, i, item) {
        struct asked a = { .kind = kind,
                           .parent = b->group,
                           .service = service_of(item),
                           .workflow = workflow_of(item) };
        char pointer[POINTER_BYTES];

        (void) snprintf(pointer, sizeof pointer, "/%s/%zu/serviceConfig", list, i);
        a.pointer = pointer;
        (void) add_named(b, a);
    }
}

static void add_solutions(struct builder *b)
{
    size_t first = b->file->n_components;

    add_list(b, "solutions", KIND_SOLUTION);
    for (size_t i = first; i < b->file->n_components; i++)
        (void) json_object_del(b->file->components[i].service, "solutionVersion");
}

/* The solution with this place in the document; NONE when it was left out. */
static size_t find_below(const struct builder *b, enum kind_id kind, size_t index)
{
    char pointer[POINTER_BYTES];
    size_t n = (size_t) snprintf(pointer, sizeof pointer, "/solutions/%zu/", index);

    for (size_t i = 0; i < b->file->n_components; i++)
        if (b->file->components[i].kind == kind &&
            strncmp(b->file->components[i].pointer, pointer, n) == 0)
            return i;
    return NONE;
}

static void add_versions(struct builder *b)
{
    const json_t *solutions = json_object_get(b->document, "solutions"), *solution;
    size_t i;

    json_array_foreach (solutions, i, solution) {
        json_t *service = json_object_get(service_of(solution), "solutionVersion");
        size_t parent = find_below(b, KIND_SOLUTION, i);
        struct asked a = { .kind = KIND_SOLUTION_VERSION,
                           .parent = parent,
                           .service = service,
                           .workflow = workflow_of(solution) };
        char pointer[POINTER_BYTES];

        if (parent == NONE || !json_is_object(service))
            continue;
        (void) snprintf(pointer, sizeof pointer, "/solutions/%zu/serviceConfig/solutionVersion", i);
        a.pointer = pointer;
        a.name = b->file->components[parent].name;
        a.key = arena_printf(b->file->arena, "solutionVersion/%s", a.name);
        add(b, &a)->max_age_s = VERSION_AGE_S;
    }
}

static void add_campaigns(struct builder *b)
{
    const json_t *solutions = json_object_get(b->document, "solutions"), *solution;
    size_t i;

    json_array_foreach (solutions, i, solution) {
        const json_t *campaigns = json_object_get(solution, "campaigns"), *campaign;
        size_t parent = find_below(b, KIND_SOLUTION_VERSION, i), k;

        if (parent == NONE)
            continue;
        json_array_foreach (campaigns, k, campaign) {
            char pointer[POINTER_BYTES];

            (void) snprintf(pointer, sizeof pointer, "/solutions/%zu/campaigns/%zu/serviceConfig",
                            i, k);
            (void) add_named(b, (struct asked){ .kind = KIND_CAMPAIGN,
                                                .pointer = pointer,
                                                .parent = parent,
                                                .service = service_of(campaign),
                                                .workflow = workflow_of(campaign) });
        }
    }
}

static void add_job(struct builder *b, struct asked a, const json_t *job, size_t index)
{
    const char *solution = b->file->components[a.parent].name;

    a.service = service_of(job);
    a.workflow = workflow_of(job);
    if (!a.service)
        return;
    a.name = arena_printf(b->file->arena, "%s/%zu", solution, index);
    a.key = arena_printf(b->file->arena, "%s/%s", kinds[a.kind].name, a.name);
    add(b, &a)->max_age_s = seconds_of(a.workflow, "maxAge");
}

static void add_jobs(struct builder *b, const char *list, enum kind_id kind)
{
    const json_t *solutions = json_object_get(b->document, "solutions"), *solution;
    size_t i;

    json_array_foreach (solutions, i, solution) {
        const json_t *jobs = json_object_get(solution, list), *job;
        size_t parent = find_below(b, KIND_SOLUTION_VERSION, i), k;

        if (parent == NONE)
            continue;
        json_array_foreach (jobs, k, job) {
            char pointer[POINTER_BYTES];

            (void) snprintf(pointer, sizeof pointer, "/solutions/%zu/%s/%zu/serviceConfig", i, list,
                            k);
            add_job(b, (struct asked){ .kind = kind, .pointer = pointer, .parent = parent }, job,
                    k);
        }
    }
}

void build_components(struct parameter_file *f)
{
    struct builder b = { .file = f, .document = f->effective, .group = NONE };

    add_group(&b);
    if (b.group == NONE)
        return; /* everything hangs under the group */
    add_schemas(&b);
    add_datasets(&b);
    add_imports(&b);
    add_single(&b, KIND_EVENT_TRACKER);
    add_single(&b, KIND_METRIC_ATTRIBUTION);
    add_list(&b, "filters", KIND_FILTER);
    add_solutions(&b);
    add_versions(&b);
    add_campaigns(&b);
    add_list(&b, "recommenders", KIND_RECOMMENDER);
    add_jobs(&b, "batchInferenceJobs", KIND_BATCH_INFERENCE_JOB);
    add_jobs(&b, "batchSegmentJobs", KIND_BATCH_SEGMENT_JOB);
}
