/*
 * config_diff.c - what changed from one version of a config to another.
 */
#include "config_diff.h"

#include <string.h>

#include "steward/configs_store.h"
#include "steward/document_diff.h"

/* The row of op is (json of the version with its document). */
static json_t *document_of(struct call *c, size_t op)
{
    json_t *version = NULL, *document;
    struct err e;

    if (json_parse(rows_text(c->reply, op, 0, 0), rows_length(c->reply, op, 0, 0), &version, NULL,
                   &e))
        return NULL;
    document = json_incref(json_object_get(version, "document"));
    json_decref(version);
    return document;
}

static void answer_lines(struct call *c, const json_t *changes, const char *before)
{
    struct buf out = { 0 };
    size_t n;

    buf_printf(&out, "Config %s, from version %s to %s:\n", c->match.params[0], before,
               c->match.params[1]);
    document_diff_text(changes, &out);
    n = out.length;
    http_respond_take(c->rq, 200, "text/plain; charset=utf-8", buf_take(&out), n);
}

static void versions_read(struct call *c)
{
    const char *before = http_query(c->rq, "diff"), *accept = http_header(c->rq, "Accept");
    AUTO_JSON json_t *old = NULL, *new = NULL, *changes = NULL, *answer = NULL;

    for (size_t i = 0; i < 2; i++)
        if (!rows_count(c->reply, i)) {
            answer_not_found(c, "version", i ? c->match.params[1] : before);
            return;
        }
    old = document_of(c, 0);
    new = document_of(c, 1);
    changes = document_diff(old, new);
    if (accept && strstr(accept, "text/plain")) {
        answer_lines(c, changes, before);
        return;
    }
    answer = json_pack("{s:s, s:I, s:I, s:O}", "config", c->match.params[0], "from",
                       (json_int_t) strtoll(before, NULL, 10), "to",
                       (json_int_t) strtoll(c->match.params[1], NULL, 10), "changes", changes);
    answer_json(c, 200, answer);
}

void config_diff_begin(struct call *c, bool is_effective)
{
    static const int64_t range[2] = { 1, INT64_MAX };
    struct db_op ops[2];
    int64_t number;

    if (!query_integer(c, "diff", range, &number))
        return;
    configs_store_version(c->match.params[0], http_query(c->rq, "diff"), is_effective, &ops[0]);
    configs_store_version(c->match.params[0], c->match.params[1], is_effective, &ops[1]);
    call_read(c, ops, 2, versions_read);
}

json_t *config_diff_of(const char *before, const json_t *after)
{
    AUTO_JSON json_t *old = NULL;
    struct err e;

    if (!before || json_parse(before, strlen(before), &old, NULL, &e))
        return NULL;
    return document_diff(old, after);
}
