/*
 * hook_start.c - from a message that a trigger may believe to its run: known already, refused for
 * now, waiting for quiet, or started.
 *
 * The payload never chooses what is done; it may name a data version, or tell of S3 objects, of
 * which those that are no data of the trigger's config are ignored. The delivery, what is
 * remembered of it and the run are one transaction behind a lock of the trigger.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "steward/configs_store.h"
#include "steward/id.h"
#include "steward/run_store.h"
#include "steward/upload.h"

#define VERSION_MAX 200

/* Ops of the first read. */
enum { READ_SEEN, READ_WAITING, READ_CONFIG, READ_COUNT };

/* ---- what the message says ---- */

/* Where senders put what is theirs: the payload itself, Standard Webhooks' data, GitHub's
 * repository_dispatch and workflow_dispatch. */
static const json_t *find_version(const json_t *payload)
{
    static const char *const places[] = { "data", "client_payload", "inputs" };
    const json_t *found = json_object_get(payload, "dataVersion");

    for (size_t i = 0; !found && i < ARRAY_LEN(places); i++)
        found = json_object_get(json_object_get(payload, places[i]), "dataVersion");
    return found;
}

bool hook_read_payload(struct call *c, struct hook_work *w)
{
    const char *text = w->auth == HOOK_SNS ? w->sns.message : NULL;
    const json_t *payload = w->payload, *version;
    char hash[HEX_SHA256];
    struct err e;

    if (text && json_parse(text, strlen(text), &w->inner, NULL, &e) == OK)
        payload = w->inner;
    else if (text)
        payload = NULL;
    if (payload && upload_read_notification(payload, &w->objects, &e))
        w->objects = NULL;
    version = find_version(payload);
    w->data_version = json_string_value(version);
    if (version && (str_is_empty(w->data_version) || strlen(w->data_version) > VERSION_MAX)) {
        answer_field(c, "/dataVersion", "bad-value",
                     "\"dataVersion\" is a text of 1 to 200 bytes.");
        return false;
    }
    if (w->auth == HOOK_SNS) {
        (void) snprintf(w->id_key, sizeof w->id_key, "id %s", w->sns.id);
        (void) str_copy(w->message_id, sizeof w->message_id, w->sns.id);
        w->has_id = true;
    } else {
        w->has_id = hook_seen_key(w->auth, &w->request, w->id_key, w->message_id);
    }
    if (w->data_version)
        sha256_hex(w->data_version, strlen(w->data_version), hash);
    else if (text)
        sha256_hex(text, strlen(text), hash);
    else
        (void) str_copy(hash, sizeof hash, w->body_sha256);
    (void) snprintf(w->content_key, sizeof w->content_key, "content %s%s",
                    w->data_version ? "v" : "", hash);
    return true;
}

/* ---- the trigger ---- */

static const char *keep(struct call *c, int column)
{
    const char *text = rows_text(c->reply, 0, 0, column);

    return text ? arena_strdup(c->arena, text) : NULL;
}

bool hook_take_trigger(struct call *c, struct hook_work *w)
{
    w->trigger = keep(c, HOOK_ROW_ID);
    w->config = keep(c, HOOK_ROW_CONFIG);
    w->updated = keep(c, HOOK_ROW_UPDATED);
    w->topic_arn = keep(c, HOOK_ROW_TOPIC);
    w->is_quiet = rows_int(c->reply, 0, 0, HOOK_ROW_QUIET, 0) > 0;
    json_decref(w->options);
    w->options = json_loads(rows_text(c->reply, 0, 0, HOOK_ROW_OPTIONS), 0, NULL);
    return hook_auth_find(rows_text(c->reply, 0, 0, HOOK_ROW_AUTH), &w->auth) &&
           run_kind_find(rows_text(c->reply, 0, 0, HOOK_ROW_KIND), &w->kind);
}

/* ---- the run ---- */

const char *hook_plan(struct call *c, struct hook_work *w, size_t op)
{
    const char *version = rows_text(c->reply, op, 0, 0), *document = rows_text(c->reply, op, 0, 4);
    struct err e;

    plan_done(&w->plan);
    parameter_file_done(&w->file);
    w->plan = (struct plan){ 0 };
    w->file = (struct parameter_file){ 0 };
    if (!document)
        return "The trigger's config is gone.";
    w->config_version = arena_strdup(c->arena, version);
    parameter_file_parse(document, strlen(document), &w->file);
    if (w->file.errors.count)
        return "The stored config is not valid for this release.";
    if (plan_build(&w->file, c->api->settings, w->kind, w->options, &w->plan, &e))
        return arena_strdup(c->arena, e.message);
    return w->plan.n_steps ? NULL : "The config has nothing that a run of this kind would work on.";
}

