/*
 * document_diff.c - two documents side by side: members by name, named things by their name, other
 * lists by place.
 */
#include "steward/document_diff.h"

#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"

#define POINTER_MAX 512
#define VALUE_MAX   200

/* Where the two stand. */
struct place {
    char before[POINTER_MAX], after[POINTER_MAX];
};

static void add(json_t *list, const char *op, const char *pointer, const json_t *before,
                const json_t *after)
{
    json_t *change = json_pack("{s:s, s:s}", "op", op, "pointer", pointer);

    if (before)
        json_object_set(change, "before", (json_t *) before);
    if (after)
        json_object_set(change, "after", (json_t *) after);
    json_array_append_new(list, change);
}

/* What a thing of a list is known by; NULL: by nothing. */
static const char *name_of(const json_t *item)
{
    static const char *const names[] = { "name", "tagKey", "metricName" };
    const json_t *service = json_object_get(item, "serviceConfig");

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *name = json_text(service ? service : item, names[i]);

        if (name)
            return name;
    }
    return NULL;
}

static size_t find_named(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) list, i, item)
        if (str_eq(name_of(item), name))
            return i;
    return SIZE_MAX;
}

/* Each has a name, and no two the same. */
static bool is_named(const json_t *list)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) list, i, item)
        if (!name_of(item) || find_named(list, name_of(item)) != i)
            return false;
    return true;
}

static void compare(json_t *list, const struct place *at, const json_t *before,
                    const json_t *after);

/* False when the pointer would be too long: the whole is told instead. */
static bool step_into(struct place *at, const char *key, size_t was, size_t is)
{
    if (key)
        return json_pointer_key(at->before, sizeof at->before, key) &&
               json_pointer_key(at->after, sizeof at->after, key);
    return (was == SIZE_MAX || json_pointer_index(at->before, sizeof at->before, was)) &&
           (is == SIZE_MAX || json_pointer_index(at->after, sizeof at->after, is));
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the parser's depth limit of 32
static void compare_one(json_t *list, const struct place *at, const json_t *before,
                        const json_t *after)
{
    if (!before)
        add(list, "add", at->after, NULL, after);
    else if (!after)
        add(list, "remove", at->before, before, NULL);
    else
        compare(list, at, before, after);
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the parser's depth limit of 32
static void compare_members(json_t *list, const struct place *at, const json_t *before,
                            const json_t *after)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) before, key, value) {
        struct place in = *at;

        if (!step_into(&in, key, 0, 0)) {
            add(list, "replace", at->after, before, after);
            return;
        }
        compare_one(list, &in, value, json_object_get(after, key));
    }
    json_object_foreach ((json_t *) after, key, value) {
        struct place in = *at;

        if (json_object_get(before, key))
            continue;
        if (!step_into(&in, key, 0, 0)) {
            add(list, "replace", at->after, before, after);
            return;
        }
        compare_one(list, &in, NULL, value);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the parser's depth limit of 32
static void compare_items(json_t *list, const struct place *at, const json_t *before,
                          const json_t *after)
{
    bool is_by_name = is_named(before) && is_named(after);

    for (size_t i = 0; i < json_array_size(before); i++) {
        const json_t *item = json_array_get(before, i);
        size_t other = is_by_name ? find_named(after, name_of(item)) : i;
        struct place in = *at;

        if (step_into(&in, NULL, i, other))
            compare_one(list, &in, item, json_array_get(after, other));
    }
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *item = json_array_get(after, i);
        struct place in = *at;
        bool is_new = is_by_name ? find_named(before, name_of(item)) == SIZE_MAX
                                 : i >= json_array_size(before);

        if (is_new && step_into(&in, NULL, SIZE_MAX, i))
            compare_one(list, &in, NULL, item);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the parser's depth limit of 32
static void compare(json_t *list, const struct place *at, const json_t *before, const json_t *after)
{
    if (json_equal(before, after))
        return;
    if (json_is_object(before) && json_is_object(after))
        compare_members(list, at, before, after);
    else if (json_is_array(before) && json_is_array(after))
        compare_items(list, at, before, after);
    else
        add(list, "replace", at->after, before, after);
}

json_t *document_diff(const json_t *before, const json_t *after)
{
    const struct place root = { 0 };
    json_t *list = json_array();

    compare(list, &root, before, after);
    return list;
}

static void add_value(const json_t *value, struct buf *out)
{
    AUTO_FREE char *text = json_compact(value);
    char shown[VALUE_MAX + 1];

    str_copy(shown, sizeof shown, text);
    buf_printf(out, "%s%s", shown, strlen(text) > strlen(shown) ? "..." : "");
}

void document_diff_text(const json_t *changes, struct buf *out)
{
    size_t i;
    json_t *change;

    json_array_foreach ((json_t *) changes, i, change) {
        const json_t *before = json_object_get(change, "before");
        const json_t *after = json_object_get(change, "after");

        buf_printf(out, "%c %s: ",
                   before && after ? '~'
                   : after         ? '+'
                                   : '-',
                   json_text_or(change, "pointer", ""));
        if (before)
            add_value(before, out);
        if (before && after)
            buf_adds(out, " -> ");
        if (after)
            add_value(after, out);
        buf_addc(out, '\n');
    }
    if (!json_array_size(changes))
        buf_adds(out, "No difference.\n");
}
