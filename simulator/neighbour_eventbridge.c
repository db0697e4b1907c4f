/*
 * neighbour_eventbridge.c - buses and PutEvents: entries are checked as the service does and kept
 * to be read; there are no rules.
 */
#include <string.h>

#include "neighbour.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/json.h"

#define ENTRIES_MAX 10
#define ENTRY_BYTES ((size_t) 256 << 10)

/* "arn:aws:events:…:event-bus/name" or the name. */
static const char *bus_name(const char *text)
{
    const char *slash = text ? strrchr(text, '/') : NULL;

    return !text ? "default" : slash ? slash + 1 : text;
}

static bool has_bus(const struct neighbour_call *c, const char *name)
{
    size_t i;
    json_t *bus;

    json_array_foreach (c->all->buses, i, bus)
        if (str_eq(json_string_value(bus), name))
            return true;
    return false;
}

static json_t *bus_arn(const struct neighbour_call *c, const char *name)
{
    const struct sim_settings *s = &c->wire->sim->settings;

    return json_sprintf("arn:%s:events:%s:%s:event-bus/%s", s->partition, s->region, s->account_id,
                        name);
}

static const char *create_bus(struct neighbour_call *c)
{
    const char *name = json_text(c->in, "Name");

    if (str_is_empty(name) || strchr(name, '/'))
        return neighbour_fail(c, "ValidationException", "Name is not a name of an event bus.");
    if (has_bus(c, name))
        return neighbour_fail(c, "ResourceAlreadyExistsException", "Event bus %s already exists.",
                              name);
    json_array_append_new(c->all->buses, json_string(name));
    c->has_effect = true;
    c->out = json_pack("{s:o}", "EventBusArn", bus_arn(c, name));
    return NULL;
}

static const char *list_buses(struct neighbour_call *c)
{
    json_t *list = json_array();
    size_t i;
    json_t *bus;

    json_array_foreach (c->all->buses, i, bus)
        json_array_append_new(
            list, json_pack("{s:O, s:o}", "Name", bus, "Arn", bus_arn(c, json_string_value(bus))));
    c->out = json_pack("{s:o}", "EventBuses", list);
    return NULL;
}

/* A fault rule with a name is for entries of that detail type; the others of the call arrive. */
static const struct fault *strike_entry(struct neighbour_call *c, const json_t *entry)
{
    const struct fault_call named = { "EventBridge.PutEvents", json_text(entry, "DetailType") };

    return fault_strike(&c->wire->sim->faults, &named,
                        FAULT_BIT(FAULT_THROTTLE) | FAULT_BIT(FAULT_ERROR_BEFORE));
}

/* The result of one entry. */
static json_t *put_entry(struct neighbour_call *c, const json_t *entry)
{
    const char *detail = json_text(entry, "Detail");
    const struct fault *fault;
    AUTO_JSON json_t *document = NULL;
    char id[UUID_BYTES], now[CLOCK_TEXT_BYTES];
    json_t *kept;
    struct err e;

    if (!json_text(entry, "Source") || !json_text(entry, "DetailType") || !detail)
        return json_pack("{s:s, s:s}", "ErrorCode", "InvalidArgument", "ErrorMessage",
                         "Parameter Source, DetailType and Detail are required.");
    if (json_parse(detail, strlen(detail), &document, NULL, &e) || !json_is_object(document))
        return json_pack("{s:s, s:s}", "ErrorCode", "MalformedDetail", "ErrorMessage",
                         "Detail is malformed.");
    if (strlen(detail) > ENTRY_BYTES)
        return json_pack("{s:s, s:s}", "ErrorCode", "InvalidArgument", "ErrorMessage",
                         "Total size of the entries in the request is over the limit.");
    fault = strike_entry(c, entry);
    if (fault)
        return json_pack("{s:s, s:s}", "ErrorCode",
                         fault->action == FAULT_THROTTLE ? "ThrottlingException"
                                                         : "InternalFailure",
                         "ErrorMessage", "Injected fault.");
    uuid_new(id);
    clock_format_ms(c->now_ms, now);
    kept = json_deep_copy(entry);
    json_object_set_new(kept, "EventId", json_string(id));
    json_object_set_new(kept, "receivedAt", json_string(now));
    neighbour_keep(c->all->events, kept);
    c->has_effect = true;
    return json_pack("{s:s}", "EventId", id);
}

static const char *put_events(struct neighbour_call *c)
{
    const json_t *entries = json_object_get(c->in, "Entries");
    json_t *results = json_array(), *entry;
    int failed = 0;
    size_t i;

    c->out = json_pack("{s:i, s:o}", "FailedEntryCount", 0, "Entries", results);
    if (!json_is_array(entries) || json_array_size(entries) == 0 ||
        json_array_size(entries) > ENTRIES_MAX)
        return neighbour_fail(c, "ValidationException", "1 to %d entries are allowed.",
                              ENTRIES_MAX);
    json_array_foreach ((json_t *) entries, i, entry) {
        const char *bus = bus_name(json_text(entry, "EventBusName"));

        if (!has_bus(c, bus))
            return neighbour_fail(c, "ResourceNotFoundException", "Event bus %s does not exist.",
                                  bus);
    }
    json_array_foreach ((json_t *) entries, i, entry) {
        json_t *result = put_entry(c, entry);

        failed += json_object_get(result, "ErrorCode") != NULL;
        json_array_append_new(results, result);
    }
    json_object_set_new(c->out, "FailedEntryCount", json_integer(failed));
    return NULL;
}

static const struct neighbour_operation operations[] = { { "CreateEventBus", create_bus },
                                                         { "ListEventBuses", list_buses },
                                                         { "PutEvents", put_events },
                                                         { NULL, NULL } };

const struct neighbour neighbour_eventbridge = { .title = "EventBridge",
                                                 .scope = "events",
                                                 .target = "AWSEvents.",
                                                 .type = "application/x-amz-json-1.1",
                                                 .operations = operations };
