/*
 * plan.c - steps and their true dependencies from a parameter file.
 *
 * One component becomes at most one step. Dependencies are the true ones only: tracker after group;
 * filter and solution after this run's imports; version after solution; campaign and batch job
 * after version and filter; recommender after imports.
 */
#include "plan_internal.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steward/id.h"
#include "steward/json.h"
#include "steward/plan_leftover.h"
#include "steward/plan_retire.h"
#include "steward/recipes.h"
#include "steward/str.h"

/* What the file protects is not destroyed, nor anything else of it: all or nothing. */
static enum err_code check_destroy(const struct builder *b, struct err *e)
{
    for (size_t i = 0; b->kind == RUN_KIND_DESTROY && i < b->file->n_components; i++) {
        const struct component *c = &b->file->components[i];

        if (c->is_destroy_prevented && !kinds[c->kind].is_per_run &&
            !str_eq(json_text(b->options, "resources"), "keep"))
            return err_set(e, ERR_CONFLICT,
                           "The %s \"%s\" has preventDestroy at %s; take it out of the file first, "
                           "or delete the config with resources=keep.",
                           kinds[c->kind].title, c->name, c->pointer);
    }
    return OK;
}

/* ---- one step ---- */

static void refer(struct plan_step *s, const char *member, const char *key)
{
    json_object_set_new(s->refs, member, json_string(key));
}

static void need(struct plan_step *s, size_t step)
{
    if (step == SIZE_MAX)
        return;
    for (size_t i = 0; i < s->n_needs; i++)
        if (s->needs[i] == step)
            return;
    assert(s->n_needs < ARRAY_LEN(s->needs));
    s->needs[s->n_needs++] = step;
}

/* All steps of a kind planned so far. */
static void need_kind(const struct builder *b, struct plan_step *s, enum kind_id kind)
{
    for (size_t i = 0; i < b->plan->n_steps; i++)
        if (b->plan->steps[i].kind == kind && s->n_needs < ARRAY_LEN(s->needs))
            need(s, i);
}

static const struct component *find_kind(const struct parameter_file *f, enum kind_id kind)
{
    for (size_t i = 0; i < f->n_components; i++)
        if (f->components[i].kind == kind)
            return &f->components[i];
    return NULL;
}

/* The schema of a dataset: the schema component of the same type. */
static const struct component *schema_of(const struct parameter_file *f,
                                         const struct component *dataset)
{
    for (size_t i = 0; i < f->n_components; i++)
        if (f->components[i].kind == KIND_SCHEMA &&
            str_eq(f->components[i].dataset_type, dataset->dataset_type))
            return &f->components[i];
    return NULL;
}

const char *plan_setting(const struct builder *b, const char *own, const char *key,
                         const char *fallback)
{
    const char *given = own ? json_text(b->file->deployment, own) : NULL;

    if (!given)
        given = json_text(b->file->deployment, key);
    return given ? given : fallback;
}

enum err_code plan_need_setting(const char *value, const char *option, const char *what,
                                struct err *e)
{
    if (!str_is_empty(value))
        return OK;
    return err_set(e, ERR_INVALID,
                   "%s needs a %s: start the server with --%s or set deployment in the file.", what,
                   option, option);
}

static enum err_code plan_import(const struct builder *b, const struct component *c,
                                 struct plan_step *s, struct err *e)
{
    const char *bucket = plan_setting(b, NULL, "bucket", b->settings->bucket);
    const char *role = plan_setting(b, "importRoleArn", "roleArn", b->settings->role_arn);
    const char *prefix = plan_setting(b, NULL, "prefix", b->settings->prefix);
    const json_t *source = json_object_get(c->workflow, "source");
    const struct component *dataset = &b->file->components[c->parent];
    char fallback[128];

