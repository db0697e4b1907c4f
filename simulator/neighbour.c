/*
 * neighbour.c - from a request for EventBridge, SNS, CloudWatch or SQS to its answer: signature,
 * faults, operation, ledger, reply.
 *
 * In the ledger and in fault rules operations carry their service: "SNS.Publish",
 * "EventBridge.PutEvents".
 */
#include "neighbour.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/id.h"
#include "steward/json.h"

#define POLL_MS 20
#define STRIKES                                                                                \
    (FAULT_BIT(FAULT_THROTTLE) | FAULT_BIT(FAULT_ERROR_BEFORE) | FAULT_BIT(FAULT_CUT_BEFORE) | \
     FAULT_BIT(FAULT_DENIED) | FAULT_BIT(FAULT_LOST_REPLY))

static const struct neighbour *const neighbours[] = { &neighbour_eventbridge, &neighbour_sns,
                                                      &neighbour_cloudwatch, &neighbour_sqs };

const char *neighbour_fail(struct neighbour_call *c, const char *code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(c->message, sizeof c->message, fmt, ap);
    va_end(ap);
    return code;
}

void neighbour_keep(json_t *list, json_t *value)
{
    if (json_array_size(list) >= NEIGHBOUR_KEPT)
        (void) json_array_remove(list, 0);
    json_array_append_new(list, value);
}

/* ---- what there is ---- */

static void on_timer(uv_timer_t *timer);

static void fill(struct neighbours *all)
{
    all->buses = json_pack("[s]", "default");
    all->events = json_array();
    all->topics = json_object();
    all->notifications = json_array();
    all->metrics = json_array();
    all->queues = json_object();
}

static void empty(struct neighbours *all)
{
    json_decref(all->buses);
    json_decref(all->events);
    json_decref(all->topics);
    json_decref(all->notifications);
    json_decref(all->metrics);
    json_decref(all->queues);
}

static struct neighbours *get(struct wire *w)
{
    if (!w->neighbours) {
        w->neighbours = xcalloc(1, sizeof *w->neighbours);
        (void) uv_timer_init(w->loop, &w->neighbours->timer);
        w->neighbours->timer.data = w;
        fill(w->neighbours);
    }
    return w->neighbours;
}

json_t *neighbour_messages(struct wire *w)
{
    const struct neighbours *all = get(w);

    return json_pack("{s:O, s:O, s:O, s:O, s:O, s:O}", "buses", all->buses, "events", all->events,
                     "topics", all->topics, "notifications", all->notifications, "metrics",
                     all->metrics, "queues", all->queues);
}

void neighbour_reset(struct wire *w)
{
    empty(get(w));
    fill(w->neighbours);
}

/* The handle is a part of what is freed. */
static void on_closed(uv_handle_t *handle)
{
    struct wire *w = handle->data;

    free(w->neighbours);
    w->neighbours = NULL;
}

/* ---- finding ---- */

/* ".../sqs/aws4_request" of the signature. */
static bool is_scope(const struct http_request *rq, const char *scope)
{
    const char *authorization = http_header(rq, "authorization");
    AUTO_FREE char *wanted = xasprintf("/%s/aws4_request", scope);

    return authorization && strstr(authorization, wanted);
}

const struct neighbour *neighbour_find(struct http_request *rq, const char **operation)
{
    const char *target = http_header(rq, "x-amz-target");

    for (size_t i = 0; i < ARRAY_LEN(neighbours); i++) {
        const struct neighbour *nb = neighbours[i];
        AUTO_JSON json_t *form = NULL;
        size_t n;
        const char *body;

        if (target && nb->target && str_starts(target, nb->target)) {
            *operation = arena_strdup(http_arena(rq), target + strlen(nb->target));
            return nb;
        }
        if (target || !nb->xmlns || !is_scope(rq, nb->scope))
            continue;
        body = http_body(rq, &n);
        form = neighbour_form_read(body, n);
        *operation = arena_strdup(http_arena(rq), json_text_or(form, "Action", ""));
        return nb;
    }
    return NULL;
}

/* ---- answering ---- */

static bool is_form(const struct exchange *x)
{
    return http_header(x->rq, "x-amz-target") == NULL;
}

static void respond(struct exchange *x, int status, const char *code, struct buf *body)
{
    size_t n = body->length;

    http_set_header(x->rq, "x-amzn-RequestId", x->request_id);
    http_respond_take(x->rq, status, is_form(x) ? "text/xml" : x->neighbour->type, buf_take(body),
                      n);
    exchange_done(x, status, code);
}

static void refuse(struct exchange *x, int status, const char *code)
{
    AUTO_BUF struct buf body = { 0 };

    if (is_form(x)) {
        buf_printf(&body, "<ErrorResponse xmlns=\"%s\"><Error><Type>%s</Type><Code>%s</Code>",
                   x->neighbour->xmlns, status >= 500 ? "Receiver" : "Sender", code);
        buf_adds(&body, "<Message>");
        neighbour_xml_text(&body, x->call.message);
        buf_printf(&body, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
                   x->request_id);
    } else {
        AUTO_JSON json_t *document =
            json_pack("{s:s, s:s}", "__type", code, "message", x->call.message);
        AUTO_FREE char *text = json_compact(document);

        buf_adds(&body, text);
    }
    respond(x, status, code, &body);
}

