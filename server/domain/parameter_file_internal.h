/*
 * parameter_file_internal.h - what the parts of the parameter file's check share.
 *
 * The file's shape is one table (parameter_file_fields.c); the walk over it, the rules across
 * sections and the JSON Schema all read that table. Findings are collected per phase, so that they
 * come out in the documented order whatever the order of the work.
 */
#ifndef STEWARD_PARAMETER_FILE_INTERNAL_H
#define STEWARD_PARAMETER_FILE_INTERNAL_H

#include <string.h>

#include "steward/filter_expression.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/parameter_file.h"
#include "steward/recipes.h"
#include "steward/service_model.h"
#include "steward/str.h"

/* The order in which problems are told: that of the AWS solution's validator, then ours. */
enum phase {
    PHASE_DOCUMENT,
    PHASE_KEYS,
    PHASE_ROOT_TAGS,
    PHASE_TAGS,
    PHASE_GROUP,
    PHASE_SCHEMAS,
    PHASE_DATASETS,
    PHASE_IMPORT,
    PHASE_TRACKER,
    PHASE_FILTERS,
    PHASE_SOLUTIONS,
    PHASE_UPDATE_RULE,
    PHASE_RECOMMENDERS,
    PHASE_SCHEDULES,
    PHASE_NAMES,
    PHASE_OURS, /* metric attribution, deployment, guards, promotion */
    PHASE_COUNT
};

enum field_type {
    FIELD_NONE, /* end of a table */
    FIELD_OBJECT,
    FIELD_LIST, /* of objects with the given members */
    FIELD_SERVICE,
    FIELD_TAGS,
    FIELD_SCHEDULE,
    FIELD_DURATION,
    FIELD_TEXT,
    FIELD_TEXT_LIST,
    FIELD_ENUM,
    FIELD_BOOLEAN,
    FIELD_INTEGER,
    FIELD_NUMBER,
    FIELD_TIME,   /* RFC 3339 */
    FIELD_PATTERN /* text that a shape of the API model describes, or a pattern of ours */
};

/* A service-config: the request of an operation, less what Steward derives, plus members of ours.
 */
struct service_config {
    enum kind_id kind;
    const char *operation;
    const char *const *derived; /* NULL-terminated */
    const char *const *handled; /* members of ours inside, checked by rules of their own */
};

struct field {
    const char *key;
    enum field_type type;
    bool is_required;
    enum phase phase;            /* of its problems; PHASE_DOCUMENT: its parent's */
    const struct field *members; /* of an object, or of the objects of a list */
    const struct service_config *service;
    const char *const *values; /* of an enumeration, NULL-terminated */
    const char *shape;         /* of FIELD_PATTERN: a shape of the API model */
    double min, max;           /* of numbers; both 0: unbounded */
    const char *fallback;      /* JSON text of the default, for readers */
    const char *description;
};

extern const struct field file_fields[];     /* the root's members */
extern const struct field schedule_fields[]; /* of the object form of a schedule */

extern const struct service_config service_solution_version;

/* The sections of datasets, in the order in which components are made. */
struct dataset_section {
    const char *key;  /* "actionInteractions" */
    const char *type; /* "ACTION_INTERACTIONS" */
};
#define N_DATASET_SECTIONS 5
extern const struct dataset_section dataset_sections[N_DATASET_SECTIONS];

/* Stable codes of findings; the table of texts is finding_codes[] (parameter_file_codes.c). */
enum code {
    CODE_JSON,
    CODE_DUPLICATE_KEY,
    CODE_EMPTY,
    CODE_WRONG_TYPE,
    CODE_MISSING,
    CODE_UNKNOWN_KEY,
    CODE_TOO_SHORT,
    CODE_TOO_LONG,
    CODE_TOO_SMALL,
    CODE_TOO_LARGE,
    CODE_PATTERN,
    CODE_ENUM,
    CODE_DERIVED,
    CODE_CONFLICT,
    CODE_DUPLICATE_NAME,
    CODE_DUPLICATE_TAG,
    CODE_RESERVED_TAG,
    CODE_TOO_MANY_TAGS,
    CODE_BAD_SCHEDULE,
    CODE_BAD_DURATION,
    CODE_BAD_TIME,
    CODE_BAD_TIME_ZONE,
    CODE_BAD_AVRO,
    CODE_SCHEMA_SHAPE,
    CODE_SCHEMA_NAME,
    CODE_SCHEMA_NAMESPACE,
    CODE_SCHEMA_FIELD_MISSING,
    CODE_SCHEMA_FIELD_NAME,
    CODE_SCHEMA_FIELD_TYPE,
    CODE_SCHEMA_METADATA,
    CODE_SCHEMA_LIMIT,
    CODE_SCHEMA_DOMAIN,
    CODE_BAD_FILTER,
    CODE_FILTER_FIELD,
    CODE_UNKNOWN_RECIPE,
    CODE_RECIPE_USE,
    CODE_RECIPE_DOMAIN,
    CODE_RECIPE_DATASET,
    CODE_TRAINING_MODE,
    CODE_AUTO_SYNC,
    CODE_UNKNOWN_NAME,
    CODE_NO_EFFECT,
    CODE_AUTO_TRAINING,
    CODE_CHANGED_MEANING,
    CODE_PASSED_THROUGH,
    CODE_TOO_MANY,
    CODE_COUNT
};

