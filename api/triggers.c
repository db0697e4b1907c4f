/*
 * triggers.c - triggers: what may start a run from outside, made, changed, rotated. A secret is
 * shown once, when it is made or rotated; it is kept sealed, a bearer's only as its hash.
 */
#include <string.h>

#include "item.h"
#include "run_start.h"
#include "steward/configs_store.h"
#include "steward/hook_auth.h"
#include "steward/id.h"
#include "steward/plan.h"
#include "steward/secret_box.h"
#include "steward/sns_message.h"
#include "steward/triggers_store.h"
#include "steward/webhook_sign.h"

#define DAY INT64_C(86400)

/* Columns of triggers_store_read(). */
enum { T_AUTH = ITEM_OWN_COLUMNS, T_CONFIG, T_KIND, T_OPTIONS, T_SECRET };

/* clang-format off */
#define CHANGEABLE                                                                                 \
    { .name = "name", .type = JSON_STRING, .max_length = 100 },                                    \
    { .name = "options", .type = JSON_OBJECT },                                                    \
    { .name = "topicArn", .type = JSON_STRING, .max_length = 512 },                                \
    { .name = "cooldownSeconds", .type = JSON_INTEGER },                                           \
    { .name = "maxPerDay", .type = JSON_INTEGER },                                                 \
    { .name = "dedupeWindowSeconds", .type = JSON_INTEGER },                                       \
    { .name = "quietSeconds", .type = JSON_INTEGER },                                              \
    { .name = "enabled", .type = JSON_TRUE }
/* clang-format on */
static const struct body_member make_members[] = {
    CHANGEABLE,
    { .name = "config", .type = JSON_STRING, .is_required = true, .max_length = 63 },
    { .name = "kind", .type = JSON_STRING, .is_required = true, .max_length = 40 },
    { .name = "auth", .type = JSON_STRING, .is_required = true, .max_length = 40 },
    { .name = "secret", .type = JSON_STRING, .max_length = 200 },
};
static const struct body_member change_members[] = {
    CHANGEABLE,
    { .name = "config", .type = JSON_STRING, .max_length = 63 },
    { .name = "kind", .type = JSON_STRING, .max_length = 40 },
};
static const struct body_member rotate_members[] = {
    { .name = "secret", .type = JSON_STRING, .max_length = 200 },
};

_Static_assert(TRIGGERS_STORE_FENCE_OPS <= ITEM_FENCE_OPS, "item_delete() has room for the fence");
static const struct item_kind trigger_kind = { .what = "trigger",
                                               .read = triggers_store_read,
                                               .fence = triggers_store_fence,
                                               .delete = triggers_store_delete };

struct trigger_work {
    struct item item; /* first */
    struct trigger_row row;
    enum hook_auth auth;
    enum run_kind kind;
    json_t *options;                  /* of the runs; owned */
    const char *before, *rows, *list; /* list: configs or states */
    struct parameter_file file;
    struct plan plan;
};

static void work_done(void *state)
{
    struct trigger_work *w = state;

    item_done(&w->item);
    json_decref(w->options);
    plan_done(&w->plan);
    parameter_file_done(&w->file);
}

static struct trigger_work *work_new(struct call *c)
{
    struct trigger_work *w = arena_alloc(c->arena, sizeof *w);

    w->item.kind = &trigger_kind;
    c->state = w;
    c->state_done = work_done;
    return w;
}

/* ---- reading ---- */

void api_triggers_list(struct call *c)
{
    struct trigger_work *w = work_new(c);
    struct triggers_filter f = { 0 };
    struct db_op op;

    if (!query_limit(c, &w->item.limit, &f.limit) || !query_cursor(c, &f.before_id) ||
        !query_list(c, "config", NULL, &f.configs))
        return;
    triggers_store_page(&f, &op);
    call_list(c, &op, item_answer_page);
}

static bool is_found(struct call *c)
{
    struct trigger_work *w = c->state;

    return item_is_found_as_asked(c) && hook_auth_find(rows_text(c->reply, 0, 0, T_AUTH), &w->auth);
}

void api_trigger_get(struct call *c)
{
    (void) work_new(c);
    item_read(c, item_answer);
}

static void deliveries_found(struct call *c)
{
    struct trigger_work *w = c->state;
    struct received_filter f = { .states = w->list, .before_id = w->before, .limit = w->rows };
    struct db_op op;

    if (!item_is_found(c))
        return;
    f.trigger = w->item.id;
    triggers_store_deliveries(&f, &op);
    call_list(c, &op, item_answer_page);
}

