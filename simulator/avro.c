/*
 * avro.c - one table of dataset types and one of reserved fields; the rest is a walk over the
 * schema's fields.
 */
#include "avro.h"

#include <ctype.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

#define NAMESPACE "com.amazonaws.personalize.schema"

static const struct dataset_type {
    const char *record; /* of the schema, compared without case and underscores */
    const char *type;   /* of the dataset */
    size_t metadata_min, metadata_max;
    bool is_in_domains;
} types[] = {
    { "interactions", "INTERACTIONS", 0, 5, true },
    { "items", "ITEMS", 1, 100, true },
    { "users", "USERS", 1, 25, true },
    { "actions", "ACTIONS", 1, 10, false },
    { "actioninteractions", "ACTION_INTERACTIONS", 0, 5, false },
};

/* A field with a meaning of its own. Required: in these domains ("*": everywhere, "-": nowhere). */
static const struct reserved {
    const char *dataset, *name;
    const char *types; /* blank-separated */
    const char *required;
} reserved[] = {
    { "INTERACTIONS", "USER_ID", "string", "*" },
    { "INTERACTIONS", "ITEM_ID", "string", "*" },
    { "INTERACTIONS", "TIMESTAMP", "long", "*" },
    { "INTERACTIONS", "EVENT_TYPE", "string", "ECOMMERCE VIDEO_ON_DEMAND" },
    { "INTERACTIONS", "EVENT_VALUE", "float double int long", "-" },
    { "INTERACTIONS", "IMPRESSION", "string", "-" },
    { "INTERACTIONS", "RECOMMENDATION_ID", "string", "-" },
    { "INTERACTIONS", "EVENT_ATTRIBUTION_SOURCE", "string", "-" },
    { "ITEMS", "ITEM_ID", "string", "*" },
    { "ITEMS", "CREATION_TIMESTAMP", "long", "VIDEO_ON_DEMAND" },
    { "ITEMS", "PRICE", "float double int long", "ECOMMERCE" },
    { "ITEMS", "CATEGORY_L1", "string", "ECOMMERCE" },
    { "ITEMS", "GENRES", "string", "VIDEO_ON_DEMAND" },
    { "USERS", "USER_ID", "string", "*" },
    { "ACTIONS", "ACTION_ID", "string", "*" },
    { "ACTIONS", "CREATION_TIMESTAMP", "long", "-" },
    { "ACTION_INTERACTIONS", "USER_ID", "string", "*" },
    { "ACTION_INTERACTIONS", "ACTION_ID", "string", "*" },
    { "ACTION_INTERACTIONS", "TIMESTAMP", "long", "*" },
    { "ACTION_INTERACTIONS", "EVENT_TYPE", "string", "*" },
    { "ACTION_INTERACTIONS", "IMPRESSION", "string", "-" },
    { "ACTION_INTERACTIONS", "RECOMMENDATION_ID", "string", "-" },
};

/* These are metadata although they are known by name. */
static bool counts_as_metadata(const struct reserved *r)
{
    return str_eq(r->dataset, "ITEMS") && !str_eq(r->name, "ITEM_ID") &&
           !str_eq(r->name, "CREATION_TIMESTAMP");
}

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = words; (p = strstr(p, word)); p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

const json_t *avro_field(const json_t *schema, const char *name)
{
    const json_t *fields = json_object_get(schema, "fields");

    for (size_t i = 0; i < json_array_size(fields); i++)
        if (str_eq(json_text(json_array_get(fields, i), "name"), name))
            return json_array_get(fields, i);
    return NULL;
}

/* Letters and digits only, lower case: names that agree in this clash. */
static void squeeze(const char *name, char out[64])
{
    size_t n = 0;

    for (; *name && n < 63; name++)
        if (isalnum((unsigned char) *name))
            out[n++] = (char) tolower((unsigned char) *name);
    out[n] = '\0';
}

static const struct dataset_type *find_type(const char *record)
{
    char key[64];

    if (!record)
        return NULL;
    squeeze(record, key);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(types[i].record, key))
            return &types[i];
    return NULL;
}

static bool is_primitive(const char *type)
{
    return type && has_word("float double int long string boolean", type);
}

/* A type: a primitive, or a union of one with null. */
static enum err_code read_type(const char *name, const json_t *type, json_t *field, struct err *e)
{
    const char *primitive = NULL;
    bool is_nullable = false;

    if (json_is_string(type) && is_primitive(json_string_value(type)))
        primitive = json_string_value(type);
    for (size_t i = 0; json_is_array(type) && i < json_array_size(type); i++) {
        const char *one = json_string_value(json_array_get(type, i));

        if (str_eq(one, "null"))
            is_nullable = true;
        else if (is_primitive(one) && !primitive)
            primitive = one;
        else
            return err_set(e, ERR_INVALID, "The type of field %s is not supported.", name);
    }
    if (!primitive)
        return err_set(
            e, ERR_INVALID,
            "The type of field %s is not supported; it must be float, double, int, long, "
            "string, boolean, or a union of one of these with null.",
            name);
    json_object_set_new(field, "type", json_string(primitive));
    json_object_set_new(field, "isNullable", json_boolean(is_nullable));
    return OK;
}

static enum err_code read_field(const json_t *given, json_t *fields, struct err *e)
{
    const char *name = json_text(given, "name");
    json_t *field;

