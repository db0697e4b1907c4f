/*
 * world_gates.c - what the mark asks in its own transaction: the run's cancel, the line for a
 * quota, "stop spending", the halt, the fuse.
 *
 * As step_mark, step_mark_quota and quota_line.h in server/store say it in SQL. What must hold
 * whatever the statement says is counted by itself (gates_check).
 */
#include "world_internal.h"

/* ---- the line for a quota of the service ---- */

static bool is_using(const struct row *row)
{
    return is_live(row) && row->step.op == OP_CREATE &&
           (row->step.intent == INTENT_MAYBE_SENT || row->step.intent == INTENT_SAVED);
}

/* config < 0: of all. */
static int used(const struct world *w, enum thing thing, int config)
{
    int n = 0;

    for (int i = 0; i < w->db.n_rows; i++)
        n += w->db.rows[i].thing == thing && (config < 0 || w->db.rows[i].config == config) &&
             is_using(&w->db.rows[i]);
    return n;
}

static bool is_in_line(const struct row *row, enum thing thing)
{
    return is_live(row) && row->thing == thing && row->quota_since_ms != 0;
}

static bool is_older(const struct row *a, const struct row *b)
{
    return a->quota_since_ms != b->quota_since_ms ? a->quota_since_ms < b->quota_since_ms : a < b;
}

/* Of its own config's, from 1. */
static int nth(const struct world *w, const struct row *row)
{
    int n = 1;

    for (int i = 0; i < w->db.n_rows; i++) {
        const struct row *other = &w->db.rows[i];

        n += other != row && other->config == row->config && is_in_line(other, row->thing) &&
             is_older(other, row);
    }
    return n;
}

/* Whose config has less in progress goes first, then whose had its turn longest ago, then who waits
 * longest. */
static bool goes_before(const struct world *w, const struct row *a, const struct row *b)
{
    int mine = used(w, a->thing, a->config) + nth(w, a);
    int theirs = used(w, b->thing, b->config) + nth(w, b);
    int64_t my_turn = w->db.served_ms[a->thing][a->config];
    int64_t their_turn = w->db.served_ms[b->thing][b->config];

    if (mine != theirs)
        return mine < theirs;
    return my_turn != their_turn ? my_turn < their_turn : is_older(a, b);
}

/* From 1, what is in progress included. */
static int place(const struct world *w, const struct row *row)
{
    int n = used(w, row->thing, -1) + 1;

    for (int i = 0; i < w->db.n_rows; i++) {
        const struct row *other = &w->db.rows[i];

        n += other != row && is_in_line(other, row->thing) && goes_before(w, other, row);
    }
    return n;
}

static bool has_quota(const struct world *w, const struct row *row, enum op op)
{
    return w->rates[FAULT_QUOTA] && things[row->thing].quota > 0 && op == OP_CREATE &&
           row->step.intent != INTENT_MAYBE_SENT;
}

static void stand_in_line(struct world *w, struct row *row)
{
    if (row->quota_since_ms == 0)
        row->quota_since_ms = db_now(w);
    if (place(w, row) > things[row->thing].quota)
        return;
    row->quota_since_ms = 0;
    w->db.served_ms[row->thing][row->config] = db_now(w);
}

void gates_wake_line(struct world *w)
{
    for (int i = 0; i < w->db.n_rows && w->rates[FAULT_QUOTA]; i++) {
        struct row *row = &w->db.rows[i];

        if (row->step.state == STEP_WAITING && row->quota_since_ms != 0 && row->owner == 0 &&
            row->step.failures == 0 && row->wake_ms > db_now(w) &&
            place(w, row) <= things[row->thing].quota)
            row->wake_ms = db_now(w);
    }
}

/* ---- the fuse ---- */

/* Of one config's solution, or of the account (< 0); *frees_ms: when the oldest leaves the window.
 */
static int spent(const struct world *w, int config, int64_t *frees_ms)
{
    int n = 0;

    *frees_ms = 0;
    for (int i = 0; i < w->db.n_rows; i++) {
        const struct row *row = &w->db.rows[i];

        if (!things[row->thing].is_fused || row->spent == 0 ||
            (config >= 0 && row->config != config) ||
            row->step.last_mark_ms <= db_now(w) - FUSE_WINDOW)
            continue;
        n += row->spent;
        if (*frees_ms == 0 || row->step.last_mark_ms + FUSE_WINDOW < *frees_ms)
            *frees_ms = row->step.last_mark_ms + FUSE_WINDOW;
    }
    return n;
}

static bool is_fuse_blown(const struct world *w, const struct row *row, enum op op,
                          int64_t *until_ms)
{
    int64_t account_frees_ms;

    if (!things[row->thing].is_fused || op != OP_CREATE)
        return false;
    if (spent(w, -1, &account_frees_ms) >= w->fuse_per_account) {
        *until_ms = account_frees_ms;
        return true;
    }
    return spent(w, row->config, until_ms) >= w->fuse_per_solution;
}

/* ---- all of them ---- */

static bool buys(const struct row *row, enum op op)
{
    return op == OP_CREATE && things[row->thing].is_billed;
}

enum outcome_type gates_ask(struct world *w, struct row *row, enum op op, int64_t *until_ms)
{
    const enum mutant mutant = w->x->mutant;

    *until_ms = 0;
    if (has_quota(w, row, op))
        stand_in_line(w, row);
    if (w->db.runs[row->run].is_cancelled && mutant != MUTANT_IGNORED_CANCEL)
        return OUT_MARK_CANCELLED;
    if (buys(row, op) && w->db.is_paused && mutant != MUTANT_IGNORED_PAUSE) {
        count(w, COUNT_HELD);
        return OUT_MARK_PAUSED;
    }
    if (op != OP_STOP && db_now(w) < w->db.halted_until_ms) {
        *until_ms = w->db.halted_until_ms;
        return OUT_MARK_HALTED;
    }
    if (has_quota(w, row, op) && row->quota_since_ms != 0 && mutant != MUTANT_IGNORED_QUOTA) {
        count(w, COUNT_IN_LINE);
        return OUT_MARK_QUOTA;
    }
    if (is_fuse_blown(w, row, op, until_ms)) {
        count(w, COUNT_FUSED);
        return OUT_MARK_FUSE;
    }
    return OUT_MARKED;
}

/* What holds of every mark. A failover may have lost some that count. */
void gates_check(struct world *w, const struct row *row, enum op op)
{
    if (w->db.runs[row->run].is_cancelled)
        violate(w, "I15: marked after the cancel");
    if (buys(row, op) && w->db.is_paused)
        violate(w, "marked while spending is stopped");
    if (has_quota(w, row, op) && used(w, row->thing, -1) >= things[row->thing].quota)
        violate(w, "more in progress than the quota has room for");
}
