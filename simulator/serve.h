/*
 * serve.h - a model, a catalog and a question become a list of recommendations. For batch jobs and
 * the runtime API.
 */
#ifndef SIMULATOR_SERVE_H
#define SIMULATOR_SERVE_H

#include "catalog.h"
#include "filter.h"
#include "learn/model.h"
#include "rules.h"

struct serve_question {
    const struct recipe *recipe;
    const char *user, *item;     /* NULL: none */
    const char *attributes;      /* of attribute segments: Items.GENRE = "drama" */
    const json_t *input_list;    /* of rankings: item ids; NULL: all items */
    size_t n;                    /* how many at most */
    const struct filter *filter; /* NULL: none */
    const json_t *filter_values;
};

enum model_flavour serve_flavour(const struct recipe *recipe);
/* [{"itemId", "score"}…], best first; the scores of all items sum up to 1. Caller owns the list. */
json_t *serve_items(const struct model *m, const struct catalog *c, const struct serve_question *q);
/* User ids of the segment of an item, best first. */
json_t *serve_segment(const struct model *m, const struct catalog *c,
                      const struct serve_question *q);
/* The same of an attribute expression such as Items.GENRE = "drama"; NULL and *e when it cannot be
 * read. */
json_t *serve_attribute_segment(const struct model *m, const struct catalog *c,
                                const struct serve_question *q, struct err *e);
MUST_USE enum err_code model_read(const char *data_dir, const char *name, struct model *out,
                                  struct err *e);

#endif
