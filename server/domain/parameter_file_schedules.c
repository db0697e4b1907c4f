/*
 * parameter_file_schedules.c - the five places of a schedule in the file.
 *
 * A schedule is a string or an object; one reader serves the check (with findings) and the model
 * (without).
 */
#include <stdio.h>

#include "parameter_file_internal.h"
#include "steward/clock.h"

static const char *const overlap_names[] = { [OVERLAP_SKIP] = "skip",
                                             [OVERLAP_QUEUE] = "queue",
                                             [OVERLAP_CANCEL_OTHER] = "cancelOther",
                                             [OVERLAP_ALLOW] = "allow" };
static const char *const catch_up_names[] = {
    [CATCH_UP_LATEST] = "latest", [CATCH_UP_NONE] = "none", [CATCH_UP_ALL] = "all"
};

static bool read_expression(struct check *c, const char *text, const char *pointer,
                            struct file_schedule *out)
{
    struct err e;

    out->expression = text;
    if (!schedule_parse(text, &out->parsed, NULL, &e))
        return true;
    problem(c, CODE_BAD_SCHEDULE, pointer, "%s", e.message);
    return false;
}

static bool read_time(const json_t *value, const char *key, int64_t *seconds)
{
    const char *text = json_text(value, key);
    int64_t ms;

    if (!text || !clock_parse(text, &ms))
        return false;
    *seconds = ms / 1000;
    return true;
}

static size_t name_index(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(names[i], name))
            return i;
    return 0;
}

static void read_policies(const json_t *value, struct file_schedule *out)
{
    out->overlap = (enum overlap) name_index(overlap_names, ARRAY_LEN(overlap_names),
                                             json_text(value, "overlap"));
    out->catch_up = (enum catch_up) name_index(catch_up_names, ARRAY_LEN(catch_up_names),
                                               json_text(value, "catchUp"));
    out->starting_deadline_s = json_int_or(value, "startingDeadlineSeconds", 0);
    out->jitter_s = json_int_or(value, "jitterSeconds", 0);
    out->is_enabled = json_bool_or(value, "enabled", true);
}

static bool read_zone(struct check *c, const json_t *value, const char *pointer,
                      struct file_schedule *out)
{
    const struct tz *zone;
    struct err e;

    out->time_zone = json_text(value, "timeZone");
    if (!out->time_zone || !tz_load(out->time_zone, &zone, &e))
        return true;
    problem(c, CODE_BAD_TIME_ZONE, place_below(pointer, "timeZone").text, "%s", e.message);
    return false;
}

static bool read_object(struct check *c, const json_t *value, const char *pointer,
                        struct file_schedule *out)
{
    const char *text = json_text(value, "expression");
    const json_t *after = json_object_get(value, "after");
    size_t before = c->errors[c->phase].count;

    check_members(c, schedule_fields, value, pointer);
    if (after && json_object_get(value, "expression"))
        problem(c, CODE_CONFLICT, pointer,
                "\"after\" and \"expression\" exclude each other; keep one.");
    else if (!after && !json_object_get(value, "expression"))
        problem(c, CODE_BAD_SCHEDULE, pointer,
                "The schedule says no time: add \"expression\" (such as \"cron(0 4 * * ? *)\") or "
                "\"after\": \"import\".");
    (void) read_zone(c, value, pointer, out);
    if (text)
        (void) read_expression(c, text, place_below(pointer, "expression").text, out);
    if (read_time(value, "startAt", &out->start_s) && read_time(value, "endAt", &out->end_s) &&
        out->end_s <= out->start_s)
        problem(c, CODE_BAD_TIME, place_below(pointer, "endAt").text,
                "endAt must be later than startAt.");
    else
        (void) read_time(value, "endAt", &out->end_s);
    read_policies(value, out);
    out->is_after_import = str_eq(json_string_value(after), "import");
    if (out->is_after_import)
        out->expression = "";
    if (out->is_after_import && out->kind == SCHEDULED_IMPORT)
        problem(c, CODE_CONFLICT, place_below(pointer, "after").text,
                "An import cannot run after itself; write an expression.");
    return c->errors[c->phase].count == before;
}

bool schedule_read(struct check *c, const json_t *value, const char *pointer,
                   struct file_schedule *out)
{
    const char *text = json_string_value(value);

    out->is_enabled = true;
    out->component = SIZE_MAX;
    (void) str_copy(out->pointer, sizeof out->pointer, pointer);
    if (json_is_object(value))
        return read_object(c, value, pointer, out);
    if (!text) {
        problem(c, CODE_WRONG_TYPE, pointer,
                "A schedule is a string such as \"cron(0 4 * * ? *)\", or an object with "
                "\"expression\"; found %s.",
                json_type_words(value));
        return false;
    }
    if (!*text) {
        caution(c, CODE_NO_EFFECT, pointer,
                "The schedule is empty: there is none. Remove the key.");
        return false;
    }
    return read_expression(c, text, pointer, out);
}

bool file_schedule_parse(const json_t *members, struct file_schedule *out,
                         struct findings *problems)
{
    struct parameter_file none = { 0 };
    struct check c = { .file = &none, .phase = PHASE_SCHEDULES };
    bool is_good;

    *out = (struct file_schedule){ .kind = SCHEDULED_FULL };
    is_good = schedule_read(&c, members, "", out) && !c.errors[PHASE_SCHEDULES].count;
    for (size_t i = 0; i < c.errors[PHASE_SCHEDULES].count; i++) {
        const struct finding *f = &c.errors[PHASE_SCHEDULES].items[i];

        findings_add(problems, f->pointer, f->code, "%s", f->detail);
    }
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        findings_done(&c.errors[i]);
        findings_done(&c.warnings[i]);
    }
    return is_good;
}

