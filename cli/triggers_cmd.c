/*
 * triggers_cmd.c - "steward triggers …": what may start a run from outside. One row per verb.
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
    char *config, *kind, *auth, *name, *topic, *run_options, *status;
    char *cooldown, *max_per_day, *window, *quiet;
    bool enable, disable;
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
static const struct conf_option option_rows[] = {
    HEAD_OPTIONS(struct options),
    TEXT(config, "config", "NAME", "list: only triggers of this config"),
    TEXT(kind, "kind", "KIND", "update: what it starts"),
    TEXT(auth, "auth", "WAY", "create: standardWebhooks (default), github, sns or bearer"),
    TEXT(name, "name", "TEXT", "create, update: a name for people"),
    TEXT(topic, "topic-arn", "ARN", "create, update: of auth sns, whose messages count"),
    TEXT(run_options, "options", "JSON", "create, update: of the runs, e.g. {\"solutions\":[…]}"),
    TEXT(status, "status", "STATUS", "deliveries: only started, waiting, rejected or failed ones"),
    TEXT(cooldown, "cooldown-seconds", "N", "create, update: no other run so long after one"),
    TEXT(max_per_day, "max-per-day", "N", "create, update: runs within 24 hours"),
    TEXT(window, "dedupe-window-seconds", "N",
         "create, update: the same content within it is a repeat"),
    TEXT(quiet, "quiet-seconds", "N",
         "create, update: the run starts when nothing more came for so long"),
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

/* NULL: an option is malformed, and it was said. Caller owns. */
static json_t *spec_body(const struct options *o)
{
    json_t *body = json_object();

    cli_add_text(body, "kind", o->kind);
    cli_add_text(body, "name", o->name);
    cli_add_text(body, "topicArn", o->topic);
    if (o->enable || o->disable)
        json_object_set_new(body, "enabled", json_boolean(o->enable));
    if (!cli_add_number(body, "cooldownSeconds", o->cooldown) ||
        !cli_add_number(body, "maxPerDay", o->max_per_day) ||
        !cli_add_number(body, "dedupeWindowSeconds", o->window) ||
        !cli_add_number(body, "quietSeconds", o->quiet) ||
        !cli_add_json(body, "options", o->run_options))
        return json_decref(body), NULL;
    return body;
}

static bool ask_list(struct cli_asked *a)
{
    const struct options *o = a->options;

    cli_add_parameter(&a->path, "config", o->config);
    return true;
}

static bool ask_create(struct cli_asked *a)
{
    const struct options *o = a->options;

    a->body = spec_body(o);
    if (!a->body)
        return false;
    cli_add_text(a->body, "config", a->rest->items[0]);
    cli_add_text(a->body, "kind", a->rest->count > 1 ? a->rest->items[1] : "retrain");
    cli_add_text(a->body, "auth", o->auth ? o->auth : "standardWebhooks");
    return true;
}

static bool ask_update(struct cli_asked *a)
{
    a->body = spec_body(a->options);
    return a->body != NULL;
}

static bool ask_deliveries(struct cli_asked *a)
{
    const struct options *o = a->options;

    cli_add_parameter(&a->path, "status", o->status);
    return true;
}

/* clang-format off */
static const struct cli_verb verbs[] = {
    { "list", "steward triggers list [--config NAME] [--json]\n\nTriggers, without their secrets.",
      "GET", "/triggers?limit=200", 0, 0, ask_list, print_list },
    { "get", "steward triggers get TRIGGER [--json]\n\nOne trigger, by id or name.", "GET", "/triggers/*", 1, 1, NULL, print_trigger },
    { "create", "steward triggers create CONFIG [KIND] [--auth WAY] …\n\nA trigger for runs of the kind (default: retrain). "
      "Prints the secret, once.", "POST", "/triggers", 1, 2, ask_create, print_secret },
    { "update", "steward triggers update TRIGGER [--enable|--disable] …\n\nChanges what it says, or switches it.",
      "PATCH", "/triggers/*", 1, 1, ask_update, print_trigger },
    { "rotate", "steward triggers rotate TRIGGER\n\nA new secret; the old one counts for another day.",
      "POST", "/triggers/*/rotate", 1, 1, NULL, print_secret },
    { "delete", "steward triggers delete TRIGGER\n\nEnds a trigger.", "DELETE", "/triggers/*", 1, 1, NULL, print_deleted },
    { "deliveries", "steward triggers deliveries TRIGGER [--status STATUS]\n\nWhat came in, and what became of it.",
      "GET", "/triggers/*/deliveries?limit=200", 1, 1, ask_deliveries, print_deliveries },
    { "test", "steward triggers test TRIGGER\n\nWhat a delivery would do now.", "POST", "/triggers/*/test", 1, 1, NULL, print_test },
};
/* clang-format on */

int cli_triggers(char *const argv[])
{
    static const struct cli_verbs table = { .name = "triggers",
                                            .verbs = verbs,
                                            .n_verbs = ARRAY_LEN(verbs),
                                            .options = option_rows,
                                            .n_options = ARRAY_LEN(option_rows),
                                            .options_size = sizeof(struct options) };

    return cli_run_verbs(&table, argv);
}
