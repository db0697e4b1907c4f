/*
 * s3_file.c - one object in one file: its bytes from offset 0, then JSON about them, then a 16-byte
 * footer.
 *
 * Everything about an object is in the one file that rename(2) puts in place, so bytes and metadata
 * can never disagree. A file without a whole footer is not an object. Nothing is synced: a
 * simulator survives kill -9, not a power cut.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3_internal.h"
#include "steward/json.h"

#define FOOTER_BYTES ((size_t) 16)
#define FOOTER_MAGIC "S3OBJECT" /* after 8 hex digits: the length of the JSON */
#define META_MAX     ((size_t) 1 << 20)
#define COPY_BYTES   ((size_t) 256 << 10)

void s3_meta_done(struct s3_meta *m)
{
    free(m->key);
    json_decref(m->headers);
    *m = (struct s3_meta){ 0 };
}

/* ---- reading ---- */

static bool read_at(int fd, void *to, size_t n, uint64_t offset)
{
    char *p = to;

    while (n > 0) {
        ssize_t got = pread(fd, p, n, (off_t) offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        offset += (uint64_t) got;
        n -= (size_t) got;
    }
    return true;
}

static bool meta_of_json(const json_t *json, struct s3_meta *out)
{
    const char *key = json_text(json, "key"), *etag = json_text(json, "etag");
    json_t *headers = json_object_get(json, "headers");

    if (!key || !etag || strlen(etag) >= S3_ETAG_BYTES || !json_is_object(headers))
        return false;
    out->stat.modified_ms = json_int_or(json, "modifiedMs", 0);
    (void) str_copy(out->stat.etag, sizeof out->stat.etag, etag);
    out->key = xstrdup(key);
    out->headers = json_incref(headers);
    return true;
}

bool s3_file_meta(int fd, struct s3_meta *out)
{
    char footer[FOOTER_BYTES + 1] = "";
    AUTO_FREE char *text = NULL;
    AUTO_JSON json_t *json = NULL;
    struct stat st;
    struct err e;
    size_t n;
    char *end;

    *out = (struct s3_meta){ 0 };
    if (fstat(fd, &st) || (uint64_t) st.st_size < FOOTER_BYTES ||
        !read_at(fd, footer, FOOTER_BYTES, (uint64_t) st.st_size - FOOTER_BYTES) ||
        strcmp(footer + 8, FOOTER_MAGIC) != 0)
        return false;
    footer[8] = '\0';
    n = strtoul(footer, &end, 16);
    if (end != footer + 8 || n > META_MAX || n + FOOTER_BYTES > (uint64_t) st.st_size)
        return false;
    text = xmalloc(n + 1);
    out->stat.size = (uint64_t) st.st_size - FOOTER_BYTES - n;
    return read_at(fd, text, n, out->stat.size) && json_parse(text, n, &json, NULL, &e) == OK &&
           meta_of_json(json, out);
}

/* ---- writing ---- */

enum s3_code s3_file_begin(struct s3_store *store, const struct s3_location *at,
                           struct s3_writer **out)
{
    struct s3_writer *w = xcalloc(1, sizeof *w);

    w->store = store;
    w->bucket = xstrdup(at->bucket);
    w->key = xstrdup(at->key);
    w->path = s3_path_temporary(store);
    w->headers = json_object();
    w->fd = open(w->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    w->md5 = EVP_MD_CTX_new();
    if (!w->md5 || !EVP_DigestInit_ex(w->md5, EVP_md5(), NULL))
        mem_exhausted();
    if (w->fd < 0) {
        (void) s3_broken("creating a file", w->path);
        s3_file_free(w);
        return S3_INTERNAL_ERROR;
    }
    *out = w;
    return S3_OK;
}

void s3_file_free(struct s3_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        (void) close(w->fd);
    if (w->path)
        (void) unlink(w->path);
    EVP_MD_CTX_free(w->md5);
    json_decref(w->headers);
    free(w->bucket);
    free(w->key);
    free(w->path);
    free(w);
}

static enum s3_code write_all(struct s3_writer *w, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t done = write(w->fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return s3_broken("writing", w->path);
        p += done;
        n -= (size_t) done;
    }
    return S3_OK;
}

enum s3_code s3_file_write(struct s3_writer *w, const void *data, size_t n)
{
    if (!w->is_known && !EVP_DigestUpdate(w->md5, data, n))
        mem_exhausted();
    w->stat.size += n;
    return write_all(w, data, n);
}

static enum s3_code append_reading(struct s3_writer *w, int fd, uint64_t offset, uint64_t n)
{
    AUTO_FREE char *block = xmalloc(COPY_BYTES);

    while (n > 0) {
        size_t now = n < COPY_BYTES ? (size_t) n : COPY_BYTES;
        enum s3_code rc;

        if (!read_at(fd, block, now, offset))
            return s3_broken("reading to copy into", w->path);
        rc = s3_file_write(w, block, now);
        if (rc)
            return rc;
        offset += now;
        n -= now;
    }
    return S3_OK;
}

enum s3_code s3_file_append(struct s3_writer *w, int fd, uint64_t offset, uint64_t n)
{
    off_t from = (off_t) offset;

    while (w->is_known && n > 0) { /* nothing to compute: let the kernel copy */
        ssize_t done = copy_file_range(fd, &from, w->fd, NULL, n, 0);

        if (done <= 0)
            break; /* this file system cannot: by hand */
        w->stat.size += (uint64_t) done;
        n -= (uint64_t) done;
    }
    return append_reading(w, fd, (uint64_t) from, n);
}

static void take_etag(struct s3_writer *w)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (w->is_known)
        return;
    if (!EVP_DigestFinal_ex(w->md5, digest, &n))
        mem_exhausted();
    hex_encode(digest, n, w->stat.etag);
}

enum s3_code s3_file_end(struct s3_writer *w)
{
    AUTO_JSON json_t *json = json_object();
    AUTO_BUF struct buf tail = { 0 };
    AUTO_FREE char *text = NULL;
    enum s3_code rc;
    int closed;

    take_etag(w);
    w->stat.modified_ms = s3_now_ms(w->store);
    (void) json_object_set_new(json, "key", json_string(w->key));
    (void) json_object_set_new(json, "etag", json_string(w->stat.etag));
    (void) json_object_set_new(json, "modifiedMs", json_integer(w->stat.modified_ms));
    (void) json_object_set_new(json, "headers", json_incref(w->headers));
    text = json_compact(json);
    buf_printf(&tail, "%s%08zx%s", text, strlen(text), FOOTER_MAGIC);
    rc = write_all(w, tail.data, tail.length);
    closed = close(w->fd);
    w->fd = -1;
    return rc ? rc : closed ? s3_broken("closing", w->path) : S3_OK;
}
