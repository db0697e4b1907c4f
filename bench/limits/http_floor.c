/*
 * http_floor.c - our http floor with the same answer as mhd_static.c and nothing above it: no
 * route, no token, no log.
 *
 * usage: http_floor BODY_FILE CONTENT_TYPE      prints "ready PORT"; ends with SIGTERM
 */
#include <stdio.h>
#include <stdlib.h>

#include "steward/http.h"

#define BODY_MAX 65536

static char body[BODY_MAX];
static size_t body_n;
static const char *content_type;

static void on_request(struct http_request *rq, void *context)
{
    (void) context;
    http_respond_static(rq, 200, content_type, body, body_n);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void) number;
    uv_stop(handle->loop);
}

int main(int argc, char **argv)
{
    static const struct http_options options = { .address = "127.0.0.1", .on_request = on_request };
    uv_loop_t *loop = uv_default_loop();
    struct http_server *server = NULL;
    FILE *f = argc == 3 ? fopen(argv[1], "rb") : NULL;
    uv_signal_t term;
    struct err e;

    if (!f) {
        (void) fprintf(stderr, "usage: http_floor BODY_FILE CONTENT_TYPE\n");
        return 2;
    }
    body_n = fread(body, 1, sizeof body, f);
    (void) fclose(f);
    content_type = argv[2];
    if (http_server_open(loop, &options, &server, &e)) {
        (void) fprintf(stderr, "http_floor: %s\n", e.message);
        return 1;
    }
    uv_signal_init(loop, &term);
    uv_signal_start(&term, on_signal, SIGTERM);
    (void) printf("ready %u\n", (unsigned) http_server_port(server));
    (void) fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
    http_server_close(server);
    uv_close((uv_handle_t *) &term, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return 0;
}
