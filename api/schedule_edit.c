/*
 * schedule_edit.c - schedules posted here: made, changed, paused, ended.
 *
 * A schedule of its own has a run kind and a config, and the members of a schedule object of the
 * parameter file, with the same rules. One that is written in a config's document is changed there;
 * what can be done here is to pause it.
 */
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"
#include "steward/config_rows.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/run_store.h"
#include "steward/schedules_store.h"

/* Columns of schedules_store_spec(). */
enum {
    SPEC_EXPRESSION,
    SPEC_ZONE,
    SPEC_NOW = 6,
    SPEC_CONFIG,
    SPEC_KIND,
    SPEC_OPTIONS,
    SPEC_PATH,
    SPEC_RETIRED,
    SPEC_POINTER,
    SPEC_NAME,
    SPEC_OVERLAP,
    SPEC_CATCH_UP,
    SPEC_DEADLINE,
    SPEC_JITTER,
    SPEC_START,
    SPEC_END,
    SPEC_ENABLED
};

/* clang-format off */
#define SPEC_MEMBERS                                                                               \
    { .name = "expression", .type = JSON_STRING },                                                 \
    { .name = "after", .type = JSON_STRING },                                                      \
    { .name = "timeZone", .type = JSON_STRING },                                                   \
    { .name = "startAt", .type = JSON_STRING },                                                    \
    { .name = "endAt", .type = JSON_STRING },                                                      \
    { .name = "overlap", .type = JSON_STRING },                                                    \
    { .name = "catchUp", .type = JSON_STRING },                                                    \
    { .name = "startingDeadlineSeconds", .type = JSON_INTEGER },                                   \
    { .name = "jitterSeconds", .type = JSON_INTEGER },                                             \
    { .name = "enabled", .type = JSON_TRUE }
#define N_SPEC_MEMBERS 10
/* clang-format on */
static const struct body_member post_members[] = {
    SPEC_MEMBERS,
    { .name = "name", .type = JSON_STRING, .max_length = 63 },
    { .name = "kind", .type = JSON_STRING, .is_required = true, .max_length = 40 },
    { .name = "options", .type = JSON_OBJECT },
    { .name = "config", .type = JSON_STRING, .is_required = true, .max_length = 63 },
};
static const struct body_member patch_members[] = {
    SPEC_MEMBERS,
    { .name = "name", .type = JSON_STRING, .max_length = 63 },
    { .name = "kind", .type = JSON_STRING, .max_length = 40 },
    { .name = "options", .type = JSON_OBJECT },
    { .name = "paused", .type = JSON_TRUE },
    { .name = "reason", .type = JSON_STRING, .max_length = 200 },
    { .name = "until", .type = JSON_STRING, .max_length = 40 },
};

struct edit {
    json_t *spec;    /* members of the schedule object */
    json_t *options; /* of the runs */
    json_t *removed; /* members that a patch set to null */
    const char *id, *config, *kind, *name;
    int64_t now_s;
    bool is_new, is_spec, is_pause;
    const char *row; /* as the store writes it */
    struct parameter_file file;
    struct plan plan;
};

static void edit_done(void *state)
{
    struct edit *s = state;

    json_decref(s->spec);
    json_decref(s->options);
    json_decref(s->removed);
    plan_done(&s->plan);
    parameter_file_done(&s->file);
}

static struct edit *edit_new(struct call *c)
{
    struct edit *s = arena_alloc(c->arena, sizeof *s);

    c->state = s;
    c->state_done = edit_done;
    s->id = c->match.params[0];
    s->removed = json_object();
    return s;
}

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

/* ---- what it says ---- */

static bool check_kind(struct call *c, struct findings *f, const char *name)
{
    enum run_kind kind;

    if (!run_kind_find(name, &kind))
        findings_add(f, "/kind", "bad-value", "There is no run kind \"%.40s\".", name);
    else if (!run_kind_is_supported(kind))
        findings_add(f, "/kind", "not-supported",
                     "This release can not start runs of the kind \"%s\" yet.", name);
    else if (kind == RUN_KIND_DESTROY || kind == RUN_KIND_PROMOTE)
        findings_add(f, "/kind", "bad-value",
                     "Runs of the kind \"%s\" have a route of their own and no schedule.", name);
    else if (kind == RUN_KIND_DELETE_DATA && !(c->who.scopes >> SCOPE_APPLY & 1))
        findings_add(f, "/kind", "forbidden", "Runs of the kind \"%s\" need the scope \"apply\".",
                     name);
    return f->count == 0;
}

