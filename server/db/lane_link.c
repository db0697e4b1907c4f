/*
 * lane_link.c - connecting in the background, one connection at a time, for ever; and LISTEN.
 *
 * Connecting blocks (names, TLS, SCRAM) and therefore runs on libuv's thread pool; the loop gets a
 * ready session. A lost connection comes back after 50 ms, then twice that each time, at most 2 s,
 * with jitter.
 */
#include <stdlib.h>

#include "lanes.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/log.h"
#include "steward/mem.h"

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 2000

struct connect_job {
    uv_work_t work;
    struct db *db;
    struct link *link;
    struct db_session session;
    PGconn *pg;
    struct err err;
};

void link_init(struct link *link, struct db *db, struct lane *lane)
{
    *link = (struct link){ .db = db, .lane = lane };
}

static bool wants_connection(const struct link *link)
{
    return !link->wire && !link->is_connecting && (link->lane || link->db->channels);
}

static void retry_later(struct link *link)
{
    int64_t wait_ms = RETRY_MIN_MS;

    for (unsigned i = 0; i < link->failures && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    if (wait_ms > RETRY_MAX_MS)
        wait_ms = RETRY_MAX_MS;
    link->retry_at_ms =
        clock_mono_ms() + wait_ms / 2 + (int64_t) random_below((uint64_t) wait_ms / 2 + 1);
}

static void on_work(uv_work_t *work)
{
    struct connect_job *job = work->data;

    job->pg = db_connect(job->db->target, &job->session, &job->err);
}

/* Something may have been missed while nobody listened. */
static void look_at_all_channels(struct db *db)
{
    for (size_t i = 0; db->channels[i]; i++)
        if (db->on_notify)
            db->on_notify(db->channels[i], "", db->user);
}

static void connected(struct link *link, struct connect_job *job)
{
    struct db *db = link->db;

    if (job->pg)
        link->wire = wire_open(link, job->pg);
    if (!link->wire) {
        if (link->failures++ == 0)
            log_event(LOG_WARN, "db", "connect_failed", "lane=%s msg=%s detail=%s",
                      link->lane ? link->lane->kind->name : "listen", log_quote(job->err.message),
                      log_quote(job->err.detail));
        retry_later(link);
        return;
    }
    if (link->failures > 0)
        log_event(LOG_INFO, "db", "connected_again", "lane=%s attempts=%u",
                  link->lane ? link->lane->kind->name : "listen", link->failures + 1);
    link->failures = 0;
    db_note_state(db);
    if (!link->lane)
        look_at_all_channels(db);
}

static void on_worked(uv_work_t *work, int status)
{
    struct connect_job *job = work->data;
    struct db *db = job->db;

    db->job = NULL;
    job->link->is_connecting = false;
    if (db->is_closing || status != 0)
        PQfinish(job->pg);
    else
        connected(job->link, job);
    free(job);
    if (!db->is_closing) {
        db_start_ticking(db);
        links_connect(db);
    }
    db_handle_closed(db);
}

static void link_connect(struct link *link)
{
    struct db *db = link->db;
    struct connect_job *job = xcalloc(1, sizeof *job);

    job->work.data = job;
    job->db = db;
    job->link = link;
    job->session.statement_timeout_ms = db->statement_timeout_ms;
    job->session.lock_timeout_ms =
        link->lane && link->lane->kind->is_write ? db->lock_timeout_ms : 0;
    job->session.is_read_only = link->lane && !link->lane->kind->is_write;
    job->session.channels = link->lane ? NULL : (const char *const *) db->channels;
    (void) err_set(&job->err, ERR_UNAVAILABLE, "the loop refused the connection's socket");
    link->is_connecting = true;
    db->job = job;
    db->n_handles++;
    (void) uv_queue_work(db->loop, &job->work, on_work,
                         on_worked); /* fails only without a function */
}

void links_connect(struct db *db)
{
    int64_t now_ms = clock_mono_ms();

    if (db->job || db->is_closing)
        return;
    for (size_t i = 0; i < DB_LANE_COUNT; i++) {
        for (size_t k = 0; k < db->lanes[i].kind->n_links; k++) {
            struct link *link = &db->lanes[i].links[k];

            if (wants_connection(link) && now_ms >= link->retry_at_ms) {
                link_connect(link);
                return;
            }
        }
    }
    if (wants_connection(&db->listen) && now_ms >= db->listen.retry_at_ms)
        link_connect(&db->listen);
}

bool links_are_waiting(struct db *db)
{
    for (size_t i = 0; i < DB_LANE_COUNT; i++)
        for (size_t k = 0; k < db->lanes[i].kind->n_links; k++)
            if (wants_connection(&db->lanes[i].links[k]))
                return true;
    return wants_connection(&db->listen);
}

void links_cancel(struct db *db)
{
    if (db->job) /* when it runs already, its end is waited for */
        (void) uv_cancel((uv_req_t *) &db->job->work);
}

void link_lost(struct link *link)
{
    struct db *db = link->db;

    if (db->is_closing)
        return;
    retry_later(link);
    db_note_state(db);
    db_start_ticking(db);
}

void link_listen_read(struct wire *w)
{
    struct db *db = w->link->db;
    bool is_well = PQconsumeInput(w->pg);
    PGnotify *notify;

    (void) PQisBusy(w->pg); /* parses */
    while ((notify = PQnotifies(w->pg)) != NULL) {
        if (db->on_notify && !db->is_closing)
            db->on_notify(notify->relname, notify->extra, db->user);
        PQfreemem(notify);
    }
    if (!is_well || PQstatus(w->pg) != CONNECTION_OK)
        wire_lose(w, PQerrorMessage(w->pg));
}
