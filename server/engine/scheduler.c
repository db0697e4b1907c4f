/*
 * scheduler.c - the thread that fires schedules.
 *
 * Every replica's scheduler looks; the row's fence and the primary key of schedule_fires keep each
 * nominal time to one run. It sleeps until the next due time; a poll is the net. What to start now,
 * and what becomes of the rest, firing_decide() says; here it is carried out.
 */
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/firing.h"
#include "steward/firing_store.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/pause_store.h"
#include "steward/run_store.h"
#include "steward/schedule.h"
#include "steward/schedules_store.h"
#include "steward/str.h"
#include "work.h"

#define POLL_MS         1000
#define OBSERVE_POLL_MS 5000
#define PAUSE_MS        500

/* One schedule being fired. */
struct firing {
    const struct due_schedule *s;
    struct arena *arena;
    struct schedule_expression x;
    const struct tz *zone;
    struct firing_decision decision;
    json_t *fires; /* rows */
    struct db_op ops[FIRING_STORE_OPS + (RUN_STORE_OPS + 1) * FIRING_STARTS_MAX + 1];
    size_t n_ops;
    struct parameter_file file;
    struct plan plan;
    json_t *options;
    bool has_plan;
};

static json_t *add_row(struct firing *f, int64_t nominal_s, const char *outcome, const char *reason)
{
    char local[32];
    int fold;
    json_t *row;

    tz_local(f->zone, nominal_s, local, &fold);
    row = json_pack("{s:s, s:i, s:I, s:s, s:s?}", "local", local, "fold", fold, "at",
                    (json_int_t) nominal_s, "outcome", outcome, "reason", reason);
    json_array_append_new(f->fires, row);
    return row;
}

static void add_event(struct firing *f, const char *type, int64_t nominal_s, const char *reason)
{
    char at[CLOCK_TEXT_BYTES];
    AUTO_JSON json_t *data = NULL;

    clock_format_s(nominal_s, at);
    data = json_pack("{s:s, s:s, s:s, s:s?}", "schedule", f->s->id, "kind", f->s->kind, "nominalAt",
                     at, "reason", reason);
    event_store_insert(
        f->arena,
        &(struct event_new){ .type = type,
                             .config = f->s->config,
                             .data = data,
                             .subject = arena_printf(f->arena, "schedules/%s", f->s->id) },
        &f->ops[f->n_ops++]);
}

/* A stretch of nominal times with one outcome is one row with its count. */
static void add_gap(struct firing *f, const struct firing_decision *d)
{
    const char *outcome = firing_outcome_text(d->gap.outcome);
    json_t *row = add_row(f, d->gap.from_s, outcome,
                          d->gap.outcome == FIRING_PAUSED ? f->s->pause_reason : NULL);

    json_object_set_new(row, "count", json_integer(d->gap.count));
    json_object_set_new(row, "from", json_integer(d->gap.from_s));
    json_object_set_new(row, "to", json_integer(d->gap.to_s));
    add_event(f, f->s->is_paused ? "schedule.skipped" : "schedule.missed", d->gap.from_s, outcome);
}

static enum err_code make_plan(struct engine *engine, struct firing *f, struct err *e)
{
    enum run_kind kind;

    if (f->has_plan)
        return OK;
    if (!run_kind_find(f->s->kind, &kind))
        return err_set(e, ERR_INTERNAL, "Schedule %s has an unknown run kind \"%s\".", f->s->id,
                       f->s->kind);
    parameter_file_parse(f->s->document, strlen(f->s->document), &f->file);
    if (f->file.errors.count) {
        parameter_file_done(&f->file);
        return err_set(e, ERR_INVALID, "The stored config %s is no longer valid.", f->s->config);
    }
    f->options = json_loads(f->s->run_options, 0, NULL);
    if (plan_build(&f->file, &engine_get_options(engine)->settings, kind, f->options, &f->plan,
                   e)) {
        json_decref(f->options);
        parameter_file_done(&f->file);
        return e->code;
    }
    f->has_plan = true;
    return OK;
}

