/*
 * provider_env.c - keys in the environment. Not asked when a profile was named explicitly.
 */
#include "aws_private.h"
#include "steward/clock.h"
#include "steward/failpoint.h"

enum err_code aws_provider_env(const struct aws_ask *ask, struct aws_credentials *out,
                               bool *is_found, struct err *e)
{
    const struct aws_settings *s = ask->settings;
    const char *access = aws_env(s, "AWS_ACCESS_KEY_ID");
    const char *secret = aws_env(s, "AWS_SECRET_ACCESS_KEY");
    const char *token = aws_env(s, "AWS_SESSION_TOKEN");
    const char *expiration = aws_env(s, "AWS_CREDENTIAL_EXPIRATION");
    int64_t expires_ms = 0;

    if (s->is_profile_explicit || !access)
        return OK;
    FP("cred.env");
    if (!secret)
        return err_set(e, ERR_AUTH, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not.");
    if (expiration && !clock_parse(expiration, &expires_ms))
        return err_set(e, ERR_AUTH,
                       "AWS_CREDENTIAL_EXPIRATION is not a time like 2026-11-24T00:14:39Z.");
    if (!token)
        token = aws_env(s, "AWS_SECURITY_TOKEN");
    *out = (struct aws_credentials){ .access_key_id = xstrdup(access),
                                     .secret_access_key = xstrdup(secret),
                                     .session_token = token ? xstrdup(token) : NULL,
                                     .expires_ms = expires_ms };
    *is_found = true;
    return OK;
}
