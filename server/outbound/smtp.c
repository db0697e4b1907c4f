/*
 * smtp.c - a mail over SMTP, by libcurl: TLS unless plain text was asked for, one recipient.
 *
 * With smtp:// STARTTLS is required before anything of the mail or the login is said. A reply of
 * the server that refuses is an answer: its code and words are what people see.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "outbound_private.h"
#include "steward/clock.h"
#include "steward/mem.h"
#include "steward/private_file.h"

#define FILE_MAX 1000

static size_t on_read(char *to, size_t size, size_t n, void *user)
{
    struct entry *x = user;
    size_t left = x->call->body_n - x->sent_bytes, part = size * n;

    if (part > left)
        part = left;
    memcpy(to, x->call->body + x->sent_bytes, part);
    x->sent_bytes += part;
    return part;
}

/* The server's replies, line by line; the last one is kept, but for its good-bye. */
static size_t on_reply(char *data, size_t size, size_t n, void *user)
{
    struct entry *x = user;
    size_t total = size * n;

    if (total > 3 && strncmp(data, "221", 3) != 0) {
        x->excerpt.length = 0;
        buf_add(&x->excerpt, data, total < 1024 ? total : 1024);
        while (x->excerpt.length && strchr("\r\n ", x->excerpt.data[x->excerpt.length - 1]))
            x->excerpt.data[--x->excerpt.length] = '\0';
    }
    return total;
}

/* A mail that is given up must be: libcurl ends one that is merely taken away as if it were whole,
 * and waits for the server to say so. */
// NOLINTNEXTLINE(readability-function-size): the signature is libcurl's
static int on_progress(void *user, curl_off_t to_load, curl_off_t loaded, curl_off_t to_send,
                       curl_off_t sent)
{
    (void) to_load, (void) loaded, (void) to_send, (void) sent;
    return ((struct entry *) user)->is_given_up;
}

