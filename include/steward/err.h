/*
 * err.h - how a function says what went wrong.
 *
 * One value type on the caller's stack: no allocation, no ownership. A function returns the code
 * (OK is 0) and fills *e only on failure. Only edges log (api, engine loops, main); everything
 * below returns. Programmer errors are assert() (kept on in release); out of memory logs and exits
 * 70 (see mem.h).
 */
#ifndef STEWARD_ERR_H
#define STEWARD_ERR_H

#include <stdbool.h>

enum err_code {
    OK,
    ERR_INVALID,         /* the request or document is wrong; retrying does not help */
    ERR_AUTH,            /* who are you? */
    ERR_FORBIDDEN,       /* you may not */
    ERR_NOT_FOUND,       /* no such object */
    ERR_CONFLICT,        /* the state does not allow it now */
    ERR_THROTTLED,       /* slow down, then retry */
    ERR_UNAVAILABLE,     /* a dependency is away; retry later */
    ERR_LEASE_LOST,      /* another worker owns the step: forget it */
    ERR_UNKNOWN_OUTCOME, /* a call may or may not have had its effect */
    ERR_INTERNAL,        /* a bug or a broken machine */
    ERR_COUNT
};

struct err {
    enum err_code code;
    char message[240]; /* one sentence, safe to show a client */
    char detail[480];  /* for logs: SQLSTATE, AWS code, errno text; never secrets */
};

#define MUST_USE               __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* The only macro that hides control flow: returns the code of a call that failed. */
#define TRY(call)                      \
    do {                               \
        enum err_code try_rc = (call); \
        if (try_rc)                    \
            return try_rc;             \
    } while (0)

/* Fills *e with code and message (detail emptied) and returns code. */
PRINTF_LIKE(3, 4) enum err_code err_set(struct err *e, enum err_code code, const char *fmt, ...);

/* Adds the text for logs to an error already set; returns its code. */
PRINTF_LIKE(2, 3) enum err_code err_detail(struct err *e, const char *fmt, ...);

/* Facts per code: the problem slug and HTTP status a client sees, and whether a worker may try
 * again. */
const char *err_slug(enum err_code code);
int err_http_status(enum err_code code);
bool err_is_retryable(enum err_code code);

#endif
