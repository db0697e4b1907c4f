/*
 * refuse.c - who may not: slowly, countably, and told to the audit log.
 *
 * A 401 takes at least so long (--auth-failure-delay), whatever was wrong, so that guessing is slow
 * and tells nothing; and an address has few of them a minute. A good token is never locked out. The
 * rate per token is counted here too.
 */
#include <stdio.h>
#include <string.h>

#include "api_private.h"
#include "limits.h"
#include "steward/clock.h"
#include "steward/tokens_store.h"

#define MINUTE_US INT64_C(60000000)
#define SECOND_US INT64_C(1000000)

struct refusal {
    struct refusal *next;
    struct call *call;
    const char *detail;
    int64_t due_ms;
    int64_t retry_after_s; /* > 0: 429 */
};

struct refusals {
    struct api *api;
    struct limits *limits;
    uv_timer_t timer;
    struct refusal *first, **last;
    bool is_closed;
};

struct refusals *refusals_new(struct api *api)
{
    struct refusals *r = xcalloc(1, sizeof *r);

    r->api = api;
    r->limits = limits_new();
    r->last = &r->first;
    r->timer.data = r;
    if (uv_timer_init(api->options.loop, &r->timer))
        abort();
    return r;
}

static void answer(struct refusal *x)
{
    struct call *c = x->call;

    if (x->retry_after_s > 0) {
        http_problem(c->rq, &(struct problem){ .status = 429,
                                               .code = "rate-limited",
                                               .detail = "Too many requests of this address were "
                                                         "refused; wait before the next try.",
                                               .is_retryable = true,
                                               .retry_after_s = (int) x->retry_after_s });
        return;
    }
    http_set_header(c->rq, "WWW-Authenticate", "Bearer realm=\"steward\"");
    answer_problem(c, 401, "unauthenticated", x->detail);
}

static void on_timer(uv_timer_t *timer);

