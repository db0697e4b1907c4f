/*
 * recipes.c - the service's recipes, algorithms and feature transformations: a static table and its
 * four operations.
 */
#include <string.h>

#include "rules.h"
#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

#define RECIPE_DATE_MS \
    INT64_C(1559779200000) /* 2019-06-06, when the service became generally available */

#define CUSTOM(n, t, ft) .name = (n), .type = (t), .algorithm = (n), .transformation = (ft)
#define DOMAIN(d, n, t)                                        \
    .name = (n), .type = (t), .domain = (d), .algorithm = (n), \
    .transformation = "JSON-percentile-filtering", .training_minutes = 45
#define SHOP  "ECOMMERCE"
#define VIDEO "VIDEO_ON_DEMAND"

static const struct recipe recipes[] = {
    { CUSTOM("aws-user-personalization-v2", "USER_PERSONALIZATION", "JSON-percentile-filtering"),
      .description =
          "Recommends items a user will interact with, for catalogs of up to 5 million items.",
      .training_minutes = 45, .needs_user = true, .has_batch = true },
    { CUSTOM("aws-user-personalization", "USER_PERSONALIZATION", "JSON-percentile-filtering"),
      .description = "Predicts the items a user will interact with, and explores new ones.",
      .training_minutes = 45, .needs_user = true, .has_update = true, .has_batch = true,
      .has_exploration = true },
    { CUSTOM("aws-popularity-count", "POPULAR_ITEMS", "sims"),
      .description = "Calculates the popularity of items by a count of interactions.",
      .training_minutes = 22, .has_batch = true },
    { .name = "aws-trending-now",
      .type = "POPULAR_ITEMS",
      .algorithm = "aws-trending-now-custom",
      .transformation = "JSON-percentile-filtering",
      .description = "Items whose popularity grows fastest.",
      .training_minutes = 25 },
    { CUSTOM("aws-personalized-ranking-v2", "PERSONALIZED_RANKING", "JSON-percentile-filtering"),
      .description = "Reranks a list of items for a user, for catalogs of up to 5 million items.",
      .runtime = RUNTIME_RANKING, .training_minutes = 45, .needs_user = true, .has_batch = true },
    { CUSTOM("aws-personalized-ranking", "PERSONALIZED_RANKING", "JSON-percentile-filtering"),
      .description = "Reranks a list of items for a user.", .runtime = RUNTIME_RANKING,
      .training_minutes = 45, .needs_user = true, .has_batch = true },
    { CUSTOM("aws-similar-items", "RELATED_ITEMS", "featurize_metadata"),
      .description = "Items similar to a given one, by interactions and item metadata.",
      .training_minutes = 40, .needs_item = true, .has_batch = true },
    { CUSTOM("aws-sims", "RELATED_ITEMS", "sims"),
      .description = "Items that occur together in the histories of users.", .training_minutes = 30,
      .needs_item = true, .has_batch = true },
    { CUSTOM("aws-semantic-similarity", "RELATED_ITEMS", "featurize_metadata"),
      .description = "Items similar to a given one by their texts.", .training_minutes = 30,
      .needs_item = true, .has_batch = true, .needs_items_dataset = true },
    { CUSTOM("aws-next-best-action", "PERSONALIZED_ACTIONS", "JSON-percentile-filtering"),
      .description = "The actions a user will most likely take.", .runtime = RUNTIME_ACTIONS,
      .training_minutes = 45, .needs_user = true },
    { CUSTOM("aws-item-affinity", "USER_SEGMENTATION", "item-affinity"),
      .description = "Segments of users by their affinity to items.", .runtime = RUNTIME_NONE,
      .training_minutes = 40, .has_batch = true },
    { CUSTOM("aws-item-attribute-affinity", "USER_SEGMENTATION", "item-attribute-affinity"),
      .description = "Segments of users by their affinity to attributes of items.",
      .runtime = RUNTIME_NONE, .training_minutes = 40, .has_batch = true,
      .needs_items_dataset = true },
    { CUSTOM("aws-hrnn", "USER_PERSONALIZATION", "JSON-percentile-filtering"),
      .description = "Predicts the items a user will interact with (legacy).",
      .training_minutes = 50, .needs_user = true, .has_batch = true },
    { CUSTOM("aws-hrnn-metadata", "USER_PERSONALIZATION", "featurize_metadata"),
      .description = "HRNN with contextual, user and item metadata (legacy).",
      .training_minutes = 60, .needs_user = true, .has_batch = true },
    { CUSTOM("aws-hrnn-coldstart", "USER_PERSONALIZATION", "featurize_coldstart"),
      .description = "HRNN-metadata with exploration of new items (legacy).",
      .training_minutes = 60, .needs_user = true, .has_update = true, .has_batch = true },
    { DOMAIN(SHOP, "aws-ecomm-popular-items-by-views", "POPULAR_ITEMS"), .event_type = "View",
      .description = "Popular items by views.", .needs_user = true },
    { DOMAIN(SHOP, "aws-ecomm-popular-items-by-purchases", "POPULAR_ITEMS"),
      .event_type = "Purchase", .description = "Popular items by purchases.", .needs_user = true },
    { DOMAIN(SHOP, "aws-ecomm-frequently-bought-together", "RELATED_ITEMS"),
      .event_type = "Purchase", .description = "Items bought together with a given one.",
      .needs_item = true },
    { DOMAIN(SHOP, "aws-ecomm-customers-who-viewed-x-also-viewed", "RELATED_ITEMS"),
      .event_type = "View", .description = "Items viewed by those who viewed a given one.",
      .needs_user = true, .needs_item = true },
    { DOMAIN(SHOP, "aws-ecomm-recommended-for-you", "USER_PERSONALIZATION"),
      .description = "Personalised recommendations.", .needs_user = true, .has_exploration = true },
    { DOMAIN(VIDEO, "aws-vod-because-you-watched-x", "RELATED_ITEMS"), .event_type = "Watch",
      .description = "Videos watched by those who watched a given one.", .needs_user = true,
      .needs_item = true },
    { DOMAIN(VIDEO, "aws-vod-more-like-x", "RELATED_ITEMS"), .needs_items_dataset = true,
      .description = "Videos similar to a given one.", .needs_user = true, .needs_item = true },
    { DOMAIN(VIDEO, "aws-vod-most-popular", "POPULAR_ITEMS"), .event_type = "Watch",
      .description = "Most watched videos.", .needs_user = true },
    { DOMAIN(VIDEO, "aws-vod-trending-now", "POPULAR_ITEMS"),
      .description = "Videos whose popularity grows fastest." },
    { DOMAIN(VIDEO, "aws-vod-top-picks", "USER_PERSONALIZATION"),
      .description = "Personalised recommendations.", .needs_user = true, .has_exploration = true },
};

