/*
 * provider_assume_role.c - a profile that assumes a role with the credentials of another.
 *
 * The profiles are walked from the outside in until one has credentials of its own; then the roles
 * are assumed from the inside out.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws_private.h"

#define DEPTH_MAX 8

struct walk {
    const char *roles[DEPTH_MAX]; /* profiles whose role is assumed, the outermost first */
    size_t count;
    const char *next;              /* to visit; NULL at the end */
    const char *source;            /* profile with the first credentials, or NULL */
    const char *credential_source; /* or this */
};

static const char *get(const struct aws_settings *s, const char *profile, const char *key)
{
    return aws_profile_get(&s->profiles, profile, key);
}

static bool has_keys(const struct aws_settings *s, const char *profile)
{
    return get(s, profile, "aws_access_key_id") || get(s, profile, "aws_secret_access_key");
}

static bool is_role_profile(const struct aws_settings *s, const char *profile)
{
    return get(s, profile, "role_arn") && !get(s, profile, "web_identity_token_file");
}

static bool was_visited(const struct walk *w, const char *profile)
{
    for (size_t i = 0; i < w->count; i++)
        if (str_eq(w->roles[i], profile))
            return true;
    return false;
}

/* One profile of the walk: notes its role and finds where its credentials come from; *next is NULL
 * at the end. */
static enum err_code visit(const struct aws_settings *s, struct walk *w, struct err *e)
{
    const char *profile = w->next;
    const char *source = get(s, profile, "source_profile");
    const char *credential_source = get(s, profile, "credential_source");

    w->next = NULL;
    if (w->count == DEPTH_MAX)
        return err_set(e, ERR_AUTH, "The profile '%.60s' chains more than %d roles.", w->roles[0],
                       DEPTH_MAX);
    w->roles[w->count++] = profile;
    if (!source == !credential_source)
        return err_set(e, ERR_AUTH,
                       "The profile '%.60s' has role_arn; it needs either source_profile or "
                       "credential_source%s.",
                       profile, source ? ", not both" : "");
    if (get(s, profile, "mfa_serial"))
        return err_set(
            e, ERR_AUTH,
            "The profile '%.60s' asks for a code of a second factor (mfa_serial), which a "
            "server cannot type.",
            profile);
    if (credential_source) {
        w->credential_source = credential_source;
        return OK;
    }
    if (!aws_profile_exists(&s->profiles, source))
        return err_set(e, ERR_AUTH,
                       "The source_profile '%.60s' of the profile '%.60s' does not exist.", source,
                       profile);
    if (was_visited(w, source) && !(str_eq(source, profile) && has_keys(s, source)))
        return err_set(e, ERR_AUTH,
                       "The profiles '%.60s' and '%.60s' take their credentials from each other.",
                       source, profile);
    if (has_keys(s, source) || !is_role_profile(s, source))
        w->source = source;
    else
        w->next = source;
    return OK;
}

static enum err_code load_credential_source(const struct aws_settings *s, const char *name,
                                            struct aws_credentials *out, struct err *e)
{
    static const struct {
        const char *name;
        aws_provider_fn load;
    } sources[] = { { "Environment", aws_provider_env },
                    { "Ec2InstanceMetadata", aws_provider_imds },
                    { "EcsContainer", aws_provider_container } };
    struct aws_settings from_outside = *s; /* an explicit profile does not hide what it names */
    struct aws_ask ask = { &from_outside, s->profile };
    bool is_found = false;

    assert(name);
    from_outside.is_profile_explicit = false;
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (strcasecmp(sources[i].name, name) != 0)
            continue;
        TRY(sources[i].load(&ask, out, &is_found, e));
        if (is_found)
            return OK;
        return err_set(e, ERR_AUTH, "The credential_source %s has no credentials.", name);
    }
    return err_set(
        e, ERR_AUTH,
        "The credential_source '%.60s' is unknown; use Environment, Ec2InstanceMetadata or "
        "EcsContainer.",
        name);
}

/* Exchanges the credentials for those of the profile's role. */
static enum err_code assume(const struct aws_settings *s, const char *profile,
                            struct aws_credentials *credentials, struct err *e)
{
    AUTO_CREDENTIALS struct aws_credentials role = { 0 };
    const char *session = get(s, profile, "role_session_name");
    const char *external_id = get(s, profile, "external_id");
    const char *duration = get(s, profile, "duration_seconds");
    struct aws_form form = { .by = credentials };
    char name[64];

    (void) snprintf(name, sizeof name, "steward-%" PRId64, s->src->now_ms(s->src->context) / 1000);
    aws_form_add(&form, "Action", "AssumeRole");
    aws_form_add(&form, "Version", aws_services[AWS_STS].version);
    aws_form_add(&form, "RoleArn", get(s, profile, "role_arn"));
    aws_form_add(&form, "RoleSessionName", session ? session : name);
    if (external_id)
        aws_form_add(&form, "ExternalId", external_id);
    if (duration)
        aws_form_add(&form, "DurationSeconds", duration);
    TRY(aws_sts_credentials(s, &form, &role, e));
    aws_credentials_done(credentials);
    *credentials = role;
    role = (struct aws_credentials){ 0 };
    return OK;
}

enum err_code aws_provider_assume_role(const struct aws_ask *ask, struct aws_credentials *out,
                                       bool *is_found, struct err *e)
{
    const struct aws_settings *s = ask->settings;
    const char *profile = ask->profile;
    AUTO_CREDENTIALS struct aws_credentials credentials = { 0 };
    struct walk w = { .next = profile };

    if (!is_role_profile(s, profile))
        return OK;
    *is_found = true;
    while (w.next)
        TRY(visit(s, &w, e));
    if (w.source)
        TRY(aws_chain_load_profile(s, w.source, &credentials, e));
    else
        TRY(load_credential_source(s, w.credential_source, &credentials, e));
    while (w.count > 0)
        TRY(assume(s, w.roles[--w.count], &credentials, e));
    *out = credentials;
    credentials = (struct aws_credentials){ 0 };
    return OK;
}
