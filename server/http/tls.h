/*
 * tls.h - the certificate that the server shows. Private to the http floor.
 */
#ifndef STEWARD_HTTP_TLS_H
#define STEWARD_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stddef.h>

#include "steward/err.h"

/* TLS 1.2 and 1.3, forward secrecy and authenticated encryption only. The groups begin with those
 * that every client offers first: another one costs each handshake a round trip more. */
#define TLS_PRIORITIES                                                              \
    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA" \
    ":-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD"      \
    ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%SERVER_PRECEDENCE"

struct tls;

/* Reads both files (PEM). ERR_INVALID: the sentence says which file and why. */
MUST_USE enum err_code tls_open(const char *cert_file, const char *key_file, struct tls **out,
                                struct err *e);
/* Reads them again; on failure the old certificate stays. Handshakes that have begun go on with the
 * one that they were given. */
MUST_USE enum err_code tls_reload(struct tls *tls, struct err *e);
void tls_close(struct tls *tls); /* NULL is fine */

/* For MHD_OPTION_HTTPS_CERT_CALLBACK, which has no room for a context: the certificate of the one
 * tls_open() of the process. */
int tls_on_handshake(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                     const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                     gnutls_pcert_st **chain, unsigned int *n_chain, gnutls_privkey_t *key);

/* The whole of text, or false: the handshake is not over, or the socket takes no more. */
bool tls_send(gnutls_session_t session, const void *text, size_t n);

#endif
