/*
 * row.h - reading columns of a PGresult by name; private to the store.
 */
#ifndef STEWARD_STORE_ROW_H
#define STEWARD_STORE_ROW_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "steward/mem.h"

struct row {
    const PGresult *result;
    int at;
};

const char *row_text(struct row r,
                     const char *column); /* NULL when NULL; borrowed from the result */
const char *row_keep(struct row r, const char *column,
                     struct arena *arena);         /* copy; NULL when NULL */
int64_t row_int(struct row r, const char *column); /* 0 when NULL */
bool row_bool(struct row r, const char *column);
json_t *row_json(struct row r, const char *column); /* caller owns; NULL when NULL or not JSON */

#endif
