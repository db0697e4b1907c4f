/*
 * config_run.h - a run that a route of its own starts on a stored config: read, plan, write.
 * Private to the floor.
 */
#ifndef STEWARD_CONFIG_RUN_H
#define STEWARD_CONFIG_RUN_H

#include "api_private.h"
#include "steward/plan.h"
#include "steward/run_store.h"

struct config_run {
    const char *config, *version;
    enum run_kind kind;
    json_t *options; /* owned */
    struct parameter_file file;
    struct plan plan;
    struct run_new run;
    phase_fn loaded; /* after the config was read; goes on with config_run_write */
    bool (*adjust)(struct call *c, struct config_run *s); /* what else the plan holds; NULL:
                                                             nothing. False: it has answered */
    struct db_op extra[4];                                /* statements that go along */
    size_t n_extra;
};

/* In the call's state; freed with it. */
struct config_run *config_run_new(struct call *c, enum run_kind kind);
/* Reads the config of the path; then loaded. */
void config_run_begin(struct call *c);
/* Adds the lines of a destruction's plan to an answer (config_destroy.c). */
void config_destroy_lines(const struct plan *plan, json_t *answer);
/* Plans and writes the run, or answers what it would do. */
void config_run_write(struct call *c);

#endif
