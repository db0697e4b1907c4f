/*
 * work.h - one claimed step in a worker's hands; private to the engine.
 *
 * A worker holds up to 64 of them. Each is at one place: looking, waiting for its mark, sending, or
 * ready to be written down. What it learns is kept here until the checkpoint; nothing is remembered
 * after it.
 */
#ifndef STEWARD_ENGINE_WORK_H
#define STEWARD_ENGINE_WORK_H

#include <uv.h>

#include "steward/aws.h"
#include "steward/db_clock.h"
#include "steward/engine.h"
#include "steward/id.h"
#include "steward/step.h"
#include "steward/step_store.h"
#include "steward/str.h"

#define INTENT_NAME_BYTES 64

enum look_stage {
    LOOK_START,
    LOOK_FOLDER,
    LOOK_FILE,
    LOOK_LIST,
    LOOK_DESCRIBE,
    LOOK_IDENTIFY,
    LOOK_METRICS,
    LOOK_ATTRIBUTION,
    LOOK_TAGS,
    LOOK_ADOPT,
    LOOK_AUDIT,
    LOOK_CAMPAIGNS,
    LOOK_QUESTION
};

/* Where a look stands, over its several calls. */
struct look {
    enum look_stage stage;
    json_t *items;    /* collected summaries */
    char token[1600]; /* of the page asked for last */
    int pages;
    size_t candidate; /* index of the version being identified */
    json_t *unnamed;  /* oldest new version without a name; owned */
    int n_unnamed;
    char location[1200]; /* s3:// address of the data found */
    int64_t data_ms;     /* newest data, AWS time; 0: none */
    bool is_own_name;    /* describing what carries our generated name */
    bool is_foreign;     /* what is described was made by somebody else */
    bool is_alternative; /* the name is held by another one: looking for NAME-<sha8> */
    bool is_owner;       /* it bears our mark */
    json_t *tags;        /* live ones; NULL: not asked for; owned */
    char conflict[400];  /* why it is not ours to change; "": it is */
    char baseline[256];  /* newest version before the first mark */
    json_t *ended;       /* our version that Amazon ended for want of new data; NULL; owned */
    char arn[512];       /* of what is being described */
};

/* The rows of one claim share an arena, which goes with the last of them. */
struct claim_batch {
    struct arena arena;
    size_t live;
};

enum work_phase { WORK_LOOKING, WORK_MARKING, WORK_SENDING, WORK_SAVING };

struct work {
    struct work *next; /* in to_mark or to_save */
    enum work_phase phase;
    size_t slot; /* in worker.held */
    struct claim_batch *batch;
    struct step_row row;
    struct aws_call call;
    struct look look;
    struct command command; /* last command of the core */
    json_t *observed;       /* resource as described; owned */
    json_t *differences;    /* owned */
    json_t *metrics;        /* of a solution version; owned */
    json_t *request;        /* prepared for the mark; owned */
    const char *operation;  /* that it is for */
    enum seen seen;         /* of the look that ended last */
    char intent_name[INTENT_NAME_BYTES];
    struct err trouble; /* of a failed preparation */
    int64_t
        marked_mono_ms; /* taken before the mark was asked for: no send later than 5 s after it */
    json_t *item;       /* checkpoint item, owned; NULL until there is one */
    json_t *events;     /* its events, owned */
};

#define WORKER_SLOTS 64

/* Everything a worker's functions need to know; one per worker thread. */
struct worker {
    struct engine *engine;
    const struct engine_options *options;
    uv_thread_t thread;
    char owner[UUID_BYTES +
               16]; /* new per process start, thread and connection: a clone cannot share it */
    struct db_conn *db;
    struct aws_batch *calls;
    struct work *held[WORKER_SLOTS];
    size_t n_held;
    struct work *to_mark, *to_mark_tail, *to_save; /* singly linked; to_mark: who came first */
    int64_t mark_at_ms; /* clock_mono_ms() when the brake lets the next one go */
    size_t n_to_save;
    int64_t first_save_ms;          /* when the oldest of to_save got there */
    int64_t db_offset_ms;           /* database clock minus clock_mono_ms() */
    struct db_clock clock;          /* the same, as bounds over time */
    int64_t renewed_ms, claimed_ms; /* clock_mono_ms() of the last time */
    _Atomic bool is_woken;          /* set by other threads: claim at once */
    uint64_t generation;            /* of the connection whose timeline is known */
    char timeline[64];              /* of the database; "": not known yet */
    int64_t next_due_ms; /* clock_mono_ms() when something of the database is due; -1: unknown */
};

/* ---- look.c ---- */
enum look_result { LOOK_CALL, LOOK_SEEN, LOOK_LATER, LOOK_NEVER };
/* Prepares the next call of the look (w->call), or ends it: LOOK_SEEN with *seen. The finished
   call, when there is one, is in w->call. */
