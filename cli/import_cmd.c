/*
 * import_cmd.c - steward import: a config of a dataset group that exists. Exit 0: stored, 1: not.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "steward/cli.h"
#include "steward/json.h"
#include "steward/mem.h"

struct import_options {
    struct client_options client;
    struct conf_list schedules;
};

static const struct conf_option options[] = {
    CLIENT_OPTIONS(struct import_options),
    { .name = "schedule",
      .type = CONF_LIST,
      .offset = offsetof(struct import_options, schedules),
      .value = "WHAT",
      .help = "import=EXPRESSION, full=SOLUTION@EXPRESSION or update=SOLUTION@EXPRESSION; may be "
              "given several times; starts paused" },
};
static const struct cli_usage usage = {
    "steward import GROUP [--schedule import='cron(0 4 * * ? *)'] "
    "[--schedule full=SOLUTION@'cron(0 5 ? * SUN *)']\n\nMakes a config of a dataset group that "
    "exists in Amazon Personalize, and prints its parameter file. Nothing there is touched.",
    options, ARRAY_LEN(options), 1, 1
};

/* "import=EXPR" or "full=SOLUTION@EXPR" into {"import", "solutions": {name: {"full"}}}. */
static bool add_schedule(json_t *schedules, const char *text)
{
    const char *equals = strchr(text, '='), *at = equals ? strchr(equals, '@') : NULL;
    AUTO_FREE char *kind = equals ? xstrndup(text, (size_t) (equals - text)) : NULL;
    AUTO_FREE char *name = at ? xstrndup(equals + 1, (size_t) (at - equals - 1)) : NULL;
    json_t *solutions;

    if (kind && strcmp(kind, "import") == 0) {
        json_object_set_new(schedules, "import", json_string(equals + 1));
        return true;
    }
    if (!kind || !name || (strcmp(kind, "full") != 0 && strcmp(kind, "update") != 0))
        return false;
    if (!json_object_get(schedules, "solutions"))
        json_object_set_new(schedules, "solutions", json_object());
    solutions = json_object_get(schedules, "solutions");
    if (!json_object_get(solutions, name))
        json_object_set_new(solutions, name, json_object());
    json_object_set_new(json_object_get(solutions, name), kind, json_string(at + 1));
    return true;
}

/* The body of the request; NULL when an option is not understood. Caller owns. */
static char *body_of(const struct import_options *o, const char *group)
{
    AUTO_JSON json_t *body = json_pack("{s:s}", "datasetGroup", group);
    AUTO_JSON json_t *schedules = json_object();

    for (size_t i = 0; i < o->schedules.count; i++)
        if (!add_schedule(schedules, o->schedules.items[i])) {
            (void) fprintf(stderr,
                           "steward: --schedule %s: write import=EXPRESSION, "
                           "full=SOLUTION@EXPRESSION or update=SOLUTION@EXPRESSION.\n",
                           o->schedules.items[i]);
            return NULL;
        }
    if (json_object_size(schedules))
        json_object_set(body, "schedules", schedules);
    return json_compact(body);
}

/* A slow import goes on in its run: looks until it is settled. The answer becomes the config's. */
static enum err_code wait_for_config(struct client *c, const char *group, struct reply *r,
                                     struct err *e)
{
    AUTO_FREE char *run = xasprintf("/runs/%s?wait=20", json_text_or(r->json, "id", ""));
    AUTO_FREE char *config = xasprintf("/configs/%s", group);

    (void) fprintf(stderr, "Amazon Personalize answers slowly; the import goes on.\n");
    for (;;) {
        AUTO_REPLY struct reply look = { 0 };
        const json_t *step, *outcome;
        const char *status;

        TRY(client_call(c, &(struct request){ .method = "GET", .path = run }, &look, e));
        step = json_array_get(json_object_get(look.json, "steps"), 0);
        outcome = json_object_get(json_object_get(step, "details"), "outcome");
        status = json_text_or(look.json, "status", "");
        if (json_bool_or(outcome, "stored", false))
            break;
        if (outcome || strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)
            return err_set(e, ERR_INVALID, "%s",
                           json_text_or(outcome, "detail",
                                        json_text_or(step, "reason", "The import failed.")));
    }
    reply_done(r);
    return client_call(c, &(struct request){ .method = "GET", .path = config }, r, e);
}

static int import_group(const struct import_options *o, const char *group)
{
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    AUTO_FREE char *text = body_of(o, group), *out = NULL;
    struct request rq = { .method = "POST", .path = "/configs/import", .body = text };
    const json_t *config;
    struct err e;

    if (!text)
        return 2;
    rq.body_n = strlen(text);
    if (client_open(&o->client, &c, &e) || client_call(c, &rq, &r, &e))
        return cli_fail(&e);
    if (r.status == 202 && wait_for_config(c, group, &r, &e))
        return cli_fail(&e);
    if (r.status >= 400) {
        client_print_problem(&r);
        return 1;
    }
    config = json_object_get(r.json, "config") ? json_object_get(r.json, "config") : r.json;
    out = json_dumps(json_object_get(config, "document"), JSON_INDENT(2));
    (void) puts(out ? out : "{}");
    (void) fprintf(
        stderr, "Stored config %s; nothing in Amazon Personalize was touched.%s\n", group,
        o->schedules.count ? " Its schedules are paused until somebody resumes them." : "");
    return 0;
}

int cli_import(char *const argv[])
{
    struct import_options o = { 0 };
    struct conf_list rest = { 0 };
    int code = cli_parse(&usage, argv, &o, &rest);

    if (code == CLI_GO_ON)
        code = import_group(&o, rest.items[0]);
    cli_parsed_done(&usage, &o, &rest);
    return code;
}
