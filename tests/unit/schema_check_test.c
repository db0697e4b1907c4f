/*
 * schema_check_test.c - schemas: what libavro refuses, and what Amazon Personalize needs per
 * dataset type and domain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/schema_check.h"
#include "steward/str.h"

#define HEAD(name)                          \
    "{\"type\":\"record\",\"name\":\"" name \
    "\",\"namespace\":\"com.amazonaws.personalize.schema\",\"version\":\"1.0\",\"fields\":["
#define TAIL            "]}"
#define F(name, type)   "{\"name\":\"" name "\",\"type\":\"" type "\"}"
#define N(name, type)   "{\"name\":\"" name "\",\"type\":[\"" type "\",\"null\"]}"
#define C(name)         "{\"name\":\"" name "\",\"type\":\"string\",\"categorical\":true}"
#define CN(name)        "{\"name\":\"" name "\",\"type\":[\"null\",\"string\"],\"categorical\":true}"
#define T(name)         "{\"name\":\"" name "\",\"type\":\"string\",\"textual\":true}"
#define INTERACTION     F("USER_ID", "string") "," F("ITEM_ID", "string") "," F("TIMESTAMP", "long")
#define INTERACTIONS(x) HEAD("Interactions") INTERACTION x TAIL
#define USERS(x)        HEAD("Users") F("USER_ID", "string") x TAIL
#define ITEMS(x)        HEAD("Items") F("ITEM_ID", "string") x TAIL

struct seen {
    char pointers[32][64], codes[32][48];
    size_t n;
};

static void collect(void *context, const struct schema_trouble *t)
{
    struct seen *s = context;

    assert_true(s->n < 32);
    (void) str_copy(s->pointers[s->n], sizeof s->pointers[0], t->pointer);
    (void) str_copy(s->codes[s->n], sizeof s->codes[0], t->code);
    s->n++;
    assert_true(strlen(t->detail) > 10);
}

/* clang-format off */
static const struct {
    const char *type, *domain, *schema;
    const char *pointer, *code; /* the only trouble; NULL: none */
} cases[] = {
    { "INTERACTIONS", NULL, INTERACTIONS(""), NULL, NULL },
    { "INTERACTIONS", NULL, INTERACTIONS("," F("EVENT_TYPE", "string") "," N("EVENT_VALUE", "float") "," N("IMPRESSION", "string") "," N("RECOMMENDATION_ID", "string") "," N("EVENT_ATTRIBUTION_SOURCE", "string") "," CN("DEVICE")), NULL, NULL },
    { "INTERACTIONS", NULL, HEAD("Interactions") F("USER_ID", "string") "," F("ITEM_ID", "string") TAIL, "/fields", "schema-field-missing" },
    { "INTERACTIONS", NULL, HEAD("Interactions") F("user_id", "string") "," F("ITEM_ID", "string") "," F("TIMESTAMP", "long") TAIL, NULL, "schema-field-missing" },
    { "INTERACTIONS", NULL, HEAD("Interactions") F("USER_ID", "string") "," F("ITEM_ID", "string") "," F("TIMESTAMP", "int") TAIL, "/fields/2", "schema-field-type" },
    { "INTERACTIONS", NULL, HEAD("Interactions") N("USER_ID", "string") "," F("ITEM_ID", "string") "," F("TIMESTAMP", "long") TAIL, "/fields/0", "schema-field-type" },
    { "INTERACTIONS", NULL, INTERACTIONS("," C("EVENT_TYPE")), "/fields/3", "schema-metadata" },
    { "INTERACTIONS", NULL, INTERACTIONS("," F("EVENT_VALUE", "string")), "/fields/3", "schema-field-type" },
    { "INTERACTIONS", NULL, INTERACTIONS("," F("DEVICE", "string")), "/fields/3", "schema-metadata" },
    { "INTERACTIONS", NULL, INTERACTIONS("," T("REVIEW")), "/fields/3", "schema-metadata" },
    { "INTERACTIONS", NULL, INTERACTIONS("," F("A", "int") "," F("B", "int") "," F("C", "int") "," F("D", "int") "," F("E", "int") "," F("F", "int")), "/fields", "schema-limit" },
    { "INTERACTIONS", "ECOMMERCE", INTERACTIONS(""), "/fields", "schema-field-missing" },
    { "INTERACTIONS", "ECOMMERCE", INTERACTIONS("," F("EVENT_TYPE", "string")), NULL, NULL },
    { "INTERACTIONS", "VIDEO_ON_DEMAND", INTERACTIONS("," N("EVENT_TYPE", "string")), "/fields/3", "schema-field-type" },
    { "USERS", NULL, USERS("," F("AGE", "int")), NULL, NULL },
    { "USERS", NULL, USERS(""), "/fields", "schema-metadata" },
    { "USERS", NULL, USERS("," F("NAME", "string")), "/fields/1", "schema-metadata" },
    { "USERS", NULL, USERS("," T("ABOUT")), "/fields/1", "schema-metadata" },
    { "USERS", NULL, USERS("," "{\"name\":\"AGE\",\"type\":\"int\",\"categorical\":true}"), "/fields/1", "schema-metadata" },
    { "USERS", NULL, USERS("," F("AGE", "bytes")), "/fields/1", "schema-field-type" },
    { "USERS", NULL, USERS("," F("AGE", "null")), "/fields/1", "schema-field-type" },
    { "USERS", NULL, USERS(",{\"name\":\"AGE\",\"type\":[\"int\",\"string\"]}"), "/fields/1", "schema-field-type" },
    { "USERS", NULL, USERS(",{\"name\":\"AGE\",\"type\":{\"type\":\"array\",\"items\":\"int\"}}"), "/fields/1", "schema-field-type" },
    { "USERS", NULL, USERS("," F("GENRE_L1", "int") "," F("GENREL1", "int")), "/fields/2", "schema-field-name" },
    { "USERS", "VIDEO_ON_DEMAND", USERS(",{\"name\":\"SUBSCRIPTION_MODEL\",\"type\":\"string\",\"categorical\":true}"), NULL, NULL },
    { "ITEMS", NULL, ITEMS("," C("GENRES") "," T("DESCRIPTION") "," F("PRICE", "float") "," F("CREATION_TIMESTAMP", "long")), NULL, NULL },
    { "ITEMS", NULL, ITEMS("," T("A") "," T("B")), "/fields", "schema-limit" },
    { "ITEMS", NULL, ITEMS(",{\"name\":\"A\",\"type\":\"string\",\"textual\":true,\"categorical\":true}"), "/fields/1", "schema-metadata" },
    { "ITEMS", NULL, ITEMS("," F("CREATION_TIMESTAMP", "string")), NULL, "schema-field-type" },
    { "ITEMS", NULL, ITEMS(",{\"name\":\"TITLE\",\"type\":\"string\",\"itemName\":true}," T("DESCRIPTION")), NULL, NULL },
    { "ITEMS", "ECOMMERCE", ITEMS("," F("PRICE", "float") "," C("CATEGORY_L1")), NULL, NULL },
    { "ITEMS", "ECOMMERCE", ITEMS("," F("PRICE", "float")), "/fields", "schema-field-missing" },
    { "ITEMS", "VIDEO_ON_DEMAND", ITEMS("," C("GENRES") "," F("CREATION_TIMESTAMP", "long")), NULL, NULL },
    { "ITEMS", "VIDEO_ON_DEMAND", ITEMS("," C("GENRES")), "/fields", "schema-field-missing" },
    { "ACTIONS", NULL, HEAD("Actions") F("ACTION_ID", "string") "," N("VALUE", "long") "," N("REPEAT_FREQUENCY", "long") TAIL, NULL, NULL },
    { "ACTIONS", NULL, HEAD("Actions") F("ACTION_ID", "string") TAIL, "/fields", "schema-metadata" },
    { "ACTION_INTERACTIONS", NULL, HEAD("Action_Interactions") F("USER_ID", "string") "," F("ACTION_ID", "string") "," F("EVENT_TYPE", "string") "," F("TIMESTAMP", "long") TAIL, NULL, NULL },
    { "ACTION_INTERACTIONS", NULL, HEAD("ActionInteractions") F("USER_ID", "string") "," F("ACTION_ID", "string") "," F("TIMESTAMP", "long") TAIL, "/fields", "schema-field-missing" },
    /* the record itself */
    { "USERS", NULL, HEAD("Items") F("USER_ID", "string") "," F("AGE", "int") TAIL, "/name", "schema-name" },
    { "USERS", NULL, "{\"type\":\"record\",\"name\":\"Users\",\"fields\":[" F("USER_ID", "string") "," F("AGE", "int") "]}", "", "schema-namespace" },
    { "USERS", NULL, "{\"type\":\"record\",\"name\":\"Users\",\"namespace\":\"x\",\"fields\":[" F("USER_ID", "string") "," F("AGE", "int") "]}", "/namespace", "schema-namespace" },
    { "USERS", NULL, "{\"type\":\"record\",\"name\":\"Users\",\"namespace\":\"com.amazonaws.personalize.schema\",\"version\":\"2.0\",\"fields\":[" F("USER_ID", "string") "," F("AGE", "int") "]}", "/version", "schema-shape" },
    { "USERS", NULL, "{\"type\":\"enum\",\"name\":\"Users\",\"symbols\":[\"A\"]}", "/type", "schema-shape" },
    { "USERS", NULL, "{\"type\":\"array\",\"items\":\"string\"}", "/type", "schema-shape" },
    /* not Avro at all */
    { "USERS", NULL, "{}", "", "bad-avro" },
    { "USERS", NULL, "{\"type\":\"thing\"}", "", "bad-avro" },
    { "USERS", NULL, "{\"type\":\"record\",\"name\":\"Users\"}", "", "bad-avro" },
    { "USERS", NULL, "{\"type\":\"record\",\"fields\":[]}", "", "bad-avro" },
    { "USERS", NULL, HEAD("Users") "{\"type\":\"string\"}" TAIL, "", "bad-avro" },
    { "USERS", NULL, HEAD("Users") "{\"name\":\"A\"}" TAIL, "", "bad-avro" },
    { "USERS", NULL, HEAD("Users") "7" TAIL, "", "bad-avro" },
    { "USERS", NULL, HEAD("Users") F("USER_ID", "text") TAIL, "", "bad-avro" },
    { "USERS", NULL, USERS("," F("USER_ID", "string")), NULL, "schema-field-name" },
};
/* clang-format on */

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_JSON json_t *schema = json_loads(cases[i].schema, 0, NULL);
        struct seen seen = { .n = 0 };
        bool is_found = !cases[i].code;

        assert_non_null(schema);
        schema_check(schema, cases[i].type, cases[i].domain,
                     &(struct schema_listener){ collect, &seen });
        for (size_t k = 0; k < seen.n; k++) {
            is_found |= str_eq(seen.codes[k], cases[i].code) &&
                        (!cases[i].pointer || strcmp(seen.pointers[k], cases[i].pointer) == 0);
        }
        if (!is_found || (cases[i].pointer && seen.n != 1) || (!cases[i].code && seen.n > 0))
            fail_msg("%s: %zu troubles, the first %s at \"%s\"", cases[i].schema, seen.n,
                     seen.n ? seen.codes[0] : "-", seen.n ? seen.pointers[0] : "-");
    }
}

