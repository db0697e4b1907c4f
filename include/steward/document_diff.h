/*
 * document_diff.h - what changed between two parameter files.
 *
 * Pure; allocates JSON only.
 */
#ifndef STEWARD_DOCUMENT_DIFF_H
#define STEWARD_DOCUMENT_DIFF_H

#include <jansson.h>

#include "steward/str.h"

/*
 * [{"op": "add"|"remove"|"replace", "pointer", "before"?, "after"?}] in the order of the document.
 * pointer leads into the newer document, of what was removed into the older. Lists of named things
 * (solutions, campaigns, filters, tags) are compared by name, so that one more in front is one
 * change; order alone is none. Caller owns; never NULL.
 */
json_t *document_diff(const json_t *before, const json_t *after);
/* "+ pointer: value", "- …", "~ …: before -> after", a line each. */
void document_diff_text(const json_t *changes, struct buf *out);

#endif
