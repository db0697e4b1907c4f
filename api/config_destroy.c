/*
 * config_destroy.c - taking a config down, with its resources or without.
 *
 * A run deletes (or only unmarks) the resources in dependency order; the config goes with the end
 * of that run. Its schedules are retired and its queued runs cancelled at once, so that nothing
 * makes anew what is being deleted.
 */
#include "config_left.h"
#include "config_run.h"
#include "steward/upkeep_store.h"

/* What left the file before is this config's as well. */
static bool add_leftovers(struct call *c, struct config_run *s)
{
    bool is_kept = str_eq(json_text(s->options, "resources"), "keep");

    return config_left_plan(c, 0, &s->plan, is_kept ? LEFTOVER_RELEASE : LEFTOVER_DESTROY);
}

static void loaded(struct call *c)
{
    struct config_run *s = c->state;
    struct db_op op;

    s->n_extra = upkeep_store_wind_up(s->config, s->extra);
    s->adjust = add_leftovers;
    config_left_read(c, &s->file, &op);
    call_read(c, &op, 1, config_run_write);
}

/* A line for each step; what was never made or is gone is found out by the run. */
void config_destroy_lines(const struct plan *plan, json_t *answer)
{
    static const struct {
        enum verb verb;
        const char *action, *reason;
    } words[] = {
        { VERB_DELETE, "delete", "the config is taken down" },
        { VERB_RELEASE, "noop", "stays; only the mark of Steward is taken off" },
        { VERB_STOP, "job", "trainings in progress are stopped" },
    };
    json_t *lines = json_array();
    json_int_t counts[ARRAY_LEN(words)] = { 0 };

    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct plan_step *s = &plan->steps[i];

        for (size_t k = 0; k < ARRAY_LEN(words); k++) {
            if (words[k].verb != s->verb)
                continue;
            counts[k]++;
            json_array_append_new(lines,
                                  json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:[]}", "ordinal",
                                            (json_int_t) i, "action", words[k].action, "reason",
                                            words[k].reason, "kind", kinds[s->kind].name, "name",
                                            s->name, "resourceKey", s->key, "fields"));
        }
    }
    json_object_set_new(answer, "changes", json_boolean(counts[0] > 0));
    json_object_set_new(answer, "summary",
                        json_pack("{s:I, s:I, s:I}", words[0].action, counts[0], words[1].action,
                                  counts[1], words[2].action, counts[2]));
    json_object_set_new(answer, "lines", lines);
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
