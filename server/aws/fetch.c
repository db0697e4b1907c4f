/*
 * fetch.c - a small blocking HTTP request: metadata services, STS, SSO.
 *
 * No proxy, no redirect, a bounded answer. Signing, where needed, was done by the caller.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#include "aws_private.h"

#define FETCH_MAX_BYTES 262144

static void init_once(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        mem_exhausted();
}

void aws_curl_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, init_once);
}

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
    struct buf *body = user;

    if (body->length + size * n > FETCH_MAX_BYTES)
        return 0;
    buf_add(body, data, size * n);
    return size * n;
}

// NOLINTNEXTLINE(readability-function-size): the signature is libcurl's
static int on_progress(void *user, curl_off_t to_get, curl_off_t got, curl_off_t to_send,
                       curl_off_t sent)
{
    (void) to_get;
    (void) got;
    (void) to_send;
    (void) sent;
    return atomic_load((const atomic_bool *) user) ? 1 : 0;
}

static struct curl_slist *add_line(struct curl_slist *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list, line);

    if (!longer)
        mem_exhausted();
    return longer;
}

static struct curl_slist *header_list(const struct aws_http_request *rq)
{
    struct curl_slist *list = add_line(NULL, "Expect:");

    for (size_t i = 0; i < rq->n_headers; i++) {
        AUTO_FREE char *line = xasprintf("%s: %s", rq->headers[i].name, rq->headers[i].value);

        list = add_line(list, line);
    }
    return list;
}

static void set_options(CURL *curl, const struct aws_http_request *rq, struct curl_slist *headers)
{
    (void) curl_easy_setopt(curl, CURLOPT_URL, rq->url);
    (void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void) curl_easy_setopt(curl, CURLOPT_USERAGENT, "steward");
    (void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void) curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void) curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void) curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    (void) curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                            (long) (rq->timeout_ms < 3000 ? rq->timeout_ms : 3000));
    (void) curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) rq->timeout_ms);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    if (rq->ca_bundle)
        (void) curl_easy_setopt(curl, CURLOPT_CAINFO, rq->ca_bundle);
    if (rq->body) {
        (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, rq->body);
        (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) rq->body_n);
    } else if (str_eq(rq->method,
                      "PUT")) { /* with Content-Length: 0, as the metadata service wants it */
        (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) 0);
    }
    (void) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, rq->method);
}

enum err_code aws_fetch_http(const atomic_bool *is_stopping, const struct aws_http_request *rq,
                             struct aws_http_reply *out, struct err *e)
{
    struct curl_slist *headers;
    CURL *curl;
    CURLcode code;
    long status = 0;

    aws_curl_init();
    curl = curl_easy_init();
    if (!curl)
        mem_exhausted();
    *out = (struct aws_http_reply){ 0 };
    buf_adds(&out->body, "");
    headers = header_list(rq);
    set_options(curl, rq, headers);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, &out->body);
    (void) curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void) curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    (void) curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *) is_stopping);
    code = curl_easy_perform(curl);
    (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int) status;
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (code == CURLE_OK)
        return OK;
    (void) err_set(e, ERR_UNAVAILABLE, "%s %.120s failed: %s.", rq->method, rq->url,
                   curl_easy_strerror(code));
    return err_detail(e, "curl code %d", (int) code);
}
