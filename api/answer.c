/*
 * answer.c - the shapes of answers: problems, one resource with its ETag, a page, a committed
 * write.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api_private.h"
#include "steward/failpoint.h"

void answer_problem(struct call *c, int status, const char *code, const char *detail)
{
    http_problem(c->rq,
                 &(struct problem){ .status = status,
                                    .code = code,
                                    .detail = detail,
                                    .is_retryable = status == 503 || status == 429,
                                    .retry_after_s = status == 503 || status == 429 ? 1 : 0 });
}

void answer_problemf(struct call *c, int status, const char *code, const char *fmt, ...)
{
    char detail[1024];
    va_list ap;

    va_start(ap, fmt);
    (void) vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    answer_problem(c, status, code, detail);
}

void answer_findings(struct call *c, int status, const char *code, const struct findings *f)
{
    AUTO_JSON json_t *errors = findings_to_json(f);
    const char *detail = f->count == 1
                             ? f->items[0].detail
                             : arena_printf(c->arena, "There are %zu problems.", f->count);

    http_problem(c->rq, &(struct problem){
                            .status = status, .code = code, .detail = detail, .errors = errors });
}

bool answer_if_found(struct call *c, const char *code, struct findings *f)
{
    bool is_found = f->count > 0;

    if (is_found)
        answer_findings(c, 422, code, f);
    findings_done(f);
    return is_found;
}

void answer_field(struct call *c, const char *pointer, const char *code, const char *detail)
{
    AUTO_JSON json_t *errors =
        json_pack("[{s:s, s:s, s:s}]", "pointer", pointer, "code", code, "detail", detail);

    http_problem(c->rq, &(struct problem){
                            .status = 422, .code = "invalid", .detail = detail, .errors = errors });
}

void answer_not_found(struct call *c, const char *what, const char *name)
{
    answer_problemf(c, 404, "not-found", "There is no %s \"%s\".", what, name);
}

void answer_text(struct call *c, int status, const char *text, size_t n)
{
    http_respond(c->rq, status, "application/json", text, n);
}

void answer_json(struct call *c, int status, const json_t *value)
{
    http_respond_json(c->rq, status, value);
}

void answer_etag(const char *text, size_t n, const char *tag, char out[96])
{
    uint8_t digest[32];
    char hex[33];

    sha256(text, n, digest);
    hex_encode(digest, 10, hex);
    (void) snprintf(out, 96, "\"%.60s%s%s\"", tag ? tag : "", tag ? "-" : "", hex);
}

bool check_if_match(struct call *c, size_t op, int column, const char *what)
{
    const char *wanted = http_header(c->rq, "If-Match");
    char etag[96];

    if (!wanted)
        return true;
    answer_etag(rows_text(c->reply, op, 0, column), rows_length(c->reply, op, 0, column), NULL,
                etag);
    c->fence_sha256 = arena_strndup(c->arena, etag + 1, strlen(etag) - 2);
    if (etag_matches(wanted, etag))
        return true;
    http_set_header(c->rq, "ETag", etag);
    answer_problemf(c, 412, "precondition-failed", "The %s is not as If-Match says.", what);
    return false;
}

bool etag_matches(const char *header, const char *etag)
{
    size_t n = strlen(etag);

    for (const char *p = header; *p; p++) {
        p += strspn(p, " \t,");
        if (*p == '*')
            return true;
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        if (strncmp(p, etag, n) == 0 && (!p[n] || strchr(", \t", p[n])))
            return true;
        p += strcspn(p, ",");
        if (!*p)
            break;
    }
    return false;
}

void answer_tagged(struct call *c, const char *text, size_t n, const char *etag)
{
    const char *known = http_header(c->rq, "If-None-Match");

    http_set_header(c->rq, "ETag", etag);
    if (known && etag_matches(known, etag))
        http_respond(c->rq, 304, NULL, "", 0);
    else
        answer_text(c, 200, text, n);
}

void answer_resource(struct call *c, const char *text, size_t n, const char *tag)
{
    char etag[96];

    answer_etag(text, n, tag, etag);
    answer_tagged(c, text, n, etag);
}

static void link_next(struct call *c, const char *cursor)
{
    AUTO_BUF struct buf link = { 0 };

    buf_printf(&link, "<%s?", http_raw_path(c->rq));
    for (size_t i = 0; i < http_query_count(c->rq); i++) {
        const char *name, *value;

        if (!http_query_at(c->rq, i, &name, &value) || str_eq(name, "cursor"))
            continue;
        uri_encode(&link, name, strlen(name), false);
        buf_addc(&link, '=');
        uri_encode(&link, value, strlen(value), false);
        buf_addc(&link, '&');
    }
    buf_printf(&link, "cursor=%s>; rel=\"next\"", cursor);
    http_set_header(c->rq, "Link", link.data);
}

void answer_items(struct call *c, const char *items, size_t n, const char *next)
{
    struct buf out = { 0 };

    buf_adds(&out, "{\"items\":[");
    buf_add(&out, items, n);
    buf_adds(&out, "],\"next\":");
    if (next) {
        const char *cursor = cursor_make(c, next);

        buf_printf(&out, "\"%s\"}", cursor);
        link_next(c, cursor);
    } else {
        buf_adds(&out, "null}");
    }
    n = out.length;
    http_respond_take(c->rq, 200, "application/json", buf_take(&out), n);
}

void answer_page(struct call *c, int64_t limit)
{
    AUTO_BUF struct buf items = { 0 };
    size_t rows = rows_count(c->reply, 0), shown = rows > (size_t) limit ? (size_t) limit : rows;

    for (size_t i = 0; i < shown; i++) {
        if (i)
            buf_addc(&items, ',');
        buf_add(&items, rows_text(c->reply, 0, i, 1), rows_length(c->reply, 0, i, 1));
    }
    answer_items(c, items.data ? items.data : "", items.length,
                 rows > shown ? rows_text(c->reply, 0, shown - 1, 0) : NULL);
}

void answer_written(struct call *c, const char *text)
{
    FP("api.before_reply");
    if (c->note.location)
        http_set_header(c->rq, "Location", c->note.location);
    if (c->note.link)
        http_set_header(c->rq, "Link", c->note.link);
    if (text && c->note.status != 204)
        answer_text(c, c->note.status, text, strlen(text));
    else
        http_respond(c->rq, c->note.status, NULL, "", 0);
}

void answer_with_secret(struct call *c, const char *name, const char *secret)
{
    AUTO_JSON json_t *answer = NULL;
    struct err e;

    if (json_parse(rows_text(c->reply, c->answer_op, 0, 0),
                   rows_length(c->reply, c->answer_op, 0, 0), &answer, NULL, &e)) {
        http_problem_err(c->rq, &e);
        return;
    }
    if (secret)
        json_object_set_new(answer, name, json_string(secret));
    if (c->note.location)
        http_set_header(c->rq, "Location", c->note.location);
    answer_json(c, c->note.status, answer);
}

void answer_dry_run(struct call *c, json_t *what)
{
    AUTO_JSON json_t *answer = json_pack("{s:b}", "dryRun", 1);

    json_object_update(answer, what);
    json_decref(what);
    answer_json(c, 200, answer);
}

void answer_world_moved(struct call *c, const char *config, const char *then, const char *now)
{
    if (now && then)
        answer_problemf(c, 409, "world-moved",
                        "The config \"%s\" was at version %s when the plan was made and is at "
                        "version %s now: make a new plan.",
                        config, then, now);
    else
        answer_problemf(c, 409, "world-moved",
                        "The config \"%s\" %s since the plan was made: make a new plan.", config,
                        now ? "came to be" : "was deleted");
}