void hook_fill_guard(struct call *c, struct hook_work *w)
{
    const char **keys = arena_alloc(c->arena, (w->plan.n_steps + 1) * sizeof *keys);
    size_t n = 0;

    for (size_t i = 0; i < w->plan.n_steps; i++)
        if (w->plan.steps[i].kind == KIND_SOLUTION_VERSION)
            keys[n++] = w->plan.steps[i].key;
    AUTO_FREE char *literal = db_text_array(keys, n);
    w->guard = (struct hook_guard){
        .trigger = w->trigger,
        .is_buying = run_kind_buys(w->kind) ? "true" : "false",
        .keys = arena_strdup(c->arena, literal),
        .per_solution = arena_printf(c->arena, "%d", c->api->options.fuse_per_solution),
        .per_account = arena_printf(c->arena, "%d", c->api->options.fuse_per_account),
    };
}

static const char *detail_of(struct call *c, const struct hook_work *w)
{
    return arena_printf(c->arena, "{\"trigger\":\"%s\",\"delivery\":\"%s\"%s%s%s}", w->trigger,
                        w->delivery.id, w->delivery.run_id ? ",\"run\":\"" : "",
                        w->delivery.run_id ? w->delivery.run_id : "",
                        w->delivery.run_id ? "\"" : "");
}

static void fill_delivery(struct call *c, struct hook_work *w)
{
    char id[ID_BYTES];

    id_new("dlv", id);
    w->delivery = (struct hook_delivery){
        .id = arena_strdup(c->arena, id),
        .trigger = w->trigger,
        .message_id = w->message_id[0] ? w->message_id : NULL,
        .data_version = w->data_version,
        .body_sha256 = w->body_sha256,
        .updated = w->updated,
        .id_key = w->has_id ? w->id_key : NULL,
        .content_key = w->content_key,
        .is_buying = run_kind_buys(w->kind) ? "true" : "false",
    };
}

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

/* ---- not now ---- */

static void rejected_written(struct call *c)
{
    const struct hook_work *w = c->state;

    http_problem(c->rq, &(struct problem){ .status = 429,
                                           .code = "trigger-rejected",
                                           .detail = w->delivery.reason,
                                           .is_retryable = true,
                                           .retry_after_s = (int) w->retry_after_s });
}

static void reject(struct call *c, const char *code, const char *reason)
{
    struct hook_work *w = c->state;
    char event[ID_BYTES];
    struct db_op op;

    fill_delivery(c, w);
    id_new("evt", event);
    w->delivery.code = arena_strdup(c->arena, code);
    w->delivery.reason = arena_strdup(c->arena, reason);
    w->delivery.event_id = arena_strdup(c->arena, event);
    if (c->is_dry_run) {
        rejected_written(c);
        return;
    }
    hooks_store_rejected(&w->delivery, &op);
    call_write(
        c, &op, 1,
        &(struct write_note){ .status = 429, .detail = detail_of(c, w), .next = rejected_written });
}

/* ---- now, or when it is quiet ---- */

static void write_run(struct call *c)
{
    struct hook_work *w = c->state;
    struct run_new *run = arena_alloc(c->arena, sizeof *run);
    struct db_op ops[CALL_OPS_MAX];
    size_t n = 0;

    fill_delivery(c, w);
    *run = (struct run_new){ .config = w->config,
                             .config_version = strtoll(w->config_version, NULL, 10),
                             .kind = w->kind,
                             .trigger = "hook",
                             .overlap = "queue",
                             .options = w->options };
    id_new("run", run->id);
    w->delivery.run_id = run->id;
    configs_store_fence(w->config, w->config_version, &ops[n++]);
    n += hooks_store_fence(&w->delivery, &w->guard, false, ops + n);
    n += run_store_insert(c->arena, run, &w->plan, ops + n);
    hooks_store_started(&w->delivery, &ops[n++]);
    hooks_store_answer(w->delivery.id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 202,
                                     .location = arena_printf(c->arena, "/runs/%s", run->id),
                                     .detail = detail_of(c, w),
                                     .next = written });
}

static void write_wait(struct call *c)
{
    struct hook_work *w = c->state;
    struct db_op ops[HOOKS_STORE_OPS + 3];
    size_t n;

    fill_delivery(c, w);
    n = hooks_store_fence(&w->delivery, &w->guard, w->is_waiting, ops);
    n += hooks_store_wait(&w->delivery, ops + n);
    hooks_store_answer(w->delivery.id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 202, .detail = detail_of(c, w), .next = written });
}

/* Parameter files are read by a thread that may wait for S3. */
static void write_upload(struct call *c)
{
    struct hook_work *w = c->state;
    AUTO_FREE char *files = json_compact(w->files);
    struct db_op ops[HOOKS_STORE_OPS + 3];
    size_t n;

    fill_delivery(c, w);
    n = hooks_store_fence(&w->delivery, &w->guard, w->is_waiting, ops);
    n += hooks_store_upload(&w->delivery, arena_strdup(c->arena, files), ops + n);
    hooks_store_answer(w->delivery.id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 202, .detail = detail_of(c, w), .next = written });
}

