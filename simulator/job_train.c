/*
 * job_train.c - a training: reads the group's data, checks that there is enough of it, learns, and
 * measures.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "catalog.h"
#include "learn/metrics.h"
#include "rules.h"
#include "serve.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "work.h"

/* Whether interactions changed since the newest ACTIVE version that was trained in full: UPDATE
 * needs some. */
static bool has_news(const struct sim *s, const struct resource *version)
{
    const struct resource_list *all = &s->world.kinds[SIM_SOLUTION_VERSION],
                               *datasets = &s->world.kinds[SIM_DATASET];
    int64_t last = 0;

    for (size_t i = 0; i < all->count; i++)
        if (all->items[i] != version && all->items[i]->life == LIFE_ACTIVE &&
            str_eq(resource_text(all->items[i], "solutionArn"),
                   resource_text(version, "solutionArn")) &&
            str_eq(resource_text(all->items[i], "trainingMode"), "FULL") &&
            all->items[i]->created_ms > last)
            last = all->items[i]->created_ms;
    for (size_t i = 0; i < datasets->count; i++)
        if (str_eq(resource_group(datasets->items[i]), resource_group(version)) &&
            json_int_or(datasets->items[i]->hidden, "dataChanged", 0) > last)
            return true;
    return false;
}

static void copy_member(json_t *spec, const char *to, const json_t *value)
{
    if (value)
        json_object_set_new(spec, to, json_deep_copy(value));
}

void training_prepare(struct sim *s, const struct resource *r, json_t *spec)
{
    const struct recipe *recipe = recipe_named(resource_hidden(r, "recipe"));

    json_object_set_new(spec, "data", group_data(s, resource_group(r)));
    json_object_set_new(spec, "recipe", json_string(recipe->name));
    json_object_set_new(spec, "minInteractions", json_integer(s->quotas[QUOTA_MIN_INTERACTIONS]));
    json_object_set_new(spec, "minUsers", json_integer(s->quotas[QUOTA_MIN_USERS]));
    if (recipe->event_type)
        json_object_set_new(spec, "eventType", json_string(recipe->event_type));
    copy_member(spec, "eventType", json_object_get(r->body, "eventType"));
    copy_member(spec, "threshold", json_at(r->body, "/solutionConfig/eventValueThreshold"));
    copy_member(spec, "events",
                json_at(r->body, "/solutionConfig/eventsConfig/eventParametersList"));
    copy_member(spec, "reward",
                json_at(r->body, "/solutionConfig/optimizationObjective/itemAttribute"));
    json_object_set_new(
        spec, "isStale",
        json_boolean(str_eq(resource_text(r, "trainingMode"), "UPDATE") && !has_news(s, r)));
}

/* Texts of the items' fields: items that share words are neighbours, as items that share users are.
 */
static void add_words(struct interactions *x, const char *item, const char *text)
{
    while (*text) {
        char word[64];
        size_t n = 0;

        for (; *text && isalnum((unsigned char) *text); text++)
            if (n < sizeof word - 1)
                word[n++] = (char) tolower((unsigned char) *text);
        word[n] = '\0';
        if (n > 2)
            interactions_add(x, &(struct interaction_texts){ word, item, NULL, 0 });
        while (*text && !isalnum((unsigned char) *text))
            text++;
    }
}

static void words_of_items(const struct catalog *c, struct interactions *x)
{
    const char *item, *field;
    json_t *row, *value;

    json_object_foreach (c->items, item, row)
        json_object_foreach (row, field, value)
            add_words(x, item, json_string_value(value));
    interactions_finish(x);
}

static bool check_enough(struct job *j, const struct interactions *x, size_t n)
{
    int64_t least = json_int_or(j->spec, "minInteractions", 0),
            least_users = json_int_or(j->spec, "minUsers", 0), users = 0;
    const char *type = json_text(j->spec, "eventType");

    if ((int64_t) n < least && type)
        return job_fail(
            j, "Dataset has fewer than %lld interactions after filtering by event type: %s",
            (long long) least, type);
    if ((int64_t) n < least)
        return job_fail(j, "Dataset has fewer than %lld interactions.", (long long) least);
    for (size_t u = 0; u < x->users.count; u++)
        users += x->starts[u + 1] - x->starts[u] >= 2;
    if (users < least_users)
        return job_fail(j, "Dataset has fewer than %lld users with at least 2 interactions each.",
                        (long long) least_users);
    return true;
}

static bool save(struct job *j, const struct model *m)
{
    char id[UUID_BYTES];
    AUTO_FREE char *name = NULL, *path = NULL;
    FILE *f;
    bool ok;

    uuid_new(id);
    name = xasprintf("models/%s.model", id);
    path = xasprintf("%s/%s", j->data_dir, name);
    f = fopen(path, "wxe");
    ok = f && model_save(m, f);
    if (f && fclose(f) != 0)
        ok = false;
    if (!ok)
        return job_fail(j, "The model could not be stored: %s.", strerror(errno));
    json_object_set_new(j->result, "model", json_string(name));
    return true;
}

/* The attribute of each item as a share of the greatest. */
static float *rewards_of(const struct catalog *c, const struct interactions *x,
                         const char *attribute)
{
    float *out = xcalloc(x->items.count, sizeof *out), max = 0;

    for (size_t i = 0; i < x->items.count; i++) {
        const char *text = json_text(json_object_get(c->items, x->items.texts[i]), attribute);

        out[i] = text ? strtof(text, NULL) : 0;
        max = out[i] > max ? out[i] : max;
    }
    for (size_t i = 0; i < x->items.count && max > 0; i++)
        out[i] = out[i] > 0 ? out[i] / max : 0;
    return out;
}

