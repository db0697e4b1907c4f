/*
 * config_write.c - POST and PUT of a parameter file: check, plan, and one transaction for all of
 * it.
 *
 * Phase 1 reads the current version, foreign owners of the wanted resources and the schedules;
 * phase 2 writes version, resources, schedules, run, steps and events behind a fence on that
 * version.
 */
#include "config_write.h"

#include <assert.h>
#include <string.h>

#include "config_diff.h"
#include "config_left.h"
#include "steward/config_rows.h"
#include "steward/configs_store.h"
#include "steward/run_store.h"

/* Ops of the first read. */
enum { READ_CURRENT, READ_FOREIGN, READ_OWNED, READ_NOW, READ_LEFT, READ_COUNT };

void config_change_reset(struct config_change *w)
{
    parameter_file_done(&w->file);
    plan_done(&w->plan);
    json_decref(w->warnings);
    w->file = (struct parameter_file){ 0 };
    w->plan = (struct plan){ 0 };
    w->warnings = NULL;
}

static void state_done(void *state)
{
    config_change_reset(state);
}

struct config_change *config_change_new(struct call *c)
{
    struct config_change *w = arena_alloc(c->arena, sizeof *w);

    config_change_init(c, w);
    return w;
}

void config_change_init(struct call *c, struct config_change *w)
{
    c->state = w;
    c->state_done = state_done;
    w->message = http_query(c->rq, "message");
    w->revision = http_query(c->rq, "revision");
    w->url = http_query(c->rq, "url");
}

/* What is no JSON has no document. */
static bool is_syntax_error(const struct parameter_file *f)
{
    return f->document == NULL;
}

bool config_change_parse(struct call *c, struct config_change *w)
{
    size_t n;
    const char *text = http_body(c->rq, &n);

    parameter_file_parse(text, n, &w->file);
    if (w->file.errors.count == 0)
        return true;
    if (is_syntax_error(&w->file))
        answer_findings(c, 400, "syntax", &w->file.errors);
    else
        answer_findings(c, 422, "invalid", &w->file.errors);
    return false;
}

const char *config_resource_keys(struct call *c, const struct parameter_file *f)
{
    AUTO_FREE char *literal = NULL;
    const char **keys = arena_alloc(c->arena, (f->n_components + 1) * sizeof *keys);
    size_t n = 0;

    for (size_t i = 0; i < f->n_components; i++)
        keys[n++] = f->components[i].key;
    literal = db_text_array(keys, n);
    return arena_strdup(c->arena, literal);
}

/* The row of READ_CURRENT is (version, sha256, sync, state of the newest apply, document). */
static bool check_preconditions(struct call *c)
{
    const char *if_match = http_header(c->rq, "If-Match");
    const char *if_none = http_header(c->rq, "If-None-Match");
    const char *version = rows_text(c->reply, READ_CURRENT, 0, 0);
    const char *tag = version ? arena_printf(c->arena, "\"v%s-", version) : NULL;

    if (if_none && version && (strchr(if_none, '*') || strstr(if_none, tag))) {
        answer_problemf(c, 412, "exists", "The config exists, at version %s.", version);
        return false;
    }
    if (!if_match)
        return true;
    /* The version is what an edit may clash with; the rest of the tag moves with the status. */
    if (version && (str_eq(if_match, "*") || strstr(if_match, tag)))
        return true;
    if (version)
        http_set_header(c->rq, "ETag", arena_printf(c->arena, "\"v%s-\"", version));
    answer_problemf(
        c, 412, "precondition-failed",
        version ? "The config has moved on, to version %s: read it again, then repeat the change."
                : "The config does not exist.",
        version ? version : "");
    return false;
}

/* What was prepared for one version is not written over another. */
static bool check_bound(struct call *c, const struct config_change *w)
{
    const char *version = rows_text(c->reply, READ_CURRENT, 0, 0);

    if (!w->is_bound || str_eq(version, w->bound_version))
        return true;
    answer_world_moved(c, w->file.name, w->bound_version, version);
    return false;
}

static const struct component *find_component(const struct parameter_file *f, const char *key)
{
    for (size_t i = 0; i < f->n_components; i++)
        if (str_eq(f->components[i].key, key))
            return &f->components[i];
    return NULL;
}

/* Rows (key, owner). What a run makes anew has its parent's name, which is told already. */
static void find_taken(struct call *c, const struct parameter_file *f, int op, struct findings *out)
{
    for (size_t i = 0; i < rows_count(c->reply, op); i++) {
        const struct component *x = find_component(f, rows_text(c->reply, op, i, 0));

        if (!x || kinds[x->kind].is_per_run)
            continue;
        findings_add(out, arena_printf(c->arena, "%s/name", x->pointer), "name-taken",
                     "The %s \"%s\" belongs to the config \"%s\" already; names are unique in "
                     "an account and region.",
                     kinds[x->kind].title, x->name, rows_text(c->reply, op, i, 1));
    }
}

