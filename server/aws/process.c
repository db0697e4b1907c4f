/*
 * process.c - runs a credential process: no shell, bounded output, bounded time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws_private.h"
#include "steward/clock.h"

#define PROCESS_TIMEOUT_MS 60000
#define PROCESS_MAX_BYTES  65536

static void close_both(int pipe_fd[2])
{
    for (int i = 0; i < 2; i++)
        if (pipe_fd[i] >= 0)
            (void) close(pipe_fd[i]);
}

static enum err_code spawn(char *const argv[], const int out[2], const int err_fd[2], pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int rc;

    if (posix_spawn_file_actions_init(&actions) != 0)
        mem_exhausted();
    (void) posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void) posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    (void) posix_spawn_file_actions_adddup2(&actions, err_fd[1], STDERR_FILENO);
    rc = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    (void) posix_spawn_file_actions_destroy(&actions);
    errno = rc;
    return rc == 0 ? OK : ERR_INVALID;
}

/* Reads what is there; false at the end of the stream. */
static bool drain(int fd, struct buf *to)
{
    char block[4096];
    ssize_t n = read(fd, block, sizeof block);

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n > 0 && to->length + (size_t) n <= PROCESS_MAX_BYTES)
        buf_add(to, block, (size_t) n);
    return n > 0;
}

static bool read_both(const int from[2], const atomic_bool *is_stopping, struct aws_output *to)
{
    struct pollfd fds[2] = { { from[0], POLLIN, 0 }, { from[1], POLLIN, 0 } };
    struct buf *bufs[2] = { &to->out, &to->err };
    int64_t deadline = clock_mono_ms() + PROCESS_TIMEOUT_MS;

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int64_t left = deadline - clock_mono_ms();

        if (left <= 0 || atomic_load(is_stopping))
            return false;
        if (poll(fds, 2, left < 200 ? (int) left : 200) < 0 && errno != EINTR)
            return false;
        for (int i = 0; i < 2; i++)
            if (fds[i].fd >= 0 && fds[i].revents && !drain(fds[i].fd, bufs[i]))
                fds[i].fd = -1;
    }
    return true;
}

enum err_code aws_run_process(const atomic_bool *is_stopping, char *const argv[],
                              struct aws_output *out, struct err *e)
{
    int out_pipe[2] = { -1, -1 }, err_pipe[2] = { -1, -1 }, status = 0;
    bool is_in_time;
    pid_t pid;

    *out = (struct aws_output){ 0 };
    buf_adds(&out->out, "");
    buf_adds(&out->err, "");
    if (pipe2(out_pipe, O_CLOEXEC) != 0 || pipe2(err_pipe, O_CLOEXEC) != 0 ||
        spawn(argv, out_pipe, err_pipe, &pid) != OK) {
        (void) err_set(e, ERR_INVALID, "The credential process '%.120s' cannot be started: %s.",
                       argv[0], strerrordesc_np(errno));
        close_both(out_pipe);
        close_both(err_pipe);
        return e->code;
    }
    (void) close(out_pipe[1]);
    (void) close(err_pipe[1]);
    out_pipe[1] = err_pipe[1] = -1;
    is_in_time = read_both((int[]){ out_pipe[0], err_pipe[0] }, is_stopping, out);
    close_both(out_pipe);
    close_both(err_pipe);
    if (!is_in_time)
        (void) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!is_in_time)
        return err_set(e, ERR_UNAVAILABLE, "The credential process '%.120s' took over %d s.",
                       argv[0], PROCESS_TIMEOUT_MS / 1000);
    out->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return OK;
}