enum look_result look_begin(struct worker *k, struct work *w, enum seen *seen);
enum look_result look_continue(struct worker *k, struct work *w, enum seen *seen);
/* Whether the job just described does another thing than is asked for; then it counts no more. */
bool look_pass_over(struct work *w);
/* Of the listed trainings, one in progress. */
enum look_result look_pick_running(struct work *w, enum seen *seen);
/* Parts of a look that others go on with. */
enum look_result look_describe(struct work *w, const char *arn);
enum look_result look_list(struct work *w, enum seen *seen);
/* An UPDATE that found nothing new: what serves is the newest that is ACTIVE. */
bool look_is_without_news(const struct work *w, enum seen seen);
enum look_result look_for_newest(struct work *w, enum seen *seen);
enum look_result look_pick_newest(struct work *w, enum seen *seen);
/* The version that failed and is not what the step stands on, for the history; NULL: none. Caller
 * owns. */
json_t *look_ended_version(const struct work *w);
void look_done(struct look *l);

/* ---- checkpoint.c ---- */
/* Writes the list down; ERR_UNAVAILABLE, ERR_UNKNOWN_OUTCOME: the rows are the truth. */
MUST_USE enum err_code checkpoint_write(struct worker *k, struct work *list, struct err *e);

/* ---- place.c ---- */
struct data_place {
    char bucket[80], folder[1024], file[1030];
};
void place_find(const struct step_row *row, struct data_place *p);

/* ---- adopt.c ---- */
enum look_result adopt_begin(struct worker *k, struct work *w);
enum look_result adopt_continue(struct work *w, enum seen *seen);
/* The parameter file of what was read. Caller owns. */
json_t *adopt_result(const struct work *w);

/* ---- ownership.c ---- */
/* Whether what was described has tags that matter here. */
bool ownership_needs_tags(const struct work *w);
/* The tags the resource should have, our mark included. Caller owns. */
json_t *ownership_wanted(const struct worker *k, const struct step_row *row);
/* Fills look.conflict, look.is_owner and adds a difference when the tags are not as wanted. */
void ownership_judge(const struct worker *k, struct work *w);

/* ---- request.c ---- */
/* The version a campaign is held to by a pin or a promotion, or NULL. */
const char *request_campaign_version(const struct step_row *row);
/* Whether new versions wait for somebody to promote them. */
bool request_is_promoted_by_hand(const struct step_row *row);
void request_intent_name(const struct worker *k, const struct step_row *row,
                         char out[INTENT_NAME_BYTES]);
/* What the resource should look like, references resolved. Caller owns. */
json_t *request_desired(const struct step_row *row);
/* The body of the Create or Update call. ERR_INVALID when a reference is missing. Caller owns *out.
 */
MUST_USE enum err_code request_build(const struct worker *k, struct work *w, enum op op,
                                     json_t **out, struct err *e);
/* "arn:aws:personalize:us-east-1:123456789012:campaign/x" for a kind whose ARN follows from its
 * name. */
void request_arn(const struct worker *k, const struct kind *kind, const char *name, char *out,
                 size_t size);

/* ---- judge.c ---- */
enum outcome_type judge_send(const struct worker *k, const struct step_row *row,
                             const struct aws_call *call);
/* Whether a failed look may be made again. */
bool judge_look_is_retryable(const struct aws_call *call);
/* A sentence with a cure where we know one, for people. */
void judge_failure(const struct work *w, enum why why, struct buf *out);
/* {code, message, awsCode, awsMessage, requestId, operation, cure}. Caller owns. */
json_t *judge_failure_json(const struct work *w, enum why why, const char *message);
const char *judge_waiting_for(const struct work *w, enum why why);
const char *judge_why_slug(enum why why);
/* Amazon said what is wrong with the input: the same again would fail the same way, and cost. */
bool judge_failure_is_final(const struct work *w);

/* ---- approval.c ---- */
enum look_result approval_begin(struct worker *k, struct work *w);
enum look_result approval_continue(struct work *w, enum seen *seen);
/* What is asked, as {campaign, version, serving, policy, expiresAt}. Caller owns. */
json_t *approval_question(const struct work *w);
/* The same in one sentence; what became of it, or NULL. Caller owns. */
json_t *approval_words(const struct work *w);
/* A sentence for whoever reads that a campaign does not serve the newest version: what that costs
 * where Amazon updates only the newest; "" where it does not. */
const char *approval_left_behind(const struct step_row *row);
json_t *approval_event(const struct work *w);
json_t *approval_outcome(const struct work *w);
const char *approval_result(enum why why);

