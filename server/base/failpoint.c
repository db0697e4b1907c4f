/*
 * failpoint.c - the table of armed failpoints; empty in release builds.
 *
 * Read once from the environment; an idle failpoint costs two atomic loads.
 */
#include "steward/failpoint.h"

#ifdef STEWARD_FAILPOINTS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ARMED_MAX 16
#define FDS_MAX   4096 /* of a test server: far above what it opens */

static struct {
    char name[64], action[32];
    long at; /* hit number; 0: every */
    _Atomic long hits;
} armed[ARMED_MAX];
static _Atomic int n_armed = -1;
static int seen_fd = -1;
static const char *token; /* a file; NULL: none is needed */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c): the linker's names */
extern struct fp_site __start_fp_sites[], __stop_fp_sites[];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* One "name=action" or "name=action@N". */
static void arm_one(const char *text, size_t n)
{
    const char *equals = memchr(text, '=', n);
    const char *at = memchr(text, '@', n);
    size_t name_n, action_n;
    int i = n_armed;

    if (!equals || i >= ARMED_MAX)
        return;
    name_n = (size_t) (equals - text);
    action_n = (size_t) ((at ? at : text + n) - equals) - 1;
    if (name_n >= sizeof armed[0].name || action_n >= sizeof armed[0].action)
        return;
    memcpy(armed[i].name, text, name_n);
    memcpy(armed[i].action, equals + 1, action_n);
    armed[i].at = at ? strtol(at + 1, NULL, 10) : 0;
    n_armed = i + 1;
}

static void arm(void)
{
    const char *text = getenv("STEWARD_FAILPOINTS");

    const char *seen = getenv("STEWARD_FAILPOINTS_SEEN");

    token = getenv("STEWARD_FAILPOINTS_TOKEN");
    if (seen && *seen)
        seen_fd = open(seen, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    n_armed = 0;
    while (text && *text) {
        size_t n = strcspn(text, ";");

        arm_one(text, n);
        text += n + (text[n] == ';');
    }
}

/* Cuts every connection of this process, as a failing network does, and goes on. */
static void cut_connections(void)
{
    struct sockaddr_storage peer;

    for (int fd = 0; fd < FDS_MAX; fd++) {
        socklen_t n = sizeof peer;

        if (getpeername(fd, (struct sockaddr *) &peer, &n) == 0)
            (void) shutdown(fd, SHUT_RDWR);
    }
}

static void act(const char *name, const char *action)
{
    char note[160];
    struct timespec now = { 0 };
    int n;

    (void) clock_gettime(CLOCK_REALTIME, &now);
    n = snprintf(note, sizeof note,
                 "level=warn mod=base event=failpoint_hit name=%s action=%s at_ms=%lld\n", name,
                 action, (long long) now.tv_sec * 1000 + now.tv_nsec / 1000000);
    (void) !write(STDERR_FILENO, note, (size_t) n);
    if (strcmp(action, "kill9") == 0)
        (void) kill(getpid(), SIGKILL);
    else if (strcmp(action, "stop") == 0)
        (void) raise(SIGSTOP); /* this thread's own: kill() may let it run on for a moment */
    else if (strcmp(action, "abort") == 0)
        abort();
    else if (strcmp(action, "cut") == 0)
        cut_connections();
    else if (strncmp(action, "exit(", 5) == 0)
        _exit((int) strtol(action + 5, NULL, 10));
    else if (strncmp(action, "sleep(", 6) == 0) {
        long ms = strtol(action + 6, NULL, 10);
        struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

        (void) nanosleep(&ts, NULL);
    }
}

/* One write, so that lines of many processes do not mix. */
static void note_seen(struct fp_site *site)
{
    char line[72];
    int n = snprintf(line, sizeof line, "%s\n", site->name);

    if (seen_fd >= 0 && !atomic_exchange(&site->is_seen, 1))
        (void) !write(seen_fd, line, (size_t) n);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Sanitizers put room between the sites: each is known by its magic. */
__attribute__((no_sanitize("address"))) static size_t collect_names(const char **names, size_t most)
{
    const uint64_t *end = (const uint64_t *) (const void *) __stop_fp_sites;
    size_t n = 0;

    for (const uint64_t *p = (const uint64_t *) (const void *) __start_fp_sites; p < end; p++)
        if (*p == FP_MAGIC && n < most)
            names[n++] = ((const struct fp_site *) (const void *) p)->name;
    return n;
}

void fp_print(FILE *to)
{
    const char *names[256];
    size_t n = collect_names(names, sizeof names / sizeof *names);

    qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            (void) fprintf(to, "%s\n", names[i]);
}

void fp_hit(struct fp_site *site)
{
    const char *name = site->name;

    (void) pthread_once(&once, arm);
    if (token && access(token, F_OK) != 0)
        return;
    if (!site->is_seen)
        note_seen(site);
    for (int i = 0; i < n_armed; i++) {
        if (strcmp(armed[i].name, name) != 0)
            continue;
        if ((++armed[i].hits == armed[i].at || armed[i].at == 0) && (!token || unlink(token) == 0))
            act(name, armed[i].action);
    }
}

#else

/* ISO C wants a translation unit to declare something. */
typedef int failpoint_none;

#endif
