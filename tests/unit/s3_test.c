/*
 * s3_test.c - the pure parts of the little S3: framing, listing, ranges, checksums, XML, names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "s3_internal.h"

/* ---- aws-chunked ---- */

#define SIG_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SIG_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void chunked_takes_the_framing_off(void **state)
{
    static const struct {
        const char *body, *data, *trailers;
        enum s3_code rc;
    } rows[] = {
        { "0\r\n\r\n", "", "", S3_OK },
        { "0\r\n", "", "", S3_OK }, /* the last empty line is left out by some clients */
        { "3\r\nabc\r\n0\r\n\r\n", "abc", "", S3_OK },
        { "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", "", S3_OK },
        { "2\r\n\r\n\r\n0\r\n\r\n", "\r\n", "", S3_OK },
        { "1\r\nx\r\n0\r\nX-Amz-Checksum-CRC32: AAAA\r\n\r\n", "x", "x-amz-checksum-crc32:AAAA\n",
          S3_OK },
        { "0\r\na:1\nb:2\n\r\n", "", "a:1\nb:2\n", S3_OK },
        { "3;chunk-signature=" SIG_A "\r\nabc\r\n0;chunk-signature=" SIG_B "\r\n\r\n", "abc", "",
          S3_OK },
        { "", "", "", S3_INCOMPLETE_BODY },
        { "3", "", "", S3_INCOMPLETE_BODY },
        { "3\r\nab", "", "", S3_INCOMPLETE_BODY },
        { "3\r\nabc", "abc", "", S3_INCOMPLETE_BODY },
        { "3\r\nabc\r\n", "abc", "", S3_INCOMPLETE_BODY },
        { "ffffffff\r\nabc", "", "", S3_INCOMPLETE_BODY },
        { "0\r\na:1", "", "", S3_INCOMPLETE_BODY },
        { "3\r\nabcd\r\n0\r\n\r\n", "abc", "", S3_INVALID_REQUEST },
        { "fffffffff\r\nabc", "", "", S3_INVALID_REQUEST },
        { "-1\r\nabc", "", "", S3_INVALID_REQUEST },
        { "0x1\r\nabc", "", "", S3_INVALID_REQUEST },
        { "\r\nabc", "", "", S3_INVALID_REQUEST },
        { "1;other=1\r\na\r\n0\r\n\r\n", "", "", S3_INVALID_REQUEST },
        { "1;chunk-signature=short\r\na\r\n0\r\n\r\n", "", "", S3_INVALID_REQUEST },
        { "0\r\nno colon\r\n\r\n", "", "", S3_INVALID_REQUEST },
        /* found by fz_aws_chunked: a second CR became part of the value */
        { "0\r\na:1\r\r\n\r\n", "", "", S3_INVALID_REQUEST },
        { "0\r\na: \t1 \r\n\r\n", "", "a:1\n", S3_OK },
        { "0\r\n:empty name\r\n\r\n", "", "", S3_INVALID_REQUEST },
        { "0\r\n\r\nmore", "", "", S3_INVALID_REQUEST },
        { "0\r\nx-amz-trailer-signature:short\r\n\r\n", "", "", S3_INVALID_REQUEST },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_chunked c = { 0 };
        enum s3_code rc = s3_chunked_decode(rows[i].body, strlen(rows[i].body), &c);

        if (rc != rows[i].rc)
            fail_msg("%s: %s", rows[i].body, s3_error_of(rc)->code);
        assert_string_equal(c.data.length ? c.data.data : "", rows[i].data);
        assert_string_equal(c.trailers.length ? c.trailers.data : "", rows[i].trailers);
        s3_chunked_done(&c);
    }
}

struct seen {
    char text[512];
    int left; /* pieces until one is refused */
};

static bool note_chunk(void *context, const struct s3_chunk *chunk)
{
    struct seen *s = context;
    size_t n = strlen(s->text);

    (void) snprintf(s->text + n, sizeof s->text - n, "%s%.*s/%.1s|", chunk->is_trailer ? "T:" : "",
                    (int) chunk->n, chunk->data, chunk->signature ? chunk->signature : "-");
    return s->left-- > 0;
}

