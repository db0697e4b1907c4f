/*
 * schedule_fields.h - the calendar of a cron() in local time, as seconds of a wall clock. Private
 * to server/domain.
 *
 * Local times are counted as if they were UTC; which instants they are is schedule.c's business.
 */
#ifndef STEWARD_SCHEDULE_FIELDS_H
#define STEWARD_SCHEDULE_FIELDS_H

#include "steward/schedule.h"

/* The first local time at or after / the last one at or before, that the fields name; false when
 * there is none. */
bool schedule_fields_next(const struct schedule_expression *x, int64_t local, int64_t *out);
bool schedule_fields_prev(const struct schedule_expression *x, int64_t local, int64_t *out);
/* How many named local times lie in [from, to). */
int64_t schedule_fields_count(const struct schedule_expression *x, int64_t from, int64_t to);
/* The days of a month that the fields name, bit 1..31. */
uint32_t schedule_fields_days(const struct schedule_expression *x, int64_t year, int month);

#endif
