/*
 * observe.h - an observe run of a file, and the wait for it: what plans are made of. Private to the
 * floor.
 */
#ifndef STEWARD_OBSERVE_H
#define STEWARD_OBSERVE_H

#include "api_private.h"
#include "steward/plan.h"

struct observation {
    struct parameter_file file;
    struct plan plan;    /* the steps of the run */
    const char *config;  /* a stored config; NULL: a document on trial, of which nothing is kept */
    const char *version; /* of the config; NULL: none */
    const char *run_id;
    json_t *run;   /* when it is over; owned */
    json_t *facts; /* of the inventory, for struct plan_world; owned */
    phase_fn over; /* goes on with run */
    phase_fn late; /* half a minute was not enough; NULL: answers 202 with the run */
    size_t (*extra)(struct call *c, struct db_op *ops); /* statements that go along; NULL: none */
    struct feed_waiter waiter;
};

void observation_done(struct observation *o);
/* Makes the steps of the file and of what left it, then next; answers 422 when that cannot be. */
void observation_plan(struct call *c, struct observation *o, phase_fn next);
/* The run and its steps as statements; sets run_id. Returns how many. */
size_t observation_ops(struct call *c, struct observation *o, struct db_op *ops);
/* Writes the run and waits for it. */
void observation_begin(struct call *c, struct observation *o);
/* Waits for the run of run_id until deadline_ms of the monotonic clock. */
void observation_await(struct call *c, struct observation *o, int64_t deadline_ms);

/* Fills facts, then next. One statement is read; the file must be there. */
void observation_facts(struct call *c, struct observation *o, phase_fn next);

/* ---- what it becomes ---- */
/* The judged plan; caller owns. */
json_t *observation_to_plan(const struct call *c, const struct observation *o);
/* As JSON, text or Markdown, as Accept says. title: "config shop". */
void observation_answer(struct call *c, int status, const json_t *plan, const char *title);
/* A finding for each resource of which two observe runs of one file saw different things. */
void observation_moved(const json_t *before, const json_t *after, struct findings *out);

#endif
