/*
 * provider_sso.c - a profile of IAM Identity Center, with the token that `aws sso login` left in
 * the cache.
 *
 * Read-only: an expired token is an error that names the command; a server does not open a browser.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "aws_private.h"
#include "steward/clock.h"
#include "steward/failpoint.h"
#include "steward/json.h"

struct sso {
    const char *account, *role, *session, *start_url, *region;
    char *token; /* owned */
};

static const char *session_get(const struct aws_settings *s, const char *session, const char *key)
{
    AUTO_FREE char *section = xasprintf("sso-session %s", session);

    return ini_get(&s->profiles.config.ini, section, key, NULL);
}

static enum err_code read_settings(const struct aws_settings *s, const char *profile,
                                   struct sso *sso, struct err *e)
{
    const struct aws_profiles *p = &s->profiles;

    sso->session = aws_profile_get(p, profile, "sso_session");
    if (sso->session) {
        sso->start_url = session_get(s, sso->session, "sso_start_url");
        sso->region = session_get(s, sso->session, "sso_region");
    } else {
        sso->start_url = aws_profile_get(p, profile, "sso_start_url");
        sso->region = aws_profile_get(p, profile, "sso_region");
    }
    if (!sso->account || !sso->role || str_is_empty(sso->start_url) || str_is_empty(sso->region))
        return err_set(e, ERR_AUTH,
                       "The profile '%.60s' lacks one of sso_account_id, sso_role_name, "
                       "sso_start_url, sso_region.",
                       profile);
    if (!aws_region_is_valid(sso->region))
        return err_set(e, ERR_AUTH, "The sso_region '%.60s' is not a region's name.", sso->region);
    return OK;
}

static enum err_code read_token(const struct aws_settings *s, struct sso *sso, struct err *e)
{
    const char *key = sso->session ? sso->session : sso->start_url;
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned digest_n = 0;
    AUTO_FILE struct aws_file file = { 0 };
    AUTO_FREE char *path = NULL;
    AUTO_JSON json_t *cache = NULL;
    const char *token;
    int64_t expires_ms;

    if (!EVP_Digest(key, strlen(key), digest, &digest_n, EVP_sha1(), NULL))
        mem_exhausted();
    hex_encode(digest, digest_n, hex);
    path = xasprintf("~/.aws/sso/cache/%s.json", hex);
    if (aws_read_file(s->src, path, &file, e) != OK || !file.text ||
        json_parse(file.text, strlen(file.text), &cache, NULL, e) != OK ||
        !json_text(cache, "accessToken"))
        return err_set(e, ERR_AUTH,
                       "There is no SSO session: run `aws sso login` for this profile.");
    FP("cred.sso_expired");
    if (!clock_parse(json_text_or(cache, "expiresAt", ""), &expires_ms) ||
        expires_ms <= s->src->now_ms(s->src->context))
        return err_set(e, ERR_AUTH,
                       "The SSO session has expired: run `aws sso login` for this profile.");
    token = json_text(cache, "accessToken");
    assert(token);
    sso->token = xstrdup(token);
    return OK;
}

static enum err_code fetch(const struct aws_settings *s, const struct sso *sso,
                           struct aws_credentials *out, struct err *e)
{
    static const struct aws_json_names names = { "accessKeyId", "secretAccessKey", "sessionToken",
                                                 "expiration" };
    struct sigv4_header header = { "x-amz-sso_bearer_token", sso->token };
    const char *suffix = aws_partition_of(sso->region)->dns_suffix;
    AUTO_BUF struct buf url = { 0 };
    AUTO_REPLY struct aws_http_reply reply = { 0 };
    AUTO_JSON json_t *answer = NULL;
    struct aws_http_request rq = { .method = "GET",
                                   .headers = &header,
                                   .n_headers = 1,
                                   .timeout_ms = s->total_timeout_ms,
                                   .ca_bundle = s->ca_bundle };

    assert(sso->account && sso->role);
    buf_printf(&url, "https://portal.sso.%s.%s/federation/credentials?account_id=", sso->region,
               suffix);
    uri_encode(&url, sso->account, strlen(sso->account), false);
    buf_adds(&url, "&role_name=");
    uri_encode(&url, sso->role, strlen(sso->role), false);
    rq.url = url.data;
    TRY(s->src->fetch(s->src->context, &rq, &reply, e));
    if (reply.status == 401 || reply.status == 403)
        return err_set(e, ERR_AUTH,
                       "The SSO session was refused: run `aws sso login` for this profile.");
    if (reply.status != 200 ||
        json_parse(reply.body.data, reply.body.length, &answer, NULL, e) != OK)
        return err_set(e, ERR_UNAVAILABLE, "The SSO portal answered with status %d.", reply.status);
    return aws_credentials_from_json(json_object_get(answer, "roleCredentials"), &names, out, e);
}

enum err_code aws_provider_sso(const struct aws_ask *ask, struct aws_credentials *out,
                               bool *is_found, struct err *e)
{
    const struct aws_settings *s = ask->settings;
    const char *profile = ask->profile;
    struct sso sso = { .account = aws_profile_get(&s->profiles, profile, "sso_account_id"),
                       .role = aws_profile_get(&s->profiles, profile, "sso_role_name") };
    enum err_code rc;

    if (!sso.account && !sso.role)
        return OK;
    *is_found = true;
    TRY(read_settings(s, profile, &sso, e));
    rc = read_token(s, &sso, e);
    if (rc == OK)
        rc = fetch(s, &sso, out, e);
    free(sso.token);
    return rc;
}
