/*
 * recipes.c - the table of recipes.
 *
 * Source: developer guide of Amazon Personalize ("Choosing a recipe", "Domain use cases"). Sorted
 * as the guide groups them.
 */
#include "steward/recipes.h"

#include <string.h>

#include "steward/mem.h"
#include "steward/str.h"

#define CUSTOM .has_campaigns = true, .has_batch_inference = true

const struct recipe recipes[] = {
    { "aws-user-personalization-v2", "USER_PERSONALIZATION", NULL, "User-Personalization-v2",
      CUSTOM, .is_v2_priced = true, .has_free_updates = true },
    { "aws-user-personalization", "USER_PERSONALIZATION", NULL, "User-Personalization", CUSTOM,
      .is_update_trainable = true, .has_hpo = true, .has_free_updates = true },
    { "aws-popularity-count", "POPULAR_ITEMS", NULL, "Popularity-Count", CUSTOM },
    { "aws-trending-now", "POPULAR_ITEMS", NULL, "Trending-Now", .has_campaigns = true },
    { "aws-personalized-ranking-v2", "PERSONALIZED_RANKING", NULL, "Personalized-Ranking-v2",
      CUSTOM, .is_v2_priced = true },
    { "aws-personalized-ranking", "PERSONALIZED_RANKING", NULL, "Personalized-Ranking", CUSTOM,
      .has_hpo = true },
    { "aws-similar-items", "RELATED_ITEMS", NULL, "Similar-Items", CUSTOM, .has_themes = true,
      .has_hpo = true },
    { "aws-sims", "RELATED_ITEMS", NULL, "SIMS", CUSTOM, .has_hpo = true },
    { "aws-semantic-similarity", "RELATED_ITEMS", NULL, "Semantic-Similarity", CUSTOM,
      .has_incremental_update = true, .needs_items = true, .needs_items_at_once = true },
    { "aws-next-best-action", "PERSONALIZED_ACTIONS", NULL, "Next-Best-Action",
      .has_campaigns = true, .needs_actions = true, .has_free_updates = true },
    { "aws-item-affinity", "USER_SEGMENTATION", NULL, "Item-Affinity", .has_batch_segments = true },
    { "aws-item-attribute-affinity", "USER_SEGMENTATION", NULL, "Item-Attribute-Affinity",
      .has_batch_segments = true, .needs_items = true },
    { "aws-hrnn", "USER_PERSONALIZATION", NULL, "HRNN (legacy)", CUSTOM, .has_hpo = true },
    { "aws-hrnn-metadata", "USER_PERSONALIZATION", NULL, "HRNN-Metadata (legacy)", CUSTOM,
      .has_hpo = true },
    { "aws-hrnn-coldstart", "USER_PERSONALIZATION", NULL, "HRNN-Coldstart (legacy)", CUSTOM,
      .is_update_trainable = true, .has_hpo = true },
    { "aws-ecomm-popular-items-by-views", "POPULAR_ITEMS", "ECOMMERCE", "Most viewed",
      .event_type = "View" },
    { "aws-ecomm-popular-items-by-purchases", "POPULAR_ITEMS", "ECOMMERCE", "Best sellers",
      .event_type = "Purchase" },
    { "aws-ecomm-frequently-bought-together", "RELATED_ITEMS", "ECOMMERCE",
      "Frequently bought together", .event_type = "Purchase" },
    { "aws-ecomm-customers-who-viewed-x-also-viewed", "RELATED_ITEMS", "ECOMMERCE",
      "Customers who viewed X also viewed", .event_type = "View" },
    { "aws-ecomm-recommended-for-you", "USER_PERSONALIZATION", "ECOMMERCE", "Recommended for you",
      .event_type = NULL },
    { "aws-vod-because-you-watched-x", "RELATED_ITEMS", "VIDEO_ON_DEMAND", "Because you watched X",
      .event_type = "Watch" },
    { "aws-vod-more-like-x", "RELATED_ITEMS", "VIDEO_ON_DEMAND", "More like X",
      .needs_items = true },
    { "aws-vod-most-popular", "POPULAR_ITEMS", "VIDEO_ON_DEMAND", "Most popular",
      .event_type = "Watch" },
    { "aws-vod-trending-now", "POPULAR_ITEMS", "VIDEO_ON_DEMAND", "Trending now",
      .event_type = NULL },
    { "aws-vod-top-picks", "USER_PERSONALIZATION", "VIDEO_ON_DEMAND", "Top picks for you",
      .event_type = NULL },
};
const size_t n_recipes = ARRAY_LEN(recipes);

const struct recipe *recipe_find(const char *name)
{
    for (size_t i = 0; name && i < n_recipes; i++)
        if (strcmp(recipes[i].name, name) == 0)
            return &recipes[i];
    return NULL;
}

const char *recipe_name_of_arn(const char *arn)
{
    const char *at;

    /* arn:<partition>:personalize:::recipe/<name>: Amazon's recipes belong to no region and no
     * account. */
    if (!arn || !str_starts(arn, "arn:"))
        return NULL;
    at = strchr(arn + 4, ':');
    if (!at || at == arn + 4 || !str_starts(at, ":personalize:::recipe/"))
        return NULL;
    at += strlen(":personalize:::recipe/");
    return *at ? at : NULL;
}

const struct recipe *recipe_find_arn(const char *arn)
{
    return recipe_find(recipe_name_of_arn(arn));
}
