/*
 * firing_batch.c - what a batch of due schedules does, put together and written in one transaction.
 *
 * firing_decide() says which nominal times start and what becomes of the others; runs in the way
 * are asked of the database, and of the batch itself. Plans are made once per config version, kind
 * and options; a run is a plan's template with ids of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firing_batch.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/firing.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/schedule.h"
#include "steward/str.h"

/* One schedule of the batch. */
struct item {
    const struct due_schedule *s;
    struct schedule_expression x;
    const struct tz *zone;
    struct firing_decision parts[2]; /* while it was paused; since then */
    int t;                           /* number of its template; -1: no_plan says why */
    char no_plan[160];
    const json_t *others; /* runs in the way that are in the database; NULL: none */
};

struct batch {
    struct engine *engine;
    struct db_conn *db;
    struct plan_cache *cache;
    struct arena arena;
    struct item *items;
    size_t n;
    struct firing_batch out;
    json_t *numbers;   /* "config\nkind\noptions" -> number of the template */
    json_t *in_way;    /* number of the item -> [run] */
    json_t *by_claim;  /* claim, or "schedule/<id>" -> run started by this batch */
    json_t *cancelled; /* run -> true */
};

/* ---- rows ---- */

static json_t *add_row(struct batch *b, const struct item *it, int64_t nominal_s,
                       const char *outcome, const char *reason)
{
    char local[32], event[ID_BYTES];
    const char *type = str_eq(outcome, "started") ? "schedule.fired"
                       : str_eq(outcome, "paused") || str_eq(outcome, "skippedOverlap")
                           ? "schedule.skipped"
                           : "schedule.missed";
    int fold;
    json_t *row;

    tz_local(it->zone, nominal_s, local, &fold);
    id_new("evt", event);
    row = json_pack("{s:s, s:i, s:s, s:i, s:I, s:s, s:s?, s:s, s:s, s:s, s:s}", "schedule",
                    it->s->id, "generation", it->s->generation, "local", local, "fold", fold, "at",
                    (json_int_t) nominal_s, "outcome", outcome, "reason", reason, "event", event,
                    "type", type, "kind", it->s->kind, "config", it->s->config);
    json_array_append_new(b->out.fires, row);
    return row;
}

/* A stretch of nominal times with one outcome is one row with its count. */
static void add_gap(struct batch *b, const struct item *it, const struct firing_decision *d)
{
    json_t *row;

    if (d->gap.count == 0)
        return;
    row = add_row(b, it, d->gap.from_s, firing_outcome_text(d->gap.outcome),
                  d->gap.outcome == FIRING_PAUSED ? it->s->pause_reason : NULL);
    json_object_set_new(row, "count", json_integer(d->gap.count));
    json_object_set_new(row, "from", json_integer(d->gap.from_s));
    json_object_set_new(row, "to", json_integer(d->gap.to_s));
}

static void add_move(struct batch *b, const struct item *it)
{
    const struct firing_decision *d = &it->parts[1];

    json_array_append_new(b->out.moves,
                          json_pack("{s:s, s:i, s:I, s:s, s:o, s:o}", "id", it->s->id, "generation",
                                    it->s->generation, "nominal", (json_int_t) it->s->nominal_s,
                                    "updated", it->s->updated_at, "next",
                                    d->has_next ? json_integer(d->next_s) : json_null(), "nextFire",
                                    d->has_next ? json_integer(d->next_fire_s) : json_null()));
}

/* ---- templates ---- */

static void add_template(struct batch *b, const struct item *it, const struct plan *plan)
{
    json_t *rows = plan_to_rows(plan), *row;
    size_t i;

    json_array_foreach (rows, i, row) {
        json_object_set_new(row, "t", json_integer(it->t));
        json_object_del(row, "id");
    }
    json_array_extend(b->out.steps, rows);
    json_decref(rows);
    json_array_append_new(b->out.templates,
                          json_pack("{s:i, s:s, s:I, s:s, s:o, s:o, s:I}", "t", it->t, "config",
                                    it->s->config, "version", (json_int_t) it->s->config_version,
                                    "kind", it->s->kind, "options",
                                    json_loads(it->s->run_options, 0, NULL), "claims",
                                    plan_claims(plan), "n", (json_int_t) plan->n_steps));
}

