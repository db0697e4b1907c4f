/*
 * notice.c - how late the end of a job is noticed, by our rule and by the one of AWS's solution.
 *
 * Nothing waits here: time is a number. Ours is the engine's own step_poll_ms() with the jitter the
 * engine adds (an eighth), given what the job before in the same place took; theirs is a look after
 * 60 s, then after 1.02 times as long each time, given up after 100. A job takes what the one
 * before took, give or take SPREAD percent (evenly), and ends at any moment between two looks.
 *
 * usage: notice MINUTES SPREAD JOBS      prints one JSON line with milliseconds and looks a job
 */
#include <stdio.h>
#include <stdlib.h>

#include "steward/kinds.h"
#include "steward/step.h"

#define THEIR_FIRST_MS 60000.0
#define THEIR_FACTOR   1.02
#define THEIR_LOOKS    100

struct lags {
    double *ms, sum;
    int n, given_up;
    long long looks;
};

static unsigned long long state = 88172645463325252ULL; /* the same jobs every time */

/* xorshift64: 0 <= x < 1 */
static double chance(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double) (state >> 11) / 9007199254740992.0;
}

static void note(struct lags *l, double lag)
{
    l->ms[l->n++] = lag;
    l->sum += lag;
}

static void ours(struct lags *l, double took, int64_t expected)
{
    const struct kind *k = &kinds[KIND_SOLUTION_VERSION];
    double at = 0;

    do {
        int64_t wait = step_poll_ms((int64_t) at, expected, k->poll_ms);

        at += (double) wait + chance() * (double) (wait / 8);
        l->looks++;
    } while (at < took);
    note(l, at - took);
}

static void theirs(struct lags *l, double took)
{
    double at = 0, wait = THEIR_FIRST_MS;

    for (int i = 0; i < THEIR_LOOKS; i++) {
        at += wait;
        wait *= THEIR_FACTOR;
        l->looks++;
        if (at >= took) {
            note(l, at - took);
            return;
        }
    }
    l->given_up++;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return x < y ? -1 : x > y;
}

static void print(const char *name, struct lags *l, int jobs)
{
    qsort(l->ms, (size_t) l->n, sizeof *l->ms, by_size);
    (void) printf("\"%s\": {\"mean\": %.1f, \"p99\": %.1f, \"looks\": %.2f, \"given_up\": %d}",
                  name, l->n ? l->sum / l->n : 0.0, l->n ? l->ms[l->n * 99L / 100] : 0.0,
                  (double) l->looks / jobs, l->given_up);
    free(l->ms);
}

int main(int argc, char **argv)
{
    double expected = argc == 4 ? strtod(argv[1], NULL) * 60000.0 : 0;
    double spread = argc == 4 ? strtod(argv[2], NULL) / 100.0 : 0;
    int jobs = argc == 4 ? (int) strtol(argv[3], NULL, 10) : 0;
    struct lags us = { 0 }, first = { 0 }, they = { 0 };

    if (expected <= 0 || jobs <= 0) {
        (void) fprintf(stderr, "usage: notice MINUTES SPREAD JOBS\n");
        return 2;
    }
    us.ms = calloc((size_t) jobs, sizeof *us.ms);
    first.ms = calloc((size_t) jobs, sizeof *first.ms);
    they.ms = calloc((size_t) jobs, sizeof *they.ms);
    if (!us.ms || !first.ms || !they.ms)
        return 1;
    for (int i = 0; i < jobs; i++) {
        double took = expected * (1 + spread * (2 * chance() - 1));

        ours(&us, took, (int64_t) expected);
        ours(&first, took, 0);
        theirs(&they, took);
    }
    (void) printf("{");
    print("us", &us, jobs);
    (void) printf(", ");
    print("first", &first, jobs);
    (void) printf(", ");
    print("theirs", &they, jobs);
    (void) printf("}\n");
    return 0;
}
