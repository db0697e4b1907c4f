/*
 * rules_model.c - what is special about solutions and their versions: recipes, training switches,
 * automatic training.
 */
#include <string.h>

#include "rules.h"
#include "sim.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"

#define DAY_MS              INT64_C(86400000)
#define FIRST_TRAINING_MS   INT64_C(1800000) /* the service says: within an hour of ACTIVE */
#define DEFAULT_RATE_DAYS   7
#define HPO_JOBS_MAX        40
#define HPO_PARALLEL_MAX    10
#define HPO_DURATION_FACTOR 4

/* ---- solutions ---- */

/* "rate(7 days)": the pattern was checked; the number must be 1..30. */
static enum wire_error check_schedule(struct call *c, const json_t *config)
{
    const char *text =
        json_string_value(json_at(config, "/autoTrainingConfig/schedulingExpression"));
    int64_t days = text ? strtoll(text + strlen("rate("), NULL, 10) : DEFAULT_RATE_DAYS;

    if (days < 1 || days > 30)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The scheduling expression %s must be between 1 and 30 days.", text);
    return WIRE_OK;
}

static enum wire_error check_hpo(struct call *c, const json_t *config)
{
    static const struct {
        const char *pointer, *name;
        int64_t max;
    } limits[] = {
        { "/hpoConfig/hpoResourceConfig/maxNumberOfTrainingJobs", "maxNumberOfTrainingJobs",
          HPO_JOBS_MAX },
        { "/hpoConfig/hpoResourceConfig/maxParallelTrainingJobs", "maxParallelTrainingJobs",
          HPO_PARALLEL_MAX },
    };

    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        const char *text = json_string_value(json_at(config, limits[i].pointer));
        int64_t n;

        if (text && !str_to_i64(text, 1, limits[i].max, &n))
            return call_fail(c, WIRE_INVALID_INPUT, "%s must be a number from 1 to %lld.",
                             limits[i].name, (long long) limits[i].max);
    }
    return WIRE_OK;
}

static enum wire_error check_recipe(struct call *c, const struct resource *r)
{
    const char *arn = resource_text(r, "recipeArn");
    bool is_automl = json_bool_or(r->body, "performAutoML", false);
    const struct recipe *recipe = arn ? recipe_find(c->sim, arn) : NULL;

    if (!arn)
        return is_automl ? WIRE_OK
                         : call_fail(c, WIRE_INVALID_INPUT,
                                     "A recipeArn is required unless performAutoML is true.");
    if (is_automl)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "A recipeArn cannot be given when performAutoML is true.");
    if (!recipe)
        return call_not_found(c, arn);
    if (recipe->domain)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The recipe %s is a domain use case; create a recommender for it.", arn);
    if (json_bool_or(r->body, "performIncrementalUpdate", false) &&
        !str_eq(recipe->name, "aws-semantic-similarity"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "performIncrementalUpdate is not supported by the recipe %s.", arn);
    if (json_bool_or(r->body, "performHPO", false) && recipe->runtime == RUNTIME_ACTIONS)
        return call_fail(c, WIRE_INVALID_INPUT, "performHPO is not supported by the recipe %s.",
                         arn);
    return WIRE_OK;
}

static void set_default(struct resource *r, const char *member, json_t *value)
{
    if (json_object_get(r->body, member))
        json_decref(value);
    else
        resource_set(r, member, value);
}