    TRY(plan_need_setting(role, "role-arn", c->key, e));
    if (!json_object_get(source, "dataLocation"))
        TRY(plan_need_setting(bucket, "bucket", c->key, e));
    if (str_is_empty(prefix)) {
        (void) snprintf(fallback, sizeof fallback, "train/%s/", b->file->name);
        prefix = fallback;
    }
    json_object_set_new(s->request, "roleArn", json_string(role));
    json_object_set_new(s->options, "bucket", json_string(bucket ? bucket : ""));
    json_object_set_new(s->options, "prefix", json_string(prefix));
    json_object_set_new(s->options, "datasetType", json_string(c->dataset_type));
    if (source)
        json_object_set_new(s->options, "source", json_clone(source));
    if (str_eq(json_text(b->options, "import"), "force") ||
        json_bool_or(b->options, "force", false))
        json_object_set_new(s->options, "isForced", json_true());
    refer(s, "datasetArn", dataset->key);
    return OK;
}

static enum err_code plan_version(const struct builder *b, const struct component *c,
                                  struct plan_step *s, struct err *e)
{
    const char *given = json_text_or(c->service, "trainingMode", "FULL");
    const char *mode = "FULL"; /* the first training always is; so is the full schedule's */

    (void) e;
    if (b->kind == RUN_KIND_TRAIN_UPDATE ||
        (b->kind == RUN_KIND_RETRAIN && str_eq(json_text(b->options, "mode"), "update")))
        mode = "UPDATE";
    else if (b->kind == RUN_KIND_TRAIN)
        mode = given;
    json_object_set_new(s->request, "trainingMode", json_string(mode));
    /* Events come without an import: whoever records them may have news at any time. */
    if (b->kind == RUN_KIND_RETRAIN && !json_bool_or(b->options, "force", false) &&
        !find_kind(b->file, KIND_EVENT_TRACKER))
        json_object_set_new(s->options, "onlyIfNewer", json_true());
    refer(s, "solutionArn", b->file->components[c->parent].key);
    return OK;
}

static enum err_code plan_batch(const struct builder *b, const struct component *c,
                                struct plan_step *s, struct err *e)
{
    const char *bucket = plan_setting(b, NULL, "bucket", b->settings->bucket);
    const char *role = plan_setting(b, "batchRoleArn", "roleArn", b->settings->role_arn);
    const char *solution = plan_solution_of(b->file, c);

    TRY(plan_need_setting(role, "role-arn", c->key, e));
    TRY(plan_need_setting(bucket, "bucket", c->key, e));
    json_object_set_new(s->request, "roleArn", json_string(role));
    json_object_set_new(s->options, "bucket", json_string(bucket));
    json_object_set_new(s->options, "solution", json_string(solution));
    json_object_set_new(s->options, "datasetGroup", json_string(b->file->name));
    refer(s, "solutionVersionArn", b->file->components[c->parent].key);
    return OK;
}

/* Where a destruction has to look for what has no ARN of its own making. */
static void plan_references(const struct builder *b, const struct component *c, struct plan_step *s)
{
    if (c->kind == KIND_DATASET)
        json_object_set_new(s->request, "datasetType", json_string(c->dataset_type));
    if (c->kind == KIND_SOLUTION_VERSION)
        refer(s, "solutionArn", b->file->components[c->parent].key);
    else if (c->kind != KIND_DATASET_GROUP && c->kind != KIND_SCHEMA)
        refer(s, "datasetGroupArn", find_kind(b->file, KIND_DATASET_GROUP)->key);
}

/* References, dependencies and options by kind. Parents that have no step in this run come from the
 * inventory. */
static enum err_code plan_kind(const struct builder *b, const struct component *c,
                               struct plan_step *s, struct err *e)
{
    const struct component *group = find_kind(b->file, KIND_DATASET_GROUP);
    const struct component *schema;