static void set_metric(json_t *out, const char *name, double value)
{
    json_object_set_new(out, name, json_real(value));
}

static void set_metrics(json_t *out, const char *name, const double values[3])
{
    static const int cuts[] = { 5, 10, 25 };

    for (size_t i = 0; i < 3; i++) {
        AUTO_FREE char *full = xasprintf("%s_at_%d", name, cuts[i]);

        set_metric(out, full, values[i]);
    }
}

static json_t *metrics_json(const struct recipe *recipe, const struct metrics *m,
                            const struct metrics_options *o)
{
    json_t *out = json_object();

    set_metric(out, "coverage", m->coverage);
    if (o->with_segments) {
        set_metric(out, "hits_at_1_percent", m->hits_at_1_percent);
        set_metric(out, "recall_at_1_percent", m->recall_at_1_percent);
        return out;
    }
    set_metrics(out, "normalized_discounted_cumulative_gain", m->ndcg);
    set_metrics(out, "precision", m->precision);
    if (recipe->runtime == RUNTIME_ACTIONS) {
        set_metric(out, "area_under_curve", m->area_under_curve);
        return out;
    }
    set_metric(out, "mean_reciprocal_rank_at_25", m->mean_reciprocal_rank_at_25);
    if (strstr(recipe->name, "trending-now"))
        set_metric(out, "trend_prediction_accuracy", m->trend_prediction_accuracy);
    if (o->rewards)
        set_metric(out, "average_rewards_at_k", m->average_reward_at_25);
    if (o->type_weights)
        set_metrics(out, "normalized_discounted_cumulative_gain_with_event_weights",
                    m->weighted_ndcg);
    return out;
}

/* Weights of the event types; 1 for those without one. NULL when none is given. */
static float *weights_of(const struct interactions *x, const json_t *events)
{
    float *out;

    if (json_array_size(events) == 0)
        return NULL;
    out = xcalloc(x->types.count, sizeof *out);
    for (size_t i = 0; i < x->types.count; i++) {
        out[i] = 1;
        for (size_t k = 0; k < json_array_size(events); k++) {
            const json_t *event = json_array_get(events, k),
                         *weight = json_object_get(event, "weight");

            if (json_is_number(weight) && str_eq(json_text(event, "eventType"), x->types.texts[i]))
                out[i] = (float) json_number_value(weight);
        }
    }
    return out;
}

static bool learn(struct job *j, const struct catalog *c, const struct interactions *x,
                  const struct recipe *recipe)
{
    const char *reward = json_text(j->spec, "reward");
    AUTO_FREE float *rewards = reward ? rewards_of(c, x, reward) : NULL;
    AUTO_FREE float *weights = weights_of(x, json_object_get(j->spec, "events"));
    const struct metrics_options options = { .flavour = serve_flavour(recipe),
                                             .rewards = rewards,
                                             .type_weights = weights,
                                             .with_segments =
                                                 str_eq(recipe->type, "USER_SEGMENTATION") };
    struct metrics metrics;
    struct model m;
    bool ok;

    metrics_measure(x, &options, &metrics);
    json_object_set_new(j->result, "metrics", metrics_json(recipe, &metrics, &options));
    model_train(&m, x, NULL);
    ok = save(j, &m);
    model_done(&m);
    return ok;
}

static bool train_on(struct job *j, const struct catalog *c, const struct recipe *recipe)
{
    struct interactions words = { 0 };
    bool ok;

    if (recipe->runtime == RUNTIME_ACTIONS)
        return check_enough(j, &c->action_interactions, c->action_interactions.count) &&
               learn(j, c, &c->action_interactions, recipe);
    if (!str_eq(recipe->name, "aws-semantic-similarity"))
        return check_enough(j, &c->interactions, c->n_taken) &&
               learn(j, c, &c->interactions, recipe);
    words_of_items(c, &words);
    ok = words.count ? learn(j, c, &words, recipe) : job_fail(j, "The Items dataset has no texts.");
    interactions_done(&words);
    return ok;
}

bool training_run(struct job *j)
{
    const struct recipe *recipe = recipe_named(json_text(j->spec, "recipe"));
    const char *threshold = json_text(j->spec, "threshold");
    const struct catalog_filter filter = { .event_type = json_text(j->spec, "eventType"),
                                           .event_value_min =
                                               threshold ? strtod(threshold, NULL) : 0,
                                           .has_event_value_min = threshold != NULL,
                                           .events = json_object_get(j->spec, "events") };
    struct catalog c;
    struct err e;
    bool ok;

    if (json_bool_or(j->spec, "isStale", false))
        return job_fail(
            j, "There should be updates to at least one dataset after last active solution "
               "version with training mode set to FULL");
    ok = catalog_load(&(struct catalog_source){ .data_dir = j->data_dir,
                                                .data = json_object_get(j->spec, "data") },
                      &filter, &c, &e) == OK
             ? train_on(j, &c, recipe)
             : job_fail(j, "%s", e.message);
    catalog_done(&c);
    return ok;
}

void training_finish(struct sim *s, struct resource *r, const struct job *j)
{
    static const char *const parts[] = { "model", "metrics" };

    (void) s;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        json_object_set(r->hidden, parts[i], json_object_get(j->result, parts[i]));
}
