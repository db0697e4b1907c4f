/*
 * tzif.c - reads a compiled time zone (TZif, RFC 8536 and 9636) from bytes.
 *
 * Pure and strict: a file with anything out of place is refused as a whole, because a zone that is
 * slightly wrong would fire schedules at the wrong hour for years. Leap-second files ("right/") are
 * refused: our seconds are POSIX ones.
 */
#include <stdlib.h>
#include <string.h>

#include "steward/mem.h"
#include "tz_data.h"

#define HEADER_BYTES 44

struct cursor {
    const uint8_t *p, *end;
};

/* The counts of one header, in the order of the file. */
struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
    uint8_t version;
};

static enum err_code bad(struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID,
                   "The time zone file is damaged: %s. Reinstall the tzdata package.", what);
}

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

static enum err_code header_read(struct cursor *c, struct counts *out, struct err *e)
{
    uint32_t *const fields[] = { &out->isut, &out->isstd, &out->leap,
                                 &out->time, &out->type,  &out->chars };

    if (c->end - c->p < HEADER_BYTES || memcmp(c->p, "TZif", 4) != 0)
        return bad(e, "no TZif header");
    out->version = c->p[4];
    if (out->version < '2' || out->version > '4')
        return bad(e, "its version is not 2, 3 or 4");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        *fields[i] = (uint32_t) big_endian(c->p + 20 + 4 * i, 4);
    c->p += HEADER_BYTES;
    return OK;
}

/* Bytes of a data block; every count is below 2^32, so the sum does not overflow 64 bits. */
static uint64_t block_bytes(const struct counts *n, unsigned time_size)
{
    return (uint64_t) n->time * (time_size + 1) + (uint64_t) n->type * 6 + n->chars +
           (uint64_t) n->leap * (time_size + 4) + n->isstd + n->isut;
}

static enum err_code counts_check(const struct counts *n, struct err *e)
{
    if (n->leap)
        return err_set(e, ERR_INVALID,
                       "The time zone counts leap seconds; use the one without the prefix right/.");
    if (n->type < 1 || n->type > 256 || n->chars < 1 || n->chars > 4096)
        return bad(e, "it has no local time types, or too many");
    if (n->time > TZ_CHANGES_MAX)
        return bad(e, "it has more than 2000 changes");
    if ((n->isut && n->isut != n->type) || (n->isstd && n->isstd != n->type))
        return bad(e, "its indicator counts do not fit its types");
    return OK;
}

static enum err_code types_check(const uint8_t *types, const struct counts *n, struct err *e)
{
    for (uint32_t i = 0; i < n->type; i++) {
        const uint8_t *t = types + (size_t) 6 * i;
        int32_t offset = (int32_t) big_endian(t, 4);

        if (offset < TZ_OFFSET_MIN || offset > TZ_OFFSET_MAX)
            return bad(e, "an offset from UTC is beyond 25 or 26 hours");
        if (t[4] > 1 || t[5] >= n->chars)
            return bad(e, "a local time type is malformed");
    }
    return OK;
}

static int32_t type_offset(const uint8_t *types, uint32_t index)
{
    return (int32_t) big_endian(types + (size_t) 6 * index, 4);
}

/* The table: times, then one type index each, then the types. Fills the changes and what each had
 * reached before. */
static enum err_code changes_read(const uint8_t *block, const struct counts *n, struct tz *zone,
                                  struct err *e)
{
    const uint8_t *indexes = block + (size_t) 8 * n->time, *types = indexes + n->time;
    int64_t reached = TZ_BEGIN - TZ_OFFSET_SPAN;
    int32_t offset;

    TRY(types_check(types, n, e));
    zone->first_offset_s = offset = type_offset(types, 0);
    for (uint32_t i = 0; i < n->time; i++) {
        struct tz_change *change = &zone->changes[i];

        change->at = (int64_t) big_endian(block + (size_t) 8 * i, 8);
        if (change->at <= TZ_BEGIN || change->at >= TZ_END)
            return bad(e, "a change lies beyond all time");
        if (i && change->at <= change[-1].at)
            return bad(e, "its changes are not in order");
        if (indexes[i] >= n->type)
            return bad(e, "a change has an unknown type");
        if (change->at + offset > reached)
            reached = change->at + offset;
        change->reached = reached;
        change->offset_s = offset = type_offset(types, indexes[i]);
    }
    zone->n_changes = n->time;
    return OK;
}

static enum err_code footer_read(struct cursor *c, struct tz_footer *out, struct err *e)
{
    const uint8_t *newline;

    if (c->p == c->end || *c->p != '\n')
        return bad(e, "its footer is missing");
    c->p++;
    newline = memchr(c->p, '\n', (size_t) (c->end - c->p));
    if (!newline || newline + 1 != c->end)
        return bad(e, "its footer does not end the file");
    if (newline == c->p)
        return OK; /* no rule: the last change holds for ever */
    if (!tz_footer_parse((const char *) c->p, (size_t) (newline - c->p), out))
        return bad(e, "its footer is not a POSIX time zone rule");
    return OK;
}

enum err_code tzif_parse(const uint8_t *bytes, size_t n, struct tz **out, struct err *e)
{
    struct cursor c = { bytes, bytes + n };
    struct counts counts = { 0 };
    const uint8_t *block;
    AUTO_FREE struct tz *zone = NULL;

    TRY(header_read(&c, &counts, e));
    if (block_bytes(&counts, 4) > (uint64_t) (c.end - c.p))
        return bad(e, "it ends early");
    c.p += block_bytes(&counts, 4); /* the 32-bit block for old readers */
    TRY(header_read(&c, &counts, e));
    TRY(counts_check(&counts, e));
    if (block_bytes(&counts, 8) > (uint64_t) (c.end - c.p))
        return bad(e, "it ends early");
    block = c.p;
    c.p += block_bytes(&counts, 8);
    zone = xcalloc(1, sizeof *zone + counts.time * sizeof zone->changes[0]);
    TRY(changes_read(block, &counts, zone, e));
    TRY(footer_read(&c, &zone->footer, e));
    *out = TAKE(zone);
    return OK;
}
