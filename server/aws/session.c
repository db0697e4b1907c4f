/*
 * session.c - opens what the calls share, and answers questions about it.
 */
#include <string.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/json.h"

enum err_code aws_session_open_with(const struct aws_options *options, struct aws_sources *src,
                                    struct aws_session **out, struct err *e)
{
    struct aws_session *s = xcalloc(1, sizeof *s);
    enum err_code rc;

    *out = NULL;
    aws_curl_init();
    rc = aws_settings_open(options, src, &s->settings, e);
    if (rc != OK) {
        free(s);
        return rc;
    }
    aws_cache_init(&s->cache);
    (void) pthread_mutex_init(&s->budget_lock, NULL);
    for (size_t i = 0; i < AWS_SERVICE_COUNT; i++) {
        aws_budget_init(&s->budgets[i]);
        s->budgets[i].spacing_ms = options->call_spacing_ms;
    }
    *out = s;
    return OK;
}

enum err_code aws_session_open(const struct aws_options *options, struct aws_session **out,
                               struct err *e)
{
    struct aws_sources *src = aws_sources_new();
    enum err_code rc = aws_session_open_with(options, src, out, e);

    if (rc == OK)
        (*out)->owned_sources = src;
    else
        aws_sources_free(src);
    return rc;
}

void aws_session_close(struct aws_session *s)
{
    if (!s)
        return;
    if (s->settings.src->stop)
        s->settings.src->stop(s->settings.src->context);
    aws_cache_done(&s->cache);
    (void) pthread_mutex_destroy(&s->budget_lock);
    aws_settings_done(&s->settings);
    aws_sources_free(s->owned_sources);
    free(s);
}

const char *aws_region(const struct aws_session *s)
{
    return s->settings.region;
}

const char *aws_partition(const struct aws_session *s)
{
    return s->settings.partition->id;
}

const char *aws_endpoint(const struct aws_session *s, enum aws_service service)
{
    return s->settings.endpoints[service];
}

bool aws_is_endpoint_custom(const struct aws_session *s)
{
    return s->settings.is_custom[AWS_PERSONALIZE];
}

int64_t aws_clock_offset_ms(const struct aws_session *s, enum aws_service service)
{
    return atomic_load(&s->offset_ms[service]);
}

int64_t aws_time_at_mono_ms(const struct aws_session *s, enum aws_service service, int64_t mono_ms)
{
    int64_t offset_ms = atomic_load(&s->mono_offset_ms[service]);

    return offset_ms
               ? mono_ms + offset_ms
               : clock_wall_ms() - (clock_mono_ms() - mono_ms) + aws_clock_offset_ms(s, service);
}

/* The code of a failed call as ours. */
static enum err_code failure_code(const struct aws_call *call)
{
    switch (call->error_class) {
    case AWS_ERROR_CREDENTIALS:
    case AWS_ERROR_SIGNATURE_EXPIRED:
        return ERR_AUTH;
    case AWS_ERROR_ACCESS_DENIED:
        return ERR_FORBIDDEN;
    case AWS_ERROR_THROTTLED:
        return ERR_THROTTLED;
    case AWS_ERROR_NONE:
    case AWS_ERROR_NOT_FOUND:
    case AWS_ERROR_EXISTS:
    case AWS_ERROR_IN_USE:
    case AWS_ERROR_LIMIT:
    case AWS_ERROR_INVALID:
    case AWS_ERROR_NOT_SENT:
    case AWS_ERROR_SERVER:
    case AWS_ERROR_TRANSPORT:
    case AWS_ERROR_OTHER:
        break;
    }
    return ERR_UNAVAILABLE;
}

enum err_code aws_caller_account(struct aws_session *s, char **account, char **arn, struct err *e)
{
    __attribute__((cleanup(aws_call_done))) struct aws_call call;
    const char *found, *found_arn;
    char text[400];

    aws_call_init(&call, AWS_STS, "GetCallerIdentity", json_object());
    aws_call_run(s, &call);
    if (call.outcome != AWS_DONE) {
        aws_call_describe(&call, text, sizeof text);
        (void) err_set(e, failure_code(&call), "AWS does not say who we are: %.180s", text);
        return err_detail(e, "%s", text);
    }
    found = json_text(call.response, "Account");
    found_arn = json_text(call.response, "Arn");
    if (!found || !found_arn)
        return err_set(e, ERR_UNAVAILABLE, "STS answered without an account.");
    *account = xstrdup(found);
    if (arn)
        *arn = xstrdup(found_arn);
    return OK;
}
