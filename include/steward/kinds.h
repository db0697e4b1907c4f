/*
 * kinds.h - the table of resource kinds: what Amazon Personalize calls each and what it can do.
 *
 * Resources differ in names, not in behaviour, so behaviour is written once (decide, step_next) and
 * what differs is a row here. Facts: the service's API model (model/personalize.json); quotas and
 * what the model does not say: the Amazon Personalize Developer Guide.
 */
#ifndef STEWARD_KINDS_H
#define STEWARD_KINDS_H

#include <stdbool.h>
#include <stdint.h>

/* In the order in which an apply works. */
enum kind_id {
    KIND_DATASET_GROUP,
    KIND_SCHEMA,
    KIND_DATASET,
    KIND_DATASET_IMPORT_JOB,
    KIND_EVENT_TRACKER,
    KIND_METRIC_ATTRIBUTION,
    KIND_FILTER,
    KIND_SOLUTION,
    KIND_SOLUTION_VERSION,
    KIND_CAMPAIGN,
    KIND_RECOMMENDER,
    KIND_BATCH_INFERENCE_JOB,
    KIND_BATCH_SEGMENT_JOB,
    KIND_DATASET_EXPORT_JOB,
    KIND_DATA_DELETION_JOB,
    KIND_APPROVAL, /* no resource: a question about a campaign */
    KIND_COUNT
};

struct kind {
    enum kind_id id;
    const char *name;     /* "datasetGroup": in documents, resource keys, events */
    const char *title;    /* "dataset group": in sentences */
    const char *arn_type; /* "dataset-group" */
    const char *describe_op, *create_op, *update_op, *delete_op,
        *list_op;                   /* operation names; NULL: none */
    const char *start_op, *stop_op; /* both: it can be on and off, ACTIVE and INACTIVE; stop_op
                                       alone: its making can be stopped; NULL */
    const char *
        describe_member; /* member of the Describe answer that holds the resource: "datasetGroup" */
    const char *list_member; /* "datasetGroups" */
    const char
        *list_filter; /* request member that bounds a List to the parent: "datasetGroupArn"; NULL */
    const char *arn_member;  /* "datasetGroupArn": of the resource itself, in Create and Describe */
    const char *name_member; /* "name" or "jobName" */
    const char *update_member; /* "latestCampaignUpdate": where an update in progress shows; NULL */
    const char *job_prefix;    /* "import": begins generated names; NULL */
    const char *event_started, *event_succeeded, *event_failed,
        *event_skipped;       /* of its own; NULL: resource.created and the like, or none */
    bool is_named_by_service; /* its ARN does not follow from its name: it is found in lists */
    bool is_single;         /* one per group (and type): found whatever its name, which it keeps */
    bool is_kept_in_use;    /* a deletion that is refused because others use it is none */
    bool is_fused;          /* the training fuse counts its creates */
    bool is_per_run;        /* import, version, batch, export, deletion: a new one per run, under a
                               generated name */
    bool is_never_shared;   /* per-run kinds: another run's is never current */
    bool is_taggable;       /* schema and metric attribution take no tags */
    bool has_status;        /* schema has none: it exists or not */
    bool is_billed;         /* "stop spending" blocks its creation */
    bool needs_quiescence;  /* name uniqueness unproven: an ambiguous create waits
                               --engine-quiescence */
    uint32_t poll_ms;       /* between looks while it is in progress */
    const char *quota_name; /* of the service's quota on how many are in progress; NULL: none */
    int quota;              /* its default in an account */
};

extern const struct kind kinds[KIND_COUNT];
const struct kind *kind_find(const char *name); /* by "datasetGroup"; NULL when unknown */

#endif