    if (c->parent != SIZE_MAX)
        need(s, b->step_of[c->parent]);
    switch (c->kind) {
    case KIND_DATASET_GROUP:
    case KIND_SCHEMA:
        return OK;
    case KIND_DATASET:
        schema = schema_of(b->file, c);
        refer(s, "datasetGroupArn", group->key);
        json_object_set_new(s->request, "datasetType", json_string(c->dataset_type));
        if (schema) {
            refer(s, "schemaArn", schema->key);
            need(s, b->step_of[schema - b->file->components]);
        }
        return OK;
    case KIND_DATASET_IMPORT_JOB:
        return plan_import(b, c, s, e);
    case KIND_EVENT_TRACKER:
        refer(s, "datasetGroupArn", group->key);
        return OK;
    case KIND_METRIC_ATTRIBUTION:
    case KIND_FILTER:
    case KIND_SOLUTION:
    case KIND_RECOMMENDER:
        refer(s, "datasetGroupArn", group->key);
        need_kind(b, s, KIND_DATASET_IMPORT_JOB);
        return OK;
    case KIND_SOLUTION_VERSION:
        need_kind(b, s, KIND_DATASET_IMPORT_JOB);
        return plan_version(b, c, s, e);
    case KIND_CAMPAIGN:
        refer(s, "solutionVersionArn", b->file->components[c->parent].key);
        return OK;
    case KIND_BATCH_INFERENCE_JOB:
    case KIND_BATCH_SEGMENT_JOB:
        if (json_object_get(c->service, "filterArn"))
            need_kind(b, s, KIND_FILTER);
        return plan_batch(b, c, s, e);
    case KIND_DATASET_EXPORT_JOB:
    case KIND_DATA_DELETION_JOB:
    case KIND_APPROVAL:
    case KIND_COUNT:
        break;
    }
    return err_set(e, ERR_INTERNAL, "No plan for a component of kind %s.", kinds[c->kind].name);
}

static enum verb verb_of(const struct builder *b, const struct component *c)
{
    switch ((int) b->kind) {
    case RUN_KIND_OBSERVE:
        return VERB_OBSERVE;
    case RUN_KIND_STOP_TRAINING:
        return VERB_STOP;
    case RUN_KIND_DESTROY:
        if (kinds[c->kind].is_per_run)
            return VERB_STOP;
        return str_eq(json_text(b->options, "resources"), "keep") ? VERB_RELEASE : VERB_DELETE;
    case RUN_KIND_APPLY:
        return c->is_observed_only ? VERB_OBSERVE : VERB_ENSURE;
    default:
        return kinds[c->kind].is_per_run ? VERB_RENEW : VERB_ENSURE;
    }
}

/* The solution a component belongs to, or NULL. */
static const struct component *solution_component(const struct parameter_file *f,
                                                  const struct component *c)
{
    const char *name = plan_solution_of(f, c);

    for (size_t i = 0; name && i < f->n_components; i++)
        if (f->components[i].kind == KIND_SOLUTION && str_eq(f->components[i].name, name))
            return &f->components[i];
    return NULL;
}

/* Its workflowConfig, or NULL. */
static const json_t *solution_workflow(const struct parameter_file *f, const struct component *c)
{
    const struct component *solution = solution_component(f, c);

    return solution ? solution->workflow : NULL;
}

static bool has_free_updates(const struct parameter_file *f, const struct component *c)
{
    const struct component *solution = solution_component(f, c);
    const struct recipe *recipe =
        solution ? recipe_find_arn(json_text(solution->service, "recipeArn")) : NULL;

    return recipe && recipe->has_free_updates;
}

