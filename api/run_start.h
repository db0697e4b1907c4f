/*
 * run_start.h - a run on its way into the database. Private to the floor.
 */
#ifndef STEWARD_RUN_START_H
#define STEWARD_RUN_START_H

#include "api_private.h"
#include "steward/plan.h"
#include "steward/run_store.h"

struct run_start {
    struct parameter_file file;
    struct plan plan;
    enum run_kind kind;
    json_t *options; /* owned */
    const char *config, *version;
    const char *schedule_id; /* NULL: none */
    struct run_new run;
};

/* In the call's state; freed with it. */
struct run_start *run_start_new(struct call *c);
/* Inputs of runs that are stored (triggers): all problems, at pointer; jobs given as numbers become
 * names. */
void run_options_check(json_t *options, enum run_kind kind, const char *pointer,
                       struct findings *f);
/* Runs that only who may change configs may start. */
bool run_kind_deletes(enum run_kind kind, const json_t *options);
/* Reads the config, plans, writes the run (or answers a dry run). */
void run_start_read(struct call *c);

#endif
