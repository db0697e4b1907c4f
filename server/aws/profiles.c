/*
 * profiles.c - the shared configuration and credentials files.
 *
 * A section of the credentials file is a profile; in the config file profiles are [default] and
 * [profile name]. Keys are merged per profile; the credentials file wins.
 */
#include <ctype.h>
#include <string.h>

#include "aws_private.h"

/* "~/x" and "$NAME/x"; the caller owns the result. */
static char *expand_path(struct aws_sources *src, const char *path)
{
    struct buf out = { 0 };
    const char *s = path;

    buf_adds(&out, "");
    if (s[0] == '~' && (s[1] == '/' || !s[1])) {
        const char *home = src->env(src->context, "HOME");

        buf_adds(&out, home ? home : "~");
        s++;
    }
    while (*s) {
        size_t n = 0;

        if (*s == '$')
            while (isalnum((unsigned char) s[1 + n]) || s[1 + n] == '_')
                n++;
        if (n) {
            AUTO_FREE char *name = xstrndup(s + 1, n);
            const char *value = src->env(src->context, name);

            if (value)
                buf_adds(&out, value);
            else
                buf_add(&out, s, n + 1);
            s += n + 1;
        } else {
            buf_addc(&out, *s++);
        }
    }
    return buf_take(&out);
}

enum err_code aws_read_file(struct aws_sources *src, const char *path, struct aws_file *out,
                            struct err *e)
{
    AUTO_FREE char *expanded = expand_path(src, path);

    return src->read_file(src->context, expanded, out, e);
}

static enum err_code load(struct aws_sources *src, const char *path, struct aws_ini_file *out,
                          struct err *e)
{
    AUTO_FILE struct aws_file file = { 0 };
    enum err_code rc = aws_read_file(src, path, &file, e);

    out->path = xstrdup(path);
    if (rc == ERR_NOT_FOUND)
        return OK;
    TRY(rc);
    out->is_exposed = file.is_exposed;
    return ini_parse(file.text, path, &out->ini, e);
}

enum err_code aws_profiles_load(struct aws_sources *src, struct aws_profiles *out, struct err *e)
{
    const char *config = src->env(src->context, "AWS_CONFIG_FILE");
    const char *credentials = src->env(src->context, "AWS_SHARED_CREDENTIALS_FILE");

    *out = (struct aws_profiles){ 0 };
    TRY(load(src, config ? config : "~/.aws/config", &out->config, e));
    return load(src, credentials ? credentials : "~/.aws/credentials", &out->credentials, e);
}

void aws_profiles_done(struct aws_profiles *p)
{
    ini_done(&p->config.ini);
    ini_done(&p->credentials.ini);
    free(TAKE(p->config.path));
    free(TAKE(p->credentials.path));
}

static const char *or_null(const char *value)
{
    return str_is_empty(value) ? NULL : value;
}

const char *aws_profile_get_config(const struct aws_profiles *p, const char *profile,
                                   const char *key)
{
    AUTO_FREE char *section = xasprintf("profile %s", profile);
    const char *value = ini_get(&p->config.ini, section, key, NULL);

    if (!value && str_eq(profile, "default"))
        value = ini_get(&p->config.ini, profile, key, NULL);
    return or_null(value);
}

const char *aws_profile_get_credentials(const struct aws_profiles *p, const char *profile,
                                        const char *key)
{
    return or_null(ini_get(&p->credentials.ini, profile, key, NULL));
}

const char *aws_profile_get(const struct aws_profiles *p, const char *profile, const char *key)
{
    const char *value = aws_profile_get_credentials(p, profile, key);

    return value ? value : aws_profile_get_config(p, profile, key);
}

bool aws_profile_exists(const struct aws_profiles *p, const char *profile)
{
    AUTO_FREE char *section = xasprintf("profile %s", profile);

    return ini_has_section(&p->config.ini, section) ||
           ini_has_section(&p->credentials.ini, profile) ||
           (str_eq(profile, "default") && ini_has_section(&p->config.ini, profile));
}
