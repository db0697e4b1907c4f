/*
 * rules_serve.c - what is special about campaigns, filters, recommenders, metric attributions and
 * batch jobs.
 */
#include <assert.h>
#include <string.h>

#include "avro.h"
#include "filter.h"
#include "place.h"
#include "rules.h"
#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

/* ---- campaigns ---- */

static bool is_latest(const char *arn)
{
    return arn && str_ends(arn, "/$LATEST");
}

static enum wire_error check_sync(struct call *c, const json_t *config, const char *arn)
{
    if (json_bool_or(config, "syncWithLatestSolutionVersion", false) && !is_latest(arn))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "syncWithLatestSolutionVersion requires a solutionVersionArn of the form "
                         "<solutionArn>/$LATEST.");
    return WIRE_OK;
}

static json_t *exploration_defaults(const json_t *given)
{
    json_t *out =
        json_pack("{s:s, s:s}", "explorationWeight", "0.3", "explorationItemAgeCutOff", "30");

    json_object_update(out, (json_t *) given);
    return out;
}

/* Exploration has defaults where the recipe explores. */
static void fill_exploration(const struct recipe *recipe, json_t *config)
{
    if (recipe->has_exploration)
        json_object_set_new(config, "itemExplorationConfig",
                            exploration_defaults(json_object_get(config, "itemExplorationConfig")));
}

static enum wire_error check_exploration(struct call *c, const json_t *config)
{
    const json_t *given = json_object_get(config, "itemExplorationConfig");
    const char *weight = json_text(given, "explorationWeight"),
               *age = json_text(given, "explorationItemAgeCutOff");
    char *end;
    double value;

    if (weight) {
        value = strtod(weight, &end);
        if (*end || !*weight || value < 0 || value > 1)
            return call_fail(c, WIRE_INVALID_INPUT,
                             "explorationWeight must be a number from 0 to 1.");
    }
    if (age) {
        value = strtod(age, &end);
        if (*end || !*age || value < 0)
            return call_fail(c, WIRE_INVALID_INPUT,
                             "explorationItemAgeCutOff must be a number of days.");
    }
    return WIRE_OK;
}

HOOK_CHECK(campaign_check)
{
    const char *given = resource_text(r, "solutionVersionArn");
    const struct resource *version = reference_find(c, given, SIM_SOLUTION_VERSION);
    const struct recipe *recipe = NULL;
    json_t *config = json_object_get(r->body, "campaignConfig");

    PASS(recipe_of_resource(c, version, &recipe));
    assert(recipe);
    PASS(check_sync(c, config, given));
    PASS(check_exploration(c, config));
    if (recipe->runtime == RUNTIME_NONE)
        return call_fail(c, WIRE_INVALID_INPUT, "The recipe %s does not support campaigns.",
                         recipe->name);
    if (!config) {
        config = json_object();
        resource_set(r, "campaignConfig", config);
    }
    fill_exploration(recipe, config);
    if (json_object_size(config) == 0)
        (void) json_object_del(r->body, "campaignConfig");
    if (!json_object_get(r->body, "minProvisionedTPS"))
        resource_set(r, "minProvisionedTPS", json_integer(1));
    resource_hide(r, "solutionArn", json_string(resource_text(version, "solutionArn")));
    resource_set(r, "solutionVersionArn", json_string(version->arn));
    return WIRE_OK;
}

/* The update becomes the whole wanted state: what was not sent is kept. */
HOOK_UPDATE(campaign_check_update)
{
    const char *given = json_text(update, "solutionVersionArn");
    const struct recipe *recipe = NULL;
    const struct resource *version;
    json_t *config;

    if (json_object_size(update) == 0)
        return call_fail(c, WIRE_INVALID_INPUT, "The update changes nothing.");
    version = reference_find(c, given ? given : resource_text(r, "solutionVersionArn"),
                             SIM_SOLUTION_VERSION);
    if (!version)
        return call_not_found(c, given ? given : resource_text(r, "solutionVersionArn"));
    PASS(reference_must_be_active(c, version));
    PASS(recipe_of_resource(c, version, &recipe));
    assert(recipe);
    /* A campaign may move to another solution of its dataset group: nothing public says otherwise.
     */
    if (!str_eq(resource_group(version), resource_group(r)))
        return call_fail(
            c, WIRE_INVALID_INPUT,
            "The solution version %s belongs to another dataset group than the campaign.",
            version->arn);
    if (given)
        PASS(check_sync(c, json_object_get(update, "campaignConfig"), given));
    PASS(check_exploration(c, json_object_get(update, "campaignConfig")));
    config = json_deep_copy(json_object_get(r->body, "campaignConfig"));
    if (!config)
        config = json_object();
    json_object_update(config, json_object_get(update, "campaignConfig"));
    fill_exploration(recipe, config);
    json_object_set_new(update, "campaignConfig", config);
    json_object_set_new(update, "solutionVersionArn", json_string(version->arn));
    if (!json_object_get(update, "minProvisionedTPS"))
        json_object_set(update, "minProvisionedTPS", json_object_get(r->body, "minProvisionedTPS"));
    return WIRE_OK;
}

