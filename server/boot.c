/*
 * boot.c - what may take long before work begins: database, schema, first token, local Amazon
 * Personalize, account.
 *
 * A thread of its own, so that /livez and /readyz answer meanwhile. What waiting may cure is tried
 * again and again; what it can not (a newer schema, another account's database, wrong settings)
 * ends the program with its exit code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"
#include "steward/api.h"
#include "steward/clock.h"
#include "steward/identity_store.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 5000
#define PG_START_MS  60000

struct boot_mail {
    struct mail mail;
    struct boot *boot;
};

static void deliver(struct mail *m)
{
    struct boot_mail *bm = (struct boot_mail *) m;
    struct boot *b = bm->boot;

    free(bm);
    b->on_event(b);
}

static void tell(struct boot *b)
{
    struct boot_mail *m = xcalloc(1, sizeof *m);

    m->mail.deliver = deliver;
    m->boot = b;
    mailbox_post(b->mailbox, &m->mail);
}

static void set_waiting(struct boot *b, const char *what, const char *why)
{
    uv_mutex_lock(&b->lock);
    (void) str_copy(b->waiting_for, sizeof b->waiting_for, what);
    (void) str_copy(b->why, sizeof b->why, why);
    uv_mutex_unlock(&b->lock);
}

void boot_waiting(struct boot *b, char what[64], char why[256])
{
    uv_mutex_lock(&b->lock);
    (void) str_copy(what, 64, b->waiting_for);
    (void) str_copy(why, 256, b->why);
    uv_mutex_unlock(&b->lock);
}

static void sleep_ms(struct boot *b, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;

    while (!b->is_stopping && clock_mono_ms() < until)
        uv_sleep(20);
}

/* One step of the start, repeated while what is missing may come: ERR_UNAVAILABLE. */
static enum err_code insist(struct boot *b, const char *what,
                            enum err_code (*step)(struct boot *b, struct err *e), struct err *e)
{
    int64_t delay = RETRY_MIN_MS;

    set_waiting(b, what, "in progress");
    for (;;) {
        enum err_code rc = step(b, e);

        if (rc != ERR_UNAVAILABLE && rc != ERR_THROTTLED && rc != ERR_UNKNOWN_OUTCOME)
            return rc;
        set_waiting(b, what, e->message);
        log_event(LOG_WARN, "serve", "waiting", "for=%s msg=%s detail=%s", what,
                  log_quote(e->message), log_quote(e->detail));
        sleep_ms(b, delay);
        if (b->is_stopping)
            return rc;
        delay = delay * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : delay * 2;
    }
}

static enum err_code start_postgres(struct boot *b, struct err *e)
{
    const struct pg_embedded_options options = { .data_dir = b->data_dir->path,
                                                 .run_as = geteuid() == 0 ? "steward" : NULL,
                                                 .start_timeout_ms = PG_START_MS };

    if (b->options->database_url) {
        b->database_url = xstrdup(b->options->database_url);
        b->owner_url = xstrdup(b->options->database_url);
        return OK;
    }
    if (pg_embedded_start(&options, &b->pg, e)) {
        e->code = ERR_INTERNAL; /* of our own making: waiting does not cure it */
        return e->code;
    }
    b->database_url = xstrdup(pg_embedded_url(b->pg));
    b->owner_url = xstrdup(pg_embedded_owner_url(b->pg));
    return OK;
}

static enum err_code migrate(struct boot *b, struct err *e)
{
    struct db_conn *c = NULL;
    struct identity identity;
    int applied = 0;
    enum err_code rc;

    TRY(db_conn_open(b->owner_url, "steward-start", &c, e));
    rc = db_migrate(c, &applied, e);
    if (rc == OK)
        rc = identity_store_read(c, &identity, e);
    db_conn_close(c);
    if (rc == ERR_CONFLICT)
        b->exit_code = EXIT_NEWER;
    TRY(rc);
    (void) str_copy(b->deployment_id, sizeof b->deployment_id, identity.deployment_id);
    if (applied)
        log_event(LOG_INFO, "serve", "migrated", "count=%d", applied);
    return OK;
}

/*
 * The file is written before the row and put in place after it, so a crash at any line leaves
 * either no token or one whose file is found.
 */