static void set_server(struct entry *x)
{
    const struct outbound_mail *mail = x->call->mail;
    int64_t connect_ms =
        x->call->timeout_ms < CONNECT_MAX_MS ? x->call->timeout_ms : CONNECT_MAX_MS;

    (void) curl_easy_setopt(x->curl, CURLOPT_URL, x->call->url);
    (void) curl_easy_setopt(x->curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void) curl_easy_setopt(x->curl, CURLOPT_PROXY, "");
    (void) curl_easy_setopt(x->curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
    (void) curl_easy_setopt(x->curl, CURLOPT_USE_SSL,
                            (long) (mail->is_plain_accepted ? CURLUSESSL_TRY : CURLUSESSL_ALL));
    (void) curl_easy_setopt(x->curl, CURLOPT_SSL_VERIFYPEER, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_SSL_VERIFYHOST, 2L);
    (void) curl_easy_setopt(x->curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    (void) curl_easy_setopt(x->curl, CURLOPT_FRESH_CONNECT, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_FORBID_REUSE, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_CONNECTTIMEOUT_MS, (long) connect_ms);
    (void) curl_easy_setopt(x->curl, CURLOPT_TIMEOUT_MS, (long) x->call->timeout_ms);
    if (mail->ca_bundle) {
        (void) curl_easy_setopt(x->curl, CURLOPT_CAINFO, mail->ca_bundle);
        (void) curl_easy_setopt(x->curl, CURLOPT_CAPATH, NULL);
    }
    if (mail->user) {
        (void) curl_easy_setopt(x->curl, CURLOPT_USERNAME, mail->user);
        (void) curl_easy_setopt(x->curl, CURLOPT_PASSWORD, mail->password);
    }
}

void smtp_prepare(struct entry *x)
{
    const struct outbound_mail *mail = x->call->mail;

    set_server(x);
    x->headers = curl_slist_append(NULL, mail->to);
    if (!x->headers)
        mem_exhausted();
    (void) curl_easy_setopt(x->curl, CURLOPT_MAIL_FROM, mail->from);
    (void) curl_easy_setopt(x->curl, CURLOPT_MAIL_RCPT, x->headers);
    (void) curl_easy_setopt(x->curl, CURLOPT_UPLOAD, 1L);
    (void) curl_easy_setopt(x->curl, CURLOPT_READFUNCTION, on_read);
    (void) curl_easy_setopt(x->curl, CURLOPT_READDATA, x);
    (void) curl_easy_setopt(x->curl, CURLOPT_HEADERFUNCTION, on_reply);
    (void) curl_easy_setopt(x->curl, CURLOPT_HEADERDATA, x);
    (void) curl_easy_setopt(x->curl, CURLOPT_NOPROGRESS, 0L);
    (void) curl_easy_setopt(x->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void) curl_easy_setopt(x->curl, CURLOPT_XFERINFODATA, x);
    (void) curl_easy_setopt(x->curl, CURLOPT_ERRORBUFFER, x->trouble);
    (void) curl_easy_setopt(x->curl, CURLOPT_PRIVATE, x);
}

void smtp_judge(struct entry *x, CURLcode code)
{
    struct outbound_call *call = x->call;
    long status = 0;
    curl_off_t connected = 0;

    (void) curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(x->curl, CURLINFO_CONNECT_TIME_T, &connected);
    if (code == CURLE_OK || (status >= 400 && code != CURLE_OPERATION_TIMEDOUT)) {
        call->end = OUTBOUND_ANSWERED;
        call->status = code == CURLE_OK ? 250 : (int) status;
        call->latency_ms = clock_mono_ms() - x->started_ms;
        entry_take_excerpt(x);
        return;
    }
    call->end = connected == 0                     ? OUTBOUND_UNREACHABLE
                : code == CURLE_OPERATION_TIMEDOUT ? OUTBOUND_TIMED_OUT
                                                   : OUTBOUND_BROKEN;
    x->excerpt.length = 0;
    buf_adds(&x->excerpt, *x->trouble ? x->trouble : curl_easy_strerror(code));
    entry_take_excerpt(x);
}

/* ---- what the options say ---- */

static enum err_code parse_credentials(const char *path, char *text, struct smtp_credentials *out,
                                       struct err *e)
{
    char *end = strchr(text, '\n'), *password = end ? end + 1 : NULL;

    if (password) {
        *end = '\0';
        password[strcspn(password, "\r\n")] = '\0';
        text[strcspn(text, "\r")] = '\0';
    }
    if (!password || !*text || !*password || strlen(text) >= sizeof out->user ||
        strlen(password) >= sizeof out->password)
        return err_set(e, ERR_INVALID,
                       "The file %.200s holds the user on its first line and the password on its "
                       "second.",
                       path);
    (void) str_copy(out->user, sizeof out->user, text);
    (void) str_copy(out->password, sizeof out->password, password);
    return OK;
}

enum err_code smtp_credentials_read(const char *path, struct smtp_credentials *out, struct err *e)
{
    char text[FILE_MAX + 1];
    enum err_code rc;

    *out = (struct smtp_credentials){ 0 };
    rc = private_file_read(path, text, sizeof text, NULL, e);
    if (rc == OK)
        rc = parse_credentials(path, text, out, e);
    OPENSSL_cleanse(text, sizeof text);
    return rc;
}

void smtp_credentials_wipe(struct smtp_credentials *c)
{
    OPENSSL_cleanse(c, sizeof *c);
}

/* Users and passwords would be seen by everybody on this machine; paths mean nothing. */
enum err_code smtp_url_check(const char *url, struct err *e)
{
    static const CURLUPart unwanted[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                          CURLUPART_QUERY, CURLUPART_FRAGMENT };
    CURLU *u = curl_url();
    char *scheme = NULL, *path = NULL;
    bool is_good;

    if (!u)
        mem_exhausted();
    is_good = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (str_eq(scheme, "smtp") || str_eq(scheme, "smtps")) &&
              curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK && str_eq(path, "/") &&
              strcspn(url, " \t\r\n") == strlen(url);
    for (size_t i = 0; is_good && i < ARRAY_LEN(unwanted); i++) {
        char *part = NULL;

        is_good = curl_url_get(u, unwanted[i], &part, 0) != CURLUE_OK;
        curl_free(part);
    }
    curl_free(scheme);
    curl_free(path);
    curl_url_cleanup(u);
    return is_good ? OK
                   : err_set(e, ERR_INVALID,
                             "\"%.100s\" is not smtp://HOST:PORT (STARTTLS) or smtps://HOST:PORT; "
                             "user and password go into a file.",
                             url);
}
