/*
 * runtime.c - the runtime API: recommendations, rankings and actions from the model that a campaign
 * or recommender serves.
 *
 * Models and catalogs stay in memory until others need the room or the data changes; the loop
 * thread owns them.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "data_plane.h"
#include "serve.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "work.h"

#define RESULTS_DEFAULT      25
#define RESULTS_MAX          500
#define RESULTS_METADATA_MAX 50
#define METADATA_COLUMNS_MAX 10
#define CACHED               16
#define ACTION_EVENTS_MIN    50

static struct cached {
    char *model_name;
    struct model model;
    struct part {
        char *key; /* what it was read from; NULL: not read */
        struct catalog catalog;
    } imported, streamed; /* apart: events come often and are few */
    uint64_t used;
} cache[CACHED];
static uint64_t cache_turn;

static void drop_part(struct part *p)
{
    if (p->key)
        catalog_done(&p->catalog);
    free(TAKE(p->key));
}

static void drop(struct cached *x)
{
    drop_part(&x->imported);
    drop_part(&x->streamed);
    model_done(&x->model);
    free(TAKE(x->model_name));
}

void runtime_done(void)
{
    for (size_t i = 0; i < CACHED; i++)
        drop(&cache[i]);
}

/* Everything a part depends on: files of imports, or streams and how far they have come. */
static char *part_key(const struct sim *s, const char *group, bool is_stream)
{
    const struct resource_list *all = &s->world.kinds[SIM_DATASET];
    AUTO_BUF struct buf key = { 0 };

    buf_printf(&key, "%s", group);
    for (size_t i = 0; i < all->count; i++) {
        const struct resource *d = all->items[i];
        const json_t *files = json_object_get(d->hidden, "files");

        if (!str_eq(resource_group(d), group))
            continue;
        if (is_stream)
            buf_printf(&key, "|%s %lld", json_text_or(d->hidden, "stream", ""),
                       (long long) json_int_or(d->hidden, "streamed", 0));
        for (size_t f = 0; !is_stream && f < json_array_size(files); f++)
            buf_printf(&key, "|%s", json_string_value(json_array_get(files, f)));
    }
    return buf_take(&key);
}

static struct cached *find_slot(const char *model_name)
{
    struct cached *oldest = &cache[0];

    for (size_t i = 0; i < CACHED; i++) {
        if (str_eq(cache[i].model_name, model_name) && model_name)
            return &cache[i];
        if (cache[i].used < oldest->used)
            oldest = &cache[i];
    }
    drop(oldest);
    return oldest;
}

static enum wire_error load_part(struct call *c, const char *group, struct part *p, bool is_stream)
{
    AUTO_FREE char *key = part_key(c->sim, group, is_stream);
    AUTO_JSON json_t *data = NULL;
    struct catalog_source source = { .data_dir = c->sim->data_dir,
                                     .skips_imports = is_stream,
                                     .skips_stream = !is_stream };
    struct err e;

    if (str_eq(p->key, key))
        return WIRE_OK;
    drop_part(p);
    data = group_data(c->sim, group);
    source.data = data;
    if (catalog_load(&source, NULL, &p->catalog, &e)) {
        catalog_done(&p->catalog);
        return call_fail(c, WIRE_INTERNAL, "%s", e.message);
    }
    p->key = TAKE(key);
    return WIRE_OK;
}

static enum wire_error load(struct call *c, const char *model_name, const char *group,
                            struct cached **out)
{
    struct cached *x = find_slot(model_name);
    struct err e;

    x->used = ++cache_turn;
    if (!x->model_name) {
        if (model_read(c->sim->data_dir, model_name, &x->model, &e))
            return call_fail(c, WIRE_NOT_FOUND, "%s", e.message);
        x->model_name = xstrdup(model_name);
    }
    PASS(load_part(c, group, &x->imported, false));
    PASS(load_part(c, group, &x->streamed, true));
    x->imported.catalog.newer = &x->streamed.catalog;
    *out = x;
    return WIRE_OK;
}

