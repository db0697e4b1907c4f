/*
 * json_patch.c - JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396) over jansson.
 *
 * Debian has no library for either that works on jansson's values. Pure; documents and patches
 * come from json_parse(), which bounds their depth, but a patch may build a deeper one: whoever
 * keeps the result parses it again.
 */
#include "steward/json_patch.h"

#include <stdio.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

#define TOKEN_BYTES 512
#define DEPTH_MAX   64     /* of the document on the way: recursion stays shallow */
#define VALUES_MAX  200000 /* put in by one patch: copies of copies grow without bound */

/* One operation on its way: the members it has, and where its trouble goes. */
struct operation {
    const char *path, *from;
    const json_t *value;
    struct json_patch_trouble *trouble;
    size_t *budget; /* values that may still be put in */
};

/* A place in a document: the value that holds it, and by which name or number. */
struct place {
    json_t *parent; /* NULL: the document itself */
    char name[TOKEN_BYTES];
    size_t index; /* of a list; its length: behind the last */
};

PRINTF_LIKE(3, 4)
static bool fail(const struct operation *o, const char *member, const char *fmt, ...)
{
    va_list ap;

    o->trouble->member = member;
    va_start(ap, fmt);
    (void) vsnprintf(o->trouble->detail, sizeof o->trouble->detail, fmt, ap);
    va_end(ap);
    return false;
}

/* Takes "/token" off *pointer; false when it is malformed or longer than a member name may be. */
static bool take_token(const char **pointer, char token[TOKEN_BYTES])
{
    const char *p = *pointer + 1;
    size_t n = 0;

    for (; *p && *p != '/'; p++) {
        char c = *p;

        if (c == '~') {
            p++;
            if (*p != '0' && *p != '1')
                return false;
            c = *p == '0' ? '~' : '/';
        }
        if (n + 1 == TOKEN_BYTES)
            return false;
        token[n++] = c;
    }
    token[n] = '\0';
    *pointer = p;
    return true;
}

/* "0", "1", … without leading zeros, or "-": behind the last. */
static bool list_index(const char *token, size_t length, size_t *out)
{
    int64_t number;

    *out = length;
    if (str_eq(token, "-"))
        return true;
    if (!str_to_i64(token, 0, INT32_MAX, &number) || (token[0] == '0' && token[1]) ||
        token[0] == '+' || (size_t) number > length)
        return false;
    *out = (size_t) number;
    return true;
}

static json_t *step_into(json_t *at, const char *token)
{
    size_t index;

    if (json_is_object(at))
        return json_object_get(at, token);
    if (json_is_array(at) && list_index(token, json_array_size(at), &index))
        return json_array_get(at, index);
    return NULL;
}

/* Where pointer leads; the last name need not exist yet. */
static bool find_place(const struct operation *o, const char *member, json_t *document,
                       struct place *out)
{
    const char *p = str_eq(member, "from") ? o->from : o->path;
    json_t *at = document;

    *out = (struct place){ 0 };
    if (*p && *p != '/')
        return fail(o, member, "A JSON Pointer is empty or begins with \"/\".");
    while (*p) {
        if (!take_token(&p, out->name))
            return fail(o, member,
                        "The JSON Pointer has an unknown ~ escape, or a name that is "
                        "too long.");
        out->parent = at;
        if (!*p)
            break;
        at = step_into(at, out->name);
        if (!at)
            return fail(o, member, "There is nothing at \"%.100s\" on the way.", out->name);
    }
    if (!out->parent || json_is_object(out->parent))
        return true;
    if (!json_is_array(out->parent))
        return fail(o, member, "\"%.100s\" would be inside %s.", out->name,
                    json_type_words(out->parent));
    return list_index(out->name, json_array_size(out->parent), &out->index) ||
           fail(o, member, "\"%.100s\" is no place in a list of %zu.", out->name,
                json_array_size(out->parent));
}

static json_t *value_at(const struct place *x, json_t *document)
{
    if (!x->parent)
        return document;
    return json_is_object(x->parent) ? json_object_get(x->parent, x->name)
                                     : json_array_get(x->parent, x->index);
}

