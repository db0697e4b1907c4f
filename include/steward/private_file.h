/*
 * private_file.h - reads a small file of secrets, which nobody but its owner may read.
 */
#ifndef STEWARD_PRIVATE_FILE_H
#define STEWARD_PRIVATE_FILE_H

#include <stddef.h>

#include "steward/err.h"

struct stat;

/* The whole file, and a NUL; st (may be NULL) is of what was read. The caller wipes text, of size
 * bytes, whatever comes of it. ERR_INVALID: can not be read, open to others, or too long. */
MUST_USE enum err_code private_file_read(const char *path, char *text, size_t size, struct stat *st,
                                         struct err *e);

#endif
