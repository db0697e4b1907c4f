/*
 * item.c - what triggers and webhooks have in common, from the look-up to the answer.
 */
#include "item.h"

#include "steward/secret_box.h"

void item_done(struct item *i)
{
    secret_wipe(i->secret);
}

/* ---- reading ---- */

void item_read(struct call *c, phase_fn next)
{
    const struct item *i = c->state;
    struct db_op op;

    i->kind->read(c->match.params[0], &op);
    call_read(c, &op, 1, next);
}

bool item_is_found(struct call *c)
{
    struct item *i = c->state;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, i->kind->what, c->match.params[0]);
        return false;
    }
    (void) str_copy(i->id, sizeof i->id, rows_text(c->reply, 0, 0, ITEM_ID));
    return true;
}

bool item_is_found_as_asked(struct call *c)
{
    const struct item *i = c->state;

    return item_is_found(c) && check_if_match(c, 0, ITEM_JSON, i->kind->what);
}

void item_answer(struct call *c)
{
    if (item_is_found(c))
        answer_resource(c, rows_text(c->reply, 0, 0, ITEM_JSON),
                        rows_length(c->reply, 0, 0, ITEM_JSON), NULL);
}

void item_answer_page(struct call *c)
{
    answer_page(c, ((const struct item *) c->state)->limit);
}

/* ---- writing ---- */

bool item_is_name_free(struct call *c, const char *own_id)
{
    const struct item *i = c->state;

    if (!rows_count(c->reply, 0) || str_eq(rows_text(c->reply, 0, 0, ITEM_ID), own_id))
        return true;
    answer_problemf(c, 409, "name-taken", "Another %s has this name.", i->kind->what);
    return false;
}

const char *item_detail(struct call *c)
{
    const struct item *i = c->state;

    return arena_printf(c->arena, "{\"%s\":\"%s\"}", i->kind->what, i->id);
}

static void deleted(struct call *c)
{
    answer_written(c, NULL);
}

static void delete_found(struct call *c)
{
    const struct item *i = c->state;
    struct db_op ops[1 + ITEM_FENCE_OPS];
    size_t n;

    if (!item_is_found_as_asked(c))
        return;
    if (c->is_dry_run) {
        http_respond(c->rq, 204, NULL, "", 0);
        return;
    }
    n = i->kind->fence(i->id, c->fence_sha256, ops);
    i->kind->delete (i->id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 204, .detail = item_detail(c), .next = deleted });
}

static void begin_delete(struct call *c)
{
    item_read(c, delete_found);
}

void item_delete(struct call *c)
{
    call_begin_write(c, begin_delete);
}

void item_answer_with_secret(struct call *c)
{
    answer_with_secret(c, "secret", ((const struct item *) c->state)->secret);
}
