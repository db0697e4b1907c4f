/*
 * delivery_plan.h - when a delivery is tried again. Pure: chance is passed in.
 */
#ifndef STEWARD_DELIVERY_PLAN_H
#define STEWARD_DELIVERY_PLAN_H

#include <stdint.h>

#define DELIVERY_JITTER_STEPS       2001
#define DELIVERY_DISABLE_AFTER_MS   (INT64_C(5) * 86400000)  /* of failures only */
#define DELIVERY_KEEP_MS            (INT64_C(30) * 86400000) /* the log and dead letters */
#define DELIVERY_RETRY_AFTER_MAX_MS (INT64_C(86400000))

/*
 * Milliseconds to wait after the tries-th attempt failed (from 1), or -1 when there is no further
 * one. jitter: 0 .. DELIVERY_JITTER_STEPS - 1, the middle is none. scale: how much faster than in
 * earnest (tests); at least 1.
 */
int64_t delivery_plan_wait_ms(int tries, uint64_t jitter, int64_t scale);

#endif
