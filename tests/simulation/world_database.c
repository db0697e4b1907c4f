/*
 * world_database.c - rows of steps as PostgreSQL keeps them: fenced marks and checkpoints, commits
 * whose answer is lost, and a standby that takes over without the last of them.
 */
#include <string.h>

#include "world_internal.h"

bool is_ours(const struct world *w, int r)
{
    const struct replica *p = &w->replicas[r];
    const struct row *row = &w->rows[p->step];

    return w->mutant == MUTANT_NO_FENCE || (row->token == p->token && row->owner == r);
}

/* After each commit: what a standby may have. */
void remember(struct world *w)
{
    struct past *past = &w->pasts[w->n_pasts++ % PASTS_MAX];

    past->at_ms = w->now_ms;
    memcpy(past->rows, w->rows, sizeof past->rows);
}

/* As migrations/0080 has it: leases are void, what may have been sent is looked at once no call of
 * before can land. */
static void sweep(struct world *w)
{
    int64_t halt_ms = w->mutant == MUTANT_SHORT_HALT ? 0 : w->rows[0].step.quiescence_ms;

    w->halted_until_ms = w->now_ms + halt_ms;
    for (int i = 0; i < STEPS; i++) {
        struct row *row = &w->rows[i];
        struct step *s = &row->step;

        if (s->state != STEP_READY && s->state != STEP_WAITING)
            continue;
        row->owner = -1;
        row->token++;
        row->wake_ms = w->halted_until_ms;
        row->is_restored = s->intent == INTENT_NONE || s->intent == INTENT_PLANNED;
        if (!row->is_restored)
            s->last_mark_ms = w->now_ms;
    }
    for (int r = 0; r < REPLICAS; r++)
        w->replicas[r].token = -1; /* what is in hand is of a history that is gone */
}

/* A standby takes over that has not got the last k commits. */
void on_failover(struct world *w)
{
    int known = w->n_pasts < PASTS_MAX ? w->n_pasts : PASTS_MAX;
    const struct past *past;

    if (known == 0)
        return;
    past = &w->pasts[(w->n_pasts - 1 - (int) below(w, known < 12 ? known : 12)) % PASTS_MAX];
    memcpy(w->rows, past->rows, sizeof w->rows);
    w->out->failovers++;
    if (w->mutant != MUTANT_UNSEEN_RESTORE)
        sweep(w);
}

bool is_live(const struct row *row)
{
    return row->step.state == STEP_READY || row->step.state == STEP_WAITING;
}

void on_mark(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    struct row *row = &w->rows[p->step];
    struct step *s = &row->step;
    bool is_blind = w->mutant == MUTANT_NO_MARK;

    if (!is_ours(w, r) || !is_live(row)) {
        w->out->fenced++;
        proceed(w, r, OUT_MARK_LOST, SEEN_ABSENT, p->command.id);
        return;
    }
    if (w->is_cancelled && w->mutant != MUTANT_IGNORED_CANCEL) {
        proceed(w, r, OUT_MARK_CANCELLED, SEEN_ABSENT, p->command.id);
        return;
    }
    if (w->now_ms < w->halted_until_ms) {
        proceed(w, r, OUT_MARK_HALTED, SEEN_ABSENT, p->command.id);
        return;
    }
    if (w->is_cancelled)
        violate(w, "I15: marked after the cancel");
    if (!is_blind) {
        if (s->intent == INTENT_MAYBE_SENT)
            s->ambiguous_ms = s->last_mark_ms;
        s->intent = INTENT_MAYBE_SENT;
        s->op = p->command.op;
        s->sends++;
        s->last_mark_ms = w->now_ms;
        row->wake_ms = w->now_ms + LEASE;
        remember(w);
    }
    if (chance(w, w->lost_commit)) {
        proceed(w, r, OUT_MARK_UNKNOWN, SEEN_ABSENT, p->command.id);
        return;
    }
    p->copy.step.intent = INTENT_MAYBE_SENT;
    p->copy.step.op = p->command.op;
    p->copy.step.sends = is_blind ? p->copy.step.sends + 1 : s->sends;
    p->copy.step.last_mark_ms = w->now_ms;
    proceed(w, r, OUT_MARKED, SEEN_ABSENT, p->command.id);
}

/* The checkpoint, as the store writes it. */
static void save(struct row *row, const struct replica *p, int64_t now_ms)
{
    const struct command *c = &p->command;
    struct step *s = &row->step;
    bool is_trouble = c->why == WHY_LOOK || c->why == WHY_BUSY || c->why == WHY_UNKNOWN_OUTCOME ||
                      c->why == WHY_LIST_LAG;

    if (c->is_refund && s->sends == p->copy.step.sends && s->intent == INTENT_MAYBE_SENT)
        s->intent = INTENT_PLANNED;
    if (c->is_ambiguous)
        s->ambiguous_ms = s->last_mark_ms;
    if (c->type == CMD_SAVE || (c->is_found && s->intent == INTENT_MAYBE_SENT)) {
        s->intent = INTENT_SAVED;
        if (s->op == OP_NONE)
            s->op = OP_CREATE;
        if (s->sends == 0)
            s->sends = 1;
    }
    bool is_first =
        (c->why == WHY_LIST_LAG && !s->is_lagging) || (c->why == WHY_BUSY && !s->is_busy);

    s->failures = is_trouble ? (is_first ? 1 : s->failures + 1) : 0;
    s->is_lagging = c->why == WHY_LIST_LAG;
    s->is_busy = c->why == WHY_BUSY;
    row->owner = -1;
    row->wake_ms = now_ms + c->wait_ms;
    s->state = STEP_WAITING;
    if (c->type == CMD_RETRY) {
        s->attempt++;
        s->intent = INTENT_NONE;
        s->op = OP_NONE;
        s->sends = 0;
        s->ambiguous_ms = 0;
    }
    if (c->type == CMD_FAIL)
        s->state = STEP_FAILED;
    else if (c->type == CMD_CANCEL)
        s->state = STEP_CANCELLED;
    else if (c->type == CMD_DONE)
        s->state = STEP_SUCCEEDED;
}

void on_save(struct world *w, int r)
{
    struct replica *p = &w->replicas[r];
    struct row *row = &w->rows[p->step];

    if (!is_ours(w, r) || !is_live(row)) {
        if (!is_live(row) && w->mutant == MUTANT_NO_FENCE && is_live(&p->copy))
            violate(w, "I10: a final state was written over");
        w->out->fenced++;
    } else {
        save(row, p, w->now_ms);
        remember(w);
    }
    drop(w, r);
}
