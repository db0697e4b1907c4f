/*
 * hooks.c - POST /hooks/{triggerId}: who may send is settled here, before anything is said.
 *
 * No API token: each trigger has a way of its own. Whatever is wrong with a request - no such
 * trigger, no signature, a bad one, a stale one - the answer is the same 401, and takes as long.
 */
#include <string.h>

#include "hook.h"
#include "steward/clock.h"
#include "steward/log.h"
#include "steward/secret_box.h"
#include "steward/webhook_sign.h"

/* What is compared with when there is no trigger. */
#define NO_SECRET "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void work_done(void *state)
{
    struct hook_work *w = state;

    json_decref(w->options);
    json_decref(w->payload);
    json_decref(w->inner);
    json_decref(w->objects);
    json_decref(w->files);
    plan_done(&w->plan);
    parameter_file_done(&w->file);
}

struct hook_work *hook_work_new(struct call *c)
{
    struct hook_work *w = arena_alloc(c->arena, sizeof *w);

    c->state = w;
    c->state_done = work_done;
    return w;
}

/* ---- refusing ---- */

static void refuse(struct call *c, const char *why)
{
    const struct hook_work *w = c->state;

    log_event(LOG_INFO, "hook", "refused", "trigger=%s peer=%s msg=%s",
              w->trigger ? w->trigger : "-", c->peer, log_quote(why));
    refuse_unauthenticated(c, "There is no such trigger, or the request is not signed as it asks.");
}

static void refuse_sns(struct call *c)
{
    refuse(c, "The message of SNS is not signed by Amazon, or its certificate could not be had.");
}

/* ---- once the sender is known ---- */

static void answer_status(struct call *c, const char *status)
{
    const struct hook_work *w = c->state;
    AUTO_JSON json_t *answer = json_pack("{s:s, s:s}", "trigger", w->trigger, "status", status);

    answer_json(c, 200, answer);
}

static void confirmed_written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void write_confirmed(struct call *c)
{
    struct hook_work *w = c->state;
    struct db_op ops[2];
    char id[ID_BYTES];

    id_new("dlv", id);
    w->delivery = (struct hook_delivery){ .id = arena_strdup(c->arena, id),
                                          .trigger = w->trigger,
                                          .message_id = w->sns.id,
                                          .body_sha256 = w->body_sha256,
                                          .reason = "The subscription to the topic is confirmed." };
    hooks_store_confirmed(&w->delivery, &ops[0]);
    hooks_store_answer(w->delivery.id, &ops[1]);
    call_write(
        c, ops, 2,
        &(struct write_note){ .status = 200,
                              .detail = arena_printf(c->arena, "{\"trigger\":\"%s\"}", w->trigger),
                              .next = confirmed_written });
}

static void confirm_failed(struct call *c)
{
    answer_problem(c, 502, "confirmation-failed",
                   "Amazon SNS did not take the confirmation of the subscription; it will ask "
                   "again.");
}

static void authenticated(struct call *c)
{
    struct hook_work *w = c->state;

    if (!rate_admit_hook(c, w->trigger))
        return;
    if (w->auth == HOOK_GITHUB && str_eq(http_header(c->rq, "X-GitHub-Event"), "ping")) {
        answer_status(c, "pong");
        return;
    }
    if (w->auth == HOOK_SNS && w->sns.type == SNS_UNSUBSCRIBE) {
        log_event(LOG_WARN, "hook", "unsubscribed", "trigger=%s topic=%s", w->trigger,
                  log_quote(w->topic_arn));
        answer_status(c, "unsubscribed");
        return;
    }
    if (w->auth == HOOK_SNS && w->sns.type == SNS_SUBSCRIBE) {
        c->on_stale = write_confirmed;
        if (c->is_dry_run)
            write_confirmed(c);
        else
            sns_confirm(c, write_confirmed, confirm_failed);
        return;
    }
    if (hook_read_payload(c, w))
        call_begin_write(c, hook_start);
}

/* ---- finding out who it is ---- */

