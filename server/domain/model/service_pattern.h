/*
 * service_pattern.h - a regular expression as a position automaton, private to the model's room.
 *
 * generate.py compiles every pattern of the model to positions (one per literal or class, at most
 * 64) with a follow set each, so that matching is one pass over the text with a bit set: linear, no
 * backtracking, nothing to compile at run time.
 */
#ifndef STEWARD_SERVICE_PATTERN_H
#define STEWARD_SERVICE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service_range {
    uint32_t from, to; /* code points, inclusive */
};

struct service_class {
    uint64_t ascii[2];                  /* bit per code point below 128 */
    const struct service_range *ranges; /* above, ascending */
    size_t n_ranges;
};

struct service_pattern {
    uint64_t first, last; /* positions that may begin and end a match */
    bool is_nullable;     /* the empty text matches */
    size_t n_positions;
    const uint16_t *classes; /* per position: index into service_classes */
    const uint64_t *follow;  /* per position: what may come next */
};

extern const struct service_class service_classes[];

#endif
