/*
 * plan_retire.c - when a replaced solution goes.
 *
 * Every run that may move a campaign ends with it: a replacement that waits for somebody to promote
 * it is retired by the promotion.
 */
#include "steward/plan_retire.h"

#include <string.h>

#include "steward/json.h"
#include "steward/str.h"

static bool may_move(enum run_kind kind, const json_t *options)
{
    switch ((int) kind) {
    case RUN_KIND_APPLY:
    case RUN_KIND_TRAIN:
    case RUN_KIND_TRAIN_FULL:
    case RUN_KIND_TRAIN_UPDATE:
    case RUN_KIND_RETRAIN:
    case RUN_KIND_PROMOTE:
        return true;
    case RUN_KIND_DESTROY:
        return !str_eq(json_text(options, "resources"), "keep");
    default:
        return false;
    }
}

static const struct component *solution_above(const struct parameter_file *f, const char *key)
{
    for (size_t i = 0; i < f->n_components; i++) {
        size_t at = i;

        if (!str_eq(f->components[i].key, key))
            continue;
        for (int depth = 0; at != SIZE_MAX && depth < 4; depth++) {
            if (f->components[at].kind == KIND_SOLUTION)
                return &f->components[at];
            at = f->components[at].parent;
        }
    }
    return NULL;
}

/* The steps of this run that belong to the solution. */
static void need_all(const struct plan *p, struct plan_step *s, const struct parameter_file *f,
                     const struct component *solution)
{
    for (size_t i = 0; i < p->n_steps && s->n_needs < ARRAY_LEN(s->needs); i++)
        if (p->steps[i].verb != VERB_RETIRE && solution_above(f, p->steps[i].key) == solution)
            s->needs[s->n_needs++] = i;
}

/* A destruction's last steps wait for it. */
static void hold_group(struct plan *p, size_t retirement)
{
    for (size_t i = 0; i < retirement; i++) {
        struct plan_step *s = &p->steps[i];

        if (s->verb == VERB_DELETE && (s->kind == KIND_DATASET || s->kind == KIND_DATASET_GROUP) &&
            s->n_needs < ARRAY_LEN(s->needs))
            s->needs[s->n_needs++] = retirement;
    }
}

void plan_retirements(struct plan *p, const struct parameter_file *f, enum run_kind kind,
                      const json_t *options)
{
    const char *group = f->n_components ? f->components[0].key : "";

    for (size_t i = 0; may_move(kind, options) && i < f->n_components; i++) {
        const struct component *c = &f->components[i];
        struct plan_step step = {
            .kind = KIND_SOLUTION, .verb = VERB_RETIRE, .name = c->name, .pointer = c->pointer
        };

        if (c->kind != KIND_SOLUTION || !c->is_blue_green || c->is_observed_only)
            continue;
        need_all(p, &step, f, c);
        if (step.n_needs == 0)
            continue; /* this run does not work on it */
        step.key = arena_printf(&p->arena, "retired/%s", c->name);
        step.request = json_object();
        step.tags = json_array();
        step.options = json_object();
        step.refs = json_pack("{s:s, s:s}", "solutionArn", c->key, "datasetGroupArn", group);
        if (kind == RUN_KIND_DESTROY)
            hold_group(p, p->n_steps);
        p->steps[p->n_steps++] = step;
    }
}
