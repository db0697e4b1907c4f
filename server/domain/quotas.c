/*
 * quotas.c - the quotas of what stands; those of what is in progress are in the table of kinds.
 *
 * Source: "Service quotas" of Amazon Personalize's developer guide. Names are those of the local
 * Amazon Personalize, so that one --quota means the same to both.
 */
#include "steward/quotas.h"

#include <string.h>

#include "steward/mem.h"
#include "steward/str.h"

static const struct {
    enum kind_id kind;
    struct quota quota;
} standing[] = {
    { KIND_DATASET_GROUP, { "dataset-groups", "account", 5, false } },
    { KIND_SCHEMA, { "schemas", "account", 500, false } },
    { KIND_EVENT_TRACKER, { "event-trackers", "datasetGroup", 1, false } },
    { KIND_METRIC_ATTRIBUTION, { "metric-attributions", "datasetGroup", 1, false } },
    { KIND_FILTER, { "filters", "datasetGroup", 30, false } },
    { KIND_SOLUTION, { "solutions", "datasetGroup", 10, false } },
    { KIND_CAMPAIGN, { "campaigns", "datasetGroup", 5, false } },
    { KIND_RECOMMENDER, { "recommenders", "datasetGroup", 5, false } },
};

bool quota_of_kind(enum kind_id kind, struct quota *out)
{
    if (kind < KIND_COUNT && kinds[kind].quota_name) {
        *out = (struct quota){ kinds[kind].quota_name, "account", kinds[kind].quota, true };
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(standing); i++)
        if (standing[i].kind == kind)
            return *out = standing[i].quota, true;
    return false;
}

bool quota_is_adjustable(const struct quota *q)
{
    return q->limit > 1;
}

void quota_limits_default(struct quota_limits *out)
{
    struct quota q;

    *out = (struct quota_limits){ 0 };
    for (size_t k = 0; k < KIND_COUNT; k++)
        if (quota_of_kind((enum kind_id) k, &q))
            out->values[k] = q.limit;
}

static size_t find_name(const char *name, size_t n)
{
    struct quota q;

    for (size_t k = 0; k < KIND_COUNT; k++)
        if (quota_of_kind((enum kind_id) k, &q) && quota_is_adjustable(&q) && strlen(q.name) == n &&
            memcmp(q.name, name, n) == 0)
            return k;
    return KIND_COUNT;
}

enum err_code quota_limits_parse(const struct conf_list *given, struct quota_limits *out,
                                 struct err *e)
{
    quota_limits_default(out);
    for (size_t i = 0; i < given->count; i++) {
        const char *text = given->items[i], *equals = strchr(text, '=');
        size_t at = find_name(text, equals ? (size_t) (equals - text) : 0);
        AUTO_BUF struct buf names = { 0 };
        struct quota q;

        if (at != KIND_COUNT && str_to_i64(equals + 1, 0, 1000000, &out->values[at]))
            continue;
        for (size_t k = 0; k < KIND_COUNT; k++)
            if (quota_of_kind((enum kind_id) k, &q) && quota_is_adjustable(&q))
                buf_printf(&names, "%s%s", names.length ? ", " : "", q.name);
        return err_set(e, ERR_INVALID, "--quota: \"%.60s\" is not NAME=N with one of %s.", text,
                       names.data);
    }
    return OK;
}

void quota_limits_in_progress(const struct quota_limits *limits, int out[KIND_COUNT])
{
    for (size_t k = 0; k < KIND_COUNT; k++)
        out[k] = kinds[k].quota_name ? (int) limits->values[k] : 0;
}
