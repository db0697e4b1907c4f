/*
 * budget.h - how often a client may ask a service that says no. Pure: time and chance are passed
 * in.
 *
 * A retry quota as the AWS SDKs have it (500 tokens; a throttled answer costs 5, a timeout 10, a
 * success returns 1), and on top of it a brake: when the quota is spent, calls go out one at a
 * time, at an interval that doubles with every refusal and halves with every success, until the
 * service answers again. A spacing that somebody asked for holds always.
 */
#ifndef STEWARD_BUDGET_H
#define STEWARD_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define AWS_BUDGET_CAPACITY        500
#define AWS_BUDGET_COST_RETRY      5
#define AWS_BUDGET_COST_TIMEOUT    10
#define AWS_BUDGET_INTERVAL_MIN_MS 16
#define AWS_BUDGET_INTERVAL_MAX_MS 5000

struct aws_budget {
    int64_t tokens;       /* 0 … AWS_BUDGET_CAPACITY */
    int64_t interval_ms;  /* 0: no brake */
    int64_t next_send_ms; /* with the brake on: not before */
    int64_t spacing_ms;   /* least time between two calls; 0: none */
};

void aws_budget_init(struct aws_budget *b);
/* The SDKs' quota: takes the cost of a retry, or says no and takes nothing. */
bool aws_budget_take(struct aws_budget *b, int64_t cost);
void aws_budget_give(struct aws_budget *b, int64_t cost);

/* May a call be sent now? True counts it as sent. False: *wait_ms says how long to wait before
 * asking again. */
bool aws_budget_admit(struct aws_budget *b, int64_t now_ms, int64_t *wait_ms);
/* What became of it. */
void aws_budget_succeeded(struct aws_budget *b);
void aws_budget_refused(struct aws_budget *b, int64_t cost, int64_t now_ms);

/* Full jitter: random of [0, min(cap, base * 2^(attempt - 1))); attempt from 1; random any 64 bits.
 */
int64_t aws_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms, uint64_t random);

#endif
