/*
 * budget.c - the retry quota and the brake. Pure.
 */
#include "steward/budget.h"

void aws_budget_init(struct aws_budget *b)
{
    *b = (struct aws_budget){ .tokens = AWS_BUDGET_CAPACITY };
}

bool aws_budget_take(struct aws_budget *b, int64_t cost)
{
    if (b->tokens < cost)
        return false;
    b->tokens -= cost;
    return true;
}

void aws_budget_give(struct aws_budget *b, int64_t cost)
{
    b->tokens += cost;
    if (b->tokens > AWS_BUDGET_CAPACITY)
        b->tokens = AWS_BUDGET_CAPACITY;
}

bool aws_budget_admit(struct aws_budget *b, int64_t now_ms, int64_t *wait_ms)
{
    int64_t interval_ms = b->interval_ms > b->spacing_ms ? b->interval_ms : b->spacing_ms;

    *wait_ms = 0;
    if (interval_ms == 0)
        return true;
    if (now_ms < b->next_send_ms) {
        *wait_ms = b->next_send_ms - now_ms;
        return false;
    }
    b->next_send_ms = now_ms + interval_ms;
    return true;
}

void aws_budget_succeeded(struct aws_budget *b)
{
    aws_budget_give(b, 1);
    if (b->interval_ms == 0)
        return;
    b->next_send_ms -= b->interval_ms / 2;
    b->interval_ms /= 2;
    if (b->interval_ms >= AWS_BUDGET_INTERVAL_MIN_MS)
        return;
    /* Answered several times in a row: off with the brake, with enough in hand not to fall back at
     * the first no. */
    b->interval_ms = 0;
    if (b->tokens < AWS_BUDGET_CAPACITY / 4)
        b->tokens = AWS_BUDGET_CAPACITY / 4;
}

void aws_budget_refused(struct aws_budget *b, int64_t cost, int64_t now_ms)
{
    if (b->interval_ms == 0 && aws_budget_take(b, cost))
        return;
    b->interval_ms = b->interval_ms == 0 ? 1000 : 2 * b->interval_ms;
    if (b->interval_ms > AWS_BUDGET_INTERVAL_MAX_MS)
        b->interval_ms = AWS_BUDGET_INTERVAL_MAX_MS;
    if (b->next_send_ms < now_ms + b->interval_ms)
        b->next_send_ms = now_ms + b->interval_ms;
}

int64_t aws_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms, uint64_t random)
{
    int64_t limit = base_ms;

    for (int i = 1; i < attempt && limit < cap_ms; i++)
        limit *= 2;
    if (limit > cap_ms)
        limit = cap_ms;
    return limit > 0 ? (int64_t) (random % (uint64_t) limit) : 0;
}
