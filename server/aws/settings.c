/*
 * settings.c - resolves what was configured: profile, region, endpoints, certificates, attempts.
 *
 * Every value has one ordered list of places (docs/aws.md); the first that holds one wins. What is
 * contradictory or unusable is an error at the start, not at the first call.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws_private.h"

#define CONNECT_TIMEOUT_MS 3000
#define TOTAL_TIMEOUT_MS   20000

const char *aws_env(const struct aws_settings *s, const char *name)
{
    return s->is_ambient_ignored ? NULL : s->src->env(s->src->context, name);
}

/* Environment, then the profile; NULL when neither has it. */
static const char *env_or_profile(const struct aws_settings *s, const char *name, const char *key)
{
    const char *value = aws_env(s, name);

    return value ? value : aws_profile_get(&s->profiles, s->profile, key);
}

static bool is_true(const char *value)
{
    return value && strcasecmp(value, "true") == 0;
}

static enum err_code resolve_profile(const struct aws_options *o, struct aws_settings *s,
                                     struct err *e)
{
    const char *named = o->profile;

    s->is_profile_explicit = named != NULL;
    if (!named)
        named = aws_env(s, "AWS_PROFILE");
    s->profile = xstrdup(named ? named : "default");
    if (s->is_ambient_ignored)
        return OK;
    TRY(aws_profiles_load(s->src, &s->profiles, e));
    if (named && !aws_profile_exists(&s->profiles, named))
        return err_set(e, ERR_INVALID,
                       "The config profile (%.60s) could not be found in %.80s or %.80s.", named,
                       s->profiles.config.path, s->profiles.credentials.path);
    return OK;
}

static enum err_code resolve_region(const struct aws_options *o, struct aws_settings *s,
                                    struct err *e)
{
    const char *region = o->region;

    if (!region)
        region = aws_env(s, "AWS_REGION");
    if (!region)
        region = aws_env(s, "AWS_DEFAULT_REGION");
    if (!region)
        region = aws_profile_get(&s->profiles, s->profile, "region");
    if (region)
        s->region = xstrdup(region);
    else if (s->is_ambient_ignored || is_true(aws_env(s, "AWS_EC2_METADATA_DISABLED")) ||
             !aws_imds_region(
                 s->src, aws_profile_get(&s->profiles, s->profile, "ec2_metadata_service_endpoint"),
                 &s->region))
        return err_set(
            e, ERR_INVALID,
            "You must specify a region: set AWS_REGION, or 'region' in the profile '%.60s'.",
            s->profile);
    if (!aws_region_is_valid(s->region))
        return err_set(e, ERR_INVALID, "The region '%.80s' is not a region's name.", s->region);
    s->partition = aws_partition_of(s->region);
    return OK;
}

/* The configured address of a service and where it was found; NULL when there is none. */
static const char *configured_endpoint(const struct aws_settings *s, enum aws_service service,
                                       char *from, size_t size)
{
    const char *id = aws_services[service].id, *value, *services;
    char lower[40];
    size_t n = str_copy(lower, sizeof lower, id);

    for (size_t i = 0; i < n; i++)
        lower[i] = (char) (lower[i] >= 'A' && lower[i] <= 'Z' ? lower[i] + 32 : lower[i]);
    (void) snprintf(from, size, "AWS_ENDPOINT_URL_%s", id);
    value = aws_env(s, from);
    if (value)
        return value;
    (void) snprintf(from, size, "AWS_ENDPOINT_URL");
    value = aws_env(s, from);
    if (value)
        return value;
    services = aws_profile_get_config(&s->profiles, s->profile, "services");
    if (services) {
        AUTO_FREE char *section = xasprintf("services %s", services);

        (void) snprintf(from, size, "[services %.40s] %s", services, lower);
        value = ini_get(&s->profiles.config.ini, section, lower, "endpoint_url");
        if (!str_is_empty(value))
            return value;
    }
    (void) snprintf(from, size, "endpoint_url of the profile");
    return aws_profile_get(&s->profiles, s->profile, "endpoint_url");
}

