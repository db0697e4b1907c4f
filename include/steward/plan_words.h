/*
 * plan_words.h - costs, quotas and rules of a plan in words: for a terminal and for a pull request.
 */
#ifndef STEWARD_PLAN_WORDS_H
#define STEWARD_PLAN_WORDS_H

#include <jansson.h>
#include <stdbool.h>

#include "steward/str.h"

/* " [1 of 5 campaigns]"; nothing when the line uses no quota. */
void plan_words_quota(const json_t *line, struct buf *out);
/* What a line costs and how that came about, as a line of text; nothing when it costs nothing. */
void plan_words_cost(const json_t *line, const char *indent, struct buf *out);
/* The sum in a sentence. */
void plan_words_total(const json_t *plan, bool is_markdown, struct buf *out);
/* What becomes of a saved plan, and that it was a rehearsal. */
void plan_words_foot(const json_t *plan, bool is_markdown, struct buf *out);
/* One row of the Markdown table: action, kind, name, why, fields, cost, quota. */
void plan_words_row(const json_t *line, struct buf *out);

#endif
