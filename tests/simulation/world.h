/*
 * world.h - a fake world for the pure core: a database with fenced transactions, an AWS that loses
 * replies and accepts calls late, replicas that crash, pause between any two commands and restart,
 * people who cancel, retry and stop spending, and others who work in the same account.
 *
 * One seed is one history: a few runs of two configs. Equal experiments are equal histories.
 */
#ifndef SIMULATION_WORLD_H
#define SIMULATION_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* Deliberate mistakes in the shell around the core, or in the database's rules; each must be
 * caught. */
enum mutant {
    MUTANT_NONE,
    MUTANT_NO_FENCE,          /* checkpoints and marks are written whatever the lease says */
    MUTANT_LATE_SIGNING,      /* calls are dated with the time of sending, and sent however late */
    MUTANT_SHORT_QUIESCENCE,  /* Q is 30 s */
    MUTANT_UNMATCHED_REPLY,   /* a reply of an abandoned call counts for the current one */
    MUTANT_BLIND_RETRY,       /* an unknown outcome is taken for a NO */
    MUTANT_NO_MARK,           /* nothing is committed before the call */
    MUTANT_IGNORED_CANCEL,    /* the mark does not look at the cancel */
    MUTANT_UNSEEN_RESTORE,    /* a failover that lost commits goes unnoticed */
    MUTANT_SHORT_HALT,        /* after a failover sends go on at once */
    MUTANT_SET_CLOCK,         /* calls are dated by a wall clock that somebody sets */
    MUTANT_UNSEEN_CLOCK,      /* a step of the database's clock goes unnoticed */
    MUTANT_UNCOUNTED_FUSE,    /* the mark of a training is not counted */
    MUTANT_EAGER_REFUND,      /* the fuse is refunded when the outcome is unknown */
    MUTANT_IGNORED_QUOTA,     /* the mark does not look at the line */
    MUTANT_IGNORED_PAUSE,     /* the mark does not look at "stop spending" */
    MUTANT_UNVERIFIED_UPDATE, /* that an update's outcome was uncertain is forgotten */
    MUTANT_HASTY_DELETE,      /* that a deletion may still land is forgotten once it is gone */
    MUTANT_BLIND_ADOPTION,    /* what bears the name is taken without comparison */
    MUTANT_BLIND_DELETE,      /* what bears the name is deleted, whoever made it */
    MUTANT_ADOPTED_FIRST,     /* after an uncertain create the adopted one is looked at, not ours */
    MUTANT_COUNT
};
const char *world_mutant_name(enum mutant mutant);

/* What may go wrong, or happen beside. Which of them do, and how often, is drawn per seed. */
enum fault {
    FAULT_CRASH,
    FAULT_PAUSE,          /* of a process, between any two of its instructions */
    FAULT_DYING_COMMIT,   /* a transaction in the socket of a process that dies still commits */
    FAULT_LOST_COMMIT,    /* the answer to a COMMIT is lost */
    FAULT_FAILOVER,       /* the last commits are lost */
    FAULT_DATABASE_CLOCK, /* set by up to an hour */
    FAULT_WALL_CLOCK,     /* of a replica, likewise */
    FAULT_LOST_REPLY,
    FAULT_SERVER_ERROR, /* 5xx, before or after the effect */
    FAULT_LATE_LANDING, /* a call held up for seconds or hours */
    FAULT_THROTTLE,
    FAULT_STORM, /* nearly everything is throttled for some minutes */
    FAULT_LIST_LAG,
    FAULT_JOB_FAILURE, /* CREATE FAILED */
    FAULT_QUOTA,       /* few jobs at a time, and others have some */
    FAULT_TIGHT_FUSE,
    FAULT_OPERATOR, /* somebody else creates, changes and deletes under the same names */
    FAULT_CANCEL,
    FAULT_STOP,     /* of running trainings */
    FAULT_SPENDING, /* "stop spending", for a while */
    FAULT_MORE_RUNS,
    FAULT_COUNT
};
const char *world_fault_name(enum fault fault);

enum count {
    COUNT_EVENTS,
    COUNT_RUNS,
    COUNT_STEPS,
    COUNT_CRASHES,
    COUNT_PAUSES,
    COUNT_DYING_COMMITS,
    COUNT_FENCED, /* writes */
    COUNT_FAILOVERS,
    COUNT_CLOCK_STEPS,
    COUNT_SENDS,
    COUNT_CREATED,
    COUNT_UPDATED,
    COUNT_DELETED,
    COUNT_STOPPED,
    COUNT_OTHERS,    /* what others made, changed and deleted */
    COUNT_CONFLICTS, /* steps that failed or stayed away from what is not ours */
    COUNT_IN_LINE,   /* marks that met … */
    COUNT_FUSED,
    COUNT_HELD,
    COUNT_CANCELS,
    COUNT_RETRIES,
    COUNT_COUNT
};

struct experiment {
    uint64_t seed;
    enum mutant mutant;
    uint32_t without; /* bits of faults that are left out */
    bool is_told;     /* prints every event */
};

struct verdict {
    const char *violation; /* NULL: none */
    uint64_t trace;        /* hash of the history */
    uint32_t faults;       /* bits of those that were drawn */
    uint32_t counts[COUNT_COUNT];
    int64_t simulated_ms;
};

void world_simulate(const struct experiment *x, struct verdict *out);

#endif
