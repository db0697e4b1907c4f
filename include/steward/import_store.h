/*
 * import_store.h - configs that are made of what an import read.
 */
#ifndef STEWARD_IMPORT_STORE_H
#define STEWARD_IMPORT_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "steward/db.h"
#include "steward/mem.h"

/* An import that has read everything and is not settled: neither stored nor refused. */
struct import_pending {
    const char *run_id, *step_id, *created_by, *options, *document;
    int64_t now_s;
};
struct import_list {
    struct import_pending *items; /* in the arena */
    size_t count;
};
/* run_id: only this one; NULL: all, at most 5. */
MUST_USE enum err_code import_store_pending(struct db_conn *c, const char *run_id,
                                            struct arena *arena, struct import_list *out,
                                            struct err *e);
/* Whether the config exists, and the first of its resources that another config owns. */
struct import_owner {
    bool exists;
    const char *key, *config; /* NULL: none; in the arena */
};
/* keys: of its resources, a text array literal. */
MUST_USE enum err_code import_store_owner(struct db_conn *c, const char *name, const char *keys,
                                          struct arena *arena, struct import_owner *out,
                                          struct err *e);
/* Writes down what became of it, {"stored": true} or {"refused": {…}}, into the step's details.
 * Raises ST001 when that was settled meanwhile. */
void import_store_settle(const char *step_id, const char *outcome, struct db_op *op);
/* After the config was written: its status, its run, and its schedules paused. Returns how many
 * ops (3). */
size_t import_store_take_over(const char *config, const char *run_id, struct db_op *ops);

#endif
