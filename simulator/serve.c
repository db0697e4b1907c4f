/*
 * serve.c - scores from the model, candidates through the filter, the best to the caller.
 */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

enum model_flavour serve_flavour(const struct recipe *recipe)
{
    if (strstr(recipe->name, "trending-now"))
        return MODEL_TRENDING;
    if (str_eq(recipe->type, "POPULAR_ITEMS"))
        return MODEL_POPULAR;
    if (str_eq(recipe->type, "RELATED_ITEMS"))
        return MODEL_RELATED;
    return MODEL_PERSONAL;
}

enum err_code model_read(const char *data_dir, const char *name, struct model *out, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s", data_dir, name ? name : "");
    FILE *f = name ? fopen(path, "re") : NULL;
    bool ok;

    if (!f)
        return err_set(e, ERR_UNAVAILABLE, "Cannot read the model %s: %s.", path, strerror(errno));
    ok = model_load(out, f);
    (void) fclose(f);
    return ok ? OK : err_set(e, ERR_UNAVAILABLE, "The model %s is damaged.", path);
}

/* ---- filters ask about one candidate at a time ---- */

struct candidate {
    const struct catalog *c;
    const char *user, *item;
    const char *current; /* the item that the caller looks at; NULL */
    json_t *values;      /* of the last lookup */
};

/* Several categories stand in one value, separated by bars. */
static void split_into(json_t *list, const char *text)
{
    while (text && *text) {
        size_t n = strcspn(text, "|");

        json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == '|');
    }
}

static const char *cell(const struct candidate *at, enum catalog_table table, const char *field)
{
    return json_text(catalog_row(at->c, table, table == CATALOG_USERS ? at->user : at->item),
                     field);
}

/* Event types of the user's newest hundred interactions with the item. */
static void add_events(json_t *list, const struct interactions *x, const struct candidate *at)
{
    uint32_t user = names_find(&x->users, at->user), item = names_find(&x->items, at->item);
    size_t looked = 0;

    if (user == NO_NAME || item == NO_NAME)
        return;
    for (size_t i = x->starts[user + 1]; i > x->starts[user] && looked < 100; i--, looked++) {
        const struct interaction *row = &x->rows[i - 1];

        if (row->item == item)
            json_array_append_new(list, row->type == NO_NAME
                                            ? json_string("")
                                            : json_string(x->types.texts[row->type]));
    }
}

static const json_t *look_up(void *context, const char *dataset, const char *field)
{
    struct candidate *at = context;

    json_array_clear(at->values);
    if (str_eq(dataset, "Items"))
        split_into(at->values,
                   str_eq(field, "ITEM_ID") ? at->item : cell(at, CATALOG_ITEMS, field));
    else if (str_eq(dataset, "CurrentItem"))
        split_into(at->values,
                   str_eq(field, "ITEM_ID")
                       ? at->current
                       : json_text(catalog_row(at->c, CATALOG_ITEMS, at->current), field));
    else if (str_eq(dataset, "Actions"))
        split_into(at->values, cell(at, CATALOG_ACTIONS, field));
    else if (str_eq(dataset, "Users") || str_eq(dataset, "CurrentUser"))
        split_into(at->values,
                   str_eq(field, "USER_ID") ? at->user : cell(at, CATALOG_USERS, field));
    else if (str_eq(field, "EVENT_TYPE"))
        for (const struct catalog *part = at->c; part; part = part->newer)
            add_events(at->values,
                       str_eq(dataset, "Interactions") ? &part->interactions
                                                       : &part->action_interactions,
                       at);
    return at->values;
}

static bool is_kept(const struct serve_question *q, struct candidate *at)
{
    const struct filter_question fq = { look_up, at, q->filter_values };

    at->current = q->item;
    return !q->filter || sim_filter_keeps(q->filter, &fq);
}

/* ---- items ---- */

static void only_inputs(const struct model *m, const json_t *inputs, float *scores)
{
    AUTO_FREE bool *is_input = xcalloc(m->items.count, sizeof *is_input);

    for (size_t i = 0; i < json_array_size(inputs); i++) {
        uint32_t item = names_find(&m->items, json_string_value(json_array_get(inputs, i)));

        if (item != NO_NAME)
            is_input[item] = true;
    }
    for (size_t i = 0; i < m->items.count; i++)
        if (!is_input[i])
            scores[i] = 0;
}

static json_t *row_of(const char *id, double score)
{
    json_t *row = json_object();

    json_object_set_new(row, "itemId", json_string(id));
    json_object_set_new(row, "score", json_real(score));
    return row;
}

