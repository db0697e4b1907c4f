/*
 * schema_check.c - the rules for Avro schemas, as tables of fields per dataset type and domain.
 *
 * Facts: developer guide ("Schemas", "Domain dataset requirements") and the service's limits.
 */
#include "steward/schema_check.h"

#include <avro.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

#define ANY_DOMAIN  NULL
#define NAME_SPACE  "com.amazonaws.personalize.schema"
#define FIELDS_MAX  500
#define POINTER_MAX 256

/* A field with a meaning: required or reserved, in a dataset type and perhaps only in a domain. */
struct field_rule {
    const char *dataset_type, *domain, *name;
    const char *types[3];
    bool is_required;
    bool may_be_null;
    bool is_key;         /* no metadata: not counted, needs no mark */
    bool is_categorical; /* must be marked so */
};

/* clang-format off */
static const struct field_rule rules[] = {
    { "INTERACTIONS", ANY_DOMAIN, "USER_ID", { "string" }, true, false, .is_key = true },
    { "INTERACTIONS", ANY_DOMAIN, "ITEM_ID", { "string" }, true, false, .is_key = true },
    { "INTERACTIONS", ANY_DOMAIN, "TIMESTAMP", { "long" }, true, false, .is_key = true },
    { "INTERACTIONS", "ECOMMERCE", "EVENT_TYPE", { "string" }, true, false, .is_key = true },
    { "INTERACTIONS", "VIDEO_ON_DEMAND", "EVENT_TYPE", { "string" }, true, false, .is_key = true },
    { "INTERACTIONS", ANY_DOMAIN, "EVENT_TYPE", { "string" }, false, true, .is_key = true },
    { "INTERACTIONS", ANY_DOMAIN, "EVENT_VALUE", { "float", "double" }, false, true, .is_key = true },
    { "INTERACTIONS", ANY_DOMAIN, "IMPRESSION", { "string" }, false, true, .is_key = true },
    { "INTERACTIONS", ANY_DOMAIN, "RECOMMENDATION_ID", { "string" }, false, true, .is_key = true },
    { "INTERACTIONS", ANY_DOMAIN, "EVENT_ATTRIBUTION_SOURCE", { "string" }, false, true, .is_key = true },
    { "USERS", ANY_DOMAIN, "USER_ID", { "string" }, true, false, .is_key = true },
    { "USERS", "VIDEO_ON_DEMAND", "SUBSCRIPTION_MODEL", { "string" }, false, true, false, .is_categorical = true },
    { "ITEMS", ANY_DOMAIN, "ITEM_ID", { "string" }, true, false, .is_key = true },
    { "ITEMS", "ECOMMERCE", "PRICE", { "float", "double" }, true, false, .is_key = false },
    { "ITEMS", "ECOMMERCE", "CATEGORY_L1", { "string" }, true, false, false, .is_categorical = true },
    { "ITEMS", "VIDEO_ON_DEMAND", "GENRES", { "string" }, true, false, false, .is_categorical = true },
    { "ITEMS", "VIDEO_ON_DEMAND", "CREATION_TIMESTAMP", { "long" }, true, false, .is_key = false },
    { "ITEMS", ANY_DOMAIN, "CREATION_TIMESTAMP", { "long" }, false, true, .is_key = false },
    { "ACTIONS", ANY_DOMAIN, "ACTION_ID", { "string" }, true, false, .is_key = true },
    { "ACTIONS", ANY_DOMAIN, "CREATION_TIMESTAMP", { "long" }, false, true, .is_key = false },
    { "ACTIONS", ANY_DOMAIN, "VALUE", { "long", "int", "double" }, false, true, .is_key = false },
    { "ACTIONS", ANY_DOMAIN, "EXPIRATION_TIMESTAMP", { "long" }, false, true, .is_key = false },
    { "ACTIONS", ANY_DOMAIN, "ACTION_EXPIRATION_TIMESTAMP", { "long" }, false, true, .is_key = false },
    { "ACTIONS", ANY_DOMAIN, "REPEAT_FREQUENCY", { "long", "int" }, false, true, .is_key = false },
    { "ACTION_INTERACTIONS", ANY_DOMAIN, "USER_ID", { "string" }, true, false, .is_key = true },
    { "ACTION_INTERACTIONS", ANY_DOMAIN, "ACTION_ID", { "string" }, true, false, .is_key = true },
    { "ACTION_INTERACTIONS", ANY_DOMAIN, "EVENT_TYPE", { "string" }, true, false, .is_key = true },
    { "ACTION_INTERACTIONS", ANY_DOMAIN, "TIMESTAMP", { "long" }, true, false, .is_key = true },
    { "ACTION_INTERACTIONS", ANY_DOMAIN, "IMPRESSION", { "string" }, false, true, .is_key = true },
    { "ACTION_INTERACTIONS", ANY_DOMAIN, "RECOMMENDATION_ID", { "string" }, false, true, .is_key = true },
};

