/*
 * plan_judge.c - the second look at a plan: names, guards, quotas, costs.
 *
 * Order matters: what is blocked uses no quota and costs nothing, so names come first, then guards
 * (they need the costs), then quotas, and the sums last.
 */
#include "steward/plan_judge.h"

#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/plan_lines.h"

bool judged_is(const struct judged_line *l, const char *action)
{
    return str_eq(json_text(l->line, "action"), action);
}

bool judged_acts(const struct judged_line *l)
{
    return !judged_is(l, "noop") && !judged_is(l, "adopt") && !judged_is(l, "blocked");
}

void judged_block(struct judged_line *l, const char *rule, json_t *reason)
{
    json_object_set_new(l->line, "action", json_string("blocked"));
    json_object_set_new(l->line, "rule", json_string(rule));
    json_object_set_new(l->line, "reason", reason);
}

static const json_t *observation_of(const json_t *step)
{
    return json_object_get(json_object_get(step, "details"), "observation");
}

static const struct component *component_of(const struct parameter_file *f, const char *key)
{
    for (size_t i = 0; f && i < f->n_components; i++)
        if (str_eq(f->components[i].key, key))
            return &f->components[i];
    return NULL;
}

static void begin_line(struct judged_line *l, json_t *line, const json_t *step,
                       const struct plan_world *w)
{
    const struct kind *kind = kind_find(json_text_or(line, "kind", ""));
    const char *seen = json_text(observation_of(step), "seen");

    *l = (struct judged_line){ .line = line, .step = step, .kind = kind ? kind->id : KIND_COUNT };
    l->component = component_of(w->file, json_text(line, "resourceKey"));
    l->is_there = seen && !str_eq(seen, "absent") && !str_eq(seen, "deleting") &&
                  !str_eq(seen, "stale") && !str_eq(seen, "noInput");
    l->is_going = judged_is(l, "delete");
    l->left =
        json_object_get(json_object_get(w->facts, "left"), json_text_or(line, "resourceKey", ""));
}

/* "performHPO, eventType cannot be changed: …" */
static void name_fields(struct judged_line *l)
{
    AUTO_BUF struct buf names = { 0 };
    size_t i;
    json_t *f;

    json_array_foreach (json_object_get(l->line, "fields"), i, f)
        if (!json_bool_or(f, "inPlace", true))
            buf_printf(&names, "%s%s", names.length ? ", " : "", json_text_or(f, "field", ""));
    if (names.length)
        json_object_set_new(l->line, "reason",
                            json_sprintf("%s cannot be changed: change the file back, or use "
                                         "another name",
                                         names.data));
}

/* What the comparison blocked has its rule by what was seen. */
static void name_rule(struct judged_line *l)
{
    const json_t *o = observation_of(l->step);
    const char *seen = json_text(o, "seen"), *rule = "immutableField";

    if (!judged_is(l, "blocked") || json_object_get(l->line, "rule"))
        return;
    if (json_object_get(l->line, "leftBehind"))
        rule = "preventDestroy";
    else if (!seen)
        rule = "notObserved";
    else if (json_text(o, "conflict"))
        rule = "nameTaken";
    else if (str_eq(seen, "failed") || str_eq(seen, "stopped"))
        rule = "failed";
    else
        name_fields(l);
    json_object_set_new(l->line, "rule", json_string(rule));
}

static void check_owner(struct judged_line *l, const struct plan_world *w)
{
    const char *owner =
        json_text(json_object_get(w->facts, "foreign"), json_text_or(l->line, "resourceKey", ""));

    if (owner)
        judged_block(l, "nameTaken",
                     json_sprintf("belongs to the config %s; names are unique in an account and "
                                  "region: use another one",
                                  owner));
}

void plan_judge(json_t *plan, const json_t *steps, const struct plan_world *w)
{
    json_t *list = json_object_get(plan, "lines"), *line;
    size_t n = json_array_size(list), i;
    AUTO_FREE struct judged_line *lines = xcalloc(n + 1, sizeof *lines);

    json_array_foreach (list, i, line) {
        begin_line(&lines[i], line, json_array_get(steps, i), w);
        name_rule(&lines[i]);
        check_owner(&lines[i], w);
        plan_cost_line(&lines[i], w);
    }
    plan_limits_guards(lines, n, w);
    plan_limits_quota(lines, n, w);
    plan_cost_total(plan, lines, n, w);
    plan_lines_count(plan);
    if (w->is_rehearsal)
        json_object_set_new(
            plan, "rehearsal",
            json_string(
                "A rehearsal: it proves order, protocol, quotas and failures, not IAM, real "
                "metrics, durations, prices or raised quotas."));
}
