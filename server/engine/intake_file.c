/*
 * intake_file.c - an uploaded parameter file becomes a config's new version, as if it had been
 * sent.
 *
 * What the object holds when it is read counts. The version, its run, the event and the end of the
 * upload are one transaction, behind the fences of the upload and of the config. A file that is no
 * good makes an event with all that is wrong with it; nothing is deleted for what left a file.
 */
#include <stdio.h>
#include <string.h>

#include "intake.h"
#include "steward/config_rows.h"
#include "steward/configs_store.h"
#include "steward/failpoint.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/run_store.h"
#include "steward/schedules_store.h"
#include "steward/upload.h"

#define FAILURES_MAX 12 /* an hour and a half */

/* One upload on its way. */
struct applying {
    struct intake_thread *t;
    struct arena *arena;
    const struct upload_file *upload;
    const char *place; /* "s3://bucket/key" */
    struct parameter_file file;
    struct plan plan;
    struct upload_config config;
    const char *resources, *keys; /* as configs_store_write() takes them */
    char sha256[HEX_SHA256];
    bool is_same, has_run;
    char run_id[ID_BYTES];
};

static const char *keep(struct arena *arena, char *text)
{
    const char *copy = arena_strdup(arena, text);

    free(text);
    return copy;
}

/* ---- how it ends ---- */

static void fill_end(const struct applying *a, const char *state, const char *reason,
                     struct db_op *op)
{
    uploads_store_settle(&(struct upload_end){ .id = a->upload->id,
                                               .owner = a->t->owner,
                                               .state = state,
                                               .reason = reason,
                                               .run_id = a->has_run ? a->run_id : NULL },
                         op);
}

/* Takes errors: [text]. */
static enum err_code refuse(const struct applying *a, const char *code, json_t *errors,
                            struct err *e)
{
    const char *first = json_string_value(json_array_get(errors, 0));
    AUTO_JSON json_t *data =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "code", code, "reason", first ? first : code,
                  "bucket", a->upload->bucket, "key", a->upload->key, "errors", errors);
    struct db_op ops[2];

    fill_end(a, "refused", first ? first : code, &ops[0]);
    event_store_insert(
        a->arena,
        &(struct event_new){ .type = "trigger.rejected",
                             .subject = a->file.name
                                            ? arena_printf(a->arena, "configs/%s", a->file.name)
                                            : "uploads",
                             .config = a->config.version ? a->file.name : NULL,
                             .data = data },
        &ops[1]);
    TRY(db_run(a->t->db, ops, 2, NULL, e));
    log_event(LOG_WARN, "intake", "file_refused", "place=%s msg=%s", log_quote(a->place),
              log_quote(first ? first : code));
    return OK;
}

static enum err_code leave(const struct applying *a, const char *reason, struct err *e)
{
    struct db_op op;

    fill_end(a, "unchanged", reason, &op);
    TRY(db_run(a->t->db, &op, 1, NULL, e));
    log_event(LOG_INFO, "intake", "file_unchanged", "place=%s", log_quote(a->place));
    return OK;
}

/* ---- what it says ---- */

/* Its data lies beside it, in the bucket it lies in. */
static void settle_document(struct applying *a)
{
    const struct plan_settings *settings = &engine_get_options(a->t->engine)->settings;
    AUTO_JSON json_t *document = json_clone(a->file.document);
    json_t *deployment;
    const char *name = arena_strdup(a->arena, a->file.name);

    upload_settle_document(document, name, settings->prefix, a->upload->key);
    deployment = json_object_get(document, "deployment");
    if (!str_eq(settings->bucket, a->upload->bucket) && !json_object_get(deployment, "bucket")) {
        if (!deployment) {
            deployment = json_object();
            json_object_set_new(document, "deployment", deployment);
        }
        json_object_set_new(deployment, "bucket", json_string(a->upload->bucket));
    }
    parameter_file_done(&a->file);
    a->file = (struct parameter_file){ 0 };
    parameter_file_load(document, &a->file);
}

