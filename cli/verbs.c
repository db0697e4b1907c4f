/*
 * verbs.c - runs one row of a table of verbs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

int cli_run_verb(const struct cli_verbs *table, const struct cli_verb *v, char *const argv[])
{
    const struct cli_usage usage = { v->usage, table->options, table->n_options, v->least,
                                     v->most };
    AUTO_FREE struct cli_head *options = xcalloc(1, table->options_size);
    struct conf_list rest = { 0 };
    struct cli_asked a = { .options = options, .rest = &rest };
    int code = cli_parse(&usage, argv, options, &rest);

    if (code == CLI_GO_ON)
        code = v->ask(&a) ? cli_ask(&(struct cli_call){ .client = &options->client,
                                                        .method = v->method,
                                                        .path = a.path.data,
                                                        .body = a.body,
                                                        .json = options->json,
                                                        .print = v->print })
                          : 2;
    json_decref(a.body);
    buf_done(&a.path);
    cli_parsed_done(&usage, options, &rest);
    return code;
}

int cli_run_verbs(const struct cli_verbs *table, char *const argv[])
{
    for (size_t i = 0; argv[0] && i < table->n_verbs; i++)
        if (strcmp(table->verbs[i].name, argv[0]) == 0)
            return cli_run_verb(table, &table->verbs[i], argv + 1);
    (void) fprintf(stderr, "usage: steward %s VERB …\n\n", table->name);
    for (size_t i = 0; i < table->n_verbs; i++)
        (void) fprintf(stderr, "%s\n\n", table->verbs[i].usage);
    if (table->more)
        (void) fprintf(stderr, "%s\n", table->more);
    return argv[0] && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h")) ? 0 : 2;
}

void cli_add_argument(struct cli_asked *a)
{
    const char *text = a->rest->items[0];

    uri_encode(&a->path, text, strlen(text), false);
}

void cli_add_text(json_t *body, const char *key, const char *text)
{
    if (text)
        json_object_set_new(body, key, json_string(text));
}

bool cli_add_json(json_t *body, const char *key, const char *text)
{
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;

    if (value)
        return json_object_set_new(body, key, value) == 0;
    if (text)
        (void) fprintf(stderr, "--%s: this is not JSON: %s\n", key, text);
    return !text;
}
