/*
 * aws_probe_sign.c - signs and verifies requests given as JSON lines, for comparison with botocore.
 *
 * A case:
 * {"method","path","query","headers":[[name,value]…],"body","region","service","time","key","secret","token",
 * "payloadHash","expires"}; expires makes it a presigned one.
 */
#include <stdio.h>
#include <string.h>

#include "aws_probe.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/sigv4.h"
#include "steward/str.h"

#define HEADERS_MAX 32

struct sample {
    json_t *json;
    struct sigv4_header headers[HEADERS_MAX];
    struct sigv4_request rq;
    struct sigv4_scope scope;
    struct sigv4_credentials keys;
    int64_t time_s;
};

static bool read_sample(struct sample *c)
{
    char line[65536];
    json_t *pair;
    size_t i;
    struct err e;

    *c = (struct sample){ 0 };
    if (!fgets(line, sizeof line, stdin))
        return false;
    if (json_parse(line, strlen(line), &c->json, NULL, &e) != OK) {
        (void) fprintf(stderr, "%s\n", e.message);
        exit(2);
    }
    c->rq = (struct sigv4_request){ .method = json_text(c->json, "method"),
                                    .path = json_text(c->json, "path"),
                                    .query = json_text_or(c->json, "query", ""),
                                    .headers = c->headers,
                                    .body = json_text_or(c->json, "body", ""),
                                    .payload_hash = json_text(c->json, "payloadHash") };
    c->rq.body_n = strlen(c->rq.body);
    json_array_foreach (json_object_get(c->json, "headers"), i, pair) {
        if (c->rq.n_headers < HEADERS_MAX)
            c->headers[c->rq.n_headers++] =
                (struct sigv4_header){ json_string_value(json_array_get(pair, 0)),
                                       json_string_value(json_array_get(pair, 1)) };
    }
    c->scope.region = json_text_or(c->json, "region", "");
    c->scope.service = json_text_or(c->json, "service", "");
    c->scope.is_s3 = str_eq(c->scope.service, "s3");
    c->scope.is_normalized = !c->scope.is_s3;
    c->keys = (struct sigv4_credentials){ json_text(c->json, "key"), json_text(c->json, "secret"),
                                          json_text(c->json, "token") };
    c->time_s = json_int_or(c->json, "time", 0);
    return true;
}

static void print_answer(json_t *answer)
{
    AUTO_FREE char *text = json_compact(answer);

    (void) puts(text);
    json_decref(answer);
}

int probe_sign(void)
{
    struct sample c;

    while (read_sample(&c)) {
        AUTO_BUF struct buf out = { 0 };
        int64_t expires_s = json_int_or(c.json, "expires", 0);

        if (expires_s) {
            buf_adds(&out, c.rq.query);
            sigv4_presign(&c.rq, &c.scope, &c.keys, c.time_s, expires_s, &out);
            print_answer(json_pack("{s:s}", "query", out.data));
        } else {
            sigv4_sign(&c.rq, &c.scope, &c.keys, c.time_s, &out);
            print_answer(json_pack("{s:s}", "authorization", out.data));
        }
        json_decref(c.json);
    }
    return 0;
}

static const char *lookup(void *context, const char *key_id)
{
    const struct sample *c = context;

    return str_eq(c->keys.access_key_id, key_id) ? c->keys.secret_access_key : NULL;
}

int probe_verify(void)
{
    static const char *const verdicts[] = { "ok",          "missing",       "incomplete",
                                            "unknown_key", "bad_signature", "expired",
                                            "too_early" };
    struct sample c;

    while (read_sample(&c)) {
        struct sigv4_verified v;
        enum sigv4_verdict verdict = sigv4_verify(&c.rq, lookup, &c, c.time_s, 300, &v);

        print_answer(json_pack("{s:s,s:s}", "verdict", verdicts[verdict], "detail", v.detail));
        json_decref(c.json);
    }
    return 0;
}
