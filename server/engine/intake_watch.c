/*
 * intake_watch.c - the S3 watch: what is new or changed under the prefix since the last look.
 *
 * One replica at a time looks; two would do no harm, because an object's row is written together
 * with what follows from it. At the first look everything is new: parameter files make configs that
 * do not exist yet, data starts nothing.
 */
#include <string.h>

#include "intake.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/upload.h"

struct pass {
    struct intake_thread *t;
    struct upload_watch watch;
    struct upload_sources sources;
    bool is_first;
    json_t *keys; /* of all pages */
    size_t changed;
};

static json_t *page_rows(const struct pass *p, const struct s3_listing *page)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < page->count; i++) {
        const struct s3_object *s = &page->objects[i];
        const struct intake_object o = { p->watch.bucket, s->key };
        char id[ID_BYTES];

        if (!str_is_utf8(s->key, strlen(s->key)))
            continue; /* no name that a parameter file or data of ours can have */
        id_new("upl", id);
        json_array_append_new(p->keys, json_string(s->key));
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:o, s:b, s:o}", "id", id, "key", s->key, "version",
                            json_sprintf("%lld %llu %s", (long long) s->last_modified_ms,
                                         (unsigned long long) s->size, s->etag),
                            "file", intake_is_file(p->t, &o), "configs",
                            intake_configs_of(p->t, &p->sources, &o)));
    }
    return rows;
}

static enum err_code take_page(struct pass *p, const struct s3_listing *page, struct err *e)
{
    const struct upload_rule rule = intake_rule(p->t);
    AUTO_JSON json_t *rows = page_rows(p, page);
    const struct watch_page what = { &p->watch, rows, p->is_first };
    size_t changed = 0;

    TRY(uploads_store_watch_page(p->t->db, &what, &rule, &changed, e));
    p->changed += changed;
    return OK;
}

/* *token: of the page to ask for; then of the next one, NULL after the last. */
static enum err_code look(struct pass *p, char **token, struct err *e)
{
    struct s3_listing page = { 0 };
    struct aws_call call;
    enum err_code rc;

    aws_s3_list_all_call(&call, p->watch.bucket, p->watch.prefix, *token);
    free(*token);
    *token = NULL;
    if (!intake_call(p->t, &call))
        return err_set(e, ERR_UNAVAILABLE, "The server is stopping.");
    if (call.outcome != AWS_DONE) {
        char text[300];

        aws_call_describe(&call, text, sizeof text);
        rc = err_set(e, ERR_UNAVAILABLE, "The bucket can not be listed: %.120s", text);
    } else {
        rc = aws_s3_parse_list(call.body, call.body_n, &page, e);
    }
    aws_call_done(&call);
    if (!rc)
        rc = take_page(p, &page, e);
    if (!rc && page.next_token)
        *token = xstrdup(page.next_token);
    aws_s3_listing_done(&page);
    return rc;
}

static enum err_code look_all(struct pass *p, struct err *e)
{
    char *token = NULL;

    do
        TRY(look(p, &token, e));
    while (token);
    TRY(uploads_store_watch_done(p->t->db, &p->watch, p->keys, e));
    log_event(p->changed ? LOG_INFO : LOG_DEBUG, "intake", "looked",
              "bucket=%s objects=%zu changed=%zu first=%s", log_quote(p->watch.bucket),
              json_array_size(p->keys), p->changed, p->is_first ? "true" : "false");
    return OK;
}

enum err_code intake_watch_turn(struct intake_thread *t, struct err *e)
{
    const struct engine_options *o = engine_get_options(t->engine);
    AUTO_ARENA struct arena arena = { 0 };
    struct pass p = { .t = t,
                      .watch = { .bucket = o->settings.bucket,
                                 .prefix = upload_root(o->settings.prefix),
                                 .every_ms = o->watch_ms } };
    enum err_code rc;
    bool is_due;

    if (o->watch_ms <= 0 || !o->settings.bucket)
        return OK;
    TRY(uploads_store_watch_due(t->db, &p.watch, &is_due, &p.is_first, e));
    if (!is_due)
        return OK;
    TRY(uploads_store_sources(t->db, &arena, &p.sources, e));
    p.keys = json_array();
    rc = look_all(&p, e);
    json_decref(p.keys);
    return rc;
}
