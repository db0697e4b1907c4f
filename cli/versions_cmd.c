/*
 * versions_cmd.c - "steward versions", "steward rollback", "steward delete": the life of a config
 * beyond its newest document.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "progress.h"
#include "steward/cli.h"
#include "steward/json.h"

struct options {
    struct client_options client;
    char *from, *message, *resources;
    bool json, wait;
};

#define TEXT(field, option, word, says)                                               \
    {                                                                                 \
        .name = option, .type = CONF_TEXT, .offset = offsetof(struct options, field), \
        .value = word, .help = says                                                   \
    }
#define FLAG(field, option, says)                                                                  \
    {                                                                                              \
        .name = option, .type = CONF_FLAG, .offset = offsetof(struct options, field), .help = says \
    }
static const struct conf_option versions_options[] = {
    CLIENT_OPTIONS(struct options),
    FLAG(json, "json", "print JSON"),
    TEXT(from, "from", "N", "what changed from this version on (default: the one before)"),
};
static const struct conf_option rollback_options[] = {
    CLIENT_OPTIONS(struct options),
    TEXT(message, "message", "TEXT", "why, kept with the version"),
    FLAG(wait, "wait", "follow the run until it ends; exit 1 when it fails"),
};
static const struct conf_option delete_options[] = {
    CLIENT_OPTIONS(struct options),
    TEXT(resources, "resources", "keep|delete", "what becomes of what lives in Amazon Personalize"),
    FLAG(wait, "wait", "follow the run until it ends; exit 1 when it fails"),
};

static const char *first_line(const char *text, char *out, size_t size)
{
    size_t n = strcspn(text, "\r\n");

    (void) snprintf(out, size, "%.*s", (int) (n < size ? n : size - 1), text);
    return out;
}

static void print_versions(const json_t *body)
{
    char line[80];
    size_t i;
    json_t *v;

    json_array_foreach (json_object_get(body, "items"), i, v)
        (void) printf("%4lld  %s  %-14s %-12.12s %s\n", (long long) json_int_or(v, "version", 0),
                      json_text_or(v, "createdAt", ""), json_text_or(v, "createdBy", ""),
                      json_text_or(v, "revision", ""),
                      first_line(json_text_or(v, "message", ""), line, sizeof line));
}

/* One version and what changed in it, as the server words it for a terminal. */
static int print_changes(const struct options *o, const char *config, const char *version)
{
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    AUTO_BUF struct buf path = { 0 };
    char before[24];
    struct request rq = { .method = "GET", .accept = o->json ? NULL : "text/plain" };
    struct err e;

    (void) snprintf(before, sizeof before, "%lld", strtoll(version, NULL, 10) - 1);
    buf_printf(&path, "/configs/%s/versions/%s", config, version);
    cli_add_parameter(&path, "diff", o->from ? o->from : before);
    cli_add_parameter(&path, "pretty", o->json ? "true" : NULL);
    rq.path = path.data;
    if (client_open(&o->client, &c, &e) || client_call(c, &rq, &r, &e))
        return cli_fail(&e);
    if (r.status >= 400) {
        client_print_problem(&r);
        return 1;
    }
    (void) fputs(r.text, stdout);
    return 0;
}

int cli_versions(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward versions CONFIG [VERSION [--from N]] [--json]\n\nThe history of a config, newest "
        "first; with a version, what changed in it.",
        versions_options, ARRAY_LEN(versions_options), 1, 2
    };
    struct options o = { 0 };
    struct conf_list rest = { 0 };
    int code = cli_parse(&usage, argv, &o, &rest);

    if (code == CLI_GO_ON && rest.count == 2) {
        code = print_changes(&o, rest.items[0], rest.items[1]);
    } else if (code == CLI_GO_ON) {
        AUTO_FREE char *path = xasprintf("/configs/%s/versions?limit=200", rest.items[0]);

        code = cli_ask(&(struct cli_call){ .client = &o.client,
                                           .method = "GET",
                                           .path = path,
                                           .json = o.json,
                                           .print = print_versions });
    }
    cli_parsed_done(&usage, &o, &rest);
    return code;
}

/* Sends what starts a run, says what came of it and, when asked to, follows the run. */
static int start(const struct options *o, const struct cli_call *call, const char *done)
{
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    const json_t *run;
    bool is_good = true;
    struct err e;
    int code;

    if (client_open(&o->client, &c, &e))
        return cli_fail(&e);
    code = cli_ask_quietly(call, c, &r);
    if (code != CLI_GO_ON)
        return code;
    run = json_object_get(r.json, "run") ? json_object_get(r.json, "run") : r.json;
    (void) printf("%s%s%s\n", done, json_text(run, "id") ? ", run " : "",
                  json_text_or(run, "id", ""));
    if (o->wait && json_text(run, "id") && progress_watch(c, json_text(run, "id"), &is_good, &e))
        return cli_fail(&e);
    return is_good ? 0 : 1;
}

int cli_rollback(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward rollback CONFIG VERSION [--message TEXT] [--wait]\n\nMakes an earlier version's "
        "document the newest version, and applies it. History is never rewritten.",
        rollback_options, ARRAY_LEN(rollback_options), 2, 2
    };
    struct options o = { 0 };
    struct conf_list rest = { 0 };
    int code = cli_parse(&usage, argv, &o, &rest);

    if (code == CLI_GO_ON) {
        AUTO_BUF struct buf path = { 0 };
        AUTO_JSON json_t *body =
            json_pack("{s:I}", "version", (json_int_t) strtoll(rest.items[1], NULL, 10));

        buf_printf(&path, "/configs/%s/rollback", rest.items[0]);
        cli_add_parameter(&path, "message", o.message);
        code = start(&o, &(struct cli_call){ .method = "POST", .path = path.data, .body = body },
                     "Rolled back as a new version");
    }
    cli_parsed_done(&usage, &o, &rest);
    return code;
}

int cli_delete(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward delete CONFIG --resources keep|delete [--wait]\n\nTakes a config down. keep: what "
        "lives in Amazon Personalize stays, and goes on billing; delete: it goes, children first.",
        delete_options, ARRAY_LEN(delete_options), 1, 1
    };
    struct options o = { 0 };
    struct conf_list rest = { 0 };
    int code = cli_parse(&usage, argv, &o, &rest);

    if (code == CLI_GO_ON) {
        AUTO_BUF struct buf path = { 0 };

        buf_printf(&path, "/configs/%s", rest.items[0]);
        cli_add_parameter(&path, "resources", o.resources); /* without it the server says why not */
        code = start(&o, &(struct cli_call){ .method = "DELETE", .path = path.data },
                     "The config is being taken down");
    }
    cli_parsed_done(&usage, &o, &rest);
    return code;
}
