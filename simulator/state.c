/*
 * state.c - the journal: lines {"put": resource}, {"drop": [arn…]}, {"settings": {…}}.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "avro.h"
#include "steward/clock.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"

#define JOURNAL_REWRITE_BYTES ((size_t) 64 << 20)

struct state {
    int fd;
    char *path;
    size_t written;
};

static json_t *settings_to_json(const struct sim *s)
{
    json_t *out = json_object(), *quotas = json_object();

    for (size_t i = 0; i < QUOTA_COUNT; i++)
        json_object_set_new(quotas, quota_name((enum quota_id) i), json_integer(s->quotas[i]));
    json_object_set_new(out, "clock",
                        json_pack("{s:I, s:I, s:b}", "base", (json_int_t) s->clock.base_ms, "wall",
                                  (json_int_t) s->clock.wall_ms, "frozen", s->clock.is_frozen));
    json_object_set_new(out, "quotas", quotas);
    json_object_set_new(out, "faults", faults_to_json(&s->faults));
    json_object_set_new(out, "roles", json_deep_copy(s->roles));
    return out;
}

static void settings_from_json(struct sim *s, const json_t *settings)
{
    const json_t *clock = json_object_get(settings, "clock"),
                 *faults = json_object_get(settings, "faults"),
                 *roles = json_object_get(settings, "roles");
    const char *name;
    json_t *value;
    struct err e;

    if (clock) {
        s->clock.base_ms = json_int_or(clock, "base", s->clock.base_ms);
        s->clock.wall_ms = json_int_or(clock, "wall", s->clock.wall_ms);
        s->clock.is_frozen = json_bool_or(clock, "frozen", false);
    }
    json_object_foreach (json_object_get(settings, "quotas"), name, value)
        (void) quota_set(s->quotas, name, json_integer_value(value));
    faults_clear(&s->faults);
    for (size_t i = 0; i < json_array_size(faults); i++)
        if (fault_add_json(&s->faults, json_array_get(faults, i), &e))
            log_error("simulator", "fault_rule_dropped", &e);
    if (json_is_object(roles)) {
        json_decref(s->roles);
        s->roles = json_deep_copy(roles);
    }
}

static void apply_line(struct sim *s, const json_t *line)
{
    const json_t *put = json_object_get(line, "put"), *drop = json_object_get(line, "drop");
    struct resource *old, *r;

    for (size_t i = 0; i < json_array_size(drop); i++) {
        old = world_find(&s->world, json_string_value(json_array_get(drop, i)));
        if (old)
            world_remove(&s->world, old);
    }
    if (put && (r = resource_from_json(put))) {
        old = world_find(&s->world, r->arn);
        if (old)
            world_remove(&s->world, old);
        world_add(&s->world, r);
    }
    if (json_object_get(line, "settings"))
        settings_from_json(s, json_object_get(line, "settings"));
}

static enum err_code read_journal(struct sim *s, const char *path, struct err *e)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;

    if (!f)
        return errno == ENOENT
                   ? OK
                   : err_set(e, ERR_INTERNAL, "Cannot read %s: %s.", path, strerror(errno));
    while ((n = getline(&line, &capacity, f)) > 0) {
        AUTO_JSON json_t *document = json_loadb(line, (size_t) n, 0, NULL);

        if (document)
            apply_line(s, document);
        else /* the last line of a process killed while writing; nobody was answered for it */
            log_event(LOG_WARN, "simulator", "journal_line_skipped", "path=%s", log_quote(path));
    }
    free(line);
    (void) fclose(f);
    return OK;
}

static void add_line(struct buf *out, const char *key, json_t *value)
{
    AUTO_JSON json_t *line = json_object();
    char *text;

    json_object_set_new(line, key, value);
    text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15));
    buf_adds(out, text);
    buf_addc(out, '\n');
    free(text);
}

static bool write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, data, n);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return false;
        data += k;
        n -= (size_t) k;
    }
    return true;
}

