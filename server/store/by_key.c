/*
 * by_key.c - the statement of by_key.h.
 *
 * Bitmaps are off as well: a scan in the index's order marks dead entries and passes over them the
 * next time; a bitmap reads them all again until the table is vacuumed.
 */
#include "by_key.h"

#define OFF(name) "set_config('enable_" name "', 'off', true)"

const struct db_stmt store_by_key = { "store_by_key",
                                      "SELECT " OFF("seqscan") ", " OFF("bitmapscan") ", " OFF(
                                          "hashjoin") ", " OFF("mergejoin") ", " OFF("material"),
                                      0 };
