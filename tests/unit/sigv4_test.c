/*
 * sigv4_test.c - the signer and the verifier against AWS's published vectors, and the verifier
 * against forgeries.
 */
#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "steward/clock.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/sigv4.h"
#include "steward/str.h"

#define HEADERS_MAX 32

struct vector {
    const char *name;
    struct arena arena;
    json_t *context;
    struct sigv4_header headers[HEADERS_MAX];
    struct sigv4_request rq;
    struct sigv4_scope scope;
    struct sigv4_credentials credentials;
    int64_t time_s, expires_s;
    bool is_token_signed, is_body_hash_sent;
};

/* A file of the vector without carriage returns. */
static char *read_file(struct vector *v, const char *name)
{
    char path[512];
    char *text = arena_alloc(&v->arena, 65536);
    size_t n, kept = 0;
    FILE *f;

    (void) snprintf(path, sizeof path, TEST_DATA "/sigv4/%s/%s", v->name, name);
    f = fopen(path, "rbe");
    if (!f)
        fail_msg("cannot open %s", path);
    n = fread(text, 1, 65535, f);
    (void) fclose(f);
    for (size_t i = 0; i < n; i++)
        if (text[i] != '\r')
            text[kept++] = text[i];
    text[kept] = '\0';
    return text;
}

static void add_header(struct vector *v, const char *name, const char *value)
{
    assert_true(v->rq.n_headers < HEADERS_MAX);
    v->headers[v->rq.n_headers++] = (struct sigv4_header){ name, value };
}

static void parse_request(struct vector *v, char *text)
{
    char *body = strstr(text, "\n\n"), *line, *next, *version;

    v->rq.body = body ? body + 2 : "";
    v->rq.body_n = strlen(v->rq.body);
    if (body)
        *body = '\0';
    next = strchr(text, '\n');
    if (next)
        *next++ = '\0';
    v->rq.method = text;
    text = strchr(text, ' ');
    *text++ = '\0';
    version = strstr(text, " HTTP/1.1");
    if (version)
        *version = '\0';
    v->rq.path = text;
    v->rq.query = "";
    text = strchr(text, '?');
    if (text) {
        *text = '\0';
        v->rq.query = text + 1;
    }
    while ((line = next) && *line) {
        char *colon;

        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (*line == ' ' || *line == '\t') {
            struct sigv4_header *last = &v->headers[v->rq.n_headers - 1];

            last->value = arena_printf(&v->arena, "%s %s", last->value, line);
            continue;
        }
        colon = strchr(line, ':');
        *colon = '\0';
        add_header(v, line, colon + 1);
    }
}

static void vector_open(struct vector *v, const char *name)
{
    json_error_t ignored;
    const json_t *keys;
    int64_t ms;

    *v = (struct vector){ .name = name };
    v->context = json_loads(read_file(v, "context.json"), 0, &ignored);
    assert_non_null(v->context);
    keys = json_object_get(v->context, "credentials");
    v->credentials = (struct sigv4_credentials){ json_text(keys, "access_key_id"),
                                                 json_text(keys, "secret_access_key"),
                                                 json_text(keys, "token") };
    v->scope.region = json_text(v->context, "region");
    v->scope.service = json_text(v->context, "service");
    v->scope.is_normalized = json_bool_or(v->context, "normalize", true);
    v->is_token_signed =
        v->credentials.session_token && !json_bool_or(v->context, "omit_session_token", false);
    v->is_body_hash_sent = json_bool_or(v->context, "sign_body", false);
    v->expires_s = json_int_or(v->context, "expiration_in_seconds", 0);
    assert_true(clock_parse(json_text(v->context, "timestamp"), &ms));
    v->time_s = ms / 1000;
    parse_request(v, read_file(v, "request.txt"));
    v->rq.headers = v->headers;
}

static void vector_close(struct vector *v)
{
    json_decref(v->context);
    arena_done(&v->arena);
}

static const char *lookup(void *context, const char *key_id)
{
    const struct sigv4_credentials *c = context;

    return str_eq(c->access_key_id, key_id) ? c->secret_access_key : NULL;
}

/* The text between "SignedHeaders=" and the comma. */
static char *signed_headers_of(struct vector *v, const char *authorization)
{
    const char *at = strstr(authorization, "SignedHeaders=") + 14;

    return arena_strndup(&v->arena, at, strcspn(at, ","));
}

