/*
 * s3_handle_bucket.c - buckets over HTTP: make, look, list, remove.
 */
#include <string.h>

#include "s3_internal.h"

#define US_EAST_1 "us-east-1"

static bool visit_location(void *context, const char *path, const char *text)
{
    char **location = context;

    if (str_eq(path, "CreateBucketConfiguration/LocationConstraint")) {
        free(*location);
        *location = xstrdup(text);
    }
    return str_starts(path, "CreateBucketConfiguration");
}

enum s3_code s3_do_create_bucket(struct s3_call *c)
{
    AUTO_FREE char *location = NULL;
    enum s3_code rc;

    if (c->body_n > 0 && !xml_walk(c->body, c->body_n, visit_location, &location))
        return S3_MALFORMED_XML;
    /* S3 itself wants no constraint for its oldest region. */
    if (str_eq(location, US_EAST_1) ||
        (location && strspn(location, "abcdefghijklmnopqrstuvwxyz"
                                      "0123456789-EU") != strlen(location)))
        return S3_INVALID_LOCATION;
    rc = s3_bucket_make(c->store, c->at.bucket, location);
    if (rc == S3_BUCKET_ALREADY_OWNED && str_is_empty(location) &&
        str_eq(c->store->region, US_EAST_1))
        rc = S3_OK; /* there, making a bucket again is no error */
    if (rc)
        return rc;
    http_set_header(c->rq, "Location", arena_printf(http_arena(c->rq), "/%s", c->at.bucket));
    s3_answer_empty(c, 200);
    return S3_OK;
}

/* The bucket's region, in the request's arena; NULL when there is no such bucket. */
static const char *region_of(struct s3_call *c)
{
    const struct s3_bucket *b;
    const char *region = NULL;

    uv_mutex_lock(&c->store->lock);
    b = s3_bucket_find(c->store, c->at.bucket);
    if (b)
        region = arena_strdup(http_arena(c->rq), b->region);
    uv_mutex_unlock(&c->store->lock);
    return region;
}

enum s3_code s3_do_head_bucket(struct s3_call *c)
{
    const char *region = region_of(c);

    if (!region)
        return S3_NO_SUCH_BUCKET;
    http_set_header(c->rq, "x-amz-bucket-region", region);
    s3_answer_empty(c, 200);
    return S3_OK;
}

enum s3_code s3_do_delete_bucket(struct s3_call *c)
{
    enum s3_code rc = s3_bucket_remove(c->store, c->at.bucket);

    if (rc == S3_OK)
        s3_answer_empty(c, 204);
    return rc;
}

enum s3_code s3_do_bucket_location(struct s3_call *c)
{
    const char *region = region_of(c);
    struct buf b = { 0 };

    if (!region)
        return S3_NO_SUCH_BUCKET;
    xml_begin(&b, "LocationConstraint");
    buf_adds(&b, str_eq(region, US_EAST_1) ? "" : region);
    xml_close(&b, "LocationConstraint");
    s3_answer_xml(c, 200, &b);
    return S3_OK;
}

enum s3_code s3_do_bucket_versioning(struct s3_call *c)
{
    struct buf b = { 0 };

    if (!region_of(c))
        return S3_NO_SUCH_BUCKET;
    xml_begin(&b, "VersioningConfiguration"); /* empty: never switched on */
    xml_close(&b, "VersioningConfiguration");
    s3_answer_xml(c, 200, &b);
    return S3_OK;
}

static void write_buckets(struct s3_call *c, struct buf *b, int64_t max)
{
    const char *prefix = s3_query_or(c, "prefix", "");
    const char *after = s3_query_or(c, "continuation-token", ""), *last = NULL, *next = NULL;

    xml_open(b, "Buckets");
    for (size_t i = 0; i < c->store->count && !next; i++) {
        const struct s3_bucket *bucket = c->store->buckets[i];

        if (!str_starts(bucket->name, prefix) || strcmp(bucket->name, after) <= 0)
            continue;
        if (max-- == 0) {
            next = last;
            break;
        }
        xml_open(b, "Bucket");
        xml_text(b, "Name", bucket->name);
        xml_time(b, "CreationDate", bucket->created_ms);
        xml_text(b, "BucketRegion", bucket->region);
        xml_close(b, "Bucket");
        last = bucket->name;
    }
    xml_close(b, "Buckets");
    if (next)
        xml_text(b, "ContinuationToken", next);
}

enum s3_code s3_do_list_buckets(struct s3_call *c)
{
    struct buf b = { 0 };
    int64_t max = 10000;
    enum s3_code rc = s3_query_number(c, "max-buckets", 10000, &max);

    if (rc)
        return rc;
    if (max == 0)
        return s3_fail(c, S3_INVALID_ARGUMENT, "max-buckets must be at least 1");
    xml_begin(&b, "ListAllMyBucketsResult");
    xml_open(&b, "Owner");
    xml_text(&b, "ID", c->store->account_id);
    xml_close(&b, "Owner");
    uv_mutex_lock(&c->store->lock);
    write_buckets(c, &b, max);
    uv_mutex_unlock(&c->store->lock);
    xml_close(&b, "ListAllMyBucketsResult");
    s3_answer_xml(c, 200, &b);
    return S3_OK;
}
