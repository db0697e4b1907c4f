/*
 * sts.c - exchanges credentials at the Security Token Service, and asks it who we are.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/json.h"

#define STS_ATTEMPTS 3

void aws_form_add(struct aws_form *f, const char *name, const char *value)
{
    buf_printf(&f->body, "%s%s=", f->body.length ? "&" : "", name);
    uri_encode(&f->body, value, strlen(value), false);
}

static void form_done(struct aws_form *f)
{
    if (f->body.data)
        OPENSSL_cleanse(f->body.data, f->body.capacity);
    buf_done(&f->body);
}

struct target {
    char *url, *path, *host;
};

static void target_init(struct target *t, const char *endpoint)
{
    const char *host = strstr(endpoint, "://") + 3;
    size_t host_n = strcspn(host, "/");

    t->host = xstrndup(host, host_n);
    t->path = host[host_n] ? xstrdup(host + host_n) : xstrdup("/");
    t->url = xasprintf("%s%s", endpoint, host[host_n] ? "" : "/");
}

static void target_done(struct target *t)
{
    free(t->url);
    free(t->path);
    free(t->host);
}

static enum err_code post(const struct aws_settings *s, const struct aws_form *form,
                          struct aws_http_reply *reply, struct err *e)
{
    const struct aws_credentials *by = form->by;
    __attribute__((cleanup(target_done))) struct target target;
    AUTO_BUF struct buf authorization = { 0 };
    int64_t now_s = s->src->now_ms(s->src->context) / 1000;
    char date[17];
    struct sigv4_header headers[6] = { { "Content-Type",
                                         "application/x-www-form-urlencoded; charset=utf-8" } };
    struct aws_http_request rq = { .method = "POST",
                                   .headers = headers,
                                   .n_headers = 1,
                                   .body = form->body.data,
                                   .body_n = form->body.length,
                                   .timeout_ms = s->total_timeout_ms,
                                   .ca_bundle = s->ca_bundle };

    target_init(&target, s->endpoints[AWS_STS]);
    rq.url = target.url;
    headers[rq.n_headers++] = (struct sigv4_header){ "Host", target.host };
    if (by) {
        struct sigv4_credentials keys = { by->access_key_id, by->secret_access_key, NULL };
        struct sigv4_scope scope = { s->region, "sts", false, true };
        struct sigv4_request signed_rq = { .method = "POST",
                                           .path = target.path,
                                           .query = "",
                                           .headers = headers,
                                           .body = rq.body,
                                           .body_n = rq.body_n };

        clock_format_amz(now_s, date);
        headers[rq.n_headers++] = (struct sigv4_header){ "X-Amz-Date", date };
        if (by->session_token)
            headers[rq.n_headers++] =
                (struct sigv4_header){ "X-Amz-Security-Token", by->session_token };
        signed_rq.n_headers = rq.n_headers;
        sigv4_sign(&signed_rq, &scope, &keys, now_s, &authorization);
        headers[rq.n_headers++] = (struct sigv4_header){ "Authorization", authorization.data };
    }
    return s->src->fetch(s->src->context, &rq, reply, e);
}

static enum err_code read_reply(const struct aws_http_reply *reply, struct aws_credentials *out,
                                struct err *e)
{
    static const struct aws_json_names names = { "AccessKeyId", "SecretAccessKey", "SessionToken",
                                                 "Expiration" };
    AUTO_JSON json_t *leaves = aws_xml_leaves(reply->body.data, reply->body.length);

    if (reply->status == 200 && leaves)
        return aws_credentials_from_json(leaves, &names, out, e);
    if (reply->status >= 500 || !leaves ||
        str_eq(json_text(leaves, "Code"), "IDPCommunicationError"))
        return err_set(e, ERR_UNAVAILABLE, "STS answered with status %d: %.60s", reply->status,
                       json_text_or(leaves, "Code", "no error code"));
    return err_set(e, ERR_AUTH, "STS refused the role: %.60s: %.140s",
                   json_text_or(leaves, "Code", "no error code"),
                   json_text_or(leaves, "Message", "no message"));
}

enum err_code aws_sts_credentials(const struct aws_settings *s, struct aws_form *form,
                                  struct aws_credentials *out, struct err *e)
{
    enum err_code rc = OK;

    for (int attempt = 1; attempt <= STS_ATTEMPTS; attempt++) {
        AUTO_REPLY struct aws_http_reply reply = { 0 };

        rc = post(s, form, &reply, e);
        if (rc == OK)
            rc = read_reply(&reply, out, e);
        if (rc != ERR_UNAVAILABLE)
            break;
        if (attempt < STS_ATTEMPTS)
            s->src->sleep_ms(s->src->context, 500L * attempt);
    }
    form_done(form);
    return rc;
}
