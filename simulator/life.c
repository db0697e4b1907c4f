/*
 * life.c - how resources live: one table of transitions, one setter, one walk over what is due.
 *
 * Deadlines are model time. A transition is stamped with the time it was due, also when the clock
 * was moved past it; a job whose work is not finished waits in CREATE IN_PROGRESS for it.
 */
#include <assert.h>
#include <string.h>

#include "sim.h"
#include "steward/clock.h"
#include "steward/json.h"
#include "steward/mem.h"

enum span { SPAN_NONE, SPAN_PENDING, SPAN_PROGRESS, SPAN_DELETE_PENDING, SPAN_DELETE_PROGRESS };

/* One row per state: its words, what follows by itself, and after which span. */
static const struct {
    const char *text, *deletion_job_text;
    enum life next;
    enum span span;
} lives[LIFE_COUNT] = {
    [LIFE_NONE] = { NULL, NULL, LIFE_NONE, SPAN_NONE },
    [LIFE_PENDING] = { "CREATE PENDING", "PENDING", LIFE_IN_PROGRESS, SPAN_PENDING },
    [LIFE_IN_PROGRESS] = { "CREATE IN_PROGRESS", "IN_PROGRESS", LIFE_ACTIVE, SPAN_PROGRESS },
    [LIFE_ACTIVE] = { "ACTIVE", "COMPLETED", LIFE_NONE, SPAN_NONE },
    [LIFE_FAILED] = { "CREATE FAILED", "FAILED", LIFE_NONE, SPAN_NONE },
    [LIFE_STOPPING] = { "CREATE STOPPING", NULL, LIFE_STOPPED, SPAN_PENDING },
    [LIFE_STOPPED] = { "CREATE STOPPED", NULL, LIFE_NONE, SPAN_NONE },
    [LIFE_STOP_PENDING] = { "STOP PENDING", NULL, LIFE_STOP_IN_PROGRESS, SPAN_PENDING },
    [LIFE_STOP_IN_PROGRESS] = { "STOP IN_PROGRESS", NULL, LIFE_INACTIVE, SPAN_DELETE_PROGRESS },
    [LIFE_INACTIVE] = { "INACTIVE", NULL, LIFE_NONE, SPAN_NONE },
    [LIFE_START_PENDING] = { "START PENDING", NULL, LIFE_START_IN_PROGRESS, SPAN_PENDING },
    [LIFE_START_IN_PROGRESS] = { "START IN_PROGRESS", NULL, LIFE_ACTIVE, SPAN_DELETE_PROGRESS },
    [LIFE_DELETE_PENDING] = { "DELETE PENDING", NULL, LIFE_DELETE_IN_PROGRESS,
                              SPAN_DELETE_PENDING },
    [LIFE_DELETE_IN_PROGRESS] = { "DELETE IN_PROGRESS", NULL, LIFE_GONE, SPAN_DELETE_PROGRESS },
    [LIFE_GONE] = { NULL, NULL, LIFE_NONE, SPAN_NONE },
};

const char *life_text(const struct sim_kind *kind, enum life life)
{
    const char *other = lives[life].deletion_job_text;

    return kind->id == SIM_DELETION_JOB && other ? other : lives[life].text;
}

int64_t sim_now_ms(const struct sim *s)
{
    return s->clock.is_frozen ? s->clock.base_ms
                              : s->clock.base_ms + clock_wall_ms() - s->clock.wall_ms;
}

int64_t sim_step_ms(const struct sim *s)
{
    return s->clock.step_ms ? s->clock.step_ms : sim_now_ms(s);
}

int64_t sim_scaled_ms(const struct sim *s, int64_t seconds)
{
    return s->settings.time_scale ? seconds * 1000 / s->settings.time_scale : 0;
}

static int64_t span_seconds(const struct resource *r, enum span span)
{
    const struct sim_durations *d = &r->kind->durations;

    switch (span) {
    case SPAN_NONE:
        break;
    case SPAN_PENDING:
        return d->pending_s;
    case SPAN_PROGRESS: /* trainings know better */
        return json_int_or(r->hidden, "progressSeconds", d->progress_s);
    case SPAN_DELETE_PENDING:
        return d->delete_pending_s;
    case SPAN_DELETE_PROGRESS:
        return d->delete_progress_s;
    }
    return 0;
}

void life_set(struct sim *s, struct resource *r, enum life life, int64_t at_ms)
{
    const char *text = life_text(r->kind, life);

    r->life = life;
    r->due_ms = lives[life].next == LIFE_NONE
                    ? NEVER
                    : at_ms + sim_scaled_ms(s, span_seconds(r, lives[life].span));
    if (text)
        resource_set(r, "status", json_string(text));
    resource_set(r, "lastUpdatedDateTime", json_time(at_ms));
    if (r->kind->has_failure_reason && life != LIFE_FAILED)
        (void) json_object_del(r->body, "failureReason");
    world_touch(&s->world, r);
}

void life_fail(struct sim *s, struct resource *r, const char *reason, int64_t at_ms)
{
    life_set(s, r, LIFE_FAILED, at_ms);
    if (r->kind->has_failure_reason)
        resource_set(r, "failureReason", json_string(reason));
}

