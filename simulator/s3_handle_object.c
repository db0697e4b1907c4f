/*
 * s3_handle_object.c - objects over HTTP: put, copy, get, head, delete.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "s3_internal.h"

#define METADATA_MAX 2048

/* ---- headers that are kept with an object ---- */

static const char *const stored_names[] = {
    "cache-control",    "content-disposition",
    "content-language", "content-type",
    "expires",          "x-amz-server-side-encryption",
    "x-amz-tagging",    "x-amz-website-redirect-location",
};

struct storing {
    json_t *headers;
    size_t metadata_n;
    bool is_foreign; /* a value that is not UTF-8 */
};

static void store_header(struct storing *s, const char *name, const char *value)
{
    const char *before = json_string_value(json_object_get(s->headers, name));

    if (!str_is_utf8(value, strlen(value)) || !str_is_utf8(name, strlen(name))) {
        s->is_foreign = true;
        return;
    }
    if (before) {
        AUTO_FREE char *both = xasprintf("%s,%s", before, value);

        (void) json_object_set_new(s->headers, name, json_string(both));
    } else {
        (void) json_object_set_new(s->headers, name, json_string(value));
    }
}

static void visit_metadata(void *context, const char *name, const char *value)
{
    static const char prefix[] = "x-amz-meta-";
    struct storing *s = context;
    char lower[256];
    size_t n;

    if (strncasecmp(name, prefix, sizeof prefix - 1) != 0)
        return;
    n = str_copy(lower, sizeof lower, name);
    for (size_t i = 0; i < n; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char) (lower[i] + ('a' - 'A'));
    s->metadata_n += strlen(name) - (sizeof prefix - 1) + strlen(value);
    store_header(s, lower, value);
}

/* "aws-chunked" says how the body travelled, not what it is. */
static void store_encoding(struct storing *s, const char *value)
{
    AUTO_FREE char *copy = xstrdup(value);
    AUTO_BUF struct buf rest = { 0 };
    char *save = NULL;

    for (char *t = strtok_r(copy, ", ", &save); t; t = strtok_r(NULL, ", ", &save)) {
        if (strcasecmp(t, "aws-chunked") == 0)
            continue;
        buf_printf(&rest, "%s%s", rest.length ? "," : "", t);
    }
    if (rest.length)
        store_header(s, "content-encoding", rest.data);
}

enum s3_code s3_headers_to_store(struct s3_call *c, json_t **out)
{
    struct storing s = { .headers = json_object() };
    const char *encoding = http_header(c->rq, "content-encoding");
    enum s3_code rc = S3_OK;

    for (size_t i = 0; i < ARRAY_LEN(stored_names); i++) {
        const char *value = http_header(c->rq, stored_names[i]);

        if (value)
            store_header(&s, stored_names[i], value);
    }
    if (encoding)
        store_encoding(&s, encoding);
    http_headers(c->rq, visit_metadata, &s);
    if (!json_object_get(s.headers, "content-type"))
        (void) json_object_set_new(s.headers, "content-type", json_string("binary/octet-stream"));
    if (s.is_foreign)
        rc = s3_fail(c, S3_INVALID_ARGUMENT, "Header values must be UTF-8");
    else if (s.metadata_n > METADATA_MAX)
        rc = S3_METADATA_TOO_LARGE;
    if (rc)
        json_decref(s.headers);
    else
        *out = s.headers;
    return rc;
}

/* ---- put ---- */

/* Conditions of a write; they are held against the key when the object is put in place. */
static enum s3_code write_conditions(struct s3_call *c, struct s3_writer *w)
{
    const char *if_none = http_header(c->rq, "if-none-match");
    const char *if_match = http_header(c->rq, "if-match");

    if (if_none && !str_eq(if_none, "*"))
        return s3_fail(c, S3_NOT_IMPLEMENTED, "If-None-Match of a write can only be *");
    w->is_if_absent = if_none != NULL;
    if (if_match) {
        size_t n = strlen(if_match);

        w->if_match = n >= 2 && if_match[0] == '"' && if_match[n - 1] == '"'
                          ? arena_strndup(http_arena(c->rq), if_match + 1, n - 2)
                          : if_match;
    }
    return S3_OK;
}

static void echo_sum(struct s3_call *c)
{
    if (c->sum[0])
        http_set_header(c->rq, s3_sum_kind(c->sum_kind)->header, c->sum);
}

static enum s3_code put_body(struct s3_call *c, struct s3_writer *w)
{
    enum s3_code rc = write_conditions(c, w);
    json_t *headers = NULL;

    if (rc == S3_OK)
        rc = s3_headers_to_store(c, &headers);
    if (rc)
        return rc;
    json_decref(w->headers);
    w->headers = headers;
    if (c->sum[0])
        (void) json_object_set_new(w->headers, s3_sum_kind(c->sum_kind)->header,
                                   json_string(c->sum));
    rc = s3_file_write(w, c->body, c->body_n);
    if (rc == S3_OK)
        rc = s3_file_end(w);
    return rc ? rc : s3_object_publish(w);
}

