/*
 * audit.c - GET /audit: who did what, newest first, with each row's place in the hash chain.
 */
#include "api_private.h"
#include "steward/audit_log.h"

struct audit_read {
    int64_t limit;
};

static void page_read(struct call *c)
{
    struct audit_read *r = c->state;

    answer_page(c, r->limit);
}

void api_audit(struct call *c)
{
    static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE", "GET", NULL };
    struct audit_read *r = arena_alloc(c->arena, sizeof *r);
    struct audit_filter f = { .path = http_query(c->rq, "path") };
    int64_t status;
    struct db_op op;

    c->state = r;
    if (!query_limit(c, &r->limit, &f.limit) || !query_cursor(c, &f.older_than) ||
        !query_list(c, "token", NULL, &f.tokens) || !query_list(c, "method", methods, &f.methods) ||
        !query_list(c, "status", NULL, &f.statuses) || !query_time(c, "createdAfter", &f.after) ||
        !query_time(c, "createdBefore", &f.before))
        return;
    for (size_t i = 0; i < http_query_count(c->rq); i++) {
        const char *name, *value;

        if (http_query_at(c->rq, i, &name, &value) && str_eq(name, "status") &&
            !str_to_i64(value, 100, 599, &status)) {
            answer_problem(c, 400, "bad-parameter", "status is an HTTP status such as 202.");
            return;
        }
    }
    audit_log_page(&f, &op);
    call_list(c, &op, page_read);
}
