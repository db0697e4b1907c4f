/*
 * serve_channels.c - the options of the AWS solution's channels: checked, and as the engine wants
 * them.
 *
 * What is wrong is said at the start, not by the first message that can not be sent.
 */
#include <stdio.h>
#include <string.h>

#include "serve.h"
#include "steward/channels.h"
#include "steward/mem.h"
#include "steward/str.h"

#define LETTERS        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define NAME_MAX_CHARS 255

static bool is_made_of(const char *text, const char *letters)
{
    size_t n = strlen(text);

    return n > 0 && n <= NAME_MAX_CHARS && strspn(text, letters) == n;
}

/* "arn:aws:sns:us-east-1:123456789012:topic" in its six parts; part i begins at out[i]. */
static bool split_arn(const char *arn, const char *service, const char *out[6])
{
    const char *p = arn;

    for (size_t i = 0; i < 6; i++) {
        out[i] = p;
        if (i < 5 && !(p = strchr(p, ':')))
            return false;
        p++;
    }
    return str_starts(arn, "arn:") && str_starts(out[2], service) &&
           out[2][strlen(service)] == ':' && out[3][0] != ':' && out[4][0] != ':' && *out[5];
}

static enum err_code check_bus(const char *bus, struct err *e)
{
    const char *parts[6];

    if (str_starts(bus, "arn:")
            ? split_arn(bus, "events", parts) && str_starts(parts[5], "event-bus/")
            : is_made_of(bus, LETTERS "/._-"))
        return OK;
    return err_set(e, ERR_INVALID,
                   "--event-bus: \"%.100s\" is no name of a bus, nor the ARN of one "
                   "(arn:aws:events:REGION:ACCOUNT:event-bus/NAME).",
                   bus);
}

static enum err_code check_topic(const char *arn, struct err *e)
{
    const char *parts[6];

    if (!split_arn(arn, "sns", parts) || !is_made_of(parts[5], LETTERS "._-"))
        return err_set(e, ERR_INVALID,
                       "--sns-topic-arn: \"%.100s\" is not arn:aws:sns:REGION:ACCOUNT:NAME.", arn);
    if (str_ends(arn, ".fifo"))
        return err_set(
            e, ERR_INVALID,
            "--sns-topic-arn: \"%.100s\" is a FIFO topic; mails and text messages, which "
            "the messages are for, need a standard one.",
            arn);
    return OK;
}

static enum err_code check_namespace(const char *name, struct err *e)
{
    if (is_made_of(name, LETTERS ".-_/#:") && !str_starts(name, "AWS/") && name[0] != ':')
        return OK;
    return err_set(
        e, ERR_INVALID,
        "--cloudwatch-namespace: \"%.100s\" is not made of letters, digits and .-_/#:, or "
        "begins with AWS/.",
        name);
}

/* Addresses go into an envelope and headers: plain ASCII, nothing that has a meaning there. */
static enum err_code check_address(const char *option, const char *text, struct err *e)
{
    char address[NAME_MAX_CHARS + 1];
    bool is_good = mail_address(text, address, sizeof address);

    for (const char *p = text; *p && is_good; p++)
        is_good = (unsigned char) *p >= 32 && *p != 127;
    for (const char *p = address; is_good && *p; p++)
        is_good = (unsigned char) *p < 127;
    if (is_good)
        return OK;
    return err_set(e, ERR_INVALID,
                   "--%s: \"%.100s\" is neither shop@example.org nor Shop <shop@example.org>.",
                   option, text);
}

static enum err_code check_mail(const struct serve_options *o, struct err *e)
{
    struct smtp_credentials login;
    struct err why;
    enum err_code rc;

    if (!o->smtp_url) {
        if (o->mail_from || o->mail_to.count || o->smtp_credentials_file)
            return err_set(e, ERR_INVALID, "Mail needs a server: give --smtp-url, too.");
        return OK;
    }
    if (smtp_url_check(o->smtp_url, &why))
        return err_set(e, ERR_INVALID, "--smtp-url: %s", why.message);
    if (!o->mail_from || !o->mail_to.count)
        return err_set(e, ERR_INVALID, "--smtp-url needs --mail-from and --mail-to.");
    TRY(check_address("mail-from", o->mail_from, e));
    for (size_t i = 0; i < o->mail_to.count; i++)
        TRY(check_address("mail-to", o->mail_to.items[i], e));
    if (!o->smtp_credentials_file)
        return OK;
    if (o->is_smtp_plain_accepted)
        return err_set(e, ERR_INVALID,
                       "--smtp-plain would send the password of --smtp-credentials-file in clear "
                       "text; leave one of them out.");
    rc = smtp_credentials_read(o->smtp_credentials_file, &login, e);
    smtp_credentials_wipe(&login);
    return rc;
}

enum err_code serve_channels_check(const struct serve_options *o, struct err *e)
{
    if (o->event_bus)
        TRY(check_bus(o->event_bus, e));
    if (o->sns_topic_arn)
        TRY(check_topic(o->sns_topic_arn, e));
    if (o->cloudwatch_namespace)
        TRY(check_namespace(o->cloudwatch_namespace, e));
    return check_mail(o, e);
}

enum err_code serve_channels_check_region(const struct serve_options *o, const char *region,
                                          struct err *e)
{
    const char *parts[6];

    if (!o->sns_topic_arn || !split_arn(o->sns_topic_arn, "sns", parts))
        return OK;
    AUTO_FREE char *own = xstrndup(parts[3], (size_t) (parts[4] - parts[3] - 1));

    if (str_eq(own, region))
        return OK;
    return err_set(e, ERR_INVALID,
                   "--sns-topic-arn: the topic is in %.40s and this server works in %.40s; take a "
                   "topic of its region.",
                   own, region);
}

struct channel_options serve_channels(const struct serve_options *o)
{
    return (struct channel_options){ .event_bus = o->event_bus,
                                     .sns_topic_arn = o->sns_topic_arn,
                                     .cloudwatch_namespace = o->cloudwatch_namespace,
                                     .smtp_url = o->smtp_url,
                                     .is_smtp_plain_accepted = o->is_smtp_plain_accepted,
                                     .smtp_credentials_file = o->smtp_credentials_file,
                                     .smtp_ca_bundle = o->smtp_ca_bundle,
                                     .mail_from = o->mail_from,
                                     .mail_to = o->mail_to.items,
                                     .n_mail_to = o->mail_to.count };
}
