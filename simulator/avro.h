/*
 * avro.h - the Avro schemas of datasets: what the service accepts, and the fields it reads from
 * them. Pure.
 */
#ifndef SIMULATOR_AVRO_H
#define SIMULATOR_AVRO_H

#include <jansson.h>

#include "steward/err.h"

/*
 * Reads a schema's text. *out: {"type": "INTERACTIONS", "fields": [{"name", "type", "isNullable",
 * "isCategorical", "isTextual"}]} with type one of float, double, int, long, string, boolean; the
 * caller owns it. domain: NULL, or "ECOMMERCE", "VIDEO_ON_DEMAND". ERR_INVALID says what the
 * service would refuse.
 */
MUST_USE enum err_code avro_schema_read(const char *text, const char *domain, json_t **out,
                                        struct err *e);
/* The field of that name, or NULL. */
const json_t *avro_field(const json_t *schema, const char *name);

#endif
