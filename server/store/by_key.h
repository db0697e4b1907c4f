/*
 * by_key.h - a first statement for transactions that find every row by its key or in an index's
 * order.
 *
 * The planner takes a list given as JSON for a hundred rows and a table for what it was when it was
 * last counted. A plan made while the tables were small reads them whole, and stays as long as the
 * session: a worker that began on an empty database would go through all steps for each checkpoint.
 */
#ifndef STEWARD_STORE_BY_KEY_H
#define STEWARD_STORE_BY_KEY_H

#include "steward/db.h"

/* Until the end of the transaction. */
extern const struct db_stmt store_by_key;

#endif