static void answer(struct exchange *x, const json_t *out)
{
    const char *dot = strchr(x->call.operation, '.');
    const char *name = dot ? dot + 1 : x->call.operation;
    AUTO_BUF struct buf body = { 0 };

    if (is_form(x)) {
        buf_printf(&body, "<%sResponse xmlns=\"%s\"><%sResult>", name, x->neighbour->xmlns, name);
        neighbour_xml_write(&body, out, x->neighbour == &neighbour_sqs);
        buf_printf(&body,
                   "</%sResult><ResponseMetadata><RequestId>%s</RequestId>"
                   "</ResponseMetadata></%sResponse>",
                   name, x->request_id, name);
    } else {
        AUTO_FREE char *text = out ? json_compact(out) : xstrdup("{}");

        buf_adds(&body, text);
    }
    respond(x, 200, NULL, &body);
}

/* ---- the operation ---- */

static void hold(struct exchange *x, int64_t ms)
{
    struct neighbours *all = get(x->wire);

    x->next = all->waiting;
    all->waiting = x;
    x->until_ms = clock_mono_ms() + ms;
    http_extend(x->rq, ms + 10000);
    if (!uv_is_active((uv_handle_t *) &all->timer))
        (void) uv_timer_start(&all->timer, on_timer, POLL_MS, POLL_MS);
}

/* True: the fault has answered. */
static bool strike(struct exchange *x, const struct fault *f)
{
    x->call.fault = fault_action_name(f->action);
    (void) snprintf(x->call.message, sizeof x->call.message, "Injected fault.");
    switch ((int) f->action) {
    case FAULT_CUT_BEFORE:
        http_cut(x->rq);
        exchange_done(x, 0, NULL);
        return true;
    case FAULT_THROTTLE:
        refuse(x, 400, "ThrottlingException");
        return true;
    case FAULT_DENIED:
        refuse(x, is_form(x) ? 403 : 400, is_form(x) ? "AccessDenied" : "AccessDeniedException");
        return true;
    case FAULT_ERROR_BEFORE:
        refuse(x, f->status, f->status == 503 ? "ServiceUnavailable" : "InternalFailure");
        return true;
    default:
        return false;
    }
}

static const struct neighbour_operation *find_operation(const struct exchange *x)
{
    const char *dot = strchr(x->call.operation, '.');
    const struct neighbour_operation *op = x->neighbour->operations;

    while (op->name && !str_eq(op->name, dot + 1))
        op++;
    return op->name ? op : NULL;
}

static void run(struct exchange *x)
{
    const struct fault_call named = { x->call.operation, NULL };
    const struct fault *f = fault_strike(&x->wire->sim->faults, &named, STRIKES);
    struct neighbour_call c = { .wire = x->wire,
                                .rq = x->rq,
                                .all = get(x->wire),
                                .in = x->in,
                                .now_ms = clock_wall_ms(),
                                .waited_ms = clock_mono_ms() - x->since_ms,
                                .status = 400 };
    const struct neighbour_operation *op = find_operation(x);
    const char *code;

    if (f && strike(x, f))
        return;
    if (!op) {
        (void) snprintf(x->call.message, sizeof x->call.message,
                        "The operation %.60s is not known here.", x->call.operation);
        refuse(x, 400, is_form(x) ? "InvalidAction" : "UnknownOperationException");
        return;
    }
    code = op->run(&c);
    if (!code && c.wait_ms > c.waited_ms) {
        json_decref(c.out);
        hold(x, POLL_MS);
        return;
    }
    x->call.has_effect = c.has_effect;
    if (f) { /* the effect happened, and nobody hears of it */
        http_cut(x->rq);
        exchange_done(x, 0, NULL);
    } else if (code) {
        (void) str_copy(x->call.message, sizeof x->call.message, c.message);
        refuse(x, c.status, code);
    } else {
        answer(x, c.out);
    }
    json_decref(c.out);
}

static void on_timer(uv_timer_t *timer)
{
    struct wire *w = timer->data;
    struct exchange *x = w->neighbours->waiting, *next;
    int64_t now = clock_mono_ms();

    w->neighbours->waiting = NULL;
    for (; x; x = next) {
        next = x->next;
        if (now >= x->until_ms) {
            run(x);
        } else {
            x->next = w->neighbours->waiting;
            w->neighbours->waiting = x;
        }
    }
    if (!w->neighbours->waiting)
        (void) uv_timer_stop(timer);
}

static bool read_request(struct exchange *x)
{
    size_t n;
    const char *body = http_body(x->rq, &n);
    struct err e;

    if (is_form(x)) {
        x->in = neighbour_form_read(body, n);
        json_object_del(x->in, "Action");
        json_object_del(x->in, "Version");
        return true;
    }
    if (n == 0)
        x->in = json_object();
    else if (json_parse(body, n, &x->in, NULL, &e) || !json_is_object(x->in))
        return false;
    return true;
}

void neighbour_handle(struct exchange *x, const char *code)
{
    struct fault_call named;
    const struct fault *slow;

    x->call.operation =
        arena_printf(http_arena(x->rq), "%s.%s", x->neighbour->title, x->call.operation);
    x->since_ms = clock_mono_ms();
    if (code) {
        refuse(x, is_form(x) ? 403 : 400, code);
        return;
    }
    if (!read_request(x)) {
        (void) snprintf(x->call.message, sizeof x->call.message,
                        "The request is not a JSON object.");
        refuse(x, 400, "SerializationException");
        return;
    }
    named = (struct fault_call){ x->call.operation, NULL };
    slow = fault_strike(&x->wire->sim->faults, &named, FAULT_BIT(FAULT_SLOW));
    if (slow)
        hold(x, slow->ms);
    else
        run(x);
}

void neighbour_close(struct wire *w)
{
    struct neighbours *all = w->neighbours;

    if (!all)
        return;
    while (all->waiting) {
        struct exchange *x = all->waiting;

        all->waiting = x->next;
        refuse(x, 503, "ServiceUnavailable");
    }
    empty(all);
    uv_close((uv_handle_t *) &all->timer, on_closed);
}
