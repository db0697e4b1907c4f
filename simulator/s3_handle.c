/*
 * s3_handle.c - from an HTTP request to an S3 operation and back: what it is about, which row of
 * the table, errors.
 *
 * A handler returns S3_OK when it answered and an error otherwise; only here errors become answers,
 * so there is exactly one response whatever happens.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "s3_internal.h"

/* The first row that fits is the operation; rows that ask for more come first. */
static const struct s3_operation {
    enum s3_level level;
    const char *method, *query, *header; /* NULL: not asked for */
    s3_handler_fn handle;
} operations[] = {
    { S3_SERVICE, "GET", NULL, NULL, s3_do_list_buckets },
    { S3_BUCKET, "PUT", NULL, NULL, s3_do_create_bucket },
    { S3_BUCKET, "HEAD", NULL, NULL, s3_do_head_bucket },
    { S3_BUCKET, "DELETE", NULL, NULL, s3_do_delete_bucket },
    { S3_BUCKET, "GET", "location", NULL, s3_do_bucket_location },
    { S3_BUCKET, "GET", "versioning", NULL, s3_do_bucket_versioning },
    { S3_BUCKET, "GET", "uploads", NULL, s3_do_list_uploads },
    { S3_BUCKET, "GET", "list-type", NULL, s3_do_list_v2 },
    { S3_BUCKET, "GET", NULL, NULL, s3_do_list_v1 },
    { S3_BUCKET, "POST", "delete", NULL, s3_do_delete_objects },
    { S3_OBJECT, "GET", "uploadId", NULL, s3_do_list_parts },
    { S3_OBJECT, "GET", "tagging", NULL, s3_do_object_tagging },
    { S3_OBJECT, "GET", NULL, NULL, s3_do_get_object },
    { S3_OBJECT, "HEAD", NULL, NULL, s3_do_get_object },
    { S3_OBJECT, "PUT", "uploadId", "x-amz-copy-source", s3_do_upload_part_copy },
    { S3_OBJECT, "PUT", "uploadId", NULL, s3_do_upload_part },
    { S3_OBJECT, "PUT", NULL, "x-amz-copy-source", s3_do_copy_object },
    { S3_OBJECT, "PUT", NULL, NULL, s3_do_put_object },
    { S3_OBJECT, "POST", "uploads", NULL, s3_do_create_upload },
    { S3_OBJECT, "POST", "uploadId", NULL, s3_do_complete_upload },
    { S3_OBJECT, "DELETE", "uploadId", NULL, s3_do_abort_upload },
    { S3_OBJECT, "DELETE", NULL, NULL, s3_do_delete_object },
};

/* What S3 has and this one has not. A request that names one is refused rather than taken for
 * something else. */
static const char *const subresources[] = {
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
};

/* Headers that would change what is stored in a way that is not done here. */
static const char *const refused_headers[] = {
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-legal-hold",
};

/* ---- replies ---- */

enum s3_code s3_fail(struct s3_call *c, enum s3_code code, const char *message)
{
    c->message = message;
    return code;
}

void s3_common_headers(struct http_request *rq)
{
    http_set_header(rq, "x-amz-request-id", http_request_id(rq));
    http_set_header(rq, "Server", "AmazonS3");
}

