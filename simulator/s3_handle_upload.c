/*
 * s3_handle_upload.c - multipart uploads over HTTP: start, parts, complete, abort, lists.
 */
#include <string.h>
#include <strings.h>

#include "s3_internal.h"

enum s3_code s3_do_create_upload(struct s3_call *c)
{
    AUTO_JSON json_t *headers = NULL;
    char id[S3_UPLOAD_ID_BYTES];
    struct buf b = { 0 };
    enum s3_code rc = s3_headers_to_store(c, &headers);

    if (rc == S3_OK)
        rc = s3_upload_start(c->store, &c->at, headers, id);
    if (rc)
        return rc;
    xml_begin(&b, "InitiateMultipartUploadResult");
    xml_text(&b, "Bucket", c->at.bucket);
    xml_text(&b, "Key", c->at.key);
    xml_text(&b, "UploadId", id);
    xml_close(&b, "InitiateMultipartUploadResult");
    s3_answer_xml(c, 200, &b);
    return S3_OK;
}

static enum s3_code put_part(struct s3_call *c, struct s3_writer *w, int number)
{
    enum s3_code rc;

    if (c->sum[0])
        (void) json_object_set_new(w->headers, s3_sum_kind(c->sum_kind)->header,
                                   json_string(c->sum));
    rc = s3_file_write(w, c->body, c->body_n);
    if (rc == S3_OK)
        rc = s3_file_end(w);
    return rc ? rc : s3_upload_publish_part(w, http_query(c->rq, "uploadId"), number);
}

enum s3_code s3_do_upload_part(struct s3_call *c)
{
    AUTO_UPLOAD struct s3_upload upload = { 0 };
    struct s3_writer *w = NULL;
    int64_t number = 0;
    enum s3_code rc = s3_query_number(c, "partNumber", INT32_MAX, &number);

    if (rc == S3_OK && (number < 1 || number > S3_PART_MAX))
        rc = s3_fail(c, S3_INVALID_ARGUMENT,
                     "Part number must be an integer between 1 and 10000, inclusive");
    if (rc == S3_OK)
        rc = s3_upload_load(c->store, &c->at, http_query(c->rq, "uploadId"), &upload);
    if (rc == S3_OK)
        rc = s3_file_begin(c->store, &c->at, &w);
    if (rc == S3_OK)
        rc = put_part(c, w, (int) number);
    if (rc == S3_OK) {
        s3_set_etag(c, w->stat.etag);
        if (c->sum[0])
            http_set_header(c->rq, s3_sum_kind(c->sum_kind)->header, c->sum);
        s3_answer_empty(c, 200);
    }
    s3_file_free(w);
    return rc;
}

enum s3_code s3_do_abort_upload(struct s3_call *c)
{
    AUTO_UPLOAD struct s3_upload upload = { 0 };
    enum s3_code rc = s3_upload_load(c->store, &c->at, http_query(c->rq, "uploadId"), &upload);

    if (rc == S3_OK)
        rc = s3_upload_abort(c->store, c->at.bucket, upload.id);
    if (rc == S3_OK)
        s3_answer_empty(c, 204);
    return rc;
}

/* ---- complete ---- */

struct wanted_part {
    int number;
    char etag[S3_ETAG_BYTES];
    char sum[S3_SUM_TEXT];
    enum s3_sum sum_kind;
};
struct wanted {
    struct wanted_part *parts;
    size_t count;
    struct wanted_part now; /* the <Part> being read */
};

static bool is_sum_element(const char *name, enum s3_sum *sum)
{
    for (int i = 0; i < SUM_COUNT; i++)
        if (str_eq(name, s3_sum_kind((enum s3_sum) i)->element)) {
            *sum = (enum s3_sum) i;
            return true;
        }
    return false;
}

static void take_etag(struct wanted_part *p, const char *text)
{
    size_t n = strlen(text);

    if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
        text++;
        n -= 2;
    }
    if (n < sizeof p->etag) {
        memcpy(p->etag, text, n);
        p->etag[n] = '\0';
    }
}

static bool visit_part(void *context, const char *path, const char *text)
{
    static const char part[] = "CompleteMultipartUpload/Part";
    struct wanted *w = context;
    int64_t number;

    if (!str_starts(path, part))
        return str_eq(path, "CompleteMultipartUpload");
    path += sizeof part - 1;
    if (!*path) { /* </Part> */
        if (w->now.number == 0 || !w->now.etag[0] || w->count == S3_PART_MAX)
            return false;
        w->parts[w->count++] = w->now;
        w->now = (struct wanted_part){ 0 };
        return true;
    }
    path++;
    if (str_eq(path, "PartNumber")) {
        if (!str_to_i64(text, 1, S3_PART_MAX, &number))
            return false;
        w->now.number = (int) number;
    } else if (str_eq(path, "ETag")) {
        take_etag(&w->now, text);
    } else if (is_sum_element(path, &w->now.sum_kind)) {
        (void) str_copy(w->now.sum, sizeof w->now.sum, text);
    }
    return true;
}

