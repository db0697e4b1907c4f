/*
 * schedule_parse.c - the text of a schedule expression to its value.
 *
 * Pure. One row per cron field says its range, names and cure. The rules are those of EventBridge
 * (Quartz): exactly one '?', ranges that wrap, L, W and # alone in their field; what Quartz
 * swallows by accident (empty list items, steps on names that it then ignores, full weekday names)
 * is either refused or means what it says.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "schedule_fields.h"
#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/str.h"

enum { FIELD_MINUTES, FIELD_HOURS, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_YEAR, FIELD_COUNT };

struct field {
    const char *name;
    int min, max;
    int step_max;      /* as Quartz has it */
    const char *names; /* three letters each, from min on; NULL: numbers only */
    const char *cure;
};

static const struct field fields[FIELD_COUNT] = {
    [FIELD_MINUTES] = { "minutes", 0, 59, 59, NULL, "write 0-59, or * with , - /" },
    [FIELD_HOURS] = { "hours", 0, 23, 23, NULL, "write 0-23, or * with , - /" },
    [FIELD_DAY] = { "day-of-month", 1, 31, 31, NULL,
                    "write 1-31, ?, L, L-3, LW, 15W, or * with , - /" },
    [FIELD_MONTH] = { "month", 1, 12, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
                      "write 1-12 or JAN-DEC, or * with , - /" },
    [FIELD_WEEKDAY] = { "day-of-week", 1, 7, 7, "SUNMONTUEWEDTHUFRISAT",
                        "write 1-7 (1 is Sunday) or SUN-SAT, ?, L, FRIL, FRI#3, or * with , - /" },
    [FIELD_YEAR] = { "year", SCHEDULE_YEAR_MIN, SCHEDULE_YEAR_MAX, SCHEDULE_YEAR_MAX, NULL,
                     "write 1970-2199, or * with , - /" },
};

/* A stretch of the text, and where to report. */
struct piece {
    const char *p, *end;
};
struct parser {
    const char *text;
    size_t *position;
    struct err *e;
    const struct field *field;
};

#define BITS_WORDS 4
struct bits {
    uint64_t word[BITS_WORDS]; /* bit 0 is the field's value 0, or the year 1970 */
};

__attribute__((format(printf, 3, 4))) static enum err_code fail(const struct parser *ps,
                                                                const char *at, const char *fmt,
                                                                ...)
{
    char what[sizeof ps->e->message];
    size_t offset = (size_t) (at - ps->text);
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    *ps->position = offset;
    if (ps->field)
        (void) err_set(ps->e, ERR_INVALID, "Schedule expression, %s, offset %zu: %s.",
                       ps->field->name, offset, what);
    else
        (void) err_set(ps->e, ERR_INVALID, "Schedule expression, offset %zu: %s.", offset, what);
    return ERR_INVALID;
}

/* What the user wrote, short and printable, for a message. */
struct shown {
    char text[28];
};

static struct shown show(struct piece w)
{
    struct shown s;
    size_t n = (size_t) (w.end - w.p), i;

    for (i = 0; i < n && i < sizeof s.text - 4; i++)
        s.text[i] = (char) (isprint((unsigned char) w.p[i]) && w.p[i] != '"' ? w.p[i] : '?');
    s.text[i] = '\0';
    if (i < n)
        (void) str_copy(s.text + i, 4, "...");
    return s;
}

static bool is_one(struct piece w, char c)
{
    return w.end - w.p == 1 && toupper((unsigned char) *w.p) == c;
}

static bool is_word(struct piece w, const char *word)
{
    return (size_t) (w.end - w.p) == strlen(word) && strncasecmp(w.p, word, strlen(word)) == 0;
}

static const char *find_any(struct piece w, const char *set)
{
    for (const char *p = w.p; p < w.end; p++)
        if (strchr(set, toupper((unsigned char) *p)))
            return p;
    return NULL;
}

/* Digits at *p; false without any. Saturates, so that a long number is merely out of range. */
static bool digits(const char **p, const char *end, int *out)
{
    int value = 0;
    const char *start = *p;

    for (; *p < end && isdigit((unsigned char) **p); (*p)++)
        value = value > 99999 ? value : value * 10 + (**p - '0');
    *out = value;
    return *p > start;
}

