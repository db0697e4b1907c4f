/*
 * prices.c - the price list, and the two sums that stand whether anybody asks or not.
 *
 * Minimum throughput is billed every hour: a campaign's by the request, a recommender's by the
 * hour. What is computed here is therefore a floor: without traffic above the minimum.
 */
#include "steward/prices.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"

#define RATE_MAX 1000000 /* requests a second; more would not be a throughput but a mistake */

extern const char prices_json[]; /* prices_data.c */

/* ---- money ---- */

bool money_parse(const char *text, int64_t *micros)
{
    size_t whole = text ? strspn(text, "0123456789") : 0, part = 0;
    int64_t value = 0;

    if (whole == 0 || whole > 12)
        return false;
    if (text[whole] == '.')
        part = strspn(text + whole + 1, "0123456789") + 1;
    if (part == 1 || part > 7 || text[whole + part])
        return false;
    for (size_t i = 0; i < whole; i++)
        value = value * 10 + (text[i] - '0');
    for (size_t i = 1; i <= 6; i++)
        value = value * 10 + (i < part ? text[whole + i] - '0' : 0);
    *micros = value;
    return true;
}

void money_text(int64_t micros, bool is_signed, struct buf *out)
{
    bool is_negative = micros < 0;
    int64_t cents = ((is_negative ? -micros : micros) + MICROS / 200) / (MICROS / 100);

    buf_printf(out, "%s%" PRId64 ".%02d",
               is_negative && cents ? "-"
               : is_signed          ? "+"
                                    : "",
               cents / 100, (int) (cents % 100));
}

json_t *money_json(int64_t micros, const struct prices *p)
{
    AUTO_BUF struct buf amount = { 0 };

    money_text(micros, false, &amount);
    return json_pack("{s:s, s:s}", "amount", amount.data, "currency", p->currency);
}

/* ---- the list ---- */

static const struct {
    const char *name;
    size_t offset;
    bool is_money;
} members[] = {
    { "hoursPerMonth", offsetof(struct prices, hours_per_month), false },
    { "ingestionPerGB", offsetof(struct prices, ingestion_per_gb), true },
    { "customTrainingPerHour", offsetof(struct prices, training_per_hour), true },
    { "customBatchPer1000", offsetof(struct prices, batch_per_1000), true },
    { "v2TrainingPer1000Interactions", offsetof(struct prices, v2_training_per_1000), true },
    { "v2RequestsPer1000", offsetof(struct prices, v2_requests_per_1000), true },
    { "v2BatchPer1000", offsetof(struct prices, v2_batch_per_1000), true },
    { "recommenderPerHour", offsetof(struct prices, recommender_per_hour), true },
    { "recommenderUsers", offsetof(struct prices, recommender_users), false },
    { "recommenderRequestsPerHour", offsetof(struct prices, recommender_requests_per_hour), false },
    { "recommenderExtraPer1000", offsetof(struct prices, recommender_extra_per_1000), true },
};

/* No price of a list like this one comes near it; sums of larger ones would not fit. */
static bool is_sane(int64_t value, bool is_money)
{
    return value >= 0 && value <= (is_money ? 10000 * MICROS : 1000000000);
}

static enum err_code take_member(const json_t *list, size_t i, struct prices *out, struct err *e)
{
    const json_t *value = json_object_get(list, members[i].name);
    int64_t *field = (int64_t *) (void *) ((char *) out + members[i].offset);
    bool is_good =
        members[i].is_money ? money_parse(json_string_value(value), field) : json_is_integer(value);

    if (is_good && !members[i].is_money)
        *field = json_integer_value(value);
    if (is_good && is_sane(*field, members[i].is_money))
        return OK;
    return err_set(e, ERR_INVALID, "The price list needs \"%s\": %s.", members[i].name,
                   members[i].is_money ? "an amount as text, such as \"0.05\"" : "a whole number");
}

static enum err_code take_tiers(const json_t *list, struct prices *out, struct err *e)
{
    const json_t *tiers = json_object_get(list, "customRequestsPer1000");
    size_t i;
    json_t *tier;

    if (json_array_size(tiers) < 1 || json_array_size(tiers) > PRICE_TIERS_MAX)
        return err_set(e, ERR_INVALID,
                       "The price list needs \"customRequestsPer1000\": a list of 1 to %d tiers.",
                       PRICE_TIERS_MAX);
    json_array_foreach ((json_t *) tiers, i, tier) {
        struct price_tier *t = &out->requests[out->n_requests++];

        t->thousands = json_int_or(tier, "thousandsPerMonth", 0);
        if (!money_parse(json_text(tier, "price"), &t->price) || !is_sane(t->price, true) ||
            !is_sane(t->thousands, false) ||
            (t->thousands == 0) != (i + 1 == json_array_size(tiers)))
            return err_set(e, ERR_INVALID,
                           "Tier %zu of \"customRequestsPer1000\" needs a \"price\", and all but "
                           "the last \"thousandsPerMonth\".",
                           i);
    }
    return OK;
}

