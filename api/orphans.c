/*
 * orphans.c - what lives in Amazon Personalize and no config owns.
 *
 * The answer is what the last audit of the account found. When that is older than a minute, the
 * first page waits for a new one, for half a minute; following pages read what there is.
 */
#include "api_private.h"
#include "steward/audit_store.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/run_store.h"
#include "steward/runs_store.h"

#define WAIT_MS 30000

struct orphans_call {
    int64_t limit, deadline_ms;
    struct orphans_filter filter;
    const char *run_id;
    struct feed_waiter waiter;
};

static void page_read(struct call *c)
{
    answer_page(c, ((struct orphans_call *) c->state)->limit);
}

static void read_page(struct call *c)
{
    const struct orphans_call *s = c->state;
    struct db_op op;

    audit_store_page(&s->filter, &op);
    call_list(c, &op, page_read);
}

static void look(struct call *c);

static void woken(struct feed_waiter *w)
{
    look(w->call);
}

/* The engine writes the orphans just after the run is over. */
static void fresh_read(struct call *c)
{
    struct orphans_call *s = c->state;
    int64_t now = clock_mono_ms();

    if (rows_bool(c->reply, 0, 0, 0) || now >= s->deadline_ms) {
        read_page(c);
        return;
    }
    s->waiter = (struct feed_waiter){ .call = c, .run_id = s->run_id, .wake = woken };
    s->waiter.deadline_ms = now + 300 < s->deadline_ms ? now + 300 : s->deadline_ms;
    feed_wait(c->api->feed, &s->waiter);
}

static void look(struct call *c)
{
    struct db_op op;

    audit_store_is_fresh(&op);
    call_read(c, &op, 1, fresh_read);
}

static void begin_audit(struct call *c)
{
    struct orphans_call *s = c->state;
    struct run_new run = { .kind = RUN_KIND_OBSERVE,
                           .trigger = "api",
                           .overlap = "queue",
                           .created_by = c->who.token_id };
    struct db_op ops[CALL_OPS_MAX];
    struct plan plan;
    size_t n;

    id_new("run", run.id);
    s->run_id = arena_strdup(c->arena, run.id);
    plan_audit(&plan);
    n = run_store_insert(c->arena, &run, &plan, ops);
    plan_done(&plan);
    s->deadline_ms = clock_mono_ms() + WAIT_MS;
    http_extend(c->rq, WAIT_MS + 10000);
    call_write(c, ops, n,
               &(struct write_note){ .status = 200,
                                     .detail = arena_printf(
                                         c->arena, "{\"run\":\"%s\",\"kind\":\"observe\"}", run.id),
                                     .next = look });
}

static void first_read(struct call *c)
{
    if (rows_bool(c->reply, 0, 0, 0))
        read_page(c);
    else
        begin_audit(c);
}

void api_orphans(struct call *c)
{
    static const char *const owners[] = { "nobody", "us", "other", NULL };
    struct orphans_call *s = arena_alloc(c->arena, sizeof *s);
    struct db_op op;

    c->state = s;
    c->on_stale = begin_audit;
    s->filter.config = http_query(c->rq, "config");
    if (!query_limit(c, &s->limit, &s->filter.limit) || !query_cursor(c, &s->filter.after_arn) ||
        !query_list(c, "kind", NULL, &s->filter.kinds) ||
        !query_list(c, "owner", owners, &s->filter.owners))
        return;
    if (s->filter.after_arn) {
        read_page(c);
        return;
    }
    audit_store_is_fresh(&op);
    call_read(c, &op, 1, first_read);
}