enum s3_code s3_do_put_object(struct s3_call *c)
{
    struct s3_writer *w;
    enum s3_code rc;

    if (!s3_bucket_exists(c->store, c->at.bucket))
        return S3_NO_SUCH_BUCKET;
    rc = s3_file_begin(c->store, &c->at, &w);
    if (rc)
        return rc;
    rc = put_body(c, w);
    if (rc == S3_OK) {
        s3_set_etag(c, w->stat.etag);
        echo_sum(c);
        s3_answer_empty(c, 200);
    }
    s3_file_free(w);
    return rc;
}

/* ---- conditions of a read ---- */

static bool etag_matches(const char *list, const char *etag)
{
    size_t n = strlen(etag);

    for (const char *p = list; *p;) {
        size_t item;

        p += strspn(p, ", \t");
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        item = strcspn(p, ", \t");
        if (item == 1 && *p == '*')
            return true;
        if ((item == n && strncmp(p, etag, n) == 0) ||
            (item == n + 2 && p[0] == '"' && strncmp(p + 1, etag, n) == 0))
            return true;
        p += item;
    }
    return false;
}

static const char *condition(const struct s3_call *c, const char *prefix, const char *name)
{
    char header[64];

    (void) snprintf(header, sizeof header, "%s%s", prefix, name);
    return http_header(c->rq, header);
}

enum s3_code s3_conditions(const struct s3_call *c, const char *prefix, const struct s3_stat *stat)
{
    const char *match = condition(c, prefix, "if-match");
    const char *none = condition(c, prefix, "if-none-match");
    const char *since = condition(c, prefix, "if-modified-since");
    const char *unmodified = condition(c, prefix, "if-unmodified-since");
    int64_t modified_s = stat->modified_ms / 1000, s;
    enum s3_code same = *prefix ? S3_PRECONDITION_FAILED : S3_NOT_MODIFIED;

    if (match && !etag_matches(match, stat->etag))
        return S3_PRECONDITION_FAILED;
    if (!match && unmodified && clock_parse_http(unmodified, &s) && modified_s > s)
        return S3_PRECONDITION_FAILED;
    if (none && etag_matches(none, stat->etag))
        return same;
    if (!none && since && clock_parse_http(since, &s) && modified_s <= s)
        return same;
    return S3_OK;
}

/* ---- get, head ---- */

struct s3_range s3_range_parse(const char *header, uint64_t size)
{
    struct s3_range whole = { .n = size }, r = { .is_partial = true };
    char first[24] = "", last[24] = "";
    int64_t a = 0, b = INT64_MAX;
    const char *dash, *p;

    if (!header || strncasecmp(header, "bytes=", 6) != 0)
        return whole;
    p = header + 6;
    dash = strchr(p, '-');
    if (!dash || dash - p >= (ptrdiff_t) sizeof first || strlen(dash + 1) >= sizeof last)
        return whole; /* malformed, or several ranges: the whole object, as S3 does */
    (void) snprintf(first, sizeof first, "%.*s", (int) (dash - p), p);
    (void) snprintf(last, sizeof last, "%s", dash + 1);
    if ((*first && !str_to_i64(first, 0, INT64_MAX, &a)) ||
        (*last && !str_to_i64(last, 0, INT64_MAX, &b)) || (!*first && !*last) ||
        (*first && *last && b < a))
        return whole;
    if (!*first) { /* the last b bytes */
        r.is_unsatisfiable = b == 0 || size == 0;
        r.n = (uint64_t) b < size ? (uint64_t) b : size;
        r.first = size - r.n;
        return r;
    }
    r.first = (uint64_t) a;
    r.is_unsatisfiable = r.first >= size;
    if (!r.is_unsatisfiable)
        r.n = ((uint64_t) b < size - 1 ? (uint64_t) b : size - 1) - r.first + 1;
    return r;
}

static bool is_shown(const struct s3_call *c, const char *name, bool is_partial)
{
    if (str_eq(name, "content-type") || str_eq(name, "x-amz-tagging"))
        return false;
    if (!str_starts(name, "x-amz-checksum-"))
        return true;
    return !is_partial && http_header(c->rq, "x-amz-checksum-mode");
}

