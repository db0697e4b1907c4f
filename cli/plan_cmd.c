/*
 * plan_cmd.c - steward plan: what an apply of a file would do. Exit 0: nothing, 2: changes, 1:
 * error.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "steward/cli.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/plan_lines.h"

struct plan_options {
    struct client_options client;
    bool json, markdown, prune;
};

static const struct conf_option options[] = {
    CLIENT_OPTIONS(struct plan_options),
    { .name = "json",
      .type = CONF_FLAG,
      .offset = offsetof(struct plan_options, json),
      .help = "print JSON" },
    { .name = "markdown",
      .type = CONF_FLAG,
      .offset = offsetof(struct plan_options, markdown),
      .help = "print Markdown, for a pull request" },
    { .name = "prune",
      .type = CONF_FLAG,
      .offset = offsetof(struct plan_options, prune),
      .help = "plan the deletion of what left the file" },
};
static const char plan_usage[] =
    "steward plan FILE [--json|--markdown] [--prune]\n\nLooks at Amazon Personalize "
    "and says what an apply of "
    "the file would do: exit 0 nothing, 2 changes, 1 error.";

static void print_plan(const struct plan_options *o, const json_t *plan)
{
    AUTO_BUF struct buf out = { 0 };
    AUTO_FREE char *title = xasprintf("config %s", json_text_or(plan, "config", ""));

    if (o->json) {
        AUTO_FREE char *text = json_dumps(plan, JSON_INDENT(2));

        (void) puts(text);
        return;
    }
    if (o->markdown)
        plan_lines_markdown(plan, title, &out);
    else
        plan_lines_text(plan, title, &out);
    (void) fputs(out.data, stdout);
}

static int ask(const struct plan_options *o, const char *file)
{
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    AUTO_FREE char *text = NULL;
    struct request rq = { .method = "POST",
                          .path = o->prune ? "/configs/plan?prune=true" : "/configs/plan" };
    struct err e;

    if (cli_read_file(file, &text, &rq.body_n, &e) || client_open(&o->client, &c, &e))
        return cli_fail(&e);
    rq.body = text;
    if (client_call(c, &rq, &r, &e))
        return cli_fail(&e);
    if (r.status >= 400) {
        client_print_problem(&r);
        return 1;
    }
    if (r.status == 202) {
        (void) fprintf(stderr,
                       "Amazon Personalize answers slowly; run %s is still looking. Try again "
                       "soon.\n",
                       json_text_or(r.json, "id", "?"));
        return 1;
    }
    print_plan(o, r.json);
    return json_bool_or(r.json, "changes", false) ? 2 : 0;
}

/* Parses options and the one argument; -1: go on, otherwise the exit code. */
static int parse(const char *text, char *const argv[], struct plan_options *o,
                 struct conf_list *rest)
{
    struct conf_program program = {
        .usage = text, .env_prefix = "STEWARD", .options = options, .count = ARRAY_LEN(options)
    };
    bool is_help = false;
    struct err e;

    if (conf_parse(&program, argv, o, rest, &is_help, &e))
        return cli_fail(&e);
    if (is_help)
        return 0;
    if (rest->count == 1)
        return -1;
    conf_print_help(&program, stderr);
    return 1;
}

static void options_done(struct plan_options *o, struct conf_list *rest)
{
    struct conf_program program = { .options = options, .count = ARRAY_LEN(options) };

    free(rest->items);
    conf_done(&program, o);
}

int cli_plan(char *const argv[])
{
    struct plan_options o = { 0 };
    struct conf_list rest = { 0 };
    int code = parse(plan_usage, argv, &o, &rest);

    if (code < 0)
        code = ask(&o, rest.items[0]);
    options_done(&o, &rest);
    return code;
}
