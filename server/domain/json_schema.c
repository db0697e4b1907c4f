/*
 * json_schema.c - the JSON Schema (2020-12) of the parameter file, for editors.
 *
 * Generated from the tables that the check reads: the fields of the file and the shapes of the API
 * model. What needs more than one place (recipes, names, filters, schedules) is described in words
 * and left to the check.
 */
#include <ctype.h>
#include <math.h>

#include "parameter_file_internal.h"

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

static json_t *schema_of_shape(const struct service_shape *shape);

static void put(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static json_t *typed(const char *type)
{
    json_t *schema = json_object();

    put(schema, "type", json_string(type));
    return schema;
}

static json_t *reference(const char *name)
{
    AUTO_FREE char *target = xasprintf("#/$defs/%s", name);
    json_t *schema = json_object();

    put(schema, "$ref", json_string(target));
    return schema;
}

static json_t *texts(const char *const *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(values[i]));
    return list;
}

/* "batchInferenceJobs" -> "Batch inference jobs" */
static json_t *title_of(const char *key)
{
    AUTO_BUF struct buf title = { 0 };

    for (const char *p = key; *p; p++) {
        if (p > key && isupper((unsigned char) *p) && !isupper((unsigned char) p[-1]))
            buf_addc(&title, ' ');
        buf_addc(&title, (char) (p == key                         ? toupper((unsigned char) *p)
                                 : isupper((unsigned char) p[1])  ? *p
                                 : isupper((unsigned char) p[-1]) ? *p
                                                                  : tolower((unsigned char) *p)));
    }
    return json_string(title.data ? title.data : "");
}

/* ---- shapes of the API model ---- */

static json_t *number(double value)
{
    return value == floor(value) && fabs(value) < 1e15 ? json_integer((json_int_t) value)
                                                       : json_real(value);
}

static void add_bounds(json_t *schema, const struct service_shape *shape, const char *const keys[2])
{
    if (shape->has_min)
        put(schema, keys[0], number(shape->min));
    if (shape->has_max)
        put(schema, keys[1], number(shape->max));
}

static json_t *schema_of_text(const struct service_shape *shape)
{
    json_t *schema = typed("string");

    add_bounds(schema, shape, (const char *const[]){ "minLength", "maxLength" });
    if (shape->n_values > 0)
        put(schema, "enum", texts(shape->values, shape->n_values));
    /* Classes such as \p{L} are not understood by every editor. */
    if (shape->pattern && !strstr(shape->pattern, "\\p")) {
        AUTO_FREE char *anchored = xasprintf("^(?:%s)$", shape->pattern);

        put(schema, "pattern", json_string(anchored));
    }
    return schema;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the constant shapes of the model */
static json_t *schema_of_structure(const struct service_shape *shape)
{
    json_t *schema = typed("object"), *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < shape->n_members; i++) {
        const struct service_member *m = &shape->members[i];

        put(properties, m->name, schema_of_shape(m->shape));
        if (m->is_required)
            json_array_append_new(required, json_string(m->name));
    }
    put(schema, "properties", properties);
    put(schema, "required", required);
    put(schema, "additionalProperties", json_false());
    return schema;
}

/* NOLINTNEXTLINE(misc-no-recursion): see schema_of_structure */
static json_t *schema_of_shape(const struct service_shape *shape)
{
    json_t *schema;

    switch (shape->type) {
    case SHAPE_STRUCTURE:
        return schema_of_structure(shape);
    case SHAPE_STRING:
        return schema_of_text(shape);
    case SHAPE_LIST:
        schema = typed("array");
        put(schema, "items", schema_of_shape(shape->element));
        add_bounds(schema, shape, (const char *const[]){ "minItems", "maxItems" });
        return schema;
    case SHAPE_MAP:
        schema = typed("object");
        put(schema, "propertyNames", schema_of_shape(shape->key));
        put(schema, "additionalProperties", schema_of_shape(shape->element));
        add_bounds(schema, shape, (const char *const[]){ "minProperties", "maxProperties" });
        return schema;
    case SHAPE_BOOLEAN:
        return typed("boolean");
    case SHAPE_INTEGER:
    case SHAPE_LONG:
        schema = typed("integer");
        break;
    case SHAPE_FLOAT:
    case SHAPE_DOUBLE:
    case SHAPE_TIMESTAMP:
    default:
        schema = typed("number");
        break;
    }
    add_bounds(schema, shape, (const char *const[]){ "minimum", "maximum" });
    return schema;
}

/* ---- service-configs ---- */

