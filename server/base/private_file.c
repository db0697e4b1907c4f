/*
 * private_file.c - reads a small file of secrets, which nobody but its owner may read.
 */
#include "steward/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of an open file, so that what is checked is what is read. */
static enum err_code read_open(int fd, char *text, size_t size, struct stat *st)
{
    size_t n = 0;
    ssize_t got = 1;

    if (fstat(fd, st))
        return ERR_INVALID;
    if (st->st_mode & 077)
        return ERR_FORBIDDEN;
    while (n < size && (got = read(fd, text + n, size - n)) > 0)
        n += (size_t) got;
    if (got < 0)
        return ERR_INVALID;
    if (n == size) {
        errno = EFBIG;
        return ERR_INVALID;
    }
    text[n] = '\0';
    return OK;
}

enum err_code private_file_read(const char *path, char *text, size_t size, struct stat *st,
                                struct err *e)
{
    struct stat own;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err_code rc = fd < 0 ? ERR_INVALID : read_open(fd, text, size, st ? st : &own);
    int trouble = errno;

    if (fd >= 0)
        (void) close(fd);
    if (rc == ERR_FORBIDDEN)
        return err_set(e, ERR_INVALID,
                       "The file %.200s may be read by others than its owner; chmod 600 it.", path);
    if (rc)
        return err_set(e, ERR_INVALID, "The file %.200s can not be read: %s.", path,
                       strerrordesc_np(trouble));
    return OK;
}
