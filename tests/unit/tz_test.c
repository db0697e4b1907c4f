/*
 * tz_test.c - time zone files: made up here byte by byte, well and badly; the rules of their
 * footers; the seam between the table and the rule.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "domain/tz_data.h"
#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/str.h"

/* What a file is made of; a zeroed field is the ordinary thing. */
struct recipe {
    int64_t times[3];
    uint8_t types_of[3];
    uint32_t n_times;
    int32_t offsets[2]; /* of two types */
    const char *footer; /* with its newlines; NULL: "\n\n" */
    char version;
    uint32_t n_types, n_chars, n_leap, n_isut; /* 0: 2, 4, 0, 0 */
    uint8_t is_dst, name_index;
    size_t cut; /* bytes missing at the end */
};

static void number_add(struct buf *b, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        buf_addc(b, (char) (value >> 8 * i));
}

static void header_add(struct buf *b, char version, const uint32_t counts[6])
{
    static const char zeros[15];

    buf_adds(b, "TZif");
    buf_addc(b, version);
    buf_add(b, zeros, sizeof zeros);
    for (int i = 0; i < 6; i++)
        number_add(b, counts[i], 4);
}

static void file_make(const struct recipe *r, struct buf *b)
{
    uint32_t n_types = r->n_types ? r->n_types : 2, n_chars = r->n_chars ? r->n_chars : 4;
    char version = r->version ? r->version : '2';

    header_add(b, version, (uint32_t[]){ 0, 0, 0, 0, 1, 4 });
    number_add(b, 0, 6);
    buf_add(b, "UTC", 4);
    header_add(b, version, (uint32_t[]){ r->n_isut, 0, r->n_leap, r->n_times, n_types, n_chars });
    for (uint32_t i = 0; i < r->n_times && i < 3; i++)
        number_add(b, (uint64_t) r->times[i], 8);
    for (uint32_t i = 0; i < r->n_times && i < 3; i++)
        buf_addc(b, (char) r->types_of[i]);
    for (uint32_t i = 0; i < 2; i++) {
        number_add(b, (uint32_t) r->offsets[i], 4);
        buf_addc(b, (char) r->is_dst);
        buf_addc(b, (char) r->name_index);
    }
    buf_add(b, "AAA", 4);
    buf_adds(b, r->footer ? r->footer : "\n\n");
    b->length -= r->cut;
}

static struct tz *zone_make(const struct recipe *r)
{
    AUTO_BUF struct buf b = { 0 };
    struct tz *zone = NULL;
    struct err e = { 0 };

    file_make(r, &b);
    if (tzif_parse((const uint8_t *) b.data, b.length, &zone, &e))
        fail_msg("%s", e.message);
    return zone;
}