/* True: good. False: it was refused, or *rc says why not. */
static bool read_file(struct applying *a, const char *text, size_t n, enum err_code *rc,
                      struct err *e)
{
    *rc = OK;
    parameter_file_parse(text, n, &a->file);
    if (a->file.errors.count == 0)
        settle_document(a);
    if (a->file.errors.count) {
        *rc = refuse(a, "invalid-file", upload_errors(&a->file.errors), e);
        return false;
    }
    if (!a->upload->only_config || str_eq(a->upload->only_config, a->file.name))
        return true;
    *rc = refuse(a, "invalid-file",
                 json_pack("[o]", json_sprintf("It is of \"%.63s\", not of \"%.63s\".",
                                               a->file.name, a->upload->only_config)),
                 e);
    return false;
}

static void fill_resources(struct applying *a)
{
    AUTO_JSON json_t *rows = config_rows_resources(&a->file);
    AUTO_FREE char *canonical = json_canonical(a->file.document);
    const char **keys = arena_alloc(a->arena, (a->file.n_components + 1) * sizeof *keys);

    for (size_t i = 0; i < a->file.n_components; i++)
        keys[i] = a->file.components[i].key;
    a->resources = keep(a->arena, json_compact(rows));
    a->keys = keep(a->arena, db_text_array(keys, a->file.n_components));
    sha256_hex(canonical, strlen(canonical), a->sha256);
}

/* As for a document that is sent: the same one makes no version, and no run when nothing is left to
 * do, or is being done. */
static void decide(struct applying *a)
{
    const struct upload_config *now = &a->config;
    bool is_open = str_eq(now->apply, "queued") || str_eq(now->apply, "running");

    a->is_same = now->version && str_eq(now->sha256, a->sha256);
    a->has_run = !a->is_same ||
                 !(is_open || (str_eq(now->sync, "synced") && str_eq(now->apply, "succeeded")));
}

/* ---- writing it down ---- */

static size_t schedule_ops(const struct applying *a, struct db_op *ops)
{
    AUTO_JSON json_t *rows = json_array();
    const char **paths = arena_alloc(a->arena, (a->file.n_schedules + 1) * sizeof *paths);
    size_t n = 0;

    for (size_t i = 0; i < a->file.n_schedules; i++) {
        const struct file_schedule *s = &a->file.schedules[i];
        const char *known = json_text(a->config.schedules, s->path);
        char id[ID_BYTES];

        if (!config_rows_is_schedule(s))
            continue;
        id_new("sch", id);
        json_array_append_new(rows, config_rows_schedule(s, known ? known : id, a->config.now_s));
        paths[n++] = s->path;
    }
    return schedules_store_write(a->file.name, keep(a->arena, json_compact(rows)),
                                 keep(a->arena, db_text_array(paths, n)), ops);
}

static size_t config_ops(const struct applying *a, const char *version, struct db_op *ops)
{
    return configs_store_write(
        &(struct config_write){ .name = a->file.name,
                                .old_version = a->config.version,
                                .version = version,
                                .document = keep(a->arena, json_compact(a->file.document)),
                                .effective = keep(a->arena, json_compact(a->file.effective)),
                                .sha256 = a->sha256,
                                .message = "Uploaded to S3",
                                .url = a->place,
                                .created_by = a->place,
                                .resources = a->resources,
                                .resource_keys = a->keys },
        ops);
}

static void event_op(const struct applying *a, const char *version, struct db_op *op)
{
    AUTO_JSON json_t *data =
        json_pack("{s:I, s:s, s:s}", "version", (json_int_t) strtoll(version, NULL, 10), "message",
                  "Uploaded to S3", "origin", a->place);

    config_rows_tell_schedules(&a->file, a->config.schedules, data);
    event_store_insert(
        a->arena,
        &(struct event_new){ .type = a->config.version ? "config.updated" : "config.created",
                             .subject = arena_printf(a->arena, "configs/%s", a->file.name),
                             .config = a->file.name,
                             .data = data },
        op);
}

static enum err_code write_all(struct applying *a, struct err *e)
{
    struct db_op ops[CONFIGS_STORE_WRITE_OPS + SCHEDULES_STORE_WRITE_OPS + RUN_STORE_OPS + 3];
    const int64_t old = a->config.version ? strtoll(a->config.version, NULL, 10) : 0;
    const int64_t version = old + !a->is_same;
    const char *text = arena_printf(a->arena, "%lld", (long long) version);
    struct run_new run = { .config = a->file.name,
                           .config_version = version,
                           .kind = RUN_KIND_APPLY,
                           .trigger = "upload",
                           .overlap = "queue",
                           .created_by = a->place };
    size_t n = config_ops(a, text, ops);

