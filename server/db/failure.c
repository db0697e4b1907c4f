/*
 * failure.c - what a failed statement means: SQLSTATE to error code.
 *
 * The one place that reads SQLSTATEs. Server texts go to the detail (for logs); the message stays
 * safe to show, except for class ST, whose sentences our own SQL raises for people.
 */
#include <ctype.h>
#include <string.h>

#include "db_internal.h"
#include "steward/mem.h"
#include "steward/str.h"

/* First match wins; a prefix of two characters is a class. */
static const struct {
    const char *prefix;
    enum err_code code;
    const char *message; /* NULL: the server's own sentence */
} meanings[] = {
    { "ST", ERR_CONFLICT, NULL },
    { "23505", ERR_CONFLICT, "an object with this identity exists already" },
    { "23P01", ERR_CONFLICT, "an object overlaps an existing one" },
    { "23503", ERR_CONFLICT, "an object that this one needs is gone, or is still in use" },
    { "22", ERR_INVALID, "the database refused a value" },
    { "57014", ERR_UNAVAILABLE, "the database took too long" },
    { "55P03", ERR_UNAVAILABLE, "the rows are locked by others for too long" },
    { "40", ERR_UNAVAILABLE, "the database could not order concurrent changes" },
    { "53100", ERR_UNAVAILABLE, "the database's disk is full" },
    { "53", ERR_UNAVAILABLE, "the database has no resources left" },
    { "57", ERR_UNAVAILABLE, "the database ended the session" },
    { "58", ERR_UNAVAILABLE, "the database's machine has a fault" },
    { "08", ERR_UNAVAILABLE, "the database is not reachable" },
    { "25P03", ERR_UNAVAILABLE, "the database ended the session" },
};

static void describe(struct db_failure *f, const char *primary)
{
    for (size_t i = 0; i < ARRAY_LEN(meanings); i++) {
        if (!str_starts(f->sqlstate, meanings[i].prefix))
            continue;
        err_set(&f->err, meanings[i].code, "%s",
                meanings[i].message ? meanings[i].message : primary);
        return;
    }
    err_set(&f->err, ERR_INTERNAL, "the database refused a statement");
}

void db_one_line(const char *text, char *out, size_t size)
{
    size_t n = str_copy(out, size, text ? text : "");

    while (n > 0 && isspace((unsigned char) out[n - 1]))
        out[--n] = '\0';
    for (char *p = out; *p; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
}

void db_failure_set(struct db_failure *f, const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME);
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
    char line[360];

    *f = (struct db_failure){ 0 };
    if (!state) { /* libpq's own words: the connection broke */
        db_failure_lost(f, ERR_UNAVAILABLE, PQresultErrorMessage(r));
        return;
    }
    (void) str_copy(f->sqlstate, sizeof f->sqlstate, state);
    if (constraint)
        (void) str_copy(f->constraint, sizeof f->constraint, constraint);
    f->is_fatal = str_eq(severity, "FATAL") || str_eq(severity, "PANIC");
    db_one_line(primary, line, sizeof line);
    describe(f, line);
    (void) err_detail(&f->err, "SQLSTATE %s: %s", f->sqlstate, line);
}

void db_failure_lost(struct db_failure *f, enum err_code code, const char *why)
{
    char line[360];

    *f = (struct db_failure){ 0 };
    db_one_line(why, line, sizeof line);
    err_set(&f->err, code, "%s",
            code == ERR_UNKNOWN_OUTCOME
                ? "the connection to the database broke; it is unknown whether the change was made"
                : "the database is not reachable");
    (void) err_detail(&f->err, "%s", line);
}

bool db_failure_is_race(const struct db_failure *f)
{
    return str_eq(f->sqlstate, "40001") || str_eq(f->sqlstate, "40P01");
}

bool db_failure_is_stale_session(const struct db_failure *f)
{
    /* "cached plan must not change result type" after a migration; a statement somebody deallocated
     */
    return str_eq(f->sqlstate, "0A000") || str_eq(f->sqlstate, "26000");
}

bool db_sql_writes(const char *sql)
{
    static const char *const words[] = { "insert", "update",  "delete", "merge",  "truncate",
                                         "call",   "nextval", "setval", "notify", "pg_notify",
                                         "create", "alter",   "drop",   "copy",   "set_config",
                                         "do",     "lock",    "set",    "listen", "share" };

    for (const char *p = sql; *p;) {
        size_t n = 0;

        while (isalnum((unsigned char) p[n]) || p[n] == '_')
            n++;
        for (size_t i = 0; n && i < ARRAY_LEN(words); i++)
            if (strlen(words[i]) == n && strncasecmp(words[i], p, n) == 0)
                return true;
        p += n ? n : 1;
    }
    return false;
}
