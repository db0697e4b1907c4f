/*
 * lanes.h - what the files of the asynchronous side share. Everything here lives on the loop
 * thread.
 *
 *   lanes.c       db_open, db_submit, db_close; queues, deadlines, the pump
 *   lane_gather.c reads that share a statement
 *   lane_wire.c   one connection: pipeline out, results in, what its loss means for what was under
 * way lane_link.c   connecting in the background, backoff, LISTEN
 *
 * A submission waits in its lane's queue, goes out on a wire (its entries stand in the wire's FIFO)
 * and is answered exactly once; whoever takes it out of the queue or the FIFO owns it.
 */
#ifndef STEWARD_DB_LANES_H
#define STEWARD_DB_LANES_H

#include "db_internal.h"

#define DB_LINKS_MAX 4 /* connections of one lane */

struct submission {
    struct submission *next;
    db_done_fn done; /* NULL: answered already (too late); only its place in the FIFO is left */
    void *user;
    int64_t deadline_ms;
    unsigned sends;             /* how often it went out */
    bool is_alone;              /* sent with a Sync of its own: a neighbour had aborted it */
    bool is_aborted;            /* a statement before it in the same Sync failed */
    bool is_renewed;            /* sent again on a new session */
    bool is_synced;             /* its Sync was handed to libpq: the server may have got it */
    struct db_failure *failure; /* NULL: none so far */
    size_t n_ops, n_seen;
    PGresult **results;
    struct sub_op {
        const struct db_stmt *stmt;
        const char **params;
    } ops[];
};

struct sub_queue {
    struct submission *head, **tail;
    size_t n;
};
void sub_queue_init(struct sub_queue *q);
void sub_queue_push(struct sub_queue *q, struct submission *s);
struct submission *sub_queue_pop(struct sub_queue *q); /* NULL when empty */

enum entry_kind { ENTRY_PREPARE, ENTRY_PREPARE_SYNC, ENTRY_OP, ENTRY_SYNC };
struct entry {
    enum entry_kind kind;
    const struct db_stmt *stmt; /* PREPARE */
    struct submission *sub;     /* OP; SYNC of a write */
};

/* One connection from its birth to its end. */
struct wire {
    uv_poll_t poll;
    PGconn *pg;
    struct link *link;
    struct stmt_set stmts;
    struct entry *entries; /* ring */
    size_t first, n, capacity;
    size_t n_subs;       /* submissions in the FIFO */
    bool has_unsynced;   /* reads sent since the last Sync */
    bool is_stale;       /* nothing new goes out; closed when the FIFO is empty */
    bool is_fatal_seen;  /* the server said good-bye: what stands behind was not executed */
    bool is_closed;      /* memory only, until the loop lets go of the handle */
    int events;          /* polled for */
    int64_t progress_ms; /* last sign of life while something was under way */
};

/* A place for a connection: there is a wire, or one is being made, or its time has not come. */
struct link {
    struct db *db;
    struct lane *lane; /* NULL: LISTEN */
    struct wire *wire;
    bool is_connecting;
    unsigned failures; /* in a row */
    int64_t retry_at_ms;
};

struct lane_kind {
    const char *name;
    size_t n_links;
    size_t queue_max;  /* submissions that wait */
    size_t window_max; /* submissions under way on one connection */
    bool is_write;
};

struct gather;

struct lane {
    const struct lane_kind *kind;
    struct gather *gathers; /* open */
    size_t n_gathered;      /* requests in them */
    struct sub_queue queue;
    struct link links[DB_LINKS_MAX];
    int64_t down_since_ms; /* 0: some connection is there */
};

struct connect_job;

/* What db_submit() is called with. */
struct db_request {
    const struct db_op *ops;
    size_t n;
    db_done_fn done;
    void *user;
};

struct db {
    uv_loop_t *loop;
    struct db_target *target;
    int64_t statement_timeout_ms, lock_timeout_ms;
    void (*on_notify)(const char *channel, const char *payload, void *user);
    char **channels; /* NULL-terminated; NULL: no LISTEN */
    void (*on_state)(bool is_up, void *user);
    void *user;
    struct lane lanes[DB_LANE_COUNT];
    struct link listen;
    struct sub_queue answers; /* failed without being sent: answered from the pump */
    size_t n_pending;
    bool is_up, is_told_up; /* now; what on_state was last told */
    struct connect_job *job;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t timer;
    bool is_dirty; /* the pump has something to do */
    bool is_closing, is_torn_down;
    size_t n_handles; /* until the last is closed */
    void (*closed)(void *user);
    void *closed_user;
};

/* ---- lanes.c ---- */
/* db_submit() for a request that shares its statement with nobody. */
void db_submit_alone(struct db *db, enum db_lane which, const struct db_request *rq);
void db_wake(struct db *db);          /* the pump runs before the loop sleeps again */
void db_handle_closed(struct db *db); /* one handle or job less; frees db with the last */
void db_note_state(struct db *db);    /* connections came or went */
/* Answers now (results or failure) and frees. */
void db_finish(struct db *db, struct submission *s);
/* Fails later, from the pump; a submission without done is only freed. */
void db_fail_later(struct db *db, struct submission *s, enum err_code code, const char *why);
/* Answers a submission that is still under way: too late. Its place in the FIFO stays. */
void db_answer_late(struct db *db, struct submission *s, enum err_code code);
void db_start_ticking(struct db *db);
/* Back into its lane's queue, to be sent once more. */
void db_requeue(struct db *db, struct lane *lane, struct submission *s);
void submission_fail(struct submission *s,
                     const struct db_failure *why); /* the first failure stays */
void submission_free(struct submission *s);

/* ---- lane_gather.c ---- */
/* False when the request has to go by itself. */
bool gather_join(struct db *db, enum db_lane which, const struct db_request *rq);
void gathers_send(struct lane *lane); /* puts what is open into the lane's queue */

/* ---- lane_wire.c ---- */
struct wire *wire_open(struct link *link,
                       PGconn *pg); /* takes pg; NULL when the loop refuses the socket */
/* Sends one submission; on failure the wire is lost, and the submission with it (answered or queued
 * again). */
void wire_send(struct wire *w, struct submission *s);
void wire_sync(struct wire *w); /* ends the shared batch of reads */
/* Ends the connection; what was under way is answered or queued again; the link will connect anew.
 */
void wire_lose(struct wire *w, const char *why);
/* Late answers, and a peer that gives no sign of life. */
void wire_expire(struct wire *w, int64_t now_ms);
void wire_flush(struct wire *w);

/* ---- lane_link.c ---- */
void link_init(struct link *link, struct db *db, struct lane *lane);
void link_lost(struct link *link);     /* its wire is gone */
void links_connect(struct db *db);     /* starts the next connection that is due */
bool links_are_waiting(struct db *db); /* some link has no wire */
void links_cancel(struct db *db);      /* at the end: the connection that is being made */
void link_listen_read(struct wire *w); /* notifications */

#endif