#define TAGS_MAX  48  /* 50 of Amazon's less two of ours */
#define ALLOW_MAX 100 /* pointers in deployment.allowUnknown */
#define LIST_MAX  500 /* entries of one list of the file; far above the service's quotas */
/* Of one phase; the rest is counted, not listed. */
#define FINDINGS_MAX 1000

/* A check under way. */
struct check {
    struct parameter_file *file;
    enum phase phase;
    struct findings errors[PHASE_COUNT], warnings[PHASE_COUNT];
    size_t n_dropped; /* problems beyond FINDINGS_MAX */
};
/* Whether another problem of the current phase would only be counted. */
bool check_is_full(const struct check *c);
__attribute__((format(printf, 4, 5))) void problem(struct check *c, enum code code,
                                                   const char *pointer, const char *fmt, ...);
__attribute__((format(printf, 4, 5))) void caution(struct check *c, enum code code,
                                                   const char *pointer, const char *fmt, ...);

/* A pointer under construction: push returns what pop takes. A token that does not fit leaves the
 * pointer at the parent. */
struct place {
    char text[POINTER_BYTES];
};
size_t place_key(struct place *p, const char *key);
size_t place_index(struct place *p, size_t index);
void place_pop(struct place *p, size_t length);
/* "<base>/a/b": a place below another, by plain keys. */
struct place place_below(const char *base, const char *path);

/* Collects names for "did you mean": the nearest known names of a NULL-terminated list, at most
 * three, as a sentence. */
void nearest_names(struct buf *out, const char *name, const char *const *known);

/* The walk over the table (parameter_file_shape.c). */
void check_shape(struct check *c, const json_t *document);
/* One object against a table of fields; unknown keys are told in the current phase. */
void check_members(struct check *c, const struct field *members, const json_t *value,
                   const char *pointer);
/* One service-config against the API model (parameter_file_service.c). */
void check_service(struct check *c, const struct service_config *service, const json_t *value,
                   struct place *at);
void check_tag_list(struct check *c, const json_t *tags, const char *pointer);
/* A value against a shape of the API model; findings get the current phase. */
void check_model_shape(struct check *c, const char *shape, const json_t *value,
                       const char *pointer);

/* The rules across sections (parameter_file_rules.c, parameter_file_data.c,
 * parameter_file_solutions.c). */
void check_settings(struct check *c, const json_t *document);
/* Columns and event types named elsewhere (parameter_file_columns.c). */
const json_t *file_schema(const json_t *document, const char *type); /* the Avro schema of a type */
void check_training_data(struct check *c, const json_t *document, const json_t *config,
                         const char *pointer);
void check_solution_columns(struct check *c, const json_t *document, const json_t *solution,
                            const char *base);
void check_metric_attribution(struct check *c, const json_t *document);
void check_datasets(struct check *c, const json_t *document);
void check_filters(struct check *c, const json_t *document);
void check_solutions(struct check *c, const json_t *document);
void check_recommenders(struct check *c, const json_t *document);
void check_names(struct check *c, const json_t *document);
void check_changed_meaning(struct check *c, const json_t *document);

/* The schedules and durations of the file (parameter_file_schedules.c). A schedule value as the
   file has it; false when there is none or it is wrong. subject and component are left alone. */
struct schedule_site {
    const json_t *value; /* as the file has it */
    enum schedule_kind kind;
    const char *subject; /* solution name */
    size_t job;          /* index of the batch job in its list */
    char pointer[POINTER_BYTES], path[POINTER_BYTES];
};
void check_schedules(struct check *c, const json_t *document);
bool schedule_read(struct check *c, const json_t *value, const char *pointer,
                   struct file_schedule *out);

/* The effective document and the components (parameter_file_effective.c,
 * parameter_file_components.c). */
json_t *effective_document(const json_t *document);
void build_components(struct parameter_file *f);
void build_schedules(struct parameter_file *f);

/* Whether a schedule of ours trains the solution: a full or update schedule that is neither
 * "delete", empty nor disabled. */
bool solution_is_scheduled(const json_t *solution);
/* The last segment of a recipe's ARN when it is one of Amazon's own; NULL otherwise. */
const struct recipe *solution_recipe(const json_t *solution);

#endif
