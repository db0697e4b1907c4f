/*
 * step_store.h - what the engine's threads do with rows: admit runs, claim steps, mark intents,
 * checkpoint, renew leases.
 *
 * Every write of a step matches owner and token in the statement that writes; everything else is
 * written from the rows that matched (checkpoint_id) only.
 */
#ifndef STEWARD_STEP_STORE_H
#define STEWARD_STEP_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/db.h"
#include "steward/kinds.h"
#include "steward/mem.h"
#include "steward/plan.h"
#include "steward/step.h"

/* Moves queued runs that can have all their claims to running, ends cancelled and empty ones, wakes
 * who is first in line for a quota (by kind; 0: none). *changed: how many runs moved. */
MUST_USE enum err_code step_store_admit(struct db_conn *c, const int quotas[KIND_COUNT],
                                        size_t *changed, struct err *e);
/* At start: a fuse may be larger now, so that what waits for one asks again. */
MUST_USE enum err_code step_store_wake_fused(struct db_conn *c, struct err *e);

/* A claimed step as it stands in the database. Texts live in the arena. */
struct step_row {
    const char *id, *run_id, *config, *run_kind, *name, *key;
    const struct kind *kind;
    enum verb verb;
    int ordinal, claims;
    bool is_restored;       /* a mark of it may have been lost: look by the generated name too */
    const char *quarantine; /* why nothing more is tried; NULL: all is well */
    int64_t token;
    json_t *request, *tags, *options; /* owned by the row */
    json_t *arns;                     /* request member -> ARN or null, of refs; owned */
    struct step step;        /* state, intent, sends, attempt, failures, times; is_cancelled */
    const char *intent_name; /* NULL: none yet */
    const char *baseline, *arn, *waiting_for;
    const char *earlier_result; /* of the step before on the same resource, where it counts; NULL */
    const char *known_arn;      /* what the inventory has under the key; NULL */
    json_t *intent_request;     /* owned; NULL */
    json_t *details;            /* owned; NULL */
    json_t *known; /* what the inventory has under the key: {config, details, drift, created_ms,
                      took_ms}; owned; NULL */
    int64_t
        data_ms; /* trainings that wait for news: newest import or deletion of data, AWS time; 0 */
    int64_t started_ms; /* 0: never looked at before */
};
void step_row_done(struct step_row *r);

struct claim {
    struct step_row *rows; /* in the arena */
    size_t count;
    size_t unreadable; /* of a kind or verb this binary does not know: left to a newer replica */
    int64_t db_now_ms;
    int64_t next_due_ms; /* of what is not due yet: milliseconds from now; -1: nothing waits */
};
struct claim_wish {
    int limit;
    int64_t lease_ms;
    struct arena *arena; /* rows and texts */
};
/* Takes due steps under a lease. Those claimed 20 times without a checkpoint come back quarantined:
 * fail them. */
MUST_USE enum err_code step_store_claim(struct db_conn *c, const char *owner,
                                        const struct claim_wish *wish, struct claim *out,
                                        struct err *e);

/* One mark; result filled by step_store_mark. */
struct mark {
    const struct step_row *row;
    enum op op;
    const char *intent_name;
    const json_t *request;
    const char *baseline;
    bool buys; /* "stop spending" holds it */
    int quota; /* how many of the kind may be in progress; 0: any number */
    /* out */
    enum outcome_type result; /* OUT_MARKED, or another OUT_MARK_… */
    int64_t mark_ms, until_ms;
    int sends;
    char why[200]; /* OUT_MARK_PAUSED, OUT_MARK_HALTED: who stopped it, and why */
};
struct mark_terms {
    const char *owner;
    int64_t lease_ms;
    int fuse_per_solution, fuse_per_account; /* sends of CreateSolutionVersion in 24 h; the first is
                                                raised to the day's scheduled ones + 2 */
};
/* Marks all in one transaction. On an error every result is OUT_MARK_UNKNOWN. */
MUST_USE enum err_code step_store_mark(struct db_conn *c, const struct mark_terms *terms,
                                       struct mark *marks, size_t n, struct err *e);

/*
 * A checkpoint item as JSON (see step_store.c for members). run_ids: the runs concerned. *lost gets
 * how many items met a lost lease; *ended how many runs reached a final state.
 */
struct checkpoint {
    json_t *steps;      /* list of items */
    json_t *events;     /* list of {id, step_id, type, data} */
    json_t *run_events; /* list of {run_id, id}: event ids for runs that may end */
    bool has_config;    /* some item belongs to a config: inventory, drift */
    bool has_questions; /* some item asks, or may have answered, what a campaign serves */
    bool has_versions;  /* some item is of a solution version */
    bool has_looked;    /* some item only looked */
    bool has_removed;   /* some item took something down, or let go of it */
    size_t lost, ended;
};
MUST_USE enum err_code step_store_checkpoint(struct db_conn *c, const char *owner,
                                             struct checkpoint *cp, struct err *e);

/* leases: JSON text [{"id", "token"}]. Renews those still ours. */
MUST_USE enum err_code step_store_renew(struct db_conn *c, const char *owner, const char *leases,
                                        int64_t lease_ms, struct err *e);
/* Gives back leases of steps that have no effect in flight: due at once for others. */
MUST_USE enum err_code step_store_release(struct db_conn *c, const char *owner, const char *leases,
                                          struct err *e);

/* Numbers committed events; *count how many. Notifies listeners when there were some. */
MUST_USE enum err_code event_store_sequence(struct db_conn *c, size_t *count, struct err *e);

#endif
