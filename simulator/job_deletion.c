/*
 * job_deletion.c - a data deletion: users named in a CSV leave the group's datasets.
 *
 * Each file of a dataset that names users is written anew without them; the dataset then points to
 * the new files.
 */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"
#include "data.h"
#include "place.h"
#include "rules.h"
#include "s3.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "work.h"

#define LIST_BYTES_MAX ((size_t) 50 << 20) /* the service's limit of the input */

void deletion_prepare(struct sim *s, const struct resource *r, json_t *spec)
{
    const char *location = json_text(json_object_get(r->body, "dataSource"), "dataLocation");
    struct s3_place place;

    json_object_set_new(spec, "data", group_data(s, resource_group(r)));
    json_object_set_new(spec, "location", json_string(location));
    json_object_set_new(spec, "isOpen",
                        json_boolean(s3_place_parse(location, &place) &&
                                     role_opens(s, resource_text(r, "roleArn"), place.bucket)));
}

static bool add_users(struct job *j, json_t *users, const struct s3_location *at)
{
    struct s3_blob blob = { .limit = LIST_BYTES_MAX };
    struct csv_reader r;
    size_t column = SIZE_MAX;
    struct err e;

    if (s3_object_read(j->s3, at, &blob, &e))
        return job_fail(j, NO_PRIVILEGES);
    csv_init(&r, blob.data, blob.n);
    if (csv_next(&r))
        for (size_t i = 0; i < r.count; i++)
            if (str_eq(r.fields[i].text, "USER_ID"))
                column = i;
    while (column != SIZE_MAX && csv_next(&r))
        if (column < r.count)
            json_object_set_new(users, r.fields[column].text, json_true());
    csv_done(&r);
    free(blob.data);
    return column != SIZE_MAX ||
           job_fail(j, "Input CSV is missing the following columns: [USER_ID].");
}

static bool read_users(struct job *j, json_t *users)
{
    struct s3_place place;
    struct s3_list list = { 0 };
    struct err e;
    bool ok = true;

    if (!json_bool_or(j->spec, "isOpen", false) ||
        !s3_place_parse(json_text(j->spec, "location"), &place))
        return job_fail(j, NO_PRIVILEGES);
    if (*place.key && !str_ends(place.key, "/")) {
        const struct s3_location at = { place.bucket, place.key };

        return add_users(j, users, &at);
    }
    if (s3_list(j->s3, &(struct s3_query){ .bucket = place.bucket, .prefix = place.key }, &list,
                &e))
        return job_fail(j, NO_PRIVILEGES);
    for (size_t i = 0; ok && i < list.count; i++) {
        const struct s3_location at = { place.bucket, list.entries[i].key };

        ok = add_users(j, users, &at);
    }
    s3_list_done(&list);
    return ok;
}

struct rewrite {
    const json_t *users;
    struct buf out;
    size_t n_columns, user, n_deleted, n_gone; /* users found in this dataset */
    json_t *found;
};

static bool keep_row(void *context, const char *const *values)
{
    struct rewrite *x = context;

    if (json_object_get(x->users, values[x->user])) {
        json_object_set_new(x->found, values[x->user], json_true());
        return true;
    }
    for (size_t i = 0; i < x->n_columns; i++)
        csv_write(&x->out, values[i], i == 0);
    buf_addc(&x->out, '\n');
    return true;
}

static bool write_data(struct job *j, const struct buf *data, json_t *files)
{
    char id[UUID_BYTES];
    AUTO_FREE char *name = NULL, *path = NULL;
    ssize_t n;
    int fd;

    uuid_new(id);
    name = xasprintf("data/%s.csv", id);
    path = xasprintf("%s/%s", j->data_dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    n = fd < 0 ? -1 : write(fd, data->data, data->length);
    if (fd >= 0)
        (void) close(fd);
    if (n != (ssize_t) data->length)
        return job_fail(j, "The data could not be stored: %s.", strerror(errno));
    json_array_append_new(files, json_string(name));
    return true;
}

/* One dataset without the users: imports and stream become one file. */
static bool rewrite_dataset(struct job *j, const char *type, const json_t *data, struct rewrite *x)
{
    const json_t *fields = json_at(data, "/avro/fields");
    AUTO_FREE const char **columns = xcalloc(json_array_size(fields) + 1, sizeof *columns);
    struct data_query query = { .columns = columns, .row = keep_row, .context = x };
    json_t *files = json_array();
    struct err e;

    x->user = SIZE_MAX;
    x->n_columns = query.n_columns = json_array_size(fields);
    for (size_t i = 0; i < x->n_columns; i++) {
        columns[i] = json_text(json_array_get(fields, i), "name");
        if (str_eq(columns[i], "USER_ID"))
            x->user = i;
    }
    if (x->user == SIZE_MAX) {
        json_decref(files);
        return true;
    }
    json_object_set_new(j->result, type, files);
    buf_clear(&x->out);
    for (size_t i = 0; i < x->n_columns; i++)
        csv_write(&x->out, columns[i], i == 0);
    buf_addc(&x->out, '\n');
    if (data_read(j->data_dir, data, &query, &e))
        return job_fail(j, "%s", e.message);
    return write_data(j, &x->out, files);
}

bool deletion_run(struct job *j)
{
    AUTO_JSON json_t *users = json_object(), *found = json_object();
    struct rewrite x = { .users = users, .found = found };
    const char *type;
    json_t *data;
    bool ok = read_users(j, users);

    json_object_foreach (json_object_get(j->spec, "data"), type, data)
        ok = ok && rewrite_dataset(j, type, data, &x);
    buf_done(&x.out);
    json_object_set_new(j->result, "numDeleted",
                        json_integer((json_int_t) json_object_size(found)));
    return ok;
}

void deletion_finish(struct sim *s, struct resource *r, const struct job *j)
{
    const struct resource_list *all = &s->world.kinds[SIM_DATASET];

    resource_hide(r, "numDeleted", json_integer(json_int_or(j->result, "numDeleted", 0)));
    for (size_t i = 0; i < all->count; i++) {
        struct resource *d = all->items[i];
        json_t *files = json_object_get(j->result, resource_text(d, "datasetType"));

        if (!files || !str_eq(resource_group(d), resource_group(r)))
            continue;
        resource_hide(d, "files", json_incref(files));
        (void) json_object_del(d->hidden, "stream");
        world_touch(&s->world, d);
    }
}
