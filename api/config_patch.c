/*
 * config_patch.c - PATCH of a config: the stored document, changed by a JSON Merge Patch (RFC
 * 7396).
 *
 * The patch is made of the version that was read. When somebody else stores another one meanwhile,
 * it is made again of that.
 */
#include <string.h>

#include "config_write.h"
#include "steward/configs_store.h"

/* Merges patch into target: null removes, objects merge, everything else replaces. The parser
   bounds the depth of both to 32. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of a parsed document */
static void merge(json_t *target, const json_t *patch)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *) patch, name, value) {
        json_t *old = json_object_get(target, name);

        if (json_is_null(value)) {
            json_object_del(target, name);
        } else if (!json_is_object(value)) {
            json_object_set_new(target, name, json_deep_copy(value));
        } else {
            if (!json_is_object(old)) {
                json_object_set_new(target, name, json_object());
                old = json_object_get(target, name);
            }
            merge(old, value);
        }
    }
}

static void restart(struct call *c);

/* The row is (version, sha256, sync, state of the newest apply, document). */
static void document_read(struct call *c)
{
    struct config_change *w = c->state;
    AUTO_JSON json_t *document = NULL;
    struct err e;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "config", c->match.params[0]);
        return;
    }
    if (json_parse(rows_text(c->reply, 0, 0, 4), rows_length(c->reply, 0, 0, 4), &document, NULL,
                   &e)) {
        http_problem_err(c->rq, &e);
        return;
    }
    w->base_version = arena_strdup(c->arena, rows_text(c->reply, 0, 0, 0));
    w->restart = restart;
    merge(document, c->body);
    config_change_reset(w);
    parameter_file_load(document, &w->file);
    if (w->file.errors.count)
        answer_findings(c, 422, "invalid", &w->file.errors);
    else if (!str_eq(w->file.name, c->match.params[0]))
        answer_field(c, "/datasetGroup/serviceConfig/name", "name-mismatch",
                     "A config can not be renamed.");
    else
        config_change_begin(c, w);
}

static void restart(struct call *c)
{
    struct db_op op;

    configs_store_current(c->match.params[0], &op);
    call_read(c, &op, 1, document_read);
}

void api_config_patch(struct call *c)
{
    const char *type = http_header(c->rq, "Content-Type");

    (void) config_change_new(c);
    if (type && strncasecmp(type, "application/json-patch", 22) == 0)
        answer_problem(c, 415, "unsupported-media-type",
                       "Send a JSON Merge Patch (application/merge-patch+json): the members to "
                       "change, null to remove.");
    else if (config_name_check(c) && body_parse(c))
        restart(c);
}