static bool name_value(const struct field *f, const char *p, int *out)
{
    if (!f->names)
        return false;
    for (int i = 0; f->min + i <= f->max; i++) {
        if (strncasecmp(f->names + 3 * i, p, 3) == 0) {
            *out = f->min + i;
            return true;
        }
    }
    return false;
}

/* A number or a name of the field; *w goes on behind it. */
static enum err_code value_parse(const struct parser *ps, struct piece *w, int *out)
{
    const struct field *f = ps->field;
    const char *start = w->p, *p = w->p;
    struct piece word = *w;

    if (digits(&p, w->end, out)) {
        if (*out < f->min || *out > f->max)
            return fail(ps, start, "%.*s is out of range; %s",
                        (int) (p - start > 8 ? 8 : p - start), start, f->cure);
        w->p = p;
        return OK;
    }
    while (p < w->end && isalpha((unsigned char) *p))
        p++;
    if (p - start == 3 && name_value(f, start, out)) {
        w->p = p;
        return OK;
    }
    if (word.p == word.end)
        return fail(ps, start, "a value is missing; %s", f->cure);
    word.end = p > start ? p : w->end;
    return fail(ps, start, "\"%s\" is not known here; %s", show(word).text, f->cure);
}

/* The step behind a slash. */
static enum err_code step_parse(const struct parser *ps, struct piece w, int *out)
{
    const struct field *f = ps->field;
    const char *p = w.p;

    if (!digits(&p, w.end, out) || p != w.end)
        return fail(ps, w.p, "\"%s\" is not a step; write a whole number from 1 to %d behind the /",
                    show(w).text, f->step_max);
    if (*out == 0)
        return fail(ps, w.p, "a step of 0 never moves on; write 1 to %d", f->step_max);
    if (*out > f->step_max)
        return fail(ps, w.p, "the step %s is too large; write 1 to %d", show(w).text, f->step_max);
    return OK;
}

struct range {
    int low, high, step;
};

