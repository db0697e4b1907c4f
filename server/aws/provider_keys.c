/*
 * provider_keys.c - static keys of a profile, in the credentials file or the config file.
 *
 * A file that holds a secret key and that others may read is refused: the fix is one chmod, the
 * risk an account.
 */
#include "aws_private.h"

typedef const char *(*get_fn)(const struct aws_profiles *p, const char *profile, const char *key);

struct place {
    get_fn get;
    const char *path;
    bool is_exposed;
};

static enum err_code load(const struct place *place, const struct aws_profiles *p,
                          const char *profile, struct aws_credentials *out,
                          struct err *e) // NOLINT(readability-function-size)
{
    const char *access = place->get(p, profile, "aws_access_key_id");
    const char *secret = place->get(p, profile, "aws_secret_access_key");
    const char *token = place->get(p, profile, "aws_session_token");

    if (!access || !secret)
        return err_set(e, ERR_AUTH, "The profile '%.60s' in %.100s has %s, but not %s.", profile,
                       place->path, access ? "aws_access_key_id" : "aws_secret_access_key",
                       access ? "aws_secret_access_key" : "aws_access_key_id");
    if (place->is_exposed)
        return err_set(e, ERR_AUTH,
                       "%.100s holds a secret key and can be read by other users: chmod 600 it.",
                       place->path);
    *out = (struct aws_credentials){ .access_key_id = xstrdup(access),
                                     .secret_access_key = xstrdup(secret),
                                     .session_token = token ? xstrdup(token) : NULL };
    return OK;
}

static bool has_any(const struct place *place, const struct aws_profiles *p, const char *profile)
{
    return place->get(p, profile, "aws_access_key_id") ||
           place->get(p, profile, "aws_secret_access_key");
}

enum err_code aws_provider_shared_keys(const struct aws_settings *s, const char *profile,
                                       struct aws_credentials *out, bool *is_found, struct err *e)
{
    struct place place = { aws_profile_get_credentials, s->profiles.credentials_path,
                           s->profiles.is_credentials_exposed };

    if (!has_any(&place, &s->profiles, profile))
        return OK;
    *is_found = true;
    return load(&place, &s->profiles, profile, out, e);
}

enum err_code aws_provider_config_keys(const struct aws_settings *s, const char *profile,
                                       struct aws_credentials *out, bool *is_found, struct err *e)
{
    struct place place = { aws_profile_get_config, s->profiles.config_path,
                           s->profiles.is_config_exposed };

    if (!has_any(&place, &s->profiles, profile))
        return OK;
    *is_found = true;
    return load(&place, &s->profiles, profile, out, e);
}