    id_new("run", a->run_id);
    n += schedule_ops(a, ops + n);
    fill_end(a, "applied", a->file.name, &ops[n++]);
    if (a->has_run) {
        memcpy(run.id, a->run_id, sizeof run.id);
        n += run_store_insert(a->arena, &run, &a->plan, ops + n);
        uploads_store_own_run(a->upload->id, a->run_id, &ops[n++]);
    }
    if (!a->is_same)
        event_op(a, text, &ops[n++]);
    FP("upload.before_commit");
    TRY(db_run(a->t->db, ops, n, NULL, e));
    FP("upload.after_commit");
    log_event(LOG_INFO, "intake", "file_applied", "place=%s config=%s version=%s run=%s",
              log_quote(a->place), log_quote(a->file.name), text, a->has_run ? a->run_id : "-");
    engine_wake_workers(a->t->engine);
    engine_wake_scheduler(a->t->engine);
    return OK;
}

static enum err_code apply(struct applying *a, const char *text, size_t n, struct err *e)
{
    const char *args[2];
    enum err_code rc;
    struct err own;

    if (!read_file(a, text, n, &rc, e))
        return rc;
    fill_resources(a);
    args[0] = a->file.name;
    args[1] = a->keys;
    TRY(uploads_store_config(a->t->db, a->arena, args, &a->config, e));
    if (a->config.version && a->upload->is_first_look)
        return leave(a, "It was there before anybody watched; the config stays as it is.", e);
    if (a->config.foreign_key)
        return refuse(
            a, "invalid-file",
            json_pack("[o]", json_sprintf("%s belongs to the config \"%s\" already.",
                                          a->config.foreign_key, a->config.foreign_config)),
            e);
    if (plan_build(&a->file, &engine_get_options(a->t->engine)->settings, RUN_KIND_APPLY, NULL,
                   &a->plan, &own))
        return refuse(a, "invalid-file", json_pack("[s]", own.message), e);
    decide(a);
    if (a->is_same && !a->has_run)
        return leave(a, "It is the config's newest version already.", e);
    return write_all(a, e);
}

/* ---- getting it ---- */

/* The object is not there (any more), or can not be had: tried again for a while. */
static enum err_code not_had(const struct applying *a, const struct aws_call *call, struct err *e)
{
    char text[300];

    aws_call_describe(call, text, sizeof text);
    if (call->error_class == AWS_ERROR_NOT_FOUND || call->http_status == 404)
        return leave(a, "The object is gone.", e);
    if (a->upload->failures + 1 >= FAILURES_MAX)
        return refuse(a, "unreadable-file", json_pack("[s]", text), e);
    log_event(LOG_WARN, "intake", "file_not_read", "place=%s msg=%s", log_quote(a->place),
              log_quote(text));
    return uploads_store_postpone(a->t->db, a->upload->id, text, e);
}

static enum err_code get_and_apply(struct applying *a, struct err *e)
{
    struct aws_call call;
    enum err_code rc;

    aws_s3_get_call(&call, a->upload->bucket, a->upload->key);
    if (!intake_call(a->t, &call))
        return OK; /* stopping: the lease lapses */
    if (call.outcome == AWS_DONE)
        rc = apply(a, call.body ? call.body : "", call.body_n, e);
    else
        rc = not_had(a, &call, e);
    aws_call_done(&call);
    if (rc == ERR_CONFLICT) /* the config moved, or the upload is another one's: look again */
        rc = uploads_store_postpone(a->t->db, a->upload->id, e->message, e);
    return rc;
}

enum err_code intake_file_turn(struct intake_thread *t, bool *has_any, struct err *e)
{
    AUTO_ARENA struct arena arena = { 0 };
    struct upload_file upload;
    struct applying a = { .t = t, .arena = &arena, .upload = &upload };
    enum err_code rc;

    *has_any = false;
    TRY(uploads_store_claim(t->db, t->owner, &arena, &upload, e));
    if (!upload.id)
        return OK;
    *has_any = true;
    a.place = arena_printf(&arena, "s3://%s/%s", upload.bucket, upload.key);
    rc = get_and_apply(&a, e);
    json_decref(a.config.schedules);
    plan_done(&a.plan);
    parameter_file_done(&a.file);
    return rc;
}
