/*
 * outbox.c - the threads that deliver events, one per sender.
 *
 * A thread expands the numbered log into deliveries, claims a few that are due, has its sender make
 * one attempt of each and writes down what came of it. It keeps nothing: killed at any line, the
 * lease lapses and any replica goes on; an attempt that was not written down is made again with the
 * same id.
 */
#include "outbox.h"

#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/delivery_plan.h"
#include "steward/failpoint.h"
#include "steward/log.h"
#include "work.h"

#define POLL_MS         1000
#define PAUSE_MS        500
#define IN_FLIGHT_MAX   64 /* of one process */
#define LEASE_MARGIN_MS 5000
#define STOP_GRACE_MS   2000
#define UPKEEP_EVERY_MS 60000
#define RENEW_EVERY_MS  10000

static const struct outbox_sender *const outbox_senders[] = { &webhook_sender, &eventbridge_sender,
                                                              &sns_sender, &cloudwatch_sender,
                                                              &mail_sender };

struct outbox_thread {
    struct engine *engine;
    struct outbox *outbox;
    const struct outbox_sender *ops;
    void *sender;
    struct db_conn *db;
    uv_thread_t thread;
    char owner[UUID_BYTES + 16];
    char *kinds; /* text array literal */
    size_t n_open;
    struct delivery *done; /* over, and not written down yet */
    int64_t next_due_ms, upkeep_ms, renewed_ms;
    _Atomic bool is_woken;
};

struct outbox {
    struct outbox_thread threads[OUTBOX_SENDERS_MAX];
    size_t count;
    _Atomic size_t n_unrenewed; /* threads that have not yet said which channels they have */
};

static int64_t lease_ms(const struct engine_options *o)
{
    int64_t least = o->delivery_timeout_ms + LEASE_MARGIN_MS;

    return least > o->lease_ms ? least : o->lease_ms;
}

static int64_t wait_ms(int tries, void *context)
{
    const struct engine_options *o = context;

    return delivery_plan_wait_ms(tries, random_below(DELIVERY_JITTER_STEPS),
                                 o->delivery_time_scale);
}

static enum err_code expand(struct outbox_thread *t, struct err *e)
{
    size_t count;

    do
        TRY(outbox_store_expand(t->db, &count, e));
    while (count > 0 && !engine_is_stopping(t->engine));
    return OK;
}

/* Taken and started; only as many as can be under way. */
static enum err_code claim(struct outbox_thread *t, struct err *e)
{
    AUTO_FREE char *keys = t->ops->key_ids ? t->ops->key_ids(t->sender) : NULL;
    const struct outbox_wish wish = { .owner = t->owner,
                                      .kinds = t->kinds,
                                      .key_ids = keys ? keys : "{}",
                                      .limit = (int) (IN_FLIGHT_MAX - t->n_open),
                                      .per_endpoint = t->ops->per_endpoint,
                                      .lease_ms = lease_ms(engine_get_options(t->engine)) };
    struct delivery *list, *d;
    int64_t next_ms;

    TRY(outbox_store_claim(t->db, &wish, &list, &next_ms, e));
    t->next_due_ms = next_ms < 0 || next_ms > POLL_MS ? POLL_MS : next_ms;
    while ((d = list)) {
        list = d->next;
        d->next = NULL;
        d->at_ms = clock_wall_ms();
        t->n_open++;
        FP("out.before_send");
        t->ops->start(t->sender, d);
        FP("out.after_send");
    }
    return OK;
}

static void collect(struct outbox_thread *t)
{
    struct delivery *d;

    while ((d = t->ops->take(t->sender))) {
        d->next = t->done;
        t->done = d;
        t->n_open--;
    }
}

static void forget_done(struct outbox_thread *t)
{
    delivery_free(t->done);
    t->done = NULL;
}

static void log_attempts(const struct outbox_thread *t)
{
    for (const struct delivery *d = t->done; d; d = d->next)
        log_event(d->is_success ? LOG_DEBUG : LOG_INFO, "outbox", "attempt",
                  "endpoint=%s delivery=%s event_id=%s type=%s number=%d ok=%s status=%d class=%s "
                  "ms=%lld",
                  d->endpoint_id, d->id, d->event_id, d->event_type, d->attempt,
                  d->is_success ? "true" : "false", d->status,
                  d->error_class ? d->error_class : "-", (long long) d->latency_ms);
}

static enum err_code record(struct outbox_thread *t, struct err *e)
{
    const struct engine_options *o = engine_get_options(t->engine);
    const struct outbox_policy policy = {
        .disable_after_ms = DELIVERY_DISABLE_AFTER_MS / o->delivery_time_scale,
        .wait_ms = wait_ms,
        .context = (void *) o,
    };

