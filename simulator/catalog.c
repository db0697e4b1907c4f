/*
 * catalog.c - one reader per dataset type.
 */
#include "catalog.h"

#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

/* Being filled, newest first. */
struct history {
    uint32_t *items;
    size_t n;
};

struct reading {
    struct catalog *c;
    const struct catalog_filter *filter;
    json_t *table; /* of items, users, actions */
    const char *const *columns;
    size_t n_columns, id;
};

static bool reaches(const json_t *threshold, const char *value)
{
    return !json_is_number(threshold) || strtod(value, NULL) >= json_number_value(threshold);
}

static bool is_in_filter(const struct catalog_filter *f, const char *type, const char *value)
{
    if (!f)
        return true;
    if (f->event_type && !str_eq(f->event_type, type))
        return false;
    if (f->has_event_value_min && !(*value && strtod(value, NULL) >= f->event_value_min))
        return false;
    if (!f->events || json_array_size(f->events) == 0)
        return true;
    for (size_t i = 0; i < json_array_size(f->events); i++) {
        const json_t *event = json_array_get(f->events, i);

        if (str_eq(json_text(event, "eventType"), type) &&
            reaches(json_object_get(event, "eventValueThreshold"), value))
            return true;
    }
    return false;
}

/* USER_ID, ITEM_ID, TIMESTAMP, EVENT_TYPE, EVENT_VALUE */
static bool take_interaction(void *context, const char *const *values)
{
    struct reading *r = context;

    if (!*values[0] || !*values[1])
        return true;
    if (!is_in_filter(r->filter, values[3], values[4]))
        return true;
    r->c->n_taken++;
    interactions_add(&r->c->interactions,
                     &(struct interaction_texts){ values[0], values[1], values[3],
                                                  strtoll(values[2], NULL, 10) });
    return true;
}

static bool take_action_interaction(void *context, const char *const *values)
{
    struct reading *r = context;

    if (*values[0] && *values[1])
        interactions_add(&r->c->action_interactions,
                         &(struct interaction_texts){ values[0], values[1], values[3],
                                                      strtoll(values[2], NULL, 10) });
    return true;
}

static bool take_row(void *context, const char *const *values)
{
    struct reading *r = context;
    json_t *row;

    if (!*values[r->id])
        return true;
    row = json_object();
    for (size_t i = 0; i < r->n_columns; i++)
        if (*values[i] && i != r->id)
            json_object_set_new(row, r->columns[i], json_string(values[i]));
    json_object_set_new(r->table, values[r->id], row);
    return true;
}

static enum err_code read_table(const struct catalog_source *source, const char *type,
                                struct reading *r, struct err *e)
{
    const json_t *dataset = json_object_get(source->data, type),
                 *fields = json_at(dataset, "/avro/fields");
    AUTO_FREE const char **columns = xcalloc(json_array_size(fields) + 1, sizeof *columns);
    struct data_query query = { .columns = columns,
                                .row = take_row,
                                .context = r,
                                .skips_imports = source->skips_imports,
                                .skips_stream = source->skips_stream };

    r->columns = columns;
    r->n_columns = query.n_columns = json_array_size(fields);
    for (size_t i = 0; i < r->n_columns; i++) {
        const json_t *field = json_array_get(fields, i);
        AUTO_FREE char *name = xasprintf("%s.%s", type, json_text(field, "name"));

        columns[i] = json_text(field, "name");
        if (str_eq(columns[i], str_eq(type, "USERS")   ? "USER_ID"
                               : str_eq(type, "ITEMS") ? "ITEM_ID"
                                                       : "ACTION_ID"))
            r->id = i;
        json_object_set_new(r->c->types, name, json_string(json_text(field, "type")));
    }
    return r->n_columns ? data_read(source->data_dir, dataset, &query, e) : OK;
}

enum err_code catalog_load(const struct catalog_source *source, const struct catalog_filter *filter,
                           struct catalog *out, struct err *e)
{
    static const char *const columns[] = { "USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE",
                                           "EVENT_VALUE" };
    static const char *const action_columns[] = { "USER_ID", "ACTION_ID", "TIMESTAMP",
                                                  "EVENT_TYPE" };
    struct reading r = { .c = out, .filter = filter };
    const struct data_query interactions = { .columns = columns,
                                             .n_columns = ARRAY_LEN(columns),
                                             .skips_imports = source->skips_imports,
                                             .skips_stream = source->skips_stream,
                                             .row = take_interaction,
                                             .context = &r };
    const struct data_query actions = { .columns = action_columns,
                                        .n_columns = ARRAY_LEN(action_columns),
                                        .skips_imports = source->skips_imports,
                                        .skips_stream = source->skips_stream,
                                        .row = take_action_interaction,
                                        .context = &r };

    *out = (struct catalog){ .items = json_object(),
                             .users = json_object(),
                             .actions = json_object(),
                             .types = json_object() };
    TRY(data_read(source->data_dir, json_object_get(source->data, "INTERACTIONS"), &interactions,
                  e));
    interactions_finish(&out->interactions);
    TRY(data_read(source->data_dir, json_object_get(source->data, "ACTION_INTERACTIONS"), &actions,
                  e));
    interactions_finish(&out->action_interactions);
    r.table = out->items;
    TRY(read_table(source, "ITEMS", &r, e));
    r.table = out->users;
    TRY(read_table(source, "USERS", &r, e));
    r.table = out->actions;
    return read_table(source, "ACTIONS", &r, e);
}

void catalog_done(struct catalog *c)
{
    interactions_done(&c->interactions);
    interactions_done(&c->action_interactions);
    json_decref(c->items);
    json_decref(c->users);
    json_decref(c->actions);
    json_decref(c->types);
    *c = (struct catalog){ 0 };
}

static const json_t *row_in(const struct catalog *c, enum catalog_table table, const char *id)
{
    switch (table) {
    case CATALOG_ITEMS:
        return json_object_get(c->items, id);
    case CATALOG_USERS:
        return json_object_get(c->users, id);
    case CATALOG_ACTIONS:
        return json_object_get(c->actions, id);
    }
    return NULL;
}

const json_t *catalog_row(const struct catalog *c, enum catalog_table table, const char *id)
{
    const json_t *row = id && c->newer ? row_in(c->newer, table, id) : NULL;

    return row || !id ? row : row_in(c, table, id);
}

/* Adds the user's newest items of one part; returns how many rows the user has there. */
static size_t add_history(const struct interactions *x, const char *user, const struct model *m,
                          struct history *h)
{
    uint32_t u = names_find(&x->users, user);

    if (u == NO_NAME)
        return 0;
    for (size_t i = x->starts[u + 1]; i > x->starts[u] && h->n < MODEL_HISTORY; i--) {
        uint32_t item = names_find(&m->items, x->items.texts[x->rows[i - 1].item]);
        bool is_new = item != NO_NAME;

        for (size_t k = 0; is_new && k < h->n; k++)
            is_new = h->items[k] != item;
        if (is_new)
            h->items[h->n++] = item;
    }
    return x->starts[u + 1] - x->starts[u];
}

bool catalog_history(const struct catalog *c, const char *user, const struct model *m,
                     uint32_t *history)
{
    struct history h = { history, 0 };
    size_t rows = 0;

    memset(history, 0xFF, MODEL_HISTORY * sizeof *history);
    if (c->newer)
        rows += add_history(&c->newer->interactions, user, m, &h);
    rows += add_history(&c->interactions, user, m, &h);
    return rows > 0;
}
