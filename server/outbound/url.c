/*
 * url.c - what a URL of a user may look like. libcurl's parser is the only one: what it made of the
 * text is what is judged, stored and called.
 */
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "outbound_private.h"
#include "steward/mem.h"
#include "steward/str.h"

#define URL_MAX 2000

static void url_p(CURLU **u)
{
    curl_url_cleanup(*u);
}
static void curl_text_p(char **text)
{
    curl_free(*text);
}
#define AUTO_URL  __attribute__((cleanup(url_p)))
#define AUTO_CURL __attribute__((cleanup(curl_text_p)))

/* Characters that parsers disagree about. */
static bool has_doubtful_bytes(const char *url)
{
    for (; *url; url++)
        if ((unsigned char) *url <= 0x20 || *url == 0x7f || strchr("\\\"<>^`{|}", *url))
            return true;
    return false;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char) *text >= 0x80)
            return false;
    return true;
}

/* "127.0.0.1.", "0x7f.1": what some resolver takes for a number. */
static bool ends_like_a_number(const char *host)
{
    const char *last = strrchr(host, '.');

    last = last ? last + 1 : host;
    return strspn(last, "0123456789") == strlen(last) || strncasecmp(last, "0x", 2) == 0;
}

static bool is_in_domain(const char *host, const char *domain)
{
    size_t n = strlen(host), d = strlen(domain);

    return n >= d && strcasecmp(host + n - d, domain) == 0 && (n == d || host[n - d - 1] == '.');
}

static enum err_code check_name(const struct outbound_rules *r, const char *given, struct err *e)
{
    static const char *const local[] = { "localhost", "local",    "internal", "localdomain",
                                         "home.arpa", "intranet", "lan" };
    char host[256];
    size_t n = str_copy(host, sizeof host, given);

    if (n && host[n - 1] == '.')
        host[--n] = '\0';
    if (n == 0 || n > 253 ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789.-_") != n)
        return err_set(e, ERR_INVALID, "The host name of the URL is malformed.");
    if (ends_like_a_number(host))
        return err_set(e, ERR_INVALID, "The host of the URL is a number, not a name.");
    for (size_t i = 0; i < r->n_denied; i++)
        if (strcasecmp(host, r->denied[i]) == 0)
            return err_set(e, ERR_INVALID, "The host \"%.100s\" is one this server works with.",
                           host);
    if (r->n_allow)
        return OK; /* whoever allows private addresses has private names; the guard decides */
    for (size_t i = 0; i < ARRAY_LEN(local); i++)
        if (is_in_domain(host, local[i]))
            return err_set(e, ERR_INVALID, "The host \"%.100s\" is a local name.", host);
    if (!strchr(host, '.'))
        return err_set(e, ERR_INVALID, "The host \"%.100s\" has no domain.", host);
    return OK;
}

/* *is_listed: a literal address that an administrator allows. */
static enum err_code check_host(const struct outbound_rules *r, char *host, bool *is_listed,
                                struct err *e)
{
    uint8_t address[16];
    size_t n = strlen(host);

    *is_listed = false;
    if (host[0] == '[') {
        host[n - 1] = '\0';
        host++;
        if (!range_of_literal(host, address))
            return err_set(e, ERR_INVALID, "The address of the URL is malformed.");
    } else if (!range_of_literal(host, address)) {
        TRY(check_name(r, host, e));
        *is_listed = strcasecmp(host, "localhost") == 0 && range_of_literal("127.0.0.1", address) &&
                     rules_allow_listed(r, address);
        return OK;
    }
    if (!rules_allow_listed(r, address))
        return err_set(
            e, ERR_INVALID,
            "The URL names an address; name a host (an administrator can allow ranges of "
            "addresses with --webhook-allow).");
    *is_listed = true;
    return OK;
}

static enum err_code check_scheme(const struct outbound_rules *r, CURLU *u, bool is_listed,
                                  struct err *e)
{
    AUTO_CURL char *scheme = NULL;
    AUTO_CURL char *port = NULL;
    int64_t number;
    bool is_http;

    if (curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
        !str_to_i64(port, 1, 65535, &number))
        return err_set(e, ERR_INVALID, "The URL is malformed.");
    is_http = str_eq(scheme, "http");
    if (!is_http && !str_eq(scheme, "https"))
        return err_set(e, ERR_INVALID, "The URL has to begin with https://.");
    if (is_http && !r->allows_http && !is_listed)
        return err_set(e, ERR_INVALID,
                       "The URL has to begin with https:// (--webhook-http allows http).");
    if (number != 443 && number < 1024 && !(is_http && number == 80))
        return err_set(e, ERR_INVALID, "The port of the URL is 443 or at least 1024, not %lld.",
                       (long long) number);
    return OK;
}

enum err_code outbound_url_check(const struct outbound_rules *r, const char *url, char **normal,
                                 struct err *e)
{
    AUTO_URL CURLU *u = curl_url();
    AUTO_CURL char *host = NULL;
    AUTO_CURL char *ascii = NULL;
    AUTO_CURL char *part = NULL;
    AUTO_CURL char *whole = NULL;
    bool is_listed;

    *normal = NULL;
    if (!u)
        mem_exhausted();
    if (strlen(url) > URL_MAX)
        return err_set(e, ERR_INVALID, "The URL is longer than %d characters.", URL_MAX);
    if (has_doubtful_bytes(url) ||
        curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME))
        return err_set(e, ERR_INVALID,
                       "The URL is malformed, or names a user; it looks like "
                       "https://hooks.example.com/steward.");
    if (curl_url_get(u, CURLUPART_FRAGMENT, &part, 0) == CURLUE_OK)
        return err_set(e, ERR_INVALID, "The URL has a fragment (#…), which is never sent.");
    /* Names in other letters are for whoever has the locale to read them: refused below. */
    if (curl_url_get(u, CURLUPART_HOST, &host, CURLU_PUNYCODE) || !is_ascii(host) ||
        curl_url_set(u, CURLUPART_HOST, host, 0) || curl_url_get(u, CURLUPART_URL, &part, 0) ||
        curl_url_set(u, CURLUPART_URL, part, CURLU_DISALLOW_USER) ||
        curl_url_get(u, CURLUPART_HOST, &ascii, 0) || curl_url_get(u, CURLUPART_URL, &whole, 0) ||
        !is_ascii(whole))
        return err_set(e, ERR_INVALID,
                       "The URL is not plain ASCII; write the host in its ASCII form (xn--…).");
    TRY(check_host(r, ascii, &is_listed, e));
    TRY(check_scheme(r, u, is_listed, e));
    *normal = xstrdup(whole);
    return OK;
}
