/*
 * clock.h - time as a value and as text.
 *
 * Unit: milliseconds since the Unix epoch (int64_t) for instants. Deadlines of ours use
 * clock_mono_ms(); leases use the database's clock; signatures use AWS's (engine). Text is RFC 3339
 * UTC with milliseconds.
 */
#ifndef STEWARD_CLOCK_H
#define STEWARD_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_TEXT_BYTES 32

int64_t clock_wall_ms(void); /* CLOCK_REALTIME */
int64_t clock_mono_ms(void); /* CLOCK_BOOTTIME: goes on while the machine sleeps */
int64_t clock_mono_us(void);

/* "2026-11-24T00:14:39.123Z"; years 0000-9999. */
void clock_format_ms(int64_t ms, char out[CLOCK_TEXT_BYTES]);
/* "2026-11-24T00:14:39Z" */
void clock_format_s(int64_t seconds, char out[CLOCK_TEXT_BYTES]);
/* "20261124T001439Z", as AWS signatures want it. */
void clock_format_amz(int64_t seconds, char out[17]);
/* RFC 3339 with any offset and up to 9 fraction digits; false when malformed or out of range. */
bool clock_parse(const char *text, int64_t *ms);
/* "Tue, 24 Nov 2026 00:14:39 GMT" (RFC 9110 Date), both ways. */
void clock_format_http(int64_t seconds, char out[CLOCK_TEXT_BYTES]);
bool clock_parse_http(const char *text, int64_t *seconds);

/* Proleptic Gregorian calendar, no libc and no time zone: days since 1970-01-01. */
int64_t clock_days_from_civil(int64_t year, int month, int day);
void clock_civil_from_days(int64_t days, int64_t *year, int *month, int *day);

/* A clock that tests can replace. */
struct clock {
    int64_t (*now_ms)(void *context);
    void *context;
};

#endif