/* Writes the whole state to a new file and puts it in the journal's place. */
static enum err_code rewrite(struct sim *s, struct state *state, struct err *e)
{
    AUTO_BUF struct buf out = { 0 };
    AUTO_FREE char *next = xasprintf("%s.new", state->path);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set(e, ERR_INTERNAL, "Cannot write %s: %s.", next, strerror(errno));
    add_line(&out, "settings", settings_to_json(s));
    for (size_t k = 0; k < SIM_KIND_COUNT; k++)
        for (size_t i = 0; i < s->world.kinds[k].count; i++)
            add_line(&out, "put", resource_to_json(s->world.kinds[k].items[i]));
    if (!write_all(fd, out.data, out.length) || rename(next, state->path) != 0) {
        (void) close(fd);
        return err_set(e, ERR_INTERNAL, "Cannot write %s: %s.", next, strerror(errno));
    }
    if (state->fd >= 0)
        (void) close(state->fd);
    state->fd = fd;
    state->written = 0;
    return OK;
}

static void forget_changes(struct world *w)
{
    for (size_t i = 0; i < w->dirty.count; i++)
        w->dirty.items[i]->is_dirty = false;
    w->dirty.count = 0;
    json_array_clear(w->dropped);
}

enum err_code state_open(struct sim *s, struct err *e)
{
    struct state *state = xcalloc(1, sizeof *state);

    state->fd = -1;
    state->path = xasprintf("%s/state.jsonl", s->data_dir);
    s->state = state;
    TRY(read_journal(s, state->path, e));
    TRY(rewrite(s, state, e));
    forget_changes(&s->world);
    return OK;
}

void state_close(struct sim *s)
{
    if (!s->state)
        return;
    if (s->state->fd >= 0)
        (void) close(s->state->fd);
    free(s->state->path);
    free(s->state);
    s->state = NULL;
}

static void append(struct sim *s, const struct buf *lines)
{
    struct err e;

    if (!write_all(s->state->fd, lines->data, lines->length))
        log_event(LOG_ERROR, "simulator", "journal_write_failed", "error=%s",
                  log_quote(strerror(errno)));
    s->state->written += lines->length;
    if (s->state->written > JOURNAL_REWRITE_BYTES && rewrite(s, s->state, &e))
        log_error("simulator", "journal_rewrite_failed", &e);
}

void state_flush(struct sim *s)
{
    struct world *w = &s->world;
    AUTO_BUF struct buf lines = { 0 };

    if (s->state) {
        if (json_array_size(w->dropped))
            add_line(&lines, "drop", json_copy(w->dropped));
        for (size_t i = 0; i < w->dirty.count; i++)
            add_line(&lines, "put", resource_to_json(w->dirty.items[i]));
        if (lines.length)
            append(s, &lines);
    }
    forget_changes(w);
    if (s->faults.is_changed)
        state_save_settings(s);
}

void state_save_settings(struct sim *s)
{
    AUTO_BUF struct buf lines = { 0 };

    s->faults.is_changed = false;
    if (!s->state)
        return;
    add_line(&lines, "settings", settings_to_json(s));
    append(s, &lines);
}

json_t *state_snapshot(const struct sim *s)
{
    json_t *out = json_object(), *resources = json_array();

    for (size_t k = 0; k < SIM_KIND_COUNT; k++)
        for (size_t i = 0; i < s->world.kinds[k].count; i++)
            json_array_append_new(resources, resource_to_json(s->world.kinds[k].items[i]));
    json_object_set_new(out, "settings", settings_to_json(s));
    json_object_set_new(out, "resources", resources);
    return out;
}

/* ---- pictures of real accounts: bodies, tags and ARNs without our bookkeeping, which is inferred
 * ---- */

