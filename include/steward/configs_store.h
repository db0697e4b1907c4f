/*
 * configs_store.h - desired state: configs, their versions and the resources they own.
 *
 * Functions fill statements; texts are borrowed until they were submitted.
 */
#ifndef STEWARD_CONFIGS_STORE_H
#define STEWARD_CONFIGS_STORE_H

#include <jansson.h>

#include "steward/db.h"
#include "steward/mem.h"

/* One row: (json with the document, version). is_effective: the document with defaults and
 * inherited tags filled in. */
void configs_store_read(const char *name, bool is_effective, struct db_op *op);
/* Rows (name, json without the document) in order of name after the given one. */
void configs_store_page(const char *after_name, const char *limit, struct db_op *op);
/* Rows (version, json without the document), newest first, older than before_version (NULL: all).
 */
void configs_store_versions(const char *name, const char *before_version, const char *limit,
                            struct db_op *op);
/* One row: (json with the document). */
void configs_store_version(const char *name, const char *version, bool is_effective,
                           struct db_op *op);
/* Rows (key, json): what the config owns, in order of kind and name. */
void configs_store_resources(const char *name, const char *after_key, const char *limit,
                             struct db_op *op);
/* One row when the config exists: (name). */
void configs_store_exists(const char *name, struct db_op *op);
/* Rows (arn, json) of a solution's versions, newest first. */
struct versions_filter {
    const char *solution, *before, *limit;
    const char *updated_recipes; /* text array literal: of those Amazon updates the newest only */
};
void configs_store_solution_versions(const struct versions_filter *f, struct db_op *op);
/* One row when any config wants the solution: (key). */
void configs_store_solution_exists(const char *key, struct db_op *op);

/* ---- writing ---- */
/* One row when the config exists: (version, sha256, sync, state of its newest apply, document). */
void configs_store_current(const char *name, struct db_op *op);
/*
 * One row: (seconds now, database clock). Always comes.
 */
void configs_store_now(struct db_op *op);
/* Rows (key, owner): which of the wanted resources, keys as a text array literal, belong to another
 * config. */
void configs_store_foreign(const char *name, const char *keys, struct db_op *op);

/* Rows (key, kind, name, is_protected): what the config owns that is none of the keys (a text array
 * literal) and still lives. */
void configs_store_left(const char *name, const char *keys, struct db_op *op);

struct config_write {
    const char *name;
    const char *old_version; /* NULL: must not exist yet */
    const char
        *version; /* the version afterwards; equal to old_version: the document is unchanged */
    const char *document, *effective, *sha256;
    const char *message, *revision, *url, *created_by; /* NULL: none */
    const char *resources;     /* [{key, kind, name, desired, is_protected}] */
    const char *resource_keys; /* text array literal of the keys */
};
#define CONFIGS_STORE_WRITE_OPS 5
/* Fence, config, version, resources. Raises ST001 when the config moved or a resource was taken
 * meanwhile. */
size_t configs_store_write(const struct config_write *w, struct db_op *ops);
/* Raises ST001 when the config is not at this version; locks it. */
void configs_store_fence(const char *name, const char *version, struct db_op *op);
/* The answer of a config write: one row (json text) {config, run?, warnings}, also kept for
 * idempotency_store_keep(). */
void configs_store_answer(const char *name, const char *run_id, const char *warnings,
                          struct db_op *op);

#endif
