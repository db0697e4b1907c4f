/*
 * ownership.c - whose a resource is, and whether its tags are as wanted.
 *
 * Config-owned resources are found by name; whether they are ours to change or delete is proven by
 * the tag steward:deployment or, for kinds without tags, by our inventory. Tags of others are never
 * touched: only those that the file asks for, those that we set before and that have left the file,
 * and our own mark.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "steward/decide.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

#define MARK "steward:deployment"

/* Its tags are not asked for yet: whose it is, is judged once it is there. */
static bool is_being_made(const struct work *w)
{
    const char *status = decide_status(w->row.kind, w->observed);

    return str_starts(status, "CREATE PENDING") || str_starts(status, "CREATE IN_PROGRESS");
}

bool ownership_needs_tags(const struct work *w)
{
    return w->row.kind->is_taggable && !w->row.kind->is_per_run && w->row.verb != VERB_STOP &&
           !str_starts(decide_status(w->row.kind, w->observed), "DELETE") && !is_being_made(w);
}

static const char *tag_value(const json_t *tags, const char *key)
{
    size_t i;
    json_t *tag;

    json_array_foreach ((json_t *) tags, i, tag)
        if (str_eq(json_text(tag, "tagKey"), key))
            return json_text_or(tag, "tagValue", "");
    return NULL;
}

static void add_tag(json_t *tags, const char *key, const char *value)
{
    json_array_append_new(tags, json_pack("{s:s, s:s}", "tagKey", key, "tagValue", value));
}

/* ignoreFields: ["tags"]: the tags of the file are set when the resource is made, and then left. */
static bool leaves_tags(const struct step_row *row)
{
    size_t i;
    json_t *field;

    json_array_foreach (json_object_get(row->options, "ignoreFields"), i, field)
        if (str_eq(json_string_value(field), "tags"))
            return true;
    return false;
}

json_t *ownership_wanted(const struct worker *k, const struct step_row *row)
{
    json_t *wanted = row->tags ? json_clone(row->tags) : json_array();

    if (row->verb == VERB_RELEASE || leaves_tags(row))
        json_array_clear(wanted);
    if (row->verb != VERB_RELEASE && row->verb != VERB_OBSERVE)
        add_tag(wanted, MARK, k->options->settings.deployment_id);
    return wanted;
}

/* Keys to take away: what we set before and nobody asks for now. */
static json_t *unwanted_keys(const struct work *w, const json_t *wanted)
{
    const json_t *before = json_object_get(json_object_get(w->row.known, "details"), "tagKeys");
    json_t *keys = json_array();
    size_t i;
    json_t *key;

    json_array_foreach ((json_t *) before, i, key)
        if (!leaves_tags(&w->row) && !tag_value(wanted, json_string_value(key)) &&
            tag_value(w->look.tags, json_string_value(key)) && w->row.verb != VERB_RELEASE)
            json_array_append(keys, key);
    if (w->row.verb == VERB_RELEASE && tag_value(w->look.tags, MARK))
        json_array_append_new(keys, json_string(MARK));
    return keys;
}

static json_t *missing_tags(const struct work *w, const json_t *wanted)
{
    json_t *missing = json_array();
    size_t i;
    json_t *tag;

    json_array_foreach ((json_t *) wanted, i, tag)
        if (!str_eq(tag_value(w->look.tags, json_text(tag, "tagKey")), json_text(tag, "tagValue")))
            json_array_append(missing, tag);
    return missing;
}

static bool is_listed(const json_t *keys, const char *key)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) keys, i, item)
        if (str_eq(json_string_value(item), key))
            return true;
    return false;
}

/* Tags as a reader of a plan knows them: without our marks. */
static json_t *without_marks(const json_t *tags)
{
    json_t *shown = json_array();
    size_t i;
    json_t *tag;

    json_array_foreach ((json_t *) tags, i, tag)
        if (!str_starts(json_text_or(tag, "tagKey", ""), "steward:"))
            json_array_append(shown, tag);
    return shown;
}

