/*
 * array.c - PostgreSQL array literals, so that set-based statements take one text parameter per
 * column.
 */
#include <inttypes.h>
#include <string.h>

#include "steward/db.h"
#include "steward/str.h"

char *db_text_array(const char *const *items, size_t n)
{
    struct buf b = { 0 };

    buf_addc(&b, '{');
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_addc(&b, ',');
        if (!items[i]) {
            buf_adds(&b, "NULL");
            continue;
        }
        buf_addc(&b, '"');
        for (const char *p = items[i]; *p;) {
            size_t plain = strcspn(p, "\"\\");

            buf_add(&b, p, plain);
            p += plain;
            if (!*p)
                break;
            buf_addc(&b, '\\');
            buf_addc(&b, *p++);
        }
        buf_addc(&b, '"');
    }
    buf_addc(&b, '}');
    return buf_take(&b);
}

char *db_int_array(const int64_t *items, size_t n)
{
    struct buf b = { 0 };

    buf_addc(&b, '{');
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%" PRId64, i ? "," : "", items[i]);
    buf_addc(&b, '}');
    return buf_take(&b);
}
