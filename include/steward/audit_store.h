/*
 * audit_store.h - orphans: what lives in Amazon Personalize and no config owns.
 */
#ifndef STEWARD_AUDIT_STORE_H
#define STEWARD_AUDIT_STORE_H

#include "steward/db.h"
#include "steward/mem.h"

/* found: [{arn, kind, name, status, deployment, is_job, created_ms}], all that an audit saw. Keeps
 * what no config owns, and drops earlier audits of the timer. */
MUST_USE enum err_code audit_store_write(struct db_conn *c, const char *run_id, const char *found,
                                         const char *deployment_id, struct err *e);
/* Raises ST001 unless the daily audit is due; then it is this run. */
void audit_store_fence(const char *run_id, struct db_op *op);

struct orphans_filter { /* NULL: any */
    const char *kinds, *owners /* text array literals */, *config, *after_arn, *limit;
};
/* Rows (arn, json) in order of ARN. */
void audit_store_page(const struct orphans_filter *f, struct db_op *op);
/* One row: whether the last audit is younger than a minute. */
void audit_store_is_fresh(struct db_op *op);

#endif
