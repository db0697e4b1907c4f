/*
 * clock.c - instants and their texts, by calendar arithmetic of our own (no locale, no TZ,
 * thread-safe).
 */
#include "steward/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id, int64_t per_second)
{
    struct timespec ts;

    (void) clock_gettime(id, &ts);
    return (int64_t) ts.tv_sec * per_second + (int64_t) ts.tv_nsec / (1000000000 / per_second);
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME, 1000);
}

int64_t clock_mono_ms(void)
{
    return read_clock(CLOCK_BOOTTIME, 1000);
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_BOOTTIME, 1000000);
}

/* The era arithmetic counts years from March, so that the leap day is the last day of a year. */
int64_t clock_days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

    return era * 146097 + doe - 719468;
}

void clock_civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day = (int) (doy - (153 * mp + 2) / 5 + 1);
    *month = (int) (mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

struct parts {
    int64_t year;
    int month, day, hour, minute, second, milli;
    int weekday; /* 0 = Sunday */
};

static struct parts split_ms(int64_t ms)
{
    struct parts p;
    int64_t days = ms / 86400000, rest = ms % 86400000;

    if (rest < 0) {
        rest += 86400000;
        days--;
    }
    clock_civil_from_days(days, &p.year, &p.month, &p.day);
    p.hour = (int) (rest / 3600000);
    p.minute = (int) (rest / 60000 % 60);
    p.second = (int) (rest / 1000 % 60);
    p.milli = (int) (rest % 1000);
    p.weekday = (int) ((days % 7 + 11) % 7);
    return p;
}

void clock_format_ms(int64_t ms, char out[CLOCK_TEXT_BYTES])
{
    struct parts p = split_ms(ms);

    (void) snprintf(out, CLOCK_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int) p.year,
                    p.month, p.day, p.hour, p.minute, p.second, p.milli);
}

void clock_format_s(int64_t seconds, char out[CLOCK_TEXT_BYTES])
{
    struct parts p = split_ms(seconds * 1000);

    (void) snprintf(out, CLOCK_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int) p.year, p.month,
                    p.day, p.hour, p.minute, p.second);
}

void clock_format_amz(int64_t seconds, char out[17])
{
    struct parts p = split_ms(seconds * 1000);
    char text[CLOCK_TEXT_BYTES * 2];

    (void) snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02dZ", (int) p.year, p.month, p.day,
                    p.hour, p.minute, p.second);
    memcpy(out, text, 16);
    out[16] = '\0';
}

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void clock_format_http(int64_t seconds, char out[CLOCK_TEXT_BYTES])
{
    struct parts p = split_ms(seconds * 1000);

    (void) snprintf(out, CLOCK_TEXT_BYTES, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                    &day_names[(size_t) p.weekday * 3], p.day,
                    &month_names[(size_t) (p.month - 1) * 3], (int) p.year, p.hour, p.minute,
                    p.second);
}

static bool digits(const char **p, int n, int *out)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (!isdigit((unsigned char) **p))
            return false;
        value = value * 10 + (**p - '0');
    }
    *out = value;
    return true;
}

static bool expect(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static int days_in_month(int64_t year, int month)
{
    return (
        int) (clock_days_from_civil(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
              clock_days_from_civil(year, month, 1));
}

/* Fraction digits to milliseconds, then "Z" or an offset in minutes. */
static bool parse_tail(const char *p, int *milli, int *offset_minutes)
{
    int scale = 100, hours, minutes;
    char sign;

    *milli = 0;
    *offset_minutes = 0;
    if (*p == '.') {
        int n = 0;

        for (p++; isdigit((unsigned char) *p); p++, n++) {
            *milli += (*p - '0') * scale;
            scale /= 10;
        }
        if (n < 1 || n > 9)
            return false;
    }
    if (*p == 'Z' || *p == 'z')
        return p[1] == '\0';
    sign = *p;
    if (sign != '+' && sign != '-')
        return false;
    p++;
    if (!digits(&p, 2, &hours) || !expect(&p, ':') || !digits(&p, 2, &minutes) || *p)
        return false;
    *offset_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
    return hours <= 23 && minutes <= 59;
}

bool clock_parse(const char *text, int64_t *ms)
{
    const char *p = text;
    int year, month, day, hour, minute, second, milli, offset;

    if (!digits(&p, 4, &year) || !expect(&p, '-') || !digits(&p, 2, &month) || !expect(&p, '-') ||
        !digits(&p, 2, &day) || !(*p == 'T' || *p == 't' || *p == ' '))
        return false;
    p++;
    if (!digits(&p, 2, &hour) || !expect(&p, ':') || !digits(&p, 2, &minute) || !expect(&p, ':') ||
        !digits(&p, 2, &second) || !parse_tail(p, &milli, &offset))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    *ms = (clock_days_from_civil(year, month, day) * 86400 + (int64_t) hour * 3600 +
           (int64_t) (minute - offset) * 60 + second) *
              1000 +
          milli;
    return true;
}

bool clock_parse_http(const char *text, int64_t *seconds)
{
    const char *p = strchr(text, ',');
    int day, year, hour, minute, second, month = 0;

    if (!p++ || !expect(&p, ' ') || !digits(&p, 2, &day) || !expect(&p, ' '))
        return false;
    for (int i = 0; i < 12; i++)
        if (strncmp(p, &month_names[(size_t) i * 3], 3) == 0)
            month = i + 1;
    if (!month)
        return false;
    p += 3;
    if (!expect(&p, ' ') || !digits(&p, 4, &year) || !expect(&p, ' ') || !digits(&p, 2, &hour) ||
        !expect(&p, ':') || !digits(&p, 2, &minute) || !expect(&p, ':') || !digits(&p, 2, &second))
        return false;
    *seconds = clock_days_from_civil(year, month, day) * 86400 + (int64_t) hour * 3600 +
               (int64_t) minute * 60 + second;
    return true;
}