/* False when value is deeper than depth, or has more values than *budget, which goes down. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by depth */
static bool fits(const json_t *value, size_t depth, size_t *budget)
{
    const char *name;
    json_t *inner;
    size_t i;

    if (*budget == 0 || depth == 0)
        return false;
    (*budget)--;
    if (json_is_array(value)) {
        json_array_foreach ((json_t *) value, i, inner)
            if (!fits(inner, depth - 1, budget))
                return false;
    } else {
        json_object_foreach ((json_t *) value, name, inner)
            if (!fits(inner, depth - 1, budget))
                return false;
    }
    return true;
}

/* Whether value may go to where path says. */
static bool has_room(const struct operation *o, const json_t *value)
{
    size_t depth = 0;

    for (const char *p = o->path; *p; p++)
        depth += *p == '/';
    return (depth < DEPTH_MAX && fits(value, DEPTH_MAX - depth, o->budget)) ||
           fail(o, "path",
                "The document would be nested deeper than %d levels, or the patch puts "
                "in more than %d values.",
                DEPTH_MAX, VALUES_MAX);
}

/* Takes value. */
static void add_at(const struct place *x, json_t **document, json_t *value)
{
    if (!x->parent) {
        json_decref(*document);
        *document = value;
    } else if (json_is_object(x->parent)) {
        json_object_set_new(x->parent, x->name, value);
    } else {
        json_array_insert_new(x->parent, x->index, value);
    }
}

static void remove_at(const struct place *x)
{
    if (json_is_object(x->parent))
        json_object_del(x->parent, x->name);
    else
        json_array_remove(x->parent, x->index);
}

/* RFC 6902 4.6: numbers are equal by value, however they are written. */
/* NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of a parsed document */
static bool is_same(const json_t *a, const json_t *b)
{
    const char *name;
    json_t *value;
    size_t i;

    if (json_is_number(a) && json_is_number(b)) {
        if (json_is_integer(a) && json_is_integer(b))
            return json_integer_value(a) == json_integer_value(b);
        return json_number_value(a) == json_number_value(b);
    }
    if (json_is_array(a) && json_is_array(b) && json_array_size(a) == json_array_size(b)) {
        json_array_foreach ((json_t *) a, i, value)
            if (!is_same(value, json_array_get(b, i)))
                return false;
        return true;
    }
    if (json_is_object(a) && json_is_object(b) && json_object_size(a) == json_object_size(b)) {
        json_object_foreach ((json_t *) a, name, value)
            if (!json_object_get(b, name) || !is_same(value, json_object_get(b, name)))
                return false;
        return true;
    }
    return json_equal(a, b);
}

static bool do_add(const struct operation *o, json_t **document)
{
    struct place x;

    if (!has_room(o, o->value) || !find_place(o, "path", *document, &x))
        return false;
    add_at(&x, document, json_clone(o->value));
    return true;
}

static bool find_value(const struct operation *o, const char *member, json_t *document,
                       struct place *x)
{
    return find_place(o, member, document, x) &&
           (value_at(x, document) || fail(o, member, "There is nothing at this place."));
}

static bool do_remove(const struct operation *o, json_t **document)
{
    struct place x;

    if (!find_value(o, "path", *document, &x))
        return false;
    if (!x.parent)
        return fail(o, "path", "The document as a whole can not be removed.");
    remove_at(&x);
    return true;
}

static bool do_replace(const struct operation *o, json_t **document)
{
    struct place x;

    if (!has_room(o, o->value) || !find_value(o, "path", *document, &x))
        return false;
    if (x.parent && json_is_array(x.parent))
        json_array_set_new(x.parent, x.index, json_clone(o->value));
    else
        add_at(&x, document, json_clone(o->value));
    return true;
}

static bool do_test(const struct operation *o, json_t **document)
{
    struct place x;

    o->trouble->is_test = true;
    if (!find_value(o, "path", *document, &x) ||
        !(is_same(value_at(&x, *document), o->value) ||
          fail(o, "value", "The document has another value at \"%.120s\".", o->path)))
        return false;
    o->trouble->is_test = false;
    return true;
}