static bool check_owners(struct call *c, const struct config_change *w)
{
    struct findings f = { 0 };

    find_taken(c, &w->file, READ_FOREIGN, &f);
    return !answer_if_found(c, "name-taken", &f);
}

/* New version or the same document; a run or none. */
static void settle_version(struct call *c, struct config_change *w)
{
    AUTO_FREE char *canonical = json_canonical(w->file.document);
    const char *version = rows_text(c->reply, READ_CURRENT, 0, 0);
    int64_t number = rows_int(c->reply, READ_CURRENT, 0, 0, 0);
    bool is_settled;

    sha256_hex(canonical, strlen(canonical), w->sha256);
    w->old_version = version ? arena_strdup(c->arena, version) : NULL;
    w->is_same = version && str_eq(rows_text(c->reply, READ_CURRENT, 0, 1), w->sha256);
    w->version = w->is_same ? number : number + 1;
    is_settled = w->is_same && !(c->is_prune && rows_count(c->reply, READ_LEFT)) &&
                 str_eq(rows_text(c->reply, READ_CURRENT, 0, 2), "synced") &&
                 str_eq(rows_text(c->reply, READ_CURRENT, 0, 3), "succeeded");
    w->has_run = !is_settled || w->is_run_forced;
}

static const char *json_keep(struct call *c, const json_t *value)
{
    AUTO_FREE char *text = json_compact(value);

    return arena_strdup(c->arena, text);
}

static size_t fill_config_ops(struct call *c, struct config_change *w, struct db_op *ops)
{
    AUTO_JSON json_t *resources = config_rows_resources(&w->file);
    struct config_write row = {
        .name = w->file.name,
        .old_version = w->old_version,
        .version = arena_printf(c->arena, "%lld", (long long) w->version),
        .document = json_keep(c, w->file.document),
        .effective = json_keep(c, w->file.effective),
        .sha256 = w->sha256,
        .message = w->message,
        .revision = w->revision,
        .url = w->url,
        .created_by = c->who.token_id,
        .resources = json_keep(c, resources),
        .resource_keys = w->resource_keys,
    };
    size_t n = configs_store_write(&row, ops);

    n += schedules_store_write(w->file.name, w->schedules, w->schedule_paths, ops + n);
    return n;
}

static size_t fill_run_ops(struct call *c, struct config_change *w, struct db_op *ops)
{
    struct run_new run = { .config = w->file.name,
                           .config_version = w->version,
                           .kind = RUN_KIND_APPLY,
                           .trigger = "apply",
                           .overlap = "queue",
                           .created_by = c->who.token_id };

    id_new("run", run.id);
    w->run_id = arena_strdup(c->arena, run.id);
    return run_store_insert(c->arena, &run, &w->plan, ops);
}

static void fill_event(struct call *c, const struct config_change *w, struct db_op *op)
{
    AUTO_JSON json_t *data = json_pack("{s:I}", "version", (json_int_t) w->version);
    AUTO_JSON json_t *known = json_object();

    for (size_t i = 0; i < rows_count(c->reply, READ_OWNED); i++)
        json_object_set_new(known, rows_text(c->reply, READ_OWNED, i, 0), json_true());
    config_rows_tell_schedules(&w->file, known, data);
    if (w->message)
        json_object_set_new(data, "message", json_string(w->message));
    if (w->revision)
        json_object_set_new(data, "revision", json_string(w->revision));
    event_store_insert(
        c->arena,
        &(struct event_new){ .type = w->event         ? w->event
                                     : w->old_version ? "config.updated"
                                                      : "config.created",
                             .subject = arena_printf(c->arena, "configs/%s", w->file.name),
                             .config = w->file.name,
                             .data = data },
        op);
}

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void answer_trial(struct call *c, const struct config_change *w)
{
    AUTO_JSON json_t *steps = config_plan_json(&w->plan);
    AUTO_JSON json_t *answer =
        json_pack("{s:b, s:s, s:I, s:b, s:b, s:O, s:O}", "dryRun", true, "config", w->file.name,
                  "version", (json_int_t) w->version, "newVersion", !w->is_same, "run", w->has_run,
                  "steps", steps, "warnings", w->warnings);
    json_t *changes = config_diff_of(rows_text(c->reply, READ_CURRENT, 0, 4), w->file.document);

    if (changes)
        json_object_set_new(answer, "changes", changes);
    answer_json(c, 200, answer);
}

static bool make_plan(struct call *c, struct config_change *w)
{
    struct err e;

    plan_done(&w->plan);
    if (!plan_build(&w->file, c->api->settings, RUN_KIND_APPLY, NULL, &w->plan, &e))
        return true;
    answer_field(c, "", "cannot-plan", e.message);
    return false;
}

