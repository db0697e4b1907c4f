/*
 * json.c - strict parsing and pointers over jansson.
 *
 * A scan of our own runs before jansson: it bounds the depth (jansson would go to 2,048) and finds
 * a byte order mark and bytes that are not UTF-8, so that each has a sentence of its own.
 */
#include "steward/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steward/str.h"

#define JSON_DEPTH_MAX 32

static void place_at(const char *text, size_t offset, struct json_place *place)
{
    place->offset = offset;
    place->line = 1;
    place->column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            place->line++;
            place->column = 1;
        } else if (((unsigned char) text[i] & 0xC0) != 0x80) {
            place->column++;
        }
    }
}

/* Offset of the bracket that is one too deep, or n. Strings are skipped; malformed text is left to
 * the parser. */
static size_t find_too_deep(const char *text, size_t n)
{
    bool in_string = false;
    int depth = 0;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return i;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return n;
}

/* Where the token before offset begins: jansson reads a whole token before it refuses it. Inside a
 * string that has not ended the place is already the character in question. */
static size_t token_start(const char *text, size_t offset)
{
    size_t start = 0;

    for (size_t i = 0; i < offset;) {
        start = i;
        if (text[i] == '"') {
            for (i++; i < offset && text[i] != '"'; i++)
                i += text[i] == '\\';
            if (i++ >= offset)
                return offset;
        } else if (strchr("{}[]:, \t\r\n", text[i]) || !text[i]) {
            i++;
        } else {
            while (i < offset && text[i] && !strchr("{}[]:, \t\r\n\"", text[i]))
                i++;
        }
    }
    return start;
}

/* The text need not end in NUL. */
static bool is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\n", text[i]) || !text[i])
            return false;
    return true;
}

static size_t error_offset(const char *text, const json_error_t *je)
{
    size_t offset = (size_t) je->position;

    if (json_error_code(je) == json_error_premature_end_of_input)
        return offset; /* what is missing, is missing there */
    return token_start(text, offset);
}

enum err_code json_parse(const char *text, size_t n, json_t **out, struct json_place *place,
                         struct err *e)
{
    struct json_place ignored;
    json_error_t je;
    size_t deep;

    *out = NULL;
    if (!place)
        place = &ignored;
    *place = (struct json_place){ 0 };
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        place_at(text, 0, place);
        return err_set(e, ERR_INVALID,
                       "The document begins with a byte order mark; save it as plain UTF-8.");
    }
    if (!str_is_utf8(text, n)) {
        place_at(text, str_utf8_prefix(text, n), place);
        return err_set(e, ERR_INVALID,
                       "Line %d, column %d: a byte that is not UTF-8; save the document as UTF-8.",
                       place->line, place->column);
    }
    deep = find_too_deep(text, n);
    if (deep < n) {
        place_at(text, deep, place);
        return err_set(e, ERR_INVALID, "The document is nested more than %d levels deep.",
                       JSON_DEPTH_MAX);
    }
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &je);
    if (*out)
        return OK;
    if (je.position >= 0 && (size_t) je.position <= n)
        place_at(text, error_offset(text, &je), place);
    if (is_blank(text, n))
        return err_set(e, ERR_INVALID, "The document is empty; a JSON object is expected.");
    if (json_error_code(&je) == json_error_duplicate_key) {
        (void) err_set(e, ERR_INVALID, "A member name occurs twice in one object near line %d: %s.",
                       place->line, je.text);
        return err_detail(e, "duplicate");
    }
    if (json_error_code(&je) == json_error_null_character) /* jansson names a flag of its own */
        return err_set(e, ERR_INVALID, "Line %d, column %d: \\u0000 cannot stand in a text.",
                       place->line, place->column);
    return err_set(e, ERR_INVALID, "Line %d, column %d: %s.", place->line, place->column, je.text);
}

const char *json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *json_text_or(const json_t *object, const char *key, const char *fallback)
{
    const char *text = json_text(object, key);

    return text ? text : fallback;
}

int64_t json_int_or(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

bool json_bool_or(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);

    return json_is_boolean(value) ? json_boolean_value(value) : fallback;
}

/* Takes one reference token off *pointer into token, unescaped; false at the end or when malformed.
 */
static bool next_token(const char **pointer, char *token, size_t size)
{
    size_t n = 0;
    const char *p = *pointer;

    if (*p != '/')
        return false;
    for (p++; *p && *p != '/'; p++) {
        char c = *p;

        if (c == '~') {
            c = (char) (p[1] == '0' ? '~' : p[1] == '1' ? '/' : '\0');
            if (!c)
                return false;
            p++;
        }
        if (n + 1 >= size)
            return false;
        token[n++] = c;
    }
    token[n] = '\0';
    *pointer = p;
    return true;
}

json_t *json_at(const json_t *root, const char *pointer)
{
    const json_t *at = root;
    char token[512];

    while (at && *pointer) {
        int64_t index;

        if (!next_token(&pointer, token, sizeof token))
            return NULL;
        if (json_is_object(at))
            at = json_object_get(at, token);
        else if (json_is_array(at) && str_to_i64(token, 0, INT32_MAX, &index))
            at = json_array_get(at, (size_t) index);
        else
            at = NULL;
    }
    return (json_t *) at;
}

bool json_pointer_key(char *pointer, size_t size, const char *key)
{
    size_t n = strlen(pointer);

    if (n + 2 > size)
        return false;
    pointer[n++] = '/';
    for (; *key; key++) {
        if (n + 3 > size) {
            pointer[n] = '\0';
            return false;
        }
        if (*key == '~' || *key == '/') {
            pointer[n++] = '~';
            pointer[n++] = (char) (*key == '~' ? '0' : '1');
        } else {
            pointer[n++] = *key;
        }
    }
    pointer[n] = '\0';
    return true;
}

bool json_pointer_index(char *pointer, size_t size, size_t index)
{
    char number[24];

    (void) snprintf(number, sizeof number, "%zu", index);
    return json_pointer_key(pointer, size, number);
}

const char *json_type_words(const json_t *value)
{
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}
