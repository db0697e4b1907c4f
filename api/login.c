/*
 * login.c - a link that logs in once: POST /login-tickets makes it, POST /login takes it.
 *
 * The ticket stands in the link's fragment, counts for 60 s and once, and only its hash is stored.
 * What it gives is a token of its own for a day with the scopes of the token that made the ticket.
 */
#include <string.h>

#include "api_private.h"
#include "steward/clock.h"
#include "steward/id.h"
#include "steward/tokens_store.h"

#define TICKET_BYTES 32

void ticket_new(char text[TICKET_TEXT_BYTES], char sha256_hex_out[65])
{
    uint8_t bytes[TICKET_BYTES];

    random_bytes(bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, text);
    sha256_hex(text, strlen(text), sha256_hex_out);
}

struct ticket_make {
    char text[TICKET_TEXT_BYTES];
};

static void made(struct call *c)
{
    struct ticket_make *m = c->state;
    AUTO_JSON json_t *answer =
        json_pack("{s:s, s:s, s:i}", "ticket", m->text, "path",
                  arena_printf(c->arena, "/ui/#ticket=%s", m->text), "expiresInSeconds", 60);

    answer_json(c, 201, answer);
}

static void insert_ticket(struct call *c)
{
    struct ticket_make *m = c->state;
    char hash[65];
    struct db_op ops[2];

    if (c->is_dry_run) {
        answer_text(c, 200, "{\"dryRun\":true}", 15);
        return;
    }
    ticket_new(m->text, hash);
    tickets_store_insert(arena_strdup(c->arena, hash), c->who.token_id, &ops[0]);
    idempotency_store_answer("{}", &ops[1]);
    call_write(c, ops, ARRAY_LEN(ops), &(struct write_note){ .status = 201, .next = made });
}

void api_login_ticket_post(struct call *c)
{
    c->state = arena_alloc(c->arena, sizeof(struct ticket_make));
    if (body_parse(c) && body_check(c, NULL, 0))
        call_begin_write(c, insert_ticket);
}

/* ---- taking it ---- */

struct login {
    struct token_text token;
    char hash[65];
};

static void logged_in(struct call *c)
{
    struct login *l = c->state;
    AUTO_JSON json_t *answer = NULL;
    struct err e;

    if (json_parse(rows_text(c->reply, c->answer_op, 0, 0),
                   rows_length(c->reply, c->answer_op, 0, 0), &answer, NULL, &e)) {
        http_problem_err(c->rq, &e);
        return;
    }
    json_object_set_new(answer, "token", json_string(l->token.text));
    answer_json(c, 201, answer);
}

static void ticket_read(struct call *c)
{
    struct login *l = c->state;
    char expires[CLOCK_TEXT_BYTES];
    struct token_new row = { .name = "login link", .id = l->token.id };
    struct db_op ops[4];

    if (!rows_count(c->reply, 0)) {
        refuse_unauthenticated(c, "This ticket was used or is older than 60 seconds; ask for a new "
                                  "one (POST /login-tickets).");
        return;
    }
    if (c->is_dry_run) {
        answer_text(c, 200, "{\"dryRun\":true}", 15);
        return;
    }
    token_new(&l->token);
    clock_format_ms(clock_wall_ms() + 86400000, expires);
    row.secret_sha256_hex = l->token.secret_sha256_hex;
    row.created_by = arena_strdup(c->arena, rows_text(c->reply, 0, 0, 0));
    row.scopes = arena_strdup(c->arena, rows_text(c->reply, 0, 0, 1));
    row.expires_at = arena_strdup(c->arena, expires);
    (void) str_copy(c->who.token_id, sizeof c->who.token_id, row.created_by);
    tickets_store_use(l->hash, &ops[0]);
    tokens_store_insert(&row, &ops[1]);
    tokens_store_event(c->arena, "token.created", row.id, &ops[2]);
    tokens_store_answer(row.id, &ops[3]);
    call_write(c, ops, ARRAY_LEN(ops),
               &(struct write_note){ .status = 201,
                                     .detail = arena_printf(c->arena, "{\"token\":\"%s\"}", row.id),
                                     .next = logged_in });
}

static void find_ticket(struct call *c)
{
    struct login *l = c->state;
    struct db_op op;

    tickets_store_find(l->hash, &op);
    call_read(c, &op, 1, ticket_read);
}

void api_login_post(struct call *c)
{
    static const struct body_member members[] = {
        { .name = "ticket", .type = JSON_STRING, .is_required = true, .max_length = 100 },
    };
    struct login *l = arena_alloc(c->arena, sizeof *l);
    const char *ticket;

    c->state = l;
    if (!body_parse(c) || !body_check(c, members, ARRAY_LEN(members)))
        return;
    ticket = json_text(c->body, "ticket");
    sha256_hex(ticket, strlen(ticket), l->hash);
    c->idempotency_key = NULL; /* a ticket counts once, so does this request */
    call_begin_write(c, find_ticket);
}
