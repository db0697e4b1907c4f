/*
 * config_rows.h - what a parameter file becomes in the tables: its resources and schedules.
 *
 * Pure but for the time zones that a schedule names; allocates JSON only.
 */
#ifndef STEWARD_CONFIG_ROWS_H
#define STEWARD_CONFIG_ROWS_H

#include <jansson.h>

#include "steward/parameter_file.h"

/* [{key, kind, name, desired, is_protected}]; caller owns. */
json_t *config_rows_resources(const struct parameter_file *f);
/* A schedule of the file as schedules_store_write() takes it, its next fire after now; caller owns.
 */
json_t *config_rows_schedule(const struct file_schedule *s, const char *id, int64_t now_s);
/* The same for one that stands by itself: what it says, without its place and what it starts. */
json_t *config_rows_schedule_spec(const struct file_schedule *s, const char *id, int64_t now_s);
/* Whether it is one: "delete" is none. */
bool config_rows_is_schedule(const struct file_schedule *s);
/* For the event of a new version: schedulesCreated and schedulesDeleted, when there are any. known:
 * {path: …} of those the config has. */
void config_rows_tell_schedules(const struct parameter_file *f, const json_t *known, json_t *data);

#endif
