/*
 * embedded.c - a private PostgreSQL: started, adopted, watched, stopped.
 *
 * The caller holds the lock of the data folder (data_dir.h), so there is one of us per cluster. A
 * postmaster that survived us is adopted; one that dies under us is started again by the watcher.
 * Rule: never two postmasters, never initdb twice.
 */
#include "embedded.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

#define FAST_STOP_MS      25000
#define IMMEDIATE_STOP_MS 5000
#define LOG_MAX_BYTES     (8 << 20)

static void embedded_free(struct pg_embedded *pg)
{
    if (pg->stop_fd >= 0)
        (void) close(pg->stop_fd);
    free(pg->data_dir);
    free(pg->cluster);
    free(pg->bin);
    free(pg->log_path);
    free(pg->passfile);
    free(pg->runtime_dir);
    free(pg->url);
    free(pg->owner_url);
    free(pg->admin_url);
    free(pg);
}

/* ---- start ---- */

static void remove_stale_pidfile(const struct pg_embedded *pg)
{
    AUTO_FREE char *path = xasprintf("%s/postmaster.pid", pg->cluster);

    (void) unlink(path);
}

/* The postmaster ended during its start: with what words? */
static enum err_code start_failed(struct pg_embedded *pg, off_t from, const char *how,
                                  struct err *e)
{
    AUTO_FREE char *tail = pg_log_tail(pg, from);
    char line[170];

    db_one_line(tail, line, sizeof line);
    err_set(e, ERR_UNAVAILABLE, "PostgreSQL %s: %s", how, line);
    return err_detail(e, "%s: %s", pg->log_path, tail);
}

/* One attempt. *may_wait: the last one's processes are still there, try again soon. */
static enum err_code start_once(struct pg_embedded *pg, int64_t deadline_ms, bool *may_wait,
                                struct err *e)
{
    AUTO_FREE char *program = xasprintf("%s/postgres", pg->bin);
    char *const argv[] = { program, "-D", pg->cluster, NULL };
    off_t from = pg_log_size(pg);
    struct pg_pidfile file;
    pid_t pid = pg_spawn(pg, argv, false, e);

    *may_wait = false;
    if (pid < 0)
        return e->code;
    FP("pg.start");
    while (pg_exit_status(pid) < 0) {
        if (pg_pidfile_read(pg, &file) && file.pid == pid && str_eq(file.status, "ready")) {
            pg->pid = pid;
            return OK;
        }
        if (clock_mono_ms() > deadline_ms) {
            (void) kill(pid, SIGINT);
            (void) pg_wait_gone(pid, -1, IMMEDIATE_STOP_MS);
            return start_failed(pg, from, "was not ready in time", e);
        }
        FP("pg.ready_wait");
        pg_pause_ms(5);
    }
    (void) start_failed(pg, from, "did not start", e);
    *may_wait =
        strstr(e->detail, "still in use") != NULL || strstr(e->detail, "already exists") != NULL;
    return e->code;
}

/* True when a postmaster of this cluster runs and is (or within the time becomes) ready. */
static bool adopt(struct pg_embedded *pg)
{
    int64_t deadline_ms = clock_mono_ms() + pg->start_timeout_ms;
    struct pg_pidfile file;

    while (pg_pidfile_read(pg, &file) && pg_is_our_postmaster(pg, file.pid)) {
        if (str_eq(file.status, "ready")) {
            pg_set_runtime(pg, file.socket_dir);
            pg->pid = file.pid;
            return true;
        }
        if (clock_mono_ms() > deadline_ms)
            return false;
        pg_pause_ms(10);
    }
    return false;
}

/* Starts one, or takes the one that a predecessor of ours had just started and that only now has
 * written its pid file. */
static enum err_code start_postmaster(struct pg_embedded *pg, struct err *e)
{
    int64_t deadline_ms = clock_mono_ms() + pg->start_timeout_ms;
    bool may_wait;

    while (!adopt(pg)) {
        enum err_code rc;
        struct pg_pidfile file;

        /* a pid file whose pid now belongs to somebody else; PostgreSQL itself sees through a dead
         * one */
        if (pg_pidfile_read(pg, &file) && kill(file.pid, 0) == 0 &&
            !pg_is_our_postmaster(pg, file.pid))
            remove_stale_pidfile(pg);
        rc = start_once(pg, deadline_ms, &may_wait, e);
        if (rc == OK || !may_wait || clock_mono_ms() > deadline_ms)
            return rc;
        pg_pause_ms(100);
    }
    return OK;
}

static void rotate_log(const struct pg_embedded *pg)
{
    AUTO_FREE char *old = xasprintf("%s.1", pg->log_path);

    if (pg_log_size(pg) > LOG_MAX_BYTES)
        (void) rename(pg->log_path, old);
}