static void test_refused(void **state)
{
    static const struct {
        struct recipe recipe;
        const char *says;
    } rows[] = {
        { { .version = '1' }, "version is not 2" },
        { { .version = '5' }, "version is not 2" },
        { { .cut = 60 }, "no TZif header" },
        { { .cut = 10 }, "ends early" },
        { { .n_types = 257 }, "no local time types, or too many" },
        { { .n_chars = 5000 }, "no local time types, or too many" },
        { { .n_leap = 1 }, "leap seconds" },
        { { .n_isut = 1 }, "indicator counts" },
        { { .n_times = 2001 }, "more than 2000" },
        { { .offsets = { 93600 } }, "25 or 26 hours" },
        { { .offsets = { 0, -90000 } }, "25 or 26 hours" },
        { { .is_dst = 2 }, "type is malformed" },
        { { .name_index = 4 }, "type is malformed" },
        { { .times = { 5, 5 }, .n_times = 2 }, "not in order" },
        { { .times = { 5, 4 }, .n_times = 2 }, "not in order" },
        { { .types_of = { 2 }, .n_times = 1 }, "unknown type" },
        { { .times = { INT64_MIN }, .n_times = 1 }, "beyond all time" },
        { { .times = { INT64_MAX }, .n_times = 1 }, "beyond all time" },
        { { .cut = 1 }, "does not end the file" },
        { { .cut = 2 }, "footer is missing" },
        { { .footer = "x\n" }, "footer is missing" },
        { { .footer = "\nUTC0\nmore" }, "does not end the file" },
        { { .footer = "\nnonsense\n" }, "not a POSIX" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF struct buf b = { 0 };
        struct tz *zone = NULL;
        struct err e = { 0 };

        file_make(&rows[i].recipe, &b);
        if (tzif_parse((const uint8_t *) b.data, b.length, &zone, &e) != ERR_INVALID)
            fail_msg("row %zu (%s) was accepted", i, rows[i].says);
        if (!strstr(e.message, rows[i].says))
            fail_msg("row %zu: %s instead of %s", i, e.message, rows[i].says);
        assert_null(zone);
    }
}

/* A file cut anywhere is refused, never read past its end (the sanitizers look on). */
static void test_cut_anywhere(void **state)
{
    static const struct recipe whole = { .times = { 1, 2, 3 },
                                         .n_times = 3,
                                         .footer = "\nCET-1CEST,M3.5.0,M10.5.0/3\n" };
    AUTO_BUF struct buf b = { 0 };

    (void) state;
    file_make(&whole, &b);
    for (size_t n = 0; n < b.length; n++) {
        AUTO_FREE uint8_t *copy = xmalloc(n + 1);
        struct tz *zone = NULL;
        struct err e;

        memcpy(copy, b.data, n);
        assert_int_equal(tzif_parse(copy, n, &zone, &e), ERR_INVALID);
    }
}

static void test_footers(void **state)
{
    static const char *const good[] = { "UTC0",
                                        "<+0530>-5:30",
                                        "<-03>3",
                                        "AAA+3BBB,J1,J365",
                                        "AAA3BBB2:30:15,0/0,365/25",
                                        "EET-2EEST,M3.4.4/50,M10.4.4/50",
                                        "IST-1GMT0,M10.5.0,M3.5.0/1",
                                        "XXX24",
                                        "<-02>2<-01>,M3.5.0/-1,M10.5.0/-167" };
    static const char *const bad[] = { "",
                                       "AA0",
                                       "AAA",
                                       "AAA25",
                                       "AAA0:60",
                                       "AAA0:00:60",
                                       "AAA0BBB",
                                       "AAA0BBB,J0,J5",
                                       "AAA0BBB,J366,J5",
                                       "<AAA0",
                                       "<A>0",
                                       "AAA0BBB,366,5",
                                       "AAA0BBB,5",
                                       "AAA0BBB,5,",
                                       "AAA0BBB,M13.1.0,M1.1.0",
                                       "AAA0BBB,M1.6.0,M1.1.0",
                                       "AAA0BBB,M1.1.7,M1.1.0",
                                       "AAA0BBB,M1.1,M1.1.0",
                                       "AAA0BBB,M1,M1.1.0",
                                       "AAA0BBB,1/168,2",
                                       "AAA0BBB,1,2 ",
                                       "AAA0B,1,2",
                                       "AAA0BBB25,1,2",
                                       "AAA0BBB,1/,2",
                                       "A1A0",
                                       "AAA00000",
                                       "AAA-" };
    struct tz_footer f;

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!tz_footer_parse(good[i], strlen(good[i]), &f) || !f.is_present)
            fail_msg("\"%s\" was refused", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (tz_footer_parse(bad[i], strlen(bad[i]), &f))
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_true(tz_footer_parse("AAA3BBB2:30:15,0/0,365/25", 25, &f));
    assert_int_equal(f.std_offset_s, -10800);
    assert_int_equal(f.dst_offset_s, -9015);
    assert_int_equal(f.dst_start.time_s, 0);
    assert_int_equal(f.dst_end.day, 365);
    assert_int_equal(f.dst_end.time_s, 90000);
    assert_true(tz_footer_parse("AAA-1BBB,1,2xxx", 12, &f)); /* the length counts, not the NUL */
    assert_int_equal(f.dst_offset_s, 7200);
    assert_int_equal(f.dst_start.time_s, 7200);
}

static int64_t instant(const char *text)
{
    int64_t ms = 0;

    assert_true(clock_parse(text, &ms));
    return ms / 1000;
}

static void check_offsets(const struct tz *zone, const char *change, const int32_t before_after[2])
{
    int64_t at = instant(change);

    assert_int_equal(tz_offset_s(zone, at - 1), before_after[0]);
    assert_int_equal(tz_offset_s(zone, at), before_after[1]);
    assert_int_equal(tz_span_at(zone, at).start, at);
    assert_int_equal(tz_span_at(zone, at - 1).end, at);
}

/* The ways in which a rule names its days, in leap years and others. */
static void test_rules(void **state)
{
    static const struct {
        const char *footer, *change;
        int32_t before_after[2];
    } rows[] = {
        { "\nAAA0BBB,J60/0,J300/0\n", "2027-03-01T00:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,J60/0,J300/0\n", "2028-03-01T00:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,J59/0,J300/0\n", "2028-02-28T00:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,J60/0,J300/0\n", "2028-10-26T23:00:00Z", { 3600, 0 } },
        { "\nAAA0BBB,59/0,300/0\n", "2027-03-01T00:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,59/0,300/0\n", "2028-02-29T00:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,M2.5.2/0,M12.1.0/0\n", "2028-02-29T00:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,M2.5.2/0,M12.1.0/0\n", "2027-02-23T00:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,M2.5.2/0,M12.5.0/0\n", "2027-12-25T23:00:00Z", { 3600, 0 } },
        { "\nAAA0BBB,M3.1.0/-25,M11.1.0/26\n", "2027-03-05T23:00:00Z", { 0, 3600 } },
        { "\nAAA0BBB,M3.1.0/-25,M11.1.0/26\n", "2027-11-08T01:00:00Z", { 3600, 0 } },
        { "\nAAA10BBB,M10.1.0,M4.1.0/3\n", "2027-10-03T12:00:00Z", { -36000, -32400 } },
        { "\nAAA10BBB,M10.1.0,M4.1.0/3\n", "2099-04-05T12:00:00Z", { -32400, -36000 } },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_FREE struct tz *zone = zone_make(&(struct recipe){ .footer = rows[i].footer });

        check_offsets(zone, rows[i].change, rows[i].before_after);
    }
}

/* RFC 8536's way to say "summer time all year": no gap and no fold anywhere. */
static void test_all_year(void **state)
{
    AUTO_FREE struct tz *zone = zone_make(&(struct recipe){ .footer = "\nXXX3EDT4,0/0,J365/23\n" });
    int64_t at = instant("2027-12-31T00:00:00Z");

    (void) state;
    for (int i = 0; i < 48; i++, at += 3600) {
        assert_int_equal(tz_offset_s(zone, at), -4 * 3600);
        assert_int_equal(tz_first_instant(zone, at - 4 * 3600), at);
        assert_int_equal(tz_reached(zone, at), at - 4 * 3600);
    }
}

/* The table ends in a fold: the rule's first span still knows what had been reached. */
static void test_seam(void **state)
{
    struct recipe r = { .n_times = 2, .types_of = { 1, 0 }, .offsets = { 3600, 7200 } };
    AUTO_FREE struct tz *zone = NULL;
    char local[32];
    int fold;

    (void) state;
    r.times[0] = instant("2026-03-29T01:00:00Z");
    r.times[1] = instant("2026-10-25T01:00:00Z");
    r.footer = "\nCET-1CEST,M3.5.0,M10.5.0/3\n";
    zone = zone_make(&r);
    check_offsets(zone, "2026-03-29T01:00:00Z", (int32_t[]){ 3600, 7200 });
    check_offsets(zone, "2026-10-25T01:00:00Z", (int32_t[]){ 7200, 3600 });
    check_offsets(zone, "2027-03-28T01:00:00Z", (int32_t[]){ 3600, 7200 });
    check_offsets(zone, "2127-03-30T01:00:00Z", (int32_t[]){ 3600, 7200 });
    tz_local(zone, instant("2026-10-25T01:30:00Z"), local, &fold);
    assert_string_equal(local, "2026-10-25T02:30:00");
    assert_int_equal(fold, 1);
    assert_int_equal(tz_first_instant(zone, instant("2026-10-25T02:30:00Z")),
                     instant("2026-10-25T00:30:00Z"));
    assert_int_equal(tz_reached(zone, instant("2026-10-25T01:30:00Z")),
                     instant("2026-10-25T02:59:59Z"));
}

/* The table's last change lies hours before the rule's next one: what it had reached is carried
 * over the seam. */
static void test_seam_close_to_rule(void **state)
{
    struct recipe r = { .n_times = 1, .types_of = { 1 }, .offsets = { 50400, 0 } };
    AUTO_FREE struct tz *zone = NULL;

    (void) state;
    r.times[0] = instant("2027-03-01T00:00:00Z"); /* fourteen hours back */
    r.footer = "\nAAA0BBB,J60/5,J300/0\n";        /* and one forward, five hours later */
    zone = zone_make(&r);
    assert_int_equal(tz_span_at(zone, instant("2027-03-01T06:00:00Z")).reached,
                     instant("2027-03-01T14:00:00Z"));
    assert_int_equal(tz_first_instant(zone, instant("2027-03-01T14:00:00Z")),
                     instant("2027-03-01T13:00:00Z"));
    assert_int_equal(tz_first_instant(zone, instant("2027-03-01T13:59:59Z")),
                     instant("2027-02-28T23:59:59Z"));
}

/* No rule: the last change holds for ever; no change: the first type, or the rule, holds always. */
static void test_bare(void **state)
{
    AUTO_FREE struct tz *last = zone_make(&(struct recipe){
        .times = { 1000 }, .types_of = { 1 }, .n_times = 1, .offsets = { 60, 120 } });
    AUTO_FREE struct tz *none = zone_make(&(struct recipe){ .offsets = { -3600, 0 } });
    AUTO_FREE struct tz *rule = zone_make(&(struct recipe){ .footer = "\n<-03>3\n" });

    (void) state;
    assert_int_equal(tz_offset_s(last, 999), 60);
    assert_int_equal(tz_offset_s(last, 1000), 120);
    assert_int_equal(tz_offset_s(last, INT64_MAX), 120);
    assert_int_equal(tz_offset_s(last, INT64_MIN), 60);
    assert_int_equal(tz_offset_s(none, 0), -3600);
    assert_int_equal(tz_offset_s(rule, 0), -10800);
    assert_int_equal(tz_offset_s(rule, INT64_MAX), -10800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_footers),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_all_year),
        cmocka_unit_test(test_seam),
        cmocka_unit_test(test_seam_close_to_rule),
        cmocka_unit_test(test_bare),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