static void check_header_form(const char *name)
{
    struct vector v;
    char date[17], hash[HEX_SHA256];
    AUTO_BUF struct buf authorization = { 0 };
    AUTO_BUF struct buf canonical = { 0 };
    AUTO_BUF struct buf text = { 0 };
    struct sigv4_verified verified;

    vector_open(&v, name);
    clock_format_amz(v.time_s, date);
    add_header(&v, "X-Amz-Date", date);
    if (v.is_token_signed)
        add_header(&v, "X-Amz-Security-Token", v.credentials.session_token);
    sha256_hex(v.rq.body, v.rq.body_n, hash);
    if (v.is_body_hash_sent)
        add_header(&v, "x-amz-content-sha256", hash);
    sigv4_sign(&v.rq, &v.scope, &v.credentials, v.time_s, &authorization);
    sigv4_canonical_request(&v.rq, &v.scope, signed_headers_of(&v, authorization.data), &canonical);
    assert_string_equal(canonical.data, read_file(&v, "header-canonical-request.txt"));
    sigv4_string_to_sign(canonical.data, canonical.length, &v.scope, v.time_s, &text);
    assert_string_equal(text.data, read_file(&v, "header-string-to-sign.txt"));
    assert_non_null(strstr(authorization.data, read_file(&v, "header-signature.txt")));
    assert_non_null(strstr(read_file(&v, "header-signed-request.txt"), authorization.data));

    add_header(&v, "Authorization", authorization.data);
    if (v.scope.is_normalized) { /* a server of a service other than S3 normalises always */
        assert_int_equal(sigv4_verify(&v.rq, lookup, &v.credentials, v.time_s + 60, 300, &verified),
                         SIGV4_OK);
        assert_string_equal(verified.access_key_id, "AKIDEXAMPLE");
        assert_string_equal(verified.region, "us-east-1");
        assert_string_equal(verified.service, "service");
        assert_int_equal(verified.signed_at_s, v.time_s);
    }
    vector_close(&v);
}

static void check_query_form(const char *name)
{
    struct vector v;
    AUTO_BUF struct buf query = { 0 };
    AUTO_BUF struct buf canonical = { 0 };
    AUTO_BUF struct buf text = { 0 };
    AUTO_FREE char *names = NULL;
    struct sigv4_verified verified;
    const char *at;

    vector_open(&v, name);
    buf_adds(&query, v.rq.query);
    if (!v.is_token_signed)
        v.credentials.session_token = NULL;
    sigv4_presign(&v.rq, &v.scope, &v.credentials, v.time_s, v.expires_s, &query);
    assert_non_null(strstr(query.data, read_file(&v, "query-signature.txt")));
    at = strstr(query.data, "X-Amz-SignedHeaders=") + 20;
    {
        AUTO_BUF struct buf decoded = { 0 };

        assert_true(uri_decode(&decoded, at, strcspn(at, "&"), false));
        names = buf_take(&decoded);
    }
    v.rq.query = query.data;
    sigv4_canonical_request(&v.rq, &v.scope, names, &canonical);
    assert_string_equal(canonical.data, read_file(&v, "query-canonical-request.txt"));
    sigv4_string_to_sign(canonical.data, canonical.length, &v.scope, v.time_s, &text);
    assert_string_equal(text.data, read_file(&v, "query-string-to-sign.txt"));
    if (v.scope.is_normalized)
        assert_int_equal(
            sigv4_verify(&v.rq, lookup, &v.credentials, v.time_s + 3600, 300, &verified), SIGV4_OK);
    vector_close(&v);
}

static void for_each_vector(void (*check)(const char *name))
{
    DIR *folder = opendir(TEST_DATA "/sigv4");
    const struct dirent *entry;
    int count = 0;

    assert_non_null(folder);
    while ((entry = readdir(folder))) { // NOLINT(concurrency-mt-unsafe): one thread
        if (entry->d_name[0] == '.' || strchr(entry->d_name, '.'))
            continue;
        check(entry->d_name);
        count++;
    }
    (void) closedir(folder);
    assert_int_equal(count, 38);
}

static void header_vectors(void **state)
{
    (void) state;
    for_each_vector(check_header_form);
}

static void query_vectors(void **state)
{
    (void) state;
    for_each_vector(check_query_form);
}

/* ---- the verifier ---- */

#define NOW_S 1790000000

static struct sigv4_credentials keys = { "AKIAEXAMPLE", "secret", NULL };

struct attempt {
    struct sigv4_header headers[8];
    struct sigv4_request rq;
    struct sigv4_scope scope;
    char date[17], hash[HEX_SHA256];
    struct buf authorization, query;
};

static void attempt_init(struct attempt *a, const char *service)
{
    bool is_s3 = str_eq(service, "s3");

    *a = (struct attempt){ .scope = { "eu-west-1", service, is_s3, !is_s3 } };
    a->rq = (struct sigv4_request){ .method = "POST",
                                    .path = "/",
                                    .query = "",
                                    .headers = a->headers,
                                    .body = "{\"name\":\"a\"}",
                                    .body_n = 12 };
    clock_format_amz(NOW_S, a->date);
    sha256_hex(a->rq.body, a->rq.body_n, a->hash);
    a->headers[a->rq.n_headers++] = (struct sigv4_header){ "Host", "localhost:4580" };
}

