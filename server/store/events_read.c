/*
 * events_read.c - the event log in its one order: the number that the sequencer gave.
 */
#include "shapes.h"
#include "steward/events_store.h"

/* SQL has its own layout. */
/* clang-format off */
static const struct db_stmt events_bounds = {
    "api_events_bounds",
    "SELECT (SELECT last_seq FROM event_counter), (SELECT min(seq) FROM events)", 0
};
static const struct db_stmt events_feed = {
    "api_events_feed",
    "SELECT ev.seq, ev.type, ev.config, ev.run_id, " SQL_EVENT
    " FROM events ev WHERE ev.seq > $1::bigint ORDER BY ev.seq LIMIT $2::int",
    2
};

#define EVENTS_FILTER                                                                              \
    " ($1::text IS NULL OR ev.type LIKE ANY ($1::text[])) AND ($2::text IS NULL OR ev.config =" \
    " $2)" \
    " AND ($3::text IS NULL OR ev.run_id = $3)"
static const struct db_stmt events_after = {
    "api_events_after",
    "SELECT ev.seq, " SQL_EVENT ", ev.type FROM events ev WHERE" EVENTS_FILTER
    " AND ev.seq > $4::bigint ORDER BY ev.seq LIMIT $5::int",
    5
};
static const struct db_stmt events_newest = {
    "api_events_newest",
    "SELECT ev.seq, " SQL_EVENT ", ev.type FROM events ev WHERE" EVENTS_FILTER
    " AND ev.seq IS NOT NULL AND ($4::bigint IS NULL OR ev.seq < $4::bigint)"
    " ORDER BY ev.seq DESC LIMIT $5::int",
    5
};
/* clang-format on */

void events_store_bounds(struct db_op *op)
{
    *op = (struct db_op){ .stmt = &events_bounds };
}

void events_store_feed(const char *after, const char *limit, struct db_op *op)
{
    *op = (struct db_op){ .stmt = &events_feed, .params = { after, limit } };
}

void events_store_page(const struct events_filter *f, struct db_op *op)
{
    *op = (struct db_op){ .stmt = f->after ? &events_after : &events_newest,
                          .params = { f->types, f->config, f->run_id,
                                      f->after ? f->after : f->before, f->limit } };
}
