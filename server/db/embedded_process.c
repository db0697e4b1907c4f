/*
 * embedded_process.c - the processes of the embedded PostgreSQL: as which user, spawn, alive, log.
 *
 * The postmaster gets a session of its own, so that neither ^C nor our death reaches it: a crash of
 * ours leaves a healthy server behind, which the next start adopts. Rule: between fork and exec
 * only async-signal-safe calls.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "embedded.h"
#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/str.h"

#define TAIL_BYTES 400

/* ---- who ---- */

enum err_code pg_user_find(const char *name, struct pg_user *out, struct err *e)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];

    *out = (struct pg_user){ .uid = geteuid(), .gid = getegid() };
    if (out->uid != 0)
        return OK;
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || !found)
        return err_set(
            e, ERR_UNAVAILABLE,
            "PostgreSQL does not run as root and the user %s does not exist: run script/bootstrap, "
            "or "
            "useradd --system --shell /usr/sbin/nologin %s, or give the URL of a database",
            name, name);
    if (entry.pw_uid == 0)
        return err_set(e, ERR_UNAVAILABLE,
                       "PostgreSQL does not run as root; %s is root by another name", name);
    out->is_other = true;
    out->uid = entry.pw_uid;
    out->gid = entry.pw_gid;
    out->n_groups = PG_GROUPS_MAX;
    if (getgrouplist(name, entry.pw_gid, out->groups, &out->n_groups) < 0)
        out->n_groups = 0; /* too many: none is enough */
    (void) str_copy(out->name, sizeof out->name, name);
    return OK;
}

static bool may_pass(const struct pg_user *user, const struct stat *st)
{
    if (st->st_uid == user->uid)
        return st->st_mode & S_IXUSR;
    if (st->st_gid == user->gid)
        return st->st_mode & S_IXGRP;
    for (int i = 0; i < user->n_groups; i++)
        if (st->st_gid == user->groups[i])
            return st->st_mode & S_IXGRP;
    return st->st_mode & S_IXOTH;
}

enum err_code pg_user_can_reach(const struct pg_user *user, const char *dir, struct err *e)
{
    AUTO_FREE char *path = xstrdup(dir);
    struct stat st;

    if (!user->is_other)
        return OK;
    if (stat(dir, &st) == 0 && !may_pass(user, &st) && st.st_uid == 0 &&
        (chown(dir, (uid_t) -1, user->gid) != 0 || chmod(dir, 0710) != 0))
        return err_set(e, ERR_UNAVAILABLE, "cannot open %s to the user %s: %s", dir, user->name,
                       strerror(errno));
    for (char *p = path + 1;; p++) {
        char end = *p;

        if (end != '/' && end != '\0')
            continue;
        *p = '\0';
        if (stat(path, &st) != 0 || !may_pass(user, &st))
            return err_set(e, ERR_UNAVAILABLE,
                           "PostgreSQL runs as the user %s, who cannot pass through %s; choose "
                           "another --data-dir, or "
                           "open the folder (chmod o+x)",
                           user->name, path);
        if (end == '\0')
            return OK;
        *p = end;
    }
}

/* ---- spawn ---- */

