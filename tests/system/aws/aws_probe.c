/*
 * aws_probe.c - makes AWS calls from the command line, one JSON line per result.
 *
 *   aws_probe call SERVICE OPERATION JSON    aws_probe s3-list BUCKET PREFIX    aws_probe
 * s3-get|s3-head BUCKET KEY aws_probe identity    aws_probe settings    aws_probe sign|verify
 *
 * Options come first: --endpoint URL --ca FILE --profile NAME --region NAME --local --mutating
 * --batch N --threads N --repeat N
 * --pause-ms N --late (a deadline that has passed) --connect-ms N --total-ms N --first-bytes N
 * --wake-ms N
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "aws_probe.h"
#include "steward/aws.h"
#include "steward/clock.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

static const char *const service_names[AWS_SERVICE_COUNT] = { "personalize",
                                                              "personalize-runtime",
                                                              "personalize-events",
                                                              "s3",
                                                              "sts",
                                                              "events",
                                                              "sns",
                                                              "cloudwatch",
                                                              "sqs" };
static const char *const outcome_names[] = { "pending", "done", "refused", "unknown" };
static const char *const class_names[] = {
    "none",      "not_found", "exists",        "in_use",      "limit",
    "throttled", "invalid",   "access_denied", "credentials", "signature_expired",
    "not_sent",  "server",    "transport",     "other"
};

struct plan {
    struct aws_options options;
    struct aws_session *session;
    char **words;
    int n_words;
    bool is_mutating, is_late, is_sequential;
    int64_t batch, threads, repeat, pause_ms, first_bytes, wake_ms, send_within_ms;
};

static pthread_mutex_t print_lock = PTHREAD_MUTEX_INITIALIZER;

static void print_json(json_t *object)
{
    AUTO_FREE char *text = json_compact(object);

    (void) pthread_mutex_lock(&print_lock);
    (void) puts(text);
    (void) fflush(stdout);
    (void) pthread_mutex_unlock(&print_lock);
    json_decref(object);
}

static void add_listing(const struct aws_call *call, json_t *to)
{
    struct s3_listing listing;
    struct err e;
    json_t *keys = json_array();

    if (aws_s3_parse_list(call->body, call->body_n, &listing, &e) != OK) {
        (void) json_object_set_new(to, "listError", json_string(e.message));
        json_decref(keys);
        return;
    }
    for (size_t i = 0; i < listing.count; i++)
        (void) json_array_append_new(
            keys, json_pack("[s,I,I]", listing.objects[i].key, (json_int_t) listing.objects[i].size,
                            (json_int_t) listing.objects[i].last_modified_ms));
    (void) json_object_set_new(to, "keys", keys);
    if (listing.next_token)
        (void) json_object_set_new(to, "next", json_string(listing.next_token));
    aws_s3_listing_done(&listing);
}

static void print_call(const struct plan *p, const struct aws_call *call)
{
    char text[400];
    json_t *o;

    aws_call_describe(call, text, sizeof text);
    o = json_pack("{s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:I,s:I}", "outcome", outcome_names[call->outcome],
                  "class", class_names[call->error_class], "status", call->http_status, "code",
                  call->error_code, "message", call->error_message, "requestId", call->request_id,
                  "text", text, "durationMs", (json_int_t) call->duration_ms, "offsetMs",
                  (json_int_t) aws_clock_offset_ms(p->session, call->service));
    if (call->response)
        (void) json_object_set(o, "response", call->response);
    if (call->body) {
        (void) json_object_set_new(o, "bodyBytes", json_integer((json_int_t) call->body_n));
        if (call->body_n < 4096)
            (void) json_object_set_new(o, "body", json_stringn(call->body, call->body_n));
    }
    if (call->etag[0])
        (void) json_object_set_new(o, "etag", json_string(call->etag));
    if (call->content_length[0])
        (void) json_object_set_new(o, "contentLength", json_string(call->content_length));
    if (call->body && str_eq(call->operation, "ListObjectsV2"))
        add_listing(call, o);
    print_json(o);
}

/* Fills the call from the command line; false when it says nothing we know. */
static bool make_call(const struct plan *p, struct aws_call *call)
{
    const char *what = p->words[0];
    json_t *request = NULL;
    struct err e;

    if (str_eq(what, "call") && p->n_words == 4) {
        for (enum aws_service i = 0; i < AWS_SERVICE_COUNT; i++) {
            if (!str_eq(service_names[i], p->words[1]))
                continue;
            if (json_parse(p->words[3], strlen(p->words[3]), &request, NULL, &e) != OK)
                return false;
            aws_call_init(call, i, p->words[2], request);
            break;
        }
        if (!request)
            return false;
    } else if (str_eq(what, "s3-list") && p->n_words >= 3) {
        aws_s3_list_call(call, p->words[1], p->words[2], p->n_words > 3 ? p->words[3] : NULL);
    } else if (str_eq(what, "s3-get") && p->n_words == 3) {
        aws_s3_get_call(call, p->words[1], p->words[2]);
    } else if (str_eq(what, "s3-head") && p->n_words == 3) {
        aws_s3_head_call(call, p->words[1], p->words[2]);
    } else {
        return false;
    }
    call->is_mutating = p->is_mutating;
    call->first_bytes = (uint64_t) p->first_bytes;
    if (p->send_within_ms)
        call->not_after_mono_ms = clock_mono_ms() + p->send_within_ms;
    if (p->is_late)
        call->not_after_mono_ms = clock_mono_ms() - 1;
    return true;
}

