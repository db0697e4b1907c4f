/*
 * config_rows.c - the resources and schedules of a parameter file as rows.
 *
 * Times come from the database's clock, and an existing schedule keeps its id: its jitter is made
 * of it.
 */
#include "steward/config_rows.h"

#include "steward/clock.h"
#include "steward/firing.h"
#include "steward/plan.h"
#include "steward/schedule.h"
#include "steward/str.h"

json_t *config_rows_resources(const struct parameter_file *f)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < f->n_components; i++) {
        const struct component *x = &f->components[i];

        json_array_append_new(rows,
                              json_pack("{s:s, s:s, s:s, s:O, s:b}", "key", x->key, "kind",
                                        kinds[x->kind].name, "name", x->name, "desired", x->service,
                                        "is_protected", (int) x->is_destroy_prevented));
    }
    return rows;
}

bool config_rows_is_schedule(const struct file_schedule *s)
{
    return s->is_after_import || s->parsed.type != SCHEDULE_DELETE;
}

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

json_t *config_rows_schedule(const struct file_schedule *s, const char *id, int64_t now_s)
{
    json_t *row = config_rows_schedule_spec(s, id, now_s);

    json_object_set_new(row, "path", json_string(s->path));
    json_object_set_new(row, "pointer", json_string(s->pointer));
    json_object_set_new(row, "kind", json_string(run_kind_name(run_kind_of_schedule(s->kind))));
    json_object_set_new(row, "runOptions", plan_schedule_options(s));
    return row;
}

json_t *config_rows_schedule_spec(const struct file_schedule *s, const char *id, int64_t now_s)
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

void config_rows_tell_schedules(const struct parameter_file *f, const json_t *known, json_t *data)
{
    size_t kept = 0, made = 0, gone;

    for (size_t i = 0; i < f->n_schedules; i++) {
        if (!config_rows_is_schedule(&f->schedules[i]))
            continue;
        if (json_object_get(known, f->schedules[i].path))
            kept++;
        else
            made++;
    }
    gone = json_object_size(known) - kept;
    if (made)
        json_object_set_new(data, "schedulesCreated", json_integer((json_int_t) made));
    if (gone)
        json_object_set_new(data, "schedulesDeleted", json_integer((json_int_t) gone));
}
