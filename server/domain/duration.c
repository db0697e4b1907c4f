/*
 * duration.c - "1 hour 30 minutes", "two days", "P1DT6H" to whole seconds.
 *
 * Pure. Works as a date that starts at 0001-01-01T00:00:00 and is moved by one part of the text
 * after the other, in their order, because months and years have the length that the calendar gives
 * them there.
 */
#include "steward/duration.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/str.h"

#define TEXT_MAX 120
#define LAST_YEAR \
    9999 /* a duration ends in this year at the latest, as dates of the reference do */

enum unit { UNIT_SECOND, UNIT_MINUTE, UNIT_HOUR, UNIT_DAY, UNIT_WEEK, UNIT_MONTH, UNIT_YEAR };

static const int64_t unit_seconds[] = {
    [UNIT_SECOND] = 1,    [UNIT_MINUTE] = 60, [UNIT_HOUR] = 3600, [UNIT_DAY] = 86400,
    [UNIT_WEEK] = 604800, [UNIT_MONTH] = 0,   [UNIT_YEAR] = 0
};

static const struct {
    const char *word;
    enum unit unit;
} unit_words[] = {
    { "s", UNIT_SECOND },       { "sec", UNIT_SECOND },     { "secs", UNIT_SECOND },
    { "second", UNIT_SECOND },  { "seconds", UNIT_SECOND }, { "m", UNIT_MINUTE },
    { "min", UNIT_MINUTE },     { "mins", UNIT_MINUTE },    { "minute", UNIT_MINUTE },
    { "minutes", UNIT_MINUTE }, { "h", UNIT_HOUR },         { "hr", UNIT_HOUR },
    { "hrs", UNIT_HOUR },       { "hour", UNIT_HOUR },      { "hours", UNIT_HOUR },
    { "d", UNIT_DAY },          { "dy", UNIT_DAY },         { "day", UNIT_DAY },
    { "days", UNIT_DAY },       { "w", UNIT_WEEK },         { "wk", UNIT_WEEK },
    { "wks", UNIT_WEEK },       { "week", UNIT_WEEK },      { "weeks", UNIT_WEEK },
    { "mth", UNIT_MONTH },      { "mths", UNIT_MONTH },     { "month", UNIT_MONTH },
    { "months", UNIT_MONTH },   { "y", UNIT_YEAR },         { "yr", UNIT_YEAR },
    { "yrs", UNIT_YEAR },       { "year", UNIT_YEAR },      { "years", UNIT_YEAR },
};

static const struct {
    const char *word;
    int value;
} number_words[] = {
    { "a", 1 },         { "an", 1 },       { "one", 1 },        { "two", 2 },
    { "three", 3 },     { "four", 4 },     { "five", 5 },       { "six", 6 },
    { "seven", 7 },     { "eight", 8 },    { "nine", 9 },       { "ten", 10 },
    { "eleven", 11 },   { "twelve", 12 },  { "thirteen", 13 },  { "fourteen", 14 },
    { "fifteen", 15 },  { "sixteen", 16 }, { "seventeen", 17 }, { "eighteen", 18 },
    { "nineteen", 19 }, { "twenty", 20 },  { "thirty", 30 },    { "forty", 40 },
    { "fifty", 50 },    { "sixty", 60 },   { "seventy", 70 },   { "eighty", 80 },
    { "ninety", 90 },
};

/* Where the text has got to, and the date it has moved to. */
struct state {
    const char *text, *p;
    int64_t year;
    int month, day;
    double seconds; /* since the start of that day; may be many days */
    struct err *e;
};

static enum err_code fail(const struct state *s, const char *what)
{
    char shown[48];
    size_t n = str_copy(shown, sizeof shown, s->text);

    for (size_t i = 0; i < n; i++)
        if (!isprint((unsigned char) shown[i]))
            shown[i] = '?';
    return err_set(s->e, ERR_INVALID, "Duration \"%s\", offset %zu: %s.", shown,
                   (size_t) (s->p - s->text), what);
}

static void skip_blanks(struct state *s)
{
    while (*s->p == ' ' || *s->p == '\t')
        s->p++;
}

static size_t word_length(const char *p)
{
    size_t n = 0;

    while (isalpha((unsigned char) p[n]))
        n++;
    return n;
}

static bool skip_word(struct state *s, const char *word)
{
    size_t n = strlen(word);

    if (word_length(s->p) != n || strncasecmp(s->p, word, n) != 0)
        return false;
    s->p += n;
    skip_blanks(s);
    return true;
}

/* "12", "0.5"; at most 9 digits before the point and 6 behind it. */
static bool read_digits(struct state *s, const char *points, double *out)
{
    double value = 0, scale = 1;
    int n = 0;

    for (; isdigit((unsigned char) *s->p) && n < 9; s->p++, n++)
        value = value * 10 + (*s->p - '0');
    if (n && *s->p && strchr(points, *s->p) && isdigit((unsigned char) s->p[1])) {
        s->p++;
        for (n = 0; isdigit((unsigned char) *s->p) && n < 6; s->p++, n++) {
            scale /= 10;
            value += (*s->p - '0') * scale;
        }
    }
    *out = value;
    return n > 0 && !isdigit((unsigned char) *s->p);
}

static int number_word(struct state *s)
{
    for (size_t i = 0; i < ARRAY_LEN(number_words); i++)
        if (skip_word(s, number_words[i].word))
            return number_words[i].value;
    return 0;
}

