/*
 * metrics.h - how good a model is on what it has not seen: the service's offline metrics. Pure.
 *
 * One user in ten is tested: the newest tenth of the history (at least one interaction) is held
 * out, a model is trained without it, and its best 25 are compared with what the user did next.
 */
#ifndef SIMULATOR_LEARN_METRICS_H
#define SIMULATOR_LEARN_METRICS_H

#include "interactions.h"
#include "model.h"

struct metrics {
    double coverage;
    double mean_reciprocal_rank_at_25;
    double ndcg[3];                   /* at 5, 10, 25 */
    double precision[3];              /* at 5, 10, 25 */
    double area_under_curve;          /* how often a wanted item scores above an unwanted one */
    double average_reward_at_25;      /* of what is shown; 0 without rewards */
    double trend_prediction_accuracy; /* share of the top 25 trends among the 25 most wanted of the
                                         held-out part */
    double hits_at_1_percent,
        recall_at_1_percent; /* of segments: the best hundredth of the users per item */
    double weighted_ndcg[3]; /* at 5, 10, 25, gains by event weight; 0 without weights */
    size_t n_tested;         /* users */
};

struct metrics_options {
    enum model_flavour flavour;
    const float *rewards;      /* per item, 0..1; NULL: none */
    const float *type_weights; /* per event type, 0..1; NULL: none */
    bool with_segments;        /* measures segments too: costs items x users */
};
void metrics_measure(const struct interactions *x, const struct metrics_options *options,
                     struct metrics *out);

/* The measures of one ranked list (hits[i]: the i-th was wanted); exposed for tests. */
struct ranking {
    const bool *hits;
    size_t n, n_wanted;
};
double metrics_reciprocal_rank(const struct ranking *r, size_t k);
double metrics_ndcg(const struct ranking *r, size_t k);
double metrics_precision(const struct ranking *r, size_t k);

#endif
