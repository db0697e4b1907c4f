/*
 * data_dir.c - one server per data folder.
 *
 * flock(2): the kernel drops it with the process, so nothing is ever left behind. The pid in the
 * file is for people only.
 */
#include "steward/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steward/mem.h"
#include "steward/str.h"

static enum err_code trouble(struct err *e, const char *what, const char *path)
{
    int number = errno;

    err_set(e, ERR_UNAVAILABLE, "the data folder: cannot %s %s: %s", what, path, strerror(number));
    return err_detail(e, "errno %d", number);
}

/* mkdir -p: parents with the usual mode, the last one closed to others. */
static enum err_code make_path(const char *dir, struct err *e)
{
    AUTO_FREE char *path = xstrdup(dir);

    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return trouble(e, "make", path);
        *p = '/';
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return trouble(e, "make", path);
    return OK;
}

static enum err_code taken(int fd, const char *dir, struct err *e)
{
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    (void) close(fd);
    return err_set(e, ERR_CONFLICT,
                   "another server%s%s uses the data folder %s; stop it, or choose another one "
                   "with --data-dir",
                   *pid ? " with pid " : "", pid, dir);
}

enum err_code data_dir_lock(const char *dir, int *fd, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/lock", dir);
    AUTO_FREE char *pid = xasprintf("%d\n", (int) getpid());
    int lock;

    if (str_is_empty(dir))
        return err_set(e, ERR_INVALID, "the name of the data folder is empty");
    TRY(make_path(dir, e));
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return trouble(e, "open", path);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return taken(lock, dir, e);
        (void) close(lock);
        return trouble(e, "lock", path);
    }
    if (ftruncate(lock, 0) != 0 || pwrite(lock, pid, strlen(pid), 0) < 0) {
        (void) close(lock);
        return trouble(e, "write", path);
    }
    *fd = lock;
    return OK;
}
