/*
 * run_write.c - starting and cancelling runs.
 */
#include <string.h>

#include "api_private.h"
#include "config_left.h"
#include "config_write.h"
#include "run_start.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/pause_store.h"
#include "steward/run_store.h"
#include "steward/runs_store.h"
#include "steward/tokens_store.h"

/* clang-format off */
#define INPUTS                                                                                     \
    { .name = "solutions", .type = JSON_ARRAY },                                                   \
    { .name = "datasets", .type = JSON_ARRAY },                                                    \
    { .name = "jobs", .type = JSON_ARRAY },                                                        \
    { .name = "mode", .type = JSON_STRING },                                                       \
    { .name = "import", .type = JSON_STRING },                                                     \
    { .name = "batch", .type = JSON_TRUE },                                                        \
    { .name = "force", .type = JSON_TRUE },                                                        \
    { .name = "destination", .type = JSON_STRING, .max_length = 256 },                             \
    { .name = "ingestionMode", .type = JSON_STRING },                                              \
    { .name = "dataLocation", .type = JSON_STRING, .max_length = 256 },                            \
    { .name = "confirm", .type = JSON_TRUE },                                                      \
    { .name = "prune", .type = JSON_TRUE }
/* clang-format on */
/* Members of the body; all but config and kind are options of the plan. */
static const struct body_member run_members[] = {
    INPUTS,
    { .name = "config", .type = JSON_STRING, .is_required = true, .max_length = 63 },
    { .name = "kind", .type = JSON_STRING, .is_required = true, .max_length = 40 },
};
static const struct body_member option_members[] = { INPUTS };

static void start_done(void *state)
{
    struct run_start *s = state;

    plan_done(&s->plan);
    parameter_file_done(&s->file);
    json_decref(s->options);
}

static void check_words(struct findings *f, const struct body_object *at, const char *name,
                        const char *const *words)
{
    const char *text = json_text(at->object, name);
    char pointer[POINTER_BYTES];

    if (!text)
        return;
    for (; *words; words++)
        if (str_eq(*words, text))
            return;
    (void) str_copy(pointer, sizeof pointer, at->pointer);
    (void) json_pointer_key(pointer, sizeof pointer, name);
    findings_add(f, pointer, "bad-value", "\"%s\" can not be \"%.60s\".", name, text);
}

static void check_texts(struct findings *f, const struct body_object *at, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(at->object, name), i, item) {
        char pointer[POINTER_BYTES];

        if (json_is_string(item))
            continue;
        (void) str_copy(pointer, sizeof pointer, at->pointer);
        (void) json_pointer_key(pointer, sizeof pointer, name);
        (void) json_pointer_index(pointer, sizeof pointer, i);
        findings_add(f, pointer, "wrong-type", "\"%s\" holds names, not %s.", name,
                     json_type_words(item));
    }
}

/* jobs may be given as numbers: [0, 2]. */
static void jobs_as_texts(json_t *options)
{
    json_t *jobs = json_object_get(options, "jobs"), *item;
    size_t i;

    json_array_foreach (jobs, i, item) {
        char number[24];

        if (!json_is_integer(item))
            continue;
        (void) snprintf(number, sizeof number, "%lld", (long long) json_integer_value(item));
        json_array_set_new(jobs, i, json_string(number));
    }
}

static void missing(struct findings *f, const struct body_object *at, const char *name,
                    const char *detail)
{
    char pointer[POINTER_BYTES];

    (void) str_copy(pointer, sizeof pointer, at->pointer);
    (void) json_pointer_key(pointer, sizeof pointer, name);
    findings_add(f, pointer, "missing", "%s", detail);
}

/* What can not be undone is confirmed. */
static void check_deletion(struct findings *f, const struct body_object *at)
{
    if (!json_bool_or(at->object, "confirm", false))
        missing(f, at, "confirm", "A deletion of data can not be undone: say \"confirm\": true.");
    if (!json_text(at->object, "dataLocation"))
        missing(f, at, "dataLocation",
                "The s3:// address of a CSV file with a column USER_ID is needed.");
}

