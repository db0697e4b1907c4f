/*
 * tags.c - tags of resources: merged by key, at most 50.
 */
#include <string.h>

#include "sim.h"
#include "steward/json.h"
#include "steward/mem.h"

#define TAGS_MAX 50

static bool find_tag(const json_t *tags, const char *key, size_t *index)
{
    for (*index = 0; *index < json_array_size(tags); (*index)++)
        if (str_eq(json_text(json_array_get(tags, *index), "tagKey"), key))
            return true;
    return false;
}

enum wire_error tags_check(struct call *c, const json_t *tags)
{
    size_t at;

    if (json_array_size(tags) > TAGS_MAX)
        return call_fail(c, WIRE_TOO_MANY_TAGS, "A resource can have at most %d tags.", TAGS_MAX);
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *key = json_text(json_array_get(tags, i), "tagKey");

        if (strncasecmp(key, "aws:", 4) == 0)
            return call_fail(c, WIRE_INVALID_INPUT, "Tag keys that begin with aws: are reserved.");
        if (find_tag(tags, key, &at) && at != i)
            return call_fail(c, WIRE_INVALID_INPUT, "The tag key %s is given twice.", key);
    }
    return WIRE_OK;
}

static enum wire_error find(struct call *c, struct resource **out)
{
    const char *arn = call_text(c, "resourceArn");

    (void) str_copy(c->arn, sizeof c->arn, arn);
    *out = world_find(&c->sim->world, arn);
    if (!*out)
        return call_not_found(c, arn);
    if (!(*out)->kind->is_taggable)
        return call_fail(c, WIRE_INVALID_INPUT, "The resource %s cannot have tags.", arn);
    return WIRE_OK;
}

static enum wire_error must_not_go(struct call *c, const struct resource *r)
{
    if (r->life == LIFE_DELETE_PENDING || r->life == LIFE_DELETE_IN_PROGRESS)
        return call_fail(c, WIRE_IN_USE, "Resource %s is in %s state.", r->arn,
                         life_text(r->kind, r->life));
    return WIRE_OK;
}

enum wire_error op_tag(struct call *c, const struct sim_kind *kind)
{
    const json_t *given = call_member(c, "tags");
    AUTO_JSON json_t *merged = NULL;
    struct resource *r = NULL;

    (void) kind;
    PASS(find(c, &r));
    PASS(must_not_go(c, r));
    PASS(tags_check(c, given));
    merged = json_copy(r->tags);
    for (size_t i = 0; i < json_array_size(given); i++) {
        json_t *tag = json_array_get(given, i);
        size_t at;

        if (find_tag(merged, json_text(tag, "tagKey"), &at))
            json_array_set_new(merged, at, json_deep_copy(tag));
        else
            json_array_append_new(merged, json_deep_copy(tag));
    }
    if (json_array_size(merged) > TAGS_MAX)
        return call_fail(c, WIRE_TOO_MANY_TAGS, "A resource can have at most %d tags.", TAGS_MAX);
    json_decref(r->tags);
    r->tags = json_incref(merged);
    world_touch(&c->sim->world, r);
    c->has_effect = true;
    c->out = json_object();
    return WIRE_OK;
}

enum wire_error op_untag(struct call *c, const struct sim_kind *kind)
{
    const json_t *keys = call_member(c, "tagKeys");
    struct resource *r = NULL;

    (void) kind;
    PASS(find(c, &r));
    PASS(must_not_go(c, r));
    if (json_array_size(keys) > TAGS_MAX)
        return call_fail(c, WIRE_TOO_MANY_TAG_KEYS,
                         "At most %d tag keys can be removed in one call.", TAGS_MAX);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        size_t at;

        if (find_tag(r->tags, json_string_value(json_array_get(keys, i)), &at))
            (void) json_array_remove(r->tags, at);
    }
    world_touch(&c->sim->world, r);
    c->has_effect = true;
    c->out = json_object();
    return WIRE_OK;
}

enum wire_error op_list_tags(struct call *c, const struct sim_kind *kind)
{
    struct resource *r = NULL;

    (void) kind;
    PASS(find(c, &r));
    c->out = json_object();
    json_object_set(c->out, "tags", r->tags);
    return WIRE_OK;
}
