/*
 * metrics.c - hold out, train, ask, compare.
 */
#include "metrics.h"

#include <math.h>
#include <stdlib.h>

#include "steward/mem.h"

#define TEST_ONE_IN    10
#define TEST_ALL_BELOW 2000 /* users */
#define TESTED_MAX     2000
#define HELD_ONE_IN    10
#define DEPTH          25
#define SEGMENTS_MAX   200
#define HASH_MULTIPLY  UINT32_C(2654435761)

static const size_t cuts[3] = { 5, 10, 25 };

double metrics_reciprocal_rank(const struct ranking *r, size_t k)
{
    for (size_t i = 0; i < r->n && i < k; i++)
        if (r->hits[i])
            return 1.0 / (double) (i + 1);
    return 0;
}

double metrics_ndcg(const struct ranking *r, size_t k)
{
    double gain = 0, ideal = 0;

    for (size_t i = 0; i < r->n && i < k; i++)
        if (r->hits[i])
            gain += 1.0 / log2((double) (i + 2));
    for (size_t i = 0; i < r->n_wanted && i < k; i++)
        ideal += 1.0 / log2((double) (i + 2));
    return ideal > 0 ? gain / ideal : 0;
}

double metrics_precision(const struct ranking *r, size_t k)
{
    double hits = 0;

    for (size_t i = 0; i < r->n && i < k; i++)
        hits += r->hits[i];
    return hits / (double) k;
}

/* Chosen by a hash of the number, so that a choice does not follow the order of the data. With few
 * users all are. */
struct split {
    const struct interactions *x;
    bool tests_all;
};

static bool is_tested(const struct split *s, uint32_t user)
{
    size_t n = s->x->starts[user + 1] - s->x->starts[user];

    return n >= 2 && (s->tests_all || (user * HASH_MULTIPLY >> 16) % TEST_ONE_IN == 0);
}

/* First row of the user that is held out. */
static size_t held_from(const struct split *s, uint32_t user)
{
    size_t n = s->x->starts[user + 1] - s->x->starts[user];
    size_t held = n / HELD_ONE_IN ? n / HELD_ONE_IN : 1;

    return s->x->starts[user + 1] - held;
}

static bool is_held_out(const void *context, const struct interaction *row)
{
    const struct split *s = context;

    return is_tested(s, row->user) && (size_t) (row - s->x->rows) >= held_from(s, row->user);
}

struct tally {
    const struct model *m;
    const float *rewards, *type_weights;
    float *scores;
    float *worth; /* per item, of the tested user: the greatest weight among the wanted events */
    bool *was_shown, *is_wanted; /* per item */
};

/* Pairs of a wanted and an unwanted item that stand in the right order; ties count half. */
static double area_under_curve(const struct tally *t, size_t n_wanted)
{
    double right = 0, pairs = (double) n_wanted * (double) (t->m->items.count - n_wanted);

    for (size_t i = 0; i < t->m->items.count; i++) {
        for (size_t k = 0; t->is_wanted[i] && k < t->m->items.count; k++) {
            if (!t->is_wanted[k])
                right += t->scores[i] > t->scores[k] ? 1 : t->scores[i] == t->scores[k] ? 0.5 : 0;
        }
    }
    return pairs > 0 ? right / pairs : 0;
}

/* Keeps the DEPTH greatest, greatest first. */
static void keep_greatest(float *list, float value)
{
    for (size_t i = 0; i < DEPTH; i++) {
        if (value > list[i]) {
            float t = list[i];

            list[i] = value;
            value = t;
        }
    }
}

struct shown {
    const struct scored *best;
    size_t n;
};

/* Rows that are held out of one user. */
struct held {
    const struct interaction *rows;
    size_t n;
};