static void test_field_lookup(void **state)
{
    AUTO_JSON json_t *schema = json_loads(ITEMS("," CN("GENRES") "," F("PRICE", "float")), 0, NULL);

    (void) state;
    assert_true(schema_field_is(schema_field(schema, "GENRES"), "string"));
    assert_true(schema_field_is(schema_field(schema, "genres"), "null"));
    assert_false(schema_field_is(schema_field(schema, "PRICE"), "string"));
    assert_null(schema_field(schema, "COLOUR"));
    assert_null(schema_field(NULL, "PRICE"));
}

/* A new schema for a dataset that is there: what Amazon refuses was once planned as a change in
 * place. */
static void test_one_schema_after_another(void **state)
{
    static const char old[] =
        "{\"fields\": [{\"name\": \"ITEM_ID\", \"type\": \"string\"}, {\"name\": \"PRICE\", "
        "\"type\": \"float\"}]}";
    static const struct {
        const char *fields, *why;
    } changes[] = {
        { "{\"name\": \"PRICE\", \"type\": \"float\"}, {\"name\": \"ITEM_ID\", \"type\": "
          "\"string\"}",
          NULL },
        { "{\"name\": \"ITEM_ID\", \"type\": \"string\"}, {\"name\": \"PRICE\", \"type\": "
          "\"float\"}, {\"name\": \"YEAR\", \"type\": [\"null\", \"int\"]}",
          NULL },
        { "{\"name\": \"ITEM_ID\", \"type\": \"string\"}, {\"name\": \"PRICE\", \"type\": "
          "\"float\"}, {\"name\": \"YEAR\", \"type\": \"int\"}",
          "the new field YEAR cannot be null" },
        { "{\"name\": \"ITEM_ID\", \"type\": \"string\"}", "the field PRICE is gone" },
        { "{\"name\": \"ITEM_ID\", \"type\": \"string\"}, {\"name\": \"price\", \"type\": "
          "\"float\"}",
          "the field PRICE is gone" },
        { "{\"name\": \"ITEM_ID\", \"type\": \"string\"}, {\"name\": \"PRICE\", \"type\": "
          "\"double\"}",
          "the field PRICE is another one" },
    };
    AUTO_JSON json_t *before = json_loads(old, 0, NULL);

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        AUTO_FREE char *text = xasprintf("{\"fields\": [%s]}", changes[i].fields);
        AUTO_JSON json_t *after = json_loads(text, 0, NULL);
        AUTO_BUF struct buf why = { 0 };

        assert_int_equal(schema_check_follows(before, after, &why), changes[i].why == NULL);
        if (changes[i].why)
            assert_string_equal(why.data, changes[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_schema_after_another),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_field_lookup),
    };

    mem_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
