/*
 * world_internal.h - what the parts of the fake world share.
 *
 * Two clocks: now_ms is the true time, which processes measure and AWS lives by; the database's is
 * off by db_skew_ms, and all of its times are of that clock.
 */
#ifndef SIMULATION_WORLD_INTERNAL_H
#define SIMULATION_WORLD_INTERNAL_H

#include "steward/db_clock.h"
#include "steward/step.h"
#include "world.h"

#define CONFIGS       2
#define REPLICAS      3
#define RUNS_MAX      10
#define ROWS_MAX      28
#define RESOURCES_MAX 96
#define EVENTS_MAX    512
#define PASTS_MAX     16
#define DYING_MAX     8
#define ATTEMPTS_MAX  4   /* generated names of a step */
#define NAMES_MAX     160 /* generated ones; those of configs come after */

#define SECOND       1000LL
#define MINUTE       (60 * SECOND)
#define HOUR         (60 * MINUTE)
#define LEASE        (30 * SECOND)
#define WINDOW       (15 * MINUTE) /* a signature is accepted */
#define QUIESCENCE   (18 * MINUTE)
#define SEND_WITHIN  (5 * SECOND)
#define CALL_TIMEOUT (20 * SECOND)
#define HEAL_MS      (4 * HOUR) /* faults stop */
#define FUSE_WINDOW  (24 * HOUR)

/* ---- what the configs ask for ---- */

enum thing { THING_IMPORT, THING_TRAINING, THING_CAMPAIGN, THING_FILTER, THING_COUNT };
struct thing_rule {
    const char *name;
    bool is_per_run, is_billed;
    bool is_fused;   /* the training fuse */
    bool has_update; /* else another value means: deleted and made again */
    int quota;       /* in progress at a time, when it is scarce; 0: not limited */
};
extern const struct thing_rule things[THING_COUNT];

/* ---- the database ---- */

struct row {
    struct step step;
    int run, config;
    enum thing thing;
    int name;         /* of a per-run step: with the attempt, the generated name */
    int fixed, value; /* wanted: what can not and what can be changed in place */
    bool is_renewal;  /* what is ACTIVE is not current */
    int needs;        /* row that must succeed first; -1: none */
    uint32_t owner;   /* of the lease; 0: none */
    int64_t token, wake_ms;
    int resource; /* that its ARN names; -1: none */
    int spent;    /* the fuse */
    int64_t quota_since_ms;
    enum why waiting_for;
    bool is_restored;  /* its mark may have been lost: looked for by name, and recovered */
    int64_t looked_ms; /* true time of the look that its end rests on */
};

struct run {
    enum run_state state;
    int config, value;
    bool is_cancelled, is_aside; /* aside: claims nothing, waits for nobody */
};

struct database {
    struct row rows[ROWS_MAX];
    struct run runs[RUNS_MAX];
    int n_rows, n_runs, n_marks;
    bool is_paused;                          /* "stop spending" */
    int64_t halted_until_ms;                 /* after a failover: no sends before */
    int64_t served_ms[THING_COUNT][CONFIGS]; /* last turn in the line */
};

/* ---- AWS ---- */

enum owner { OWNER_NOBODY, OWNER_US, OWNER_OTHERS };
struct resource {
    int name; /* name_of(); -1: somebody else's job */
    int config;
    enum thing thing;
    enum owner owner; /* as its tags say */
    int fixed, value;
    int64_t created_ms, visible_ms, ready_ms;
    int64_t gone_ms;    /* 0: not being deleted */
    int64_t changed_ms; /* by whomever, last; by others: touched */
    int64_t touched_ms;
    bool will_fail, is_stopped, has_failed_update;
};

/* ---- processes ---- */

struct call {
    int row, name, config;
    enum thing thing;
    enum op op;
    int fixed, value, target; /* resource, of a stop */
    int64_t looked_ms, dated_ms;
};

struct replica {
    uint32_t owner, incarnation, poll; /* polls of before a wake-up count no more */
    bool is_up, is_busy;
    int step; /* row in hand */
    int64_t token;
    struct row copy;
    struct command command;
    int found; /* resource that the look ended at; -1: none */
    int64_t looked_ms, marked_ms;
    int64_t db_offset_ms; /* as of the last claim */
    struct db_clock clock;
    uint32_t call;        /* id of the open call */
    bool is_in_database;  /* the open call is a transaction */
    int64_t wall_skew_ms; /* somebody set its clock since the service told the time */
};

