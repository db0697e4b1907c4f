/*
 * progress.h - a run as it happens, and the tables at its end; private to the command line.
 */
#ifndef STEWARD_CLI_PROGRESS_H
#define STEWARD_CLI_PROGRESS_H

#include "client.h"

/* Follows a run until it ends: a live table on a terminal, a line per change elsewhere. *is_good:
 * it succeeded. */
MUST_USE enum err_code progress_watch(struct client *c, const char *run_id, bool *is_good,
                                      struct err *e);
/* Every resource with status and ARN, each solution's metrics, each schedule's next fire. */
MUST_USE enum err_code progress_print_config(struct client *c, const char *name, struct err *e);
/* One line per run. */
void progress_print_run_line(const json_t *run);
/* The run's head line and its steps. */
void progress_print_run(const json_t *run);

#endif
