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

/* SQL has its own layout. */
/* clang-format off */
/* Whoever notices first forgets the timeline on record; the check then finds another one, as after a restore. The others of
   these seconds find it done. */
static const struct db_stmt forget = {
    "timeline_forget",
    "UPDATE server_identity SET timeline = 'of another time' WHERE timeline IS NOT NULL AND NOT coalesce(halted_at"
    " BETWEEN clock_timestamp() - interval '10 seconds' AND clock_timestamp(), false)",
    0
};
/* clang-format on */

enum err_code timeline_store_void(struct db_conn *c, int64_t quiescence_ms, struct timeline *out,
                                  struct err *e)
{
    TRY(db_query(c, &(struct db_op){ .stmt = &forget }, NULL, e));
    return timeline_store_check(c, quiescence_ms, out, e);
}
