/*
 * change.c - Update, Delete, Start and Stop: what a resource's state allows, then one step of its
 * life.
 */
#include <assert.h>
#include <string.h>

#include "rules.h"
#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

static enum wire_error find(struct call *c, const struct sim_kind *kind, struct resource **out)
{
    const char *arn = call_text(c, kind->arn_member);

    if (!arn)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "1 validation error detected: Value null at '%s' failed to satisfy "
                         "constraint: Member must not be null",
                         kind->arn_member);
    (void) str_copy(c->arn, sizeof c->arn, arn);
    *out = world_find_kind(&c->sim->world, arn, kind->id);
    return *out ? WIRE_OK : call_not_found(c, arn);
}

static enum wire_error refuse_state(struct call *c, const struct resource *r, const char *wanted)
{
    return call_fail(c, WIRE_IN_USE, "Resource %s is in %s state. It must be %s.", r->arn,
                     life_text(r->kind, r->life), wanted);
}

static enum wire_error must_be_idle(struct call *c, const struct resource *r)
{
    if (resource_is_busy(r))
        return refuse_state(c, r, "ACTIVE");
    if (r->update_life != LIFE_NONE)
        return call_fail(c, WIRE_IN_USE, "Resource %s has an update in progress.", r->arn);
    return WIRE_OK;
}

static enum wire_error answer_arn(struct call *c, const struct resource *r)
{
    c->has_effect = true;
    c->out = json_object();
    json_object_set_new(c->out, r->kind->arn_member, json_string(r->arn));
    return WIRE_OK;
}

enum wire_error op_update(struct call *c, const struct sim_kind *kind)
{
    struct resource *r = NULL;
    json_t *update;
    enum wire_error error;

    PASS(find(c, kind, &r));
    assert(r);
    PASS(must_be_idle(c, r));
    if (r->life != LIFE_ACTIVE && !(kind->id == SIM_CAMPAIGN && r->life == LIFE_FAILED) &&
        !(kind->id == SIM_RECOMMENDER && r->life == LIFE_INACTIVE))
        return refuse_state(c, r, "ACTIVE");
    update = call_known_members(c);
    (void) json_object_del(update, kind->arn_member);
    error = kind->check_update(c, r, update);
    if (error) {
        json_decref(update);
        return error;
    }
    life_begin_update(c->sim, r, update);
    return answer_arn(c, r);
}

enum wire_error delete_refuse(struct call *c, const struct resource *r, const struct resource *by)
{
    return call_fail(c, WIRE_IN_USE, "The resource %s is in use by %s.", r->arn, by->arn);
}

enum wire_error op_delete(struct call *c, const struct sim_kind *kind)
{
    struct resource *r = NULL;

    PASS(find(c, kind, &r));
    assert(r);
    if (resource_is_busy(r))
        return refuse_state(c, r, kind->id == SIM_RECOMMENDER ? "INACTIVE" : "ACTIVE");
    if (r->update_life != LIFE_NONE)
        return call_fail(c, WIRE_IN_USE, "Resource %s has an update in progress.", r->arn);
    if (kind->check_delete)
        PASS(kind->check_delete(c, r));
    c->has_effect = true;
    if (kind->id == SIM_SCHEMA) {
        world_remove(&c->sim->world, r);
        return WIRE_OK;
    }
    r->auto_due_ms = NEVER;
    life_set(c->sim, r, LIFE_DELETE_PENDING, c->now_ms);
    return WIRE_OK;
}

enum wire_error op_stop_version(struct call *c, const struct sim_kind *kind)
{
    struct resource *r = NULL;

    PASS(find(c, kind, &r));
    assert(r);
    if (r->life != LIFE_PENDING && r->life != LIFE_IN_PROGRESS)
        return refuse_state(c, r, "CREATE PENDING or CREATE IN_PROGRESS");
    life_set(c->sim, r, r->life == LIFE_PENDING ? LIFE_STOPPED : LIFE_STOPPING, c->now_ms);
    if (kind->on_life)
        kind->on_life(c->sim, r);
    c->has_effect = true;
    return WIRE_OK;
}

enum wire_error op_start_recommender(struct call *c, const struct sim_kind *kind)
{
    struct resource *r = NULL;