/* Which kinds of run an input is for; elsewhere it would be ignored without a word. */
static const struct {
    const char *name;
    unsigned kinds;
} uses[] = {
#define OF(kind) (1U << RUN_KIND_##kind)
#define OF_TRAINING \
    (OF(TRAIN) | OF(TRAIN_FULL) | OF(TRAIN_UPDATE) | OF(RETRAIN) | OF(STOP_TRAINING))
#define OF_BATCH (OF(BATCH_INFERENCE) | OF(BATCH_SEGMENT))
#define OF_WHOLE (OF(APPLY) | OF(OBSERVE) | OF(RETRAIN))
    { "solutions", OF_WHOLE | OF_TRAINING | OF_BATCH },
    { "datasets", OF_WHOLE | OF(IMPORT) | OF(EXPORT_DATA) },
    { "jobs", OF_WHOLE | OF_BATCH },
    { "mode", OF(RETRAIN) },
    { "import", OF(APPLY) | OF(IMPORT) | OF(RETRAIN) },
    { "batch", OF(RETRAIN) },
    { "force", OF(APPLY) | OF(IMPORT) | OF(RETRAIN) },
    { "destination", OF(EXPORT_DATA) },
    { "ingestionMode", OF(EXPORT_DATA) },
    { "dataLocation", OF(DELETE_DATA) },
    { "confirm", OF(DELETE_DATA) },
    { "prune", OF(APPLY) },
};

static void check_uses(struct findings *f, const struct body_object *at, enum run_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
        char pointer[POINTER_BYTES];

        if (!json_object_get(at->object, uses[i].name) || uses[i].kinds >> kind & 1U)
            continue;
        (void) str_copy(pointer, sizeof pointer, at->pointer);
        (void) json_pointer_key(pointer, sizeof pointer, uses[i].name);
        findings_add(f, pointer, "bad-value", "A run of the kind \"%s\" has no use for \"%s\".",
                     run_kind_name(kind), uses[i].name);
    }
}

static void check_address(struct findings *f, const struct body_object *at, const char *name)
{
    const char *text = json_text(at->object, name);
    char pointer[POINTER_BYTES];

    if (!text || (str_starts(text, "s3://") && text[5] && text[5] != '/'))
        return;
    (void) str_copy(pointer, sizeof pointer, at->pointer);
    (void) json_pointer_key(pointer, sizeof pointer, name);
    findings_add(f, pointer, "bad-value", "\"%.60s\" is not in S3; write s3://bucket/folder/.",
                 text);
}

/* What the table of members can not say. */
static void check_inputs(struct findings *f, const struct body_object *at)
{
    static const char *const modes[] = { "full", "update", NULL };
    static const char *const imports[] = { "ifNewer", "force", "skip", NULL };
    static const char *const ingestions[] = { "BULK", "PUT", "ALL", NULL };

    check_words(f, at, "mode", modes);
    check_words(f, at, "import", imports);
    check_words(f, at, "ingestionMode", ingestions);
    check_texts(f, at, "solutions");
    check_texts(f, at, "datasets");
    check_texts(f, at, "jobs");
    check_address(f, at, "destination");
    check_address(f, at, "dataLocation");
}

void run_options_check(json_t *options, enum run_kind kind, const char *pointer, struct findings *f)
{
    const struct body_object at = { options, pointer };

    body_check_object(&at, option_members, ARRAY_LEN(option_members), f);
    jobs_as_texts(options);
    check_inputs(f, &at);
    check_uses(f, &at, kind);
    if (kind == RUN_KIND_DELETE_DATA)
        check_deletion(f, &at);
}

bool run_kind_deletes(enum run_kind kind, const json_t *options)
{
    return kind == RUN_KIND_DESTROY || kind == RUN_KIND_DELETE_DATA ||
           json_bool_or(options, "prune", false);
}

/* Kinds that have a route of their own, with parameters that a run has no place for. */
static const char *other_route(enum run_kind kind)
{
    switch ((int) kind) {
    case RUN_KIND_ADOPT:
        return "A dataset group that exists is taken over by POST /configs/import.";
    case RUN_KIND_DESTROY:
        return "A config is taken down by DELETE /configs/{name}?resources=delete.";
    case RUN_KIND_PROMOTE:
        return "A version is promoted by POST /configs/{name}/campaigns/{campaign}/promote.";
    default:
        return NULL;
    }
}

