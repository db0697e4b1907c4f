/*
 * simulate.c - many seeds in one process; or one seed, told in full.
 *
 * usage: simulate [--runs N] [--first SEED] [--mutant NAME] [--without FAULT,…] [--seed SEED [-v]]
 *        simulate --mutants
 * Prints figures; exits 1 on a violation (with its seed, the faults that it takes and the command
 * that repeats it), or when a mutant survives. A mutant's run ends when it was killed often enough.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shrink.h"
#include "world.h"

#define KILLS_ENOUGH 3

static const char *const count_names[COUNT_COUNT] = {
    [COUNT_EVENTS] = "events",
    [COUNT_RUNS] = "runs of configs",
    [COUNT_STEPS] = "steps",
    [COUNT_CRASHES] = "crashes",
    [COUNT_PAUSES] = "pauses",
    [COUNT_DYING_COMMITS] = "commits of dying processes",
    [COUNT_FENCED] = "writes fenced off",
    [COUNT_FAILOVERS] = "failovers",
    [COUNT_CLOCK_STEPS] = "steps of the database's clock",
    [COUNT_SENDS] = "sends",
    [COUNT_CREATED] = "created",
    [COUNT_UPDATED] = "updated",
    [COUNT_DELETED] = "deleted",
    [COUNT_STOPPED] = "stopped",
    [COUNT_OTHERS] = "acts of others",
    [COUNT_CONFLICTS] = "conflicts",
    [COUNT_IN_LINE] = "marks in line",
    [COUNT_FUSED] = "marks held by the fuse",
    [COUNT_HELD] = "marks held by the pause",
    [COUNT_CANCELS] = "cancels",
    [COUNT_RETRIES] = "retries",
};

struct totals {
    unsigned long runs, violations, counts[COUNT_COUNT];
    double years;
};

static void add(struct totals *t, const struct verdict *v)
{
    t->runs++;
    t->violations += v->violation != NULL;
    for (int i = 0; i < COUNT_COUNT; i++)
        t->counts[i] += v->counts[i];
    t->years += (double) v->simulated_ms / 1000 / 86400 / 365.25;
}

static void print(const struct totals *t, const struct experiment *x, unsigned long long first)
{
    if (x->mutant) {
        printf("mutant %s: %lu kills in %lu runs\n", world_mutant_name(x->mutant), t->violations,
               t->runs);
        return;
    }
    printf("DST: %lu runs, %lu violations, %.1f simulated years, seeds %llu..%llu", t->runs,
           t->violations, t->years, first, first + t->runs - 1);
    for (int i = 0; i < COUNT_COUNT; i++)
        printf(", %lu %s", t->counts[i], count_names[i]);
    printf("\n");
}

static enum mutant find_mutant(const char *name)
{
    for (int i = 0; i < MUTANT_COUNT; i++)
        if (strcmp(world_mutant_name((enum mutant) i), name) == 0)
            return (enum mutant) i;
    fprintf(stderr, "unknown mutant %s\n", name);
    exit(2);
}

static uint32_t find_faults(char *names)
{
    uint32_t bits = 0;

    for (char *rest = NULL, *name = strtok_r(names, ",", &rest); name;
         name = strtok_r(NULL, ",", &rest)) {
        uint32_t bit = shrink_bit(name);

        if (!bit) {
            fprintf(stderr, "unknown fault %s\n", name);
            exit(2);
        }
        bits |= bit;
    }
    return bits;
}

static int tell(const struct experiment *x)
{
    struct verdict v;

    world_simulate(x, &v);
    printf("seed %llu: %s, trace %016llx, %u events\n", (unsigned long long) x->seed,
           v.violation ? v.violation : "no violation", (unsigned long long) v.trace,
           v.counts[COUNT_EVENTS]);
    return v.violation != NULL;
}

/* What it takes, and how to see it again. */
static void explain(const struct experiment *x, const char *violation)
{
    struct experiment small = *x;
    struct verdict v;
    char with[400], without[400];

    shrink(&small);
    world_simulate(&small, &v);
    shrink_names(v.faults, with, sizeof with);
    shrink_names(small.without, without, sizeof without);
    printf("SEED=%llu %s\n  takes: %s\n  repeat with: simulate --seed %llu%s%s%s%s -v\n",
           (unsigned long long) x->seed, violation, with, (unsigned long long) x->seed,
           *without ? " --without " : "", without, x->mutant ? " --mutant " : "",
           x->mutant ? world_mutant_name(x->mutant) : "");
}

/* Equal seeds are equal histories. */
static bool is_repeated(const struct experiment *x, const struct verdict *v)
{
    struct verdict again;

    world_simulate(x, &again);
    return again.trace == v->trace;
}

static int search(struct experiment x, unsigned long long runs)
{
    const unsigned long long first = x.seed;
    struct totals t = { 0 };
    struct verdict v;

    for (; x.seed < first + runs && !(x.mutant && t.violations == KILLS_ENOUGH); x.seed++) {
        world_simulate(&x, &v);
        add(&t, &v);
        if (x.seed % 100 == 0 && !is_repeated(&x, &v)) {
            printf("SEED=%llu is not deterministic\n", (unsigned long long) x.seed);
            return 1;
        }
        if (v.violation && !x.mutant) {
            explain(&x, v.violation);
            return 1;
        }
    }
    print(&t, &x, first);
    return x.mutant ? t.violations == 0 : 0;
}

static int list_mutants(void)
{
    for (int i = MUTANT_NONE + 1; i < MUTANT_COUNT; i++)
        printf("%s\n", world_mutant_name((enum mutant) i));
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long long runs = 100000;
    struct experiment x = { .seed = 1 };
    bool is_one = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            x.is_told = true;
            continue;
        }
        if (strcmp(argv[i], "--mutants") == 0)
            return list_mutants();
        if (i + 1 == argc)
            return 2;
        if (strcmp(argv[i], "--runs") == 0) {
            runs = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0) {
            x.seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            x.seed = strtoull(argv[++i], NULL, 10);
            is_one = true;
        } else if (strcmp(argv[i], "--mutant") == 0) {
            x.mutant = find_mutant(argv[++i]);
        } else if (strcmp(argv[i], "--without") == 0) {
            x.without = find_faults(argv[++i]);
        } else {
            return 2;
        }
    }
    return is_one ? tell(&x) : search(x, runs);
}
