/*
 * plan_retire.h - the last step of a blue-green replacement: what was replaced is deleted.
 */
#ifndef STEWARD_PLAN_RETIRE_H
#define STEWARD_PLAN_RETIRE_H

#include "steward/plan.h"

/* Adds a step for each solution with onImmutableChange "blueGreen" that this run works on, after
 * its campaigns and batch jobs. p->steps has room for one step more per component. */
void plan_retirements(struct plan *p, const struct parameter_file *f, enum run_kind kind,
                      const json_t *options);

#endif
