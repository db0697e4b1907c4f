/*
 * plan.c - steps and their true dependencies from a parameter file.
 *
 * One component becomes at most one step. Dependencies are the true ones only: tracker after group;
 * filter and solution after this run's imports; version after solution; campaign and batch job
 * after version and filter; recommender after imports.
 */
#include "steward/plan.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steward/id.h"
#include "steward/json.h"
#include "steward/str.h"

static const struct {
    const char *name;
    bool is_supported;
} run_kinds[RUN_KIND_COUNT] = {
    [RUN_KIND_APPLY] = { "apply", true },
    [RUN_KIND_ADOPT] = { "adopt", false },
    [RUN_KIND_IMPORT] = { "import", true },
    [RUN_KIND_TRAIN] = { "train", true },
    [RUN_KIND_TRAIN_FULL] = { "trainFull", true },
    [RUN_KIND_TRAIN_UPDATE] = { "trainUpdate", true },
    [RUN_KIND_RETRAIN] = { "retrain", true },
    [RUN_KIND_BATCH_INFERENCE] = { "batchInference", true },
    [RUN_KIND_BATCH_SEGMENT] = { "batchSegment", true },
    [RUN_KIND_PROMOTE] = { "promote", false },
    [RUN_KIND_STOP_TRAINING] = { "stopTraining", false },
    [RUN_KIND_OBSERVE] = { "observe", false },
    [RUN_KIND_EXPORT_DATA] = { "exportData", false },
    [RUN_KIND_DELETE_DATA] = { "deleteData", false },
    [RUN_KIND_DESTROY] = { "destroy", false },
};
static const char *const verb_names[VERB_COUNT] = {
    [VERB_ENSURE] = "ensure", [VERB_RENEW] = "renew"
};

bool run_kind_find(const char *name, enum run_kind *out)
{
    for (unsigned i = 0; i < RUN_KIND_COUNT; i++)
        if (str_eq(run_kinds[i].name, name))
            return *out = (enum run_kind) i, true;
    return false;
}

const char *run_kind_name(enum run_kind kind)
{
    return run_kinds[kind].name;
}

bool run_kind_is_supported(enum run_kind kind)
{
    return run_kinds[kind].is_supported;
}

enum run_kind run_kind_of_schedule(enum schedule_kind kind)
{
    switch (kind) {
    case SCHEDULED_IMPORT:
        return RUN_KIND_IMPORT;
    case SCHEDULED_FULL:
        return RUN_KIND_TRAIN_FULL;
    case SCHEDULED_UPDATE:
        return RUN_KIND_TRAIN_UPDATE;
    case SCHEDULED_BATCH_INFERENCE:
        return RUN_KIND_BATCH_INFERENCE;
    case SCHEDULED_BATCH_SEGMENT:
        return RUN_KIND_BATCH_SEGMENT;
    }
    abort();
}

json_t *plan_schedule_options(const struct file_schedule *s)
{
    json_t *options = json_object();
    const char *slash = strrchr(s->path, '/');

    if (s->subject)
        json_object_set_new(options, "solutions", json_pack("[s]", s->subject));
    if (s->kind == SCHEDULED_BATCH_INFERENCE || s->kind == SCHEDULED_BATCH_SEGMENT)
        json_object_set_new(options, "jobs", json_pack("[s]", slash ? slash + 1 : "0"));
    return options;
}

const char *verb_name(enum verb verb)
{
    return verb_names[verb];
}

bool verb_find(const char *name, enum verb *out)
{
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (str_eq(verb_names[i], name))
            return *out = (enum verb) i, true;
    return false;
}

/* ---- what a run kind takes up ---- */

struct builder {
    const struct parameter_file *file;
    const struct plan_settings *settings;
    enum run_kind kind;
    const json_t *options;
    struct plan *plan;
    size_t *step_of; /* component -> step, SIZE_MAX: none */
};