static void attempt_sign(struct attempt *a)
{
    a->headers[a->rq.n_headers++] = (struct sigv4_header){ "X-Amz-Date", a->date };
    sigv4_sign(&a->rq, &a->scope, &keys, NOW_S, &a->authorization);
    a->headers[a->rq.n_headers++] = (struct sigv4_header){ "Authorization", a->authorization.data };
}

static void attempt_presign(struct attempt *a, int64_t expires_s)
{
    sigv4_presign(&a->rq, &a->scope, &keys, NOW_S, expires_s, &a->query);
    a->rq.query = a->query.data;
}

static enum sigv4_verdict verify_at(struct attempt *a, int64_t now_s, struct sigv4_verified *out)
{
    return sigv4_verify(&a->rq, lookup, &keys, now_s, 300, out);
}

static enum sigv4_verdict verify(struct attempt *a)
{
    struct sigv4_verified ignored;

    return verify_at(a, NOW_S, &ignored);
}

static void attempt_done(struct attempt *a)
{
    buf_done(&a->authorization);
    buf_done(&a->query);
}

static void changed_requests_are_refused(void **state)
{
    static const struct {
        const char *what, *method, *path, *query, *body, *host;
    } changes[] = {
        { "method", "GET", NULL, NULL, NULL, NULL },
        { "path", NULL, "/other", NULL, NULL, NULL },
        { "query", NULL, NULL, "a=1", NULL, NULL },
        { "body", NULL, NULL, NULL, "{\"name\":\"b\"}", NULL },
        { "host", NULL, NULL, NULL, NULL, "evil.example" },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct attempt a;

        attempt_init(&a, "personalize");
        attempt_sign(&a);
        assert_int_equal(verify(&a), SIGV4_OK);
        if (changes[i].method)
            a.rq.method = changes[i].method;
        if (changes[i].path)
            a.rq.path = changes[i].path;
        if (changes[i].query)
            a.rq.query = changes[i].query;
        if (changes[i].body)
            a.rq.body = changes[i].body;
        if (changes[i].host)
            a.headers[0].value = changes[i].host;
        assert_int_equal(verify(&a), SIGV4_BAD_SIGNATURE);
        attempt_done(&a);
    }
}

static void announced_hash_must_be_that_of_the_body(void **state)
{
    struct attempt a;

    (void) state;
    attempt_init(&a, "s3");
    a.headers[a.rq.n_headers++] = (struct sigv4_header){ "x-amz-content-sha256", a.hash };
    attempt_sign(&a);
    assert_int_equal(verify(&a), SIGV4_OK);
    /* The signature still fits (it binds the announced hash only); the body does not. */
    a.rq.body = "{\"name\":\"b\"}";
    assert_int_equal(verify(&a), SIGV4_BAD_SIGNATURE);
    attempt_done(&a);
}

static void unsigned_payload_is_for_s3_only(void **state)
{
    static const struct {
        const char *service, *hash;
        enum sigv4_verdict verdict;
    } cases[] = {
        { "s3", "UNSIGNED-PAYLOAD", SIGV4_OK },
        { "s3", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_OK },
        { "personalize", "UNSIGNED-PAYLOAD", SIGV4_INCOMPLETE },
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct attempt a;

        attempt_init(&a, cases[i].service);
        a.headers[a.rq.n_headers++] =
            (struct sigv4_header){ "X-Amz-Content-Sha256", cases[i].hash };
        a.rq.payload_hash = cases[i].hash;
        attempt_sign(&a);
        a.rq.payload_hash = NULL;
        assert_int_equal(verify(&a), cases[i].verdict);
        attempt_done(&a);
    }
}

