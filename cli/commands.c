/*
 * commands.c - the commands of the command line: apply, validate, get, runs, events.
 *
 * Exit codes: 0 good, 1 refused, failed or invalid, 2 wrong usage.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "progress.h"
#include "steward/cli.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/parameter_file.h"
#include "steward/str.h"

struct common {
    struct client_options client;
    char *message, *revision, *config, *kind, *limit, *type, *plan, *run_options;
    char *reason, *campaign;
    bool wait, json, follow, prune, stop_training;
};

#define TEXT(field, option, word, says)                                              \
    {                                                                                \
        .name = option, .type = CONF_TEXT, .offset = offsetof(struct common, field), \
        .value = word, .help = says                                                  \
    }
#define FLAG(field, option, says)                                                                 \
    {                                                                                             \
        .name = option, .type = CONF_FLAG, .offset = offsetof(struct common, field), .help = says \
    }

static const struct conf_option apply_options[] = {
    CLIENT_OPTIONS(struct common),
    FLAG(prune, "prune", "delete what left the file"),
    FLAG(wait, "wait", "follow the run until it ends; exit 1 when it fails"),
    TEXT(message, "message", "TEXT", "why, kept with the version"),
    TEXT(plan, "plan", "ID", "a saved plan instead of a file, refused when something moved since"),
    TEXT(revision, "revision", "COMMIT", "from which commit, kept with the version"),
};
static const struct conf_option offline_options[] = {
    FLAG(json, "json", "print JSON"),
};
static const struct conf_option json_options[] = {
    CLIENT_OPTIONS(struct common),
    FLAG(json, "json", "print JSON"),
};
static const struct conf_option runs_options[] = {
    CLIENT_OPTIONS(struct common),
    FLAG(json, "json", "print JSON"),
    TEXT(config, "config", "NAME", "only runs of this config"),
    TEXT(limit, "limit", "N", "how many (1-200)"),
    TEXT(reason, "reason", "TEXT", "why: cancel, approve, reject"),
    TEXT(campaign, "campaign", "NAME", "which question of a held run: approve, reject"),
    FLAG(stop_training, "stop-training", "cancel: stop the training that the run has begun, too"),
    FLAG(wait, "wait", "retry, rerun: follow the new run until it ends; exit 1 when it fails"),
};
static const struct conf_option start_options[] = {
    CLIENT_OPTIONS(struct common),
    TEXT(run_options, "options", "JSON",
         "inputs of the run, e.g. {\"solutions\":[\"a\"],\"mode\":\"update\"}"),
    FLAG(wait, "wait", "follow the run until it ends; exit 1 when it fails"),
};
static const struct conf_option events_options[] = {
    CLIENT_OPTIONS(struct common),
    FLAG(follow, "follow", "go on with what happens"),
    TEXT(config, "config", "NAME", "only events of this config"),
    TEXT(type, "type", "GLOB", "only these types, e.g. run.*"),
    TEXT(limit, "limit", "N", "how many (1-200)"),
};

struct parsed {
    const struct cli_usage *usage;
    struct common options;
    struct conf_list rest;
};

static void parsed_done(struct parsed *p)
{
    cli_parsed_done(p->usage, &p->options, &p->rest);
}
#define AUTO_PARSED __attribute__((cleanup(parsed_done)))

/* CLI_GO_ON, or the exit code. */
static int parse(struct parsed *p, char *const argv[])
{
    return cli_parse(p->usage, argv, &p->options, &p->rest);
}

/* ---- apply ---- */

static void print_warnings(const json_t *list)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) list, i, item)
        (void) fprintf(stderr, "warning: %s: %s [%s]\n", json_text_or(item, "pointer", ""),
                       json_text_or(item, "detail", ""), json_text_or(item, "code", ""));
}

static int follow_run(struct client *c, const json_t *run, const char *config)
{
    const char *id = json_text(run, "id");
    bool is_good = false;
    struct err e;

    if (!id) {
        (void) printf("Nothing to do: the config is synced.\n");
        return 0;
    }
    if (progress_watch(c, id, &is_good, &e))
        return cli_fail(&e);
    if (config && progress_print_config(c, config, &e))
        return cli_fail(&e);
    return is_good ? 0 : 1;
}

/* The file with what is said about it, or the saved plan, which has its own. */
static enum err_code post_desired(struct client *c, const struct parsed *p, struct reply *r,
                                  struct err *e)
{
    AUTO_FREE char *text = NULL;
    AUTO_BUF struct buf path = { 0 };
    struct request rq = { .method = "POST" };