/* What is asked: the campaign or recommender, its recipe, its model. */
struct target {
    const struct resource *resource;
    const struct recipe *recipe;
    const char *model, *group;
    bool has_metadata;
};

static enum wire_error find_target(struct call *c, struct target *t)
{
    const char *campaign = call_text(c, "campaignArn"),
               *recommender = call_text(c, "recommenderArn");
    const char *arn = campaign ? campaign : recommender;
    const struct resource *version;

    if (!arn || (campaign && recommender))
        return call_fail(c, WIRE_INVALID_INPUT, "Give either a campaignArn or a recommenderArn.");
    (void) str_copy(c->arn, sizeof c->arn, arn);
    t->resource = world_find_kind(&c->sim->world, arn, campaign ? SIM_CAMPAIGN : SIM_RECOMMENDER);
    if (!t->resource)
        return call_not_found(c, arn);
    if (t->resource->life != LIFE_ACTIVE)
        return call_fail(c, WIRE_NOT_FOUND, "Resource %s is in %s state. It must be ACTIVE.", arn,
                         life_text(t->resource->kind, t->resource->life));
    version = campaign
                  ? world_find(&c->sim->world, resource_text(t->resource, "solutionVersionArn"))
                  : t->resource;
    if (!version)
        return call_not_found(c, resource_text(t->resource, "solutionVersionArn"));
    PASS(recipe_of_resource(c, version, &t->recipe));
    assert(t->recipe);
    t->model = resource_hidden(version, "model");
    t->group = resource_group(t->resource);
    t->has_metadata =
        str_ends(t->recipe->name, "-v2") ||
        json_is_true(json_at(t->resource->body,
                             campaign ? "/campaignConfig/enableMetadataWithRecommendations"
                                      : "/recommenderConfig/enableMetadataWithRecommendations"));
    return WIRE_OK;
}

static enum wire_error read_filter(struct call *c, const json_t *from, const struct target *t,
                                   struct filter *out)
{
    const char *arn = json_text(from, "filterArn"), *missing;
    const struct resource *r = arn ? world_find_kind(&c->sim->world, arn, SIM_FILTER) : NULL;
    struct err e;

    *out = (struct filter){ 0 };
    if (!arn)
        return WIRE_OK;
    if (!r || r->life != LIFE_ACTIVE)
        return call_not_found(c, arn);
    if (!str_eq(resource_group(r), t->group))
        return call_fail(c, WIRE_INVALID_INPUT, "The filter %s belongs to another dataset group.",
                         arn);
    if (sim_filter_parse(resource_text(r, "filterExpression"), out, &e))
        return call_fail(c, WIRE_INVALID_INPUT, "%s", e.message);
    missing = sim_filter_missing_value(out, json_object_get(from, "filterValues"));
    if (missing) {
        enum wire_error error = call_fail(
            c, WIRE_INVALID_INPUT, "No value was given for the filter parameter %s.", missing);

        sim_filter_done(out);
        return error;
    }
    return WIRE_OK;
}

/* {"ITEMS": ["GENRE", …]}: columns of the Items dataset with each item. */
static enum wire_error add_metadata(struct call *c, const struct target *t, const struct cached *x,
                                    json_t *list)
{
    const json_t *wanted = call_member(c, "metadataColumns"), *columns;
    const char *type;
    json_t *value;

    if (!wanted || json_object_size(wanted) == 0)
        return WIRE_OK;
    if (!t->has_metadata)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Metadata in recommendations is not enabled for %s.", t->resource->arn);
    json_object_foreach ((json_t *) wanted, type, value) {
        if (strcasecmp(type, "ITEMS") != 0)
            return call_fail(c, WIRE_INVALID_INPUT,
                             "Metadata can be had of the ITEMS dataset only.");
    }
    columns = json_object_iter_value(json_object_iter((json_t *) wanted));
    if (json_array_size(columns) > METADATA_COLUMNS_MAX)
        return call_fail(c, WIRE_INVALID_INPUT, "At most %d metadata columns can be asked for.",
                         METADATA_COLUMNS_MAX);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *row = json_array_get(list, i), *metadata = json_object();
        const json_t *item =
            catalog_row(&x->imported.catalog, CATALOG_ITEMS, json_text(row, "itemId"));

        for (size_t k = 0; k < json_array_size(columns); k++) {
            const char *column = json_string_value(json_array_get(columns, k));
            const char *text = json_text(item, column);
            AUTO_FREE char *name = xstrdup(column);

            for (char *p = name; *p; p++)
                *p = (char) (*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
            if (text)
                json_object_set_new(metadata, name, json_string(text));
        }
        json_object_set_new(row, "metadata", metadata);
    }
    return WIRE_OK;
}

