/*
 * json.h - what we add to jansson: strict parsing with places, JSON Pointers, canonical text.
 *
 * The rule: only *_new setters, so ownership is visible; readers borrow.
 */
#ifndef STEWARD_JSON_H
#define STEWARD_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"

struct json_place {
    int line, column; /* 1-based; 0 when unknown */
    size_t offset;    /* bytes from the start */
};

/*
 * Parses one JSON document: UTF-8 only, no BOM, duplicate member names refused, depth at most 32,
 * nothing after it, NUL in strings refused. ERR_INVALID with a sentence that names the trouble;
 * *place (may be NULL) says where. The caller owns *out.
 */
MUST_USE enum err_code json_parse(const char *text, size_t n, json_t **out,
                                  struct json_place *place, struct err *e);

/* Readers that borrow; NULL / fallback when absent or of another type. */
const char *json_text(const json_t *object, const char *key);
const char *json_text_or(const json_t *object, const char *key, const char *fallback);
int64_t json_int_or(const json_t *object, const char *key, int64_t fallback);
bool json_bool_or(const json_t *object, const char *key, bool fallback);

/* Follows a JSON Pointer (RFC 6901); borrows; NULL when nothing is there. */
json_t *json_at(const json_t *root, const char *pointer);

/* Appends "/key" with ~0 ~1 escapes, or "/index", to a pointer held in a caller's buffer; false
 * when it is full. */
bool json_pointer_key(char *pointer, size_t size, const char *key);
bool json_pointer_index(char *pointer, size_t size, size_t index);

/* Compact text with sorted keys: equal documents give equal text. Caller owns. */
char *json_canonical(const json_t *value);
/* Compact text in document order. Caller owns. */
char *json_compact(const json_t *value);
/* The same at the end of a buffer; a text as a JSON string. */
struct buf;
void json_add(struct buf *out, const json_t *value);
void json_add_string(struct buf *out, const char *text);
/* Shares nothing with the value; jansson's copy looks for loops as its writer does (json_write.c).
 * NULL for NULL; caller owns. */
json_t *json_clone(const json_t *value);
/* Type in words: "a string", "an object", … */
const char *json_type_words(const json_t *value);

#endif
