/*
 * json_schema.c - the JSON Schema (2020-12) of the parameter file, for editors.
 *
 * Generated from the tables that the check reads: the fields of the file and the shapes of the API
 * model. What needs more than one place (recipes, names, filters, schedules) is described in words
 * and left to the check.
 */
#include <ctype.h>
#include <math.h>

#include "json_schema_notes.h"
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

/* Title, sentence and default of a member. */
static json_t *noted(json_t *schema, const char *member, const struct member_note *note)
{
    put(schema, "title", title_of(member));
    if (note) {
        put(schema, "description", json_string(note->description));
        if (note->fallback)
            put(schema, "default", json_loads(note->fallback, JSON_DECODE_ANY, NULL));
    }
    return schema;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the constant shapes of the model */
static json_t *schema_of_structure(const struct service_shape *shape)
{
    json_t *schema = typed("object"), *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < shape->n_members; i++) {
        const struct service_member *m = &shape->members[i];

        put(properties, m->name, noted(schema_of_shape(m->shape), m->name, inner_note(m->name)));
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

static json_t *described(json_t *schema, const char *words)
{
    put(schema, "description", json_string(words));
    return schema;
}

static json_t *constant(const char *text)
{
    json_t *schema = json_object();

    put(schema, "const", json_string(text));
    return schema;
}

/* A field of an Avro record: a plain type, or a union of one with null. */
static json_t *avro_field_schema(void)
{
    static const char *const types[] = { "string", "int",     "long", "float",
                                         "double", "boolean", "null" };
    static const char *const required[] = { "name", "type" };
    json_t *schema = typed("object"), *properties = json_object(), *type = json_object();
    json_t *plain = json_object(), *both = typed("array"), *choices = json_array();

    put(plain, "enum", texts(types, ARRAY_LEN(types)));
    put(both, "items", json_incref(plain));
    json_array_append_new(choices, plain);
    json_array_append_new(choices, both);
    put(type, "anyOf", choices);
    put(properties, "name",
        described(typed("string"), "In capitals, such as USER_ID; the CSV's column."));
    put(properties, "type", described(type, "A plain type, or [\"null\", type]."));
    put(properties, "categorical",
        described(typed("boolean"), "true: a text of categories, with | between several."));
    put(properties, "textual", described(typed("boolean"), "true: a description; items only."));
    put(schema, "properties", properties);
    put(schema, "required", texts(required, ARRAY_LEN(required)));
    return schema;
}

static json_t *avro_schema(void)
{
    static const char *const required[] = { "type", "name", "namespace", "fields" };
    json_t *schema = typed("object"), *properties = json_object(), *fields = typed("array");

    put(fields, "items", reference("avroField"));
    put(properties, "type", described(constant("record"), "Always \"record\"."));
    put(properties, "name",
        described(typed("string"),
                  "Interactions, Users, Items, Actions or Action_Interactions, as the dataset."));
    put(properties, "namespace",
        described(constant("com.amazonaws.personalize.schema"), "Amazon Personalize's own."));
    put(properties, "fields", described(fields, "One per column."));
    put(properties, "version", described(typed("string"), "\"1.0\""));
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
    return noted(schema, m->name, request_note(m->name));
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
        put(properties, "solutionVersion",
            noted(schema_of_service(&service_solution_version), "solutionVersion",
                  request_note("solutionVersion")));
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
    put(definitions, "avroField", avro_field_schema());
    put(schema, "$defs", definitions);
    put(schema, "$schema", json_string(DIALECT));
    put(schema, "title", json_string("Steward parameter file"));
    put(schema, "description",
        json_string("What Amazon Personalize is to hold for one dataset group, and when it is kept "
                    "fresh. Files of the AWS solution \"Maintaining Personalized Experiences with "
                    "Machine Learning\" are valid unchanged."));
    return schema;
}
