/*
 * run.c - one blocking call. Reads are tried again as the SDKs' standard mode does; mutating calls
 * never.
 */
#include <curl/curl.h>
#include <string.h>

#include "aws_private.h"
#include "steward/id.h"

#define BACKOFF_BASE_MS 1000
#define BACKOFF_MAX_MS  20000
#define SKEW_MS         (4 * 60000L)

void aws_call_init(struct aws_call *call, enum aws_service service, const char *operation,
                   json_t *request)
{
    *call = (struct aws_call){ .service = service, .operation = operation, .request = request };
}

void aws_call_forget(struct aws_call *call)
{
    call->outcome = AWS_PENDING;
    call->error_class = AWS_ERROR_NONE;
    call->http_status = 0;
    call->error_code[0] = call->error_message[0] = call->request_id[0] = '\0';
    call->last_modified[0] = call->content_length[0] = call->etag[0] = '\0';
    json_decref(TAKE(call->response));
    free(TAKE(call->body));
    call->body_n = 0;
}

void aws_call_done(struct aws_call *call)
{
    aws_call_forget(call);
    json_decref(call->request);
    free(call->path);
    free(call->query);
    free(call->upload);
    *call = (struct aws_call){ 0 };
}

static void run_once(struct aws_session *s, struct aws_call *call,
                     const struct aws_attempt *attempt)
{
    struct aws_transfer *t;

    aws_call_forget(call);
    t = aws_transfer_prepare(s, call, attempt);
    if (!t)
        return;
    aws_transfer_finish(t, (int) curl_easy_perform(aws_transfer_handle(t)));
    aws_transfer_free(t);
}

static int64_t retry_cost(const struct aws_call *call)
{
    bool is_timeout =
        call->error_class == AWS_ERROR_TRANSPORT || call->error_class == AWS_ERROR_NOT_SENT;

    return is_timeout ? AWS_BUDGET_COST_TIMEOUT : AWS_BUDGET_COST_RETRY;
}

bool aws_retry_take(struct aws_session *s, const struct aws_call *call, int64_t *spent)
{
    int64_t cost = retry_cost(call);
    bool is_taken;

    (void) pthread_mutex_lock(&s->budget_lock);
    is_taken = aws_budget_take(&s->budgets[call->service], cost);
    (void) pthread_mutex_unlock(&s->budget_lock);
    if (is_taken)
        *spent = cost;
    return is_taken;
}

void aws_retry_give(struct aws_session *s, const struct aws_call *call, int64_t spent)
{
    (void) pthread_mutex_lock(&s->budget_lock);
    aws_budget_give(&s->budgets[call->service], spent);
    (void) pthread_mutex_unlock(&s->budget_lock);
}

int64_t aws_retry_pause_ms(int attempt)
{
    return aws_backoff_ms(attempt, BACKOFF_BASE_MS, BACKOFF_MAX_MS, random_below(UINT64_MAX));
}

/* A signature was refused for its time, and the answer told a clock we did not know: once more, at
 * no cost. */
static bool is_clock_news(const struct aws_session *s, const struct aws_call *call,
                          int64_t offset_before_ms)
{
    int64_t now_ms = atomic_load(&s->offset_ms[call->service]);
    int64_t change_ms =
        now_ms > offset_before_ms ? now_ms - offset_before_ms : offset_before_ms - now_ms;

    return call->sign_time_ms == 0 && call->outcome == AWS_REFUSED && change_ms >= SKEW_MS &&
           (call->error_class == AWS_ERROR_SIGNATURE_EXPIRED ||
            call->error_class == AWS_ERROR_CREDENTIALS ||
            call->error_class == AWS_ERROR_ACCESS_DENIED);
}

/* New keys are there after these were called expired. */
static bool is_new_key_worth_a_try(const struct aws_call *call)
{
    return call->outcome == AWS_REFUSED && call->error_class == AWS_ERROR_CREDENTIALS &&
           (str_starts(call->error_code, "ExpiredToken") ||
            str_eq(call->error_code, "TokenRefreshRequired"));
}

void aws_call_run(struct aws_session *s, struct aws_call *call)
{
    struct aws_attempt attempt = { .number = 1, .max = (int) s->settings.max_attempts };
    bool is_extra_used = false;
    int64_t spent = 0;
    char id[UUID_BYTES];

    uuid_new(id);
    attempt.invocation_id = id;
    if (call->is_mutating)
        attempt.max = 1;
    for (;;) {
        int64_t offset_ms = atomic_load(&s->offset_ms[call->service]);

        run_once(s, call, &attempt);
        if (call->is_mutating)
            return;
        if (call->outcome == AWS_DONE) {
            aws_retry_give(s, call, spent ? spent : 1);
            return;
        }
        if (!is_extra_used && (is_clock_news(s, call, offset_ms) || is_new_key_worth_a_try(call))) {
            is_extra_used = true;
            continue;
        }
        if (attempt.number >= attempt.max || !aws_is_worth_a_retry(call) ||
            !aws_retry_take(s, call, &spent))
            return;
        s->settings.src->sleep_ms(s->settings.src->context, aws_retry_pause_ms(attempt.number));
        attempt.number++;
    }
}

void aws_call_describe(const struct aws_call *call, char *out, size_t size)
{
    AUTO_BUF struct buf text = { 0 };

    buf_adds(&text, call->operation ? call->operation : "call");
    if (call->outcome == AWS_DONE)
        buf_adds(&text, ": done");
    if (call->error_code[0])
        buf_printf(&text, ": %s", call->error_code);
    if (call->error_message[0])
        buf_printf(&text, ": %s", call->error_message);
    if (call->request_id[0])
        buf_printf(&text, " (request %s)", call->request_id);
    (void) str_copy(out, size, text.data);
}