    if (!t->done)
        return OK;
    FP("out.before_record");
    TRY(outbox_store_record(t->db, t->owner, &policy, t->done, e));
    FP("out.after_record");
    log_attempts(t);
    for (const struct delivery *d = t->done; d; d = d->next)
        ENGINE_COUNT(t->engine, deliveries, 1);
    forget_done(t);
    engine_wake_publisher(t->engine); /* it may have made events */
    return OK;
}

static enum err_code renew(struct outbox_thread *t, struct err *e)
{
    int64_t now = clock_mono_ms();

    if (!t->ops->renew || (t->renewed_ms && now - t->renewed_ms < RENEW_EVERY_MS))
        return OK;
    TRY(t->ops->renew(t->sender, t->db, e));
    if (!t->renewed_ms)
        t->outbox->n_unrenewed--;
    t->renewed_ms = now;
    return OK;
}

static enum err_code upkeep(struct outbox_thread *t, struct err *e)
{
    int64_t now = clock_mono_ms();

    if (t->upkeep_ms && now - t->upkeep_ms < UPKEEP_EVERY_MS)
        return OK;
    TRY(outbox_store_upkeep(t->db, DELIVERY_KEEP_MS, e));
    /* After a long stop every channel looks forgotten, until its thread has spoken. */
    if (t->outbox->n_unrenewed == 0)
        TRY(outbox_store_retire_channels(t->db, DELIVERY_KEEP_MS, e));
    t->upkeep_ms = now;
    return OK;
}

static enum err_code turn(struct outbox_thread *t, struct err *e)
{
    TRY(engine_connect(t->engine, t->ops->name, &t->db, e));
    TRY(record(t, e));
    TRY(renew(t, e));
    TRY(upkeep(t, e));
    FP("out.before_expand");
    TRY(expand(t, e));
    FP("out.after_expand");
    t->next_due_ms = POLL_MS;
    return t->n_open < IN_FLIGHT_MAX ? claim(t, e) : OK;
}

/* What is under way may end within a moment; what does not is given back and made again. */
static void drain(struct outbox_thread *t)
{
    int64_t until_ms = clock_mono_ms() + STOP_GRACE_MS, left_ms;
    struct err e;

    while (t->n_open && (left_ms = until_ms - clock_mono_ms()) > 0) {
        t->ops->wait(t->sender, left_ms < 50 ? left_ms : 50);
        collect(t);
    }
    if (t->db && (record(t, &e) || outbox_store_release(t->db, t->owner, &e)))
        log_error("outbox", "not_given_back", &e); /* the leases lapse by themselves */
    forget_done(t);
}

static void run(void *arg)
{
    struct outbox_thread *t = arg;
    struct err e;

    while (!engine_is_stopping(t->engine)) {
        t->is_woken = false;
        if (turn(t, &e)) {
            log_error("outbox", "trouble", &e);
            t->next_due_ms = PAUSE_MS;
        }
        if (!t->is_woken)
            t->ops->wait(t->sender, t->next_due_ms > 0 ? t->next_due_ms : 1);
        collect(t);
    }
    drain(t);
}

static void open_thread(struct outbox *o, struct engine *engine, const struct outbox_sender *ops)
{
    struct outbox_thread *t = &o->threads[o->count];
    char uuid[UUID_BYTES];
    size_t n_kinds = 0;

    t->sender = ops->open(engine);
    if (!t->sender)
        return;
    uuid_new(uuid);
    (void) snprintf(t->owner, sizeof t->owner, "%s/%zu", uuid, o->count);
    while (ops->kinds[n_kinds])
        n_kinds++;
    t->engine = engine;
    t->outbox = o;
    t->ops = ops;
    t->kinds = db_text_array(ops->kinds, n_kinds);
    o->n_unrenewed += ops->renew != NULL;
    o->count++;
}

enum err_code outbox_start(struct engine *engine, struct outbox **out, struct err *e)
{
    struct outbox *o = xcalloc(1, sizeof *o);

    *out = o;
    for (size_t i = 0; i < ARRAY_LEN(outbox_senders); i++)
        open_thread(o, engine, outbox_senders[i]);
    for (size_t i = 0; i < o->count; i++) /* fatal for the caller, who exits */
        if (uv_thread_create(&o->threads[i].thread, run, &o->threads[i]))
            return err_set(e, ERR_UNAVAILABLE, "A delivery thread could not be started.");
    return OK;
}

void outbox_wake(struct outbox *o)
{
    for (size_t i = 0; o && i < o->count; i++) {
        o->threads[i].is_woken = true;
        o->threads[i].ops->wake(o->threads[i].sender);
    }
}

void outbox_stop(struct outbox *o)
{
    if (!o)
        return;
    outbox_wake(o);
    for (size_t i = 0; i < o->count; i++)
        (void) uv_thread_join(&o->threads[i].thread);
    for (size_t i = 0; i < o->count; i++) {
        o->threads[i].ops->close(o->threads[i].sender);
        db_conn_close(o->threads[i].db);
        free(o->threads[i].kinds);
    }
    free(o);
}
