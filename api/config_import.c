/*
 * config_import.c - a config from what exists in Amazon Personalize.
 *
 * A run reads the dataset group with all it has; the engine checks and stores the parameter file
 * that comes of it, without an apply: nothing in Amazon Personalize is touched. The request waits
 * half a minute for that, else the run's address is answered, and the config comes all the same.
 */
#include "api_private.h"
#include "config_write.h"
#include "steward/clock.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/parameter_file.h"
#include "steward/run_store.h"
#include "steward/runs_store.h"
#include "steward/schedule.h"

#define WAIT_MS 30000
#define POLL_MS 200 /* between the end of the reading and the config */

struct import_call {
    const char *group, *run_id;
    json_t *options; /* of the run; owned */
    int64_t deadline_ms;
    struct feed_waiter waiter;
};

static const struct body_member members[] = {
    { .name = "datasetGroup", .type = JSON_STRING, .is_required = true, .max_length = 63 },
    { .name = "schedules", .type = JSON_OBJECT },
    { .name = "message", .type = JSON_STRING, .max_length = 500 },
};

static void look(struct call *c);

static void state_done(void *state)
{
    json_decref(((struct import_call *) state)->options);
}

static void woken(struct feed_waiter *w)
{
    look(w->call);
}

/* ---- what came of it ---- */

static void answer_refusal(struct call *c, const json_t *outcome)
{
    struct findings f = { 0 };
    size_t i;
    json_t *item;

    json_array_foreach (json_object_get(outcome, "errors"), i, item)
        findings_add(&f, json_text_or(item, "pointer", ""), json_text_or(item, "code", ""), "%s",
                     json_text_or(item, "detail", ""));
    if (f.count)
        answer_findings(c, (int) json_int_or(outcome, "status", 422),
                        json_text_or(outcome, "code", "cannot-import"), &f);
    else
        answer_problem(c, (int) json_int_or(outcome, "status", 422),
                       json_text_or(outcome, "code", "cannot-import"),
                       json_text_or(outcome, "detail", "The import was not stored."));
    findings_done(&f);
}

static void answer_read(struct call *c)
{
    answer_text(c, 201, rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0));
}

static void answer_stored(struct call *c, const json_t *outcome)
{
    const struct import_call *s = c->state;
    AUTO_FREE char *warnings = json_compact(json_object_get(outcome, "warnings"));
    struct db_op op;

    http_set_header(c->rq, "Location", arena_printf(c->arena, "/configs/%s", s->group));
    configs_store_answer(s->group, NULL, arena_strdup(c->arena, warnings), &op);
    call_read(c, &op, 1, answer_read);
}

/* False: the reading is over, and the config not there yet. */
static bool over(struct call *c, const json_t *run)
{
    const json_t *step = json_array_get(json_object_get(run, "steps"), 0);
    const json_t *details = json_object_get(step, "details");
    const json_t *outcome = json_object_get(details, "outcome");

    if (!json_object_get(details, "document"))
        answer_field(c, "/datasetGroup", "cannot-import",
                     json_text_or(step, "reason", "The dataset group could not be read."));
    else if (!outcome)
        return false;
    else if (json_bool_or(outcome, "stored", false))
        answer_stored(c, outcome);
    else
        answer_refusal(c, outcome);
    return true;
}

/* ---- waiting for it ---- */

static void wait_more(struct call *c, bool is_read)
{
    struct import_call *s = c->state;
    int64_t now = clock_mono_ms();

    s->waiter = (struct feed_waiter){ .call = c, .run_id = s->run_id, .wake = woken };
    s->waiter.deadline_ms =
        is_read && now + POLL_MS < s->deadline_ms ? now + POLL_MS : s->deadline_ms;
    feed_wait(c->api->feed, &s->waiter);
}

static void run_read(struct call *c)
{
    struct import_call *s = c->state;
    const char *text = rows_text(c->reply, 0, 0, 0);
    bool is_over = rows_bool(c->reply, 0, 0, 1);
    AUTO_JSON json_t *run = NULL;
    struct err e;

    if (!text || json_parse(text, rows_length(c->reply, 0, 0, 0), &run, NULL, &e)) {
        answer_problem(c, 500, "internal", "The run of the import cannot be read.");
    } else if (is_over && over(c, run)) {
        return;
    } else if (clock_mono_ms() >= s->deadline_ms) {
        http_set_header(c->rq, "Location", arena_printf(c->arena, "/runs/%s", s->run_id));
        answer_text(c, 202, text, rows_length(c->reply, 0, 0, 0));
    } else {
        wait_more(c, is_over);
    }
}

static void look(struct call *c)
{
    const struct import_call *s = c->state;
    struct db_op op;

    runs_store_read(s->run_id, &op);
    call_read(c, &op, 1, run_read);
}

