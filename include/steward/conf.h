/*
 * conf.h - configuration of a program: one table that parses options, environment and prints
 * --help.
 *
 * Precedence: command line, then environment (STEWARD_DATA_DIR for --data-dir), then the table's
 * default. Options with is_secret may come from a file or the environment only, never from the
 * command line.
 */
#ifndef STEWARD_CONF_H
#define STEWARD_CONF_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "steward/err.h"

enum conf_type { CONF_TEXT, CONF_FLAG, CONF_INTEGER, CONF_DURATION_MS, CONF_LIST };

struct conf_option {
    const char *name; /* "data-dir": option --data-dir, environment PREFIX_DATA_DIR */
    enum conf_type type;
    size_t offset;        /* of the field: char *, bool, int64_t, int64_t, struct conf_list */
    const char *fallback; /* text as a user would write it; NULL: none */
    const char *value;    /* "DIR", for the help */
    const char *help;
    int64_t min, max; /* of integers and durations; both 0: unbounded */
    bool is_secret;
};

struct conf_list {
    char **items;
    size_t count;
};

struct conf_program {
    const char *usage;      /* first lines of the help */
    const char *env_prefix; /* "STEWARD" */
    const struct conf_option *options;
    size_t count;
};

/*
 * Fills the struct at base. argv holds the arguments after the subcommand; positional arguments are
 * collected in *rest (borrowed from argv; may be NULL: then they are errors). ERR_INVALID names the
 * option and what it wants.
 * --help prints the table to stdout and returns OK with *is_help true.
 */
MUST_USE enum err_code conf_parse(const struct conf_program *program, char *const argv[],
                                  void *base, struct conf_list *rest, bool *is_help, struct err *e);
void conf_print_help(const struct conf_program *program, FILE *to);
void conf_done(const struct conf_program *program, void *base);
/* "250ms", "30s", "15m", "2h", "1d", or a bare number of seconds. */
MUST_USE bool conf_duration_ms(const char *text, int64_t *ms);

#endif
