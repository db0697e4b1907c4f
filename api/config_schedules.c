/*
 * config_schedules.c - the schedules of a parameter file as rows, with their next fire.
 *
 * Times come from the database's clock, and an existing schedule keeps its id: its jitter is made
 * of it.
 */
#include "config_write.h"
#include "steward/clock.h"
#include "steward/firing.h"
#include "steward/id.h"
#include "steward/schedule.h"

static const char *const overlap_names[] = { [OVERLAP_SKIP] = "skip",
                                             [OVERLAP_QUEUE] = "queue",
                                             [OVERLAP_CANCEL_OTHER] = "cancelOther",
                                             [OVERLAP_ALLOW] = "allow" };
static const char *const catch_up_names[] = {
    [CATCH_UP_LATEST] = "latest", [CATCH_UP_NONE] = "none", [CATCH_UP_ALL] = "all"
};

static json_t *time_or_null(int64_t seconds)
{
    char text[CLOCK_TEXT_BYTES];

    if (seconds <= 0)
        return json_null();
    clock_format_s(seconds, text);
    return json_string(text);
}

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

/* First nominal time after now, within the schedule's bounds; 0: none. */
static int64_t next_nominal(const struct file_schedule *s, const struct tz *zone, int64_t now_s)
{
    int64_t anchor = s->start_s ? s->start_s : now_s, next = 0;
    int64_t after = s->start_s > now_s ? s->start_s - 1 : now_s;

    if (!s->is_enabled || s->is_after_import ||
        !schedule_next(&s->parsed, zone, anchor, after, &next))
        return 0;
    return s->end_s && next > s->end_s ? 0 : next;
}

static json_t *schedule_row(const struct file_schedule *s, const char *id, int64_t now_s)
{
    const struct tz *zone = tz_utc();
    char words[256] = "";
    json_t *row = json_object();
    int64_t next;
    struct err e;

    if (s->time_zone && tz_load(s->time_zone, &zone, &e))
        zone = tz_utc(); /* the file was checked: its zone exists */
    next = next_nominal(s, zone, now_s);
    if (s->is_after_import)
        (void) str_copy(words, sizeof words, "after every import");
    else
        (void) schedule_describe(&s->parsed, s->time_zone, words, sizeof words);
    json_object_set_new(row, "id", json_string(id));
    json_object_set_new(row, "path", json_string(s->path));
    json_object_set_new(row, "pointer", json_string(s->pointer));
    json_object_set_new(row, "kind", json_string(run_kind_name(run_kind_of_schedule(s->kind))));
    json_object_set_new(row, "runOptions", plan_schedule_options(s));
    json_object_set_new(row, "expression",
                        json_string(s->is_after_import ? "after import" : s->expression));
    json_object_set_new(row, "description", json_string(words));
    json_object_set_new(row, "timeZone", s->time_zone ? json_string(s->time_zone) : json_null());
    json_object_set_new(row, "startAt", time_or_null(s->start_s));
    json_object_set_new(row, "endAt", time_or_null(s->end_s));
    json_object_set_new(row, "overlap", json_string(overlap_names[s->overlap]));
    json_object_set_new(row, "catchUp", json_string(catch_up_names[s->catch_up]));
    json_object_set_new(row, "startingDeadlineSeconds",
                        s->starting_deadline_s ? json_integer(s->starting_deadline_s)
                                               : json_null());
    json_object_set_new(row, "jitterSeconds", json_integer(s->jitter_s));
    json_object_set_new(row, "enabled", json_boolean(s->is_enabled));
    json_object_set_new(row, "nextNominalAt", time_or_null(next));
    json_object_set_new(row, "nextFireAt",
                        time_or_null(next ? next + firing_jitter_s(id, s->jitter_s) : 0));
    return row;
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

        if (!s->is_after_import && s->parsed.type == SCHEDULE_DELETE)
            continue; /* "delete" is no schedule */
        schedule_id(c, op, s->path, id);
        json_array_append_new(rows, schedule_row(s, id, now_s));
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
