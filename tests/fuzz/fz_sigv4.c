/*
 * fz_sigv4.c - any request: what we sign or presign our own verifier accepts, and any other body
 * not; the canonical query of a canonical query is itself; a foreign Authorization header is never
 * accepted.
 *
 * Input: lines METHOD, PATH, QUERY, then "name: value" lines, an empty line, the body. The first
 * byte chooses the service.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/sigv4/sigv4_private.h"
#include "steward/mem.h"

#define HEADERS_MAX 24
#define NOW_S       1790000000

static const struct sigv4_credentials keys = { "AKIAFUZZ", "secret", NULL };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static const char *lookup(void *context, const char *key_id)
{
    (void) context;
    return str_eq(key_id, keys.access_key_id) ? keys.secret_access_key : NULL;
}

/* The next line of *at, cut in place. */
static char *line(char **at)
{
    char *start = *at, *end = strchr(start, '\n');

    if (end) {
        *end = '\0';
        *at = end + 1;
    } else {
        *at = start + strlen(start);
    }
    return start;
}

static bool is_name(const char *s)
{
    for (const char *c = s; *c; c++)
        if (!isalnum((unsigned char) *c) && *c != '-')
            return false;
    return *s && strcasecmp(s, "authorization") != 0 && strcasecmp(s, "date") != 0 &&
           strcasecmp(s, "host") != 0 && strncasecmp(s, "x-amz-", 6) != 0;
}

static void check_query(const char *query)
{
    AUTO_BUF struct buf once = { 0 };
    AUTO_BUF struct buf twice = { 0 };

    sigv4_canonical_query(query, &once);
    buf_adds(&once, "");
    sigv4_canonical_query(once.data, &twice);
    buf_adds(&twice, "");
    check(strcmp(once.data, twice.data) == 0);
}

static void check_signed(struct sigv4_request *rq, struct sigv4_header *headers,
                         const struct sigv4_scope *scope)
{
    AUTO_BUF struct buf authorization = { 0 };
    struct sigv4_request other;
    struct sigv4_verified v;

    sigv4_sign(rq, scope, &keys, NOW_S, &authorization);
    headers[rq->n_headers++] = (struct sigv4_header){ "Authorization", authorization.data };
    check(sigv4_verify(rq, lookup, NULL, NOW_S + 300, 300, &v) == SIGV4_OK);
    check(sigv4_verify(rq, lookup, NULL, NOW_S + 301, 300, &v) == SIGV4_EXPIRED);
    other = *rq;
    other.body = "another";
    other.body_n = 7;
    if (rq->body_n != 7 || memcmp(rq->body, "another", 7) != 0)
        check(sigv4_verify(&other, lookup, NULL, NOW_S, 300, &v) == SIGV4_BAD_SIGNATURE);
    rq->n_headers--;
}

static void check_presigned(const struct sigv4_request *rq, const struct sigv4_scope *scope)
{
    AUTO_BUF struct buf query = { 0 };
    struct sigv4_request presigned = *rq;
    struct sigv4_verified v;

    buf_adds(&query, rq->query);
    sigv4_presign(rq, scope, &keys, NOW_S, 60, &query);
    presigned.query = query.data;
    check(sigv4_verify(&presigned, lookup, NULL, NOW_S + 60, 300, &v) == SIGV4_OK);
    check(sigv4_verify(&presigned, lookup, NULL, NOW_S + 61, 300, &v) == SIGV4_EXPIRED);
    query.data[query.length - 1] = query.data[query.length - 1] == '0' ? '1' : '0';
    check(sigv4_verify(&presigned, lookup, NULL, NOW_S, 300, &v) == SIGV4_BAD_SIGNATURE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = xstrndup((const char *) data, size);
    bool is_s3 = size && data[0] & 1, is_foreign = false;
    struct sigv4_scope scope = { "eu-west-1", is_s3 ? "s3" : "personalize", is_s3, !is_s3 };
    struct sigv4_header headers[HEADERS_MAX + 3] = { { "Host", "localhost" },
                                                     { "X-Amz-Date", "20260921T141320Z" } };
    struct sigv4_request rq = { .headers = headers, .n_headers = 2 };
    struct sigv4_verified v;
    char *at = text;

    rq.method = line(&at);
    rq.path = line(&at);
    rq.query = line(&at);
    check_query(rq.query);
    while (*at && *at != '\n' && rq.n_headers < HEADERS_MAX) {
        char *name = line(&at), *colon = strchr(name, ':');

        if (!colon)
            continue;
        *colon = '\0';
        if (!is_name(name)) {
            is_foreign = true;
            if (strcasecmp(name, "x-amz-date") != 0)
                headers[rq.n_headers++] = (struct sigv4_header){ name, colon + 1 };
            continue;
        }
        headers[rq.n_headers++] = (struct sigv4_header){ name, colon + 1 };
    }
    rq.body = *at ? at + 1 : at;
    rq.body_n = strlen(rq.body);
    if (is_foreign || strstr(rq.query, "X-Amz-")) {
        check(sigv4_verify(&rq, lookup, NULL, NOW_S, 300, &v) != SIGV4_OK);
        return 0;
    }
    check(sigv4_verify(&rq, lookup, NULL, NOW_S, 300, &v) == SIGV4_MISSING);
    check_signed(&rq, headers, &scope);
    check_presigned(&rq, &scope);
    return 0;
}
