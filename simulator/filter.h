/*
 * filter.h - filter expressions: "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE) IF CurrentUser.AGE <
 * 18 | …". Pure.
 *
 * Parsed once, checked against the datasets' fields when the filter is made, evaluated per
 * candidate at run time.
 */
#ifndef SIMULATOR_FILTER_H
#define SIMULATOR_FILTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "steward/err.h"

#define FILTER_NAME_BYTES 160

enum filter_operator {
    FILTER_IN,
    FILTER_NOT_IN,
    FILTER_EQ,
    FILTER_NE,
    FILTER_LT,
    FILTER_LE,
    FILTER_GT,
    FILTER_GE
};

struct filter_condition {
    char dataset[FILTER_NAME_BYTES]; /* "Items", "Users", "Interactions", "CurrentUser", "Actions",
                                        … as written */
    char field[FILTER_NAME_BYTES];
    enum filter_operator op;
    json_t *values;    /* list of texts; empty when a placeholder or a field stands there */
    char *current;     /* CurrentItem.FIELD stands there: FIELD; NULL */
    char *placeholder; /* name without '$'; NULL */
    bool is_or;        /* joined to the one before by OR instead of AND */
    bool is_if;        /* behind IF: says when the clause applies */
};

struct filter_clause {
    bool is_include;
    char subject[16]; /* "ItemID", "UserID", "ActionID" */
    struct filter_condition *conditions;
    size_t count;
};

struct filter {
    struct filter_clause *clauses;
    size_t count;
};

MUST_USE enum err_code sim_filter_parse(const char *text, struct filter *out, struct err *e);
void sim_filter_done(struct filter *f);
/* Adds the fields used to an object, as "Items.GENRE": its size is how many different ones there
 * are. */
void sim_filter_add_fields(const struct filter *f, json_t *seen);

/* Values of a field for the candidate (or of the current user): a list of texts (several for
   categories), or NULL when it has none. Borrowed until the next call. */
typedef const json_t *(*filter_lookup_fn)(void *context, const char *dataset, const char *field);
struct filter_question {
    filter_lookup_fn lookup;
    void *context;
    const json_t *values; /* of placeholders: name -> "\"a\",\"b\"" or a number as text */
};
/* True when the candidate may be shown. */
bool sim_filter_keeps(const struct filter *f, const struct filter_question *q);
/* The first placeholder that has no value, or NULL. */
const char *sim_filter_missing_value(const struct filter *f, const json_t *values);

#endif
