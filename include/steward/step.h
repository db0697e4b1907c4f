/*
 * step.h - the pure core: what to do next with one step.
 *
 * Plain fixed-size structs, no I/O, clock, allocation or randomness. The worker executes the
 * commands in production and the deterministic simulation executes the same ones. Times are the
 * database's, in milliseconds.
 *
 * The create protocol (docs/architecture.md): look first; MARK commits the intent before anything
 * is sent; SEND is dated with the mark's time, so a late call of a paused worker is dead; an
 * outcome that is not certain is looked up, never repeated blindly; where names are not proven
 * unique, a negative look counts only after Q, the quiescence time.
 */
#ifndef STEWARD_STEP_H
#define STEWARD_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "steward/machine.h"

enum op { OP_NONE, OP_CREATE, OP_UPDATE, OP_DELETE, OP_STOP };

/* What a step is for. */
enum goal {
    GOAL_PRESENT,  /* there, and as wanted */
    GOAL_ABSENT,   /* gone; what is not ours stays */
    GOAL_IDLE,     /* nothing of it in progress: what is, is stopped */
    GOAL_RELEASED, /* no longer marked as ours */
    GOAL_SEEN,     /* only looked at */
    GOAL_ANSWERED  /* a question is answered, or there is none */
};

/* What was answered, by people or by a newer question. */
enum answer { ANSWER_NONE, ANSWER_APPROVED, ANSWER_REJECTED, ANSWER_SUPERSEDED };

/* What a look found, already judged against what is wanted (decide.h). */
enum seen {
    SEEN_ABSENT,      /* nothing there (for per-run kinds: nothing current) */
    SEEN_STALE,       /* per-run: what is there is not current: make a new one */
    SEEN_IN_PROGRESS, /* being created, updated, started or stopped */
    SEEN_MATCHES,     /* ACTIVE, as wanted */
    SEEN_CURRENT,     /* per-run: an ACTIVE one of somebody's is current: nothing to do */
    SEEN_NO_INPUT,    /* an import or batch job without data: nothing to do */
    SEEN_DIFFERS,     /* ACTIVE, differs in fields that can be changed in place */
    SEEN_REPLACEABLE, /* ours, differs, and can only be deleted and made again */
    SEEN_CONFLICT,    /* differs in what cannot be changed, or belongs to somebody else */
    SEEN_FAILED,      /* CREATE FAILED */
    SEEN_STOPPED,     /* CREATE STOPPED */
    SEEN_DELETING,
    SEEN_STOPPING,
    SEEN_COUNT
};

struct step {
    enum step_state state;
    enum intent_state intent;
    enum goal goal;
    enum op op; /* of the intent */
    bool is_per_run;
    bool needs_quiescence; /* uniqueness of the name is not proven */
    bool is_cancelled;     /* the run's cancel was committed */
    bool stops;            /* … and asks that a training of ours is stopped, not left to itself */
    bool is_lagging;       /* the service said "exists", and the last look did not find it */
    bool is_busy; /* the last time it was refused for now: its failures are such refusals */
    bool is_ours; /* what we look at was made by this step (its intent was saved, or found under our
                     name) */
    enum answer answer;  /* GOAL_ANSWERED */
    int64_t deadline_ms; /* GOAL_ANSWERED: then no answer is a no */
    int attempt, max_attempts;
    int sends;
    int failures; /* consecutive, for the backoff */
    int64_t last_mark_ms;
    int64_t ambiguous_ms;  /* mark of the last send with an uncertain outcome; 0: none */
    int64_t quiescence_ms; /* Q */
    int64_t poll_ms;
    uint32_t command_id; /* of the command whose outcome is expected */
};

enum outcome_type {
    OUT_CLAIMED,      /* a worker took the step: nothing has happened yet in this incarnation */
    OUT_SEEN,         /* the look ended: seen */
    OUT_LOOK_RETRY,   /* the look could not be made now (throttled, 5xx, timeout, credentials being
                         refreshed) */
    OUT_LOOK_REFUSED, /* the look was refused for good */
    OUT_MARKED,       /* the mark was committed: last_mark_ms, sends */
    OUT_MARK_LOST,    /* the fence: another worker owns the step */
    OUT_MARK_CANCELLED,
    OUT_MARK_FUSE,      /* the fuse holds it: until_ms */
    OUT_MARK_PAUSED,    /* it buys, and spending is stopped: until_ms (0: until somebody says) */
    OUT_MARK_HALTED,    /* the database was restored or failed over: nothing is sent: until_ms */
    OUT_MARK_QUOTA,     /* it stands in line for a quota; it is woken when there is room */
    OUT_MARK_UNKNOWN,   /* the commit's own outcome is unknown */
    OUT_PREPARE_FAILED, /* the request could not be built (a reference is missing) */
    OUT_SENT_OK,        /* a definite YES with an ARN where there is one */
    OUT_SENT_EXISTS,    /* definite NO: the name is taken */
    OUT_SENT_BUSY,      /* definite NO: throttled, parent busy: later */
    OUT_SENT_FULL,      /* definite NO: a quota of the service is used up: later */
    OUT_SENT_REFUSED,   /* definite NO for good: invalid, denied */
    OUT_SENT_KEPT,      /* definite NO to a Delete: somebody else uses it, so it stays */
    OUT_NOT_SENT,       /* definite NO: nothing left this machine, or the signature was too old */
    OUT_SENT_UNKNOWN,   /* anything else */
    OUT_COUNT
};

