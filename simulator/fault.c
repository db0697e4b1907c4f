/*
 * fault.c - faults on order: rules that strike calls by operation and name, so often, with so much
 * probability.
 *
 * The dice are seeded: the same rules and calls give the same faults.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "steward/conf.h"
#include "steward/json.h"
#include "steward/mem.h"

static const char *const actions[FAULT_ACTION_COUNT] = {
    [FAULT_NONE] = "none",
    [FAULT_THROTTLE] = "throttle",
    [FAULT_ERROR_BEFORE] = "error-before",
    [FAULT_ERROR_AFTER] = "error-after",
    [FAULT_LOST_REPLY] = "lost-reply",
    [FAULT_CUT_BEFORE] = "cut-before",
    [FAULT_TRUNCATED_REPLY] = "truncated-reply",
    [FAULT_SLOW] = "slow",
    [FAULT_CREATE_FAILED] = "create-failed",
    [FAULT_LIST_LAG] = "list-lag",
    [FAULT_DENIED] = "denied",
    [FAULT_NAMES_UNIQUE] = "names-unique",
    [FAULT_NAMES_REFUSED] = "names-refused",
    [FAULT_FOREIGN_CREATE] = "foreign-create",
    [FAULT_FOREIGN_UPDATE] = "foreign-update",
    [FAULT_FOREIGN_DELETE] = "foreign-delete",
};

static void fault_done(struct fault *f)
{
    free(f->operation);
    free(f->name);
    free(f->reason);
}

static enum err_code set_action(struct fault *f, const char *text, struct err *e)
{
    AUTO_BUF struct buf known = { 0 };

    for (size_t i = 1; i < FAULT_ACTION_COUNT; i++) {
        if (str_eq(actions[i], text)) {
            f->action = (enum fault_action) i;
            return OK;
        }
        buf_printf(&known, "%s%s", i > 1 ? ", " : "", actions[i]);
    }
    return err_set(e, ERR_INVALID, "\"%s\" is not a fault; known are %s.", text ? text : "",
                   known.data);
}

/* One "key=value" of a rule. */
static enum err_code set_part(struct fault *f, const char *key, const char *value, struct err *e)
{
    int64_t n;
    char *end;

    if (str_eq(key, "reason")) {
        free(f->reason);
        f->reason = xstrdup(value);
        return OK;
    }
    if (str_eq(key, "probability")) {
        f->probability = strtod(value, &end);
        if (*value && !*end && f->probability >= 0 && f->probability <= 1)
            return OK;
    } else if (str_eq(key, "ms")) {
        if (str_to_i64(value, 0, INT64_MAX / 2, &f->ms) || conf_duration_ms(value, &f->ms))
            return OK;
    } else if (str_eq(key, "status")) {
        if (str_to_i64(value, 500, 503, &n) && (n == 500 || n == 503)) {
            f->status = (int) n;
            return OK;
        }
    } else if (str_eq(key, "times") || str_eq(key, "skip")) {
        if (str_to_i64(value, 0, INT64_MAX, str_eq(key, "times") ? &f->times : &f->skip))
            return OK;
    } else {
        return err_set(e, ERR_INVALID,
                       "A fault rule has no \"%s\"; known are times, skip, probability, "
                       "ms, status, reason.",
                       key);
    }
    return err_set(e, ERR_INVALID, "\"%s\" is no value for %s of a fault rule.", value, key);
}

static struct fault blank(void)
{
    return (struct fault){ .times = -1, .probability = 1, .status = 500 };
}

static void push(struct fault_list *list, const struct fault *f)
{
    list->items = xrealloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = *f;
}

static enum err_code read_rule(char *text, struct fault *f, struct err *e)
{
    char *equals = strchr(text, '='), *save = NULL, *slash, *part;

    if (!equals || equals == text)
        return err_set(e, ERR_INVALID, "A fault rule reads OPERATION[/NAME]=FAULT[,key=value...].");
    *equals = '\0';
    slash = strchr(text, '/');
    if (slash) {
        *slash = '\0';
        f->name = xstrdup(slash + 1);
    }
    f->operation = xstrdup(text);
    TRY(set_action(f, strtok_r(equals + 1, ",", &save), e));
    while ((part = strtok_r(NULL, ",", &save))) {
        char *value = strchr(part, '=');

        if (!value)
            return err_set(e, ERR_INVALID, "\"%s\" of a fault rule has no value.", part);
        *value = '\0';
        TRY(set_part(f, part, value + 1, e));
    }
    return OK;
}

