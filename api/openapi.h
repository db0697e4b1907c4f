/*
 * openapi.h - the contract as compiled into the binary: api/embed_openapi.py writes it from
 * openapi.yaml at build time.
 */
#ifndef STEWARD_OPENAPI_H
#define STEWARD_OPENAPI_H

#include <stddef.h>

extern const char openapi_yaml[], openapi_json[];
extern const size_t openapi_yaml_length, openapi_json_length;

#endif
