/*
 * service_model.h - the API model of Amazon Personalize as compiled-in tables, and one checker over
 * them.
 *
 * The tables come from model/ (control plane, events, runtime) by server/domain/model/generate.py:
 * shapes with members in order, constraints, operations with input, output and errors. Everything
 * is constant data: no locks, no start-up work. Used by the local Personalize (AWS-style messages)
 * and by the check of parameter files (sentences with places).
 */
#ifndef STEWARD_SERVICE_MODEL_H
#define STEWARD_SERVICE_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum shape_type {
    SHAPE_STRUCTURE,
    SHAPE_LIST,
    SHAPE_MAP,
    SHAPE_STRING,
    SHAPE_INTEGER,
    SHAPE_LONG,
    SHAPE_FLOAT,
    SHAPE_DOUBLE,
    SHAPE_BOOLEAN,
    SHAPE_TIMESTAMP
};

struct service_shape;
struct service_pattern; /* a compiled regular expression */

struct service_member {
    const char *name;
    const struct service_shape *shape;
    bool is_required;
};

struct service_shape {
    const char *name; /* "SolutionConfig" */
    enum shape_type type;
    bool has_min,
        has_max;       /* of the value (numbers), characters (strings) or entries (lists, maps) */
    bool is_sensitive; /* its value is not for messages and logs */
    double min, max;
    const struct service_member *members; /* of a structure, in the model's order */
    size_t n_members;
    const struct service_shape *key;     /* of a map */
    const struct service_shape *element; /* of a list; value of a map */
    const char *pattern;                 /* as the model writes it; NULL: none */
    const struct service_pattern *compiled;
    const char *const *values; /* of an enumeration */
    size_t n_values;
};

struct service_operation {
    const char *name;
    const struct service_shape *input, *output; /* output NULL: the answer has no body */
    const char *const *errors;
    size_t n_errors;
    bool is_idempotent;
    const char *method, *uri; /* "POST", "/" or the REST path of the data plane */
    const char *page_key;     /* answer member that holds the page; NULL: not a list operation */
};

struct service_model {
    const char *name;          /* "personalize", "personalize-events", "personalize-runtime" */
    const char *target_prefix; /* "AmazonPersonalize"; NULL for REST protocols */
    const char *signing_name;
    const struct service_operation *operations; /* sorted by name */
    size_t n_operations;
    const struct service_shape *shapes; /* sorted by name */
    size_t n_shapes;
    const struct service_error_status {
        const char *name;
        int status;
    } * error_statuses;
    size_t n_error_statuses;
};

extern const struct service_model service_personalize;
extern const struct service_model service_personalize_events;
extern const struct service_model service_personalize_runtime;

/* Lookups; NULL when unknown. */
const struct service_operation *service_operation_find(const struct service_model *m,
                                                       const char *name);
const struct service_shape *service_shape_find(const struct service_model *m, const char *name);
const struct service_member *service_member_find(const struct service_shape *structure,
                                                 const char *name);
/* The member whose name is nearest to a misspelt one; NULL when none is near (more than a third
 * differs). */
const struct service_member *service_member_nearest(const struct service_shape *structure,
                                                    const char *name);
/* HTTP status of a modelled error; 400 when the model does not say. */
int service_error_status(const struct service_model *m, const char *error);
bool service_operation_declares(const struct service_operation *op, const char *error);

/* Whether the whole text (UTF-8) matches the shape's pattern; true when it has none. */
bool service_pattern_matches(const struct service_shape *shape, const char *text);

enum violation_kind {
    VIOLATION_TYPE,      /* another JSON type than the shape's */
    VIOLATION_MISSING,   /* a required member is absent or null */
    VIOLATION_UNKNOWN,   /* the structure has no such member */
    VIOLATION_TOO_SHORT, /* characters or entries below min */
    VIOLATION_TOO_LONG,
    VIOLATION_TOO_SMALL, /* value below min */
    VIOLATION_TOO_LARGE,
    VIOLATION_PATTERN,
    VIOLATION_ENUM
};

/* One violation; everything is borrowed and valid during the report only. */
struct service_violation {
    enum violation_kind kind;
    const char *pointer; /* JSON Pointer of the value; of the missing or unknown member itself */
    const char *member;  /* last name of the path; "" at the root */
    const struct service_shape *shape; /* whose constraint is violated; of UNKNOWN: the structure */
    const json_t *value;               /* NULL when missing */
    const char *nearest; /* UNKNOWN: the nearest known member; ENUM: the nearest value; or NULL */
    bool is_map_key;     /* the violation is in a map's key (pointer leads to its entry) */
};
typedef void (*service_report_fn)(void *context, const struct service_violation *v);

/* Zero-initialised: strict (unknown members reported, null is a wrong type). */
struct service_check_options {
    bool is_null_absent;     /* null counts as an absent member */
    bool is_unknown_ignored; /* unknown members are no violation */
    const char *pointer;     /* prefix of every reported pointer; NULL: "" */
    const char *const
        *optional; /* members of the root that need not be there, NULL-terminated; NULL: none */
    void *context; /* handed to report */
};

/* Walks value against shape and reports every violation in document order of the model. Returns
 * their number. */
size_t service_model_check(const struct service_shape *shape, const json_t *value,
                           const struct service_check_options *options, service_report_fn report);

/* Stable code of a kind: "wrong-type", "missing", "unknown-key", "too-short", "too-long",
   "too-small", "too-large", "pattern", "enum". */
const char *service_violation_code(enum violation_kind kind);

#endif
