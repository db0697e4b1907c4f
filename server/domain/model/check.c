/*
 * check.c - one walk of a JSON value against a shape of the API model.
 *
 * Every violation is reported, none stops the walk: whoever sent the document wants to mend it in
 * one go.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "steward/json.h"
#include "steward/service_model.h"
#include "steward/str.h"

#define CHECK_POINTER_BYTES 1024
#define CHECK_DEPTH_MAX     32

struct walk {
    const struct service_check_options *options;
    service_report_fn report;
    size_t count;
    int depth;
    char pointer[CHECK_POINTER_BYTES];
    const char *member;
};

static void check_value(struct walk *w, const struct service_shape *shape, const json_t *value);

const char *service_violation_code(enum violation_kind kind)
{
    static const char *const codes[] = {
        [VIOLATION_TYPE] = "wrong-type",     [VIOLATION_MISSING] = "missing",
        [VIOLATION_UNKNOWN] = "unknown-key", [VIOLATION_TOO_SHORT] = "too-short",
        [VIOLATION_TOO_LONG] = "too-long",   [VIOLATION_TOO_SMALL] = "too-small",
        [VIOLATION_TOO_LARGE] = "too-large", [VIOLATION_PATTERN] = "pattern",
        [VIOLATION_ENUM] = "enum",
    };

    return codes[kind];
}

static void report(struct walk *w, struct service_violation v)
{
    v.pointer = w->pointer;
    v.member = w->member;
    w->count++;
    if (w->report)
        w->report(w->options->context, &v);
}

/* Steps into a member or entry; a path longer than the buffer keeps its beginning, which still
 * names the place. */
static size_t enter(struct walk *w, const char *key)
{
    size_t n = strlen(w->pointer);

    (void) json_pointer_key(w->pointer, sizeof w->pointer, key);
    w->member = key;
    return n;
}

static void leave(struct walk *w, size_t n, const char *member)
{
    w->pointer[n] = '\0';
    w->member = member;
}

static const char *nearest_value(const struct service_shape *shape, const char *text)
{
    const char *nearest = NULL;
    unsigned best = (unsigned) (strlen(text) / 3 + 1);

    for (size_t i = 0; i < shape->n_values; i++) {
        unsigned d = str_distance(text, shape->values[i]);

        if (d < best || (d == best && !nearest)) {
            best = d;
            nearest = shape->values[i];
        }
    }
    return nearest;
}

static void check_bounds(struct walk *w, const struct service_shape *shape, const json_t *value,
                         double size)
{
    bool is_number = json_is_number(value);

    if (shape->has_min && size < shape->min)
        report(w, (struct service_violation){ .kind = is_number ? VIOLATION_TOO_SMALL
                                                                : VIOLATION_TOO_SHORT,
                                              .shape = shape,
                                              .value = value });
    if (shape->has_max && size > shape->max)
        report(w, (struct service_violation){ .kind = is_number ? VIOLATION_TOO_LARGE
                                                                : VIOLATION_TOO_LONG,
                                              .shape = shape,
                                              .value = value });
}

static void check_string(struct walk *w, const struct service_shape *shape, const json_t *value,
                         bool is_key)
{
    const char *text = json_string_value(value);

    check_bounds(w, shape, value, (double) str_utf8_length(text));
    if (shape->pattern && !service_pattern_matches(shape, text))
        report(w, (struct service_violation){ .kind = VIOLATION_PATTERN,
                                              .shape = shape,
                                              .value = value,
                                              .is_map_key = is_key });
    for (size_t i = 0; i < shape->n_values; i++)
        if (strcmp(shape->values[i], text) == 0)
            return;
    if (shape->n_values)
        report(w, (struct service_violation){ .kind = VIOLATION_ENUM,
                                              .shape = shape,
                                              .value = value,
                                              .nearest = nearest_value(shape, text),
                                              .is_map_key = is_key });
}

static bool is_absent(const struct walk *w, const json_t *value)
{
    return !value || (w->options->is_null_absent && json_is_null(value));
}

static bool is_optional_here(const struct walk *w, const char *name)
{
    const char *const *p = w->depth == 1 ? w->options->optional : NULL;

    for (; p && *p; p++)
        if (strcmp(*p, name) == 0)
            return true;
    return false;
}