static void chunked_shows_every_piece_in_order(void **state)
{
    static const char body[] = "3;chunk-signature=" SIG_A "\r\nabc\r\n0;chunk-signature=" SIG_B
                               "\r\nA:1\r\nx-amz-trailer-signature:" SIG_A "\r\n\r\n";
    (void) state;
    for (int left = 0; left < 4; left++) {
        struct seen seen = { .left = left };
        struct s3_chunked c = { .check = note_chunk, .context = &seen };
        enum s3_code rc = s3_chunked_decode(body, sizeof body - 1, &c);

        assert_int_equal(rc, left < 3 ? S3_SIGNATURE_MISMATCH : S3_OK);
        if (left == 3)
            assert_string_equal(seen.text, "abc/a|/b|T:a:1\n/a|");
        s3_chunked_done(&c);
    }
}

static void trailers_are_found_by_whole_name(void **state)
{
    struct s3_chunked c = { 0 };
    char value[8];

    (void) state;
    assert_int_equal(s3_chunked_decode("0\r\nab:1\r\na:23\r\n\r\n", 17, &c), S3_OK);
    assert_true(s3_chunked_trailer(&c, "a", value, sizeof value));
    assert_string_equal(value, "23");
    assert_false(s3_chunked_trailer(&c, "b", value, sizeof value));
    assert_false(s3_chunked_trailer(&c, "a", value, 2)); /* too long for the place given */
    s3_chunked_done(&c);
}

/* ---- lists ---- */

#define KEYS_MAX 16

static void list_text(const struct s3_query *query, const char *const *keys, char out[256])
{
    struct s3_record records[KEYS_MAX], *pointers[KEYS_MAX];
    struct s3_bucket bucket = { .records = pointers };
    struct s3_list list;
    size_t n = 0;

    for (; keys[bucket.count]; bucket.count++) {
        records[bucket.count] = (struct s3_record){ .key = (char *) keys[bucket.count] };
        pointers[bucket.count] = &records[bucket.count];
    }
    s3_list_scan(&bucket, query, &list);
    out[0] = '\0';
    for (size_t i = 0; i < list.count; i++)
        n += (size_t) snprintf(out + n, 256 - n, "%s%s ", list.entries[i].is_prefix ? "P:" : "",
                               list.entries[i].key);
    (void) snprintf(out + n, 256 - n, "%s", list.is_truncated ? "..." : ".");
    s3_list_done(&list);
}

static void list_scan_cases(void **state)
{
    static const char *const keys[] = { "a",  "b/", "b/1",  "b/2",      "b/c/3",
                                        "b0", "c",  "c//d", "\xc3\xbc", NULL };
    static const char *const none[] = { NULL };
    static const struct {
        struct s3_query query;
        const char *expected;
    } rows[] = {
        { { 0 }, "a b/ b/1 b/2 b/c/3 b0 c c//d \xc3\xbc ." },
        { { .limit = 9 }, "a b/ b/1 b/2 b/c/3 b0 c c//d \xc3\xbc ." },
        { { .limit = 2 }, "a b/ ..." },
        { { .limit = 2, .after = "b/" }, "b/1 b/2 ..." },
        { { .after = "b/1x" }, "b/2 b/c/3 b0 c c//d \xc3\xbc ." },
        { { .after = "zz" }, "\xc3\xbc ." },
        { { .after = "\xff" }, "." },
        { { .prefix = "b" }, "b/ b/1 b/2 b/c/3 b0 ." },
        { { .prefix = "b/", .after = "a" }, "b/ b/1 b/2 b/c/3 ." },
        { { .prefix = "b/", .after = "b/2" }, "b/c/3 ." },
        { { .prefix = "x" }, "." },
        { { .delimiter = "/" }, "a P:b/ b0 c P:c/ \xc3\xbc ." },
        { { .delimiter = "/", .limit = 2 }, "a P:b/ ..." },
        { { .delimiter = "/", .limit = 2, .after = "b/" }, "b0 c ..." },
        { { .delimiter = "/", .after = "b/1" }, "P:b/ b0 c P:c/ \xc3\xbc ." },
        { { .delimiter = "/", .prefix = "b/" }, "b/ b/1 b/2 P:b/c/ ." },
        { { .delimiter = "/", .prefix = "b/", .after = "b/c/" }, "." },
        { { .delimiter = "/", .prefix = "b" }, "P:b/ b0 ." },
        { { .delimiter = "//" }, "a b/ b/1 b/2 b/c/3 b0 c P:c// \xc3\xbc ." },
        { { .delimiter = "" }, "a b/ b/1 b/2 b/c/3 b0 c c//d \xc3\xbc ." },
    };
    char text[256];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        list_text(&rows[i].query, keys, text);
        if (strcmp(text, rows[i].expected) != 0)
            fail_msg("row %zu: %s instead of %s", i, text, rows[i].expected);
    }
    list_text(&(struct s3_query){ .delimiter = "/" }, none, text);
    assert_string_equal(text, ".");
}

