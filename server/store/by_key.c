/*
 * by_key.c - the statement of by_key.h.
 *
 * Bitmaps are off as well: a scan in the index's order marks dead entries and passes over them the
 * next time; a bitmap reads them all again until the table is vacuumed. A row that is visited costs
 * more than finding it: to go through a whole index for the few rows a filter leaves is never it.
 */
#include "by_key.h"

#define SET(name, value) "set_config('" name "', '" value "', true)"
#define OFF(name)        SET("enable_" name, "off")

/* clang-format off */
const struct db_stmt store_by_key = {
    "store_by_key",
    "SELECT " OFF("seqscan") ", " OFF("bitmapscan") ", " OFF("hashjoin") ", " OFF("mergejoin") ", " OFF("material")
    ", " SET("random_page_cost", "0.1") ", " SET("cpu_tuple_cost", "1"),
    0
};
/* clang-format on */