static const struct s3_part *find_part(const struct s3_part *parts, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].number == number)
            return &parts[i];
    return NULL;
}

/* Replaces what the client listed by what is on disk; both are in ascending order. */
static enum s3_code choose_parts(const struct wanted *w, struct s3_parts *parts)
{
    size_t there = parts->count;

    for (size_t i = 1; i < w->count; i++)
        if (w->parts[i].number <= w->parts[i - 1].number)
            return S3_INVALID_PART_ORDER;
    parts->count = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct wanted_part *want = &w->parts[i];
        const struct s3_part *part = find_part(parts->items, there, want->number);

        if (!part || !str_eq(part->stat.etag, want->etag))
            return S3_INVALID_PART;
        if (want->sum[0] && part->sum[0] && want->sum_kind == part->sum_kind &&
            !str_eq(want->sum, part->sum))
            return S3_INVALID_PART;
        if (i + 1 < w->count && part->stat.size < S3_PART_MIN_BYTES)
            return S3_ENTITY_TOO_SMALL;
        parts->items[parts->count++] = *part; /* never behind the part it came from */
    }
    return S3_OK;
}

static void answer_complete(struct s3_call *c, const struct s3_stat *stat)
{
    const char *host = http_header(c->rq, "host");
    struct buf b = { 0 };
    AUTO_BUF struct buf location = { 0 };

    buf_printf(&location, "http://%s/%s/", host ? host : "localhost", c->at.bucket);
    uri_encode(&location, c->at.key, strlen(c->at.key), false);
    xml_begin(&b, "CompleteMultipartUploadResult");
    xml_text(&b, "Location", location.data);
    xml_text(&b, "Bucket", c->at.bucket);
    xml_text(&b, "Key", c->at.key);
    xml_etag(&b, stat->etag);
    xml_close(&b, "CompleteMultipartUploadResult");
    s3_answer_xml(c, 200, &b);
}

static enum s3_code complete(struct s3_call *c, const struct s3_upload *upload, struct wanted *w)
{
    AUTO_PARTS struct s3_parts parts = { 0 };
    struct s3_completion completion = { .at = c->at, .upload = upload };
    const char *if_match = http_header(c->rq, "if-match");
    struct s3_stat stat;
    enum s3_code rc;

    if (!xml_walk(c->body, c->body_n, visit_part, w) || w->count == 0)
        return S3_MALFORMED_XML;
    rc = s3_upload_parts(c->store, &c->at, upload->id, &parts);
    if (rc == S3_OK)
        rc = choose_parts(w, &parts);
    if (rc)
        return rc;
    completion.parts = parts.items;
    completion.count = parts.count;
    completion.is_if_absent = str_eq(http_header(c->rq, "if-none-match"), "*");
    if (if_match) {
        struct wanted_part unquoted = { 0 };

        take_etag(&unquoted, if_match);
        completion.if_match = arena_strdup(http_arena(c->rq), unquoted.etag);
    }
    rc = s3_upload_complete(c->store, &completion, &stat);
    if (rc == S3_OK)
        answer_complete(c, &stat);
    return rc;
}

enum s3_code s3_do_complete_upload(struct s3_call *c)
{
    AUTO_UPLOAD struct s3_upload upload = { 0 };
    struct wanted w = { 0 };
    enum s3_code rc;

    for (int i = 0; i < SUM_COUNT; i++)
        if (http_header(c->rq, s3_sum_kind((enum s3_sum) i)->header))
            return s3_fail(c, S3_NOT_IMPLEMENTED,
                           "The simulator does not check a checksum of a whole multipart object; "
                           "leave it out: the parts' checksums are checked");
    rc = s3_upload_load(c->store, &c->at, http_query(c->rq, "uploadId"), &upload);
    if (rc)
        return rc;
    w.parts = xcalloc(S3_PART_MAX, sizeof *w.parts);
    rc = complete(c, &upload, &w);
    free(w.parts);
    return rc;
}

/* ---- lists ---- */

static void write_identity(struct buf *b, const struct s3_call *c, const char *tag)
{
    xml_open(b, tag);
    xml_text(b, "ID", c->store->account_id);
    xml_close(b, tag);
}

static void write_parts(struct s3_call *c, struct buf *b, const struct s3_part *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        xml_open(b, "Part");
        xml_number(b, "PartNumber", (uint64_t) parts[i].number);
        xml_time(b, "LastModified", parts[i].stat.modified_ms);
        xml_etag(b, parts[i].stat.etag);
        xml_number(b, "Size", parts[i].stat.size);
        if (parts[i].sum[0])
            xml_text(b, s3_sum_kind(parts[i].sum_kind)->element, parts[i].sum);
        xml_close(b, "Part");
    }
    write_identity(b, c, "Initiator");
    write_identity(b, c, "Owner");
    xml_text(b, "StorageClass", "STANDARD");
}

