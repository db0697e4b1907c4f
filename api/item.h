/*
 * item.h - what triggers and webhooks have in common: an item found by its id or name, read,
 * changed and deleted behind its ETag, whose secret is shown once. Private to the floor.
 */
#ifndef STEWARD_ITEM_H
#define STEWARD_ITEM_H

#include "api_private.h"

/* How long an old secret counts beside the new one, in seconds. */
#define ITEM_OVERLAP   "86400"
#define ITEM_FENCE_OPS 2

/* Columns that every read() begins with. */
enum { ITEM_JSON, ITEM_ID, ITEM_OWN_COLUMNS };

struct item_kind {
    const char *what; /* in problems and in the audit row's detail */
    void (*read)(const char *id_or_name, struct db_op *op);
    /* Statements that raise unless its JSON has this hash; at most ITEM_FENCE_OPS. */
    size_t (*fence)(const char *id, const char *sha256, struct db_op *ops);
    void (*delete)(const char *id, struct db_op *op);
};

/* What the state of a call about one begins with. */
struct item {
    const struct item_kind *kind;
    int64_t limit; /* of a page */
    char id[ID_BYTES];
    char *secret; /* in the clear, until it was shown; owned */
};
void item_done(struct item *i);

/* ---- reading ---- */
/* Reads what the path names, then next. */
void item_read(struct call *c, phase_fn next);
/* Of the row that was read: keeps its id; answers 404 and returns false when there is none. */
bool item_is_found(struct call *c);
/* The same with If-Match: 412. */
bool item_is_found_as_asked(struct call *c);
/* A phase: answers the row that was read, or 404. */
void item_answer(struct call *c);
/* A phase: answers the rows that were read as a page. */
void item_answer_page(struct call *c);

/* ---- writing ---- */
/* False, and 409: another item has the name; its row, if any, was read. own_id "": none yet. */
bool item_is_name_free(struct call *c, const char *own_id);
/* Detail of the audit row. */
const char *item_detail(struct call *c);
/* A whole DELETE, with c->state made. */
void item_delete(struct call *c);
/* A phase after call_write(): answers the answer op's row, with the secret if there is one. A kept
 * answer has no secret: it is shown once. */
void item_answer_with_secret(struct call *c);

#endif
