/*
 * model.h - what a solution version has learned: popularity, trends, item neighbours and the tastes
 * of users. Pure.
 *
 * Deterministic: the same interactions give the same model, scores and order (ties by item number).
 */
#ifndef SIMULATOR_LEARN_MODEL_H
#define SIMULATOR_LEARN_MODEL_H

#include <stdio.h>

#include "interactions.h"

#define MODEL_NEIGHBOURS 30
#define MODEL_HISTORY    50

enum model_flavour { MODEL_POPULAR, MODEL_TRENDING, MODEL_RELATED, MODEL_PERSONAL };

struct neighbour {
    uint32_t item;
    float similarity;
};

struct model {
    struct names users, items;
    float *popularity;            /* share of all interactions */
    float *trend;                 /* share in the newest tenth of time over the share before */
    struct neighbour *neighbours; /* MODEL_NEIGHBOURS per item; item NO_NAME ends early */
    uint32_t *history;            /* MODEL_HISTORY per user, newest first; NO_NAME ends early */
};

/* is_left_out (may be NULL) says which rows are not to be seen: the held-out part. */
struct model_options {
    bool (*is_left_out)(const void *context, const struct interaction *row);
    const void *context;
};
void model_train(struct model *m, const struct interactions *x,
                 const struct model_options *options);
void model_done(struct model *m);

struct scored {
    uint32_t item;
    float score;
};
struct model_question {
    enum model_flavour flavour;
    uint32_t user;           /* NO_NAME: unknown */
    uint32_t item;           /* of RELATED */
    const uint32_t *history; /* MODEL_HISTORY items, newest first, instead of what the model knows
                                of the user; NULL */
};
/* A score for every item (items.count floats). */
void model_score(const struct model *m, const struct model_question *q, float *scores);
/* The best n of the scores, best first, those above zero only; returns how many. */
size_t model_top(const float *scores, size_t n_scores, struct scored *out, size_t n);
/* How much a user leans towards an item: of segments. */
float model_affinity(const struct model *m, uint32_t user, uint32_t item);

bool model_save(const struct model *m, FILE *to);
bool model_load(struct model *m, FILE *from); /* false when the file is damaged; m is then empty */

#endif
