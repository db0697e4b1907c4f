/*
 * db_clock.h - whether somebody set the database's clock.
 *
 * The quiescence is measured by it, across replicas: set forward by an hour, it would make a call
 * that may still land look long dead. Each worker compares what the database says with its own
 * clock, which nobody can set. Pure.
 */
#ifndef STEWARD_DB_CLOCK_H
#define STEWARD_DB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What Q has room for (engine: clock skew). */
#define DB_CLOCK_SLACK_MS 60000

/* Bounds of the database's clock minus ours. */
struct db_clock {
    bool is_known;
    int64_t least_ms, most_ms;
};

/* The database said db_ms at some moment between before_ms and after_ms of our clock. True when it
 * was set since the last reading, by more than the slack. */
bool db_clock_note(struct db_clock *c, int64_t before_ms, int64_t after_ms, int64_t db_ms);

#endif
