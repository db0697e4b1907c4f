/*
 * plan.h - from a parameter file and a run kind to steps with dependencies.
 *
 * Pure: no clock, no I/O; may allocate. The plan says what will be looked at and brought about, in
 * execution order; whether a step finds nothing to do is decided when it looks (decide.h).
 */
#ifndef STEWARD_PLAN_H
#define STEWARD_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "steward/kinds.h"
#include "steward/mem.h"
#include "steward/parameter_file.h"
#include "steward/prices.h"
#include "steward/quotas.h"

enum run_kind {
    RUN_KIND_APPLY,
    RUN_KIND_ADOPT,
    RUN_KIND_IMPORT,
    RUN_KIND_TRAIN,
    RUN_KIND_TRAIN_FULL,
    RUN_KIND_TRAIN_UPDATE,
    RUN_KIND_RETRAIN,
    RUN_KIND_BATCH_INFERENCE,
    RUN_KIND_BATCH_SEGMENT,
    RUN_KIND_PROMOTE,
    RUN_KIND_STOP_TRAINING,
    RUN_KIND_OBSERVE,
    RUN_KIND_EXPORT_DATA,
    RUN_KIND_DELETE_DATA,
    RUN_KIND_DESTROY,
    RUN_KIND_COUNT
};
/* "apply", "trainFull", …; false when unknown. */
bool run_kind_find(const char *name, enum run_kind *out);
const char *run_kind_name(enum run_kind kind);
/* Whether this release can start runs of the kind (POST /runs refuses the others by name). */
bool run_kind_is_supported(enum run_kind kind);
/* Whether the kind is there to spend: while spending is stopped, nobody starts one by hand. */
bool run_kind_buys(enum run_kind kind);
/* The run kind a schedule of the file starts. */
enum run_kind run_kind_of_schedule(enum schedule_kind kind);

enum verb {
    VERB_ENSURE,  /* make it be there and match */
    VERB_RENEW,   /* per-run kinds: make a new one unless what is there is current */
    VERB_DELETE,  /* make it be gone; what is not ours stays */
    VERB_RELEASE, /* take our marks off and leave it */
    VERB_STOP,    /* stop what is in progress */
    VERB_OBSERVE, /* look, compare, change nothing */
    VERB_IMPORT,  /* read a dataset group with all it has, and make a file of it */
    VERB_AUDIT,   /* list what lives in the account */
    VERB_RETIRE,  /* delete the solutions that a blue-green replacement left behind */
    VERB_APPROVE, /* ask whether the new version is promoted */
    VERB_COUNT
};
const char *verb_name(enum verb verb);
bool verb_find(const char *name, enum verb *out);

/* Where data, account and roles come from: server settings, overridden by the file's deployment.
 * NULL: not set. */
struct plan_settings {
    const char *bucket, *prefix, *role_arn, *account_id, *region, *partition;
    const char *deployment_id;
    const struct prices *prices;       /* for plans people look at */
    const struct quota_limits *limits; /* likewise */
};

struct plan_step {
    enum kind_id kind;
    enum verb verb;
    const char *name, *key; /* borrowed from the file's components */
    const char *pointer;
    json_t *request, *tags, *refs, *options; /* owned; see migrations/0001: table steps */
    size_t needs[128];                       /* indices of earlier steps */
    size_t n_needs;
    bool is_always; /* runs whatever became of the steps it needs */
};

struct plan {
    struct plan_step *steps;
    size_t n_steps;
    const char **also_claimed; /* resource keys that no step works on; in the arena */
    size_t n_also_claimed;
    struct arena arena;
};

/*
 * options (may be NULL): {"solutions": [name, …], "mode": "full"|"update", "import":
 * "ifNewer"|"force"|"skip", "batch": bool, "jobs": ["0", …], "datasets": [type, …], "campaigns":
 * [name, …], "version": ARN, "pin": bool, "unpin": bool, "reason": text, "resources":
 * "keep"|"delete", "destination": s3 address, "ingestionMode": text, "dataLocation": s3 address,
 * "confirm": bool}. ERR_INVALID when they name what the file does not have, or when a setting that
 * the plan needs (bucket, role) is nowhere given; ERR_CONFLICT when the file forbids to destroy.
 * The file must outlive the plan.
 */
MUST_USE enum err_code plan_build(const struct parameter_file *f,
                                  const struct plan_settings *settings, enum run_kind kind,
                                  const json_t *options, struct plan *out, struct err *e);
void plan_done(struct plan *p);
/* One step: read the dataset group, which must outlive the plan. */
void plan_import_group(const char *group, struct plan *out);
/* One step: list what lives in the account. */
void plan_audit(struct plan *out);

/* Options of the runs that a schedule of the file starts: {"solutions": […], "jobs": […]}. Caller
 * owns. */
json_t *plan_schedule_options(const struct file_schedule *s);

/* Rows for the steps table:
   [{"id","ordinal","kind","verb","name","resource_key","pointer","request","tags","refs","options",
   "blocked_by","needs":[ordinal,…]}, …]; fresh step ids. Caller owns. */
json_t *plan_to_rows(const struct plan *p);
/* Resource keys the run must hold, sorted, without repeats, as a JSON list. Caller owns. */
json_t *plan_claims(const struct plan *p);

#endif