static enum err_code make_token(struct boot *b, struct db_conn *c, struct err *e)
{
    AUTO_FREE char *old = data_dir_read(b->data_dir, "admin.token.new");
    struct token_text token;
    char line[TOKEN_TEXT_BYTES + 1];
    bool found[2];
    bool is_old = old && token_parse(old, &token);

    TRY(identity_store_has_tokens(c, is_old ? token.id : NULL, found, e));
    if (is_old && found[1])
        return data_dir_rename(b->data_dir, "admin.token.new", "admin.token", e);
    data_dir_remove(b->data_dir, "admin.token.new");
    if (found[0])
        return OK;
    token_new(&token);
    (void) snprintf(line, sizeof line, "%s\n", token.text);
    TRY(data_dir_create(b->data_dir, "admin.token.new", line, e));
    TRY(identity_store_first_token(c, token.id, token.secret_sha256_hex, e));
    TRY(data_dir_rename(b->data_dir, "admin.token.new", "admin.token", e));
    b->is_new_token = true;
    return OK;
}

static enum err_code first_token(struct boot *b, struct err *e)
{
    struct db_conn *c = NULL;
    enum err_code rc;

    TRY(db_conn_open(b->database_url, "steward-start", &c, e));
    rc = make_token(b, c, e);
    db_conn_close(c);
    return rc;
}

static enum err_code start_local(struct boot *b, struct err *e)
{
    return b->options->is_local && !b->local ? local_start(b->options, b->data_dir, &b->local, e)
                                             : OK;
}

static enum err_code open_aws(struct boot *b, struct err *e)
{
    const struct serve_options *o = b->options;
    const struct aws_options local = { .is_ambient_ignored = true,
                                       .region = o->region,
                                       .endpoint_url = b->local ? local_url(b->local) : NULL,
                                       .access_key_id = "test",
                                       .secret_access_key = "test",
                                       .total_timeout_ms = o->call_timeout_ms,
                                       .call_spacing_ms = o->call_spacing_ms };
    const struct aws_options real = { .profile = o->profile,
                                      .region = o->region,
                                      .endpoint_url = o->endpoint_url,
                                      .ca_bundle = o->ca_bundle,
                                      .total_timeout_ms = o->call_timeout_ms,
                                      .call_spacing_ms = o->call_spacing_ms };

    if (!b->aws)
        TRY(aws_session_open(o->is_local ? &local : &real, &b->aws, e));
    TRY(serve_channels_check_region(o, aws_region(b->aws), e));
    return o->is_local ? local_make_bucket(b->aws, o->bucket, e) : OK;
}

static enum err_code find_account(struct boot *b, struct err *e)
{
    char *arn = NULL;
    enum err_code rc;

    if (b->options->account_id) {
        b->account_id = xstrdup(b->options->account_id);
        return OK;
    }
    rc = aws_caller_account(b->aws, &b->account_id, &arn, e);
    if (rc) /* credentials and network may come */
        return err_set(e, ERR_UNAVAILABLE,
                       "The AWS account is not known (%.150s); set credentials or --account-id.",
                       e->message);
    log_event(LOG_INFO, "serve", "account", "id=%s as=%s", b->account_id, log_quote(arn));
    free(arn);
    return OK;
}

static enum err_code bind_identity(struct boot *b, struct err *e)
{
    struct identity wanted = { .endpoint_kind = "aws" };
    struct db_conn *c = NULL;
    enum err_code rc;

    (void) str_copy(wanted.account_id, sizeof wanted.account_id, b->account_id);
    (void) str_copy(wanted.region, sizeof wanted.region, aws_region(b->aws));
    if (b->options->is_local || b->options->endpoint_url)
        (void) str_copy(wanted.endpoint_kind, sizeof wanted.endpoint_kind,
                        b->options->is_local ? "simulator" : "custom");
    TRY(db_conn_open(b->database_url, "steward-start", &c, e));
    rc = identity_store_bind(c, &wanted, e);
    db_conn_close(c);
    if (rc == ERR_CONFLICT)
        b->exit_code = EXIT_USAGE;
    return rc;
}

