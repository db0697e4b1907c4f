/*
 * batch.c - many calls of one thread over one curl_multi.
 *
 * The owner starts, waits and takes; only aws_batch_wake() may be called by another thread. A
 * finished call is handed back once; where it lives is the owner's business. While the service's
 * brake is on, reads stand in line, first come first served; they are signed when they go. A read
 * that failed quickly rests a moment and goes again, as the SDKs' standard mode does, out of the
 * service's retry quota; what failed slowly is the owner's to wait for.
 */
#include <curl/curl.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/id.h"

#define QUICK_MS 1000

struct entry {
    struct aws_transfer *transfer; /* NULL: ended before it began */
    struct aws_call *call;
    struct entry *next, *previous;
    struct aws_attempt attempt;
    char id[UUID_BYTES];
    int64_t spent;         /* of the quota, for this attempt */
    int64_t rest_until_ms; /* clock_mono_ms() */
};

struct aws_batch {
    struct aws_session *session;
    CURLM *multi;
    struct entry *open, *finished, *finished_tail, *line, *line_tail, *resting;
    size_t n_open, n_in_line;
    atomic_bool is_woken;
};

struct aws_batch *aws_batch_new(struct aws_session *s)
{
    struct aws_batch *b = xcalloc(1, sizeof *b);

    b->session = s;
    b->multi = curl_multi_init();
    if (!b->multi)
        mem_exhausted();
    (void) curl_multi_setopt(b->multi, CURLMOPT_MAXCONNECTS, 16L);
    return b;
}

static void append(struct entry **first, struct entry **tail, struct entry *entry)
{
    entry->next = NULL;
    if (*tail)
        (*tail)->next = entry;
    else
        *first = entry;
    *tail = entry;
}

static struct entry *take_first(struct entry **first, struct entry **tail)
{
    struct entry *entry = *first;

    *first = entry->next;
    if (!*first)
        *tail = NULL;
    return entry;
}

static void put_finished(struct aws_batch *b, struct entry *entry)
{
    append(&b->finished, &b->finished_tail, entry);
}

static void take_out(struct aws_batch *b, struct entry *entry)
{
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        b->open = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
    b->n_open--;
}

static void drop_transfer(struct aws_batch *b, struct entry *entry)
{
    if (!entry->transfer)
        return;
    (void) curl_multi_remove_handle(b->multi, aws_transfer_handle(entry->transfer));
    aws_transfer_free(TAKE(entry->transfer));
}

void aws_batch_give_up(struct aws_batch *b)
{
    for (struct entry *entry = b->open, *next; entry; entry = next) {
        next = entry->next;
        drop_transfer(b, entry);
        free(entry);
    }
    while (b->finished)
        free(take_first(&b->finished, &b->finished_tail));
    while (b->line)
        free(take_first(&b->line, &b->line_tail));
    for (struct entry *entry = b->resting, *next; entry; entry = next) {
        next = entry->next;
        free(entry);
    }
    b->open = b->resting = NULL;
    b->n_open = b->n_in_line = 0;
}

void aws_batch_free(struct aws_batch *b)
{
    if (!b)
        return;
    aws_batch_give_up(b);
    (void) curl_multi_cleanup(b->multi);
    free(b);
}

static void begin(struct aws_batch *b, struct entry *entry)
{
    entry->transfer = aws_transfer_prepare(b->session, entry->call, &entry->attempt);
    if (!entry->transfer) {
        put_finished(b, entry);
        return;
    }
    entry->previous = NULL;
    entry->next = b->open;
    if (b->open)
        b->open->previous = entry;
    b->open = entry;
    b->n_open++;
    (void) curl_easy_setopt(aws_transfer_handle(entry->transfer), CURLOPT_PRIVATE, entry);
    (void) curl_multi_add_handle(b->multi, aws_transfer_handle(entry->transfer));
}

static int max_attempts(const struct aws_batch *b)
{
    return (int) b->session->settings.max_attempts;
}

