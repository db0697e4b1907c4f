/*
 * sim.h - the local Amazon Personalize: its world of resources and how a call is answered.
 *
 * Fifteen kinds of resources behave alike, so create, describe, list, update and delete are written
 * once over the kinds table (kinds.c); what differs is a named hook. A resource's body is what
 * Describe shows; shapes of the API model cut it to size. Everything runs on the loop thread but
 * the work of jobs (work.c).
 */
#ifndef SIMULATOR_SIM_H
#define SIMULATOR_SIM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"
#include "steward/service_model.h"
#include "steward/str.h"

#define NEVER     INT64_MAX
#define ARN_BYTES 512

/* ---- errors as the service names them ---- */
enum wire_error {
    WIRE_OK,
    WIRE_INVALID_INPUT,
    WIRE_INVALID_NEXT_TOKEN,
    WIRE_LIMIT_EXCEEDED,
    WIRE_ALREADY_EXISTS,
    WIRE_IN_USE,
    WIRE_NOT_FOUND,
    WIRE_TOO_MANY_TAG_KEYS,
    WIRE_TOO_MANY_TAGS,
    WIRE_UNKNOWN_OPERATION,
    WIRE_SERIALIZATION,
    WIRE_THROTTLING,
    WIRE_INTERNAL,
    WIRE_UNAVAILABLE,
    WIRE_ACCESS_DENIED,
    WIRE_ERROR_COUNT
};
const char *wire_error_name(enum wire_error error); /* "ResourceNotFoundException" */
int wire_error_status(enum wire_error error);

/* ---- life cycles ---- */
enum life {
    LIFE_NONE, /* has no status */
    LIFE_PENDING,
    LIFE_IN_PROGRESS,
    LIFE_ACTIVE,
    LIFE_FAILED,
    LIFE_STOPPING,
    LIFE_STOPPED,
    LIFE_STOP_PENDING,
    LIFE_STOP_IN_PROGRESS,
    LIFE_INACTIVE,
    LIFE_START_PENDING,
    LIFE_START_IN_PROGRESS,
    LIFE_DELETE_PENDING,
    LIFE_DELETE_IN_PROGRESS,
    LIFE_GONE,
    LIFE_COUNT
};

enum sim_kind_id {
    SIM_DATASET_GROUP,
    SIM_SCHEMA,
    SIM_DATASET,
    SIM_IMPORT_JOB,
    SIM_EXPORT_JOB,
    SIM_DELETION_JOB,
    SIM_EVENT_TRACKER,
    SIM_SOLUTION,
    SIM_SOLUTION_VERSION,
    SIM_CAMPAIGN,
    SIM_FILTER,
    SIM_RECOMMENDER,
    SIM_METRIC_ATTRIBUTION,
    SIM_BATCH_INFERENCE_JOB,
    SIM_BATCH_SEGMENT_JOB,
    SIM_KIND_COUNT
};

struct sim;
struct call;
struct resource;

/* A member of a create request that names another resource. */
struct sim_reference {
    const char *member;
    enum sim_kind_id kind;
    bool must_be_active;
};

struct sim_durations {
    int32_t pending_s, progress_s; /* creation (and start, stop) */
    int32_t update_s;
    int32_t delete_pending_s, delete_progress_s;
};

struct sim_kind {
    const char *title;   /* "DatasetGroup": ends the operation names, and names the Describe shape's
                            resource */
    const char *member;  /* "datasetGroup": of the Describe answer */
    const char *shape;   /* "DatasetGroup" */
    const char *summary; /* "DatasetGroupSummary" */
    const char *arn_part;                   /* "dataset-group" */
    const char *arn_member;                 /* "datasetGroupArn" */
    const char *name_member;                /* "name" or "jobName" */
    const char *list_filter;                /* "datasetGroupArn"; NULL: the whole account */
    const char *update_member;              /* "latestCampaignUpdate"; NULL */
    const struct sim_reference *references; /* ends with a NULL member */
    struct sim_durations durations;
    enum sim_kind_id id;
    bool is_taggable;
    bool has_failure_reason;
    bool is_deleted_in_one_step; /* DELETE PENDING, then gone */
    /* Hooks; NULL: nothing special. */
    void (*make_arn)(struct call *c, struct buf *rest); /* default: <arn_part>/<name> */
    enum wire_error (*check)(struct call *c,
                             struct resource *r); /* semantics of a create; may fill r */
    enum wire_error (*check_update)(struct call *c, struct resource *r, json_t *update);
    void (*apply_update)(struct sim *s, struct resource *r, const json_t *update);
    enum wire_error (*check_delete)(struct call *c, struct resource *r);
    bool (*start_work)(struct sim *s,
                       struct resource *r); /* on IN_PROGRESS; false: nothing to wait for */
    void (*on_life)(struct sim *s, struct resource *r); /* after each transition */
    void (*on_auto)(struct sim *s, struct resource *r,
                    int64_t at_ms); /* auto_due_ms has come; moves it */
};
extern const struct sim_kind sim_kinds[SIM_KIND_COUNT];