/* Which kinds of components each run kind works on, and whether per-run ones are renewed. */
static bool takes(enum run_kind run, enum kind_id kind, const json_t *options)
{
    bool is_import = kind == KIND_DATASET_IMPORT_JOB, is_version = kind == KIND_SOLUTION_VERSION;
    bool is_batch = kind == KIND_BATCH_INFERENCE_JOB || kind == KIND_BATCH_SEGMENT_JOB;

    switch ((int) run) {
    case RUN_KIND_APPLY:
        return true;
    case RUN_KIND_IMPORT:
        return is_import;
    case RUN_KIND_TRAIN:
    case RUN_KIND_TRAIN_FULL:
    case RUN_KIND_TRAIN_UPDATE:
        return is_version || kind == KIND_CAMPAIGN;
    case RUN_KIND_RETRAIN:
        return (is_import && !str_eq(json_text(options, "import"), "skip")) || is_version ||
               kind == KIND_CAMPAIGN || (is_batch && json_bool_or(options, "batch", true));
    case RUN_KIND_BATCH_INFERENCE:
        return kind == KIND_BATCH_INFERENCE_JOB;
    case RUN_KIND_BATCH_SEGMENT:
        return kind == KIND_BATCH_SEGMENT_JOB;
    default:
        return false;
    }
}

static bool list_has(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) list, i, item)
        if (str_eq(json_string_value(item), text))
            return true;
    return false;
}

/* The solution a component belongs to, or NULL. */
static const char *solution_of(const struct parameter_file *f, const struct component *c)
{
    size_t at = (size_t) (c - f->components);

    for (int depth = 0; at != SIZE_MAX && depth < 4; depth++) {
        if (f->components[at].kind == KIND_SOLUTION)
            return f->components[at].name;
        at = f->components[at].parent;
    }
    return NULL;
}

static bool is_wanted(const struct builder *b, const struct component *c)
{
    const json_t *solutions = json_object_get(b->options, "solutions");
    const json_t *datasets = json_object_get(b->options, "datasets");
    const json_t *jobs = json_object_get(b->options, "jobs");
    const char *solution = solution_of(b->file, c);

    if (c->is_observed_only || !takes(b->kind, c->kind, b->options))
        return false;
    if (solutions && solution && !list_has(solutions, solution))
        return false;
    if (datasets && c->kind == KIND_DATASET_IMPORT_JOB && !list_has(datasets, c->dataset_type))
        return false;
    if (jobs && (c->kind == KIND_BATCH_INFERENCE_JOB || c->kind == KIND_BATCH_SEGMENT_JOB)) {
        const char *slash = strrchr(c->name, '/');
        int64_t index;

        return slash && str_to_i64(slash + 1, 0, INT32_MAX, &index) && list_has(jobs, slash + 1);
    }
    return true;
}

/* Names in the options that the file does not have are errors, not silence. */
static enum err_code check_solutions(const struct builder *b, struct err *e)
{
    const json_t *solutions = json_object_get(b->options, "solutions");
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) solutions, i, item) {
        bool is_known = false;

        for (size_t k = 0; k < b->file->n_components; k++)
            is_known |= b->file->components[k].kind == KIND_SOLUTION &&
                        str_eq(b->file->components[k].name, json_string_value(item));
        if (!is_known)
            return err_set(e, ERR_INVALID, "The config \"%s\" has no solution \"%s\".",
                           b->file->name, json_is_string(item) ? json_string_value(item) : "?");
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

static const char *setting(const struct builder *b, const char *own, const char *key,
                           const char *fallback)
{
    const char *given = own ? json_text(b->file->deployment, own) : NULL;

    if (!given)
        given = json_text(b->file->deployment, key);
    return given ? given : fallback;
}

static enum err_code need_setting(const char *value, const char *option, const struct component *c,
                                  struct err *e)
{
    if (!str_is_empty(value))
        return OK;
    return err_set(e, ERR_INVALID,
                   "%s needs a %s: start the server with --%s or set deployment in the file.",
                   c->key, option, option);
}

static enum err_code plan_import(const struct builder *b, const struct component *c,
                                 struct plan_step *s, struct err *e)
{
    const char *bucket = setting(b, NULL, "bucket", b->settings->bucket);
    const char *role = setting(b, "importRoleArn", "roleArn", b->settings->role_arn);
    const char *prefix = setting(b, NULL, "prefix", b->settings->prefix);
    const json_t *source = json_object_get(c->workflow, "source");
    const struct component *dataset = &b->file->components[c->parent];
    char fallback[128];

    TRY(need_setting(role, "role-arn", c, e));
    if (!json_object_get(source, "dataLocation"))
        TRY(need_setting(bucket, "bucket", c, e));
    if (str_is_empty(prefix)) {
        (void) snprintf(fallback, sizeof fallback, "train/%s/", b->file->name);
        prefix = fallback;
    }
    json_object_set_new(s->request, "roleArn", json_string(role));
    json_object_set_new(s->options, "bucket", json_string(bucket ? bucket : ""));
    json_object_set_new(s->options, "prefix", json_string(prefix));
    json_object_set_new(s->options, "datasetType", json_string(c->dataset_type));
    if (source)
        json_object_set_new(s->options, "source", json_deep_copy(source));
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
    refer(s, "solutionArn", b->file->components[c->parent].key);
    return OK;
}

static enum err_code plan_batch(const struct builder *b, const struct component *c,
                                struct plan_step *s, struct err *e)
{
    const char *bucket = setting(b, NULL, "bucket", b->settings->bucket);
    const char *role = setting(b, "batchRoleArn", "roleArn", b->settings->role_arn);
    const char *solution = solution_of(b->file, c);

    TRY(need_setting(role, "role-arn", c, e));
    TRY(need_setting(bucket, "bucket", c, e));
    json_object_set_new(s->request, "roleArn", json_string(role));
    json_object_set_new(s->options, "bucket", json_string(bucket));
    json_object_set_new(s->options, "solution", json_string(solution));
    json_object_set_new(s->options, "datasetGroup", json_string(b->file->name));
    refer(s, "solutionVersionArn", b->file->components[c->parent].key);
    return OK;
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
    case KIND_COUNT:
        break;
    }
    return err_set(e, ERR_INTERNAL, "No plan for a component of kind %s.", kinds[c->kind].name);
}

