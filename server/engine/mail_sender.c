/*
 * mail_sender.c - one attempt at a mail: the channel's text as RFC 5322, over SMTP to one address.
 *
 * Each address is an endpoint of its own, so that one which bounces takes no mail from the others.
 * The Message-ID is made of the delivery's id: a mail that comes twice can be known. The login is
 * read for every mail, so a changed file needs no restart.
 */
#include <stdio.h>
#include <string.h>

#include "outbox.h"
#include "steward/channels.h"
#include "steward/clock.h"
#include "steward/delivery_plan.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/outbound.h"
#include "work.h"

#define ADDRESS_BYTES 256

struct sender {
    const struct engine_options *options;
    struct channel_place place;
    struct outbound_batch *calls;
    struct attempt *open;
    struct delivery *over; /* before they began */
};

struct attempt {
    struct attempt *next;
    struct delivery *d;
    struct outbound_call call;
    struct outbound_mail mail;
    char from[ADDRESS_BYTES], to[ADDRESS_BYTES];
    struct buf text;
};

static void *sender_open(struct engine *engine)
{
    const struct engine_options *o = engine_get_options(engine);
    struct sender *s;

    if (!o->channels.smtp_url)
        return NULL;
    s = xcalloc(1, sizeof *s);
    s->options = o;
    s->place = (struct channel_place){ .region = o->settings.region,
                                       .account_id = o->settings.account_id,
                                       .partition = o->settings.partition };
    s->calls = outbound_batch_new(NULL);
    return s;
}

static void attempt_free(struct attempt *a)
{
    buf_done(&a->text);
    free(a);
}

static void sender_close(void *sender)
{
    struct sender *s = sender;
    struct attempt *a;

    outbound_batch_free(s->calls);
    while ((a = s->open)) {
        s->open = a->next;
        delivery_free(a->d);
        attempt_free(a);
    }
    delivery_free(s->over);
    free(s);
}

static enum err_code sender_renew(void *sender, struct db_conn *db, struct err *e)
{
    const struct channel_options *o = &((struct sender *) sender)->options->channels;

    for (size_t i = 0; i < o->n_mail_to; i++) {
        AUTO_JSON json_t *settings = json_pack("{s:s, s:s, s:s}", "target", o->mail_to[i],
                                               "setting", "address", "server", o->smtp_url);
        AUTO_FREE char *text = json_compact(settings);
        char digest[HEX_SHA256], id[24], address[ADDRESS_BYTES] = "";
        const struct outbox_channel endpoint = { .id = id,
                                                 .kind = channels[CHANNEL_MAIL].name,
                                                 .patterns = channels[CHANNEL_MAIL].patterns,
                                                 .settings = text };

        (void) mail_address(o->mail_to[i], address, sizeof address);
        sha256_hex(address, strlen(address), digest);
        (void) snprintf(id, sizeof id, "mail-%.8s", digest);
        TRY(outbox_store_put_channel(db, &endpoint, e));
    }
    return OK;
}

/* ---- sending ---- */

static void give_back(struct sender *s, struct delivery *d, const char *error_class,
                      const char *words)
{
    d->is_success = !error_class;
    d->error_class = error_class;
    (void) str_copy(d->excerpt, sizeof d->excerpt, words);
    d->next = s->over;
    s->over = d;
}

/* To whom: as the endpoint says, which was made of an option. */
static enum err_code write_mail(const struct sender *s, const struct delivery *d,
                                const json_t *event, struct attempt *a, struct err *e)
{
    const struct channel_options *o = &s->options->channels;
    AUTO_JSON json_t *settings = NULL, *message = channel_message(CHANNEL_MAIL, event, &s->place);
    const char *to;
    struct mail_head head = { .from = o->mail_from, .n_to = 1, .id = d->id };

    if (!message)
        return err_set(e, ERR_NOT_FOUND, "This channel has no message for the event.");
    TRY(json_parse(d->settings, strlen(d->settings), &settings, NULL, e));
    to = json_text_or(settings, "target", "");
    head.to = &to;
    if (!clock_parse(json_text_or(event, "time", ""), &head.time_ms) ||
        !mail_address(to, a->to, sizeof a->to) ||
        !mail_address(o->mail_from, a->from, sizeof a->from))
        return err_set(e, ERR_INTERNAL, "The mail can not be addressed.");
    mail_write(&head, message, &a->text);
    return OK;
}

