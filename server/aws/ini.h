/*
 * ini.h - the INI dialect of the AWS configuration files. Pure.
 *
 *   [section name]
 *   key = value
 *   key =
 *     nested = value
 */
#ifndef STEWARD_AWS_INI_H
#define STEWARD_AWS_INI_H

#include <stddef.h>

#include "steward/err.h"

struct ini_entry {
    char
        *section; /* as between the brackets, blanks collapsed, quotes removed: "profile my name" */
    char *key;    /* lower case; NULL: the section's own line */
    char *nested; /* lower case; NULL unless the entry is one level deeper */
    char *value;
};
struct ini {
    struct ini_entry *entries;
    size_t count, capacity;
};

/* path is for messages only. On failure out is empty. */
MUST_USE enum err_code ini_parse(const char *text, const char *path, struct ini *out,
                                 struct err *e);
void ini_done(struct ini *ini);
/* The last value of key (and nested key; NULL: none) in section; NULL when absent. */
const char *ini_get(const struct ini *ini, const char *section, const char *key,
                    const char *nested);
bool ini_has_section(const struct ini *ini, const char *section);

#endif
