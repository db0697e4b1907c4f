/*
 * world_internal.h - what the parts of the fake world share.
 */
#ifndef SIMULATION_WORLD_INTERNAL_H
#define SIMULATION_WORLD_INTERNAL_H

#include "steward/step.h"
#include "world.h"

#define STEPS      4
#define REPLICAS   3
#define EVENTS_MAX 512
#define NAMES_MAX  8 /* attempts per step */

#define SECOND       1000LL
#define MINUTE       (60 * SECOND)
#define LEASE        (30 * SECOND)
#define WINDOW       (15 * MINUTE)
#define SEND_WITHIN  (5 * SECOND)
#define CALL_TIMEOUT (20 * SECOND)
#define HEAL_MS      (4 * 60 * MINUTE)
#define END_MS       (48 * 60 * MINUTE)

/* The committed row of a step. */
struct row {
    struct step step;
    int owner; /* replica, -1: none */
    int64_t token, wake_ms;
    bool has_arn;
    int arn_attempt;  /* which attempt's resource the row points at */
    bool is_restored; /* its mark may have been lost: looked for by name, and recovered */
};

/* The database as a standby has it that is some commits behind. */
#define PASTS_MAX 64
struct past {
    int64_t at_ms;
    struct row rows[STEPS];
};

/* What AWS holds under the name of (step, attempt). */
struct resource {
    int count;
    int64_t created_ms, ready_ms;
    bool will_fail;
};

struct replica {
    uint32_t incarnation;
    int64_t paused_until_ms;
    bool is_up, is_busy;
    int step; /* held */
    int64_t token;
    struct row copy;
    struct command command;
    int64_t marked_ms; /* before the mark was asked for */
    uint32_t call;     /* id of the open call */
};

enum event_type {
    EV_POLL,
    EV_CRASH,
    EV_RESTART,
    EV_PAUSE,
    EV_LOOKED,
    EV_MARK,
    EV_SEND,
    EV_LAND,
    EV_REPLY,
    EV_TIMEOUT,
    EV_SAVE,
    EV_CANCEL,
    EV_FAILOVER
};
struct event {
    int64_t at_ms;
    uint32_t order;
    enum event_type type;
    int replica;
    uint32_t incarnation, call;
    /* of calls */
    int step, attempt;
    enum op op;
    int64_t dated_ms;
    enum outcome_type reply;
};

struct world {
    uint64_t random;
    enum mutant mutant;
    bool verbose, needs_quiescence;
    int64_t now_ms;
    struct event heap[EVENTS_MAX];
    int n_events;
    uint32_t order, next_call;
    struct row rows[STEPS];
    struct resource resources[STEPS][NAMES_MAX];
    struct replica replicas[REPLICAS];
    bool is_cancelled;
    int n_landing; /* calls still on their way */
    struct past pasts[PASTS_MAX];
    int n_pasts;
    int64_t halted_until_ms; /* after a failover: no sends before */
    int64_t
        wall_skew_ms[REPLICAS]; /* of clocks that somebody set, since the service told the time */
    /* fault rates in 1/1000, drawn per seed */
    unsigned crash, pause, lost_commit, lost_reply, server_error, throttle, late_landing,
        list_lag_ms, fail, failover, clock;
    struct verdict *out;
};

/* ---- world.c ---- */
int64_t below(struct world *w, int64_t n);
/* While faults happen at all. */
bool chance(struct world *w, unsigned per_mille);
void violate(struct world *w, const char *what);
void push(struct world *w, struct event ev);
/* The outcome of a command, for the core; what it answers is carried out. */
void proceed(struct world *w, int r, enum outcome_type type, enum seen seen, uint32_t command_id);
void drop(struct world *w, int r);

/* ---- world_database.c ---- */
bool is_ours(const struct world *w, int r);
bool is_live(const struct row *row);
void remember(struct world *w);
void on_failover(struct world *w);
void on_mark(struct world *w, int r);
void on_save(struct world *w, int r);

/* ---- world_aws.c ---- */
void on_looked(struct world *w, int r);
void on_land(struct world *w, struct event call);

#endif
