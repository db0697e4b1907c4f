/*
 * provider_imds.c - the role of an EC2 instance, by its metadata service, version 2 only.
 *
 * The session token of version 2 cannot be had from outside the instance; version 1, which can be
 * tricked out of a server by a forged request, is never used. Credentials that the service hands
 * out (nearly) expired, while it cannot renew them, stay in use for a while: the services go on
 * accepting them.
 */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "aws_private.h"
#include "steward/failpoint.h"
#include "steward/id.h"
#include "steward/json.h"

#define TOKEN_TTL_S    "21600"
#define EXTENSION_MS   (15 * 60000L)
#define NEARLY_DONE_MS (15 * 60000L)

struct imds {
    struct aws_sources *src;
    char base[300];
    int64_t timeout_ms, attempts;
    char *token; /* owned */
};

/* Without a token it is the request for one. */
static enum err_code request(struct imds *m, const char *path, struct aws_http_reply *reply,
                             struct err *e)
{
    AUTO_FREE char *url = xasprintf("%s/%s", m->base, path);
    bool is_token = !m->token;
    struct sigv4_header header = { is_token ? "x-aws-ec2-metadata-token-ttl-seconds"
                                            : "x-aws-ec2-metadata-token",
                                   is_token ? TOKEN_TTL_S : m->token };
    struct aws_http_request rq = { .method = is_token ? "PUT" : "GET",
                                   .url = url,
                                   .headers = &header,
                                   .n_headers = 1,
                                   .timeout_ms = m->timeout_ms };
    enum err_code rc = OK;

    for (int64_t i = 0; i < m->attempts; i++) {
        aws_http_reply_done(reply);
        rc = m->src->fetch(m->src->context, &rq, reply, e);
        if (rc == OK && reply->status < 500)
            return OK;
    }
    return rc;
}

static enum err_code get_token(struct imds *m, struct err *e)
{
    AUTO_REPLY struct aws_http_reply reply = { 0 };

    FP("cred.imds_token");
    TRY(request(m, "latest/api/token", &reply, e));
    if (reply.status != 200 || reply.body.length == 0 || strpbrk(reply.body.data, "\r\n"))
        return err_set(e, ERR_UNAVAILABLE,
                       "The instance metadata service gave no session token (status %d); in a "
                       "container its hop limit must be 2.",
                       reply.status);
    m->token = xstrdup(reply.body.data);
    return OK;
}

static enum err_code get_text(struct imds *m, const char *path, char **out, struct err *e)
{
    AUTO_REPLY struct aws_http_reply reply = { 0 };

    FP("cred.imds_get");
    TRY(request(m, path, &reply, e));
    if (reply.status == 404)
        return err_set(e, ERR_NOT_FOUND, "The instance metadata service has no %.100s.", path);
    if (reply.status != 200)
        return err_set(e, ERR_UNAVAILABLE,
                       "The instance metadata service answered %.80s with status %d.", path,
                       reply.status);
    *out = buf_take(&reply.body);
    return OK;
}

static void set_base(struct imds *m, const char *endpoint, const char *mode)
{
    size_t n;

    if (!endpoint)
        endpoint = mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]"
                                                         : "http://169.254.169.254";
    n = str_copy(m->base, sizeof m->base, endpoint);
    while (n && m->base[n - 1] == '/')
        m->base[--n] = '\0';
}

static void imds_init(struct imds *m, struct aws_sources *src, const char *config_endpoint)
{
    const char *endpoint = src->env(src->context, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    int64_t timeout_s = 1;

    *m = (struct imds){ .src = src, .attempts = 1 };
    set_base(m, endpoint ? endpoint : config_endpoint,
             src->env(src->context, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"));
    (void) str_to_i64(src->env(src->context, "AWS_METADATA_SERVICE_TIMEOUT"), 1, 60, &timeout_s);
    (void) str_to_i64(src->env(src->context, "AWS_METADATA_SERVICE_NUM_ATTEMPTS"), 1, 10,
                      &m->attempts);
    m->timeout_ms = timeout_s * 1000;
}

static void imds_done(struct imds *m)
{
    free(TAKE(m->token));
}

bool aws_imds_region(struct aws_sources *src, const char *config_endpoint, char **region)
{
    __attribute__((cleanup(imds_done))) struct imds m = { 0 };
    AUTO_FREE char *zone = NULL;
    struct err ignored;
    size_t n;

    imds_init(&m, src, config_endpoint);
    if (get_token(&m, &ignored) != OK ||
        get_text(&m, "latest/meta-data/placement/availability-zone", &zone, &ignored) != OK)
        return false;
    assert(zone);
    n = strcspn(zone, " \r\n");
    if (n < 2)
        return false;
    *region = xstrndup(zone, n - 1);
    return true;
}

/* The service could not renew them: they go on for a random while, so that a fleet does not ask all
 * at once. */
static void extend(struct aws_credentials *c, int64_t now_ms)
{
    if (c->expires_ms && c->expires_ms - now_ms < NEARLY_DONE_MS)
        c->expires_ms = now_ms + EXTENSION_MS + 120000 + (int64_t) random_below(480001);
}

static enum err_code load_role(struct imds *m, const char *role, struct aws_credentials *out,
                               struct err *e)
{
    static const struct aws_json_names names = { "AccessKeyId", "SecretAccessKey", "Token",
                                                 "Expiration" };
    AUTO_FREE char *path = xasprintf("latest/meta-data/iam/security-credentials/%s", role);
    AUTO_FREE char *text = NULL;
    AUTO_JSON json_t *answer = NULL;

    TRY(get_text(m, path, &text, e));
    assert(text);
    if (json_parse(text, strlen(text), &answer, NULL, e) != OK)
        return err_set(e, ERR_UNAVAILABLE,
                       "The instance metadata service did not answer with JSON.");
    if (!json_text(answer, "AccessKeyId"))
        return err_set(
            e, ERR_UNAVAILABLE,
            "The instance metadata service has no credentials for the role: %.60s %.100s",
            json_text_or(answer, "Code", "no code"), json_text_or(answer, "Message", ""));
    TRY(aws_credentials_from_json(answer, &names, out, e));
    extend(out, m->src->now_ms(m->src->context));
    return OK;
}

enum err_code aws_provider_imds(const struct aws_ask *ask, struct aws_credentials *out,
                                bool *is_found, struct err *e)
{
    const struct aws_settings *s = ask->settings;
    const char *disabled = aws_env(s, "AWS_EC2_METADATA_DISABLED");
    __attribute__((cleanup(imds_done))) struct imds m = { 0 };
    AUTO_FREE char *role = NULL;
    enum err_code rc;

    if (disabled && strcasecmp(disabled, "true") == 0)
        return OK;
    imds_init(&m, s->src,
              aws_profile_get(&s->profiles, s->profile, "ec2_metadata_service_endpoint"));
    rc = get_token(&m, e);
    if (rc != OK) {
        char why[200];

        (void) str_copy(why, sizeof why, e->message);
        return err_set(e, ERR_UNAVAILABLE,
                       "No AWS credentials in the environment, profile or container; and of the "
                       "instance role: %.120s",
                       why);
    }
    rc = get_text(&m, "latest/meta-data/iam/security-credentials/", &role, e);
    if (rc == ERR_NOT_FOUND)
        return OK; /* an instance without a role */
    TRY(rc);
    assert(role);
    role[strcspn(role, "\r\n")] = '\0';
    if (!*role || strpbrk(role, "/?#% "))
        return err_set(e, ERR_UNAVAILABLE, "The instance metadata service named no usable role.");
    *is_found = true;
    return load_role(&m, role, out, e);
}
