/*
 * intake.c - the threads that look after uploads to S3, and what an object is to them.
 *
 * They keep nothing: what was done about a message or an object is in the database, together with
 * what was done.
 */
#include "intake.h"

#include <string.h>

#include "steward/clock.h"
#include "steward/log.h"
#include "steward/upload.h"

#define POLL_MS  1000
#define PAUSE_MS 2000

struct intake {
    uv_mutex_t lock;
    uv_cond_t cond;
    bool is_stopping;
    struct intake_thread queue, files;
    bool has_queue;
};

void intake_sleep(struct intake_thread *t, int64_t ms)
{
    struct intake *x = t->intake;
    int64_t until = clock_mono_ms() + ms, left;

    uv_mutex_lock(&x->lock);
    while (!x->is_stopping && (left = until - clock_mono_ms()) > 0)
        (void) uv_cond_timedwait(&x->cond, &x->lock, (uint64_t) left * 1000000);
    uv_mutex_unlock(&x->lock);
}

bool intake_call(struct intake_thread *t, struct aws_call *call)
{
    aws_batch_start(t->calls, call);
    for (;;) {
        aws_batch_wait(t->calls, POLL_MS);
        if (aws_batch_take(t->calls))
            return true;
        if (engine_is_stopping(t->engine)) {
            aws_batch_give_up(t->calls); /* freed by who joins: others wake it until then */
            aws_call_done(call);
            return false;
        }
    }
}

/* ---- what an object is ---- */

bool intake_is_file(const struct intake_thread *t, const struct intake_object *o)
{
    const struct plan_settings *settings = &engine_get_options(t->engine)->settings;

    return upload_is_parameter_file(upload_root(settings->prefix), o->key);
}

json_t *intake_configs_of(const struct intake_thread *t, const struct upload_sources *sources,
                          const struct intake_object *o)
{
    const struct plan_settings *settings = &engine_get_options(t->engine)->settings;
    json_t *list = json_array();

    for (size_t i = 0; i < sources->count; i++) {
        const struct upload_source *s = &sources->items[i];
        struct upload_place place = { .config = s->config,
                                      .bucket = s->bucket ? s->bucket : settings->bucket,
                                      .prefix = s->prefix ? s->prefix : settings->prefix };
        bool is_data = upload_is_data(&place, o->bucket, o->key);

        for (size_t k = 0; !is_data && s->locations[k]; k++) {
            place.source = s->locations[k];
            is_data = upload_is_data(&place, o->bucket, o->key);
        }
        if (is_data)
            json_array_append_new(list, json_string(s->config));
    }
    return list;
}

struct upload_rule intake_rule(const struct intake_thread *t)
{
    const struct engine_options *o = engine_get_options(t->engine);

    return (struct upload_rule){ .kind = o->upload_run, .quiet_ms = o->upload_quiet_ms };
}

/* ---- the threads ---- */

static void run_queue(void *arg)
{
    struct intake_thread *t = arg;
    struct err e;

    while (!engine_is_stopping(t->engine)) {
        if (engine_connect(t->engine, "steward queue", &t->db, &e) || intake_queue_turn(t, &e)) {
            log_error("intake", "queue_trouble", &e);
            intake_sleep(t, PAUSE_MS);
        }
    }
}

static enum err_code files_turn(struct intake_thread *t, struct err *e)
{
    bool has_any = true;

    TRY(engine_connect(t->engine, "steward uploads", &t->db, e));
    TRY(intake_watch_turn(t, e));
    while (has_any && !engine_is_stopping(t->engine))
        TRY(intake_file_turn(t, &has_any, e));
    return OK;
}

static void run_files(void *arg)
{
    struct intake_thread *t = arg;
    struct err e;

    while (!engine_is_stopping(t->engine)) {
        if (files_turn(t, &e))
            log_error("intake", "uploads_trouble", &e);
        intake_sleep(t, POLL_MS);
    }
}

static enum err_code start(struct intake *x, struct engine *engine, struct intake_thread *t,
                           struct err *e)
{
    t->intake = x;
    t->engine = engine;
    uuid_new(t->owner);
    t->calls = aws_batch_new(engine_get_options(engine)->aws);
    if (uv_thread_create(&t->thread, t == &x->queue ? run_queue : run_files, t))
        return err_set(e, ERR_UNAVAILABLE, "A thread for uploads could not be started.");
    return OK;
}

enum err_code intake_start(struct engine *engine, struct intake **out, struct err *e)
{
    struct intake *x = xcalloc(1, sizeof *x);

    *out = x;
    if (uv_mutex_init(&x->lock) || uv_cond_init(&x->cond))
        return err_set(e, ERR_UNAVAILABLE, "A lock could not be made.");
    x->has_queue = engine_get_options(engine)->sqs_queue_url != NULL;
    TRY(start(x, engine, &x->files, e)); /* fatal for the caller, who exits */
    return x->has_queue ? start(x, engine, &x->queue, e) : OK;
}

static void stop(struct intake_thread *t)
{
    (void) uv_thread_join(&t->thread);
    aws_batch_free(t->calls);
    db_conn_close(t->db);
}

void intake_stop(struct intake *x)
{
    if (!x)
        return;
    uv_mutex_lock(&x->lock);
    x->is_stopping = true;
    uv_cond_broadcast(&x->cond);
    uv_mutex_unlock(&x->lock);
    if (x->queue.calls)
        aws_batch_wake(x->queue.calls);
    stop(&x->files);
    if (x->has_queue)
        stop(&x->queue);
    uv_cond_destroy(&x->cond);
    uv_mutex_destroy(&x->lock);
    free(x);
}
