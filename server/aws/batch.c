/*
 * batch.c - many calls of one thread over one curl_multi.
 *
 * The owner starts, waits and takes; only aws_batch_wake() may be called by another thread. A
 * finished call is handed back once; where it lives is the owner's business.
 */
#include <curl/curl.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/id.h"

struct entry {
    struct aws_transfer *transfer; /* NULL: ended before it began */
    struct aws_call *call;
    struct entry *next, *previous;
};

struct aws_batch {
    struct aws_session *session;
    CURLM *multi;
    struct entry *open, *finished, *finished_tail;
    size_t n_open;
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

static void put_finished(struct aws_batch *b, struct entry *entry)
{
    entry->next = NULL;
    if (b->finished_tail)
        b->finished_tail->next = entry;
    else
        b->finished = entry;
    b->finished_tail = entry;
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
    for (struct entry *entry = b->finished, *next; entry; entry = next) {
        next = entry->next;
        free(entry);
    }
    b->open = b->finished = b->finished_tail = NULL;
    b->n_open = 0;
}

void aws_batch_free(struct aws_batch *b)
{
    if (!b)
        return;
    aws_batch_give_up(b);
    (void) curl_multi_cleanup(b->multi);
    free(b);
}

void aws_batch_start(struct aws_batch *b, struct aws_call *call)
{
    struct entry *entry = xcalloc(1, sizeof *entry);
    struct aws_attempt attempt = { 1, 1, NULL };
    char id[UUID_BYTES];

    uuid_new(id);
    attempt.invocation_id = id;
    entry->call = call;
    entry->transfer = aws_transfer_prepare(b->session, call, &attempt);
    if (!entry->transfer) {
        put_finished(b, entry);
        return;
    }
    entry->next = b->open;
    if (b->open)
        b->open->previous = entry;
    b->open = entry;
    b->n_open++;
    (void) curl_easy_setopt(aws_transfer_handle(entry->transfer), CURLOPT_PRIVATE, entry);
    (void) curl_multi_add_handle(b->multi, aws_transfer_handle(entry->transfer));
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
        drop_transfer(b, entry);
        take_out(b, entry);
        put_finished(b, entry);
    }
}

void aws_batch_wait(struct aws_batch *b, int64_t timeout_ms)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;

    for (;;) {
        int64_t left_ms;

        work(b);
        left_ms = until_ms - clock_mono_ms();
        if (b->finished || atomic_exchange(&b->is_woken, false) || left_ms <= 0)
            return;
        (void) curl_multi_poll(b->multi, NULL, 0, (int) (left_ms < 60000 ? left_ms : 60000), NULL);
    }
}

struct aws_call *aws_batch_take(struct aws_batch *b)
{
    struct entry *entry = b->finished;
    struct aws_call *call;

    if (!entry)
        return NULL;
    b->finished = entry->next;
    if (!b->finished)
        b->finished_tail = NULL;
    call = entry->call;
    free(entry);
    return call;
}

size_t aws_batch_open(const struct aws_batch *b)
{
    return b->n_open;
}

void aws_batch_wake(struct aws_batch *b)
{
    atomic_store(&b->is_woken, true);
    (void) curl_multi_wakeup(b->multi);
}
