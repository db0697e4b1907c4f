/*
 * token.c - the text of a token: stw_<id>_<secret>_<checksum>, base62.
 *
 * Prefix and checksum let secret scanners find a leaked one without asking us. Only the hash of the
 * secret is kept.
 */
#include <string.h>
#include <zlib.h>

#include "api_private.h"
#include "steward/id.h"

#define ID_CHARS     12
#define SECRET_CHARS 43
#define CRC_CHARS    6

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Uniform characters: bytes from 248 up are thrown away. 43 of them are 256 bits. */
static void random_text(char *out, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint8_t byte;

        random_bytes(&byte, 1);
        if (byte < 248)
            out[i++] = base62[byte % 62];
    }
    out[n] = '\0';
}

static void checksum(const char *text, size_t n, char out[CRC_CHARS + 1])
{
    uLong crc = crc32(0L, (const Bytef *) text, (uInt) n);

    for (int i = CRC_CHARS - 1; i >= 0; i--) {
        out[i] = base62[crc % 62];
        crc /= 62;
    }
    out[CRC_CHARS] = '\0';
}

static void hash_secret(const char *secret, char out[65])
{
    sha256_hex(secret, SECRET_CHARS, out);
}

void token_new(struct token_text *out)
{
    char secret[SECRET_CHARS + 1], crc[CRC_CHARS + 1];
    int n;

    random_text(out->id, ID_CHARS);
    random_text(secret, SECRET_CHARS);
    n = snprintf(out->text, sizeof out->text, "stw_%s_%s", out->id, secret);
    checksum(out->text, (size_t) n, crc);
    (void) snprintf(out->text + n, sizeof out->text - (size_t) n, "_%s", crc);
    hash_secret(secret, out->secret_sha256_hex);
}

void token_with_id(struct token_text *t, const char *id)
{
    const size_t crc_at = 4 + ID_CHARS + 1 + SECRET_CHARS + 1;
    char crc[CRC_CHARS + 1];

    memcpy(t->id, id, ID_CHARS);
    memcpy(t->text + 4, id, ID_CHARS);
    checksum(t->text, crc_at - 1, crc);
    memcpy(t->text + crc_at, crc, CRC_CHARS);
}

bool token_parse(const char *text, struct token_text *out)
{
    const size_t secret_at = 4 + ID_CHARS + 1, crc_at = secret_at + SECRET_CHARS + 1;
    char crc[CRC_CHARS + 1];

    if (strlen(text) != crc_at + CRC_CHARS || !str_starts(text, "stw_") ||
        text[secret_at - 1] != '_' || text[crc_at - 1] != '_' ||
        strspn(text + 4, base62) != ID_CHARS || strspn(text + secret_at, base62) != SECRET_CHARS ||
        strspn(text + crc_at, base62) != CRC_CHARS)
        return false;
    checksum(text, crc_at - 1, crc);
    if (memcmp(crc, text + crc_at, CRC_CHARS) != 0)
        return false;
    memcpy(out->id, text + 4, ID_CHARS);
    out->id[ID_CHARS] = '\0';
    memcpy(out->text, text, strlen(text) + 1);
    hash_secret(text + secret_at, out->secret_sha256_hex);
    return true;
}
