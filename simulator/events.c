/*
 * events.c - streamed data: events, items, users and actions are rows appended to their dataset's
 * stream.
 */
#include <ctype.h>
#include <string.h>

#include "avro.h"
#include "data.h"
#include "data_plane.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/mem.h"

static struct resource *find_dataset(const struct world *w, const char *group, const char *type)
{
    const struct resource_list *all = &w->kinds[SIM_DATASET];

    for (size_t i = 0; i < all->count; i++)
        if (str_eq(resource_group(all->items[i]), group) &&
            str_eq(resource_text(all->items[i], "datasetType"), type))
            return all->items[i];
    return NULL;
}

static const json_t *schema_of(const struct sim *s, const struct resource *dataset)
{
    const struct resource *schema = world_find(&s->world, resource_text(dataset, "schemaArn"));

    return schema ? json_object_get(schema->hidden, "avro") : NULL;
}

/* "eventValue" and "EVENT_VALUE" are the same column. */
static bool is_same_name(const char *column, const char *property)
{
    while (*column || *property) {
        if (*column == '_') {
            column++;
        } else if (*property == '_') {
            property++;
        } else if (tolower((unsigned char) *column) != tolower((unsigned char) *property)) {
            return false;
        } else {
            column++;
            property++;
        }
    }
    return true;
}

static void set_column(json_t *row, const json_t *schema, const char *property, const json_t *value)
{
    const json_t *fields = json_object_get(schema, "fields");

    for (size_t i = 0; value && i < json_array_size(fields); i++) {
        const char *column = json_text(json_array_get(fields, i), "name");

        if (is_same_name(column, property)) {
            json_object_set(row, column, (json_t *) value);
            return;
        }
    }
}

/* properties: JSON text of an object whose members are columns. */
static enum wire_error set_properties(struct call *c, json_t *row, const json_t *schema,
                                      const char *text)
{
    AUTO_JSON json_t *properties = NULL;
    const char *name;
    json_t *value;

    if (!text)
        return WIRE_OK;
    properties = json_loads(text, 0, NULL);
    if (!json_is_object(properties))
        return call_fail(c, WIRE_INVALID_INPUT, "The properties are not a JSON object.");
    json_object_foreach (properties, name, value)
        set_column(row, schema, name, value);
    return WIRE_OK;
}

/* All rows of a call or none: a call that is refused has no effect. */
static enum wire_error append_rows(struct call *c, struct resource *dataset, const json_t *rows)
{
    struct err e;

    if (!resource_hidden(dataset, "stream")) {
        char id[UUID_BYTES];
        AUTO_FREE char *name = NULL;

        uuid_new(id);
        name = xasprintf("data/%s.jsonl", id);
        resource_hide(dataset, "stream", json_string(name));
    }
    if (data_append(c->sim->data_dir, resource_hidden(dataset, "stream"), rows, &e))
        return call_fail(c, WIRE_INTERNAL, "%s", e.message);
    resource_hide(dataset, "dataChanged", json_integer(c->now_ms));
    resource_hide(dataset, "streamed",
                  json_integer(json_int_or(dataset->hidden, "streamed", 0) +
                               (json_int_t) json_array_size(rows)));
    world_touch(&c->sim->world, dataset);
    c->has_effect = true;
    return WIRE_OK;
}

static void set_impression(json_t *row, const json_t *schema, const json_t *list)
{
    AUTO_BUF struct buf text = { 0 };
    AUTO_JSON json_t *value = NULL;

    if (!list)
        return;
    for (size_t i = 0; i < json_array_size(list); i++)
        buf_printf(&text, "%s%s", i ? "|" : "", json_string_value(json_array_get(list, i)));
    value = json_stringn(text.data, text.length);
    set_column(row, schema, "impression", value);
}

static void set_time(json_t *row, const json_t *schema, const json_t *value)
{
    AUTO_JSON json_t *seconds = json_integer((json_int_t) json_number_value(value));

    set_column(row, schema, "timestamp", seconds);
}

/* Who it was: the user, or the session as long as nobody has logged in. */
static void set_user(json_t *row, const json_t *schema, const json_t *from)
{
    const json_t *user = json_object_get(from, "userId");

    if (!json_is_string(user))
        user = json_object_get(from, "sessionId");
    set_column(row, schema, "userId", user);
}

static enum wire_error read_event(struct call *c, const json_t *schema, const json_t *event,
                                  json_t *rows)
{
    static const char *const members[] = { "eventType", "eventValue", "itemId",
                                           "recommendationId" };
    json_t *row = json_object();

    json_array_append_new(rows, row);
    set_user(row, schema, c->in);
    PASS(set_properties(c, row, schema, json_text(event, "properties")));
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        set_column(row, schema, members[i], json_object_get(event, members[i]));
    set_impression(row, schema, json_object_get(event, "impression"));
    set_time(row, schema, json_object_get(event, "sentAt"));
    set_column(row, schema, "eventAttributionSource",
               json_at(event, "/metricAttribution/eventAttributionSource"));
    if (!json_text(row, "ITEM_ID"))
        return call_fail(c, WIRE_INVALID_INPUT, "An event has no itemId.");
    return WIRE_OK;
}

