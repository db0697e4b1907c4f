/*
 * uploads_store.h - uploads to S3 on their way to a config or a run: what the queue told, what the
 * watch saw, parameter files that wait to be read.
 *
 * Every effect is written together with what keeps it from happening twice.
 */
#ifndef STEWARD_UPLOADS_STORE_H
#define STEWARD_UPLOADS_STORE_H

#include <jansson.h>

#include "steward/db.h"
#include "steward/mem.h"

/* Where a config's document says its data is; NULL: it does not say. */
struct upload_source {
    const char *config, *bucket, *prefix;
    const char **locations; /* of single datasets: s3://…; NULL-terminated */
};
struct upload_sources {
    struct upload_source *items;
    size_t count;
};
MUST_USE enum err_code uploads_store_sources(struct db_conn *c, struct arena *arena,
                                             struct upload_sources *out, struct err *e);

/* What follows from data: a run of the kind when nothing more came for a while. kind NULL: none. */
struct upload_rule {
    const char *kind;
    int64_t quiet_ms;
};
/* A message of the queue. files: [{id, bucket, key, mark}]; configs: [name]. *is_new: false when
 * its effect was there already. */
struct queue_effect {
    const char *message_id;
    const json_t *files, *configs;
};
MUST_USE enum err_code uploads_store_queue(struct db_conn *c, const struct queue_effect *x,
                                           const struct upload_rule *rule, bool *is_new,
                                           struct err *e);

/* ---- the watch ---- */
struct upload_watch {
    const char *bucket, *prefix;
    int64_t every_ms;
};
/* *is_due: it is this replica's turn; *is_first: nobody has seen the bucket yet. */
MUST_USE enum err_code uploads_store_watch_due(struct db_conn *c, const struct upload_watch *w,
                                               bool *is_due, bool *is_first, struct err *e);
/* objects: [{id, key, version, file: bool, configs: [name]}]. What is new or changed has its
 * effect; at the first look only parameter files have one. */
struct watch_page {
    const struct upload_watch *watch;
    const json_t *objects;
    bool is_first;
};
MUST_USE enum err_code uploads_store_watch_page(struct db_conn *c, const struct watch_page *page,
                                                const struct upload_rule *rule, size_t *changed,
                                                struct err *e);
/* A whole pass is over: keys are all that there is. */
MUST_USE enum err_code uploads_store_watch_done(struct db_conn *c, const struct upload_watch *w,
                                                const json_t *keys, struct err *e);

/* ---- parameter files ---- */
struct upload_file {
    const char *id, *bucket, *key, *mark, *only_config;
    bool is_first_look;
    int failures;
};
/* The oldest that is due, leased for a minute; id NULL: none. */
MUST_USE enum err_code uploads_store_claim(struct db_conn *c, const char *owner,
                                           struct arena *arena, struct upload_file *out,
                                           struct err *e);
/* What stands in the database for a file's config. */
struct upload_config {
    const char *version, *sha256, *sync, *apply; /* version NULL: there is none */
    const char *foreign_key, *foreign_config;    /* a resource of another config; NULL: none */
    json_t *schedules;                           /* {path: id}; owned by the caller */
    int64_t now_s;
};
MUST_USE enum err_code uploads_store_config(struct db_conn *c, struct arena *arena,
                                            const char *const args[2] /* name, keys */,
                                            struct upload_config *out, struct err *e);
/* Raises ST001 when the upload is not ours any more. state: 'applied', 'unchanged', 'refused'. */
struct upload_end {
    const char *id, *owner, *state, *reason;
    const char *run_id; /* NULL: it starts none */
};
/* With the delivery that told of it, if any. */
void uploads_store_settle(const struct upload_end *x, struct db_op *op);
/* After the run was inserted: it is that of the trigger that told of the upload, if any. */
void uploads_store_own_run(const char *id, const char *run_id, struct db_op *op);
/* Trouble: it is tried again later, each time later. */
MUST_USE enum err_code uploads_store_postpone(struct db_conn *c, const char *id, const char *reason,
                                              struct err *e);

#endif
