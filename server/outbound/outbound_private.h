/*
 * outbound_private.h - what the files of this floor share.
 */
#ifndef STEWARD_OUTBOUND_PRIVATE_H
#define STEWARD_OUTBOUND_PRIVATE_H

#include "steward/outbound.h"

/* An address or a range of them, as 16 bytes: IPv4 is mapped (::ffff:0:0/96). */
struct outbound_range {
    uint8_t bytes[16];
    int bits;
};

struct outbound_rules {
    struct outbound_range *allow;
    size_t n_allow;
    bool allows_http;
    char *ca_bundle;
    char **denied;
    size_t n_denied;
};

/* "127.0.0.0/8", "fd00::/8", or one address; false when it is none. */
bool range_parse(const char *text, struct outbound_range *out);
bool range_holds(const struct outbound_range *r, const uint8_t address[16]);
/* The 16 bytes of a socket address; false for other families. */
bool range_of_sockaddr(const struct sockaddr *address, uint8_t out[16]);
/* Of an IPv4 or (unbracketed) IPv6 literal. */
bool range_of_literal(const char *text, uint8_t out[16]);
bool rules_allow_listed(const struct outbound_rules *r, const uint8_t address[16]);

#endif
