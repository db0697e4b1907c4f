/*
 * connect.c - from a URL to a session with our settings.
 *
 * Everything here blocks, with deadlines: worker threads call it directly, the loop's lanes on
 * libuv's thread pool (name look-up, TLS and SCRAM take their time). Rule: session settings are one
 * statement after connecting, not start-up options, so that a pooler in between does not refuse
 * them.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db_internal.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/mem.h"
#include "steward/str.h"

#define KEYWORDS_MAX   64
#define SERVER_MIN     140000
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

struct db_target {
    PQconninfoOption *parsed; /* owns the values of the URL */
    const char *keywords[KEYWORDS_MAX + 1], *values[KEYWORDS_MAX + 1];
    size_t n;
    char *application;
};

/* Where the URL says nothing. A silent peer is noticed within 10 s; a standby is not a server for
 * us. */
static const struct {
    const char *keyword, *value;
} defaults[] = {
    { "client_encoding", "UTF8" },  { "connect_timeout", "5" },
    { "keepalives", "1" },          { "keepalives_idle", "5" },
    { "keepalives_interval", "2" }, { "keepalives_count", "3" },
    { "tcp_user_timeout", "8000" }, { "target_session_attrs", "read-write" },
    { "gssencmode", "disable" },
};
/* And for a server that is not on this machine. */
static const char *const remote_sslmode = "verify-full", *const remote_binding = "require";

static const char *url_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o->keyword; o++)
        if (str_eq(o->keyword, keyword))
            return str_is_empty(o->val) ? NULL : o->val;
    return NULL;
}

static bool is_local_host(const char *host, size_t n)
{
    static const char *const names[] = { "localhost", "::1" };

    if (n == 0 || host[0] == '/' || host[0] == '@')
        return true;
    if (n > 4 && strncmp(host, "127.", 4) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == n && strncmp(host, names[i], n) == 0)
            return true;
    return false;
}

/* All hosts of the list are this machine. */
static bool is_local(const PQconninfoOption *options)
{
    const char *hosts = url_value(options, "hostaddr");

    if (!hosts)
        hosts = url_value(options, "host");
    if (!hosts && (url_value(options, "service") || getenv("PGSERVICE")))
        return false;
    if (!hosts)
        hosts = getenv("PGHOST");
    for (const char *p = hosts ? hosts : ""; *p;) {
        size_t n = strcspn(p, ",");

        if (!is_local_host(p, n))
            return false;
        p += n + (p[n] == ',');
    }
    return true;
}

static enum err_code url_parse(const char *url, PQconninfoOption **out, struct err *e)
{
    char *trouble = NULL;

    *out = PQconninfoParse(url, &trouble);
    if (*out)
        return OK;
    err_set(e, ERR_INVALID,
            "the database URL is malformed; "
            "write postgresql://USER@HOST:PORT/DATABASE or libpq's keyword=value form");
    /* libpq may quote the URL, and with it a password: the detail stays general */
    (void) err_detail(e, "PQconninfoParse: %s",
                      trouble && strstr(trouble, "missing") ? "something is missing"
                                                            : "syntax error");
    PQfreemem(trouble);
    return e->code;
}

enum err_code db_url_check(const char *url, bool allow_weak_tls, struct err *e)
{
    PQconninfoOption *parsed;
    const char *mode;
    enum err_code rc = OK;

    TRY(url_parse(url, &parsed, e));
    mode = url_value(parsed, "sslmode");
    if (!allow_weak_tls && mode && !is_local(parsed) && !str_eq(mode, remote_sslmode))
        rc = err_set(e, ERR_INVALID,
                     "the database URL says sslmode=%s for a server on another machine, so anybody "
                     "on the way could read or change data; leave it out (verify-full) or allow it "
                     "with --database-weak-tls",
                     mode);
    PQconninfoFree(parsed);
    return rc;
}

static void target_add(struct db_target *t, const char *keyword, const char *value)
{
    if (url_value(t->parsed, keyword))
        return;
    assert(t->n < KEYWORDS_MAX);
    t->keywords[t->n] = keyword;
    t->values[t->n++] = value;
}

static bool has_own_ca_file(void)
{
    const char *home = getenv("HOME");
    AUTO_FREE char *path = xasprintf("%s/.postgresql/root.crt", home ? home : "");

    return getenv("PGSSLROOTCERT") || access(path, R_OK) == 0;
}

enum err_code db_target_new(const char *url, const char *application, struct db_target **out,
                            struct err *e)
{
    struct db_target *t;
    PQconninfoOption *parsed;

    TRY(url_parse(url, &parsed, e));
    t = xcalloc(1, sizeof *t);
    t->parsed = parsed;
    t->application = xstrdup(application);
    for (const PQconninfoOption *o = parsed; o->keyword; o++) {
        if (str_is_empty(o->val))
            continue;
        assert(t->n < KEYWORDS_MAX);
        t->keywords[t->n] = o->keyword;
        t->values[t->n++] = o->val;
    }
    target_add(t, "application_name", t->application);
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        target_add(t, defaults[i].keyword, defaults[i].value);
    if (!is_local(parsed)) {
        if (!url_value(parsed, "sslmode")) {
            target_add(t, "channel_binding", remote_binding);
            if (!has_own_ca_file() && access(SYSTEM_CA_FILE, R_OK) == 0)
                target_add(t, "sslrootcert", SYSTEM_CA_FILE);
        }
        target_add(t, "sslmode", remote_sslmode);
    }
    *out = t;
    return OK;
}

void db_target_free(struct db_target *t)
{
    if (!t)
        return;
    PQconninfoFree(t->parsed);
    free(t->application);
    free(t);
}

/* ---- a session ---- */

