/*
 * job_import.c - a dataset import: CSV from S3, checked against the schema, kept as a file of the
 * dataset.
 *
 * FULL replaces the files of earlier imports (streamed data stays); INCREMENTAL adds one, whose
 * rows win over older rows with the same keys when the data is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "avro.h"
#include "csv.h"
#include "place.h"
#include "rules.h"
#include "s3.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "work.h"

#define ID_CHARACTERS_MAX    256
#define VALUE_CHARACTERS_MAX 1000
#define TEXT_CHARACTERS_MAX  20000
#define FLUSH_BYTES          ((size_t) 1 << 20)
#define COLUMNS_MAX          128

void import_prepare(struct sim *s, const struct resource *r, json_t *spec)
{
    const struct resource *dataset = world_find(&s->world, resource_text(r, "datasetArn"));
    const struct resource *schema =
        dataset ? world_find(&s->world, resource_text(dataset, "schemaArn")) : NULL;
    const char *location = json_text(json_object_get(r->body, "dataSource"), "dataLocation");
    struct s3_place place;

    json_object_set_new(spec, "location", json_string(location));
    json_object_set_new(spec, "dataset",
                        dataset ? json_string(resource_text(dataset, "datasetType")) : json_null());
    if (schema)
        json_object_set_new(spec, "avro", json_deep_copy(json_object_get(schema->hidden, "avro")));
    json_object_set_new(spec, "mode", json_string(resource_text(r, "importMode")));
    json_object_set_new(spec, "minimum", json_integer(s->quotas[QUOTA_MIN_IMPORT_INTERACTIONS]));
    json_object_set_new(spec, "isOpen",
                        json_boolean(s3_place_parse(location, &place) &&
                                     role_opens(s, resource_text(r, "roleArn"), place.bucket)));
}

/* Where the columns of a CSV file go. */
struct columns {
    const json_t *fields;       /* of the schema */
    size_t source[COLUMNS_MAX]; /* per field: column of the file */
    size_t count, in_file;
};

struct import {
    struct job *j;
    struct columns columns;
    struct buf out;
    int fd;
    size_t rows;
    const char *key; /* object being read */
};

static bool map_columns(struct import *x, const struct csv_reader *header)
{
    AUTO_BUF struct buf missing = { 0 };
    struct columns *c = &x->columns;

    c->in_file = header->count;
    c->count = json_array_size(c->fields);
    for (size_t i = 0; i < c->count; i++) {
        const char *name = json_text(json_array_get(c->fields, i), "name");

        c->source[i] = SIZE_MAX;
        for (size_t k = 0; k < header->count; k++)
            if (str_eq(header->fields[k].text, name))
                c->source[i] = k;
        if (c->source[i] == SIZE_MAX)
            buf_printf(&missing, "%s%s", missing.length ? ", " : "", name);
    }
    return missing.length == 0 ||
           job_fail(x->j, "Input CSV is missing the following columns: [%s].", missing.data);
}

static bool is_integer(const char *text, int64_t min, int64_t max)
{
    int64_t ignored;

    return str_to_i64(*text == '+' ? text + 1 : text, min, max, &ignored);
}

static bool is_decimal(const char *text)
{
    char *end;

    (void) strtod(text, &end);
    return *text && end != text && *end == '\0';
}

static bool fits_type(const char *type, const char *text)
{
    if (str_eq(type, "string"))
        return true;
    if (str_eq(type, "long"))
        return is_integer(text, INT64_MIN, INT64_MAX);
    if (str_eq(type, "int"))
        return is_integer(text, INT32_MIN, INT32_MAX);
    if (str_eq(type, "boolean"))
        return strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0;
    return is_decimal(text);
}

static size_t characters_max(const json_t *field)
{
    const char *name = json_text(field, "name");

    if (str_ends(name, "_ID"))
        return ID_CHARACTERS_MAX;
    return json_bool_or(field, "isTextual", false) ? TEXT_CHARACTERS_MAX : VALUE_CHARACTERS_MAX;
}

static bool check_value(struct import *x, const json_t *field, const struct csv_field *value,
                        size_t row)
{
    const char *name = json_text(field, "name"), *type = json_text(field, "type");

    if (value->n == 0)
        return json_bool_or(field, "isNullable", false) ||
               job_fail(x->j,
                        "The column %s is empty in row %zu of %.100s but its type is not nullable.",
                        name, row, x->key);
    if (!str_is_utf8(value->text, value->n))
        return job_fail(x->j, "The column %s in row %zu of %.100s is not valid UTF-8.", name, row,
                        x->key);
    if (!fits_type(type, value->text))
        return job_fail(x->j,
                        "The value \"%.60s\" of column %s in row %zu of %.100s is not of type %s.",
                        value->text, name, row, x->key, type);
    if (str_eq(type, "string") && value->n > characters_max(field) &&
        str_utf8_length(value->text) > characters_max(field))
        return job_fail(
            x->j, "The value of column %s in row %zu of %.100s is longer than %zu characters.",
            name, row, x->key, characters_max(field));
    return true;
}

static bool flush(struct import *x)
{
    for (size_t done = 0; done < x->out.length;) {
        ssize_t k = write(x->fd, x->out.data + done, x->out.length - done);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return job_fail(x->j, "The data could not be stored: %s.", strerror(errno));
        done += (size_t) k;
    }
    buf_clear(&x->out);
    return true;
}

static bool take_row(struct import *x, const struct csv_reader *r)
{
    const struct columns *c = &x->columns;

    if (r->count != c->in_file)
        return job_fail(x->j, "Row %zu of %.100s has %zu columns, but the header has %zu.", r->row,
                        x->key, r->count, c->in_file);
    for (size_t i = 0; i < c->count; i++) {
        const struct csv_field *value = &r->fields[c->source[i]];

        if (!check_value(x, json_array_get(c->fields, i), value, r->row))
            return false;
        csv_write(&x->out, value->text, i == 0);
    }
    buf_addc(&x->out, '\n');
    x->rows++;
    return x->out.length < FLUSH_BYTES || flush(x);
}

