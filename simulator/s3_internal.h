/*
 * s3_internal.h - what the files of the little S3 share among themselves.
 *
 *   s3_error.c     the table of S3's errors, and error replies
 *   s3_xml.c       writing and reading XML
 *   s3_checksum.c  the checksums S3 knows
 *   s3_chunked.c   the aws-chunked framing (pure)          s3_payload.c  is the body what the
 * headers say? s3_file.c      one object in one file                  s3_store.c    buckets and
 * their index s3_api.c       s3.h for jobs                           s3_list.c     listing (pure
 * over the index) s3_upload.c    multipart uploads on disk s3_handle*.c   HTTP: dispatch, buckets,
 * objects, lists, uploads
 */
#ifndef SIMULATOR_S3_INTERNAL_H
#define SIMULATOR_S3_INTERNAL_H

#include <jansson.h>
#include <uv.h>

#include "s3.h"
#include "steward/mem.h"
#include "steward/str.h"

/* ---- errors ---- */
enum s3_code {
    S3_OK,
    S3_ACCESS_DENIED,
    S3_BAD_DIGEST,
    S3_BUCKET_ALREADY_OWNED,
    S3_BUCKET_NOT_EMPTY,
    S3_CHECKSUM_MISMATCH,
    S3_ENTITY_TOO_LARGE,
    S3_ENTITY_TOO_SMALL,
    S3_INCOMPLETE_BODY,
    S3_INTERNAL_ERROR,
    S3_INVALID_ACCESS_KEY,
    S3_INVALID_ARGUMENT,
    S3_INVALID_BUCKET_NAME,
    S3_INVALID_DIGEST,
    S3_INVALID_LOCATION,
    S3_INVALID_PART,
    S3_INVALID_PART_ORDER,
    S3_INVALID_RANGE,
    S3_INVALID_REQUEST,
    S3_INVALID_TOKEN,
    S3_INVALID_URI,
    S3_KEY_TOO_LONG,
    S3_MALFORMED_AUTHORIZATION,
    S3_MALFORMED_XML,
    S3_METADATA_TOO_LARGE,
    S3_METHOD_NOT_ALLOWED,
    S3_NO_SUCH_BUCKET,
    S3_NO_SUCH_KEY,
    S3_NO_SUCH_UPLOAD,
    S3_NOT_IMPLEMENTED,
    S3_NOT_MODIFIED,
    S3_PRECONDITION_FAILED,
    S3_REQUEST_EXPIRED,
    S3_SIGNATURE_MISMATCH,
    S3_TIME_TOO_SKEWED,
    S3_SHA256_MISMATCH,
    S3_CODE_COUNT
};
struct s3_error {
    const char *code; /* "NoSuchKey" */
    int status;
    const char *message;
};
const struct s3_error *s3_error_of(enum s3_code code);
/* The same as a struct err, for the C functions. */
enum err_code s3_err(struct err *e, enum s3_code code, const struct s3_location *at);
/* S3_INTERNAL_ERROR after logging what the machine refused. */
enum s3_code s3_broken(const char *doing, const char *path);

/* ---- XML ---- */
void xml_begin(struct buf *b,
               const char *root); /* declaration and root element with S3's namespace */
void xml_open(struct buf *b, const char *tag);
void xml_close(struct buf *b, const char *tag);
void xml_text(struct buf *b, const char *tag, const char *value);
void xml_number(struct buf *b, const char *tag, uint64_t value);
void xml_bool(struct buf *b, const char *tag, bool value);
void xml_time(struct buf *b, const char *tag, int64_t ms);
void xml_etag(struct buf *b, const char *etag); /* <ETag>"…"</ETag> */

/* Reads a document: visit gets every element when it ends, by its path ("Delete/Object/Key") and
   trimmed text. Returns false when it is not well-formed, nests too deeply, holds a DOCTYPE, or
   visit said false. */
typedef bool (*xml_visit_fn)(void *context, const char *path, const char *text);
bool xml_walk(const char *text, size_t n, xml_visit_fn visit, void *context);