static enum err_code build_plan(struct batch *b, const struct item *it, struct plan *plan,
                                struct err *e)
{
    const struct parameter_file *file;
    AUTO_JSON json_t *options = json_loads(it->s->run_options, 0, NULL);
    enum run_kind kind;

    if (!run_kind_find(it->s->kind, &kind))
        return err_set(e, ERR_INVALID, "This release does not know the run kind \"%s\".",
                       it->s->kind);
    TRY(plan_cache_get(b->cache, b->db, it->s, &file, e));
    if (file->errors.count)
        return err_set(e, ERR_INVALID, "The stored config %s is no longer valid.", it->s->config);
    return plan_build(file, &engine_get_options(b->engine)->settings, kind, options, plan, e);
}

/* Fails only when the database does; what cannot be planned is recorded with the reason. */
static enum err_code take_template(struct batch *b, struct item *it, struct err *e)
{
    const char *key =
        arena_printf(&b->arena, "%s\n%s\n%s", it->s->config, it->s->kind, it->s->run_options);
    const json_t *known = json_object_get(b->numbers, key);
    struct plan plan = { 0 };
    enum err_code rc;

    if (known) {
        it->t = (int) json_integer_value(known);
        return OK;
    }
    it->t = (int) json_array_size(b->out.templates);
    rc = build_plan(b, it, &plan, e);
    if (!rc) {
        add_template(b, it, &plan);
        json_object_set_new(b->numbers, key, json_integer(it->t));
        plan_done(&plan);
    } else if (rc == ERR_INVALID || rc == ERR_NOT_FOUND || rc == ERR_CONFLICT) {
        it->t = -1;
        (void) str_copy(it->no_plan, sizeof it->no_plan, e->message);
        rc = OK;
    }
    return rc;
}

/* ---- what is in the way ---- */

static const json_t *claims_of(const struct batch *b, const struct item *it)
{
    return json_object_get(json_array_get(b->out.templates, (size_t) it->t), "claims");
}

static const char *own_key(struct batch *b, const struct item *it)
{
    return arena_printf(&b->arena, "schedule/%s", it->s->id);
}

/* A run that a batch started on the same resources, or of the same schedule; NULL: none. */
static const char *find_own(struct batch *b, const struct item *it, const json_t *by_claim)
{
    const char *run = json_string_value(json_object_get(by_claim, own_key(b, it)));
    size_t i;
    json_t *claim;

    if (run)
        return run;
    json_array_foreach (claims_of(b, it), i, claim) {
        run = json_string_value(json_object_get(by_claim, json_string_value(claim)));
        if (run)
            return run;
    }
    return NULL;
}

static void remember(struct batch *b, const struct item *it, const char *run)
{
    size_t i;
    json_t *claim;

    json_object_set_new(b->by_claim, own_key(b, it), json_string(run));
    json_array_foreach (claims_of(b, it), i, claim)
        json_object_set_new(b->by_claim, json_string_value(claim), json_string(run));
}

/* Whether it starts something that others may keep from it. */
static bool gives_way(const struct item *it)
{
    return it->parts[1].n_starts && it->t >= 0 &&
           (str_eq(it->s->overlap, "skip") || str_eq(it->s->overlap, "cancelOther"));
}

bool firing_batch_meets(struct batch *b, const struct batch *completed)
{
    for (size_t i = 0; i < b->n; i++)
        if (gives_way(&b->items[i]) && find_own(b, &b->items[i], completed->by_claim))
            return true;
    return false;
}

static enum err_code find_others(struct batch *b, struct err *e)
{
    AUTO_JSON json_t *wanted = json_array();
    char no[24];

    for (size_t i = 0; i < b->n; i++) {
        const struct item *it = &b->items[i];

        if (gives_way(it))
            json_array_append_new(wanted,
                                  json_pack("{s:I, s:s, s:i, s:s, s:s, s:I}", "no", (json_int_t) i,
                                            "schedule", it->s->id, "t", it->t, "config",
                                            it->s->config, "kind", it->s->kind, "nominal",
                                            (json_int_t) it->parts[1].starts[0]));
    }
    if (json_array_size(wanted) == 0)
        return OK;
    TRY(firing_store_overlaps(b->db, wanted, b->out.templates, b->in_way, e));
    for (size_t i = 0; i < b->n; i++) {
        (void) snprintf(no, sizeof no, "%zu", i);
        b->items[i].others = json_object_get(b->in_way, no);
    }
    return OK;
}

