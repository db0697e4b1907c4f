/*
 * watch.c - a worker's look at its connection: is the database still the one it knew, and its
 * clock?
 *
 * After a failover or a restore what a worker holds is of a history that may never have been: it is
 * let go of, whatever the rows' tokens say. Sends have stopped until no call of that history can
 * land any more; the rows say what is to be looked at again (migrations/0080).
 */
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/log.h"
#include "steward/timeline_store.h"
#include "work.h"

/* No row has such a token: nothing that is in hand is ever written down. */
static void disown_all(struct worker *k)
{
    for (size_t i = 0; i < WORKER_SLOTS; i++)
        if (k->held[i])
            k->held[i]->row.token = -1;
}

enum err_code watch_timeline(struct worker *k, struct err *e)
{
    struct timeline seen;

    if (db_conn_generation(k->db) == k->generation)
        return OK;
    TRY(timeline_store_check(k->db, k->options->quiescence_ms, &seen, e));
    k->generation = db_conn_generation(k->db);
    FP("eng.timeline_checked");
    if (seen.is_new)
        log_event(LOG_WARN, "engine", "database_restored", "timeline=%s halt_ms=%lld msg=%s",
                  seen.name, (long long) k->options->quiescence_ms,
                  log_quote("the database was restored or failed over: nothing is sent until calls "
                            "of before cannot land any more"));
    if (*k->timeline && !str_eq(k->timeline, seen.name))
        disown_all(k);
    (void) str_copy(k->timeline, sizeof k->timeline, seen.name);
    return OK;
}

enum err_code watch_clock(struct worker *k, int64_t before_ms, int64_t db_ms, bool *is_other,
                          struct err *e)
{
    const struct db_clock was = k->clock;
    struct timeline seen;
    bool is_set = db_clock_note(&k->clock, before_ms, clock_mono_ms(), db_ms);

    *is_other = is_set || db_conn_generation(k->db) != k->generation;
    if (!is_set)
        return OK;
    if (timeline_store_void(k->db, k->options->quiescence_ms, &seen, e)) {
        k->clock = was; /* the next claim finds it again */
        return e->code;
    }
    if (seen.is_new)
        log_event(LOG_WARN, "engine", "database_clock_set", "by_ms=%lld halt_ms=%lld msg=%s",
                  (long long) (k->clock.least_ms - was.least_ms),
                  (long long) k->options->quiescence_ms,
                  log_quote("the database's clock was set: nothing is sent until calls of before "
                            "cannot land any more"));
    disown_all(k);
    return OK;
}
