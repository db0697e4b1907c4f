/*
 * s3_handle_copy.c - CopyObject and UploadPartCopy: bytes that are here already.
 */
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "s3_internal.h"

struct source {
    struct s3_location at;
    struct s3_meta meta;
    int fd;
};

/* Opens what x-amz-copy-source names and holds its conditions against it. */
static enum s3_code source_open(struct s3_call *c, struct source *s)
{
    enum s3_code rc = s3_copy_source(c, &s->at);

    s->fd = -1;
    if (rc == S3_OK)
        rc = s3_object_get(c->store, &s->at, &s->fd, &s->meta);
    if (rc == S3_OK)
        rc = s3_conditions(c, "x-amz-copy-source-", &s->meta.stat);
    return rc;
}

static void source_close(struct source *s)
{
    if (s->fd >= 0)
        (void) close(s->fd);
    s3_meta_done(&s->meta);
}

static void answer_copy(struct s3_call *c, const char *root, const struct s3_stat *stat)
{
    struct buf b = { 0 };

    xml_begin(&b, root);
    xml_time(&b, "LastModified", stat->modified_ms);
    xml_etag(&b, stat->etag);
    xml_close(&b, root);
    s3_answer_xml(c, 200, &b);
}

/* COPY (the default) keeps the source's headers, REPLACE takes the request's. */
static enum s3_code choose_headers(struct s3_call *c, const struct source *s, json_t **out)
{
    const char *directive = http_header(c->rq, "x-amz-metadata-directive");
    const char *tags = http_header(c->rq, "x-amz-tagging-directive");
    bool is_replace = directive && strcasecmp(directive, "REPLACE") == 0;
    enum s3_code rc;

    if (directive && !is_replace && strcasecmp(directive, "COPY") != 0)
        return s3_fail(c, S3_INVALID_ARGUMENT, "Unknown metadata directive.");
    if (!is_replace && str_eq(s->at.bucket, c->at.bucket) && str_eq(s->at.key, c->at.key))
        return s3_fail(c, S3_INVALID_REQUEST,
                       "This copy request is illegal because it is trying to copy an object to "
                       "itself without changing the object's metadata, storage class, website "
                       "redirect location or encryption attributes.");
    if (is_replace) {
        rc = s3_headers_to_store(c, out);
        if (rc)
            return rc;
    } else {
        *out = json_deep_copy(s->meta.headers);
    }
    if (tags && strcasecmp(tags, "REPLACE") == 0) {
        const char *given = http_header(c->rq, "x-amz-tagging");

        (void) json_object_set_new(*out, "x-amz-tagging", json_string(given ? given : ""));
    } else if (is_replace) {
        json_t *kept = json_object_get(s->meta.headers, "x-amz-tagging");

        (void) json_object_del(*out, "x-amz-tagging");
        if (kept)
            (void) json_object_set_new(*out, "x-amz-tagging", json_incref(kept));
    }
    return S3_OK;
}

static void carry_sums(const struct source *s, json_t *headers)
{
    for (int i = 0; i < SUM_COUNT; i++) {
        const char *name = s3_sum_kind((enum s3_sum) i)->header;
        json_t *sum = json_object_get(s->meta.headers, name);

        if (sum)
            (void) json_object_set_new(headers, name, json_incref(sum));
    }
}

static enum s3_code copy_object(struct s3_call *c, const struct source *s)
{
    struct s3_writer *w;
    json_t *headers = NULL;
    enum s3_code rc = choose_headers(c, s, &headers);

    if (rc)
        return rc;
    rc = s3_file_begin(c->store, &c->at, &w);
    if (rc) {
        json_decref(headers);
        return rc;
    }
    json_decref(w->headers);
    w->headers = headers;
    carry_sums(s, headers);
    w->is_known = !strchr(s->meta.stat.etag, '-'); /* of a multipart object it is computed anew */
    if (w->is_known)
        memcpy(w->stat.etag, s->meta.stat.etag, sizeof w->stat.etag);
    rc = s3_file_append(w, s->fd, 0, s->meta.stat.size);
    if (rc == S3_OK)
        rc = s3_file_end(w);
    if (rc == S3_OK)
        rc = s3_object_publish(w);
    if (rc == S3_OK)
        answer_copy(c, "CopyObjectResult", &w->stat);
    s3_file_free(w);
    return rc;
}

enum s3_code s3_do_copy_object(struct s3_call *c)
{
    struct source s = { .fd = -1 };
    enum s3_code rc = s3_bucket_exists(c->store, c->at.bucket) ? S3_OK : S3_NO_SUCH_BUCKET;

    if (rc == S3_OK)
        rc = source_open(c, &s);
    if (rc == S3_OK)
        rc = copy_object(c, &s);
    source_close(&s);
    return rc;
}

/* ---- UploadPartCopy ---- */

static enum s3_code copy_part(struct s3_call *c, const struct source *s, struct s3_writer *w)
{
    const char *header = http_header(c->rq, "x-amz-copy-source-range");
    struct s3_range r = s3_range_parse(header, s->meta.stat.size);
    int64_t number = 0;
    enum s3_code rc = s3_query_number(c, "partNumber", INT32_MAX, &number);

    if (rc)
        return rc;
    if (number < 1 || number > S3_PART_MAX)
        return s3_fail(c, S3_INVALID_ARGUMENT,
                       "Part number must be an integer between 1 and 10000, inclusive");
    if (header && (!r.is_partial || r.is_unsatisfiable))
        return s3_fail(c, S3_INVALID_ARGUMENT,
                       "The x-amz-copy-source-range value must be of the form bytes=first-last "
                       "within the source");
    rc = s3_file_append(w, s->fd, r.first, r.n);
    if (rc == S3_OK)
        rc = s3_file_end(w);
    if (rc == S3_OK)
        rc = s3_upload_publish_part(w, http_query(c->rq, "uploadId"), (int) number);
    if (rc == S3_OK)
        answer_copy(c, "CopyPartResult", &w->stat);
    return rc;
}

enum s3_code s3_do_upload_part_copy(struct s3_call *c)
{
    AUTO_UPLOAD struct s3_upload upload = { 0 };
    struct source s = { .fd = -1 };
    struct s3_writer *w = NULL;
    enum s3_code rc = s3_upload_load(c->store, &c->at, http_query(c->rq, "uploadId"), &upload);

    if (rc == S3_OK)
        rc = source_open(c, &s);
    if (rc == S3_OK)
        rc = s3_file_begin(c->store, &c->at, &w);
    if (rc == S3_OK)
        rc = copy_part(c, &s, w);
    s3_file_free(w);
    source_close(&s);
    return rc;
}
