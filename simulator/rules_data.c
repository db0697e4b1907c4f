/*
 * rules_data.c - what is special about groups, schemas, datasets, their jobs and event trackers.
 */
#include <ctype.h>
#include <string.h>

#include "avro.h"
#include "place.h"
#include "rules.h"
#include "sim.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"

/* ---- dataset groups ---- */

HOOK_CHECK(group_check)
{
    bool has_role = call_text(c, "roleArn"), has_key = call_text(c, "kmsKeyArn");

    if (has_role != has_key)
        return call_fail(c, WIRE_INVALID_INPUT, "%s was given without %s.",
                         has_role ? "roleArn" : "kmsKeyArn", has_role ? "kmsKeyArn" : "roleArn");
    if (resource_text(r, "domain")) {
        c->out = json_object();
        json_object_set_new(c->out, "domain", json_string(resource_text(r, "domain")));
    }
    return WIRE_OK;
}

HOOK_CHECK(group_check_delete)
{
    static const enum sim_kind_id holders[] = { SIM_EVENT_TRACKER,      SIM_SOLUTION,
                                                SIM_RECOMMENDER,        SIM_FILTER,
                                                SIM_METRIC_ATTRIBUTION, SIM_DATASET };

    for (size_t i = 0; i < ARRAY_LEN(holders); i++) {
        const struct resource *by = world_first_in_group(&c->sim->world, holders[i], r->arn);

        if (by)
            return delete_refuse(c, r, by);
    }
    return WIRE_OK;
}

/* Jobs have no deletion of their own; they go with their group. */
HOOK_LIFE(group_on_life)
{
    static const enum sim_kind_id jobs[] = { SIM_IMPORT_JOB, SIM_EXPORT_JOB, SIM_DELETION_JOB,
                                             SIM_BATCH_INFERENCE_JOB, SIM_BATCH_SEGMENT_JOB };

    if (r->life != LIFE_GONE)
        return;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        struct resource *job;

        while ((job = world_first_in_group(&s->world, jobs[i], r->arn)))
            world_remove(&s->world, job);
    }
}

/* ---- schemas ---- */

HOOK_CHECK(schema_check)
{
    json_t *fields = NULL;
    struct err e;

    if (avro_schema_read(resource_text(r, "schema"), resource_text(r, "domain"), &fields, &e))
        return call_fail(c, WIRE_INVALID_INPUT, "Input schema is not valid: %s", e.message);
    resource_hide(r, "avro", fields);
    return WIRE_OK;
}

HOOK_CHECK(schema_check_delete)
{
    const struct resource_list *all = &c->sim->world.kinds[SIM_DATASET];

    for (size_t i = 0; i < all->count; i++) {
        const json_t *update = json_object_get(all->items[i]->body, "latestDatasetUpdate");

        if (str_eq(resource_text(all->items[i], "schemaArn"), r->arn) ||
            (all->items[i]->update_life != LIFE_NONE &&
             str_eq(json_text(update, "schemaArn"), r->arn)))
            return delete_refuse(c, r, all->items[i]);
    }
    return WIRE_OK;
}

/* ---- datasets ---- */

static void upper(const char *from, char *to, size_t size)
{
    size_t n = str_copy(to, size, from);

    for (size_t i = 0; i < n; i++)
        to[i] = (char) toupper((unsigned char) to[i]);
}

static const char *name_after(const char *arn)
{
    const char *slash = strchr(arn, '/');

    return slash ? slash + 1 : arn;
}

void dataset_make_arn(struct call *c, struct buf *rest)
{
    char type[260];

    upper(call_text(c, "datasetType"), type, sizeof type);
    buf_printf(rest, "dataset/%s/%s", name_after(call_text(c, "datasetGroupArn")), type);
}

static enum wire_error schema_must_fit(struct call *c, const struct resource *schema,
                                       const char *type)
{
    const char *of = json_text(json_object_get(schema->hidden, "avro"), "type");

    if (!str_eq(of, type))
        return call_fail(c, WIRE_INVALID_INPUT, "The schema %s is for %s datasets, not for %s.",
                         schema->arn, of, type);
    return WIRE_OK;
}

HOOK_CHECK(dataset_check)
{
    static const char *const types[] = { "INTERACTIONS", "ITEMS", "USERS", "ACTIONS",
                                         "ACTION_INTERACTIONS" };
    const struct world *w = &c->sim->world;
    const struct resource *group = world_find(w, resource_text(r, "datasetGroupArn"));
    const struct resource *schema = world_find(w, resource_text(r, "schemaArn"));
    const char *domain = resource_text(group, "domain");
    char type[260];
    bool is_known = false;

    upper(resource_text(r, "datasetType"), type, sizeof type);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        is_known |= str_eq(types[i], type);
    if (!is_known)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The dataset type %s is not one of Interactions, Items, Users, Actions, "
                         "Action_Interactions.",
                         resource_text(r, "datasetType"));
    PASS(schema_must_fit(c, schema, type));
    if (!str_eq(domain, resource_text(schema, "domain")))
        return call_fail(
            c, WIRE_INVALID_INPUT,
            "The domain of the schema (%s) differs from that of the dataset group (%s).",
            json_text_or(schema->body, "domain", "none"), domain ? domain : "none");
    resource_set(r, "datasetType", json_string(type));
    if (str_eq(type, "ACTION_INTERACTIONS")) {
        char id[UUID_BYTES];

        uuid_new(id);
        resource_set(r, "trackingId", json_string(id));
    }
    return WIRE_OK;
}