static void answer(struct call *c, const char *member, json_t *list)
{
    char id[UUID_BYTES], text[48];

    uuid_new(id);
    (void) snprintf(text, sizeof text, "RID-%s", id);
    c->out = json_object();
    json_object_set_new(c->out, member, list);
    json_object_set_new(c->out, "recommendationId", json_string(text));
}

static enum wire_error read_count(struct call *c, size_t *n)
{
    int64_t wanted = json_int_or(c->in, "numResults", RESULTS_DEFAULT);
    int64_t max = call_member(c, "metadataColumns") ? RESULTS_METADATA_MAX : RESULTS_MAX;

    if (wanted > max)
        return call_fail(c, WIRE_INVALID_INPUT, "numResults must be at most %lld.",
                         (long long) max);
    *n = (size_t) (wanted > 0 ? wanted : RESULTS_DEFAULT);
    return WIRE_OK;
}

/* A share of the list goes to the items that pass the promotion's filter; they come first. */
struct promoting {
    const struct target *target;
    const struct cached *from;
    const struct serve_question *question;
};

static bool holds_item(const json_t *rows, const char *id)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (str_eq(json_text(json_array_get(rows, i), "itemId"), id))
            return true;
    return false;
}

static void mix(json_t *promoted, const json_t *rest, const struct promoting *p, const char *name)
{
    for (size_t i = 0; i < json_array_size(promoted); i++)
        json_object_set_new(json_array_get(promoted, i), "promotionName", json_string(name));
    for (size_t i = 0; i < json_array_size(rest) && json_array_size(promoted) < p->question->n; i++)
        if (!holds_item(promoted, json_text(json_array_get(rest, i), "itemId")))
            json_array_append(promoted, json_array_get(rest, i));
}

static enum wire_error promote(struct call *c, const struct promoting *p, json_t **list)
{
    const json_t *promotion = json_array_get(call_member(c, "promotions"), 0);
    struct serve_question q = *p->question;
    struct filter f;
    json_t *promoted;

    if (!promotion)
        return WIRE_OK;
    PASS(read_filter(c, promotion, p->target, &f));
    q.filter = f.count ? &f : NULL;
    q.filter_values = json_object_get(promotion, "filterValues");
    q.n = (q.n * (size_t) json_int_or(promotion, "percentPromotedItems", 0) + 99) / 100;
    promoted = serve_items(&p->from->model, &p->from->imported.catalog, &q);
    sim_filter_done(&f);
    mix(promoted, *list, p, json_text_or(promotion, "name", ""));
    json_decref(*list);
    *list = promoted;
    return WIRE_OK;
}

static enum wire_error check_keys(struct call *c, const struct target *t)
{
    if (t->recipe->runtime != RUNTIME_RECOMMENDATIONS)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The recipe %s does not support GetRecommendations.", t->recipe->name);
    if (t->recipe->needs_item && !call_text(c, "itemId"))
        return call_fail(c, WIRE_INVALID_INPUT, "itemId is required for the recipe %s.",
                         t->recipe->name);
    if (t->recipe->needs_user && !call_text(c, "userId"))
        return call_fail(c, WIRE_INVALID_INPUT, "userId is required for the recipe %s.",
                         t->recipe->name);
    return WIRE_OK;
}

enum wire_error get_recommendations(struct call *c)
{
    struct serve_question q = { .user = call_text(c, "userId"),
                                .item = call_text(c, "itemId"),
                                .filter_values = call_member(c, "filterValues") };
    struct target t = { 0 };
    struct cached *x = NULL;
    struct filter f;
    json_t *list;
    enum wire_error error;

