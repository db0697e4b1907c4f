/*
 * rules.c - which addresses may be reached: the table of those that may not, and the ranges an
 * administrator allows all the same.
 *
 * An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, Teredo) is judged as what it leads to.
 * This machine's own addresses are refused whatever range they are in.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "outbound_private.h"
#include "steward/mem.h"
#include "steward/str.h"

static const char *const forbidden[] = {
    /* this network, private, shared, loopback, link-local (metadata services live there) */
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16",
    /* special, documentation, benchmarks, multicast, reserved and broadcast */
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    /* IPv6: unspecified, loopback and the old embedded form; unique local, link- and site-local,
       multicast, discard, documentation, local NAT64 */
    "::/96", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "100::/64", "2001:db8::/32",
    "3fff::/20", "64:ff9b:1::/48", "5f00::/16"
};

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void map_v4(const uint8_t v4[4], uint8_t out[16])
{
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + 12, v4, 4);
}

bool range_of_literal(const char *text, uint8_t out[16])
{
    uint8_t v4[4];

    if (inet_pton(AF_INET, text, v4) == 1) {
        map_v4(v4, out);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

bool range_of_sockaddr(const struct sockaddr *address, uint8_t out[16])
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof in);
        map_v4((const uint8_t *) &in.sin_addr, out);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, address, sizeof in6);
        memcpy(out, &in6.sin6_addr, 16);
        return true;
    }
    return false;
}

bool range_parse(const char *text, struct outbound_range *out)
{
    char address[64];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t) (slash - text) : strlen(text);
    int64_t bits;
    bool is_v4;

    if (n == 0 || n >= sizeof address)
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    is_v4 = !strchr(address, ':');
    bits = is_v4 ? 32 : 128;
    if (!range_of_literal(address, out->bytes) || (slash && !str_to_i64(slash + 1, 0, bits, &bits)))
        return false;
    out->bits = (int) bits + (is_v4 ? 96 : 0);
    return true;
}

bool range_holds(const struct outbound_range *r, const uint8_t address[16])
{
    size_t whole = (size_t) r->bits / 8;
    unsigned rest = (unsigned) r->bits % 8;

    if (memcmp(r->bytes, address, whole) != 0)
        return false;
    return rest == 0 || (uint8_t) (r->bytes[whole] ^ address[whole]) >> (8 - rest) == 0;
}

bool rules_allow_listed(const struct outbound_rules *r, const uint8_t address[16])
{
    for (size_t i = 0; i < r->n_allow; i++)
        if (range_holds(&r->allow[i], address))
            return true;
    return false;
}

/* The IPv4 addresses that an IPv6 one leads to; how many. */
static size_t embedded(const uint8_t a[16], uint8_t out[2][16])
{
    static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
    uint8_t v4[4];

    if (memcmp(a, nat64, sizeof nat64) == 0) {
        map_v4(a + 12, out[0]);
        return 1;
    }
    if (a[0] == 0x20 && a[1] == 0x02) { /* 6to4 */
        map_v4(a + 2, out[0]);
        return 1;
    }
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0 && a[3] == 0) { /* Teredo: server and client */
        map_v4(a + 4, out[0]);
        for (size_t i = 0; i < 4; i++)
            v4[i] = (uint8_t) ~a[12 + i];
        map_v4(v4, out[1]);
        return 2;
    }
    return 0;
}

static bool is_forbidden(const uint8_t address[16])
{
    struct outbound_range range;

    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        if (range_parse(forbidden[i], &range) && range_holds(&range, address))
            return true;
    return false;
}

static bool is_own(const uint8_t address[16])
{
    struct ifaddrs *list, *i;
    uint8_t own[16];
    bool is_found = false;

    if (getifaddrs(&list))
        return false;
    for (i = list; i && !is_found; i = i->ifa_next)
        is_found =
            i->ifa_addr && range_of_sockaddr(i->ifa_addr, own) && memcmp(own, address, 16) == 0;
    freeifaddrs(list);
    return is_found;
}

bool outbound_address_is_allowed(const struct outbound_rules *r, const struct sockaddr *address)
{
    uint8_t bytes[16], inner[2][16];
    size_t n;

    if (!range_of_sockaddr(address, bytes))
        return false;
    if (rules_allow_listed(r, bytes))
        return true;
    n = embedded(bytes, inner);
    for (size_t i = 0; i < n; i++)
        if (is_forbidden(inner[i]) || is_own(inner[i]))
            return false;
    return !is_forbidden(bytes) && !is_own(bytes);
}

enum err_code outbound_rules_new(const struct outbound_options *options,
                                 struct outbound_rules **out, struct err *e)
{
    struct outbound_rules *r = xcalloc(1, sizeof *r);

    r->allows_http = options->allows_http;
    r->ca_bundle = options->ca_bundle ? xstrdup(options->ca_bundle) : NULL;
    r->allow = xcalloc(options->n_allow + 1, sizeof *r->allow);
    for (size_t i = 0; i < options->n_allow; i++) {
        if (!range_parse(options->allow[i], &r->allow[i])) {
            (void) err_set(e, ERR_INVALID,
                           "\"%.60s\" is no range of addresses such as 10.1.0.0/16 or fd00::/8.",
                           options->allow[i]);
            outbound_rules_free(r);
            return e->code;
        }
        r->n_allow++;
    }
    for (size_t i = 0; i < options->n_connect_to; i++) {
        struct curl_slist *longer = curl_slist_append(r->connect_to, options->connect_to[i]);

        if (!longer)
            mem_exhausted();
        r->connect_to = longer;
    }
    for (size_t i = 0; options->denied && options->denied[i]; i++) {
        r->denied = xrealloc(r->denied, (i + 1) * sizeof *r->denied);
        r->denied[i] = xstrdup(options->denied[i]);
        r->n_denied++;
    }
    *out = r;
    return OK;
}

void outbound_rules_free(struct outbound_rules *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_denied; i++)
        free(r->denied[i]);
    free(r->denied);
    curl_slist_free_all(r->connect_to);
    free(r->ca_bundle);
    free(r->allow);
    free(r);
}