enum event_type {
    EV_POLL,
    EV_RESTART,
    EV_LOOKED,
    EV_MARK,
    EV_SEND,
    EV_TIMEOUT,
    EV_SAVE,
    EV_LAND,
    EV_REPLY,
    EV_DYING_COMMIT,
    EV_FAILOVER,
    EV_CLOCK,
    EV_PERSON,
    EV_RESUME, /* "stop spending" is over */
    EV_OPERATOR,
    EV_COUNT
};
struct event {
    int64_t at_ms;
    uint32_t order;
    enum event_type type;
    int replica;
    uint32_t incarnation, id; /* id: of the call, the poll or the dying process */
    enum outcome_type reply;
    int resource; /* that the reply names */
    struct call call;
};

struct world {
    const struct experiment *x;
    struct verdict *out;
    uint64_t random;
    int64_t now_ms, db_skew_ms;
    unsigned rates[FAULT_COUNT]; /* in 1/1000 */
    bool is_name_unique;         /* of solution versions: not proven, or unique */
    int fuse_per_solution, fuse_per_account;
    int64_t storm_from_ms, storm_until_ms;

    struct event heap[EVENTS_MAX];
    int n_events;
    int n_calls;  /* on their way */
    int n_coming; /* of what people, others and clocks do */
    uint32_t order, next_id;

    struct database db;
    struct database pasts[PASTS_MAX]; /* as standbys have it that are some commits behind */
    int n_pasts;
    int lost_marks;            /* that failovers took away */
    bool is_marked[NAMES_MAX]; /* whatever became of the commit */

    struct resource resources[RESOURCES_MAX];
    int n_resources;

    struct replica replicas[REPLICAS];
    struct replica dying[DYING_MAX];
    int n_dying;
    int next_name;
    int versions[CONFIGS];
};

/* ---- world.c ---- */
int64_t below(struct world *w, int64_t n);
bool is_healed(const struct world *w);
/* With the fault's rate, while faults happen at all. */
bool strikes(struct world *w, enum fault fault);
bool happens(struct world *w, unsigned per_mille);
void count(struct world *w, enum count what);
void violate(struct world *w, const char *what);
void push(struct world *w, struct event ev);
int64_t db_now(const struct world *w);

/* ---- world_process.c ---- */
void process_start(struct world *w, int r);
/* Idle ones look for work at once: a notification, or the tick of a second. */
void process_wake_all(struct world *w);
void process_on_event(struct world *w, const struct event *ev);
void process_on_dying_commit(struct world *w, const struct event *ev);

/* ---- world_database.c ---- */
bool is_live(const struct row *row);
void set_step_state(struct world *w, struct row *row, enum step_state state);
/* After each commit: what a standby may have. */
void remember(struct world *w);
/* The next due step, now of that owner; -1: none. */
int database_claim(struct world *w, uint32_t owner);
/* A row as its claim reads it. */
void database_read(const struct world *w, int at, struct row *out);
int64_t database_next_due_ms(const struct world *w);
/* The transactions of a replica's command. The mark's *until_ms is of the fuse, and of the halt. */
enum outcome_type database_mark(struct world *w, struct replica *p, int64_t *until_ms);
void database_save(struct world *w, struct replica *p);
/* As migrations/0080 has it: another history, or another time. */
void database_sweep(struct world *w);
void database_on_failover(struct world *w);
void database_on_clock(struct world *w);

/* ---- world_gates.c: what the mark asks in its transaction ---- */
enum outcome_type gates_ask(struct world *w, struct row *row, enum op op, int64_t *until_ms);
void gates_wake_line(struct world *w);
void gates_check(struct world *w, const struct row *row, enum op op);

/* ---- world_runs.c ---- */
void runs_set_up(struct world *w);
/* After a step has ended: dependents, the run, the next run of the config. */
void runs_roll_up(struct world *w, int row);
void runs_on_person(struct world *w);
void runs_on_resume(struct world *w);

/* ---- world_aws.c ---- */
int name_of(const struct row *row, int attempt);
bool is_gone(const struct world *w, const struct resource *x);
bool is_in_progress(const struct world *w, const struct resource *x);
int aws_add(struct world *w, const struct resource *like);
/* The newest of that name, hidden ones (list lag) included or not; -1: none. */
int aws_find(const struct world *w, int name, bool with_hidden);
bool aws_is_busy(struct world *w); /* throttled, or down */
void aws_on_land(struct world *w, struct event call);

/* ---- world_look.c ---- */
enum seen look_at(struct world *w, struct replica *p);

/* ---- world_operator.c ---- */
void operator_on_event(struct world *w);

/* ---- world_check.c ---- */
void check_end(struct world *w);

#endif