static void pause_ms(int64_t ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

    (void) nanosleep(&ts, NULL);
}

/* One thread's share: the call, repeated. */
static void *run_calls(void *context)
{
    const struct plan *p = context;

    for (int64_t i = 0; i < p->repeat; i++) {
        struct aws_call call;

        if (!make_call(p, &call))
            return "the command is not understood";
        aws_call_run(p->session, &call);
        print_call(p, &call);
        aws_call_done(&call);
        if (p->pause_ms)
            pause_ms(p->pause_ms);
    }
    return NULL;
}

static int run_threads(struct plan *p)
{
    pthread_t threads[64];
    int failures = 0;

    for (int64_t i = 0; i < p->threads; i++)
        if (pthread_create(&threads[i], NULL, run_calls, p) != 0)
            return 2;
    for (int64_t i = 0; i < p->threads; i++) {
        void *why = NULL;

        (void) pthread_join(threads[i], &why);
        failures += why != NULL;
    }
    return failures ? 2 : 0;
}

struct waker {
    struct aws_batch *batch;
    int64_t wake_ms;
};

static void *wake_later(void *context)
{
    const struct waker *w = context;

    pause_ms(w->wake_ms);
    aws_batch_wake(w->batch);
    return NULL;
}

/* One call at a time over one set of connections: read, mutating, read, mutating … */
static int run_sequence(struct plan *p)
{
    struct aws_batch *b = aws_batch_new(p->session);

    for (int64_t i = 0; i < p->batch; i++) {
        struct aws_call call;

        if (!make_call(p, &call))
            return 2;
        call.is_mutating = p->is_mutating && i % 2 == 1;
        aws_batch_start(b, &call);
        while (!aws_batch_take(b))
            aws_batch_wait(b, 1000);
        print_call(p, &call);
        aws_call_done(&call);
    }
    aws_batch_free(b);
    return 0;
}

static int run_batch(struct plan *p)
{
    struct aws_call *calls = xcalloc((size_t) p->batch, sizeof *calls), *call;
    struct aws_batch *b = aws_batch_new(p->session);
    struct waker waker = { b, p->wake_ms };
    int64_t left = p->batch, waits = 0;
    pthread_t thread;

    for (int64_t i = 0; i < p->batch; i++) {
        if (!make_call(p, &calls[i]))
            return 2;
        aws_batch_start(b, &calls[i]);
    }
    if (p->wake_ms) {
        int64_t start_ms = clock_mono_ms();

        (void) pthread_create(&thread, NULL, wake_later, &waker);
        aws_batch_wait(b, 10000);
        print_json(json_pack("{s:I,s:I}", "wokenAfterMs", (json_int_t) (clock_mono_ms() - start_ms),
                             "open", (json_int_t) aws_batch_open(b)));
        (void) pthread_join(thread, NULL);
        left = 0; /* the open ones are aborted */
    }
    while (left > 0 && waits++ < 10000) {
        aws_batch_wait(b, 1000);
        while ((call = aws_batch_take(b))) {
            print_call(p, call);
            left--;
        }
    }
    aws_batch_free(b);
    for (int64_t i = 0; i < p->batch; i++)
        aws_call_done(&calls[i]);
    free(calls);
    return left == 0 ? 0 : 2;
}