static void check_unknown(struct walk *w, const struct service_shape *shape, const json_t *object)
{
    const char *key, *outer = w->member;
    json_t *value;

    json_object_foreach ((json_t *) object, key, value) {
        const struct service_member *nearest;
        size_t n;

        if (service_member_find(shape, key))
            continue;
        nearest = service_member_nearest(shape, key);
        n = enter(w, key);
        report(w, (struct service_violation){ .kind = VIOLATION_UNKNOWN,
                                              .shape = shape,
                                              .value = value,
                                              .nearest = nearest ? nearest->name : NULL });
        leave(w, n, outer);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): one level per level of the document, at most CHECK_DEPTH_MAX
static void check_structure(struct walk *w, const struct service_shape *shape, const json_t *object)
{
    const char *outer = w->member;

    for (size_t i = 0; i < shape->n_members; i++) {
        const struct service_member *m = &shape->members[i];
        const json_t *value = json_object_get(object, m->name);
        size_t n;

        if (is_absent(w, value) && (!m->is_required || is_optional_here(w, m->name)))
            continue;
        n = enter(w, m->name);
        if (is_absent(w, value))
            report(w, (struct service_violation){ .kind = VIOLATION_MISSING, .shape = m->shape });
        else
            check_value(w, m->shape, value);
        leave(w, n, outer);
    }
    if (!w->options->is_unknown_ignored)
        check_unknown(w, shape, object);
}

// NOLINTNEXTLINE(misc-no-recursion): one level per level of the document, at most CHECK_DEPTH_MAX
static void check_list(struct walk *w, const struct service_shape *shape, const json_t *list)
{
    const char *outer = w->member;

    check_bounds(w, shape, list, (double) json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        char number[24];
        size_t n;

        (void) snprintf(number, sizeof number, "%zu", i);
        n = enter(w, number);
        check_value(w, shape->element, json_array_get(list, i));
        leave(w, n, outer);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): one level per level of the document, at most CHECK_DEPTH_MAX
static void check_map(struct walk *w, const struct service_shape *shape, const json_t *object)
{
    const char *key, *outer = w->member;
    json_t *value;

    check_bounds(w, shape, object, (double) json_object_size(object));
    json_object_foreach ((json_t *) object, key, value) {
        json_t *key_value = json_string(key);
        size_t n = enter(w, key);

        check_string(w, shape->key, key_value, true);
        json_decref(key_value);
        if (!is_absent(w, value))
            check_value(w, shape->element, value);
        leave(w, n, outer);
    }
}

static bool has_type(const struct service_shape *shape, const json_t *value)
{
    switch (shape->type) {
    case SHAPE_STRUCTURE:
    case SHAPE_MAP:
        return json_is_object(value);
    case SHAPE_LIST:
        return json_is_array(value);
    case SHAPE_STRING:
        return json_is_string(value);
    case SHAPE_INTEGER:
        return json_is_integer(value) && json_integer_value(value) >= INT32_MIN &&
               json_integer_value(value) <= INT32_MAX;
    case SHAPE_LONG:
        return json_is_integer(value);
    case SHAPE_FLOAT:
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
        return json_is_number(value);
    case SHAPE_BOOLEAN:
        return json_is_boolean(value);
    }
    return false;
}

// NOLINTNEXTLINE(misc-no-recursion): one level per level of the document, at most CHECK_DEPTH_MAX
static void check_value(struct walk *w, const struct service_shape *shape, const json_t *value)
{
    if (!has_type(shape, value) || w->depth >= CHECK_DEPTH_MAX) {
        report(w, (struct service_violation){
                      .kind = VIOLATION_TYPE, .shape = shape, .value = value });
        return;
    }
    w->depth++;
    switch (shape->type) {
    case SHAPE_STRUCTURE:
        check_structure(w, shape, value);
        break;
    case SHAPE_LIST:
        check_list(w, shape, value);
        break;
    case SHAPE_MAP:
        check_map(w, shape, value);
        break;
    case SHAPE_STRING:
        check_string(w, shape, value, false);
        break;
    case SHAPE_INTEGER:
    case SHAPE_LONG:
    case SHAPE_FLOAT:
    case SHAPE_DOUBLE:
        check_bounds(w, shape, value, json_number_value(value));
        break;
    case SHAPE_BOOLEAN:
    case SHAPE_TIMESTAMP:
        break;
    }
    w->depth--;
}

size_t service_model_check(const struct service_shape *shape, const json_t *value,
                           const struct service_check_options *options, service_report_fn report_fn)
{
    static const struct service_check_options strict = { 0 };
    struct walk w = { .options = options ? options : &strict, .report = report_fn, .member = "" };

    if (w.options->pointer)
        (void) str_copy(w.pointer, sizeof w.pointer, w.options->pointer);
    check_value(&w, shape, value);
    return w.count;
}