struct outcome {
    enum outcome_type type;
    uint32_t command_id;
    enum seen seen;
    int64_t until_ms; /* OUT_MARK_FUSE, OUT_MARK_PAUSED, OUT_MARK_HALTED */
    int64_t mark_ms;  /* OUT_MARKED: when the mark was made */
    int sends;        /* OUT_MARKED */
};

enum command_type {
    CMD_NONE,   /* the outcome matched nothing: ignore it */
    CMD_PROBE,  /* look */
    CMD_MARK,   /* commit the intent for op (request included), then report OUT_MARKED… */
    CMD_SEND,   /* send op, dated mark_ms */
    CMD_SAVE,   /* commit: the intent had its effect; the step waits wait_ms */
    CMD_WAIT,   /* commit: look again after wait_ms (+ up to jitter_ms) */
    CMD_RETRY,  /* commit: a new attempt with a new name after wait_ms */
    CMD_FAIL,   /* commit: failed */
    CMD_CANCEL, /* commit: cancelled */
    CMD_DONE,   /* commit: succeeded */
    CMD_DROP    /* forget the step: somebody else owns it */
};
enum why {
    WHY_NONE,
    WHY_IN_PROGRESS,
    WHY_DELETING,
    WHY_LOOK,
    WHY_BUSY,
    WHY_QUIESCENCE,
    WHY_VERIFY,
    WHY_FUSE,
    WHY_PAUSED,
    WHY_HALTED,
    WHY_QUOTA,
    WHY_UNKNOWN_OUTCOME,
    WHY_CONFLICT,
    WHY_FAILED,
    WHY_STOPPED,
    WHY_VANISHED,
    WHY_REFUSED,
    WHY_NAME_TAKEN,
    WHY_PREPARE,
    WHY_CURRENT,
    WHY_NO_INPUT,
    WHY_MATCHES,
    WHY_LIST_LAG,
    WHY_GONE,
    WHY_NOT_OURS,
    WHY_IN_USE,
    WHY_OBSERVED,
    WHY_HELD,
    WHY_APPROVED,
    WHY_REJECTED,
    WHY_EXPIRED,
    WHY_SUPERSEDED,
    WHY_COUNT
};

struct command {
    enum command_type type;
    uint32_t id;
    enum op op;
    enum why why;
    bool is_refund;    /* with WAIT, FAIL: the last send was a definite NO: intent back to planned,
                          fuse refunded */
    bool is_found;     /* with WAIT, DONE, FAIL: what was seen is this step's: its ARN is saved */
    bool is_ambiguous; /* with WAIT: record last_mark as ambiguous */
    int64_t mark_ms;   /* SEND */
    int64_t wait_ms, jitter_ms;
};

/* Where a look begins. */
enum look_by {
    LOOK_BY_ARN,   /* what is on record */
    LOOK_BY_NAME,  /* ours: generated, or the config's */
    LOOK_AMONG_ALL /* per-run: whichever is current */
};
/* What an uncertain create of ours may have made comes first, be the mark on record or lost
 * (is_restored): the ARN on record may be of a foreign one that was waited for before. */
enum look_by step_look_by(const struct step *s, bool has_arn, bool is_restored);

/* The one decision. db_now_ms: the database's clock. */
void step_next(const struct step *s, const struct outcome *o, int64_t db_now_ms, struct command *c);
/* Whether the command, written down, ends all doubt about what was sent: the intent is saved. */
bool step_settles(const struct step *s, const struct command *c);
/* What bears the step's generated name was found, and its mark is not the last one on record: that
 * was answered with NO, or was lost (a failover, a restore). The intent is as if it were maybe
 * sent. */
void step_recover(struct step *s);
/* Name of a violated local invariant, or NULL. */
const char *step_check(const struct step *s);
/* When to look again at what is in progress since age_ms: rarely (most_ms) while its end is far
 * off, as the one before of its kind took expected_ms (0: not known), and every 2 to 10 seconds
 * around it and after. */
int64_t step_poll_ms(int64_t age_ms, int64_t expected_ms, int64_t most_ms);
/* Backoff before the n-th retry (n from 1): full jitter over min(cap, base 2^n). */
int64_t step_backoff_ms(int failures);

#endif
