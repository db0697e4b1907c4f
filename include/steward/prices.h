/*
 * prices.h - what Amazon Personalize charges: a dated table that the operator can replace.
 *
 * Amounts are millionths of the currency in 64 bits: exact for every price of the list and for
 * every month that anybody could pay for.
 */
#ifndef STEWARD_PRICES_H
#define STEWARD_PRICES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/err.h"
#include "steward/str.h"

#define MICROS          INT64_C(1000000)
#define PRICE_TIERS_MAX 8

struct price_tier {
    int64_t thousands; /* of requests a month at this price; 0: all that remain */
    int64_t price;     /* per 1,000 */
};

struct prices {
    char source[256], region[32], as_of[16], currency[8];
    int64_t hours_per_month;
    int64_t ingestion_per_gb;
    int64_t training_per_hour; /* custom recipes */
    struct price_tier requests[PRICE_TIERS_MAX];
    size_t n_requests;
    int64_t batch_per_1000;
    int64_t v2_training_per_1000, v2_requests_per_1000, v2_batch_per_1000;
    int64_t recommender_per_hour, recommender_users, recommender_requests_per_hour,
        recommender_extra_per_1000;
};

/* The table that is compiled in (model/prices.json). */
const struct prices *prices_builtin(void);
/* Another one of the same form. ERR_INVALID names the member that is missing or wrong. */
MUST_USE enum err_code prices_parse(const char *text, size_t n, struct prices *out, struct err *e);

/* "12.34" into millionths; false when it is no amount. */
bool money_parse(const char *text, int64_t *micros);
/* {"amount": "12.34", "currency": "USD"}, rounded to cents. Caller owns. */
json_t *money_json(int64_t micros, const struct prices *p);
/* Appends "12.34"; with a sign when is_signed. */
void money_text(int64_t micros, bool is_signed, struct buf *out);

/* Appends a price as the list writes it: as many digits as it has, at least two. */
void price_text(int64_t micros, struct buf *out);

/* What so many requests a second cost a month when they are paid for whether they come or not; the
 * sum in words is appended. */
int64_t prices_campaign(const struct prices *p, int64_t tps, bool is_v2, struct buf *words);
int64_t prices_recommender(const struct prices *p, int64_t rps, struct buf *words);

#endif
