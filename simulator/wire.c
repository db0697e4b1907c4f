/*
 * wire.c - from a request to its answer: signature, JSON, faults, operation, journal, ledger,
 * reply.
 */
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "neighbour.h"
#include "s3.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"

#define TARGET_PREFIX "AmazonPersonalize."
#define JSON_TYPE     "application/x-amz-json-1.1"
#define BODY_LIMIT    ((size_t) 4 << 20)
#define WAIT_MAX_MS   INT64_C(20000)
#define ADMIN_PREFIX  "/_simulator/"
#define MAX_HEADERS   128
#define FAULTS_BEFORE                                                                          \
    (FAULT_BIT(FAULT_THROTTLE) | FAULT_BIT(FAULT_ERROR_BEFORE) | FAULT_BIT(FAULT_CUT_BEFORE) | \
     FAULT_BIT(FAULT_DENIED))
#define FAULTS_AFTER \
    (FAULT_BIT(FAULT_ERROR_AFTER) | FAULT_BIT(FAULT_LOST_REPLY) | FAULT_BIT(FAULT_TRUNCATED_REPLY))

size_t wire_on_headers(struct http_request *rq, void *context)
{
    const struct wire *w = context;

    if (w->sim->s3 && s3_is_request(rq))
        return S3_BODY_LIMIT;
    return str_starts(http_raw_path(rq), ADMIN_PREFIX) ? S3_BODY_LIMIT : BODY_LIMIT;
}

/* ---- the end of an exchange ---- */

void exchange_done(struct exchange *x, int status, const char *error)
{
    const struct ledger_entry entry = {
        .service = x->service,
        .operation = x->call.operation,
        .request = x->in,
        .status = status,
        .error = error,
        .arn = x->call.arn,
        .request_id = x->request_id,
        .access_key_id = x->who.access_key_id,
        .model_ms = sim_now_ms(x->wire->sim),
        .has_effect = x->call.has_effect,
        .fault = x->call.fault,
    };

    ledger_add(x->wire->ledger, &entry);
    json_decref(x->in);
    json_decref(x->call.out);
    if (x->after) {
        free(x->after->reason);
        free(x->after);
    }
    free(x->wait_arn);
    free(x);
}

static void set_headers(struct exchange *x, const char *error)
{
    http_set_header(x->rq, "x-amzn-RequestId", x->request_id);
    if (error)
        http_set_header(x->rq, "x-amzn-errortype", error);
}

static bool is_rest(const struct exchange *x)
{
    return !str_eq(x->service, "personalize");
}

static void reply_error(struct exchange *x, int status, const char *code)
{
    AUTO_JSON json_t *body = json_object();
    char *text;

    json_object_set_new(body, "__type", json_string(code));
    if (*x->call.message)
        json_object_set_new(body, "message", json_string(x->call.message));
    text = json_compact(body);
    set_headers(x, code);
    http_respond_take(x->rq, status, is_rest(x) ? "application/json" : JSON_TYPE, text,
                      strlen(text));
    exchange_done(x, status, code);
}

/* Announces more bytes than come, so that the client sees its connection break inside the body. */
static void reply_truncated(struct exchange *x, const char *text, size_t n)
{
    int fd = memfd_create("truncated", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text, n / 2) < 0)
        log_event(LOG_WARN, "simulator", "truncated_reply_failed", "n=%zu", n);
    set_headers(x, NULL);
    http_respond_fd(x->rq, 200, is_rest(x) ? "application/json" : JSON_TYPE, fd, 0, n ? n : 2);
    exchange_done(x, 200, NULL);
}

static void reply_cut(struct exchange *x)
{
    http_cut(x->rq);
    exchange_done(x, 0, NULL);
}

static void reply_ok(struct exchange *x)
{
    char *text =
        x->call.out ? json_dumps(x->call.out, JSON_COMPACT | JSON_REAL_PRECISION(15)) : xstrdup("");

    set_headers(x, NULL);
    http_respond_take(x->rq, 200, is_rest(x) ? "application/json" : JSON_TYPE, text, strlen(text));
    exchange_done(x, 200, NULL);
}

