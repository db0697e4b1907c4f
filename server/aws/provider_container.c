/*
 * provider_container.c - the credentials endpoint of ECS and EKS.
 *
 * Where the variable points is checked before anything is sent: the token is for that endpoint and
 * nobody else.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>

#include "aws_private.h"
#include "steward/failpoint.h"
#include "steward/json.h"

#define CONTAINER_ATTEMPTS   3
#define CONTAINER_TIMEOUT_MS 2000

static bool is_allowed_clear_text(const char *host)
{
    struct in_addr four;
    struct in6_addr six, eks;
    char plain[64];

    (void) str_copy(plain, sizeof plain, host[0] == '[' ? host + 1 : host);
    plain[strcspn(plain, "]")] = '\0';
    if (str_eq(plain, "localhost") || str_eq(plain, "169.254.170.2") ||
        str_eq(plain, "169.254.170.23"))
        return true;
    if (inet_pton(AF_INET, plain, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    (void) inet_pton(AF_INET6, "fd00:ec2::23", &eks);
    return inet_pton(AF_INET6, plain, &six) == 1 &&
           (IN6_IS_ADDR_LOOPBACK(&six) || memcmp(&six, &eks, sizeof six) == 0);
}

static enum err_code check_url(const char *text, struct err *e)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL;
    bool is_good;

    if (!url)
        mem_exhausted();
    is_good = curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              (str_eq(scheme, "https") || (str_eq(scheme, "http") && is_allowed_clear_text(host)));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    if (is_good)
        return OK;
    return err_set(e, ERR_AUTH,
                   "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http to this machine, "
                   "169.254.170.2, 169.254.170.23 or [fd00:ec2::23].");
}

/* The value of the Authorization header; *token stays NULL when none is configured. */
static enum err_code read_token(const struct aws_settings *s, char **token, struct err *e)
{
    const char *path = aws_env(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *value = aws_env(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    AUTO_FILE struct aws_file file = { 0 };

    if (path) {
        TRY(aws_read_file(s->src, path, &file, e));
        value = file.text;
    }
    if (!value)
        return OK;
    if (strpbrk(value, "\r\n"))
        return err_set(e, ERR_AUTH, "The authorization token of the container holds a line break.");
    *token = xstrdup(value);
    return OK;
}

static enum err_code fetch(const struct aws_settings *s, const struct aws_http_request *rq,
                           struct aws_http_reply *reply, struct err *e)
{
    enum err_code rc = OK;

    for (int attempt = 1; attempt <= CONTAINER_ATTEMPTS; attempt++) {
        aws_http_reply_done(reply);
        rc = s->src->fetch(s->src->context, rq, reply, e);
        if (rc == OK && reply->status == 200)
            return OK;
        if (rc == OK)
            rc = err_set(e, ERR_UNAVAILABLE,
                         "The credentials endpoint of the container answered with status %d.",
                         reply->status);
        if (attempt < CONTAINER_ATTEMPTS)
            s->src->sleep_ms(s->src->context, 1000);
    }
    return rc;
}

enum err_code aws_provider_container(const struct aws_ask *ask, struct aws_credentials *out,
                                     bool *is_found, struct err *e)
{
    const struct aws_settings *s = ask->settings;
    static const struct aws_json_names names = { "AccessKeyId", "SecretAccessKey", "Token",
                                                 "Expiration" };
    const char *relative = aws_env(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_env(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    AUTO_FREE char *url = NULL, *token = NULL;
    AUTO_REPLY struct aws_http_reply reply = { 0 };
    AUTO_JSON json_t *answer = NULL;
    struct sigv4_header headers[2] = { { "Accept", "application/json" } };
    struct aws_http_request rq = { .method = "GET",
                                   .headers = headers,
                                   .n_headers = 1,
                                   .timeout_ms = CONTAINER_TIMEOUT_MS,
                                   .ca_bundle = s->ca_bundle };

    if (!relative && !full)
        return OK;
    *is_found = true;
    url = relative ? xasprintf("http://169.254.170.2%s", relative) : xstrdup(full);
    TRY(check_url(url, e));
    TRY(read_token(s, &token, e));
    if (token)
        headers[rq.n_headers++] = (struct sigv4_header){ "Authorization", token };
    rq.url = url;
    FP("cred.ecs");
    TRY(fetch(s, &rq, &reply, e));
    if (json_parse(reply.body.data, reply.body.length, &answer, NULL, e) != OK)
        return err_set(e, ERR_UNAVAILABLE,
                       "The credentials endpoint of the container did not answer with JSON.");
    return aws_credentials_from_json(answer, &names, out, e);
}