/* ---- resources ---- */
struct resource {
    const struct sim_kind *kind;
    char *arn;
    json_t *body;                /* the members Describe may show */
    json_t *hidden;              /* ours: "group" (ARN), "files", "model", "metrics", … */
    json_t *tags;                /* list of {tagKey, tagValue} */
    enum life life, update_life; /* update: of the latest update; LIFE_NONE: none running */
    int64_t created_ms;          /* model time */
    int64_t due_ms, update_due_ms, auto_due_ms; /* next transition, NEVER when none */
    uint64_t serial;                            /* tells a re-created name from its predecessor */
    bool is_working;                            /* a job's work runs; not saved */
    bool is_work_done;
    bool is_dirty;
};

struct resource_list {
    struct resource **items;
    size_t count, capacity;
};

struct world {
    struct resource_list kinds[SIM_KIND_COUNT];
    void *by_arn; /* tsearch(3) tree */
    struct resource_list dirty;
    json_t *dropped; /* ARNs deleted since the last flush */
    uint64_t serial;
    int64_t next_due_ms;
};

void world_init(struct world *w);
void world_done(struct world *w);
struct resource *world_find(const struct world *w, const char *arn); /* NULL when unknown */
struct resource *world_find_kind(const struct world *w, const char *arn, enum sim_kind_id kind);
struct resource *resource_new(const struct sim_kind *kind);
void resource_free(struct resource *r);
void world_add(struct world *w, struct resource *r); /* takes r */
void world_remove(struct world *w, struct resource *r);
void world_touch(struct world *w,
                 struct resource *r); /* it changed: to be saved; deadlines may have moved */
json_t *resource_to_json(const struct resource *r);
struct resource *resource_from_json(const json_t *saved); /* NULL when it cannot be read */

/* Readers of a body and of hidden facts. */
const char *resource_text(const struct resource *r, const char *member);
const char *resource_name(const struct resource *r);
const char *resource_hidden(const struct resource *r, const char *member);
void resource_set(struct resource *r, const char *member, json_t *value); /* takes value */
void resource_hide(struct resource *r, const char *member, json_t *value);
/* ARN of the dataset group it belongs to; NULL for schemas. */
const char *resource_group(const struct resource *r);
bool resource_is_busy(const struct resource *r); /* creation, deletion, start or stop in progress */
/* First resource of a kind in a group that passes the test (NULL: any). */
struct resource *world_first_in_group(const struct world *w, enum sim_kind_id kind,
                                      const char *group);

json_t *json_time(int64_t ms); /* epoch seconds with milliseconds */

/* ---- the clock of the model (stamps and life cycles; never signatures) ---- */
struct model_clock {
    int64_t base_ms, wall_ms; /* now = base + (wall now - wall) unless frozen */
    bool is_frozen;
    int64_t
        jump_to_ms;  /* the clock was moved up to here and life has not caught up yet; 0: it has */
    int64_t step_ms; /* time of the transition that is being made; 0: none */
};
int64_t sim_now_ms(const struct sim *s);
/* The same, but inside a transition the time at which it was due. */
int64_t sim_step_ms(const struct sim *s);

