/*
 * parameter_file_solutions.c - rules about solutions and recommenders: recipes, training,
 * promotion.
 */
#include <inttypes.h>
#include <stdio.h>

#include "parameter_file_internal.h"

static const json_t *service_of(const json_t *section)
{
    return json_object_get(section, "serviceConfig");
}

static bool has_dataset(const json_t *document, const char *key)
{
    return json_object_size(json_object_get(json_object_get(document, "datasets"), key)) > 0;
}

const struct recipe *solution_recipe(const json_t *solution)
{
    return recipe_find_arn(json_text(service_of(solution), "recipeArn"));
}

/* The recipe's name, when its ARN names one of Amazon's that is unknown: an error with the nearest.
 */
static void check_recipe_known(struct check *c, const char *arn, const char *pointer)
{
    const char *name = recipe_name_of_arn(arn);
    AUTO_BUF struct buf list = { 0 };
    const char *known[64] = { NULL };

    if (recipe_find(name))
        return;
    for (size_t i = 0; i < n_recipes && i + 1 < ARRAY_LEN(known); i++)
        known[i] = recipes[i].name;
    nearest_names(&list, name ? name : arn, known);
    if (name)
        problem(c, CODE_UNKNOWN_RECIPE, pointer, "There is no recipe \"%s\"; the nearest are %s.",
                name, list.data);
    else
        problem(
            c, CODE_UNKNOWN_RECIPE, pointer,
            "\"%s\" is not the ARN of a recipe; write arn:aws:personalize:::recipe/ and a name, "
            "such as %s.",
            arn, list.data);
}

/* aws-semantic-similarity compares the name of an item and at least one text. */
static void check_texts(struct check *c, const json_t *document, const char *pointer)
{
    const json_t *schema = file_schema(document, "ITEMS");
    const json_t *fields = json_object_get(schema, "fields"), *field;
    bool has_name = false, has_text = false;
    size_t i;

    json_array_foreach (fields, i, field) {
        has_name |= json_is_true(json_object_get(field, "itemName"));
        has_text |= json_is_true(json_object_get(field, "textual"));
    }
    if (json_array_size(fields) > 0 && !(has_name && has_text))
        problem(c, CODE_RECIPE_DATASET, pointer,
                "The recipe aws-semantic-similarity needs a text field with \"itemName\": true and "
                "one with \"textual\": true in the items schema: add what is missing.");
}

static void check_recipe_data(struct check *c, const json_t *document, const struct recipe *r,
                              const char *pointer)
{
    if (json_object_size(json_object_get(document, "datasets")) == 0)
        return; /* kept elsewhere */
    if (r->needs_items && !has_dataset(document, "items")) {
        /* Files of the AWS solution have solutions like this, so where Amazon's refusal is not
         * known it is a warning. */
        if (r->needs_items_at_once)
            problem(c, CODE_RECIPE_DATASET, pointer,
                    "The recipe %s trains on the items dataset: add datasets.items.", r->name);
        else
            caution(c, CODE_RECIPE_DATASET, pointer,
                    "The recipe %s needs an items dataset, and the file has none: its training "
                    "fails unless the dataset group has one.",
                    r->name);
    }
    if (str_eq(r->name, "aws-semantic-similarity"))
        check_texts(c, document, pointer);
    if (r->needs_actions && !has_dataset(document, "actions"))
        problem(c, CODE_RECIPE_DATASET, pointer,
                "The recipe %s needs an actions dataset: add datasets.actions.", r->name);
}

static void check_solution_recipe(struct check *c, const json_t *document, const json_t *solution,
                                  const char *base)
{
    const json_t *service = service_of(solution);
    const json_t *given = json_object_get(service, "recipeArn");
    const char *arn = json_string_value(given);
    struct place at = place_below(base, "serviceConfig/recipeArn");
    const struct recipe *r = recipe_find_arn(arn);

    if (!given && json_is_object(service))
        problem(c, CODE_MISSING, at.text,
                "\"recipeArn\" is missing: add the recipe, for example "
                "arn:aws:personalize:::recipe/aws-user-personalization-v2.");
    if (!arn)
        return;
    check_recipe_known(c, arn, at.text);
    if (!r)
        return;
    if (r->domain)
        problem(c, CODE_RECIPE_USE, at.text,
                "%s is a recipe of domain %s, for recommenders; a solution needs a custom recipe.",
                r->name, r->domain);
    check_recipe_data(c, document, r, at.text);
}

