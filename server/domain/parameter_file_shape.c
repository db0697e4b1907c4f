/*
 * parameter_file_shape.c - the walk of a document over the table of fields.
 *
 * Finds unknown keys, wrong types, missing keys and values out of range, and hands each
 * service-config to the API model. An empty object or list means "none"; null is never a value.
 * Goes on after a problem: all are reported.
 */
#include <math.h>

#include "parameter_file_internal.h"
#include "steward/clock.h"
#include "steward/duration.h"

static void walk_object(struct check *c, const struct field *members, const json_t *value,
                        struct place *at);

static void wrong_type(struct check *c, const char *wanted, const json_t *value,
                       const char *pointer)
{
    problem(c, CODE_WRONG_TYPE, pointer, "Expected %s here, found %s.", wanted,
            json_type_words(value));
}

static void check_enum(struct check *c, const struct field *field, const json_t *value,
                       const char *pointer)
{
    AUTO_BUF struct buf list = { 0 };
    const char *text = json_string_value(value);

    for (size_t i = 0; field->values[i]; i++) {
        if (str_eq(text, field->values[i]))
            return;
        buf_printf(&list, "%s\"%s\"", i ? ", " : "", field->values[i]);
    }
    if (text)
        problem(c, CODE_ENUM, pointer, "\"%s\" is not a value of \"%s\"; use one of %s.", text,
                field->key, list.data);
    else
        wrong_type(c, "a string", value, pointer);
}

static void check_number(struct check *c, const struct field *field, const json_t *value,
                         const char *pointer)
{
    bool is_whole = field->type == FIELD_INTEGER;
    double number = json_number_value(value);

    if (is_whole ? !json_is_integer(value) : !json_is_number(value)) {
        wrong_type(c, is_whole ? "a whole number" : "a number", value, pointer);
        return;
    }
    if (field->min == 0 && field->max == 0)
        return;
    if (number < field->min)
        problem(c, CODE_TOO_SMALL, pointer, "\"%s\" is %g; the least value is %g.", field->key,
                number, field->min);
    else if (number > field->max)
        problem(c, CODE_TOO_LARGE, pointer, "\"%s\" is %g; the greatest value is %g.", field->key,
                number, field->max);
}

static void check_text_list(struct check *c, const json_t *value, struct place *at)
{
    size_t i;
    const json_t *item;

    if (!json_is_array(value)) {
        wrong_type(c, "a list of strings", value, at->text);
        return;
    }
    json_array_foreach (value, i, item) {
        size_t length = place_index(at, i);

        if (!json_is_string(item))
            wrong_type(c, "a string", item, at->text);
        place_pop(at, length);
    }
}

static void check_duration(struct check *c, const json_t *value, const char *pointer)
{
    struct err e;
    int64_t seconds;

    if (!json_is_string(value))
        problem(c, CODE_WRONG_TYPE, pointer,
                "A duration is a string such as \"30 days\" or \"P30D\"; found %s.",
                json_type_words(value));
    else if (duration_parse(json_string_value(value), &seconds, &e))
        problem(c, CODE_BAD_DURATION, pointer, "%s", e.message);
}

static void check_time(struct check *c, const json_t *value, const char *pointer)
{
    int64_t ms;

    if (!json_is_string(value))
        wrong_type(c, "a string (RFC 3339)", value, pointer);
    else if (!clock_parse(json_string_value(value), &ms))
        problem(c, CODE_BAD_TIME, pointer,
                "\"%s\" is not a time; write RFC 3339, for example \"2027-01-31T06:00:00Z\".",
                json_string_value(value));
}

/* NOLINTNEXTLINE(misc-no-recursion): see walk_value */
static void walk_list(struct check *c, const struct field *field, const json_t *value,
                      struct place *at)
{
    enum phase phase = c->phase;
    size_t i;
    const json_t *item;

