/*
 * machine.c - transition tables of runs and steps.
 *
 * A state may follow another only if its bit is set in that row.
 */
#include "steward/machine.h"

#include <stddef.h>

#include "steward/mem.h"
#include "steward/str.h"

#define BIT(s) (1U << (s))

static const struct {
    const char *name;
    unsigned next;
} run_rows[RUN_STATE_COUNT] = {
    [RUN_QUEUED] = { "queued", BIT(RUN_RUNNING) | BIT(RUN_SUCCEEDED) | BIT(RUN_FAILED) | BIT(RUN_CANCELLED) },
    [RUN_RUNNING] = { "running", BIT(RUN_SUCCEEDED) | BIT(RUN_FAILED) | BIT(RUN_CANCELLING) },
    [RUN_SUCCEEDED] = { "succeeded", 0 },
    [RUN_FAILED] = { "failed", 0 },
    [RUN_CANCELLING] = { "cancelling", BIT(RUN_CANCELLED) },
    [RUN_CANCELLED] = { "cancelled", 0 },
}, step_rows[STEP_STATE_COUNT] = {
    [STEP_BLOCKED] = { "blocked", BIT(STEP_READY) | BIT(STEP_SKIPPED) | BIT(STEP_CANCELLED) },
    [STEP_READY] = { "ready", BIT(STEP_WAITING) | BIT(STEP_SUCCEEDED) | BIT(STEP_FAILED) | BIT(STEP_CANCELLED) },
    [STEP_WAITING] = { "waiting", BIT(STEP_WAITING) | BIT(STEP_READY) | BIT(STEP_SUCCEEDED) |
                                      BIT(STEP_FAILED) | BIT(STEP_CANCELLED) },
    [STEP_SUCCEEDED] = { "succeeded", 0 },
    [STEP_FAILED] = { "failed", 0 },
    [STEP_SKIPPED] = { "skipped", 0 },
    [STEP_CANCELLED] = { "cancelled", 0 },
};

static const char *const intent_names[INTENT_STATE_COUNT] = { [INTENT_NONE] = "none",
                                                              [INTENT_PLANNED] = "planned",
                                                              [INTENT_MAYBE_SENT] = "maybe_sent",
                                                              [INTENT_SAVED] = "saved" };

const char *run_state_name(enum run_state s)
{
    return run_rows[s].name;
}

const char *step_state_name(enum step_state s)
{
    return step_rows[s].name;
}

const char *intent_state_name(enum intent_state s)
{
    return intent_names[s];
}

bool run_state_find(const char *name, enum run_state *out)
{
    for (unsigned i = 0; i < RUN_STATE_COUNT; i++)
        if (str_eq(run_rows[i].name, name))
            return *out = (enum run_state) i, true;
    return false;
}

bool step_state_find(const char *name, enum step_state *out)
{
    for (unsigned i = 0; i < STEP_STATE_COUNT; i++)
        if (str_eq(step_rows[i].name, name))
            return *out = (enum step_state) i, true;
    return false;
}

bool intent_state_find(const char *name, enum intent_state *out)
{
    for (unsigned i = 0; i < INTENT_STATE_COUNT; i++)
        if (str_eq(intent_names[i], name))
            return *out = (enum intent_state) i, true;
    return false;
}

bool run_state_is_final(enum run_state s)
{
    return run_rows[s].next == 0;
}

bool step_state_is_final(enum step_state s)
{
    return step_rows[s].next == 0;
}

bool run_may_become(enum run_state from, enum run_state to)
{
    return (run_rows[from].next & BIT(to)) != 0;
}

bool step_may_become(enum step_state from, enum step_state to)
{
    return (step_rows[from].next & BIT(to)) != 0;
}
