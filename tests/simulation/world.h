/*
 * world.h - a fake world for the pure core: a database with fenced transactions, an AWS that loses
 * replies and accepts calls late, replicas that crash, pause between any two commands and restart.
 * One seed is one run; equal seeds are equal histories.
 */
#ifndef SIMULATION_WORLD_H
#define SIMULATION_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* Deliberate mistakes in the shell around the core; each must be caught. */
enum mutant {
    MUTANT_NONE,
    MUTANT_NO_FENCE,         /* checkpoints and marks are written whatever the lease says */
    MUTANT_LATE_SIGNING,     /* calls are dated with the time of sending, and sent however late */
    MUTANT_SHORT_QUIESCENCE, /* Q is 30 s */
    MUTANT_UNMATCHED_REPLY,  /* a reply of an abandoned call counts for the current one */
    MUTANT_BLIND_RETRY,      /* an unknown outcome is taken for a NO */
    MUTANT_NO_MARK,          /* nothing is committed before the call */
    MUTANT_IGNORED_CANCEL,   /* the mark does not look at the cancel */
    MUTANT_UNSEEN_RESTORE,   /* a failover that lost commits goes unnoticed */
    MUTANT_SHORT_HALT,       /* after a failover sends go on at once */
    MUTANT_SET_CLOCK,        /* calls are dated by a wall clock that somebody sets */
    MUTANT_COUNT
};
extern const char *const mutant_names[MUTANT_COUNT];

struct verdict {
    const char *violation; /* NULL: none */
    uint64_t trace;        /* hash of the history */
    uint32_t events, crashes, pauses, sends, resources, fenced, failovers;
    int64_t simulated_ms;
};

/* Simulates one run of several steps. verbose prints every event. */
void world_simulate(uint64_t seed, enum mutant mutant, bool verbose, struct verdict *out);

#endif
