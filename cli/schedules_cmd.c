/*
 * schedules_cmd.c - "steward schedules …": what starts runs by the clock.
 *
 * One row per verb: its request is built from the options that were given. "next" works offline
 * (schedule_cmd.c).
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steward/cli.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"
#include "verbs.h"

struct options {
    struct cli_head head;
    char *config, *kind, *expression, *after, *time_zone, *start_at, *end_at, *overlap, *catch_up;
    char *deadline, *jitter, *name, *run_options, *reason, *until, *count, *from, *to;
};

#define TEXT(field, option, word, says)                                               \
    {                                                                                 \
        .name = option, .type = CONF_TEXT, .offset = offsetof(struct options, field), \
        .value = word, .help = says                                                   \
    }
static const struct conf_option option_rows[] = {
    HEAD_OPTIONS(struct options),
    TEXT(config, "config", "NAME", "list: only schedules of this config"),
    TEXT(kind, "kind", "KIND", "update: what it starts"),
    TEXT(expression, "expression", "TEXT", "update: when, e.g. \"rate(6 hours)\""),
    TEXT(after, "after", "import", "create, update: after every import, instead of a time"),
    TEXT(time_zone, "time-zone", "ZONE",
         "create, update: IANA name, e.g. Europe/Berlin (default: UTC)"),
    TEXT(start_at, "start-at", "TIME", "create, update: no fire before"),
    TEXT(end_at, "end-at", "TIME", "create, update: no fire after"),
    TEXT(overlap, "overlap", "POLICY", "create, update: skip, queue, cancelOther or allow"),
    TEXT(catch_up, "catch-up", "POLICY", "create, update: latest, none or all"),
    TEXT(deadline, "starting-deadline-seconds", "N",
         "create, update: a fire later than this is skipped"),
    TEXT(jitter, "jitter-seconds", "N", "create, update: a fixed delay between 0 and this"),
    TEXT(name, "name", "TEXT", "create, update: a name for people"),
    TEXT(run_options, "options", "JSON", "create, update: of the runs, e.g. {\"solutions\":[…]}"),
    TEXT(reason, "reason", "TEXT", "pause: why"),
    TEXT(until, "until", "TIME", "pause: it ends by itself then"),
    TEXT(count, "count", "N", "fires: so many to come"),
    TEXT(from, "from", "TIME", "fires: a calendar from here"),
    TEXT(to, "to", "TIME", "fires: a calendar to there"),
};

/* ---- what is printed ---- */

static void print_schedule(const json_t *s)
{
    const json_t *paused = json_object_get(s, "paused");

    (void) printf("%s  %-20s %-15s %-25s %s%s%s\n", json_text_or(s, "id", ""),
                  json_text_or(s, "config", ""), json_text_or(s, "kind", ""),
                  json_text_or(s, "nextFireAt", "never"),
                  json_text_or(s, "description", json_text_or(s, "expression", "")),
                  paused ? ", paused: " : "",
                  paused ? json_text_or(paused, "reason", "no reason given") : "");
}

static void print_list(const json_t *body)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(body, "items"), i, item)
        print_schedule(item);
}

static void print_fires(const json_t *body)
{
    size_t i;
    json_t *f;

    json_array_foreach (json_object_get(body, "items"), i, f) {
        json_int_t n = json_int_or(f, "count", 1);

        (void) printf("%s  %-20s", json_text_or(f, "nominalAt", ""),
                      json_text_or(f, "nominalLocal", ""));
        if (json_text(f, "outcome"))
            (void) printf(" %-15s", json_text(f, "outcome"));
        if (n > 1)
            (void) printf(" %lld times, up to %s", (long long) n, json_text_or(f, "toAt", ""));
        (void) printf(" %s %s\n", json_text_or(f, "runId", ""), json_text_or(f, "reason", ""));
    }
}

static void print_run(const json_t *run)
{
    (void) printf("Started run %s\n", json_text_or(run, "id", ""));
}

static void print_ended(const json_t *body)
{
    (void) body;
    (void) puts("The schedule has ended.");
}

/* ---- what is asked ---- */

