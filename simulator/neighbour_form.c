/*
 * neighbour_form.c - the query protocol's two sides: a form becomes an object, an object XML.
 */
#include <string.h>

#include "neighbour.h"
#include "steward/json.h"

#define DEPTH_MAX 8
#define INDEX_MAX 1000

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* The place for the rest of the path inside *at; lists grow to the index that is named. */
static json_t *step_into(json_t *at, const char *part, bool is_list)
{
    json_t *child;
    int64_t index;

    if (json_is_array(at)) {
        if (!str_to_i64(part, 1, INDEX_MAX, &index))
            return NULL;
        while (json_array_size(at) < (size_t) index)
            json_array_append_new(at, json_object());
        return json_array_get(at, (size_t) index - 1);
    }
    child = json_object_get(at, part);
    if (!child || (is_list != json_is_array(child))) {
        child = is_list ? json_array() : json_object();
        json_object_set_new(at, part, child);
    }
    return child;
}

static void put(json_t *at, const char *part, const char *value)
{
    int64_t index;

    if (!json_is_array(at)) {
        json_object_set_new(at, part, json_string(value));
        return;
    }
    if (!str_to_i64(part, 1, INDEX_MAX, &index))
        return;
    while (json_array_size(at) < (size_t) index)
        json_array_append_new(at, json_null());
    json_array_set_new(at, (size_t) index - 1, json_string(value));
}

static void add(json_t *root, char *path, const char *value)
{
    char *parts[DEPTH_MAX];
    size_t n = 0;
    json_t *at = root;

    for (char *rest = path; rest && n < DEPTH_MAX;) {
        char *dot = strchr(rest, '.');

        if (dot)
            *dot++ = '\0';
        if (!str_eq(rest, "member") && !str_eq(rest, "entry"))
            parts[n++] = rest;
        rest = dot;
    }
    for (size_t i = 0; at && i + 1 < n; i++)
        at = step_into(at, parts[i], is_number(parts[i + 1]));
    if (at && n)
        put(at, parts[n - 1], value);
}

json_t *neighbour_form_read(const char *body, size_t n)
{
    json_t *root = json_object();

    for (size_t at = 0; at < n;) {
        size_t end = at + strcspn(body + at, "&"), equals = at + strcspn(body + at, "=&");
        AUTO_BUF struct buf key = { 0 }, value = { 0 };

        buf_adds(&value, "");
        if (equals < end && uri_decode(&key, body + at, equals - at, true) &&
            uri_decode(&value, body + equals + 1, end - equals - 1, true) && key.length)
            add(root, key.data, value.data);
        at = end + 1;
    }
    return root;
}

void neighbour_xml_text(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '<')
            buf_adds(out, "&lt;");
        else if (*p == '&')
            buf_adds(out, "&amp;");
        else if (*p == '>')
            buf_adds(out, "&gt;");
        else if (*p == '\r')
            buf_adds(out, "&#13;");
        else
            buf_addc(out, *p);
    }
}

/* What lists of flattened services are called in XML. */
static const char *flat_name(const char *list)
{
    static const char *const names[][2] = { { "Messages", "Message" },
                                            { "QueueUrls", "QueueUrl" },
                                            { "Attributes", "Attribute" } };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(names[i][0], list))
            return names[i][1];
    return list;
}

/* One level on, for values that hold others; the depth is that of our own answers. */
// NOLINTNEXTLINE(misc-no-recursion): answers are nested four deep
static void write_value(struct buf *out, const json_t *value, bool is_flat)
{
    if (json_is_string(value)) {
        neighbour_xml_text(out, json_string_value(value));
    } else if (json_is_object(value)) {
        neighbour_xml_write(out, value, is_flat);
    } else {
        AUTO_FREE char *text = json_dumps(value, JSON_ENCODE_ANY);

        buf_adds(out, text);
    }
}

/* A map of texts: repeated <Attribute><Name>, <Value>. */
static void write_map(struct buf *out, const char *element, const json_t *map)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) map, key, value) {
        buf_printf(out, "<%s><Name>%s</Name><Value>", element, key);
        neighbour_xml_text(out, json_is_string(value) ? json_string_value(value) : "");
        buf_printf(out, "</Value></%s>", element);
    }
}

// NOLINTNEXTLINE(misc-no-recursion): answers are nested four deep
void neighbour_xml_write(struct buf *out, const json_t *object, bool is_flat)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) object, key, value) {
        const char *element = is_flat ? flat_name(key) : key;
        size_t i;
        json_t *item;

        if (is_flat && str_eq(key, "Attributes")) {
            write_map(out, element, value);
            continue;
        }
        if (!json_is_array(value)) {
            buf_printf(out, "<%s>", element);
            write_value(out, value, is_flat);
            buf_printf(out, "</%s>", element);
            continue;
        }
        if (!is_flat)
            buf_printf(out, "<%s>", key);
        json_array_foreach (value, i, item) {
            buf_printf(out, "<%s>", is_flat ? element : "member");
            write_value(out, item, is_flat);
            buf_printf(out, "</%s>", is_flat ? element : "member");
        }
        if (!is_flat)
            buf_printf(out, "</%s>", key);
    }
}

int64_t neighbour_int(const json_t *object, const char *key, int64_t fallback)
{
    int64_t n;

    if (json_text(object, key) && str_to_i64(json_text(object, key), INT64_MIN, INT64_MAX, &n))
        return n;
    return json_int_or(object, key, fallback);
}

double neighbour_real(const json_t *object, const char *key, double fallback)
{
    const json_t *value = json_object_get(object, key);
    char *end;
    double x;

    if (json_is_number(value))
        return json_number_value(value);
    if (!json_is_string(value))
        return fallback;
    x = strtod(json_string_value(value), &end);
    return *end ? fallback : x;
}
