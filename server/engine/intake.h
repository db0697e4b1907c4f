/*
 * intake.h - the threads that look after uploads to S3. Private to the engine.
 *
 * One reads a queue of S3's notifications, when there is one; one watches the bucket, when it is
 * told to, and applies uploaded parameter files.
 */
#ifndef STEWARD_ENGINE_INTAKE_H
#define STEWARD_ENGINE_INTAKE_H

#include <uv.h>

#include "steward/uploads_store.h"
#include "work.h"

struct intake;
struct intake_thread {
    struct intake *intake;
    struct engine *engine;
    struct db_conn *db;
    struct aws_batch *calls;
    char owner[UUID_BYTES];
    uv_thread_t thread;
};

/* Starts what the options ask for. */
MUST_USE enum err_code intake_start(struct engine *engine, struct intake **out, struct err *e);
/* After engine_is_stopping() became true: joins and frees. NULL is fine. */
void intake_stop(struct intake *x);

/* ---- intake.c, for the others ---- */
/* Makes the call; false when the engine stops before it is over: then it is done with, too. */
bool intake_call(struct intake_thread *t, struct aws_call *call);
/* Sleeps, or until the engine stops. */
void intake_sleep(struct intake_thread *t, int64_t ms);
/* What the object is to us: whether a parameter file, and the configs whose data it is ([name]). */
struct intake_object {
    const char *bucket, *key;
};
bool intake_is_file(const struct intake_thread *t, const struct intake_object *o);
/* Caller owns. */
json_t *intake_configs_of(const struct intake_thread *t, const struct upload_sources *sources,
                          const struct intake_object *o);
struct upload_rule intake_rule(const struct intake_thread *t);

/* ---- intake_queue.c, intake_watch.c, intake_file.c ---- */
MUST_USE enum err_code intake_queue_turn(struct intake_thread *t, struct err *e);
MUST_USE enum err_code intake_watch_turn(struct intake_thread *t, struct err *e);
/* *has_any: there was one, and there may be more. */
MUST_USE enum err_code intake_file_turn(struct intake_thread *t, bool *has_any, struct err *e);

#endif