HOOK_APPLY(campaign_apply_update)
{
    static const char *const members[] = { "solutionVersionArn", "minProvisionedTPS",
                                           "campaignConfig" };
    const struct resource *version = world_find(&s->world, json_text(update, "solutionVersionArn"));

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        json_object_set_new(r->body, members[i],
                            json_deep_copy(json_object_get(update, members[i])));
    if (version)
        json_object_set_new(r->hidden, "solutionArn",
                            json_string(resource_text(version, "solutionArn")));
    if (r->life == LIFE_FAILED)
        life_set(s, r, LIFE_ACTIVE, sim_step_ms(s));
    world_touch(&s->world, r);
}

/* ---- filters ---- */

static const json_t *group_schema(const struct world *w, const char *group, const char *type)
{
    const struct resource_list *all = &w->kinds[SIM_DATASET];

    for (size_t i = 0; i < all->count; i++)
        if (str_eq(resource_group(all->items[i]), group) &&
            str_eq(resource_text(all->items[i], "datasetType"), type)) {
            const struct resource *schema =
                world_find(w, resource_text(all->items[i], "schemaArn"));

            return schema ? json_object_get(schema->hidden, "avro") : NULL;
        }
    return NULL;
}

/* Streamed events bring these, whatever the schema says. */
static bool comes_with_events(const char *column)
{
    return str_eq(column, "EVENT_TYPE") || str_eq(column, "EVENT_VALUE");
}

static enum wire_error check_condition(struct call *c, const char *group,
                                       const struct filter_condition *x)
{
    static const struct {
        const char *written, *type;
    } types[] = { { "Items", "ITEMS" },       { "Users", "USERS" },
                  { "CurrentUser", "USERS" }, { "Interactions", "INTERACTIONS" },
                  { "Actions", "ACTIONS" },   { "Action_Interactions", "ACTION_INTERACTIONS" } };
    const json_t *schema = NULL, *field;

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(types[i].written, x->dataset))
            schema = group_schema(&c->sim->world, group, types[i].type);
    if (!schema)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Invalid Expression: the dataset group has no %s dataset.", x->dataset);
    field = avro_field(schema, x->field);
    if (!field && str_eq(x->dataset, "Interactions") && comes_with_events(x->field))
        return WIRE_OK;
    if (!field)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Invalid Expression: the field %s.%s does not exist.", x->dataset,
                         x->field);
    if (str_eq(json_text(field, "type"), "boolean"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Invalid Expression: the boolean field %s.%s cannot be used in a filter.",
                         x->dataset, x->field);
    if (x->current && !avro_field(group_schema(&c->sim->world, group, "ITEMS"), x->current))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Invalid Expression: the field CurrentItem.%s does not exist.",
                         x->current);
    return WIRE_OK;
}

/* Fields of the group's other filters count against its own limit, one time each. */
static enum wire_error check_fields(struct call *c, const char *group, const struct filter *f)
{
    const struct resource_list *all = &c->sim->world.kinds[SIM_FILTER];
    AUTO_JSON json_t *seen = json_object();
    int64_t max = c->sim->quotas[QUOTA_FILTER_FIELDS],
            max_in_group = c->sim->quotas[QUOTA_GROUP_FILTER_FIELDS];
    struct filter other;
    struct err e;

    sim_filter_add_fields(f, seen);
    if ((int64_t) json_object_size(seen) > max)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Invalid Expression: it uses %zu fields; at most %lld are allowed.",
                         json_object_size(seen), (long long) max);
    for (size_t i = 0; i < all->count; i++) {
        const struct resource *r = all->items[i];

        if (!str_eq(resource_group(r), group) || r->life == LIFE_FAILED ||
            sim_filter_parse(resource_text(r, "filterExpression"), &other, &e))
            continue;
        sim_filter_add_fields(&other, seen);
        sim_filter_done(&other);
    }
    if ((int64_t) json_object_size(seen) > max_in_group)
        return call_fail(c, WIRE_LIMIT_EXCEEDED,
                         "The filters of the dataset group would use %zu distinct fields; at most "
                         "%lld are allowed.",
                         json_object_size(seen), (long long) max_in_group);
    return WIRE_OK;
}

