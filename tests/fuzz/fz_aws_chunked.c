/*
 * fz_aws_chunked.c - any body: what the aws-chunked decoder accepts is the sum of its chunks and
 * survives another frame.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3_internal.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool add_chunk(void *context, const struct s3_chunk *chunk)
{
    struct buf *sum = context;

    if (!chunk->is_trailer && chunk->n > 0)
        buf_add(sum, chunk->data, chunk->n);
    return true;
}

/* The decoded payload in a frame of our own is read back as it is. */
static void round_trip(const struct s3_chunked *c)
{
    AUTO_BUF struct buf framed = { 0 };
    struct s3_chunked again = { 0 };

    if (c->data.length > 0) {
        buf_printf(&framed, "%zx\r\n", c->data.length);
        buf_add(&framed, c->data.data, c->data.length);
        buf_adds(&framed, "\r\n");
    }
    buf_adds(&framed, "0\r\n");
    if (c->trailers.length > 0)
        buf_add(&framed, c->trailers.data, c->trailers.length);
    buf_adds(&framed, "\r\n");
    check(s3_chunked_decode(framed.data, framed.length, &again) == S3_OK);
    check(again.data.length == c->data.length && again.trailers.length == c->trailers.length);
    check(c->data.length == 0 || memcmp(again.data.data, c->data.data, c->data.length) == 0);
    check(c->trailers.length == 0 ||
          memcmp(again.trailers.data, c->trailers.data, c->trailers.length) == 0);
    s3_chunked_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf sum = { 0 };
    struct s3_chunked c = { .check = add_chunk, .context = &sum };
    char value[16];

    if (s3_chunked_decode((const char *) data, size, &c) == S3_OK) {
        check(sum.length == c.data.length && c.data.length <= size);
        check(sum.length == 0 || memcmp(sum.data, c.data.data, sum.length) == 0);
        (void) s3_chunked_trailer(&c, "x-amz-checksum-crc32", value, sizeof value);
        round_trip(&c);
    }
    s3_chunked_done(&c);
    return 0;
}