/* The effect has happened; now the answer, or what the fault leaves of it. */
static void reply(struct exchange *x)
{
    if (x->after) {
        AUTO_FREE char *text = NULL;

        switch ((int) x->after->action) {
        case FAULT_LOST_REPLY:
            reply_cut(x);
            return;
        case FAULT_ERROR_AFTER:
            (void) str_copy(x->call.message, sizeof x->call.message,
                            "Injected fault after the effect.");
            reply_error(
                x, x->after->status,
                wire_error_name(x->after->status == 503 ? WIRE_UNAVAILABLE : WIRE_INTERNAL));
            return;
        default:
            text = json_compact(x->call.out ? x->call.out : json_null());
            reply_truncated(x, text, strlen(text));
            return;
        }
    }
    if (x->error) {
        const char *name = wire_error_name(x->error);
        int status = wire_error_status(x->error);

        if (is_rest(x) && x->call.model && service_operation_declares(x->call.model, name))
            status = service_error_status(data_plane_model(x->service), name);
        reply_error(x, status, name);
    } else {
        reply_ok(x);
    }
}

/* ---- waiting ---- */

static void wait_for(struct exchange *x, int64_t ms)
{
    x->until_ms = clock_mono_ms() + ms;
    x->next = x->wire->waiting;
    x->wire->waiting = x;
    http_extend(x->rq, ms + 10000);
    wire_schedule(x->wire);
}

static void run(struct exchange *x);

/* A delayed request arrives: its signature may have become too old on the way, whoever still waits
 * for it. */
static void land(struct exchange *x)
{
    int64_t age_ms = clock_wall_ms() - x->who.signed_at_s * 1000;

    if (age_ms <= x->wire->signature_window_ms) {
        run(x);
        return;
    }
    (void) snprintf(x->call.message, sizeof x->call.message,
                    "Signature expired: the request was %lld s on its way.",
                    (long long) age_ms / 1000);
    reply_error(x, 400, "InvalidSignatureException");
}

/* Takes the exchanges off the list whose time has come, and goes on with them. */
void wire_settle(struct wire *w)
{
    struct exchange *ready = NULL, **p = &w->waiting;
    int64_t now = clock_mono_ms();

    while (*p) {
        struct exchange *x = *p;
        const struct resource *r = world_find(&w->sim->world, x->wait_arn);
        bool is_settled = x->wait_arn && (!r || life_is_settled(r));

        if (is_settled || now >= x->until_ms) {
            *p = x->next;
            x->next = ready;
            ready = x;
        } else {
            p = &x->next;
        }
    }
    while (ready) {
        struct exchange *x = ready;

        ready = x->next;
        if (x->wait_arn)
            reply(x);
        else
            land(x);
    }
    admin_settle(w);
    wire_schedule(w);
}

static void on_timer(uv_timer_t *timer)
{
    struct wire *w = timer->data;

    life_advance(w->sim);
    state_flush(w->sim);
    wire_settle(w);
}

void wire_schedule(struct wire *w)
{
    int64_t wait = 1000;

    if (w->sim->world.next_due_ms != NEVER && !w->sim->clock.is_frozen) {
        int64_t left = w->sim->world.next_due_ms - sim_now_ms(w->sim);

        wait = left < 1 ? 1 : left < wait ? left : wait;
    }
    for (const struct exchange *x = w->waiting; x; x = x->next) {
        int64_t left = x->until_ms - clock_mono_ms();

        wait = left < 1 ? 1 : left < wait ? left : wait;
    }
    (void) uv_timer_start(&w->timer, on_timer, (uint64_t) wait, 0);
}

void wire_close(struct wire *w)
{
    while (w->waiting) {
        struct exchange *x = w->waiting;

        w->waiting = x->next;
        x->error = call_fail(&x->call, WIRE_UNAVAILABLE, "The simulator stops.");
        reply(x);
    }
    admin_close(w);
    neighbour_close(w);
}

/* ---- the call itself ---- */