/* Whether a run in the way keeps this one from starting; *run_id names it. */
static enum err_code find_overlap(struct firing *f, struct db_conn *db, const char **run_id,
                                  struct err *e)
{
    AUTO_JSON json_t *claims = plan_claims(&f->plan);
    AUTO_FREE char *text = json_compact(claims);
    const struct overlap_query q = { .schedule_id = f->s->id, .claims = text, .arena = f->arena };

    *run_id = NULL;
    if (!str_eq(f->s->overlap, "skip"))
        return OK;
    return firing_store_overlap(db, &q, run_id, e);
}

static enum err_code start_run(struct engine *engine, struct firing *f, struct db_conn *db,
                               int64_t nominal_s, struct err *e)
{
    struct run_new run = { .config = f->s->config,
                           .config_version = f->s->config_version,
                           .trigger = "schedule",
                           .schedule_id = f->s->id,
                           .overlap = f->s->overlap };
    char at[CLOCK_TEXT_BYTES];
    const char *other;
    json_t *row;

    if (make_plan(engine, f, e)) {
        (void) add_row(f, nominal_s, "skippedMisfire", e->message);
        add_event(f, "schedule.missed", nominal_s, e->message);
        return OK; /* recorded, and the schedule goes on */
    }
    TRY(find_overlap(f, db, &other, e));
    if (other) {
        const char *reason =
            arena_printf(f->arena, "Run %s is still at work on the same resources.", other);

        (void) add_row(f, nominal_s, "skippedOverlap", reason);
        add_event(f, "schedule.skipped", nominal_s, reason);
        return OK;
    }
    (void) run_kind_find(f->s->kind, &run.kind);
    id_new("run", run.id);
    clock_format_s(nominal_s, at);
    run.nominal_at = arena_strdup(f->arena, at);
    run.options = f->options;
    f->n_ops += run_store_insert(f->arena, &run, &f->plan, f->ops + f->n_ops);
    row = add_row(f, nominal_s, "started", NULL);
    json_object_set_new(row, "runId", json_string(run.id));
    add_event(f, "schedule.fired", nominal_s, NULL);
    return OK;
}

static enum catch_up catch_up_of(const char *text)
{
    if (str_eq(text, "all"))
        return CATCH_UP_ALL;
    return str_eq(text, "none") ? CATCH_UP_NONE : CATCH_UP_LATEST;
}

static enum err_code carry_out(struct engine *engine, struct firing *f, struct db_conn *db,
                               struct err *e)
{
    const struct firing_schedule policy = {
        .expression = &f->x,
        .zone = f->zone,
        .anchor_s = f->s->nominal_s,
        .end_s = f->s->end_s,
        .jitter_s = firing_jitter_s(f->s->id, f->s->jitter_s),
        .starting_deadline_s = f->s->starting_deadline_s,
        .catch_up = catch_up_of(f->s->catch_up),
        .is_paused = f->s->is_paused,
    };

    firing_decide(&policy, f->s->nominal_s - 1, f->s->now_s, &f->decision);
    if (f->decision.gap.count)
        add_gap(f, &f->decision);
    for (size_t i = 0; i < f->decision.n_starts; i++)
        TRY(start_run(engine, f, db, f->decision.starts[i], e));
    return OK;
}

/* One transaction. ERR_CONFLICT: it was not ours to fire. */
static enum err_code commit(struct firing *f, struct db_conn *db, struct err *e)
{
    struct firing_move move = { .schedule = f->s,
                                .next_s = f->decision.next_s,
                                .next_fire_s = f->decision.next_fire_s };
    AUTO_FREE char *fires = json_compact(f->fires);
    struct db_op skip;
    enum err_code rc;

