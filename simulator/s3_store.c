/*
 * s3_store.c - buckets on disk and their index in memory.
 *
 *   DIRECTORY/<bucket>/bucket.json  objects/<sha256 of the key>  uploads/<id>/
 *   DIRECTORY/.tmp/                 files being written; emptied at the start
 *
 * The name of a file is the digest of its key, so that no key can name a wrong place and none is
 * too long. The index is read from the files' own metadata at the start; changes are a rename and a
 * change of the index under one lock.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3_internal.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/log.h"

int64_t s3_now_ms(const struct s3_store *store)
{
    int64_t now = store->clock.now_ms ? store->clock.now_ms(store->clock.context) : clock_wall_ms();

    return now - now % 1000; /* S3 keeps whole seconds */
}

/* ---- names ---- */

char *s3_path_temporary(const struct s3_store *store)
{
    char id[UUID_BYTES];

    uuid_new(id);
    return xasprintf("%s/.tmp/%s", store->directory, id);
}

char *s3_path_object(const struct s3_store *store, const struct s3_location *at)
{
    char name[HEX_SHA256];

    sha256_hex(at->key, strlen(at->key), name);
    return xasprintf("%s/%s/objects/%s", store->directory, at->bucket, name);
}

char *s3_path_uploads(const struct s3_store *store, const char *bucket)
{
    return xasprintf("%s/%s/uploads", store->directory, bucket);
}

static char *path_bucket(const struct s3_store *store, const char *bucket)
{
    return xasprintf("%s/%s", store->directory, bucket);
}

static bool is_ip_address(const char *s)
{
    struct in_addr address;

    return inet_pton(AF_INET, s, &address) == 1;
}

enum s3_code s3_bucket_check_name(const char *bucket)
{
    size_t n = strlen(bucket);

    if (n < 3 || n > S3_BUCKET_MAX || !isalnum((unsigned char) bucket[0]) ||
        !isalnum((unsigned char) bucket[n - 1]) || strstr(bucket, "..") || is_ip_address(bucket) ||
        strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != n)
        return S3_INVALID_BUCKET_NAME;
    return S3_OK;
}

enum s3_code s3_key_check(const char *key)
{
    size_t n = strlen(key);

    if (n > S3_KEY_MAX)
        return S3_KEY_TOO_LONG;
    return n > 0 && str_is_utf8(key, n) ? S3_OK : S3_INVALID_URI;
}

/* ---- small file work ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;
    return remove(path);
}

enum s3_code s3_remove_tree(const struct s3_store *store, const char *path)
{
    AUTO_FREE char *away = s3_path_temporary(store);

    if (rename(path, away))
        return errno == ENOENT ? S3_OK : s3_broken("moving away", path);
    if (nftw(away, remove_one, 16, FTW_DEPTH | FTW_PHYS))
        (void) s3_broken("removing", away); /* gone for everybody; the next start tries again */
    return S3_OK;
}

enum s3_code s3_write_text(const struct s3_store *store, const char *path, const char *text)
{
    AUTO_FREE char *temporary = s3_path_temporary(store);
    FILE *f = fopen(temporary, "we");
    bool is_written;

    if (!f)
        return s3_broken("creating a file", temporary);
    is_written = fputs(text, f) >= 0;
    if (fclose(f) || !is_written || rename(temporary, path)) {
        (void) s3_broken("writing", path);
        (void) unlink(temporary);
        return S3_INTERNAL_ERROR;
    }
    return S3_OK;
}

/* ---- the index: sorted arrays of pointers ---- */

/* Moves n pointers of an array from one index to another. */
static void move_items(void *array, size_t to, size_t from, size_t n)
{
    char *bytes = array;

    memmove(bytes + to * sizeof(void *), bytes + from * sizeof(void *), n * sizeof(void *));
}

static void record_free(struct s3_record *r)
{
    free(r->key);
    free(r);
}

static void bucket_free(struct s3_bucket *b)
{
    for (size_t i = 0; i < b->count; i++)
        record_free(b->records[i]);
    free(b->records);
    free(b->name);
    free(b->region);
    free(b);
}

