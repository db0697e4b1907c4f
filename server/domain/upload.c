/*
 * upload.c - what an object in S3 means: notifications read, keys told apart.
 */
#include "steward/upload.h"

#include <string.h>
#include <strings.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

#define ERRORS_MAX  50
#define ERROR_BYTES 300

/* ---- notifications ---- */

static void add_object(json_t *list, const char *bucket, const char *key)
{
    if (!str_is_empty(bucket) && !str_is_empty(key))
        json_array_append_new(list, json_pack("{s:s, s:s}", "bucket", bucket, "key", key));
}

/* {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {…}, "object": {…}}}]}; keys
 * are encoded as in a form. */
static void read_records(const json_t *records, json_t *list)
{
    size_t i;
    json_t *record;

    json_array_foreach ((json_t *) records, i, record) {
        const json_t *s3 = json_object_get(record, "s3");
        const char *name = json_text_or(record, "eventName", "");
        const char *key = json_text(json_object_get(s3, "object"), "key");
        AUTO_BUF struct buf plain = { 0 };

        if (!key || !(str_starts(name, "ObjectCreated:") || str_starts(name, "s3:ObjectCreated:")))
            continue;
        if (uri_decode(&plain, key, strlen(key), true))
            add_object(list, json_text(json_object_get(s3, "bucket"), "name"), plain.data);
    }
}

/* The body of a notification, which for one through SNS is text inside it. */
static bool read_body(const json_t *body, json_t *list)
{
    const json_t *detail = json_object_get(body, "detail");

    if (json_is_array(json_object_get(body, "Records"))) {
        read_records(json_object_get(body, "Records"), list);
        return true;
    }
    if (str_eq(json_text(body, "Event"), "s3:TestEvent"))
        return true;
    if (!str_eq(json_text(body, "source"), "aws.s3") || !json_is_object(detail))
        return false;
    if (str_eq(json_text(body, "detail-type"), "Object Created"))
        add_object(list, json_text(json_object_get(detail, "bucket"), "name"),
                   json_text(json_object_get(detail, "object"), "key"));
    return true;
}

enum err_code upload_read_notification(const json_t *body, json_t **list, struct err *e)
{
    const char *inner = json_text(body, "Message");
    AUTO_JSON json_t *found = json_array();
    AUTO_JSON json_t *message = NULL;
    struct err ignored;

    *list = NULL;
    if (inner && str_eq(json_text(body, "Type"), "Notification") &&
        json_parse(inner, strlen(inner), &message, NULL, &ignored))
        return err_set(e, ERR_INVALID,
                       "The SNS notification does not hold an S3 notification as JSON.");
    if (!read_body(message ? message : body, found))
        return err_set(e, ERR_INVALID,
                       "This is no \"object created\" notification of S3 (by itself, through SNS "
                       "or from EventBridge).");
    *list = TAKE(found);
    return OK;
}

/* ---- keys ---- */

const char *upload_root(const char *prefix)
{
    return str_is_empty(prefix) ? "train/" : prefix;
}

/* The part of the key below a folder; NULL: it lies elsewhere. */
static const char *below(const char *folder, const char *key)
{
    size_t n = strlen(folder);

    if (!str_starts(key, folder))
        return NULL;
    if (n == 0 || folder[n - 1] == '/')
        return key + n;
    return key[n] == '/' ? key + n + 1 : NULL;
}

bool upload_is_parameter_file(const char *root, const char *key)
{
    const char *rest = below(root, key);

    return rest && strlen(rest) > strlen(".json") && str_ends(rest, ".json");
}

/* <type>.csv, or one part <type>/<part>.csv: what an import looks for. */
static bool is_data_name(const char *rest)
{
    static const char *const types[] = { "interactions", "users", "items", "actions",
                                         "action_interactions" };

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t n = strlen(types[i]);

        if (strncmp(rest, types[i], n) != 0)
            continue;
        if (str_eq(rest + n, ".csv"))
            return true;
        if (rest[n] == '/' && str_ends(rest, ".csv") && !strchr(rest + n + 1, '/'))
            return true;
    }
    return false;
}

static bool is_below_source(const char *source, const char *bucket, const char *key)
{
    const char *at, *rest;
    size_t n = strlen(bucket);

    if (!str_starts(source, "s3://"))
        return false;
    at = source + strlen("s3://");
    if (strncmp(at, bucket, n) != 0 || at[n] != '/')
        return false;
    if (str_eq(at + n + 1, key))
        return true;
    rest = below(at + n + 1, key);
    return rest && str_ends(rest, ".csv");
}

bool upload_is_data(const struct upload_place *place, const char *bucket, const char *key)
{
    AUTO_FREE char *fallback = NULL;
    const char *rest;

    if (place->source && *place->source)
        return is_below_source(place->source, bucket, key);
    if (!str_eq(place->bucket, bucket))
        return false;
    fallback = xasprintf("train/%s/", place->config);
    rest = below(str_is_empty(place->prefix) ? fallback : place->prefix, key);
    return rest && is_data_name(rest);
}

/* The datasets that lie at a place of their own, then the usual layout for all the others. */
bool upload_is_data_of(const struct parameter_file *f, const struct plan_settings *settings,
                       const char *bucket, const char *key)
{
    struct upload_place place = {
        .config = f->name,
        .bucket = json_text_or(f->deployment, "bucket", settings->bucket),
        .prefix = json_text_or(f->deployment, "prefix", settings->prefix),
    };

    for (size_t i = 0; i < f->n_components; i++) {
        const struct component *c = &f->components[i];
        const json_t *source = json_object_get(c->workflow, "source");

        place.source = c->dataset_type ? json_text(source, "dataLocation") : NULL;
        if (place.source && upload_is_data(&place, bucket, key))
            return true;
    }
    place.source = NULL;
    return upload_is_data(&place, bucket, key);
}

void upload_settle_document(json_t *document, const char *name, const char *prefix, const char *key)
{
    json_t *deployment = json_object_get(document, "deployment");
    const char *slash = strrchr(key, '/');
    AUTO_FREE char *folder = xstrndup(key, slash ? (size_t) (slash + 1 - key) : 0);
    AUTO_FREE char *usual = xasprintf("train/%s/", name);

    if (prefix || json_object_get(deployment, "prefix") || json_object_get(deployment, "bucket") ||
        str_eq(folder, usual))
        return;
    if (!deployment) {
        deployment = json_object();
        json_object_set_new(document, "deployment", deployment);
    }
    json_object_set_new(deployment, "prefix", json_string(folder));
}

json_t *upload_errors(const struct findings *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->count && i < ERRORS_MAX; i++) {
        char text[ERROR_BYTES];
        AUTO_FREE char *line = f->items[i].pointer[0]
                                   ? xasprintf("%s: %s", f->items[i].pointer, f->items[i].detail)
                                   : xstrdup(f->items[i].detail);

        (void) str_copy(text, sizeof text, line);
        json_array_append_new(list, json_string(text));
    }
    return list;
}
