/*
 * json_write.c - compact JSON text, and copies, without jansson's search for loops.
 *
 * jansson's own print the address of every object and list they enter and keep it in a hash table,
 * to find what contains itself: of small documents that is most of the work. Nothing of ours
 * contains itself, as it comes from a text or is built from the leaves. The text is the same, byte
 * for byte; hashes of documents depend on that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

/* The short escape of a character, or none. */
static const char *const escapes[256] = {
    ['"'] = "\\\"", ['\\'] = "\\\\", ['\b'] = "\\b", ['\f'] = "\\f",
    ['\n'] = "\\n", ['\r'] = "\\r",  ['\t'] = "\\t",
};

static void write_string(struct buf *out, const char *text, size_t n)
{
    size_t from = 0;

    buf_reserve(out, n + 2);
    buf_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char) text[i];

        if (c >= ' ' && !escapes[c])
            continue;
        buf_add(out, text + from, i - from);
        from = i + 1;
        if (escapes[c])
            buf_adds(out, escapes[c]);
        else
            buf_printf(out, "\\u%04X", c);
    }
    buf_add(out, text + from, n - from);
    buf_addc(out, '"');
}

static void write_integer(struct buf *out, json_int_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, value);

    buf_add(out, text, (size_t) n);
}

/* jansson knows how a double is written so that it is read as the same. */
static void write_real(struct buf *out, const json_t *value)
{
    char text[64];
    size_t n = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY);

    buf_add(out, text, n < sizeof text ? n : sizeof text);
}

/* NOLINTBEGIN(misc-no-recursion): as deep as a parsed document, or as we build one */
static void write_value(struct buf *out, const json_t *value, bool is_sorted);

struct member {
    const char *key;
    json_t *value;
};

static int compare_members(const void *a, const void *b)
{
    return strcmp(((const struct member *) a)->key, ((const struct member *) b)->key);
}

static void write_member(struct buf *out, const struct member *m, bool is_sorted)
{
    write_string(out, m->key, strlen(m->key));
    buf_addc(out, ':');
    write_value(out, m->value, is_sorted);
    buf_addc(out, ',');
}

static void write_sorted_members(struct buf *out, const json_t *object)
{
    AUTO_FREE struct member *members = xcalloc(json_object_size(object) + 1, sizeof *members);
    size_t n = 0;
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) object, key, value)
        members[n++] = (struct member){ key, value };
    qsort(members, n, sizeof *members, compare_members);
    for (size_t i = 0; i < n; i++)
        write_member(out, &members[i], true);
}

/* In place of the comma behind the last one, or behind the opening bracket. */
static void close_bracket(struct buf *out, char bracket)
{
    if (out->data[out->length - 1] == ',')
        out->data[out->length - 1] = bracket;
    else
        buf_addc(out, bracket);
}

static void write_object(struct buf *out, const json_t *object, bool is_sorted)
{
    const char *key;
    json_t *value;

    buf_addc(out, '{');
    if (is_sorted)
        write_sorted_members(out, object);
    else
        json_object_foreach ((json_t *) object, key, value)
            write_member(out, &(struct member){ key, value }, false);
    close_bracket(out, '}');
}

static void write_array(struct buf *out, const json_t *array, bool is_sorted)
{
    size_t i;
    json_t *value;

    buf_addc(out, '[');
    json_array_foreach (array, i, value) {
        write_value(out, value, is_sorted);
        buf_addc(out, ',');
    }
    close_bracket(out, ']');
}

static void write_value(struct buf *out, const json_t *value, bool is_sorted)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(out, value, is_sorted);
        break;
    case JSON_ARRAY:
        write_array(out, value, is_sorted);
        break;
    case JSON_STRING:
        write_string(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        write_integer(out, json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(out, value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buf_adds(out, json_is_true(value) ? "true" : "false");
        break;
    case JSON_NULL:
        buf_adds(out, "null");
        break;
    }
}

json_t *json_clone(const json_t *value)
{
    json_t *copy, *item;
    const char *key;
    size_t i;

    if (json_is_object(value)) {
        copy = json_object();
        json_object_foreach ((json_t *) value, key, item)
            json_object_set_new_nocheck(copy, key, json_clone(item));
        return copy;
    }
    if (json_is_array(value)) {
        copy = json_array();
        json_array_foreach (value, i, item)
            json_array_append_new(copy, json_clone(item));
        return copy;
    }
    return json_copy((json_t *) value);
}

/* NOLINTEND(misc-no-recursion) */

void json_add(struct buf *out, const json_t *value)
{
    write_value(out, value, false);
}

void json_add_string(struct buf *out, const char *text)
{
    write_string(out, text, strlen(text));
}

char *json_canonical(const json_t *value)
{
    struct buf out = { 0 };

    write_value(&out, value, true);
    return buf_take(&out);
}

char *json_compact(const json_t *value)
{
    struct buf out = { 0 };

    write_value(&out, value, false);
    return buf_take(&out);
}
