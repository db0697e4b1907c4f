/*
 * firing_store.h - due schedules and the one transaction in which a batch of them fires.
 */
#ifndef STEWARD_FIRING_STORE_H
#define STEWARD_FIRING_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "steward/db.h"
#include "steward/mem.h"

#define FIRING_AFTER_IMPORT "after import" /* expression of what fires when an import ended */

/* A due schedule. Times are seconds since the epoch; texts live in the arena. */
struct due_schedule {
    const char *id, *config, *kind, *expression, *time_zone, *overlap, *catch_up;
    const char *run_options;  /* JSON text */
    const char *updated_at;   /* as the row was read: an edit or a pause in between is noticed */
    const char *pause_reason; /* of the server's pause, or the schedule's own; NULL */
    int64_t config_version, nominal_s, now_s, end_s, starting_deadline_s, jitter_s;
    int64_t paused_until_s; /* of a pause that is over; 0: none */
    int generation;
    bool is_paused, is_server_paused;
};
struct due {
    struct due_schedule *items; /* in the arena */
    size_t count;
    int64_t next_ms;    /* until the next one is due; -1: none */
    bool is_full;       /* there may be more */
    bool is_pause_over; /* the time of the server-wide pause has come */
};
/* The next batch. Leaves out what another replica is writing, and what must fire after others of
 * its minute. */
MUST_USE enum err_code firing_store_due(struct db_conn *c, struct arena *arena, struct due *out,
                                        struct err *e);

/* *document (arena): the config's document at that version; NULL: gone. */
struct document_query {
    const char *config;
    int64_t version;
    struct arena *arena;
};
MUST_USE enum err_code firing_store_document(struct db_conn *c, const struct document_query *q,
                                             const char **document, struct err *e);

/*
 * Open runs in the way of schedules: of the same schedule or on the same resources, but for those
 * of the same nominal minute that come first. wanted: [{"no", "schedule", "t", "config", "kind",
 * "nominal"}], templates as below. Adds lists of run ids to the object by number: {"3": [id, …]}.
 */
MUST_USE enum err_code firing_store_overlaps(struct db_conn *c, const json_t *wanted,
                                             const json_t *templates, json_t *found, struct err *e);

/*
 * What a batch does, in one transaction, as JSON lists:
 *   moves      {id, generation, nominal, updated, next, nextFire}  fence, and where it goes on
 *   fires      {schedule, generation, local, fold, at, outcome, runId, count, from, to, reason,
 *               event, type, kind, config}
 *   runs       {id, t, schedule, overlap, ids, event}              only of fires that were new
 *   templates  {t, config, version, kind, options, claims, n}      what runs are made from
 *   steps      {t, ordinal, kind, verb, name, …, needs}            their steps
 *   cancels    {run, by, reason}                                   runs that make room
 * A move that no longer fits its row (another replica was faster, an edit, a pause) takes its fires
 * and runs with it; a nominal time that has its row already makes none, and the schedule moves on.
 */
struct firing_batch {
    json_t *moves, *fires, *runs, *templates, *steps, *cancels;
    bool is_server_paused; /* as the batch was read */
};
/* *fired: rows of schedule_fires written. */
MUST_USE enum err_code firing_store_write(struct db_conn *c, const struct firing_batch *b,
                                          size_t *fired, struct err *e);
/* The schedule could not be fired: tries again later, each time later. */
MUST_USE enum err_code firing_store_postpone(struct db_conn *c, const struct due_schedule *s,
                                             struct err *e);

#endif
