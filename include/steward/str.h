/*
 * str.h - a growing byte buffer, and the small string and encoding helpers everybody needs.
 */
#ifndef STEWARD_STR_H
#define STEWARD_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growing buffer, always NUL-terminated once something was added. Zero-initialised is empty. */
struct buf {
    char *data;
    size_t length, capacity;
};
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void buf_reserve(struct buf *b, size_t more);
void buf_clear(struct buf *b); /* keeps the memory */
char *buf_take(struct buf *b); /* caller owns; never NULL; b is empty afterwards */
void buf_done(struct buf *b);
#define AUTO_BUF __attribute__((cleanup(buf_done)))

bool str_eq(const char *a, const char *b); /* NULL-safe */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_is_empty(const char *s); /* NULL or "" */
/* Whole-string decimal in [min, max]; false when anything else is there. */
bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out);
/* Edit distance (Levenshtein, ASCII case-insensitive) for "did you mean"; bounded input of 64
 * characters. */
unsigned str_distance(const char *a, const char *b);
/* Copies at most size - 1 bytes without cutting a UTF-8 sequence; returns the length copied. */
size_t str_copy(char *to, size_t size, const char *from);
bool str_is_utf8(const char *s, size_t n);
/* How many bytes from the start are whole UTF-8 sequences. */
size_t str_utf8_prefix(const char *s, size_t n);
size_t str_utf8_length(const char *s); /* characters of valid UTF-8 */

#define HEX_SHA256 65
void hex_encode(const uint8_t *in, size_t n, char *out); /* out: 2 n + 1, lower case */
void sha256(const void *data, size_t n, uint8_t out[32]);
void sha256_hex(const void *data, size_t n, char out[HEX_SHA256]);
void hmac_sha256(const void *key, size_t key_n, const void *data, size_t n, uint8_t out[32]);
/* Lower-case RFC 4648 base32 without padding; writes n characters and NUL (needs 5 n / 8 bytes of
 * input). */
void base32_lower(const uint8_t *in, size_t n_chars, char *out);
/* Standard base64 with padding; caller owns. */
char *base64_encode(const void *in, size_t n);
/* Strict decoder; NULL when malformed; caller owns; *out_n gets the length. */
uint8_t *base64_decode(const char *in, size_t *out_n);
/* RFC 3986 percent-encoding of everything but unreserved characters (and '/' when keep_slash). */
void uri_encode(struct buf *out, const char *s, size_t n, bool keep_slash);
/* Percent-decodes; false on a malformed escape. '+' becomes a space when plus_is_space. */
bool uri_decode(struct buf *out, const char *s, size_t n, bool plus_is_space);

#endif
