/*
 * support.h - what the database tests share: the URL of the test server, a fresh database per
 * program, short helpers.
 *
 * A program without STEWARD_TEST_DATABASE_URL exits 77 (skipped); script/with-postgres sets it.
 */
#ifndef STEWARD_TESTS_DB_SUPPORT_H
#define STEWARD_TESTS_DB_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "steward/db.h"
#include "steward/mem.h"

/* Runs SQL on a connection of its own to url; the test fails when the server does not like it. */
static inline void admin(const char *url, const char *sql)
{
    PGconn *pg = PQconnectdb(url);
    PGresult *r = PQexec(pg, sql);

    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    PQclear(r);
    PQfinish(pg);
}

/* The first value that sql gives, as a number. */
static inline long admin_number(const char *url, const char *sql)
{
    PGconn *pg = PQconnectdb(url);
    PGresult *r = PQexec(pg, sql);
    long value;

    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1)
        fail_msg("%s: %s", sql, PQerrorMessage(pg));
    value = strtol(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    PQfinish(pg);
    return value;
}

/* A database of this program's own, made anew; the caller frees the URL. Exits 77 without a server.
 */
static inline char *fresh_database(const char *name)
{
    const char *server = getenv("STEWARD_TEST_DATABASE_URL");
    char *sql, *url;

    if (!server) {
        (void) fprintf(
            stderr, "skipped: STEWARD_TEST_DATABASE_URL is not set (see script/with-postgres)\n");
        exit(77);
    }
    sql = xasprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    admin(server, sql);
    free(sql);
    sql = xasprintf("CREATE DATABASE %s", name);
    admin(server, sql);
    free(sql);
    url = xasprintf("%s dbname=%s", server, name);
    return url;
}

#define assert_ok(call, e)                                             \
    do {                                                               \
        enum err_code ok_rc = (call);                                  \
        if (ok_rc)                                                     \
            fail_msg("%s: %s (%s)", #call, (e)->message, (e)->detail); \
    } while (0)

#endif
