/*
 * s3_upload.c - multipart uploads on disk: BUCKET/uploads/<id>/upload.json and one object file per
 * part.
 *
 * Nothing is kept in memory: an upload goes on after a restart. Completing publishes the object
 * first and removes the upload then, so that a crash between the two leaves an upload that can be
 * completed again with the same result.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3_internal.h"
#include "steward/id.h"
#include "steward/json.h"

void s3_upload_done(struct s3_upload *u)
{
    free(u->key);
    json_decref(u->headers);
    *u = (struct s3_upload){ 0 };
}

static char *path_upload(const struct s3_store *store, const char *bucket, const char *id)
{
    AUTO_FREE char *uploads = s3_path_uploads(store, bucket);

    return xasprintf("%s/%s", uploads, id);
}

enum s3_code s3_upload_start(struct s3_store *store, const struct s3_location *at, json_t *headers,
                             char id[S3_UPLOAD_ID_BYTES])
{
    AUTO_JSON json_t *json = json_object();
    AUTO_FREE char *path = NULL, *about = NULL, *text = NULL, *made = s3_path_temporary(store);
    uint8_t random[(S3_UPLOAD_ID_BYTES - 1) / 2];

    if (!s3_bucket_exists(store, at->bucket))
        return S3_NO_SUCH_BUCKET;
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, id);
    path = path_upload(store, at->bucket, id);
    about = xasprintf("%s/upload.json", made);
    (void) json_object_set_new(json, "key", json_string(at->key));
    (void) json_object_set_new(json, "startedMs", json_integer(s3_now_ms(store)));
    (void) json_object_set_new(json, "headers", json_incref(headers));
    text = json_compact(json);
    if (mkdir(made, 0700))
        return s3_broken("making the folder", made);
    if (s3_write_text(store, about, text))
        return S3_INTERNAL_ERROR;
    return rename(made, path) ? s3_broken("making the folder", path) : S3_OK;
}

static bool is_upload_id(const char *id)
{
    return strlen(id) == S3_UPLOAD_ID_BYTES - 1 && strspn(id, "0123456789abcdef") == strlen(id);
}

static enum s3_code load_any(struct s3_store *store, const char *bucket, const char *id,
                             struct s3_upload *out)
{
    AUTO_FREE char *path = path_upload(store, bucket, id);
    AUTO_FREE char *about = xasprintf("%s/upload.json", path);
    AUTO_JSON json_t *json = json_load_file(about, 0, NULL);

    *out = (struct s3_upload){ 0 };
    if (!json_text(json, "key"))
        return S3_NO_SUCH_UPLOAD;
    (void) str_copy(out->id, sizeof out->id, id);
    out->key = xstrdup(json_text(json, "key"));
    out->started_ms = json_int_or(json, "startedMs", 0);
    out->headers = json_incref(json_object_get(json, "headers"));
    return S3_OK;
}

enum s3_code s3_upload_load(struct s3_store *store, const struct s3_location *at, const char *id,
                            struct s3_upload *out)
{
    enum s3_code rc;

    *out = (struct s3_upload){ 0 };
    if (!s3_bucket_exists(store, at->bucket))
        return S3_NO_SUCH_BUCKET;
    if (!is_upload_id(id))
        return S3_NO_SUCH_UPLOAD;
    rc = load_any(store, at->bucket, id, out);
    if (rc == S3_OK && !str_eq(out->key, at->key)) {
        s3_upload_done(out);
        rc = S3_NO_SUCH_UPLOAD;
    }
    return rc;
}

static char *path_part(const struct s3_store *store, const char *bucket, const char *id, int number)
{
    AUTO_FREE char *path = path_upload(store, bucket, id);

    return xasprintf("%s/%05d", path, number);
}

enum s3_code s3_upload_publish_part(struct s3_writer *w, const char *id, int number)
{
    AUTO_FREE char *path = path_part(w->store, w->bucket, id, number);

    if (rename(w->path, path) == 0)
        return S3_OK;
    return errno == ENOENT ? S3_NO_SUCH_UPLOAD : s3_broken("putting in place", path);
}

/* ---- what there is ---- */

