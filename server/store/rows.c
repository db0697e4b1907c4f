/*
 * rows.c - the one place where the API's rows meet PGresult.
 */
#include "steward/rows.h"

#include <assert.h>
#include <stdlib.h>

#include "steward/str.h"

size_t rows_count(const struct db_reply *reply, size_t op)
{
    size_t n;

    assert(op < reply->n_results);
    n = (size_t) PQntuples(reply->results[op]);
    return n < reply->rows_max ? n : reply->rows_max;
}

const char *rows_text(const struct db_reply *reply, size_t op, size_t row, int column)
{
    int at = (int) (reply->first_row + row);

    if (row >= rows_count(reply, op) || PQgetisnull(reply->results[op], at, column))
        return NULL;
    return PQgetvalue(reply->results[op], at, column);
}

size_t rows_length(const struct db_reply *reply, size_t op, size_t row, int column)
{
    if (row >= rows_count(reply, op))
        return 0;
    return (size_t) PQgetlength(reply->results[op], (int) (reply->first_row + row), column);
}

int64_t rows_int(const struct db_reply *reply, size_t op, size_t row, int column, int64_t fallback)
{
    const char *text = rows_text(reply, op, row, column);
    int64_t value;

    return text && str_to_i64(text, INT64_MIN, INT64_MAX, &value) ? value : fallback;
}

bool rows_bool(const struct db_reply *reply, size_t op, size_t row, int column)
{
    return str_eq(rows_text(reply, op, row, column), "t");
}