static bool take_body(struct call *c, struct run_start *s)
{
    struct findings f = { 0 };

    if (!body_parse(c) || !body_check(c, run_members, ARRAY_LEN(run_members)))
        return false;
    s->options = json_clone(c->body);
    json_object_del(s->options, "config");
    json_object_del(s->options, "kind");
    jobs_as_texts(s->options);
    check_inputs(&f, &(struct body_object){ s->options, "" });
    s->config = json_text(c->body, "config");
    if (!run_kind_find(json_text(c->body, "kind"), &s->kind))
        findings_add(&f, "/kind", "bad-value", "There is no run kind \"%.40s\".",
                     json_text(c->body, "kind"));
    else if (!other_route(s->kind)) /* after the scope */
        check_uses(&f, &(struct body_object){ s->options, "" }, s->kind);
    if (s->kind == RUN_KIND_DELETE_DATA)
        check_deletion(&f, &(struct body_object){ c->body, "" });
    return !answer_if_found(c, "invalid", &f);
}

/* What deletes is a change of the desired state, not the operation of it. */
static bool may_start(struct call *c, enum run_kind kind)
{
    if (!run_kind_deletes(kind, c->body) || c->who.scopes >> SCOPE_APPLY & 1)
        return true;
    answer_problemf(c, 403, "forbidden", "Runs of the kind \"%s\" need the scope \"apply\".",
                    run_kind_name(kind));
    return false;
}

static bool has_no_other_route(struct call *c, enum run_kind kind)
{
    const char *route = other_route(kind);

    if (route)
        answer_field(c, "/kind", "bad-value", route);
    return !route;
}

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void answer_trial(struct call *c, const struct run_start *s, const char *version)
{
    AUTO_JSON json_t *steps = config_plan_json(&s->plan);
    AUTO_JSON json_t *answer =
        json_pack("{s:b, s:s, s:s, s:s, s:O}", "dryRun", true, "config", s->config, "configVersion",
                  version, "kind", run_kind_name(s->kind), "steps", steps);

    answer_json(c, 200, answer);
}

static bool plan_stored(struct call *c, struct run_start *s)
{
    const char *document = rows_text(c->reply, 0, 0, 4);
    struct err e;

    plan_done(&s->plan);
    parameter_file_done(&s->file);
    s->plan = (struct plan){ 0 };
    s->file = (struct parameter_file){ 0 };
    parameter_file_parse(document, strlen(document), &s->file);
    if (s->file.errors.count) {
        answer_findings(c, 422, "stored-config-invalid", &s->file.errors);
        return false;
    }
    if (plan_build(&s->file, c->api->settings, s->kind, s->options, &s->plan, &e)) {
        answer_field(c, "", "cannot-plan", e.message);
        return false;
    }
    if (s->plan.n_steps)
        return true;
    answer_field(c, "/kind", "nothing-to-do",
                 "The config has nothing that a run of this kind would work on.");
    return false;
}

static void start_planned(struct call *c)
{
    struct run_start *s = c->state;
    struct db_op ops[CALL_OPS_MAX];
    size_t n = 0;

    if (c->is_dry_run) {
        answer_trial(c, s, s->version);
        return;
    }
    s->run = (struct run_new){ .config = s->config,
                               .config_version = strtoll(s->version, NULL, 10),
                               .kind = s->kind,
                               .trigger = "api",
                               .schedule_id = s->schedule_id,
                               .overlap = "queue",
                               .created_by = c->who.token_id,
                               .options = s->options };
    id_new("run", s->run.id);
    configs_store_fence(s->config, s->version, &ops[n++]);
    n += run_store_insert(c->arena, &s->run, &s->plan, ops + n);
    runs_store_answer(s->run.id, &ops[n++]);
    call_write(
        c, ops, n,
        &(struct write_note){ .status = 202,
                              .location = arena_printf(c->arena, "/runs/%s", s->run.id),
                              .detail = arena_printf(c->arena, "{\"run\":\"%s\",\"kind\":\"%s\"}",
                                                     s->run.id, run_kind_name(s->kind)),
                              .next = written });
}

