/*
 * phases.c - the one cut: a phase asks for statements and ends; the next begins with their rows.
 *
 * A write is one transaction together with its audit row and its kept answer. What it was prepared
 * from may be out of date by then: a fence in the transaction raises, nothing has happened, and the
 * call starts over from its first read.
 */
#include <assert.h>
#include <string.h>

#include "api_private.h"
#include "steward/failpoint.h"
#include "steward/log.h"
#include "steward/tokens_store.h"

void call_start_over(struct call *c, phase_fn start)
{
    if (c->restarts++ < CALL_RESTARTS_MAX) {
        start(c);
        return;
    }
    http_problem(c->rq,
                 &(struct problem){ .status = 409,
                                    .code = "busy",
                                    .detail = "Others changed the same thing again and again "
                                              "meanwhile; send the request again.",
                                    .is_retryable = true,
                                    .retry_after_s = 1 });
}

static void write_outcome_unknown(struct call *c)
{
    http_problem(
        c->rq,
        &(struct problem){
            .status = 503,
            .code = "outcome-unknown",
            .detail = "The database connection broke while the change was being committed: it is "
                      "either fully there or not at all. Repeat the request with the same "
                      "Idempotency-Key, or read first.",
            .is_retryable = true,
            .retry_after_s = 1 });
}

static void start_over(struct call *c)
{
    call_begin_write(c, c->on_stale);
}

static void failed(struct call *c, const struct db_reply *reply)
{
    if (c->is_write && (str_eq(reply->sqlstate, "ST001") || str_eq(reply->sqlstate, "23505"))) {
        call_start_over(c, start_over);
    } else if (str_eq(reply->sqlstate, "ST002")) {
        http_problem(c->rq,
                     &(struct problem){ .status = 409,
                                        .code = "in-progress",
                                        .detail = "A request with this Idempotency-Key is being "
                                                  "worked on; ask again in a second.",
                                        .is_retryable = true,
                                        .retry_after_s = 1 });
    } else if (str_eq(reply->sqlstate, "53100")) {
        answer_problem(c, 507, "disk-full",
                       "The disk of the database is full: nothing was changed. Free space, then "
                       "send it again.");
    } else if (reply->err.code == ERR_UNKNOWN_OUTCOME) {
        write_outcome_unknown(c);
    } else if (reply->err.code == ERR_UNAVAILABLE) {
        log_error("api", "database_unavailable", &reply->err);
        http_problem(c->rq,
                     &(struct problem){ .status = 503,
                                        .code = "unavailable",
                                        .detail = "The database does not answer now; nothing was "
                                                  "changed. /readyz says when it does.",
                                        .is_retryable = true,
                                        .retry_after_s = 1 });
    } else {
        http_problem_err(c->rq, &reply->err);
    }
}

static void on_reply(const struct db_reply *reply, void *user)
{
    struct call *c = user;

    if (reply->err.code) {
        failed(c, reply);
        return;
    }
    if (c->is_write) {
        FP("api.committed");
        c->api->options.host.wake(c->api->options.host.user);
        feed_poke(c->api->feed);
    }
    c->reply = reply;
    c->next(c);
    /* c may be gone: a call ends with its answer. */
}

static void submit(struct call *c, enum db_lane lane, const struct db_op *ops, size_t n)
{
    c->is_write = lane == DB_WRITE;
    c->reply = NULL;
    if (!c->api->db) {
        answer_problem(c, 503, "starting",
                       "The server is starting; /readyz says what it waits for.");
        return;
    }
    if (c->is_write)
        FP("api.before_commit");
    db_submit(c->api->db, lane, ops, n, on_reply, c);
}

void call_read(struct call *c, const struct db_op *ops, size_t n, phase_fn next)
{
    c->next = next;
    submit(c, DB_READ, ops, n);
}

void call_list(struct call *c, const struct db_op *op, phase_fn next)
{
    c->next = next;
    submit(c, DB_LIST, op, 1);
}