void s3_respond_error(struct http_request *rq, int status, const char *code, const char *message)
{
    struct buf b = { 0 };
    size_t n;

    s3_common_headers(rq);
    if (str_eq(http_method(rq), "HEAD") || status == 304) {
        http_respond(rq, status, NULL, NULL, 0);
        return;
    }
    buf_adds(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    xml_text(&b, "Code", code);
    xml_text(&b, "Message", message);
    xml_text(&b, "Resource", http_raw_path(rq));
    xml_text(&b, "RequestId", http_request_id(rq));
    xml_close(&b, "Error");
    n = b.length;
    http_respond_take(rq, status, "application/xml", buf_take(&b), n);
}

void s3_answer_xml(struct s3_call *c, int status, struct buf *xml)
{
    size_t n = xml->length;

    s3_common_headers(c->rq);
    http_respond_take(c->rq, status, "application/xml", buf_take(xml), n);
}

void s3_answer_empty(struct s3_call *c, int status)
{
    s3_common_headers(c->rq);
    http_respond(c->rq, status, NULL, NULL, 0);
}

void s3_set_etag(struct s3_call *c, const char *etag)
{
    char quoted[S3_ETAG_BYTES + 2];

    (void) snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    http_set_header(c->rq, "ETag", quoted);
}

/* ---- what is the request about? ---- */

bool s3_bucket_of_host(const struct http_request *rq, char out[S3_BUCKET_MAX + 1])
{
    static const char *const suffixes[] = { ".s3.localhost", ".localhost" };
    const char *host = http_header(rq, "host");
    size_t n = host ? strcspn(host, ":") : 0;

    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        size_t suffix_n = strlen(suffixes[i]);

        if (n <= suffix_n || n - suffix_n > S3_BUCKET_MAX ||
            strncasecmp(host + n - suffix_n, suffixes[i], suffix_n) != 0)
            continue;
        (void) snprintf(out, S3_BUCKET_MAX + 1, "%.*s", (int) (n - suffix_n), host);
        return strcmp(out, "s3") != 0;
    }
    return false;
}

static bool is_unsigned_s3(const struct http_request *rq)
{
    char bucket[S3_BUCKET_MAX + 1];

    if (!str_eq(http_method(rq), "POST"))
        return true;
    return s3_bucket_of_host(rq, bucket) || http_query(rq, "uploads") ||
           http_query(rq, "uploadId") || http_query(rq, "delete");
}

bool s3_is_request(const struct http_request *rq)
{
    const char *authorization = http_header(rq, "authorization");
    const char *credential = http_query(rq, "X-Amz-Credential");

    if (http_header(rq, "x-amz-target") || str_starts(http_raw_path(rq), "/_simulator"))
        return false;
    if (authorization)
        return strstr(authorization, "/s3/aws4_request") || str_starts(authorization, "AWS ");
    if (credential)
        return strstr(credential, "/s3/aws4_request") != NULL;
    return s3_is_version_2_link(rq) || is_unsigned_s3(rq);
}

/* Decoded into the request's arena; NULL when malformed or when it would hold a NUL. */
static const char *decode(struct http_request *rq, const char *s, size_t n)
{
    AUTO_BUF struct buf b = { 0 };

    if (n == 0)
        return "";
    if (!uri_decode(&b, s, n, false) || memchr(b.data, '\0', b.length))
        return NULL;
    return arena_strndup(http_arena(rq), b.data, b.length);
}

static enum s3_code locate(struct s3_call *c)
{
    char bucket[S3_BUCKET_MAX + 1];
    const char *path = http_raw_path(c->rq);
    size_t n;

    if (*path == '/')
        path++;
    if (s3_bucket_of_host(c->rq, bucket)) {
        c->at.bucket = arena_strdup(http_arena(c->rq), bucket);
    } else if (*path) {
        n = strcspn(path, "/");
        c->at.bucket = decode(c->rq, path, n);
        path += n;
        if (*path == '/')
            path++;
        if (!c->at.bucket)
            return S3_INVALID_URI;
    } else {
        return S3_OK;
    }
    c->at.key = decode(c->rq, path, strlen(path));
    if (!c->at.key)
        return S3_INVALID_URI;
    return *c->at.key ? s3_key_check(c->at.key) : S3_OK;
}

enum s3_code s3_copy_source(struct s3_call *c, struct s3_location *out)
{
    const char *source = http_header(c->rq, "x-amz-copy-source"), *slash;
    const char *version = strstr(source, "?versionId=");
    size_t n = version ? (size_t) (version - source) : strlen(source);