/* Reads page after page; returns how many entries there were. They must be those of the whole. */
static size_t read_pages(const struct s3_bucket *bucket, const struct s3_list *whole,
                         const char *delimiter, size_t limit)
{
    struct s3_query query = { .delimiter = delimiter, .limit = limit };
    AUTO_FREE char *after = NULL;
    bool is_truncated = true;
    size_t at = 0;

    while (is_truncated) {
        struct s3_list page;

        s3_list_scan(bucket, &query, &page);
        assert_true(page.count <= limit && page.count > 0);
        for (size_t i = 0; i < page.count; i++, at++) {
            assert_true(at < whole->count);
            assert_string_equal(page.entries[i].key, whole->entries[at].key);
        }
        free(after);
        after = xstrdup(page.entries[page.count - 1].key);
        query.after = after;
        is_truncated = page.is_truncated;
        s3_list_done(&page);
    }
    return at;
}

/* Whatever the page size, the pages together are the whole list. */
static void list_pages_add_up(void **state)
{
    static const char *const keys[] = {
        "a", "a//", "a/1", "a/2", "a/b/1", "b", "b/", "c/1", "c/2"
    };
    static const char *const delimiters[] = { "", "/", "a", "//" };
    struct s3_record records[ARRAY_LEN(keys)], *pointers[ARRAY_LEN(keys)];
    struct s3_bucket bucket = { .records = pointers, .count = ARRAY_LEN(keys) };

    (void) state;
    for (size_t i = 0; i < bucket.count; i++) {
        records[i] = (struct s3_record){ .key = (char *) keys[i] };
        pointers[i] = &records[i];
    }
    for (size_t d = 0; d < ARRAY_LEN(delimiters); d++) {
        struct s3_list whole;

        s3_list_scan(&bucket, &(struct s3_query){ .delimiter = delimiters[d] }, &whole);
        for (size_t limit = 1; limit <= 10; limit++)
            assert_int_equal(read_pages(&bucket, &whole, delimiters[d], limit), whole.count);
        s3_list_done(&whole);
    }
}

/* ---- ranges, conditions of names, checksums, XML ---- */

static void range_cases(void **state)
{
    static const struct {
        const char *header;
        uint64_t size, first, n;
        char kind; /* w: whole, p: part, u: unsatisfiable */
    } rows[] = {
        { NULL, 10, 0, 10, 'w' },
        { "bytes=0-0", 10, 0, 1, 'p' },
        { "bytes=2-", 10, 2, 8, 'p' },
        { "bytes=2-99", 10, 2, 8, 'p' },
        { "bytes=-3", 10, 7, 3, 'p' },
        { "bytes=-99", 10, 0, 10, 'p' },
        { "Bytes=1-1", 10, 1, 1, 'p' },
        { "bytes=10-", 10, 0, 0, 'u' },
        { "bytes=-0", 10, 0, 0, 'u' },
        { "bytes=0-", 0, 0, 0, 'u' },
        { "bytes=-5", 0, 0, 0, 'u' },
        { "bytes=5-2", 10, 0, 10, 'w' },
        { "bytes=1-2,4-5", 10, 0, 10, 'w' },
        { "bytes=-", 10, 0, 10, 'w' },
        { "bytes=a-", 10, 0, 10, 'w' },
        { "bytes=9223372036854775807-9223372036854775807", 10, 0, 0, 'u' },
        { "bytes=99999999999999999999-", 10, 0, 10, 'w' },
        { "items=0-1", 10, 0, 10, 'w' },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_range r = s3_range_parse(rows[i].header, rows[i].size);
        int kind = !r.is_partial ? 'w' : r.is_unsatisfiable ? 'u' : 'p';

        if (kind != rows[i].kind)
            fail_msg("%s: %c", rows[i].header ? rows[i].header : "none", kind);
        if (kind != 'u') {
            assert_int_equal(r.first, rows[i].first);
            assert_int_equal(r.n, rows[i].n);
        }
    }
}

