/*
 * fz_filter.c - any text as a filter expression: the position of a trouble lies in the text, the
 * fields of an accepted one are where it says, and blanks around it change nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "steward/filter_expression.h"
#include "steward/mem.h"
#include "steward/str.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = xstrndup((const char *) data, size);
    AUTO_FREE char *padded = xasprintf(" %s\n", text);
    struct filter_expression x, again;
    struct err e;
    size_t position;

    if (filter_parse(text, &x, &position, &e)) {
        check(position <= strlen(text));
        check(strlen(e.message) > 10);
        check(!str_is_utf8(text, strlen(text)) || str_is_utf8(e.message, strlen(e.message)));
        return 0;
    }
    check(x.n_tests >= x.n_parts && x.n_parts >= 1);
    for (size_t i = 0; i < x.n_tests; i++) {
        check(strncmp(text + x.tests[i].position, x.tests[i].dataset, strlen(x.tests[i].dataset)) ==
              0);
        check(x.tests[i].part < x.n_parts);
    }
    check(filter_parse(padded, &again, NULL, &e) == OK);
    check(again.n_tests == x.n_tests && again.n_parts == x.n_parts);
    return 0;
}