/* Lists that hang under a solution and that its recipe does not serve. */
static void check_recipe_uses(struct check *c, const json_t *solution, const char *base)
{
    const struct recipe *r = solution_recipe(solution);
    const struct {
        const char *key, *words;
        bool is_served;
    } uses[] = {
        { "campaigns", "campaigns", r && r->has_campaigns },
        { "batchInferenceJobs", "batch inference jobs", r && r->has_batch_inference },
        { "batchSegmentJobs", "batch segment jobs", r && r->has_batch_segments },
    };

    if (!r || r->domain)
        return;
    for (size_t i = 0; i < ARRAY_LEN(uses); i++)
        if (!uses[i].is_served && json_array_size(json_object_get(solution, uses[i].key)) > 0)
            problem(c, CODE_RECIPE_USE, place_below(base, uses[i].key).text,
                    "The recipe %s has no %s: remove them or choose another recipe.", r->name,
                    uses[i].words);
}

static void check_batch_modes(struct check *c, const json_t *solution, const char *base)
{
    const struct recipe *r = solution_recipe(solution);
    const json_t *jobs = json_object_get(solution, "batchInferenceJobs"), *job;
    size_t i;

    json_array_foreach (jobs, i, job) {
        const json_t *service = service_of(job);
        bool is_themed = str_eq(json_text(service, "batchInferenceJobMode"), "THEME_GENERATION");
        bool has_config = json_object_get(service, "themeGenerationConfig") != NULL;
        AUTO_FREE char *pointer = xasprintf("%s/batchInferenceJobs/%zu/serviceConfig", base, i);

        if (is_themed && r && !r->has_themes)
            problem(c, CODE_RECIPE_USE, place_below(pointer, "batchInferenceJobMode").text,
                    "THEME_GENERATION needs the recipe aws-similar-items; this is %s.", r->name);
        if (is_themed && !has_config)
            problem(c, CODE_CONFLICT, place_below(pointer, "batchInferenceJobMode").text,
                    "THEME_GENERATION needs themeGenerationConfig: add it.");
        if (!is_themed && has_config)
            problem(c, CODE_CONFLICT, place_below(pointer, "themeGenerationConfig").text,
                    "themeGenerationConfig needs \"batchInferenceJobMode\": \"THEME_GENERATION\".");
    }
}

/* ---- training ---- */

bool solution_is_scheduled(const json_t *solution)
{
    const json_t *schedules =
        json_object_get(json_object_get(solution, "workflowConfig"), "schedules");
    static const char *const keys[] = { "full", "update" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const json_t *given = json_object_get(schedules, keys[i]);
        const char *text =
            json_is_object(given) ? json_text(given, "expression") : json_string_value(given);

        if (json_is_object(given) && json_is_false(json_object_get(given, "enabled")))
            continue;
        if (json_is_object(given) && json_object_get(given, "after"))
            return true;
        if (!str_is_empty(text) && strcmp(text, "delete") != 0)
            return true;
    }
    return false;
}

/* "rate(7 days)" -> 7; -1 when the text has another form (the API model says so). */
static int64_t days_of_rate(const char *text)
{
    AUTO_FREE char *digits = NULL;
    int64_t days;

    if (!text || !str_starts(text, "rate("))
        return -1;
    digits = xstrndup(text + 5, strspn(text + 5, "0123456789"));
    return str_to_i64(digits, 0, INT32_MAX, &days) ? days : -1;
}

static void check_training(struct check *c, const json_t *solution, const char *base)
{
    const json_t *service = service_of(solution);
    const json_t *automatic = json_object_get(service, "performAutoTraining");
    const json_t *rate = json_object_get(
        json_object_get(json_object_get(service, "solutionConfig"), "autoTrainingConfig"),
        "schedulingExpression");
    const struct recipe *r = solution_recipe(solution);
    int64_t days = days_of_rate(json_string_value(rate));

    if (json_object_get(service, "performAutoML"))
        caution(c, CODE_NO_EFFECT, place_below(base, "serviceConfig/performAutoML").text,
                "performAutoML is not sent: Amazon advises against it. Name a recipe.");
    if (json_is_true(automatic) && solution_is_scheduled(solution))
        caution(c, CODE_AUTO_TRAINING, place_below(base, "serviceConfig/performAutoTraining").text,
                "A schedule of this file trains the solution, so performAutoTraining is sent as "
                "false: both would train, and bill, twice. Remove one.");
    if (r && !r->has_incremental_update &&
        json_is_true(json_object_get(service, "performIncrementalUpdate")))
        caution(c, CODE_NO_EFFECT, place_below(base, "serviceConfig/performIncrementalUpdate").text,
                "performIncrementalUpdate has an effect with aws-semantic-similarity only.");
    if (r && !r->has_hpo && !r->domain && json_is_true(json_object_get(service, "performHPO")))
        caution(c, CODE_NO_EFFECT, place_below(base, "serviceConfig/performHPO").text,
                "The recipe %s has no hyperparameters to optimise.", r->name);
    if (days >= 0 && (days < 1 || days > 30))
        problem(c, days < 1 ? CODE_TOO_SMALL : CODE_TOO_LARGE,
                place_below(base, "serviceConfig/solutionConfig/autoTrainingConfig/"
                                  "schedulingExpression")
                    .text,
                "Automatic training runs every 1 to 30 days, not every %" PRId64 ".", days);
}

