/*
 * outbound_test.c - which URLs and addresses webhooks may name.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steward/mem.h"
#include "steward/outbound.h"
#include "steward/str.h"

static struct outbound_rules *rules(char *const *allow, size_t n)
{
    static const char *const denied[] = { "db.example.com", NULL };
    const struct outbound_options options = { .allow = allow, .n_allow = n, .denied = denied };
    struct outbound_rules *r;
    struct err e;

    assert_int_equal(outbound_rules_new(&options, &r, &e), OK);
    return r;
}

static bool may_reach(const struct outbound_rules *r, const char *address)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
        return outbound_address_is_allowed(r, (const struct sockaddr *) &in);
    assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
    return outbound_address_is_allowed(r, (const struct sockaddr *) &in6);
}

static void test_addresses_of_the_table(void **state)
{
    static const char *const forbidden[] = {
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.1", "100.127.255.255",
        "127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2", "172.16.0.1",
        "172.31.255.255", "192.0.0.1", "192.0.2.7", "192.88.99.1", "192.168.0.1", "192.168.255.255",
        "198.18.0.1", "198.19.255.255", "198.51.100.9", "203.0.113.200", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "fc00::1",
        "fdff::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1", "100::1",
        "2001:db8::1", "3fff::1", "64:ff9b:1::1",
        /* IPv4 inside IPv6: mapped, NAT64, 6to4, Teredo (client inverted; server) */
        "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:c0a8:101::1", "2001:0:808:808:0:0:80ff:fffe",
        "2001:0:a00:1:0:0:f7f7:f7f7"
    };
    static const char *const open[] = {
        "8.8.8.8",         "1.1.1.1",         "100.63.255.255",
        "100.128.0.1",     "172.15.255.255",  "172.32.0.1",
        "192.0.1.1",       "198.17.255.255",  "198.20.0.1",
        "223.255.255.255", "2606:4700::1111", "64:ff9b::808:808",
        "2002:808:808::1", "::ffff:8.8.8.8",  "2001:0:808:808:0:0:f7f7:f7f7"
    };
    struct outbound_rules *r = rules(NULL, 0);

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        if (may_reach(r, forbidden[i]))
            fail_msg("%s may be reached", forbidden[i]);
    for (size_t i = 0; i < ARRAY_LEN(open); i++)
        if (!may_reach(r, open[i]))
            fail_msg("%s may not be reached", open[i]);
    outbound_rules_free(r);
}

static void test_ranges_an_administrator_allows(void **state)
{
    char *const allow[] = { "10.1.0.0/16", "fd00::/8", "127.0.0.2" };
    char *const wrong[] = { "10.1.0.0/33" }, *const words[] = { "the office" };
    const struct outbound_options bad[] = { { .allow = wrong, .n_allow = 1 },
                                            { .allow = words, .n_allow = 1 } };
    struct outbound_rules *r = rules(allow, ARRAY_LEN(allow)), *none = NULL;
    struct err e;

    (void) state;
    assert_true(may_reach(r, "10.1.255.255"));
    assert_true(may_reach(r, "::ffff:10.1.0.1"));
    assert_true(may_reach(r, "fd12::1"));
    assert_true(may_reach(r, "127.0.0.2"));
    assert_false(may_reach(r, "10.2.0.0"));
    assert_false(may_reach(r, "127.0.0.1"));
    assert_false(may_reach(r, "169.254.169.254"));
    outbound_rules_free(r);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(outbound_rules_new(&bad[i], &none, &e), ERR_INVALID);
}

