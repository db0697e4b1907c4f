/*
 * world.c - the resources: found by ARN, listed by kind in the order of creation, saved when
 * touched.
 *
 * The world owns its resources; a pointer is good until the next life_advance() or call.
 */
#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

static int compare_arn(const void *a, const void *b)
{
    return strcmp(((const struct resource *) a)->arn, ((const struct resource *) b)->arn);
}

static void list_add(struct resource_list *list, struct resource *r)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->items = xrealloc(list->items, list->capacity * sizeof(void *));
    }
    list->items[list->count++] = r;
}

static void list_remove(struct resource_list *list, const struct resource *r)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i] == r) {
            memmove(list->items + i, list->items + i + 1, (list->count - i - 1) * sizeof(void *));
            list->count--;
            return;
        }
    }
}

void world_init(struct world *w)
{
    *w = (struct world){ .next_due_ms = NEVER, .dropped = json_array() };
}

static void forget(void *r)
{
    (void) r; /* the tree's nodes only; the lists own the resources */
}

void world_done(struct world *w)
{
    tdestroy(w->by_arn, forget);
    for (size_t k = 0; k < SIM_KIND_COUNT; k++) {
        for (size_t i = 0; i < w->kinds[k].count; i++)
            resource_free(w->kinds[k].items[i]);
        free(w->kinds[k].items);
    }
    free(w->dirty.items);
    json_decref(w->dropped);
    *w = (struct world){ .next_due_ms = NEVER };
}

struct resource *world_find(const struct world *w, const char *arn)
{
    const struct resource key = { .arn = (char *) arn };
    void *const *node = arn ? tfind(&key, &w->by_arn, compare_arn) : NULL;

    return node ? *node : NULL;
}

struct resource *world_find_kind(const struct world *w, const char *arn, enum sim_kind_id kind)
{
    struct resource *r = world_find(w, arn);

    return r && r->kind->id == kind ? r : NULL;
}

struct resource *resource_new(const struct sim_kind *kind)
{
    struct resource *r = xcalloc(1, sizeof *r);

    r->kind = kind;
    r->body = json_object();
    r->hidden = json_object();
    r->tags = json_array();
    r->due_ms = r->update_due_ms = r->auto_due_ms = NEVER;
    return r;
}

void resource_free(struct resource *r)
{
    if (!r)
        return;
    free(r->arn);
    json_decref(r->body);
    json_decref(r->hidden);
    json_decref(r->tags);
    free(r);
}

void world_add(struct world *w, struct resource *r)
{
    assert(!world_find(w, r->arn));
    if (r->serial == 0)
        r->serial = ++w->serial;
    else if (r->serial > w->serial)
        w->serial = r->serial;
    if (!tsearch(r, &w->by_arn, compare_arn))
        mem_exhausted();
    list_add(&w->kinds[r->kind->id], r);
    world_touch(w, r);
}

void world_remove(struct world *w, struct resource *r)
{
    (void) tdelete(r, &w->by_arn, compare_arn);
    list_remove(&w->kinds[r->kind->id], r);
    if (r->is_dirty)
        list_remove(&w->dirty, r);
    json_array_append_new(w->dropped, json_string(r->arn));
    resource_free(r);
}

void world_touch(struct world *w, struct resource *r)
{
    int64_t due = r->due_ms < r->update_due_ms ? r->due_ms : r->update_due_ms;

    if (r->auto_due_ms < due)
        due = r->auto_due_ms;
    if (due < w->next_due_ms)
        w->next_due_ms = due;
    if (!r->is_dirty) {
        r->is_dirty = true;
        list_add(&w->dirty, r);
    }
}

const char *resource_text(const struct resource *r, const char *member)
{
    return json_text(r->body, member);
}

const char *resource_name(const struct resource *r)
{
    return json_text_or(r->body, r->kind->name_member, "");
}

const char *resource_hidden(const struct resource *r, const char *member)
{
    return json_text(r->hidden, member);
}

