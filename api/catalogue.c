/*
 * catalogue.c - what does not live in the database: recipes, the types of events, and schemas.
 */
#include <string.h>

#include "api_private.h"
#include "steward/event_types.h"
#include "steward/recipes.h"

static json_t *recipe_json(const struct recipe *r)
{
    json_t *item =
        json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "name", r->name,
                  "type", r->type, "title", r->title, "updateTraining", r->is_update_trainable,
                  "campaigns", r->has_campaigns, "batchInference", r->has_batch_inference,
                  "batchSegments", r->has_batch_segments, "themes", r->has_themes, "hpo",
                  r->has_hpo, "needsItems", r->needs_items, "needsActions", r->needs_actions);

    json_object_set_new(item, "arn", json_sprintf("arn:aws:personalize:::recipe/%s", r->name));
    if (r->domain)
        json_object_set_new(item, "domain", json_string(r->domain));
    if (r->event_type)
        json_object_set_new(item, "eventType", json_string(r->event_type));
    return item;
}

static void answer_value(struct call *c, const json_t *value)
{
    AUTO_FREE char *text = json_compact(value);

    answer_resource(c, text, strlen(text), NULL);
}

void api_recipes(struct call *c)
{
    AUTO_JSON json_t *items = json_array();
    AUTO_JSON json_t *answer = NULL;

    for (size_t i = 0; i < n_recipes; i++)
        json_array_append_new(items, recipe_json(&recipes[i]));
    answer = json_pack("{s:O, s:n}", "items", items, "next");
    answer_value(c, answer);
}

void api_schema_parameter_file(struct call *c)
{
    AUTO_JSON json_t *schema = parameter_file_schema();

    answer_value(c, schema);
}

static json_t *event_type_json(const struct event_type *t)
{
    return json_pack("{s:s, s:s, s:o}", "type", t->name, "summary", t->summary, "schema",
                     event_type_schema(t));
}

void api_event_types(struct call *c)
{
    AUTO_JSON json_t *items = json_array();
    AUTO_JSON json_t *answer = NULL;

    for (size_t i = 0; i < n_event_types; i++)
        json_array_append_new(items, event_type_json(&event_types[i]));
    answer = json_pack("{s:O, s:n}", "items", items, "next");
    answer_value(c, answer);
}

/* The schema alone, at the address that it names as its own. */
void api_event_type_get(struct call *c)
{
    const struct event_type *t = event_type_find(c->match.params[0]);
    AUTO_JSON json_t *schema = t ? event_type_schema(t) : NULL;

    if (!t)
        answer_not_found(c, "event type", c->match.params[0]);
    else
        answer_value(c, schema);
}

void api_schemas(struct call *c)
{
    AUTO_JSON json_t *items = json_array();
    AUTO_JSON json_t *answer = NULL;

    json_array_append_new(items, json_pack("{s:s, s:s}", "href", "/schemas/parameter-file.json",
                                           "title", "The parameter file"));
    for (size_t i = 0; i < n_event_types; i++)
        json_array_append_new(items, json_pack("{s:o, s:s}", "href",
                                               json_sprintf("/event-types/%s", event_types[i].name),
                                               "title", event_types[i].summary));
    answer = json_pack("{s:O, s:n}", "items", items, "next");
    answer_value(c, answer);
}
