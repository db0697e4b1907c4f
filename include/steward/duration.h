/*
 * duration.h - how long: free English or ISO 8601 text to whole seconds.
 *
 * Pure. Months and years are calendar ones counted from 0001-01-01 and applied in the order of the
 * text, as the AWS solution's maxAge has them: "1 month" is 31 days, "2 months" 59, "1 year" 365
 * days.
 */
#ifndef STEWARD_DURATION_H
#define STEWARD_DURATION_H

#include <stdint.h>

#include "steward/err.h"

/*
 * "1 day", "two days", "0.5 days", "1 hour 30 minutes", "1 hour, 30 minutes", "30m", "in 2 hours",
 * "a week"; or ISO 8601 "P1D", "PT1H30M", "P1Y2M", "P2W". The result is at least one second.
 * ERR_INVALID names the text, the place and the cure.
 */
MUST_USE enum err_code duration_parse(const char *text, int64_t *seconds, struct err *e);

#endif