static void go(struct call *c)
{
    struct hook_work *w = c->state;

    if (!c->is_dry_run && json_array_size(w->files)) {
        write_upload(c);
        return;
    }
    if (c->is_dry_run)
        answer_dry_run(c, json_pack("{s:s, s:s, s:s}", "trigger", w->trigger, "kind",
                                    run_kind_name(w->kind), "status",
                                    w->is_quiet ? "waiting" : "started"));
    else if (w->is_quiet)
        write_wait(c);
    else
        write_run(c);
}

/* The row, if any, is (code, seconds, sentence). */
static void refusal_read(struct call *c)
{
    struct hook_work *w = c->state;

    /* What waits was let in, whatever else the trigger would refuse now. */
    if (!rows_count(c->reply, 0) ||
        (w->is_waiting && !str_eq(rows_text(c->reply, 0, 0, 0), "disabled"))) {
        go(c);
        return;
    }
    w->retry_after_s = rows_int(c->reply, 0, 0, 1, 60);
    reject(c, rows_text(c->reply, 0, 0, 0), rows_text(c->reply, 0, 0, 2));
}

/* Of a trigger that applies: the config's own parameter files, in the bucket it has. */
static void take_files(struct call *c, struct hook_work *w)
{
    const struct plan_settings *settings = c->api->settings;
    const char *bucket = json_text_or(w->file.deployment, "bucket", settings->bucket);
    size_t i;
    json_t *o;

    json_decref(w->files);
    w->files = json_array();
    json_array_foreach (w->objects, i, o) {
        const char *key = json_text(o, "key");
        char id[ID_BYTES];

        if (w->kind != RUN_KIND_APPLY || !str_eq(json_text(o, "bucket"), bucket) ||
            !upload_is_parameter_file(upload_root(settings->prefix), key))
            continue;
        id_new("upl", id);
        json_array_append_new(w->files,
                              json_pack("{s:s, s:s, s:s}", "id", id, "bucket", bucket, "key", key));
    }
}

static bool is_about_data(struct call *c, const struct hook_work *w)
{
    size_t i;
    json_t *o;

    json_array_foreach (w->objects, i, o)
        if (upload_is_data_of(&w->file, c->api->settings, json_text(o, "bucket"),
                              json_text(o, "key")))
            return true;
    return false;
}

static void answer_repeat(struct call *c)
{
    AUTO_JSON json_t *first = NULL;
    const char *run;
    struct err e;

    if (json_parse(rows_text(c->reply, READ_SEEN, 0, 0), rows_length(c->reply, READ_SEEN, 0, 0),
                   &first, NULL, &e)) {
        http_problem_err(c->rq, &e);
        return;
    }
    run = json_text(first, "run");
    if (run)
        http_set_header(c->rq, "Location", arena_printf(c->arena, "/runs/%s", run));
    http_set_header(c->rq, "Idempotency-Replayed", "true");
    answer_json(c, 200, first);
}

static void state_read(struct call *c)
{
    struct hook_work *w = c->state;
    const char *trouble;
    struct db_op op;

    if (rows_count(c->reply, READ_SEEN)) {
        answer_repeat(c);
        return;
    }
    w->is_waiting = w->is_quiet && rows_count(c->reply, READ_WAITING);
    trouble = hook_plan(c, w, READ_CONFIG);
    take_files(c, w);
    if (!trouble && w->objects && !json_array_size(w->files) && !is_about_data(c, w)) {
        AUTO_JSON json_t *answer =
            json_pack("{s:s, s:s}", "trigger", w->trigger, "status", "ignored");

        answer_json(c, 200, answer);
        return;
    }
    if (trouble) {
        w->retry_after_s = 3600;
        reject(c, "cannot-plan", trouble);
        return;
    }
    hook_fill_guard(c, w);
    hooks_store_refusal(&w->guard, &op);
    call_read(c, &op, 1, refusal_read);
}

static void trigger_again(struct call *c)
{
    struct hook_work *w = c->state;
    struct db_op ops[READ_COUNT];

    if (!rows_count(c->reply, 0) || !hook_take_trigger(c, w)) {
        answer_not_found(c, "trigger", w->trigger);
        return;
    }
    hooks_store_seen(
        &(struct hook_keys){ w->trigger, w->has_id ? w->id_key : NULL, w->content_key },
        &ops[READ_SEEN]);
    hooks_store_waiting(w->trigger, &ops[READ_WAITING]);
    configs_store_current(w->config, &ops[READ_CONFIG]);
    call_read(c, ops, READ_COUNT, state_read);
}

/* Begins with the trigger's row: when this starts over, it may have changed. */
void hook_start(struct call *c)
{
    const struct hook_work *w = c->state;
    struct db_op op;

    hooks_store_find(w->trigger, &op);
    call_read(c, &op, 1, trigger_again);
}
