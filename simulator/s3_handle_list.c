/*
 * s3_handle_list.c - listing over HTTP: ListObjects in both versions, and DeleteObjects.
 */
#include <stdio.h>
#include <string.h>

#include "s3_internal.h"

#define PAGE_MAX   1000
#define DELETE_MAX 1000

struct page {
    struct s3_query query;
    struct s3_list list;
    int64_t max;
    bool is_url, has_owner;
};

/* A key as the client asked for it. */
static void key_text(struct buf *b, const struct page *p, const char *tag, const char *value)
{
    AUTO_BUF struct buf encoded = { 0 };

    if (p->is_url)
        uri_encode(&encoded, value, strlen(value), true);
    xml_text(b, tag, p->is_url ? (encoded.length ? encoded.data : "") : value);
}

static enum s3_code read_page(struct s3_call *c, struct page *p)
{
    const char *encoding = http_query(c->rq, "encoding-type");
    enum s3_code rc;

    *p = (struct page){ .max = PAGE_MAX };
    p->query.bucket = c->at.bucket;
    p->query.prefix = s3_query_or(c, "prefix", "");
    p->query.delimiter = s3_query_or(c, "delimiter", "");
    p->is_url = str_eq(encoding, "url");
    if (!str_is_empty(encoding) && !p->is_url)
        return s3_fail(c, S3_INVALID_ARGUMENT, "Invalid Encoding Method specified in Request");
    rc = s3_query_number(c, "max-keys", PAGE_MAX, &p->max);
    p->query.limit = (size_t) p->max;
    return rc;
}

static enum s3_code fill_page(struct s3_call *c, struct page *p)
{
    if (p->max > 0)
        return s3_list_of(c->store, &p->query, &p->list);
    return s3_bucket_exists(c->store, c->at.bucket) ? S3_OK : S3_NO_SUCH_BUCKET;
}

static void write_head(struct buf *b, struct s3_call *c, const struct page *p)
{
    xml_begin(b, "ListBucketResult");
    xml_text(b, "Name", c->at.bucket);
    key_text(b, p, "Prefix", p->query.prefix);
    xml_number(b, "MaxKeys", (uint64_t) p->max);
    if (*p->query.delimiter)
        key_text(b, p, "Delimiter", p->query.delimiter);
    if (p->is_url)
        xml_text(b, "EncodingType", "url");
    xml_bool(b, "IsTruncated", p->list.is_truncated);
}

static void write_object(struct buf *b, struct s3_call *c, const struct page *p,
                         const struct s3_entry *entry)
{
    xml_open(b, "Contents");
    key_text(b, p, "Key", entry->key);
    xml_time(b, "LastModified", entry->stat.modified_ms);
    xml_etag(b, entry->stat.etag);
    xml_number(b, "Size", entry->stat.size);
    if (p->has_owner) {
        xml_open(b, "Owner");
        xml_text(b, "ID", c->store->account_id);
        xml_close(b, "Owner");
    }
    xml_text(b, "StorageClass", "STANDARD");
    xml_close(b, "Contents");
}

static void write_entries(struct buf *b, struct s3_call *c, const struct page *p)
{
    for (size_t i = 0; i < p->list.count; i++)
        if (!p->list.entries[i].is_prefix)
            write_object(b, c, p, &p->list.entries[i]);
    for (size_t i = 0; i < p->list.count; i++) {
        if (!p->list.entries[i].is_prefix)
            continue;
        xml_open(b, "CommonPrefixes");
        key_text(b, p, "Prefix", p->list.entries[i].key);
        xml_close(b, "CommonPrefixes");
    }
    xml_close(b, "ListBucketResult");
}

enum s3_code s3_do_list_v1(struct s3_call *c)
{
    struct buf b = { 0 };
    struct page p;
    enum s3_code rc = read_page(c, &p);

    p.has_owner = true;
    p.query.after = s3_query_or(c, "marker", "");
    if (rc == S3_OK)
        rc = fill_page(c, &p);
    if (rc)
        return rc;
    write_head(&b, c, &p);
    key_text(&b, &p, "Marker", p.query.after);
    if (p.list.is_truncated && *p.query.delimiter) /* otherwise the last key is the next marker */
        key_text(&b, &p, "NextMarker", p.list.entries[p.list.count - 1].key);
    write_entries(&b, c, &p);
    s3_answer_xml(c, 200, &b);
    s3_list_done(&p.list);
    return S3_OK;
}