    PASS(find_target(c, &t));
    assert(t.recipe);
    PASS(check_keys(c, &t));
    PASS(read_count(c, &q.n));
    PASS(load(c, t.model, t.group, &x));
    assert(x);
    PASS(read_filter(c, c->in, &t, &f));
    q.recipe = t.recipe;
    q.filter = f.count ? &f : NULL;
    list = serve_items(&x->model, &x->imported.catalog, &q);
    error = promote(c, &(struct promoting){ &t, x, &q }, &list);
    if (!error)
        error = add_metadata(c, &t, x, list);
    sim_filter_done(&f);
    answer(c, "itemList", list);
    return error;
}

enum wire_error get_ranking(struct call *c)
{
    struct serve_question q = { .user = call_text(c, "userId"),
                                .input_list = call_member(c, "inputList"),
                                .filter_values = call_member(c, "filterValues") };
    struct target t = { 0 };
    struct cached *x = NULL;
    struct filter f;
    json_t *list;
    enum wire_error error;

    PASS(find_target(c, &t));
    assert(t.recipe);
    if (t.recipe->runtime != RUNTIME_RANKING)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The recipe %s does not support GetPersonalizedRanking.", t.recipe->name);
    q.n = json_array_size(q.input_list);
    if (q.n > RESULTS_MAX)
        return call_fail(c, WIRE_INVALID_INPUT, "inputList must have at most %d items.",
                         RESULTS_MAX);
    PASS(load(c, t.model, t.group, &x));
    assert(x);
    PASS(read_filter(c, c->in, &t, &f));
    q.recipe = t.recipe;
    q.filter = f.count ? &f : NULL;
    list = serve_items(&x->model, &x->imported.catalog, &q);
    error = add_metadata(c, &t, x, list);
    sim_filter_done(&f);
    answer(c, "personalizedRanking", list);
    return error;
}

/* An action has a score once enough is known of it: taken often enough, and not taken often enough.
 */
static bool is_scored(const struct catalog *c, const char *action)
{
    size_t taken = 0, other = 0;

    for (const struct catalog *part = c; part; part = part->newer) {
        const struct interactions *x = &part->action_interactions;
        uint32_t id = names_find(&x->items, action);

        for (size_t i = 0; i < x->count; i++) {
            if (x->rows[i].item != id)
                continue;
            if (x->rows[i].type != NO_NAME &&
                strcasecmp(x->types.texts[x->rows[i].type], "taken") == 0)
                taken++;
            else
                other++;
        }
    }
    return taken >= ACTION_EVENTS_MIN && other >= ACTION_EVENTS_MIN;
}

enum wire_error get_action_recommendations(struct call *c)
{
    struct serve_question q = { .user = call_text(c, "userId"),
                                .filter_values = call_member(c, "filterValues") };
    struct target t = { 0 };
    struct cached *x = NULL;
    struct filter f;
    AUTO_JSON json_t *rows = NULL;
    json_t *list = json_array();

    c->out = list; /* freed with the call when a check fails */
    PASS(find_target(c, &t));
    assert(t.recipe);
    if (t.recipe->runtime != RUNTIME_ACTIONS)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The recipe %s does not support GetActionRecommendations.",
                         t.recipe->name);
    if (!q.user)
        return call_fail(c, WIRE_INVALID_INPUT, "userId is required for the recipe %s.",
                         t.recipe->name);
    PASS(read_count(c, &q.n));
    PASS(load(c, t.model, t.group, &x));
    assert(x);
    PASS(read_filter(c, c->in, &t, &f));
    q.recipe = t.recipe;
    q.filter = f.count ? &f : NULL;
    rows = serve_items(&x->model, &x->imported.catalog, &q);
    sim_filter_done(&f);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *action = json_text(row, "itemId");
        double score = is_scored(&x->imported.catalog, action)
                           ? json_real_value(json_object_get(row, "score"))
                           : 0.0;

        json_array_append_new(list, json_pack("{s:s, s:f}", "actionId", action, "score", score));
    }
    answer(c, "actionList", list);
    return WIRE_OK;
}