/* NDCG with the weight of the event as gain; adds to ndcg. */
static void weigh(const struct tally *t, const struct held *held, const struct shown *shown,
                  double ndcg[3])
{
    float ideal[DEPTH] = { 0 };

    for (size_t i = 0; i < held->n; i++) {
        float weight = held->rows[i].type == NO_NAME ? 1 : t->type_weights[held->rows[i].type];

        if (weight > t->worth[held->rows[i].item])
            t->worth[held->rows[i].item] = weight;
    }
    for (size_t c = 0; c < 3; c++) {
        double gain = 0;

        for (size_t i = 0; i < shown->n && i < cuts[c]; i++)
            gain += t->worth[shown->best[i].item] / log2((double) (i + 2));
        ndcg[c] += gain;
    }
    for (size_t i = 0; i < held->n; i++) { /* each item once: its worth is spent here */
        keep_greatest(ideal, t->worth[held->rows[i].item]);
        t->worth[held->rows[i].item] = 0;
    }
    for (size_t c = 0; c < 3; c++) {
        double best = 0;

        for (size_t i = 0; i < cuts[c]; i++)
            best += ideal[i] / log2((double) (i + 2));
        ndcg[c] = best > 0 ? ndcg[c] / best : 0;
    }
}

static void test_user(const struct split *s, const struct tally *t, const struct model_question *q,
                      struct metrics *out)
{
    struct scored best[DEPTH];
    bool hits[DEPTH];
    struct ranking r = { .hits = hits };
    size_t from = held_from(s, q->user), to = s->x->starts[q->user + 1];

    for (size_t i = from; i < to; i++) {
        r.n_wanted += !t->is_wanted[s->x->rows[i].item];
        t->is_wanted[s->x->rows[i].item] = true;
    }
    model_score(t->m, q, t->scores);
    r.n = model_top(t->scores, t->m->items.count, best, DEPTH);
    for (size_t i = 0; i < r.n; i++) {
        hits[i] = t->is_wanted[best[i].item];
        t->was_shown[best[i].item] = true;
        out->average_reward_at_25 += t->rewards ? t->rewards[best[i].item] / (double) r.n : 0;
    }
    if (t->type_weights) {
        double ndcg[3] = { 0 };

        weigh(t, &(struct held){ s->x->rows + from, to - from }, &(struct shown){ best, r.n },
              ndcg);
        for (size_t i = 0; i < 3; i++)
            out->weighted_ndcg[i] += ndcg[i];
    }
    out->area_under_curve += area_under_curve(t, r.n_wanted);
    for (size_t i = from; i < to; i++)
        t->is_wanted[s->x->rows[i].item] = false;
    out->mean_reciprocal_rank_at_25 += metrics_reciprocal_rank(&r, DEPTH);
    for (size_t i = 0; i < 3; i++) {
        out->ndcg[i] += metrics_ndcg(&r, cuts[i]);
        out->precision[i] += metrics_precision(&r, cuts[i]);
    }
    out->n_tested++;
}

static void average(struct metrics *out, const struct tally *t)
{
    double shown = 0, n = out->n_tested ? (double) out->n_tested : 1;

    for (size_t i = 0; i < t->m->items.count; i++)
        shown += t->was_shown[i];
    out->coverage = t->m->items.count ? shown / (double) t->m->items.count : 0;
    out->mean_reciprocal_rank_at_25 /= n;
    out->area_under_curve /= n;
    out->average_reward_at_25 /= n;
    for (size_t i = 0; i < 3; i++) {
        out->ndcg[i] /= n;
        out->weighted_ndcg[i] /= n;
        out->precision[i] /= n;
    }
}

/* Do the trends foretell what the held-out part wants most? */
static double trend_accuracy(const struct split *s, const struct tally *t)
{
    AUTO_FREE float *wanted = xcalloc(t->m->items.count, sizeof *wanted);
    struct scored foretold[DEPTH], real[DEPTH];
    size_t n, m, agreed = 0;

    for (size_t i = 0; i < s->x->count; i++)
        wanted[s->x->rows[i].item] += is_held_out(s, &s->x->rows[i]) ? 1 : 0;
    n = model_top(t->m->trend, t->m->items.count, foretold, DEPTH);
    m = model_top(wanted, t->m->items.count, real, DEPTH);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < m; k++)
            agreed += foretold[i].item == real[k].item;
    return m ? (double) agreed / (double) m : 0;
}

