/*
 * interactions.c - collect, then sort once.
 */
#include "interactions.h"

#include <stdlib.h>

#include "steward/mem.h"

void interactions_add(struct interactions *x, const struct interaction_texts *row)
{
    if (x->count == x->capacity) {
        x->capacity = x->capacity ? x->capacity * 2 : 1024;
        x->rows = xrealloc(x->rows, x->capacity * sizeof *x->rows);
    }
    x->rows[x->count] = (struct interaction){
        .time_s = row->time_s,
        .user = names_add(&x->users, row->user),
        .item = names_add(&x->items, row->item),
        .type = row->type && *row->type ? names_add(&x->types, row->type) : NO_NAME,
        .order = (uint32_t) x->count,
    };
    x->count++;
}

static int compare(const void *a, const void *b)
{
    const struct interaction *x = a, *y = b;

    if (x->user != y->user)
        return x->user < y->user ? -1 : 1;
    if (x->time_s != y->time_s)
        return x->time_s < y->time_s ? -1 : 1;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool is_repeat(const struct interaction *a, const struct interaction *b)
{
    return a->user == b->user && a->time_s == b->time_s && a->item == b->item && a->type == b->type;
}

void interactions_finish(struct interactions *x)
{
    size_t kept = 0, user = 0;

    if (x->count)
        qsort(x->rows, x->count, sizeof *x->rows, compare);
    for (size_t i = 0; i < x->count; i++)
        if (kept == 0 || !is_repeat(&x->rows[kept - 1], &x->rows[i]))
            x->rows[kept++] = x->rows[i];
    x->count = kept;
    free(x->starts);
    x->starts = xcalloc(x->users.count + 1, sizeof *x->starts);
    for (size_t i = 0; i < x->count; i++)
        while (user < x->rows[i].user)
            x->starts[++user] = i;
    while (user < x->users.count)
        x->starts[++user] = x->count;
}

void interactions_done(struct interactions *x)
{
    names_done(&x->users);
    names_done(&x->items);
    names_done(&x->types);
    free(x->rows);
    free(x->starts);
    *x = (struct interactions){ 0 };
}