/* Words and defaults for members of requests that people write most. */
static const struct member_note {
    const char *member;
    const char *fallback; /* JSON text */
    const char *description;
} member_notes[] = {
    { "name", NULL, "Name in Amazon Personalize; unique in the account and region." },
    { "domain", NULL,
      "ECOMMERCE or VIDEO_ON_DEMAND makes a domain dataset group; absent: custom." },
    { "tags", NULL, "Tags of this resource; absent: the root tags; an empty list: none." },
    { "schema", NULL, "The Avro schema, as an object." },
    { "importMode", "\"FULL\"",
      "FULL replaces the data, INCREMENTAL adds to it; the first import is FULL." },
    { "publishAttributionMetricsToS3", "false",
      "Write metric attribution reports for the import." },
    { "filterExpression", NULL,
      "Such as: EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"purchase\")" },
    { "performAutoTraining", "false",
      "Amazon trains new versions by itself. Sent as false where a schedule of this file trains." },
    { "performAutoML", NULL, "Not sent: name a recipe." },
    { "performHPO", "false", "Search for better hyperparameters; costs more training hours." },
    { "eventType", NULL, "Train from events of this type only." },
    { "minProvisionedTPS", "1", "Throughput that is always there, and billed every hour." },
    { "numResults", "25", "Recommendations per line of input." },
    { "batchInferenceJobMode", "\"BATCH_INFERENCE\"",
      "THEME_GENERATION names the themes of similar items." },
    { "trainingMode", "\"FULL\"", "What a training that is started by hand does." },
};

static const struct member_note *note_of(const char *member)
{
    for (size_t i = 0; i < ARRAY_LEN(member_notes); i++)
        if (str_eq(member_notes[i].member, member))
            return &member_notes[i];
    return NULL;
}

static json_t *avro_schema(void)
{
    static const char *const required[] = { "type", "name", "namespace", "fields" };
    json_t *schema = typed("object"), *properties = json_object(), *fields = typed("array");
    json_t *type = json_object(), *space = json_object();

    put(type, "const", json_string("record"));
    put(space, "const", json_string("com.amazonaws.personalize.schema"));
    put(fields, "items", typed("object"));
    put(properties, "type", type);
    put(properties, "name", typed("string"));
    put(properties, "namespace", space);
    put(properties, "fields", fields);
    put(properties, "version", typed("string"));
    put(schema, "properties", properties);
    put(schema, "required", texts(required, ARRAY_LEN(required)));
    return schema;
}

/* Recipes by name for completion; any other recipe ARN of another partition by its form. */
static json_t *recipe_schema(const char *domain_words, bool is_domain)
{
    json_t *schema = json_object(), *choices = json_array(), *names = json_array();
    json_t *listed = json_object(), *formed = typed("string");

    for (size_t i = 0; i < n_recipes; i++) {
        AUTO_FREE char *arn = xasprintf("arn:aws:personalize:::recipe/%s", recipes[i].name);

        if (!recipes[i].domain == !is_domain)
            json_array_append_new(names, json_string(arn));
    }
    put(listed, "enum", names);
    put(formed, "pattern", json_string("^arn:[a-z0-9-]+:personalize:::recipe/.+$"));
    json_array_append_new(choices, listed);
    json_array_append_new(choices, formed);
    put(schema, "anyOf", choices);
    put(schema, "description", json_string(domain_words));
    return schema;
}