static const struct resource *find_tracker(const struct world *w, const char *id)
{
    const struct resource_list *all = &w->kinds[SIM_EVENT_TRACKER];

    for (size_t i = 0; i < all->count; i++)
        if (str_eq(resource_text(all->items[i], "trackingId"), id) &&
            all->items[i]->life == LIFE_ACTIVE)
            return all->items[i];
    return NULL;
}

enum wire_error put_events(struct call *c)
{
    const json_t *events = call_member(c, "eventList");
    const struct resource *tracker = find_tracker(&c->sim->world, call_text(c, "trackingId"));
    AUTO_JSON json_t *rows = json_array();
    struct resource *dataset;

    if (!tracker)
        return call_fail(c, WIRE_INVALID_INPUT, "The tracking id %s is not known.",
                         call_text(c, "trackingId"));
    (void) str_copy(c->arn, sizeof c->arn, tracker->arn);
    dataset = find_dataset(&c->sim->world, resource_group(tracker), "INTERACTIONS");
    if (!dataset || dataset->life != LIFE_ACTIVE)
        return call_fail(c, WIRE_INVALID_INPUT,
                         "The dataset group %s has no active Interactions dataset.",
                         resource_group(tracker));
    for (size_t i = 0; i < json_array_size(events); i++)
        PASS(read_event(c, schema_of(c->sim, dataset), json_array_get(events, i), rows));
    return append_rows(c, dataset, rows);
}

/* Items, users and actions differ in three words. */
struct upsert {
    const char *list, *id, *type;
};

static enum wire_error put_rows(struct call *c, const struct upsert *u)
{
    const json_t *given = call_member(c, u->list);
    AUTO_JSON json_t *rows = json_array();
    const char *arn = call_text(c, "datasetArn");
    struct resource *dataset = world_find_kind(&c->sim->world, arn, SIM_DATASET);
    const json_t *schema;

    (void) str_copy(c->arn, sizeof c->arn, arn);
    if (!dataset)
        return call_not_found(c, arn);
    if (!str_eq(resource_text(dataset, "datasetType"), u->type))
        return call_fail(c, WIRE_INVALID_INPUT, "The dataset %s is not of type %s.", arn, u->type);
    if (dataset->life != LIFE_ACTIVE)
        return call_fail(c, WIRE_IN_USE, "Resource %s is in %s state. It must be ACTIVE.", arn,
                         life_text(dataset->kind, dataset->life));
    schema = schema_of(c->sim, dataset);
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        json_t *row = json_object();

        json_array_append_new(rows, row);
        PASS(set_properties(c, row, schema, json_text(one, "properties")));
        set_column(row, schema, u->id, json_object_get(one, u->id));
    }
    return append_rows(c, dataset, rows);
}

enum wire_error put_items(struct call *c)
{
    return put_rows(c, &(struct upsert){ "items", "itemId", "ITEMS" });
}

enum wire_error put_users(struct call *c)
{
    return put_rows(c, &(struct upsert){ "users", "userId", "USERS" });
}

enum wire_error put_actions(struct call *c)
{
    return put_rows(c, &(struct upsert){ "actions", "actionId", "ACTIONS" });
}

static struct resource *find_action_dataset(const struct world *w, const char *tracking_id)
{
    const struct resource_list *all = &w->kinds[SIM_DATASET];

    for (size_t i = 0; i < all->count; i++)
        if (str_eq(resource_text(all->items[i], "trackingId"), tracking_id))
            return all->items[i];
    return NULL;
}

enum wire_error put_action_interactions(struct call *c)
{
    static const char *const members[] = { "actionId", "eventType", "recommendationId" };
    const json_t *given = call_member(c, "actionInteractions");
    AUTO_JSON json_t *rows = json_array();
    const char *id = call_text(c, "trackingId");
    struct resource *dataset = find_action_dataset(&c->sim->world, id);
    const json_t *schema;

    if (!dataset)
        return call_fail(c, WIRE_NOT_FOUND, "The tracking id %s is not known.", id);
    (void) str_copy(c->arn, sizeof c->arn, dataset->arn);
    if (dataset->life != LIFE_ACTIVE)
        return call_fail(c, WIRE_IN_USE, "Resource %s is in %s state. It must be ACTIVE.",
                         dataset->arn, life_text(dataset->kind, dataset->life));
    schema = schema_of(c->sim, dataset);
    for (size_t i = 0; i < json_array_size(given); i++) {
        const json_t *one = json_array_get(given, i);
        json_t *row = json_object();

        json_array_append_new(rows, row);
        set_user(row, schema, one);
        PASS(set_properties(c, row, schema, json_text(one, "properties")));
        for (size_t k = 0; k < ARRAY_LEN(members); k++)
            set_column(row, schema, members[k], json_object_get(one, members[k]));
        set_impression(row, schema, json_object_get(one, "impression"));
        set_time(row, schema, json_object_get(one, "timestamp"));
    }
    return append_rows(c, dataset, rows);
}
