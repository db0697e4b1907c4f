/*
 * limits.h - how often somebody may do something.
 */
#ifndef STEWARD_LIMITS_H
#define STEWARD_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
    int64_t count, per_us; /* so many in this time; count 0: no limit, never asked */
    int64_t burst;
};
struct limit_state {
    int64_t remaining, reset_s, retry_after_s;
};

struct limits;
struct limits *limits_new(void);
void limits_free(struct limits *l);
/* Takes one unit of key; false when there is none. */
bool limits_take(struct limits *l, const char *key, const struct limit *limit,
                 struct limit_state *out);

#endif
