/*
 * id.c - UUIDv7 identifiers and randomness.
 */
#include "steward/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "steward/clock.h"

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void random_bytes(void *out, size_t n)
{
    uint8_t *p = out;

    while (n > 0) {
        size_t want = n > 256 ? 256 : n;

        if (getrandom(p, want, 0) != (ssize_t) want)
            abort();
        p += want;
        n -= want;
    }
}

uint64_t random_below(uint64_t bound)
{
    uint64_t r;

    random_bytes(&r, sizeof r);
    return r % bound;
}

/* 128 bits as 26 characters of 5 bits; the first carries the top 3. */
static void crockford_encode(const uint8_t in[16], char out[27])
{
    for (int i = 0; i < 26; i++) {
        unsigned value = 0;

        for (int b = 0; b < 5; b++) {
            int bit = i * 5 + b - 2; /* two leading zero bits: 130 = 26 * 5 */

            value = value << 1 | (bit < 0 ? 0U : in[bit / 8] >> (7 - bit % 8) & 1U);
        }
        out[i] = crockford[value];
    }
    out[26] = '\0';
}

void id_new(const char *prefix, char out[ID_BYTES])
{
    uint8_t u[16];
    char text[27];
    uint64_t ms = (uint64_t) clock_wall_ms();

    random_bytes(u + 6, 10);
    for (int i = 0; i < 6; i++)
        u[i] = (uint8_t) (ms >> (40 - 8 * i));
    u[6] = (uint8_t) ((u[6] & 0x0F) | 0x70);
    u[8] = (uint8_t) ((u[8] & 0x3F) | 0x80);
    crockford_encode(u, text);
    (void) snprintf(out, ID_BYTES, "%.3s_%s", prefix, text);
}

bool id_is_valid(const char *prefix, const char *text)
{
    size_t n = strlen(prefix);

    if (strncmp(text, prefix, n) != 0 || text[n] != '_' || strlen(text) != n + 27)
        return false;
    return strspn(text + n + 1, crockford) == 26;
}

void uuid_new(char out[UUID_BYTES])
{
    uint8_t u[16];

    random_bytes(u, sizeof u);
    u[6] = (uint8_t) ((u[6] & 0x0F) | 0x40);
    u[8] = (uint8_t) ((u[8] & 0x3F) | 0x80);
    (void) snprintf(out, UUID_BYTES,
                    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
                    u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
                    u[13], u[14], u[15]);
}
