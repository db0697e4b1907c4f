/*
 * webhooks.c - webhooks: made, changed, tested, replayed. A secret is shown once, when it is made
 * or rotated, and kept sealed.
 *
 * A channel (/channels) is an endpoint like a webhook, made by a server's options: what can be
 * asked of both is answered here for both.
 */
#include <stdio.h>
#include <string.h>

#include "item.h"
#include "steward/channels_store.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/outbound.h"
#include "steward/secret_box.h"
#include "steward/webhook_sign.h"
#include "steward/webhooks_store.h"

#define PINGS_A_MINUTE 10
#define FILTERS_MAX    50

/* Columns of webhooks_store_read() and channels_store_read(). */
enum { W_OFF = ITEM_OWN_COLUMNS, W_PINGS, W_SECRET };

static const struct body_member make_members[] = {
    { .name = "url", .type = JSON_STRING, .is_required = true, .max_length = 2000 },
    { .name = "name", .type = JSON_STRING, .max_length = 100 },
    { .name = "types", .type = JSON_ARRAY },
    { .name = "configs", .type = JSON_ARRAY },
    { .name = "enabled", .type = JSON_TRUE },
    { .name = "secret", .type = JSON_STRING, .max_length = 100 },
};
static const struct body_member change_members[] = {
    { .name = "url", .type = JSON_STRING, .max_length = 2000 },
    { .name = "name", .type = JSON_STRING, .max_length = 100 },
    { .name = "types", .type = JSON_ARRAY },
    { .name = "configs", .type = JSON_ARRAY },
    { .name = "enabled", .type = JSON_TRUE },
};
static const struct body_member rotate_members[] = {
    { .name = "secret", .type = JSON_STRING, .max_length = 100 },
};
static const struct body_member replay_members[] = {
    { .name = "event", .type = JSON_STRING, .max_length = 40 },
    { .name = "delivery", .type = JSON_STRING, .max_length = 40 },
    { .name = "since", .type = JSON_STRING, .max_length = 40 },
    { .name = "until", .type = JSON_STRING, .max_length = 40 },
    { .name = "all", .type = JSON_TRUE },
};

_Static_assert(WEBHOOKS_STORE_FENCE_OPS <= ITEM_FENCE_OPS, "item_delete() has room for the fence");
static const struct item_kind webhook_kind = { .what = "webhook",
                                               .read = webhooks_store_read,
                                               .fence = webhooks_store_fence,
                                               .delete = webhooks_store_delete };
/* Made by an option: nobody changes or deletes it here. */
static const struct item_kind channel_kind = { .what = "channel", .read = channels_store_read };

struct webhook_work {
    struct item item; /* first */
    struct webhook_row row;
    char event[ID_BYTES];
    const char *statuses, *before, *rows;
};

static void work_done(void *state)
{
    struct webhook_work *w = state;

    item_done(&w->item);
}

static struct webhook_work *work_new(struct call *c)
{
    struct webhook_work *w = arena_alloc(c->arena, sizeof *w);

    w->item.kind = str_starts(c->route->path, "/channels") ? &channel_kind : &webhook_kind;
    c->state = w;
    c->state_done = work_done;
    return w;
}

/* ---- reading ---- */

void api_webhooks_list(struct call *c)
{
    struct webhook_work *w = work_new(c);
    struct db_op op;

    if (!query_limit(c, &w->item.limit, &w->rows) || !query_cursor(c, &w->before))
        return;
    webhooks_store_page(w->before, w->rows, &op);
    call_list(c, &op, item_answer_page);
}

void api_channels_list(struct call *c)
{
    struct db_op op;

    work_new(c)->item.limit = LIMIT_MAX;
    channels_store_list(&op);
    call_list(c, &op, item_answer_page);
}

void api_webhook_get(struct call *c)
{
    (void) work_new(c);
    item_read(c, item_answer);
}

static void deliveries_found(struct call *c)
{
    struct webhook_work *w = c->state;
    struct deliveries_filter f = { .statuses = w->statuses,
                                   .before_id = w->before,
                                   .limit = w->rows };
    struct db_op op;

    if (!item_is_found(c))
        return;
    f.webhook = w->item.id;
    webhooks_store_deliveries(&f, &op);
    call_list(c, &op, item_answer_page);
}