/* ---- checksums ---- */
enum s3_sum { SUM_CRC32, SUM_CRC32C, SUM_CRC64NVME, SUM_SHA1, SUM_SHA256, SUM_COUNT };
struct s3_sum_kind {
    const char *header;  /* "x-amz-checksum-crc32" */
    const char *element; /* "ChecksumCRC32" */
    const char *name;    /* "CRC32" */
    size_t bytes;
};
const struct s3_sum_kind *s3_sum_kind(enum s3_sum sum);
/* base64 of the digest, big-endian; out has at least S3_SUM_TEXT bytes. */
#define S3_SUM_TEXT 48
void s3_sum_text(enum s3_sum sum, const void *data, size_t n, char out[S3_SUM_TEXT]);

/* ---- aws-chunked ---- */
/* One piece of the framing, in order: every chunk (the last is empty), then the trailer lines as
 * one canonical piece. */
struct s3_chunk {
    const char *data;
    size_t n;
    const char *signature; /* 64 hex digits, or NULL when the framing carries none */
    bool is_trailer;
};
typedef bool (*s3_chunk_fn)(void *context, const struct s3_chunk *chunk);
struct s3_chunked {
    s3_chunk_fn check;   /* set by the caller; NULL: signatures are not looked at */
    void *context;       /* for check */
    struct buf data;     /* the payload without the framing */
    struct buf trailers; /* "name:value\n" lines, names in lower case, without the signature */
};
/* Fills data and trailers, which begin empty. S3_INCOMPLETE_BODY when the framing ends early,
   S3_INVALID_REQUEST when it is wrong, S3_SIGNATURE_MISMATCH when check says false. The caller
   calls s3_chunked_done() in any case. */
enum s3_code s3_chunked_decode(const char *body, size_t n, struct s3_chunked *out);
void s3_chunked_done(struct s3_chunked *c);
/* The value of a trailer, in buffer out; false when absent or longer. */
bool s3_chunked_trailer(const struct s3_chunked *c, const char *name, char *out, size_t size);

/* ---- one object in one file: the bytes, then JSON about them, then a 16-byte footer ---- */
struct s3_meta {
    char *key;
    struct s3_stat stat;
    json_t *headers; /* what GET gives back: content-type, cache-control, x-amz-meta-…,
                        x-amz-checksum-… */
};
void s3_meta_done(struct s3_meta *m);
#define AUTO_META __attribute__((cleanup(s3_meta_done)))
/* Reads what an object file says about itself; false when it is not a whole object file. */
bool s3_file_meta(int fd, struct s3_meta *out);

struct s3_writer {
    struct s3_store *store;
    char *bucket, *key, *path; /* path of the temporary file */
    int fd;
    void *md5;     /* EVP_MD_CTX */
    bool is_known; /* stat.etag was given: md5 is not computed */
    struct s3_stat stat;
    json_t *headers;
    const char *if_match; /* borrowed; ETag the key must have now; "*": any */
    bool is_if_absent;    /* only when the key does not exist */
};
enum s3_code s3_file_begin(struct s3_store *store, const struct s3_location *at,
                           struct s3_writer **out);
enum s3_code s3_file_write(struct s3_writer *w, const void *data, size_t n);
/* Appends n bytes of another file from offset on; the caller gives the ETag (is_known) or wants it
 * computed. */
enum s3_code s3_file_append(struct s3_writer *w, int fd, uint64_t offset, uint64_t n);
/* Writes the end of the file and closes it; it still has its temporary name. */
enum s3_code s3_file_end(struct s3_writer *w);
void s3_file_free(
    struct s3_writer *w); /* removes the temporary file if it is still there; NULL is fine */

