/*
 * plan_limits.c - what a plan may not do: the file's guards, and Amazon's quotas.
 *
 * Guards hold what raises; lowering and deleting always pass. A quota of what stands blocks the
 * line that exceeds it; one of jobs in progress only makes the job wait.
 */
#include <inttypes.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/plan_judge.h"

/* ---- guards ---- */

static void guard(struct judged_line *l, const char *name, json_t *reason)
{
    judged_block(l, "guard", reason);
    json_object_set_new(l->line, "guard", json_string(name));
}

static void guard_throughput(struct judged_line *l, const json_t *guards)
{
    int64_t most = json_int_or(guards, "maxMinProvisionedTPS", 0);
    int64_t before = l->is_there ? plan_cost_rate(l, true) : 0, after = plan_cost_rate(l, false);

    if (most > 0 && l->kind == KIND_CAMPAIGN && after > most && after > before)
        guard(l, "maxMinProvisionedTPS",
              json_sprintf("%" PRId64 " TPS is more than guards.maxMinProvisionedTPS allows: "
                           "%" PRId64,
                           after, most));
}

static void guard_trainings(struct judged_line *l, const json_t *guards, const struct plan_world *w)
{
    const json_t *most = json_object_get(guards, "maxTrainingsPerDay");
    int64_t done =
        json_int_or(json_object_get(w->facts, "trainings"), json_text_or(l->line, "name", ""), 0);

    if (json_is_integer(most) && l->kind == KIND_SOLUTION_VERSION &&
        done >= json_integer_value(most))
        guard(l, "maxTrainingsPerDay",
              json_sprintf("would be training %" PRId64 " within 24 hours; "
                           "guards.maxTrainingsPerDay allows %" PRId64,
                           done + 1, (int64_t) json_integer_value(most)));
}

/* What costs less afterwards makes room first. */
static void guard_floor(struct judged_line *lines, size_t n, const json_t *guards,
                        const struct plan_world *w)
{
    const char *text = json_text(json_object_get(guards, "maxMonthlyFloor"), "amount");
    int64_t most, sum = 0;

    if (!money_parse(text, &most))
        return;
    for (size_t i = 0; i < n; i++)
        sum += judged_acts(&lines[i]) && lines[i].after < lines[i].before ? lines[i].after
                                                                          : lines[i].before;
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF struct buf wanted = { 0 };
        int64_t raise = lines[i].after - lines[i].before;

        if (!judged_acts(&lines[i]) || raise <= 0)
            continue;
        if (sum + raise <= most) {
            sum += raise;
            continue;
        }
        money_text(sum + raise, false, &wanted);
        guard(&lines[i], "maxMonthlyFloor",
              json_sprintf("the floor would be %s %s a month; guards.maxMonthlyFloor allows %s",
                           wanted.data, w->prices->currency, text));
    }
}

void plan_limits_guards(struct judged_line *lines, size_t n, const struct plan_world *w)
{
    const json_t *guards = w->file ? w->file->guards : NULL;

    if (!guards)
        return;
    for (size_t i = 0; i < n; i++) {
        if (judged_acts(&lines[i]))
            guard_throughput(&lines[i], guards);
        if (judged_acts(&lines[i]))
            guard_trainings(&lines[i], guards, w);
    }
    guard_floor(lines, n, guards, w);
}

/* ---- quotas ---- */

static const char *seen_of(const struct judged_line *l)
{
    return json_text_or(json_object_get(json_object_get(l->step, "details"), "observation"), "seen",
                        "");
}

/* What is there before the plan. Others of the config are in the facts, with what left the file. */
static int64_t count_used(const struct judged_line *lines, size_t n, enum kind_id kind,
                          const struct quota *q, const struct plan_world *w)
{
    const char *whose = str_eq(q->per, "account") ? "account" : "group";
    int64_t used = json_int_or(json_object_get(w->facts, whose), kinds[kind].name, 0);

    for (size_t i = 0; i < n; i++) {
        const struct judged_line *l = &lines[i];

        if (l->kind != kind)
            continue;
        if (!l->component)
            used -= l->is_there && l->is_going;
        else if (q->is_in_progress)
            used += str_eq(seen_of(l), "inProgress");
        else
            used += l->is_there;
    }
    return used;
}

static json_t *quota_json(const struct quota *q, int64_t used, int64_t limit, bool is_unknown)
{
    json_t *out =
        json_pack("{s:s, s:s, s:I}", "name", q->name, "per", q->per, "used", (json_int_t) used);

    if (!is_unknown) {
        json_object_set_new(out, "left", json_integer(limit - used));
        json_object_set_new(out, "limit", json_integer(limit));
    }
    return out;
}

static void block_quota(struct judged_line *l, const struct quota *q, int64_t limit)
{
    judged_block(l, "quota",
                 json_sprintf("the quota of %" PRId64 " %s per %s is used up; delete one%s", limit,
                              q->name, str_eq(q->per, "account") ? "account" : "dataset group",
                              quota_is_adjustable(q)
                                  ? ", or ask AWS for more and tell the server with --quota"
                                  : ""));
}

static void hold(struct judged_line *lines, size_t n, enum kind_id kind, const struct plan_world *w)
{
    struct quota q;
    int64_t used, limit;
    bool is_unknown;

    if (!quota_of_kind(kind, &q))
        return;
    limit = w->limits->values[kind];
    used = count_used(lines, n, kind, &q, w);
    /* More than the limit in use proves that it was raised; to what, nobody said. */
    is_unknown = q.is_in_progress ? limit == 0 : used > limit;
    for (size_t i = 0; i < n; i++) {
        if (lines[i].kind != kind ||
            !(judged_is(&lines[i], "create") || judged_is(&lines[i], "job")))
            continue;
        if (is_unknown || used < limit)
            used++;
        else if (!q.is_in_progress)
            block_quota(&lines[i], &q, limit);
        json_object_set_new(
            lines[i].line, "quota",
            quota_json(&q, used > limit && !is_unknown ? limit : used, limit, is_unknown));
    }
}

void plan_limits_quota(struct judged_line *lines, size_t n, const struct plan_world *w)
{
    for (size_t k = 0; k < KIND_COUNT; k++)
        hold(lines, n, (enum kind_id) k, w);
}
