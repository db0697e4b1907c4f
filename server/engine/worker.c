/*
 * worker.c - a worker thread: claim a few due steps, look at AWS once, act once, write down, let
 * go.
 *
 * The loop body reads top to bottom: top up by a claim, wait for calls, hand each finished one to
 * the pure core, do what it says, mark what wants to act, flush what is ready as one checkpoint.
 * SQL blocks; AWS calls do not. Safe to be killed at any line: what is not in the database did not
 * happen, or is found by the next look.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/str.h"
#include "work.h"

#define CLAIM_EVERY_MS   1000
#define FLUSH_AFTER_MS   20
#define FLUSH_AT         100
#define SEND_WITHIN_MS   5000
#define TROUBLE_PAUSE_MS 500

static int64_t db_now_ms(const struct worker *k)
{
    return clock_mono_ms() + k->db_offset_ms;
}

/* ---- holding and letting go ---- */

static void work_free(struct worker *k, struct work *w)
{
    k->held[w->slot] = NULL;
    k->n_held--;
    aws_call_done(&w->call);
    look_done(&w->look);
    json_decref(w->observed);
    json_decref(w->differences);
    json_decref(w->metrics);
    json_decref(w->request);
    json_decref(w->item);
    json_decref(w->events);
    step_row_done(&w->row);
    if (--w->batch->live == 0) {
        arena_done(&w->batch->arena);
        free(w->batch);
    }
    free(w);
}

static void hold(struct worker *k, struct claim_batch *batch, const struct step_row *row)
{
    struct work *w = xcalloc(1, sizeof *w);

    for (w->slot = 0; k->held[w->slot]; w->slot++)
        ;
    k->held[w->slot] = w;
    k->n_held++;
    batch->live++;
    w->batch = batch;
    w->row = *row;
}

/* Leases as the store wants them: [{"id", "token"}]; phase < 0: all. Caller owns. */
static char *leases_text(const struct worker *k, bool with_sending)
{
    AUTO_JSON json_t *list = json_array();

    for (size_t i = 0; i < WORKER_SLOTS; i++) {
        const struct work *w = k->held[i];

        if (w && (with_sending || w->phase != WORK_SENDING))
            json_array_append_new(
                list, json_pack("{s:s, s:I}", "id", w->row.id, "token", (json_int_t) w->row.token));
    }
    return json_compact(list);
}

static void renew_leases(struct worker *k)
{
    AUTO_FREE char *leases = NULL;
    int64_t now = clock_mono_ms();
    struct err e;

    if (k->n_held == 0 || now - k->renewed_ms < k->options->lease_ms / 3)
        return;
    FP("lease.before_renew");
    leases = leases_text(k, true);
    if (step_store_renew(k->db, k->owner, leases, k->options->lease_ms, &e)) {
        log_error("engine", "lease_renew_failed", &e);
        return;
    }
    FP("lease.after_renew");
    k->renewed_ms = now;
}

/* ---- doing what the core says ---- */

static void queue_save(struct worker *k, struct work *w)
{
    report_build(k, w);
    w->phase = WORK_SAVING;
    w->next = k->to_save;
    k->to_save = w;
    if (k->n_to_save++ == 0)
        k->first_save_ms = clock_mono_ms();
}

/* True when the preparation failed: *o is the outcome. */
static bool queue_mark(struct worker *k, struct work *w, struct outcome *o)
{
    FP("eng.plan_before_commit");
    json_decref(w->request);
    w->request = NULL;
    if (request_build(k, w, w->command.op, &w->request, &w->trouble)) {
        o->type = OUT_PREPARE_FAILED;
        return true;
    }
    w->phase = WORK_MARKING;
    w->next = NULL;
    if (k->to_mark_tail)
        k->to_mark_tail->next = w;
    else
        k->to_mark = w;
    k->to_mark_tail = w;
    return false;
}

static void send_call(struct worker *k, struct work *w)
{
    FP("eng.sign");
    aws_call_done(&w->call);
    aws_call_init(&w->call, AWS_PERSONALIZE, w->operation, json_incref(w->request));
    w->call.is_mutating = true;
    w->call.user = w;
    /* Dated from just before the mark, so that a late call of a paused worker is dead on arrival.
     * Neither a wall clock that was set nor the database's has a part in it. */
    w->call.sign_time_ms = aws_time_at_mono_ms(k->options->aws, AWS_PERSONALIZE, w->marked_mono_ms);
    w->call.not_after_mono_ms = w->marked_mono_ms + SEND_WITHIN_MS;
    w->phase = WORK_SENDING;
    ENGINE_COUNT(k->engine, aws_calls, 1);
    FP("eng.send_before_connect");
    aws_batch_start(k->calls, &w->call);
}

