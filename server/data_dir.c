/*
 * data_dir.c - the folder of one server: made, locked, and its small files replaced as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve.h"
#include "steward/mem.h"

static enum err_code make_folders(const char *path, mode_t mode, struct err *e)
{
    AUTO_FREE char *copy = xstrdup(path);

    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            return err_set(e, ERR_INVALID, "The folder %s can not be made: %s.", copy,
                           strerror(errno));
        *slash = '/';
    }
    if (mkdir(copy, mode) != 0 && errno != EEXIST)
        return err_set(e, ERR_INVALID, "The data directory %s can not be made: %s.", path,
                       strerror(errno));
    return OK;
}

enum err_code data_dir_open(const char *path, struct data_dir *out, struct err *e)
{
    mode_t mode = geteuid() == 0 ? 0711 : 0700;
    AUTO_FREE char *lock = NULL;
    char *real;

    TRY(make_folders(path, mode, e));
    real = realpath(path, NULL);
    if (!real)
        return err_set(e, ERR_INVALID, "The data directory %s can not be used: %s.", path,
                       strerror(errno));
    out->path = real;
    lock = xasprintf("%s/steward.lock", real);
    out->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (out->lock_fd < 0)
        return err_set(e, ERR_INVALID, "%s can not be opened: %s.", lock, strerror(errno));
    if (flock(out->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(e, ERR_CONFLICT,
                       "Another server uses the data directory %s; stop it, or give this one its "
                       "own --data-dir.",
                       real);
    return OK;
}

void data_dir_close(struct data_dir *d)
{
    if (d->lock_fd >= 0)
        (void) close(d->lock_fd);
    free(d->path);
    *d = (struct data_dir){ .lock_fd = -1 };
}

static enum err_code write_new(const char *path, const char *text, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t n = strlen(text);
    bool is_good;

    if (fd < 0)
        return err_set(e, ERR_UNAVAILABLE, "%s can not be made: %s.", path, strerror(errno));
    is_good = write(fd, text, n) == (ssize_t) n && fsync(fd) == 0;
    if (close(fd) != 0 || !is_good)
        return err_set(e, ERR_UNAVAILABLE, "%s can not be written: %s.", path, strerror(errno));
    return OK;
}

enum err_code data_dir_create(const struct data_dir *d, const char *name, const char *text,
                              struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s", d->path, name);

    return write_new(path, text, e);
}

enum err_code data_dir_write(const struct data_dir *d, const char *name, const char *text,
                             struct err *e)
{
    AUTO_FREE char *next = xasprintf("%s.tmp", name);

    data_dir_remove(d, next);
    TRY(data_dir_create(d, next, text, e));
    return data_dir_rename(d, next, name, e);
}

enum err_code data_dir_rename(const struct data_dir *d, const char *from, const char *to,
                              struct err *e)
{
    AUTO_FREE char *a = xasprintf("%s/%s", d->path, from), *b = xasprintf("%s/%s", d->path, to);

    if (rename(a, b) != 0)
        return err_set(e, ERR_UNAVAILABLE, "%s can not be put in place: %s.", b, strerror(errno));
    return OK;
}

void data_dir_remove(const struct data_dir *d, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", d->path, name);

    (void) unlink(path);
}

char *data_dir_read(const struct data_dir *d, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", d->path, name);
    FILE *f = fopen(path, "re");
    char line[512];
    bool is_good;

    if (!f)
        return NULL;
    is_good = fgets(line, sizeof line, f) != NULL;
    (void) fclose(f);
    if (!is_good)
        return NULL;
    line[strcspn(line, "\r\n")] = '\0';
    return xstrdup(line);
}