static void plan_options(const struct builder *b, const struct component *c, struct plan_step *s)
{
    static const char *const adopt[] = {
        [ADOPT_AUTO] = "auto", [ADOPT_NEVER] = "never", [ADOPT_TAKEOVER] = "takeover"
    };
    const char *promotion =
        json_text(json_object_get(solution_workflow(b->file, c), "promotion"), "policy");

    s->verb = verb_of(b, c);
    if (c->kind == KIND_CAMPAIGN) {
        static const char *const kept[] = { "version", "pin", "until", "reason", "unpin" };

        if (promotion && !str_eq(promotion, "automatic"))
            json_object_set_new(s->options, "promotion", json_string(promotion));
        if (has_free_updates(b->file, c))
            json_object_set_new(s->options, "freeUpdates", json_true());
        for (size_t i = 0; i < ARRAY_LEN(kept) && b->kind == RUN_KIND_PROMOTE; i++)
            if (json_object_get(b->options, kept[i]))
                json_object_set(s->options, kept[i], json_object_get(b->options, kept[i]));
    }
    if (kinds[c->kind].start_op && json_text(c->workflow, "state"))
        json_object_set(s->options, "state", json_object_get(c->workflow, "state"));
    if (c->max_age_s > 0)
        json_object_set_new(s->options, "maxAgeSeconds", json_integer(c->max_age_s));
    if (c->adopt != ADOPT_AUTO)
        json_object_set_new(s->options, "adopt", json_string(adopt[c->adopt]));
    if (c->is_blue_green && c->kind == KIND_SOLUTION)
        json_object_set_new(s->options, "blueGreen", json_true());
    if (c->ignore_fields)
        json_object_set_new(s->options, "ignoreFields", json_clone(c->ignore_fields));
}

/* Taking down: children first. A solution waits for its own campaigns and trainings only. */
static void plan_destruction(const struct builder *b, const struct component *c,
                             struct plan_step *s)
{
    for (size_t i = 0; i < b->file->n_components; i++) {
        const struct component *other = &b->file->components[i];

        if (b->step_of[i] == SIZE_MAX || !plan_is_below(c->kind, other->kind))
            continue;
        if (c->kind == KIND_SOLUTION && !str_eq(plan_solution_of(b->file, other), c->name))
            continue;
        need(s, b->step_of[i]);
    }
}

/* The order in which components become steps: for a destruction schema and group come last. */
static size_t order_at(const struct builder *b, size_t i)
{
    return b->kind == RUN_KIND_DESTROY ? b->file->n_components - 1 - i : i;
}

struct plan_step *plan_add_step(struct builder *b, const struct component *c)
{
    struct plan_step *s = &b->plan->steps[b->plan->n_steps];

    *s = (struct plan_step){ .kind = c->kind,
                             .name = c->name,
                             .key = c->key,
                             .pointer = c->pointer,
                             .request = json_clone(c->service),
                             .refs = json_object(),
                             .options = json_object(),
                             .tags = c->tags ? json_clone(c->tags) : json_array() };
    if (!s->request)
        s->request = json_object();
    b->step_of[c - b->file->components] = b->plan->n_steps++;
    plan_options(b, c, s);
    return s;
}

static enum err_code add_step(struct builder *b, size_t component, struct err *e)
{
    const struct component *c = &b->file->components[component];
    struct plan_step *s = plan_add_step(b, c);

    if (b->kind != RUN_KIND_DESTROY) {
        TRY(plan_kind(b, c, s, e));
        plan_approval(b, c, solution_workflow(b->file, c));
        return OK;
    }
    plan_references(b, c, s);
    plan_destruction(b, c, s);
    return OK;
}

// NOLINTNEXTLINE(readability-function-size): what, where, which, how: each its own thing
enum err_code plan_build(const struct parameter_file *f, const struct plan_settings *settings,
                         enum run_kind kind, const json_t *options, struct plan *out, struct err *e)
{
    struct builder b = {
        .file = f, .settings = settings, .kind = kind, .options = options, .plan = out
    };
    enum err_code rc;