    if (!json_is_array(value)) {
        c->phase = PHASE_KEYS;
        wrong_type(c, "a list of objects", value, at->text);
        c->phase = phase;
        return;
    }
    json_array_foreach (value, i, item) {
        size_t length = place_index(at, i);

        if (json_is_object(item))
            walk_object(c, field->members, item, at);
        else
            wrong_type(c, "an object", item, at->text);
        place_pop(at, length);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the constant table of fields, at most 8. */
static void walk_value(struct check *c, const struct field *field, const json_t *value,
                       struct place *at)
{
    enum phase phase = c->phase;

    switch (field->type) {
    case FIELD_OBJECT:
        if (json_is_object(value)) {
            if (json_object_size(value) > 0 || field->is_required)
                walk_object(c, field->members, value, at);
            return;
        }
        c->phase = PHASE_KEYS;
        wrong_type(c, "an object", value, at->text);
        c->phase = phase;
        return;
    case FIELD_LIST:
        walk_list(c, field, value, at);
        return;
    case FIELD_SERVICE:
        check_service(c, field->service, value, at);
        return;
    case FIELD_TAGS:
        check_tag_list(c, value, at->text);
        return;
    case FIELD_DURATION:
        check_duration(c, value, at->text);
        return;
    case FIELD_TEXT_LIST:
        check_text_list(c, value, at);
        return;
    case FIELD_ENUM:
        check_enum(c, field, value, at->text);
        return;
    case FIELD_BOOLEAN:
        if (!json_is_boolean(value))
            wrong_type(c, "true or false", value, at->text);
        return;
    case FIELD_INTEGER:
    case FIELD_NUMBER:
        check_number(c, field, value, at->text);
        return;
    case FIELD_TIME:
        check_time(c, value, at->text);
        return;
    case FIELD_PATTERN:
        check_model_shape(c, field->shape, value, at->text);
        return;
    case FIELD_TEXT:
        if (!json_is_string(value))
            wrong_type(c, "a string", value, at->text);
        return;
    case FIELD_SCHEDULE: /* has a phase and rules of its own: check_schedules() */
    case FIELD_NONE:
        return;
    }
}

static void unknown_keys(struct check *c, const struct field *members, const json_t *value,
                         struct place *at)
{
    const char *known[32] = { NULL };
    const char *key;
    json_t *member;
    enum phase phase = c->phase;

    for (size_t i = 0; members[i].key && i + 1 < ARRAY_LEN(known); i++)
        known[i] = members[i].key;
    c->phase = PHASE_KEYS;
    json_object_foreach ((json_t *) value, key, member) {
        AUTO_BUF struct buf list = { 0 };
        const struct field *field = members;
        size_t length;

        while (field->key && strcmp(field->key, key) != 0)
            field++;
        if (field->key)
            continue;
        if (!check_is_full(c))
            nearest_names(&list, key, known);
        length = place_key(at, key);
        problem(c, CODE_UNKNOWN_KEY, at->text,
                "\"%s\" is not a key of this section; the nearest are %s.", key,
                list.data ? list.data : "none");
        place_pop(at, length);
    }
    c->phase = phase;
}

static bool has_member(const struct field *members, const char *name)
{
    for (; members->key; members++) {
        const struct field *inner = members->type == FIELD_OBJECT ? members->members : NULL;
        const struct service_operation *operation = NULL;

        if (members->service)
            operation = service_operation_find(&service_personalize, members->service->operation);
        else if (inner && inner->service) /* datasets: schema and dataset hang one level lower */
            operation = service_operation_find(&service_personalize, inner->service->operation);
        if (operation && service_member_find(operation->input, name))
            return true;
    }
    return false;
}

/* workflowConfig.ignoreFields names members of the service-config beside it. */
static void check_ignored(struct check *c, const struct field *members, const json_t *value,
                          struct place *at)
{
    const json_t *list = json_object_get(json_object_get(value, "workflowConfig"), "ignoreFields");
    size_t i;
    const json_t *item;

    json_array_foreach (list, i, item) {
        const char *name = json_string_value(item);
        AUTO_FREE char *pointer = xasprintf("%s/workflowConfig/ignoreFields/%zu", at->text, i);

        if (name && !has_member(members, name))
            problem(c, CODE_UNKNOWN_NAME, pointer,
                    "\"%s\" is no member of the service-config beside it; correct the name.", name);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): see walk_value */
static void walk_object(struct check *c, const struct field *members, const json_t *value,
                        struct place *at)
{
    enum phase phase = c->phase;

    unknown_keys(c, members, value, at);
    check_ignored(c, members, value, at);
    for (const struct field *field = members; field->key; field++) {
        const json_t *member = json_object_get(value, field->key);
        size_t length = place_key(at, field->key);

        if (field->phase != PHASE_DOCUMENT)
            c->phase = field->phase;
        if (member)
            walk_value(c, field, member, at);
        else if (field->is_required)
            problem(c, CODE_MISSING, at->text, "\"%s\" is missing: add it. %s", field->key,
                    field->description);
        c->phase = phase;
        place_pop(at, length);
    }
}

void check_members(struct check *c, const struct field *members, const json_t *value,
                   const char *pointer)
{
    struct place at = { "" };

    (void) str_copy(at.text, sizeof at.text, pointer);
    walk_object(c, members, value, &at);
}

void check_shape(struct check *c, const json_t *document)
{
    struct place at = { "" };

    c->phase = PHASE_OURS;
    walk_object(c, file_fields, document, &at);
}