HOOK_CHECK(solution_check)
{
    const json_t *config = json_object_get(r->body, "solutionConfig");

    PASS(check_recipe(c, r));
    PASS(check_schedule(c, config));
    PASS(check_hpo(c, config));
    if (json_at(config, "/trainingDataConfig/includedDatasetColumns") &&
        json_at(config, "/trainingDataConfig/excludedDatasetColumns"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "includedDatasetColumns and excludedDatasetColumns cannot both be given.");
    set_default(r, "performHPO", json_false());
    set_default(r, "performAutoML", json_false());
    set_default(r, "performAutoTraining", json_true());
    set_default(r, "solutionConfig", json_object());
    if (json_bool_or(r->body, "performAutoML", false))
        resource_hide(r, "recipe", json_string("aws-user-personalization"));
    return WIRE_OK;
}

HOOK_UPDATE(solution_check_update)
{
    const json_t *config = json_object_get(update, "solutionUpdateConfig");

    (void) r;
    if (json_object_size(update) == 0)
        return call_fail(c, WIRE_INVALID_INPUT, "The update changes nothing.");
    if (json_bool_or(update, "performIncrementalUpdate", false)) {
        const struct recipe *recipe = recipe_find(c->sim, resource_text(r, "recipeArn"));

        if (!recipe || !str_eq(recipe->name, "aws-semantic-similarity"))
            return call_fail(c, WIRE_INVALID_INPUT,
                             "performIncrementalUpdate is not supported by the recipe of %s.",
                             r->arn);
    }
    return check_schedule(c, config);
}

static int64_t rate_ms(const struct resource *r)
{
    const char *text = json_string_value(
        json_at(r->body, "/solutionConfig/autoTrainingConfig/schedulingExpression"));

    return (text ? strtoll(text + strlen("rate("), NULL, 10) : DEFAULT_RATE_DAYS) * DAY_MS;
}

static bool is_auto(const struct resource *r)
{
    return json_bool_or(r->body, "performAutoTraining", true);
}

HOOK_APPLY(solution_apply_update)
{
    static const char *const flags[] = { "performAutoTraining", "performIncrementalUpdate" };
    static const char *const parts[] = { "autoTrainingConfig", "eventsConfig" };
    const json_t *given = json_object_get(update, "solutionUpdateConfig");
    json_t *config = json_deep_copy(json_object_get(r->body, "solutionConfig"));
    bool was_auto = is_auto(r);

    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (json_object_get(update, flags[i]))
            json_object_set(r->body, flags[i], json_object_get(update, flags[i]));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (json_object_get(given, parts[i]))
            json_object_set_new(config, parts[i], json_deep_copy(json_object_get(given, parts[i])));
    resource_set(r, "solutionConfig", config);
    if (!is_auto(r))
        r->auto_due_ms = NEVER;
    else if (!was_auto)
        r->auto_due_ms = sim_step_ms(s) + FIRST_TRAINING_MS;
    world_touch(&s->world, r);
}

static bool hangs_on(const struct resource *r, const char *solution)
{
    return str_eq(resource_hidden(r, "solutionArn"), solution);
}

HOOK_CHECK(solution_check_delete)
{
    const struct resource_list *campaigns = &c->sim->world.kinds[SIM_CAMPAIGN],
                               *versions = &c->sim->world.kinds[SIM_SOLUTION_VERSION];

    for (size_t i = 0; i < campaigns->count; i++)
        if (hangs_on(campaigns->items[i], r->arn))
            return delete_refuse(c, r, campaigns->items[i]);
    for (size_t i = 0; i < versions->count; i++)
        if (str_eq(resource_text(versions->items[i], "solutionArn"), r->arn) &&
            resource_is_busy(versions->items[i]))
            return delete_refuse(c, r, versions->items[i]);
    return WIRE_OK;
}

/* Versions go with their solution; jobs on them stay listed until the group goes. */
static void remove_versions(struct sim *s, const char *solution)
{
    struct resource_list *versions = &s->world.kinds[SIM_SOLUTION_VERSION];

    for (size_t i = versions->count; i > 0; i--)
        if (str_eq(resource_text(versions->items[i - 1], "solutionArn"), solution))
            world_remove(&s->world, versions->items[i - 1]);
}

HOOK_LIFE(solution_on_life)
{
    if (r->life == LIFE_GONE)
        remove_versions(s, r->arn);
    else if (r->life == LIFE_ACTIVE && is_auto(r) && r->auto_due_ms == NEVER) {
        r->auto_due_ms = sim_step_ms(s) + FIRST_TRAINING_MS;
        world_touch(&s->world, r);
    }
}

/* ---- versions ---- */

void version_make_arn(struct call *c, struct buf *rest)
{
    const struct resource *solution = world_find(&c->sim->world, call_text(c, "solutionArn"));
    uint32_t id;

    random_bytes(&id, sizeof id);
    buf_printf(rest, "solution/%s/%08x", resource_name(solution), id);
}

static const struct recipe *recipe_of(const struct sim *s, const struct resource *solution)
{
    const char *automl = resource_hidden(solution, "recipe");

    return automl ? recipe_named(automl) : recipe_find(s, resource_text(solution, "recipeArn"));
}

/* What a version takes over from its solution, whoever made it. */
static void fill_version(const struct sim *s, const struct resource *solution, struct resource *r)
{
    static const char *const inherited[] = {
        "performHPO",     "performAutoML",           "recipeArn", "eventType", "datasetGroupArn",
        "solutionConfig", "performIncrementalUpdate"
    };
    const struct recipe *recipe = recipe_of(s, solution);
    int64_t seconds = (int64_t) recipe->training_minutes * 60;

    for (size_t i = 0; i < ARRAY_LEN(inherited); i++) {
        const json_t *value = json_object_get(solution->body, inherited[i]);

        if (value)
            resource_set(r, inherited[i], json_deep_copy(value));
    }
    if (json_bool_or(r->body, "performHPO", false))
        seconds *= HPO_DURATION_FACTOR;
    resource_hide(r, "recipe", json_string(recipe->name));
    resource_hide(r, "progressSeconds", json_integer(seconds));
    resource_hide(r, "solutionSerial", json_integer((json_int_t) solution->serial));
}

/* What aws-semantic-similarity compares: the name of an item and at least one text. */
static enum wire_error check_texts(struct call *c, const struct resource *items)
{
    const struct resource *schema = world_find(&c->sim->world, resource_text(items, "schemaArn"));
    const json_t *fields =
        schema ? json_object_get(json_object_get(schema->hidden, "avro"), "fields") : NULL;
    bool has_name = !fields, has_text = !fields; /* a loaded picture may lack the schema */

    for (size_t i = 0; i < json_array_size(fields); i++) {
        has_name |= json_bool_or(json_array_get(fields, i), "isItemName", false);
        has_text |= json_bool_or(json_array_get(fields, i), "isTextual", false);
    }
    if (has_name && has_text)
        return WIRE_OK;
    return call_fail(c, WIRE_INVALID_INPUT,
                     "The recipe aws-semantic-similarity needs a field with itemName and a textual "
                     "field in the schema of %s.",
                     items->arn);
}

static enum wire_error check_data_ready(struct call *c, const struct resource *solution,
                                        const struct recipe *recipe)
{
    const struct world *w = &c->sim->world;
    const char *group = resource_group(solution);
    const struct resource_list *imports = &w->kinds[SIM_IMPORT_JOB],
                               *datasets = &w->kinds[SIM_DATASET];
    const struct resource *items = NULL;
    bool has_interactions = false;

    PASS(no_deletion_runs(c, group));
    for (size_t i = 0; i < imports->count; i++)
        if (str_eq(resource_group(imports->items[i]), group) && resource_is_busy(imports->items[i]))
            return call_fail(c, WIRE_IN_USE, "The dataset import job %s is in %s state.",
                             imports->items[i]->arn,
                             life_text(imports->items[i]->kind, imports->items[i]->life));
    for (size_t i = 0; i < datasets->count; i++) {
        const char *type = resource_text(datasets->items[i], "datasetType");

        if (!str_eq(resource_group(datasets->items[i]), group) ||
            datasets->items[i]->life != LIFE_ACTIVE)
            continue;
        has_interactions |= str_eq(type, "INTERACTIONS") || str_eq(type, "ACTION_INTERACTIONS");
        if (str_eq(type, "ITEMS"))
            items = datasets->items[i];
    }
    if (recipe->needs_items_dataset && !items)
        return call_fail(c, WIRE_INVALID_INPUT, "The recipe %s needs an Items dataset in %s.",
                         recipe->name, group);
    if (items && str_eq(recipe->name, "aws-semantic-similarity"))
        return check_texts(c, items);
    if (!has_interactions)
        return call_fail(c, WIRE_INVALID_INPUT, "The dataset group %s has no Interactions dataset.",
                         group);
    return WIRE_OK;
}

static enum wire_error check_mode(struct call *c, const struct resource *solution,
                                  const struct recipe *recipe, const char *mode)
{
    const struct resource_list *all = &c->sim->world.kinds[SIM_SOLUTION_VERSION];

    if (str_eq(mode, "AUTOTRAIN"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The training mode AUTOTRAIN is reserved for the service.");
    if (!str_eq(mode, "UPDATE"))
        return WIRE_OK;
    if (!recipe->has_update)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The training mode UPDATE is not supported by the recipe %s.",
                         recipe->name);
    for (size_t i = 0; i < all->count; i++)
        if (str_eq(resource_text(all->items[i], "solutionArn"), solution->arn) &&
            all->items[i]->life == LIFE_ACTIVE &&
            str_eq(resource_text(all->items[i], "trainingMode"), "FULL"))
            return WIRE_OK;
    return call_fail(
        c, WIRE_INVALID_INPUT,
        "The training mode UPDATE needs an active solution version trained in FULL mode.");
}

/* Two settings of the local service: version names must be new, or names and tags are not
 * understood at all. */
static enum wire_error check_name(struct call *c, struct resource *r)
{
    const struct resource_list *all = &c->sim->world.kinds[SIM_SOLUTION_VERSION];
    const char *name = resource_text(r, "name");
    const struct fault_call call = { c->operation, name };
    const struct fault *f = fault_strike(
        &c->sim->faults, &call, FAULT_BIT(FAULT_NAMES_UNIQUE) | FAULT_BIT(FAULT_NAMES_REFUSED));

    if (!f || !name)
        return WIRE_OK;
    if (f->action == FAULT_NAMES_REFUSED) {
        (void) json_object_del(r->body, "name");
        json_array_clear(r->tags);
        return WIRE_OK;
    }
    for (size_t i = 0; i < all->count; i++)
        if (str_eq(resource_text(all->items[i], "solutionArn"), resource_text(r, "solutionArn")) &&
            str_eq(resource_text(all->items[i], "name"), name))
            return call_fail(c, WIRE_ALREADY_EXISTS, "Another resource with Arn %s already exists.",
                             all->items[i]->arn);
    return WIRE_OK;
}

HOOK_CHECK(version_check)
{
    struct resource *solution = world_find(&c->sim->world, resource_text(r, "solutionArn"));
    const struct recipe *recipe = recipe_of(c->sim, solution);
    const char *mode = json_text_or(r->body, "trainingMode", "FULL");

    if (!recipe)
        return call_fail(c, WIRE_INVALID_INPUT, "The simulator does not know the recipe of %s.",
                         solution->arn);
    PASS(check_mode(c, solution, recipe, mode));
    PASS(check_data_ready(c, solution, recipe));
    PASS(check_name(c, r));
    fill_version(c->sim, solution, r);
    resource_set(r, "trainingMode", json_string(mode));
    resource_set(r, "trainingType", json_string("MANUAL"));
    if (is_auto(solution)) { /* the schedule counts from the start of the last training */
        solution->auto_due_ms = c->now_ms + rate_ms(solution);
        world_touch(&c->sim->world, solution);
    }
    return WIRE_OK;
}

/* Campaigns that follow their solution take each new active version by an ordinary update. */
static void sync_campaigns(struct sim *s, const struct resource *version)
{
    const struct resource_list *all = &s->world.kinds[SIM_CAMPAIGN];

    for (size_t i = 0; i < all->count; i++) {
        struct resource *r = all->items[i];
        const json_t *config = json_object_get(r->body, "campaignConfig");
        json_t *update;

        if (!hangs_on(r, resource_text(version, "solutionArn")) || r->life != LIFE_ACTIVE ||
            r->update_life != LIFE_NONE ||
            !json_bool_or(config, "syncWithLatestSolutionVersion", false))
            continue;
        update = json_object();
        json_object_set_new(update, "solutionVersionArn", json_string(version->arn));
        json_object_set(update, "minProvisionedTPS", json_object_get(r->body, "minProvisionedTPS"));
        json_object_set_new(update, "campaignConfig", json_deep_copy(config));
        life_begin_update(s, r, update);
    }
}

static void finish_training(struct sim *s, struct resource *r)
{
    double hours = (double) json_int_or(r->hidden, "progressSeconds", 0) / 3600.0;

    resource_set(r, "trainingHours",
                 json_real(hours * 2.5)); /* billed hours are sharded: more than elapsed */
    if (json_bool_or(r->body, "performHPO", false)) {
        json_t *tuned = json_object();

        json_object_set_new(tuned, "algorithmHyperParameters",
                            json_pack("{s:s, s:s}", "hidden_dimension", "149", "bptt", "32"));
        resource_set(r, "tunedHPOParams", tuned);
    }
    sync_campaigns(s, r);
}

HOOK_LIFE(version_on_life)
{
    struct resource *solution =
        world_find_kind(&s->world, resource_text(r, "solutionArn"), SIM_SOLUTION);
    const struct service_shape *summary =
        service_shape_find(&service_personalize, "SolutionVersionSummary");

    if (r->life == LIFE_ACTIVE)
        finish_training(s, r);
    if (!solution || version_latest(&s->world, solution->arn, false) != r)
        return;
    resource_set(solution, "latestSolutionVersion", shape_project(summary, r->body));
    if (r->life == LIFE_ACTIVE && json_bool_or(solution->body, "performAutoML", false)) {
        AUTO_FREE char *arn = xasprintf("arn:%s:personalize:::recipe/%s", s->settings.partition,
                                        resource_hidden(r, "recipe"));

        resource_set(solution, "autoMLResult", json_pack("{s:s}", "bestRecipeArn", arn));
    }
    world_touch(&s->world, solution);
}

/* Whether interactions were imported or streamed since the newest version was begun. */
static bool has_new_data(const struct sim *s, const struct resource *solution)
{
    const struct resource *last = version_latest(&s->world, solution->arn, false);
    const struct resource_list *datasets = &s->world.kinds[SIM_DATASET];

    for (size_t i = 0; i < datasets->count; i++) {
        const struct resource *d = datasets->items[i];

        if (str_eq(resource_group(d), resource_group(solution)) &&
            str_ends(resource_text(d, "datasetType"), "INTERACTIONS") &&
            json_int_or(d->hidden, "dataChanged", 0) > (last ? last->created_ms : 0))
            return true;
    }
    return false;
}

void solution_on_auto(struct sim *s, struct resource *r, int64_t at_ms)
{
    const struct sim_kind *kind = &sim_kinds[SIM_SOLUTION_VERSION];
    struct resource *v;
    uint32_t id;

    r->auto_due_ms = is_auto(r) && r->life == LIFE_ACTIVE ? at_ms + rate_ms(r) : NEVER;
    world_touch(&s->world, r);
    if (r->auto_due_ms == NEVER || !has_new_data(s, r) || !recipe_of(s, r))
        return;
    random_bytes(&id, sizeof id);
    v = resource_new(kind);
    v->arn = xasprintf("%s/%08x", r->arn, id);
    v->created_ms = at_ms;
    resource_set(v, "solutionVersionArn", json_string(v->arn));
    resource_set(v, "solutionArn", json_string(r->arn));
    resource_set(v, "creationDateTime", json_time(at_ms));
    resource_set(v, "trainingMode", json_string("FULL"));
    resource_set(v, "trainingType", json_string("AUTOMATIC"));
    resource_hide(v, "group", json_string(resource_group(r)));
    fill_version(s, r, v);
    world_add(&s->world, v);
    life_set(s, v, LIFE_PENDING, at_ms);
    version_on_life(s, v);
}