static bool is_write(const char *operation)
{
    return !str_starts(operation, "Describe") && !str_starts(operation, "List") &&
           !str_starts(operation, "Get");
}

static bool is_over_rate(struct wire *w, const char *operation)
{
    int64_t second = clock_mono_ms() / 1000, *n, max;

    if (second != w->rate_second) {
        w->rate_second = second;
        w->reads = w->writes = 0;
    }
    n = is_write(operation) ? &w->writes : &w->reads;
    max = w->sim->quotas[is_write(operation) ? QUOTA_WRITES_PER_SECOND : QUOTA_READS_PER_SECOND];
    return max > 0 && ++*n > max;
}

/* Name of what the call is about, for fault rules: its name, or the last part of its ARN. */
static const char *subject(const struct exchange *x)
{
    static const char *const names[] = { "name", "jobName" };
    const char *key;
    json_t *value;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_text(x->in, names[i]))
            return json_text(x->in, names[i]);
    json_object_foreach (x->in, key, value) {
        if (str_ends(key, "Arn") && json_is_string(value)) {
            const char *slash = strrchr(json_string_value(value), '/');

            return slash ? slash + 1 : json_string_value(value);
        }
    }
    return NULL;
}

static enum wire_error injected(struct exchange *x, const struct fault *f)
{
    x->call.fault = fault_action_name(f->action);
    switch ((int) f->action) {
    case FAULT_THROTTLE:
        return call_fail(&x->call, WIRE_THROTTLING, "Rate exceeded");
    case FAULT_DENIED:
        return call_fail(
            &x->call, WIRE_ACCESS_DENIED,
            "User: arn:aws:iam::%s:user/%s is not authorized to perform: personalize:%s",
            x->wire->sim->settings.account_id, x->who.access_key_id, x->call.operation);
    default:
        return call_fail(&x->call, f->status == 503 ? WIRE_UNAVAILABLE : WIRE_INTERNAL,
                         "Injected fault before the effect.");
    }
}

/* Jobs run in the pool even when nothing takes time: the answer of a create waits for them. */
static bool must_wait(const struct exchange *x)
{
    return x->wire->sim->settings.time_scale == 0 && x->call.made && !life_is_settled(x->call.made);
}

static void run(struct exchange *x)
{
    struct wire *w = x->wire;
    struct sim *s = w->sim;
    const struct fault_call call = { x->call.operation, subject(x) };
    const struct fault *f = fault_strike(&s->faults, &call, FAULTS_BEFORE);

    life_advance(s);
    foreign_act(x, &call);
    if (f && f->action == FAULT_CUT_BEFORE) {
        x->call.fault = fault_action_name(f->action);
        reply_cut(x);
        return;
    }
    if (f) {
        x->error = injected(x, f);
    } else if (is_over_rate(x->wire, x->call.operation)) {
        x->error = call_fail(&x->call, WIRE_THROTTLING, "Rate exceeded");
    } else {
        f = fault_strike(&s->faults, &call, FAULTS_AFTER);
        x->error = is_rest(x) ? data_plane_call(&x->call) : sim_call(&x->call);
        if (f) {
            x->after = xmalloc(sizeof *x->after);
            *x->after = *f;
            x->after->reason = NULL;
            x->call.fault = fault_action_name(f->action);
        }
        if (!x->error && x->call.made)
            x->wait_arn = xstrdup(x->call.made->arn);
        life_advance(s);
    }
    state_flush(s);
    x->call.made = world_find(&s->world, x->wait_arn);
    if (must_wait(x)) {
        wait_for(x, WAIT_MAX_MS);
        return;
    }
    reply(x);
    wire_schedule(w);
}

/* ---- signature ---- */

struct header_list {
    struct sigv4_header items[MAX_HEADERS];
    size_t count;
};

static void add_header(void *context, const char *name, const char *value)
{
    struct header_list *list = context;

    if (list->count < MAX_HEADERS)
        list->items[list->count++] = (struct sigv4_header){ name, value };
}