static const char *const transformations[] = {
    "JSON-percentile-filtering", "sims",          "featurize_metadata",
    "featurize_coldstart",       "item-affinity", "item-attribute-affinity",
};

static char *service_arn(const struct sim *s, const char *type, const char *name)
{
    return xasprintf("arn:%s:personalize:::%s/%s", s->settings.partition, type, name);
}

/* The name behind arn:<partition>:personalize:::<type>/, or NULL. */
static const char *name_in_arn(const struct sim *s, const char *arn, const char *type)
{
    AUTO_FREE char *prefix = service_arn(s, type, "");

    return arn && str_starts(arn, prefix) ? arn + strlen(prefix) : NULL;
}

const struct recipe *recipe_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(recipes); i++)
        if (str_eq(recipes[i].name, name))
            return &recipes[i];
    return NULL;
}

enum wire_error recipe_of_resource(struct call *c, const struct resource *r,
                                   const struct recipe **out)
{
    *out = recipe_named(resource_hidden(r, "recipe"));
    if (!*out)
        return call_fail(c, WIRE_INVALID_INPUT, "The simulator does not know the recipe of %s.",
                         r->arn);
    return WIRE_OK;
}

const struct recipe *recipe_find(const struct sim *s, const char *arn)
{
    return recipe_named(name_in_arn(s, arn, "recipe"));
}

