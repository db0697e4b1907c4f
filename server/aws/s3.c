/*
 * s3.c - the few requests to S3, as calls: path style, keys encoded byte for byte.
 */
#include <string.h>

#include "aws_private.h"

/* Names come encoded (encoding-type=url), so a page of this many always fits into the cap of a
 * body. */
#define LIST_PAGE "250"

static char *encoded(const char *s)
{
    struct buf out = { 0 };

    buf_adds(&out, "");
    uri_encode(&out, s, strlen(s), false);
    return buf_take(&out);
}

static void object_call(struct aws_call *call, const char *method, const char *bucket,
                        const char *key)
{
    struct buf path = { 0 };

    aws_call_init(call, AWS_S3, str_eq(method, "HEAD") ? "HeadObject" : "GetObject", NULL);
    call->method = method;
    buf_addc(&path, '/');
    uri_encode(&path, bucket, strlen(bucket), false);
    buf_addc(&path, '/');
    uri_encode(&path, key, strlen(key), true);
    call->path = buf_take(&path);
}

static void list_call(struct aws_call *call, const char *bucket)
{
    AUTO_FREE char *name = encoded(bucket);

    aws_call_init(call, AWS_S3, "ListObjectsV2", NULL);
    call->method = "GET";
    call->path = xasprintf("/%s", name);
}

static char *list_query(const char *delimiter, const char *prefix, const char *token)
{
    AUTO_FREE char *start = encoded(prefix ? prefix : "");
    AUTO_FREE char *next = token ? encoded(token) : NULL;

    return xasprintf("list-type=2%s&encoding-type=url&max-keys=" LIST_PAGE "&prefix=%s%s%s",
                     delimiter, start, next ? "&continuation-token=" : "", next ? next : "");
}

void aws_s3_list_call(struct aws_call *call, const char *bucket, const char *prefix,
                      const char *token)
{
    list_call(call, bucket);
    call->query = list_query("&delimiter=%2F", prefix, token);
}

void aws_s3_list_all_call(struct aws_call *call, const char *bucket, const char *prefix,
                          const char *token)
{
    list_call(call, bucket);
    call->query = list_query("", prefix, token);
}

void aws_s3_head_call(struct aws_call *call, const char *bucket, const char *key)
{
    object_call(call, "HEAD", bucket, key);
}

void aws_s3_get_call(struct aws_call *call, const char *bucket, const char *key)
{
    object_call(call, "GET", bucket, key);
}