/* What the resource will bear: others' tags stay. */
static json_t *tags_after(const struct work *w, const json_t *missing, const json_t *unwanted)
{
    json_t *after = json_array();
    size_t i;
    json_t *tag;

    json_array_foreach ((json_t *) w->look.tags, i, tag)
        if (!is_listed(unwanted, json_text(tag, "tagKey")) &&
            !tag_value(missing, json_text(tag, "tagKey")))
            json_array_append(after, tag);
    json_array_foreach ((json_t *) missing, i, tag)
        json_array_append(after, tag);
    return after;
}

static void compare_tags(const struct worker *k, struct work *w)
{
    AUTO_JSON json_t *wanted = ownership_wanted(k, &w->row);
    AUTO_JSON json_t *missing = missing_tags(w, wanted), *unwanted = unwanted_keys(w, wanted);
    AUTO_JSON json_t *after = tags_after(w, missing, unwanted);

    if (json_array_size(missing) + json_array_size(unwanted) == 0)
        return;
    json_array_append_new(w->differences,
                          json_pack("{s:s, s:o, s:o, s:b, s:O, s:O}", "field", "tags", "desired",
                                    without_marks(after), "observed", without_marks(w->look.tags),
                                    "inPlace", 1, "missing", missing, "unwanted", unwanted));
}

/* Made by us, as far as the inventory knows: the same ARN, made at the same time. */
static bool is_recorded(const struct work *w)
{
    int64_t created = json_int_or(w->row.known, "created_ms", 0);

    return str_eq(w->row.known_arn, w->look.arn) &&
           (created == 0 || created == decide_time_ms(w->observed, "creationDateTime"));
}

__attribute__((format(printf, 2, 3))) static void conflict(struct work *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void) vsnprintf(w->look.conflict, sizeof w->look.conflict, format, args);
    va_end(args);
}

/* Deleting needs proof: our mark, or our inventory; and that it is the one we know. */
static void judge_removal(struct work *w, const char *owner, bool is_ours)
{
    const char *title = w->row.kind->title, *name = w->row.name;
    const char *config = json_text(w->row.known, "config");

    if (w->row.kind->is_taggable && !is_ours)
        conflict(w, "The %s %s bears %s, not our mark, so it stays.", title, name,
                 owner ? "the mark of another deployment" : "none");
    else if (!w->row.kind->is_taggable && !is_recorded(w))
        conflict(w, "The %s %s is not in our inventory, so it stays.", title, name);
    else if (str_eq(w->row.known_arn, w->look.arn) && !is_recorded(w))
        conflict(w, "The %s %s was made anew since we saw it, so it stays.", title, name);
    else if (config && w->row.config && !str_eq(config, w->row.config))
        conflict(w, "The %s %s belongs to the config %s now, so it stays.", title, name, config);
}

static void judge_adoption(struct work *w, const char *owner, bool is_ours)
{
    const char *adopt = json_text_or(w->row.options, "adopt", "auto");
    const char *title = w->row.kind->title, *name = w->row.name;

    if (is_ours)
        return;
    /* Also of what this step has made: somebody else may have put another one in its place. */
    if (owner && !str_eq(adopt, "takeover"))
        conflict(w,
                 "The %s %s belongs to another deployment of Steward (%s); set \"adopt\": "
                 "\"takeover\" in its workflowConfig to take it over.",
                 title, name, owner);
    else if (!owner && str_eq(adopt, "never") && !w->row.step.is_ours && !is_recorded(w))
        conflict(w,
                 "The %s %s exists already and was not made by Steward, and \"adopt\" is "
                 "\"never\": choose another name, or allow the adoption.",
                 title, name);
}

void ownership_judge(const struct worker *k, struct work *w)
{
    const char *owner = tag_value(w->look.tags, MARK);
    bool is_ours = str_eq(owner, k->options->settings.deployment_id);

    if (w->row.verb == VERB_DELETE || w->row.verb == VERB_RETIRE ||
        json_object_get(w->row.options, "leftBehind")) {
        if (!*w->look.conflict && !(w->row.kind->is_taggable && is_being_made(w)))
            judge_removal(w, owner, is_ours);
        return;
    } else if (w->row.verb == VERB_ENSURE || w->row.verb == VERB_OBSERVE) {
        judge_adoption(w, owner, is_ours);
        w->look.is_owner = is_ours || (!w->row.kind->is_taggable && is_recorded(w));
    }
    if (w->look.tags && w->differences && w->row.verb != VERB_DELETE && !*w->look.conflict)
        compare_tags(k, w);
}