/* Ranked items that the model does not know come last, with no score, in the order given. */
static void add_unknown(json_t *out, const struct model *m, const struct serve_question *q,
                        struct candidate *at)
{
    for (size_t i = 0; i < json_array_size(q->input_list) && json_array_size(out) < q->n; i++) {
        at->item = json_string_value(json_array_get(q->input_list, i));
        if (names_find(&m->items, at->item) == NO_NAME && is_kept(q, at))
            json_array_append_new(out, row_of(at->item, 0));
    }
}

static void score_all(const struct model *m, const struct catalog *c,
                      const struct serve_question *q, float *scores)
{
    uint32_t history[MODEL_HISTORY];
    struct model_question mq = { .flavour = serve_flavour(q->recipe),
                                 .user = names_find(&m->users, q->user),
                                 .item = names_find(&m->items, q->item) };

    if (mq.flavour == MODEL_PERSONAL && q->recipe->runtime != RUNTIME_ACTIONS && q->user &&
        catalog_history(c, q->user, m, history))
        mq.history = history; /* what happened since the training counts as well */
    model_score(m, &mq, scores);
}

json_t *serve_items(const struct model *m, const struct catalog *c, const struct serve_question *q)
{
    size_t all = m->items.count, wanted = q->filter || q->input_list ? all : q->n, n;
    AUTO_FREE float *scores = xcalloc(all, sizeof *scores);
    AUTO_FREE struct scored *best = xcalloc(wanted + 1, sizeof *best);
    struct candidate at = { .c = c, .user = q->user, .values = json_array() };
    json_t *out = json_array();
    double total = 0;

    score_all(m, c, q, scores);
    if (q->input_list)
        only_inputs(m, q->input_list, scores);
    for (size_t i = 0; i < all; i++)
        total += scores[i];
    n = model_top(scores, all, best, wanted);
    for (size_t i = 0; i < n && json_array_size(out) < q->n; i++) {
        at.item = m->items.texts[best[i].item];
        if (is_kept(q, &at))
            json_array_append_new(out, row_of(at.item, (double) best[i].score / total));
    }
    if (q->input_list)
        add_unknown(out, m, q, &at);
    json_decref(at.values);
    return out;
}

/* ---- segments ---- */

static json_t *best_users(const struct model *m, const struct catalog *c,
                          const struct serve_question *q, const float *affinity)
{
    size_t users = m->users.count, wanted = q->filter ? users : q->n, n;
    AUTO_FREE struct scored *best = xcalloc(wanted + 1, sizeof *best);
    struct candidate at = { .c = c, .values = json_array() };
    json_t *out = json_array();

    n = model_top(affinity, users, best, wanted);
    for (size_t i = 0; i < n && json_array_size(out) < q->n; i++) {
        at.user = m->users.texts[best[i].item];
        if (is_kept(q, &at))
            json_array_append_new(out, json_string(at.user));
    }
    json_decref(at.values);
    return out;
}

json_t *serve_segment(const struct model *m, const struct catalog *c,
                      const struct serve_question *q)
{
    AUTO_FREE float *affinity = xcalloc(m->users.count, sizeof *affinity);
    uint32_t item = names_find(&m->items, q->item);

    for (uint32_t user = 0; user < m->users.count && item != NO_NAME; user++)
        affinity[user] = model_affinity(m, user, item);
    return best_users(m, c, q, affinity);
}

json_t *serve_attribute_segment(const struct model *m, const struct catalog *c,
                                const struct serve_question *q, struct err *e)
{
    AUTO_FREE char *text = xasprintf("INCLUDE ItemID WHERE %s", q->attributes);
    AUTO_FREE float *affinity = xcalloc(m->users.count, sizeof *affinity);
    AUTO_FREE bool *fits = xcalloc(m->items.count, sizeof *fits);
    struct candidate at = { .c = c, .values = json_array() };
    const struct filter_question fq = { look_up, &at, NULL };
    struct filter f;

    if (sim_filter_parse(text, &f, e)) {
        json_decref(at.values);
        return NULL;
    }
    for (size_t i = 0; i < m->items.count; i++) {
        at.item = m->items.texts[i];
        fits[i] = sim_filter_keeps(&f, &fq);
    }
    for (size_t user = 0; user < m->users.count; user++) {
        const uint32_t *history = m->history + user * MODEL_HISTORY;
        float seen = 0, fitting = 0;

        for (size_t i = 0; i < MODEL_HISTORY && history[i] != NO_NAME; i++) {
            seen += 1;
            fitting += fits[history[i]] ? 1 : 0;
        }
        affinity[user] = seen > 0 ? fitting / (seen + 3) : 0; /* a short history says less */
    }
    sim_filter_done(&f);
    json_decref(at.values);
    return best_users(m, c, q, affinity);
}