/* ---- store ---- */
struct s3_record {
    char *key;
    struct s3_stat stat;
};
struct s3_bucket {
    char *name, *region;
    int64_t created_ms;
    struct s3_record **records; /* by key, in byte order */
    size_t count, capacity;
};
struct s3_store {
    char *directory, *account_id, *region;
    struct clock clock;
    uv_mutex_t lock;            /* guards buckets, their records, and renames into objects/ */
    struct s3_bucket **buckets; /* by name */
    size_t count, capacity;
};
int64_t s3_now_ms(const struct s3_store *store);
/* Names of files; the caller owns them. */
char *s3_path_temporary(const struct s3_store *store);
char *s3_path_object(const struct s3_store *store, const struct s3_location *at);
char *s3_path_uploads(const struct s3_store *store, const char *bucket);
/* Moves a folder out of the way and removes it with everything in it. */
enum s3_code s3_remove_tree(const struct s3_store *store, const char *path);
/* Writes a small file by way of a temporary one. */
enum s3_code s3_write_text(const struct s3_store *store, const char *path, const char *text);

enum s3_code s3_bucket_check_name(const char *bucket);
enum s3_code s3_key_check(const char *key);
enum s3_code s3_bucket_make(struct s3_store *store, const char *bucket, const char *region);
enum s3_code s3_bucket_remove(struct s3_store *store, const char *bucket);
/* NULL when there is none. With the lock held, and only until it is given back. */
struct s3_bucket *s3_bucket_find(struct s3_store *store, const char *bucket);
/* Index of the first record whose key is >= key. */
size_t s3_record_bound(const struct s3_bucket *bucket, const char *key);
struct s3_record *s3_record_find(const struct s3_bucket *bucket, const char *key);
/* Opens for reading, and reads what the file says about itself (meta may be NULL). */
enum s3_code s3_object_get(struct s3_store *store, const struct s3_location *at, int *fd,
                           struct s3_meta *meta);
enum s3_code s3_object_remove(struct s3_store *store, const struct s3_location *at);
/* Puts an ended writer's file in place (its conditions hold, its bucket exists) and into the index.
 */
enum s3_code s3_object_publish(struct s3_writer *w);

/* ---- list ---- */
/* The pure part: lists one bucket's records. */
void s3_list_scan(const struct s3_bucket *bucket, const struct s3_query *query,
                  struct s3_list *out);
enum s3_code s3_list_of(struct s3_store *store, const struct s3_query *query, struct s3_list *out);

/* ---- multipart uploads: a folder each, with upload.json and one object file per part ---- */
#define S3_UPLOAD_ID_BYTES 33
#define S3_PART_MAX        10000
#define S3_PART_MIN_BYTES  ((uint64_t) 5 << 20)
struct s3_upload {
    char id[S3_UPLOAD_ID_BYTES];
    char *key;
    int64_t started_ms;
    json_t *headers;
};
void s3_upload_done(struct s3_upload *u);
#define AUTO_UPLOAD __attribute__((cleanup(s3_upload_done)))
struct s3_part {
    int number;
    struct s3_stat stat;
    char sum[S3_SUM_TEXT]; /* the part's checksum, "" when none was sent */
    enum s3_sum sum_kind;
};
enum s3_code s3_upload_start(struct s3_store *store, const struct s3_location *at, json_t *headers,
                             char id[S3_UPLOAD_ID_BYTES]);
/* Reads an upload; S3_NO_SUCH_UPLOAD also when it belongs to another key. */
enum s3_code s3_upload_load(struct s3_store *store, const struct s3_location *at, const char *id,
                            struct s3_upload *out);
/* Puts an ended writer's file in place as a part. */
enum s3_code s3_upload_publish_part(struct s3_writer *w, const char *id, int number);
struct s3_parts {
    struct s3_part *items; /* in order of number */
    size_t count;
};
void s3_parts_done(struct s3_parts *parts);
#define AUTO_PARTS __attribute__((cleanup(s3_parts_done)))
enum s3_code s3_upload_parts(struct s3_store *store, const struct s3_location *at, const char *id,
                             struct s3_parts *out);
/* Uploads in progress by key, then start; the caller calls s3_upload_done() on each and frees *out.
 */
enum s3_code s3_upload_list(struct s3_store *store, const char *bucket, struct s3_upload **out,
                            size_t *count);
/* Makes the object out of the chosen parts (checked by the caller) and removes the upload. */
struct s3_completion {
    struct s3_location at;
    const struct s3_upload *upload;
    const struct s3_part *parts;
    size_t count;
    const char *if_match;
    bool is_if_absent;
};
enum s3_code s3_upload_complete(struct s3_store *store, const struct s3_completion *c,
                                struct s3_stat *out);