static const char *const bad_urls[] = {
    "", "hooks.example.com", "//hooks.example.com/x", "http://hooks.example.com/",
    "ftp://hooks.example.com/", "file:///etc/passwd", "gopher://hooks.example.com/",
    "dict://hooks.example.com:11211/", "javascript:alert(1)", "unix:/run/x", "https://",
    "https:///x", "https:hooks.example.com\\@127.0.0.1", "ldap://hooks.example.com",
    "smb://hooks.example.com",
    /* users, and what parsers disagree about */
    "https://user@hooks.example.com/", "https://user:pass@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/", "https://@hooks.example.com/",
    "https://127.0.0.1#@hooks.example.com/", "https://hooks.example.com#@127.0.0.1/",
    "https://hooks.example.com\\@127.0.0.1/", "https://hooks.example.com\\.evil/",
    "https://hooks.example.com/#x", "https://hooks\t.example.com/",
    "https://hooks.example.com/\r\nX: y", "https://hooks.example.com/a b",
    " https://hooks.example.com/", "https://hooks.example.com/ ", "https://hooks.example.com/\"",
    "https://hooks.example.com/<x>", "https://hooks.example.com/`x`",
    "https://hooks.example.com/{x}", "https://hooks.example.com/a|b", "https://hooks.example.com/^",
    "https://hooks%2eexample.com\n/", "https://exa mple.com/", "https://hooks.example.com:x/",
    "https://hooks.example.com:99999/", "https://hooks.example.com:0/",
    "https://hooks.example.com:-1/",
    /* ports that are not for this */
    "https://hooks.example.com:22/", "https://hooks.example.com:25/",
    "https://hooks.example.com:80/", "https://hooks.example.com:53/",
    "https://hooks.example.com:444/", "https://hooks.example.com:1023/",
    /* addresses in every spelling */
    "https://127.0.0.1/", "https://127.0.0.1./", "https://127.1/", "https://127.0.1/", "https://0/",
    "https://0.0.0.0/", "https://00/", "https://0x7f.0.0.1/", "https://0x7f000001/",
    "https://0X7F.1/", "https://0177.0.0.1/", "https://017700000001/", "https://2130706433/",
    "https://127.0.0.0x1/", "https://127.0.00.1/", "https://8.8.8.8/", "https://134744072/",
    "https://10.0.0.1/", "https://10.1/", "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/", "https://2852039166/", "https://0251.0376.0251.0376/",
    "https://169.254.43518/", "https://192.168.0.1:8443/", "https://256.256.256.256/",
    "https://1.2.3.4.5/", "https://1.2.3/", "https://999/", "https://[::1]/", "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[2001:0:a00:1::1]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/", "https://[fc00::1]/", "https://[2606:4700::1111]/", "https://[::1",
    "https://[::g]/", "https://[127.0.0.1]/", "https://[]/",
    /* digits and dots that are none in ASCII */
    "https://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/",
    "https://127\xe3\x80\x82"
    "0\xe3\x80\x82"
    "0\xe3\x80\x82"
    "1/",
    "https://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",
    "https://127\xef\xbd\xa1"
    "1/",
    "https://\xe2\x93\x9b\xe2\x93\x9e\xe2\x93\x92\xe2\x93\x90\xe2\x93\x9b\xe2\x93\x97\xe2\x93\x9e"
    "\xe2\x93\xa2\xe2\x93\xa3/",
    "https://b\xc3\xbc"
    "cher.example/x",
    "https://hooks.example.com/\xc3\xa9", "https://\xff\xfe.example.com/",
    /* names of here */
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://localhost.:8443/",
    "https://foo.localhost/", "https://localhost.localdomain/", "https://printer.local/",
    "https://metadata.google.internal/", "https://metadata/", "https://intranet/",
    "https://db.lan/", "https://nas.home.arpa/", "https://wiki.intranet/",
    "https://db.example.com/", "https://DB.example.com./", "https://./", "https://../",
    "https://.example.com.127.1/", "https://x.0x7f/", "https://exa*mple.com/",
    "https://exa$mple.com/"
};

static void test_bad_urls(void **state)
{
    struct outbound_rules *r = rules(NULL, 0);

    (void) state;
    assert_true(ARRAY_LEN(bad_urls) >= 120);
    for (size_t i = 0; i < ARRAY_LEN(bad_urls); i++) {
        char *normal = NULL;
        struct err e;

        if (outbound_url_check(r, bad_urls[i], &normal, &e) != ERR_INVALID)
            fail_msg("\"%s\" was taken, as \"%s\"", bad_urls[i], normal);
        assert_null(normal);
        assert_true(strlen(e.message) > 20);
    }
    outbound_rules_free(r);
}

static void test_good_urls(void **state)
{
    static const char *const good[][2] = {
        { "https://hooks.example.com", "https://hooks.example.com/" },
        { "https://hooks.example.com/a/b?c=d&e=%20", "https://hooks.example.com/a/b?c=d&e=%20" },
        { "https://hooks.example.com:443/", "https://hooks.example.com:443/" },
        { "https://hooks.example.com:8443/x", "https://hooks.example.com:8443/x" },
        { "HTTPS://Hooks.Example.com/X", NULL },
        { "https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/" },
        /* what such a name leads to is judged at the socket */
        { "https://127.0.0.1.nip.io/", "https://127.0.0.1.nip.io/" },
    };
    struct outbound_rules *r = rules(NULL, 0);

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO_FREE char *normal = NULL;
        struct err e;

        if (outbound_url_check(r, good[i][0], &normal, &e))
            fail_msg("\"%s\": %s", good[i][0], e.message);
        if (good[i][1])
            assert_string_equal(normal, good[i][1]);
    }
    outbound_rules_free(r);
}

static void test_allowed_addresses_may_be_named(void **state)
{
    char *const allow[] = { "127.0.0.0/8" };
    struct outbound_rules *r = rules(allow, 1);
    static const char *const good[] = { "http://127.0.0.1:9999/x", "https://127.0.0.1:9999/",
                                        "http://localhost:9999/", "http://127.1:9999/" };
    static const char *const bad[] = { "http://10.0.0.1:9999/", "http://hooks.example.com/",
                                       "http://[::1]:9999/", "http://127.0.0.1:22/" };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        AUTO_FREE char *normal = NULL;
        struct err e;

        if (outbound_url_check(r, good[i], &normal, &e))
            fail_msg("%s: %s", good[i], e.message);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *normal;
        struct err e;

        assert_int_equal(outbound_url_check(r, bad[i], &normal, &e), ERR_INVALID);
    }
    outbound_rules_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_of_the_table),
        cmocka_unit_test(test_ranges_an_administrator_allows),
        cmocka_unit_test(test_bad_urls),
        cmocka_unit_test(test_good_urls),
        cmocka_unit_test(test_allowed_addresses_may_be_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