    if (!name || !*name)
        return err_set(e, ERR_INVALID, "A field of the schema has no name.");
    if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") !=
        strlen(name))
        return err_set(e, ERR_INVALID, "The field name %.100s must be alphanumeric.", name);
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const char *other = json_text(json_array_get(fields, i), "name");
        char a[64], b[64];

        squeeze(name, a);
        squeeze(other, b);
        if (str_eq(a, b))
            return err_set(e, ERR_INVALID, "The field names %.60s and %.60s are not distinct.",
                           other, name);
    }
    field = json_object();
    json_array_append_new(fields, field);
    json_object_set_new(field, "name", json_string(name));
    json_object_set_new(field, "isCategorical",
                        json_boolean(json_bool_or(given, "categorical", false)));
    json_object_set_new(field, "isTextual", json_boolean(json_bool_or(given, "textual", false)));
    json_object_set_new(field, "isItemName", json_boolean(json_bool_or(given, "itemName", false)));
    return read_type(name, json_object_get(given, "type"), field, e);
}

static const struct reserved *find_reserved(const char *dataset, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
        if (str_eq(reserved[i].dataset, dataset) && str_eq(reserved[i].name, name))
            return &reserved[i];
    return NULL;
}

static enum err_code check_required(const char *dataset, const char *domain, const json_t *schema,
                                    struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        const struct reserved *r = &reserved[i];
        bool is_required = str_eq(r->required, "*") || (domain && has_word(r->required, domain));

        if (str_eq(r->dataset, dataset) && is_required && !avro_field(schema, r->name))
            return err_set(e, ERR_INVALID, "The schema lacks the required field %s.", r->name);
    }
    return OK;
}

static enum err_code check_metadata(const struct dataset_type *type, const json_t *field,
                                    size_t *count, struct err *e)
{
    const char *name = json_text(field, "name"), *kind = json_text(field, "type");
    const struct reserved *r = find_reserved(type->type, name);
    bool is_categorical = json_bool_or(field, "isCategorical", false);
    bool is_textual = json_bool_or(field, "isTextual", false);

    if (r && !has_word(r->types, kind))
        return err_set(e, ERR_INVALID, "The field %s must be of type %s.", name, r->types);
    if (r && str_eq(name, "EVENT_TYPE") && is_categorical)
        return err_set(e, ERR_INVALID, "The field EVENT_TYPE must not be categorical.");
    if (r && !counts_as_metadata(r))
        return OK;
    (*count)++;
    if (is_textual && !str_eq(type->type, "ITEMS"))
        return err_set(e, ERR_INVALID, "Only Items datasets can have textual fields (%s).", name);
    return OK;
}

static enum err_code check_fields(const struct dataset_type *type, const char *domain,
                                  const json_t *schema, struct err *e)
{
    const json_t *fields = json_object_get(schema, "fields");
    size_t metadata = 0, textual = 0;

    TRY(check_required(type->type, domain, schema, e));
    for (size_t i = 0; i < json_array_size(fields); i++) {
        TRY(check_metadata(type, json_array_get(fields, i), &metadata, e));
        textual += json_bool_or(json_array_get(fields, i), "isTextual", false);
    }
    if (metadata < type->metadata_min)
        return err_set(e, ERR_INVALID, "The schema needs at least %zu metadata field.",
                       type->metadata_min);
    if (metadata > type->metadata_max)
        return err_set(e, ERR_INVALID,
                       "The schema has %zu metadata fields; at most %zu are allowed.", metadata,
                       type->metadata_max);
    if (textual > 1)
        return err_set(e, ERR_INVALID, "The schema has %zu textual fields; at most 1 is allowed.",
                       textual);
    return OK;
}

enum err_code avro_schema_read(const char *text, const char *domain, json_t **out, struct err *e)
{
    AUTO_JSON json_t *schema = NULL, *result = json_object();
    const json_t *given;
    const struct dataset_type *type;
    struct err why;

    if (json_parse(text, strlen(text), &schema, NULL, &why) || !json_is_object(schema))
        return err_set(e, ERR_INVALID, "The schema is not a valid JSON object.");
    type = find_type(json_text(schema, "name"));
    given = json_object_get(schema, "fields");
    if (!str_eq(json_text(schema, "type"), "record"))
        return err_set(e, ERR_INVALID, "The type of the schema must be record.");
    if (!type)
        return err_set(e, ERR_INVALID,
                       "The name of the schema must be one of Interactions, Items, Users, Actions, "
                       "Action_Interactions.");
    if (!str_eq(json_text(schema, "namespace"), NAMESPACE))
        return err_set(e, ERR_INVALID, "The namespace of the schema must be %s.", NAMESPACE);
    if (domain && !type->is_in_domains)
        return err_set(e, ERR_INVALID, "Domain dataset groups have no %s dataset.", type->type);
    if (!json_is_array(given) || json_array_size(given) == 0)
        return err_set(e, ERR_INVALID, "The schema has no fields.");
    json_object_set_new(result, "type", json_string(type->type));
    json_object_set_new(result, "fields", json_array());
    for (size_t i = 0; i < json_array_size(given); i++)
        TRY(read_field(json_array_get(given, i), json_object_get(result, "fields"), e));
    TRY(check_fields(type, domain, result, e));
    *out = TAKE(result);
    return OK;
}
