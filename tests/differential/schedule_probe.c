/*
 * schedule_probe.c - answers the schedule oracle: lines of
 * "zone<TAB>expression<TAB>instant<TAB>count" on stdin.
 *
 * One line of answer each: the fires after the instant (seconds since the epoch), separated by
 * blanks, or "error: …". Each answer is also held against the other functions: previous of a fire
 * is the fire, previous of one second earlier the fire before, and the count over the stretch the
 * number of fires. A difference is answered as "inconsistent: …".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steward/mem.h"
#include "steward/schedule.h"
#include "steward/str.h"

#define COUNT_MAX 1000

struct question {
    const char *zone, *expression;
    int64_t after, count;
};

static bool read_question(char *line, struct question *out)
{
    char *fields[4], *rest = line;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        fields[i] = strsep(&rest, "\t\n");
        if (!fields[i])
            return false;
    }
    out->zone = fields[0];
    out->expression = fields[1];
    return str_to_i64(fields[2], INT64_MIN, INT64_MAX, &out->after) &&
           str_to_i64(fields[3], 1, COUNT_MAX, &out->count);
}

/* The fires go to stdout; what does not hold together goes to *trouble. */
static void answer(const struct schedule_expression *x, const struct tz *zone,
                   const struct question *q, const char **trouble)
{
    int64_t at = q->after, before = 0, back, n = 0;
    bool has_before = schedule_prev(x, zone, q->after, q->after, &before);

    while (n < q->count && schedule_next(x, zone, q->after, at, &at)) {
        n++;
        (void) printf("%" PRId64 " ", at);
        if (!schedule_prev(x, zone, q->after, at, &back) || back != at)
            *trouble = "the previous of a fire is another one";
        if (schedule_prev(x, zone, q->after, at - 1, &back) != has_before ||
            (has_before && back != before))
            *trouble = "the one before a fire is not the one that came before";
        before = at;
        has_before = true;
        if (schedule_count(x, zone, q->after, (int64_t[]){ q->after, at }) != n)
            *trouble = "the count differs";
    }
    if (n < q->count && schedule_count(x, zone, q->after, (int64_t[]){ q->after, INT64_MAX }) != n)
        *trouble = "the count of all differs";
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;

    mem_init();
    while (getline(&line, &size, stdin) > 0) {
        struct schedule_expression x;
        struct question q;
        const struct tz *zone;
        const char *trouble = NULL;
        struct err e = { 0 };

        if (!read_question(line, &q))
            (void) printf("error: not a question");
        else if (schedule_parse_loose(q.expression, &x, NULL, &e) || tz_load(q.zone, &zone, &e))
            (void) printf("error: %s", e.message);
        else
            answer(&x, zone, &q, &trouble);
        if (trouble)
            (void) printf("inconsistent: %s", trouble);
        (void) putchar('\n');
    }
    free(line);
    return 0;
}