static bool read_part(int folder, const char *name, struct s3_part *out)
{
    AUTO_META struct s3_meta meta = { 0 };
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    bool is_part = fd >= 0 && s3_file_meta(fd, &meta);

    if (fd >= 0)
        (void) close(fd);
    if (!is_part)
        return false;
    *out = (struct s3_part){ .stat = meta.stat };
    out->number = (int) strtol(name, NULL, 10);
    for (int sum = 0; sum < SUM_COUNT; sum++) {
        const char *text = json_text(meta.headers, s3_sum_kind((enum s3_sum) sum)->header);

        if (text) {
            out->sum_kind = (enum s3_sum) sum;
            (void) str_copy(out->sum, sizeof out->sum, text);
        }
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    return ((const struct s3_part *) a)->number - ((const struct s3_part *) b)->number;
}

void s3_parts_done(struct s3_parts *parts)
{
    free(parts->items);
    *parts = (struct s3_parts){ 0 };
}

enum s3_code s3_upload_parts(struct s3_store *store, const struct s3_location *at, const char *id,
                             struct s3_parts *out)
{
    AUTO_FREE char *path = path_upload(store, at->bucket, id);
    DIR *folder = opendir(path);
    struct dirent *entry;
    size_t capacity = 0;

    *out = (struct s3_parts){ 0 };
    if (!folder)
        return S3_NO_SUCH_UPLOAD;
    while ((entry = readdir(folder))) {
        if (!isdigit((unsigned char) entry->d_name[0]))
            continue;
        if (out->count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            out->items = xrealloc(out->items, capacity * sizeof *out->items);
        }
        if (read_part(dirfd(folder), entry->d_name, &out->items[out->count]))
            out->count++;
    }
    (void) closedir(folder);
    if (out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, by_number);
    return S3_OK;
}

static int by_key_and_start(const void *a, const void *b)
{
    const struct s3_upload *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    if (order != 0)
        return order;
    return x->started_ms != y->started_ms ? (x->started_ms < y->started_ms ? -1 : 1)
                                          : strcmp(x->id, y->id);
}

enum s3_code s3_upload_list(struct s3_store *store, const char *bucket, struct s3_upload **out,
                            size_t *count)
{
    AUTO_FREE char *path = s3_path_uploads(store, bucket);
    DIR *folder = opendir(path);
    struct dirent *entry;
    size_t capacity = 0;

    *out = NULL;
    *count = 0;
    if (!folder)
        return S3_NO_SUCH_BUCKET;
    while ((entry = readdir(folder))) {
        if (!is_upload_id(entry->d_name))
            continue;
        if (*count == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            *out = xrealloc(*out, capacity * sizeof **out);
        }
        if (load_any(store, bucket, entry->d_name, &(*out)[*count]) == S3_OK)
            ++*count;
    }
    (void) closedir(folder);
    if (*count > 1)
        qsort(*out, *count, sizeof **out, by_key_and_start);
    return S3_OK;
}

/* ---- the end ---- */

static void digest_etag(const struct s3_completion *c, char out[S3_ETAG_BYTES])
{
    AUTO_BUF struct buf all = { 0 };
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char hex[2 * EVP_MAX_MD_SIZE + 1];

    for (size_t i = 0; i < c->count; i++) {
        const char *etag = c->parts[i].stat.etag;

        for (size_t k = 0; k + 1 < strlen(etag); k += 2) {
            char pair[3] = { etag[k], etag[k + 1], '\0' };

            buf_addc(&all, (char) strtol(pair, NULL, 16));
        }
    }
    if (!EVP_Digest(all.data, all.length, digest, &n, EVP_md5(), NULL))
        mem_exhausted();
    hex_encode(digest, n, hex);
    (void) snprintf(out, S3_ETAG_BYTES, "%.32s-%zu", hex, c->count);
}

static enum s3_code append_part(struct s3_writer *w, const struct s3_completion *c, size_t i)
{
    AUTO_FREE char *path = path_part(w->store, w->bucket, c->upload->id, c->parts[i].number);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum s3_code rc;

    if (fd < 0)
        return s3_broken("reading", path);
    rc = s3_file_append(w, fd, 0, c->parts[i].stat.size);
    (void) close(fd);
    return rc;
}

enum s3_code s3_upload_complete(struct s3_store *store, const struct s3_completion *c,
                                struct s3_stat *out)
{
    struct s3_writer *w;
    enum s3_code rc = s3_file_begin(store, &c->at, &w);

    if (rc)
        return rc;
    w->is_known = true;
    digest_etag(c, w->stat.etag);
    json_decref(w->headers);
    w->headers = json_incref(c->upload->headers);
    w->if_match = c->if_match;
    w->is_if_absent = c->is_if_absent;
    for (size_t i = 0; rc == S3_OK && i < c->count; i++)
        rc = append_part(w, c, i);
    if (rc == S3_OK)
        rc = s3_file_end(w);
    if (rc == S3_OK)
        rc = s3_object_publish(w);
    *out = w->stat;
    s3_file_free(w);
    return rc ? rc : s3_upload_abort(store, c->at.bucket, c->upload->id);
}

enum s3_code s3_upload_abort(struct s3_store *store, const char *bucket, const char *id)
{
    AUTO_FREE char *path = path_upload(store, bucket, id);

    return s3_remove_tree(store, path);
}
