/*
 * local.c - the local Amazon Personalize: a child of ours that outlives a kill -9, and is adopted
 * by the next start.
 *
 * It writes simulator.pid and simulator.port into its folder; whether a process is ours is asked of
 * the process itself
 * (/_simulator/instance names its pid), never believed from the file alone.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serve.h"
#include "steward/clock.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

#define PROGRAM  "personalize-simulator"
#define START_MS 15000
#define STOP_MS  10000

extern char **environ;

struct local {
    char *url;
    struct data_dir folder; /* its own: DATA_DIR/simulator */
    pid_t pid;              /* 0: not ours to stop (--simulator-url) */
    bool is_adopted;
    char host[64];
};

static void pause_ms(int ms)
{
    (void) usleep((useconds_t) ms * 1000);
}

static size_t on_body(char *data, size_t size, size_t n, void *to)
{
    buf_add(to, data, size * n);
    return size * n;
}

/* The pid the instance names; 0 when nobody of that kind answers there. */
static pid_t ask_instance(const char *url)
{
    AUTO_FREE char *address = xasprintf("%s/_simulator/instance", url);
    AUTO_BUF struct buf body = { 0 };
    AUTO_JSON json_t *answer = NULL;
    CURL *curl = curl_easy_init();
    CURLcode rc = CURLE_OUT_OF_MEMORY;

    if (!curl)
        mem_exhausted();
    (void) curl_easy_setopt(curl, CURLOPT_URL, address);
    (void) curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 2000L);
    (void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void) curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    rc = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    if (rc != CURLE_OK || !body.data)
        return 0;
    answer = json_loadb(body.data, body.length, 0, NULL);
    return (pid_t) json_int_or(answer, "pid", 0);
}

static bool is_port_free(const char *host, uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    bool is_free;

    if (fd < 0)
        return false;
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        (void) close(fd);
        return true; /* let the child say */
    }
    (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    is_free = bind(fd, (struct sockaddr *) &address, sizeof address) == 0;
    (void) close(fd);
    return is_free;
}

/* Beside our own executable, else by PATH. */
static char *find_program(void)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (slash) {
            char *path = xasprintf("%.*s/" PROGRAM, (int) (slash - self), self);

            if (access(path, X_OK) == 0)
                return path;
            free(path);
        }
    }
    return xstrdup(PROGRAM);
}

static char *recorded_url(const struct local *l)
{
    AUTO_FREE char *port = data_dir_read(&l->folder, "simulator.port");

    return port && *port ? xasprintf("http://%s:%s", l->host, port) : NULL;
}

/* True when the process of an earlier start still serves this folder. */
static bool adopt(struct local *l)
{
    AUTO_FREE char *text = data_dir_read(&l->folder, "simulator.pid");
    AUTO_FREE char *url = recorded_url(l);
    int64_t pid;

    if (!text || !url || !str_to_i64(text, 2, INT32_MAX, &pid) || kill((pid_t) pid, 0) != 0)
        return false;
    for (int i = 0; i < 3; i++) {
        if (ask_instance(url) == (pid_t) pid) {
            l->pid = (pid_t) pid;
            l->url = TAKE(url);
            l->is_adopted = true;
            return true;
        }
        pause_ms(200);
    }
    return false;
}

#define ARGS_FIXED 13
#define ARGS_MAX   (ARGS_FIXED + 2 * KIND_COUNT + 1)

/* The simulator has the quotas that we keep to. Texts live in the arena. */
static void add_quotas(const struct serve_options *o, struct arena *arena, const char **args)
{
    for (size_t k = 0; k < KIND_COUNT; k++) {
        int64_t limit = o->quota_limits.values[k];
        struct quota q;

        if (!quota_of_kind((enum kind_id) k, &q) || !quota_is_adjustable(&q))
            continue;
        *args++ = "--quota";
        *args++ = arena_printf(arena, "%s=%lld", q.name,
                               q.is_in_progress && !limit ? 1000000LL : (long long) limit);
    }
}

static enum err_code spawn_child(const struct serve_options *o, struct local *l, struct err *e)
{
    AUTO_FREE char *program = find_program();
    AUTO_FREE char *scale = xasprintf("%lld", (long long) o->simulator_time_scale);
    AUTO_FREE char *window = xasprintf("%lldms", (long long) o->simulator_signature_window_ms);
    AUTO_FREE char *log = xasprintf("%s/simulator.log", l->folder.path);
    AUTO_FREE char *listen = NULL;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    struct arena arena = { 0 };
    uint16_t port;
    int rc;

    TRY(listen_parse(o->simulator_listen, l->host, sizeof l->host, &port, e));
    if (port && !is_port_free(l->host, port)) {
        log_event(LOG_INFO, "local", "port_taken", "port=%u msg=\"the kernel chooses another one\"",
                  port);
        port = 0;
    }
    listen = xasprintf(strchr(l->host, ':') ? "[%s]:%u" : "%s:%u", l->host, port);
    const char *args[ARGS_MAX] = { PROGRAM,        "--listen",     listen,    "--data-dir",
                                   l->folder.path, "--time-scale", scale,     "--account-id",
                                   o->account_id,  "--region",     o->region, "--signature-window",
                                   window };

