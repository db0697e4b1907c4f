/*
 * s3_checksum.c - the five checksums that S3 knows, as base64 of the big-endian digest.
 *
 * CRC32C and CRC64NVME are not in zlib or OpenSSL: reflected table versions of them live here.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <zlib.h>

#include "s3_internal.h"

static const struct s3_sum_kind kinds[SUM_COUNT] = {
    [SUM_CRC32] = { "x-amz-checksum-crc32", "ChecksumCRC32", "CRC32", 4 },
    [SUM_CRC32C] = { "x-amz-checksum-crc32c", "ChecksumCRC32C", "CRC32C", 4 },
    [SUM_CRC64NVME] = { "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", "CRC64NVME", 8 },
    [SUM_SHA1] = { "x-amz-checksum-sha1", "ChecksumSHA1", "SHA1", 20 },
    [SUM_SHA256] = { "x-amz-checksum-sha256", "ChecksumSHA256", "SHA256", 32 },
};

const struct s3_sum_kind *s3_sum_kind(enum s3_sum sum)
{
    return &kinds[sum];
}

static uint64_t table32c[256], table64[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t c = i, d = i;

        for (int bit = 0; bit < 8; bit++) {
            c = c & 1 ? c >> 1 ^ 0x82f63b78U : c >> 1;
            d = d & 1 ? d >> 1 ^ 0x9a6c9329ac4bc9b5U : d >> 1;
        }
        table32c[i] = c;
        table64[i] = d;
    }
}

static uint64_t crc_reflected(const uint64_t table[256], uint64_t ones, const uint8_t *p, size_t n)
{
    uint64_t c = ones;

    while (n-- > 0)
        c = table[(c ^ *p++) & 255] ^ c >> 8;
    return c ^ ones;
}

static void big_endian(uint64_t value, size_t bytes, uint8_t *out)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t) (value >> 8 * (bytes - 1 - i));
}

void s3_sum_text(enum s3_sum sum, const void *data, size_t n, char out[S3_SUM_TEXT])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    AUTO_FREE char *text = NULL;

    (void) pthread_once(&once, make_tables);
    switch (sum) {
    case SUM_CRC32:
        big_endian(crc32_z(0, data, n), 4, digest);
        break;
    case SUM_CRC32C:
        big_endian(crc_reflected(table32c, UINT32_MAX, data, n), 4, digest);
        break;
    case SUM_CRC64NVME:
        big_endian(crc_reflected(table64, UINT64_MAX, data, n), 8, digest);
        break;
    case SUM_SHA1:
    case SUM_SHA256:
    case SUM_COUNT:
        if (!EVP_Digest(data, n, digest, NULL, sum == SUM_SHA1 ? EVP_sha1() : EVP_sha256(), NULL))
            mem_exhausted();
        break;
    }
    text = base64_encode(digest, kinds[sum].bytes);
    (void) snprintf(out, S3_SUM_TEXT, "%s", text);
}