void api_trigger_deliveries(struct call *c)
{
    static const char *const states[] = { "started", "waiting",   "rejected",
                                          "failed",  "confirmed", NULL };
    struct trigger_work *w = work_new(c);

    if (query_limit(c, &w->item.limit, &w->rows) && query_cursor(c, &w->before) &&
        query_list(c, "status", states, &w->list))
        item_read(c, deliveries_found);
}

/* ---- what a body may say ---- */

static const char *take_number(struct call *c, const char *name, const int64_t range[2],
                               struct findings *f)
{
    const json_t *value = json_object_get(c->body, name);
    int64_t n = json_integer_value(value);
    char pointer[POINTER_BYTES] = "";

    if (!value)
        return NULL;
    (void) json_pointer_key(pointer, sizeof pointer, name);
    if (n < range[0] || n > range[1])
        findings_add(f, pointer, "bad-value", "\"%s\" is %lld to %lld.", name, (long long) range[0],
                     (long long) range[1]);
    return arena_printf(c->arena, "%lld", (long long) n);
}

static void take_limits(struct call *c, struct trigger_work *w, struct findings *f)
{
    w->row.cooldown = take_number(c, "cooldownSeconds", (int64_t[]){ 0, 30 * DAY }, f);
    w->row.max_per_day = take_number(c, "maxPerDay", (int64_t[]){ 1, 1000 }, f);
    w->row.window = take_number(c, "dedupeWindowSeconds", (int64_t[]){ 0, 30 * DAY }, f);
    w->row.quiet = take_number(c, "quietSeconds", (int64_t[]){ 0, DAY }, f);
}

static void check_kind(struct call *c, struct trigger_work *w, struct findings *f)
{
    const char *name = w->row.kind;

    if (!run_kind_find(name, &w->kind))
        findings_add(f, "/kind", "bad-value", "There is no run kind \"%.40s\".", name);
    else if (!run_kind_is_supported(w->kind))
        findings_add(f, "/kind", "not-supported",
                     "This release can not start runs of the kind \"%s\".", name);
    else if (w->kind == RUN_KIND_DESTROY || w->kind == RUN_KIND_PROMOTE)
        findings_add(f, "/kind", "bad-value",
                     "Runs of the kind \"%s\" have a route of their own and no trigger.", name);
    else if (w->options)
        run_options_check(w->options, w->kind, "/options", f);
    if (f->count == 0 && run_kind_deletes(w->kind, w->options) &&
        !(c->who.scopes >> SCOPE_APPLY & 1))
        findings_add(f, "/kind", "forbidden",
                     "A trigger whose runs delete needs the scope \"apply\".");
    if (f->count == 0 && w->kind == RUN_KIND_APPLY && !(c->who.scopes >> SCOPE_APPLY & 1))
        findings_add(f, "/kind", "forbidden",
                     "A trigger of the kind \"apply\" lets uploaded files change the config: it "
                     "needs the scope \"apply\".");
}

static void check_topic(const struct trigger_work *w, struct findings *f)
{
    if (w->auth == HOOK_SNS && w->row.auth && !w->row.topic_arn)
        findings_add(f, "/topicArn", "missing",
                     "Anybody can make a topic that Amazon signs for: say whose messages count, "
                     "\"arn:aws:sns:region:account:name\".");
    if (w->row.topic_arn && !sns_topic_is_valid(w->row.topic_arn))
        findings_add(f, "/topicArn", "bad-value",
                     "\"topicArn\" is like \"arn:aws:sns:us-east-1:123456789012:uploads\".");
    if (w->row.topic_arn && w->auth != HOOK_SNS)
        findings_add(f, "/topicArn", "bad-value",
                     "Only a trigger with the auth \"sns\" has a topic.");
}

static void take_members(struct call *c, struct trigger_work *w, struct findings *f)
{
    const json_t *enabled = json_object_get(c->body, "enabled");

    w->row.name = json_text(c->body, "name");
    if (w->row.name && id_is_valid("trg", w->row.name))
        findings_add(f, "/name", "bad-value", "A name does not look like an id.");
    w->row.config = json_text(c->body, "config");
    w->row.kind = json_text(c->body, "kind");
    w->row.topic_arn = json_text(c->body, "topicArn");
    w->row.is_enabled = enabled ? json_is_true(enabled) ? "true" : "false" : NULL;
    json_decref(w->options);
    w->options = json_clone(json_object_get(c->body, "options"));
    take_limits(c, w, f);
}

