/*
 * json_patch.h - JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396) over jansson.
 */
#ifndef STEWARD_JSON_PATCH_H
#define STEWARD_JSON_PATCH_H

#include <jansson.h>
#include <stddef.h>

#include "steward/err.h"

#define JSON_PATCH_OPS_MAX 1000

/* Why a patch did not go through: which operation, which of its members, and in words. */
struct json_patch_trouble {
    size_t operation;
    const char *member; /* "op", "path", "from", "value"; "": the operation as a whole */
    bool is_test;       /* a "test" that did not hold: the document is not what the patch expects */
    char detail[240];
};

/*
 * Applies the operations in their order to *document, which may be replaced as a whole. All or
 * nothing is the caller's: after a failure *document is half changed and has to be thrown away.
 * False: *trouble says what is wrong.
 */
MUST_USE bool json_patch_apply(json_t **document, const json_t *patch,
                               struct json_patch_trouble *trouble);

/* Merges patch into target, both objects: null removes, objects merge, everything else replaces. */
void json_merge_patch(json_t *target, const json_t *patch);

#endif