void api_webhook_deliveries(struct call *c)
{
    static const char *const statuses[] = { "pending", "delivered", "dead", NULL };
    struct webhook_work *w = work_new(c);

    if (query_limit(c, &w->item.limit, &w->rows) && query_cursor(c, &w->before) &&
        query_list(c, "status", statuses, &w->statuses))
        item_read(c, deliveries_found);
}

/* ---- what a body may say ---- */

/* A list of texts as an array literal; patterns (may be NULL) gets the same globs for LIKE. */
static const char *take_list(struct call *c, const char *name, struct findings *f,
                             const char **patterns)
{
    const json_t *list = json_object_get(c->body, name);
    const char *items[FILTERS_MAX];
    char *likes[FILTERS_MAX];
    AUTO_FREE char *literal = NULL;
    AUTO_FREE char *like_literal = NULL;
    size_t n = json_array_size(list);
    char pointer[POINTER_BYTES] = "";

    if (!list)
        return NULL;
    (void) json_pointer_key(pointer, sizeof pointer, name);
    if (n > FILTERS_MAX) {
        findings_add(f, pointer, "too-long", "At most %d entries.", FILTERS_MAX);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));

        if (!text || (patterns && !glob_is_valid(text)) || strlen(text) > 100) {
            findings_add(f, pointer, "bad-value",
                         patterns ? "\"%s\" holds event types or globs such as \"run.*\"."
                                  : "\"%s\" holds names of configs.",
                         name);
            return NULL;
        }
        items[i] = text;
    }
    literal = db_text_array(items, n);
    if (patterns) {
        for (size_t i = 0; i < n; i++)
            likes[i] = glob_to_like(items[i]);
        like_literal = db_text_array((const char *const *) likes, n);
        for (size_t i = 0; i < n; i++)
            free(likes[i]);
        *patterns = arena_strdup(c->arena, like_literal);
    }
    return arena_strdup(c->arena, literal);
}

static bool take_body(struct call *c, struct webhook_work *w)
{
    const char *url = json_text(c->body, "url"), *secret = json_text(c->body, "secret");
    const json_t *enabled = json_object_get(c->body, "enabled");
    struct findings f = { 0 };
    AUTO_FREE char *normal = NULL;
    struct err e;

    w->row.name = json_text(c->body, "name");
    if (w->row.name && (!*w->row.name || id_is_valid("whk", w->row.name)))
        findings_add(&f, "/name", "bad-value", "A name is not empty and does not look like an id.");
    if (url && outbound_url_check(c->api->options.outbound, url, &normal, &e))
        findings_add(&f, "/url", "bad-url", "%s", e.message);
    else if (url)
        w->row.url = arena_strdup(c->arena, normal);
    if (secret && !webhook_secret_is_valid(secret))
        findings_add(&f, "/secret", "bad-value",
                     "A secret is \"whsec_\" and base64 of 16 to 64 bytes; leave it out and one is "
                     "made.");
    w->row.types = take_list(c, "types", &f, &w->row.patterns);
    w->row.configs = take_list(c, "configs", &f, NULL);
    w->row.is_enabled = enabled ? json_is_true(enabled) ? "true" : "false" : NULL;
    return !answer_if_found(c, "invalid", &f);
}

/* ---- making ---- */

/* A fresh secret, or the one that was given; sealed for the row. */
static const char *make_secret(struct call *c, struct webhook_work *w, const char *id)
{
    const char *given = json_text(c->body, "secret");
    AUTO_FREE char *sealed = NULL;
    uint8_t bytes[WEBHOOK_SECRET_BYTES];

    secret_wipe(w->item.secret);
    random_bytes(bytes, sizeof bytes);
    w->item.secret = given ? xstrdup(given) : webhook_secret_text(bytes);
    sealed = secret_box_seal(c->api->options.secrets, id, w->item.secret, strlen(w->item.secret));
    return arena_strdup(c->arena, sealed);
}

