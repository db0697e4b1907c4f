/*
 * quotas.c - Amazon's quotas as they hold here, and what is used of them.
 *
 * Used is what Steward knows of: what others made in the account is not counted.
 */
#include "steward/quotas.h"

#include <string.h>

#include "api_private.h"
#include "steward/quotas_store.h"

enum { READ_STANDING, READ_IN_PROGRESS };

static size_t find_row(const struct call *c, size_t op, const char *kind)
{
    size_t n = rows_count(c->reply, op), i = 0;

    while (i < n && !str_eq(rows_text(c->reply, op, i, 0), kind))
        i++;
    return i;
}

static void add_in_progress(const struct call *c, const char *kind, json_t *item)
{
    size_t row = find_row(c, READ_IN_PROGRESS, kind);

    json_object_set_new(item, "used",
                        json_integer(rows_int(c->reply, READ_IN_PROGRESS, row, 1, 0)));
    json_object_set_new(item, "waiting",
                        json_integer(rows_int(c->reply, READ_IN_PROGRESS, row, 2, 0)));
}

/* Of a quota per dataset group the fullest group counts: it is the one that reaches the limit. */
static void add_standing(const struct call *c, const struct quota *q, const char *kind,
                         json_t *item)
{
    size_t row = find_row(c, READ_STANDING, kind);
    bool is_account = str_eq(q->per, "account");
    const char *config = rows_text(c->reply, READ_STANDING, row, 2);

    json_object_set_new(
        item, "used", json_integer(rows_int(c->reply, READ_STANDING, row, is_account ? 1 : 3, 0)));
    if (!is_account && config)
        json_object_set_new(item, "fullestConfig", json_string(config));
}

static json_t *quota_json(const struct call *c, enum kind_id kind, const struct quota *q)
{
    const struct quota_limits *limits = c->api->settings->limits;
    int64_t limit = limits->values[kind];
    json_t *item =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:b}", "name", q->name, "kind", kinds[kind].name,
                  "per", q->per, "counts", q->is_in_progress ? "inProgress" : "standing", "default",
                  (json_int_t) q->limit, "adjustable", quota_is_adjustable(q));

    if (limit || !q->is_in_progress) /* 0 of what is in progress: any number */
        json_object_set_new(item, "limit", json_integer(limit));
    if (q->is_in_progress)
        add_in_progress(c, kinds[kind].name, item);
    else
        add_standing(c, q, kinds[kind].name, item);
    return item;
}

static void used_read(struct call *c)
{
    AUTO_JSON json_t *items = json_array();
    AUTO_JSON json_t *answer = NULL;
    AUTO_FREE char *text = NULL;
    struct quota q;

    for (size_t k = 0; k < KIND_COUNT; k++)
        if (quota_of_kind((enum kind_id) k, &q))
            json_array_append_new(items, quota_json(c, (enum kind_id) k, &q));
    answer = json_pack("{s:O, s:n}", "items", items, "next");
    text = json_compact(answer);
    answer_resource(c, text, strlen(text), NULL);
}

void api_quotas(struct call *c)
{
    struct db_op ops[QUOTAS_STORE_OPS];

    quotas_store_used(ops);
    call_read(c, ops, ARRAY_LEN(ops), used_read);
}