static enum wire_error check_filter(struct call *c, const struct resource *r,
                                    const struct filter *f)
{
    PASS(check_fields(c, resource_group(r), f));
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->clauses[i].count; k++)
            PASS(check_condition(c, resource_group(r), &f->clauses[i].conditions[k]));
    return WIRE_OK;
}

HOOK_CHECK(filter_check)
{
    struct filter f;
    struct err e;
    enum wire_error error;

    if (sim_filter_parse(resource_text(r, "filterExpression"), &f, &e))
        return call_fail(c, WIRE_INVALID_INPUT, "%s", e.message);
    error = check_filter(c, r, &f);
    sim_filter_done(&f);
    return error;
}

/* ---- recommenders ---- */

static bool has_imported_interactions(const struct world *w, const char *group)
{
    const struct resource_list *all = &w->kinds[SIM_DATASET];

    for (size_t i = 0; i < all->count; i++)
        if (str_eq(resource_group(all->items[i]), group) &&
            str_eq(resource_text(all->items[i], "datasetType"), "INTERACTIONS") &&
            json_object_get(all->items[i]->hidden, "dataChanged"))
            return true;
    return false;
}

HOOK_CHECK(recommender_check)
{
    const struct world *w = &c->sim->world;
    const char *domain = resource_text(world_find(w, resource_group(r)), "domain");
    const struct recipe *recipe = recipe_find(c->sim, resource_text(r, "recipeArn"));
    json_t *config = json_object_get(r->body, "recommenderConfig");

    if (!domain)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Please use a domains-specific Dataset Group to create the Recommender");
    if (!recipe)
        return call_not_found(c, resource_text(r, "recipeArn"));
    if (!str_eq(recipe->domain, domain))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The recipe %s does not belong to the domain %s of the dataset group.",
                         recipe->name, domain);
    PASS(check_exploration(c, config));
    if (!has_imported_interactions(w, resource_group(r)))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The dataset group %s has no imported interactions to train on.",
                         resource_group(r));
    if (!config) {
        config = json_object();
        resource_set(r, "recommenderConfig", config);
    }
    if (!json_object_get(config, "minRecommendationRequestsPerSecond"))
        json_object_set_new(config, "minRecommendationRequestsPerSecond", json_integer(1));
    fill_exploration(recipe, config);
    resource_hide(r, "recipe", json_string(recipe->name));
    resource_hide(r, "progressSeconds", json_integer((json_int_t) recipe->training_minutes * 60));
    return WIRE_OK;
}

HOOK_UPDATE(recommender_check_update)
{
    json_t *config = json_deep_copy(json_object_get(r->body, "recommenderConfig"));

    json_object_update(config, json_object_get(update, "recommenderConfig"));
    json_object_set_new(update, "recommenderConfig", config);
    /* Other training columns mean a full retraining: the update takes as long as one. */
    if (json_equal(
            json_object_get(config, "trainingDataConfig"),
            json_object_get(json_object_get(r->body, "recommenderConfig"), "trainingDataConfig")))
        (void) json_object_del(r->hidden, "updateSeconds");
    else
        json_object_set(r->hidden, "updateSeconds", json_object_get(r->hidden, "progressSeconds"));
    return check_exploration(c, config);
}

HOOK_APPLY(recommender_apply_update)
{
    resource_set(r, "recommenderConfig",
                 json_deep_copy(json_object_get(update, "recommenderConfig")));
    world_touch(&s->world, r);
}

HOOK_LIFE(recommender_on_life)
{
    (void) s;
    if (r->life == LIFE_ACTIVE && json_object_get(r->hidden, "metrics"))
        json_object_set(r->body, "modelMetrics", json_object_get(r->hidden, "metrics"));
    else
        (void) json_object_del(r->body, "modelMetrics");
}

/* ---- metric attributions ---- */

/* "SUM(Items.PRICE)": a column that a dataset of the group has, if the dataset is there already. */
static enum wire_error check_sum(struct call *c, const char *group, const char *text)
{
    static const struct {
        const char *prefix, *type;
    } sums[] = { { "SUM(Items.", "ITEMS" }, { "SUM(Interactions.", "INTERACTIONS" } };

    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        size_t n = strlen(sums[i].prefix);
        const json_t *schema = group_schema(&c->sim->world, group, sums[i].type);
        AUTO_FREE char *column = NULL;

        if (strncasecmp(text, sums[i].prefix, n) != 0 || !str_ends(text, ")"))
            continue;
        column = xstrndup(text + n, strlen(text) - n - 1);
        if (schema && !avro_field(schema, column) &&
            !(str_eq(sums[i].type, "INTERACTIONS") && comes_with_events(column)))
            return call_fail(c, WIRE_INVALID_INPUT,
                             "The column of the metric expression %s does not exist.", text);
        return WIRE_OK;
    }
    return call_fail(c, WIRE_INVALID_INPUT,
                     "The metric expression %s must be SAMPLECOUNT(), SUM(Items.COLUMN) or "
                     "SUM(Interactions.COLUMN).",
                     text);
}

