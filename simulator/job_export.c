/*
 * job_export.c - an export: the dataset's rows as CSV with a header in a folder of S3.
 */
#include <string.h>

#include "csv.h"
#include "data.h"
#include "place.h"
#include "rules.h"
#include "s3.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "work.h"

void export_prepare(struct sim *s, const struct resource *r, json_t *spec)
{
    const struct resource *dataset = world_find(&s->world, resource_text(r, "datasetArn"));
    const char *path = json_string_value(json_at(r->body, "/jobOutput/s3DataDestination/path"));
    struct s3_place place;

    if (dataset) {
        AUTO_JSON json_t *all = group_data(s, resource_group(dataset));

        json_object_set(spec, "data", json_object_get(all, resource_text(dataset, "datasetType")));
    }
    json_object_set_new(spec, "path", json_string(path));
    json_object_set_new(spec, "mode", json_string(resource_text(r, "ingestionMode")));
    json_object_set_new(spec, "name", json_string(resource_name(r)));
    json_object_set_new(spec, "isOpen",
                        json_boolean(s3_place_parse(path, &place) &&
                                     role_opens(s, resource_text(r, "roleArn"), place.bucket)));
}

struct export
{
    struct buf out;
    size_t n_columns;
};

static bool write_row(void *context, const char *const *values)
{
    struct export *x = context;

    for (size_t i = 0; i < x->n_columns; i++)
        csv_write(&x->out, values[i], i == 0);
    buf_addc(&x->out, '\n');
    return true;
}

static bool store(struct job *j, const struct s3_place *place, const struct export *x)
{
    AUTO_FREE char *key =
        xasprintf("%s%s%s/%s.csv", place->key, !*place->key || str_ends(place->key, "/") ? "" : "/",
                  json_text(j->spec, "name"), "part-00000");
    const struct s3_location at = { place->bucket, key };
    const struct s3_content content = { x->out.data, x->out.length, "text/csv" };
    struct err e;

    return s3_object_put(j->s3, &at, &content, &e) == OK || job_fail(j, NO_PRIVILEGES);
}

bool export_run(struct job *j)
{
    const json_t *fields = json_at(j->spec, "/data/avro/fields");
    const char *mode = json_text(j->spec, "mode");
    struct export x = { .n_columns = json_array_size(fields) };
    AUTO_FREE const char **columns = xcalloc(x.n_columns + 1, sizeof *columns);
    struct data_query query = { .columns = columns,
                                .n_columns = x.n_columns,
                                .row = write_row,
                                .context = &x,
                                .skips_imports = str_eq(mode, "PUT"),
                                .skips_stream = str_eq(mode, "BULK") };
    struct s3_place place;
    struct err e;
    bool ok;

    if (!fields)
        return job_fail(j, "The dataset no longer exists.");
    if (!json_bool_or(j->spec, "isOpen", false) ||
        !s3_place_parse(json_text(j->spec, "path"), &place))
        return job_fail(j, NO_PRIVILEGES);
    for (size_t i = 0; i < x.n_columns; i++)
        columns[i] = json_text(json_array_get(fields, i), "name");
    (void) write_row(&x, columns);
    ok = data_read(j->data_dir, json_object_get(j->spec, "data"), &query, &e) == OK ||
         job_fail(j, "%s", e.message);
    ok = ok && store(j, &place, &x);
    buf_done(&x.out);
    return ok;
}
