/*
 * chain.c - the ordered table of credential providers.
 *
 * The first provider that has credentials wins; an error of a provider that is configured stops the
 * chain, so that a broken configuration never falls through to somebody else's identity.
 */
#include <string.h>

#include "aws_private.h"
#include "steward/clock.h"

struct provider {
    const char *name;
    aws_provider_fn load;
    bool is_of_profile; /* asked for the source of a role, too */
};

static const struct provider providers[] = {
    { "environment", aws_provider_env, false },
    { "assume-role", aws_provider_assume_role, false },
    { "web-identity", aws_provider_web_identity, true },
    { "sso", aws_provider_sso, true },
    { "shared-credentials-file", aws_provider_shared_keys, true },
    { "credential-process", aws_provider_process, true },
    { "config-file", aws_provider_config_keys, true },
    { "container", aws_provider_container, false },
    { "instance-metadata", aws_provider_imds, false },
};

enum err_code aws_chain_load(const struct aws_settings *s, struct aws_credentials *out,
                             struct err *e)
{
    struct aws_ask ask = { s, s->profile };
    bool is_found = false;

    *out = (struct aws_credentials){ 0 };
    if (s->fixed.access_key_id) {
        aws_credentials_copy(out, &s->fixed);
        return OK;
    }
    if (s->is_ambient_ignored)
        return err_set(e, ERR_AUTH,
                       "No AWS credentials were given, and the environment is not consulted.");
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        TRY(providers[i].load(&ask, out, &is_found, e));
        if (is_found)
            return OK;
    }
    return err_set(
        e, ERR_AUTH,
        "No AWS credentials were found: neither in the environment, the profile '%.60s', a "
        "container role nor an instance role.",
        s->profile);
}

enum err_code aws_chain_load_profile(const struct aws_settings *s, const char *profile,
                                     struct aws_credentials *out, struct err *e)
{
    struct aws_ask ask = { s, profile };
    bool is_found = false;

    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        if (!providers[i].is_of_profile)
            continue;
        TRY(providers[i].load(&ask, out, &is_found, e));
        if (is_found)
            return OK;
    }
    return err_set(e, ERR_AUTH, "The source profile '%.60s' has no AWS credentials.", profile);
}

enum err_code aws_credentials_from_json(const json_t *object, const struct aws_json_names *names,
                                        struct aws_credentials *out, struct err *e)
{
    const char *access = json_string_value(json_object_get(object, names->access));
    const char *secret = json_string_value(json_object_get(object, names->secret));
    const char *token = json_string_value(json_object_get(object, names->token));
    const json_t *expiration = json_object_get(object, names->expiration);
    int64_t expires_ms = 0;

    if (str_is_empty(access) || str_is_empty(secret))
        return err_set(e, ERR_AUTH, "The answer lacks %s or %s.", names->access, names->secret);
    if (json_is_string(expiration) && !clock_parse(json_string_value(expiration), &expires_ms))
        return err_set(e, ERR_AUTH, "The answer's %s is not a time.", names->expiration);
    if (json_is_integer(expiration)) /* SSO: milliseconds since the epoch */
        expires_ms = json_integer_value(expiration);
    *out = (struct aws_credentials){ .access_key_id = xstrdup(access),
                                     .secret_access_key = xstrdup(secret),
                                     .session_token = str_is_empty(token) ? NULL : xstrdup(token),
                                     .expires_ms = expires_ms };
    return OK;
}