    add_quotas(o, &arena, args + ARGS_FIXED);
    (void) posix_spawn_file_actions_init(&files);
    (void) posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    (void) posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void) posix_spawn_file_actions_adddup2(&files, 1, 2);
    (void) posix_spawnattr_init(&attributes);
    /* A group of its own: Ctrl-C at our terminal is for us; we stop it in order. */
    (void) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    (void) posix_spawnattr_setpgroup(&attributes, 0);
    rc = posix_spawnp(&l->pid, program, &files, &attributes, (char *const *) args, environ);
    arena_done(&arena);
    (void) posix_spawnattr_destroy(&attributes);
    (void) posix_spawn_file_actions_destroy(&files);
    if (rc) {
        l->pid = 0;
        return err_set(e, rc == ENOENT ? ERR_INTERNAL : ERR_UNAVAILABLE,
                       "%s could not be started: %s. It belongs next to steward, or into PATH.",
                       program, strerror(rc));
    }
    return OK;
}

/* The child's own word that it listens: pid and port files of this start. */
static enum err_code await_child(struct local *l, struct err *e)
{
    int64_t deadline = clock_mono_ms() + START_MS;

    while (clock_mono_ms() < deadline) {
        AUTO_FREE char *text = data_dir_read(&l->folder, "simulator.pid");
        AUTO_FREE char *url = recorded_url(l);
        int64_t pid;
        int status;

        if (text && url && str_to_i64(text, 1, INT32_MAX, &pid) && pid == l->pid &&
            ask_instance(url) == l->pid) {
            l->url = TAKE(url);
            return OK;
        }
        if (waitpid(l->pid, &status, WNOHANG) == l->pid) {
            l->pid = 0;
            return err_set(
                e, ERR_UNAVAILABLE,
                "The local Amazon Personalize ended at its start; %s/simulator.log says why.",
                l->folder.path);
        }
        pause_ms(10);
    }
    return err_set(e, ERR_UNAVAILABLE,
                   "The local Amazon Personalize does not answer; see %s/simulator.log.",
                   l->folder.path);
}

static enum err_code open_folder(const struct data_dir *d, struct local *l, struct err *e)
{
    l->folder.lock_fd = -1;
    l->folder.path = xasprintf("%s/simulator", d->path);
    if (mkdir(l->folder.path, 0700) != 0 && errno != EEXIST)
        return err_set(e, ERR_UNAVAILABLE, "%s can not be made: %s.", l->folder.path,
                       strerror(errno));
    return OK;
}

static enum err_code start(const struct serve_options *o, const struct data_dir *d, struct local *l,
                           struct err *e)
{
    uint16_t port;

    TRY(open_folder(d, l, e));
    if (o->simulator_url) {
        l->url = xstrdup(o->simulator_url);
        if (!ask_instance(l->url))
            return err_set(e, ERR_UNAVAILABLE, "No personalize-simulator answers at %s.", l->url);
        return OK;
    }
    TRY(listen_parse(o->simulator_listen, l->host, sizeof l->host, &port, e));
    if (adopt(l))
        return OK;
    data_dir_remove(&l->folder, "simulator.pid");
    TRY(spawn_child(o, l, e));
    return await_child(l, e);
}

enum err_code local_start(const struct serve_options *o, const struct data_dir *d,
                          struct local **out, struct err *e)
{
    struct local *l = xcalloc(1, sizeof *l);
    enum err_code rc = start(o, d, l, e);

    if (rc) {
        local_stop(l);
        return rc;
    }
    *out = l;
    return OK;
}

const char *local_url(const struct local *l)
{
    return l->url;
}

bool local_was_adopted(const struct local *l)
{
    return l->is_adopted;
}

static bool has_ended(const struct local *l)
{
    int status;

    /* An adopted one is nobody's child here: only its pid can be asked. */
    return l->is_adopted ? kill(l->pid, 0) != 0 : waitpid(l->pid, &status, WNOHANG) != 0;
}

void local_stop(struct local *l)
{
    int64_t deadline = clock_mono_ms() + STOP_MS;

    if (!l)
        return;
    if (l->pid > 0 && kill(l->pid, SIGTERM) == 0) {
        while (!has_ended(l) && clock_mono_ms() < deadline)
            pause_ms(10);
        if (clock_mono_ms() >= deadline) {
            log_event(LOG_WARN, "local", "kill",
                      "pid=%d msg=\"the local Amazon Personalize did not stop in time\"",
                      (int) l->pid);
            (void) kill(l->pid, SIGKILL);
            (void) waitpid(l->pid, &(int){ 0 }, 0);
        }
    }
    free(l->folder.path);
    free(l->url);
    free(l);
}

enum err_code local_make_bucket(struct aws_session *aws, const char *bucket, struct err *e)
{
    struct aws_call call;
    bool is_good;
    char text[256];

    aws_call_init(&call, AWS_S3, "CreateBucket", NULL);
    call.method = "PUT";
    call.path = xasprintf("/%s", bucket);
    call.is_mutating = true;
    aws_call_run(aws, &call);
    /* 409: there already. */
    is_good = call.outcome == AWS_DONE || call.http_status == 409;
    aws_call_describe(&call, text, sizeof text);
    aws_call_done(&call);
    return is_good ? OK
                   : err_set(e, ERR_UNAVAILABLE, "The bucket %s could not be made: %.150s", bucket,
                             text);
}
