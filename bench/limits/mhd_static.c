/*
 * mhd_static.c - the limit of our HTTP side: bare libmicrohttpd in a libuv loop, one answer from
 * memory.
 *
 * It is also the remote end that every engine of the comparison calls: any method, the body is read
 * and thrown away, the answer is always the same. With a second file it writes down when each
 * request came.
 *
 * usage: mhd_static BODY_FILE CONTENT_TYPE [LOG_FILE]      prints "ready PORT"; ends with SIGTERM
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#define DRAIN_RUNS 16
#define BODY_MAX   65536
#define LOGGED_MAX 300

struct call {
    char body[LOGGED_MAX];
    size_t n;
};

static struct MHD_Daemon *daemon_;
static struct MHD_Response *answer;
static uv_timer_t timer;
static FILE *log_file;

static void run(void);

static void on_timer(uv_timer_t *t)
{
    (void) t;
    run();
}

/* Client sockets are edge-triggered: run again while something is due. */
static void run(void)
{
    MHD_UNSIGNED_LONG_LONG ms;
    int left = DRAIN_RUNS;

    do
        (void) MHD_run(daemon_);
    while (--left > 0 && MHD_get_timeout(daemon_, &ms) == MHD_YES && ms == 0);
    if (MHD_get_timeout(daemon_, &ms) == MHD_YES)
        uv_timer_start(&timer, on_timer, ms, 0);
    else
        uv_timer_stop(&timer);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void) poll;
    (void) status;
    (void) events;
    run();
}

static void write_down(const struct call *c, const char *url)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    (void) fprintf(log_file, "%lld %s %.*s\n",
                   (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000, url, (int) c->n, c->body);
}

/* NOLINTNEXTLINE(readability-function-size): libmicrohttpd's signature */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **context)
{
    struct call *c = *context;

    (void) cls;
    (void) method;
    (void) version;
    if (!c) {
        *context = calloc(1, sizeof *c);
        return *context ? MHD_YES : MHD_NO;
    }
    if (*upload_size) {
        size_t room = sizeof c->body - c->n, n = *upload_size < room ? *upload_size : room;

        memcpy(c->body + c->n, upload, n);
        c->n += n;
        *upload_size = 0;
        return MHD_YES;
    }
    if (log_file)
        write_down(c, url);
    return MHD_queue_response(connection, 200, answer);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void) cls;
    (void) connection;
    (void) code;
    free(*context);
    *context = NULL;
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void) number;
    uv_stop(handle->loop);
}

static int make_answer(const char *path, const char *type)
{
    static char body[BODY_MAX];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(body, 1, sizeof body, f) : 0;

    if (!f)
        return -1;
    (void) fclose(f);
    answer = MHD_create_response_from_buffer(n, body, MHD_RESPMEM_PERSISTENT);
    return answer && MHD_add_response_header(answer, "Content-Type", type) == MHD_YES ? 0 : -1;
}

static int start(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

    daemon_ = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_access, NULL, MHD_OPTION_SOCK_ADDR,
                               &address, MHD_OPTION_CONNECTION_LIMIT, 4000U,
                               MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    return daemon_ ? 0 : -1;
}

int main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_poll_t poll;
    uv_signal_t term;

    (void) signal(SIGPIPE, SIG_IGN);
    if (argc < 3 || make_answer(argv[1], argv[2]) || start()) {
        (void) fprintf(stderr, "usage: mhd_static BODY_FILE CONTENT_TYPE [LOG_FILE]\n");
        return 2;
    }
    if (argc > 3 && !(log_file = fopen(argv[3], "w")))
        return 2;
    if (log_file)
        (void) setvbuf(log_file, NULL, _IOLBF, 0); /* read while it is written */
    uv_timer_init(loop, &timer);
    uv_signal_init(loop, &term);
    uv_signal_start(&term, on_signal, SIGTERM);
    uv_poll_init(loop, &poll, MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    uv_poll_start(&poll, UV_READABLE, on_poll);
    run();
    (void) printf("ready %u\n",
                  (unsigned) MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port);
    (void) fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_poll_stop(&poll);
    MHD_stop_daemon(daemon_);
    MHD_destroy_response(answer);
    if (log_file)
        (void) fclose(log_file);
    return 0;
}
