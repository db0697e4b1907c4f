/*
 * config_left.h - what left a config's file and still lives: read, planned, warned of. Private to
 * the floor.
 */
#ifndef STEWARD_CONFIG_LEFT_H
#define STEWARD_CONFIG_LEFT_H

#include "api_private.h"
#include "steward/plan_leftover.h"

/* The statement whose rows the functions below read from the reply's op. */
void config_left_read(struct call *c, const struct parameter_file *f, struct db_op *op);
/* Adds a step for each to the plan; answers and returns false when one is protected. */
bool config_left_plan(struct call *c, size_t op, struct plan *plan, enum leftover_use use);
/* One warning for each that goes on living. */
void config_left_warn(const struct call *c, size_t op, json_t *warnings);

#endif