static void check_mode(struct check *c, const json_t *solution, const char *base)
{
    const struct recipe *r = solution_recipe(solution);
    const char *mode =
        json_text(json_object_get(service_of(solution), "solutionVersion"), "trainingMode");
    struct place at = place_below(base, "serviceConfig/solutionVersion/trainingMode");

    if (str_eq(mode, "AUTOTRAIN"))
        problem(c, CODE_TRAINING_MODE, at.text,
                "AUTOTRAIN is Amazon's own mark of automatic trainings; use FULL or UPDATE.");
    if (str_eq(mode, "UPDATE") && r && !r->is_update_trainable)
        problem(c, CODE_TRAINING_MODE, at.text,
                "The recipe %s cannot be trained with UPDATE; use FULL. (aws-user-personalization "
                "and aws-hrnn-coldstart can.)",
                r->name);
}

static void check_update_schedule(struct check *c, const json_t *solution, const char *base)
{
    const struct recipe *r = solution_recipe(solution);
    const json_t *update = json_object_get(
        json_object_get(json_object_get(solution, "workflowConfig"), "schedules"), "update");
    const char *text = json_string_value(update);

    if (!update || !r || r->is_update_trainable || (text && !*text))
        return;
    /* The AWS solution looked for "aws-user-personalization" in the ARN, so a file may take a
       schedule of v2 away that it had let through. */
    if (str_eq(text, "delete") && str_starts(r->name, "aws-user-personalization"))
        return;
    problem(c, CODE_TRAINING_MODE, place_below(base, "workflowConfig/schedules/update").text,
            "The recipe %s cannot be trained with UPDATE; use \"full\" instead of \"update\".",
            r->name);
}

/* ---- promotion ---- */

static bool has_solution(const json_t *document, const char *name)
{
    const json_t *solutions = json_object_get(document, "solutions"), *solution;
    size_t i;

    json_array_foreach (solutions, i, solution)
        if (str_eq(json_text(service_of(solution), "name"), name))
            return true;
    return false;
}

static bool is_metric(const char *name)
{
    static const char *const metrics[] = { "coverage",
                                           "mean_reciprocal_rank",
                                           "normalized_discounted_cumulative_gain",
                                           "precision",
                                           "average_rewards",
                                           "trend_prediction_accuracy",
                                           "hits",
                                           "hit",
                                           "recall",
                                           "area_under_curve" };

    for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
        if (str_starts(name, metrics[i]))
            return true;
    return false;
}

static void check_rule(struct check *c, const json_t *promotion, const json_t *rule,
                       const char *pointer)
{
    const char *metric = json_text(rule, "metric");

    if (metric && !is_metric(metric))
        caution(c, CODE_UNKNOWN_NAME, place_below(pointer, "metric").text,
                "\"%s\" is none of the metrics Amazon is known to report; a version without it is "
                "treated as whenNoMetrics says.",
                metric);
    if (json_is_object(rule) && !json_object_get(rule, "min") &&
        json_object_size(json_object_get(rule, "maxDropFromMedianOf")) == 0 &&
        !json_object_get(rule, "minGainOverBaseline"))
        problem(c, CODE_MISSING, pointer,
                "The rule demands nothing: add min, maxDropFromMedianOf or minGainOverBaseline.");
    if (json_object_get(rule, "minGainOverBaseline") &&
        !json_object_get(promotion, "baselineSolution"))
        problem(c, CODE_CONFLICT, place_below(pointer, "minGainOverBaseline").text,
                "minGainOverBaseline needs promotion.baselineSolution: add the solution to compare "
                "with.");
}