/* The query may replace a header of the answer (presigned links use it). */
static enum s3_code override_headers(struct s3_call *c, const char **type)
{
    static const struct {
        const char *query, *header;
    } rows[] = {
        { "response-cache-control", "cache-control" },
        { "response-content-disposition", "content-disposition" },
        { "response-content-encoding", "content-encoding" },
        { "response-content-language", "content-language" },
        { "response-content-type", NULL },
        { "response-expires", "expires" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *value = http_query(c->rq, rows[i].query);

        if (!value)
            continue;
        for (const char *p = value; *p; p++)
            if ((unsigned char) *p < ' ' || *p == 127)
                return s3_fail(c, S3_INVALID_ARGUMENT,
                               "A response-… parameter holds control characters");
        if (rows[i].header)
            http_set_header(c->rq, rows[i].header, value);
        else
            *type = value;
    }
    return S3_OK;
}

static unsigned count_tags(const char *tagging)
{
    unsigned n = *tagging != '\0';

    for (; *tagging; tagging++)
        n += *tagging == '&';
    return n;
}

static void set_stored_headers(struct s3_call *c, const struct s3_meta *meta, bool is_partial)
{
    const char *tagging = json_string_value(json_object_get(meta->headers, "x-amz-tagging"));
    const char *name;
    json_t *value;

    json_object_foreach (meta->headers, name, value)
        if (is_shown(c, name, is_partial))
            http_set_header(c->rq, name, json_string_value(value));
    if (!str_is_empty(tagging))
        http_set_header(c->rq, "x-amz-tagging-count",
                        arena_printf(http_arena(c->rq), "%u", count_tags(tagging)));
}

static void set_stat_headers(struct s3_call *c, const struct s3_stat *stat)
{
    char modified[CLOCK_TEXT_BYTES];

    clock_format_http(stat->modified_ms / 1000, modified);
    http_set_header(c->rq, "Last-Modified", modified);
    http_set_header(c->rq, "Accept-Ranges", "bytes");
    s3_set_etag(c, stat->etag);
}

static void set_content_range(struct s3_call *c, const struct s3_range *r, uint64_t size)
{
    char text[80];

    if (r->is_unsatisfiable)
        (void) snprintf(text, sizeof text, "bytes */%llu", (unsigned long long) size);
    else
        (void) snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long) r->first,
                        (unsigned long long) (r->first + r->n - 1), (unsigned long long) size);
    http_set_header(c->rq, "Content-Range", text);
}

/* Takes the descriptor when it answers. */
static enum s3_code answer_object(struct s3_call *c, const struct s3_meta *meta, int fd)
{
    struct s3_range r = s3_range_parse(http_header(c->rq, "range"), meta->stat.size);
    const char *type = json_string_value(json_object_get(meta->headers, "content-type"));
    enum s3_code rc = s3_conditions(c, "", &meta->stat);

    if (rc == S3_NOT_MODIFIED)
        set_stat_headers(c, &meta->stat);
    if (rc)
        return rc;
    if (r.is_unsatisfiable) {
        set_content_range(c, &r, meta->stat.size);
        return S3_INVALID_RANGE;
    }
    set_stored_headers(c, meta, r.is_partial);
    rc = override_headers(c, &type);
    if (rc)
        return rc;
    set_stat_headers(c, &meta->stat);
    if (r.is_partial)
        set_content_range(c, &r, meta->stat.size);
    s3_common_headers(c->rq);
    http_respond_fd(c->rq, r.is_partial ? 206 : 200, type ? type : "binary/octet-stream", fd,
                    r.first, r.n);
    return S3_OK;
}

enum s3_code s3_do_get_object(struct s3_call *c)
{
    AUTO_META struct s3_meta meta = { 0 };
    int fd;
    enum s3_code rc = s3_object_get(c->store, &c->at, &fd, &meta);

    if (rc)
        return rc;
    rc = answer_object(c, &meta, fd);
    if (rc)
        (void) close(fd);
    return rc;
}

enum s3_code s3_do_delete_object(struct s3_call *c)
{
    enum s3_code rc = s3_object_remove(c->store, &c->at);

    if (rc == S3_OK)
        s3_answer_empty(c, 204);
    return rc;
}

/* ---- tags: those given with x-amz-tagging at the put ---- */

static void one_tag(struct buf *b, const char *pair, size_t n)
{
    const char *equals = memchr(pair, '=', n);
    size_t key_n = equals ? (size_t) (equals - pair) : n;
    AUTO_BUF struct buf key = { 0 }, value = { 0 };

    if (!uri_decode(&key, pair, key_n, true) ||
        (equals && !uri_decode(&value, equals + 1, n - key_n - 1, true)))
        return; /* refused at the put already */
    xml_open(b, "Tag");
    xml_text(b, "Key", key.length ? key.data : "");
    xml_text(b, "Value", value.length ? value.data : "");
    xml_close(b, "Tag");
}

enum s3_code s3_do_object_tagging(struct s3_call *c)
{
    AUTO_META struct s3_meta meta = { 0 };
    struct buf b = { 0 };
    const char *tags;
    int fd;
    enum s3_code rc = s3_object_get(c->store, &c->at, &fd, &meta);

    if (rc)
        return rc;
    (void) close(fd);
    tags = json_string_value(json_object_get(meta.headers, "x-amz-tagging"));
    xml_begin(&b, "Tagging");
    xml_open(&b, "TagSet");
    while (!str_is_empty(tags)) {
        size_t n = strcspn(tags, "&");

        if (n > 0)
            one_tag(&b, tags, n);
        tags += n + (tags[n] == '&');
    }
    xml_close(&b, "TagSet");
    xml_close(&b, "Tagging");
    s3_answer_xml(c, 200, &b);
    return S3_OK;
}