static enum err_code start_engine(struct boot *b, struct err *e)
{
    const struct serve_options *o = b->options;
    struct engine_options options = { .database_url = b->database_url,
                                      .aws = b->aws,
                                      .workers = (int) o->workers,
                                      .lease_ms = o->engine_lease_ms,
                                      .quiescence_ms = o->engine_quiescence_ms,
                                      .observe_ms = o->observe_every_ms,
                                      .retain_events_ms = o->retain_events_ms,
                                      .retain_runs_ms = o->retain_runs_ms,
                                      .poll_min_ms = o->poll_min_ms,
                                      .poll_max_ms = o->poll_max_ms,
                                      .fuse_per_solution = (int) o->fuse_per_solution,
                                      .fuse_per_account = (int) o->fuse_per_account,
                                      .is_simulated = o->is_local,
                                      .sqs_queue_url = o->sqs_queue_url,
                                      .watch_ms = o->watches_s3 ? o->watch_interval_ms : 0,
                                      .upload_run =
                                          str_eq(o->upload_run, "none") ? NULL : o->upload_run,
                                      .upload_quiet_ms = o->upload_quiet_ms,
                                      .outbound = b->outbound,
                                      .secrets = b->secrets,
                                      .delivery_timeout_ms = o->delivery_timeout_ms,
                                      .delivery_time_scale = o->delivery_time_scale,
                                      .channels = serve_channels(o),
                                      .on_events = b->on_numbered,
                                      .user = b->user };

    quota_limits_in_progress(&o->quota_limits, options.quotas);
    options.settings = b->settings;
    options.settings.account_id = b->account_id;
    return engine_start(&options, &b->engine, e);
}

static void settle_settings(struct boot *b)
{
    const struct serve_options *o = b->options;

    b->settings = (struct plan_settings){ .bucket = o->bucket,
                                          .prefix = o->prefix,
                                          .role_arn = o->role_arn,
                                          .account_id = b->account_id,
                                          .region = b->aws ? aws_region(b->aws) : o->region,
                                          .partition = b->aws ? aws_partition(b->aws) : "aws",
                                          .deployment_id = b->deployment_id,
                                          .prices = &o->price_list,
                                          .limits = &o->quota_limits };
}

static enum err_code run(struct boot *b, struct err *e)
{
    TRY(insist(b, "database", start_postgres, e));
    TRY(insist(b, "database", migrate, e));
    TRY(insist(b, "database", first_token, e));
    TRY(insist(b, "localPersonalize", start_local, e));
    TRY(insist(b, "aws", open_aws, e));
    if (b->options->account_id || b->options->is_local)
        TRY(insist(b, "account", find_account, e));
    settle_settings(b);
    b->has_database = true;
    tell(b);
    if (!b->account_id)
        TRY(insist(b, "account", find_account, e));
    TRY(insist(b, "database", bind_identity, e));
    if (b->is_stopping)
        return OK;
    TRY(start_engine(b, e));
    b->has_engine = true;
    set_waiting(b, "", "");
    tell(b);
    return OK;
}

static void boot_main(void *arg)
{
    struct boot *b = arg;
    struct err e = { 0 };

    if (run(b, &e) && !b->is_stopping) {
        b->failure = e;
        if (!b->exit_code)
            b->exit_code = e.code == ERR_INVALID ? EXIT_USAGE : EXIT_TROUBLE;
        b->has_failed = true;
        tell(b);
    }
}

enum err_code boot_start(struct boot *b, struct err *e)
{
    if (uv_mutex_init(&b->lock))
        return err_set(e, ERR_INTERNAL, "A lock could not be made.");
    set_waiting(b, "database", "starting");
    if (uv_thread_create(&b->thread, boot_main, b))
        return err_set(e, ERR_INTERNAL, "A thread could not be started.");
    b->is_started = true;
    return OK;
}

void boot_join(struct boot *b)
{
    b->is_stopping = true;
    if (b->is_started)
        (void) uv_thread_join(&b->thread);
}

void boot_done(struct boot *b)
{
    if (b->is_started)
        uv_mutex_destroy(&b->lock);
    free(b->database_url);
    free(b->owner_url);
    free(b->account_id);
}