    if (p->options.plan) {
        buf_printf(&path, "/plans/%s/apply", p->options.plan);
    } else {
        buf_adds(&path, "/configs");
        cli_add_parameter(&path, "message", p->options.message);
        cli_add_parameter(&path, "revision", p->options.revision);
        cli_add_parameter(&path, "prune", p->options.prune ? "true" : NULL);
        TRY(cli_read_file(p->rest.items[0], &text, &rq.body_n, e));
    }
    rq.path = path.data;
    rq.body = text;
    return client_call(c, &rq, r, e);
}

static int run_apply(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward apply FILE [--wait] [--prune] | --plan ID [--wait]\n\nStores the parameter file "
        "as desired state and starts the run that brings it about.",
        apply_options, ARRAY_LEN(apply_options), 0, 1
    };
    AUTO_PARSED struct parsed p = { .usage = &usage };
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    const char *config, *run;
    struct err e;
    int rc = parse(&p, argv);

    if (rc != CLI_GO_ON)
        return rc;
    if (!p.options.plan == !p.rest.count) {
        (void) fprintf(stderr, "%s\n", usage.text);
        return 2;
    }
    if (client_open(&p.options.client, &c, &e) || post_desired(c, &p, &r, &e))
        return cli_fail(&e);
    if (r.status >= 400) {
        client_print_problem(&r);
        return 1;
    }
    print_warnings(json_object_get(r.json, "warnings"));
    config = json_text_or(json_object_get(r.json, "config"), "name", "");
    run = json_text(json_object_get(r.json, "run"), "id");
    (void) printf("%s config %s, version %lld%s%s\n", r.status == 201 ? "Created" : "Stored",
                  config, (long long) json_int_or(json_object_get(r.json, "config"), "version", 0),
                  run ? ", run " : "", run ? run : "");
    return p.options.wait ? follow_run(c, json_object_get(r.json, "run"), config) : 0;
}

/* ---- validate: offline, the same code as behind the API ---- */

static void print_findings(const struct findings *f, const char *word)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *x = &f->items[i];

        (void) printf("%s: %s: %s [%s]\n", word, *x->pointer ? x->pointer : "(document)", x->detail,
                      x->code);
    }
}

static int run_validate(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward validate FILE [--json]\n\nChecks a parameter file "
        "without a server: exit 0 valid, 1 invalid.",
        offline_options, ARRAY_LEN(offline_options), 1, 1
    };
    AUTO_PARSED struct parsed p = { .usage = &usage };
    AUTO_FREE char *text = NULL;
    struct parameter_file f;
    bool is_valid;
    size_t n;
    struct err e;
    int rc = parse(&p, argv);

    if (rc != CLI_GO_ON)
        return rc;
    if (cli_read_file(p.rest.items[0], &text, &n, &e))
        return cli_fail(&e);
    parameter_file_parse(text, n, &f);
    is_valid = f.errors.count == 0;
    if (p.options.json) {
        AUTO_JSON json_t *answer =
            json_pack("{s:b, s:o, s:o}", "valid", (int) is_valid, "errors",
                      findings_to_json(&f.errors), "warnings", findings_to_json(&f.warnings));
        AUTO_FREE char *out = json_dumps(answer, JSON_INDENT(2));

        (void) puts(out);
    } else {
        print_findings(&f.errors, "error");
        print_findings(&f.warnings, "warning");
        (void) printf("%s: %s, %zu error%s, %zu warning%s\n", p.rest.items[0],
                      is_valid ? "valid" : "invalid", f.errors.count,
                      f.errors.count == 1 ? "" : "s", f.warnings.count,
                      f.warnings.count == 1 ? "" : "s");
    }
    parameter_file_done(&f);
    return is_valid ? 0 : 1;
}

/* ---- reading ---- */

static int show(struct parsed *p, const char *path, void (*print)(const json_t *body))
{
    return cli_ask(&(struct cli_call){ .client = &p->options.client,
                                       .method = "GET",
                                       .path = path,
                                       .json = p->options.json,
                                       .print = print });
}

static void print_configs(const json_t *body)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(body, "items"), i, item) {
        const json_t *status = json_object_get(item, "status");

        (void) printf("%-32s version %-4lld %-12s %s\n", json_text_or(item, "name", ""),
                      (long long) json_int_or(item, "version", 0),
                      json_text_or(json_object_get(status, "health"), "status", ""),
                      json_text_or(json_object_get(status, "sync"), "status", ""));
    }
}

static int run_get(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward get [CONFIG] [--json]\n\nWithout a name: all "
        "configs. With one: its resources, metrics and schedules.",
        json_options, ARRAY_LEN(json_options), 0, 1
    };
    AUTO_PARSED struct parsed p = { .usage = &usage };
    AUTO_CLIENT struct client *c = NULL;
    struct err e;
    int rc = parse(&p, argv);

    if (rc != CLI_GO_ON)
        return rc;
    if (p.rest.count == 0)
        return show(&p, "/configs?limit=200", print_configs);
    if (p.options.json) {
        AUTO_FREE char *path = xasprintf("/configs/%s", p.rest.items[0]);

        return show(&p, path, NULL);
    }
    if (client_open(&p.options.client, &c, &e) || progress_print_config(c, p.rest.items[0], &e))
        return cli_fail(&e);
    return 0;
}