static const struct dataset_rule {
    const char *type, *title, *record;
    size_t min_metadata, max_metadata;
    bool has_textual;
} dataset_rules[] = {
    { "INTERACTIONS", "an interactions schema", "Interactions", 0, 5, false },
    { "USERS", "a users schema", "Users", 1, 25, false },
    { "ITEMS", "an items schema", "Items", 1, 100, true },
    { "ACTIONS", "an actions schema", "Actions", 1, 10, false },
    { "ACTION_INTERACTIONS", "an action interactions schema", "Action_Interactions", 0, 5, false },
};
/* clang-format on */

struct schema_check {
    const struct dataset_rule *dataset;
    const char *domain;
    const struct schema_listener *listener;
};

__attribute__((format(printf, 4, 5))) static void tell(const struct schema_check *s,
                                                       const char *code, const char *pointer,
                                                       const char *fmt, ...)
{
    AUTO_BUF struct buf text = { 0 };
    struct schema_trouble t = { .pointer = pointer, .code = code };
    va_list ap;

    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    t.detail = text.data;
    s->listener->report(s->listener->context, &t);
}

static bool is_type(const json_t *type, const char *name)
{
    if (json_is_object(type))
        type = json_object_get(type, "type");
    return str_eq(json_string_value(type), name);
}

bool schema_field_is(const json_t *field, const char *type)
{
    const json_t *given = json_object_get(field, "type");
    size_t i;
    const json_t *branch;

    if (!json_is_array(given))
        return is_type(given, type);
    json_array_foreach (given, i, branch)
        if (is_type(branch, type))
            return true;
    return false;
}

const json_t *schema_field(const json_t *schema, const char *name)
{
    const json_t *fields = json_object_get(schema, "fields"), *near = NULL;
    size_t i;
    const json_t *field;

    json_array_foreach (fields, i, field) {
        const char *own = json_text(field, "name");

        if (str_eq(own, name))
            return field;
        if (own && !near && strcasecmp(own, name) == 0)
            near = field;
    }
    return near;
}

/* The rule of a field: the domain's own before the general one. */
static const struct field_rule *rule_of(const struct schema_check *s, const char *name)
{
    const struct field_rule *general = NULL;

    for (size_t i = 0; name && i < ARRAY_LEN(rules); i++) {
        const struct field_rule *r = &rules[i];

        if (strcmp(r->dataset_type, s->dataset->type) != 0 || strcmp(r->name, name) != 0)
            continue;
        if (r->domain && str_eq(r->domain, s->domain))
            return r;
        if (!r->domain)
            general = r;
    }
    return general;
}

/* ---- one field ---- */

static bool is_plain(const char *type)
{
    static const char *const plain[] = { "float",  "double",  "int", "long",
                                         "string", "boolean", "null" };

    for (size_t i = 0; type && i < ARRAY_LEN(plain); i++)
        if (strcmp(plain[i], type) == 0)
            return true;
    return false;
}

/* A plain type, or a union of plain types. */
static bool check_plain(const struct schema_check *s, const json_t *field, const char *pointer)
{
    const json_t *type = json_object_get(field, "type");
    size_t i, n_values = 0;
    const json_t *branch;

    if (!json_is_array(type)) {
        if (is_plain(json_string_value(type)) && !is_type(type, "null"))
            return true;
        tell(s, "schema-field-type", pointer,
             "The field \"%s\" must be of type string, int, long, float, double or boolean, or one "
             "of them in a union with \"null\".",
             json_text_or(field, "name", "?"));
        return false;
    }
    json_array_foreach (type, i, branch) {
        if (!is_plain(json_string_value(branch))) {
            tell(s, "schema-field-type", pointer,
                 "The union of field \"%s\" may hold plain types and \"null\" only.",
                 json_text_or(field, "name", "?"));
            return false;
        }
        n_values += !is_type(branch, "null");
    }
    if (n_values == 1)
        return true;
    tell(s, "schema-field-type", pointer,
         "The union of field \"%s\" must hold one type and \"null\".",
         json_text_or(field, "name", "?"));
    return false;
}

