/*
 * tokens.c - tokens: made, listed and revoked by whoever holds the scope admin. A secret is shown
 * once and never kept.
 */
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"
#include "steward/tokens_store.h"

#define EXPIRY_DEFAULT_DAYS 90
#define EXPIRY_MAX_DAYS     365
#define OVERLAP_DEFAULT_S   86400
#define OVERLAP_MAX_S       (7 * 86400)

static const struct body_member token_members[] = {
    { .name = "name", .type = JSON_STRING, .is_required = true, .max_length = 100 },
    { .name = "scopes", .type = JSON_ARRAY, .is_required = true },
    { .name = "expiresInDays", .type = JSON_INTEGER },
};

struct token_make {
    struct token_text token;
    int64_t limit;
};

static bool is_token_id(const char *id)
{
    size_t n = strlen(id);

    return n == TOKEN_ID_BYTES - 1 &&
           strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == n;
}

static bool take_token_id(struct call *c)
{
    if (is_token_id(c->match.params[0]))
        return true;
    answer_not_found(c, "token", c->match.params[0]);
    return false;
}

static void page_read(struct call *c)
{
    struct token_make *m = c->state;

    answer_page(c, m->limit);
}

void api_tokens_list(struct call *c)
{
    struct token_make *m = arena_alloc(c->arena, sizeof *m);
    const char *before, *rows;
    struct db_op op;

    c->state = m;
    if (!query_limit(c, &m->limit, &rows) || !query_cursor(c, &before))
        return;
    tokens_store_page(before, rows, &op);
    call_list(c, &op, page_read);
}

static void token_read(struct call *c)
{
    if (rows_count(c->reply, 0))
        answer_resource(c, rows_text(c->reply, 0, 0, 0), rows_length(c->reply, 0, 0, 0), NULL);
    else
        answer_not_found(c, "token", c->match.params[0]);
}

void api_token_get(struct call *c)
{
    struct db_op op;

    if (!take_token_id(c))
        return;
    tokens_store_read(c->match.params[0], &op);
    call_read(c, &op, 1, token_read);
}

static void check_scopes(struct call *c, struct findings *f)
{
    const json_t *scopes = json_object_get(c->body, "scopes");
    size_t i;
    json_t *item;

    if (json_array_size(scopes) == 0)
        findings_add(f, "/scopes", "empty",
                     "A token has at least one scope: read, operate, apply or admin.");
    json_array_foreach ((json_t *) scopes, i, item) {
        char pointer[POINTER_BYTES] = "/scopes";
        enum scope scope;

        (void) json_pointer_index(pointer, sizeof pointer, i);
        if (!json_is_string(item) || !scope_find(json_string_value(item), &scope))
            findings_add(f, pointer, "bad-value", "A scope is read, operate, apply or admin.");
        else if (!(c->who.scopes >> scope & 1))
            findings_add(f, pointer, "scope-not-held",
                         "A token can not give the scope \"%s\" that it lacks.", scope_name(scope));
    }
}

static bool check_body(struct call *c)
{
    int64_t days = json_int_or(c->body, "expiresInDays", EXPIRY_DEFAULT_DAYS);
    struct findings f = { 0 };

    check_scopes(c, &f);
    if (days < 1 || days > EXPIRY_MAX_DAYS)
        findings_add(&f, "/expiresInDays", "out-of-range", "A token expires after 1 to %d days.",
                     EXPIRY_MAX_DAYS);
    return !answer_if_found(c, "invalid", &f);
}

static void written(struct call *c)
{
    answer_with_secret(c, "token", ((const struct token_make *) c->state)->token.text);
}

static void insert_token(struct call *c)
{
    struct token_make *m = c->state;
    const json_t *scopes = json_object_get(c->body, "scopes");
    const char **names = arena_alloc(c->arena, (json_array_size(scopes) + 1) * sizeof *names);
    AUTO_FREE char *literal = NULL;
    char expires[CLOCK_TEXT_BYTES];
    struct token_new row = { .name = json_text(c->body, "name"), .created_by = c->who.token_id };
    struct db_op ops[3];

    if (c->is_dry_run) {
        answer_dry_run(c, json_pack("{s:s, s:O}", "name", json_text(c->body, "name"), "scopes",
                                    json_object_get(c->body, "scopes")));
        return;
    }
    token_new(&m->token);
    for (size_t i = 0; i < json_array_size(scopes); i++)
        names[i] = json_string_value(json_array_get(scopes, i));
    literal = db_text_array(names, json_array_size(scopes));
    clock_format_ms(clock_wall_ms() +
                        json_int_or(c->body, "expiresInDays", EXPIRY_DEFAULT_DAYS) * 86400000,
                    expires);
    row.id = m->token.id;
    row.secret_sha256_hex = m->token.secret_sha256_hex;
    row.scopes = arena_strdup(c->arena, literal);
    row.expires_at = arena_strdup(c->arena, expires);
    tokens_store_insert(&row, &ops[0]);
    tokens_store_event(c->arena, "token.created", row.id, &ops[1]);
    tokens_store_answer(row.id, &ops[2]);
    call_write(c, ops, ARRAY_LEN(ops),
               &(struct write_note){ .status = 201,
                                     .location = arena_printf(c->arena, "/tokens/%s", row.id),
                                     .detail = arena_printf(c->arena, "{\"token\":\"%s\"}", row.id),
                                     .next = written });
}

