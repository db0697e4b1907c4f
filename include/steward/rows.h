/*
 * rows.h - reading the rows of an answered submission without knowing PGresult.
 *
 * Everything is borrowed and valid only until the phase that got the reply returns.
 */
#ifndef STEWARD_ROWS_H
#define STEWARD_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/db.h"

/* Rows of the op-th statement of the submission. */
size_t rows_count(const struct db_reply *reply, size_t op);
/* NULL for SQL NULL and for a row that is not there. */
const char *rows_text(const struct db_reply *reply, size_t op, size_t row, int column);
/* Length in bytes of the text above. */
size_t rows_length(const struct db_reply *reply, size_t op, size_t row, int column);
int64_t rows_int(const struct db_reply *reply, size_t op, size_t row, int column, int64_t fallback);
bool rows_bool(const struct db_reply *reply, size_t op, size_t row, int column);

#endif
