/*
 * quotas_store.h - what is used of Amazon's quotas, as far as the inventory and the steps know.
 */
#ifndef STEWARD_QUOTAS_STORE_H
#define STEWARD_QUOTAS_STORE_H

#include "steward/db.h"

#define QUOTAS_STORE_OPS 2
/*
 * Op 0: rows (kind, how many stand in the account, the config that has most of them, how many it
 * has). Op 1: rows (kind, how many are in progress, how many steps wait in line for one).
 */
void quotas_store_used(struct db_op ops[QUOTAS_STORE_OPS]);

#endif
