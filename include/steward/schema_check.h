/*
 * schema_check.h - what Amazon Personalize needs of an Avro schema.
 *
 * libavro decides whether a schema is Avro at all; the rules here say the rest: one flat record,
 * its name and namespace, required and reserved fields per dataset type and domain, metadata and
 * its limits. Pure; may allocate.
 */
#ifndef STEWARD_SCHEMA_CHECK_H
#define STEWARD_SCHEMA_CHECK_H

#include <jansson.h>

#include "steward/err.h"
#include "steward/str.h"

/* One trouble: pointer into the schema ("" is the whole), code (docs/validation.md), sentence. */
struct schema_trouble {
    const char *pointer, *code, *detail;
};
typedef void (*schema_report_fn)(void *context, const struct schema_trouble *t);
struct schema_listener {
    schema_report_fn report;
    void *context;
};

/* dataset_type "INTERACTIONS" …; domain "ECOMMERCE", "VIDEO_ON_DEMAND" or NULL. What is handed to
   report is borrowed. */
void schema_check(const json_t *schema, const char *dataset_type, const char *domain,
                  const struct schema_listener *listener);

/* Whether a dataset of the old schema may be given the new one: every old field is there as it was,
 * and new ones may be null. Else why not. */
bool schema_check_follows(const json_t *old, const json_t *new, struct buf *why);

/* The schema's field of that name (exact, else ignoring case); borrowed; NULL: none. */
const json_t *schema_field(const json_t *schema, const char *name);
/* Whether a field's type is, or has as a branch, the Avro type. */
bool schema_field_is(const json_t *field, const char *type);

#endif
