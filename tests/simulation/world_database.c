/*
 * world_database.c - rows of steps as PostgreSQL keeps them: claims, fenced marks and checkpoints,
 * a standby that takes over without the last commits, a clock that somebody sets.
 *
 * The rules are those of the statements in server/store (step_store.c, checkpoint_store.c) and of
 * migrations/0080; all times are of the database's clock.
 */
#include <string.h>

#include "world_internal.h"

bool is_live(const struct row *row)
{
    return row->step.state == STEP_READY || row->step.state == STEP_WAITING;
}

void set_step_state(struct world *w, struct row *row, enum step_state state)
{
    if (row->step.state != state && !step_may_become(row->step.state, state))
        violate(w, "I10: a step took a turn that its machine does not have");
    row->step.state = state;
    if (step_state_is_final(state))
        row->owner = 0;
}

void remember(struct world *w)
{
    if (w->rates[FAULT_FAILOVER])
        w->pasts[w->n_pasts++ % PASTS_MAX] = w->db;
}

/* ---- claims ---- */

int database_claim(struct world *w, uint32_t owner)
{
    int due = -1;

    for (int i = 0; i < w->db.n_rows; i++) {
        const struct row *row = &w->db.rows[i];

        if (is_live(row) && row->wake_ms <= db_now(w) &&
            (due < 0 || row->wake_ms < w->db.rows[due].wake_ms))
            due = i;
    }
    if (due < 0)
        return -1;
    w->db.rows[due].owner = owner;
    w->db.rows[due].token++;
    w->db.rows[due].wake_ms = db_now(w) + LEASE;
    remember(w);
    return due;
}

/* Of what is to be deleted: an uncertain create of another run may still make it again. */
static int64_t made_uncertainly_ms(const struct world *w, const struct row *row)
{
    int64_t ms = 0;

    for (int i = 0; i < w->db.n_rows; i++) {
        const struct row *other = &w->db.rows[i];

        if (other->thing == row->thing && other->config == row->config &&
            other->step.op == OP_CREATE && other->step.ambiguous_ms > ms)
            ms = other->step.ambiguous_ms;
    }
    return ms;
}

void database_read(const struct world *w, int at, struct row *out)
{
    struct step *s = &out->step;

    *out = w->db.rows[at];
    s->is_cancelled = w->db.runs[out->run].is_cancelled;
    s->is_ours = s->intent == INTENT_SAVED;
    s->is_lagging = out->waiting_for == WHY_LIST_LAG;
    s->is_busy = out->waiting_for == WHY_BUSY;
    s->command_id = 0;
    if (s->goal == GOAL_ABSENT && made_uncertainly_ms(w, out) > s->ambiguous_ms)
        s->ambiguous_ms = made_uncertainly_ms(w, out);
}

int64_t database_next_due_ms(const struct world *w)
{
    int64_t soonest = db_now(w) + (is_healed(w) ? 6 * HOUR : 20 * MINUTE);

    for (int i = 0; i < w->db.n_rows; i++)
        if (is_live(&w->db.rows[i]) && w->db.rows[i].wake_ms < soonest)
            soonest = w->db.rows[i].wake_ms;
    return soonest > db_now(w) + 200 ? soonest - db_now(w) : 200;
}

/* ---- the fence ---- */

static bool is_fenced_off(struct world *w, const struct replica *p)
{
    const struct row *row = &w->db.rows[p->step];
    bool is_ours = row->token == p->token && row->owner == p->owner && is_live(row);

    if (w->x->mutant == MUTANT_NO_FENCE) {
        if (!is_live(row) && is_live(&p->copy))
            violate(w, "I10: a final state was written over");
        return !is_live(row);
    }
    if (!is_ours)
        count(w, COUNT_FENCED);
    return !is_ours;
}

enum outcome_type database_mark(struct world *w, struct replica *p, int64_t *until_ms)
{
    struct row *row = &w->db.rows[p->step];
    struct step *s = &row->step;
    enum op op = p->command.op;
    enum outcome_type answer;