static const char *lookup(void *context, const char *key_id)
{
    const struct wire *w = context;

    return str_eq(w->access_key_id, key_id) ? w->secret_access_key : NULL;
}

static enum sigv4_verdict verify(struct wire *w, struct http_request *rq,
                                 struct sigv4_verified *who)
{
    struct header_list headers = { .count = 0 };
    struct sigv4_request signed_request = { .method = http_method(rq),
                                            .path = http_raw_path(rq),
                                            .query = http_raw_query(rq) };

    if (s3_is_version_2_link(rq))
        return s3_version_2_verify(rq,
                                   &(struct s3_version_2){ w->access_key_id, w->secret_access_key,
                                                           clock_wall_ms() / 1000 },
                                   who);
    signed_request.body = http_body(rq, &signed_request.body_n);
    http_headers(rq, add_header, &headers);
    signed_request.headers = headers.items;
    signed_request.n_headers = headers.count;
    if (s3_is_request(rq)) /* s3_handle() holds the body against it, with an error of its own */
        signed_request.payload_hash = http_header(rq, "x-amz-content-sha256");
    return sigv4_verify(&signed_request, lookup, w, clock_wall_ms() / 1000,
                        w->signature_window_ms / 1000, who);
}

static const char *signing_name(const struct exchange *x)
{
    return x->neighbour ? x->neighbour->scope : str_eq(x->service, "sts") ? "sts" : "personalize";
}

/* In the words of the service; NULL: the signature holds. */
static const char *refusal(const struct exchange *x, enum sigv4_verdict verdict, char *message,
                           size_t size)
{
    switch (verdict) {
    case SIGV4_OK:
        break;
    case SIGV4_MISSING:
        (void) snprintf(message, size, "Missing Authentication Token");
        return "MissingAuthenticationTokenException";
    case SIGV4_INCOMPLETE:
        (void) snprintf(message, size, "%s", x->who.detail);
        return "IncompleteSignatureException";
    case SIGV4_UNKNOWN_KEY:
        (void) snprintf(message, size, "The security token included in the request is invalid.");
        return "UnrecognizedClientException";
    case SIGV4_BAD_SIGNATURE:
        (void) snprintf(
            message, size,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service "
            "documentation for details.");
        return "InvalidSignatureException";
    case SIGV4_EXPIRED:
    case SIGV4_TOO_EARLY:
        (void) snprintf(message, size, "%s", x->who.detail);
        return "InvalidSignatureException";
    }
    if (!str_eq(x->who.service, signing_name(x)))
        (void) snprintf(message, size, "Credential should be scoped to correct service: '%s'. ",
                        signing_name(x));
    else if (!str_eq(x->who.region, x->wire->sim->settings.region) && !str_eq(x->service, "sts"))
        (void) snprintf(message, size,
                        "Credential should be scoped to a valid region, not '%.32s'. ",
                        x->who.region);
    else
        return NULL;
    return "InvalidSignatureException";
}

/* Faults of S3 are rules whose operation begins with S3: "S3.PUT/bucket/key*=throttle". True:
 * answered. */
static bool spoil_s3(struct wire *w, struct http_request *rq)
{
    AUTO_FREE char *operation = xasprintf("S3.%s", http_method(rq));
    const struct fault_call call = { operation, http_path(rq) + 1 };
    const struct fault *f = fault_strike(&w->sim->faults, &call, FAULTS_BEFORE);

    if (!f)
        return false;
    if (f->action == FAULT_CUT_BEFORE)
        http_cut(rq);
    else if (f->action == FAULT_THROTTLE)
        s3_respond_error(rq, 503, "SlowDown", "Please reduce your request rate.");
    else if (f->action == FAULT_DENIED)
        s3_respond_error(rq, 403, "AccessDenied", "Access Denied");
    else
        s3_respond_error(rq, f->status, f->status == 503 ? "ServiceUnavailable" : "InternalError",
                         "Injected fault.");
    return true;
}