static void time_window(void **state)
{
    static const struct {
        int64_t now_s;
        enum sigv4_verdict verdict;
    } cases[] = { { NOW_S + 300, SIGV4_OK },
                  { NOW_S + 301, SIGV4_EXPIRED },
                  { NOW_S - 300, SIGV4_OK },
                  { NOW_S - 301, SIGV4_TOO_EARLY } };
    struct sigv4_verified v;
    struct attempt a;

    (void) state;
    attempt_init(&a, "personalize");
    attempt_sign(&a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(verify_at(&a, cases[i].now_s, &v), cases[i].verdict);
    assert_int_equal(verify_at(&a, NOW_S + 301, &v), SIGV4_EXPIRED);
    assert_non_null(strstr(v.detail, "Signature expired: "));
    attempt_done(&a);
}

static void presigned_requests(void **state)
{
    struct sigv4_verified v;
    struct attempt a;
    char *at;

    (void) state;
    attempt_init(&a, "s3");
    a.rq.method = "GET";
    buf_adds(&a.query, "versionId=a%2Bb");
    attempt_presign(&a, 60);
    assert_int_equal(verify_at(&a, NOW_S + 60, &v), SIGV4_OK);
    assert_int_equal(verify_at(&a, NOW_S + 61, &v), SIGV4_EXPIRED);
    assert_int_equal(verify_at(&a, NOW_S - 301, &v), SIGV4_TOO_EARLY);
    a.headers[a.rq.n_headers++] =
        (struct sigv4_header){ "Authorization", "AWS4-HMAC-SHA256 Credential=x" };
    assert_int_equal(verify(&a), SIGV4_INCOMPLETE); /* two ways at once */
    a.rq.n_headers--;
    at = strstr(a.query.data, "X-Amz-Expires=60"); /* the life is signed too */
    at[14] = '9';
    assert_int_equal(verify(&a), SIGV4_BAD_SIGNATURE);
    attempt_done(&a);
}

static void presigned_life_is_bounded(void **state)
{
    static const struct {
        int64_t expires_s;
        enum sigv4_verdict verdict;
    } cases[] = { { 0, SIGV4_INCOMPLETE },
                  { -1, SIGV4_INCOMPLETE },
                  { 1, SIGV4_OK },
                  { 604800, SIGV4_OK },
                  { 604801, SIGV4_INCOMPLETE } };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct attempt a;

        attempt_init(&a, "s3");
        attempt_presign(&a, cases[i].expires_s);
        assert_int_equal(verify(&a), cases[i].verdict);
        attempt_done(&a);
    }
}

static void unknown_and_missing(void **state)
{
    struct attempt a;

    (void) state;
    attempt_init(&a, "personalize");
    assert_int_equal(verify(&a), SIGV4_MISSING);
    keys.access_key_id = "AKIAOTHER";
    attempt_sign(&a);
    keys.access_key_id = "AKIAEXAMPLE";
    assert_int_equal(verify(&a), SIGV4_UNKNOWN_KEY);
    attempt_done(&a);
}

static void malformed_authorizations(void **state)
{
    static const char scope[] =
        "Credential=AKIAEXAMPLE/20260921/eu-west-1/personalize/aws4_request";
    static const char *const texts[] = {
        "",
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 ",
        "AWS4-HMAC-SHA256 Credential=, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=////, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 %s, SignedHeaders=host",
        "AWS4-HMAC-SHA256 %s, Signature=0",
        "AWS4-HMAC-SHA256 %s, SignedHeaders=x-amz-date, Signature=0",
        "AWS4-HMAC-SHA256 %s, SignedHeaders=Host, Signature=0",
        /* The day is not that of X-Amz-Date. */
        "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260920/eu-west-1/x/aws4_request, "
        "SignedHeaders=host, Signature=0",
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *hole = strstr(texts[i], "%s");
        AUTO_FREE char *text =
            hole ? xasprintf("%.*s%s%s", (int) (hole - texts[i]), texts[i], scope, hole + 2)
                 : xstrdup(texts[i]);
        struct attempt a;

        attempt_init(&a, "personalize");
        a.headers[a.rq.n_headers++] = (struct sigv4_header){ "X-Amz-Date", a.date };
        a.headers[a.rq.n_headers++] = (struct sigv4_header){ "Authorization", text };
        if (verify(&a) != SIGV4_INCOMPLETE)
            fail_msg("verdict %d for '%s'", verify(&a), text);
    }
}

static void odd_s3_keys_survive(void **state)
{
    static const char *const paths[] = {
        "/b//a/../b/./c",       "/b/a%20b%2Bc", "/b/%E2%82%AC/%25",
        "/b/~tilde-_.~/%2F%2f", "/b/a%zz%4",    "/b/!'()*@:$,;=&+"
    };

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct attempt a;

        attempt_init(&a, "s3");
        a.rq.path = paths[i];
        attempt_sign(&a);
        assert_int_equal(verify(&a), SIGV4_OK);
        attempt_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_vectors),
        cmocka_unit_test(query_vectors),
        cmocka_unit_test(changed_requests_are_refused),
        cmocka_unit_test(announced_hash_must_be_that_of_the_body),
        cmocka_unit_test(unsigned_payload_is_for_s3_only),
        cmocka_unit_test(time_window),
        cmocka_unit_test(presigned_requests),
        cmocka_unit_test(presigned_life_is_bounded),
        cmocka_unit_test(unknown_and_missing),
        cmocka_unit_test(malformed_authorizations),
        cmocka_unit_test(odd_s3_keys_survive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