void api_token_post(struct call *c)
{
    struct token_make *m = arena_alloc(c->arena, sizeof *m);

    c->state = m;
    if (body_parse(c) && body_check(c, token_members, ARRAY_LEN(token_members)) && check_body(c))
        call_begin_write(c, insert_token);
}

/* ---- rotation: a new secret, the old one counts a while longer ---- */

static const struct body_member rotate_members[] = {
    { .name = "overlapSeconds", .type = JSON_INTEGER },
    { .name = "expiresInDays", .type = JSON_INTEGER },
};

static void rotated(struct call *c)
{
    auth_forget(c->api, c->match.params[0]);
    written(c);
}

static void rotate(struct call *c)
{
    struct token_make *m = c->state;
    const char *id = c->match.params[0];
    char expires[CLOCK_TEXT_BYTES];
    struct token_rotate row = { .id = id };
    struct db_op ops[3 + TOKENS_STORE_FENCE_OPS];
    size_t n = tokens_store_fence(id, c->fence_sha256, ops);

    token_new(&m->token);
    token_with_id(&m->token, id);
    clock_format_ms(clock_wall_ms() +
                        json_int_or(c->body, "expiresInDays", EXPIRY_DEFAULT_DAYS) * 86400000,
                    expires);
    row.secret_sha256_hex = m->token.secret_sha256_hex;
    row.expires_at = arena_strdup(c->arena, expires);
    row.overlap_seconds = arena_printf(
        c->arena, "%lld", (long long) json_int_or(c->body, "overlapSeconds", OVERLAP_DEFAULT_S));
    tokens_store_rotate(&row, &ops[n++]);
    tokens_store_event(c->arena, "token.rotated", id, &ops[n++]);
    tokens_store_answer(id, &ops[n++]);
    call_write(c, ops, n,
               &(struct write_note){ .status = 200,
                                     .detail = arena_printf(c->arena, "{\"token\":\"%s\"}", id),
                                     .next = rotated });
}

/* The row is (is_live, scopes). */
static void live_read(struct call *c)
{
    if (!rows_count(c->reply, 0))
        answer_not_found(c, "token", c->match.params[0]);
    else if (!rows_bool(c->reply, 0, 0, 0))
        answer_problem(c, 409, "token-dead",
                       "This token is revoked or expired: make a new one instead.");
    else if (!check_if_match(c, 1, 0, "token"))
        return;
    else if (c->is_dry_run)
        answer_text(c, 200, "{\"dryRun\":true}", 15);
    else
        rotate(c);
}

static void read_live(struct call *c)
{
    struct db_op ops[2];

    tokens_store_live(c->match.params[0], &ops[0]);
    tokens_store_read(c->match.params[0], &ops[1]);
    call_read(c, ops, ARRAY_LEN(ops), live_read);
}

static bool check_rotation(struct call *c)
{
    int64_t days = json_int_or(c->body, "expiresInDays", EXPIRY_DEFAULT_DAYS);
    int64_t overlap = json_int_or(c->body, "overlapSeconds", OVERLAP_DEFAULT_S);
    struct findings f = { 0 };

    if (days < 1 || days > EXPIRY_MAX_DAYS)
        findings_add(&f, "/expiresInDays", "out-of-range", "A token expires after 1 to %d days.",
                     EXPIRY_MAX_DAYS);
    if (overlap < 0 || overlap > OVERLAP_MAX_S)
        findings_add(&f, "/overlapSeconds", "out-of-range",
                     "The old secret counts for 0 to %d seconds (7 days) more.", OVERLAP_MAX_S);
    return !answer_if_found(c, "invalid", &f);
}

void api_token_rotate(struct call *c)
{
    c->state = arena_alloc(c->arena, sizeof(struct token_make));
    if (take_token_id(c) && body_parse(c) &&
        body_check(c, rotate_members, ARRAY_LEN(rotate_members)) && check_rotation(c))
        call_begin_write(c, read_live);
}

static void revoked(struct call *c)
{
    auth_forget(c->api, c->match.params[0]);
    answer_written(c, NULL);
}

/* The row is (is_revoked, is_last_admin). */
static void standing_read(struct call *c)
{
    const char *id = c->match.params[0];
    struct db_op ops[TOKENS_STORE_FENCE_OPS + TOKENS_STORE_REVOKE_OPS + 1];
    size_t n;

    if (!rows_count(c->reply, 0)) {
        answer_not_found(c, "token", id);
    } else if (!check_if_match(c, 1, 0, "token")) {
        return;
    } else if (rows_bool(c->reply, 0, 0, 0) && !c->is_dry_run) {
        http_respond(c->rq, 204, NULL, "", 0);
    } else if (rows_bool(c->reply, 0, 0, 1)) {
        answer_problem(c, 409, "last-admin-token",
                       "This is the last token with the scope admin: make another one first.");
    } else {
        n = tokens_store_fence(id, c->fence_sha256, ops);
        n += tokens_store_revoke(id, ops + n);
        tokens_store_event(c->arena, "token.revoked", id, &ops[n++]);
        call_write(c, ops, n,
                   &(struct write_note){ .status = 204,
                                         .detail = arena_printf(c->arena, "{\"token\":\"%s\"}", id),
                                         .next = revoked });
    }
}

static void read_standing(struct call *c)
{
    struct db_op ops[2];

    tokens_store_standing(c->match.params[0], &ops[0]);
    tokens_store_read(c->match.params[0], &ops[1]);
    call_read(c, ops, ARRAY_LEN(ops), standing_read);
}

void api_token_delete(struct call *c)
{
    if (take_token_id(c))
        call_begin_write(c, read_standing);
}