/* A look that goes on starts its next call; one that ended is an outcome for the core (true). */
static bool look_went(struct worker *k, struct work *w, enum look_result result, struct outcome *o)
{
    if (result == LOOK_CALL) {
        if (w->look.pages)
            FP("eng.probe_page");
        w->phase = WORK_LOOKING;
        ENGINE_COUNT(k->engine, aws_calls, 1);
        aws_batch_start(k->calls, &w->call);
        return false;
    }
    FP("eng.probe_after");
    w->seen = o->seen;
    if (w->look.is_own_name) {
        w->row.step.is_ours = true;
        if (o->seen != SEEN_ABSENT)
            step_recover(&w->row.step);
    }
    if (o->seen == SEEN_FAILED && judge_failure_is_final(w))
        w->row.step.max_attempts = w->row.step.attempt;
    if (result == LOOK_SEEN)
        o->type = OUT_SEEN;
    else if (result == LOOK_LATER)
        o->type = OUT_LOOK_RETRY;
    else
        o->type = w->trouble.code ? OUT_PREPARE_FAILED : OUT_LOOK_REFUSED;
    return true;
}

/* Executes the command. True when its outcome is known at once (*o). */
static bool execute(struct worker *k, struct work *w, struct outcome *o)
{
    w->row.step.command_id = w->command.id;
    *o = (struct outcome){ .command_id = w->command.id };
    switch (w->command.type) {
    case CMD_PROBE:
        if (w->row.step.intent == INTENT_SAVED)
            FP("eng.poll");
        FP("eng.probe_before");
        return look_went(k, w, look_begin(k, w, &o->seen), o);
    case CMD_MARK:
        return queue_mark(k, w, o);
    case CMD_SEND:
        send_call(k, w);
        return false;
    case CMD_SAVE:
    case CMD_WAIT:
    case CMD_RETRY:
    case CMD_FAIL:
    case CMD_CANCEL:
    case CMD_DONE:
        queue_save(k, w);
        return false;
    case CMD_NONE:
        log_event(LOG_ERROR, "engine", "outcome_unmatched", "step=%s", w->row.id);
        work_free(k, w);
        return false;
    case CMD_DROP:
        work_free(k, w);
        return false;
    }
    abort();
}

static void proceed(struct worker *k, struct work *w, struct outcome o)
{
    do
        step_next(&w->row.step, &o, db_now_ms(k), &w->command);
    while (execute(k, w, &o));
}

/* ---- the loop's parts ---- */

static void quarantine(struct worker *k, struct work *w)
{
    log_event(LOG_ERROR, "engine", "step_quarantined", "run=%s step=%s claims=%d msg=%s",
              w->row.run_id, w->row.id, w->row.claims, log_quote(w->row.quarantine));
    (void) err_set(&w->trouble, ERR_INTERNAL,
                   "The step is set aside after %d times: %s. Please report this.", w->row.claims,
                   w->row.quarantine);
    w->command = (struct command){ .type = CMD_FAIL, .why = WHY_PREPARE };
    queue_save(k, w);
}

static void begin_work(struct worker *k, struct work *w)
{
    const struct outcome claimed = { .type = OUT_CLAIMED };

    w->row.step.quiescence_ms = k->options->quiescence_ms;
    w->row.step.poll_ms = pace_interval_ms(k, &w->row);
    w->row.step.is_lagging = str_eq(w->row.waiting_for, judge_waiting_for(w, WHY_LIST_LAG));
    w->row.step.is_busy = str_eq(w->row.waiting_for, judge_waiting_for(w, WHY_BUSY));
    if (w->row.quarantine)
        quarantine(k, w);
    else
        proceed(k, w, claimed);
}

static enum err_code admit_runs(struct worker *k, bool is_due, struct err *e)
{
    size_t changed;

    if (!engine_take_admission(k->engine, is_due))
        return OK;
    FP("eng.admit_before");
    TRY(step_store_admit(k->db, k->options->quotas, &changed, e));
    FP("eng.admit_after");
    if (changed)
        engine_wake_publisher(k->engine);
    return OK;
}

static enum err_code claim_steps(struct worker *k, struct err *e)
{
    struct claim_batch *batch = xcalloc(1, sizeof *batch);
    struct claim_wish wish = { .limit = (int) (WORKER_SLOTS - k->n_held),
                               .lease_ms = k->options->lease_ms,
                               .arena = &batch->arena };
    struct claim claim;
    int64_t now = clock_mono_ms();
    enum err_code rc = step_store_claim(k->db, k->owner, &wish, &claim, e);
    bool is_other_time = false;

