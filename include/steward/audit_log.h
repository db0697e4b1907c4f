/*
 * audit_log.h - the audit log: pages, the hash chain, its verification.
 */
#ifndef STEWARD_AUDIT_LOG_H
#define STEWARD_AUDIT_LOG_H

#include "steward/db.h"

struct audit_filter {                        /* NULL: any */
    const char *tokens, *methods, *statuses; /* array literals */
    const char *path;                        /* this one and what is below it */
    const char *after, *before;              /* times */
    const char *older_than;                  /* id */
    const char *limit;
};
/* Rows (id, json), newest first. */
void audit_log_page(const struct audit_filter *f, struct db_op *op);

/* Chains what is committed and not chained yet, at most 500; one session at a time. */
MUST_USE enum err_code audit_log_extend(struct db_conn *c, size_t *count, struct err *e);

struct audit_verdict {
    int64_t links, pending;
    int64_t bad_seq; /* the first link that does not hold; 0: none */
    char why[80];
    int64_t loose_id; /* a row that is neither chained nor waiting for it; 0: none */
    char last_sha256[65];
    char sha256_at[65]; /* of the link asked for; "" when there is none */
};
MUST_USE enum err_code audit_log_verify(struct db_conn *c, int64_t at, struct audit_verdict *out,
                                        struct err *e);

#endif
