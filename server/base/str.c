/*
 * str.c - the growing buffer and string helpers.
 *
 * Everything here is bounded and total: no function reads past what it was given.
 */
#include "steward/str.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "steward/mem.h"

void buf_reserve(struct buf *b, size_t more)
{
    size_t need = b->length + more + 1, capacity = b->capacity ? b->capacity : 64;

    assert(need > b->length);
    if (need <= b->capacity)
        return;
    while (capacity < need)
        capacity *= 2;
    b->data = xrealloc(b->data, capacity);
    b->capacity = capacity;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    buf_reserve(b, n);
    if (n)
        memcpy(b->data + b->length, bytes, n);
    b->length += n;
    b->data[b->length] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
    if (b->length + 2 > b->capacity)
        buf_reserve(b, 1);
    b->data[b->length++] = c;
    b->data[b->length] = '\0';
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    size_t room;
    int n;

    buf_reserve(b, 0);
    room = b->capacity - b->length;
    va_copy(again, ap);
    n = vsnprintf(b->data + b->length, room, fmt, ap);
    assert(n >= 0);
    if ((size_t) n >= room) { /* cut: once more, with room for all of it */
        buf_reserve(b, (size_t) n);
        (void) vsnprintf(b->data + b->length, (size_t) n + 1, fmt, again);
    }
    va_end(again);
    b->length += (size_t) n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_clear(struct buf *b)
{
    b->length = 0;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_take(struct buf *b)
{
    char *data;

    buf_reserve(b, 0);
    b->data[b->length] = '\0';
    data = b->data;
    *b = (struct buf){ 0 };
    return data;
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = (struct buf){ 0 };
}

bool str_eq(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_is_empty(const char *s)
{
    return !s || !*s;
}

bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
    long long value;
    char *end;

    if (!s || !(isdigit((unsigned char) *s) || (*s == '-' && isdigit((unsigned char) s[1]))))
        return false;
    errno = 0;
    value = strtoll(s, &end, 10);
    if (errno || *end || value < min || value > max)
        return false;
    *out = value;
    return true;
}

unsigned str_distance(const char *a, const char *b)
{
    size_t n = strnlen(a, 64), m = strnlen(b, 64);
    unsigned row[65];

    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned) j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned) i;
        for (size_t j = 1; j <= m; j++) {
            unsigned change =
                diagonal + (tolower((unsigned char) a[i - 1]) != tolower((unsigned char) b[j - 1]));
            unsigned best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;

            diagonal = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[m];
}

size_t str_copy(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    assert(size > 0);
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char) from[n] & 0xC0) == 0x80)
            n--;
    }
    memcpy(to, from, n);
    to[n] = '\0';
    return n;
}

/* Length of the UTF-8 sequence at s (1..4), or 0 when malformed (overlong, surrogate, out of
 * range). */
static size_t utf8_sequence(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return n >= 2 && (s[1] & 0xC0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        if (n < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80)
            return 0;
        if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F))
            return 0;
        return 3;
    }
    if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        if (n < 4 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80 || (s[3] & 0xC0) != 0x80)
            return 0;
        if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
            return 0;
        return 4;
    }
    return 0;
}

size_t str_utf8_prefix(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *) s;
    size_t i = 0;

    while (i < n) {
        size_t k = utf8_sequence(p + i, n - i);

        if (k == 0)
            break;
        i += k;
    }
    return i;
}

bool str_is_utf8(const char *s, size_t n)
{
    return str_utf8_prefix(s, n) == n;
}

size_t str_utf8_length(const char *s)
{
    size_t count = 0;

    for (; *s; s++)
        count += ((unsigned char) *s & 0xC0) != 0x80;
    return count;
}