static void insert(struct call *c)
{
    struct webhook_work *w = c->state;
    struct db_op ops[2];

    if (w->row.name && !item_is_name_free(c, ""))
        return;
    if (c->is_dry_run) {
        answer_text(c, 200, "{\"dryRun\":true}", 15);
        return;
    }
    id_new("whk", w->item.id);
    w->row.id = w->item.id;
    w->row.secret = make_secret(c, w, w->item.id);
    w->row.created_by = c->who.token_id;
    webhooks_store_insert(&w->row, &ops[0]);
    webhooks_store_answer(w->item.id, &ops[1]);
    call_write(c, ops, ARRAY_LEN(ops),
               &(struct write_note){ .status = 201,
                                     .location = arena_printf(c->arena, "/webhooks/%s", w->item.id),
                                     .detail = item_detail(c),
                                     .next = item_answer_with_secret });
}

static void begin_insert(struct call *c)
{
    struct webhook_work *w = c->state;
    struct db_op op;

    webhooks_store_read(w->row.name ? w->row.name : "", &op);
    call_read(c, &op, 1, insert);
}

void api_webhook_post(struct call *c)
{
    struct webhook_work *w = work_new(c);

    if (body_parse(c) && body_check(c, make_members, ARRAY_LEN(make_members)) && take_body(c, w))
        call_begin_write(c, begin_insert);
}

/* ---- changing ---- */

static void written(struct call *c)
{
    answer_written(c, rows_text(c->reply, c->answer_op, 0, 0));
}

static void update(struct call *c)
{
    struct webhook_work *w = c->state;
    struct db_op ops[2 + WEBHOOKS_STORE_FENCE_OPS];
    size_t n = webhooks_store_fence(w->item.id, c->fence_sha256, ops);

    if (w->row.name && !item_is_name_free(c, w->item.id))
        return;
    w->row.id = w->item.id;
    webhooks_store_update(&w->row, &ops[n++]);
    webhooks_store_answer(w->item.id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 200, .detail = item_detail(c), .next = written });
}

static void change_found(struct call *c)
{
    struct webhook_work *w = c->state;
    struct db_op op;

    if (!item_is_found_as_asked(c))
        return;
    if (c->is_dry_run) {
        item_answer(c);
    } else {
        webhooks_store_read(w->row.name ? w->row.name : "", &op);
        call_read(c, &op, 1, update);
    }
}

static void begin_change(struct call *c)
{
    item_read(c, change_found);
}

void api_webhook_patch(struct call *c)
{
    struct webhook_work *w = work_new(c);

    if (body_parse(c) && body_check(c, change_members, ARRAY_LEN(change_members)) &&
        take_body(c, w))
        call_begin_write(c, begin_change);
}

void api_webhook_delete(struct call *c)
{
    (void) work_new(c);
    item_delete(c);
}

static void rotate_found(struct call *c)
{
    struct webhook_work *w = c->state;
    struct db_op ops[2 + WEBHOOKS_STORE_FENCE_OPS];
    struct webhook_rotation r = { .overlap_seconds = ITEM_OVERLAP };
    size_t n;

    if (!item_is_found_as_asked(c))
        return;
    if (c->is_dry_run) {
        item_answer(c);
        return;
    }
    r.id = w->item.id;
    r.old_secret = arena_strdup(c->arena, rows_text(c->reply, 0, 0, W_SECRET));
    r.secret = make_secret(c, w, w->item.id);
    n = webhooks_store_fence(w->item.id, c->fence_sha256, ops);
    webhooks_store_rotate(&r, &ops[n++]);
    webhooks_store_answer(w->item.id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){
                   .status = 200, .detail = item_detail(c), .next = item_answer_with_secret });
}

static void begin_rotate(struct call *c)
{
    item_read(c, rotate_found);
}

void api_webhook_rotate(struct call *c)
{
    const char *secret;

    (void) work_new(c);
    if (!body_parse(c) || !body_check(c, rotate_members, ARRAY_LEN(rotate_members)))
        return;
    secret = json_text(c->body, "secret");
    if (secret && !webhook_secret_is_valid(secret))
        answer_field(c, "/secret", "bad-value",
                     "A secret is \"whsec_\" and base64 of 16 to 64 bytes.");
    else
        call_begin_write(c, begin_rotate);
}

/* ---- sending again ---- */

