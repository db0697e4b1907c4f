/*
 * tls.c - the certificate that the server shows, and how it is exchanged while the server runs.
 *
 * The records are libmicrohttpd's business; ours is only which certificate a handshake gets.
 * GnuTLS keeps pointers to it for as long as the connection lives, so one that was replaced is kept
 * until the server ends: a few KiB for each renewal.
 */
#include "tls.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "steward/mem.h"

#define CHAIN_MAX     10
#define KEY_FORBIDDEN 0027 /* others may not read it, nor the group write it */

struct identity {
    struct identity *older;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned n_chain;
    gnutls_privkey_t key;
};

struct tls {
    char *cert_file, *key_file;
    struct identity *current;
};

static struct tls *shown; /* see tls_on_handshake() */

static void identity_free(struct identity *id)
{
    for (unsigned i = 0; i < id->n_chain; i++)
        gnutls_pcert_deinit(&id->chain[i]);
    if (id->key)
        gnutls_privkey_deinit(id->key);
    free(id);
}

static enum err_code check_key_file(const char *path, struct err *e)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return err_set(e, ERR_INVALID, "--tls-key: %s cannot be read: %s.", path, strerror(errno));
    if (st.st_mode & KEY_FORBIDDEN)
        return err_set(e, ERR_INVALID,
                       "--tls-key: %s can be read by others or changed by its group; chmod 600 it.",
                       path);
    return OK;
}

/* That both belong together, and that the key is one: GnuTLS checks it of a pair only. */
static enum err_code check_pair(const struct tls *tls, struct err *e)
{
    gnutls_certificate_credentials_t pair;
    int rc;

    if (gnutls_certificate_allocate_credentials(&pair) != GNUTLS_E_SUCCESS)
        mem_exhausted();
    rc = gnutls_certificate_set_x509_key_file(pair, tls->cert_file, tls->key_file,
                                              GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(pair);
    if (rc >= 0)
        return OK;
    return err_set(e, ERR_INVALID, "--tls-cert %s and --tls-key %s: %s", tls->cert_file,
                   tls->key_file, gnutls_strerror(rc));
}

static int load_key(const char *path, gnutls_privkey_t *out)
{
    gnutls_datum_t text = { 0 };
    int rc = gnutls_load_file(path, &text);

    if (rc >= 0)
        rc = gnutls_privkey_init(out);
    if (rc >= 0)
        rc = gnutls_privkey_import_x509_raw(*out, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (text.data)
        gnutls_memset(text.data, 0, text.size);
    gnutls_free(text.data);
    return rc;
}

static enum err_code load(const struct tls *tls, struct identity **out, struct err *e)
{
    struct identity *id = xcalloc(1, sizeof *id);
    int rc;

    id->n_chain = CHAIN_MAX;
    rc = gnutls_pcert_list_import_x509_file(id->chain, &id->n_chain, tls->cert_file,
                                            GNUTLS_X509_FMT_PEM, NULL, NULL, 0);
    if (rc < 0) {
        id->n_chain = 0;
        (void) err_set(e, ERR_INVALID, "--tls-cert: %s holds no certificate: %s", tls->cert_file,
                       gnutls_strerror(rc));
    } else {
        rc = load_key(tls->key_file, &id->key);
        if (rc < 0)
            (void) err_set(e, ERR_INVALID, "--tls-key: %s holds no key: %s", tls->key_file,
                           gnutls_strerror(rc));
    }
    if (rc < 0) {
        identity_free(id);
        return ERR_INVALID;
    }
    *out = id;
    return OK;
}

enum err_code tls_reload(struct tls *tls, struct err *e)
{
    struct identity *id;

    TRY(check_key_file(tls->key_file, e));
    TRY(check_pair(tls, e));
    TRY(load(tls, &id, e));
    id->older = tls->current;
    tls->current = id;
    return OK;
}

enum err_code tls_open(const char *cert_file, const char *key_file, struct tls **out, struct err *e)
{
    struct tls *tls = xcalloc(1, sizeof *tls);
    enum err_code code;

    assert(!shown);
    tls->cert_file = xstrdup(cert_file);
    tls->key_file = xstrdup(key_file);
    code = tls_reload(tls, e);
    if (code) {
        tls_close(tls);
        return code;
    }
    *out = shown = tls;
    return OK;
}

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    if (shown == tls)
        shown = NULL;
    while (tls->current) {
        struct identity *id = tls->current;

        tls->current = id->older;
        identity_free(id);
    }
    free(tls->cert_file);
    free(tls->key_file);
    free(tls);
}

/* NOLINTNEXTLINE(readability-function-size): its parameters are GnuTLS's */
int tls_on_handshake(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                     const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                     gnutls_pcert_st **chain, unsigned int *n_chain, gnutls_privkey_t *key)
{
    (void) session;
    (void) names;
    (void) n_names;
    (void) algorithms;
    (void) n_algorithms;
    if (!shown)
        return -1;
    *chain = shown->current->chain;
    *n_chain = shown->current->n_chain;
    *key = shown->current->key;
    return 0;
}

bool tls_send(gnutls_session_t session, const void *text, size_t n)
{
    return gnutls_record_send(session, text, n) == (ssize_t) n;
}