/* Fills row from the specification; answers 422 and returns false when it is not good. */
static bool make_row(struct call *c, struct edit *s)
{
    struct file_schedule parsed;
    struct findings f = { 0 };
    AUTO_JSON json_t *row = NULL;
    AUTO_FREE char *text = NULL;

    (void) check_kind(c, &f, s->kind);
    if (file_schedule_parse(s->spec, &parsed, &f) && !parsed.is_after_import &&
        parsed.parsed.type == SCHEDULE_DELETE)
        findings_add(&f, "/expression", "bad-value",
                     "\"delete\" is no schedule; DELETE /schedules/{id} ends one.");
    if (answer_if_found(c, "invalid", &f))
        return false;
    row = config_rows_schedule_spec(&parsed, s->id, s->now_s);
    json_object_set_new(row, "config", json_string(s->config));
    json_object_set_new(row, "kind", json_string(s->kind));
    json_object_set_new(row, "name", s->name ? json_string(s->name) : json_null());
    json_object_set(row, "runOptions", s->options);
    text = json_compact(row);
    s->row = arena_strdup(c->arena, text);
    return true;
}

/* The row is (version, sha256, sync, state of the newest apply, document): can it be planned? */
static bool check_plan(struct call *c, struct edit *s, size_t op)
{
    const char *document = rows_text(c->reply, op, 0, 4);
    enum run_kind kind;
    struct err e;

    if (!document) {
        answer_field(c, "/config", "not-found",
                     arena_printf(c->arena, "There is no config \"%s\"; GET /configs lists them.",
                                  s->config));
        return false;
    }
    plan_done(&s->plan);
    parameter_file_done(&s->file);
    s->plan = (struct plan){ 0 };
    s->file = (struct parameter_file){ 0 };
    parameter_file_parse(document, strlen(document), &s->file);
    if (s->file.errors.count) {
        answer_findings(c, 422, "stored-config-invalid", &s->file.errors);
        return false;
    }
    if (!run_kind_find(s->kind, &kind) ||
        plan_build(&s->file, c->api->settings, kind, s->options, &s->plan, &e)) {
        answer_field(c, "/options", "cannot-plan", e.message);
        return false;
    }
    if (s->plan.n_steps)
        return true;
    answer_field(c, "/kind", "nothing-to-do",
                 "The config has nothing that a run of this kind would work on.");
    return false;
}

static void answer_dry_schedule(struct call *c, const struct edit *s)
{
    AUTO_JSON json_t *row = json_loads(s->row, 0, NULL);
    AUTO_JSON json_t *answer = NULL;
    const char *key;
    json_t *value;
    void *next;

    json_object_foreach_safe (row, next, key, value)
        if (json_is_null(value))
            json_object_del(row, key);
    json_object_set(row, "options", json_object_get(row, "runOptions"));
    json_object_del(row, "runOptions");
    if (s->is_new)
        json_object_del(row, "id");
    answer = json_pack("{s:b, s:O}", "dryRun", true, "schedule", row);
    answer_json(c, 200, answer);
}

/* ---- POST ---- */

/* The config's row; then the time. */
static void config_read(struct call *c)
{
    struct edit *s = c->state;
    char id[ID_BYTES];
    struct db_op ops[2];

    s->now_s = rows_int(c->reply, 1, 0, 0, 0);
    id_new("sch", id);
    s->id = arena_strdup(c->arena, id);
    if (!check_plan(c, s, 0) || !make_row(c, s))
        return;
    if (c->is_dry_run) {
        answer_dry_schedule(c, s);
        return;
    }
    schedules_store_put_own(s->row, true, &ops[0]);
    schedules_store_answer(s->id, &ops[1]);
    call_write(
        c, ops, ARRAY_LEN(ops),
        &(struct write_note){ .status = 201,
                              .location = arena_printf(c->arena, "/schedules/%s", s->id),
                              .detail = arena_printf(c->arena, "{\"schedule\":\"%s\"}", s->id),
                              .next = written });
}

