/*
 * tz_footer.c - parses the POSIX TZ rule at the end of a TZif file: "CET-1CEST,M3.5.0,M10.5.0/3".
 *
 * Pure and strict; with the extensions of RFC 8536 section 3.3.1 (rule times from -167 to 167
 * hours). The signs are those of POSIX: west is positive in the text, east in our offsets.
 */
#include <ctype.h>
#include <string.h>

#include "tz_data.h"

struct text {
    const char *p, *end;
};

static bool is_at(const struct text *t, char c)
{
    return t->p < t->end && *t->p == c;
}

static bool skip(struct text *t, char c)
{
    if (!is_at(t, c))
        return false;
    t->p++;
    return true;
}

/* Three or more letters, or <letters, digits and signs>. */
static bool skip_name(struct text *t)
{
    bool is_quoted = skip(t, '<');
    int n = 0;

    for (; t->p < t->end; t->p++, n++) {
        unsigned char c = (unsigned char) *t->p;

        if (!(is_quoted ? isalnum(c) || c == '+' || c == '-' : isalpha(c)))
            break;
    }
    return n >= 3 && (!is_quoted || skip(t, '>'));
}

static bool number(struct text *t, int min, int max, int *out)
{
    int value = 0, n = 0;

    for (; t->p < t->end && isdigit((unsigned char) *t->p) && n < 4; t->p++, n++)
        value = value * 10 + (*t->p - '0');
    *out = value;
    return n > 0 && value >= min && value <= max;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool time_of(struct text *t, int max_hours, int32_t *out)
{
    bool is_negative = skip(t, '-');
    int hours, minutes = 0, seconds = 0;

    if (!is_negative)
        (void) skip(t, '+');
    if (!number(t, 0, max_hours, &hours))
        return false;
    if (skip(t, ':')) {
        if (!number(t, 0, 59, &minutes))
            return false;
        if (skip(t, ':') && !number(t, 0, 59, &seconds))
            return false;
    }
    *out = (hours * 3600 + minutes * 60 + seconds) * (is_negative ? -1 : 1);
    return true;
}

static bool rule(struct text *t, struct tz_rule *out)
{
    out->time_s = 7200;
    if (!skip(t, ','))
        return false;
    if (skip(t, 'J')) {
        out->type = TZ_RULE_JULIAN;
        if (!number(t, 1, 365, &out->day))
            return false;
    } else if (skip(t, 'M')) {
        out->type = TZ_RULE_WEEKDAY;
        if (!number(t, 1, 12, &out->month) || !skip(t, '.') || !number(t, 1, 5, &out->week) ||
            !skip(t, '.') || !number(t, 0, 6, &out->weekday))
            return false;
    } else {
        out->type = TZ_RULE_DAY;
        if (!number(t, 0, 365, &out->day))
            return false;
    }
    return !skip(t, '/') || time_of(t, 167, &out->time_s);
}

bool tz_footer_parse(const char *text, size_t n, struct tz_footer *out)
{
    struct text t = { text, text + n };
    int32_t west;

    memset(out, 0, sizeof *out);
    if (!skip_name(&t) || !time_of(&t, 24, &west))
        return false;
    out->std_offset_s = -west;
    out->is_present = true;
    if (t.p == t.end)
        return true;
    out->has_dst = true;
    if (!skip_name(&t))
        return false;
    out->dst_offset_s = out->std_offset_s + 3600;
    if (!is_at(&t, ',')) {
        if (!time_of(&t, 24, &west))
            return false;
        out->dst_offset_s = -west;
    }
    return rule(&t, &out->dst_start) && rule(&t, &out->dst_end) && t.p == t.end;
}
