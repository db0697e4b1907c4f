/*
 * row.c - columns by name. A column that the statement does not have is a programming error.
 */
#include "row.h"

#include <assert.h>
#include <stdlib.h>

const char *row_text(struct row r, const char *column)
{
    int at = PQfnumber(r.result, column);

    assert(at >= 0);
    return PQgetisnull(r.result, r.at, at) ? NULL : PQgetvalue(r.result, r.at, at);
}

const char *row_keep(struct row r, const char *column, struct arena *arena)
{
    const char *text = row_text(r, column);

    return text ? arena_strdup(arena, text) : NULL;
}

int64_t row_int(struct row r, const char *column)
{
    const char *text = row_text(r, column);

    return text ? strtoll(text, NULL, 10) : 0;
}

bool row_bool(struct row r, const char *column)
{
    const char *text = row_text(r, column);

    return text && text[0] == 't';
}

json_t *row_json(struct row r, const char *column)
{
    const char *text = row_text(r, column);

    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}