/* Who really came to the item in the held-out part? */
static size_t mark_comers(const struct split *s, uint32_t item, bool *came)
{
    size_t n = 0;

    for (uint32_t user = 0; user < s->x->users.count; user++) {
        came[user] = false;
        for (size_t i = is_tested(s, user) ? held_from(s, user) : s->x->starts[user + 1];
             i < s->x->starts[user + 1]; i++)
            came[user] |= s->x->rows[i].item == item;
        n += came[user];
    }
    return n;
}

static void measure_segments(const struct split *s, const struct model *m, struct metrics *out)
{
    size_t users = s->x->users.count, n_best = users / 100 ? users / 100 : 1, tested = 0;
    AUTO_FREE float *affinity = xcalloc(users, sizeof *affinity);
    AUTO_FREE bool *came = xcalloc(users, sizeof *came);
    AUTO_FREE struct scored *best = xcalloc(n_best, sizeof *best);
    size_t step = m->items.count > SEGMENTS_MAX ? m->items.count / SEGMENTS_MAX : 1;

    for (uint32_t item = 0; item < m->items.count; item += (uint32_t) step) {
        size_t n_came = mark_comers(s, item, came), n, hits = 0;

        if (n_came == 0)
            continue;
        for (uint32_t user = 0; user < users; user++)
            affinity[user] = model_affinity(m, user, item);
        n = model_top(affinity, users, best, n_best);
        for (size_t i = 0; i < n; i++)
            hits += came[best[i].item];
        out->hits_at_1_percent += (double) hits / (double) n_best;
        out->recall_at_1_percent += (double) hits / (double) n_came;
        tested++;
    }
    out->hits_at_1_percent /= tested ? (double) tested : 1;
    out->recall_at_1_percent /= tested ? (double) tested : 1;
}

static void test_users(const struct split *s, const struct tally *t, enum model_flavour flavour,
                       struct metrics *out)
{
    for (uint32_t user = 0; user < s->x->users.count && out->n_tested < TESTED_MAX; user++) {
        struct model_question q = { .flavour = flavour, .user = user };
        size_t from;

        if (!is_tested(s, user))
            continue;
        from = held_from(s, user);
        /* Related items are asked with the last thing the model has seen of the user. */
        q.item = from > s->x->starts[user] ? s->x->rows[from - 1].item : NO_NAME;
        test_user(s, t, &q, out);
    }
}

void metrics_measure(const struct interactions *x, const struct metrics_options *options,
                     struct metrics *out)
{
    const struct split split = { x, x->users.count < TEST_ALL_BELOW };
    const struct model_options training = { is_held_out, &split };
    struct model m;
    struct tally t = { .m = &m,
                       .rewards = options->rewards,
                       .type_weights = options->type_weights };

    *out = (struct metrics){ 0 };
    model_train(&m, x, &training);
    t.scores = xcalloc(m.items.count, sizeof *t.scores);
    t.was_shown = xcalloc(m.items.count, sizeof *t.was_shown);
    t.is_wanted = xcalloc(m.items.count, sizeof *t.is_wanted);
    t.worth = xcalloc(m.items.count, sizeof *t.worth);
    test_users(&split, &t, options->flavour, out);
    average(out, &t);
    out->trend_prediction_accuracy = trend_accuracy(&split, &t);
    if (options->with_segments)
        measure_segments(&split, &m, out);
    free(t.scores);
    free(t.was_shown);
    free(t.is_wanted);
    free(t.worth);
    model_done(&m);
}