/* ---- the five places ---- */

typedef void (*schedule_fn)(void *context, const struct schedule_site *site);

struct visitor {
    schedule_fn visit;
    void *context;
};

static void visit(const struct visitor *v, struct schedule_site site)
{
    if (site.value)
        v->visit(v->context, &site);
}

static void visit_jobs(const struct visitor *v, const json_t *solution, size_t index,
                       bool is_segment)
{
    const char *list = is_segment ? "batchSegmentJobs" : "batchInferenceJobs";
    const char *name = json_text(json_object_get(solution, "serviceConfig"), "name");
    const json_t *jobs = json_object_get(solution, list), *job;
    size_t i;

    json_array_foreach (jobs, i, job) {
        struct schedule_site site = {
            .value = json_object_get(json_object_get(job, "workflowConfig"), "schedule"),
            .kind = is_segment ? SCHEDULED_BATCH_SEGMENT : SCHEDULED_BATCH_INFERENCE,
            .subject = name,
            .job = i,
        };

        (void) snprintf(site.pointer, sizeof site.pointer,
                        "/solutions/%zu/%s/%zu/workflowConfig/schedule", index, list, i);
        (void) snprintf(site.path, sizeof site.path, "solutions/%s/%s/%zu", name ? name : "", list,
                        i);
        visit(v, site);
    }
}

static void visit_solution(const struct visitor *v, const json_t *solution, size_t index)
{
    static const char *const keys[] = { "full", "update" };
    const char *name = json_text(json_object_get(solution, "serviceConfig"), "name");
    const json_t *schedules =
        json_object_get(json_object_get(solution, "workflowConfig"), "schedules");

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct schedule_site site = { .value = json_object_get(schedules, keys[i]),
                                      .kind = i ? SCHEDULED_UPDATE : SCHEDULED_FULL,
                                      .subject = name };

        (void) snprintf(site.pointer, sizeof site.pointer,
                        "/solutions/%zu/workflowConfig/schedules/%s", index, keys[i]);
        (void) snprintf(site.path, sizeof site.path, "solutions/%s/%s", name ? name : "", keys[i]);
        visit(v, site);
    }
    visit_jobs(v, solution, index, false);
    visit_jobs(v, solution, index, true);
}

static void visit_all(const struct visitor *v, const json_t *document)
{
    const json_t *workflow =
        json_object_get(json_object_get(document, "datasetGroup"), "workflowConfig");
    const json_t *solutions = json_object_get(document, "solutions"), *solution;
    size_t i;

    visit(v, (struct schedule_site){
                 .value = json_object_get(json_object_get(workflow, "schedules"), "import"),
                 .kind = SCHEDULED_IMPORT,
                 .pointer = "/datasetGroup/workflowConfig/schedules/import",
                 .path = "import" });
    json_array_foreach (solutions, i, solution)
        visit_solution(v, solution, i);
}

static void check_site(void *context, const struct schedule_site *site)
{
    struct file_schedule ignored = { .kind = site->kind };

    (void) schedule_read(context, site->value, site->pointer, &ignored);
}

void check_schedules(struct check *c, const json_t *document)
{
    struct visitor v = { check_site, c };

    c->phase = PHASE_SCHEDULES;
    visit_all(&v, document);
}

static size_t find_job(const struct parameter_file *f, const struct schedule_site *site)
{
    enum kind_id kind =
        site->kind == SCHEDULED_BATCH_SEGMENT ? KIND_BATCH_SEGMENT_JOB : KIND_BATCH_INFERENCE_JOB;
    char name[POINTER_BYTES];

    (void) snprintf(name, sizeof name, "%s/%zu", site->subject ? site->subject : "", site->job);
    for (size_t i = 0; i < f->n_components; i++)
        if (f->components[i].kind == kind && str_eq(f->components[i].name, name))
            return i;
    return SIZE_MAX;
}

struct builder {
    struct parameter_file *file;
    struct check scratch; /* findings have been reported by the check */
    size_t capacity;
};

static void build_site(void *context, const struct schedule_site *site)
{
    struct builder *b = context;
    struct parameter_file *f = b->file;
    struct file_schedule schedule = { .kind = site->kind };

    if (!schedule_read(&b->scratch, site->value, site->pointer, &schedule) ||
        (site->kind != SCHEDULED_IMPORT && !site->subject))
        return;
    schedule.path = arena_strdup(f->arena, site->path);
    schedule.subject = site->subject;
    if (site->kind == SCHEDULED_BATCH_INFERENCE || site->kind == SCHEDULED_BATCH_SEGMENT)
        schedule.component = find_job(f, site);
    if (f->n_schedules == b->capacity) {
        b->capacity = b->capacity ? b->capacity * 2 : 8;
        f->schedules = xrealloc(f->schedules, b->capacity * sizeof *f->schedules);
    }
    f->schedules[f->n_schedules++] = schedule;
}

void build_schedules(struct parameter_file *f)
{
    struct builder b = { .file = f, .scratch = { .file = f, .phase = PHASE_SCHEDULES } };
    struct visitor v = { build_site, &b };

    visit_all(&v, f->effective);
    findings_done(&b.scratch.errors[PHASE_SCHEDULES]);
    findings_done(&b.scratch.warnings[PHASE_SCHEDULES]);
    findings_done(&b.scratch.errors[PHASE_KEYS]);
}