    move.fires = fires;
    (void) firing_store_move(f->arena, &move, f->ops);
    FP("sch.before_commit");
    rc = db_run(db, f->ops, f->n_ops, NULL, e);
    FP("sch.after_commit");
    if (rc != ERR_CONFLICT)
        return rc;
    /* Another replica was faster, or the schedule was edited: then this conflicts too. Or the wall
     * time has its row already: then the schedule moves on, or it would stand here for ever. */
    firing_store_skip(f->arena, &move, &skip);
    rc = db_run(db, &skip, 1, NULL, e);
    return rc ? rc : ERR_CONFLICT;
}

static void firing_done(struct firing *f)
{
    json_decref(f->fires);
    if (!f->has_plan)
        return;
    plan_done(&f->plan);
    parameter_file_done(&f->file);
    json_decref(f->options);
}

static enum err_code fire(struct engine *engine, struct db_conn *db, const struct due_schedule *s,
                          struct err *e)
{
    struct arena arena = { 0 };
    struct firing *f = xcalloc(1, sizeof *f);
    enum err_code rc;

    f->s = s;
    f->arena = &arena;
    f->fires = json_array();
    f->n_ops = FIRING_STORE_OPS; /* filled last, sent first: the fence stands before everything */
    rc = schedule_parse(s->expression, &f->x, NULL, e);
    if (!rc)
        rc = tz_load(s->time_zone, &f->zone, e);
    if (!rc)
        rc = carry_out(engine, f, db, e);
    if (!rc)
        rc = commit(f, db, e);
    if (rc == ERR_CONFLICT)
        rc = OK;
    else if (!rc)
        ENGINE_COUNT(engine, fires, 1);
    firing_done(f);
    arena_done(&arena);
    free(f);
    return rc;
}

/* Fires all that is due; *next_ms says when to look again. */
static enum err_code fire_due(struct engine *engine, struct db_conn *db, int64_t *next_ms,
                              struct err *e)
{
    struct arena arena = { 0 };
    struct due due;
    size_t failed = 0;
    bool has_ended = false;
    enum err_code rc = firing_store_due(db, &arena, &due, e);

    FP("sch.select");
    for (size_t i = 0; !rc && i < due.count; i++) {
        struct err own;

        /* One bad schedule delays nobody else, and is tried again with the next poll. */
        if (fire(engine, db, &due.items[i], &own)) {
            failed++;
            log_event(LOG_ERROR, "engine", "fire_failed", "schedule=%s msg=%s detail=%s",
                      due.items[i].id, log_quote(own.message), log_quote(own.detail));
        }
    }
    if (!rc && due.is_pause_over)
        rc = pause_store_expire(db, &has_ended, e);
    if (!rc && (due.count > failed || has_ended))
        engine_wake(engine);
    *next_ms = rc || failed || due.next_ms < 0 || due.next_ms > POLL_MS ? POLL_MS : due.next_ms;
    arena_done(&arena);
    return rc;
}

/* Looks every few seconds for configs to be looked at. */
static enum err_code observe_due(struct engine *engine, struct db_conn *db, int64_t *last_ms,
                                 struct err *e)
{
    int64_t interval = engine_get_options(engine)->observe_ms, now = clock_mono_ms();

    if (now - *last_ms < (interval > 0 && interval < OBSERVE_POLL_MS ? interval : OBSERVE_POLL_MS))
        return OK;
    *last_ms = now;
    TRY(importer_settle(engine, db, NULL, e));
    if (interval > 0)
        TRY(audit_tick(engine, db, e));
    return observer_tick(engine, db, interval, e);
}

void scheduler_run(struct engine *engine)
{
    struct db_conn *db = NULL;
    int64_t observed_ms = 0;
    struct err e;

    while (!engine_is_stopping(engine)) {
        int64_t next_ms = POLL_MS;

        if (engine_connect(engine, "steward scheduler", &db, &e) ||
            fire_due(engine, db, &next_ms, &e) || observe_due(engine, db, &observed_ms, &e)) {
            log_error("engine", "scheduler_trouble", &e);
            next_ms = PAUSE_MS;
        }
        engine_sleep(engine, 0, next_ms > 0 ? next_ms : 1);
    }
    db_conn_close(db);
}
