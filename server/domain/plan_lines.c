/*
 * plan_lines.c - what an apply would do, line by line.
 *
 * An observe run judged every resource by the same comparison that a step decides by; here its
 * words become actions. What follows from another line (a campaign from a new version, a dataset
 * from a new schema) is worked out from the dependencies.
 */
#include "steward/plan_lines.h"

#include <string.h>

#include "steward/json.h"
#include "steward/kinds.h"
#include "steward/mem.h"
#include "steward/plan_leftover.h"
#include "steward/plan_words.h"
#include "steward/schema_check.h"

static const struct {
    const char *name, *sign, *words;
} actions[] = {
    { "create", "+", "to create" },
    { "adopt", "=", "to adopt" },
    { "updateInPlace", "~", "to update in place" },
    { "replace", "!", "to replace" },
    { "job", ">", "to run" },
    { "delete", "-", "to delete" },
    { "blocked", "x", "blocked" },
    { "noop", " ", "unchanged" },
};

/* What each word of an observation means for a resource that stays, and for one made per run. */
static const struct {
    const char *seen, *action, *job_action, *reason;
} meanings[] = {
    { "absent", "create", "job", "does not exist" },
    { "stale", "create", "job", "what is there is not current" },
    { "inProgress", "noop", "noop", "is in progress" },
    { "stopping", "noop", "noop", "is being stopped" },
    { "matches", "noop", "noop", "is as wanted" },
    { "current", "noop", "noop", "is current" },
    { "noInput", "noop", "noop", "there is no data to work on" },
    { "differs", "updateInPlace", "noop", "differs in what can be changed in place" },
    { "replaceable", "replace", "job", "cannot be changed: it is deleted and made again" },
    { "conflict", "blocked", "blocked", "differs in what cannot be changed" },
    { "failed", "blocked", "job", "failed: delete it, then apply again" },
    { "stopped", "blocked", "job", "was stopped" },
    { "deleting", "create", "job", "is being deleted" },
};

static const json_t *observation_of(const json_t *step)
{
    return json_object_get(json_object_get(step, "details"), "observation");
}

static void set_action(json_t *line, const char *action, const char *reason)
{
    json_object_set_new(line, "action", json_string(action));
    json_object_set_new(line, "reason", json_string(reason));
}

static bool is_action(const json_t *line, const char *action)
{
    return str_eq(json_text(line, "action"), action);
}

static json_t *fields_of(const json_t *differences)
{
    json_t *fields = json_array();
    size_t i;
    json_t *d;

    json_array_foreach ((json_t *) differences, i, d)
        json_array_append_new(fields, json_pack("{s:O, s:O?, s:O, s:O}", "field",
                                                json_object_get(d, "field"), "before",
                                                json_object_get(d, "observed"), "after",
                                                json_object_get(d, "desired"), "inPlace",
                                                json_object_get(d, "inPlace")));
    return fields;
}

/* What is found by its place keeps the name it has. */
static void name_other(json_t *line, const char *name)
{
    if (!name || (!is_action(line, "noop") && !is_action(line, "adopt")))
        return;
    json_object_set_new(line, "liveName", json_string(name));
    json_object_set_new(line, "reason",
                        json_sprintf("is there under the name \"%s\", which cannot be changed: a "
                                     "dataset group has one of its kind",
                                     name));
}

static bool is_told(const json_t *line)
{
    return !is_action(line, "noop") || json_object_get(line, "leftBehind") ||
           json_object_get(line, "liveName");
}

static bool is_failed_create(const json_t *step)
{
    return str_eq(json_text(step, "awsStatus"), "CREATE FAILED");
}