static void handle_s3(struct wire *w, struct http_request *rq)
{
    struct sigv4_verified who = { 0 };
    enum sigv4_verdict verdict = verify(w, rq, &who);
    AUTO_FREE char *what = xasprintf("%s %s", http_method(rq), http_raw_path(rq));
    const struct ledger_entry entry = { .service = "s3",
                                        .operation = what,
                                        .request_id = http_request_id(rq),
                                        .access_key_id = who.access_key_id,
                                        .model_ms = sim_now_ms(w->sim),
                                        .error = verdict ? "SignatureRefused" : NULL };
    const struct s3_caller caller = { &who, w->secret_access_key };

    ledger_add(w->ledger, &entry);
    if (verdict)
        s3_refuse(rq, verdict, &who);
    else if (!spoil_s3(w, rq))
        s3_handle(w->sim->s3, rq, &caller);
}

/* ---- telling the services apart ---- */

static bool is_form(const struct http_request *rq)
{
    const char *type = http_header(rq, "content-type");

    return type && str_starts(type, "application/x-www-form-urlencoded");
}

static void find_service(struct exchange *x)
{
    const char *target = http_header(x->rq, "x-amz-target");

    x->neighbour = neighbour_find(x->rq, &x->call.operation);
    x->service = x->neighbour ? x->neighbour->scope : "personalize";
    if (x->neighbour)
        return;
    if (target) { /* a copy: a request that waits outlives its headers */
        bool is_ours = str_starts(target, TARGET_PREFIX);

        x->call.operation =
            is_ours ? arena_strdup(http_arena(x->rq), target + strlen(TARGET_PREFIX)) : "";
        return;
    }
    if (data_plane_find(http_path(x->rq), &x->service, &x->call.operation))
        return;
    if (is_form(x->rq) || str_eq(http_query(x->rq, "Action"), "GetCallerIdentity")) {
        x->service = "sts";
        x->call.operation = "GetCallerIdentity";
        return;
    }
    x->call.operation = "";
}

static void handle_json(struct exchange *x)
{
    size_t n;
    const char *body = http_body(x->rq, &n);
    struct err e;

    if (!is_rest(x) && !sim_is_operation(x->call.operation)) {
        reply_error(x, 400, wire_error_name(WIRE_UNKNOWN_OPERATION));
        return;
    }
    if (n == 0)
        x->in = json_object();
    else if (json_parse(body, n, &x->in, NULL, &e) || !json_is_object(x->in)) {
        (void) str_copy(x->call.message, sizeof x->call.message,
                        x->in ? "The request is not a JSON object." : e.message);
        reply_error(x, 400, wire_error_name(WIRE_SERIALIZATION));
        return;
    }
    x->call.in = x->in;
    x->call.sim = x->wire->sim;
    {
        const struct fault_call call = { x->call.operation, subject(x) };
        const struct fault *slow =
            fault_strike(&x->wire->sim->faults, &call, FAULT_BIT(FAULT_SLOW));

        if (slow) {
            x->call.fault = fault_action_name(FAULT_SLOW);
            wait_for(x, slow->ms);
            return;
        }
    }
    run(x);
}

void wire_on_request(struct http_request *rq, void *context)
{
    struct wire *w = context;
    struct exchange *x;
    enum sigv4_verdict verdict;
    const char *code;

    if (str_starts(http_raw_path(rq), ADMIN_PREFIX)) {
        admin_handle(w, rq);
        return;
    }
    if (s3_is_request(rq)) {
        handle_s3(w, rq);
        return;
    }
    x = xcalloc(1, sizeof *x);
    x->wire = w;
    x->rq = rq;
    uuid_new(x->request_id);
    find_service(x);
    verdict = verify(w, rq, &x->who);
    code = refusal(x, verdict, x->call.message, sizeof x->call.message);
    if (x->neighbour) {
        neighbour_handle(x, code);
    } else if (str_eq(x->service, "sts")) {
        if (code)
            sts_refuse(x, 403, code, x->call.message);
        else
            sts_handle(x);
    } else if (code) {
        reply_error(x, 400, code);
    } else {
        handle_json(x);
    }
}
