/*
 * s3_api.c - s3.h for imports, exports and jobs: the store without HTTP, with struct err for
 * errors.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "s3_internal.h"

bool s3_bucket_exists(struct s3_store *store, const char *bucket)
{
    bool is_there;

    uv_mutex_lock(&store->lock);
    is_there = s3_bucket_find(store, bucket) != NULL;
    uv_mutex_unlock(&store->lock);
    return is_there;
}

enum err_code s3_bucket_create(struct s3_store *store, const char *bucket, struct err *e)
{
    struct s3_location at = { .bucket = bucket };
    enum s3_code rc = s3_bucket_make(store, bucket, NULL);

    return rc == S3_BUCKET_ALREADY_OWNED ? OK : s3_err(e, rc, &at);
}

enum err_code s3_object_stat(struct s3_store *store, const struct s3_location *at,
                             struct s3_stat *out, struct err *e)
{
    const struct s3_record *r = NULL;
    const struct s3_bucket *b;
    enum s3_code rc = S3_OK;

    uv_mutex_lock(&store->lock);
    b = s3_bucket_find(store, at->bucket);
    if (b)
        r = s3_record_find(b, at->key);
    if (r)
        *out = r->stat;
    else
        rc = b ? S3_NO_SUCH_KEY : S3_NO_SUCH_BUCKET;
    uv_mutex_unlock(&store->lock);
    return s3_err(e, rc, at);
}

enum err_code s3_object_open(struct s3_store *store, const struct s3_location *at,
                             struct s3_opened *out, struct err *e)
{
    AUTO_META struct s3_meta meta = { 0 };
    enum s3_code rc = s3_object_get(store, at, &out->fd, &meta);

    if (rc == S3_OK)
        out->stat = meta.stat;
    return s3_err(e, rc, at);
}

enum err_code s3_object_read(struct s3_store *store, const struct s3_location *at,
                             struct s3_blob *out, struct err *e)
{
    AUTO_FREE char *data = NULL;
    struct s3_opened o;
    size_t done = 0;

    TRY(s3_object_open(store, at, &o, e));
    if (o.stat.size > out->limit) {
        (void) close(o.fd);
        return err_set(e, ERR_INVALID, "s3://%s/%s has %llu bytes; at most %zu are read here",
                       at->bucket, at->key, (unsigned long long) o.stat.size, out->limit);
    }
    data = xmalloc(o.stat.size + 1);
    while (done < o.stat.size) {
        ssize_t got = pread(o.fd, data + done, o.stat.size - done, (off_t) done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t) got;
    }
    (void) close(o.fd);
    if (done < o.stat.size)
        return err_set(e, ERR_INTERNAL, "s3://%s/%s cannot be read: %s", at->bucket, at->key,
                       strerror(errno));
    data[done] = '\0';
    out->data = TAKE(data);
    out->n = done;
    return OK;
}

struct s3_writer *s3_writer_open(struct s3_store *store, const struct s3_location *at,
                                 const char *content_type, struct err *e)
{
    enum s3_code rc = s3_bucket_check_name(at->bucket);
    struct s3_writer *w = NULL;

    if (rc == S3_OK)
        rc = s3_key_check(at->key);
    if (rc == S3_OK && !s3_bucket_exists(store, at->bucket))
        rc = S3_NO_SUCH_BUCKET;
    if (rc == S3_OK)
        rc = s3_file_begin(store, at, &w);
    if (rc) {
        (void) s3_err(e, rc, at);
        return NULL;
    }
    (void) json_object_set_new(w->headers, "content-type",
                               json_string(content_type ? content_type : "binary/octet-stream"));
    return w;
}

static enum err_code writer_err(const struct s3_writer *w, enum s3_code rc, struct err *e)
{
    struct s3_location at = { .bucket = w->bucket, .key = w->key };

    return s3_err(e, rc, &at);
}

enum err_code s3_writer_write(struct s3_writer *w, const void *data, size_t n, struct err *e)
{
    return writer_err(w, s3_file_write(w, data, n), e);
}

enum err_code s3_writer_commit(struct s3_writer *w, struct err *e)
{
    enum s3_code rc = s3_file_end(w);
    enum err_code result;

    if (rc == S3_OK)
        rc = s3_object_publish(w);
    result = writer_err(w, rc, e);
    s3_file_free(w);
    return result;
}

void s3_writer_abort(struct s3_writer *w)
{
    s3_file_free(w);
}

enum err_code s3_object_put(struct s3_store *store, const struct s3_location *at,
                            const struct s3_content *content, struct err *e)
{
    struct s3_writer *w = s3_writer_open(store, at, content->content_type, e);
    enum err_code rc;

    if (!w)
        return e->code;
    rc = s3_writer_write(w, content->data, content->n, e);
    if (rc) {
        s3_writer_abort(w);
        return rc;
    }
    return s3_writer_commit(w, e);
}

enum err_code s3_object_delete(struct s3_store *store, const struct s3_location *at, struct err *e)
{
    return s3_err(e, s3_object_remove(store, at), at);
}

enum err_code s3_list(struct s3_store *store, const struct s3_query *query, struct s3_list *out,
                      struct err *e)
{
    struct s3_location at = { .bucket = query->bucket, .key = query->prefix };

    return s3_err(e, s3_list_of(store, query, out), &at);
}