    PASS(find(c, kind, &r));
    assert(r);
    if (r->life != LIFE_INACTIVE)
        return refuse_state(c, r, "INACTIVE");
    life_set(c->sim, r, LIFE_START_PENDING, c->now_ms);
    return answer_arn(c, r);
}

enum wire_error op_stop_recommender(struct call *c, const struct sim_kind *kind)
{
    struct resource *r = NULL;

    PASS(find(c, kind, &r));
    assert(r);
    PASS(must_be_idle(c, r));
    if (r->life != LIFE_ACTIVE)
        return refuse_state(c, r, "ACTIVE");
    life_set(c->sim, r, LIFE_STOP_PENDING, c->now_ms);
    return answer_arn(c, r);
}

/* ---- metric attributions: metrics are added and removed, the rest is an ordinary update ---- */

static json_t *metric_named(json_t *metrics, const char *name, size_t *index)
{
    for (*index = 0; *index < json_array_size(metrics); (*index)++)
        if (str_eq(json_text(json_array_get(metrics, *index), "metricName"), name))
            return json_array_get(metrics, *index);
    return NULL;
}

static enum wire_error change_metrics(struct call *c, const char *group, json_t *metrics)
{
    const json_t *remove = call_member(c, "removeMetrics"), *add = call_member(c, "addMetrics");
    size_t at;

    for (size_t i = 0; i < json_array_size(remove); i++) {
        const char *name = json_string_value(json_array_get(remove, i));

        if (!metric_named(metrics, name, &at))
            return call_fail(c, WIRE_NOT_FOUND,
                             "The metric %s does not exist in the metric attribution.", name);
        (void) json_array_remove(metrics, at);
    }
    for (size_t i = 0; i < json_array_size(add); i++) {
        json_t *metric = json_array_get(add, i);

        if (metric_named(metrics, json_text(metric, "metricName"), &at))
            return call_fail(c, WIRE_ALREADY_EXISTS, "The metric %s already exists.",
                             json_text(metric, "metricName"));
        PASS(attribution_metric_check(c, group, metric));
        json_array_append_new(metrics, json_deep_copy(metric));
    }
    if (json_array_size(metrics) > 10)
        return call_fail(c, WIRE_INVALID_INPUT, "A metric attribution has at most 10 metrics.");
    return WIRE_OK;
}

enum wire_error op_update_attribution(struct call *c, const struct sim_kind *kind)
{
    struct resource *r = NULL;
    AUTO_JSON json_t *metrics = NULL;

    PASS(find(c, kind, &r));
    assert(r);
    PASS(must_be_idle(c, r));
    if (r->life != LIFE_ACTIVE)
        return refuse_state(c, r, "ACTIVE");
    metrics = json_deep_copy(json_object_get(r->hidden, "metrics"));
    PASS(change_metrics(c, resource_group(r), metrics));
    resource_hide(r, "metrics", json_incref(metrics));
    if (call_member(c, "metricsOutputConfig"))
        resource_set(r, "metricsOutputConfig",
                     json_deep_copy(call_member(c, "metricsOutputConfig")));
    resource_set(r, "lastUpdatedDateTime", json_time(c->now_ms));
    world_touch(&c->sim->world, r);
    return answer_arn(c, r);
}

static json_t *show_metric(const struct call *c, const void *row)
{
    (void) c;
    return json_incref((json_t *) row);
}

enum wire_error op_list_attribution_metrics(struct call *c, const struct sim_kind *kind)
{
    const char *arn = call_text(c, kind->arn_member);
    struct page_row rows[10 + 1];
    struct page page = {
        .rows = rows, .filter = arn, .member = c->model->page_key, .show = show_metric
    };
    const struct resource *r = arn ? world_find_kind(&c->sim->world, arn, kind->id) : NULL;
    const json_t *metrics = r ? json_object_get(r->hidden, "metrics") : NULL;

    for (size_t i = 0; r && i < json_array_size(metrics) && i < 10; i++) {
        const json_t *metric = json_array_get(metrics, i);

        rows[page.count++] =
            (struct page_row){ r->created_ms, json_text(metric, "metricName"), metric };
    }
    return page_answer(c, &page);
}