/* ---- quotas: named numbers that can be set ---- */
enum quota_id {
    QUOTA_SCHEMAS,
    QUOTA_DATASET_GROUPS,
    QUOTA_IMPORT_JOBS,
    QUOTA_BATCH_INFERENCE_JOBS,
    QUOTA_BATCH_SEGMENT_JOBS,
    QUOTA_SOLUTION_VERSIONS,
    QUOTA_SOLUTIONS,
    QUOTA_CAMPAIGNS,
    QUOTA_RECOMMENDERS,
    QUOTA_FILTERS,
    QUOTA_DELETION_JOBS,
    QUOTA_FILTER_FIELDS,
    QUOTA_GROUP_FILTER_FIELDS,
    QUOTA_MIN_IMPORT_INTERACTIONS,
    QUOTA_MIN_INTERACTIONS,
    QUOTA_MIN_USERS,
    QUOTA_READS_PER_SECOND,
    QUOTA_WRITES_PER_SECOND,
    QUOTA_COUNT
};
const char *quota_name(enum quota_id id); /* "campaigns" */
void quota_defaults(int64_t values[QUOTA_COUNT]);
bool quota_set(int64_t values[QUOTA_COUNT], const char *name, int64_t value);
enum wire_error quota_check(struct call *c, const struct sim_kind *kind, const char *group);

/* ---- faults (fault.c) ---- */
enum fault_action {
    FAULT_NONE,
    FAULT_THROTTLE,
    FAULT_ERROR_BEFORE, /* 500 or 503, no effect */
    FAULT_ERROR_AFTER,  /* 500 or 503, the effect happened */
    FAULT_LOST_REPLY,   /* the effect happened, the connection is cut */
    FAULT_CUT_BEFORE,   /* the connection is cut, no effect */
    FAULT_TRUNCATED_REPLY,
    FAULT_SLOW,
    FAULT_CREATE_FAILED,
    FAULT_LIST_LAG,
    FAULT_DENIED,
    FAULT_NAMES_UNIQUE,   /* CreateSolutionVersion: a version name must be new in its solution */
    FAULT_NAMES_REFUSED,  /* CreateSolutionVersion: name and tags are unknown members (an old
                             endpoint) */
    FAULT_FOREIGN_CREATE, /* somebody else makes, changes, deletes it first (foreign.c) */
    FAULT_FOREIGN_UPDATE,
    FAULT_FOREIGN_DELETE,
    FAULT_ACTION_COUNT
};
struct fault {
    char *operation; /* glob over operation names */
    char *name;      /* glob over the resource's name; NULL: any */
    enum fault_action action;
    int64_t times; /* how often it still strikes; -1: always */
    int64_t skip;  /* calls to let pass first */
    double probability;
    int64_t ms;   /* of slow and list-lag */
    int status;   /* 500 or 503 of errors */
    char *reason; /* failureReason of create-failed */
};
struct fault_list {
    struct fault *items;
    size_t count;
    uint64_t seed;
    bool is_changed; /* a rule has counted down: to be saved */
};
/* "CreateCampaign/bad-*=create-failed,times=1,reason=No luck": adds a rule. */
MUST_USE enum err_code fault_add(struct fault_list *list, const char *rule, struct err *e);
MUST_USE enum err_code fault_add_json(struct fault_list *list, const json_t *rule, struct err *e);
json_t *faults_to_json(const struct fault_list *list);
void faults_clear(struct fault_list *list);
/* The first rule with one of the actions in the mask that strikes; counts it down. */
struct fault_call {
    const char *operation, *name;
};
const char *fault_action_name(enum fault_action action);
const struct fault *fault_strike(struct fault_list *list, const struct fault_call *call,
                                 unsigned mask);
#define FAULT_BIT(action) (1U << (action))

/* ---- the whole ---- */
struct s3_store;
struct ledger;
struct state;

struct sim_settings {
    char *account_id, *region, *partition;
    int64_t time_scale; /* 0: immediate */
    bool is_strict_iam;
};

struct sim {
    struct sim_settings settings;
    struct model_clock clock;
    struct world world;
    int64_t quotas[QUOTA_COUNT];
    struct fault_list faults;
    json_t *roles;       /* --strict-iam: role ARN -> {"trust": bool, "buckets": [..]} */
    struct s3_store *s3; /* NULL in unit tests */
    struct state *state; /* NULL: nothing is saved */
    char *data_dir;
    size_t working;                    /* jobs in the thread pool */
    void (*on_settled)(struct sim *s); /* a job's work has ended; NULL */
    void *owner;                       /* of on_settled */
};