static void check_rule(const struct schema_check *s, const struct field_rule *rule,
                       const json_t *field, const char *pointer)
{
    bool is_fitting = false;

    for (size_t i = 0; i < ARRAY_LEN(rule->types) && rule->types[i]; i++)
        is_fitting |= schema_field_is(field, rule->types[i]);
    if (!is_fitting)
        tell(s, "schema-field-type", pointer, "%s must be of type %s%s%s.", rule->name,
             rule->types[0], rule->types[1] ? " or " : "", rule->types[1] ? rule->types[1] : "");
    else if (!rule->may_be_null && schema_field_is(field, "null"))
        tell(s, "schema-field-type", pointer,
             "%s is required and cannot be null: use plain \"%s\".", rule->name, rule->types[0]);
    if (rule->is_key && (json_is_true(json_object_get(field, "categorical")) ||
                         json_is_true(json_object_get(field, "textual"))))
        tell(s, "schema-metadata", pointer,
             "%s is a reserved field and cannot be categorical or textual; remove the mark.",
             rule->name);
    if (rule->is_categorical && !json_is_true(json_object_get(field, "categorical")))
        tell(s, "schema-metadata", pointer, "%s must be marked with \"categorical\": true.",
             rule->name);
}

static void check_metadata(const struct schema_check *s, const json_t *field, const char *pointer)
{
    const char *name = json_text_or(field, "name", "?");
    bool is_categorical = json_is_true(json_object_get(field, "categorical"));
    bool is_textual = json_is_true(json_object_get(field, "textual"));
    bool is_name = json_is_true(json_object_get(field, "itemName"));

    if (is_textual && !s->dataset->has_textual)
        tell(s, "schema-metadata", pointer,
             "The field \"%s\" is textual; only items have textual fields. Use \"categorical\".",
             name);
    if (is_textual && is_categorical)
        tell(s, "schema-metadata", pointer,
             "The field \"%s\" is both categorical and textual; keep one mark.", name);
    if (schema_field_is(field, "string")) {
        if (!is_textual && !is_categorical && !is_name)
            tell(s, "schema-metadata", pointer,
                 "The text field \"%s\" needs \"categorical\": true%s.", name,
                 s->dataset->has_textual ? " or \"textual\": true" : "");
    } else if (is_textual || is_categorical) {
        tell(s, "schema-metadata", pointer,
             "The field \"%s\" is marked as text but is none; give it the type string or remove "
             "the mark.",
             name);
    }
}

static bool is_field_name(const char *name)
{
    if (!isalpha((unsigned char) *name) && *name != '_')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char) *name) && *name != '_')
            return false;
    return true;
}

/* Names are compared without what is no letter or digit: GENRE_L1 and GENREL1 clash. */
static bool is_same_name(const char *a, const char *b)
{
    for (;;) {
        while (*a == '_')
            a++;
        while (*b == '_')
            b++;
        if (toupper((unsigned char) *a) != toupper((unsigned char) *b))
            return false;
        if (!*a)
            return true;
        a++;
        b++;
    }
}

static void check_name(const struct schema_check *s, const json_t *fields, size_t index,
                       const char *pointer)
{
    const char *name = json_text(json_array_get(fields, index), "name");

    if (!is_field_name(name) || strlen(name) > 150) {
        tell(s, "schema-field-name", pointer,
             "\"%s\" is not a field name: use up to 150 letters, digits and _, beginning with a "
             "letter.",
             name);
        return;
    }
    for (size_t i = 0; i < index; i++) {
        const char *other = json_text(json_array_get(fields, i), "name");

        if (other && is_same_name(other, name)) {
            tell(s, "schema-field-name", pointer,
                 "\"%s\" and \"%s\" are one name to Amazon Personalize, which leaves out the _; "
                 "rename one.",
                 other, name);
            return;
        }
    }
}

static void check_fields(const struct schema_check *s, const json_t *fields)
{
    size_t i, n_metadata = 0, n_textual = 0;
    const json_t *field;

    if (json_array_size(fields) > FIELDS_MAX) {
        tell(s, "schema-limit", "/fields", "%zu fields; at most %d are read.",
             json_array_size(fields), FIELDS_MAX);
        return;
    }
    json_array_foreach (fields, i, field) {
        const struct field_rule *rule = rule_of(s, json_text(field, "name"));
        char pointer[POINTER_MAX];

        (void) snprintf(pointer, sizeof pointer, "/fields/%zu", i);
        if (!json_is_object(field) || !json_text(field, "name"))
            continue; /* libavro has said so */
        check_name(s, fields, i, pointer);
        n_metadata += !rule || !rule->is_key;
        if (!check_plain(s, field, pointer))
            continue;
        if (rule)
            check_rule(s, rule, field, pointer);
        if (rule && rule->is_key)
            continue;
        n_textual += json_is_true(json_object_get(field, "textual"));
        check_metadata(s, field, pointer);
    }
    if (n_metadata < s->dataset->min_metadata)
        tell(s, "schema-metadata", "/fields",
             "Besides its id, %s needs at least one metadata field (categorical text or a number).",
             s->dataset->title);
    if (n_metadata > s->dataset->max_metadata)
        tell(s, "schema-limit", "/fields", "%zu metadata fields; %s may have %zu.", n_metadata,
             s->dataset->title, s->dataset->max_metadata);
    if (n_textual > 1)
        tell(s, "schema-limit", "/fields", "%zu textual fields; one is allowed.", n_textual);
}

