/*
 * plan_approval.c - the question of runs that train: is the new version promoted?
 *
 * Asked once per campaign whose solution's promotion is not automatic, after the version is there
 * and the campaign is as the file has it but for the version. Nothing depends on the answer, so
 * the run's other work goes on and ends.
 */
#include "plan_internal.h"
#include "steward/duration.h"
#include "steward/json.h"
#include "steward/str.h"

static bool run_trains(enum run_kind kind)
{
    return kind == RUN_KIND_TRAIN || kind == RUN_KIND_TRAIN_FULL || kind == RUN_KIND_TRAIN_UPDATE ||
           kind == RUN_KIND_RETRAIN;
}

void plan_approval(struct builder *b, const struct component *c, const json_t *solution_workflow)
{
    const json_t *promotion = json_object_get(solution_workflow, "promotion");
    const char *policy = json_text_or(promotion, "policy", "automatic");
    size_t campaign = b->plan->n_steps - 1;
    struct plan_step *s = &b->plan->steps[campaign + 1];
    int64_t seconds;
    struct err e;

    if (c->kind != KIND_CAMPAIGN || !run_trains(b->kind) || str_eq(policy, "automatic"))
        return;
    if (duration_parse(json_text_or(promotion, "holdFor", "72 hours"), &seconds, &e))
        return; /* the file's checks refuse it */
    *s = (struct plan_step){
        .kind = KIND_APPROVAL,
        .verb = VERB_APPROVE,
        .name = c->name,
        .key = c->key,
        .pointer = c->pointer,
        .request = json_object(),
        .tags = json_array(),
        .refs = json_pack("{s:s}", "solutionVersionArn", b->file->components[c->parent].key),
        .options = json_pack("{s:s, s:I}", "policy", policy, "holdForSeconds", (json_int_t) seconds)
    };
    if (json_object_get(b->plan->steps[campaign].options, "freeUpdates"))
        json_object_set_new(s->options, "freeUpdates", json_true());
    s->needs[s->n_needs++] = campaign;
    b->plan->n_steps++;
}