static bool is_in(const char *const *list, const char *name)
{
    for (; list && *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static json_t *member_schema(const struct service_config *service, const struct service_member *m)
{
    const struct member_note *note = note_of(m->name);
    json_t *schema;

    if (str_eq(m->name, "tags"))
        schema = reference("tags");
    else if (str_eq(m->name, "schema"))
        schema = avro_schema();
    else if (str_eq(m->name, "recipeArn"))
        schema = service->kind == KIND_RECOMMENDER
                     ? recipe_schema("A recipe of the dataset group's domain.", true)
                     : recipe_schema("The recipe that the solution is trained with.", false);
    else
        schema = schema_of_shape(m->shape);
    put(schema, "title", title_of(m->name));
    if (note) {
        put(schema, "description", json_string(note->description));
        if (note->fallback)
            put(schema, "default", json_loads(note->fallback, JSON_DECODE_ANY, NULL));
    }
    return schema;
}

/* NOLINTNEXTLINE(misc-no-recursion): a solution holds its version, and that nothing more */
static json_t *schema_of_service(const struct service_config *service)
{
    const struct service_shape *input =
        service_operation_find(&service_personalize, service->operation)->input;
    json_t *schema = typed("object"), *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < input->n_members; i++) {
        const struct service_member *m = &input->members[i];

        if (is_in(service->derived, m->name))
            continue;
        put(properties, m->name, member_schema(service, m));
        if (m->is_required || (service->kind == KIND_SOLUTION && strcmp(m->name, "recipeArn") == 0))
            json_array_append_new(required, json_string(m->name));
    }
    if (service->handled)
        put(properties, "solutionVersion", schema_of_service(&service_solution_version));
    put(schema, "properties", properties);
    put(schema, "required", required);
    put(schema, "additionalProperties", json_false());
    return schema;
}

/* ---- fields of the file ---- */

static json_t *schema_of_members(const struct field *members);

static json_t *list_of(json_t *items)
{
    json_t *schema = typed("array");

    put(schema, "items", items);
    return schema;
}

static json_t *number_schema(const struct field *field)
{
    json_t *schema = typed(field->type == FIELD_INTEGER ? "integer" : "number");

    if (field->min != 0 || field->max != 0) {
        put(schema, "minimum", number(field->min));
        put(schema, "maximum", number(field->max));
    }
    return schema;
}

static json_t *enum_schema(const struct field *field)
{
    json_t *schema = json_object();
    size_t n = 0;

    while (field->values[n])
        n++;
    put(schema, "enum", texts(field->values, n));
    return schema;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the constant table of fields */
static json_t *schema_of_type(const struct field *field)
{
    json_t *schema;

    switch (field->type) {
    case FIELD_OBJECT:
        return schema_of_members(field->members);
    case FIELD_LIST:
        return list_of(schema_of_members(field->members));
    case FIELD_SERVICE:
        return schema_of_service(field->service);
    case FIELD_TAGS:
        return reference("tags");
    case FIELD_SCHEDULE:
        return reference("schedule");
    case FIELD_DURATION:
        return reference("duration");
    case FIELD_TEXT_LIST:
        return list_of(typed("string"));
    case FIELD_ENUM:
        return enum_schema(field);
    case FIELD_BOOLEAN:
        return typed("boolean");
    case FIELD_INTEGER:
    case FIELD_NUMBER:
        return number_schema(field);
    case FIELD_TIME:
        schema = typed("string");
        put(schema, "format", json_string("date-time"));
        return schema;
    case FIELD_PATTERN:
        return schema_of_shape(service_shape_find(&service_personalize, field->shape));
    case FIELD_TEXT:
    case FIELD_NONE:
        break;
    }
    return typed("string");
}

/* An empty object means "none": what is required inside is required only when there is something.
 */
static json_t *or_empty(json_t *schema)
{
    json_t *choices = json_array(), *empty = json_object(), *both = json_object();

    put(empty, "maxProperties", json_integer(0));
    json_array_append_new(choices, empty);
    json_array_append_new(choices, schema);
    put(both, "anyOf", choices);
    return both;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the constant table of fields */
static json_t *schema_of_field(const struct field *field)
{
    json_t *schema = schema_of_type(field);

    if (field->type == FIELD_OBJECT && !field->is_required &&
        json_array_size(json_object_get(schema, "required")) > 0)
        schema = or_empty(schema);
    put(schema, "title", title_of(field->key));
    put(schema, "description", json_string(field->description));
    if (field->fallback)
        put(schema, "default", json_loads(field->fallback, JSON_DECODE_ANY, NULL));
    return schema;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the constant table of fields */
static json_t *schema_of_members(const struct field *members)
{
    json_t *schema = typed("object"), *properties = json_object(), *required = json_array();

    for (; members->key; members++) {
        put(properties, members->key, schema_of_field(members));
        if (members->is_required)
            json_array_append_new(required, json_string(members->key));
    }
    put(schema, "properties", properties);
    put(schema, "required", required);
    put(schema, "additionalProperties", json_false());
    return schema;
}

static json_t *schedule_schema(void)
{
    static const char *const examples[] = { "cron(0 4 * * ? *)", "rate(1 day)", "delete" };
    json_t *schema = json_object(), *choices = json_array(), *text = typed("string");

    put(text, "pattern", json_string("^(|delete|(cron|rate|at)\\(.*\\))$"));
    put(text, "examples", texts(examples, ARRAY_LEN(examples)));
    json_array_append_new(choices, text);
    json_array_append_new(choices, schema_of_members(schedule_fields));
    put(schema, "anyOf", choices);
    return schema;
}

static json_t *duration_schema(void)
{
    static const char *const examples[] = { "1 day", "12 hours", "P30D" };
    json_t *schema = typed("string");

    put(schema, "minLength", json_integer(2));
    put(schema, "examples", texts(examples, ARRAY_LEN(examples)));
    return schema;
}

json_t *parameter_file_schema(void)
{
    json_t *schema = schema_of_members(file_fields), *definitions = json_object();

    put(definitions, "tags", schema_of_shape(service_shape_find(&service_personalize, "Tags")));
    put(definitions, "schedule", schedule_schema());
    put(definitions, "duration", duration_schema());
    put(schema, "$defs", definitions);
    put(schema, "$schema", json_string(DIALECT));
    put(schema, "title", json_string("Steward parameter file"));
    put(schema, "description",
        json_string("What Amazon Personalize is to hold for one dataset group, and when it is kept "
                    "fresh. Files of the AWS solution \"Maintaining Personalized Experiences with "
                    "Machine Learning\" are valid unchanged."));
    return schema;
}