enum wire_error attribution_metric_check(struct call *c, const char *group, const json_t *metric)
{
    const char *text = json_text(metric, "expression");

    return strcasecmp(text, "SAMPLECOUNT()") == 0 ? WIRE_OK : check_sum(c, group, text);
}

HOOK_CHECK(attribution_check)
{
    const json_t *metrics = call_member(c, "metrics");
    const struct resource *other =
        world_first_in_group(&c->sim->world, SIM_METRIC_ATTRIBUTION, resource_group(r));

    if (other)
        return call_fail(
            c, WIRE_ALREADY_EXISTS,
            "The dataset group already has a metric attribution: another resource with Arn "
            "%s already exists.",
            other->arn);
    if (json_array_size(metrics) == 0)
        return call_fail(c, WIRE_INVALID_INPUT, "A metric attribution needs at least one metric.");
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        PASS(attribution_metric_check(c, resource_group(r), json_array_get(metrics, i)));
        for (size_t k = 0; k < i; k++)
            if (str_eq(json_text(json_array_get(metrics, i), "metricName"),
                       json_text(json_array_get(metrics, k), "metricName")))
                return call_fail(c, WIRE_INVALID_INPUT, "The metric name %s is given twice.",
                                 json_text(json_array_get(metrics, i), "metricName"));
    }
    PASS(role_check(c, json_string_value(json_at(r->body, "/metricsOutputConfig/roleArn"))));
    resource_hide(r, "metrics", json_deep_copy(metrics));
    return WIRE_OK;
}

/* ---- batch jobs ---- */

static enum wire_error check_batch(struct call *c, struct resource *r)
{
    const char *input = json_string_value(json_at(r->body, "/jobInput/s3DataSource/path"));
    const char *output = json_string_value(json_at(r->body, "/jobOutput/s3DataDestination/path"));
    const struct resource *version =
        reference_find(c, resource_text(r, "solutionVersionArn"), SIM_SOLUTION_VERSION);
    const struct recipe *recipe = NULL;
    struct s3_place place;
    int64_t n = json_int_or(r->body, "numResults", 25);

    PASS(location_check(c, input, "Invalid S3 input path"));
    PASS(location_check(c, output, "Invalid S3 output path"));
    if (str_eq(input, output))
        return call_fail(c, WIRE_INVALID_INPUT, "Invalid S3 output path: it is the input path.");
    if (!s3_place_parse(output, &place) || !s3_place_is_folder(&place))
        return call_fail(c, WIRE_INVALID_INPUT, "Invalid S3 output path: it must be a folder.");
    PASS(role_check(c, resource_text(r, "roleArn")));
    if (n < 1)
        return call_fail(c, WIRE_INVALID_INPUT, "numResults must be at least 1.");
    PASS(no_deletion_runs(c, resource_group(r)));
    resource_set(r, "solutionVersionArn", json_string(version->arn));
    resource_set(r, "numResults", json_integer(n));
    PASS(recipe_of_resource(c, version, &recipe));
    assert(recipe);
    resource_hide(r, "recipe", json_string(recipe->name));
    return WIRE_OK;
}

HOOK_CHECK(batch_inference_check)
{
    const struct recipe *recipe;
    const char *mode = json_text_or(r->body, "batchInferenceJobMode", "BATCH_INFERENCE");
    bool is_themes = str_eq(mode, "THEME_GENERATION");

    PASS(check_batch(c, r));
    recipe = recipe_named(resource_hidden(r, "recipe"));
    if (!recipe->has_batch || recipe->runtime == RUNTIME_NONE)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The recipe %s does not support batch inference jobs.", recipe->name);
    if (is_themes && !str_eq(recipe->name, "aws-similar-items"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "THEME_GENERATION is only supported by the recipe aws-similar-items.");
    if (is_themes && !json_object_get(r->body, "themeGenerationConfig"))
        return call_fail(c, WIRE_INVALID_INPUT, "THEME_GENERATION needs a themeGenerationConfig.");
    resource_set(r, "batchInferenceJobMode", json_string(mode));
    return WIRE_OK;
}

HOOK_CHECK(batch_segment_check)
{
    const struct recipe *recipe;

    PASS(check_batch(c, r));
    recipe = recipe_named(resource_hidden(r, "recipe"));
    if (!str_eq(recipe->type, "USER_SEGMENTATION"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The recipe %s does not support batch segment jobs.", recipe->name);
    return WIRE_OK;
}
