/*
 * outbound.h - HTTP to addresses that users name: the rules for them, and the guard at the socket.
 *
 * A URL is checked by libcurl's own parser, whose result is what is stored and used. An address is
 * checked when the socket to it is about to be made, so nothing that DNS says in between matters.
 * Whatever failed before a connection stood looks the same, and takes the same time.
 */
#ifndef STEWARD_OUTBOUND_H
#define STEWARD_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "steward/err.h"

struct outbound_rules;
struct outbound_options {
    char *const *allow; /* CIDRs that may be reached although the table says no */
    size_t n_allow;
    bool allows_http;        /* without it http is for addresses in allow only */
    const char *ca_bundle;   /* NULL: the system's */
    char *const *connect_to; /* "HOST:PORT:ADDRESS:PORT": where calls to HOST really go; the guard
                                judges the address */
    size_t n_connect_to;
    const char *const *denied; /* host names that are never called; NULL-terminated or NULL */
};
/* Immutable afterwards; shared by threads. ERR_INVALID names the range that is none. */
MUST_USE enum err_code outbound_rules_new(const struct outbound_options *options,
                                          struct outbound_rules **out, struct err *e);
void outbound_rules_free(struct outbound_rules *r); /* NULL is fine */
/* Whether a connection to the address may be made. */
bool outbound_address_is_allowed(const struct outbound_rules *r, const struct sockaddr *address);
/* ERR_INVALID says what is wrong with it. *normal: as it is to be stored and called; caller owns.
 */
MUST_USE enum err_code outbound_url_check(const struct outbound_rules *r, const char *url,
                                          char **normal, struct err *e);

enum outbound_end {
    OUTBOUND_ANSWERED,    /* a whole answer (or its first 64 KiB) */
    OUTBOUND_UNREACHABLE, /* no connection: refused, forbidden, unknown name, bad certificate */
    OUTBOUND_TIMED_OUT,   /* connected, and no whole answer in time */
    OUTBOUND_BROKEN       /* connected, and what came back was no answer */
};
#define OUTBOUND_EXCERPT_BYTES 1025

/* A mail is a call, too: url is smtp:// or smtps://, body the whole mail. Its server is the
 * operator's choice, so the guard is not asked; status is the server's last reply (250). */
struct outbound_mail {
    const char *from, *to;       /* addresses alone, checked by mail_address() */
    const char *user, *password; /* NULL: no login; copied */
    bool is_plain_accepted;      /* smtp:// goes on when the server offers no STARTTLS */
    const char *ca_bundle;       /* NULL: the system's */
};
/* The lines "user" and "password" of a file that nobody else may read. Wipe it after use. */
struct smtp_credentials {
    char user[256], password[512];
};
MUST_USE enum err_code smtp_credentials_read(const char *path, struct smtp_credentials *out,
                                             struct err *e);
void smtp_credentials_wipe(struct smtp_credentials *c);
/* "smtp://host[:port]" or "smtps://host[:port]", nothing else in it; ERR_INVALID says what is
 * wrong. */
MUST_USE enum err_code smtp_url_check(const char *url, struct err *e);

struct outbound_call {
    /* in; borrowed until it is taken */
    const char *url, *body; /* body NULL: GET */
    size_t body_n;
    const char *const *headers;       /* "Name: value", NULL-terminated */
    const struct outbound_mail *mail; /* NULL: HTTP */
    int64_t timeout_ms;
    size_t keep_bytes; /* of the answer's body in text; 0: only the excerpt */
    void *user;
    /* out */
    enum outbound_end end;
    int status;
    int64_t latency_ms; /* -1 unless it was answered */
    char retry_after[64];
    char excerpt[OUTBOUND_EXCERPT_BYTES]; /* printable UTF-8 */
    char *text;                           /* keep_bytes; caller owns */
    size_t text_n;
    void *private; /* of the batch */
};

/* Many calls of one thread. */
struct outbound_batch;
struct outbound_batch *outbound_batch_new(const struct outbound_rules *r);
void outbound_batch_free(struct outbound_batch *b); /* gives up what is under way */
void outbound_batch_start(struct outbound_batch *b, struct outbound_call *call);
void outbound_batch_wait(struct outbound_batch *b, int64_t timeout_ms);
struct outbound_call *outbound_batch_take(struct outbound_batch *b);
void outbound_batch_wake(struct outbound_batch *b); /* from any thread */

#endif