enum s3_code s3_do_list_parts(struct s3_call *c)
{
    AUTO_UPLOAD struct s3_upload upload = { 0 };
    AUTO_PARTS struct s3_parts parts = { 0 };
    struct buf b = { 0 };
    size_t first = 0, n;
    int64_t max = 1000, marker = 0;
    enum s3_code rc = s3_query_number(c, "max-parts", 1000, &max);

    if (rc == S3_OK)
        rc = s3_query_number(c, "part-number-marker", S3_PART_MAX, &marker);
    if (rc == S3_OK)
        rc = s3_upload_load(c->store, &c->at, http_query(c->rq, "uploadId"), &upload);
    if (rc == S3_OK)
        rc = s3_upload_parts(c->store, &c->at, upload.id, &parts);
    if (rc)
        return rc;
    while (first < parts.count && parts.items[first].number <= marker)
        first++;
    n = parts.count - first > (size_t) max ? (size_t) max : parts.count - first;
    xml_begin(&b, "ListPartsResult");
    xml_text(&b, "Bucket", c->at.bucket);
    xml_text(&b, "Key", c->at.key);
    xml_text(&b, "UploadId", upload.id);
    xml_number(&b, "PartNumberMarker", (uint64_t) marker);
    if (n > 0)
        xml_number(&b, "NextPartNumberMarker", (uint64_t) parts.items[first + n - 1].number);
    xml_number(&b, "MaxParts", (uint64_t) max);
    xml_bool(&b, "IsTruncated", first + n < parts.count);
    write_parts(c, &b, parts.items + first, n);
    xml_close(&b, "ListPartsResult");
    s3_answer_xml(c, 200, &b);
    return S3_OK;
}

/* Behind the markers? With an upload marker, later uploads of the same key count too. */
static bool is_behind(const struct s3_call *c, const struct s3_upload *u, bool *has_seen)
{
    const char *key = s3_query_or(c, "key-marker", "");
    const char *id = s3_query_or(c, "upload-id-marker", "");
    int order = strcmp(u->key, key);

    if (!*key || order > 0)
        return true;
    if (order < 0 || !*id)
        return false;
    if (*has_seen)
        return true;
    *has_seen = str_eq(u->id, id);
    return false;
}

static void write_uploads(struct s3_call *c, struct buf *b, const struct s3_upload *const *page,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        xml_open(b, "Upload");
        xml_text(b, "Key", page[i]->key);
        xml_text(b, "UploadId", page[i]->id);
        write_identity(b, c, "Initiator");
        write_identity(b, c, "Owner");
        xml_text(b, "StorageClass", "STANDARD");
        xml_time(b, "Initiated", page[i]->started_ms);
        xml_close(b, "Upload");
    }
}

static void answer_uploads(struct s3_call *c, const struct s3_upload *all, size_t count, size_t max)
{
    const char *prefix = s3_query_or(c, "prefix", "");
    AUTO_FREE const struct s3_upload **page = xcalloc(count + 1, sizeof(void *));
    struct buf b = { 0 };
    bool has_seen = false;
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (is_behind(c, &all[i], &has_seen) && str_starts(all[i].key, prefix))
            page[n++] = &all[i];
    xml_begin(&b, "ListMultipartUploadsResult");
    xml_text(&b, "Bucket", c->at.bucket);
    xml_text(&b, "KeyMarker", s3_query_or(c, "key-marker", ""));
    xml_text(&b, "UploadIdMarker", s3_query_or(c, "upload-id-marker", ""));
    xml_text(&b, "Prefix", prefix);
    xml_number(&b, "MaxUploads", max);
    xml_bool(&b, "IsTruncated", n > max);
    if (n > max) {
        n = max;
        xml_text(&b, "NextKeyMarker", n > 0 ? page[n - 1]->key : "");
        xml_text(&b, "NextUploadIdMarker", n > 0 ? page[n - 1]->id : "");
    }
    write_uploads(c, &b, page, n);
    xml_close(&b, "ListMultipartUploadsResult");
    s3_answer_xml(c, 200, &b);
}

enum s3_code s3_do_list_uploads(struct s3_call *c)
{
    struct s3_upload *all = NULL;
    size_t count = 0;
    int64_t max = 1000;
    enum s3_code rc = s3_query_number(c, "max-uploads", 1000, &max);

    if (rc)
        return rc;
    if (!str_is_empty(http_query(c->rq, "delimiter")) || http_query(c->rq, "encoding-type"))
        return s3_fail(c, S3_NOT_IMPLEMENTED,
                       "ListMultipartUploads knows no delimiter and no encoding-type here");
    if (!s3_bucket_exists(c->store, c->at.bucket))
        return S3_NO_SUCH_BUCKET;
    rc = s3_upload_list(c->store, c->at.bucket, &all, &count);
    if (rc == S3_OK)
        answer_uploads(c, all, count, (size_t) max);
    for (size_t i = 0; i < count; i++)
        s3_upload_done(&all[i]);
    free(all);
    return rc;
}
