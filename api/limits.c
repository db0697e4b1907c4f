/*
 * limits.c - how often somebody may do something: a rate and a burst per key, in a fixed table.
 *
 * The generic cell rate algorithm: per key one time, the one at which the next unit would be due if
 * all came evenly. A full set of the table forgets the key that was quiet the longest, so memory is
 * bounded whatever addresses and tokens come along.
 */
#include "limits.h"

#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/str.h"

#define SETS 1024
#define WAYS 4

struct slot {
    char key[72];
    int64_t due_us; /* theoretical arrival time */
};

struct limits {
    struct slot slots[SETS][WAYS];
};

struct limits *limits_new(void)
{
    return xcalloc(1, sizeof(struct limits));
}

void limits_free(struct limits *l)
{
    free(l);
}

static struct slot *find(struct limits *l, const char *key)
{
    uint32_t h = 2166136261U;
    struct slot *set, *oldest;

    for (const char *p = key; *p; p++)
        h = (h ^ (uint8_t) *p) * 16777619U;
    set = oldest = l->slots[h % SETS];
    for (size_t i = 0; i < WAYS; i++) {
        if (str_eq(set[i].key, key))
            return &set[i];
        if (set[i].due_us < oldest->due_us)
            oldest = &set[i];
    }
    *oldest = (struct slot){ .due_us = 0 };
    (void) str_copy(oldest->key, sizeof oldest->key, key);
    return oldest;
}

bool limits_take(struct limits *l, const char *key, const struct limit *limit,
                 struct limit_state *out)
{
    int64_t step_us = limit->per_us / limit->count, now = clock_mono_us();
    int64_t most_us = step_us * limit->burst;
    struct slot *slot = find(l, key);
    int64_t due = slot->due_us > now ? slot->due_us : now;
    bool is_free = due + step_us - now <= most_us;

    if (is_free)
        slot->due_us = due += step_us;
    *out = (struct limit_state){
        .remaining = (most_us - (due - now)) / step_us,
        .reset_s = (due - now + 999999) / 1000000,
        .retry_after_s = is_free ? 0 : (due + step_us - most_us - now + 999999) / 1000000,
    };
    return is_free;
}