static void check_sns(struct call *c, struct hook_work *w)
{
    struct err e;

    if (sns_message_read(w->payload, &w->sns, &e))
        refuse(c, e.message);
    else if (!str_eq(w->sns.topic_arn, w->topic_arn))
        refuse(c, "It is of another topic.");
    else if (w->sns.at_s < w->request.now_s - WEBHOOK_TOLERANCE_S ||
             w->sns.at_s > w->request.now_s + WEBHOOK_TOLERANCE_S)
        refuse(c, hook_verdict_text(HOOK_STALE));
    else if (!sns_url_is_good(w->sns.certificate_url, ".pem"))
        refuse(c, "Its certificate is not at an address of Amazon SNS.");
    else if (w->sns.type != SNS_NOTIFICATION && !sns_url_is_good(w->sns.subscribe_url, NULL))
        refuse(c, "Its confirmation is not at an address of Amazon SNS.");
    else
        sns_check(c, authenticated, refuse_sns);
}

static bool unseal(struct call *c, const struct hook_work *w, const char *stored, char **plain)
{
    struct err e;

    *plain = NULL;
    if (!stored)
        return false;
    if (w->auth == HOOK_BEARER) {
        *plain = xstrdup(stored);
        return true;
    }
    if (!secret_box_unseal(c->api->options.secrets, w->trigger, stored, plain, &e))
        return true;
    log_error("hook", "secret_not_opened", &e);
    return false;
}

static void check_secret(struct call *c, const struct hook_work *w)
{
    AUTO_SECRET char *current = NULL, *old = NULL;
    struct hook_secrets secrets = { .current = NO_SECRET };
    bool has_secret;
    enum hook_verdict verdict;

    has_secret = unseal(c, w, rows_text(c->reply, 0, 0, HOOK_ROW_SECRET), &current);
    if (has_secret)
        secrets.current = current;
    if (unseal(c, w, rows_text(c->reply, 0, 0, HOOK_ROW_OLD_SECRET), &old))
        secrets.old = old;
    verdict = hook_verify(w->auth, &secrets, &w->request);
    if (!has_secret || verdict != HOOK_GOOD)
        refuse(c,
               has_secret ? hook_verdict_text(verdict) : "The trigger's secret can not be read.");
    else
        authenticated(c);
}

static void trigger_found(struct call *c)
{
    struct hook_work *w = c->state;
    const struct hook_secrets nobody = { .current = NO_SECRET };

    if (!rows_count(c->reply, 0)) {
        /* The same work as with one. */
        (void) hook_verify(HOOK_STANDARD, &nobody, &w->request);
        (void) hook_verify(HOOK_GITHUB, &nobody, &w->request);
        refuse(c, "There is no such trigger.");
        return;
    }
    if (!hook_take_trigger(c, w)) {
        answer_problem(c, 422, "not-supported",
                       "This release does not know the trigger's run kind.");
        return;
    }
    if (w->auth == HOOK_SNS)
        check_sns(c, w);
    else
        check_secret(c, w);
}

/* JSON, or GitHub's form with it inside; anything else has nothing to say. */
static json_t *parse_payload(struct call *c, const char *body, size_t n)
{
    const char *type = http_header(c->rq, "Content-Type");
    AUTO_BUF struct buf plain = { 0 };
    json_t *payload = NULL;
    struct err e;

    if (type && str_starts(type, "application/x-www-form-urlencoded") &&
        str_starts(body, "payload=")) {
        body += strlen("payload=");
        n = strcspn(body, "&");
        if (!uri_decode(&plain, body, n, true) || !plain.data)
            return NULL;
        body = plain.data;
        n = plain.length;
    }
    if (n == 0 || json_parse(body, n, &payload, NULL, &e))
        return NULL;
    return payload;
}

void api_hook_post(struct call *c)
{
    struct hook_work *w = hook_work_new(c);
    struct db_op op;
    size_t n;
    const char *body = http_body(c->rq, &n);

    w->request = (struct hook_request){
        .id = http_header(c->rq, "webhook-id"),
        .timestamp = http_header(c->rq, "webhook-timestamp"),
        .signature = http_header(c->rq, "webhook-signature"),
        .github_signature = http_header(c->rq, "X-Hub-Signature-256"),
        .github_id = http_header(c->rq, "X-GitHub-Delivery"),
        .authorization = http_header(c->rq, "Authorization"),
        .key = c->idempotency_key,
        .body = body,
        .body_n = n,
        .now_s = clock_wall_ms() / 1000,
    };
    c->idempotency_key = NULL; /* a message has an id of its own */
    sha256_hex(body, n, w->body_sha256);
    w->payload = parse_payload(c, body, n);
    hooks_store_find(c->match.params[0], &op);
    call_read(c, &op, 1, trigger_found);
}