void resource_set(struct resource *r, const char *member, json_t *value)
{
    json_object_set_new(r->body, member, value);
}

void resource_hide(struct resource *r, const char *member, json_t *value)
{
    json_object_set_new(r->hidden, member, value);
}

const char *resource_group(const struct resource *r)
{
    return r->kind->id == SIM_DATASET_GROUP ? r->arn : resource_hidden(r, "group");
}

bool resource_is_busy(const struct resource *r)
{
    return r->life != LIFE_NONE && r->life != LIFE_ACTIVE && r->life != LIFE_FAILED &&
           r->life != LIFE_STOPPED && r->life != LIFE_INACTIVE;
}

struct resource *world_first_in_group(const struct world *w, enum sim_kind_id kind,
                                      const char *group)
{
    const struct resource_list *list = &w->kinds[kind];

    for (size_t i = 0; i < list->count; i++)
        if (str_eq(resource_group(list->items[i]), group))
            return list->items[i];
    return NULL;
}

json_t *json_time(int64_t ms)
{
    return json_real((double) ms / 1000.0);
}

static json_t *due_or_null(int64_t ms)
{
    return ms == NEVER ? json_null() : json_integer(ms);
}

json_t *resource_to_json(const struct resource *r)
{
    json_t *out = json_object();

    json_object_set_new(out, "kind", json_string(r->kind->member));
    json_object_set_new(out, "arn", json_string(r->arn));
    json_object_set_new(out, "serial", json_integer((json_int_t) r->serial));
    json_object_set_new(out, "created", json_integer(r->created_ms));
    json_object_set_new(out, "life", json_integer((json_int_t) r->life));
    json_object_set_new(out, "updateLife", json_integer((json_int_t) r->update_life));
    json_object_set_new(out, "due", due_or_null(r->due_ms));
    json_object_set_new(out, "updateDue", due_or_null(r->update_due_ms));
    json_object_set_new(out, "autoDue", due_or_null(r->auto_due_ms));
    json_object_set_new(out, "workDone", json_boolean(r->is_work_done));
    json_object_set_new(out, "body", json_incref(r->body));
    json_object_set_new(out, "hidden", json_incref(r->hidden));
    json_object_set_new(out, "tags", json_incref(r->tags));
    return out;
}

static const struct sim_kind *kind_of_member(const char *member)
{
    for (size_t i = 0; i < SIM_KIND_COUNT; i++)
        if (str_eq(sim_kinds[i].member, member))
            return &sim_kinds[i];
    return NULL;
}

struct resource *resource_from_json(const json_t *saved)
{
    const struct sim_kind *kind = kind_of_member(json_text(saved, "kind"));
    const char *arn = json_text(saved, "arn");
    int64_t life = json_int_or(saved, "life", LIFE_ACTIVE);
    struct resource *r;
    static const char *const parts[] = { "body", "hidden", "tags" };

    if (!kind || !arn || life < 0 || life >= LIFE_COUNT ||
        !json_is_object(json_object_get(saved, "body")))
        return NULL;
    r = resource_new(kind);
    r->arn = xstrdup(arn);
    r->serial = (uint64_t) json_int_or(saved, "serial", 0);
    r->created_ms = json_int_or(saved, "created", 0);
    r->life = (enum life) life;
    r->update_life = (enum life) json_int_or(saved, "updateLife", LIFE_NONE);
    r->due_ms = json_int_or(saved, "due", NEVER);
    r->update_due_ms = json_int_or(saved, "updateDue", NEVER);
    r->auto_due_ms = json_int_or(saved, "autoDue", NEVER);
    r->is_work_done = json_bool_or(saved, "workDone", false);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        json_t **field = i == 0 ? &r->body : i == 1 ? &r->hidden : &r->tags;
        json_t *value = json_object_get(saved, parts[i]);

        if (value && json_typeof(value) == json_typeof(*field)) {
            json_decref(*field);
            *field = json_deep_copy(value);
        }
    }
    return r;
}