static void print_runs(const json_t *body)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(body, "items"), i, item)
        progress_print_run_line(item);
}

static int runs_watch(const struct parsed *p, const char *id)
{
    AUTO_CLIENT struct client *c = NULL;
    bool is_good = false;
    struct err e;

    if (client_open(&p->options.client, &c, &e) || progress_watch(c, id, &is_good, &e))
        return cli_fail(&e);
    return is_good ? 0 : 1;
}

static const struct run_action {
    const char *verb, *route, *from; /* from: which steps; NULL: says nothing of steps */
} run_actions[] = {
    { "cancel", "cancel", NULL },   { "approve", "approve", NULL }, { "reject", "reject", NULL },
    { "retry", "retry", "failed" }, { "rerun", "retry", "start" },
};

static const struct run_action *find_action(const char *verb)
{
    for (size_t i = 0; i < ARRAY_LEN(run_actions); i++)
        if (str_eq(run_actions[i].verb, verb))
            return &run_actions[i];
    return NULL;
}

/* What was given; whether it belongs to the verb, the server says. */
static json_t *action_body(const struct common *o, const struct run_action *a)
{
    json_t *body = json_pack("{s:s*, s:s*, s:s*}", "reason", o->reason, "campaign", o->campaign,
                             "from", a->from);

    if (o->stop_training)
        json_object_set_new(body, "stopTraining", json_true());
    return body;
}

static int runs_post(const struct parsed *p, const char *id, const struct run_action *a)
{
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    AUTO_FREE char *path = xasprintf("/runs/%s/%s", id, a->route);
    AUTO_JSON json_t *body = action_body(&p->options, a);
    AUTO_FREE char *text = json_compact(body);
    const struct request rq = {
        .method = "POST", .path = path, .body = text, .body_n = strlen(text)
    };
    bool is_good = true;
    struct err e;

    if (client_open(&p->options.client, &c, &e) || client_call(c, &rq, &r, &e))
        return cli_fail(&e);
    if (r.status >= 400) {
        client_print_problem(&r);
        return 1;
    }
    (void) printf("%s is %s\n", json_text_or(r.json, "id", id),
                  json_text_or(r.json, "status", "done"));
    if (a->from && p->options.wait &&
        progress_watch(c, json_text_or(r.json, "id", id), &is_good, &e))
        return cli_fail(&e);
    return is_good ? 0 : 1;
}

static int run_runs(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward runs list | get RUN | watch RUN | cancel RUN | retry RUN | rerun RUN | "
        "approve RUN | reject RUN\n\nLists, shows, follows or cancels runs. retry: a new run "
        "does what had not succeeded; rerun: all of it again, with the same inputs. approve, "
        "reject: answers the question of a held one.",
        runs_options, ARRAY_LEN(runs_options), 1, 2
    };
    AUTO_PARSED struct parsed p = { .usage = &usage };
    AUTO_BUF struct buf path = { 0 };
    const struct run_action *action;
    const char *verb, *id;
    int rc = parse(&p, argv);

    if (rc != CLI_GO_ON)
        return rc;
    verb = p.rest.items[0];
    id = p.rest.count > 1 ? p.rest.items[1] : NULL;
    if (str_eq(verb, "list") && !id) {
        buf_adds(&path, "/runs");
        cli_add_parameter(&path, "config", p.options.config);
        cli_add_parameter(&path, "limit", p.options.limit);
        return show(&p, path.data, print_runs);
    }
    if (str_eq(verb, "get") && id) {
        buf_printf(&path, "/runs/%s", id);
        return show(&p, path.data, progress_print_run);
    }
    if (str_eq(verb, "watch") && id)
        return runs_watch(&p, id);
    action = find_action(verb);
    if (action && id)
        return runs_post(&p, id, action);
    (void) fprintf(stderr, "%s\n", usage.text);
    return 2;
}

/* NULL when the inputs are no JSON object, which is said. Caller owns. */
static json_t *run_body(const struct parsed *p)
{
    const char *given = p->options.run_options;
    json_t *body = given ? json_loads(given, JSON_REJECT_DUPLICATES, NULL) : json_object();

    if (!json_is_object(body)) {
        (void) fprintf(stderr, "--options: this is not a JSON object: %s\n", given);
        json_decref(body);
        return NULL;
    }
    json_object_set_new(body, "config", json_string(p->rest.items[0]));
    json_object_set_new(body, "kind", json_string(p->rest.items[1]));
    return body;
}