/* NULL: an option is malformed, and it was said. Caller owns. */
static json_t *spec_body(const struct options *o)
{
    json_t *body = json_object();

    cli_add_text(body, "kind", o->kind);
    cli_add_text(body, "expression", o->expression);
    cli_add_text(body, "after", o->after);
    cli_add_text(body, "timeZone", o->time_zone);
    cli_add_text(body, "startAt", o->start_at);
    cli_add_text(body, "endAt", o->end_at);
    cli_add_text(body, "overlap", o->overlap);
    cli_add_text(body, "catchUp", o->catch_up);
    cli_add_text(body, "name", o->name);
    if (!cli_add_number(body, "startingDeadlineSeconds", o->deadline) ||
        !cli_add_number(body, "jitterSeconds", o->jitter) ||
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
    a->body = spec_body(a->options);
    if (!a->body)
        return false;
    cli_add_text(a->body, "config", a->rest->items[0]);
    cli_add_text(a->body, "kind", a->rest->items[1]);
    if (a->rest->count > 2)
        cli_add_text(a->body, "expression", a->rest->items[2]);
    return true;
}

static bool ask_update(struct cli_asked *a)
{
    a->body = spec_body(a->options);
    return a->body != NULL;
}

static bool ask_pause(struct cli_asked *a)
{
    const struct options *o = a->options;

    a->body = json_pack("{s:b}", "paused", 1);
    cli_add_text(a->body, "reason", o->reason);
    cli_add_text(a->body, "until", o->until);
    return true;
}

static bool ask_resume(struct cli_asked *a)
{
    a->body = json_pack("{s:b}", "paused", 0);
    return true;
}

static bool ask_fires(struct cli_asked *a)
{
    const struct options *o = a->options;

    cli_add_parameter(&a->path, "count", o->count);
    cli_add_parameter(&a->path, "from", o->from);
    cli_add_parameter(&a->path, "to", o->to);
    return true;
}

/* clang-format off */
static const struct cli_verb verbs[] = {
    { "list", "steward schedules list [--config NAME] [--json]\n\nLive schedules with their next fire, in words.",
      "GET", "/schedules?limit=200", 0, 0, ask_list, print_list },
    { "get", "steward schedules get SCHEDULE [--json]\n\nOne schedule.", "GET", "/schedules/*", 1, 1, NULL, print_schedule },
    { "create", "steward schedules create CONFIG KIND EXPRESSION | --after import\n\nA schedule of its own: any run kind, "
      "any config.", "POST", "/schedules", 2, 3, ask_create, print_schedule },
    { "update", "steward schedules update SCHEDULE [--expression TEXT] …\n\nChanges what it says. One that is written in a "
      "parameter file is changed there.", "PATCH", "/schedules/*", 1, 1, ask_update, print_schedule },
    { "delete", "steward schedules delete SCHEDULE\n\nEnds a schedule of its own; its history stays.",
      "DELETE", "/schedules/*", 1, 1, NULL, print_ended },
    { "pause", "steward schedules pause SCHEDULE [--reason TEXT] [--until TIME]\n\nWhile paused, fires are recorded and not "
      "caught up.", "PATCH", "/schedules/*", 1, 1, ask_pause, print_schedule },
    { "resume", "steward schedules resume SCHEDULE", "PATCH", "/schedules/*", 1, 1, ask_resume, print_schedule },
    { "run", "steward schedules run SCHEDULE\n\nStarts its run now.", "POST", "/schedules/*/run", 1, 1, NULL, print_run },
    { "fires", "steward schedules fires SCHEDULE [--count N | --from TIME --to TIME]\n\nWhat became of past fires; with "
      "options, the fires to come.", "GET", "/schedules/*/fires", 1, 1, ask_fires, print_fires },
};
/* clang-format on */

int cli_schedules(char *const argv[])
{
    static const struct cli_verbs table = {
        .name = "schedules",
        .verbs = verbs,
        .n_verbs = ARRAY_LEN(verbs),
        .options = option_rows,
        .n_options = ARRAY_LEN(option_rows),
        .options_size = sizeof(struct options),
        .more = "steward schedules next EXPRESSION\n\nThe next fires of an expression (offline).",
    };

    if (argv[0] && str_eq(argv[0], "next"))
        return cli_schedule_next(argv + 1);
    return cli_run_verbs(&table, argv);
}