    rc = rc ? rc : watch_clock(k, now, claim.db_now_ms, &is_other_time, e);
    if (rc || is_other_time) /* that comes first; the leases lapse */
        while (claim.count > 0)
            step_row_done(&claim.rows[--claim.count]);
    if (rc || claim.count == 0) {
        arena_done(&batch->arena);
        free(batch);
        /* What is due and could not be had is locked elsewhere: not at once again. */
        k->next_due_ms = rc || claim.next_due_ms < 0
                             ? -1
                             : now + (claim.next_due_ms < 20 ? 20 : claim.next_due_ms);
        return rc;
    }
    FP("lease.after_acquire");
    if (claim.unreadable)
        log_event(
            LOG_ERROR, "engine", "steps_unreadable", "count=%zu msg=%s", claim.unreadable,
            log_quote("steps of a kind this release does not know; a newer replica must run them"));
    k->db_offset_ms = claim.db_now_ms - clock_mono_ms();
    k->next_due_ms = now; /* there may be more */
    ENGINE_COUNT(k->engine, claims, claim.count);
    batch->live = 1; /* kept while the rows are handed out */
    for (size_t i = 0; i < claim.count; i++)
        hold(k, batch, &claim.rows[i]);
    for (size_t i = 0; i < WORKER_SLOTS; i++)
        if (k->held[i] && k->held[i]->batch == batch)
            begin_work(k, k->held[i]);
    if (--batch->live == 0) {
        arena_done(&batch->arena);
        free(batch);
    }
    return OK;
}

/* While some stand in line for the brake, the others wait where all replicas see them. */
static bool has_room(const struct worker *k)
{
    return k->n_held < WORKER_SLOTS && !k->to_mark && aws_batch_in_line(k->calls) == 0;
}

static enum err_code top_up(struct worker *k, struct err *e)
{
    int64_t now = clock_mono_ms();
    bool is_due = now - k->claimed_ms >= CLAIM_EVERY_MS;

    if (!has_room(k))
        return OK;
    if (!atomic_exchange(&k->is_woken, false) && !is_due &&
        !(k->next_due_ms >= 0 && k->next_due_ms <= now))
        return OK;
    k->claimed_ms = now;
    FP("lease.before_acquire");
    TRY(admit_runs(k, is_due, e));
    return claim_steps(k, e);
}

static void finish_call(struct worker *k, struct work *w)
{
    struct outcome o = { .command_id = w->command.id };

    if (w->call.outcome == AWS_REFUSED)
        ENGINE_COUNT(k->engine, aws_refused, 1);
    else if (w->call.outcome == AWS_UNKNOWN)
        ENGINE_COUNT(k->engine, aws_unknown, 1);
    if (w->phase == WORK_SENDING) {
        FP("eng.resp_parsed");
        o.type = judge_send(k, &w->row, &w->call);
        proceed(k, w, o);
    } else if (look_went(k, w, look_continue(k, w, &o.seen), &o)) {
        proceed(k, w, o);
    }
}

/* A mark is good for seconds, so only what the brake lets go now is marked; the others stand in
 * line, and who has waited longest goes first. */
static size_t take_admitted(struct worker *k, struct work *out[WORKER_SLOTS])
{
    size_t n = 0;
    int64_t wait_ms = 0;

    while (k->to_mark && aws_admit(k->options->aws, AWS_PERSONALIZE, &wait_ms)) {
        out[n++] = k->to_mark;
        k->to_mark = k->to_mark->next;
    }
    if (!k->to_mark)
        k->to_mark_tail = NULL;
    k->mark_at_ms = clock_mono_ms() + wait_ms;
    return n;
}

static struct mark mark_of(const struct worker *k, const struct work *w)
{
    return (struct mark){ .row = &w->row,
                          .op = w->command.op,
                          .request = w->request,
                          .intent_name = w->intent_name,
                          .buys = spending_buys(w),
                          .quota = k->options->quotas[w->row.kind->id],
                          .baseline = *w->look.baseline ? w->look.baseline : NULL };
}

static void settle_mark(struct worker *k, struct work *w, const struct mark *mark)
{
    struct outcome o = { .type = mark->result,
                         .command_id = w->command.id,
                         .mark_ms = mark->mark_ms,
                         .until_ms = mark->until_ms,
                         .sends = mark->sends };
    struct step *s = &w->row.step;

    ENGINE_COUNT(k->engine, fence_losses, o.type == OUT_MARK_LOST);
    if (o.type == OUT_MARK_FUSE || o.type == OUT_MARK_QUOTA)
        FP("eng.mark_held");
    if (o.type == OUT_MARK_PAUSED || o.type == OUT_MARK_HALTED)
        (void) err_set(&w->trouble, ERR_CONFLICT, "%s", mark->why);
    if (o.type == OUT_MARKED) {
        if (s->intent == INTENT_MAYBE_SENT)
            s->ambiguous_ms = s->last_mark_ms;
        s->intent = INTENT_MAYBE_SENT;
        s->op = mark->op;
        s->sends = mark->sends;
        s->last_mark_ms = mark->mark_ms;
    }
    proceed(k, w, o);
}

