/*
 * cache.c - the credentials of a session: loaded once, refreshed before they end, shared by all
 * threads.
 *
 * One load at a time, whoever needs it. Credentials that expire are refreshed by a thread of their
 * own from 15 minutes before the end (half the life of short ones), so that no worker waits. A
 * failed refresh keeps what is there until it has really expired; only then do calls end with the
 * error. Attempts after a failure are 1, 2, 4 … 60 seconds apart. While a source hangs, one call
 * waits for it, and the others that follow do not: a worker has sixty more in its hands.
 */
#include <openssl/crypto.h>
#include <string.h>
#include <time.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/log.h"

#define ADVISORY_MS    (15 * 60000L)
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS  60000
#define WAIT_FIRST_MS  30000 /* for the first credentials */
#define WAIT_AGAIN_MS \
    1000 /* for new ones: the refresher is at it, a worker has other things to do */

static void wipe(char *s)
{
    if (s)
        OPENSSL_cleanse(s, strlen(s));
    free(s);
}

void aws_credentials_done(struct aws_credentials *c)
{
    wipe(c->access_key_id);
    wipe(c->secret_access_key);
    wipe(c->session_token);
    *c = (struct aws_credentials){ 0 };
}

void aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from)
{
    *to = (struct aws_credentials){ .access_key_id = xstrdup(from->access_key_id),
                                    .secret_access_key = xstrdup(from->secret_access_key),
                                    .expires_ms = from->expires_ms };
    if (from->session_token)
        to->session_token = xstrdup(from->session_token);
}

int64_t aws_refresh_window_ms(int64_t life_ms)
{
    return life_ms / 2 < ADVISORY_MS ? life_ms / 2 : ADVISORY_MS;
}

void aws_cache_init(struct aws_cache *c)
{
    pthread_condattr_t attributes;

    *c = (struct aws_cache){ 0 };
    (void) pthread_mutex_init(&c->lock, NULL);
    (void) pthread_condattr_init(&attributes);
    (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void) pthread_cond_init(&c->changed, &attributes);
    (void) pthread_condattr_destroy(&attributes);
}

void aws_cache_done(struct aws_cache *c)
{
    (void) pthread_mutex_lock(&c->lock);
    c->is_stopping = true;
    (void) pthread_cond_broadcast(&c->changed);
    (void) pthread_mutex_unlock(&c->lock);
    if (c->has_thread)
        (void) pthread_join(c->thread, NULL);
    aws_credentials_done(&c->current);
    (void) pthread_cond_destroy(&c->changed);
    (void) pthread_mutex_destroy(&c->lock);
}

static int64_t wall_ms(const struct aws_session *s)
{
    return s->settings.src->now_ms(s->settings.src->context);
}

/* Waits for a change of the cache, at most ms; the lock is held. */
static void wait_change(struct aws_cache *c, int64_t ms)
{
    struct timespec until;

    (void) clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void) pthread_cond_timedwait(&c->changed, &c->lock, &until);
}

static bool is_usable(const struct aws_cache *c, int64_t now_ms)
{
    return c->current.access_key_id &&
           (c->current.expires_ms == 0 || c->current.expires_ms > now_ms);
}

/* A pause longer than we ever make comes from a wall clock that was set back: it counts as over. */
static bool is_paused(const struct aws_cache *c, int64_t now_ms)
{
    return now_ms < c->retry_at_ms && c->retry_at_ms - now_ms <= 2L * RETRY_LAST_MS;
}

static bool is_refresh_due(const struct aws_cache *c, int64_t now_ms)
{
    if (!c->current.access_key_id || is_paused(c, now_ms))
        return false;
    if (c->is_wanted_fresh)
        return true;
    return c->current.expires_ms && c->current.expires_ms - now_ms <=
                                        aws_refresh_window_ms(c->current.expires_ms - c->loaded_ms);
}

static void note_failure(struct aws_cache *c, int64_t now_ms, const struct err *e)
{
    int64_t pause = RETRY_FIRST_MS;

    for (int i = 0; i < c->failures && pause < RETRY_LAST_MS; i++)
        pause *= 2;
    if (pause > RETRY_LAST_MS)
        pause = RETRY_LAST_MS;
    c->failures++;
    c->retry_at_ms = now_ms + pause + (int64_t) random_below((uint64_t) pause / 4 + 1);
    c->error = *e;
    c->is_wanted_fresh = false;
}

