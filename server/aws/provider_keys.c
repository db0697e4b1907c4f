/*
 * provider_keys.c - static keys of a profile, in the credentials file or the config file.
 *
 * A file that holds a secret key and that others may read is refused: the fix is one chmod, the
 * risk an account.
 */
#include "aws_private.h"
#include "steward/failpoint.h"

typedef const char *(*get_fn)(const struct aws_profiles *p, const char *profile, const char *key);

struct place {
    const struct aws_ask *ask;
    const struct aws_ini_file *file;
    get_fn get;
};

static const char *get(const struct place *place, const char *key)
{
    return place->get(&place->ask->settings->profiles, place->ask->profile, key);
}

static enum err_code load(const struct place *place, struct aws_credentials *out, bool *is_found,
                          struct err *e)
{
    const char *access = get(place, "aws_access_key_id");
    const char *secret = get(place, "aws_secret_access_key");
    const char *token = get(place, "aws_session_token");

    if (!access && !secret)
        return OK;
    *is_found = true;
    FP("cred.file");
    if (!access || !secret)
        return err_set(e, ERR_AUTH, "The profile '%.60s' in %.100s has %s, but not %s.",
                       place->ask->profile, place->file->path,
                       access ? "aws_access_key_id" : "aws_secret_access_key",
                       access ? "aws_secret_access_key" : "aws_access_key_id");
    if (place->file->is_exposed)
        return err_set(e, ERR_AUTH,
                       "%.100s holds a secret key and can be read by other users: chmod 600 it.",
                       place->file->path);
    *out = (struct aws_credentials){ .access_key_id = xstrdup(access),
                                     .secret_access_key = xstrdup(secret),
                                     .session_token = token ? xstrdup(token) : NULL };
    return OK;
}

enum err_code aws_provider_shared_keys(const struct aws_ask *ask, struct aws_credentials *out,
                                       bool *is_found, struct err *e)
{
    struct place place = { ask, &ask->settings->profiles.credentials, aws_profile_get_credentials };

    return load(&place, out, is_found, e);
}

enum err_code aws_provider_config_keys(const struct aws_ask *ask, struct aws_credentials *out,
                                       bool *is_found, struct err *e)
{
    struct place place = { ask, &ask->settings->profiles.config, aws_profile_get_config };

    return load(&place, out, is_found, e);
}