static bool read_csv(struct import *x, const char *data, size_t n)
{
    struct csv_reader r;
    bool ok;

    csv_init(&r, data, n);
    ok = csv_next(&r) ? map_columns(x, &r) : job_fail(x->j, "The file %.200s is empty.", x->key);
    while (ok && csv_next(&r))
        ok = take_row(x, &r);
    csv_done(&r);
    return ok;
}

static bool read_object(struct import *x, const struct s3_location *at)
{
    struct s3_opened o;
    struct err e;
    void *data;
    bool ok;

    x->key = at->key;
    if (s3_object_open(x->j->s3, at, &o, &e))
        return job_fail(x->j, NO_PRIVILEGES);
    if (o.stat.size == 0) {
        (void) close(o.fd);
        return job_fail(x->j, "The file %.200s is empty.", at->key);
    }
    data = mmap(NULL, o.stat.size, PROT_READ, MAP_PRIVATE, o.fd, 0);
    (void) close(o.fd);
    if (data == MAP_FAILED)
        return job_fail(x->j, "The file %.200s cannot be read: %s.", at->key, strerror(errno));
    ok = read_csv(x, data, o.stat.size);
    (void) munmap(data, o.stat.size);
    return ok;
}

/* Every object of a folder, or the one object. */
static bool read_objects(struct import *x, const struct s3_place *place)
{
    AUTO_FREE char *folder =
        xasprintf("%s%s", place->key, !*place->key || str_ends(place->key, "/") ? "" : "/");
    const struct s3_query query = { .bucket = place->bucket, .prefix = folder };
    const struct s3_location one = { place->bucket, place->key };
    struct s3_list list = { 0 };
    struct s3_stat stat;
    struct err e;
    size_t taken = 0;
    bool ok = true;

    if (*place->key && !str_ends(place->key, "/") && !s3_object_stat(x->j->s3, &one, &stat, &e))
        return read_object(x, &one);
    if (s3_list(x->j->s3, &query, &list, &e))
        return job_fail(x->j, NO_PRIVILEGES);
    for (size_t i = 0; ok && i < list.count; i++) {
        const struct s3_location at = { place->bucket, list.entries[i].key };

        if (str_ends(at.key, "/") || list.entries[i].stat.size == 0)
            continue;
        taken++;
        ok = read_object(x, &at);
    }
    s3_list_done(&list);
    if (ok && taken == 0)
        return job_fail(x->j, NO_PRIVILEGES);
    return ok;
}

static bool write_header(struct import *x)
{
    for (size_t i = 0; i < json_array_size(x->columns.fields); i++)
        csv_write(&x->out, json_text(json_array_get(x->columns.fields, i), "name"), i == 0);
    buf_addc(&x->out, '\n');
    return true;
}

static bool check_count(struct import *x)
{
    const char *type = json_text(x->j->spec, "dataset");
    int64_t minimum = json_int_or(x->j->spec, "minimum", 0);

    if (!str_eq(type, "INTERACTIONS") || !str_eq(json_text(x->j->spec, "mode"), "FULL") ||
        (int64_t) x->rows >= minimum)
        return true;
    return job_fail(
        x->j, "The Interactions dataset needs at least %lld interactions; the import has %zu.",
        (long long) minimum, x->rows);
}

bool import_run(struct job *j)
{
    struct import x = { .j = j, .fd = -1 };
    struct s3_place place;
    char id[UUID_BYTES];
    AUTO_FREE char *name = NULL, *path = NULL;
    bool ok;

    x.columns.fields = json_object_get(json_object_get(j->spec, "avro"), "fields");
    if (!x.columns.fields || json_array_size(x.columns.fields) > COLUMNS_MAX)
        return job_fail(j, "The dataset or its schema no longer exists.");
    if (!json_bool_or(j->spec, "isOpen", false) ||
        !s3_place_parse(json_text(j->spec, "location"), &place))
        return job_fail(j, NO_PRIVILEGES);
    uuid_new(id);
    name = xasprintf("data/%s.csv", id);
    path = xasprintf("%s/%s", j->data_dir, name);
    x.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (x.fd < 0)
        return job_fail(j, "The data could not be stored: %s.", strerror(errno));
    ok = write_header(&x) && read_objects(&x, &place) && check_count(&x) && flush(&x);
    (void) close(x.fd);
    buf_done(&x.out);
    if (!ok)
        (void) unlink(path);
    json_object_set_new(j->result, "file", json_string(name));
    json_object_set_new(j->result, "rows", json_integer((json_int_t) x.rows));
    return ok;
}

void import_finish(struct sim *s, struct resource *r, const struct job *j)
{
    struct resource *dataset =
        world_find_kind(&s->world, resource_text(r, "datasetArn"), SIM_DATASET);
    const char *file = json_text(j->result, "file");
    json_t *files;

    if (!dataset)
        return;
    files = json_object_get(dataset->hidden, "files");
    if (!files || str_eq(resource_text(r, "importMode"), "FULL")) {
        /* The old files are read by trainings in progress perhaps: they stay until a reset. */
        files = json_array();
        resource_hide(dataset, "files", files);
    }
    json_array_append_new(files, json_string(file));
    /* After a jump of the clock the job ends when it was due, not where the jump went. */
    resource_hide(dataset, "dataChanged",
                  json_integer(s->clock.jump_to_ms > r->due_ms ? r->due_ms : sim_now_ms(s)));
    world_touch(&s->world, dataset);
}
