/*
 * config_write.h - one change of a config on its way into the database. Private to the floor.
 */
#ifndef STEWARD_CONFIG_WRITE_H
#define STEWARD_CONFIG_WRITE_H

#include "api_private.h"
#include "steward/plan.h"
#include "steward/schedules_store.h"

struct config_change {
    struct parameter_file file;
    struct plan plan;
    json_t *warnings;
    const char *message, *revision, *url; /* why, from which commit, where; NULL: not said */
    const char *event;                    /* NULL: config.created or config.updated */
    const char *resource_keys;
    const char *schedules, *schedule_paths;
    const char *old_version;  /* NULL: the config is new */
    int64_t version;          /* afterwards */
    char sha256[HEX_SHA256];  /* of the canonical document */
    const char *base_version; /* the document was made of this one; NULL: of none */
    phase_fn restart;         /* makes it again of the newest */
    bool is_same;             /* the document is the current one: no new version */
    bool has_run;
    bool is_run_forced; /* a run even when the config is synced */
    bool is_bound;      /* refused when the config is not at bound_version; NULL: must not exist */
    const char *bound_version;
    /* Statements that go along, after the run's; NULL: none. */
    size_t (*extra)(struct call *c, const struct config_change *w, struct db_op *ops);
    const char *run_id;
};

/* In the call's state; freed with it. */
struct config_change *config_change_new(struct call *c);
/* The same for one that is the first member of a larger state, all zero. */
void config_change_init(struct call *c, struct config_change *w);
/* Empties file, plan and warnings before they are made again. */
void config_change_reset(struct config_change *w);
/* Fills file from the body; answers 400 or 422 and returns false when it is not good. */
bool config_change_parse(struct call *c, struct config_change *w);
/* From a good file to the answer. */
void config_change_begin(struct call *c, struct config_change *w);

/* The keys of the file's resources as a text array literal. */
const char *config_resource_keys(struct call *c, const struct parameter_file *f);

/* ---- config_schedules.c ---- */
/* Fills schedules and schedule_paths; op: rows (path, id) of those the config has. */
void config_schedule_rows(struct call *c, struct config_change *w, size_t op, int64_t now_s);
/* The steps of a plan for people: [{kind, name, verb, resourceKey, pointer, needs}]; caller owns.
 */
json_t *config_plan_json(const struct plan *plan);

#endif
