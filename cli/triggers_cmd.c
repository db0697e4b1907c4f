/*
 * triggers_cmd.c - "steward triggers …": what may start a run from outside. One row per verb.
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

#define UNSET (-1)

struct options {
    struct client_options client;
    char *config, *kind, *auth, *name, *topic, *run_options, *status;
    int64_t cooldown, max_per_day, window, quiet;
    bool json, enable, disable;
};

#define TEXT(field, option, word, says)                                               \
    {                                                                                 \
        .name = option, .type = CONF_TEXT, .offset = offsetof(struct options, field), \
        .value = word, .help = says                                                   \
    }
#define NUMBER(field, option, says)                                                      \
    {                                                                                    \
        .name = option, .type = CONF_INTEGER, .offset = offsetof(struct options, field), \
        .value = "N", .help = says, .fallback = "-1", .min = UNSET, .max = 2592000       \
    }
#define FLAG(field, option, says)                                                                  \
    {                                                                                              \
        .name = option, .type = CONF_FLAG, .offset = offsetof(struct options, field), .help = says \
    }
static const struct conf_option option_rows[] = {
    CLIENT_OPTIONS(struct options),
    FLAG(json, "json", "print JSON"),
    TEXT(config, "config", "NAME", "list: only triggers of this config"),
    TEXT(kind, "kind", "KIND", "update: what it starts"),
    TEXT(auth, "auth", "WAY", "create: standardWebhooks (default), github, sns or bearer"),
    TEXT(name, "name", "TEXT", "create, update: a name for people"),
    TEXT(topic, "topic-arn", "ARN", "create, update: of auth sns, whose messages count"),
    TEXT(run_options, "options", "JSON", "create, update: of the runs, e.g. {\"solutions\":[…]}"),
    TEXT(status, "status", "STATUS", "deliveries: only started, waiting, rejected or failed ones"),
    NUMBER(cooldown, "cooldown-seconds", "no other run so long after one"),
    NUMBER(max_per_day, "max-per-day", "runs within 24 hours"),
    NUMBER(window, "dedupe-window-seconds", "the same content within it is a repeat"),
    NUMBER(quiet, "quiet-seconds", "the run starts when nothing more came for so long"),
    FLAG(enable, "enable", "update: switch it on"),
    FLAG(disable, "disable", "update: switch it off"),
};

/* ---- what is printed ---- */

static void print_trigger(const json_t *t)
{
    (void) printf("%s  %-20s %-15s %-17s %-30s %s%s\n", json_text_or(t, "id", ""),
                  json_text_or(t, "config", ""), json_text_or(t, "kind", ""),
                  json_text_or(t, "auth", ""), json_text_or(t, "lastStartedAt", "never started"),
                  json_text_or(t, "name", ""), json_bool_or(t, "enabled", true) ? "" : ", off");
}

static void print_list(const json_t *body)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(body, "items"), i, item)
        print_trigger(item);
}

static void print_secret(const json_t *t)
{
    (void) fprintf(stderr, "Trigger %s takes deliveries at %s.\n", json_text_or(t, "id", ""),
                   json_text_or(t, "hook", ""));
    if (!json_text(t, "secret"))
        return;
    (void) fprintf(stderr, "Its secret; this is its only showing:\n");
    (void) puts(json_text_or(t, "secret", ""));
}

static void print_deleted(const json_t *body)
{
    (void) body;
    (void) puts("The trigger is gone; runs that it started go on.");
}

static void print_deliveries(const json_t *body)
{
    size_t i;
    json_t *d;

    json_array_foreach (json_object_get(body, "items"), i, d)
        (void) printf("%s  %-9s %-30s %s%s\n", json_text_or(d, "receivedAt", ""),
                      json_text_or(d, "status", ""), json_text_or(d, "run", ""),
                      json_text_or(d, "dataVersion", ""), json_text_or(d, "reason", ""));
}

static void print_test(const json_t *t)
{
    if (json_bool_or(t, "wouldStart", false))
        (void) printf("A delivery would start a run of %zu steps.\n",
                      json_array_size(json_object_get(t, "steps")));
    else
        (void) printf("A delivery would start nothing: %s\n", json_text_or(t, "reason", ""));
}

/* ---- what is asked ---- */

static void add_text(json_t *body, const char *key, const char *text)
{
    if (text)
        json_object_set_new(body, key, json_string(text));
}

static void add_number(json_t *body, const char *key, int64_t number)
{
    if (number != UNSET)
        json_object_set_new(body, key, json_integer(number));
}

/* NULL: an option is malformed, and it was said. Caller owns. */
static json_t *spec_body(const struct options *o)
{
    json_t *body = json_object();

    add_text(body, "kind", o->kind);
    add_text(body, "name", o->name);
    add_text(body, "topicArn", o->topic);
    add_number(body, "cooldownSeconds", o->cooldown);
    add_number(body, "maxPerDay", o->max_per_day);
    add_number(body, "dedupeWindowSeconds", o->window);
    add_number(body, "quietSeconds", o->quiet);
    if (o->enable || o->disable)
        json_object_set_new(body, "enabled", json_boolean(o->enable));
    if (o->run_options) {
        json_t *options = json_loads(o->run_options, 0, NULL);

        if (!options)
            (void) fprintf(stderr, "--options: this is not JSON: %s\n", o->run_options);
        if (!options || json_object_set_new(body, "options", options))
            return json_decref(body), NULL;
    }
    return body;
}