static void plan_options(const struct builder *b, const struct component *c, struct plan_step *s)
{
    static const char *const adopt[] = {
        [ADOPT_AUTO] = "auto", [ADOPT_NEVER] = "never", [ADOPT_TAKEOVER] = "takeover"
    };
    bool is_renewal = b->kind != RUN_KIND_APPLY && kinds[c->kind].is_per_run;

    s->verb = is_renewal ? VERB_RENEW : VERB_ENSURE;
    if (c->max_age_s > 0)
        json_object_set_new(s->options, "maxAgeSeconds", json_integer(c->max_age_s));
    if (c->adopt != ADOPT_AUTO)
        json_object_set_new(s->options, "adopt", json_string(adopt[c->adopt]));
    if (c->ignore_fields)
        json_object_set_new(s->options, "ignoreFields", json_deep_copy(c->ignore_fields));
}

static enum err_code add_step(struct builder *b, size_t component, struct err *e)
{
    const struct component *c = &b->file->components[component];
    struct plan_step *s = &b->plan->steps[b->plan->n_steps];

    *s = (struct plan_step){ .kind = c->kind,
                             .name = c->name,
                             .key = c->key,
                             .pointer = c->pointer,
                             .request = json_deep_copy(c->service),
                             .refs = json_object(),
                             .options = json_object(),
                             .tags = c->tags ? json_deep_copy(c->tags) : json_array() };
    if (!s->request)
        s->request = json_object();
    b->step_of[component] = b->plan->n_steps++;
    plan_options(b, c, s);
    return plan_kind(b, c, s, e);
}

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
    TRY(check_solutions(&b, e));
    out->steps = arena_alloc(&out->arena, (f->n_components + 1) * sizeof *out->steps);
    b.step_of = arena_alloc(&out->arena, (f->n_components + 1) * sizeof *b.step_of);
    for (size_t i = 0; i < f->n_components; i++)
        b.step_of[i] = SIZE_MAX;
    for (size_t i = 0; i < f->n_components; i++) {
        if (!is_wanted(&b, &f->components[i]))
            continue;
        rc = add_step(&b, i, e);
        if (rc) {
            plan_done(out);
            return rc;
        }
    }
    return OK;
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
            rows, json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:O, s:O, s:O, s:O, s:I, s:o}",
                            "id", id, "ordinal", (json_int_t) i, "kind", kinds[s->kind].name,
                            "verb", verb_name(s->verb), "name", s->name, "resource_key", s->key,
                            "pointer", s->pointer, "request", s->request, "tags", s->tags, "refs",
                            s->refs, "options", s->options, "blocked_by", (json_int_t) s->n_needs,
                            "needs", needs));
    }
    return rows;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

json_t *plan_claims(const struct plan *p)
{
    AUTO_FREE const char **keys = xcalloc(p->n_steps + 1, sizeof *keys);
    json_t *list = json_array();

    for (size_t i = 0; i < p->n_steps; i++)
        keys[i] = p->steps[i].key;
    qsort(keys, p->n_steps, sizeof *keys, compare_texts);
    for (size_t i = 0; i < p->n_steps; i++)
        if (i == 0 || !str_eq(keys[i], keys[i - 1]))
            json_array_append_new(list, json_string(keys[i]));
    return list;
}