enum err_code prices_parse(const char *text, size_t n, struct prices *out, struct err *e)
{
    AUTO_JSON json_t *list = NULL;

    *out = (struct prices){ 0 };
    TRY(json_parse(text, n, &list, NULL, e));
    str_copy(out->source, sizeof out->source, json_text_or(list, "source", ""));
    str_copy(out->region, sizeof out->region, json_text_or(list, "region", ""));
    str_copy(out->as_of, sizeof out->as_of, json_text_or(list, "asOf", ""));
    str_copy(out->currency, sizeof out->currency, json_text_or(list, "currency", ""));
    if (strlen(out->currency) != 3 || str_is_empty(out->as_of))
        return err_set(e, ERR_INVALID, "The price list needs \"currency\" and \"asOf\".");
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        TRY(take_member(list, i, out, e));
    return take_tiers(list, out, e);
}

static struct prices builtin;

static void read_builtin(void)
{
    struct err e;

    if (prices_parse(prices_json, strlen(prices_json), &builtin, &e)) {
        (void) fprintf(stderr, "model/prices.json: %s\n", e.message);
        abort();
    }
}

const struct prices *prices_builtin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, read_builtin);
    return &builtin;
}

/* ---- sums ---- */

/* 1234567 as "1,234,567". */
static void add_number(int64_t n, struct buf *out)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRId64, n);

    for (int i = 0; i < length; i++)
        buf_printf(out, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

void price_text(int64_t micros, struct buf *out)
{
    char text[32];
    int n =
        snprintf(text, sizeof text, "%" PRId64 ".%06d", micros / MICROS, (int) (micros % MICROS));

    while (n > 0 && text[n - 1] == '0' && text[n - 3] != '.')
        text[--n] = '\0';
    buf_adds(out, text);
}

static int64_t bounded(int64_t rate)
{
    return rate < 0 ? 0 : rate > RATE_MAX ? RATE_MAX : rate;
}

int64_t prices_campaign(const struct prices *p, int64_t tps, bool is_v2, struct buf *words)
{
    const struct price_tier flat = { .price = p->v2_requests_per_1000 };
    const struct price_tier *tiers = is_v2 ? &flat : p->requests;
    size_t n = is_v2 ? 1 : p->n_requests;
    int64_t requests = bounded(tps) * 3600 * p->hours_per_month, left = requests, sum = 0;

    add_number(tps, words);
    buf_printf(words, " TPS x 3,600 s x %" PRId64 " h = ", p->hours_per_month);
    add_number(requests, words);
    buf_adds(words, " requests a month, ");
    for (size_t i = 0; i < n && left > 0; i++) {
        int64_t part = tiers[i].thousands && tiers[i].thousands * 1000 < left
                           ? tiers[i].thousands * 1000
                           : left;

        if (i > 0)
            buf_adds(words, " + ");
        if (part < requests) {
            add_number(part, words);
            buf_adds(words, " ");
        }
        buf_adds(words, "at ");
        price_text(tiers[i].price, words);
        buf_adds(words, " per 1,000");
        sum += part / 1000 * tiers[i].price + part % 1000 * tiers[i].price / 1000;
        left -= part;
    }
    return sum;
}

int64_t prices_recommender(const struct prices *p, int64_t rps, struct buf *words)
{
    int64_t hourly = bounded(rps) * 3600, extra = hourly - p->recommender_requests_per_hour;
    int64_t sum = p->recommender_per_hour;

    price_text(p->recommender_per_hour, words);
    buf_adds(words, " an hour for the first ");
    add_number(p->recommender_users, words);
    buf_adds(words, " users, ");
    add_number(p->recommender_requests_per_hour, words);
    buf_adds(words, " recommendations an hour included");
    if (extra > 0) {
        buf_adds(words, ", + ");
        add_number(extra, words);
        buf_adds(words, " more at ");
        price_text(p->recommender_extra_per_1000, words);
        buf_adds(words, " per 1,000");
        sum += extra / 1000 * p->recommender_extra_per_1000 +
               extra % 1000 * p->recommender_extra_per_1000 / 1000;
    }
    buf_printf(words, ", x %" PRId64 " h", p->hours_per_month);
    return sum * p->hours_per_month;
}
