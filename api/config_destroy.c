/*
 * config_destroy.c - taking a config down, with its resources or without.
 *
 * A run deletes (or only unmarks) the resources in dependency order; the config goes with the end
 * of that run. Its schedules are retired and its queued runs cancelled at once, so that nothing
 * makes anew what is being deleted.
 */
#include "config_run.h"
#include "steward/upkeep_store.h"

static void loaded(struct call *c)
{
    struct config_run *s = c->state;

    s->n_extra = upkeep_store_wind_up(s->config, s->extra);
    config_run_write(c);
}

void api_config_delete(struct call *c)
{
    const char *resources = http_query(c->rq, "resources");
    struct config_run *s;

    if (!str_eq(resources, "keep") && !str_eq(resources, "delete")) {
        answer_problem(c, 400, "parameter-required",
                       "Say what becomes of the resources in Amazon Personalize: "
                       "?resources=keep leaves them, ?resources=delete deletes them.");
        return;
    }
    s = config_run_new(c, RUN_KIND_DESTROY);
    json_object_set_new(s->options, "resources", json_string(resources));
    s->loaded = loaded;
    call_begin_write(c, config_run_begin);
}
