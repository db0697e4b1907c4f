/*
 * body.c - JSON bodies: one object, checked against a table, all problems at once.
 */
#include <stdio.h>
#include <string.h>

#include "api_private.h"

static bool parse(struct call *c)
{
    struct json_place place;
    struct err e;
    size_t n;
    const char *text = http_body(c->rq, &n);

    if (json_parse(text, n, &c->body, &place, &e)) {
        AUTO_JSON json_t *errors =
            json_pack("[{s:s, s:s, s:s, s:i, s:i}]", "pointer", "", "code", "syntax", "detail",
                      e.message, "line", place.line, "column", place.column);

        http_problem(c->rq,
                     &(struct problem){
                         .status = 400, .code = "syntax", .detail = e.message, .errors = errors });
        return false;
    }
    return true;
}

bool body_parse(struct call *c)
{
    size_t n;

    (void) http_body(c->rq, &n);
    if (n == 0 && c->route->body == BODY_OPTIONAL) {
        c->body = json_object();
        return true;
    }
    if (!parse(c))
        return false;
    if (json_is_object(c->body))
        return true;
    answer_field(c, "", "wrong-type", "The body is a JSON object.");
    return false;
}

bool body_parse_list(struct call *c)
{
    if (!parse(c))
        return false;
    if (json_is_array(c->body))
        return true;
    answer_field(c, "", "wrong-type", "The body is a JSON list.");
    return false;
}

static bool is_type(const json_t *value, json_type type)
{
    return type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == type;
}

static const char *type_words(json_type type)
{
    switch ((int) type) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    default:
        return "true or false";
    }
}

static void check_member(const struct body_member *m, const json_t *value, const char *pointer,
                         struct findings *f)
{
    size_t max = m->max_length ? m->max_length : 1000;

    if (!value) {
        if (m->is_required)
            findings_add(f, pointer, "missing", "\"%s\" is required.", m->name);
    } else if (!is_type(value, m->type)) {
        findings_add(f, pointer, "wrong-type", "\"%s\" is %s, not %s.", m->name,
                     type_words(m->type), json_type_words(value));
    } else if (json_is_string(value) && json_string_length(value) > max) {
        findings_add(f, pointer, "too-long", "\"%s\" has at most %zu bytes.", m->name, max);
    } else if (json_is_string(value) && json_string_length(value) == 0) {
        findings_add(f, pointer, "empty", "\"%s\" must not be empty.", m->name);
    }
}

static const struct body_member *find_member(const struct body_member *members, size_t n,
                                             const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(members[i].name, name))
            return &members[i];
    return NULL;
}

void body_check_object(const struct body_object *at, const struct body_member *members, size_t n,
                       struct findings *f)
{
    const char *name;
    json_t *value;

    for (size_t i = 0; i < n; i++) {
        char pointer[POINTER_BYTES];

        (void) str_copy(pointer, sizeof pointer, at->pointer);
        (void) json_pointer_key(pointer, sizeof pointer, members[i].name);
        check_member(&members[i], json_object_get(at->object, members[i].name), pointer, f);
    }
    json_object_foreach ((json_t *) at->object, name, value) {
        char pointer[POINTER_BYTES];

        (void) str_copy(pointer, sizeof pointer, at->pointer);
        (void) json_pointer_key(pointer, sizeof pointer, name);
        if (!find_member(members, n, name))
            findings_add(f, pointer, "unknown-key", "There is no member \"%.80s\" here.", name);
    }
}

bool body_check(struct call *c, const struct body_member *members, size_t n)
{
    struct findings f = { 0 };

    body_check_object(&(struct body_object){ c->body, "" }, members, n, &f);
    return !answer_if_found(c, "invalid", &f);
}
