/*
 * cut_proxy.h - a proxy between a client and the test server that cuts the connection at a chosen
 * message.
 *
 * It stands on a unix socket in a folder of its own. Armed, it waits for the client's Sync that
 * ends a transaction and cuts either before the server gets it or after the server has answered
 * (the client gets nothing of the answer).
 */
#ifndef STEWARD_TESTS_DB_CUT_PROXY_H
#define STEWARD_TESTS_DB_CUT_PROXY_H

#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "steward/str.h"

enum cut { CUT_NONE, CUT_BEFORE_SYNC, CUT_AFTER_COMMIT, CUT_SILENT };

struct cut_proxy {
    char folder[32], server_path[100];
    int listener;
    pthread_t thread;
    _Atomic int cut;
    atomic_bool is_over;
};

static inline int cut_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void) str_copy(address.sun_path, sizeof address.sun_path, path);
    if (connect(fd, (struct sockaddr *) &address, sizeof address) != 0)
        fail_msg("cannot connect to %s", path);
    return fd;
}

/* Bytes one way; false when a side hung up. */
static inline bool cut_forward(int from, int to)
{
    char bytes[8192];
    ssize_t n = read(from, bytes, sizeof bytes);

    return n > 0 && (to < 0 || write(to, bytes, (size_t) n) == n);
}

/* The client's bytes end with a Sync ('S', length 4) when a transaction is complete. */
static inline bool cut_client_bytes(struct cut_proxy *p, int client, int server)
{
    static const char sync[] = { 'S', 0, 0, 0, 4 };
    char bytes[8192];
    ssize_t n = read(client, bytes, sizeof bytes);
    int cut = p->cut;

    if (n <= 0)
        return false;
    if (cut == CUT_NONE || n < 5 || memcmp(bytes + n - 5, sync, 5) != 0)
        return write(server, bytes, (size_t) n) == n;
    p->cut = CUT_NONE;
    if (cut == CUT_BEFORE_SYNC) {
        (void) !write(server, bytes, (size_t) n - 5);
        return false;
    }
    if (write(server, bytes, (size_t) n) != n)
        return false;
    (void) cut_forward(server, -1); /* the server's answer is there: it has committed */
    if (cut == CUT_SILENT)
        (void) cut_forward(client, -1); /* until the client gives up */
    return false;
}

static inline void *cut_serve(void *arg)
{
    struct cut_proxy *p = arg;

    while (!p->is_over) { /* one client at a time, as the blocking connection is */
        struct pollfd listener = { .fd = p->listener, .events = POLLIN };
        int client, server;
        bool is_open = true;

        if (poll(&listener, 1, 50) <= 0)
            continue;
        client = accept(p->listener, NULL, NULL);
        server = cut_connect(p->server_path);
        while (is_open && !p->is_over) {
            struct pollfd fds[2] = { { .fd = client, .events = POLLIN },
                                     { .fd = server, .events = POLLIN } };

            if (poll(fds, 2, 50) <= 0)
                continue;
            if (fds[1].revents)
                is_open = cut_forward(server, client);
            if (is_open && fds[0].revents)
                is_open = cut_client_bytes(p, client, server);
        }
        (void) close(client);
        (void) close(server);
    }
    return NULL;
}

/* The URL through the proxy; the caller frees it. */
static inline char *cut_proxy_start(struct cut_proxy *p, const char *url)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *folder = strstr(url, "host=") + 5;

    (void) snprintf(p->folder, sizeof p->folder, "/tmp/stw-cut-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    (void) snprintf(p->server_path, sizeof p->server_path, "%.*s/.s.PGSQL.5432",
                    (int) strcspn(folder, " "), folder);
    (void) snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", p->folder);
    p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *) &address, sizeof address), 0);
    assert_int_equal(listen(p->listener, 8), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, cut_serve, p), 0);
    return xasprintf("%s host=%s", url, p->folder);
}

static inline void cut_proxy_stop(struct cut_proxy *p)
{
    char *path = xasprintf("%s/.s.PGSQL.5432", p->folder);

    p->is_over = true;
    assert_int_equal(pthread_join(p->thread, NULL), 0);
    (void) close(p->listener);
    (void) unlink(path);
    (void) rmdir(p->folder);
    free(path);
}

#endif