static void cancel_others(struct batch *b, const struct item *it, const char *run)
{
    size_t i;
    json_t *other;

    json_array_foreach (it->others, i, other) {
        const char *id = json_string_value(other);
        char event[ID_BYTES];

        if (json_object_get(b->cancelled, id))
            continue;
        id_new("evt", event);
        json_object_set_new(b->cancelled, id, json_true());
        json_array_append_new(
            b->out.cancels,
            json_pack("{s:s, s:s, s:s, s:o}", "run", id, "by", run, "event", event, "reason",
                      json_sprintf("Cancelled for %s: the overlap policy of the schedule %s is "
                                   "cancelOther.",
                                   run, it->s->id)));
    }
}

/* ---- starting ---- */

static void start_run(struct batch *b, const struct item *it, int64_t nominal_s)
{
    json_t *row = add_row(b, it, nominal_s, "started", NULL), *ids = json_array();
    json_int_t n = json_int_or(json_array_get(b->out.templates, (size_t) it->t), "n", 0);
    char run[ID_BYTES], step[ID_BYTES], event[ID_BYTES];

    id_new("run", run);
    id_new("evt", event);
    json_object_set_new(row, "runId", json_string(run));
    while (n-- > 0) {
        id_new("stp", step);
        json_array_append_new(ids, json_string(step));
    }
    json_array_append_new(b->out.runs, json_pack("{s:s, s:i, s:s, s:s, s:o, s:s}", "id", run, "t",
                                                 it->t, "schedule", it->s->id, "overlap",
                                                 it->s->overlap, "ids", ids, "event", event));
    remember(b, it, run);
    if (str_eq(it->s->overlap, "cancelOther"))
        cancel_others(b, it, run);
}

static void start(struct batch *b, const struct item *it, int64_t nominal_s, bool is_last)
{
    const char *other = NULL;

    if (it->t < 0) {
        (void) add_row(b, it, nominal_s, "skippedMisfire", it->no_plan);
        return;
    }
    if (str_eq(it->s->overlap, "skip")) {
        other = json_string_value(json_array_get(it->others, 0));
        if (!other)
            other = find_own(b, it, b->by_claim);
    }
    if (other)
        (void) add_row(
            b, it, nominal_s, "skippedOverlap",
            arena_printf(&b->arena, "Run %s is still at work on the same resources.", other));
    else if (!is_last && str_eq(it->s->overlap, "cancelOther"))
        (void) add_row(b, it, nominal_s, "coalesced",
                       "A later fire would have cancelled it at once.");
    else
        start_run(b, it, nominal_s);
}

/* ---- deciding ---- */

static enum catch_up catch_up_of(const char *text)
{
    if (str_eq(text, "all"))
        return CATCH_UP_ALL;
    return str_eq(text, "none") ? CATCH_UP_NONE : CATCH_UP_LATEST;
}

/* It fires when an import ended, and knows no next time. */
static void decide_after_import(const struct due_schedule *s, struct firing_decision *d)
{
    bool is_late =
        s->starting_deadline_s &&
        s->now_s - s->nominal_s - firing_jitter_s(s->id, s->jitter_s) > s->starting_deadline_s;

    if (!s->is_paused && !is_late) {
        d->starts[d->n_starts++] = s->nominal_s;
        return;
    }
    d->gap.count = 1;
    d->gap.from_s = d->gap.to_s = s->nominal_s;
    d->gap.outcome = s->is_paused ? FIRING_PAUSED : FIRING_MISSED;
}

static enum err_code decide(struct item *it, struct err *e)
{
    const struct due_schedule *s = it->s;
    struct firing_schedule policy = {
        .expression = &it->x,
        .anchor_s = s->nominal_s,
        .end_s = s->end_s,
        .jitter_s = firing_jitter_s(s->id, s->jitter_s),
        .starting_deadline_s = s->starting_deadline_s,
        .catch_up = catch_up_of(s->catch_up),
        .is_paused = s->is_paused,
    };
    int64_t considered_s = s->nominal_s - 1;