/* A token is the last entry in base64. NULL when it is none of ours. */
static char *token_key(const char *token)
{
    AUTO_FREE uint8_t *bytes = NULL;
    size_t n = 0;

    bytes = base64_decode(token, &n);
    return bytes && n > 0 && str_is_utf8((const char *) bytes, n) && !memchr(bytes, '\0', n)
               ? xstrndup((const char *) bytes, n)
               : NULL;
}

static void write_v2(struct s3_call *c, const struct page *p)
{
    const char *token = http_query(c->rq, "continuation-token");
    const char *after = http_query(c->rq, "start-after");
    struct buf b = { 0 };

    write_head(&b, c, p);
    xml_number(&b, "KeyCount", p->list.count);
    if (after)
        key_text(&b, p, "StartAfter", after);
    if (token)
        xml_text(&b, "ContinuationToken", token);
    if (p->list.is_truncated) {
        const char *last = p->list.entries[p->list.count - 1].key;
        AUTO_FREE char *next = base64_encode(last, strlen(last));

        xml_text(&b, "NextContinuationToken", next);
    }
    write_entries(&b, c, p);
    s3_answer_xml(c, 200, &b);
}

enum s3_code s3_do_list_v2(struct s3_call *c)
{
    const char *token = http_query(c->rq, "continuation-token");
    AUTO_FREE char *behind = NULL;
    struct page p;
    enum s3_code rc = read_page(c, &p);

    if (rc == S3_OK && !str_eq(http_query(c->rq, "list-type"), "2"))
        rc = s3_fail(c, S3_INVALID_ARGUMENT, "Invalid List Type specified in Request");
    if (rc == S3_OK && token) {
        behind = token_key(token);
        if (!behind)
            rc = S3_INVALID_TOKEN;
    }
    p.query.after = behind ? behind : s3_query_or(c, "start-after", "");
    p.has_owner = str_eq(http_query(c->rq, "fetch-owner"), "true");
    if (rc == S3_OK)
        rc = fill_page(c, &p);
    if (rc)
        return rc;
    write_v2(c, &p);
    s3_list_done(&p.list);
    return S3_OK;
}

/* ---- DeleteObjects ---- */

struct deletion {
    char **keys;
    size_t count;
    bool is_quiet, has_version;
};

static bool visit_delete(void *context, const char *path, const char *text)
{
    struct deletion *d = context;

    if (str_eq(path, "Delete/Object/Key")) {
        if (d->count == DELETE_MAX)
            return false;
        d->keys[d->count++] = xstrdup(text);
    } else if (str_eq(path, "Delete/Quiet")) {
        d->is_quiet = str_eq(text, "true");
    } else if (str_eq(path, "Delete/Object/VersionId") && *text && !str_eq(text, "null")) {
        d->has_version = true;
    }
    return str_starts(path, "Delete");
}

static void delete_one(struct s3_call *c, struct buf *b, const char *key, bool is_quiet)
{
    struct s3_location at = { .bucket = c->at.bucket, .key = key };
    enum s3_code rc = s3_key_check(key);

    if (rc == S3_OK)
        rc = s3_object_remove(c->store, &at);
    if (rc == S3_OK && is_quiet)
        return;
    xml_open(b, rc ? "Error" : "Deleted");
    xml_text(b, "Key", key);
    if (rc) {
        xml_text(b, "Code", s3_error_of(rc)->code);
        xml_text(b, "Message", s3_error_of(rc)->message);
    }
    xml_close(b, rc ? "Error" : "Deleted");
}

static enum s3_code delete_all(struct s3_call *c, struct deletion *d)
{
    struct buf b = { 0 };

    if (!xml_walk(c->body, c->body_n, visit_delete, d) || d->count == 0)
        return S3_MALFORMED_XML;
    if (d->has_version)
        return s3_fail(c, S3_NOT_IMPLEMENTED, "Versions of objects are not kept here");
    if (!s3_bucket_exists(c->store, c->at.bucket))
        return S3_NO_SUCH_BUCKET;
    xml_begin(&b, "DeleteResult");
    for (size_t i = 0; i < d->count; i++)
        delete_one(c, &b, d->keys[i], d->is_quiet);
    xml_close(&b, "DeleteResult");
    s3_answer_xml(c, 200, &b);
    return S3_OK;
}

enum s3_code s3_do_delete_objects(struct s3_call *c)
{
    struct deletion d = { 0 };
    enum s3_code rc;

    if (!c->sum[0] && !http_header(c->rq, "content-md5"))
        return s3_fail(c, S3_INVALID_REQUEST,
                       "Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
    d.keys = xcalloc(DELETE_MAX, sizeof *d.keys);
    rc = delete_all(c, &d);
    for (size_t i = 0; i < d.count; i++)
        free(d.keys[i]);
    free(d.keys);
    return rc;
}