static void left_read(struct call *c)
{
    struct run_start *s = c->state;

    if (config_left_plan(c, 0, &s->plan, LEFTOVER_DELETE))
        start_planned(c);
}

/* The row is (version, sha256, sync, state of the newest apply, document); then the pause. */
static void config_read(struct call *c)
{
    struct run_start *s = c->state;
    const char *version = rows_text(c->reply, 0, 0, 0);
    struct db_op op;

    if (!version) {
        answer_field(c, "/config", "not-found",
                     arena_printf(c->arena, "There is no config \"%s\"; GET /configs lists them.",
                                  s->config));
        return;
    }
    if ((run_kind_buys(s->kind) && answer_if_paused(c, 1)) || !plan_stored(c, s))
        return;
    s->version = arena_strdup(c->arena, version);
    if (s->kind == RUN_KIND_APPLY && json_bool_or(s->options, "prune", false)) {
        config_left_read(c, &s->file, &op);
        call_read(c, &op, 1, left_read);
    } else {
        start_planned(c);
    }
}

void run_start_read(struct call *c)
{
    struct run_start *s = c->state;
    struct db_op ops[2];

    configs_store_current(s->config, &ops[0]);
    pause_store_read(&ops[1]);
    call_read(c, ops, 2, config_read);
}

struct run_start *run_start_new(struct call *c)
{
    struct run_start *s = arena_alloc(c->arena, sizeof *s);

    c->state = s;
    c->state_done = start_done;
    return s;
}

void api_run_post(struct call *c)
{
    struct run_start *s = run_start_new(c);

    if (take_body(c, s) && may_start(c, s->kind) && has_no_other_route(c, s->kind))
        call_begin_write(c, run_start_read);
}

/* ---- cancel ---- */

static const struct body_member cancel_members[] = {
    { .name = "reason", .type = JSON_STRING, .max_length = 200 },
    { .name = "stopTraining", .type = JSON_TRUE },
};

static void answer_run(struct call *c, int status)
{
    http_set_header(c->rq, "Location", arena_printf(c->arena, "/runs/%s", c->match.params[0]));
    answer_text(c, status, rows_text(c->reply, 0, 0, 1), rows_length(c->reply, 0, 0, 1));
}

/* The row is (state, json). */
static void run_state_read(struct call *c)
{
    const char *id = c->match.params[0], *state = rows_text(c->reply, 0, 0, 0);
    const struct run_cancel cancel = {
        .id = id,
        .reason = json_text_or(c->body, "reason", "Cancelled on request."),
        .stops = json_bool_or(c->body, "stopTraining", false),
    };
    struct db_op ops[CALL_OPS_MAX];
    size_t n;

    if (!state) {
        answer_not_found(c, "run", id);
        return;
    }
    if (str_eq(state, "cancelling") || str_eq(state, "cancelled")) {
        answer_run(c, c->is_dry_run ? 200 : 202); /* said once is enough */
        return;
    }
    if (!str_eq(state, "queued") && !str_eq(state, "running")) {
        answer_problemf(c, 409, "run-finished",
                        "The run has %s already; nothing is left to cancel.", state);
        return;
    }
    if (c->is_dry_run) {
        answer_run(c, 200);
        return;
    }
    n = runs_store_cancel(c->arena, &cancel, ops);
    runs_store_answer(id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 202,
                                     .location = arena_printf(c->arena, "/runs/%s", id),
                                     .detail = arena_printf(c->arena, "{\"run\":\"%s\"}", id),
                                     .next = written });
}

static void read_state(struct call *c)
{
    struct db_op op;

    runs_store_summary(c->match.params[0], &op);
    call_read(c, &op, 1, run_state_read);
}

void api_run_cancel(struct call *c)
{
    if (!id_is_valid("run", c->match.params[0])) {
        answer_not_found(c, "run", c->match.params[0]);
        return;
    }
    if (body_parse(c) && body_check(c, cancel_members, ARRAY_LEN(cancel_members)))
        call_begin_write(c, read_state);
}
