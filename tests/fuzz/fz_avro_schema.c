/*
 * fz_avro_schema.c - any JSON as a schema: the first byte chooses dataset type and domain. Places
 * resolve, and libavro takes what it is given.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/schema_check.h"
#include "steward/str.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void report(void *context, const struct schema_trouble *t)
{
    AUTO_FREE char *parent = xstrdup(t->pointer);
    char *last = strrchr(parent, '/');

    check(t->detail && strlen(t->detail) > 10);
    if (json_at(context, t->pointer))
        return;
    check(last != NULL);
    *last = '\0';
    check(json_at(context, parent) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = { "INTERACTIONS", "USERS", "ITEMS", "ACTIONS",
                                         "ACTION_INTERACTIONS" };
    static const char *const domains[] = { NULL, "ECOMMERCE", "VIDEO_ON_DEMAND" };
    AUTO_JSON json_t *schema = NULL;
    struct schema_listener listener = { report, NULL };
    struct err e;

    if (size < 1 || json_parse((const char *) data + 1, size - 1, &schema, NULL, &e) != OK ||
        !json_is_object(schema))
        return 0;
    listener.context = schema;
    schema_check(schema, types[data[0] % ARRAY_LEN(types)],
                 domains[data[0] / 16 % ARRAY_LEN(domains)], &listener);
    return 0;
}
