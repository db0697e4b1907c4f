/*
 * work.c - one table of jobs, one way into the thread pool and one way back.
 */
#include "work.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rules.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"

static const struct {
    void (*prepare)(struct sim *s, const struct resource *r, json_t *spec);
    bool (*run)(struct job *j);
    void (*finish)(struct sim *s, struct resource *r, const struct job *j);
} jobs[SIM_KIND_COUNT] = {
    [SIM_IMPORT_JOB] = { import_prepare, import_run, import_finish },
    [SIM_EXPORT_JOB] = { export_prepare, export_run, NULL },
    [SIM_DELETION_JOB] = { deletion_prepare, deletion_run, deletion_finish },
    [SIM_SOLUTION_VERSION] = { training_prepare, training_run, training_finish },
    [SIM_RECOMMENDER] = { training_prepare, training_run, training_finish },
    [SIM_BATCH_INFERENCE_JOB] = { batch_prepare, batch_run, NULL },
    [SIM_BATCH_SEGMENT_JOB] = { batch_prepare, batch_run, NULL },
};

static uv_loop_t *pool_loop;

void work_use_loop(uv_loop_t *loop)
{
    pool_loop = loop;
}

bool job_fail(struct job *j, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(j->failure, sizeof j->failure, fmt, ap);
    va_end(ap);
    return false;
}

static void job_free(struct job *j)
{
    json_decref(j->spec);
    json_decref(j->result);
    free(j->arn);
    free(j->data_dir);
    free(j);
}

static void run_job(struct job *j)
{
    if (!jobs[j->kind].run(j) && !*j->failure)
        (void) job_fail(j, "An internal error occurred.");
}

static void finish_job(struct job *j)
{
    struct sim *s = j->sim;
    struct resource *r = world_find_kind(&s->world, j->arn, j->kind);

    s->working--;
    if (r && r->serial == j->serial && r->is_working) {
        if (!*j->failure && jobs[j->kind].finish)
            jobs[j->kind].finish(s, r, j);
        life_work_done(s, r, *j->failure ? j->failure : NULL);
    }
    life_advance(s);
    state_flush(s);
    if (s->on_settled)
        s->on_settled(s);
    job_free(j);
}

static void on_run(uv_work_t *request)
{
    run_job(request->data);
}

static void on_done(uv_work_t *request, int status)
{
    struct job *j = request->data;

    if (status != 0 && !*j->failure)
        (void) job_fail(j, "The job was cancelled.");
    finish_job(j);
}

bool job_start_work(struct sim *s, struct resource *r)
{
    struct job *j;

    if (!s->s3 || !pool_loop) /* unit tests of the life cycles have no data to work on */
        return false;
    assert(jobs[r->kind->id].run);
    j = xcalloc(1, sizeof *j);
    j->sim = s;
    j->arn = xstrdup(r->arn);
    j->serial = r->serial;
    j->kind = r->kind->id;
    j->spec = json_object();
    j->result = json_object();
    j->s3 = s->s3;
    j->data_dir = xstrdup(s->data_dir);
    j->request.data = j;
    jobs[j->kind].prepare(s, r, j->spec);
    s->working++;
    if (uv_queue_work(pool_loop, &j->request, on_run, on_done) == 0)
        return true;
    s->working--;
    job_free(j);
    log_event(LOG_ERROR, "simulator", "work_not_queued", "arn=%s", r->arn);
    return false;
}

json_t *group_data(const struct sim *s, const char *group)
{
    static const char *const copied[] = { "files", "stream" };
    const struct resource_list *all = &s->world.kinds[SIM_DATASET];
    json_t *out = json_object();

    for (size_t i = 0; i < all->count; i++) {
        const struct resource *d = all->items[i], *schema;
        json_t *row;

        if (!str_eq(resource_group(d), group))
            continue;
        row = json_object();
        schema = world_find(&s->world, resource_text(d, "schemaArn"));
        for (size_t k = 0; k < ARRAY_LEN(copied); k++)
            if (json_object_get(d->hidden, copied[k]))
                json_object_set_new(row, copied[k],
                                    json_deep_copy(json_object_get(d->hidden, copied[k])));
        if (schema)
            json_object_set_new(row, "avro",
                                json_deep_copy(json_object_get(schema->hidden, "avro")));
        json_object_set_new(out, resource_text(d, "datasetType"), row);
    }
    return out;
}
