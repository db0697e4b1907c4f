/*
 * shrink.h - a failing experiment with as few faults as possible.
 */
#ifndef SIMULATION_SHRINK_H
#define SIMULATION_SHRINK_H

#include "world.h"

/* Leaves out every fault without which the experiment still fails, one after the other until none
 * can go. */
void shrink(struct experiment *x);
/* "crash,pause" of the bits, into out. */
void shrink_names(uint32_t bits, char *out, int size);
/* The bit of a fault's name, or 0. */
uint32_t shrink_bit(const char *name);

#endif