static void read_config(struct call *c)
{
    const struct edit *s = c->state;
    struct db_op ops[2];

    configs_store_current(s->config, &ops[0]);
    configs_store_now(&ops[1]);
    call_read(c, ops, 2, config_read);
}

/* Moves the members of the specification that the body has into spec; true when there was one. */
static bool take_spec(const struct call *c, struct edit *s)
{
    bool has_any = false;

    for (size_t i = 0; i < N_SPEC_MEMBERS; i++) {
        const char *name = patch_members[i].name;
        json_t *value = json_object_get(c->body, name);

        if (!value && !json_object_get(s->removed, name))
            continue;
        has_any = true;
        if (value)
            json_object_set(s->spec, name, value);
        else
            json_object_del(s->spec, name);
    }
    return has_any;
}

static bool is_found(const struct findings *f, const char *pointer)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->items[i].pointer, pointer) == 0)
            return true;
    return false;
}

/* What the rules of a schedule find beside what the table of members has found already. */
static void check_spec(const json_t *spec, struct findings *f)
{
    struct file_schedule ignored;
    struct findings own = { 0 };

    (void) file_schedule_parse(spec, &ignored, &own);
    for (size_t i = 0; i < own.count; i++)
        if (!is_found(f, own.items[i].pointer))
            findings_add(f, own.items[i].pointer, own.items[i].code, "%s", own.items[i].detail);
    findings_done(&own);
}

void api_schedule_post(struct call *c)
{
    struct edit *s = edit_new(c);
    struct findings f = { 0 };

    if (!body_parse(c))
        return;
    body_check_object(&(struct body_object){ c->body, "" }, post_members, ARRAY_LEN(post_members),
                      &f);
    s->is_new = true;
    s->spec = json_object();
    (void) take_spec(c, s);
    s->options = json_object_get(c->body, "options")
                     ? json_incref(json_object_get(c->body, "options"))
                     : json_object();
    s->config = json_text(c->body, "config");
    s->kind = json_text(c->body, "kind");
    s->name = json_text(c->body, "name");
    if (s->kind)
        (void) check_kind(c, &f, s->kind);
    check_spec(s->spec, &f);
    if (!answer_if_found(c, "invalid", &f))
        call_begin_write(c, read_config);
}

/* ---- PATCH and DELETE ---- */

/* Live, and not somebody's document's when that matters. */
static bool check_editable(struct call *c, bool is_own_wanted)
{
    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "schedule", c->match.params[0]);
        return false;
    }
    if (rows_bool(c->reply, 0, 0, SPEC_RETIRED)) {
        answer_problem(c, 409, "schedule-retired", "This schedule has ended; its history stays.");
        return false;
    }
    if (!is_own_wanted || !rows_text(c->reply, 0, 0, SPEC_PATH))
        return check_if_match(c, 1, 0, "schedule");
    answer_problemf(
        c, 409, "owned-by-config",
        "This schedule is written in the document of the config \"%s\" at %s: change it "
        "there and send the document (PUT /configs/%s). Here it can be paused.",
        rows_text(c->reply, 0, 0, SPEC_CONFIG), rows_text(c->reply, 0, 0, SPEC_POINTER),
        rows_text(c->reply, 0, 0, SPEC_CONFIG));
    return false;
}

static void keep_text(struct call *c, json_t *spec, const char *name, int column)
{
    const char *text = rows_text(c->reply, 0, 0, column);

    if (text)
        json_object_set_new(spec, name, json_string(text));
}

