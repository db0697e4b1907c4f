/*
 * machine.h - the states of runs and steps, and which may follow which.
 *
 * The tables here print the diagram in docs/architecture.md, and a database test compares them with
 * the SQL enums.
 */
#ifndef STEWARD_MACHINE_H
#define STEWARD_MACHINE_H

#include <stdbool.h>

enum run_state {
    RUN_QUEUED,
    RUN_RUNNING,
    RUN_SUCCEEDED,
    RUN_FAILED,
    RUN_CANCELLING,
    RUN_CANCELLED,
    RUN_STATE_COUNT
};
enum step_state {
    STEP_BLOCKED,
    STEP_READY,
    STEP_WAITING,
    STEP_SUCCEEDED,
    STEP_FAILED,
    STEP_SKIPPED,
    STEP_CANCELLED,
    STEP_STATE_COUNT
};
enum intent_state {
    INTENT_NONE,
    INTENT_PLANNED,
    INTENT_MAYBE_SENT,
    INTENT_SAVED,
    INTENT_STATE_COUNT
};

const char *run_state_name(enum run_state s);
const char *step_state_name(enum step_state s);
const char *intent_state_name(enum intent_state s);
bool run_state_find(const char *name, enum run_state *out);
bool step_state_find(const char *name, enum step_state *out);
bool intent_state_find(const char *name, enum intent_state *out);
bool run_state_is_final(enum run_state s);
bool step_state_is_final(enum step_state s);
bool run_may_become(enum run_state from, enum run_state to);
bool step_may_become(enum step_state from, enum step_state to);

#endif