    assert(f->errors.count == 0);
    *out = (struct plan){ 0 };
    if (!run_kind_is_supported(kind))
        return err_set(e, ERR_INVALID, "Runs of kind \"%s\" are not available in this release.",
                       run_kind_name(kind));
    TRY(plan_check_names(&b, e));
    TRY(check_destroy(&b, e));
    if (plan_is_of_data(kind))
        return plan_build_data(&b, e);
    /* A replaced solution has a step more, and so has a campaign where people promote. */
    out->steps = arena_alloc(&out->arena, (2 * f->n_components + 1) * sizeof *out->steps);
    b.step_of = arena_alloc(&out->arena, (f->n_components + 1) * sizeof *b.step_of);
    for (size_t i = 0; i < f->n_components; i++)
        b.step_of[i] = SIZE_MAX;
    for (size_t i = 0; i < f->n_components; i++) {
        size_t at = order_at(&b, i);

        if (!plan_wants(&b, &f->components[at]))
            continue;
        rc = add_step(&b, at, e);
        if (rc) {
            plan_done(out);
            return rc;
        }
    }
    plan_retirements(out, f, kind, options);
    return OK;
}

static void plan_one(enum verb verb, const char *name, struct plan *out)
{
    *out = (struct plan){ 0 };
    out->steps = arena_alloc(&out->arena, sizeof *out->steps);
    out->n_steps = 1;
    out->steps[0] =
        (struct plan_step){ .kind = KIND_DATASET_GROUP,
                            .verb = verb,
                            .pointer = "",
                            .name = name,
                            .key = arena_printf(&out->arena, "%s/%s", verb_name(verb), name),
                            .request = json_object(),
                            .tags = json_array(),
                            .refs = json_object(),
                            .options = json_object() };
}

void plan_import_group(const char *group, struct plan *out)
{
    plan_one(VERB_IMPORT, group, out);
}

void plan_audit(struct plan *out)
{
    plan_one(VERB_AUDIT, "account", out);
}

void plan_done(struct plan *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        json_decref(p->steps[i].request);
        json_decref(p->steps[i].tags);
        json_decref(p->steps[i].refs);
        json_decref(p->steps[i].options);
    }
    arena_done(&p->arena);
    *p = (struct plan){ 0 };
}

json_t *plan_to_rows(const struct plan *p)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < p->n_steps; i++) {
        const struct plan_step *s = &p->steps[i];
        json_t *needs = json_array();
        char id[ID_BYTES];

        id_new("stp", id);
        for (size_t k = 0; k < s->n_needs; k++)
            json_array_append_new(needs, json_integer((json_int_t) s->needs[k]));
        json_array_append_new(
            rows,
            json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:O, s:O, s:O, s:O, s:I, s:o, s:b}",
                      "id", id, "ordinal", (json_int_t) i, "kind", kinds[s->kind].name, "verb",
                      verb_name(s->verb), "name", s->name, "resource_key", s->key, "pointer",
                      s->pointer, "request", s->request, "tags", s->tags, "refs", s->refs,
                      "options", s->options, "blocked_by", (json_int_t) s->n_needs, "needs", needs,
                      "is_always", (int) s->is_always));
    }
    return rows;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

json_t *plan_claims(const struct plan *p)
{
    AUTO_FREE const char **keys = xcalloc(p->n_steps + p->n_also_claimed + 1, sizeof *keys);
    json_t *list = json_array();
    size_t n = 0;

    /* Looking disturbs nobody, and stopping a training must not wait for the run that trains. */
    for (size_t i = 0; i < p->n_steps; i++)
        if (p->steps[i].verb != VERB_OBSERVE && p->steps[i].verb != VERB_STOP &&
            p->steps[i].verb != VERB_IMPORT && p->steps[i].verb != VERB_AUDIT)
            keys[n++] = p->steps[i].key;
    for (size_t i = 0; i < p->n_also_claimed; i++)
        keys[n++] = p->also_claimed[i];
    qsort(keys, n, sizeof *keys, compare_texts);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !str_eq(keys[i], keys[i - 1]))
            json_array_append_new(list, json_string(keys[i]));
    return list;
}
