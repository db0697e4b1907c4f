/*
 * plan_cost.c - what a line of a plan costs: once, and every month.
 *
 * Floors, without traffic above the minimum. What depends on data that nobody has measured yet is
 * named with its price and counted with the least it can be.
 */
#include <inttypes.h>
#include <stdio.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/plan_judge.h"
#include "steward/recipes.h"

/* The recipe of the solution a component hangs under, or of the recommender itself. */
static const struct recipe *recipe_of(const struct judged_line *l, const struct plan_world *w)
{
    const struct component *c = l->component;

    if (!c)
        return recipe_find_arn(json_text_or(l->left, "recipeArn", ""));
    for (int depth = 0; c && depth < 4; depth++) {
        const char *arn = json_text(c->service, "recipeArn");

        if (arn)
            return recipe_find_arn(arn);
        c = c->parent == SIZE_MAX ? NULL : &w->file->components[c->parent];
    }
    return NULL;
}

static bool is_v2(const struct judged_line *l, const struct plan_world *w)
{
    const struct recipe *recipe = recipe_of(l, w);

    return recipe && recipe->is_v2_priced;
}

static const json_t *field_before(const struct judged_line *l, const char *field, bool *is_found)
{
    size_t i;
    json_t *f;

    json_array_foreach (json_object_get(l->line, "fields"), i, f)
        if (str_eq(json_text(f, "field"), field))
            return *is_found = true, json_object_get(f, "before");
    return *is_found = false, NULL;
}

/* Requests a second that are paid for in any case, before or after; the service's default is 1. */
int64_t plan_cost_rate(const struct judged_line *l, bool is_before)
{
    static const char rps[] = "minRecommendationRequestsPerSecond";
    const json_t *request = l->left ? json_object_get(l->left, "observed")
                                    : json_object_get(l->step, "request"),
                 *before;
    bool is_changed;

    if (l->kind == KIND_CAMPAIGN) {
        before = field_before(l, "minProvisionedTPS", &is_changed);
        if (is_before && is_changed)
            return json_is_integer(before) ? json_integer_value(before) : 1;
        return json_int_or(request, "minProvisionedTPS", 1);
    }
    before = field_before(l, "recommenderConfig", &is_changed);
    return json_int_or(
        is_before && is_changed ? before : json_object_get(request, "recommenderConfig"), rps, 1);
}

/* Stopped, it costs nothing: as it is now, or as the file wants it. */
static bool is_stopped(const struct judged_line *l, bool is_before)
{
    bool is_changed;
    const json_t *before = field_before(l, "status", &is_changed);

    if (is_before && is_changed)
        return str_eq(json_string_value(before), "INACTIVE");
    return l->component && kinds[l->kind].start_op &&
           str_eq(json_text(l->component->workflow, "state"), "stopped");
}

/* What stands and is paid by the hour. */
static void cost_of_throughput(struct judged_line *l, const struct plan_world *w, struct buf *words)
{
    AUTO_BUF struct buf unused = { 0 };
    int64_t before = plan_cost_rate(l, true), after = plan_cost_rate(l, false);
    bool is_campaign = l->kind == KIND_CAMPAIGN;

    l->has_cost = true;
    if (l->is_there && !is_stopped(l, true))
        l->before = is_campaign ? prices_campaign(w->prices, before, is_v2(l, w), &unused)
                                : prices_recommender(w->prices, before, &unused);
    if (!l->is_going && is_stopped(l, false))
        buf_adds(words, "stopped: not billed");
    else if (!l->is_going)
        l->after = is_campaign ? prices_campaign(w->prices, after, is_v2(l, w), words)
                               : prices_recommender(w->prices, after, words);
    else
        buf_adds(words, "no longer billed");
}

static void add_price(const struct plan_world *w, int64_t price, struct buf *words)
{
    price_text(price, words);
    buf_printf(words, " %s", w->prices->currency);
}

static void cost_of_training(struct judged_line *l, const struct plan_world *w, struct buf *words)
{
    const json_t *hours =
        json_object_get(json_object_get(w->facts, "hours"), json_text_or(l->line, "name", ""));
    double n = json_is_number(hours) && json_number_value(hours) > 0 ? json_number_value(hours) : 1;

    if (!judged_is(l, "job"))
        return;
    l->has_cost = true;
    if (is_v2(l, w)) {
        l->once = w->prices->v2_training_per_1000;
        add_price(w, w->prices->v2_training_per_1000, words);
        buf_adds(words, " per 1,000 interactions; counted with the 1,000 that a training needs");
        return;
    }
    l->once = (int64_t) ((double) w->prices->training_per_hour * n);
    add_price(w, w->prices->training_per_hour, words);
    buf_printf(words, " x %.4g training hour%s", n, n == 1 ? "" : "s");
    buf_adds(words, json_is_number(hours) ? ", as the newest version took"
                                          : " at least; Amazon says afterwards how many it took");
}

