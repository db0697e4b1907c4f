/*
 * brake.c - one brake for each service, for all threads of the process.
 *
 * Each throttled answer costs of the retry quota; once that is spent, calls go out one at a time
 * until the service takes them again (budget.h). Only throttling brakes: whoever gets a 5xx, or no
 * answer, backs off by himself, and the others' calls tell them nothing.
 */
#include "aws_private.h"
#include "steward/clock.h"
#include "steward/log.h"

bool aws_admit(struct aws_session *s, enum aws_service service, int64_t *wait_ms)
{
    bool is_admitted;

    (void) pthread_mutex_lock(&s->budget_lock);
    is_admitted = aws_budget_admit(&s->budgets[service], clock_mono_ms(), wait_ms);
    (void) pthread_mutex_unlock(&s->budget_lock);
    return is_admitted;
}

/* The service read the request and answered it, if only with a no. */
static bool is_taken(const struct aws_call *call)
{
    return call->outcome == AWS_DONE ||
           (call->outcome == AWS_REFUSED && call->error_class != AWS_ERROR_NOT_SENT);
}

void aws_brake_note(struct aws_session *s, const struct aws_call *call)
{
    struct aws_budget *b = &s->budgets[call->service];
    bool was_on, is_on;

    (void) pthread_mutex_lock(&s->budget_lock);
    was_on = b->interval_ms > 0;
    if (call->error_class == AWS_ERROR_THROTTLED)
        aws_budget_refused(b, AWS_BUDGET_COST_RETRY, clock_mono_ms());
    else if (is_taken(call))
        aws_budget_succeeded(b);
    is_on = b->interval_ms > 0;
    (void) pthread_mutex_unlock(&s->budget_lock);
    if (is_on != was_on)
        log_event(is_on ? LOG_WARN : LOG_INFO, "aws", is_on ? "brake_on" : "brake_off",
                  "service=%s", aws_services[call->service].id);
}
