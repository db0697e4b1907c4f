/*
 * adopt_document.h - a parameter file from what exists in Amazon Personalize.
 *
 * Pure; allocates JSON only.
 */
#ifndef STEWARD_ADOPT_DOCUMENT_H
#define STEWARD_ADOPT_DOCUMENT_H

#include <jansson.h>

/*
 * found: {ARN: {"kind", "resource" (as described), "tags", "parent" (ARN, for what is listed under
 * another)}} of one dataset group. Importing the document and then planning shows no change. Caller
 * owns.
 */
json_t *adopt_document(const json_t *found);
/* Adds {"import": expression, "solutions": {name: {"full", "update"}}}; NULL: done, else the name
 * of a solution that the document does not have. */
const char *adopt_document_schedule(json_t *document, const json_t *schedules);

#endif