/* By what was seen alone. */
static void judge_alone(json_t *line, const json_t *step)
{
    const json_t *o = observation_of(step);
    const struct kind *kind = kind_find(json_text(step, "kind"));
    const char *seen = json_text(o, "seen"), *conflict = json_text(o, "conflict");
    const char *action, *reason;

    if (seen && json_object_get(o, "leftBehind")) {
        plan_leftover_judge(o, &action, &reason);
        set_action(line, action, reason);
        json_object_set_new(line, "leftBehind", json_true());
        return;
    }
    if (!seen) {
        set_action(line, "blocked", json_text_or(step, "reason", "could not be looked at"));
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
        if (str_eq(meanings[i].seen, seen))
            set_action(line, kind && kind->is_per_run ? meanings[i].job_action : meanings[i].action,
                       meanings[i].reason);
    if (is_action(line, "replace") && is_failed_create(step))
        set_action(line, "replace", "its creation failed: it is deleted and made again");
    if (conflict)
        set_action(line, "blocked", conflict);
    if (is_action(line, "noop") && kind && !kind->is_per_run && !json_bool_or(o, "isKnown", false))
        set_action(line, "adopt", "exists already and is as wanted");
    name_other(line, json_text(o, "name"));
}

/* Whether a step that this one needs is of the kind and has the action. */
static bool needs_with(const json_t *step, const json_t *lines, const char *kind,
                       const char *action)
{
    size_t i;
    json_t *ordinal;

    json_array_foreach (json_object_get(step, "needs"), i, ordinal) {
        const json_t *line = json_array_get(lines, (size_t) json_integer_value(ordinal));

        if (str_eq(json_text(line, "kind"), kind) && is_action(line, action))
            return true;
    }
    return false;
}

static bool is_replaceable_schema(const json_t *step)
{
    const char *type = json_text_or(json_object_get(step, "request"), "datasetType", "");

    return str_eq(type, "ITEMS") || str_eq(type, "USERS");
}

/* What follows from a new schema: Amazon takes one that keeps every field and adds only what may be
 * null, and of items and users only. */
static void judge_new_schema(json_t *line, const json_t *step, const json_t *lines)
{
    AUTO_BUF struct buf why = { 0 };
    size_t i, k;
    json_t *ordinal, *field;

    if (!is_replaceable_schema(step)) {
        set_action(line, "blocked",
                   "the schema of this kind of dataset cannot be changed: change the file back, "
                   "or use another dataset group");
        return;
    }
    set_action(line, "updateInPlace", "is to have the new schema");
    json_array_foreach (json_object_get(step, "needs"), i, ordinal) {
        const json_t *schema = json_array_get(lines, (size_t) json_integer_value(ordinal));

        json_array_foreach (json_object_get(schema, "fields"), k, field) {
            const char *before = json_string_value(json_object_get(field, "before"));
            AUTO_JSON json_t *old = before ? json_loads(before, 0, NULL) : NULL;

            if (!old || !str_eq(json_text(field, "field"), "schema") ||
                !str_eq(json_text(schema, "kind"), "schema") ||
                schema_check_follows(old, json_object_get(field, "after"), &why))
                continue;
            set_action(line, "blocked", "");
            json_object_set_new(
                line, "reason",
                json_sprintf("Amazon Personalize gives a dataset a new schema only when every "
                             "field stays as it was and new ones may be null: %s. Change the file "
                             "back, or use another dataset group",
                             why.data));
            return;
        }
    }
}

/* What follows from the lines before. */
static void judge_together(json_t *line, const json_t *step, const json_t *lines)
{
    const char *kind = json_text_or(step, "kind", "");
    bool is_there = is_action(line, "noop") || is_action(line, "adopt");
    bool is_new_version = needs_with(step, lines, "solutionVersion", "job");

    if (is_action(line, "replace") && str_eq(kind, "solution") && !is_failed_create(step))
        set_action(line, "replace",
                   "cannot be changed in place: a new solution is made beside it and trained, its "
                   "campaigns move there, and this one is deleted");
    if (is_there && str_eq(kind, "solutionVersion") &&
        needs_with(step, lines, "solution", "replace"))
        set_action(line, "job", "the solution is new");

    if (is_there && str_eq(kind, "campaign") && is_new_version &&
        !json_text(observation_of(step), "promotion"))
        set_action(line, "updateInPlace", "is to serve the new version");
    if (is_there && is_new_version &&
        (str_eq(kind, "batchInferenceJob") || str_eq(kind, "batchSegmentJob")))
        set_action(line, "job", "there will be a new version");
    if (is_there && str_eq(kind, "dataset") && needs_with(step, lines, "schema", "create"))
        judge_new_schema(line, step, lines);
}

static json_t *summary_of(const json_t *lines)
{
    json_t *summary = json_object();
    size_t i;
    json_t *line;

    for (size_t k = 0; k < ARRAY_LEN(actions); k++) {
        json_int_t n = 0;

        json_array_foreach ((json_t *) lines, i, line)
            n += is_action(line, actions[k].name);
        json_object_set_new(summary, actions[k].name, json_integer(n));
    }
    return summary;
}

json_t *plan_lines_of(const json_t *steps)
{
    json_t *lines = json_array(), *plan;
    size_t i;
    json_t *step;

    json_array_foreach ((json_t *) steps, i, step) {
        const json_t *differences = json_object_get(observation_of(step), "differences");
        json_t *line = json_pack(
            "{s:O, s:s, s:s, s:O, s:O, s:O?, s:O?}", "ordinal", json_object_get(step, "ordinal"),
            "action", "noop", "reason", "", "kind", json_object_get(step, "kind"), "name",
            json_object_get(step, "name"), "resourceKey", json_object_get(step, "resourceKey"),
            "pointer", json_object_get(step, "pointer"));

        judge_alone(line, step);
        judge_together(line, step, lines);
        if (json_object_get(step, "arn"))
            json_object_set(line, "arn", json_object_get(step, "arn"));
        json_object_set_new(line, "fields", fields_of(differences));
        json_array_append_new(lines, line);
    }
    plan = json_pack("{s:b, s:{}, s:o}", "changes", 0, "summary", "lines", lines);
    plan_lines_count(plan);
    return plan;
}

void plan_lines_count(json_t *plan)
{
    const json_t *lines = json_object_get(plan, "lines");
    json_t *summary = summary_of(lines);
    int64_t still = json_int_or(summary, "noop", 0) + json_int_or(summary, "adopt", 0);

    json_object_set_new(plan, "changes", json_boolean(json_array_size(lines) > (size_t) still));
    json_object_set_new(plan, "summary", summary);
}

/* ---- for people ---- */

static const char *sign_of(const json_t *line)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (is_action(line, actions[i].name))
            return actions[i].sign;
    return "?";
}

