/*
 * client.c - finding the server and calling it, over libcurl.
 *
 * URL and token come from options, the environment, or the data directory of a server on this
 * machine (steward.url, admin.token), so that on the server's own machine no setting is needed.
 */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

#define FILE_MAX_BYTES (64U << 20)

struct client {
    CURL *curl;
    char *url, *token, *ca_bundle;
};

enum err_code cli_read_file(const char *path, char **text, size_t *n, struct err *e)
{
    FILE *from = str_eq(path, "-") ? stdin : fopen(path, "re");
    AUTO_BUF struct buf all = { 0 };
    char chunk[65536];
    size_t got;
    bool is_broken;

    if (!from)
        return err_set(e, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    while ((got = fread(chunk, 1, sizeof chunk, from)) > 0 && all.length < FILE_MAX_BYTES)
        buf_add(&all, chunk, got);
    is_broken = ferror(from) != 0;
    if (from != stdin)
        (void) fclose(from);
    if (is_broken)
        return err_set(e, ERR_UNAVAILABLE, "%s could not be read.", path);
    *n = all.length;
    *text = buf_take(&all);
    return OK;
}

int cli_fail(const struct err *e)
{
    if (*e->message)
        (void) fprintf(stderr, "steward: %s\n", e->message);
    if (*e->detail)
        (void) fprintf(stderr, "  (%s)\n", e->detail);
    return 1;
}

/* First line of DIR/NAME, or NULL. Caller owns. */
static char *read_line(const char *folder, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", folder, name);
    char *text = NULL;
    size_t n;
    struct err e;

    if (cli_read_file(path, &text, &n, &e) || !text)
        return NULL;
    text[strcspn(text, "\r\n")] = '\0';
    return text;
}

static char *default_data_dir(void)
{
    const char *home = getenv("HOME");

    if (geteuid() == 0 || !home)
        return xstrdup("/var/lib/steward");
    return xasprintf("%s/.local/share/steward", home);
}

enum err_code client_open(const struct client_options *options, struct client **out, struct err *e)
{
    AUTO_FREE char *folder = options->data_dir ? xstrdup(options->data_dir) : default_data_dir();
    AUTO_FREE char *url = options->url ? xstrdup(options->url) : read_line(folder, "steward.url");
    AUTO_FREE char *token =
        options->token ? xstrdup(options->token) : read_line(folder, "admin.token");

    if (!url)
        return err_set(
            e, ERR_NOT_FOUND,
            "No server found: %s/steward.url is not there. Start one with \"steward serve\", "
            "or set STEWARD_URL.",
            folder);
    *out = xcalloc(1, sizeof **out);
    (*out)->url = TAKE(url);
    (*out)->token = TAKE(token);
    if (str_ends((*out)->url, "/"))
        (*out)->url[strlen((*out)->url) - 1] = '\0';
    (*out)->curl = curl_easy_init();
    if (!(*out)->curl)
        mem_exhausted();
    (*out)->ca_bundle = options->ca_bundle ? xstrdup(options->ca_bundle) : NULL;
    return OK;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    free(c->url);
    free(c->token);
    free(c->ca_bundle);
    free(c);
}

void reply_done(struct reply *r)
{
    json_decref(r->json);
    free(r->text);
    *r = (struct reply){ 0 };
}

static size_t on_body(char *data, size_t size, size_t n, void *to)
{
    buf_add(to, data, size * n);
    return size * n;
}

static struct curl_slist *make_headers(const struct client *c, const struct request *rq)
{
    struct curl_slist *headers = NULL;
    AUTO_FREE char *accept = xasprintf("Accept: %s", rq->accept ? rq->accept : "application/json");
    AUTO_FREE char *type = xasprintf("Content-Type: %s", rq->type ? rq->type : "application/json");

