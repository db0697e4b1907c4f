/*
 * data.c - files of imports are CSV in the schema's order; the stream is one JSON object a line.
 */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "csv.h"
#include "steward/json.h"
#include "steward/mem.h"

static enum err_code read_rows(struct csv_reader *r, const struct data_query *q)
{
    AUTO_FREE size_t *at = xcalloc(q->n_columns, sizeof *at);
    AUTO_FREE const char **values = xcalloc(q->n_columns, sizeof *values);

    if (!csv_next(r))
        return OK;
    for (size_t i = 0; i < q->n_columns; i++) {
        at[i] = SIZE_MAX;
        for (size_t k = 0; k < r->count; k++)
            if (str_eq(r->fields[k].text, q->columns[i]))
                at[i] = k;
    }
    while (csv_next(r)) {
        for (size_t i = 0; i < q->n_columns; i++)
            values[i] = at[i] < r->count ? r->fields[at[i]].text : "";
        if (!q->row(q->context, values))
            break;
    }
    return OK;
}

static enum err_code read_file(const char *path, const struct data_query *q, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct csv_reader r;
    struct stat stat;
    void *data;

    if (fd < 0 || fstat(fd, &stat) != 0) {
        if (fd >= 0)
            (void) close(fd);
        return err_set(e, ERR_UNAVAILABLE, "Cannot read %s: %s.", path, strerror(errno));
    }
    data = stat.st_size ? mmap(NULL, (size_t) stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    (void) close(fd);
    if (data == MAP_FAILED)
        return err_set(e, ERR_UNAVAILABLE, "Cannot read %s: %s.", path, strerror(errno));
    if (!data)
        return OK;
    csv_init(&r, data, (size_t) stat.st_size);
    (void) read_rows(&r, q);
    csv_done(&r);
    (void) munmap(data, (size_t) stat.st_size);
    return OK;
}

static bool give_object(const json_t *row, const struct data_query *q)
{
    AUTO_FREE char **owned = xcalloc(q->n_columns, sizeof *owned);
    bool goes_on;

    for (size_t i = 0; i < q->n_columns; i++) {
        const json_t *value = json_object_get(row, q->columns[i]);

        owned[i] = json_is_string(value)           ? xstrdup(json_string_value(value))
                   : value && !json_is_null(value) ? json_compact(value)
                                                   : xstrdup("");
    }
    goes_on = q->row(q->context, (const char *const *) owned);
    for (size_t i = 0; i < q->n_columns; i++)
        free(owned[i]);
    return goes_on;
}

static void read_stream(const char *path, const struct data_query *q)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    bool goes_on = f != NULL; /* nothing streamed yet */

    while (goes_on && (n = getline(&line, &capacity, f)) > 0) {
        AUTO_JSON json_t *row = json_loadb(line, (size_t) n, 0, NULL);

        goes_on = !row || give_object(row, q);
    }
    free(line);
    if (f)
        (void) fclose(f);
}

enum err_code data_read(const char *data_dir, const json_t *dataset, const struct data_query *query,
                        struct err *e)
{
    const json_t *files = json_object_get(dataset, "files");
    const char *stream = json_text(dataset, "stream");

    for (size_t i = 0; !query->skips_imports && i < json_array_size(files); i++) {
        AUTO_FREE char *path =
            xasprintf("%s/%s", data_dir, json_string_value(json_array_get(files, i)));

        TRY(read_file(path, query, e));
    }
    if (stream && !query->skips_stream) {
        AUTO_FREE char *path = xasprintf("%s/%s", data_dir, stream);

        read_stream(path, query);
    }
    return OK;
}

enum err_code data_append(const char *data_dir, const char *stream, const json_t *rows,
                          struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s", data_dir, stream);
    AUTO_BUF struct buf lines = { 0 };
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ssize_t n;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        AUTO_FREE char *text = json_compact(json_array_get(rows, i));

        buf_printf(&lines, "%s\n", text);
    }
    n = fd < 0 ? -1 : write(fd, lines.data, lines.length);
    if (fd >= 0)
        (void) close(fd);
    if (n < 0 || (size_t) n != lines.length)
        return err_set(e, ERR_UNAVAILABLE, "Cannot write %s: %s.", path, strerror(errno));
    return OK;
}