static const char *options_text(struct call *c, const struct trigger_work *w)
{
    AUTO_FREE char *text = w->options ? json_compact(w->options) : NULL;

    return text ? arena_strdup(c->arena, text) : NULL;
}

/* The reply's row of the config is (version, sha256, sync, state of the newest apply, document). */
static bool check_plan(struct call *c, struct trigger_work *w, size_t op)
{
    const char *document = rows_text(c->reply, op, 0, 4);
    struct err e;

    if (!document) {
        answer_field(c, "/config", "not-found",
                     arena_printf(c->arena, "There is no config \"%s\"; GET /configs lists them.",
                                  w->row.config));
        return false;
    }
    plan_done(&w->plan);
    parameter_file_done(&w->file);
    w->plan = (struct plan){ 0 };
    w->file = (struct parameter_file){ 0 };
    parameter_file_parse(document, strlen(document), &w->file);
    if (w->file.errors.count)
        answer_findings(c, 422, "stored-config-invalid", &w->file.errors);
    else if (plan_build(&w->file, c->api->settings, w->kind, w->options, &w->plan, &e))
        answer_field(c, "/options", "cannot-plan", e.message);
    else if (!w->plan.n_steps)
        answer_field(c, "/kind", "nothing-to-do",
                     "The config has nothing that a run of this kind would work on.");
    else
        return true;
    return false;
}

/* ---- making ---- */

/* A fresh secret, or the one that was given; as the row has it. */
static const char *make_secret(struct call *c, struct trigger_work *w, const char *id)
{
    const char *given = json_text(c->body, "secret");
    AUTO_FREE char *sealed = NULL;
    uint8_t bytes[WEBHOOK_SECRET_BYTES];
    char hash[HEX_SHA256];

    secret_wipe(w->item.secret);
    w->item.secret = NULL;
    if (w->auth == HOOK_SNS)
        return NULL;
    random_bytes(bytes, sizeof bytes);
    if (given) {
        w->item.secret = xstrdup(given);
    } else if (w->auth == HOOK_STANDARD) {
        w->item.secret = webhook_secret_text(bytes);
    } else {
        char hex[2 * WEBHOOK_SECRET_BYTES + 1];

        hex_encode(bytes, sizeof bytes, hex);
        w->item.secret = xasprintf("stw_hook_%s", hex);
    }
    if (w->auth == HOOK_BEARER) {
        sha256_hex(w->item.secret, strlen(w->item.secret), hash);
        return arena_strdup(c->arena, hash);
    }
    sealed = secret_box_seal(c->api->options.secrets, id, w->item.secret, strlen(w->item.secret));
    return arena_strdup(c->arena, sealed);
}

static void read_name_and_config(struct call *c, phase_fn next)
{
    const struct trigger_work *w = c->state;
    struct db_op ops[2];

    triggers_store_read(w->row.name ? w->row.name : "", &ops[0]);
    configs_store_current(w->row.config, &ops[1]);
    call_read(c, ops, 2, next);
}

static void insert(struct call *c)
{
    struct trigger_work *w = c->state;
    struct db_op ops[2];

    if ((w->row.name && !item_is_name_free(c, "")) || !check_plan(c, w, 1))
        return;
    if (c->is_dry_run) {
        answer_text(c, 200, "{\"dryRun\":true}", 15);
        return;
    }
    id_new("trg", w->item.id);
    w->row.id = w->item.id;
    w->row.options = options_text(c, w);
    w->row.secret = make_secret(c, w, w->item.id);
    w->row.created_by = c->who.token_id;
    triggers_store_insert(&w->row, &ops[0]);
    triggers_store_answer(w->item.id, &ops[1]);
    call_write(c, ops, ARRAY_LEN(ops),
               &(struct write_note){ .status = 201,
                                     .location = arena_printf(c->arena, "/triggers/%s", w->item.id),
                                     .detail = item_detail(c),
                                     .next = item_answer_with_secret });
}

static void begin_insert(struct call *c)
{
    read_name_and_config(c, insert);
}