    if (is_fenced_off(w, p))
        return OUT_MARK_LOST;
    answer = gates_ask(w, row, op, until_ms);
    if (answer != OUT_MARKED)
        return answer;
    gates_check(w, row, op);
    if (w->x->mutant == MUTANT_NO_MARK)
        return OUT_MARKED;
    if (s->intent == INTENT_MAYBE_SENT)
        s->ambiguous_ms = s->last_mark_ms;
    s->intent = INTENT_MAYBE_SENT;
    s->op = op;
    s->sends++;
    w->db.n_marks++;
    s->last_mark_ms = db_now(w);
    row->spent += !(w->x->mutant == MUTANT_UNCOUNTED_FUSE);
    row->quota_since_ms = 0;
    row->wake_ms = db_now(w) + LEASE;
    if (things[row->thing].is_per_run && op == OP_CREATE)
        w->is_marked[name_of(row, s->attempt)] = true;
    remember(w);
    return OUT_MARKED;
}

/* ---- the checkpoint ---- */

static bool is_first_trouble(const struct replica *p)
{
    enum why why = p->command.why;

    return (why == WHY_LIST_LAG && !p->copy.step.is_lagging) ||
           (why == WHY_BUSY && !p->copy.step.is_busy);
}

static void save_intent(struct step *s, const struct replica *p)
{
    const struct command *c = &p->command;

    if (c->is_refund && s->sends == p->copy.step.sends && s->intent == INTENT_MAYBE_SENT)
        s->intent = INTENT_PLANNED;
    if (c->is_ambiguous)
        s->ambiguous_ms = s->last_mark_ms;
    if (step_settles(&p->copy.step, c)) {
        s->intent = INTENT_SAVED;
        if (s->op == OP_NONE)
            s->op = OP_CREATE;
        if (s->sends == 0)
            s->sends = 1;
    }
}

static void begin_attempt(const struct world *w, struct row *row)
{
    struct step *s = &row->step;

    s->attempt++;
    s->max_attempts = s->attempt > 2 ? s->attempt : 2;
    s->intent = INTENT_NONE;
    s->op = OP_NONE;
    s->sends = 0;
    s->ambiguous_ms = 0;
    row->resource = -1;
    row->is_restored |=
        w->db.halted_until_ms != 0; /* this attempt's beginning may be what was lost */
}

static enum step_state state_after(enum command_type type)
{
    return type == CMD_FAIL     ? STEP_FAILED
           : type == CMD_CANCEL ? STEP_CANCELLED
           : type == CMD_DONE   ? STEP_SUCCEEDED
                                : STEP_WAITING;
}

static void save(struct world *w, struct row *row, const struct replica *p)
{
    const struct command *c = &p->command;
    struct step *s = &row->step;
    bool is_refused = c->why == WHY_QUOTA && c->is_refund;
    bool is_trouble = c->why == WHY_LOOK || c->why == WHY_BUSY || c->why == WHY_UNKNOWN_OUTCOME ||
                      c->why == WHY_LIST_LAG || is_refused;
    bool is_settled = c->type == CMD_SAVE || c->is_refund;
    int64_t jitter_ms = c->jitter_ms > 0 ? below(w, c->jitter_ms) : 0;

    save_intent(s, p);
    if (c->is_refund || (w->x->mutant == MUTANT_EAGER_REFUND && c->is_ambiguous))
        row->spent -= row->spent > 0;
    if (c->type == CMD_SAVE || (c->is_found && c->type != CMD_RETRY))
        row->resource = p->found >= 0 ? p->found : row->resource;
    s->failures = is_trouble ? (is_first_trouble(p) ? 1 : p->copy.step.failures + 1) : 0;
    row->waiting_for = c->why;
    row->quota_since_ms = c->why != WHY_QUOTA        ? 0
                          : row->quota_since_ms != 0 ? row->quota_since_ms
                                                     : db_now(w);
    row->owner = 0;
    row->looked_ms = p->looked_ms;
    row->wake_ms = is_settled && w->db.runs[row->run].is_cancelled
                       ? db_now(w)
                       : db_now(w) + c->wait_ms + jitter_ms;
    if (c->type == CMD_RETRY)
        begin_attempt(w, row);
    set_step_state(w, row, state_after(c->type));
}

