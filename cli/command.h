/*
 * command.h - what the commands share: options and arguments, a request and its answer, printing.
 * Private to the command line.
 */
#ifndef STEWARD_CLI_COMMAND_H
#define STEWARD_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "client.h"
#include "steward/mem.h"
#include "steward/str.h"

struct cli_usage {
    const char *text;
    const struct conf_option *options;
    size_t count, least, most; /* positional arguments */
};

enum { CLI_GO_ON = -1 };

/*
 * Fills options and the positional arguments: CLI_GO_ON, or the exit code (what was wrong, or the
 * help, has been printed). Either way the caller ends with cli_parsed_done().
 */
int cli_parse(const struct cli_usage *u, char *const argv[], void *options, struct conf_list *rest);
void cli_parsed_done(const struct cli_usage *u, void *options, struct conf_list *rest);

/* Adds ?name=value, escaped; nothing when value is NULL. */
void cli_add_parameter(struct buf *path, const char *name, const char *value);

struct cli_call {
    const struct client_options *client;
    const char *method, *path;
    const json_t *body;                /* NULL: none; of a POST: {} */
    bool json;                         /* print the answer as JSON */
    void (*print)(const json_t *body); /* otherwise so; NULL: as JSON, too */
};
/* Asks and prints the answer, or the problem; the exit code. */
int cli_ask(const struct cli_call *call);
/* The same without printing the answer; CLI_GO_ON when it is a good one. */
int cli_ask_quietly(const struct cli_call *call, struct client *c, struct reply *r);

#endif