static char *session_sql(PGconn *pg, const struct db_session *s)
{
    struct buf sql = { 0 };

    buf_printf(&sql,
               "SELECT set_config('statement_timeout', '%lld', false), set_config('lock_timeout', "
               "'%lld', false),"
               " set_config('idle_in_transaction_session_timeout', '%d', false),"
               " set_config('search_path', 'public, pg_temp', false), set_config('TimeZone', "
               "'UTC', false),"
               " set_config('DateStyle', 'ISO, YMD', false), set_config('IntervalStyle', "
               "'postgres', false),"
               " set_config('jit', 'off', false),"
               " set_config('default_transaction_read_only', '%s', false),"
               /* an acknowledged write is durable, whatever the server's default */
               " CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')"
               " THEN set_config('synchronous_commit', 'on', false) END;",
               (long long) s->statement_timeout_ms, (long long) s->lock_timeout_ms,
               DB_STATEMENT_TIMEOUT_MS, s->is_read_only ? "on" : "off");
    for (const char *const *channel = s->channels; channel && *channel; channel++) {
        char *name = PQescapeIdentifier(pg, *channel, strlen(*channel));

        buf_printf(&sql, " LISTEN %s;", name ? name : "");
        PQfreemem(name);
    }
    return buf_take(&sql);
}

static void ignore_notice(void *arg, const PGresult *notice)
{
    (void) arg, (void) notice;
}

static PGconn *connect_failed(PGconn *pg, const char *why, struct err *e)
{
    char line[360];

    db_one_line(why, line, sizeof line);
    err_set(e, ERR_UNAVAILABLE, "the database is not reachable");
    (void) err_detail(e, "%s", line);
    PQfinish(pg);
    return NULL;
}

PGconn *db_connect(const struct db_target *t, const struct db_session *session, struct err *e)
{
    struct db_failure failure;
    AUTO_PGRES PGresult *r = NULL;
    AUTO_FREE char *sql = NULL;
    PGconn *pg;

    FP("db.connect");
    pg = PQconnectdbParams(t->keywords, t->values, 0);
    if (PQstatus(pg) != CONNECTION_OK)
        return connect_failed(pg, PQerrorMessage(pg), e);
    FP("db.auth");
    if (PQserverVersion(pg) < SERVER_MIN)
        return connect_failed(pg, "the server is older than PostgreSQL 14", e);
    (void) PQsetNoticeReceiver(pg, ignore_notice, NULL);
    if (PQsetnonblocking(pg, 1) != 0)
        return connect_failed(pg, PQerrorMessage(pg), e);
    sql = session_sql(pg, session);
    r = db_exec(pg, sql, DB_ANSWER_TIMEOUT_MS, &failure);
    if (!r) {
        *e = failure.err;
        if (e->code != ERR_UNAVAILABLE)
            (void) err_set(e, ERR_UNAVAILABLE, "the database refused our session settings");
        (void) err_detail(e, "%s", failure.err.detail);
        PQfinish(pg);
        return NULL;
    }
    return pg;
}

/* ---- one statement outside of a pipeline ---- */

/* Flushes and reads until a result can be taken without blocking; false when the connection is gone
 * or too slow. */
static bool wait_result(PGconn *pg, int64_t deadline_ms)
{
    for (;;) {
        int unsent = PQflush(pg);
        struct pollfd fd = { .fd = PQsocket(pg),
                             .events = (short) (POLLIN | (unsent ? POLLOUT : 0)) };
        int64_t left = deadline_ms - clock_mono_ms();

        if (unsent < 0)
            return false;
        if (!PQisBusy(pg))
            return true;
        if (left <= 0 || (poll(&fd, 1, (int) left) < 0 && errno != EINTR))
            return false;
        if (fd.revents && !PQconsumeInput(pg))
            return false;
    }
}

static PGresult *last_result(PGconn *pg, int64_t timeout_ms, struct db_failure *f)
{
    PGresult *last = NULL;

    for (;;) {
        PGresult *r;

        if (!wait_result(pg, clock_mono_ms() + timeout_ms)) {
            db_failure_lost(f, ERR_UNAVAILABLE,
                            PQstatus(pg) == CONNECTION_OK ? "no answer in time"
                                                          : PQerrorMessage(pg));
            PQclear(last);
            return NULL;
        }
        r = PQgetResult(pg);
        if (!r)
            break;
        if (PQresultStatus(r) == PGRES_FATAL_ERROR && last &&
            PQresultStatus(last) == PGRES_FATAL_ERROR) {
            PQclear(r); /* the first error is the cause */
            continue;
        }
        PQclear(last);
        last = r;
    }
    switch (PQresultStatus(last)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        return last;
    case PGRES_EMPTY_QUERY:
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
    case PGRES_COPY_BOTH:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
        break;
    }
    db_failure_set(f, last);
    PQclear(last);
    return NULL;
}

PGresult *db_exec(PGconn *pg, const char *sql, int64_t timeout_ms, struct db_failure *f)
{
    if (!PQsendQuery(pg, sql)) {
        db_failure_lost(f, ERR_UNAVAILABLE, PQerrorMessage(pg));
        return NULL;
    }
    return last_result(pg, timeout_ms, f);
}

PGresult *db_exec_params(PGconn *pg, const struct db_op *op, struct db_failure *f)
{
    if (!PQsendQueryParams(pg, op->stmt->sql, op->stmt->n_params, NULL, op->params, NULL, NULL,
                           0)) {
        db_failure_lost(f, ERR_UNAVAILABLE, PQerrorMessage(pg));
        return NULL;
    }
    return last_result(pg, DB_ANSWER_TIMEOUT_MS, f);
}
