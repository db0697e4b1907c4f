/*
 * data_dir.h - the folder a server calls its own, and the lock on it.
 */
#ifndef STEWARD_DATA_DIR_H
#define STEWARD_DATA_DIR_H

#include "steward/err.h"

/*
 * Makes the folder (0700, parents too) when it is missing and takes an exclusive lock on DIR/lock
 * that lasts until *fd is closed or the process ends, however it ends; children do not inherit it.
 * ERR_CONFLICT when another process has it (its pid is in the message); ERR_UNAVAILABLE when the
 * folder cannot be made or written.
 */
MUST_USE enum err_code data_dir_lock(const char *dir, int *fd, struct err *e);

#endif