/* ---- watch.c ---- */
/* After a new connection: whether the database is still the one that was known (I31). */
MUST_USE enum err_code watch_timeline(struct worker *k, struct err *e);
/* After a claim that was asked for at before_ms: whether somebody set the database's clock, or the
 * connection is another one; then what was claimed is let go of. */
MUST_USE enum err_code watch_clock(struct worker *k, int64_t before_ms, int64_t db_ms,
                                   bool *is_other, struct err *e);

/* ---- pace.c ---- */
/* How often to look at what is in progress. */
int64_t pace_interval_ms(const struct worker *k, const struct step_row *row);

/* ---- spending.c ---- */
/* Whether what is about to be marked costs money that is not spent now: "stop spending" holds it.
 */
bool spending_buys(const struct work *w);

/* ---- report.c ---- */
/* The checkpoint item and events of a work whose command is to be written down. */
void report_build(struct worker *k, struct work *w);

/* ---- worker.c ---- */
void worker_run(struct worker *k);   /* until the engine stops */
void worker_close(struct worker *k); /* after its thread was joined */

/* ---- observer.c ---- */
/* Starts observe runs of configs that were not looked at for the interval (0: none). Cheap; the
 * scheduler calls it every few seconds. */
MUST_USE enum err_code observer_tick(struct engine *engine, struct db_conn *db, int64_t interval_ms,
                                     struct err *e);

/* ---- replace.c ---- */
/* The name a schema gets when its own is held by other content, and a solution that is replaced. */
void replace_name(const struct step_row *row, char out[INTENT_NAME_BYTES]);
bool replace_is_blue_green(const struct step_row *row);
/* What was described differs in what cannot change: look for the one under the derived name. */
bool replace_is_wanted(const struct work *w);
bool replace_was_made(const struct work *w);
void replace_begin_anew(struct work *w);
/* Ours, and its creation failed before this step: nothing is in it, so it is made again. */
bool replace_is_failed_create(const struct work *w, enum seen seen);
/* A solution in the collected list that a replacement left behind, or NULL. */
const json_t *replace_find_retired(const struct work *w);
json_t *replace_campaigns_request(const struct work *w);
/* Fills look.conflict when the retired solution still serves. */
void replace_judge_campaigns(struct work *w);

/* ---- audit.c ---- */
enum look_result audit_begin(struct work *w);
enum look_result audit_continue(struct worker *k, struct work *w, enum seen *seen);
/* After its checkpoint: what no config owns is written down. */
void audit_settle(struct worker *k, const struct work *w);
/* Starts the daily audit when it is due. */
MUST_USE enum err_code audit_tick(struct engine *engine, struct db_conn *db, struct err *e);

/* ---- quiet.c ---- */
/* Starts the runs that waited for quiet and are due. */
MUST_USE enum err_code quiet_tick(struct engine *engine, struct db_conn *db, struct err *e);

/* ---- importer.c ---- */
/* Stores what finished imports have read as configs; run_id: only that one's, NULL: all that are
 * left over. */
MUST_USE enum err_code importer_settle(struct engine *engine, struct db_conn *db,
                                       const char *run_id, struct err *e);

/* ---- engine.c: what the threads share ---- */
struct engine;
/* Opens *db when it is NULL, reconnects it when it was lost. */
MUST_USE enum err_code engine_connect(const struct engine *engine, const char *application,
                                      struct db_conn **db, struct err *e);
bool engine_is_stopping(const struct engine *engine);
bool engine_workers_are_gone(const struct engine *engine);
int64_t engine_stop_deadline_ms(const struct engine *engine); /* clock_mono_ms() */
/* True once after a wake-up, for one caller: runs should be admitted. Also once a second, for one
 * of those who ask because their time has come. */
bool engine_take_admission(struct engine *engine, bool is_due);
/* A crowd of schedules is due: they come first, for a second at most. */
void engine_note_crowd(struct engine *engine, bool is_crowd);
bool engine_is_crowded(const struct engine *engine);
void engine_want_admission(struct engine *engine);
void engine_count(struct engine *engine, size_t field_offset, uint64_t n);
#define ENGINE_COUNT(engine, field, n) engine_count(engine, offsetof(struct engine_stats, field), n)
void engine_wake_publisher(struct engine *engine);
void engine_wake_outbox(struct engine *engine);
/* Runs were made: workers admit them, the publisher numbers their events. */
void engine_wake_workers(struct engine *engine);
/* Sleeps until woken, stopped or the time is over. kind: 0 scheduler, 1 publisher. */
void engine_sleep(struct engine *engine, int kind, int64_t ms);
const struct engine_options *engine_get_options(const struct engine *engine);
void scheduler_run(struct engine *engine);
void publisher_run(struct engine *engine);

#endif