/* Index of the first bucket whose name is >= name. */
static size_t bucket_bound(const struct s3_store *store, const char *name)
{
    size_t low = 0, high = store->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(store->buckets[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct s3_bucket *s3_bucket_find(struct s3_store *store, const char *bucket)
{
    size_t i = bucket_bound(store, bucket);

    return i < store->count && str_eq(store->buckets[i]->name, bucket) ? store->buckets[i] : NULL;
}

static void bucket_insert(struct s3_store *store, struct s3_bucket *b)
{
    size_t i = bucket_bound(store, b->name);

    if (store->count == store->capacity) {
        store->capacity = store->capacity ? 2 * store->capacity : 8;
        store->buckets = xrealloc(store->buckets, store->capacity * sizeof(void *));
    }
    move_items(store->buckets, i + 1, i, store->count - i);
    store->buckets[i] = b;
    store->count++;
}

size_t s3_record_bound(const struct s3_bucket *bucket, const char *key)
{
    size_t low = 0, high = bucket->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(bucket->records[middle]->key, key) < 0) /* unsigned bytes: UTF-8 order */
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct s3_record *s3_record_find(const struct s3_bucket *bucket, const char *key)
{
    size_t i = s3_record_bound(bucket, key);

    return i < bucket->count && str_eq(bucket->records[i]->key, key) ? bucket->records[i] : NULL;
}

static void record_insert_at(struct s3_bucket *b, size_t i, const char *key,
                             const struct s3_stat *stat)
{
    struct s3_record *r = xcalloc(1, sizeof *r);

    r->key = xstrdup(key);
    r->stat = *stat;
    if (b->count == b->capacity) {
        b->capacity = b->capacity ? 2 * b->capacity : 64;
        b->records = xrealloc(b->records, b->capacity * sizeof(void *));
    }
    move_items(b->records, i + 1, i, b->count - i);
    b->records[i] = r;
    b->count++;
}

/* ---- opening: the index is read from the files ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(struct s3_record *const *) a)->key, (*(struct s3_record *const *) b)->key);
}

static void load_object(struct s3_bucket *b, int folder, const char *name)
{
    AUTO_META struct s3_meta meta = { 0 };
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && s3_file_meta(fd, &meta))
        record_insert_at(b, b->count, meta.key, &meta.stat);
    else
        log_event(LOG_WARN, "s3", "object_skipped",
                  "bucket=%s file=%s msg=\"not a whole object file\"", b->name, name);
    if (fd >= 0)
        (void) close(fd);
}

static void load_objects(const struct s3_store *store, struct s3_bucket *b)
{
    AUTO_FREE char *path = xasprintf("%s/%s/objects", store->directory, b->name);
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (!folder) {
        (void) s3_broken("reading the folder", path);
        return;
    }
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            load_object(b, dirfd(folder), entry->d_name);
    (void) closedir(folder);
    if (b->count > 1)
        qsort(b->records, b->count, sizeof(void *), by_key);
}

static void load_bucket(struct s3_store *store, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s/bucket.json", store->directory, name);
    AUTO_JSON json_t *json = NULL;
    struct s3_bucket *b;

    if (s3_bucket_check_name(name) != S3_OK)
        return;
    json = json_load_file(path, 0, NULL);
    if (!json_text(json, "region")) {
        log_event(LOG_WARN, "s3", "bucket_skipped", "bucket=%s msg=\"bucket.json is missing\"",
                  log_quote(name));
        return;
    }
    b = xcalloc(1, sizeof *b);
    b->name = xstrdup(name);
    b->region = xstrdup(json_text(json, "region"));
    b->created_ms = json_int_or(json, "createdMs", 0);
    load_objects(store, b);
    bucket_insert(store, b);
}

static enum err_code load(struct s3_store *store, struct err *e)
{
    AUTO_FREE char *temporary = xasprintf("%s/.tmp", store->directory);
    struct dirent *entry;
    DIR *folder;

    if (mkdir(store->directory, 0700) && errno != EEXIST)
        return err_set(e, ERR_UNAVAILABLE, "cannot make the folder %s: %s", store->directory,
                       strerror(errno));
    if (nftw(temporary, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return err_set(e, ERR_UNAVAILABLE, "cannot empty the folder %s: %s", temporary,
                       strerror(errno));
    if (mkdir(temporary, 0700))
        return err_set(e, ERR_UNAVAILABLE, "cannot make the folder %s: %s", temporary,
                       strerror(errno));
    folder = opendir(store->directory);
    if (!folder)
        return err_set(e, ERR_UNAVAILABLE, "cannot read the folder %s: %s", store->directory,
                       strerror(errno));
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.')
            load_bucket(store, entry->d_name);
    (void) closedir(folder);
    return OK;
}

enum err_code s3_store_open(const struct s3_options *options, struct s3_store **out, struct err *e)
{
    struct s3_store *store = xcalloc(1, sizeof *store);
    enum err_code rc;

    store->directory = xstrdup(options->directory);
    store->account_id = xstrdup(options->account_id);
    store->region = xstrdup(options->region);
    store->clock = options->clock;
    if (uv_mutex_init(&store->lock))
        mem_exhausted();
    rc = load(store, e);
    if (rc)
        s3_store_close(store);
    else
        *out = store;
    return rc;
}

void s3_store_close(struct s3_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->count; i++)
        bucket_free(store->buckets[i]);
    free(store->buckets);
    uv_mutex_destroy(&store->lock);
    free(store->directory);
    free(store->account_id);
    free(store->region);
    free(store);
}

/* ---- changing ---- */

/* The bucket's folder is made under another name first: it is there with everything in it, or not
 * at all. */
static enum s3_code make_folder(const struct s3_store *store, const struct s3_bucket *b)
{
    AUTO_FREE char *made = s3_path_temporary(store), *path = path_bucket(store, b->name);
    AUTO_FREE char *objects = xasprintf("%s/objects", made);
    AUTO_FREE char *uploads = xasprintf("%s/uploads", made);
    AUTO_FREE char *about = xasprintf("%s/bucket.json", made);
    AUTO_JSON json_t *json = json_object();
    AUTO_FREE char *text = NULL;

    (void) json_object_set_new(json, "region", json_string(b->region));
    (void) json_object_set_new(json, "createdMs", json_integer(b->created_ms));
    text = json_compact(json);
    if (mkdir(made, 0700) || mkdir(objects, 0700) || mkdir(uploads, 0700))
        return s3_broken("making the folder", made);
    if (s3_write_text(store, about, text))
        return S3_INTERNAL_ERROR;
    return rename(made, path) ? s3_broken("making the folder", path) : S3_OK;
}

enum s3_code s3_bucket_make(struct s3_store *store, const char *bucket, const char *region)
{
    enum s3_code rc = s3_bucket_check_name(bucket);
    struct s3_bucket *b;

    if (rc)
        return rc;
    uv_mutex_lock(&store->lock);
    if (s3_bucket_find(store, bucket)) {
        uv_mutex_unlock(&store->lock);
        return S3_BUCKET_ALREADY_OWNED;
    }
    b = xcalloc(1, sizeof *b);
    b->name = xstrdup(bucket);
    b->region = xstrdup(region && *region ? region : store->region);
    b->created_ms = s3_now_ms(store);
    rc = make_folder(store, b);
    if (rc)
        bucket_free(b);
    else
        bucket_insert(store, b);
    uv_mutex_unlock(&store->lock);
    return rc;
}

static enum s3_code bucket_drop(struct s3_store *store, size_t i)
{
    AUTO_FREE char *path = path_bucket(store, store->buckets[i]->name);
    enum s3_code rc = s3_remove_tree(store, path);

    if (rc)
        return rc;
    bucket_free(store->buckets[i]);
    move_items(store->buckets, i, i + 1, store->count - i - 1);
    store->count--;
    return S3_OK;
}

enum s3_code s3_bucket_remove(struct s3_store *store, const char *bucket)
{
    enum s3_code rc = S3_NO_SUCH_BUCKET;
    struct s3_bucket *b;

    uv_mutex_lock(&store->lock);
    b = s3_bucket_find(store, bucket);
    if (b)
        rc = b->count > 0 ? S3_BUCKET_NOT_EMPTY : bucket_drop(store, bucket_bound(store, bucket));
    uv_mutex_unlock(&store->lock);
    return rc;
}

enum err_code s3_store_reset(struct s3_store *store, struct err *e)
{
    enum s3_code rc = S3_OK;

    uv_mutex_lock(&store->lock);
    while (rc == S3_OK && store->count > 0)
        rc = bucket_drop(store, store->count - 1);
    uv_mutex_unlock(&store->lock);
    return rc ? err_set(e, ERR_INTERNAL, "cannot remove a bucket below %s", store->directory) : OK;
}

enum s3_code s3_object_get(struct s3_store *store, const struct s3_location *at, int *fd,
                           struct s3_meta *meta)
{
    AUTO_FREE char *path = s3_path_object(store, at);
    enum s3_code rc = S3_OK;
    struct s3_bucket *b;

    *fd = -1;
    uv_mutex_lock(&store->lock); /* so that a bucket that goes away is not half seen */
    b = s3_bucket_find(store, at->bucket);
    if (!b)
        rc = S3_NO_SUCH_BUCKET;
    else if (!s3_record_find(b, at->key))
        rc = S3_NO_SUCH_KEY;
    else
        *fd = open(path, O_RDONLY | O_CLOEXEC);
    uv_mutex_unlock(&store->lock);
    if (rc)
        return rc;
    if (*fd >= 0 && (!meta || s3_file_meta(*fd, meta)))
        return S3_OK;
    rc = s3_broken("reading", path);
    if (*fd >= 0)
        (void) close(*fd);
    *fd = -1;
    return rc;
}

enum s3_code s3_object_remove(struct s3_store *store, const struct s3_location *at)
{
    AUTO_FREE char *path = s3_path_object(store, at);
    enum s3_code rc = S3_OK;
    struct s3_bucket *b;
    size_t i;

    uv_mutex_lock(&store->lock);
    b = s3_bucket_find(store, at->bucket);
    i = b ? s3_record_bound(b, at->key) : 0;
    if (!b) {
        rc = S3_NO_SUCH_BUCKET;
    } else if (i < b->count && str_eq(b->records[i]->key, at->key)) {
        if (unlink(path) && errno != ENOENT) {
            rc = s3_broken("removing", path);
        } else {
            record_free(b->records[i]);
            move_items(b->records, i, i + 1, b->count - i - 1);
            b->count--;
        }
    }
    uv_mutex_unlock(&store->lock);
    return rc;
}

static enum s3_code check_conditions(const struct s3_writer *w, const struct s3_record *now)
{
    if (w->is_if_absent && now)
        return S3_PRECONDITION_FAILED;
    if (w->if_match && !now)
        return S3_NO_SUCH_KEY;
    if (w->if_match && !str_eq(w->if_match, "*") && !str_eq(w->if_match, now->stat.etag))
        return S3_PRECONDITION_FAILED;
    return S3_OK;
}

enum s3_code s3_object_publish(struct s3_writer *w)
{
    struct s3_location at = { .bucket = w->bucket, .key = w->key };
    AUTO_FREE char *path = s3_path_object(w->store, &at);
    struct s3_bucket *b;
    struct s3_record *now;
    enum s3_code rc = S3_NO_SUCH_BUCKET;

    uv_mutex_lock(&w->store->lock);
    b = s3_bucket_find(w->store, w->bucket);
    if (b) {
        now = s3_record_find(b, w->key);
        rc = check_conditions(w, now);
        if (rc == S3_OK && rename(w->path, path))
            rc = s3_broken("putting in place", path);
        if (rc == S3_OK && now)
            now->stat = w->stat;
        else if (rc == S3_OK)
            record_insert_at(b, s3_record_bound(b, w->key), w->key, &w->stat);
    }
    uv_mutex_unlock(&w->store->lock);
    return rc;
}
