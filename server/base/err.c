/*
 * err.c - the error value and what each code means to a client and to a worker.
 *
 * One row per code; nobody else maps codes to statuses.
 */
#include "steward/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *slug;
    int http;
    bool is_retryable;
} err_table[ERR_COUNT] = {
    [OK] = { "ok", 200, false },
    [ERR_INVALID] = { "invalid", 422, false },
    [ERR_AUTH] = { "unauthenticated", 401, false },
    [ERR_FORBIDDEN] = { "forbidden", 403, false },
    [ERR_NOT_FOUND] = { "not-found", 404, false },
    [ERR_CONFLICT] = { "conflict", 409, false },
    [ERR_THROTTLED] = { "throttled", 429, true },
    [ERR_UNAVAILABLE] = { "unavailable", 503, true },
    [ERR_LEASE_LOST] = { "lease-lost", 500, false },
    [ERR_UNKNOWN_OUTCOME] = { "unknown-outcome", 502, false },
    [ERR_INTERNAL] = { "internal", 500, false },
};

enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    e->code = code;
    e->detail[0] = '\0';
    va_start(ap, fmt);
    (void) vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
    return code;
}

enum err_code err_detail(struct err *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(e->detail, sizeof e->detail, fmt, ap);
    va_end(ap);
    return e->code;
}

const char *err_slug(enum err_code code)
{
    return err_table[code].slug;
}

int err_http_status(enum err_code code)
{
    return err_table[code].http;
}

bool err_is_retryable(enum err_code code)
{
    return err_table[code].is_retryable;
}
