/*
 * create.c - every Create operation: one path over the kinds table.
 *
 * Parents are found, then their status is looked at, then duplicates, quotas and semantics: that
 * order is the service's.
 */
#include <string.h>

#include "rules.h"
#include "sim.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"

struct resource *version_latest(const struct world *w, const char *solution_arn, bool active_only)
{
    const struct resource_list *all = &w->kinds[SIM_SOLUTION_VERSION];
    struct resource *latest = NULL;

    for (size_t i = 0; i < all->count; i++) {
        struct resource *v = all->items[i];

        if (!str_eq(resource_text(v, "solutionArn"), solution_arn) ||
            (active_only && v->life != LIFE_ACTIVE))
            continue;
        if (!latest || v->created_ms > latest->created_ms ||
            (v->created_ms == latest->created_ms && v->serial > latest->serial))
            latest = v;
    }
    return latest;
}

struct resource *reference_find(const struct call *c, const char *arn, enum sim_kind_id kind)
{
    if (kind == SIM_SOLUTION_VERSION && str_ends(arn, "/$LATEST")) {
        AUTO_FREE char *solution = xstrndup(arn, strlen(arn) - strlen("/$LATEST"));

        return version_latest(&c->sim->world, solution, true);
    }
    return world_find_kind(&c->sim->world, arn, kind);
}

enum wire_error reference_must_be_active(struct call *c, const struct resource *r)
{
    if (r->life == LIFE_ACTIVE || r->life == LIFE_NONE)
        return WIRE_OK;
    if (r->life == LIFE_FAILED || r->life == LIFE_STOPPED)
        return call_fail(c, WIRE_INVALID_INPUT, "Resource %s is in %s state. It must be ACTIVE.",
                         r->arn, life_text(r->kind, r->life));
    return call_fail(c, WIRE_IN_USE, "Resource %s is in %s state. It must be ACTIVE.", r->arn,
                     life_text(r->kind, r->life));
}

static enum wire_error check_references(struct call *c, const struct sim_kind *kind)
{
    for (const struct sim_reference *ref = kind->references; ref && ref->member; ref++) {
        const char *arn = call_text(c, ref->member);

        if (arn && !reference_find(c, arn, ref->kind))
            return call_not_found(c, arn);
    }
    for (const struct sim_reference *ref = kind->references; ref && ref->member; ref++) {
        const char *arn = call_text(c, ref->member);

        if (arn && ref->must_be_active)
            PASS(reference_must_be_active(c, reference_find(c, arn, ref->kind)));
    }
    return WIRE_OK;
}

/* The dataset group of the new resource: the one named, or that of the first parent. */
static const char *find_group(const struct call *c, const struct sim_kind *kind)
{
    for (const struct sim_reference *ref = kind->references; ref && ref->member; ref++) {
        const char *arn = call_text(c, ref->member);
        const struct resource *parent = arn ? reference_find(c, arn, ref->kind) : NULL;

        if (parent && resource_group(parent))
            return resource_group(parent);
    }
    return NULL;
}

static char *make_arn(struct call *c, const struct sim_kind *kind)
{
    const struct sim_settings *s = &c->sim->settings;
    AUTO_BUF struct buf rest = { 0 };

    if (kind->make_arn)
        kind->make_arn(c, &rest);
    else
        buf_printf(&rest, "%s/%s", kind->arn_part, call_text(c, kind->name_member));
    return xasprintf("arn:%s:personalize:%s:%s:%s", s->partition, s->region, s->account_id,
                     rest.data);
}

static struct resource *draft_new(struct call *c, const struct sim_kind *kind, const char *arn)
{
    struct resource *r = resource_new(kind);
    const json_t *tags = call_member(c, "tags");

    json_decref(r->body);
    r->body = call_known_members(c);
    (void) json_object_del(r->body, "tags");
    r->arn = xstrdup(arn);
    r->created_ms = c->now_ms;
    resource_set(r, kind->arn_member, json_string(arn));
    resource_set(r, "creationDateTime", json_time(c->now_ms));
    resource_set(r, "lastUpdatedDateTime", json_time(c->now_ms));
    if (tags) {
        json_decref(r->tags);
        r->tags = json_deep_copy(tags);
    }
    return r;
}

/* Unknown members of the request do not become members of the resource. */
static void draft_trim(struct resource *r)
{
    json_t *body = shape_project(service_shape_find(&service_personalize, r->kind->shape), r->body);

    json_decref(r->body);
    r->body = json_deep_copy(body);
    json_decref(body);
}

static void doom_if_faulty(struct call *c, struct resource *r)
{
    const struct fault_call call = { c->operation, resource_name(r) };
    const struct fault *f =
        r->kind->id == SIM_SCHEMA
            ? NULL
            : fault_strike(&c->sim->faults, &call, FAULT_BIT(FAULT_CREATE_FAILED));

    if (!f)
        return;
    resource_hide(
        r, "doom",
        json_string(f->reason ? f->reason : "An internal error occurred (injected fault)."));
    c->fault = "create-failed";
}

static enum wire_error finish(struct call *c, struct resource *r)
{
    const struct sim_kind *kind = r->kind;
    enum wire_error error;

    draft_trim(r);
    error = quota_check(c, kind, resource_hidden(r, "group"));
    if (!error && kind->check)
        error = kind->check(c, r);
    if (error)
        return error;
    doom_if_faulty(c, r);
    if (!c->out)
        c->out = json_object();
    json_object_set_new(c->out, kind->arn_member, json_string(r->arn));
    return WIRE_OK;
}

enum wire_error op_create(struct call *c, const struct sim_kind *kind)
{
    AUTO_FREE char *arn = NULL;
    struct resource *r;
    const char *group;
    enum wire_error error;

    if (call_member(c, "tags"))
        PASS(tags_check(c, call_member(c, "tags")));
    PASS(check_references(c, kind));
    arn = make_arn(c, kind);
    (void) str_copy(c->arn, sizeof c->arn, arn);
    if (world_find(&c->sim->world, arn))
        return call_fail(c, WIRE_ALREADY_EXISTS, "Another resource with Arn %s already exists.",
                         arn);
    r = draft_new(c, kind, arn);
    group = find_group(c, kind);
    if (group)
        resource_hide(r, "group", json_string(group));
    error = finish(c, r);
    if (error) {
        resource_free(r);
        return error;
    }
    world_add(&c->sim->world, r);
    if (kind->id != SIM_SCHEMA)
        life_set(c->sim, r, LIFE_PENDING, c->now_ms);
    if (kind->on_life)
        kind->on_life(c->sim, r);
    c->made = r;
    c->has_effect = true;
    return WIRE_OK;
}