/* Ranges wrap: FRI-MON, 22-2. Years do not. */
static void bits_add(const struct field *f, struct range r, struct bits *out)
{
    int span = f->max - f->min + 1, zero = f->max > 63 ? f->min : 0;
    int high = r.high < r.low ? r.high + span : r.high;

    for (int v = r.low; v <= high; v += r.step) {
        int bit = (v - f->min) % span + f->min - zero;

        out->word[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

/* One item of a list: "*", "5", "5-9", "FRI-MON", each with "/step". */
static enum err_code item_parse(const struct parser *ps, struct piece w, struct bits *out)
{
    const struct field *f = ps->field;
    const char *slash = memchr(w.p, '/', (size_t) (w.end - w.p));
    struct piece base = { w.p, slash ? slash : w.end };
    struct range r = { .low = f->min, .high = f->max, .step = 1 };

    if (w.p == w.end)
        return fail(ps, w.p, "an item of the list is empty; take the comma out or %s", f->cure);
    if (find_any(base, "?"))
        return fail(ps, w.p, "? stands alone, and only in day-of-month or day-of-week; %s",
                    f->cure);
    if (is_one(base, '*')) {
        base.p = base.end;
    } else {
        TRY(value_parse(ps, &base, &r.low));
        if (!slash)
            r.high = r.low;
        if (base.p < base.end && *base.p == '-') {
            base.p++;
            TRY(value_parse(ps, &base, &r.high));
            if (f == &fields[FIELD_YEAR] && r.high < r.low)
                return fail(ps, w.p, "the years run backwards; write %d-%d", r.high, r.low);
        }
    }
    if (base.p != base.end)
        return fail(ps, base.p, "\"%s\" is not understood; %s", show(w).text, f->cure);
    if (slash)
        TRY(step_parse(ps, (struct piece){ slash + 1, w.end }, &r.step));
    bits_add(f, r, out);
    return OK;
}

static enum err_code list_parse(const struct parser *ps, struct piece w, struct bits *out)
{
    const char *p = w.p;

    memset(out, 0, sizeof *out);
    for (;;) {
        const char *comma = memchr(p, ',', (size_t) (w.end - p));

        TRY(item_parse(ps, (struct piece){ p, comma ? comma : w.end }, out));
        if (!comma)
            return OK;
        p = comma + 1;
    }
}

/* A number from 1 to max that fills the piece. */
static bool small_number(struct piece w, int min, int max, uint8_t *out)
{
    const char *p = w.p;
    int value;

    if (!digits(&p, w.end, &value) || p != w.end || value < min || value > max)
        return false;
    *out = (uint8_t) value;
    return true;
}

/* L, L-n, LW, nW: alone in the field. */
static enum err_code day_letter_parse(const struct parser *ps, struct piece w,
                                      struct schedule_expression *out)
{
    const char *comma = memchr(w.p, ',', (size_t) (w.end - w.p));

    if (comma)
        return fail(ps, find_any(w, "LW"),
                    "L and W stand alone, not in a list; make two schedules");
    if (is_one(w, 'L')) {
        out->day_rule.type = DAY_RULE_LAST;
        return OK;
    }
    if (is_word(w, "LW")) {
        out->day_rule.type = DAY_RULE_LAST_WORKDAY;
        return OK;
    }
    if (toupper((unsigned char) *w.p) == 'L' && w.end - w.p > 2 && w.p[1] == '-') {
        out->day_rule.type = DAY_RULE_LAST;
        if (small_number((struct piece){ w.p + 2, w.end }, 0, 30, &out->day_rule.a))
            return OK;
        return fail(ps, w.p + 2, "\"%s\" counts no days; write L-1 to L-30 (days before the last)",
                    show(w).text);
    }
    if (toupper((unsigned char) w.end[-1]) == 'W') {
        out->day_rule.type = DAY_RULE_NEAREST_WORKDAY;
        if (small_number((struct piece){ w.p, w.end - 1 }, 1, 31, &out->day_rule.a))
            return OK;
        return fail(ps, w.p, "\"%s\" names no day; write 1W to 31W (the nearest weekday), or LW",
                    show(w).text);
    }
    return fail(ps, w.p, "\"%s\" is not understood; %s", show(w).text, ps->field->cure);
}

static enum err_code day_parse(const struct parser *ps, struct piece w,
                               struct schedule_expression *out)
{
    struct bits bits;

    if (is_one(w, '?')) {
        out->is_any_day = true;
        return OK;
    }
    if (find_any(w, "LW"))
        return day_letter_parse(ps, w, out);
    TRY(list_parse(ps, w, &bits));
    out->days = (uint32_t) bits.word[0];
    return OK;
}

/* nL and n#k: alone in the field. */
static enum err_code weekday_letter_parse(const struct parser *ps, struct piece w,
                                          struct schedule_expression *out)
{
    const char *letter = find_any(w, "#L");
    struct piece day = { w.p, letter };
    int value;

    if (memchr(w.p, ',', (size_t) (w.end - w.p)))
        return fail(ps, letter, "L and # stand alone, not in a list; make two schedules");
    TRY(value_parse(ps, &day, &value));
    if (day.p != letter)
        return fail(ps, day.p, "only one weekday can stand before %c; write FRI%s", *letter,
                    *letter == '#' ? "#3" : "L");
    out->weekday_rule.a = (uint8_t) value;
    if (*letter == '#') {
        out->weekday_rule.type = DAY_RULE_NTH_WEEKDAY;
        if (small_number((struct piece){ letter + 1, w.end }, 1, 5, &out->weekday_rule.b))
            return OK;
        return fail(ps, letter + 1, "behind the # of \"%s\" stands 1 to 5: which one of the month",
                    show(w).text);
    }
    out->weekday_rule.type = DAY_RULE_LAST_WEEKDAY;
    if (letter + 1 == w.end)
        return OK;
    return fail(ps, letter + 1, "nothing can follow the L of \"%s\"; write FRIL or 6L",
                show(w).text);
}

static enum err_code weekday_parse(const struct parser *ps, struct piece w,
                                   struct schedule_expression *out)
{
    struct bits bits;

    if (is_one(w, '?')) {
        out->is_any_weekday = true;
        return OK;
    }
    if (is_one(w, 'L')) { /* the last day of the week */
        out->weekdays = 1 << 7;
        return OK;
    }
    if (find_any(w, "#L"))
        return weekday_letter_parse(ps, w, out);
    TRY(list_parse(ps, w, &bits));
    out->weekdays = (uint8_t) bits.word[0];
    return OK;
}

static enum err_code field_parse(struct parser *ps, int i, struct piece w,
                                 struct schedule_expression *out)
{
    struct bits bits;

    ps->field = &fields[i];
    if (i == FIELD_DAY)
        return day_parse(ps, w, out);
    if (i == FIELD_WEEKDAY)
        return weekday_parse(ps, w, out);
    TRY(list_parse(ps, w, &bits));
    switch (i) {
    case FIELD_MINUTES:
        out->minutes = bits.word[0];
        break;
    case FIELD_HOURS:
        out->hours = (uint32_t) bits.word[0];
        out->is_any_hour = out->hours == 0xFFFFFF;
        break;
    case FIELD_MONTH:
        out->months = (uint16_t) bits.word[0];
        break;
    default:
        memcpy(out->years, bits.word, sizeof out->years);
        break;
    }
    return OK;
}

/* Six fields, single blanks between. */
static enum err_code fields_split(const struct parser *ps, struct piece w,
                                  struct piece out[FIELD_COUNT])
{
    const char *p = w.p;
    int n = 0;

    for (const char *q = w.p; q < w.end; q++)
        if (isspace((unsigned char) *q) && *q != ' ')
            return fail(ps, q, "a tab or line break; put one blank between the fields");
    for (;; n++) {
        const char *blank = memchr(p, ' ', (size_t) (w.end - p));
        const char *end = blank ? blank : w.end;

        if (end == p && w.p < w.end)
            return fail(ps, p,
                        "a blank too many; put exactly one blank between the fields, none around");
        if (n == FIELD_COUNT)
            return fail(ps, p,
                        "cron has 6 fields (minutes hours day-of-month month day-of-week "
                        "year), here begins a seventh; there are no seconds");
        out[n] = (struct piece){ p, end };
        if (!blank)
            break;
        p = blank + 1;
    }
    if (n + 1 == FIELD_COUNT)
        return OK;
    return fail(ps, w.end,
                "cron has 6 fields (minutes hours day-of-month month day-of-week year), "
                "found %d; a Unix cron \"0 3 * * *\" is cron(0 3 * * ? *)",
                w.p == w.end ? 0 : n + 1);
}

static enum err_code cron_parse(struct parser *ps, struct piece w, struct schedule_expression *out)
{
    struct piece pieces[FIELD_COUNT] = { w, w, w, w, w, w };

    out->type = SCHEDULE_CRON;
    TRY(fields_split(ps, w, pieces));
    for (int i = 0; i < FIELD_COUNT; i++)
        TRY(field_parse(ps, i, pieces[i], out));
    ps->field = &fields[FIELD_WEEKDAY];
    if (out->is_any_day && out->is_any_weekday)
        return fail(ps, pieces[FIELD_WEEKDAY].p,
                    "day-of-month and day-of-week are both ?; give one of them, * for every day");
    if (!out->is_any_day && !out->is_any_weekday)
        return fail(ps, pieces[FIELD_WEEKDAY].p,
                    "day-of-month and day-of-week are both given; put ? in one of them");
    return OK;
}

static enum err_code rate_parse(struct parser *ps, struct piece w, struct schedule_expression *out)
{
    static const struct {
        const char *one, *many;
        int64_t seconds;
    } units[] = { { "minute", "minutes", 60 },
                  { "hour", "hours", 3600 },
                  { "day", "days", 86400 } };
    const char *p = w.p;
    int value;

    out->type = SCHEDULE_RATE;
    if (!digits(&p, w.end, &value) || value == 0)
        return fail(ps, w.p, "rate() wants a whole number of at least 1: rate(6 hours)");
    if (p == w.end || *p != ' ')
        return fail(ps, p, "rate() wants a number, one blank and a unit: rate(6 hours)");
    p++;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t n = strlen(units[i].one), length = (size_t) (w.end - p);
        bool is_one_word = length == n && memcmp(p, units[i].one, n) == 0;

        if (!is_one_word && !(length == n + 1 && memcmp(p, units[i].many, n + 1) == 0))
            continue;
        if (is_one_word != (value == 1))
            return fail(ps, p, "write rate(%d %s)", value,
                        value == 1 ? units[i].one : units[i].many);
        out->rate_s = value * units[i].seconds;
        if (out->rate_s > INT64_C(36525) * 86400)
            return fail(ps, w.p, "a period of more than 100 years; write less");
        return OK;
    }
    return fail(ps, p, "\"%s\" is no unit of rate(); write minutes, hours or days (singular for 1)",
                show((struct piece){ p, w.end }).text);
}

/* yyyy-mm-ddThh:mm:ss, nothing else. */
static enum err_code at_parse(struct parser *ps, struct piece w, struct schedule_expression *out)
{
    static const char pattern[] = "dddd-dd-ddTdd:dd:dd";
    char text[CLOCK_TEXT_BYTES];
    int64_t ms;
    size_t n = (size_t) (w.end - w.p);

    out->type = SCHEDULE_AT;
    for (size_t i = 0; i < sizeof pattern - 1; i++) {
        bool is_fine = i < n && (pattern[i] == 'd' ? isdigit((unsigned char) w.p[i]) != 0
                                                   : w.p[i] == pattern[i]);

        if (!is_fine)
            return fail(ps, w.p + (i < n ? i : n),
                        "at() wants yyyy-mm-ddThh:mm:ss, such as at(2027-01-31T06:00:00)");
    }
    if (n > sizeof pattern - 1)
        return fail(ps, w.p + sizeof pattern - 1,
                    "at() is local time: no Z, offset or fraction; the zone is given beside it");
    memcpy(text, w.p, n);
    memcpy(text + n, "Z", 2);
    if (!clock_parse(text, &ms))
        return fail(ps, w.p, "%.19s is not in the calendar", text);
    if (ms < 0 || strncmp(text, "2199", 4) > 0)
        return fail(ps, w.p, "the year is out of range; write 1970 to 2199");
    out->at_s = ms / 1000;
    return OK;
}

typedef enum err_code (*form_fn)(struct parser *ps, struct piece w,
                                 struct schedule_expression *out);
static const struct form {
    const char *head;
    form_fn parse;
} forms[] = { { "cron(", cron_parse }, { "rate(", rate_parse }, { "at(", at_parse } };

static const struct form *form_find(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (str_starts(text, forms[i].head))
            return &forms[i];
    return NULL;
}

static enum err_code form_parse(struct parser *ps, const struct form *form,
                                struct schedule_expression *out)
{
    const char *start = ps->text + strlen(form->head), *close = strchr(start, ')');

    if (!close)
        return fail(ps, start + strlen(start), "the closing ) is missing");
    if (close[1])
        return fail(ps, close + 1, "something follows the closing ); take it away");
    return form->parse(ps, (struct piece){ start, close }, out);
}

/* Everything but the choice of what stands without a head. */
static enum err_code parse(struct parser *ps, bool is_loose, struct schedule_expression *out)
{
    size_t n = strnlen(ps->text, SCHEDULE_TEXT_MAX + 1);
    const struct form *form = form_find(ps->text);

    memset(out, 0, sizeof *out);
    if (n > SCHEDULE_TEXT_MAX)
        return fail(ps, ps->text + SCHEDULE_TEXT_MAX, "longer than %d characters; make it shorter",
                    SCHEDULE_TEXT_MAX);
    if (form)
        return form_parse(ps, form, out);
    if (str_eq(ps->text, "delete")) {
        out->type = SCHEDULE_DELETE;
        return OK;
    }
    if (is_loose)
        return cron_parse(ps, (struct piece){ ps->text, ps->text + n }, out);
    return fail(ps, ps->text,
                "write cron(minutes hours day-of-month month day-of-week year), such as "
                "cron(0 3 * * ? *), rate(6 hours), at(yyyy-mm-ddThh:mm:ss) or delete");
}

enum err_code schedule_parse(const char *text, struct schedule_expression *out, size_t *position,
                             struct err *e)
{
    size_t unused = 0;
    struct parser ps = { .text = text, .position = position ? position : &unused, .e = e };

    return parse(&ps, false, out);
}

enum err_code schedule_parse_loose(const char *text, struct schedule_expression *out,
                                   size_t *position, struct err *e)
{
    size_t unused = 0;
    struct parser ps = { .text = text, .position = position ? position : &unused, .e = e };

    return parse(&ps, true, out);
}
