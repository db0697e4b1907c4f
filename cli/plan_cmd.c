/*
 * plan_cmd.c - steward plan: what an apply of a file would do. Exit 0: nothing, 2: changes, 1:
 * error.
 */
#include <stddef.h>
#include <stdio.h>

#include "client.h"
#include "steward/cli.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/plan_lines.h"

struct plan_options {
    struct client_options client;
    bool json, markdown;
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
};
static const char usage[] = "steward plan FILE [--json|--markdown]\n\nLooks at Amazon Personalize "
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
    struct request rq = { .method = "POST", .path = "/configs/plan" };
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

int cli_plan(char *const argv[])
{
    struct conf_program program = {
        .usage = usage, .env_prefix = "STEWARD", .options = options, .count = ARRAY_LEN(options)
    };
    struct plan_options o = { 0 };
    struct conf_list rest = { 0 };
    bool is_help = false;
    struct err e;
    int code = 1;

    if (conf_parse(&program, argv, &o, &rest, &is_help, &e)) {
        code = cli_fail(&e);
    } else if (is_help) {
        code = 0;
    } else if (rest.count != 1) {
        conf_print_help(&program, stderr);
    } else {
        code = ask(&o, rest.items[0]);
    }
    free(rest.items);
    conf_done(&program, &o);
    return code;
}
