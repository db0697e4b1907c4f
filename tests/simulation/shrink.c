/*
 * shrink.c - a failing experiment with as few faults as possible.
 *
 * To leave a fault out changes what follows, so each attempt is a whole simulation; a seed takes
 * well under a millisecond.
 */
#include "shrink.h"

#include <stdio.h>
#include <string.h>

static bool fails_without(const struct experiment *x, uint32_t without)
{
    struct experiment less = *x;
    struct verdict v;

    less.without = without;
    less.is_told = false;
    world_simulate(&less, &v);
    return v.violation != NULL;
}

void shrink(struct experiment *x)
{
    bool is_smaller = true;

    while (is_smaller) {
        is_smaller = false;
        for (int i = 0; i < FAULT_COUNT; i++) {
            uint32_t without = x->without | (1U << i);

            if (without == x->without || !fails_without(x, without))
                continue;
            x->without = without;
            is_smaller = true;
        }
    }
}

void shrink_names(uint32_t bits, char *out, int size)
{
    int n = 0;

    out[0] = '\0';
    for (int i = 0; i < FAULT_COUNT && n < size; i++)
        if (bits & (1U << i))
            n += snprintf(out + n, (size_t) (size - n), "%s%s", n ? "," : "",
                          world_fault_name((enum fault) i));
}

uint32_t shrink_bit(const char *name)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        if (strcmp(world_fault_name((enum fault) i), name) == 0)
            return 1U << i;
    return 0;
}
