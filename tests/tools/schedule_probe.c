/*
 * schedule_probe.c - next and previous fires of many schedules, for tests in other languages.
 *
 * Reads lines "zone TAB expression TAB instant TAB count" (seconds since the epoch), writes one
 * line each: the fires strictly after the instant, separated by blanks; TAB; the last fire at or
 * before it, or "-"; TAB; how many fires schedule_count() sees from the instant to the last fire
 * written. An expression or zone that is refused gives "error TAB position TAB message".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steward/schedule.h"

#define COUNT_MAX 100000

struct query {
    char *zone, *expression;
    int64_t instant;
    long count;
};

static bool query_read(char *line, struct query *q)
{
    char *instant, *count, *end;

    line[strcspn(line, "\n")] = '\0';
    q->zone = line;
    q->expression = strchr(line, '\t');
    instant = q->expression ? strchr(q->expression + 1, '\t') : NULL;
    count = instant ? strchr(instant + 1, '\t') : NULL;
    if (!count)
        return false;
    *q->expression++ = *instant++ = *count++ = '\0';
    q->instant = strtoll(instant, &end, 10);
    if (end == instant || *end)
        return false;
    q->count = strtol(count, &end, 10);
    return end != count && !*end && q->count >= 0 && q->count <= COUNT_MAX;
}

static void answer(const struct query *q)
{
    struct schedule_expression x;
    const struct tz *zone;
    struct err e;
    size_t position = 0;
    int64_t at = q->instant, previous;

    if (schedule_parse_loose(q->expression, &x, &position, &e) || tz_load(q->zone, &zone, &e)) {
        (void) printf("error\t%zu\t%s\n", position, e.message);
        return;
    }
    for (long i = 0; i < q->count && schedule_next(&x, zone, q->instant, at, &at); i++)
        (void) printf("%s%" PRId64, i ? " " : "", at);
    if (schedule_prev(&x, zone, q->instant, q->instant, &previous))
        (void) printf("\t%" PRId64, previous);
    else
        (void) printf("\t-");
    (void) printf("\t%" PRId64 "\n",
                  schedule_count(&x, zone, q->instant, (const int64_t[2]){ q->instant, at }));
}

int main(void)
{
    static char line[4096];
    struct query q;
    long n = 0;

    while (fgets(line, sizeof line, stdin)) {
        n++;
        if (!query_read(line, &q)) {
            (void) fprintf(stderr,
                           "schedule_probe: line %ld: write zone, expression, instant and count, "
                           "with tabs between.\n",
                           n);
            return 2;
        }
        answer(&q);
    }
    return 0;
}
