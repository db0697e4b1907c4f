/*
 * timeline.c - is this still the history of the database that was known?
 *
 * The functions are migrations/0080's: the mark asks them in its own transaction, so that nothing
 * is sent between a failover and the moment somebody notices.
 */
#include "steward/timeline_store.h"

#include <stdio.h>

#include "steward/str.h"

static const struct db_stmt check = {
    "timeline_check", "SELECT server_check_timeline($1::float8), database_timeline()", 1
};

enum err_code timeline_store_check(struct db_conn *c, int64_t quiescence_ms, struct timeline *out,
                                   struct err *e)
{
    char seconds[32];
    AUTO_PGRES PGresult *r = NULL;

    (void) snprintf(seconds, sizeof seconds, "%.3f", (double) quiescence_ms / 1000.0);
    TRY(db_query(c, &(struct db_op){ .stmt = &check, .params = { seconds } }, &r, e));
    out->is_new = PQgetvalue(r, 0, 0)[0] == 't';
    (void) str_copy(out->name, sizeof out->name, PQgetvalue(r, 0, 1));
    return OK;
}
