/*
 * rollback.c - an earlier version's document becomes the newest version.
 */
#include "config_write.h"
#include "steward/configs_store.h"

static const struct body_member rollback_members[] = {
    { .name = "version", .type = JSON_INTEGER, .is_required = true },
};

/* The row is (json of the version with its document). */
static void version_read(struct call *c)
{
    struct config_change *w = c->state;
    AUTO_JSON json_t *version = NULL;
    json_t *document;
    struct err e;

    if (!rows_count(c->reply, 0)) {
        answer_field(
            c, "/version", "not-found",
            arena_printf(c->arena, "The config \"%s\" has no such version.", c->match.params[0]));
        return;
    }
    if (json_parse(rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0), &version, NULL,
                   &e)) {
        http_problem_err(c->rq, &e);
        return;
    }
    document = json_object_get(version, "document");
    parameter_file_load(document, &w->file);
    if (w->file.errors.count) {
        answer_findings(c, 422, "stored-config-invalid", &w->file.errors);
        return;
    }
    config_change_begin(c, w);
}

void api_config_rollback(struct call *c)
{
    struct config_change *w = config_change_new(c);
    int64_t version;
    struct db_op op;

    if (!body_parse(c) || !body_check(c, rollback_members, ARRAY_LEN(rollback_members)))
        return;
    version = json_int_or(c->body, "version", 0);
    if (!config_name_check(c))
        return;
    w->event = "config.rolledBack";
    if (!w->message)
        w->message = arena_printf(c->arena, "Rollback to version %lld", (long long) version);
    configs_store_version(c->match.params[0], arena_printf(c->arena, "%lld", (long long) version),
                          false, &op);
    call_read(c, &op, 1, version_read);
}
