/*
 * plan_leftover.c - deleting what left the file, and saying what is left behind.
 *
 * Deletions wait for those below them and for the steps of this run that take the users away: a
 * solution for the campaigns that move off it, a schema for the datasets that get another one.
 */
#include "steward/plan_leftover.h"

#include <stdlib.h>
#include <string.h>

#include "steward/json.h"
#include "steward/str.h"

bool plan_is_below(enum kind_id kind, enum kind_id earlier)
{
    switch ((int) kind) {
    case KIND_SOLUTION:
        return earlier == KIND_CAMPAIGN || earlier == KIND_SOLUTION_VERSION;
    case KIND_DATASET:
        return earlier != KIND_SCHEMA && earlier != KIND_DATASET && earlier != KIND_DATASET_GROUP;
    case KIND_SCHEMA:
        return earlier == KIND_DATASET;
    case KIND_DATASET_GROUP:
        return earlier != KIND_SCHEMA && earlier != KIND_DATASET_GROUP;
    default:
        return false;
    }
}

static void need(struct plan_step *s, size_t step)
{
    if (s->n_needs < ARRAY_LEN(s->needs))
        s->needs[s->n_needs++] = step;
}

/* Steps that stay count only where they take a user of the leftover away. */
static bool is_user(enum kind_id kind, const struct plan_step *s)
{
    if (s->verb == VERB_DELETE)
        return plan_is_below(kind, s->kind);
    return (kind == KIND_SOLUTION && s->kind == KIND_CAMPAIGN) ||
           (kind == KIND_SCHEMA && s->kind == KIND_DATASET);
}

static const char *word_of(const struct plan_leftover *l, enum leftover_use use)
{
    return use == LEFTOVER_KEEP ? "keep" : l->is_protected ? "protected" : "prune";
}

static bool is_look(enum leftover_use use)
{
    return use == LEFTOVER_PRUNE || use == LEFTOVER_KEEP;
}

static void add_step(struct plan *p, const struct plan_leftover *l, enum leftover_use use)
{
    struct plan_step *s = &p->steps[p->n_steps];

    *s = (struct plan_step){ .kind = l->kind,
                             .verb = is_look(use)              ? VERB_OBSERVE
                                     : use == LEFTOVER_RELEASE ? VERB_RELEASE
                                                               : VERB_DELETE,
                             .name = arena_strdup(&p->arena, l->name),
                             .key = arena_strdup(&p->arena, l->key),
                             .pointer = "",
                             .request = json_object(),
                             .tags = json_array(),
                             .refs = json_object(),
                             .options = json_object() };
    if (is_look(use))
        json_object_set_new(s->options, "leftBehind", json_string(word_of(l, use)));
    else if (use != LEFTOVER_RELEASE)
        for (size_t i = 0; i < p->n_steps; i++)
            if (is_user(l->kind, &p->steps[i]))
                need(s, i);
    p->n_steps++;
}

/* Children have the higher kinds, so they come first. */
static int compare_kinds(const void *a, const void *b)
{
    const struct plan_leftover *x = a, *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? 1 : -1;
    return strcmp(x->key, y->key);
}

/* Steps of a destruction and leftovers wait for what is below them, on either side. */
static void put_first(struct plan *p, const struct plan *destruction)
{
    size_t n = p->n_steps;

    for (size_t i = 0; i < destruction->n_steps; i++) {
        struct plan_step *s = &p->steps[p->n_steps++];

        *s = destruction->steps[i];
        for (size_t k = 0; k < s->n_needs; k++)
            s->needs[k] += n;
        for (size_t k = 0; k < n && s->verb == VERB_DELETE; k++) {
            if (plan_is_below(s->kind, p->steps[k].kind))
                need(s, k);
            else if (plan_is_below(p->steps[k].kind, s->kind))
                need(&p->steps[k], n + i);
        }
    }
}

enum err_code plan_add_leftovers(struct plan *p, const struct plan_leftover *list, size_t n,
                                 enum leftover_use use, struct err *e)
{
    AUTO_FREE struct plan_leftover *order = xcalloc(n + 1, sizeof *order);
    struct plan before;
    struct plan_step *steps;

    for (size_t i = 0; i < n; i++) {
        if (list[i].is_protected && (use == LEFTOVER_DELETE || use == LEFTOVER_DESTROY))
            return err_set(e, ERR_CONFLICT,
                           "The %s \"%s\" had preventDestroy in the last version that had it; put "
                           "it back into the file without that, apply, then prune.",
                           kinds[list[i].kind].title, list[i].name);
        order[i] = list[i];
    }
    steps = arena_alloc(&p->arena, (p->n_steps + n + 1) * sizeof *steps);
    before = *p;
    if (use == LEFTOVER_DESTROY)
        p->n_steps = 0;
    else if (p->n_steps)
        memcpy(steps, p->steps, p->n_steps * sizeof *steps);
    p->steps = steps;
    qsort(order, n, sizeof *order, compare_kinds);
    for (size_t i = 0; i < n; i++)
        add_step(p, &order[i], use);
    if (use == LEFTOVER_DESTROY)
        put_first(p, &before);
    return OK;
}

void plan_leftover_judge(const json_t *observation, const char **action, const char **reason)
{
    const char *word = json_text(observation, "leftBehind");
    const char *conflict = json_text(observation, "conflict");

    *action = "noop";
    if (str_eq(json_text(observation, "seen"), "absent")) {
        *reason = "left the file and is gone already";
    } else if (str_eq(word, "keep")) {
        *reason = "left behind: it is not in the file any more and goes on living; apply with "
                  "prune (steward apply --prune, ?prune=true) to delete it";
    } else if (str_eq(word, "protected")) {
        *action = "blocked";
        *reason = "left the file, but had preventDestroy: put it back without that, apply, then "
                  "prune";
    } else if (conflict) {
        *reason = conflict;
    } else {
        *action = "delete";
        *reason = "is not in the file any more";
    }
}
