/*
 * plan_lines.h - from what an observe run saw to what an apply would do, for people and machines.
 *
 * Pure; allocates JSON only.
 */
#ifndef STEWARD_PLAN_LINES_H
#define STEWARD_PLAN_LINES_H

#include <jansson.h>
#include <stdbool.h>

#include "steward/str.h"

/*
 * steps: the steps of a finished observe run as the API shows them, in order. {"changes": bool,
 * "summary": {action: count}, "lines": [{"ordinal", "action", "kind", "name", "resourceKey",
 * "pointer", "reason", "arn", "fields": [{"field", "before", "after", "inPlace"}]}]}; action is
 * create, updateInPlace, replace, job, adopt, noop or blocked. Caller owns.
 */
json_t *plan_lines_of(const json_t *steps);

/* Counts "summary" and "changes" anew after lines were changed. */
void plan_lines_count(json_t *plan);

/* The plan as a terminal shows it, or as Markdown for a pull request. title: "config shop". */
void plan_lines_text(const json_t *plan, const char *title, struct buf *out);
void plan_lines_markdown(const json_t *plan, const char *title, struct buf *out);

#endif
