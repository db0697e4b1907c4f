/*
 * config_schedules.c - the schedules of a parameter file as rows, with their next fire.
 *
 * Times come from the database's clock, and an existing schedule keeps its id: its jitter is made
 * of it.
 */
#include "config_write.h"
#include "steward/config_rows.h"
#include "steward/id.h"

static void schedule_id(struct call *c, size_t op, const char *path, char out[ID_BYTES])
{
    for (size_t i = 0; i < rows_count(c->reply, op); i++) {
        if (str_eq(rows_text(c->reply, op, i, 0), path)) {
            (void) str_copy(out, ID_BYTES, rows_text(c->reply, op, i, 1));
            return;
        }
    }
    id_new("sch", out);
}

void config_schedule_rows(struct call *c, struct config_change *w, size_t op, int64_t now_s)
{
    AUTO_JSON json_t *rows = json_array();
    AUTO_FREE char *text = NULL, *literal = NULL;
    const char **paths = arena_alloc(c->arena, (w->file.n_schedules + 1) * sizeof *paths);
    size_t n = 0;

    for (size_t i = 0; i < w->file.n_schedules; i++) {
        const struct file_schedule *s = &w->file.schedules[i];
        char id[ID_BYTES];

        if (!config_rows_is_schedule(s))
            continue;
        schedule_id(c, op, s->path, id);
        json_array_append_new(rows, config_rows_schedule(s, id, now_s));
        paths[n++] = s->path;
    }
    text = json_compact(rows);
    literal = db_text_array(paths, n);
    w->schedules = arena_strdup(c->arena, text);
    w->schedule_paths = arena_strdup(c->arena, literal);
}

json_t *config_plan_json(const struct plan *plan)
{
    json_t *steps = json_array();

    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct plan_step *s = &plan->steps[i];
        json_t *needs = json_array();

        for (size_t k = 0; k < s->n_needs; k++)
            json_array_append_new(needs, json_integer((json_int_t) s->needs[k]));
        json_array_append_new(steps,
                              json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:o}", "ordinal",
                                        (json_int_t) i, "kind", kinds[s->kind].name, "name",
                                        s->name, "verb", verb_name(s->verb), "resourceKey", s->key,
                                        "pointer", s->pointer ? s->pointer : "", "needs", needs));
    }
    return steps;
}