/* I11: what a step ends with is as wanted, unless somebody had a hand in it since the look. */
static void check_done(struct world *w, const struct replica *p)
{
    const struct row *row = &p->copy;
    const struct resource *x = p->found >= 0 ? &w->resources[p->found] : NULL;

    if (p->command.type != CMD_DONE || row->step.goal != GOAL_PRESENT ||
        things[row->thing].is_per_run)
        return;
    if (!x)
        violate(w, "succeeded without a resource");
    else if (x->changed_ms <= p->looked_ms &&
             (x->fixed != row->fixed || x->value != row->value || x->owner != OWNER_US))
        violate(w, "I11: taken for ours, and not as wanted");
}

void database_save(struct world *w, struct replica *p)
{
    if (is_fenced_off(w, p))
        return;
    check_done(w, p);
    if (p->command.why == WHY_CONFLICT || p->command.why == WHY_NOT_OURS)
        count(w, COUNT_CONFLICTS);
    save(w, &w->db.rows[p->step], p);
    if (!is_live(&w->db.rows[p->step]))
        runs_roll_up(w, p->step);
    gates_wake_line(w);
    remember(w);
}

/* ---- another history, another time ---- */

/* Leases are void; what may have been sent is looked at once no call of before can land. */
void database_sweep(struct world *w)
{
    w->db.halted_until_ms = db_now(w) + (w->x->mutant == MUTANT_SHORT_HALT ? 0 : QUIESCENCE);
    for (int i = 0; i < w->db.n_rows; i++) {
        struct row *row = &w->db.rows[i];
        struct step *s = &row->step;
        bool is_bound = s->intent == INTENT_MAYBE_SENT || s->intent == INTENT_SAVED;

        if (s->state == STEP_BLOCKED && s->goal == GOAL_PRESENT)
            row->is_restored = true;
        if (!is_live(row))
            continue;
        row->owner = 0;
        row->token++;
        row->wake_ms = s->goal == GOAL_IDLE ? db_now(w) : w->db.halted_until_ms;
        row->is_restored = s->goal == GOAL_PRESENT && !is_bound;
        if (is_bound)
            s->last_mark_ms = db_now(w);
        if (s->intent == INTENT_SAVED && (s->op == OP_UPDATE || s->op == OP_DELETE))
            s->ambiguous_ms = db_now(w);
    }
}

/* A standby takes over that has not got the last k commits. */
void database_on_failover(struct world *w)
{
    int known = w->n_pasts < PASTS_MAX ? w->n_pasts : PASTS_MAX;
    int marks = w->db.n_marks;
    bool is_paused = w->db.is_paused;

    if (known == 0)
        return;
    w->db = w->pasts[(w->n_pasts - 1 - (int) below(w, known < 12 ? known : 12)) % PASTS_MAX];
    w->db.is_paused = is_paused; /* people see to it again */
    w->n_pasts = 0;              /* what the old one had more is no past of this one */
    w->lost_marks += marks - w->db.n_marks;
    count(w, COUNT_FAILOVERS);
    if (w->x->mutant != MUTANT_UNSEEN_RESTORE) {
        database_sweep(w);
        for (int r = 0; r < REPLICAS; r++)
            w->replicas[r].token = -1; /* what is in hand is of a history that is gone */
        for (int i = 0; i < w->n_dying; i++)
            w->dying[i].token = -1;
    }
    remember(w);
    process_wake_all(w);
}

/* Some replica sees it: one that is up knows the time of before. When all of them begin anew within
 * the second, nobody can tell. */
void database_on_clock(struct world *w)
{
    bool is_watched = false;

    for (int r = 0; r < REPLICAS; r++)
        is_watched |=
            w->replicas[r].is_up && w->replicas[r].clock.is_known && !w->replicas[r].is_busy;
    if (!is_watched) {
        push(w, (struct event){ .at_ms = w->now_ms + 5 * SECOND, .type = EV_CLOCK });
        w->n_coming++;
        return;
    }
    w->db_skew_ms += below(w, 2 * HOUR) - HOUR;
    count(w, COUNT_CLOCK_STEPS);
    process_wake_all(w);
}
