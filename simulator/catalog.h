/*
 * catalog.h - a dataset group's data in memory: interactions as numbers, items and users by id. Any
 * thread.
 *
 * For trainings, batch jobs and the runtime API; read from the files of the datasets (data.h).
 */
#ifndef SIMULATOR_CATALOG_H
#define SIMULATOR_CATALOG_H

#include "learn/interactions.h"
#include "learn/model.h"
#include "steward/err.h"

#include <jansson.h>

/* Which interactions count for a training. */
struct catalog_filter {
    const char *event_type; /* NULL: any */
    double event_value_min; /* of EVENT_VALUE */
    bool has_event_value_min;
    const json_t *events; /* eventParametersList: any of these types with its own threshold; NULL */
};

struct catalog {
    struct interactions interactions, action_interactions;
    json_t *items, *users, *actions; /* id -> {field: text} */
    json_t *types;                   /* "ITEMS.PRICE" -> "float" */
    const struct catalog *newer;     /* what was streamed since, when that is kept apart; NULL */
    size_t n_taken; /* interactions that passed the filter, repeated rows included */
};

struct catalog_source {
    const char *data_dir;
    const json_t *data; /* of the group: work.h, group_data() */
    bool skips_imports, skips_stream;
};
/* filter NULL: everything. *out is to be freed with catalog_done() in any case. */
MUST_USE enum err_code catalog_load(const struct catalog_source *source,
                                    const struct catalog_filter *filter, struct catalog *out,
                                    struct err *e);
void catalog_done(struct catalog *c);
/* The newest row of an item, user or action; NULL when unknown. */
enum catalog_table { CATALOG_ITEMS, CATALOG_USERS, CATALOG_ACTIONS };
const json_t *catalog_row(const struct catalog *c, enum catalog_table table, const char *id);
/* The newest items of a user as item numbers of the model: MODEL_HISTORY of them, NO_NAME ends
 * early. False: unknown. */
bool catalog_history(const struct catalog *c, const char *user, const struct model *m,
                     uint32_t *history);

#endif
