/*
 * names.h - texts become small numbers, in the order in which they are first seen. Pure.
 */
#ifndef SIMULATOR_LEARN_NAMES_H
#define SIMULATOR_LEARN_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NO_NAME UINT32_MAX

struct names {
    char **texts;
    uint32_t *slots; /* open addressing; NO_NAME is free */
    size_t count, capacity, n_slots;
};

uint32_t names_add(struct names *n, const char *text);        /* its number, new or known */
uint32_t names_find(const struct names *n, const char *text); /* NO_NAME when unknown */
void names_done(struct names *n);

#endif