static const char *headers_json(struct call *c)
{
    AUTO_JSON json_t *headers = json_object();
    AUTO_FREE char *text = NULL;

    if (c->note.location)
        json_object_set_new(headers, "Location", json_string(c->note.location));
    if (c->note.link)
        json_object_set_new(headers, "Link", json_string(c->note.link));
    text = json_compact(headers);
    return arena_strdup(c->arena, text);
}

static void answer_unwritten(struct call *c)
{
    json_t *what = json_pack("{s:i}", "status", c->note.status), *effect = NULL;
    struct err e;

    if (c->note.detail && !json_parse(c->note.detail, strlen(c->note.detail), &effect, NULL, &e)) {
        json_object_del(effect, "run"); /* an id that will never be */
        json_object_set_new(what, "would", effect);
    }
    answer_dry_run(c, what);
}

void call_write(struct call *c, const struct db_op *ops, size_t n, const struct write_note *note)
{
    struct db_op all[CALL_OPS_MAX];
    const char *status = arena_printf(c->arena, "%d", note->status);
    size_t count = 0;

    assert(n + 4 <= CALL_OPS_MAX);
    c->note = *note;
    /* The last guard of ?dryRun: whatever a handler forgot, nothing is written. */
    if (c->is_dry_run) {
        answer_unwritten(c);
        return;
    }
    if (c->idempotency_key)
        idempotency_store_lock(c->who.token_id, c->idempotency_key, &all[count++]);
    if (c->traceparent)
        trace_store_set(c->traceparent, &all[count++]);
    memcpy(all + count, ops, n * sizeof *ops);
    count += n;
    c->answer_op = count - 1;
    audit_store_insert(&(struct audit_new){ .token_id = c->who.token_id[0] ? c->who.token_id : NULL,
                                            .peer = c->peer,
                                            .method = http_method(c->rq),
                                            .path = http_path(c->rq),
                                            .status = status,
                                            .request_id = http_request_id(c->rq),
                                            .detail = note->detail ? note->detail : "{}" },
                       &all[count++]);
    if (c->idempotency_key)
        idempotency_store_keep(&(struct idempotency_new){ .token_id = c->who.token_id,
                                                          .key = c->idempotency_key,
                                                          .method = http_method(c->rq),
                                                          .path = http_raw_uri(c->rq),
                                                          .body_sha256 = c->body_sha256,
                                                          .status = status,
                                                          .headers = headers_json(c) },
                               &all[count++]);
    c->next = note->next;
    submit(c, DB_WRITE, all, count);
}

/* The row is (method, path, body_sha256, status, headers, body). */
static void replay(struct call *c)
{
    AUTO_JSON json_t *headers = NULL;
    const char *name;
    json_t *value;
    struct err e;

    if (!str_eq(rows_text(c->reply, 0, 0, 0), http_method(c->rq)) ||
        !str_eq(rows_text(c->reply, 0, 0, 1), http_raw_uri(c->rq)) ||
        !str_eq(rows_text(c->reply, 0, 0, 2), c->body_sha256)) {
        answer_problem(
            c, 422, "idempotency-key-reused",
            "This Idempotency-Key was used for another request within a day; take a new one.");
        return;
    }
    if (json_parse(rows_text(c->reply, 0, 0, 4), rows_length(c->reply, 0, 0, 4), &headers, NULL,
                   &e)) {
        http_problem_err(c->rq, &e);
        return;
    }
    json_object_foreach (headers, name, value)
        http_set_header(c->rq, name, json_string_value(value));
    http_set_header(c->rq, "Idempotency-Replayed", "true");
    answer_text(c, (int) rows_int(c->reply, 0, 0, 3, 500), rows_text(c->reply, 0, 0, 5),
                rows_length(c->reply, 0, 0, 5));
}

static void kept_answer_read(struct call *c)
{
    if (rows_count(c->reply, 0))
        replay(c);
    else
        c->on_stale(c);
}

void call_begin_write(struct call *c, phase_fn start)
{
    struct db_op op;

    c->on_stale = start;
    if (!c->idempotency_key || c->is_dry_run) {
        start(c);
        return;
    }
    idempotency_store_find(c->who.token_id, c->idempotency_key, &op);
    call_read(c, &op, 1, kept_answer_read);
}
