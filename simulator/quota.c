/*
 * quota.c - how much of everything: one table of names, defaults and what is counted.
 */
#include <string.h>

#include "sim.h"
#include "steward/mem.h"

enum counted { COUNT_NOTHING, COUNT_EXISTING, COUNT_IN_PROGRESS };

static const struct {
    const char *name;
    int64_t fallback;
    int kind; /* what a create of which is held against it; -1: not by counting */
    enum counted counted;
    bool is_per_group;
} quotas[QUOTA_COUNT] = {
    [QUOTA_SCHEMAS] = { "schemas", 500, SIM_SCHEMA, COUNT_EXISTING, false },
    [QUOTA_DATASET_GROUPS] = { "dataset-groups", 5, SIM_DATASET_GROUP, COUNT_EXISTING, false },
    [QUOTA_IMPORT_JOBS] = { "dataset-import-jobs", 5, SIM_IMPORT_JOB, COUNT_IN_PROGRESS, false },
    [QUOTA_BATCH_INFERENCE_JOBS] = { "batch-inference-jobs", 5, SIM_BATCH_INFERENCE_JOB,
                                     COUNT_IN_PROGRESS, false },
    [QUOTA_BATCH_SEGMENT_JOBS] = { "batch-segment-jobs", 5, SIM_BATCH_SEGMENT_JOB,
                                   COUNT_IN_PROGRESS, false },
    [QUOTA_SOLUTION_VERSIONS] = { "solution-versions", 20, SIM_SOLUTION_VERSION, COUNT_IN_PROGRESS,
                                  false },
    [QUOTA_SOLUTIONS] = { "solutions", 10, SIM_SOLUTION, COUNT_EXISTING, true },
    [QUOTA_CAMPAIGNS] = { "campaigns", 5, SIM_CAMPAIGN, COUNT_EXISTING, true },
    [QUOTA_RECOMMENDERS] = { "recommenders", 5, SIM_RECOMMENDER, COUNT_EXISTING, true },
    [QUOTA_FILTERS] = { "filters", 30, SIM_FILTER, COUNT_EXISTING, true },
    [QUOTA_DELETION_JOBS] = { "data-deletion-jobs", 5, SIM_DELETION_JOB, COUNT_IN_PROGRESS, true },
    [QUOTA_FILTER_FIELDS] = { "filter-fields", 10, -1, COUNT_NOTHING, false },
    [QUOTA_GROUP_FILTER_FIELDS] = { "group-filter-fields", 20, -1, COUNT_NOTHING, false },
    [QUOTA_MIN_IMPORT_INTERACTIONS] = { "min-import-interactions", 1000, -1, COUNT_NOTHING, false },
    [QUOTA_MIN_INTERACTIONS] = { "min-interactions", 1000, -1, COUNT_NOTHING, false },
    [QUOTA_MIN_USERS] = { "min-users", 25, -1, COUNT_NOTHING, false },
    [QUOTA_READS_PER_SECOND] = { "reads-per-second", 0, -1, COUNT_NOTHING, false },
    [QUOTA_WRITES_PER_SECOND] = { "writes-per-second", 0, -1, COUNT_NOTHING, false },
};

const char *quota_name(enum quota_id id)
{
    return quotas[id].name;
}

void quota_defaults(int64_t values[QUOTA_COUNT])
{
    for (size_t i = 0; i < QUOTA_COUNT; i++)
        values[i] = quotas[i].fallback;
}

bool quota_set(int64_t values[QUOTA_COUNT], const char *name, int64_t value)
{
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        if (str_eq(quotas[i].name, name) && value >= 0) {
            values[i] = value;
            return true;
        }
    }
    return false;
}

static bool is_counted(enum counted counted, const struct resource *r)
{
    switch (counted) {
    case COUNT_NOTHING:
        return false;
    case COUNT_EXISTING:
        return r->life != LIFE_FAILED;
    case COUNT_IN_PROGRESS:
        return r->life == LIFE_PENDING || r->life == LIFE_IN_PROGRESS || r->life == LIFE_STOPPING;
    }
    return false;
}

enum wire_error quota_check(struct call *c, const struct sim_kind *kind, const char *group)
{
    for (size_t q = 0; q < QUOTA_COUNT; q++) {
        const struct resource_list *all = &c->sim->world.kinds[kind->id];
        long long max = c->sim->quotas[q];
        int64_t n = 0;

        if (quotas[q].counted == COUNT_NOTHING || quotas[q].kind != (int) kind->id)
            continue;
        for (size_t i = 0; i < all->count; i++)
            n += is_counted(quotas[q].counted, all->items[i]) &&
                 (!quotas[q].is_per_group || str_eq(resource_group(all->items[i]), group));
        if (n < max)
            continue;
        if (quotas[q].counted == COUNT_IN_PROGRESS)
            return call_fail(c, WIRE_LIMIT_EXCEEDED,
                             "More than %lld resources with PENDING or IN_PROGRESS status.", max);
        return call_fail(
            c, WIRE_LIMIT_EXCEEDED,
            "More than %lld resources in ACTIVE state. Please delete some and try again", max);
    }
    return WIRE_OK;
}
