/*
 * csv.h - CSV as the service reads it: a header row, comma, '"' quotes with '\' or doubled-quote
 * escapes. Pure.
 */
#ifndef SIMULATOR_CSV_H
#define SIMULATOR_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "steward/str.h"

struct csv_field {
    const char *text; /* in the reader's buffer, NUL-terminated; valid until the next row */
    size_t n;
};

struct csv_reader {
    const char *p, *end;
    size_t row; /* of the last row read, from 1 */
    struct buf text;
    struct csv_field *fields;
    size_t count, capacity;
};

void csv_init(struct csv_reader *r, const char *data, size_t n); /* skips a byte order mark */
/* The next row that is not blank; false at the end. */
bool csv_next(struct csv_reader *r);
void csv_done(struct csv_reader *r);
/* Writes a field, quoted when it has to be. */
void csv_write(struct buf *out, const char *text, bool is_first);

#endif