static enum err_code bring_up(struct pg_embedded *pg, struct err *e)
{
    TRY(pg_find_bin(pg, e));
    TRY(pg_user_can_reach(&pg->user, pg->data_dir, e));
    TRY(pg_prepare_passwords(pg, e));
    pg->is_adopted = adopt(pg);
    if (!pg->is_adopted) {
        rotate_log(pg);
        TRY(pg_prepare_cluster(pg, e));
        TRY(pg_prepare_runtime(pg, e));
        TRY(start_postmaster(pg, e));
    }
    TRY(pg_check_server(pg, e));
    pg_remove_leftovers(pg);
    return OK;
}

/* ---- the watcher: a postmaster that dies is started again ---- */

static bool is_told_to_go(const struct pg_embedded *pg, int wait_ms)
{
    struct pollfd fd = { .fd = pg->stop_fd, .events = POLLIN };

    return poll(&fd, 1, wait_ms) > 0;
}

static void *watch(void *arg)
{
    struct pg_embedded *pg = arg;
    struct err e;

    while (pg_wait_gone(pg->pid, pg->stop_fd, -1)) {
        log_event(LOG_WARN, "db", "postgres_gone",
                  "pid=%d msg=\"the embedded PostgreSQL ended; starting it again\"", (int) pg->pid);
        for (int wait_ms = 100; start_postmaster(pg, &e);
             wait_ms = wait_ms < 5000 ? wait_ms * 2 : wait_ms) {
            log_error("db", "postgres_start_failed", &e);
            if (is_told_to_go(pg, wait_ms))
                return NULL;
        }
        log_event(LOG_INFO, "db", "postgres_started", "pid=%d", (int) pg->pid);
        if (is_told_to_go(pg, 0))
            break;
    }
    return NULL;
}

static void watch_stop(struct pg_embedded *pg)
{
    if (!pg->is_watched)
        return;
    (void) eventfd_write(pg->stop_fd, 1);
    (void) pthread_join(pg->watcher, NULL);
    pg->is_watched = false;
}

/* ---- public ---- */

enum err_code pg_embedded_start(const struct pg_embedded_options *options, struct pg_embedded **out,
                                struct err *e)
{
    struct pg_embedded *pg;
    AUTO_FREE char *real = realpath(options->data_dir, NULL);

    if (!real)
        return err_set(e, ERR_UNAVAILABLE, "the data folder %s: %s", options->data_dir,
                       strerror(errno));
    pg = xcalloc(1, sizeof *pg);
    pg->stop_fd = eventfd(0, EFD_CLOEXEC);
    pg->data_dir = TAKE(real);
    pg->cluster = xasprintf("%s/postgres", pg->data_dir);
    pg->log_path = xasprintf("%s/postgres.log", pg->data_dir);
    pg->passfile = xasprintf("%s/postgres.pgpass", pg->data_dir);
    pg->start_timeout_ms = options->start_timeout_ms > 0 ? options->start_timeout_ms : 60000;
    if (pg_user_find(options->run_as ? options->run_as : "steward", &pg->user, e) ||
        bring_up(pg, e)) {
        pg_embedded_stop(pg, pg->is_adopted); /* what we started and cannot use goes away again */
        return e->code;
    }
    pg->is_watched = pg->stop_fd >= 0 && pthread_create(&pg->watcher, NULL, watch, pg) == 0;
    if (!pg->is_watched) {
        pg_embedded_stop(pg, true);
        return err_set(e, ERR_UNAVAILABLE, "cannot start the thread that watches PostgreSQL: %s",
                       strerror(errno));
    }
    *out = pg;
    return OK;
}

const char *pg_embedded_url(const struct pg_embedded *pg)
{
    return pg->url;
}

const char *pg_embedded_owner_url(const struct pg_embedded *pg)
{
    return pg->owner_url;
}

int pg_embedded_pid(const struct pg_embedded *pg)
{
    return (int) pg->pid;
}

bool pg_embedded_was_adopted(const struct pg_embedded *pg)
{
    return pg->is_adopted;
}

void pg_embedded_stop(struct pg_embedded *pg, bool keep)
{
    if (!pg)
        return;
    watch_stop(pg);
    FP("pg.stop");
    if (pg->pid > 0 && !keep) {
        (void) kill(pg->pid, SIGINT); /* fast: sessions end, a checkpoint is written */
        if (!pg_wait_gone(pg->pid, -1, FAST_STOP_MS)) {
            (void) kill(pg->pid, SIGQUIT); /* immediate: recovery at the next start */
            (void) pg_wait_gone(pg->pid, -1, IMMEDIATE_STOP_MS);
        }
    }
    if (pg->runtime_dir && !keep)
        pg_remove_runtime(pg);
    embedded_free(pg);
}