enum s3_code s3_upload_abort(struct s3_store *store, const char *bucket, const char *id);

/* ---- HTTP ---- */
struct s3_call {
    struct s3_store *store;
    struct http_request *rq;
    const struct s3_caller *caller;
    struct s3_location at; /* bucket NULL: the service; key "": the bucket */
    const char *body;      /* without aws-chunked framing */
    size_t body_n;
    struct s3_chunked chunked;
    const char *message;   /* instead of the error's own; NULL: that */
    char sum[S3_SUM_TEXT]; /* a checksum that came with the body and was right; "" when none */
    enum s3_sum sum_kind;
};
/* S3_OK: answered. Anything else: the dispatcher answers that error. */
typedef enum s3_code (*s3_handler_fn)(struct s3_call *c);

/* Takes the framing off, checks hashes and checksums; fills body, body_n, sum. */
enum s3_code s3_payload_check(struct s3_call *c);
enum s3_code s3_fail(struct s3_call *c, enum s3_code code,
                     const char *message); /* code with its own message */
/* "bucket.localhost:4580" or "bucket.s3.localhost" give "bucket". */
bool s3_bucket_of_host(const struct http_request *rq, char out[S3_BUCKET_MAX + 1]);
void s3_common_headers(struct http_request *rq);
void s3_answer_xml(struct s3_call *c, int status, struct buf *xml); /* takes the text */
void s3_answer_empty(struct s3_call *c, int status);
void s3_set_etag(struct s3_call *c, const char *etag);
const char *s3_query_or(const struct s3_call *c, const char *name, const char *fallback);
/* A whole number of the query in [0, max] (larger is cut to max); fallback when absent. */
enum s3_code s3_query_number(struct s3_call *c, const char *name, int64_t max, int64_t *value);
/* The headers that are stored with an object; the caller owns *out. */
enum s3_code s3_headers_to_store(struct s3_call *c, json_t **out);
/* Decodes "/bucket/key" of x-amz-copy-source into the request's arena. */
enum s3_code s3_copy_source(struct s3_call *c, struct s3_location *out);
/* Range of an object: false when there is no (usable) range. */
struct s3_range {
    uint64_t first, n;
    bool is_partial, is_unsatisfiable;
};
struct s3_range s3_range_parse(const char *header, uint64_t size);
/* If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, with the prefix "" or
 * "x-amz-copy-source-". */
enum s3_code s3_conditions(const struct s3_call *c, const char *prefix, const struct s3_stat *stat);
enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT };

enum s3_code s3_do_list_buckets(struct s3_call *c);
enum s3_code s3_do_create_bucket(struct s3_call *c);
enum s3_code s3_do_head_bucket(struct s3_call *c);
enum s3_code s3_do_delete_bucket(struct s3_call *c);
enum s3_code s3_do_bucket_location(struct s3_call *c);
enum s3_code s3_do_bucket_versioning(struct s3_call *c);
enum s3_code s3_do_list_v1(struct s3_call *c);
enum s3_code s3_do_list_v2(struct s3_call *c);
enum s3_code s3_do_delete_objects(struct s3_call *c);
enum s3_code s3_do_put_object(struct s3_call *c);
enum s3_code s3_do_copy_object(struct s3_call *c);
enum s3_code s3_do_get_object(struct s3_call *c);
enum s3_code s3_do_delete_object(struct s3_call *c);
enum s3_code s3_do_object_tagging(struct s3_call *c);
enum s3_code s3_do_create_upload(struct s3_call *c);
enum s3_code s3_do_upload_part(struct s3_call *c);
enum s3_code s3_do_upload_part_copy(struct s3_call *c);
enum s3_code s3_do_complete_upload(struct s3_call *c);
enum s3_code s3_do_abort_upload(struct s3_call *c);
enum s3_code s3_do_list_parts(struct s3_call *c);
enum s3_code s3_do_list_uploads(struct s3_call *c);

#endif