/* ---- starting it ---- */

static void start(struct call *c)
{
    struct import_call *s = c->state;
    struct run_new run = { .kind = RUN_KIND_ADOPT,
                           .trigger = "api",
                           .overlap = "queue",
                           .created_by = c->who.token_id,
                           .options = s->options };
    struct db_op ops[CALL_OPS_MAX];
    struct plan plan;
    size_t n;

    if (rows_count(c->reply, 0)) {
        answer_problemf(c, 409, "exists",
                        "There is a config \"%s\" already; GET /configs/%s/plan compares it with "
                        "what exists.",
                        s->group, s->group);
        return;
    }
    plan_import_group(s->group, &plan);
    if (c->is_dry_run) {
        AUTO_JSON json_t *steps = config_plan_json(&plan);

        plan_done(&plan);
        answer_dry_run(
            c, json_pack("{s:s, s:s, s:O}", "config", s->group, "kind", "adopt", "steps", steps));
        return;
    }
    id_new("run", run.id);
    s->run_id = arena_strdup(c->arena, run.id);
    n = run_store_insert(c->arena, &run, &plan, ops);
    plan_done(&plan);
    s->deadline_ms = clock_mono_ms() + WAIT_MS;
    http_extend(c->rq, WAIT_MS + 10000);
    call_write(c, ops, n,
               &(struct write_note){
                   .status = 202,
                   .detail = arena_printf(c->arena, "{\"run\":\"%s\",\"kind\":\"adopt\"}", run.id),
                   .next = look });
}

static void begin(struct call *c)
{
    const struct import_call *s = c->state;
    struct db_op op;

    configs_store_exists(s->group, &op);
    call_read(c, &op, 1, start);
}

/* ---- the body ---- */

static void check_expression(struct findings *f, const char *pointer, const json_t *value)
{
    struct schedule_expression parsed;
    struct err e;

    if (!json_is_string(value))
        findings_add(f, pointer, "wrong-type",
                     "A schedule is a string such as \"cron(0 4 * * ? *)\".");
    else if (schedule_parse(json_string_value(value), &parsed, NULL, &e))
        findings_add(f, pointer, "bad-schedule", "%s", e.message);
}

static void check_solution(struct findings *f, const char *name, const json_t *given)
{
    char base[POINTER_BYTES] = "/schedules/solutions";
    const char *key;
    json_t *value;

    (void) json_pointer_key(base, sizeof base, name);
    if (!json_is_object(given)) {
        findings_add(f, base, "wrong-type",
                     "Write {\"full\": \"cron(…)\", \"update\": \"cron(…)\"}.");
        return;
    }
    json_object_foreach ((json_t *) given, key, value) {
        char pointer[POINTER_BYTES];

        (void) str_copy(pointer, sizeof pointer, base);
        (void) json_pointer_key(pointer, sizeof pointer, key);
        if (!str_eq(key, "full") && !str_eq(key, "update"))
            findings_add(f, pointer, "unknown-field",
                         "A solution has the schedules full and update.");
        else
            check_expression(f, pointer, value);
    }
}

static bool check_schedules(struct call *c, const json_t *schedules)
{
    struct findings f = { 0 };
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) schedules, key, value) {
        char pointer[POINTER_BYTES] = "/schedules";
        const char *name;
        json_t *given;

        (void) json_pointer_key(pointer, sizeof pointer, key);
        if (str_eq(key, "import"))
            check_expression(&f, pointer, value);
        else if (!str_eq(key, "solutions"))
            findings_add(&f, pointer, "unknown-field", "There are import and solutions.");
        else if (!json_is_object(value))
            findings_add(&f, pointer, "wrong-type", "Write {solution: {\"full\": \"cron(…)\"}}.");
        else
            json_object_foreach (value, name, given)
                check_solution(&f, name, given);
    }
    return !answer_if_found(c, "invalid", &f);
}

void api_config_import(struct call *c)
{
    struct import_call *s = arena_alloc(c->arena, sizeof *s);
    const json_t *message;

    c->state = s;
    c->state_done = state_done;
    if (!body_parse(c) || !body_check(c, members, ARRAY_LEN(members)) ||
        !check_schedules(c, json_object_get(c->body, "schedules")))
        return;
    s->group = json_text(c->body, "datasetGroup");
    s->options = json_pack("{s:s}", "datasetGroup", s->group);
    message = json_object_get(c->body, "message");
    if (message)
        json_object_set(s->options, "message", (json_t *) message);
    if (json_object_get(c->body, "schedules"))
        json_object_set(s->options, "schedules", json_object_get(c->body, "schedules"));
    c->idempotency_key = NULL; /* reading again is harmless, and its answer is about now */
    c->on_stale = begin;
    begin(c);
}