void aws_batch_start(struct aws_batch *b, struct aws_call *call)
{
    struct entry *entry = xcalloc(1, sizeof *entry);

    entry->call = call;
    entry->attempt = (struct aws_attempt){ 1, call->is_mutating ? 1 : max_attempts(b), entry->id };
    uuid_new(entry->id);
    if (call->is_mutating) {
        begin(b, entry);
        return;
    }
    append(&b->line, &b->line_tail, entry);
    b->n_in_line++;
}

/* Whether it goes again; it rests until then. */
static bool rest(struct aws_batch *b, struct entry *entry)
{
    struct aws_call *call = entry->call;

    if (entry->attempt.number >= entry->attempt.max || call->duration_ms >= QUICK_MS ||
        call->error_class == AWS_ERROR_THROTTLED || !aws_is_worth_a_retry(call) ||
        !aws_retry_take(b->session, call, &entry->spent))
        return false;
    entry->rest_until_ms = clock_mono_ms() + aws_retry_pause_ms(entry->attempt.number);
    entry->attempt.number++;
    aws_call_forget(call);
    entry->next = b->resting;
    b->resting = entry;
    b->n_open++;
    return true;
}

static void wake_rested(struct aws_batch *b, int64_t *wait_ms)
{
    int64_t now = clock_mono_ms();

    for (struct entry **at = &b->resting, *entry; (entry = *at);) {
        int64_t left = entry->rest_until_ms - now;

        if (left <= 0) {
            *at = entry->next;
            b->n_open--;
            b->n_in_line++;
            append(&b->line, &b->line_tail, entry);
            continue;
        }
        if (left < *wait_ms)
            *wait_ms = left;
        at = &entry->next;
    }
}

/* Who stands in line goes as far as the brake lets them. How long until somebody may again, at most
 * limit_ms. */
static int64_t admit(struct aws_batch *b, int64_t limit_ms)
{
    int64_t wait_ms = limit_ms, brake_ms;

    wake_rested(b, &wait_ms);
    while (b->line) {
        if (!aws_admit(b->session, b->line->call->service, &brake_ms))
            return brake_ms < wait_ms ? brake_ms : wait_ms;
        b->n_in_line--;
        begin(b, take_first(&b->line, &b->line_tail));
    }
    return wait_ms;
}

/* Lets libcurl work and moves what has ended. */
static void work(struct aws_batch *b)
{
    CURLMsg *message;
    int running, left;

    (void) curl_multi_perform(b->multi, &running);
    while ((message = curl_multi_info_read(b->multi, &left))) {
        CURL *curl = message->easy_handle;
        CURLcode code = message->data.result;
        struct entry *entry = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void) curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **) &entry);
        aws_transfer_finish(entry->transfer, (int) code);
        aws_brake_note(b->session, entry->call);
        drop_transfer(b, entry);
        take_out(b, entry);
        if (entry->call->outcome == AWS_DONE)
            aws_retry_give(b->session, entry->call, entry->spent);
        else if (rest(b, entry))
            continue;
        put_finished(b, entry);
    }
}

void aws_batch_wait(struct aws_batch *b, int64_t timeout_ms)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;

    for (;;) {
        int64_t left_ms, next_ms = admit(b, 60000);

        work(b);
        left_ms = until_ms - clock_mono_ms();
        if (b->finished || atomic_exchange(&b->is_woken, false) || left_ms <= 0)
            return;
        (void) curl_multi_poll(b->multi, NULL, 0, (int) (left_ms < next_ms ? left_ms : next_ms),
                               NULL);
    }
}

struct aws_call *aws_batch_take(struct aws_batch *b)
{
    struct entry *entry;
    struct aws_call *call;

    if (!b->finished)
        return NULL;
    entry = take_first(&b->finished, &b->finished_tail);
    call = entry->call;
    free(entry);
    return call;
}

size_t aws_batch_open(const struct aws_batch *b)
{
    return b->n_open + b->n_in_line;
}

size_t aws_batch_in_line(const struct aws_batch *b)
{
    return b->n_in_line;
}

void aws_batch_wake(struct aws_batch *b)
{
    atomic_store(&b->is_woken, true);
    (void) curl_multi_wakeup(b->multi);
}