/* Members that every static thing has. */
static json_t *describe_static(const char *name, const char *arn_member, const char *arn)
{
    json_t *out = json_object();

    json_object_set_new(out, "name", json_string(name));
    json_object_set_new(out, arn_member, json_string(arn));
    json_object_set_new(out, "status", json_string("ACTIVE"));
    json_object_set_new(out, "creationDateTime", json_time(RECIPE_DATE_MS));
    json_object_set_new(out, "lastUpdatedDateTime", json_time(RECIPE_DATE_MS));
    return out;
}

static enum wire_error answer(struct call *c, const char *member, json_t *value)
{
    const struct service_member *m = service_member_find(c->model->output, member);

    c->out = json_object();
    json_object_set_new(c->out, member, shape_project(m->shape, value));
    json_decref(value);
    return WIRE_OK;
}

enum wire_error op_describe_recipe(struct call *c, const struct sim_kind *kind)
{
    const char *arn = call_text(c, "recipeArn");
    const struct recipe *recipe = recipe_find(c->sim, arn);
    json_t *out;
    AUTO_FREE char *algorithm = NULL, *transformation = NULL;

    (void) kind;
    (void) str_copy(c->arn, sizeof c->arn, arn);
    if (!recipe)
        return call_not_found(c, arn);
    algorithm = service_arn(c->sim, "algorithm", recipe->algorithm);
    transformation = service_arn(c->sim, "feature-transformation", recipe->transformation);
    out = describe_static(recipe->name, "recipeArn", arn);
    json_object_set_new(out, "algorithmArn", json_string(algorithm));
    json_object_set_new(out, "featureTransformationArn", json_string(transformation));
    json_object_set_new(out, "description", json_string(recipe->description));
    json_object_set_new(out, "recipeType", json_string(recipe->type));
    return answer(c, "recipe", out);
}

enum wire_error op_describe_algorithm(struct call *c, const struct sim_kind *kind)
{
    const char *arn = call_text(c, "algorithmArn"), *name = name_in_arn(c->sim, arn, "algorithm");

    (void) kind;
    (void) str_copy(c->arn, sizeof c->arn, arn);
    for (size_t i = 0; name && i < ARRAY_LEN(recipes); i++)
        if (str_eq(recipes[i].algorithm, name))
            return answer(c, "algorithm", describe_static(name, "algorithmArn", arn));
    return call_not_found(c, arn);
}

enum wire_error op_describe_transformation(struct call *c, const struct sim_kind *kind)
{
    const char *arn = call_text(c, "featureTransformationArn"),
               *name = name_in_arn(c->sim, arn, "feature-transformation");

    (void) kind;
    (void) str_copy(c->arn, sizeof c->arn, arn);
    for (size_t i = 0; name && i < ARRAY_LEN(transformations); i++) {
        if (str_eq(transformations[i], name)) {
            json_t *out = describe_static(name, "featureTransformationArn", arn);

            json_object_set_new(out, "defaultParameters", json_object());
            return answer(c, "featureTransformation", out);
        }
    }
    return call_not_found(c, arn);
}

static json_t *show_recipe(const struct call *c, const void *row)
{
    const struct recipe *recipe = row;
    AUTO_FREE char *arn = service_arn(c->sim, "recipe", recipe->name);
    json_t *out = describe_static(recipe->name, "recipeArn", arn);

    if (recipe->domain)
        json_object_set_new(out, "domain", json_string(recipe->domain));
    return out;
}

enum wire_error op_list_recipes(struct call *c, const struct sim_kind *kind)
{
    const char *domain = call_text(c, "domain");
    struct page_row rows[ARRAY_LEN(recipes)];
    struct page page = {
        .rows = rows, .filter = domain, .member = c->model->page_key, .show = show_recipe
    };

    (void) kind;
    for (size_t i = 0; i < ARRAY_LEN(recipes); i++)
        if (!domain || str_eq(domain, recipes[i].domain))
            rows[page.count++] = (struct page_row){ RECIPE_DATE_MS, recipes[i].name, &recipes[i] };
    return page_answer(c, &page);
}
