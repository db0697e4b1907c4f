/*
 * trigger_test.c - POST /triggers/{id}/test: what a delivery would do now, without any effect.
 *
 * With a sample of a request (headers and body) it says what is wrong with its signature: to
 * whoever holds a token that is worth an afternoon, and to nobody else is it told.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_write.h"
#include "hook.h"
#include "steward/clock.h"
#include "steward/configs_store.h"
#include "steward/secret_box.h"

static const struct body_member test_members[] = {
    { .name = "headers", .type = JSON_OBJECT },
    { .name = "body", .type = JSON_STRING, .max_length = 262144 },
};

/* The sample's header of the name, whatever its case. */
static const char *header(const struct call *c, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get(c->body, "headers"), key, value)
        if (strcasecmp(key, name) == 0)
            return json_string_value(value);
    return NULL;
}

static char *unseal(struct call *c, const struct hook_work *w, int column)
{
    const char *stored = rows_text(c->reply, 0, 0, column);
    char *plain = NULL;
    struct err e;

    if (!stored)
        return NULL;
    if (w->auth == HOOK_BEARER)
        return xstrdup(stored);
    return secret_box_unseal(c->api->options.secrets, w->trigger, stored, &plain, &e) ? NULL
                                                                                      : plain;
}

/* The row is that of hooks_store_find(). NULL: there is no sample. */
static json_t *judge_sample(struct call *c, const struct hook_work *w)
{
    const char *body = json_text_or(c->body, "body", "");
    const struct hook_request rq = {
        .id = header(c, "webhook-id"),
        .timestamp = header(c, "webhook-timestamp"),
        .signature = header(c, "webhook-signature"),
        .github_signature = header(c, "X-Hub-Signature-256"),
        .authorization = header(c, "Authorization"),
        .body = body,
        .body_n = strlen(body),
        .now_s = clock_wall_ms() / 1000,
    };
    struct hook_secrets secrets;
    enum hook_verdict verdict = HOOK_FORGED;

    if (!json_object_get(c->body, "headers"))
        return NULL;
    if (w->auth == HOOK_SNS)
        return json_pack("{s:b, s:s}", "authentic", 0, "reason",
                         "Messages of SNS are signed by Amazon: publish one to the topic and look "
                         "at the deliveries.");
    AUTO_SECRET char *current = unseal(c, w, HOOK_ROW_SECRET);
    AUTO_SECRET char *old = unseal(c, w, HOOK_ROW_OLD_SECRET);

    secrets = (struct hook_secrets){ current, old };
    if (current)
        verdict = hook_verify(w->auth, &secrets, &rq);
    return json_pack("{s:b, s:s}", "authentic", verdict == HOOK_GOOD, "reason",
                     hook_verdict_text(verdict));
}

static void answer_test(struct call *c, const char *code, const char *reason)
{
    struct hook_work *w = c->state;
    AUTO_JSON json_t *steps = config_plan_json(&w->plan);
    AUTO_JSON json_t *answer =
        json_pack("{s:s, s:s, s:s, s:b, s:O}", "trigger", w->trigger, "config", w->config, "kind",
                  run_kind_name(w->kind), "wouldStart", code == NULL, "steps", steps);

    if (code) {
        json_object_set_new(answer, "code", json_string(code));
        json_object_set_new(answer, "reason", json_string(reason));
        if (w->retry_after_s)
            json_object_set_new(answer, "retryAfterSeconds", json_integer(w->retry_after_s));
    }
    if (w->payload)
        json_object_set(answer, "sample", w->payload);
    answer_json(c, 200, answer);
}

static void refusal_read(struct call *c)
{
    struct hook_work *w = c->state;

    w->retry_after_s = rows_int(c->reply, 0, 0, 1, 0);
    answer_test(c, rows_text(c->reply, 0, 0, 0), rows_text(c->reply, 0, 0, 2));
}

static void config_read(struct call *c)
{
    struct hook_work *w = c->state;
    const char *trouble = hook_plan(c, w, 0);
    struct db_op op;

    if (trouble) {
        answer_test(c, "cannot-plan", trouble);
        return;
    }
    hook_fill_guard(c, w);
    hooks_store_refusal(&w->guard, &op);
    call_read(c, &op, 1, refusal_read);
}

static void trigger_read(struct call *c)
{
    struct hook_work *w = c->state;
    struct db_op op;

    if (!rows_count(c->reply, 0) || !hook_take_trigger(c, w)) {
        answer_not_found(c, "trigger", c->match.params[0]);
        return;
    }
    w->payload = judge_sample(c, w);
    configs_store_current(w->config, &op);
    call_read(c, &op, 1, config_read);
}

void api_trigger_test(struct call *c)
{
    struct db_op op;

    (void) hook_work_new(c);
    if (!body_parse(c) || !body_check(c, test_members, ARRAY_LEN(test_members)))
        return;
    hooks_store_find_named(c->match.params[0], &op);
    call_read(c, &op, 1, trigger_read);
}
