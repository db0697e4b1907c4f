/*
 * quotas.h - how much Amazon Personalize allows of each kind.
 *
 * The defaults of the service; an account may have more. What the operator says with --quota wins,
 * and more than the default in use is proof that the quota was raised.
 */
#ifndef STEWARD_QUOTAS_H
#define STEWARD_QUOTAS_H

#include <stdbool.h>
#include <stdint.h>

#include "steward/conf.h"
#include "steward/err.h"
#include "steward/kinds.h"

struct quota {
    const char *name;    /* "campaigns" */
    const char *per;     /* "account" or "datasetGroup" */
    int64_t limit;       /* the service's default */
    bool is_in_progress; /* of those that are being made: what exceeds it waits */
};
/* The quota that holds creates of the kind; false when there is none. */
bool quota_of_kind(enum kind_id kind, struct quota *out);
/* One tracker per group is how the service is made, not a number to raise. */
bool quota_is_adjustable(const struct quota *q);

/* Limits as they hold here, by kind. */
struct quota_limits {
    int64_t values[KIND_COUNT]; /* of those in progress 0: any number */
};
void quota_limits_default(struct quota_limits *out);
/* Each item is "NAME=N". ERR_INVALID names what there is. */
MUST_USE enum err_code quota_limits_parse(const struct conf_list *given, struct quota_limits *out,
                                          struct err *e);
/* Those of what is in progress, for the engine; 0: any number. */
void quota_limits_in_progress(const struct quota_limits *limits, int out[KIND_COUNT]);

#endif
