/*
 * work.h - the slow part of a job, in the thread pool.
 *
 * prepare() runs on the loop thread and writes down everything the work needs; run() runs in a pool
 * thread and touches nothing but its job, files and the S3 store; finish() is back on the loop
 * thread.
 */
#ifndef SIMULATOR_WORK_H
#define SIMULATOR_WORK_H

#include <uv.h>

#include "sim.h"

struct job {
    uv_work_t request;
    struct sim *sim; /* loop thread only */
    char *arn;
    uint64_t serial;
    enum sim_kind_id kind;
    json_t *spec;   /* what to do */
    json_t *result; /* what came out */
    struct s3_store *s3;
    char *data_dir;
    char failure[512]; /* failureReason; "" when it succeeded */
};

/* True when all went well; otherwise sets the failure. */
bool job_fail(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Names of the datasets' files in the data directory: {"INTERACTIONS": {"files": [..], "stream":
 * "..", "avro": {..}}}. */
json_t *group_data(const struct sim *s, const char *group);
/* The service's words for data that cannot be read or written. */
#define NO_PRIVILEGES "Insufficient privileges for accessing data in Amazon S3."

void import_prepare(struct sim *s, const struct resource *r, json_t *spec);
bool import_run(struct job *j);
void import_finish(struct sim *s, struct resource *r, const struct job *j);
void training_prepare(struct sim *s, const struct resource *r, json_t *spec);
bool training_run(struct job *j);
void training_finish(struct sim *s, struct resource *r, const struct job *j);
void batch_prepare(struct sim *s, const struct resource *r, json_t *spec);
bool batch_run(struct job *j);
void export_prepare(struct sim *s, const struct resource *r, json_t *spec);
bool export_run(struct job *j);
void deletion_prepare(struct sim *s, const struct resource *r, json_t *spec);
bool deletion_run(struct job *j);
void deletion_finish(struct sim *s, struct resource *r, const struct job *j);

/* The loop of the pool's owner; set once by main(). */
void work_use_loop(uv_loop_t *loop);

#endif
