/*
 * embedded_probe.c - starts the embedded PostgreSQL of a data folder, says so, and stops when told.
 *
 * usage: embedded_probe DIR [USER]. Prints "ready pid=… adopted=… ms=…", the two URLs, "migrated
 * N", then reads lines: "stop", "keep" (leave the server running), "count" (tables that the
 * application's role may use), "pid". Exit codes: 3 locked, 4 newer schema, 1 else.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "steward/clock.h"
#include "steward/data_dir.h"
#include "steward/db.h"
#include "steward/log.h"
#include "steward/mem.h"

static int failed(const struct err *e)
{
    (void) fprintf(stderr, "%s\n%s\n", e->message, e->detail);
    return 1;
}

static enum err_code migrate(const char *owner_url, struct err *e)
{
    struct db_conn *c;
    int applied;
    enum err_code rc = db_conn_open(owner_url, "probe", &c, e);

    if (rc)
        return rc;
    rc = db_migrate(c, &applied, e);
    if (rc == OK)
        (void) printf("migrated %d\n", applied);
    db_conn_close(c);
    return rc;
}

/* Counts the tables that the application's role can read: the migrations' tables are there and
 * granted. */
static enum err_code count(const char *url, struct err *e)
{
    static const struct db_stmt tables = {
        "tables",
        "SELECT count(*) FILTER (WHERE has_table_privilege(oid, 'INSERT')), count(*),"
        " has_schema_privilege('public', 'CREATE'), (SELECT rolsuper FROM pg_roles WHERE rolname = "
        "current_user)"
        " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        0
    };
    struct db_conn *c;
    PGresult *r;
    enum err_code rc = db_conn_open(url, "probe", &c, e);

    if (rc)
        return rc;
    rc = db_query(c, &(struct db_op){ .stmt = &tables }, &r, e);
    if (rc == OK) {
        (void) printf("tables %s of %s create=%s super=%s\n", PQgetvalue(r, 0, 0),
                      PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2), PQgetvalue(r, 0, 3));
        PQclear(r);
    }
    db_conn_close(c);
    return rc;
}

int main(int argc, char **argv)
{
    struct pg_embedded_options options = { .data_dir = argc > 1 ? argv[1] : "",
                                           .run_as = argc > 2 ? argv[2] : NULL };
    struct pg_embedded *pg;
    struct err e;
    char line[64];
    int lock, status = 0;
    int64_t start_ms = clock_mono_ms();

    log_init(LOG_INFO, false);
    (void) setvbuf(stdout, NULL, _IOLBF, 0);
    if (data_dir_lock(options.data_dir, &lock, &e)) {
        (void) failed(&e);
        return e.code == ERR_CONFLICT ? 3 : 1;
    }
    if (pg_embedded_start(&options, &pg, &e))
        return failed(&e);
    (void) printf("ready pid=%d adopted=%d ms=%lld\n%s\n%s\n", pg_embedded_pid(pg),
                  pg_embedded_was_adopted(pg), (long long) (clock_mono_ms() - start_ms),
                  pg_embedded_url(pg), pg_embedded_owner_url(pg));
    if (migrate(pg_embedded_owner_url(pg), &e)) {
        (void) failed(&e);
        status = e.code == ERR_CONFLICT ? 4 : 1;
    }
    while (status == 0 && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "stop") == 0 || strcmp(line, "keep") == 0)
            break;
        if (strcmp(line, "count") == 0 && count(pg_embedded_url(pg), &e))
            status = failed(&e);
        if (strcmp(line, "pid") == 0)
            (void) printf("pid=%d\n", pg_embedded_pid(pg));
    }
    pg_embedded_stop(pg, strcmp(line, "keep") == 0);
    (void) close(lock);
    return status;
}
