/*
 * sns_fetch.c - the two addresses of Amazon SNS that a message makes us ask: its certificate, and
 * the confirmation of a subscription.
 *
 * The loop never waits: libuv's pool makes the call, by the same rules and guard as webhooks go
 * out. Both addresses were checked to be Amazon's. A certificate is kept for a day, a few of them;
 * what a message names is no reason to ask for one again and again.
 */
#include <string.h>

#include "hook.h"
#include "steward/clock.h"
#include "steward/log.h"
#include "steward/outbound.h"

#define KEPT_MAX   8
#define KEEP_MS    INT64_C(86400000)
#define TIMEOUT_MS 5000
#define PEM_MAX    32768
#define OPEN_MAX   8
#define URL_BYTES  1024

struct kept {
    char url[URL_BYTES];
    char *pem;
    size_t n;
    int64_t until_ms;
};

struct fetch {
    uv_work_t work;
    struct fetch *next;
    struct sns_certificates *all;
    const struct outbound_rules *rules;
    struct call *call; /* NULL: it was answered already */
    phase_fn good, bad;
    bool is_certificate;
    char url[URL_BYTES];
    struct outbound_call result;
};

struct sns_certificates {
    struct api *api;
    struct kept kept[KEPT_MAX];
    struct fetch *open;
    size_t n_open;
};

struct sns_certificates *sns_certificates_new(struct api *api)
{
    struct sns_certificates *s = xcalloc(1, sizeof *s);

    s->api = api;
    return s;
}

void sns_certificates_free(struct sns_certificates *s)
{
    for (size_t i = 0; i < KEPT_MAX; i++)
        free(s->kept[i].pem);
    free(s);
}

static void answer_stopping(struct call *c)
{
    answer_problem(c, 503, "starting",
                   "The server is stopping; another replica or its restart will answer.");
}

void sns_certificates_flush(struct sns_certificates *s)
{
    for (struct fetch *f = s->open; f; f = f->next) {
        struct call *c = f->call;

        f->call = NULL;
        f->all = NULL; /* it ends after us */
        answer_stopping(c);
    }
    s->open = NULL;
}

/* ---- a call in the pool ---- */

static void run(uv_work_t *work)
{
    struct fetch *f = work->data;
    struct outbound_batch *batch = outbound_batch_new(f->rules);

    f->result.url = f->url;
    f->result.timeout_ms = TIMEOUT_MS;
    f->result.keep_bytes = PEM_MAX;
    outbound_batch_start(batch, &f->result);
    while (!outbound_batch_take(batch))
        outbound_batch_wait(batch, 1000);
    outbound_batch_free(batch);
}

static void keep(struct sns_certificates *s, struct fetch *f)
{
    struct kept *place = &s->kept[0];

    for (size_t i = 0; i < KEPT_MAX; i++)
        if (s->kept[i].until_ms < place->until_ms)
            place = &s->kept[i];
    free(place->pem);
    memcpy(place->url, f->url, sizeof place->url);
    place->pem = f->result.text;
    place->n = f->result.text_n;
    place->until_ms = clock_mono_ms() + KEEP_MS;
    f->result.text = NULL;
}

static const struct kept *find(const struct sns_certificates *s, const char *url)
{
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (s->kept[i].pem && str_eq(s->kept[i].url, url) && s->kept[i].until_ms > clock_mono_ms())
            return &s->kept[i];
    return NULL;
}

static bool is_good_by(const struct call *c, const struct kept *k)
{
    const struct hook_work *w = c->state;

    return k && sns_verify(&w->sns, k->pem, k->n, w->request.now_s);
}

static void settle(struct fetch *f, bool is_good)
{
    if (is_good)
        f->good(f->call);
    else
        f->bad(f->call);
}

static void take_out(struct sns_certificates *s, const struct fetch *f)
{
    for (struct fetch **at = &s->open; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            s->n_open--;
            return;
        }
}

static void on_done(uv_work_t *work, int status)
{
    struct fetch *f = work->data;
    struct sns_certificates *s = f->all;

    if (s)
        take_out(s, f);
    if (s && f->call) {
        bool is_good = status == 0 && f->result.end == OUTBOUND_ANSWERED && f->result.status == 200;

        if (!is_good)
            log_event(LOG_WARN, "hook", "sns_unreachable", "url=%s status=%d", log_quote(f->url),
                      f->result.status);
        if (is_good && f->is_certificate) {
            keep(s, f);
            is_good = is_good_by(f->call, find(s, f->url));
        }
        settle(f, is_good);
    }
    free(f->result.text);
    free(f);
}

static void fetch(struct call *c, const struct fetch *what, const char *url)
{
    struct sns_certificates *s = c->api->certificates;
    struct fetch *f;

    if (s->n_open >= OPEN_MAX || strlen(url) >= URL_BYTES) {
        what->bad(c);
        return;
    }
    f = xcalloc(1, sizeof *f);
    *f = *what;
    (void) str_copy(f->url, sizeof f->url, url);
    f->all = s;
    f->call = c;
    f->rules = c->api->options.outbound;
    f->work.data = f;
    f->next = s->open;
    s->open = f;
    s->n_open++;
    if (uv_queue_work(c->api->options.loop, &f->work, run, on_done))
        abort(); /* only without a callback */
}

void sns_check(struct call *c, phase_fn good, phase_fn bad)
{
    const struct hook_work *w = c->state;
    const struct kept *k = find(c->api->certificates, w->sns.certificate_url);
    const struct fetch what = { .good = good, .bad = bad, .is_certificate = true };

    if (!k)
        fetch(c, &what, w->sns.certificate_url);
    else if (is_good_by(c, k))
        good(c);
    else
        bad(c);
}

void sns_confirm(struct call *c, phase_fn good, phase_fn bad)
{
    const struct hook_work *w = c->state;
    const struct fetch what = { .good = good, .bad = bad };

    fetch(c, &what, w->sns.subscribe_url);
}
