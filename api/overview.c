/*
 * overview.c - what is wrong now and the one request that helps; everything at a glance.
 */
#include "steward/overview_store.h"

#include "api_private.h"

static void problems_read(struct call *c)
{
    answer_page(c, LIMIT_MAX);
}

void api_problems(struct call *c)
{
    struct db_op op;

    overview_store_problems(http_query(c->rq, "config"), "200", &op);
    call_list(c, &op, problems_read);
}

static void overview_read(struct call *c)
{
    answer_resource(c, rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0), NULL);
}

void api_overview(struct call *c)
{
    struct db_op op;

    overview_store_read(&op);
    call_list(c, &op, overview_read);
}
