/*
 * webhook_sign.c - signatures of webhooks that go out and of those that come in; the globs of their
 * filters.
 */
#include "steward/webhook_sign.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "steward/mem.h"
#include "steward/str.h"

#define PREFIX     "whsec_"
#define BYTES_MIN  16
#define BYTES_MAX  64
#define SIGNATURES 16 /* of one header that are looked at */

char *webhook_secret_text(const uint8_t bytes[WEBHOOK_SECRET_BYTES])
{
    char *coded = base64_encode(bytes, WEBHOOK_SECRET_BYTES);
    char *text = xasprintf(PREFIX "%s", coded);

    OPENSSL_cleanse(coded, strlen(coded));
    free(coded);
    return text;
}

static uint8_t *secret_bytes(const char *secret, size_t *n)
{
    uint8_t *bytes;

    if (!str_starts(secret, PREFIX))
        return NULL;
    bytes = base64_decode(secret + strlen(PREFIX), n);
    if (bytes && (*n < BYTES_MIN || *n > BYTES_MAX)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

bool webhook_secret_is_valid(const char *secret)
{
    size_t n;
    AUTO_FREE uint8_t *bytes = secret_bytes(secret, &n);

    return bytes != NULL;
}

bool webhook_sign(const char *secret, const struct webhook_message *m,
                  char out[WEBHOOK_SIGNATURE_BYTES])
{
    size_t n;
    AUTO_FREE uint8_t *key = secret_bytes(secret, &n);
    AUTO_BUF struct buf signed_text = { 0 };
    AUTO_FREE char *coded = NULL;
    uint8_t mac[32];

    out[0] = '\0';
    if (!key)
        return false;
    buf_printf(&signed_text, "%s.%s.", m->id, m->timestamp);
    buf_add(&signed_text, m->body, m->body_n);
    hmac_sha256(key, n, signed_text.data, signed_text.length, mac);
    OPENSSL_cleanse(key, n);
    coded = base64_encode(mac, sizeof mac);
    memcpy(out, "v1,", 3);
    (void) str_copy(out + 3, WEBHOOK_SIGNATURE_BYTES - 3, coded);
    return true;
}

bool webhook_verify(const char *secret, const struct webhook_message *m, const char *header)
{
    char wanted[WEBHOOK_SIGNATURE_BYTES];
    size_t length, seen = 0;
    bool is_good = false;

    if (!webhook_sign(secret, m, wanted))
        return false;
    length = strlen(wanted);
    while (*header && seen++ < SIGNATURES) {
        size_t n = strcspn(header, " ");

        if (n == length && CRYPTO_memcmp(header, wanted, n) == 0)
            is_good = true;
        header += n;
        header += strspn(header, " ");
    }
    return is_good;
}

bool webhook_time_is_fresh(const char *timestamp, int64_t now_s)
{
    int64_t at;

    return str_to_i64(timestamp, 0, INT64_C(1) << 40, &at) && at >= now_s - WEBHOOK_TOLERANCE_S &&
           at <= now_s + WEBHOOK_TOLERANCE_S;
}

bool webhook_verify_github(const char *secret, const void *body, size_t n, const char *header)
{
    char wanted[7 + HEX_SHA256] = "sha256=";
    uint8_t mac[32];

    hmac_sha256(secret, strlen(secret), body, n, mac);
    hex_encode(mac, sizeof mac, wanted + 7);
    return strlen(header) == strlen(wanted) && CRYPTO_memcmp(header, wanted, strlen(wanted)) == 0;
}

bool glob_is_valid(const char *glob)
{
    size_t n = strlen(glob);

    return n > 0 && n <= 100 &&
           strspn(glob, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.*") == n;
}

char *glob_to_like(const char *glob)
{
    AUTO_BUF struct buf out = { 0 };

    buf_reserve(&out, strlen(glob) + 1);
    for (; *glob; glob++)
        buf_add(&out, *glob == '*' ? "%" : glob, 1);
    return buf_take(&out);
}
