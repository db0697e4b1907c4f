/*
 * retention.c - what is old goes, in small batches: numbered events from the oldest on, finished
 * runs with their steps, kept answers, tickets. The audit log stays.
 */
#include "steward/retention_store.h"

#include <stdio.h>

/* SQL has its own layout. */
/* clang-format off */
#define OLDER_THAN(column) column " < now() - make_interval(secs => $1::text::float8)"
/* A prefix of the log: what is left has no holes, so a cursor is either whole or expired. */
static const struct db_stmt old_events = {
    "retention_events",
    "WITH first AS (SELECT seq, time FROM events WHERE seq IS NOT NULL ORDER BY seq LIMIT 500),"
    " keep AS (SELECT min(seq) AS seq FROM first WHERE NOT (" OLDER_THAN("time") "))"
    " DELETE FROM events e USING first, keep WHERE e.seq = first.seq"
    " AND first.seq < coalesce(keep.seq, 9223372036854775807)",
    1
};
static const struct db_stmt old_runs = {
    "retention_runs",
    "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE finished_at IS NOT NULL AND "
    OLDER_THAN("finished_at") " ORDER BY id LIMIT 100)",
    1
};
static const struct db_stmt old_answers = {
    "retention_answers",
    "DELETE FROM idempotency_keys WHERE (token_id, key) IN (SELECT token_id, key FROM idempotency_keys"
    " WHERE created_at < now() - interval '25 hours' LIMIT 500)",
    0
};
static const struct db_stmt old_tickets = {
    "retention_tickets", "DELETE FROM login_tickets WHERE expires_at < now() - interval '1 hour'", 0
};
static const struct db_stmt old_received = {
    "retention_received",
    "WITH seen AS (DELETE FROM trigger_seen WHERE (trigger_id, key) IN (SELECT trigger_id, key FROM trigger_seen"
    "  WHERE expires_at < now() ORDER BY expires_at LIMIT 500)),"
    " messages AS (DELETE FROM queue_messages WHERE id IN (SELECT id FROM queue_messages"
    "  WHERE received_at < now() - interval '15 days' ORDER BY received_at LIMIT 500)),"
    " files AS (DELETE FROM uploads WHERE id IN (SELECT id FROM uploads"
    "  WHERE finished_at < now() - interval '30 days' ORDER BY finished_at LIMIT 500))"
    " DELETE FROM trigger_deliveries WHERE id IN (SELECT id FROM trigger_deliveries"
    "  WHERE received_at < now() - interval '31 days' AND state <> 'waiting' ORDER BY received_at LIMIT 500)",
    0
};
/* clang-format on */

static void seconds_of(int64_t ms, char out[32])
{
    (void) snprintf(out, 32, "%.3f", (double) ms / 1000.0);
}

enum err_code retention_store_batch(struct db_conn *c, const struct retention *keep, struct err *e)
{
    char events[32], runs[32];
    const struct db_op answers = { .stmt = &old_answers }, tickets = { .stmt = &old_tickets };
    const struct db_op received = { .stmt = &old_received };
    const struct db_op log = { .stmt = &old_events, .params = { events } };
    const struct db_op finished = { .stmt = &old_runs, .params = { runs } };

    seconds_of(keep->events_ms, events);
    seconds_of(keep->runs_ms, runs);
    TRY(db_query(c, &answers, NULL, e));
    TRY(db_query(c, &tickets, NULL, e));
    TRY(db_query(c, &received, NULL, e));
    if (keep->events_ms)
        TRY(db_query(c, &log, NULL, e));
    return keep->runs_ms ? db_query(c, &finished, NULL, e) : OK;
}
