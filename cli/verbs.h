/*
 * verbs.h - commands of the form "steward schedules VERB …": a table of verbs over one set of
 * options. Private to the command line.
 *
 * A verb is a row: it builds its request from what was given, and prints the answer.
 */
#ifndef STEWARD_CLI_VERBS_H
#define STEWARD_CLI_VERBS_H

#include "command.h"

/* What the options of every table begin with. */
struct cli_head {
    struct client_options client;
    bool json;
};
#define HEAD_OPTIONS(owner)                                                      \
    CLIENT_OPTIONS_AT(owner, head.client),                                       \
    {                                                                            \
        .name = "json", .type = CONF_FLAG, .offset = offsetof(owner, head.json), \
        .help = "print JSON"                                                     \
    }

struct cli_asked {
    const void *options; /* the table's struct, which begins with a cli_head */
    const struct conf_list *rest;
    struct buf path;
    json_t *body; /* NULL: none */
};

struct cli_verb {
    const char *name, *usage, *method;
    const char *path;   /* "*" stands for the first argument */
    size_t least, most; /* positional arguments after the verb */
    /* Adds query parameters to the path, and the body; NULL: neither. False: something is
     * malformed, and it was said. */
    bool (*ask)(struct cli_asked *a);
    void (*print)(const json_t *body);
};

struct cli_verbs {
    const char *name; /* "schedules" */
    const struct cli_verb *verbs;
    size_t n_verbs;
    /* "create, update: what it is" is an option of these verbs alone. */
    const struct conf_option *options;
    size_t n_options, options_size;
    const char *more; /* said behind the verbs' usage; NULL: nothing */
};
int cli_run_verb(const struct cli_verbs *table, const struct cli_verb *v, char *const argv[]);
/* The verb that argv begins with; without one, what there is. */
int cli_run_verbs(const struct cli_verbs *table, char *const argv[]);

/* Members of a body; nothing when text is NULL. False: it is malformed, and it was said. */
void cli_add_text(json_t *body, const char *key, const char *text);
MUST_USE bool cli_add_number(json_t *body, const char *key, const char *text);
MUST_USE bool cli_add_json(json_t *body, const char *key, const char *text);

#endif
