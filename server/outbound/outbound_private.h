/*
 * outbound_private.h - what the files of this floor share.
 */
#ifndef STEWARD_OUTBOUND_PRIVATE_H
#define STEWARD_OUTBOUND_PRIVATE_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "steward/outbound.h"
#include "steward/str.h"

#define CONNECT_MAX_MS 5000

/* ---- batch.c: one call under way ---- */
struct entry {
    struct entry *next;
    struct outbound_batch *batch;
    struct outbound_call *call;
    CURL *curl;
    struct curl_slist *headers;   /* of a mail: who gets it */
    int64_t started_ms, ready_ms; /* not handed back before */
    size_t seen_bytes, sent_bytes;
    struct buf kept, excerpt;
    char trouble[CURL_ERROR_SIZE];
    bool is_cut, is_given_up;
};
struct outbound_batch {
    const struct outbound_rules *rules;
    CURLM *multi;
    struct entry *open, *over; /* over: in no order; ready_ms says when */
    atomic_bool is_woken;
};
/* What came back as the call's excerpt: printable, without secrets. */
void entry_take_excerpt(struct entry *x);

/* ---- smtp.c ---- */
void smtp_prepare(struct entry *x);
void smtp_judge(struct entry *x, CURLcode code);

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
    struct curl_slist *connect_to;
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