void api_trigger_post(struct call *c)
{
    struct trigger_work *w = work_new(c);
    struct findings f = { 0 };
    const char *secret;

    if (!body_parse(c) || !body_check(c, make_members, ARRAY_LEN(make_members)))
        return;
    take_members(c, w, &f);
    w->row.auth = json_text(c->body, "auth");
    secret = json_text(c->body, "secret");
    check_kind(c, w, &f);
    if (!hook_auth_find(w->row.auth, &w->auth)) {
        findings_add(&f, "/auth", "bad-value",
                     "\"auth\" is standardWebhooks, github, sns or bearer.");
    } else {
        check_topic(w, &f);
        if (secret && !hook_secret_is_valid(w->auth, secret))
            findings_add(&f, "/secret", "bad-value", "%s", hook_secret_rule(w->auth));
    }
    if (!answer_if_found(c, "invalid", &f))
        call_begin_write(c, begin_insert);
}

/* ---- changing ---- */

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void update(struct call *c)
{
    struct trigger_work *w = c->state;
    struct db_op ops[2 + TRIGGERS_STORE_FENCE_OPS];
    size_t n = triggers_store_fence(w->item.id, c->fence_sha256, ops);

    if ((w->row.name && !item_is_name_free(c, w->item.id)) || !check_plan(c, w, 1))
        return;
    w->row.id = w->item.id;
    w->row.options = options_text(c, w);
    triggers_store_update(&w->row, &ops[n++]);
    triggers_store_answer(w->item.id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 200, .detail = item_detail(c), .next = written });
}

/* What the patch leaves as it is; answers and returns false when the whole is no good. */
static bool fill_rest(struct call *c, struct trigger_work *w)
{
    struct findings f = { 0 };

    take_members(c, w, &f);
    if (!w->row.config)
        w->row.config = arena_strdup(c->arena, rows_text(c->reply, 0, 0, T_CONFIG));
    if (!w->row.kind)
        w->row.kind = arena_strdup(c->arena, rows_text(c->reply, 0, 0, T_KIND));
    if (!w->options)
        w->options = json_loads(rows_text(c->reply, 0, 0, T_OPTIONS), 0, NULL);
    check_kind(c, w, &f);
    check_topic(w, &f);
    return !answer_if_found(c, "invalid", &f);
}

static void change_found(struct call *c)
{
    struct trigger_work *w = c->state;

    if (!is_found(c) || !fill_rest(c, w))
        return;
    if (c->is_dry_run)
        item_answer(c);
    else
        read_name_and_config(c, update);
}

static void begin_change(struct call *c)
{
    item_read(c, change_found);
}

void api_trigger_patch(struct call *c)
{
    (void) work_new(c);
    if (body_parse(c) && body_check(c, change_members, ARRAY_LEN(change_members)))
        call_begin_write(c, begin_change);
}

void api_trigger_delete(struct call *c)
{
    (void) work_new(c);
    item_delete(c);
}

static void rotate_found(struct call *c)
{
    struct trigger_work *w = c->state;
    const char *secret = json_text(c->body, "secret");
    struct trigger_rotation r = { .overlap_seconds = ITEM_OVERLAP };
    struct db_op ops[2 + TRIGGERS_STORE_FENCE_OPS];
    size_t n;

    if (!is_found(c))
        return;
    if (w->auth == HOOK_SNS) {
        answer_problem(c, 409, "no-secret", hook_secret_rule(HOOK_SNS));
        return;
    }
    if (secret && !hook_secret_is_valid(w->auth, secret)) {
        answer_field(c, "/secret", "bad-value", hook_secret_rule(w->auth));
        return;
    }
    if (c->is_dry_run) {
        item_answer(c);
        return;
    }
    r.id = w->item.id;
    r.old_secret = arena_strdup(c->arena, rows_text(c->reply, 0, 0, T_SECRET));
    r.secret = make_secret(c, w, w->item.id);
    n = triggers_store_fence(w->item.id, c->fence_sha256, ops);
    triggers_store_rotate(&r, &ops[n++]);
    triggers_store_answer(w->item.id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){
                   .status = 200, .detail = item_detail(c), .next = item_answer_with_secret });
}

static void begin_rotate(struct call *c)
{
    item_read(c, rotate_found);
}

void api_trigger_rotate(struct call *c)
{
    (void) work_new(c);
    if (body_parse(c) && body_check(c, rotate_members, ARRAY_LEN(rotate_members)))
        call_begin_write(c, begin_rotate);
}
