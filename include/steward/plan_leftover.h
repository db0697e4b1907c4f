/*
 * plan_leftover.h - what left the file and still lives.
 *
 * It is deleted only when asked for (prune), children first, and never when the last version that
 * had it said preventDestroy. A plan looks at it and says what becomes of it.
 */
#ifndef STEWARD_PLAN_LEFTOVER_H
#define STEWARD_PLAN_LEFTOVER_H

#include "steward/plan.h"

struct plan_leftover {
    enum kind_id kind;
    const char *key, *name; /* copied */
    bool is_protected;
};

enum leftover_use {
    LEFTOVER_DELETE,  /* steps that delete: ERR_CONFLICT when one is protected */
    LEFTOVER_DESTROY, /* the same, before those of a destruction */
    LEFTOVER_RELEASE, /* steps that take our mark off */
    LEFTOVER_PRUNE,   /* steps that look, for a plan of a prune */
    LEFTOVER_KEEP     /* steps that look, for a plan without */
};

/* Adds a step for each to a plan that plan_build() made; those of a destruction come first. */
MUST_USE enum err_code plan_add_leftovers(struct plan *p, const struct plan_leftover *list,
                                          size_t n, enum leftover_use use, struct err *e);

/* What an observe step saw of a leftover, as a plan's line says it: action and reason (static). */
void plan_leftover_judge(const json_t *observation, const char **action, const char **reason);

/* Which kinds must be gone before a kind can be deleted. */
bool plan_is_below(enum kind_id kind, enum kind_id earlier);

#endif
