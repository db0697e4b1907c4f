/*
 * sns_message.c - what Amazon SNS posts to a subscriber, and how it signs it.
 *
 * Signature version 1 is RSA with SHA-1, 2 with SHA-256; the signed text is "name\nvalue\n" of some
 * members in order of their names.
 */
#include "steward/sns_message.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

#define URL_MAX  1000
#define BITS_MIN 2048

static const char *const types[] = { [SNS_NOTIFICATION] = "Notification",
                                     [SNS_SUBSCRIBE] = "SubscriptionConfirmation",
                                     [SNS_UNSUBSCRIBE] = "UnsubscribeConfirmation" };

enum err_code sns_message_read(const json_t *body, struct sns_message *out, struct err *e)
{
    const char *type = json_text_or(body, "Type", "");
    bool is_known = false;
    int64_t ms;

    *out = (struct sns_message){
        .id = json_text(body, "MessageId"),
        .topic_arn = json_text(body, "TopicArn"),
        .message = json_text(body, "Message"),
        .subject = json_text(body, "Subject"),
        .timestamp = json_text(body, "Timestamp"),
        .token = json_text(body, "Token"),
        .subscribe_url = json_text(body, "SubscribeURL"),
        .signature = json_text(body, "Signature"),
        .version = json_text(body, "SignatureVersion"),
        .certificate_url = json_text(body, "SigningCertURL"),
    };
    for (unsigned i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(type, types[i])) {
            out->type = (enum sns_type) i;
            is_known = true;
        }
    if (!is_known || str_is_empty(out->id) || !out->topic_arn || !out->message || !out->timestamp ||
        !out->signature || !out->version || !out->certificate_url)
        return err_set(e, ERR_INVALID, "This is no message of Amazon SNS.");
    if (out->type != SNS_NOTIFICATION && (!out->token || !out->subscribe_url))
        return err_set(e, ERR_INVALID, "This confirmation of Amazon SNS is incomplete.");
    if (strlen(out->id) > 100 || !clock_parse(out->timestamp, &ms))
        return err_set(e, ERR_INVALID, "This message of Amazon SNS is malformed.");
    out->at_s = ms / 1000;
    return OK;
}

/* One label of a host name: lower-case letters, digits and inner hyphens. */
static size_t label_length(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return n > 0 && n < 64 && s[0] != '-' && s[n - 1] != '-' ? n : 0;
}

bool sns_url_is_good(const char *url, const char *path_end)
{
    static const char start[] = "https://sns.";
    const char *p = url + sizeof start - 1;
    size_t n;

    if (strlen(url) > URL_MAX || !str_starts(url, start))
        return false;
    n = label_length(p);
    if (!n)
        return false;
    p += n;
    if (str_starts(p, ".amazonaws.com/"))
        p += strlen(".amazonaws.com");
    else if (str_starts(p, ".amazonaws.com.cn/"))
        p += strlen(".amazonaws.com.cn");
    else
        return false;
    for (const char *c = p; *c; c++)
        if (*c <= 0x20 || *c >= 0x7f || strchr("\\\"<>^`{|}#@", *c))
            return false;
    if (!path_end)
        return true;
    return str_ends(p, path_end) && !strchr(p, '?') && !strchr(p, '%') && !strstr(p, "..");
}

bool sns_topic_is_valid(const char *arn)
{
    const char *p = arn;

    if (strlen(arn) > 512)
        return false;
    for (int colon = 0; colon < 5; colon++) {
        size_t n = strcspn(p, ":");
        bool is_good = colon == 0   ? n == 3 && str_starts(p, "arn")
                       : colon == 1 ? n >= 3 && str_starts(p, "aws")
                       : colon == 2 ? n == 3 && str_starts(p, "sns")
                       : colon == 3 ? n > 0
                                    : n == 12 && strspn(p, "0123456789") == 12;

        if (!is_good || p[n] != ':')
            return false;
        p += n + 1;
    }
    return *p && strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
                     strlen(p);
}

static void add_line(struct buf *out, const char *name, const char *value)
{
    if (value)
        buf_printf(out, "%s\n%s\n", name, value);
}

char *sns_signed_text(const struct sns_message *m)
{
    bool is_notification = m->type == SNS_NOTIFICATION;
    struct buf out = { 0 };

    add_line(&out, "Message", m->message);
    add_line(&out, "MessageId", m->id);
    add_line(&out, is_notification ? "Subject" : "SubscribeURL",
             is_notification ? m->subject : m->subscribe_url);
    add_line(&out, "Timestamp", m->timestamp);
    if (!is_notification)
        add_line(&out, "Token", m->token);
    add_line(&out, "TopicArn", m->topic_arn);
    add_line(&out, "Type", types[m->type]);
    return buf_take(&out);
}

static X509 *read_certificate(const char *pem, size_t n)
{
    BIO *bio = n && n <= 65536 ? BIO_new_mem_buf(pem, (int) n) : NULL;
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    return certificate;
}

static bool is_in_time(const X509 *certificate, int64_t now_s)
{
    time_t now = (time_t) now_s;

    return X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &now) > 0;
}

static bool is_signed(EVP_PKEY *key, const EVP_MD *digest, const struct sns_message *m)
{
    size_t n;
    AUTO_FREE uint8_t *signature = base64_decode(m->signature, &n);
    AUTO_FREE char *text = sns_signed_text(m);
    EVP_MD_CTX *context = signature ? EVP_MD_CTX_new() : NULL;
    bool is_good =
        context && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, n, (const unsigned char *) text, strlen(text)) == 1;

    EVP_MD_CTX_free(context);
    return is_good;
}

bool sns_verify(const struct sns_message *m, const char *pem, size_t n, int64_t now_s)
{
    const EVP_MD *digest = str_eq(m->version, "1")   ? EVP_sha1()
                           : str_eq(m->version, "2") ? EVP_sha256()
                                                     : NULL;
    X509 *certificate = digest ? read_certificate(pem, n) : NULL;
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    bool is_good = key && EVP_PKEY_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_bits(key) >= BITS_MIN &&
                   is_in_time(certificate, now_s) && is_signed(key, digest, m);

    X509_free(certificate);
    return is_good;
}
