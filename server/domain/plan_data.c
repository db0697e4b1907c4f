/*
 * plan_data.c - runs on the data itself: export it, delete users from it.
 *
 * Neither is a component of the file; each run makes its own job. A deletion holds whatever reads
 * or writes the group's data: nothing of ours imports, trains or infers meanwhile, and training
 * that Amazon starts by itself is switched off before and restored afterwards, however the deletion
 * ended.
 */
#include <string.h>

#include "plan_internal.h"
#include "steward/json.h"
#include "steward/str.h"

bool plan_is_of_data(enum run_kind kind)
{
    return kind == RUN_KIND_EXPORT_DATA || kind == RUN_KIND_DELETE_DATA;
}

static bool is_wanted(const struct builder *b, const struct component *c)
{
    const json_t *types = json_object_get(b->options, "datasets");

    return !types || plan_names_type(types, c);
}

/* A job that no component stands for. */
static struct plan_step *add_job(struct builder *b, enum kind_id kind, const char *name)
{
    struct plan *p = b->plan;
    struct plan_step *s = &p->steps[p->n_steps++];

    *s = (struct plan_step){ .kind = kind,
                             .verb = VERB_RENEW,
                             .name = arena_strdup(&p->arena, name),
                             .key = arena_printf(&p->arena, "%s/%s", kinds[kind].name, name),
                             .pointer = "",
                             .request = json_object(),
                             .tags = json_array(),
                             .refs = json_object(),
                             .options = json_object() };
    return s;
}

static void need(struct plan_step *s, size_t step)
{
    if (s->n_needs < ARRAY_LEN(s->needs))
        s->needs[s->n_needs++] = step;
}

/* Where the rows of a dataset go: where asked to, or next to the other data. Caller owns. */
static char *destination(const struct builder *b, const struct component *dataset)
{
    const char *given = json_text(b->options, "destination");
    const char *bucket = plan_setting(b, NULL, "bucket", b->settings->bucket);
    char type[40];

    str_copy(type, sizeof type, dataset->dataset_type);
    for (char *t = type; *t; t++)
        *t = (char) (*t >= 'A' && *t <= 'Z' ? *t + 32 : *t);
    if (!given)
        return xasprintf("s3://%s/export/%s/%s/", bucket, b->file->name, type);
    return xasprintf("%s%s%s/", given, str_ends(given, "/") ? "" : "/", type);
}

static enum err_code build_export(struct builder *b, struct err *e)
{
    const char *role = plan_setting(b, NULL, "roleArn", b->settings->role_arn);

    TRY(plan_need_setting(role, "role-arn", "An export", e));
    if (!json_object_get(b->options, "destination"))
        TRY(plan_need_setting(plan_setting(b, NULL, "bucket", b->settings->bucket), "bucket",
                              "An export", e));
    for (size_t i = 0; i < b->file->n_components; i++) {
        const struct component *c = &b->file->components[i];
        struct plan_step *s;

        if (c->kind != KIND_DATASET || !is_wanted(b, c))
            continue;
        s = add_job(b, KIND_DATASET_EXPORT_JOB, c->name);
        AUTO_FREE char *path = destination(b, c);
        json_object_set_new(s->request, "ingestionMode",
                            json_string(json_text_or(b->options, "ingestionMode", "ALL")));
        json_object_set_new(s->request, "roleArn", json_string(role));
        json_object_set_new(s->request, "jobOutput",
                            json_pack("{s:{s:s}}", "s3DataDestination", "path", path));
        json_object_set_new(s->options, "datasetType", json_string(c->dataset_type));
        json_object_set_new(s->refs, "datasetArn", json_string(c->key));
    }
    return OK;
}

/* Amazon's own training of the solution is switched off, or set back to what it was. */
static void add_switch(struct builder *b, const struct component *solution, const char *how)
{
    struct plan_step *s = plan_add_step(b, solution);

    json_object_set_new(s->options, "autoTraining", json_string(how));
}

static bool is_locked_out(enum kind_id kind)
{
    return kind == KIND_DATASET_IMPORT_JOB || kind == KIND_SOLUTION_VERSION ||
           kind == KIND_BATCH_INFERENCE_JOB || kind == KIND_BATCH_SEGMENT_JOB;
}

static void lock_out(struct builder *b)
{
    struct plan *p = b->plan;

    p->also_claimed = arena_alloc(&p->arena, (b->file->n_components + 1) * sizeof *p->also_claimed);
    for (size_t i = 0; i < b->file->n_components; i++)
        if (is_locked_out(b->file->components[i].kind))
            p->also_claimed[p->n_also_claimed++] = b->file->components[i].key;
}

static enum err_code build_deletion(struct builder *b, struct err *e)
{
    const char *role = plan_setting(b, "importRoleArn", "roleArn", b->settings->role_arn);
    const char *users = json_text(b->options, "dataLocation");
    const struct component *group = NULL;
    struct plan *p = b->plan;
    struct plan_step *job;
    size_t n_switches;

    if (!json_bool_or(b->options, "confirm", false))
        return err_set(e, ERR_INVALID,
                       "A deletion of data can not be undone: say \"confirm\": true.");
    if (!users || !str_starts(users, "s3://"))
        return err_set(e, ERR_INVALID,
                       "A deletion of data needs \"dataLocation\": the s3:// address of a CSV file "
                       "with a column USER_ID.");
    TRY(plan_need_setting(role, "role-arn", "A deletion of data", e));
    for (size_t i = 0; i < b->file->n_components; i++) {
        const struct component *c = &b->file->components[i];

        if (c->kind == KIND_DATASET_GROUP)
            group = c;
        if (c->kind == KIND_SOLUTION && !c->is_observed_only)
            add_switch(b, c, "off");
    }
    n_switches = p->n_steps;
    job = add_job(b, KIND_DATA_DELETION_JOB, b->file->name);
    for (size_t i = 0; i < n_switches; i++)
        need(job, i);
    json_object_set_new(job->request, "roleArn", json_string(role));
    json_object_set_new(job->request, "dataSource", json_pack("{s:s}", "dataLocation", users));
    if (group)
        json_object_set_new(job->refs, "datasetGroupArn", json_string(group->key));
    for (size_t i = 0, at = 0; i < b->file->n_components; i++) {
        const struct component *c = &b->file->components[i];
        struct plan_step *s = &p->steps[p->n_steps];

        if (c->kind != KIND_SOLUTION || c->is_observed_only)
            continue;
        add_switch(b, c, "restore");
        s->is_always = true;
        need(s, at++);
        need(s, n_switches);
    }
    lock_out(b);
    return OK;
}

enum err_code plan_build_data(struct builder *b, struct err *e)
{
    struct plan *p = b->plan;
    enum err_code rc;

    p->steps = arena_alloc(&p->arena, (2 * b->file->n_components + 2) * sizeof *p->steps);
    b->step_of = arena_alloc(&p->arena, (b->file->n_components + 1) * sizeof *b->step_of);
    rc = b->kind == RUN_KIND_EXPORT_DATA ? build_export(b, e) : build_deletion(b, e);
    if (rc)
        plan_done(p);
    return rc;
}