static int run_start(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward run CONFIG KIND [--options JSON] [--wait]\n\nStarts a run: import, train, "
        "trainFull, "
        "trainUpdate, retrain, batchInference, batchSegment, stopTraining, exportData, deleteData, "
        "observe, apply.",
        start_options, ARRAY_LEN(start_options), 2, 2
    };
    AUTO_PARSED struct parsed p = { .usage = &usage };
    AUTO_CLIENT struct client *c = NULL;
    AUTO_REPLY struct reply r = { 0 };
    AUTO_JSON json_t *body = NULL;
    AUTO_FREE char *text = NULL;
    struct request rq = { .method = "POST", .path = "/runs" };
    struct err e;
    int rc = parse(&p, argv);

    if (rc != CLI_GO_ON)
        return rc;
    body = run_body(&p);
    if (!body)
        return 2;
    text = json_compact(body);
    rq.body = text;
    rq.body_n = strlen(text);
    if (client_open(&p.options.client, &c, &e) || client_call(c, &rq, &r, &e))
        return cli_fail(&e);
    if (r.status >= 400) {
        client_print_problem(&r);
        return 1;
    }
    (void) printf("Started run %s\n", json_text_or(r.json, "id", ""));
    return p.options.wait ? follow_run(c, r.json, NULL) : 0;
}

/* ---- events ---- */

static void print_event(const json_t *event)
{
    AUTO_FREE char *data = json_compact(json_object_get(event, "data"));

    (void) printf("%s %-20s %-44s %s\n", json_text_or(event, "time", ""),
                  json_text_or(event, "type", ""), json_text_or(event, "subject", ""), data);
}

static bool on_event_line(void *context, const char *line)
{
    AUTO_JSON json_t *event = NULL;

    (void) context;
    if (!str_starts(line, "data:"))
        return true;
    event = json_loads(line + 5, 0, NULL);
    if (event)
        print_event(event);
    return fflush(stdout) == 0;
}

static void print_events(const json_t *body)
{
    const json_t *items = json_object_get(body, "items");

    for (size_t i = json_array_size(items); i-- > 0;)
        print_event(json_array_get(items, i));
}

static int run_events(char *const argv[])
{
    static const struct cli_usage usage = {
        "steward events [--follow] [--config NAME] [--type GLOB]\n\nPrints what happened, and with "
        "--follow what happens.",
        events_options, ARRAY_LEN(events_options), 0, 0
    };
    AUTO_PARSED struct parsed p = { .usage = &usage };
    AUTO_CLIENT struct client *c = NULL;
    AUTO_BUF struct buf path = { 0 };
    struct err e;
    int rc = parse(&p, argv);

    if (rc != CLI_GO_ON)
        return rc;
    buf_adds(&path, "/events");
    cli_add_parameter(&path, "config", p.options.config);
    cli_add_parameter(&path, "type", p.options.type);
    if (!p.options.follow) {
        cli_add_parameter(&path, "limit", p.options.limit);
        return show(&p, path.data, print_events);
    }
    if (client_open(&p.options.client, &c, &e) ||
        client_stream(c, path.data, on_event_line, NULL, &e))
        return cli_fail(&e);
    return 0;
}

const struct cli_command cli_commands[] = {
    { "apply", "FILE | --plan ID [--wait] [--prune]", "store a parameter file and bring it about",
      run_apply },
    { "plan", "FILE [--json|--markdown] [--save]", "what an apply would do (exit 2: changes)",
      cli_plan },
    { "import", "GROUP [--schedule …]", "make a config of a dataset group that exists",
      cli_import },
    { "validate", "FILE [--json]", "check a parameter file (offline)", run_validate },
    { "get", "[CONFIG]", "configs; one config's resources, metrics, schedules", run_get },
    { "versions", "CONFIG [VERSION [--from N]]", "history of a config; what a version changed",
      cli_versions },
    { "rollback", "CONFIG VERSION [--wait]", "an earlier document becomes the newest version",
      cli_rollback },
    { "delete", "CONFIG --resources keep|delete", "take a config down", cli_delete },
    { "run", "CONFIG KIND [--wait]", "start a run", run_start },
    { "runs", "list|get|watch|cancel|retry|approve …", "runs, and the questions of held ones",
      run_runs },
    { "schedules", "list|create|pause|next …", "schedules; next fires of an expression (offline)",
      cli_schedules },
    { "schedule", "", "the same", cli_schedules },
    { "pause", "[--reason TEXT] [--until TIME]", "stop spending, server-wide", cli_pause },
    { "resume", "", "spending goes on", cli_resume },
    { "events", "[--follow]", "what happened", run_events },
    { "triggers", "list|create|deliveries|test …", "signed messages from outside that start runs",
      cli_triggers },
    { "tokens", "list|create|rotate|revoke", "who may ask the server for what", cli_tokens },
};
const size_t n_cli_commands = ARRAY_LEN(cli_commands);