/* The stored specification, with what the body changes. */
static void merge(struct call *c, struct edit *s)
{
    const char *expression = rows_text(c->reply, 0, 0, SPEC_EXPRESSION);
    const json_t *options = json_object_get(c->body, "options");

    json_decref(s->spec);
    json_decref(s->options);
    s->spec = json_object();
    if (str_eq(expression, "after import"))
        json_object_set_new(s->spec, "after", json_string("import"));
    else
        json_object_set_new(s->spec, "expression", json_string(expression));
    keep_text(c, s->spec, "timeZone", SPEC_ZONE);
    keep_text(c, s->spec, "startAt", SPEC_START);
    keep_text(c, s->spec, "endAt", SPEC_END);
    keep_text(c, s->spec, "overlap", SPEC_OVERLAP);
    keep_text(c, s->spec, "catchUp", SPEC_CATCH_UP);
    if (rows_text(c->reply, 0, 0, SPEC_DEADLINE))
        json_object_set_new(s->spec, "startingDeadlineSeconds",
                            json_integer(rows_int(c->reply, 0, 0, SPEC_DEADLINE, 0)));
    json_object_set_new(s->spec, "jitterSeconds",
                        json_integer(rows_int(c->reply, 0, 0, SPEC_JITTER, 0)));
    json_object_set_new(s->spec, "enabled", json_boolean(rows_bool(c->reply, 0, 0, SPEC_ENABLED)));
    /* One of the two says when: the new one takes the place of the other. */
    if (json_object_get(c->body, "after") && !json_object_get(c->body, "expression"))
        json_object_del(s->spec, "expression");
    if (json_object_get(c->body, "expression") && !json_object_get(c->body, "after"))
        json_object_del(s->spec, "after");
    (void) take_spec(c, s);
    s->options = options ? json_incref((json_t *) options)
                         : json_loads(rows_text(c->reply, 0, 0, SPEC_OPTIONS), 0, NULL);
    s->config = arena_strdup(c->arena, rows_text(c->reply, 0, 0, SPEC_CONFIG));
    s->kind =
        arena_strdup(c->arena, json_text_or(c->body, "kind", rows_text(c->reply, 0, 0, SPEC_KIND)));
    s->name = json_text(c->body, "name");
    if (!s->name && !json_object_get(s->removed, "name") && rows_text(c->reply, 0, 0, SPEC_NAME))
        s->name = arena_strdup(c->arena, rows_text(c->reply, 0, 0, SPEC_NAME));
    s->now_s = rows_int(c->reply, 0, 0, SPEC_NOW, 0);
}

static void fill_event(struct call *c, const struct edit *s, bool is_paused, struct db_op *op)
{
    AUTO_JSON json_t *data =
        json_pack("{s:s, s:s*, s:s*}", "schedule", s->id, "reason", json_text(c->body, "reason"),
                  "until", json_text(c->body, "until"));

    event_store_insert(
        c->arena,
        &(struct event_new){ .type = is_paused ? "schedule.paused" : "schedule.resumed",
                             .subject = arena_printf(c->arena, "schedules/%s", s->id),
                             .config = s->config,
                             .data = data },
        op);
}

static void write_patch(struct call *c, struct edit *s)
{
    bool is_paused = json_bool_or(c->body, "paused", false);
    struct db_op ops[4 + SCHEDULES_STORE_FENCE_OPS];
    size_t n;

    if (c->is_dry_run && s->is_spec) {
        answer_dry_schedule(c, s);
        return;
    }
    if (c->is_dry_run) {
        schedules_store_read(s->id, ops);
        call_read(c, ops, 1, written);
        return;
    }
    n = schedules_store_fence(s->id, c->fence_sha256, ops);
    if (s->is_spec)
        schedules_store_put_own(s->row, false, &ops[n++]);
    if (s->is_pause && is_paused)
        schedules_store_pause(s->id, json_text(c->body, "until"), json_text(c->body, "reason"),
                              c->who.token_id, &ops[n++]);
    else if (s->is_pause)
        schedules_store_resume(s->id, &ops[n++]);
    if (s->is_pause)
        fill_event(c, s, is_paused, &ops[n++]);
    schedules_store_answer(s->id, &ops[n++]);
    call_write(
        c, ops, n,
        &(struct write_note){ .status = 200,
                              .detail = arena_printf(c->arena, "{\"schedule\":\"%s\"}", s->id),
                              .next = written });
}

