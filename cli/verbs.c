/*
 * verbs.c - runs one row of a table of verbs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verbs.h"

static void fill_path(struct cli_asked *a, const char *path)
{
    size_t n = strcspn(path, "*");

    buf_add(&a->path, path, n);
    if (!path[n])
        return;
    uri_encode(&a->path, a->rest->items[0], strlen(a->rest->items[0]), false);
    buf_adds(&a->path, path + n + 1);
}

static int ask(const struct cli_verb *v, struct cli_asked *a)
{
    const struct cli_head *head = a->options;

    fill_path(a, v->path);
    if (v->ask && !v->ask(a))
        return 2;
    return cli_ask(&(struct cli_call){ .client = &head->client,
                                       .method = v->method,
                                       .path = a->path.data,
                                       .body = a->body,
                                       .json = head->json,
                                       .print = v->print });
}

/* The verbs that an option's help begins with; false: it names none, or not this one. */
static bool has_verb(const char *help, const char *verb)
{
    const char *found = strstr(help, verb), *end = strstr(help, ": ");
    size_t n = strlen(verb);

    return found && end && found < end && (found == help || found[-1] == ' ') &&
           (found[n] == ',' || found[n] == ':');
}

static bool is_of_all_verbs(const struct cli_verbs *table, const char *help)
{
    for (size_t i = 0; i < table->n_verbs; i++)
        if (has_verb(help, table->verbs[i].name))
            return false;
    return true;
}

/* The options of one verb, without the verbs in their help. Returns how many. */
static size_t pick_options(const struct cli_verbs *table, const struct cli_verb *v,
                           struct conf_option *out)
{
    size_t n = 0;

    for (size_t i = 0; i < table->n_options; i++) {
        const struct conf_option *o = &table->options[i];

        if (is_of_all_verbs(table, o->help)) {
            out[n++] = *o;
        } else if (has_verb(o->help, v->name)) {
            out[n] = *o;
            out[n++].help = strstr(o->help, ": ") + 2;
        }
    }
    return n;
}

int cli_run_verb(const struct cli_verbs *table, const struct cli_verb *v, char *const argv[])
{
    AUTO_FREE struct conf_option *of_verb = xcalloc(table->n_options, sizeof *of_verb);
    const struct cli_usage usage = { v->usage, of_verb, pick_options(table, v, of_verb), v->least,
                                     v->most };
    AUTO_FREE struct cli_head *options = xcalloc(1, table->options_size);
    struct conf_list rest = { 0 };
    struct cli_asked a = { .options = options, .rest = &rest };
    int code = cli_parse(&usage, argv, options, &rest);

    if (code == CLI_GO_ON)
        code = ask(v, &a);
    json_decref(a.body);
    buf_done(&a.path);
    cli_parsed_done(&usage, options, &rest);
    return code;
}

int cli_run_verbs(const struct cli_verbs *table, char *const argv[])
{
    bool is_help = argv[0] && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h"));
    FILE *to = is_help ? stdout : stderr;

    for (size_t i = 0; argv[0] && i < table->n_verbs; i++)
        if (strcmp(table->verbs[i].name, argv[0]) == 0)
            return cli_run_verb(table, &table->verbs[i], argv + 1);
    if (argv[0] && !is_help)
        (void) fprintf(to, "steward %s: there is no \"%s\".\n\n", table->name, argv[0]);
    (void) fprintf(to, "usage: steward %s VERB …; --help behind a verb tells its options\n\n",
                   table->name);
    for (size_t i = 0; i < table->n_verbs; i++)
        (void) fprintf(to, "%s\n\n", table->verbs[i].usage);
    if (table->more)
        (void) fprintf(to, "%s\n", table->more);
    return is_help ? 0 : 2;
}

void cli_add_text(json_t *body, const char *key, const char *text)
{
    if (text)
        json_object_set_new(body, key, json_string(text));
}

bool cli_add_number(json_t *body, const char *key, const char *text)
{
    int64_t number;

    if (!text)
        return true;
    if (str_to_i64(text, INT64_MIN, INT64_MAX, &number))
        return json_object_set_new(body, key, json_integer(number)) == 0;
    (void) fprintf(stderr, "%s: \"%s\" is not a number.\n", key, text);
    return false;
}

bool cli_add_json(json_t *body, const char *key, const char *text)
{
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;

    if (value)
        return json_object_set_new(body, key, value) == 0;
    if (text)
        (void) fprintf(stderr, "%s: this is not JSON: %s\n", key, text);
    return !text;
}
