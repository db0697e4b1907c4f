/*
 * plan_internal.h - what the files of the plan share. Private to server/domain.
 */
#ifndef STEWARD_DOMAIN_PLAN_INTERNAL_H
#define STEWARD_DOMAIN_PLAN_INTERNAL_H

#include "steward/plan.h"

struct builder {
    const struct parameter_file *file;
    const struct plan_settings *settings;
    enum run_kind kind;
    const json_t *options;
    struct plan *plan;
    size_t *step_of; /* component -> step, SIZE_MAX: none */
};

/* A setting of the file's deployment (own before key), or the server's. */
const char *plan_setting(const struct builder *b, const char *own, const char *key,
                         const char *fallback);
/* ERR_INVALID names the option that is missing. */
MUST_USE enum err_code plan_need_setting(const char *value, const char *option, const char *what,
                                         struct err *e);
/* A step of a component, without references and dependencies. */
struct plan_step *plan_add_step(struct builder *b, const struct component *c);

/* ---- plan_pick.c ---- */
/* The solution a component belongs to, or NULL. */
const char *plan_solution_of(const struct parameter_file *f, const struct component *c);
/* Whether a list of names has the dataset type of the component. */
bool plan_names_type(const json_t *list, const struct component *c);
/* Whether the run takes the component up. */
bool plan_wants(const struct builder *b, const struct component *c);
/* ERR_INVALID when the options name what the file does not have. */
MUST_USE enum err_code plan_check_names(const struct builder *b, struct err *e);

/* ---- plan_approval.c ---- */
/* Adds the question to a campaign, the last step, where its solution's workflowConfig asks. */
void plan_approval(struct builder *b, const struct component *c, const json_t *solution_workflow);

/* ---- plan_data.c ---- */
/* Whether the kind of run works on the data itself and not on components of the file. */
bool plan_is_of_data(enum run_kind kind);
MUST_USE enum err_code plan_build_data(struct builder *b, struct err *e);

#endif