static bool do_copy(const struct operation *o, json_t **document)
{
    json_t *value;
    struct place x;

    if (!find_value(o, "from", *document, &x) || !has_room(o, value_at(&x, *document)))
        return false;
    value = json_clone(value_at(&x, *document));
    if (!find_place(o, "path", *document, &x)) {
        json_decref(value);
        return false;
    }
    add_at(&x, document, value);
    return true;
}

static bool do_move(const struct operation *o, json_t **document)
{
    size_t n = strlen(o->from);
    json_t *value;
    struct place x;

    if (strncmp(o->path, o->from, n) == 0 && o->path[n] == '/')
        return fail(o, "path", "A value can not be moved into itself.");
    if (!find_value(o, "from", *document, &x))
        return false;
    if (!x.parent)
        return str_eq(o->path, "") || fail(o, "from", "The document as a whole can not be moved.");
    if (!has_room(o, value_at(&x, *document)))
        return false;
    value = json_incref(value_at(&x, *document));
    remove_at(&x);
    if (!find_place(o, "path", *document, &x)) {
        json_decref(value);
        return false;
    }
    add_at(&x, document, value);
    return true;
}

static const struct {
    const char *name;
    bool (*run)(const struct operation *o, json_t **document);
    bool has_value, has_from;
} table[] = {
    { "add", do_add, true, false },         { "copy", do_copy, false, true },
    { "move", do_move, false, true },       { "remove", do_remove, false, false },
    { "replace", do_replace, true, false }, { "test", do_test, true, false },
};

static bool apply_one(json_t **document, const json_t *item, size_t *budget,
                      struct json_patch_trouble *trouble)
{
    struct operation o = { .path = json_text(item, "path"),
                           .from = json_text(item, "from"),
                           .value = json_object_get(item, "value"),
                           .trouble = trouble,
                           .budget = budget };
    const char *name = json_text(item, "op");
    size_t i = 0;

    if (!json_is_object(item))
        return fail(&o, "",
                    "An operation is an object such as {\"op\": \"remove\", \"path\": "
                    "\"/tags\"}.");
    while (i < ARRAY_LEN(table) && !str_eq(name, table[i].name))
        i++;
    if (i == ARRAY_LEN(table))
        return fail(&o, "op", "\"op\" is one of add, copy, move, remove, replace and test.");
    if (!o.path)
        return fail(&o, "path", "\"path\" is required, a JSON Pointer.");
    if (table[i].has_from && !o.from)
        return fail(&o, "from", "\"%s\" needs \"from\", a JSON Pointer.", name);
    if (table[i].has_value && !o.value)
        return fail(&o, "value", "\"%s\" needs a \"value\".", name);
    return table[i].run(&o, document);
}

bool json_patch_apply(json_t **document, const json_t *patch, struct json_patch_trouble *trouble)
{
    size_t i, budget = VALUES_MAX;
    const json_t *item;

    *trouble = (struct json_patch_trouble){ .member = "" };
    json_array_foreach ((json_t *) patch, i, item) {
        trouble->operation = i;
        if (i == JSON_PATCH_OPS_MAX)
            return fail(&(struct operation){ .trouble = trouble }, "",
                        "A patch has at most %d operations.", JSON_PATCH_OPS_MAX);
        if (!apply_one(document, item, &budget, trouble))
            return false;
    }
    return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of a parsed document */
void json_merge_patch(json_t *target, const json_t *patch)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *) patch, name, value) {
        json_t *old = json_object_get(target, name);

        if (json_is_null(value)) {
            json_object_del(target, name);
        } else if (!json_is_object(value)) {
            json_object_set_new(target, name, json_clone(value));
        } else {
            if (!json_is_object(old)) {
                json_object_set_new(target, name, json_object());
                old = json_object_get(target, name);
            }
            json_merge_patch(old, value);
        }
    }
}