/* ---- one call ---- */
struct call {
    struct sim *sim;
    const char *operation;
    const struct service_operation *model;
    json_t *in;          /* borrowed */
    json_t *out;         /* answer; NULL: empty */
    char message[1024];  /* of an error */
    char arn[ARN_BYTES]; /* the resource concerned, for the ledger */
    const char *fault;   /* name of the fault that struck */
    bool has_effect;
    int64_t now_ms;        /* model time */
    struct resource *made; /* by a create */
};
PRINTF_LIKE(3, 4)
enum wire_error call_fail(struct call *c, enum wire_error error, const char *fmt, ...);
#define PASS(call)                        \
    do {                                  \
        enum wire_error pass_rc = (call); \
        if (pass_rc)                      \
            return pass_rc;               \
    } while (0)

/* Runs one operation of the control plane: constraint checks, then its function. in is an object.
 */
enum wire_error sim_call(struct call *c);
bool sim_is_operation(const char *name);
/* Text of a request member; NULL when absent. */
const char *call_text(const struct call *c, const char *member);
const json_t *call_member(const struct call *c, const char *member); /* NULL when absent or null */
json_t *call_known_members(
    const struct call *c); /* a copy of the request without what the model does not know */
enum wire_error call_not_found(struct call *c, const char *arn);
/* The constraint checks alone, for the data plane too. */
enum wire_error call_check_input(struct call *c);

typedef enum wire_error (*operation_fn)(struct call *c, const struct sim_kind *kind);
enum wire_error op_create(struct call *c, const struct sim_kind *kind);
enum wire_error op_describe(struct call *c, const struct sim_kind *kind);
enum wire_error op_list(struct call *c, const struct sim_kind *kind);
enum wire_error op_update(struct call *c, const struct sim_kind *kind);
enum wire_error op_delete(struct call *c, const struct sim_kind *kind);
enum wire_error op_stop_version(struct call *c, const struct sim_kind *kind);
enum wire_error op_start_recommender(struct call *c, const struct sim_kind *kind);
enum wire_error op_stop_recommender(struct call *c, const struct sim_kind *kind);
enum wire_error op_get_metrics(struct call *c, const struct sim_kind *kind);
enum wire_error op_update_attribution(struct call *c, const struct sim_kind *kind);
enum wire_error op_list_attribution_metrics(struct call *c, const struct sim_kind *kind);
enum wire_error op_tag(struct call *c, const struct sim_kind *kind);
enum wire_error op_untag(struct call *c, const struct sim_kind *kind);
enum wire_error op_list_tags(struct call *c, const struct sim_kind *kind);
enum wire_error op_describe_recipe(struct call *c, const struct sim_kind *kind);
enum wire_error op_describe_algorithm(struct call *c, const struct sim_kind *kind);
enum wire_error op_describe_transformation(struct call *c, const struct sim_kind *kind);
enum wire_error op_list_recipes(struct call *c, const struct sim_kind *kind);

enum wire_error tags_check(struct call *c, const json_t *tags);
/* A page of rows (objects, newest first) that have creationDateTime and an ARN; fills c->out. */
struct page_row {
    int64_t created_ms;
    const char *key; /* ARN or name: breaks ties */
    const void *row;
};
struct page {
    struct page_row *rows; /* sorted by the callee */
    size_t count;
    const char *filter; /* what the token is bound to besides the operation; NULL: "" */
    const char *member; /* of the answer */
    json_t *(*show)(const struct call *c, const void *row);
};
enum wire_error page_answer(struct call *c, const struct page *page);
/* The members of value that shape knows, in the shape's order. */
json_t *shape_project(const struct service_shape *shape, const json_t *value);

/* ---- life.c ---- */
const char *life_text(const struct sim_kind *kind, enum life life);
/* Sets state, status text, lastUpdatedDateTime and the next deadline; the only place that does. */
void life_set(struct sim *s, struct resource *r, enum life life, int64_t at_ms);
void life_fail(struct sim *s, struct resource *r, const char *reason, int64_t at_ms);
/* Begins an update: update_member gets update plus status and dates; applied when it becomes
 * ACTIVE. Takes update. */
void life_begin_update(struct sim *s, struct resource *r, json_t *update);
/* Walks every transition that is due, in order of time. */
void life_advance(struct sim *s);
/* Called on the loop thread when a job's work has ended; failure NULL: it succeeded. */
void life_work_done(struct sim *s, struct resource *r, const char *failure);
bool life_is_settled(const struct resource *r);
int64_t sim_scaled_ms(const struct sim *s, int64_t seconds);

/* ---- state.c: what survives a kill -9 ---- */
void state_flush(struct sim *s); /* writes what changed, before the answer goes out */

#endif
