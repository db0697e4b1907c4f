/*
 * config_diff.h - what changed between versions of a config. Private to the floor.
 */
#ifndef STEWARD_CONFIG_DIFF_H
#define STEWARD_CONFIG_DIFF_H

#include "api_private.h"

/* Answers the difference between the version ?diff= and the one of the path. */
void config_diff_begin(struct call *c, bool is_effective);
/* From a stored document's text to a new one; NULL when there was none. Caller owns. */
json_t *config_diff_of(const char *before, const json_t *after);

#endif