    headers = curl_slist_append(headers, accept);
    headers = curl_slist_append(headers, "Expect:");
    if (rq->body)
        headers = curl_slist_append(headers, type);
    if (c->token) {
        AUTO_FREE char *authorization = xasprintf("Authorization: Bearer %s", c->token);

        headers = curl_slist_append(headers, authorization);
    }
    return headers;
}

static enum err_code perform(struct client *c, const struct request *rq, struct err *e)
{
    AUTO_FREE char *url = xasprintf("%s%s", c->url, rq->path);
    struct curl_slist *headers = make_headers(c, rq);
    CURLcode rc;

    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, rq->method);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    if (c->ca_bundle)
        curl_easy_setopt(c->curl, CURLOPT_CAINFO, c->ca_bundle);
    if (rq->body) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, rq->body);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) rq->body_n);
    }
    rc = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    if (rc == CURLE_COULDNT_CONNECT)
        return err_set(e, ERR_UNAVAILABLE, "No server answers at %s. Is \"steward serve\" running?",
                       c->url);
    if (rc != CURLE_OK && rc != CURLE_WRITE_ERROR)
        return err_set(e, ERR_UNAVAILABLE, "%s %s: %s.", rq->method, url, curl_easy_strerror(rc));
    return OK;
}

enum err_code client_call(struct client *c, const struct request *rq, struct reply *out,
                          struct err *e)
{
    AUTO_BUF struct buf body = { 0 };
    long status = 0;

    *out = (struct reply){ 0 };
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &body);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 120L);
    TRY(perform(c, rq, e));
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int) status;
    if (body.length)
        out->json = json_loadb(body.data, body.length, JSON_DECODE_ANY, NULL);
    out->text = buf_take(&body);
    return OK;
}

void client_print_problem(const struct reply *r)
{
    size_t i;
    json_t *finding;

    if (!json_is_object(r->json)) {
        (void) fprintf(stderr, "steward: the server answered %d: %.300s\n", r->status,
                       r->text ? r->text : "");
        return;
    }
    (void) fprintf(stderr, "steward: %s\n",
                   json_text_or(r->json, "detail", json_text_or(r->json, "title", "refused")));
    json_array_foreach (json_object_get(r->json, "errors"), i, finding) {
        const char *pointer = json_text_or(finding, "pointer", "");

        (void) fprintf(stderr, "  %s: %s [%s]\n", *pointer ? pointer : "(document)",
                       json_text_or(finding, "detail", ""), json_text_or(finding, "code", ""));
    }
    if (r->status == 401)
        (void) fprintf(stderr,
                       "  Set STEWARD_TOKEN, or run on the server's machine as its user.\n");
}

enum err_code client_get(struct client *c, const char *path, struct reply *out, struct err *e)
{
    const struct request rq = { .method = "GET", .path = path };

    TRY(client_call(c, &rq, out, e));
    if (out->status < 400)
        return OK;
    client_print_problem(out);
    e->message[0] = '\0';
    e->detail[0] = '\0';
    return e->code = ERR_INVALID;
}

/* ---- streams ---- */

struct stream {
    struct buf line;
    bool (*visit)(void *context, const char *line);
    void *context;
};

static size_t on_stream(char *data, size_t size, size_t n, void *user)
{
    struct stream *s = user;

    for (size_t i = 0; i < size * n; i++) {
        if (data[i] != '\n') {
            buf_addc(&s->line, data[i]);
            continue;
        }
        buf_reserve(&s->line, 0);
        s->line.data[s->line.length] = '\0';
        if (!s->visit(s->context, s->line.data))
            return 0;
        buf_clear(&s->line);
    }
    return size * n;
}

enum err_code client_stream(struct client *c, const char *path,
                            bool (*visit)(void *context, const char *line), void *context,
                            struct err *e)
{
    const struct request rq = { .method = "GET", .path = path, .accept = "text/event-stream" };
    struct stream s = { .visit = visit, .context = context };
    enum err_code rc;

    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_stream);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &s);
    rc = perform(c, &rq, e);
    buf_done(&s.line);
    return rc;
}