static void begin(struct sender *s, struct attempt *a, const struct smtp_credentials *login)
{
    const struct channel_options *o = &s->options->channels;

    a->mail = (struct outbound_mail){ .from = a->from,
                                      .to = a->to,
                                      .user = *login->user ? login->user : NULL,
                                      .password = login->password,
                                      .is_plain_accepted = o->is_smtp_plain_accepted,
                                      .ca_bundle = o->smtp_ca_bundle };
    a->call = (struct outbound_call){ .url = o->smtp_url,
                                      .body = a->text.data,
                                      .body_n = a->text.length,
                                      .timeout_ms = s->options->delivery_timeout_ms,
                                      .mail = &a->mail,
                                      .user = a };
    a->next = s->open;
    s->open = a;
    outbound_batch_start(s->calls, &a->call);
    a->mail.user = a->mail.password = NULL;
}

static void sender_start(void *sender, struct delivery *d)
{
    struct sender *s = sender;
    struct attempt *a = xcalloc(1, sizeof *a);
    const char *file = s->options->channels.smtp_credentials_file;
    struct smtp_credentials login = { 0 };
    AUTO_JSON json_t *event = NULL;
    enum err_code rc;
    struct err e;

    a->d = d;
    rc = json_parse(d->body, strlen(d->body), &event, NULL, &e);
    if (rc == OK)
        rc = write_mail(s, d, event, a, &e);
    if (rc == OK && file && smtp_credentials_read(file, &login, &e)) {
        log_error("outbox", "no_login", &e);
        give_back(s, d, "secret", e.message);
    } else if (rc == ERR_NOT_FOUND) {
        give_back(s, d, NULL, e.message);
    } else if (rc) {
        log_error("outbox", "not_written", &e);
        d->is_refused = true;
        give_back(s, d, "event", e.message);
    } else {
        begin(s, a, &login);
        a = NULL;
    }
    smtp_credentials_wipe(&login);
    if (a)
        attempt_free(a);
}

static void sender_wait(void *sender, int64_t timeout_ms)
{
    struct sender *s = sender;

    outbound_batch_wait(s->calls, s->over ? 0 : timeout_ms);
}

/* ---- what came of it ---- */

static void judge(struct delivery *d, const struct outbound_call *call)
{
    static const char *const classes[] = { [OUTBOUND_ANSWERED] = "status",
                                           [OUTBOUND_UNREACHABLE] = "unreachable",
                                           [OUTBOUND_TIMED_OUT] = "timeout",
                                           [OUTBOUND_BROKEN] = "protocol" };

    d->latency_ms = call->latency_ms;
    d->status = call->end == OUTBOUND_ANSWERED ? call->status : 0;
    d->is_success = d->status == 250;
    d->error_class = d->is_success ? NULL : classes[call->end];
    (void) str_copy(d->excerpt, sizeof d->excerpt, call->excerpt);
}

static struct delivery *sender_take(void *sender)
{
    struct sender *s = sender;
    struct delivery *d = s->over;
    struct attempt **at = &s->open, *a;
    struct outbound_call *call;

    if (d) {
        s->over = d->next;
        d->next = NULL;
        return d;
    }
    call = outbound_batch_take(s->calls);
    if (!call)
        return NULL;
    a = call->user;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    d = a->d;
    judge(d, call);
    attempt_free(a);
    return d;
}

static void sender_wake(void *sender)
{
    outbound_batch_wake(((struct sender *) sender)->calls);
}

static const char *const sent_kinds[] = { "mail", NULL };
const struct outbox_sender mail_sender = {
    .name = "steward mail",
    .kinds = sent_kinds,
    .per_endpoint = 1,
    .open = sender_open,
    .close = sender_close,
    .renew = sender_renew,
    .start = sender_start,
    .wait = sender_wait,
    .take = sender_take,
    .wake = sender_wake,
};