/* Every step that wants to act and may, in one transaction; then each is sent, or told why not. */
static void mark_all(struct worker *k)
{
    struct mark marks[WORKER_SLOTS];
    struct work *works[WORKER_SLOTS];
    const struct mark_terms terms = { .owner = k->owner,
                                      .lease_ms = k->options->lease_ms,
                                      .fuse_per_solution = k->options->fuse_per_solution,
                                      .fuse_per_account = k->options->fuse_per_account };
    int64_t before = clock_mono_ms();
    size_t n = take_admitted(k, works);
    struct err e;

    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        works[i]->marked_mono_ms = before;
        marks[i] = mark_of(k, works[i]);
    }
    FP("eng.mark_before_commit");
    if (step_store_mark(k->db, &terms, marks, n, &e))
        log_error("engine", "mark_failed", &e);
    FP("eng.mark_after_commit");
    for (size_t i = 0; i < n; i++)
        settle_mark(k, works[i], &marks[i]);
}

static void free_saved(struct worker *k, struct work *list)
{
    while (list) {
        struct work *w = list;

        list = w->next;
        work_free(k, w);
    }
}

static enum err_code checkpoint(struct worker *k, struct err *e)
{
    struct work *list = k->to_save;
    enum err_code rc;

    if (!list)
        return OK;
    k->to_save = NULL;
    k->n_to_save = 0;
    rc = checkpoint_write(k, list, e);
    /* Committed, lost or unknown: the rows are the truth now; the next claim reads them. */
    free_saved(k, list);
    engine_wake_publisher(k->engine);
    k->next_due_ms = clock_mono_ms(); /* dependents may be ready */
    return rc;
}

static bool is_flush_due(const struct worker *k)
{
    return k->n_to_save > 0 && (k->n_to_save >= FLUSH_AT || k->n_to_save == k->n_held ||
                                clock_mono_ms() - k->first_save_ms >= FLUSH_AFTER_MS);
}

static bool is_mark_due(const struct worker *k)
{
    return k->to_mark && clock_mono_ms() >= k->mark_at_ms;
}

static int64_t wait_ms(const struct worker *k)
{
    int64_t now = clock_mono_ms(), ms = CLAIM_EVERY_MS;

    if (has_room(k))
        ms -= now - k->claimed_ms;
    if (k->to_mark && k->mark_at_ms - now < ms)
        ms = k->mark_at_ms - now;
    if (k->n_to_save && ms > FLUSH_AFTER_MS)
        ms = FLUSH_AFTER_MS;
    if (k->next_due_ms >= 0 && has_room(k) && k->next_due_ms - now < ms)
        ms = k->next_due_ms - now;
    return ms < 0 ? 0 : ms;
}

static enum err_code turn(struct worker *k, struct err *e)
{
    struct aws_call *call;

    TRY(engine_connect(k->engine, "steward worker", &k->db, e));
    TRY(watch_timeline(k, e));
    if (!engine_is_stopping(k->engine))
        TRY(top_up(k, e));
    if (!is_mark_due(k) && !is_flush_due(k))
        aws_batch_wait(k->calls, wait_ms(k));
    while ((call = aws_batch_take(k->calls)) != NULL)
        finish_call(k, call->user);
    mark_all(k);
    if (is_flush_due(k))
        TRY(checkpoint(k, e));
    renew_leases(k);
    return OK;
}

/* On the way out: what only looks is given back at once, what was sent is awaited and written. */
static void let_go(struct worker *k)
{
    AUTO_FREE char *leases = NULL;
    struct err e;

    if (!k->db)
        return;
    if (checkpoint(k, &e))
        log_error("engine", "checkpoint_failed", &e);
    leases = leases_text(k, false);
    FP("lease.before_release");
    if (step_store_release(k->db, k->owner, leases, &e))
        log_error("engine", "lease_release_failed", &e);
    FP("lease.after_release");
}

static bool is_sending(const struct worker *k)
{
    for (size_t i = 0; i < WORKER_SLOTS; i++)
        if (k->held[i] && k->held[i]->phase == WORK_SENDING)
            return true;
    return false;
}

void worker_run(struct worker *k)
{
    struct err e;

    while (!engine_is_stopping(k->engine) ||
           (is_sending(k) && clock_mono_ms() < engine_stop_deadline_ms(k->engine))) {
        if (turn(k, &e)) {
            log_error("engine", "worker_trouble", &e);
            uv_sleep(
                TROUBLE_PAUSE_MS); /* not aws_batch_wait: a finished call would end it at once */
        }
    }
    let_go(k);
}

void worker_close(struct worker *k)
{
    aws_batch_free(k->calls);
    for (size_t i = 0; i < WORKER_SLOTS; i++)
        if (k->held[i])
            work_free(k, k->held[i]);
    db_conn_close(k->db);
}