/* Loads once, without the lock while it does; the lock is held at entry and at return. */
static void load(struct aws_session *s)
{
    struct aws_cache *c = &s->cache;
    struct aws_credentials fresh = { 0 };
    struct err e = { 0 };
    int64_t now_ms;
    enum err_code rc;

    c->is_loading = true;
    (void) pthread_mutex_unlock(&c->lock);
    FP("cred.refresh_race");
    rc = aws_chain_load(&s->settings, &fresh, &e);
    now_ms = wall_ms(s);
    if (rc == OK && fresh.expires_ms && fresh.expires_ms <= now_ms)
        rc = err_set(&e, ERR_UNAVAILABLE,
                     "The AWS credentials were refreshed, but the new ones have expired already.");
    (void) pthread_mutex_lock(&c->lock);
    c->is_loading = c->is_given_up = false;
    if (rc == OK) {
        aws_credentials_done(&c->current);
        c->current = fresh;
        c->loaded_ms = now_ms;
        c->failures = 0;
        c->retry_at_ms = 0;
        c->is_wanted_fresh = false;
    } else {
        aws_credentials_done(&fresh);
        note_failure(c, now_ms, &e);
    }
    (void) pthread_cond_broadcast(&c->changed);
}

/* The refresher: asleep until a refresh is due. The wait is short enough to notice that the wall
 * clock was moved. */
static void *refresher_run(void *context)
{
    struct aws_session *s = context;
    struct aws_cache *c = &s->cache;

    (void) pthread_mutex_lock(&c->lock);
    while (!c->is_stopping) {
        int failures = c->failures;

        if (c->is_loading || !is_refresh_due(c, wall_ms(s))) {
            wait_change(c, 1000);
            continue;
        }
        load(s);
        if (c->failures > failures)
            log_error("aws", "credentials_refresh_failed", &c->error);
    }
    (void) pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void ensure_refresher(struct aws_session *s)
{
    struct aws_cache *c = &s->cache;

    if (c->has_thread || c->current.expires_ms == 0)
        return;
    c->has_thread = pthread_create(&c->thread, NULL, refresher_run, s) == 0;
}

enum err_code aws_cache_get(struct aws_session *s, struct aws_credentials *out, struct err *e)
{
    struct aws_cache *c = &s->cache;
    int64_t give_up_ms;
    enum err_code rc = OK;

    (void) pthread_mutex_lock(&c->lock);
    give_up_ms = clock_mono_ms() + (c->has_thread ? WAIT_AGAIN_MS : WAIT_FIRST_MS);
    while (!is_usable(c, wall_ms(s))) {
        if (c->is_loading || (c->has_thread && !is_paused(c, wall_ms(s)))) {
            if (c->is_given_up || clock_mono_ms() >= give_up_ms) {
                c->is_given_up = c->is_loading;
                break;
            }
            wait_change(c, 100);
        } else if (is_paused(c, wall_ms(s))) {
            break;
        } else {
            load(s);
        }
    }
    /* Without a thread (it could not be started) the caller does its work. */
    if (is_usable(c, wall_ms(s))) {
        ensure_refresher(s);
        if (!c->has_thread && !c->is_loading && is_refresh_due(c, wall_ms(s)))
            load(s);
        aws_credentials_copy(out, &c->current);
    } else if (c->failures == 0) {
        rc = err_set(e, ERR_UNAVAILABLE, "The AWS credentials are still being loaded.");
    } else {
        *e = c->error;
        rc = e->code;
    }
    (void) pthread_mutex_unlock(&c->lock);
    return rc;
}

void aws_cache_expire(struct aws_session *s, const char *access_key_id)
{
    struct aws_cache *c = &s->cache;

    (void) pthread_mutex_lock(&c->lock);
    if (str_eq(c->current.access_key_id, access_key_id) && !c->is_loading) {
        if (c->has_thread) {
            c->is_wanted_fresh = true;
        } else if (!is_paused(c, wall_ms(s))) {
            int failures = c->failures;

            load(s); /* static ones may have been exchanged in their file */
            if (c->failures > failures)
                log_error("aws", "credentials_refresh_failed", &c->error);
            else
                c->retry_at_ms = wall_ms(s) + RETRY_LAST_MS;
        }
        (void) pthread_cond_broadcast(&c->changed);
    }
    (void) pthread_mutex_unlock(&c->lock);
}