struct ask {
    const struct options *o;
    const struct conf_list *rest;
    struct buf path;
    json_t *body; /* NULL: none */
};

static bool ask_list(struct ask *a)
{
    buf_adds(&a->path, "/triggers?limit=200");
    cli_add_parameter(&a->path, "config", a->o->config);
    return true;
}

static bool ask_one(struct ask *a)
{
    buf_adds(&a->path, "/triggers/");
    uri_encode(&a->path, a->rest->items[0], strlen(a->rest->items[0]), false);
    return true;
}

static bool ask_create(struct ask *a)
{
    buf_adds(&a->path, "/triggers");
    a->body = spec_body(a->o);
    if (!a->body)
        return false;
    add_text(a->body, "config", a->rest->items[0]);
    add_text(a->body, "kind", a->rest->count > 1 ? a->rest->items[1] : "retrain");
    add_text(a->body, "auth", a->o->auth ? a->o->auth : "standardWebhooks");
    return true;
}

static bool ask_update(struct ask *a)
{
    a->body = spec_body(a->o);
    return a->body && ask_one(a);
}

static bool ask_rotate(struct ask *a)
{
    (void) ask_one(a);
    buf_adds(&a->path, "/rotate");
    return true;
}

static bool ask_test(struct ask *a)
{
    (void) ask_one(a);
    buf_adds(&a->path, "/test");
    return true;
}

static bool ask_deliveries(struct ask *a)
{
    (void) ask_one(a);
    buf_adds(&a->path, "/deliveries?limit=200");
    cli_add_parameter(&a->path, "status", a->o->status);
    return true;
}

/* clang-format off */
static const struct verb {
    const char *name, *usage, *method;
    size_t least, most; /* positional arguments after the verb */
    bool (*ask)(struct ask *a);
    void (*print)(const json_t *body);
} verbs[] = {
    { "list", "steward triggers list [--config NAME] [--json]\n\nTriggers, without their secrets.",
      "GET", 0, 0, ask_list, print_list },
    { "get", "steward triggers get TRIGGER [--json]\n\nOne trigger, by id or name.", "GET", 1, 1, ask_one, print_trigger },
    { "create", "steward triggers create CONFIG [KIND] [--auth WAY] …\n\nA trigger for runs of the kind (default: retrain). "
      "Prints the secret, once.", "POST", 1, 2, ask_create, print_secret },
    { "update", "steward triggers update TRIGGER [--enable|--disable] …\n\nChanges what it says, or switches it.",
      "PATCH", 1, 1, ask_update, print_trigger },
    { "rotate", "steward triggers rotate TRIGGER\n\nA new secret; the old one counts for another day.",
      "POST", 1, 1, ask_rotate, print_secret },
    { "delete", "steward triggers delete TRIGGER\n\nEnds a trigger.", "DELETE", 1, 1, ask_one, print_deleted },
    { "deliveries", "steward triggers deliveries TRIGGER [--status STATUS]\n\nWhat came in, and what became of it.",
      "GET", 1, 1, ask_deliveries, print_deliveries },
    { "test", "steward triggers test TRIGGER\n\nWhat a delivery would do now.", "POST", 1, 1, ask_test, print_test },
};
/* clang-format on */

static int run_verb(const struct verb *v, char *const argv[])
{
    const struct cli_usage usage = { v->usage, option_rows, ARRAY_LEN(option_rows), v->least,
                                     v->most };
    struct options o = { 0 };
    struct conf_list rest = { 0 };
    struct ask ask = { .o = &o, .rest = &rest };
    int code = cli_parse(&usage, argv, &o, &rest);

    if (code == CLI_GO_ON)
        code = v->ask(&ask) ? cli_ask(&(struct cli_call){ .client = &o.client,
                                                          .method = v->method,
                                                          .path = ask.path.data,
                                                          .body = ask.body,
                                                          .json = o.json,
                                                          .print = v->print })
                            : 2;
    json_decref(ask.body);
    buf_done(&ask.path);
    cli_parsed_done(&usage, &o, &rest);
    return code;
}

int cli_triggers(char *const argv[])
{
    for (size_t i = 0; argv[0] && i < ARRAY_LEN(verbs); i++)
        if (str_eq(verbs[i].name, argv[0]))
            return run_verb(&verbs[i], argv + 1);
    (void) fprintf(stderr, "usage: steward triggers VERB …\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        (void) fprintf(stderr, "%s\n\n", verbs[i].usage);
    return argv[0] && (str_eq(argv[0], "--help") || str_eq(argv[0], "-h")) ? 0 : 2;
}
