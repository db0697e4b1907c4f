/*
 * csv.c - one pass over memory; a row's fields lie one after the other in a buffer that is used
 * again.
 */
#include "csv.h"

#include <string.h>

#include "steward/mem.h"

void csv_init(struct csv_reader *r, const char *data, size_t n)
{
    *r = (struct csv_reader){ .p = data, .end = data + n };
    if (n >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
        r->p += 3;
}

void csv_done(struct csv_reader *r)
{
    buf_done(&r->text);
    free(r->fields);
    r->fields = NULL;
}

static void read_quoted(struct csv_reader *r)
{
    for (r->p++; r->p < r->end; r->p++) {
        if (*r->p == '\\' && r->p + 1 < r->end) {
            r->p++;
        } else if (*r->p == '"') {
            if (r->p + 1 >= r->end || r->p[1] != '"')
                break;
            r->p++;
        }
        buf_addc(&r->text, *r->p);
    }
    if (r->p < r->end)
        r->p++;
}

/* Appends the field's characters to the buffer; stops before the separator. */
static void read_field(struct csv_reader *r)
{
    if (r->p < r->end && *r->p == '"')
        read_quoted(r);
    while (r->p < r->end && *r->p != ',' && *r->p != '\n' && *r->p != '\r')
        buf_addc(&r->text, *r->p++);
}

static void end_field(struct csv_reader *r, size_t from)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 16;
        r->fields = xrealloc(r->fields, r->capacity * sizeof *r->fields);
    }
    r->fields[r->count++].n = r->text.length - from;
    buf_addc(&r->text, '\0');
}

bool csv_next(struct csv_reader *r)
{
    const char *at;

    while (r->p < r->end && (*r->p == '\n' || *r->p == '\r')) {
        r->row += *r->p == '\n';
        r->p++;
    }
    if (r->p >= r->end)
        return false;
    buf_clear(&r->text);
    r->count = 0;
    for (;;) {
        size_t from = r->text.length;

        read_field(r);
        end_field(r, from);
        if (r->p >= r->end || *r->p != ',')
            break;
        r->p++;
    }
    if (r->p < r->end && *r->p == '\r')
        r->p++;
    if (r->p < r->end && *r->p == '\n')
        r->p++;
    r->row++;
    at = r->text.data;
    for (size_t i = 0; i < r->count; i++) { /* the buffer no longer moves */
        r->fields[i].text = at;
        at += r->fields[i].n + 1;
    }
    return true;
}

void csv_write(struct buf *out, const char *text, bool is_first)
{
    if (!is_first)
        buf_addc(out, ',');
    if (!strpbrk(text, ",\"\\\r\n")) {
        buf_adds(out, text);
        return;
    }
    buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
    buf_addc(out, '"');
}