/* New schema: every old field unchanged, new ones nullable. */
static enum wire_error schema_must_extend(struct call *c, const struct resource *old,
                                          const struct resource *new)
{
    const json_t *before = old ? json_object_get(old->hidden, "avro") : NULL,
                 *after = json_object_get(new->hidden, "avro");
    const json_t *fields = json_object_get(before, "fields");

    if (!before) /* a loaded picture without the old schema */
        return WIRE_OK;
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = json_text(field, "name");
        const json_t *other = avro_field(after, name);

        if (!other || !json_equal((json_t *) field, (json_t *) other))
            return call_fail(c, WIRE_INVALID_INPUT,
                             "The new schema must keep the field %s unchanged.", name);
    }
    fields = json_object_get(after, "fields");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = json_text(field, "name");

        if (!avro_field(before, name) && !json_bool_or(field, "isNullable", false))
            return call_fail(c, WIRE_INVALID_INPUT, "The new field %s must be nullable.", name);
    }
    return WIRE_OK;
}

HOOK_UPDATE(dataset_check_update)
{
    const struct world *w = &c->sim->world;
    const char *type = resource_text(r, "datasetType"), *arn = json_text(update, "schemaArn");
    const struct resource *schema = world_find_kind(w, arn, SIM_SCHEMA);

    if (!schema)
        return call_not_found(c, arn);
    if (!str_eq(type, "ITEMS") && !str_eq(type, "USERS"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Only the schema of Items and Users datasets can be replaced.");
    PASS(schema_must_fit(c, schema, type));
    return schema_must_extend(c, world_find(w, resource_text(r, "schemaArn")), schema);
}

HOOK_APPLY(dataset_apply_update)
{
    (void) s;
    resource_set(r, "schemaArn", json_string(json_text(update, "schemaArn")));
}

/* Whether a job of the kind is pending or in progress for the ARN in its member. */
static const struct resource *find_running(const struct world *w, enum sim_kind_id kind,
                                           const char *member, const char *arn)
{
    const struct resource_list *all = &w->kinds[kind];

    for (size_t i = 0; i < all->count; i++) {
        const struct resource *job = all->items[i];
        const char *value = resource_text(job, member);

        if ((job->life == LIFE_PENDING || job->life == LIFE_IN_PROGRESS) && str_eq(value, arn))
            return job;
    }
    return NULL;
}

HOOK_CHECK(dataset_check_delete)
{
    const struct world *w = &c->sim->world;
    const struct resource *by = find_running(w, SIM_IMPORT_JOB, "datasetArn", r->arn);

    if (!by)
        by = find_running(w, SIM_EXPORT_JOB, "datasetArn", r->arn);
    if (!by)
        by = find_running(w, SIM_SOLUTION_VERSION, "datasetGroupArn", resource_group(r));
    return by ? delete_refuse(c, r, by) : WIRE_OK;
}

HOOK_LIFE(dataset_on_life)
{
    const struct resource_list *jobs = &s->world.kinds[SIM_IMPORT_JOB];

    /* The data goes with the dataset; its finished jobs stay listed until the group goes. */
    if (r->life != LIFE_GONE)
        return;
    for (size_t i = 0; i < jobs->count; i++)
        if (str_eq(resource_text(jobs->items[i], "datasetArn"), r->arn)) {
            resource_hide(jobs->items[i], "orphan", json_true());
            world_touch(&s->world, jobs->items[i]);
        }
}

/* ---- jobs ---- */

enum wire_error location_check(struct call *c, const char *location, const char *complaint)
{
    struct s3_place place;

    if (!s3_place_parse(location, &place))
        return call_fail(c, WIRE_INVALID_INPUT, "%s", complaint);
    return WIRE_OK;
}

static bool has_active_import(const struct world *w, const char *dataset)
{
    const struct resource_list *all = &w->kinds[SIM_IMPORT_JOB];

    for (size_t i = 0; i < all->count; i++)
        if (all->items[i]->life == LIFE_ACTIVE &&
            str_eq(resource_text(all->items[i], "datasetArn"), dataset) &&
            !json_object_get(all->items[i]->hidden, "orphan"))
            return true;
    return false;
}

HOOK_CHECK(import_check)
{
    const char *location = json_text(json_object_get(r->body, "dataSource"), "dataLocation");
    const char *mode = json_text_or(r->body, "importMode", "FULL");

    if (!location)
        return call_fail(c, WIRE_INVALID_INPUT, "Invalid Data location.");
    PASS(location_check(c, location, "Invalid Data location."));
    if (!resource_text(r, "roleArn"))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "roleArn is required to import data from Amazon S3.");
    PASS(role_check(c, resource_text(r, "roleArn")));
    if (str_eq(mode, "INCREMENTAL") &&
        !has_active_import(&c->sim->world, resource_text(r, "datasetArn")))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The first import of a dataset must have the import mode FULL.");
    PASS(no_deletion_runs(c, resource_group(r)));
    resource_set(r, "importMode", json_string(mode));
    return WIRE_OK;
}

HOOK_CHECK(export_check)
{
    const char *path = json_string_value(json_at(r->body, "/jobOutput/s3DataDestination/path"));

    PASS(location_check(c, path, "Invalid S3 output path"));
    PASS(role_check(c, resource_text(r, "roleArn")));
    if (!resource_text(r, "ingestionMode"))
        resource_set(r, "ingestionMode", json_string("PUT"));
    return WIRE_OK;
}

HOOK_CHECK(deletion_check)
{
    const char *location = json_text(json_object_get(r->body, "dataSource"), "dataLocation");
    static const enum sim_kind_id blockers[] = { SIM_IMPORT_JOB, SIM_SOLUTION_VERSION,
                                                 SIM_BATCH_INFERENCE_JOB, SIM_BATCH_SEGMENT_JOB };
    const struct world *w = &c->sim->world;

    if (!location)
        return call_fail(c, WIRE_INVALID_INPUT, "Invalid Data location.");
    PASS(location_check(c, location, "Invalid Data location."));
    PASS(role_check(c, resource_text(r, "roleArn")));
    for (size_t k = 0; k < ARRAY_LEN(blockers); k++) {
        const struct resource_list *all = &w->kinds[blockers[k]];

        for (size_t i = 0; i < all->count; i++)
            if (str_eq(resource_group(all->items[i]), resource_group(r)) &&
                resource_is_busy(all->items[i]))
                return delete_refuse(c, world_find(w, resource_group(r)), all->items[i]);
    }
    return WIRE_OK;
}

enum wire_error no_deletion_runs(struct call *c, const char *group)
{
    const struct resource *by =
        find_running(&c->sim->world, SIM_DELETION_JOB, "datasetGroupArn", group);

    return by ? call_fail(c, WIRE_IN_USE, "The data deletion job %s is in %s state.", by->arn,
                          life_text(by->kind, by->life))
              : WIRE_OK;
}

/* The number is told when the job is over, however early its work was. */
HOOK_LIFE(deletion_on_life)
{
    (void) s;
    if (r->life == LIFE_ACTIVE)
        json_object_set(r->body, "numDeleted", json_object_get(r->hidden, "numDeleted"));
}

/* Without --strict-iam every role will do. With it a role must have been declared with the
   service's trust; which buckets it opens is looked at by the job (role_opens). */
enum wire_error role_check(struct call *c, const char *arn)
{
    const json_t *role = json_object_get(c->sim->roles, arn);

    if (!c->sim->settings.is_strict_iam)
        return WIRE_OK;
    if (!role)
        return call_fail(c, WIRE_INVALID_INPUT, "The role %s does not exist or cannot be assumed.",
                         arn);
    if (!json_bool_or(role, "trust", false))
        return call_fail(c, WIRE_INVALID_INPUT,
                         "Amazon Personalize cannot assume the role %s: it does not trust "
                         "personalize.amazonaws.com.",
                         arn);
    return WIRE_OK;
}

bool role_opens(const struct sim *s, const char *arn, const char *bucket)
{
    const json_t *buckets = json_object_get(json_object_get(s->roles, arn), "buckets");

    if (!s->settings.is_strict_iam)
        return true;
    for (size_t i = 0; i < json_array_size(buckets); i++)
        if (str_eq(json_string_value(json_array_get(buckets, i)), bucket))
            return true;
    return false;
}

/* ---- event trackers ---- */

void tracker_make_arn(struct call *c, struct buf *rest)
{
    uint32_t id;

    (void) c;
    random_bytes(&id, sizeof id);
    buf_printf(rest, "event-tracker/%08x", id);
}

HOOK_CHECK(tracker_check)
{
    const struct resource *other =
        world_first_in_group(&c->sim->world, SIM_EVENT_TRACKER, resource_group(r));
    char id[UUID_BYTES];

    if (other)
        return call_fail(
            c, WIRE_ALREADY_EXISTS,
            "The dataset group already has an event tracker: another resource with Arn %s "
            "already exists.",
            other->arn);
    uuid_new(id);
    resource_set(r, "trackingId", json_string(id));
    resource_set(r, "accountId", json_string(c->sim->settings.account_id));
    c->out = json_object();
    json_object_set_new(c->out, "trackingId", json_string(id));
    return WIRE_OK;
}
