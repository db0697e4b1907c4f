/*
 * run_kinds.c - names of run kinds and verbs, and what a schedule starts.
 *
 * What a run kind does with a parameter file is decided in plan.c.
 */
#include <stdlib.h>
#include <string.h>

#include "steward/plan.h"
#include "steward/str.h"

static const struct {
    const char *name;
    bool is_supported;
    bool buys; /* it is there to spend: "stop spending" refuses it */
} run_kinds[RUN_KIND_COUNT] = {
    [RUN_KIND_APPLY] = { "apply", true, false },
    [RUN_KIND_ADOPT] = { "adopt", false, false },
    [RUN_KIND_IMPORT] = { "import", true, true },
    [RUN_KIND_TRAIN] = { "train", true, true },
    [RUN_KIND_TRAIN_FULL] = { "trainFull", true, true },
    [RUN_KIND_TRAIN_UPDATE] = { "trainUpdate", true, true },
    [RUN_KIND_RETRAIN] = { "retrain", true, true },
    [RUN_KIND_BATCH_INFERENCE] = { "batchInference", true, true },
    [RUN_KIND_BATCH_SEGMENT] = { "batchSegment", true, true },
    [RUN_KIND_PROMOTE] = { "promote", true, false },
    [RUN_KIND_STOP_TRAINING] = { "stopTraining", true, false },
    [RUN_KIND_OBSERVE] = { "observe", true, false },
    [RUN_KIND_EXPORT_DATA] = { "exportData", true, true },
    [RUN_KIND_DELETE_DATA] = { "deleteData", true, false },
    [RUN_KIND_DESTROY] = { "destroy", true, false },
};
static const char *const verb_names[VERB_COUNT] = {
    [VERB_ENSURE] = "ensure",   [VERB_RENEW] = "renew", [VERB_DELETE] = "delete",
    [VERB_RELEASE] = "release", [VERB_STOP] = "stop",   [VERB_OBSERVE] = "observe",
    [VERB_IMPORT] = "import",   [VERB_AUDIT] = "audit", [VERB_RETIRE] = "retire",
    [VERB_APPROVE] = "approve"
};

bool run_kind_find(const char *name, enum run_kind *out)
{
    for (unsigned i = 0; i < RUN_KIND_COUNT; i++)
        if (str_eq(run_kinds[i].name, name))
            return *out = (enum run_kind) i, true;
    return false;
}

const char *run_kind_name(enum run_kind kind)
{
    return run_kinds[kind].name;
}

bool run_kind_is_supported(enum run_kind kind)
{
    return run_kinds[kind].is_supported;
}

bool run_kind_buys(enum run_kind kind)
{
    return run_kinds[kind].buys;
}

enum run_kind run_kind_of_schedule(enum schedule_kind kind)
{
    switch (kind) {
    case SCHEDULED_IMPORT:
        return RUN_KIND_IMPORT;
    case SCHEDULED_FULL:
        return RUN_KIND_TRAIN_FULL;
    case SCHEDULED_UPDATE:
        return RUN_KIND_TRAIN_UPDATE;
    case SCHEDULED_BATCH_INFERENCE:
        return RUN_KIND_BATCH_INFERENCE;
    case SCHEDULED_BATCH_SEGMENT:
        return RUN_KIND_BATCH_SEGMENT;
    }
    abort();
}

json_t *plan_schedule_options(const struct file_schedule *s)
{
    json_t *options = json_object();
    const char *slash = strrchr(s->path, '/');

    if (s->subject)
        json_object_set_new(options, "solutions", json_pack("[s]", s->subject));
    if (s->kind == SCHEDULED_BATCH_INFERENCE || s->kind == SCHEDULED_BATCH_SEGMENT)
        json_object_set_new(options, "jobs", json_pack("[s]", slash ? slash + 1 : "0"));
    return options;
}

const char *verb_name(enum verb verb)
{
    return verb_names[verb];
}

bool verb_find(const char *name, enum verb *out)
{
    for (unsigned i = 0; i < VERB_COUNT; i++)
        if (str_eq(verb_names[i], name))
            return *out = (enum verb) i, true;
    return false;
}
