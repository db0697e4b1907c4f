/*
 * serve_files.c - the folder of one server: locked, and its small files replaced as a whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"
#include "steward/data_dir.h"
#include "steward/mem.h"

enum err_code data_dir_open(const char *path, struct data_dir *out, struct err *e)
{
    TRY(data_dir_lock(path, &out->lock_fd, e));
    out->path = realpath(path, NULL);
    if (!out->path)
        return err_set(e, ERR_UNAVAILABLE, "The data directory %s can not be used: %s.", path,
                       strerror(errno));
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
