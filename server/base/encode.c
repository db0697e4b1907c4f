/*
 * encode.c - digests and text encodings over OpenSSL: hex, base32, base64, percent.
 */
#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#include "steward/mem.h"
#include "steward/str.h"

void hex_encode(const uint8_t *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = '\0';
}

void sha256(const void *data, size_t n, uint8_t out[32])
{
    if (!SHA256(n ? data : (const void *) "", n, out))
        mem_exhausted();
}

void sha256_hex(const void *data, size_t n, char out[HEX_SHA256])
{
    uint8_t digest[32];

    sha256(data, n, digest);
    hex_encode(digest, sizeof digest, out);
}

void hmac_sha256(const void *key, size_t key_n, const void *data, size_t n, uint8_t out[32])
{
    if (!HMAC(EVP_sha256(), key, (int) key_n, data, n, out, NULL))
        mem_exhausted();
}

void base32_lower(const uint8_t *in, size_t n_chars, char *out)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

    for (size_t i = 0; i < n_chars; i++) {
        size_t bit = 5 * i;
        unsigned pair = (unsigned) in[bit / 8] << 8 | (bit % 8 > 3 ? in[bit / 8 + 1] : 0U);

        out[i] = digits[pair >> (11 - bit % 8) & 31];
    }
    out[n_chars] = '\0';
}

char *base64_encode(const void *in, size_t n)
{
    char *out = xmalloc(4 * ((n + 2) / 3) + 1);

    (void) EVP_EncodeBlock((unsigned char *) out, in, (int) n);
    return out;
}

uint8_t *base64_decode(const char *in, size_t *out_n)
{
    size_t n = strlen(in), pad = 0;
    AUTO_FREE uint8_t *out = NULL;
    int got;

    if (n % 4 != 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (in[i] == '=' && i + 2 >= n)
            pad++;
        else if (pad || !(isalnum((unsigned char) in[i]) || in[i] == '+' || in[i] == '/'))
            return NULL;
    }
    out = xmalloc(n / 4 * 3 + 1);
    got = EVP_DecodeBlock(out, (const unsigned char *) in, (int) n);
    if (got < 0)
        return NULL;
    *out_n = (size_t) got - pad;
    return TAKE(out);
}

void uri_encode(struct buf *out, const char *s, size_t n, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char) s[i];

        if (isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~' ||
            (keep_slash && c == '/')) {
            buf_addc(out, (char) c);
        } else {
            buf_addc(out, '%');
            buf_addc(out, digits[c >> 4]);
            buf_addc(out, digits[c & 15]);
        }
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) tolower((unsigned char) c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uri_decode(struct buf *out, const char *s, size_t n, bool plus_is_space)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%') {
            int high = i + 2 < n ? hex_digit(s[i + 1]) : -1;
            int low = i + 2 < n ? hex_digit(s[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            buf_addc(out, (char) (high << 4 | low));
            i += 2;
        } else {
            buf_addc(out, (char) (plus_is_space && s[i] == '+' ? ' ' : s[i]));
        }
    }
    return true;
}
