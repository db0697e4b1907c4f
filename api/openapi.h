/*
 * openapi.h - the contract as compiled into the binary: api/embed_openapi.py writes it from
 * openapi.yaml at build time.
 */
#ifndef STEWARD_OPENAPI_H
#define STEWARD_OPENAPI_H

#include <stddef.h>

extern const char openapi_yaml[], openapi_json[], openapi_page[], openapi_style[];
extern const size_t openapi_yaml_length, openapi_json_length, openapi_page_length,
    openapi_style_length;

#endif
