/*
 * tokens_cmd.c - "steward tokens …": who may ask the server for what. One row per verb.
 *
 * A secret is printed once, alone on standard output, so that it can go straight into a file.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steward/cli.h"
#include "steward/json.h"
#include "verbs.h"

struct options {
    struct cli_head head;
    struct conf_list scopes;
    int64_t days;
};

static const struct conf_option option_rows[] = {
    HEAD_OPTIONS(struct options),
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
        (void) puts(json_text(token, "revokedAt") ? ", revoked" : "");
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

/* ---- what is asked ---- */

static bool ask_create(struct cli_asked *a)
{
    const struct options *o = a->options;
    json_t *scopes = json_array();

    for (size_t i = 0; i < o->scopes.count; i++)
        json_array_append_new(scopes, json_string(o->scopes.items[i]));
    a->body = json_pack("{s:s, s:o, s:I}", "name", a->rest->items[0], "scopes", scopes,
                        "expiresInDays", (json_int_t) o->days);
    if (!a->body)
        (void) fprintf(stderr, "The name is not UTF-8.\n");
    return a->body != NULL;
}

/* clang-format off */
static const struct cli_verb verbs[] = {
    { "list", "steward tokens list [--json]\n\nTokens, newest first, without their secrets; revoked and expired ones, too.", "GET", "/tokens?limit=200", 0, 0, NULL, print_list },
    { "create", "steward tokens create NAME --scope SCOPE [--expires-in-days N]\n\nPrints the secret, once.",
      "POST", "/tokens", 1, 1, ask_create, print_secret },
    { "rotate", "steward tokens rotate TOKEN\n\nA new secret; the old one counts for another day.",
      "POST", "/tokens/*/rotate", 1, 1, NULL, print_secret },
    { "revoke", "steward tokens revoke TOKEN\n\nEnds a token.", "DELETE", "/tokens/*", 1, 1, NULL, print_revoked },
};
/* clang-format on */

int cli_tokens(char *const argv[])
{
    static const struct cli_verbs table = { .name = "tokens",
                                            .verbs = verbs,
                                            .n_verbs = ARRAY_LEN(verbs),
                                            .options = option_rows,
                                            .n_options = ARRAY_LEN(option_rows),
                                            .options_size = sizeof(struct options) };

    return cli_run_verbs(&table, argv);
}
