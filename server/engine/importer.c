/*
 * importer.c - from what an import read to a config.
 *
 * The worker that finished the reading stores its document at once; a scheduler looks after those
 * that a crash left between the two. Nothing in Amazon Personalize is touched, and no apply is
 * started. What cannot be stored is refused in words, in the step's details.
 */
#include <string.h>

#include "steward/adopt_document.h"
#include "steward/config_rows.h"
#include "steward/configs_store.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/import_store.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/run_store.h"
#include "steward/schedules_store.h"
#include "work.h"

/* One import on its way. */
struct import {
    struct engine *engine;
    struct db_conn *db;
    struct arena *arena;
    const struct import_pending *pending;
    struct parameter_file file;
};

static const char *keep(struct arena *arena, char *text)
{
    const char *copy = arena_strdup(arena, text);

    free(text);
    return copy;
}

static enum err_code refuse(const struct import *x, json_t *refusal, struct err *e)
{
    AUTO_JSON json_t *outcome = refusal;
    struct db_op op;

    json_object_set_new(outcome, "stored", json_false());
    import_store_settle(x->pending->step_id, keep(x->arena, json_compact(outcome)), &op);
    return db_run(x->db, &op, 1, NULL, e);
}

/* The errors of a document that the file has no words for. */
static enum err_code refuse_findings(const struct import *x, struct err *e)
{
    return refuse(x,
                  json_pack("{s:i, s:s, s:s, s:o}", "status", 422, "code", "not-expressible",
                            "detail", "What exists cannot be written as a parameter file.",
                            "errors", findings_to_json(&x->file.errors)),
                  e);
}

static const char *resource_keys(const struct import *x)
{
    const char **keys = arena_alloc(x->arena, (x->file.n_components + 1) * sizeof *keys);

    for (size_t i = 0; i < x->file.n_components; i++)
        keys[i] = x->file.components[i].key;
    return keep(x->arena, db_text_array(keys, x->file.n_components));
}

/* Names that other configs have. *refusal: NULL when it is free to be stored; caller owns. */
static enum err_code find_owners(const struct import *x, json_t **refusal, struct err *e)
{
    struct import_owner owner;

    *refusal = NULL;
    TRY(import_store_owner(x->db, x->file.name, resource_keys(x), x->arena, &owner, e));
    if (owner.exists)
        *refusal = json_pack("{s:i, s:s, s:o}", "status", 409, "code", "exists", "detail",
                             json_sprintf("There is a config \"%s\" already; GET /configs/%s/plan "
                                          "compares it with what exists.",
                                          x->file.name, x->file.name));
    else if (owner.key)
        *refusal = json_pack(
            "{s:i, s:s, s:o}", "status", 409, "code", "name-taken", "detail",
            json_sprintf("%s belongs to the config \"%s\" already.", owner.key, owner.config));
    return OK;
}

static size_t schedule_ops(const struct import *x, struct db_op *ops)
{
    AUTO_JSON json_t *rows = json_array();
    const char **paths = arena_alloc(x->arena, (x->file.n_schedules + 1) * sizeof *paths);
    size_t n = 0;

    for (size_t i = 0; i < x->file.n_schedules; i++) {
        const struct file_schedule *s = &x->file.schedules[i];
        char id[ID_BYTES];

        if (!config_rows_is_schedule(s))
            continue;
        id_new("sch", id);
        json_array_append_new(rows, config_rows_schedule(s, id, x->pending->now_s));
        paths[n++] = s->path;
    }
    return schedules_store_write(x->file.name, keep(x->arena, json_compact(rows)),
                                 keep(x->arena, db_text_array(paths, n)), ops);
}

static size_t config_ops(const struct import *x, const char *resources, struct db_op *ops)
{
    AUTO_FREE char *canonical = json_canonical(x->file.document);
    AUTO_JSON json_t *options = json_loads(x->pending->options, 0, NULL);
    char sha256[HEX_SHA256];
    const char *message = json_text(options, "message");

    sha256_hex(canonical, strlen(canonical), sha256);
    return configs_store_write(
        &(struct config_write){ .name = x->file.name,
                                .version = "1",
                                .document = keep(x->arena, json_compact(x->file.document)),
                                .effective = keep(x->arena, json_compact(x->file.effective)),
                                .sha256 = arena_strdup(x->arena, sha256),
                                .message = message ? arena_strdup(x->arena, message) : "Imported",
                                .created_by = x->pending->created_by,
                                .resources = resources,
                                .resource_keys = resource_keys(x) },
        ops);
}

static enum err_code store(const struct import *x, const char *resources, struct err *e)
{
    struct db_op ops[CONFIGS_STORE_WRITE_OPS + SCHEDULES_STORE_WRITE_OPS + 6];
    AUTO_JSON json_t *data = json_pack("{s:i, s:s}", "version", 1, "origin", "import");
    AUTO_JSON json_t *outcome =
        json_pack("{s:b, s:o}", "stored", 1, "warnings", findings_to_json(&x->file.warnings));
    size_t n = 0;

    import_store_settle(x->pending->step_id, keep(x->arena, json_compact(outcome)), &ops[n++]);
    n += config_ops(x, resources, ops + n);
    n += schedule_ops(x, ops + n);
    n += import_store_take_over(x->file.name, x->pending->run_id, ops + n);
    event_store_insert(
        x->arena,
        &(struct event_new){ .type = "config.created",
                             .subject = arena_printf(x->arena, "configs/%s", x->file.name),
                             .config = x->file.name,
                             .run_id = x->pending->run_id,
                             .data = data },
        &ops[n++]);
    FP("imp.before_commit");
    return db_run(x->db, ops, n, NULL, e);
}

static enum err_code settle(struct import *x, struct err *e)
{
    AUTO_JSON json_t *document = json_loads(x->pending->document, 0, NULL);
    AUTO_JSON json_t *options = json_loads(x->pending->options, 0, NULL);
    AUTO_JSON json_t *rows = NULL;
    const char *resources, *unknown;
    json_t *refusal = NULL;

    unknown = adopt_document_schedule(document, json_object_get(options, "schedules"));
    if (unknown)
        return refuse(
            x,
            json_pack(
                "{s:i, s:s, s:o}", "status", 422, "code", "not-found", "detail",
                json_sprintf("The dataset group has no solution \"%s\" to schedule.", unknown)),
            e);
    parameter_file_load(document, &x->file);
    if (x->file.errors.count)
        return refuse_findings(x, e);
    rows = config_rows_resources(&x->file);
    resources = keep(x->arena, json_compact(rows));
    TRY(find_owners(x, &refusal, e));
    return refusal ? refuse(x, refusal, e) : store(x, resources, e);
}

enum err_code importer_settle(struct engine *engine, struct db_conn *db, const char *run_id,
                              struct err *e)
{
    struct arena arena = { 0 };
    struct import_list due;
    enum err_code rc = import_store_pending(db, run_id, &arena, &due, e);

    for (size_t i = 0; !rc && i < due.count; i++) {
        struct import x = { .engine = engine, .db = db, .arena = &arena, .pending = &due.items[i] };
        struct err own;
        enum err_code one = settle(&x, &own);

        if (one && one != ERR_CONFLICT) /* ERR_CONFLICT: somebody else settled it */
            log_event(LOG_ERROR, "engine", "import_not_stored", "run=%s msg=%s",
                      due.items[i].run_id, log_quote(own.message));
        else
            engine_wake_publisher(engine);
        parameter_file_done(&x.file);
    }
    arena_done(&arena);
    return rc;
}
