/*
 * data.h - reading the rows of a dataset: the files of its imports, oldest first, then what was
 * streamed.
 *
 * A dataset is described by {"files": ["data/x.csv", …], "stream": "data/y.jsonl", "avro": {…}}
 * (work.h, group_data). Later rows win over earlier ones with the same key; that is up to the
 * reader, who knows the keys. Any thread.
 */
#ifndef SIMULATOR_DATA_H
#define SIMULATOR_DATA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "steward/err.h"

struct data_query {
    const char *const *columns; /* wanted, in this order */
    size_t n_columns;
    bool skips_imports, skips_stream;
    /* One row; an absent value is "". False stops the reading. */
    bool (*row)(void *context, const char *const *values);
    void *context;
};

/* dataset NULL: no rows. ERR_UNAVAILABLE when a file cannot be read. */
MUST_USE enum err_code data_read(const char *data_dir, const json_t *dataset,
                                 const struct data_query *query, struct err *e);
/* Appends rows to a dataset's stream file, in one write. */
MUST_USE enum err_code data_append(const char *data_dir, const char *stream, const json_t *rows,
                                   struct err *e);

#endif