static void check_required(const struct schema_check *s, const json_t *schema)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct field_rule *r = &rules[i];

        if (!r->is_required || strcmp(r->dataset_type, s->dataset->type) != 0 ||
            (r->domain && !str_eq(r->domain, s->domain)))
            continue;
        if (schema_field(schema, r->name) &&
            str_eq(json_text(schema_field(schema, r->name), "name"), r->name))
            continue;
        tell(s, "schema-field-missing", "/fields",
             "%s%s%s needs the field %s of type %s%s; add it (in capitals).", s->dataset->title,
             r->domain ? " of domain " : "", r->domain ? r->domain : "", r->name, r->types[0],
             r->is_categorical ? ", categorical" : "");
    }
}

/* ---- the whole ---- */

static bool check_avro(const struct schema_check *s, const json_t *schema)
{
    AUTO_FREE char *text = json_compact(schema);
    avro_schema_t parsed = NULL;

    if (avro_schema_from_json_length(text, strlen(text), &parsed) == 0) {
        avro_schema_decref(parsed);
        return true;
    }
    tell(s, "bad-avro", "", "This is not an Avro schema: %s.", avro_strerror());
    return false;
}

static void check_record(const struct schema_check *s, const json_t *schema)
{
    const char *name = json_text_or(schema, "name", "");
    const char *space = json_text(schema, "namespace");
    const char *version = json_text(schema, "version");

    if (!is_same_name(name, s->dataset->record))
        tell(s, "schema-name", "/name",
             "The record is named \"%s\"; the schema of this dataset must be named \"%s\".", name,
             s->dataset->record);
    if (!str_eq(space, NAME_SPACE))
        tell(s, "schema-namespace", space ? "/namespace" : "",
             "The namespace is %s%s%s; it must be \"" NAME_SPACE "\".", space ? "\"" : "",
             space ? space : "missing", space ? "\"" : "");
    if (version && strcmp(version, "1.0") != 0)
        tell(s, "schema-shape", "/version",
             "The version is \"%s\"; Amazon Personalize knows \"1.0\".", version);
}

void schema_check(const json_t *schema, const char *dataset_type, const char *domain,
                  const struct schema_listener *listener)
{
    struct schema_check s = { NULL, domain, listener };

    for (size_t i = 0; i < ARRAY_LEN(dataset_rules); i++)
        if (str_eq(dataset_rules[i].type, dataset_type))
            s.dataset = &dataset_rules[i];
    if (!s.dataset || !check_avro(&s, schema))
        return;
    if (!str_eq(json_text(schema, "type"), "record")) {
        tell(&s, "schema-shape", "/type",
             "The schema must be a record with fields; set \"type\" to \"record\".");
        return;
    }
    check_record(&s, schema);
    check_fields(&s, json_object_get(schema, "fields"));
    check_required(&s, schema);
}

/* ---- one schema after another ---- */

/* Whether old's fields are all in new, as they were, and what is new may be null. */
bool schema_check_follows(const json_t *old, const json_t *new, struct buf *why)
{
    const json_t *fields = json_object_get(old, "fields"), *field;
    size_t i;

    json_array_foreach (fields, i, field) {
        const char *name = json_text_or(field, "name", "");
        const json_t *now = schema_field(new, name);

        if (!now || !str_eq(json_text(now, "name"), name)) {
            buf_printf(why, "the field %s is gone", name);
            return false;
        }
        if (!json_equal(field, now)) {
            buf_printf(why, "the field %s is another one", name);
            return false;
        }
    }
    json_array_foreach (json_object_get(new, "fields"), i, field) {
        const char *name = json_text_or(field, "name", "");

        if (schema_field(old, name) || schema_field_is(field, "null"))
            continue;
        buf_printf(why, "the new field %s cannot be null", name);
        return false;
    }
    return true;
}
