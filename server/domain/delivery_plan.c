/*
 * delivery_plan.c - the waits between the attempts of a delivery: a table, and a tenth of chance.
 *
 * The times are waits after the attempt before, as Standard Webhooks recommends them: 75 hours and
 * 35 minutes in all.
 */
#include "steward/delivery_plan.h"

#include "steward/mem.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)

static const int64_t waits[] = { 5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR,
                                 10 * HOUR,  14 * HOUR,  20 * HOUR,   24 * HOUR };

int64_t delivery_plan_wait_ms(int tries, uint64_t jitter, int64_t scale)
{
    int64_t wait, off;

    if (tries < 1 || (size_t) tries > ARRAY_LEN(waits))
        return -1;
    wait = waits[tries - 1];
    off = (int64_t) (jitter % DELIVERY_JITTER_STEPS) - DELIVERY_JITTER_STEPS / 2; /* -1000..1000 */
    wait += wait / 10 * off / (DELIVERY_JITTER_STEPS / 2);
    return wait / (scale < 1 ? 1 : scale);
}