    if (version && !str_eq(version, "?versionId=null"))
        return s3_fail(c, S3_NOT_IMPLEMENTED, "Versions of objects are not kept here");
    source = decode(c->rq, source, n);
    if (source && *source == '/')
        source++;
    slash = source ? strchr(source, '/') : NULL;
    if (!slash || slash == source || !slash[1])
        return s3_fail(c, S3_INVALID_ARGUMENT,
                       "Copy Source must mention the source bucket and key: "
                       "sourcebucket/sourcekey");
    out->bucket = arena_strndup(http_arena(c->rq), source, (size_t) (slash - source));
    out->key = slash + 1;
    return S3_OK;
}

const char *s3_query_or(const struct s3_call *c, const char *name, const char *fallback)
{
    const char *value = http_query(c->rq, name);

    return value ? value : fallback;
}

enum s3_code s3_query_number(struct s3_call *c, const char *name, int64_t max, int64_t *value)
{
    const char *text = http_query(c->rq, name);

    if (str_is_empty(text))
        return S3_OK;
    if (!str_to_i64(text, 0, INT32_MAX, value))
        return s3_fail(c, S3_INVALID_ARGUMENT,
                       arena_printf(http_arena(c->rq),
                                    "Provided %s not an integer or within integer range", name));
    if (*value > max)
        *value = max;
    return S3_OK;
}

/* ---- dispatch ---- */

static enum s3_level level_of(const struct s3_call *c)
{
    if (!c->at.bucket)
        return S3_SERVICE;
    return *c->at.key ? S3_OBJECT : S3_BUCKET;
}

static const struct s3_operation *find_operation(const struct s3_call *c)
{
    enum s3_level level = level_of(c);

    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        const struct s3_operation *o = &operations[i];

        if (o->level == level && str_eq(o->method, http_method(c->rq)) &&
            (!o->query || http_query(c->rq, o->query)) &&
            (!o->header || http_header(c->rq, o->header)))
            return o;
    }
    return NULL;
}

/* Does the row account for this subresource? */
static bool is_part_of(const struct s3_operation *o, const char *subresource)
{
    return str_eq(o->query, subresource) ||
           (str_eq(subresource, "partNumber") && str_eq(o->query, "uploadId"));
}

static enum s3_code check_supported(struct s3_call *c, const struct s3_operation *o)
{
    for (size_t i = 0; i < ARRAY_LEN(subresources); i++) {
        const char *value = http_query(c->rq, subresources[i]);

        if (value && !is_part_of(o, subresources[i]) &&
            !(str_eq(subresources[i], "versionId") && str_eq(value, "null")))
            return s3_fail(c, S3_NOT_IMPLEMENTED,
                           arena_printf(http_arena(c->rq),
                                        "The simulator does not know ?%s in this place",
                                        subresources[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(refused_headers); i++)
        if (http_header(c->rq, refused_headers[i]))
            return s3_fail(c, S3_NOT_IMPLEMENTED,
                           arena_printf(http_arena(c->rq), "The simulator does not know %s",
                                        refused_headers[i]));
    return S3_OK;
}

static enum s3_code dispatch(struct s3_call *c)
{
    const char *owner = http_header(c->rq, "x-amz-expected-bucket-owner");
    const struct s3_operation *o;
    enum s3_code rc = locate(c);

    if (rc)
        return rc;
    o = find_operation(c);
    if (!o)
        return S3_METHOD_NOT_ALLOWED;
    rc = check_supported(c, o);
    if (rc)
        return rc;
    if (owner && !str_eq(owner, c->store->account_id))
        return S3_ACCESS_DENIED;
    rc = s3_payload_check(c);
    return rc ? rc : o->handle(c);
}

void s3_handle(struct s3_store *store, struct http_request *rq, const struct s3_caller *caller)
{
    struct s3_call c = { .store = store, .rq = rq, .caller = caller };
    enum s3_code rc;

    c.body = http_body(rq, &c.body_n);
    rc = dispatch(&c);
    if (rc) {
        const struct s3_error *row = s3_error_of(rc);

        s3_respond_error(rq, row->status, row->code, c.message ? c.message : row->message);
    }
    s3_chunked_done(&c.chunked);
}
