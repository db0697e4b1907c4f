/*
 * tokens_cmd.c - "steward tokens …": who may ask the server for what. One row per verb.
 *
 * A secret is printed once, alone on standard output, so that it can go straight into a file.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "steward/cli.h"
#include "steward/json.h"

struct options {
    struct client_options client;
    struct conf_list scopes;
    int64_t days;
    bool json;
};

static const struct conf_option option_rows[] = {
    CLIENT_OPTIONS(struct options),
    { .name = "json",
      .type = CONF_FLAG,
      .offset = offsetof(struct options, json),
      .help = "print JSON" },
    { .name = "scope",
      .type = CONF_LIST,
      .offset = offsetof(struct options, scopes),
      .value = "SCOPE",
      .help =
          "create: read, operate, apply or admin (each holds those before it); may be repeated" },
    { .name = "expires-in-days",
      .type = CONF_INTEGER,
      .offset = offsetof(struct options, days),
      .value = "N",
      .help = "create: life of the token",
      .fallback = "90",
      .min = 1,
      .max = 365 },
};

static void print_list(const json_t *body)
{
    size_t i, k;
    json_t *token, *scope;

    json_array_foreach (json_object_get(body, "items"), i, token) {
        (void) printf("%s  %-24s expires %-25s used %-25s", json_text_or(token, "id", ""),
                      json_text_or(token, "name", ""), json_text_or(token, "expiresAt", "never"),
                      json_text_or(token, "lastUsedAt", "never"));
        json_array_foreach (json_object_get(token, "scopes"), k, scope)
            (void) printf(" %s", json_string_value(scope));
        (void) puts("");
    }
}

static void print_secret(const json_t *token)
{
    (void) fprintf(stderr, "Token %s; this is its only showing:\n", json_text_or(token, "id", ""));
    (void) puts(json_text_or(token, "token", ""));
}

static void print_revoked(const json_t *body)
{
    (void) body;
    (void) puts("The token is revoked, everywhere within five seconds.");
}

/* Caller owns. */
static json_t *creation(const struct options *o, const char *name)
{
    json_t *scopes = json_array();

    for (size_t i = 0; i < o->scopes.count; i++)
        json_array_append_new(scopes, json_string(o->scopes.items[i]));
    return json_pack("{s:s, s:o, s:I}", "name", name, "scopes", scopes, "expiresInDays",
                     (json_int_t) o->days);
}

static const struct verb {
    const char *name, *usage, *method, *path; /* %s: the argument */
    size_t arguments;
    void (*print)(const json_t *body);
} verbs[] = {
    { "list", "steward tokens list [--json]\n\nLive tokens, without their secrets.", "GET",
      "/tokens?limit=200", 0, print_list },
    { "create",
      "steward tokens create NAME --scope SCOPE [--expires-in-days N]\n\nPrints the secret, once.",
      "POST", "/tokens", 1, print_secret },
    { "rotate", "steward tokens rotate TOKEN\n\nA new secret; the old one counts for another day.",
      "POST", "/tokens/%s/rotate", 1, print_secret },
    { "revoke", "steward tokens revoke TOKEN\n\nEnds a token.", "DELETE", "/tokens/%s", 1,
      print_revoked },
};

static int run_verb(const struct verb *v, char *const argv[])
{
    const struct cli_usage usage = { v->usage, option_rows, ARRAY_LEN(option_rows), v->arguments,
                                     v->arguments };
    struct options o = { 0 };
    struct conf_list rest = { 0 };
    int code = cli_parse(&usage, argv, &o, &rest);

    if (code == CLI_GO_ON) {
        AUTO_BUF struct buf path = { 0 };
        AUTO_JSON json_t *body =
            strcmp(v->name, "create") == 0 ? creation(&o, rest.items[0]) : NULL;
        const char *rest_of_path = strstr(v->path, "%s");

        buf_add(&path, v->path, rest_of_path ? (size_t) (rest_of_path - v->path) : strlen(v->path));
        if (rest_of_path)
            buf_printf(&path, "%s%s", rest.items[0], rest_of_path + 2);
        code = cli_ask(&(struct cli_call){ .client = &o.client,
                                           .method = v->method,
                                           .path = path.data,
                                           .body = body,
                                           .json = o.json,
                                           .print = v->print });
    }
    cli_parsed_done(&usage, &o, &rest);
    return code;
}

int cli_tokens(char *const argv[])
{
    for (size_t i = 0; argv[0] && i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, argv[0]) == 0)
            return run_verb(&verbs[i], argv + 1);
    (void) fprintf(stderr, "usage: steward tokens VERB …\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        (void) fprintf(stderr, "%s\n\n", verbs[i].usage);
    return argv[0] && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h")) ? 0 : 2;
}
