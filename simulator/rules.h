/*
 * rules.h - what differs between the kinds: hooks of the kinds table, and the static facts they
 * use.
 */
#ifndef SIMULATOR_RULES_H
#define SIMULATOR_RULES_H

#include "sim.h"

/* ---- helpers of the generic operations ---- */
struct resource *reference_find(const struct call *c, const char *arn, enum sim_kind_id kind);
enum wire_error reference_must_be_active(struct call *c, const struct resource *r);
/* Newest version of a solution; NULL when there is none. */
struct resource *version_latest(const struct world *w, const char *solution_arn, bool active_only);
enum wire_error delete_refuse(struct call *c, const struct resource *r, const struct resource *by);
enum wire_error attribution_metric_check(struct call *c, const char *group, const json_t *metric);
enum wire_error location_check(struct call *c, const char *location, const char *complaint);
/* While users are deleted, nothing of the group is imported, trained on or answered in batches. */
enum wire_error no_deletion_runs(struct call *c, const char *group);
/* --strict-iam: the role is declared and trusts the service; it opens the bucket. */
enum wire_error role_check(struct call *c, const char *arn);
bool role_opens(const struct sim *s, const char *arn, const char *bucket);

/* ---- recipes.c ---- */
enum runtime_call { RUNTIME_RECOMMENDATIONS, RUNTIME_RANKING, RUNTIME_ACTIONS, RUNTIME_NONE };
struct recipe {
    const char *name, *type, *domain; /* domain NULL: custom */
    const char *algorithm, *transformation;
    const char *description;
    enum runtime_call runtime;
    int32_t training_minutes;
    bool needs_user, needs_item;
    bool has_update, has_batch, has_exploration;
    bool needs_items_dataset;
    const char *event_type; /* of domain recipes that learn from one type only; NULL: any */
};
const struct recipe *recipe_find(const struct sim *s, const char *arn); /* NULL: no such recipe */
const struct recipe *recipe_named(const char *name);
/* The recipe that a resource hides; InvalidInput when a loaded picture named one that is not in the
 * table. */
enum wire_error recipe_of_resource(struct call *c, const struct resource *r,
                                   const struct recipe **out);

/* ---- hooks ---- */
#define HOOK_CHECK(name)  enum wire_error name(struct call *c, struct resource *r)
#define HOOK_UPDATE(name) enum wire_error name(struct call *c, struct resource *r, json_t *update)
#define HOOK_APPLY(name)  void name(struct sim *s, struct resource *r, const json_t *update)
#define HOOK_LIFE(name)   void name(struct sim *s, struct resource *r)
#define HOOK_WORK(name)   bool name(struct sim *s, struct resource *r)

HOOK_CHECK(group_check);
HOOK_CHECK(group_check_delete);
HOOK_LIFE(group_on_life);
HOOK_CHECK(schema_check);
HOOK_CHECK(schema_check_delete);
void dataset_make_arn(struct call *c, struct buf *rest);
HOOK_CHECK(dataset_check);
HOOK_UPDATE(dataset_check_update);
HOOK_APPLY(dataset_apply_update);
HOOK_CHECK(dataset_check_delete);
HOOK_LIFE(dataset_on_life);
HOOK_CHECK(import_check);
HOOK_CHECK(export_check);
HOOK_CHECK(deletion_check);
HOOK_LIFE(deletion_on_life);
void tracker_make_arn(struct call *c, struct buf *rest);
HOOK_CHECK(tracker_check);

HOOK_CHECK(solution_check);
HOOK_UPDATE(solution_check_update);
HOOK_APPLY(solution_apply_update);
HOOK_CHECK(solution_check_delete);
HOOK_LIFE(solution_on_life);
void solution_on_auto(struct sim *s, struct resource *r, int64_t at_ms);
void version_make_arn(struct call *c, struct buf *rest);
HOOK_CHECK(version_check);
HOOK_LIFE(version_on_life);

HOOK_CHECK(campaign_check);
HOOK_UPDATE(campaign_check_update);
HOOK_APPLY(campaign_apply_update);
HOOK_CHECK(filter_check);
HOOK_CHECK(recommender_check);
HOOK_UPDATE(recommender_check_update);
HOOK_APPLY(recommender_apply_update);
HOOK_LIFE(recommender_on_life);
HOOK_CHECK(attribution_check);
HOOK_CHECK(batch_inference_check);
HOOK_CHECK(batch_segment_check);

/* Work of jobs: work.c. */
HOOK_WORK(job_start_work);

#endif
