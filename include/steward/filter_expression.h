/*
 * filter_expression.h - the filter expressions of Amazon Personalize.
 *
 *   filter  = part { "|" part }
 *   part    = ("INCLUDE" | "EXCLUDE") ("ItemID" | "UserID" | "ActionID") "WHERE" tests [ if ]
 *   if      = "IF" user-test { "AND" user-test }
 *   tests   = test { ("AND" | "OR") test }
 *   test    = Dataset.FIELD ( ["NOT"] "IN" list | compare value )
 *   compare = "=" | "!=" | "<" | "<=" | ">" | ">="
 *   list    = "(" value { "," value } ")" | CurrentItem.FIELD
 *   value   = "text" | number | $PLACEHOLDER | CurrentItem.FIELD
 *
 * A user-test is a test of CurrentUser.FIELD; the value of a comparison may stand in brackets.
 * Keywords in any case. Pure; no allocation: the fields found are kept in the value.
 */
#ifndef STEWARD_FILTER_EXPRESSION_H
#define STEWARD_FILTER_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "steward/err.h"

enum filter_target { FILTER_ITEMS, FILTER_USERS, FILTER_ACTIONS };
enum filter_operator { FILTER_IN, FILTER_NOT_IN, FILTER_EQUAL, FILTER_NOT_EQUAL, FILTER_ORDER };

#define FILTER_FIELDS_MAX 64
#define FILTER_NAME_BYTES 151

/* One Dataset.FIELD that is tested. */
struct filter_test {
    size_t position;  /* of the field in the text */
    size_t part;      /* which of the parts chained by "|" */
    char dataset[32]; /* as written: "Items", "CurrentUser", … */
    char field[FILTER_NAME_BYTES];
    enum filter_operator operator;
    bool is_condition; /* stands after IF */
    bool has_wildcard; /* "*" among the values */
    bool has_placeholder;
};

struct filter_expression {
    size_t n_parts, n_tests;
    enum filter_target target; /* of the first part */
    struct filter_test tests[FILTER_FIELDS_MAX];
};

/* position (may be NULL) gets the 0-based offset of the trouble. The error says what was expected.
 */
MUST_USE enum err_code filter_parse(const char *text, struct filter_expression *out,
                                    size_t *position, struct err *e);
/* The dataset type a name in an expression means ("INTERACTIONS" for "Interactions"); NULL when it
 * is none. */
const char *filter_dataset_type(const char *name);

#endif
