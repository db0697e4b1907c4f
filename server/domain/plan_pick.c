/*
 * plan_pick.c - which components of a file a run takes up: by its kind, and by the names it was
 * given.
 *
 * A name that the file does not have is an error; silence would look like success.
 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "plan_internal.h"
#include "steward/json.h"
#include "steward/str.h"

static bool is_batch(enum kind_id kind)
{
    return kind == KIND_BATCH_INFERENCE_JOB || kind == KIND_BATCH_SEGMENT_JOB;
}

/* Which kinds of components each run kind works on, and whether per-run ones are renewed. */
static bool takes(enum run_kind run, enum kind_id kind, const json_t *options)
{
    bool is_import = kind == KIND_DATASET_IMPORT_JOB, is_version = kind == KIND_SOLUTION_VERSION;

    switch ((int) run) {
    case RUN_KIND_APPLY:
    case RUN_KIND_OBSERVE:
        return true;
    case RUN_KIND_DESTROY:
        return !kinds[kind].is_per_run || is_version;
    case RUN_KIND_STOP_TRAINING:
        return is_version;
    case RUN_KIND_PROMOTE:
        return kind == KIND_CAMPAIGN;
    case RUN_KIND_IMPORT:
        return is_import;
    case RUN_KIND_TRAIN:
    case RUN_KIND_TRAIN_FULL:
    case RUN_KIND_TRAIN_UPDATE:
        return is_version || kind == KIND_CAMPAIGN;
    case RUN_KIND_RETRAIN:
        return (is_import && !str_eq(json_text(options, "import"), "skip")) || is_version ||
               kind == KIND_CAMPAIGN || (is_batch(kind) && json_bool_or(options, "batch", true));
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

/* Types are written as Amazon does, or as the file's sections: "ACTION_INTERACTIONS",
 * "actionInteractions". */
bool plan_names_type(const json_t *list, const struct component *c)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) list, i, item) {
        const char *a = json_is_string(item) ? json_string_value(item) : "", *b = c->dataset_type;

        for (; *a || *b; a++, b++) {
            b += *a != '_' && *b == '_';
            if (toupper((unsigned char) *a) != *b)
                break;
        }
        if (!*a && !*b)
            return true;
    }
    return false;
}

/* Of a batch job in its solution: "0", "1" … */
static const char *job_index(const struct component *c)
{
    const char *slash = strrchr(c->name, '/');

    return slash ? slash + 1 : "";
}

const char *plan_solution_of(const struct parameter_file *f, const struct component *c)
{
    size_t at = (size_t) (c - f->components);

    for (int depth = 0; at != SIZE_MAX && depth < 4; depth++) {
        if (f->components[at].kind == KIND_SOLUTION)
            return f->components[at].name;
        at = f->components[at].parent;
    }
    return NULL;
}

bool plan_wants(const struct builder *b, const struct component *c)
{
    const json_t *solutions = json_object_get(b->options, "solutions");
    const json_t *datasets = json_object_get(b->options, "datasets");
    const json_t *jobs = json_object_get(b->options, "jobs");
    const json_t *campaigns = json_object_get(b->options, "campaigns");
    const char *solution = plan_solution_of(b->file, c);

    if (!takes(b->kind, c->kind, b->options))
        return false;
    /* What somebody else manages is looked at, so that others can refer to it; nothing more. */
    if (c->is_observed_only && b->kind != RUN_KIND_OBSERVE && b->kind != RUN_KIND_APPLY)
        return false;
    if (campaigns && c->kind == KIND_CAMPAIGN && !list_has(campaigns, c->name))
        return false;
    if (solutions && solution && !list_has(solutions, solution))
        return false;
    if (datasets && c->kind == KIND_DATASET_IMPORT_JOB && !plan_names_type(datasets, c))
        return false;
    return !jobs || !is_batch(c->kind) || list_has(jobs, job_index(c));
}

static bool is_dataset_named(const struct component *c, const char *name)
{
    const json_t *names = json_pack("[s]", name);
    bool is_named = c->kind == KIND_DATASET && plan_names_type(names, c);

    json_decref((json_t *) names);
    return is_named;
}

static bool is_job_named(const struct component *c, const char *name)
{
    return is_batch(c->kind) && str_eq(job_index(c), name);
}

static bool is_solution_named(const struct component *c, const char *name)
{
    return c->kind == KIND_SOLUTION && str_eq(c->name, name);
}

static bool is_campaign_named(const struct component *c, const char *name)
{
    return c->kind == KIND_CAMPAIGN && str_eq(c->name, name);
}

/* Names in the options that the file does not have are errors, not silence. */
enum err_code plan_check_names(const struct builder *b, struct err *e)
{
    static const struct {
        const char *option, *title;
        bool (*is_named)(const struct component *c, const char *name);
    } lists[] = { { "solutions", "solution", is_solution_named },
                  { "campaigns", "campaign", is_campaign_named },
                  { "datasets", "dataset", is_dataset_named },
                  { "jobs", "batch job", is_job_named } };
    size_t i;
    json_t *item;

    for (size_t n = 0; n < ARRAY_LEN(lists); n++) {
        json_array_foreach (json_object_get(b->options, lists[n].option), i, item) {
            const char *name = json_is_string(item) ? json_string_value(item) : "?";
            bool is_known = false;

            for (size_t k = 0; k < b->file->n_components; k++)
                is_known |= lists[n].is_named(&b->file->components[k], name);
            if (!is_known)
                return err_set(e, ERR_INVALID, "The config \"%s\" has no %s \"%.80s\".",
                               b->file->name, lists[n].title, name);
        }
    }
    return OK;
}
