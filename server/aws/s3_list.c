/*
 * s3_list.c - reads the answer to a ListObjectsV2. Over expat; pure.
 */
#include <expat.h>
#include <string.h>

#include "aws_private.h"
#include "steward/clock.h"

#define DEPTH_MAX   16
#define OBJECTS_MAX 10000

struct parse {
    XML_Parser parser;
    struct s3_listing *out;
    size_t capacity;
    struct s3_object object; /* being read */
    bool is_in_contents, is_encoded, is_truncated, has_root, is_bad;
    int depth;
    struct buf text;
    char what[120]; /* why it is bad */
};

static void fail(struct parse *p, const char *what)
{
    p->is_bad = true;
    (void) str_copy(p->what, sizeof p->what, what);
    (void) XML_StopParser(p->parser, XML_FALSE);
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct parse *p = user;

    (void) attributes;
    buf_clear(&p->text);
    if (++p->depth > DEPTH_MAX)
        fail(p, "it is nested too deep");
    if (p->depth == 1)
        p->has_root = str_eq(name, "ListBucketResult");
    if (p->depth == 2 && str_eq(name, "Contents"))
        p->is_in_contents = true;
}

static void take_object(struct parse *p)
{
    struct s3_listing *l = p->out;

    p->is_in_contents = false;
    if (!p->object.key) {
        fail(p, "an object has no key");
        return;
    }
    if (l->count == OBJECTS_MAX) {
        fail(p, "it has too many objects");
        return;
    }
    if (l->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 64;
        l->objects = xrealloc(l->objects, p->capacity * sizeof *l->objects);
    }
    l->objects[l->count++] = p->object;
    p->object = (struct s3_object){ 0 };
}

static void take_member(struct parse *p, const char *name, const char *text)
{
    int64_t number;

    if (str_eq(name, "Key")) {
        free(p->object.key);
        p->object.key = xstrdup(text);
    } else if (str_eq(name, "LastModified")) {
        if (!clock_parse(text, &p->object.last_modified_ms))
            fail(p, "a LastModified is not a time");
    } else if (str_eq(name, "ETag")) {
        size_t quote = text[0] == '"';

        (void) str_copy(p->object.etag, sizeof p->object.etag, text + quote);
        p->object.etag[strcspn(p->object.etag, "\"")] = '\0';
    } else if (str_eq(name, "Size")) {
        if (str_to_i64(text, 0, INT64_MAX, &number))
            p->object.size = (uint64_t) number;
        else
            fail(p, "a Size is not a number");
    }
}

static void take_field(struct parse *p, const char *name, const char *text)
{
    if (str_eq(name, "NextContinuationToken")) {
        free(p->out->next_token);
        p->out->next_token = xstrdup(text);
    } else if (str_eq(name, "EncodingType")) {
        p->is_encoded = str_eq(text, "url");
    } else if (str_eq(name, "IsTruncated")) {
        p->is_truncated = str_eq(text, "true");
    }
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    struct parse *p = user;
    const char *text = p->text.data ? p->text.data : "";

    if (p->depth == 2 && str_eq(name, "Contents"))
        take_object(p);
    else if (p->depth == 3 && p->is_in_contents)
        take_member(p, name, text);
    else if (p->depth == 2)
        take_field(p, name, text);
    p->depth--;
    buf_clear(&p->text);
}

static void XMLCALL on_text(void *user, const XML_Char *text, int n)
{
    struct parse *p = user;

    buf_add(&p->text, text, (size_t) n);
}

// NOLINTNEXTLINE(readability-function-size): the signature is expat's
static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_subset)
{
    (void) name;
    (void) system_id;
    (void) public_id;
    (void) has_subset;
    fail(user, "it has a document type");
}

/* Names come percent-encoded when we asked for it; the whole answer says so, maybe after the
 * objects. */
static bool decode_keys(struct s3_listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct buf plain = { 0 };

        buf_adds(&plain, "");
        if (!uri_decode(&plain, l->objects[i].key, strlen(l->objects[i].key), true)) {
            buf_done(&plain);
            return false;
        }
        free(l->objects[i].key);
        l->objects[i].key = buf_take(&plain);
    }
    return true;
}

static bool check(struct parse *p)
{
    if (p->is_bad)
        return false;
    if (!p->has_root)
        (void) str_copy(p->what, sizeof p->what, "its root is not ListBucketResult");
    else if (p->is_encoded && !decode_keys(p->out))
        (void) str_copy(p->what, sizeof p->what, "a key is not properly encoded");
    else if (p->is_truncated && !p->out->next_token)
        (void) str_copy(p->what, sizeof p->what, "it is cut, but has no continuation token");
    else
        return true;
    return false;
}

enum err_code aws_s3_parse_list(const char *xml, size_t n, struct s3_listing *out, struct err *e)
{
    struct parse p = { .parser = XML_ParserCreate(NULL), .out = out };
    bool is_read;

    *out = (struct s3_listing){ 0 };
    if (!p.parser)
        mem_exhausted();
    XML_SetUserData(p.parser, &p);
    XML_SetElementHandler(p.parser, on_start, on_end);
    XML_SetCharacterDataHandler(p.parser, on_text);
    XML_SetStartDoctypeDeclHandler(p.parser, on_doctype);
    is_read = n <= INT32_MAX && XML_Parse(p.parser, xml, (int) n, XML_TRUE) == XML_STATUS_OK;
    if (!is_read && !p.is_bad)
        (void) str_copy(p.what, sizeof p.what, XML_ErrorString(XML_GetErrorCode(p.parser)));
    is_read = is_read && check(&p);
    XML_ParserFree(p.parser);
    buf_done(&p.text);
    free(p.object.key);
    if (!p.is_truncated)
        free(TAKE(out->next_token));
    if (is_read)
        return OK;
    aws_s3_listing_done(out);
    return err_set(e, ERR_UNAVAILABLE, "The list of objects from S3 cannot be read: %s.", p.what);
}

void aws_s3_listing_done(struct s3_listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->objects[i].key);
    free(l->objects);
    free(l->next_token);
    *l = (struct s3_listing){ 0 };
}