static void infer_life(struct resource *r, const json_t *saved)
{
    const char *status = resource_text(r, "status");

    if (!json_object_get(saved, "created"))
        r->created_ms =
            (int64_t) (json_number_value(json_object_get(r->body, "creationDateTime")) * 1000.0);
    for (size_t i = 0; !json_object_get(saved, "life") && i < LIFE_COUNT; i++)
        if (str_eq(life_text(r->kind, (enum life) i), status))
            r->life = (enum life) i;
    if (r->kind->id == SIM_SCHEMA)
        r->life = LIFE_NONE;
}

static void hide_text(struct resource *r, const char *member, const char *value)
{
    if (value && !resource_hidden(r, member))
        resource_hide(r, member, json_string(value));
}

/* The recipe's name behind the last slash of its ARN. */
static void infer_recipe(struct resource *r, const char *arn)
{
    const char *slash = arn ? strrchr(arn, '/') : NULL;

    hide_text(r, "recipe", slash ? slash + 1 : NULL);
}

static void infer_solution(struct resource *campaign)
{
    const char *version = resource_text(campaign, "solutionVersionArn");
    const char *slash = version ? strrchr(version, '/') : NULL;
    AUTO_FREE char *solution = slash ? xstrndup(version, (size_t) (slash - version)) : NULL;

    hide_text(campaign, "solutionArn", solution);
}

/* The group is named by the resource itself, or by what it hangs on. */
static void infer_group(const struct world *w, struct resource *r)
{
    static const char *const parents[] = { "datasetArn", "solutionArn", "solutionVersionArn" };

    if (r->kind->id == SIM_DATASET_GROUP || r->kind->id == SIM_SCHEMA)
        return;
    hide_text(r, "group", resource_text(r, "datasetGroupArn"));
    for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
        const struct resource *parent = world_find(w, resource_text(r, parents[i]));

        if (parent && parent != r)
            hide_text(r, "group",
                      json_text_or(parent->body, "datasetGroupArn", resource_group(parent)));
    }
}

static void infer(struct sim *s, struct resource *r)
{
    json_t *fields = NULL;
    struct err e;

    infer_group(&s->world, r);
    if (r->kind->id == SIM_CAMPAIGN)
        infer_solution(r);
    if (r->kind->id == SIM_SOLUTION_VERSION || r->kind->id == SIM_RECOMMENDER)
        infer_recipe(r, resource_text(r, "recipeArn"));
    if (r->kind->id == SIM_SCHEMA && !json_object_get(r->hidden, "avro") &&
        avro_schema_read(json_text_or(r->body, "schema", ""), resource_text(r, "domain"), &fields,
                         &e) == OK)
        resource_hide(r, "avro", fields);
    world_touch(&s->world, r);
}

/* Adds one resource of a picture to the world. */
static enum err_code load_resource(struct sim *s, const json_t *saved, struct err *e)
{
    struct resource *r = resource_from_json(saved);

    if (!r)
        return err_set(e, ERR_INVALID, "A resource of the snapshot has no kind, arn and body.");
    if (world_find(&s->world, r->arn)) {
        (void) err_set(e, ERR_CONFLICT, "The snapshot's resource %.150s is there already.", r->arn);
        resource_free(r);
        return e->code;
    }
    r->serial = 0;
    infer_life(r, saved);
    world_add(&s->world, r);
    return OK;
}

enum err_code state_load(struct sim *s, const json_t *snapshot, struct err *e)
{
    const json_t *resources = json_object_get(snapshot, "resources");

    if (!json_is_array(resources))
        return err_set(e, ERR_INVALID, "A snapshot is an object with a list \"resources\".");
    if (json_object_get(snapshot, "settings"))
        settings_from_json(s, json_object_get(snapshot, "settings"));
    for (size_t i = 0; i < json_array_size(resources); i++)
        TRY(load_resource(s, json_array_get(resources, i), e));
    for (size_t k = 0; k < SIM_KIND_COUNT; k++)
        for (size_t i = 0; i < s->world.kinds[k].count; i++)
            infer(s, s->world.kinds[k].items[i]);
    state_flush(s);
    state_save_settings(s);
    return OK;
}