/* "two", "twenty", "twenty four", "forty-five". */
static bool read_words(struct state *s, double *out)
{
    int value = number_word(s), ones = 0;
    const char *before;

    if (!value)
        return false;
    if (value >= 20) {
        before = s->p;
        if (*s->p == '-')
            s->p++;
        ones = number_word(s);
        if (ones < 1 || ones > 9) {
            s->p = before;
            ones = 0;
        }
    }
    *out = value + ones;
    return true;
}

static bool read_unit(struct state *s, enum unit *out)
{
    for (size_t i = 0; i < ARRAY_LEN(unit_words); i++) {
        if (skip_word(s, unit_words[i].word)) {
            *out = unit_words[i].unit;
            return true;
        }
    }
    return false;
}

/* Carries whole days of the seconds over to the date. */
static void carry_days(struct state *s)
{
    int64_t days = (int64_t) (s->seconds / 86400); /* never negative */

    clock_civil_from_days(clock_days_from_civil(s->year, s->month, s->day) + days, &s->year,
                          &s->month, &s->day);
    s->seconds -= (double) (days * 86400);
}

static enum err_code add_months(struct state *s, double months)
{
    int64_t index, next;
    int last;

    if (months != (double) (int64_t) months)
        return fail(s, "a part of a month has no length; write days");
    index = s->year * 12 + s->month - 1 + (int64_t) months;
    s->year = index / 12;
    s->month = (int) (index % 12) + 1;
    next = index + 1;
    last = (int) (clock_days_from_civil(next / 12, (int) (next % 12) + 1, 1) -
                  clock_days_from_civil(s->year, s->month, 1));
    if (s->day > last)
        s->day = last;
    return OK;
}

static enum err_code add(struct state *s, double n, enum unit unit)
{
    if (unit == UNIT_MONTH || unit == UNIT_YEAR) {
        TRY(add_months(s, unit == UNIT_YEAR ? n * 12 : n));
    } else {
        s->seconds += n * (double) unit_seconds[unit];
        carry_days(s);
    }
    return s->year > LAST_YEAR ? fail(s, "this is longer than 9998 years; write less") : OK;
}

static enum err_code english_parse(struct state *s)
{
    static const char advice[] =
        "write a number and a unit, such as \"1 day\", \"12 hours\" or P1D";
    double n;
    enum unit unit;

    (void) skip_word(s, "in");
    for (;;) {
        if (!read_digits(s, ".", &n) && !read_words(s, &n))
            return fail(s, *s->p == '-' ? "a duration cannot be negative; take the minus away"
                                        : advice);
        skip_blanks(s);
        if (!*s->p)
            return fail(s, "a unit is missing; write \"90 seconds\", \"30 minutes\" or \"7 days\"");
        if (!read_unit(s, &unit))
            return fail(
                s, "this is no unit; write seconds, minutes, hours, days, weeks, months or years");
        TRY(add(s, n, unit));
        if (!*s->p || (skip_word(s, "from") && skip_word(s, "now") && !*s->p))
            return OK;
        if (skip_word(s, "ago"))
            return fail(s, "a duration cannot lie in the past; take \"ago\" away");
        if (*s->p == ',') {
            s->p++;
            skip_blanks(s);
        }
        (void) skip_word(s, "and");
    }
}

/* One half of an ISO duration: its letters come in this order, each at most once. */
static enum err_code iso_half(struct state *s, const char *letters, const enum unit *units)
{
    double n;
    const char *letter;
    size_t at = 0;

    while (isdigit((unsigned char) *s->p)) {
        if (!read_digits(s, ".,", &n))
            return fail(s, "the number is too long");
        letter = *s->p ? strchr(letters + at, toupper((unsigned char) *s->p)) : NULL;
        if (!letter)
            return fail(s, "ISO 8601 wants P[nY][nM][nW][nD][T[nH][nM][nS]], such as P1D or PT12H");
        at = (size_t) (letter - letters);
        s->p++;
        TRY(add(s, n, units[at]));
        at++;
    }
    return OK;
}

static enum err_code iso_parse(struct state *s)
{
    static const enum unit dates[] = { UNIT_YEAR, UNIT_MONTH, UNIT_WEEK, UNIT_DAY };
    static const enum unit times[] = { UNIT_HOUR, UNIT_MINUTE, UNIT_SECOND };
    const char *first = ++s->p, *time = NULL;

    TRY(iso_half(s, "YMWD", dates));
    if (toupper((unsigned char) *s->p) == 'T') {
        time = ++s->p;
        TRY(iso_half(s, "HMS", times));
    }
    if (*s->p || s->p == first || s->p == time)
        return fail(s, "ISO 8601 wants P[nY][nM][nW][nD][T[nH][nM][nS]], such as P1D or PT12H");
    return OK;
}

enum err_code duration_parse(const char *text, int64_t *seconds, struct err *e)
{
    struct state s = { .text = text, .p = text, .year = 1, .month = 1, .day = 1, .e = e };
    int64_t total;

    if (strnlen(text, TEXT_MAX + 1) > TEXT_MAX)
        return fail(&s, "the text is too long; write a number and a unit, such as \"1 day\"");
    skip_blanks(&s);
    if (toupper((unsigned char) *s.p) == 'P' && !isalpha((unsigned char) s.p[1]))
        TRY(iso_parse(&s));
    else if (toupper((unsigned char) *s.p) == 'P' && toupper((unsigned char) s.p[1]) == 'T')
        TRY(iso_parse(&s));
    else
        TRY(english_parse(&s));
    total =
        (clock_days_from_civil(s.year, s.month, s.day) - clock_days_from_civil(1, 1, 1)) * 86400 +
        (int64_t) (s.seconds + 1e-6); /* 0.1 hours are 360 s, not 359 */
    if (total < 1)
        return fail(&s, "a duration must be longer than zero");
    *seconds = total;
    return OK;
}
