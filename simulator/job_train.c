/*
 * job_train.c - a training: reads the group's data, checks that there is enough of it, and learns.
 */
#include <string.h>

#include "data.h"
#include "rules.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "work.h"

void training_prepare(struct sim *s, const struct resource *r, json_t *spec)
{
    json_object_set_new(spec, "data", group_data(s, resource_group(r)));
    json_object_set_new(spec, "recipe", json_string(resource_hidden(r, "recipe")));
    json_object_set_new(spec, "minInteractions", json_integer(s->quotas[QUOTA_MIN_INTERACTIONS]));
    json_object_set_new(spec, "minUsers", json_integer(s->quotas[QUOTA_MIN_USERS]));
    if (resource_text(r, "eventType"))
        json_object_set_new(spec, "eventType", json_string(resource_text(r, "eventType")));
}

static bool count_row(void *context, const char *const *values)
{
    (void) values;
    ++*(int64_t *) context;
    return true;
}

bool training_run(struct job *j)
{
    static const char *const columns[] = { "USER_ID" };
    int64_t n = 0;
    const struct data_query query = {
        .columns = columns, .n_columns = 1, .row = count_row, .context = &n
    };
    struct err e;

    if (data_read(j->data_dir, json_at(j->spec, "/data/INTERACTIONS"), &query, &e))
        return job_fail(j, "%s", e.message);
    if (n < json_int_or(j->spec, "minInteractions", 0))
        return job_fail(j, "Dataset has fewer than %lld interactions.",
                        (long long) json_int_or(j->spec, "minInteractions", 0));
    return true;
}

void training_finish(struct sim *s, struct resource *r, const struct job *j)
{
    (void) s;
    (void) r;
    (void) j;
}
