/*
 * plan_judge.h - what the lines of a plan cost, what quota they use, and what forbids them.
 *
 * Pure; allocates JSON only. Works on a plan that plan_lines_of() made.
 */
#ifndef STEWARD_PLAN_JUDGE_H
#define STEWARD_PLAN_JUDGE_H

#include <jansson.h>
#include <stdbool.h>

#include "steward/parameter_file.h"
#include "steward/prices.h"
#include "steward/quotas.h"

/* What is known besides what the observe run saw. */
struct plan_world {
    const struct parameter_file *file;
    const struct prices *prices;
    const struct quota_limits *limits;
    /* From the inventory, without the resources of this plan: {"account": {kind: count}, "group":
     * {kind: count}, "trainings": {solution: of the last 24 hours}, "hours": {solution: training
     * hours of its newest version}, "foreign": {key: config that owns it}, "left": {key: {observed,
     * recipeArn} of campaigns and recommenders that left the file}}; NULL: nothing. */
    const json_t *facts;
    bool is_rehearsal; /* on the local Amazon Personalize */
};

/*
 * Adds to each line, where it applies, "cost" {"oneOff", "monthly", "monthlyBefore",
 * "monthlyAfter", "formula"} and "quota" {"name", "per", "used", "left", "limit"}; turns lines that
 * a rule forbids into "blocked" with "rule" (immutableField, nameTaken, quota, guard, failed,
 * notObserved, preventDestroy); adds "cost", the sum, to the plan and counts its summary anew.
 * steps: the ones the plan was made of.
 */
void plan_judge(json_t *plan, const json_t *steps, const struct plan_world *w);

/* ---- between the files of the judgement ---- */

struct judged_line {
    json_t *line;
    const json_t *step;
    const struct component *component; /* NULL: not in the file */
    const json_t *left; /* {"observed", "recipeArn"} of what left the file and is billed; or NULL */
    enum kind_id kind;
    bool is_there;         /* exists now */
    bool is_going;         /* will be deleted */
    bool has_cost;         /* any of the sums below means something */
    int64_t before, after; /* a month, without traffic; in millionths */
    int64_t once;
};
bool judged_is(const struct judged_line *l, const char *action);
/* Whether it brings about something (not noop, adopt, blocked). */
bool judged_acts(const struct judged_line *l);
void judged_block(struct judged_line *l, const char *rule, json_t *reason); /* takes reason */

/* plan_cost.c */
void plan_cost_line(struct judged_line *l, const struct plan_world *w);
void plan_cost_total(json_t *plan, const struct judged_line *lines, size_t n,
                     const struct plan_world *w);
int64_t plan_cost_rate(const struct judged_line *l, bool is_before);
/* plan_limits.c */
void plan_limits_quota(struct judged_line *lines, size_t n, const struct plan_world *w);
void plan_limits_guards(struct judged_line *lines, size_t n, const struct plan_world *w);

#endif
