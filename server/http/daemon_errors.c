/*
 * daemon_errors.c - libmicrohttpd's own refusals, in our words.
 *
 * What the library refuses before a handler sees it (an oversized head, a broken Content-Length or
 * chunk size, a header line without a colon) it answers with a small HTML page of its own, and in
 * one case (Content-Length) with two heads in a row. It has no hook for that, but it queues the
 * page by calling its public MHD_queue_response() through the dynamic linker. This definition
 * stands in front of it: our answers take the library's function by its address, so whoever arrives
 * here is the library with a refusal. We send our problem and return MHD_NO, upon which it closes
 * the connection. Where the symbol cannot be preempted (static linking, -Bsymbolic), the HTML pages
 * are back and nothing else changes.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "internal.h"

static const char *detail_of(unsigned status)
{
    switch (status) {
    case 413:
        return "The length of the body is more than this server reads.";
    case 414:
        return "The request line is longer than this server reads.";
    case 431:
        return "The request headers are more than this server reads.";
    case 505:
        return "This server speaks HTTP/1.1 and HTTP/1.0.";
    default:
        return "The request is not well-formed HTTP/1.1; look at its header lines, Content-Length "
               "and chunk sizes.";
    }
}

static const char *code_of(unsigned status)
{
    return status == 400 ? "malformed-request" : NULL;
}

typedef enum MHD_Result (*queue_fn)(struct MHD_Connection *, unsigned int, struct MHD_Response *);

enum MHD_Result daemon_queue_response(struct MHD_Connection *mhd, unsigned status,
                                      struct MHD_Response *response)
{
    static queue_fn real;

    if (!real) {
        void *symbol = dlsym(RTLD_NEXT, "MHD_queue_response");

        if (!symbol)
            abort(); /* we are linked against it */
        *(void **) &real = symbol;
    }
    return real(mhd, status, response);
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status_code,
                                   struct MHD_Response *response)
{
    struct conn *c = conn_of(connection);
    struct problem p = { .status = (int) status_code,
                         .code = code_of(status_code),
                         .detail = detail_of(status_code) };

    (void) response; /* the library's page; it keeps and frees it */
    c->wants_linger = true;
    conn_send_raw(c, &p);
    return MHD_NO;
}