static enum err_code check_services_section(const struct aws_settings *s, struct err *e)
{
    const char *services = aws_profile_get_config(&s->profiles, s->profile, "services");
    AUTO_FREE char *section = xasprintf("services %s", services ? services : "");

    if (services && !ini_has_section(&s->profiles.config.ini, section))
        return err_set(e, ERR_INVALID,
                       "The profile '%.60s' names the section [services %.60s], which is not in "
                       "%.80s.",
                       s->profile, services, s->profiles.config.path);
    return OK;
}

static enum err_code resolve_endpoints(const struct aws_options *o, struct aws_settings *s,
                                       struct err *e)
{
    bool is_fips = is_true(env_or_profile(s, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
    bool is_dual =
        is_true(env_or_profile(s, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"));
    bool is_ignored = is_true(env_or_profile(s, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                                             "ignore_configured_endpoint_urls"));

    if (!is_ignored)
        TRY(check_services_section(s, e));
    for (enum aws_service i = 0; i < AWS_SERVICE_COUNT; i++) {
        char from[100] = "the endpoint option";
        const char *url = o->endpoint_url;

        if (!url && !is_ignored)
            url = configured_endpoint(s, i, from, sizeof from);
        if (!url) {
            s->endpoints[i] = aws_standard_endpoint(i, s->region, is_fips, is_dual);
            continue;
        }
        if (is_fips || is_dual)
            return err_set(e, ERR_INVALID,
                           "A custom endpoint (%s) cannot be combined with FIPS or dual-stack "
                           "endpoints; drop one of the settings.",
                           from);
        TRY(aws_custom_endpoint(url, from, &s->endpoints[i], e));
        s->is_custom[i] = true;
    }
    return OK;
}

static enum err_code resolve_fixed_keys(const struct aws_options *o, struct aws_settings *s,
                                        struct err *e)
{
    if (!o->access_key_id && !o->secret_access_key)
        return OK;
    if (!o->access_key_id || !o->secret_access_key)
        return err_set(e, ERR_INVALID,
                       "An access key id and a secret access key must be given together.");
    s->fixed.access_key_id = xstrdup(o->access_key_id);
    s->fixed.secret_access_key = xstrdup(o->secret_access_key);
    if (o->session_token)
        s->fixed.session_token = xstrdup(o->session_token);
    return OK;
}

static enum err_code resolve(const struct aws_options *o, struct aws_settings *s, struct err *e)
{
    const char *ca, *attempts;

    TRY(resolve_fixed_keys(o, s, e));
    TRY(resolve_profile(o, s, e));
    TRY(resolve_region(o, s, e));
    TRY(resolve_endpoints(o, s, e));
    ca = o->ca_bundle ? o->ca_bundle : env_or_profile(s, "AWS_CA_BUNDLE", "ca_bundle");
    s->ca_bundle = ca ? xstrdup(ca) : NULL;
    s->max_attempts = 3;
    attempts = env_or_profile(s, "AWS_MAX_ATTEMPTS", "max_attempts");
    if (attempts && !str_to_i64(attempts, 1, 20, &s->max_attempts))
        return err_set(e, ERR_INVALID,
                       "AWS_MAX_ATTEMPTS must be a number from 1 to 20, not '%.40s'.", attempts);
    return OK;
}

enum err_code aws_settings_open(const struct aws_options *options, struct aws_sources *src,
                                struct aws_settings *out, struct err *e)
{
    enum err_code rc;

    *out = (struct aws_settings){
        .src = src,
        .is_ambient_ignored = options->is_ambient_ignored,
        .connect_timeout_ms =
            options->connect_timeout_ms ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS,
        .total_timeout_ms =
            options->total_timeout_ms ? options->total_timeout_ms : TOTAL_TIMEOUT_MS,
    };
    rc = resolve(options, out, e);
    if (rc != OK)
        aws_settings_done(out);
    return rc;
}

void aws_settings_done(struct aws_settings *s)
{
    aws_profiles_done(&s->profiles);
    free(TAKE(s->profile));
    free(TAKE(s->region));
    free(TAKE(s->ca_bundle));
    for (int i = 0; i < AWS_SERVICE_COUNT; i++)
        free(TAKE(s->endpoints[i]));
    aws_credentials_done(&s->fixed);
}
