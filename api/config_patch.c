/*
 * config_patch.c - PATCH of a config: the stored document, changed by a JSON Merge Patch (RFC
 * 7396), a JSON Patch (RFC 6902), or a merge patch of one campaign or recommender.
 *
 * The patch is made of the version that was read. When somebody else stores another one meanwhile,
 * it is made again of that; with a JSON Patch its "test" operations are then judged again too.
 */
#include <string.h>

#include "config_write.h"
#include "steward/configs_store.h"
#include "steward/json_patch.h"

/* Changes *document; false when it answered. */
typedef bool (*change_fn)(struct call *c, json_t **document);

struct patch {
    struct config_change change; /* first: config_write.c knows the call's state by it */
    change_fn apply;
};

static bool apply_merge(struct call *c, json_t **document)
{
    json_merge_patch(*document, c->body);
    return true;
}

static bool apply_operations(struct call *c, json_t **document)
{
    struct json_patch_trouble trouble;
    char pointer[POINTER_BYTES] = "";

    if (json_patch_apply(document, c->body, &trouble))
        return true;
    (void) json_pointer_index(pointer, sizeof pointer, trouble.operation);
    if (*trouble.member)
        (void) json_pointer_key(pointer, sizeof pointer, trouble.member);
    if (trouble.is_test) {
        AUTO_JSON json_t *errors = json_pack("[{s:s, s:s, s:s}]", "pointer", pointer, "code",
                                             "patch-test-failed", "detail", trouble.detail);

        http_problem(c->rq, &(struct problem){ .status = 409,
                                               .code = "patch-test-failed",
                                               .detail = trouble.detail,
                                               .errors = errors });
        return false;
    }
    answer_field(c, pointer, "bad-patch", trouble.detail);
    return false;
}

/* Of a list of components the serviceConfig with this name. */
static json_t *find_service(const json_t *list, const char *name)
{
    const json_t *item;
    size_t i;

    json_array_foreach ((json_t *) list, i, item) {
        json_t *service = json_object_get(item, "serviceConfig");

        if (str_eq(json_text(service, "name"), name))
            return service;
    }
    return NULL;
}

/* What merges into the serviceConfig: its own members, and nothing that would rename it. */
static bool merge_service(struct call *c, json_t *service, const char *what)
{
    const char *name = c->match.params[1];

    if (!service) {
        answer_problemf(c, 404, "not-found", "The config \"%s\" has no %s \"%s\".",
                        c->match.params[0], what, name);
        return false;
    }
    json_merge_patch(service, c->body);
    if (str_eq(json_text(service, "name"), name))
        return true;
    answer_field(c, "/name", "name-mismatch",
                 "The name is what the resource is known by; it can not be changed.");
    return false;
}

static bool apply_campaign(struct call *c, json_t **document)
{
    json_t *service = NULL;
    const json_t *solution;
    size_t i;

    json_array_foreach (json_object_get(*document, "solutions"), i, solution)
        if (!service)
            service = find_service(json_object_get(solution, "campaigns"), c->match.params[1]);
    return merge_service(c, service, "campaign");
}

/* The one member people change lies a level deeper than that of campaigns; both places are good. */
static bool apply_recommender(struct call *c, json_t **document)
{
    static const char rate[] = "minRecommendationRequestsPerSecond";
    json_t *value = json_incref(json_object_get(c->body, rate));

    if (value) {
        if (!json_is_object(json_object_get(c->body, "recommenderConfig")))
            json_object_set_new(c->body, "recommenderConfig", json_object());
        json_object_set_new(json_object_get(c->body, "recommenderConfig"), rate, value);
        json_object_del(c->body, rate);
    }
    return merge_service(
        c, find_service(json_object_get(*document, "recommenders"), c->match.params[1]),
        "recommender");
}

static void restart(struct call *c);

/* A patch may build what no body may be: deeper than the parser allows. */
static bool parse_again(struct call *c, json_t **document)
{
    AUTO_FREE char *text = json_compact(*document);
    json_t *checked;
    struct err e;

    if (json_parse(text, strlen(text), &checked, NULL, &e)) {
        answer_field(c, "", "bad-patch", e.message);
        return false;
    }
    json_decref(*document);
    *document = checked;
    return true;
}

/* The row is (version, sha256, sync, state of the newest apply, document). */
static void document_read(struct call *c)
{
    struct patch *p = c->state;
    struct config_change *w = &p->change;
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
    if (!p->apply(c, &document) || !parse_again(c, &document))
        return;
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

static void begin(struct call *c, change_fn apply)
{
    struct patch *p = arena_alloc(c->arena, sizeof *p);

    config_change_init(c, &p->change);
    p->apply = apply;
    if (config_name_check(c) && (apply == apply_operations ? body_parse_list(c) : body_parse(c)))
        restart(c);
}

static bool is_type(const struct call *c, const char *wanted)
{
    const char *type = http_header(c->rq, "Content-Type");
    size_t n = strlen(wanted);

    return type && strncasecmp(type, wanted, n) == 0 && (!type[n] || strchr("; \t", type[n]));
}

void api_config_patch(struct call *c)
{
    if (is_type(c, "application/json-patch+json"))
        begin(c, apply_operations);
    else if (is_type(c, "application/json") || is_type(c, "application/merge-patch+json"))
        begin(c, apply_merge);
    else
        answer_problem(c, 415, "unsupported-media-type",
                       "Send a JSON Merge Patch (application/merge-patch+json: the members to "
                       "change, null to remove) or a JSON Patch (application/json-patch+json).");
}

void api_campaign_patch(struct call *c)
{
    begin(c, apply_campaign);
}

void api_recommender_patch(struct call *c)
{
    begin(c, apply_recommender);
}
