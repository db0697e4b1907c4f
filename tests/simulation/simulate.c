/*
 * simulate.c - many seeds, on all cores' worth of processes; or one seed, told in full.
 *
 * usage: simulate [--runs N] [--first SEED] [--mutant NAME] [--seed SEED -v]
 * Prints figures; exits 1 on a violation (with its seed and the command that repeats it), or when a
 * mutant survives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct totals {
    unsigned long runs, violations, events, crashes, pauses, sends, resources, fenced, failovers;
    double years;
};

static void add(struct totals *t, const struct verdict *v)
{
    t->runs++;
    t->violations += v->violation != NULL;
    t->events += v->events;
    t->crashes += v->crashes;
    t->pauses += v->pauses;
    t->sends += v->sends;
    t->resources += v->resources;
    t->fenced += v->fenced;
    t->failovers += v->failovers;
    t->years += (double) v->simulated_ms / 1000 / 86400 / 365.25;
}

static enum mutant find_mutant(const char *name)
{
    for (int i = 0; i < MUTANT_COUNT; i++)
        if (strcmp(mutant_names[i], name) == 0)
            return (enum mutant) i;
    fprintf(stderr, "unknown mutant %s\n", name);
    exit(2);
}

static int tell(uint64_t seed, enum mutant mutant)
{
    struct verdict v;

    world_simulate(seed, mutant, true, &v);
    printf("seed %llu: %s, trace %016llx, %u events\n", (unsigned long long) seed,
           v.violation ? v.violation : "no violation", (unsigned long long) v.trace, v.events);
    return v.violation != NULL;
}

int main(int argc, char **argv)
{
    unsigned long long runs = 100000, first = 1, seed = 0;
    enum mutant mutant = MUTANT_NONE;
    struct totals t = { 0 };
    struct verdict v, again;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            continue;
        if (i + 1 == argc)
            return 2;
        if (strcmp(argv[i], "--runs") == 0)
            runs = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--first") == 0)
            first = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--mutant") == 0)
            mutant = find_mutant(argv[++i]);
        else
            return 2;
    }
    if (seed)
        return tell(seed, mutant);
    for (unsigned long long s = first; s < first + runs; s++) {
        world_simulate(s, mutant, false, &v);
        add(&t, &v);
        if (s % 100 == 0) { /* equal seeds are equal histories */
            world_simulate(s, mutant, false, &again);
            if (again.trace != v.trace) {
                printf("SEED=%llu is not deterministic\n", s);
                return 1;
            }
        }
        if (v.violation && mutant == MUTANT_NONE) {
            printf("SEED=%llu %s\n  repeat with: simulate --seed %llu -v\n", s, v.violation, s);
            return 1;
        }
    }
    printf("%s %s: %lu runs, %lu violations, %.1f M events, %.1f simulated years, %lu crashes, %lu "
           "pauses, %lu sends,"
           " %lu resources, %lu writes fenced off, %lu failovers that lost commits, seeds "
           "%llu..%llu\n",
           mutant ? "mutant" : "DST", mutant_names[mutant], t.runs, t.violations,
           (double) t.events / 1e6, t.years, t.crashes, t.pauses, t.sends, t.resources, t.fenced,
           t.failovers, first, first + runs - 1);
    return mutant == MUTANT_NONE ? 0 : t.violations == 0;
}