static void check_promotion(struct check *c, const json_t *document, const json_t *solution,
                            const char *base)
{
    const json_t *promotion =
        json_object_get(json_object_get(solution, "workflowConfig"), "promotion");
    const json_t *rules = json_object_get(promotion, "rules"), *rule;
    const char *baseline = json_text(promotion, "baselineSolution");
    const char *policy = json_text(promotion, "policy");
    AUTO_FREE char *pointer = xasprintf("%s/workflowConfig/promotion", base);
    size_t i;

    json_array_foreach (rules, i, rule) {
        AUTO_FREE char *own = xasprintf("%s/rules/%zu", pointer, i);

        check_rule(c, promotion, rule, own);
    }
    if (baseline && !has_solution(document, baseline))
        problem(c, CODE_UNKNOWN_NAME, place_below(pointer, "baselineSolution").text,
                "There is no solution \"%s\" in this file.", baseline);
    else if (baseline && str_eq(baseline, json_text(service_of(solution), "name")))
        problem(c, CODE_CONFLICT, place_below(pointer, "baselineSolution").text,
                "A solution cannot be its own baseline.");
    if (str_eq(policy, "gated") && json_array_size(rules) == 0)
        problem(c, CODE_CONFLICT, place_below(pointer, "policy").text,
                "A gate needs rules: add promotion.rules, or set the policy to automatic.");
}

static void check_auto_sync(struct check *c, const json_t *solution, const char *base)
{
    const char *policy = json_text(
        json_object_get(json_object_get(solution, "workflowConfig"), "promotion"), "policy");
    const json_t *campaigns = json_object_get(solution, "campaigns"), *campaign;
    size_t i;

    if (!str_eq(policy, "gated") && !str_eq(policy, "manual"))
        return;
    json_array_foreach (campaigns, i, campaign) {
        const json_t *config = json_object_get(service_of(campaign), "campaignConfig");

        if (json_is_true(json_object_get(config, "syncWithLatestSolutionVersion"))) {
            AUTO_FREE char *pointer = xasprintf("%s/campaigns/%zu/serviceConfig/campaignConfig/"
                                                "syncWithLatestSolutionVersion",
                                                base, i);

            problem(c, CODE_AUTO_SYNC, pointer,
                    "Amazon would deploy every new version at once, past the promotion policy "
                    "\"%s\"; remove this or set the policy to automatic.",
                    policy);
        }
    }
}

void check_solutions(struct check *c, const json_t *document)
{
    const json_t *solutions = json_object_get(document, "solutions"), *solution;
    size_t i;

    json_array_foreach (solutions, i, solution) {
        char base[64];

        (void) snprintf(base, sizeof base, "/solutions/%zu", i);
        c->phase = PHASE_SOLUTIONS;
        check_solution_recipe(c, document, solution, base);
        check_recipe_uses(c, solution, base);
        check_batch_modes(c, solution, base);
        check_training(c, solution, base);
        check_mode(c, solution, base);
        check_solution_columns(c, document, solution, base);
        c->phase = PHASE_UPDATE_RULE;
        check_update_schedule(c, solution, base);
        c->phase = PHASE_OURS;
        check_promotion(c, document, solution, base);
        check_auto_sync(c, solution, base);
    }
}

static void check_recommender_columns(struct check *c, const json_t *document, const json_t *config,
                                      size_t index)
{
    char base[96];

    (void) snprintf(base, sizeof base, "/recommenders/%zu/serviceConfig/recommenderConfig", index);
    check_training_data(c, document, config, base);
}

void check_recommenders(struct check *c, const json_t *document)
{
    const json_t *list = json_object_get(document, "recommenders"), *recommender;
    const char *domain = json_text(service_of(json_object_get(document, "datasetGroup")), "domain");
    size_t i;

    c->phase = PHASE_RECOMMENDERS;
    json_array_foreach (list, i, recommender) {
        const json_t *config = json_object_get(service_of(recommender), "recommenderConfig");
        const char *arn = json_text(service_of(recommender), "recipeArn");
        const struct recipe *r = recipe_find_arn(arn);
        char pointer[POINTER_BYTES];

        (void) snprintf(pointer, sizeof pointer, "/recommenders/%zu/serviceConfig/recipeArn", i);
        if (arn)
            check_recipe_known(c, arn, pointer);
        check_recommender_columns(c, document, config, i);
        if (!r)
            continue;
        if (!r->domain)
            problem(c, CODE_RECIPE_USE, pointer,
                    "%s is a custom recipe, for solutions; a recommender needs one of a domain.",
                    r->name);
        else if (!domain)
            caution(c, CODE_RECIPE_DOMAIN, pointer,
                    "The recipe is of domain %s and the dataset group of none: Amazon makes "
                    "recommenders in domain dataset groups only. Add \"domain\": \"%s\" to the "
                    "dataset group.",
                    r->domain, r->domain);
        else if (!str_eq(r->domain, domain))
            problem(c, CODE_RECIPE_DOMAIN, pointer,
                    "The recipe is of domain %s, the dataset group of %s.", r->domain, domain);
        check_recipe_data(c, document, r, pointer);
    }
}