enum err_code fault_add(struct fault_list *list, const char *rule, struct err *e)
{
    struct fault f = blank();
    AUTO_FREE char *text = xstrdup(rule);
    enum err_code rc = read_rule(text, &f, e);

    if (rc)
        fault_done(&f);
    else
        push(list, &f);
    return rc;
}

static enum err_code read_json(const json_t *rule, struct fault *f, struct err *e)
{
    const char *key;
    json_t *value;

    TRY(set_action(f, json_text(rule, "action"), e));
    f->operation = xstrdup(json_text_or(rule, "operation", "*"));
    if (json_text(rule, "name"))
        f->name = xstrdup(json_text(rule, "name"));
    json_object_foreach ((json_t *) rule, key, value) {
        AUTO_FREE char *text =
            json_is_string(value) ? xstrdup(json_string_value(value)) : json_compact(value);

        if (!str_eq(key, "action") && !str_eq(key, "operation") && !str_eq(key, "name"))
            TRY(set_part(f, key, text, e));
    }
    return OK;
}

enum err_code fault_add_json(struct fault_list *list, const json_t *rule, struct err *e)
{
    struct fault f = blank();
    enum err_code rc;

    if (json_is_string(rule))
        return fault_add(list, json_string_value(rule), e);
    if (!json_is_object(rule))
        return err_set(e, ERR_INVALID, "A fault rule is an object or a text.");
    rc = read_json(rule, &f, e);
    if (rc)
        fault_done(&f);
    else
        push(list, &f);
    return rc;
}

json_t *faults_to_json(const struct fault_list *list)
{
    json_t *out = json_array();

    for (size_t i = 0; i < list->count; i++) {
        const struct fault *f = &list->items[i];
        json_t *row = json_object();

        json_object_set_new(row, "operation", json_string(f->operation));
        if (f->name)
            json_object_set_new(row, "name", json_string(f->name));
        json_object_set_new(row, "action", json_string(actions[f->action]));
        if (f->times >= 0)
            json_object_set_new(row, "times", json_integer(f->times));
        json_object_set_new(row, "skip", json_integer(f->skip));
        json_object_set_new(row, "probability", json_real(f->probability));
        json_object_set_new(row, "ms", json_integer(f->ms));
        json_object_set_new(row, "status", json_integer(f->status));
        if (f->reason)
            json_object_set_new(row, "reason", json_string(f->reason));
        json_array_append_new(out, row);
    }
    return out;
}

void faults_clear(struct fault_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        fault_done(&list->items[i]);
    free(list->items);
    *list = (struct fault_list){ 0 };
}

/* splitmix64: small, seeded, good enough for dice. */
static double dice(struct fault_list *list)
{
    uint64_t z = (list->seed += UINT64_C(0x9E3779B97F4A7C15));

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (double) ((z ^ (z >> 31)) >> 11) / (double) (UINT64_C(1) << 53);
}

const struct fault *fault_strike(struct fault_list *list, const struct fault_call *call,
                                 unsigned mask)
{
    for (size_t i = 0; i < list->count; i++) {
        struct fault *f = &list->items[i];

        if (!(mask & FAULT_BIT(f->action)) || f->times == 0 ||
            str_starts(f->operation, "S3") != str_starts(call->operation, "S3") ||
            fnmatch(f->operation, call->operation, 0) != 0 ||
            (f->name && fnmatch(f->name, call->name ? call->name : "", 0) != 0))
            continue;
        if (f->skip > 0) {
            f->skip--;
            list->is_changed = true;
            continue;
        }
        if (f->probability < 1 && dice(list) >= f->probability)
            continue;
        if (f->times > 0) {
            f->times--;
            list->is_changed = true;
        }
        return f;
    }
    return NULL;
}

const char *fault_action_name(enum fault_action action)
{
    return actions[action];
}