static void add_summary(const json_t *plan, struct buf *out)
{
    const json_t *summary = json_object_get(plan, "summary");
    const char *separator = "";

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        json_int_t n = json_integer_value(json_object_get(summary, actions[i].name));

        if (!n)
            continue;
        buf_printf(out, "%s%lld %s", separator, (long long) n, actions[i].words);
        separator = ", ";
    }
    buf_adds(out, ".");
}

static void add_value(const json_t *value, struct buf *out)
{
    AUTO_FREE char *text = value ? json_compact(value) : xstrdup("nothing");

    buf_printf(out, strlen(text) > 100 ? "%.97s..." : "%s", text);
}

static void add_fields(const json_t *line, const char *indent, struct buf *out)
{
    size_t i;
    json_t *f;

    json_array_foreach (json_object_get(line, "fields"), i, f) {
        buf_printf(out, "%s%s: ", indent, json_text_or(f, "field", ""));
        add_value(json_object_get(f, "before"), out);
        buf_adds(out, " -> ");
        add_value(json_object_get(f, "after"), out);
        buf_adds(out, "\n");
    }
}

void plan_lines_text(const json_t *plan, const char *title, struct buf *out)
{
    size_t i;
    json_t *line;

    buf_printf(out, "Plan of %s:\n", title);
    json_array_foreach (json_object_get(plan, "lines"), i, line) {
        if (!is_told(line))
            continue;
        buf_printf(out, "  %s %-14s %-18s %s: %s", sign_of(line), json_text(line, "action"),
                   json_text_or(line, "kind", ""), json_text_or(line, "name", ""),
                   json_text_or(line, "reason", ""));
        plan_words_quota(line, out);
        buf_adds(out, "\n");
        add_fields(line, "        ", out);
        plan_words_cost(line, "        ", out);
    }
    add_summary(plan, out);
    buf_adds(out, "\n");
    plan_words_total(plan, false, out);
    plan_words_foot(plan, false, out);
}

void plan_lines_markdown(const json_t *plan, const char *title, struct buf *out)
{
    bool has_table = false;
    size_t i;
    json_t *line;

    buf_printf(out, "### Plan of %s\n\n", title);
    add_summary(plan, out);
    buf_adds(out, "\n");
    plan_words_total(plan, true, out);
    json_array_foreach (json_object_get(plan, "lines"), i, line) {
        if (!is_told(line))
            continue;
        if (!has_table)
            buf_adds(out, "\n| action | kind | name | why | fields | cost | quota |\n"
                          "|---|---|---|---|---|---|---|\n");
        has_table = true;
        plan_words_row(line, out);
    }
    plan_words_foot(plan, true, out);
}