static int show_identity(struct plan *p)
{
    AUTO_FREE char *account = NULL;
    AUTO_FREE char *arn = NULL;
    struct err e;

    if (aws_caller_account(p->session, &account, &arn, &e) != OK) {
        print_json(json_pack("{s:s,s:s}", "error", e.message, "slug", err_slug(e.code)));
        return 1;
    }
    print_json(json_pack("{s:s,s:s}", "account", account, "arn", arn));
    return 0;
}

static int show_settings(const struct plan *p)
{
    json_t *o =
        json_pack("{s:s,s:s,s:b}", "region", aws_region(p->session), "partition",
                  aws_partition(p->session), "isCustom", aws_is_endpoint_custom(p->session));

    for (enum aws_service i = 0; i < AWS_SERVICE_COUNT; i++)
        (void) json_object_set_new(o, service_names[i], json_string(aws_endpoint(p->session, i)));
    print_json(o);
    return 0;
}

static int64_t number(const char *text)
{
    int64_t value = 0;

    if (!str_to_i64(text, 0, 1000000, &value)) {
        (void) fprintf(stderr, "not a number: %s\n", text);
        exit(2);
    }
    return value;
}

static void parse_options(int argc, char **argv, struct plan *p)
{
    static const struct option options[] = {
        { "endpoint", 1, NULL, 'e' },   { "ca", 1, NULL, 'c' },
        { "profile", 1, NULL, 'p' },    { "region", 1, NULL, 'r' },
        { "mutating", 0, NULL, 'm' },   { "batch", 1, NULL, 'b' },
        { "threads", 1, NULL, 't' },    { "repeat", 1, NULL, 'n' },
        { "pause-ms", 1, NULL, 'w' },   { "late", 0, NULL, 'l' },
        { "local", 0, NULL, 'L' },      { "connect-ms", 1, NULL, 'C' },
        { "total-ms", 1, NULL, 'T' },   { "send-within-ms", 1, NULL, 'S' },
        { "sequential", 0, NULL, 's' }, { "first-bytes", 1, NULL, 'f' },
        { "wake-ms", 1, NULL, 'W' },    { NULL, 0, NULL, 0 }
    };
    int c;

    while ((c = getopt_long(argc, argv, "+", options, NULL)) !=
           -1) { // NOLINT(concurrency-mt-unsafe)
        switch (c) {
        case 'e':
            p->options.endpoint_url = optarg;
            break;
        case 'c':
            p->options.ca_bundle = optarg;
            break;
        case 'p':
            p->options.profile = optarg;
            break;
        case 'r':
            p->options.region = optarg;
            break;
        case 'm':
            p->is_mutating = true;
            break;
        case 'b':
            p->batch = number(optarg);
            break;
        case 't':
            p->threads = number(optarg);
            break;
        case 'n':
            p->repeat = number(optarg);
            break;
        case 'w':
            p->pause_ms = number(optarg);
            break;
        case 'l':
            p->is_late = true;
            break;
        case 'S':
            p->send_within_ms = number(optarg);
            break;
        case 's':
            p->is_sequential = true;
            break;
        case 'L':
            p->options.is_ambient_ignored = true;
            break;
        case 'C':
            p->options.connect_timeout_ms = number(optarg);
            break;
        case 'T':
            p->options.total_timeout_ms = number(optarg);
            break;
        case 'f':
            p->first_bytes = number(optarg);
            break;
        case 'W':
            p->wake_ms = number(optarg);
            break;
        default:
            exit(2);
        }
    }
    p->words = argv + optind;
    p->n_words = argc - optind;
}

int main(int argc, char **argv)
{
    struct plan p = { .threads = 1, .repeat = 1 };
    struct err e;
    int rc;

    mem_init();
    log_init(LOG_DEBUG, false);
    parse_options(argc, argv, &p);
    if (p.n_words < 1 || p.threads > 64)
        return 2;
    if (str_eq(p.words[0], "sign"))
        return probe_sign();
    if (str_eq(p.words[0], "verify"))
        return probe_verify();
    if (aws_session_open(&p.options, &p.session, &e) != OK) {
        print_json(json_pack("{s:s,s:s}", "error", e.message, "slug", err_slug(e.code)));
        return 1;
    }
    if (str_eq(p.words[0], "identity"))
        rc = show_identity(&p);
    else if (str_eq(p.words[0], "settings"))
        rc = show_settings(&p);
    else
        rc = p.is_sequential ? run_sequence(&p) : p.batch ? run_batch(&p) : run_threads(&p);
    aws_session_close(p.session);
    return rc;
}
