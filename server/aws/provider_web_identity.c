/*
 * provider_web_identity.c - a token file (Kubernetes service accounts, CI systems) exchanged for a
 * role's credentials.
 *
 * The file is read again at every refresh: its issuer rotates it.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "aws_private.h"

/* Environment first (unless a profile was named explicitly, or this is the source of a role), then
 * the profile. */
static const char *setting(const struct aws_settings *s, const char *profile, const char *env,
                           const char *key)
{
    const char *value = NULL;

    if (!s->is_profile_explicit && str_eq(profile, s->profile))
        value = aws_env(s, env);
    return value ? value : aws_profile_get(&s->profiles, profile, key);
}

enum err_code aws_provider_web_identity(const struct aws_ask *ask, struct aws_credentials *out,
                                        bool *is_found, struct err *e)
{
    const struct aws_settings *s = ask->settings;
    const char *profile = ask->profile;
    const char *path =
        setting(s, profile, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
    const char *role = setting(s, profile, "AWS_ROLE_ARN", "role_arn");
    const char *session = setting(s, profile, "AWS_ROLE_SESSION_NAME", "role_session_name");
    AUTO_FILE struct aws_file file = { 0 };
    struct aws_form form = { 0 };
    char name[64];
    size_t n;

    if (!path)
        return OK;
    *is_found = true;
    if (!role)
        return err_set(e, ERR_AUTH,
                       "A web identity token file is configured, but no role to assume with it "
                       "(AWS_ROLE_ARN or role_arn).");
    TRY(aws_read_file(s->src, path, &file, e));
    n = strlen(file.text);
    while (n && isspace((unsigned char) file.text[n - 1]))
        file.text[--n] = '\0';
    (void) snprintf(name, sizeof name, "steward-%" PRId64, s->src->now_ms(s->src->context) / 1000);
    aws_form_add(&form, "Action", "AssumeRoleWithWebIdentity");
    aws_form_add(&form, "Version", aws_services[AWS_STS].version);
    aws_form_add(&form, "RoleArn", role);
    aws_form_add(&form, "RoleSessionName", session ? session : name);
    aws_form_add(&form, "WebIdentityToken", file.text);
    return aws_sts_credentials(s, &form, out, e);
}