static void set_update(struct sim *s, struct resource *r, enum life life, int64_t at_ms)
{
    json_t *update = json_object_get(r->body, r->kind->update_member);
    int64_t seconds = life == LIFE_PENDING
                          ? r->kind->durations.pending_s
                          : json_int_or(r->hidden, "updateSeconds", r->kind->durations.update_s);

    r->update_life = life;
    r->update_due_ms = at_ms + sim_scaled_ms(s, seconds);
    if (life == LIFE_ACTIVE || life == LIFE_FAILED) {
        r->update_life = LIFE_NONE;
        r->update_due_ms = NEVER;
    }
    json_object_set_new(update, "status", json_string(lives[life].text));
    json_object_set_new(update, "lastUpdatedDateTime", json_time(at_ms));
    world_touch(&s->world, r);
}

void life_begin_update(struct sim *s, struct resource *r, json_t *update)
{
    int64_t now = sim_step_ms(s);

    assert(r->kind->update_member);
    json_object_set_new(update, "creationDateTime", json_time(now));
    resource_set(r, r->kind->update_member, update);
    set_update(s, r, LIFE_PENDING, now);
}

static void step_update(struct sim *s, struct resource *r, int64_t at_ms)
{
    if (r->update_life == LIFE_PENDING) {
        set_update(s, r, LIFE_IN_PROGRESS, at_ms);
        return;
    }
    set_update(s, r, LIFE_ACTIVE, at_ms);
    r->kind->apply_update(s, r, json_object_get(r->body, r->kind->update_member));
    resource_set(r, "lastUpdatedDateTime", json_time(at_ms));
}

static void enter_in_progress(struct sim *s, struct resource *r)
{
    if (resource_hidden(r, "doom") || r->is_work_done || r->is_working || !r->kind->start_work)
        return;
    r->is_working = r->kind->start_work(s, r);
}

static void step_life(struct sim *s, struct resource *r, int64_t at_ms)
{
    enum life next = lives[r->life].next;
    const char *doom = resource_hidden(r, "doom");

    if (next == LIFE_DELETE_IN_PROGRESS && r->kind->is_deleted_in_one_step)
        next = LIFE_GONE;
    if (next == LIFE_ACTIVE && doom && r->life == LIFE_IN_PROGRESS)
        life_fail(s, r, doom, at_ms);
    else
        life_set(s, r, next, at_ms);
    if (r->life == LIFE_IN_PROGRESS)
        enter_in_progress(s, r);
    if (r->kind->on_life)
        r->kind->on_life(s, r);
    if (r->life == LIFE_GONE)
        world_remove(&s->world, r);
}

/* A job in progress waits for its work. */
static bool is_blocked(const struct resource *r)
{
    return r->life == LIFE_IN_PROGRESS && r->is_working && !r->is_work_done;
}

enum slot { SLOT_LIFE, SLOT_UPDATE, SLOT_AUTO };

/* The next thing to happen, and whether a job's work must be finished before. */
struct next {
    struct resource *r;
    int64_t due_ms;
    enum slot slot;
    bool is_blocked;
};

static void consider(struct next *next, struct resource *r, enum slot slot, int64_t due_ms)
{
    if (due_ms < next->due_ms)
        *next = (struct next){ r, due_ms, slot, slot == SLOT_LIFE && is_blocked(r) };
}

/* Jobs whose work is not done are passed over, except while a jump of the clock is made up for:
   then what comes after them in time waits, as it would have. */
static struct next find_next(const struct sim *s)
{
    struct next next = { .due_ms = NEVER };

    for (size_t k = 0; k < SIM_KIND_COUNT; k++) {
        for (size_t i = 0; i < s->world.kinds[k].count; i++) {
            struct resource *r = s->world.kinds[k].items[i];

            if (!is_blocked(r) || r->due_ms < s->clock.jump_to_ms)
                consider(&next, r, SLOT_LIFE, r->due_ms);
            consider(&next, r, SLOT_UPDATE, r->update_due_ms);
            consider(&next, r, SLOT_AUTO, r->auto_due_ms);
        }
    }
    return next;
}

static void step(struct sim *s, const struct next *next)
{
    s->clock.step_ms = next->due_ms;
    switch (next->slot) {
    case SLOT_LIFE:
        step_life(s, next->r, next->due_ms);
        break;
    case SLOT_UPDATE:
        step_update(s, next->r, next->due_ms);
        break;
    case SLOT_AUTO:
        next->r->kind->on_auto(s, next->r, next->due_ms);
        break;
    }
    s->clock.step_ms = 0;
}

void life_advance(struct sim *s)
{
    int64_t now = sim_now_ms(s);

    while (s->world.next_due_ms <= now) {
        struct next next = find_next(s);

        s->world.next_due_ms = next.due_ms;
        if (next.due_ms > now)
            break;
        if (next.is_blocked)
            return;
        step(s, &next);
    }
    s->clock.jump_to_ms = 0;
}

void life_work_done(struct sim *s, struct resource *r, const char *failure)
{
    int64_t now = sim_now_ms(s);

    r->is_working = false;
    r->is_work_done = true;
    if (failure)
        resource_hide(r, "doom", json_string(failure));
    if (r->due_ms < now && r->due_ms >= s->clock.jump_to_ms)
        r->due_ms = now;
    world_touch(&s->world, r);
}

bool life_is_settled(const struct resource *r)
{
    return !resource_is_busy(r) && r->update_life == LIFE_NONE;
}