static void config_of_patch_read(struct call *c)
{
    struct edit *s = c->state;

    if (check_plan(c, s, 0) && make_row(c, s))
        write_patch(c, s);
}

static void spec_read(struct call *c)
{
    struct edit *s = c->state;
    struct db_op op;

    if (!check_editable(c, s->is_spec))
        return;
    s->config = arena_strdup(c->arena, rows_text(c->reply, 0, 0, SPEC_CONFIG));
    if (!s->is_spec) {
        write_patch(c, s);
        return;
    }
    merge(c, s);
    configs_store_current(s->config, &op);
    call_read(c, &op, 1, config_of_patch_read);
}

static void read_spec(struct call *c)
{
    struct db_op ops[2];

    ((struct edit *) c->state)->id = c->match.params[0];
    c->note.status = 200;
    c->answer_op = 0;
    schedules_store_spec(c->match.params[0], &ops[0]);
    schedules_store_read(c->match.params[0], &ops[1]);
    call_read(c, ops, ARRAY_LEN(ops), spec_read);
}

/* null takes a member away; what is left is checked. */
static void strip_nulls(struct call *c, struct edit *s)
{
    const char *name;
    json_t *value;
    void *next;

    json_object_foreach_safe (c->body, next, name, value) {
        if (!json_is_null(value))
            continue;
        json_object_set_new(s->removed, name, json_true());
        json_object_del(c->body, name);
    }
}

static bool check_patch(struct call *c, struct edit *s)
{
    static const char *const spec_only[] = { "name", "kind", "options" };
    const char *until = json_text(c->body, "until");
    struct findings f = { 0 };
    int64_t ms;

    s->is_pause = json_object_get(c->body, "paused") != NULL;
    s->spec = json_object();
    s->is_spec = take_spec(c, s) || json_object_get(s->removed, "name");
    for (size_t i = 0; i < ARRAY_LEN(spec_only); i++)
        s->is_spec |= json_object_get(c->body, spec_only[i]) != NULL;
    if (until && !clock_parse(until, &ms))
        findings_add(&f, "/until", "bad-value",
                     "\"until\" is a time such as 2026-11-24T06:00:00Z.");
    if (!s->is_pause && !s->is_spec)
        findings_add(
            &f, "", "missing",
            "Nothing to change: \"paused\" pauses and resumes, \"expression\" and the other "
            "members change what it says.");
    else if (!s->is_pause && (until || json_text(c->body, "reason")))
        findings_add(&f, "/paused", "missing", "\"reason\" and \"until\" belong to \"paused\".");
    return !answer_if_found(c, "invalid", &f);
}

static void begin_patch(struct call *c)
{
    call_begin_write(c, read_spec);
}

void api_schedule_patch(struct call *c)
{
    struct edit *s = edit_new(c);

    if (!body_parse(c))
        return;
    strip_nulls(c, s);
    if (body_check(c, patch_members, ARRAY_LEN(patch_members)) && check_patch(c, s))
        schedule_find(c, begin_patch);
}

static void retired(struct call *c)
{
    http_respond(c->rq, 204, NULL, "", 0);
}

static void spec_to_end_read(struct call *c)
{
    const char *id = c->match.params[0];
    struct db_op ops[2 + SCHEDULES_STORE_FENCE_OPS];
    size_t n;

    if (!check_editable(c, true))
        return;
    if (c->is_dry_run) {
        retired(c);
        return;
    }
    n = schedules_store_fence(id, c->fence_sha256, ops);
    schedules_store_retire_own(id, &ops[n++]);
    schedules_store_answer(id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 204,
                                     .detail = arena_printf(c->arena, "{\"schedule\":\"%s\"}", id),
                                     .next = retired });
}

static void read_spec_to_end(struct call *c)
{
    struct db_op ops[2];

    schedules_store_spec(c->match.params[0], &ops[0]);
    schedules_store_read(c->match.params[0], &ops[1]);
    call_read(c, ops, ARRAY_LEN(ops), spec_to_end_read);
}

static void begin_delete(struct call *c)
{
    call_begin_write(c, read_spec_to_end);
}

void api_schedule_delete(struct call *c)
{
    schedule_find(c, begin_delete);
}
