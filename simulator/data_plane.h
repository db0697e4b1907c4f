/*
 * data_plane.h - the operations of the events API (events.c) and the runtime API (runtime.c).
 */
#ifndef SIMULATOR_DATA_PLANE_H
#define SIMULATOR_DATA_PLANE_H

#include "sim.h"

enum wire_error put_events(struct call *c);
enum wire_error put_items(struct call *c);
enum wire_error put_users(struct call *c);
enum wire_error put_actions(struct call *c);
enum wire_error put_action_interactions(struct call *c);
enum wire_error get_recommendations(struct call *c);
enum wire_error get_ranking(struct call *c);
enum wire_error get_action_recommendations(struct call *c);
/* Drops what the runtime keeps in memory. */
void runtime_done(void);

#endif