static void cost_of_import(struct judged_line *l, const struct plan_world *w, struct buf *words)
{
    const json_t *o = json_object_get(json_object_get(l->step, "details"), "observation");
    double gigabytes = (double) json_int_or(o, "bytes", 0) / 1e9;

    if (!judged_is(l, "job"))
        return;
    l->has_cost = true;
    l->once = (int64_t) ((double) w->prices->ingestion_per_gb * gigabytes);
    add_price(w, w->prices->ingestion_per_gb, words);
    if (gigabytes > 0)
        buf_printf(words, " x %.3g GB", gigabytes);
    else
        buf_adds(words, " per GB of the CSV");
}

static void cost_of_batch(struct judged_line *l, const struct plan_world *w, struct buf *words)
{
    bool is_cheap = is_v2(l, w);

    if (!judged_is(l, "job"))
        return;
    l->has_cost = true;
    add_price(w, is_cheap ? w->prices->v2_batch_per_1000 : w->prices->batch_per_1000, words);
    buf_adds(words, " per 1,000 recommendations; how many is not known before the job");
}

/* Amazon's own trainings happen only when interactions arrive, so the floor does not have them. */
static void cost_of_solution(struct judged_line *l, const struct plan_world *w, struct buf *words)
{
    const json_t *request = json_object_get(l->step, "request");
    const char *rate =
        json_text(json_object_get(json_object_get(request, "solutionConfig"), "autoTrainingConfig"),
                  "schedulingExpression");
    int days = 7;

    if (!json_bool_or(request, "performAutoTraining", false) || !judged_acts(l))
        return;
    if (rate)
        (void) sscanf(rate, "rate(%3d", &days); // NOLINT(cert-err34-c): checked by the file's rules
    if (days < 1)
        days = 7;
    l->has_cost = true;
    buf_printf(words,
               "Amazon trains every %d days when interactions arrived, up to %.1f times a "
               "month: ",
               days, (double) w->prices->hours_per_month / 24 / days);
    if (is_v2(l, w))
        add_price(w, w->prices->v2_training_per_1000, words);
    else
        add_price(w, w->prices->training_per_hour, words);
    buf_adds(words, is_v2(l, w) ? " per 1,000 interactions each" : " per training hour");
}

static const struct {
    enum kind_id kind;
    void (*cost)(struct judged_line *l, const struct plan_world *w, struct buf *words);
    bool is_monthly;
} costs[] = {
    { KIND_DATASET_IMPORT_JOB, cost_of_import, false },
    { KIND_SOLUTION, cost_of_solution, true },
    { KIND_SOLUTION_VERSION, cost_of_training, false },
    { KIND_CAMPAIGN, cost_of_throughput, true },
    { KIND_RECOMMENDER, cost_of_throughput, true },
    { KIND_BATCH_INFERENCE_JOB, cost_of_batch, false },
    { KIND_BATCH_SEGMENT_JOB, cost_of_batch, false },
};

void plan_cost_line(struct judged_line *l, const struct plan_world *w)
{
    AUTO_BUF struct buf words = { 0 };
    json_t *cost;
    size_t i = 0;

    while (i < ARRAY_LEN(costs) && costs[i].kind != l->kind)
        i++;
    if (i == ARRAY_LEN(costs))
        return;
    costs[i].cost(l, w, &words);
    if (!l->has_cost)
        return;
    cost = json_pack("{s:s, s:b}", "formula", words.data ? words.data : "", "isFloor", 1);
    if (costs[i].is_monthly) {
        json_object_set_new(cost, "monthly", money_json(l->after - l->before, w->prices));
        json_object_set_new(cost, "monthlyBefore", money_json(l->before, w->prices));
        json_object_set_new(cost, "monthlyAfter", money_json(l->after, w->prices));
    } else {
        json_object_set_new(cost, "oneOff", money_json(l->once, w->prices));
    }
    json_object_set_new(l->line, "cost", cost);
}

void plan_cost_total(json_t *plan, const struct judged_line *lines, size_t n,
                     const struct plan_world *w)
{
    int64_t once = 0, before = 0, after = 0;

    for (size_t i = 0; i < n; i++) {
        bool is_blocked = judged_is(&lines[i], "blocked");

        once += is_blocked ? 0 : lines[i].once;
        before += lines[i].before;
        after += is_blocked ? lines[i].before : lines[i].after;
    }
    json_object_set_new(
        plan, "cost",
        json_pack("{s:o, s:o, s:o, s:o, s:b, s:s, s:s, s:s}", "oneOff", money_json(once, w->prices),
                  "monthly", money_json(after - before, w->prices), "monthlyBefore",
                  money_json(before, w->prices), "monthlyAfter", money_json(after, w->prices),
                  "isFloor", 1, "note", "Floors: without traffic above the minimum.", "pricesAsOf",
                  w->prices->as_of, "pricesRegion", w->prices->region));
}
