/*
 * interactions.h - who did what when, as numbers; grouped by user in order of time. Pure.
 */
#ifndef SIMULATOR_LEARN_INTERACTIONS_H
#define SIMULATOR_LEARN_INTERACTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

struct interaction {
    int64_t time_s;
    uint32_t user, item, type; /* type: an event type, NO_NAME when there is none */
    uint32_t order;            /* of arrival: breaks ties, and the later of two equal ones stays */
};

struct interactions {
    struct names users, items, types;
    struct interaction *rows;
    size_t count, capacity;
    size_t *
        starts; /* after interactions_finish(): rows of user u are starts[u] .. starts[u + 1] - 1 */
};

struct interaction_texts {
    const char *user, *item, *type;
    int64_t time_s;
};
void interactions_add(struct interactions *x, const struct interaction_texts *row);
/* Sorts by user and time, drops repeated rows (same user, item, type and time), fills starts. */
void interactions_finish(struct interactions *x);
void interactions_done(struct interactions *x);

#endif
