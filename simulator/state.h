/*
 * state.h - what survives a kill -9: a journal of resources, settings and the clock in the data
 * directory.
 *
 * One line per change, appended in one write(2) before the answer goes out; the next start reads
 * the lines (later ones win) and writes the journal anew. No fsync: the promise is about the
 * process, not the machine.
 */
#ifndef SIMULATOR_STATE_H
#define SIMULATOR_STATE_H

#include "sim.h"

/* Reads <data_dir>/state.jsonl into the empty world and opens it for appending. */
MUST_USE enum err_code state_open(struct sim *s, struct err *e);
void state_close(struct sim *s);
/* Clock, quotas, faults, roles: saved as a whole when one of them was changed. */
void state_save_settings(struct sim *s);
/* Everything as one document, and back (into the world as it is: call sim_reset first). */
json_t *state_snapshot(const struct sim *s);
MUST_USE enum err_code state_load(struct sim *s, const json_t *snapshot, struct err *e);

#endif