static void arm(struct refusals *r)
{
    int64_t wait = r->first ? r->first->due_ms - clock_mono_ms() : 0;

    if (r->first && !r->is_closed)
        (void) uv_timer_start(&r->timer, on_timer, wait > 0 ? (uint64_t) wait : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct refusals *r = timer->data;

    while (r->first && r->first->due_ms <= clock_mono_ms()) {
        struct refusal *x = r->first;

        r->first = x->next;
        if (!r->first)
            r->last = &r->first;
        answer(x);
    }
    arm(r);
}

void refusals_flush(struct refusals *r)
{
    while (r->first) {
        struct refusal *x = r->first;

        r->first = x->next;
        answer(x);
    }
    r->last = &r->first;
}

static void on_closed(uv_handle_t *handle)
{
    struct refusals *r = handle->data;

    limits_free(r->limits);
    free(r);
}

void refusals_close(struct refusals *r)
{
    r->is_closed = true;
    uv_close((uv_handle_t *) &r->timer, on_closed);
}

static void audited(const struct db_reply *reply, void *user)
{
    (void) reply; /* it is rate-limited anyway */
    (void) user;
}

/* At most a few rows a minute for an address, and for all of them. */
void audit_refusal(struct call *c, int status, const char *token_id)
{
    static const struct limit of_one = { 10, MINUTE_US, 10 }, of_all = { 120, MINUTE_US, 120 };
    struct refusals *r = c->api->refusals;
    struct limit_state state;
    struct db_op op;

    if (!c->api->db ||
        !limits_take(r->limits, arena_printf(c->arena, "audit %s", c->peer), &of_one, &state) ||
        !limits_take(r->limits, "audit", &of_all, &state))
        return;
    audit_store_insert(&(struct audit_new){ .token_id = token_id,
                                            .peer = c->peer,
                                            .method = http_method(c->rq),
                                            .path = http_path(c->rq),
                                            .status = arena_printf(c->arena, "%d", status),
                                            .request_id = http_request_id(c->rq),
                                            .detail = "{\"refused\":true}" },
                       &op);
    db_submit(c->api->db, DB_WRITE, &op, 1, audited, NULL);
}

void refuse_unauthenticated(struct call *c, const char *detail)
{
    struct refusals *r = c->api->refusals;
    struct refusal *x = arena_alloc(c->arena, sizeof *x);
    const struct limit limit = { c->api->options.rates.failed_auth_per_minute, MINUTE_US,
                                 c->api->options.rates.failed_auth_per_minute };
    struct limit_state state = { 0 };
    int64_t took_ms = (clock_mono_us() - http_started_us(c->rq)) / 1000;

    audit_refusal(c, 401, NULL);
    if (limit.count)
        (void) limits_take(r->limits, arena_printf(c->arena, "401 %s", c->peer), &limit, &state);
    *x = (struct refusal){ .call = c,
                           .detail = detail,
                           .retry_after_s = state.retry_after_s,
                           .due_ms = clock_mono_ms() + c->api->options.auth_failure_ms - took_ms };
    if (c->is_in_flight) { /* who waits for a refusal takes nobody's place */
        c->api->in_flight--;
        c->is_in_flight = false;
    }
    if (x->due_ms <= clock_mono_ms() || c->api->is_quiescing) {
        answer(x);
        return;
    }
    *r->last = x;
    r->last = &x->next;
    if (r->first == x)
        arm(r);
}

/* ---- the rate of a token ---- */

static const char *rate_of(const struct call *c, struct limit *limit)
{
    const struct api_rates *rates = &c->api->options.rates;
    bool is_read = str_eq(c->route->method, "GET");

    if (c->route->flags & ROUTE_STARTS_RUN) {
        *limit = (struct limit){ rates->runs_per_minute, MINUTE_US, rates->runs_per_minute };
        return "runs";
    }
    if (!is_read && c->route->scope == SCOPE_ADMIN) {
        *limit = (struct limit){ rates->admin_per_minute, MINUTE_US, rates->admin_per_minute };
        return "admin";
    }
    if (is_read)
        *limit = (struct limit){ rates->reads_per_second, SECOND_US, rates->reads_per_second * 4 };
    else
        *limit =
            (struct limit){ rates->writes_per_second, SECOND_US, rates->writes_per_second * 5 };
    return is_read ? "read" : "write";
}

static bool admit(struct call *c, const char *name, const struct limit *of, const char *who)
{
    struct limit limit = *of;
    struct limit_state state;
    bool is_free;

    if (limit.count <= 0)
        return true;
    is_free = limits_take(c->api->refusals->limits, arena_printf(c->arena, "%s %s", name, who),
                          &limit, &state);
    http_set_header(c->rq, "RateLimit-Policy",
                    arena_printf(c->arena, "\"%s\";q=%lld;w=%lld", name, (long long) limit.burst,
                                 (long long) (limit.burst * limit.per_us / limit.count / 1000000)));
    http_set_header(c->rq, "RateLimit",
                    arena_printf(c->arena, "\"%s\";r=%lld;t=%lld", name,
                                 (long long) state.remaining, (long long) state.reset_s));
    http_set_header(c->rq, "RateLimit-Limit",
                    arena_printf(c->arena, "%lld", (long long) limit.burst));
    http_set_header(c->rq, "RateLimit-Remaining",
                    arena_printf(c->arena, "%lld", (long long) state.remaining));
    http_set_header(c->rq, "RateLimit-Reset",
                    arena_printf(c->arena, "%lld", (long long) state.reset_s));
    if (!is_free)
        http_problem(c->rq, &(struct problem){ .status = 429,
                                               .code = "rate-limited",
                                               .detail = "This token or trigger is used faster "
                                                         "than it may; Retry-After says when to go "
                                                         "on.",
                                               .is_retryable = true,
                                               .retry_after_s = (int) state.retry_after_s });
    return is_free;
}

bool rate_admit(struct call *c)
{
    struct limit limit;
    const char *name = rate_of(c, &limit);

    return admit(c, name, &limit, c->who.token_id);
}

bool rate_admit_hook(struct call *c, const char *trigger)
{
    const struct api_rates *rates = &c->api->options.rates;
    const struct limit limit = { rates->reads_per_second, SECOND_US, rates->reads_per_second * 4 };

    return admit(c, "hook", &limit, trigger);
}