static _Noreturn void exec_child(const struct pg_embedded *pg, char *const argv[],
                                 bool dies_with_us, int log)
{
    static char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC",
                                         NULL };
    static const char failed[] = "cannot change the user or start the program\n";
    sigset_t none;
    int null = open("/dev/null", O_RDWR);

    (void) setsid();
    (void) sigemptyset(&none);
    for (int i = 1; i < NSIG; i++)
        if (i != SIGKILL && i != SIGSTOP)
            (void) sigaction(i, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
    (void) dup2(null, 0);
    (void) dup2(log, 1);
    (void) dup2(log, 2);
    (void) close_range(3, ~0U, 0);
    (void) umask(077);
    if (!pg->user.is_other || (setgroups((size_t) pg->user.n_groups, pg->user.groups) == 0 &&
                               setgid(pg->user.gid) == 0 && setuid(pg->user.uid) == 0)) {
        if (dies_with_us)
            (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (chdir(pg->user.is_other ? "/" : pg->data_dir) == 0)
            (void) execve(argv[0], argv, environment);
    }
    (void) !write(2, failed, sizeof failed - 1);
    _exit(127);
}

pid_t pg_spawn(const struct pg_embedded *pg, char *const argv[], bool dies_with_us, struct err *e)
{
    int log = open(pg->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    pid_t pid;

    if (log < 0) {
        (void) err_set(e, ERR_UNAVAILABLE, "cannot write %s: %s", pg->log_path, strerror(errno));
        return -1;
    }
    pid = fork();
    if (pid == 0)
        exec_child(pg, argv, dies_with_us, log);
    if (pid < 0)
        (void) err_set(e, ERR_UNAVAILABLE, "cannot start a process: %s", strerror(errno));
    (void) close(log);
    return pid;
}

int pg_exit_status(pid_t pid)
{
    int status;
    pid_t got = waitpid(pid, &status, WNOHANG);

    if (got == 0)
        return -1;
    if (got < 0)
        return 255; /* not ours any more: it ended, and somebody took the status */
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void pg_pause_ms(int ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000 };

    (void) nanosleep(&t, NULL);
}

/* Gone, or a zombie: then it is reaped when it is our child. */
static bool is_gone(pid_t pid)
{
    siginfo_t info = { 0 };

    if (waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG) == 0)
        return info.si_pid == pid;
    return kill(pid, 0) != 0 && errno == ESRCH;
}

bool pg_wait_gone(pid_t pid, int stop_fd, int timeout_ms)
{
    int64_t deadline_ms = clock_mono_ms() + timeout_ms;
    int process = (int) syscall(SYS_pidfd_open, pid,
                                0); /* -1: gone, or an old kernel: then by looking again */
    bool gone;

    for (;;) {
        struct pollfd fds[2] = { { .fd = process, .events = POLLIN },
                                 { .fd = stop_fd, .events = POLLIN } };
        int64_t left = timeout_ms < 0 ? 3600000 : deadline_ms - clock_mono_ms();

        gone = is_gone(pid);
        if (gone || left <= 0)
            break;
        (void) poll(fds, 2, (int) (process < 0 && left > 20 ? 20 : left));
        if (fds[1].revents)
            break;
    }
    if (process >= 0)
        (void) close(process);
    return gone;
}

/* ---- postmaster.pid ---- */

bool pg_pidfile_read(const struct pg_embedded *pg, struct pg_pidfile *out)
{
    AUTO_FREE char *path = xasprintf("%s/postmaster.pid", pg->cluster);
    AUTO_FREE char *text = pg_read_file(path);
    char *line = text;
    int64_t pid = 0;

    *out = (struct pg_pidfile){ 0 };
    for (int i = 1; line && *line; i++) { /* 1 pid, 2 folder, 3 start, 4 port, 5 socket folder, 6
                                             address, 7 memory, 8 status */
        char *next = strchr(line, '\n');

        if (next)
            *next++ = '\0';
        line[strcspn(line, " ")] = '\0'; /* padded */
        if (i == 1 && !str_to_i64(line, 1, INT32_MAX, &pid))
            return false;
        if (i == 5)
            (void) str_copy(out->socket_dir, sizeof out->socket_dir, line);
        if (i == 8)
            (void) str_copy(out->status, sizeof out->status, line);
        line = next;
    }
    out->pid = (pid_t) pid;
    return pid > 0;
}

bool pg_is_our_postmaster(const struct pg_embedded *pg, pid_t pid)
{
    AUTO_FREE char *cwd = xasprintf("/proc/%d/cwd", (int) pid);
    AUTO_FREE char *comm = xasprintf("/proc/%d/comm", (int) pid);
    AUTO_FREE char *name = pg_read_file(comm);
    struct stat theirs, ours;

    /* a postmaster works inside its cluster */
    return name && str_starts(name, "postgres") && stat(cwd, &theirs) == 0 &&
           stat(pg->cluster, &ours) == 0 && theirs.st_dev == ours.st_dev &&
           theirs.st_ino == ours.st_ino;
}

/* ---- log ---- */

off_t pg_log_size(const struct pg_embedded *pg)
{
    struct stat st;

    return stat(pg->log_path, &st) == 0 ? st.st_size : 0;
}

char *pg_log_tail(const struct pg_embedded *pg, off_t from)
{
    char text[TAIL_BYTES + 1] = "";
    off_t size = pg_log_size(pg), start = size - from > TAIL_BYTES ? size - TAIL_BYTES : from;
    int fd = open(pg->log_path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : pread(fd, text, TAIL_BYTES, start);
    const char *first = text;

    if (fd >= 0)
        (void) close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (start > from && strchr(text, '\n')) /* whole lines only */
        first = strchr(text, '\n') + 1;
    return xstrdup(*first ? first : "its log says nothing");
}