static void names_of_buckets_and_keys(void **state)
{
    static const char *const good[] = { "abc", "a-b.c", "0ab", "1234", "1.2.3" };
    static const char *const bad[] = { "",     "ab",   "Abc",     "a_b", "a..b", ".tmp",
                                       "abc-", "-abc", "1.2.3.4", "a/b", "..",   "a b" };
    char bucket[S3_BUCKET_MAX + 2] = "";
    char key[S3_KEY_MAX + 2] = "";

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(s3_bucket_check_name(good[i]), S3_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(s3_bucket_check_name(bad[i]), S3_INVALID_BUCKET_NAME);
    memset(bucket, '1', S3_BUCKET_MAX);
    assert_int_equal(s3_bucket_check_name(bucket), S3_OK);
    bucket[S3_BUCKET_MAX] = '1';
    assert_int_equal(s3_bucket_check_name(bucket), S3_INVALID_BUCKET_NAME);
    memset(key, 'k', S3_KEY_MAX);
    assert_int_equal(s3_key_check(key), S3_OK);
    key[S3_KEY_MAX] = 'k';
    assert_int_equal(s3_key_check(key), S3_KEY_TOO_LONG);
    assert_int_equal(s3_key_check(""), S3_INVALID_URI);
    assert_int_equal(s3_key_check("\xff"), S3_INVALID_URI);
}

/* No key names a place outside its bucket, and no two keys share one. */
static void files_of_keys(void **state)
{
    static const char *const keys[] = {
        "../../etc/passwd", "a//b", "a/b", "a%2Fb", ".", "/", "A", "a"
    };
    const struct s3_store store = { .directory = (char *) "/d" };
    char *paths[ARRAY_LEN(keys)];

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        paths[i] = s3_path_object(&store, &(struct s3_location){ "bucket", keys[i] });
        assert_true(str_starts(paths[i], "/d/bucket/objects/"));
        assert_int_equal(strlen(paths[i] + 18), 64);
        assert_int_equal(strspn(paths[i] + 18, "0123456789abcdef"), 64);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(paths[i], paths[k]);
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        free(paths[i]);
}

static void checksums_of_the_check_string(void **state)
{
    static const char *const expected[SUM_COUNT] = {
        [SUM_CRC32] = "y/Q5Jg==",
        [SUM_CRC32C] = "4waSgw==",
        [SUM_CRC64NVME] = "rosUhgp5mIg=",
        [SUM_SHA1] = "98O8HYCOBHMq32eZZczDTKeuNEE=",
        [SUM_SHA256] = "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
    };
    char text[S3_SUM_TEXT];

    (void) state;
    for (int i = 0; i < SUM_COUNT; i++) {
        s3_sum_text((enum s3_sum) i, "123456789", 9, text);
        assert_string_equal(text, expected[i]);
    }
    s3_sum_text(SUM_CRC32, "", 0, text);
    assert_string_equal(text, "AAAAAA==");
}

static bool note_element(void *context, const char *path, const char *text)
{
    struct buf *b = context;

    buf_printf(b, "%s=%s|", path, text);
    return strcmp(text, "stop") != 0;
}

static void xml_is_read_and_refused(void **state)
{
    static const struct {
        const char *text, *seen;
        bool is_good;
    } rows[] = {
        { "<a/>", "a=|", true },
        { "<?xml version=\"1.0\"?>\n<a x=\"1\">\n <b> t </b>\n <Key> k&amp;&#32;</Key>\n</a>\n",
          "a/b=t|a/Key= k& |a=|", true },
        { "<a><b>stop</b><c/></a>", "a/b=stop|", false },
        { "<a><b></a>", "", false },
        { "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "", false },
        { "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", "", false },
        { "<a>&x;</a>", "", false },
        { "<1><2><3/></2></1>", "", false },
        { "<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>", "", false },
        { "", "", false },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF struct buf b = { 0 };

        if (xml_walk(rows[i].text, strlen(rows[i].text), note_element, &b) != rows[i].is_good)
            fail_msg("%s", rows[i].text);
        assert_string_equal(b.length ? b.data : "", rows[i].seen);
    }
}

static void xml_is_escaped(void **state)
{
    AUTO_BUF struct buf b = { 0 };

    (void) state;
    xml_text(&b, "K", "<a>&\"\r\x01");
    assert_string_equal(b.data, "<K>&lt;a&gt;&amp;&quot;&#13;&#1;</K>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_takes_the_framing_off),
        cmocka_unit_test(chunked_shows_every_piece_in_order),
        cmocka_unit_test(trailers_are_found_by_whole_name),
        cmocka_unit_test(list_scan_cases),
        cmocka_unit_test(list_pages_add_up),
        cmocka_unit_test(range_cases),
        cmocka_unit_test(names_of_buckets_and_keys),
        cmocka_unit_test(files_of_keys),
        cmocka_unit_test(checksums_of_the_check_string),
        cmocka_unit_test(xml_is_read_and_refused),
        cmocka_unit_test(xml_is_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
