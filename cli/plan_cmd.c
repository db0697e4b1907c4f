/*
 * plan_cmd.c - steward plan: what an apply of a file would do. Exit 0: nothing, 2: changes, 1:
 * error.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "steward/cli.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/plan_lines.h"

#define WAITS_MAX 20 /* of half a minute */

struct plan_options {
    struct client_options client;
    bool json, markdown, prune, save;
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
    { .name = "save",
      .type = CONF_FLAG,
      .offset = offsetof(struct plan_options, save),
      .help = "keep the plan for 24 hours; steward apply --plan ID applies it" },
};
static const struct cli_usage usage = {
    "steward plan FILE [--json|--markdown] [--prune] [--save]\n\nLooks at Amazon Personalize "
    "and says what an apply of "
    "the file would do: exit 0 nothing, 2 changes, 1 error.",
    options, ARRAY_LEN(options), 1, 1
};

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

/* POST of the file, and the plan or run it is answered with. */
static enum err_code post_file(const struct plan_options *o, struct client *c, const char *file,
                               struct reply *r, struct err *e)
{
    AUTO_FREE char *text = NULL;
    AUTO_FREE char *path =
        xasprintf("%s%s", o->save ? "/plans" : "/configs/plan", o->prune ? "?prune=true" : "");
    struct request rq = { .method = "POST", .path = path };

    TRY(cli_read_file(file, &text, &rq.body_n, e));
    rq.body = text;
    return client_call(c, &rq, r, e);
}

/* Until the saved plan is made; the run that looks has no end of its own to wait for. */
static enum err_code await_plan(struct client *c, struct reply *r, struct err *e)
{
    AUTO_FREE char *path = xasprintf("/plans/%s?wait=30", json_text_or(r->json, "id", ""));

    for (int i = 0; i < WAITS_MAX && str_eq(json_text(r->json, "status"), "looking"); i++) {
        reply_done(r);
        *r = (struct reply){ 0 };
        TRY(client_get(c, path, r, e));
    }
    return OK;
}

static int ask(const struct plan_options *o, const char *file)
{
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    struct err e;

    if (client_open(&o->client, &c, &e) || post_file(o, c, file, &r, &e))
        return cli_fail(&e);
    if (r.status >= 400) {
        client_print_problem(&r);
        return 1;
    }
    if (o->save && await_plan(c, &r, &e))
        return cli_fail(&e);
    if (!json_object_get(r.json, "lines")) {
        (void) fprintf(stderr,
                       "Amazon Personalize answers slowly; %s is still looking. Try again soon.\n",
                       json_text_or(r.json, "id", "?"));
        return 1;
    }
    print_plan(o, r.json);
    return json_bool_or(r.json, "changes", false) ? 2 : 0;
}

int cli_plan(char *const argv[])
{
    struct plan_options o = { 0 };
    struct conf_list rest = { 0 };
    int code = cli_parse(&usage, argv, &o, &rest);

    if (code == CLI_GO_ON)
        code = ask(&o, rest.items[0]);
    else if (code) /* 2 means changes here */
        code = 1;
    cli_parsed_done(&usage, &o, &rest);
    return code;
}
