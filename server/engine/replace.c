/*
 * replace.c - resources beside each other under derived names: a schema whose content changed, and
 * a solution that is replaced blue-green.
 *
 * Both get the name <name>-<8 characters of a hash over what cannot change>, so that any worker
 * finds the same one again. What a replaced solution leaves behind is retired once nothing serves
 * from it.
 */
#include <stdio.h>
#include <string.h>

#include "steward/decide.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

#define HASH_CHARS 8

/* What a solution cannot change: its request without what UpdateSolution takes. Caller owns. */
static json_t *fixed_part(const struct step_row *row)
{
    json_t *fixed = json_clone(row->request), *config;

    if (row->kind->id == KIND_SCHEMA) {
        json_t *schema = json_incref(json_object_get(fixed, "schema"));

        json_decref(fixed);
        return schema;
    }
    (void) json_object_del(fixed, "name");
    (void) json_object_del(fixed, "performAutoTraining");
    (void) json_object_del(fixed, "performIncrementalUpdate");
    config = json_object_get(fixed, "solutionConfig");
    (void) json_object_del(config, "autoTrainingConfig");
    (void) json_object_del(config, "eventsConfig");
    if (config && json_object_size(config) == 0)
        (void) json_object_del(fixed, "solutionConfig");
    return fixed;
}

void replace_name(const struct step_row *row, char out[INTENT_NAME_BYTES])
{
    AUTO_JSON json_t *fixed = fixed_part(row);
    AUTO_FREE char *text = json_canonical(fixed);
    char hex[HEX_SHA256];

    sha256_hex(text, strlen(text), hex);
    (void) snprintf(out, INTENT_NAME_BYTES, "%.54s-%.*s", row->name, HASH_CHARS, hex);
}

bool replace_is_blue_green(const struct step_row *row)
{
    return row->kind->id == KIND_SOLUTION && json_bool_or(row->options, "blueGreen", false);
}

static bool has_fixed_difference(const struct work *w)
{
    size_t i;
    json_t *difference;

    json_array_foreach (w->differences, i, difference)
        if (!json_bool_or(difference, "inPlace", false))
            return true;
    return false;
}

bool replace_is_wanted(const struct work *w)
{
    if (w->look.is_alternative || (w->row.verb != VERB_ENSURE && w->row.verb != VERB_OBSERVE) ||
        w->row.step.intent == INTENT_SAVED)
        return false;
    if (w->row.kind->id == KIND_SCHEMA)
        return json_array_size(w->differences) > 0;
    return replace_is_blue_green(&w->row) && has_fixed_difference(w);
}

/* The user's own name is free, because a replacement took over before. */
bool replace_was_made(const struct work *w)
{
    return replace_is_blue_green(&w->row) && !w->look.is_alternative && w->row.known_arn &&
           w->row.step.intent == INTENT_NONE && !str_eq(w->row.known_arn, w->look.arn);
}

/* What the service called taken shows another content: the call that was answered "exists" made
 * nothing, or a late one can only be answered so again. The derived name is a create of its own. */
void replace_begin_anew(struct work *w)
{
    struct step *s = &w->row.step;

    if (!w->look.is_alternative || s->intent != INTENT_MAYBE_SENT || s->op != OP_CREATE ||
        str_eq(w->row.intent_name, w->intent_name))
        return;
    s->intent = INTENT_PLANNED;
    s->is_lagging = false;
    json_decref(TAKE(w->row.intent_request));
}

/* A failed creation leaves an empty shell that keeps the name. The step that made it fails; a later
 * one, when people have seen why, takes the shell away and tries again. */
bool replace_is_failed_create(const struct work *w, enum seen seen)
{
    const struct step *s = &w->row.step;
    bool is_of_this_step =
        s->op == OP_CREATE && s->intent != INTENT_NONE && s->intent != INTENT_PLANNED;

    return (seen == SEEN_FAILED || seen == SEEN_CONFLICT) && !w->row.kind->is_per_run &&
           w->look.is_owner && !*w->look.conflict && !is_of_this_step &&
           str_eq(decide_status(w->row.kind, w->observed), "CREATE FAILED");
}

/* ---- retiring ---- */

/* NAME itself or NAME-<8 hexadecimal characters>. */
static bool is_of_name(const char *name, const char *base)
{
    size_t n = strlen(base);

    if (!str_starts(name, base))
        return false;
    return name[n] == '\0' || (name[n] == '-' && strlen(name + n + 1) == HASH_CHARS &&
                               strspn(name + n + 1, "0123456789abcdef") == HASH_CHARS);
}

const json_t *replace_find_retired(const struct work *w)
{
    const char *current = json_text(w->row.arns, "solutionArn");
    size_t i;
    json_t *item;

    json_array_foreach (w->look.items, i, item)
        if (current && !str_eq(json_text(item, "solutionArn"), current) &&
            is_of_name(json_text_or(item, "name", ""), w->row.name))
            return item;
    return NULL;
}

json_t *replace_campaigns_request(const struct work *w)
{
    return json_pack("{s:s, s:i}", "solutionArn", w->look.arn, "maxResults", 10);
}

void replace_judge_campaigns(struct work *w)
{
    const json_t *campaigns = json_object_get(w->call.response, "campaigns");
    size_t i;
    json_t *campaign;

    json_array_foreach ((json_t *) campaigns, i, campaign)
        if (!str_starts(json_text_or(campaign, "status", ""), "DELETE"))
            (void) snprintf(w->look.conflict, sizeof w->look.conflict,
                            "The replaced solution %s still serves the campaign %s, so it stays "
                            "until that is promoted or gone.",
                            json_text_or(w->observed, "name", w->row.name),
                            json_text_or(campaign, "name", "?"));
}