    TRY(tz_load(s->time_zone, &it->zone, e));
    if (str_eq(s->expression, FIRING_AFTER_IMPORT)) {
        decide_after_import(s, &it->parts[1]);
        return OK;
    }
    TRY(schedule_parse(s->expression, &it->x, NULL, e));
    policy.zone = it->zone;
    if (!s->is_paused && s->paused_until_s > considered_s) {
        /* What fell into a pause that is over by now: recorded, not caught up. */
        struct firing_schedule paused = policy;

        paused.is_paused = true;
        paused.jitter_s = 0;
        firing_decide(&paused, considered_s, s->paused_until_s, &it->parts[0]);
        considered_s = s->paused_until_s;
    }
    firing_decide(&policy, considered_s, s->now_s, &it->parts[1]);
    return OK;
}

static enum err_code decide_all(struct batch *b, struct err *e)
{
    for (size_t i = 0; i < b->n; i++) {
        struct item *it = &b->items[i];

        it->t = -1;
        TRY(decide(it, e));
        if (it->parts[1].n_starts)
            TRY(take_template(b, it, e));
    }
    return OK;
}

static void carry_out(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct item *it = &b->items[i];
        const struct firing_decision *d = &it->parts[1];

        add_move(b, it);
        add_gap(b, it, &it->parts[0]);
        add_gap(b, it, d);
        for (size_t k = 0; k < d->n_starts; k++)
            start(b, it, d->starts[k], k + 1 == d->n_starts);
    }
}

void firing_batch_free(struct batch *b)
{
    if (!b)
        return;
    json_decref(b->out.moves);
    json_decref(b->out.fires);
    json_decref(b->out.runs);
    json_decref(b->out.templates);
    json_decref(b->out.steps);
    json_decref(b->out.cancels);
    json_decref(b->numbers);
    json_decref(b->in_way);
    json_decref(b->by_claim);
    json_decref(b->cancelled);
    arena_done(&b->arena);
    free(b);
}

enum err_code firing_batch_begin(const struct firing_place *at, const struct due_schedule *due,
                                 size_t n, struct batch **out, struct err *e)
{
    struct batch *b = xcalloc(1, sizeof *b);
    enum err_code rc;

    b->engine = at->engine;
    b->db = at->db;
    b->cache = at->cache;
    b->n = n;
    b->items = arena_alloc(&b->arena, n * sizeof *b->items);
    for (size_t i = 0; i < n; i++)
        b->items[i].s = &due[i];
    b->out = (struct firing_batch){ .moves = json_array(),
                                    .fires = json_array(),
                                    .runs = json_array(),
                                    .templates = json_array(),
                                    .steps = json_array(),
                                    .cancels = json_array(),
                                    .is_server_paused = due[0].is_server_paused };
    b->numbers = json_object();
    b->in_way = json_object();
    b->by_claim = json_object();
    b->cancelled = json_object();
    rc = decide_all(b, e);
    if (rc) {
        firing_batch_free(b);
        b = NULL;
    }
    *out = b;
    return rc;
}

enum err_code firing_batch_complete(struct batch *b, struct err *e)
{
    TRY(find_others(b, e));
    FP("sch.decided");
    carry_out(b);
    return OK;
}

enum err_code firing_batch_write(struct batch *b, struct db_conn *db, struct err *e)
{
    size_t fired = 0;

    FP("sch.before_commit");
    TRY(firing_store_write(db, &b->out, &fired, e));
    FP("sch.after_commit");
    ENGINE_COUNT(b->engine, fires, fired);
    return OK;
}

enum err_code firing_batch_run(const struct firing_place *at, const struct due_schedule *due,
                               size_t n, struct err *e)
{
    struct batch *b;
    enum err_code rc = firing_batch_begin(at, due, n, &b, e);

    if (!rc)
        rc = firing_batch_complete(b, e);
    if (!rc)
        rc = firing_batch_write(b, at->db, e);
    firing_batch_free(b);
    return rc;
}
