/*
 * handshake.c - a TLS handshake that waits for its client waits in the loop, not in a circle.
 *
 * libmicrohttpd 0.9.75 calls gnutls_handshake() again and again while half a handshake is there: it
 * forgets to note that the socket is empty, takes it for ready for ever, and a client that sends
 * three bytes and no more keeps a processor busy. It calls the function through the dynamic linker,
 * so this definition stands in front of it (as daemon_errors.c does with another one): when the
 * real one wants to wait, the connection is suspended, which takes it off the library's list, and
 * resumed when the socket is ready. Where the symbol cannot be preempted, handshakes work as
 * before, at that price.
 */
#include <assert.h>
#include <dlfcn.h>
#include <stdlib.h>

#include "internal.h"

struct handshake {
    uv_poll_t poll;
    struct conn *conn;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void handshake_forget(struct conn *c)
{
    struct handshake *h = c->handshake;

    if (!h)
        return;
    c->handshake = NULL;
    (void) uv_poll_stop(&h->poll);
    uv_close((uv_handle_t *) &h->poll, on_closed);
}

void handshake_resume(struct conn *c)
{
    if (!c->handshake)
        return;
    handshake_forget(c);
    conn_resume(c);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void) status; /* whatever it is, GnuTLS will find it */
    (void) events;
    handshake_resume(((struct handshake *) poll->data)->conn);
}

static void wait_for_client(struct conn *c, bool is_writing)
{
    struct handshake *h = xcalloc(1, sizeof *h);

    if (uv_poll_init(c->server->loop, &h->poll, c->fd) != 0) {
        free(h);
        return; /* the library goes on in its circle; the deadline ends it */
    }
    h->poll.data = h;
    h->conn = c;
    c->handshake = h;
    conn_suspend(c);
    (void) uv_poll_start(&h->poll, (is_writing ? UV_WRITABLE : UV_READABLE) | UV_DISCONNECT,
                         on_ready);
}

typedef int (*handshake_fn)(gnutls_session_t);

int gnutls_handshake(gnutls_session_t session)
{
    static handshake_fn real;
    struct http_server *s = server_running();
    int rc;

    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "gnutls_handshake");

        if (!symbol)
            abort(); /* we are linked against it */
        *(void **) &real = symbol;
    }
    rc = real(session);
    if (rc == GNUTLS_E_AGAIN && s && s->tls && !s->is_closing) {
        struct conn *c = gnutls_session_get_ptr(session); /* conn_new() */

        assert(c->server == s);
        if (!c->handshake && c->state != CONN_DOOMED)
            wait_for_client(c, gnutls_record_get_direction(session) == 1);
    }
    return rc;
}
