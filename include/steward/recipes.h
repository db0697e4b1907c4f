/*
 * recipes.h - the recipes of Amazon Personalize: what each is for, and what it needs.
 *
 * Facts of the developer guide as one table. Amazon adds recipes now and then: an unknown one is an
 * error with the nearest names, because a training with a misspelt recipe costs a run.
 */
#ifndef STEWARD_RECIPES_H
#define STEWARD_RECIPES_H

#include <stdbool.h>
#include <stddef.h>

struct recipe {
    const char *name;   /* "aws-user-personalization-v2" */
    const char *type;   /* "USER_PERSONALIZATION": as DescribeRecipe says */
    const char *domain; /* "ECOMMERCE", "VIDEO_ON_DEMAND"; NULL: a custom recipe, for solutions */
    const char *title;
    bool is_update_trainable;    /* trainingMode UPDATE */
    bool has_campaigns;          /* serves real-time requests */
    bool has_batch_inference;    /* CreateBatchInferenceJob */
    bool has_batch_segments;     /* CreateBatchSegmentJob */
    bool has_themes;             /* batchInferenceJobMode THEME_GENERATION */
    bool has_incremental_update; /* performIncrementalUpdate has an effect */
    bool has_hpo;
    bool has_free_updates; /* Amazon brings new items into the newest version every two hours */
    bool needs_items, needs_actions; /* datasets beside the interactions */
    bool needs_items_at_once; /* the service refuses the solution without the items dataset */
    bool is_v2_priced;        /* v2 price list: per interaction and request */
    const char *event_type;   /* of at least 1,000 interactions; NULL: any */
};

extern const struct recipe recipes[];
extern const size_t n_recipes;

const struct recipe *recipe_find(const char *name); /* by "aws-sims"; NULL when unknown */
/* By ARN "arn:aws:personalize:::recipe/aws-sims" (any partition); NULL when there is none. */
const struct recipe *recipe_find_arn(const char *arn);
/* The part after "recipe/" of a recipe's ARN; NULL when the text is none. Borrowed from arn. */
const char *recipe_name_of_arn(const char *arn);

#endif