static bool is_on(struct call *c)
{
    const struct webhook_work *w = c->state;

    if (!item_is_found(c))
        return false;
    if (!rows_bool(c->reply, 0, 0, W_OFF))
        return true;
    if (w->item.kind == &channel_kind)
        answer_problem(c, 409, "channel-off",
                       "No server has the option of this channel any more; start one with it.");
    else
        answer_problem(c, 409, "webhook-disabled",
                       "The webhook is switched off; PATCH it with {\"enabled\": true} first.");
    return false;
}

static void ping_found(struct call *c)
{
    struct webhook_work *w = c->state;
    struct db_op ops[WEBHOOKS_STORE_PING_OPS];

    if (!is_on(c))
        return;
    if (rows_int(c->reply, 0, 0, W_PINGS, 0) >= PINGS_A_MINUTE) {
        http_problem(c->rq,
                     &(struct problem){ .status = 429,
                                        .code = "too-many-tests",
                                        .detail = "An endpoint is tested at most ten times a "
                                                  "minute.",
                                        .is_retryable = true,
                                        .retry_after_s = 60 });
        return;
    }
    if (c->is_dry_run) {
        answer_text(c, 200, "{\"dryRun\":true}", 15);
        return;
    }
    id_new("evt", w->event);
    call_write(c, ops, webhooks_store_ping(w->item.id, w->event, ops),
               &(struct write_note){ .status = 202, .detail = item_detail(c), .next = written });
}

static void begin_ping(struct call *c)
{
    item_read(c, ping_found);
}

/* Answers before anything is sent: how long it takes says nothing about the address. */
void api_webhook_test(struct call *c)
{
    (void) work_new(c);
    if (body_parse(c) && body_check(c, NULL, 0))
        call_begin_write(c, begin_ping);
}

static void replay_found(struct call *c)
{
    struct webhook_work *w = c->state;
    struct webhook_replay r = { .event = json_text(c->body, "event"),
                                .delivery = json_text(c->body, "delivery"),
                                .since = json_text(c->body, "since"),
                                .until = json_text(c->body, "until"),
                                .is_all = json_bool_or(c->body, "all", false) ? "true" : "false" };
    struct db_op op;

    if (!is_on(c))
        return;
    if (c->is_dry_run) {
        answer_text(c, 200, "{\"dryRun\":true}", 15);
        return;
    }
    r.id = w->item.id;
    webhooks_store_replay(&r, &op);
    call_write(c, &op, 1,
               &(struct write_note){ .status = 202, .detail = item_detail(c), .next = written });
}

static void begin_replay(struct call *c)
{
    item_read(c, replay_found);
}

static void check_id(struct findings *f, const json_t *body, const char *name, const char *prefix)
{
    const char *text = json_text(body, name);
    char pointer[POINTER_BYTES] = "";

    (void) json_pointer_key(pointer, sizeof pointer, name);
    if (text && !id_is_valid(prefix, text))
        findings_add(f, pointer, "bad-value", "\"%s\" is an id that begins with %s_.", name,
                     prefix);
}

static void check_time(struct findings *f, const json_t *body, const char *name)
{
    const char *text = json_text(body, name);
    char pointer[POINTER_BYTES] = "";
    int64_t ms;

    (void) json_pointer_key(pointer, sizeof pointer, name);
    if (text && !clock_parse(text, &ms))
        findings_add(f, pointer, "bad-value", "\"%s\" is a time such as 2026-11-24T06:00:00Z.",
                     name);
}

void api_webhook_replay(struct call *c)
{
    struct findings f = { 0 };

    (void) work_new(c);
    if (!body_parse(c) || !body_check(c, replay_members, ARRAY_LEN(replay_members)))
        return;
    check_id(&f, c->body, "event", "evt");
    check_id(&f, c->body, "delivery", "dlv");
    check_time(&f, c->body, "since");
    check_time(&f, c->body, "until");
    if (!json_text(c->body, "event") && !json_text(c->body, "delivery") &&
        !json_text(c->body, "since"))
        findings_add(&f, "", "missing",
                     "Say what to replay: \"event\", \"delivery\", or \"since\" (and \"until\").");
    if (!answer_if_found(c, "invalid", &f))
        call_begin_write(c, begin_replay);
}
