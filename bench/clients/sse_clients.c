/*
 * sse_clients.c - many readers of one event stream, on one thread.
 *
 * Opens COUNT connections to GET /events and reports on commands from standard input:
 *   count          {"open", "closed"} connections
 *   mark TYPE N    waits until every connection has seen N events of TYPE more, at most 30 s:
 *                  {"reached", "ms"}: how many have, and after how long the last one
 *   lag SECONDS    reads for so long and answers {"events", "p50", "p99", "max"}: milliseconds from
 * an event's "time" (written before its commit) to its arrival on each connection
 *
 * usage: sse_clients HOST PORT TOKEN COUNT      prints "ready" when all have their answer's headers
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define CHUNK         65536
#define SAMPLES_MAX   20000000
#define OPENING_MAX   128 /* asked at once: the listen queue is finite */

struct reader {
    int fd;
    bool is_open, is_answered;
    unsigned seen;
    char tail[96]; /* what may be the beginning of a match */
    size_t n_tail;
};

static struct reader *readers;
static int count, n_open, n_answered, epoll_fd;
static char wanted[80] = "";
static unsigned wanted_count;
static int n_reached;
static float *lags;
static size_t n_lags;
static bool is_lagging;

static double now_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    (void) fprintf(stderr, "sse_clients: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void connect_one(struct reader *r, const struct sockaddr_in *to, const char *token)
{
    char text[400];
    int n = snprintf(text, sizeof text,
                     "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: "
                     "text/event-stream\r\nAuthorization: Bearer "
                     "%s\r\n\r\n",
                     token);
    struct epoll_event want = { .events = EPOLLIN, .data.ptr = r };
    int small = 4096;

    r->fd = socket(AF_INET, SOCK_STREAM, 0);
    (void) setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (r->fd < 0 || connect(r->fd, (const struct sockaddr *) to, sizeof *to) ||
        write(r->fd, text, (size_t) n) != n)
        die("connect");
    (void) fcntl(r->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, r->fd, &want))
        die("epoll_ctl");
    r->is_open = true;
    n_open++;
}

/* at: "2026-11-24T04:00:00.123Z" */
static void note_lag(const char *at)
{
    struct tm tm = { 0 };
    const char *rest = strptime(at, "%Y-%m-%dT%H:%M:%S", &tm);

    if (rest && n_lags < SAMPLES_MAX)
        lags[n_lags++] =
            (float) ((now_s(CLOCK_REALTIME) - (double) timegm(&tm) - strtod(rest, NULL)) * 1e3);
}

static void scan(struct reader *r, char *text, size_t n)
{
    static const char member[] = "\"time\":\"";
    char *p;

    text[n] = '\0';
    if (*wanted)
        for (p = strstr(text, wanted); p; p = strstr(p + 1, wanted))
            if (++r->seen == wanted_count)
                n_reached++;
    if (is_lagging)
        for (p = strstr(text, member); p; p = strstr(p + 1, member))
            note_lag(p + strlen(member));
}

/* Only whole lines are looked at; the beginning of the next is kept while it is short. */
static void take(struct reader *r)
{
    static char chunk[CHUNK + 256];
    ssize_t n;
    char *end;
    size_t all;

    memcpy(chunk, r->tail, r->n_tail);
    n = read(r->fd, chunk + r->n_tail, CHUNK);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        (void) close(r->fd);
        r->is_open = false;
        n_open--;
        return;
    }
    if (!r->is_answered) {
        r->is_answered = true;
        n_answered++;
        if (strncmp(chunk, "HTTP/1.1 200", 12) != 0) {
            (void) fprintf(stderr, "sse_clients: %.300s\n", chunk);
            exit(1);
        }
    }
    all = r->n_tail + (size_t) n;
    end = memrchr(chunk, '\n', all);
    r->n_tail = end ? all - (size_t) (end + 1 - chunk) : all;
    if (r->n_tail >= sizeof r->tail)
        r->n_tail = 0; /* a long line: matched where it is */
    memcpy(r->tail, chunk + all - r->n_tail, r->n_tail);
    scan(r, chunk, all - r->n_tail);
}

static void turn(int ms)
{
    struct epoll_event events[EVENTS_A_TURN];
    int n = epoll_wait(epoll_fd, events, EVENTS_A_TURN, ms);

    for (int i = 0; i < n; i++)
        take(events[i].data.ptr);
}

static void mark(const char *type, unsigned n)
{
    double start = now_s(CLOCK_MONOTONIC);

    (void) snprintf(wanted, sizeof wanted, "event: %s", type);
    wanted_count = n;
    n_reached = 0;
    for (int i = 0; i < count; i++)
        readers[i].seen = 0;
    (void) printf("{\"marked\": true}\n");
    (void) fflush(stdout);
    while (n_reached < n_open && now_s(CLOCK_MONOTONIC) - start < 30)
        turn(10);
    (void) printf("{\"reached\": %d, \"at\": %.6f}\n", n_reached, now_s(CLOCK_MONOTONIC));
    wanted[0] = '\0';
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return x < y ? -1 : x > y;
}

static void lag(double seconds)
{
    double end = now_s(CLOCK_MONOTONIC) + seconds;

    n_lags = 0;
    is_lagging = true;
    while (now_s(CLOCK_MONOTONIC) < end)
        turn(5);
    is_lagging = false;
    qsort(lags, n_lags, sizeof *lags, by_size);
    (void) printf("{\"events\": %zu, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}\n", n_lags,
                  n_lags ? (double) lags[n_lags / 2] : 0.0,
                  n_lags ? (double) lags[n_lags * 99 / 100] : 0.0,
                  n_lags ? (double) lags[n_lags - 1] : 0.0);
}

static bool obey(void)
{
    char line[200], type[64];
    unsigned n;
    double seconds;

    if (!fgets(line, sizeof line, stdin))
        return false;
    if (sscanf(line, "mark %63s %u", type, &n) == 2)
        mark(type, n);
    else if (sscanf(line, "lag %lf", &seconds) == 1)
        lag(seconds);
    else
        (void) printf("{\"open\": %d, \"closed\": %d}\n", n_open, count - n_open);
    (void) fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    struct rlimit files;
    struct pollfd fds[2];

    if (argc != 5)
        return 2;
    (void) getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &files);
    count = (int) strtol(argv[4], NULL, 10);
    to.sin_port = htons((uint16_t) strtoul(argv[2], NULL, 10));
    readers = calloc((size_t) count, sizeof *readers);
    lags = calloc(SAMPLES_MAX, sizeof *lags);
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || !readers || !lags ||
        (epoll_fd = epoll_create1(0)) < 0)
        die("start");
    for (int i = 0; i < count; i++) {
        while (n_open - n_answered >= OPENING_MAX)
            turn(100);
        connect_one(&readers[i], &to, argv[3]);
    }
    while (n_answered < count)
        turn(100);
    (void) printf("ready\n");
    (void) fflush(stdout);
    fds[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = epoll_fd, .events = POLLIN };
    for (;;) {
        (void) poll(fds, 2, -1);
        if (fds[1].revents)
            turn(0);
        if (fds[0].revents && !obey())
            return 0;
    }
}
