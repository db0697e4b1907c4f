/*
 * parameter_file.h - the parameter file of the AWS solution, and ours, as one typed model.
 *
 * Parsing reports all problems at once, each with a JSON Pointer, a stable code and a sentence that
 * says what to do. The model is a list of components (one per resource the file names) in execution
 * order, with defaults, derived names and inherited tags filled in. Pure: no clock, no I/O; may
 * allocate.
 */
#ifndef STEWARD_PARAMETER_FILE_H
#define STEWARD_PARAMETER_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"
#include "steward/kinds.h"
#include "steward/schedule.h"

#define POINTER_BYTES 256

struct finding {
    char pointer[POINTER_BYTES]; /* JSON Pointer into the document; "" is the whole */
    char code[48];               /* "missing", "unknown-key", … (docs/validation.md) */
    char *detail;                /* a sentence */
    int line, column;            /* of broken JSON; 0 otherwise */
};

struct findings {
    struct finding *items;
    size_t count, capacity;
};
__attribute__((format(printf, 4, 5))) void findings_add(struct findings *f, const char *pointer,
                                                        const char *code, const char *fmt, ...);
/* [{pointer, code, detail, line?, column?}]; caller owns. */
json_t *findings_to_json(const struct findings *f);
void findings_done(struct findings *f);

/* What each code means and what to do: the rows of docs/validation.md. */
struct finding_code {
    const char *code, *meaning, *cure;
};
extern const struct finding_code finding_codes[]; /* ends with a row whose code is NULL */

/* The five places of a schedule in the file. */
enum schedule_kind {
    SCHEDULED_IMPORT,
    SCHEDULED_FULL,
    SCHEDULED_UPDATE,
    SCHEDULED_BATCH_INFERENCE,
    SCHEDULED_BATCH_SEGMENT
};
enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_CANCEL_OTHER, OVERLAP_ALLOW };
enum catch_up { CATCH_UP_LATEST, CATCH_UP_NONE, CATCH_UP_ALL };

struct file_schedule {
    enum schedule_kind kind;
    /* Stable path inside the config: "import", "solutions/up/full",
       "solutions/up/batchInferenceJobs/0". */
    const char *path;
    char pointer[POINTER_BYTES];
    const char *subject;    /* solution name; NULL for import */
    size_t component;       /* index of the batch job's component; SIZE_MAX otherwise */
    const char *expression; /* "cron(…)"; "delete" = no schedule */
    struct schedule_expression parsed;
    const char *time_zone;  /* NULL: UTC */
    int64_t start_s, end_s; /* 0: none */
    enum overlap overlap;
    enum catch_up catch_up;
    int64_t starting_deadline_s; /* 0: none */
    int64_t jitter_s;
    bool is_enabled;
    bool is_after_import; /* {"after": "import"} */
};

/* A schedule that stands by itself: the members a schedule object of the file may have, with the
 * same rules. *out borrows texts of members. False: problems says why (pointers from the object).
 */
bool file_schedule_parse(const json_t *members, struct file_schedule *out,
                         struct findings *problems);

enum adopt_policy { ADOPT_AUTO, ADOPT_NEVER, ADOPT_TAKEOVER };

/* One resource the file asks for. */
struct component {
    enum kind_id kind;
    /* The user's name; of per-run kinds the slot's: "INTERACTIONS", the solution's name,
       "<solution>/0". */
    const char *name;
    const char *key;             /* unique in the server: "campaign/shop-home" */
    char pointer[POINTER_BYTES]; /* of its service-config in the document */
    size_t parent;               /* what it hangs under: group, dataset, solution, version;
                                    SIZE_MAX: nothing (a group, a schema) */
    /* The request's members the user gave or that have defaults, verbatim; without tags and
       without what the engine adds (references to parents, roles, places, generated names). */
    json_t *service;
    json_t *tags;             /* effective list of {tagKey, tagValue}; may be empty */
    const char *dataset_type; /* "INTERACTIONS" …; NULL for others */
    int64_t max_age_s;        /* 0: none */
    enum adopt_policy adopt;
    bool is_observed_only; /* manage: "observe" */
    bool is_destroy_prevented;
    bool is_blue_green;
    json_t *ignore_fields; /* list of member names; may be NULL */
    json_t *workflow; /* its workflow-config as given (promotion, source, check …); may be NULL */
};

struct parameter_file {
    json_t *document;   /* as given */
    json_t *effective;  /* the same with defaults and inherited tags */
    const char *name;   /* of the dataset group = of the config; NULL when it could not be found */
    const char *domain; /* NULL: custom */
    struct component *components;
    size_t n_components;
    struct file_schedule *schedules;
    size_t n_schedules;
    json_t *deployment; /* the root key, or NULL */
    json_t *guards;     /* the root key, or NULL */
    struct findings errors, warnings;
    struct arena *arena; /* owns the texts */
};

/* Parses and checks text. Always fills *out (free with parameter_file_done); the file is valid when
   out->errors.count == 0. */
void parameter_file_parse(const char *text, size_t n, struct parameter_file *out);
/* The same from a parsed document (takes a reference). */
void parameter_file_load(json_t *document, struct parameter_file *out);
void parameter_file_done(struct parameter_file *f);
/* JSON Schema (2020-12) of the file, generated from the same tables; caller owns. */
json_t *parameter_file_schema(void);

#endif