/* What left the file: deleted by this run, or warned of. The plan is made anew, because a busy
 * config is read again. */
static bool plan_leftovers(struct call *c, struct config_change *w)
{
    if (!c->is_prune) {
        json_decref(w->warnings);
        w->warnings = findings_to_json(&w->file.warnings);
        config_left_warn(c, READ_LEFT, w->warnings);
        return true;
    }
    return make_plan(c, w) && config_left_plan(c, READ_LEFT, &w->plan, LEFTOVER_DELETE);
}

static void current_read(struct call *c)
{
    struct config_change *w = c->state;
    struct db_op ops[CALL_OPS_MAX];
    struct write_note note = { 0 };
    size_t n;

    if (w->base_version && !str_eq(w->base_version, rows_text(c->reply, READ_CURRENT, 0, 0))) {
        call_start_over(c, w->restart);
        return;
    }
    if (!check_bound(c, w) || !check_preconditions(c) || !check_owners(c, w))
        return;
    settle_version(c, w);
    if (!plan_leftovers(c, w))
        return;
    config_schedule_rows(c, w, READ_OWNED, rows_int(c->reply, READ_NOW, 0, 0, 0));
    if (c->is_dry_run) {
        answer_trial(c, w);
        return;
    }
    n = fill_config_ops(c, w, ops);
    w->run_id = NULL;
    if (w->has_run)
        n += fill_run_ops(c, w, ops + n);
    if (!w->is_same)
        fill_event(c, w, &ops[n++]);
    if (w->extra)
        n += w->extra(c, w, ops + n);
    note.status = w->old_version ? 200 : 201;
    note.location = arena_printf(c->arena, "/configs/%s", w->file.name);
    note.link = w->run_id ? arena_printf(c->arena, "</runs/%s>; rel=\"run\"", w->run_id) : NULL;
    note.detail = arena_printf(c->arena, "{\"config\":\"%s\",\"version\":%lld}", w->file.name,
                               (long long) w->version);
    configs_store_answer(w->file.name, w->run_id, json_keep(c, w->warnings), &ops[n]);
    note.next = written;
    call_write(c, ops, n + 1, &note);
}

static void read_current(struct call *c)
{
    struct config_change *w = c->state;
    struct db_op ops[READ_COUNT];

    configs_store_current(w->file.name, &ops[READ_CURRENT]);
    configs_store_foreign(w->file.name, w->resource_keys, &ops[READ_FOREIGN]);
    schedules_store_owned(w->file.name, &ops[READ_OWNED]);
    configs_store_now(&ops[READ_NOW]);
    config_left_read(c, &w->file, &ops[READ_LEFT]);
    call_read(c, ops, READ_COUNT, current_read);
}

void config_change_begin(struct call *c, struct config_change *w)
{
    if (!make_plan(c, w))
        return;
    w->warnings = findings_to_json(&w->file.warnings);
    w->resource_keys = config_resource_keys(c, &w->file);
    call_begin_write(c, read_current);
}

void api_config_post(struct call *c)
{
    struct config_change *w = config_change_new(c);

    if (config_change_parse(c, w))
        config_change_begin(c, w);
}

void api_config_put(struct call *c)
{
    struct config_change *w = config_change_new(c);

    if (!config_change_parse(c, w))
        return;
    if (!str_eq(w->file.name, c->match.params[0])) {
        answer_field(
            c, "/datasetGroup/serviceConfig/name", "name-mismatch",
            "The name in the document is not the name in the path; a config can not be renamed.");
        return;
    }
    config_change_begin(c, w);
}

static void answer_validated(struct call *c, const struct config_change *w)
{
    AUTO_JSON json_t *errors = findings_to_json(&w->file.errors);
    AUTO_JSON json_t *warnings = findings_to_json(&w->file.warnings);
    AUTO_JSON json_t *answer = json_pack("{s:b, s:O, s:O}", "valid", w->file.errors.count == 0,
                                         "errors", errors, "warnings", warnings);

    answer_json(c, 200, answer);
}

/* Op 0: resources of this name that other configs own. */
static void names_read(struct call *c)
{
    struct config_change *w = c->state;

    find_taken(c, &w->file, 0, &w->file.errors);
    answer_validated(c, w);
}

/* The same check as offline, and the names of all configs, which only the server knows. */
void api_config_validate(struct call *c)
{
    struct config_change *w = config_change_new(c);
    struct db_op op;
    size_t n;
    const char *text = http_body(c->rq, &n);

    parameter_file_parse(text, n, &w->file);
    if (w->file.n_components == 0) {
        answer_validated(c, w);
        return;
    }
    configs_store_foreign(w->file.name, config_resource_keys(c, &w->file), &op);
    call_read(c, &op, 1, names_read);
}
