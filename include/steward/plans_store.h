/*
 * plans_store.h - what a plan needs of the database: facts of the inventory, and plans that are
 * kept.
 *
 * Functions fill statements; texts are borrowed until they were submitted.
 */
#ifndef STEWARD_PLANS_STORE_H
#define STEWARD_PLANS_STORE_H

#include "steward/db.h"

/* One row (json): the facts of struct plan_world but "foreign". keys: text array literal of the
 * plan's resource keys. */
void plans_store_facts(const char *config, const char *keys, struct db_op *op);

struct plan_new {
    const char *id;
    const char *config, *config_version; /* version NULL: there is no config */
    const char *document, *facts;
    const char *message, *revision, *url, *created_by; /* NULL: none */
    const char *run_id;
    bool is_prune;
};
/* Deletes plans whose day is over, and keeps this one. Returns how many ops (2). */
size_t plans_store_insert(const struct plan_new *p, struct db_op *ops);
/* One row: (json of the plan without lines, document, facts, config version or NULL, run id or
 * NULL, is expired, is applied, is prune). */
void plans_store_read(const char *id, struct db_op *op);
enum {
    PLAN_JSON,
    PLAN_DOCUMENT,
    PLAN_FACTS,
    PLAN_VERSION,
    PLAN_RUN,
    PLAN_EXPIRED,
    PLAN_APPLIED,
    PLAN_PRUNE
};
/* The json of it, as the answer of a write. */
void plans_store_answer(const char *id, struct db_op *op);
/* Raises ST001 when the plan was applied meanwhile. run_id: NULL when there was nothing to run. */
void plans_store_applied(const char *id, const char *run_id, struct db_op *op);

#endif
