/*
 * serve.c - "steward serve": build everything, run the loop, take it down in reverse.
 *
 * The address is open from the first moment: /livez answers, /readyz says what is waited for. The
 * start-up thread (boot.c) reports milestones; the API gets its database at the first, the engine
 * runs from the second.
 */
#include "serve.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "steward/api.h"
#include "steward/clock.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "steward/str.h"

#define DRAIN_MS       5000  /* open requests may finish */
#define ENGINE_STOP_MS 20000 /* the whole stop stays below 30 s */
#define HOSTS_MAX      32
#define NAMES_MAX      32 /* of an option that may be repeated */
#define FILES_WANTED   16384
#define FILES_OWN      40 /* open before the first client comes */
#define CLIENTS_MAX    12000U
#define CLIENTS_MIN    8U

struct server {
    struct serve_options options;
    struct data_dir data_dir;
    uv_loop_t loop;
    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t drain;
    struct mailbox mailbox;
    struct secret_box *secrets;
    struct outbound_rules *outbound;
    struct api *api;
    struct http_server *http;
    struct db *db;
    struct boot boot;
    char host[64];
    uint16_t wanted_port;
    unsigned clients_max;
    const char *cors_origins[NAMES_MAX + 1], *trusted_proxies[NAMES_MAX + 1];
    const char *hosts[HOSTS_MAX + 5];
    int64_t drain_deadline_ms;
    int exit_code;
    bool is_stopping, is_db_closed, has_mailbox;
    _Atomic bool is_event_mail_posted;
};

/* ---- the API's view of the process ---- */

static void host_wake(void *user)
{
    struct server *s = user;

    if (s->boot.has_engine)
        engine_wake(s->boot.engine);
}

static size_t host_counters(void *user, struct api_counter *out, size_t n)
{
    struct server *s = user;
    struct engine_stats stats = { 0 };

    if (s->boot.has_engine)
        engine_get_stats(s->boot.engine, &stats);
    const struct api_counter all[] = {
        { "engine_claims_total", "Steps claimed.", stats.claims },
        { "engine_aws_calls_total", "Calls made to AWS.", stats.aws_calls },
        { "engine_aws_refused_total", "Calls that AWS refused.", stats.aws_refused },
        { "engine_aws_unknown_total", "Calls with an unknown outcome.", stats.aws_unknown },
        { "engine_checkpoints_total", "Checkpoints committed.", stats.checkpoints },
        { "engine_steps_finished_total", "Steps that reached an end.", stats.steps_finished },
        { "engine_fence_losses_total", "Steps taken over by somebody else.", stats.fence_losses },
        { "engine_fires_total", "Schedules fired.", stats.fires },
        { "engine_events_total", "Events numbered.", stats.events },
        { "engine_deliveries_total", "Attempts at deliveries that were written down.",
          stats.deliveries },
    };
    if (n > ARRAY_LEN(all))
        n = ARRAY_LEN(all);
    memcpy(out, all, n * sizeof *all);
    return n;
}

static void host_not_ready(void *user, json_t *reasons)
{
    struct server *s = user;
    char what[64], why[256];

    boot_waiting(&s->boot, what, why);
    if (*what)
        json_object_set_new(reasons, what, json_string(why));
}

/* ---- events: from the publisher thread to the loop ---- */

struct event_mail {
    struct mail mail;
    struct server *server;
};

static void on_event_mail(struct mail *m)
{
    struct server *s = ((struct event_mail *) m)->server;

    free(m);
    s->is_event_mail_posted = false;
    api_on_events(s->api);
}

static void on_numbered(void *user)
{
    struct server *s = user;
    struct event_mail *m;

    if (atomic_exchange(&s->is_event_mail_posted, true))
        return; /* one on its way is enough */
    m = xcalloc(1, sizeof *m);
    m->mail.deliver = on_event_mail;
    m->server = s;
    mailbox_post(&s->mailbox, &m->mail);
}

static void on_notify(const char *channel, const char *payload, void *user)
{
    struct server *s = user;

    (void) channel;
    (void) payload;
    api_on_events(s->api);
    if (s->boot.has_engine)
        engine_wake_scheduler(s->boot.engine); /* a schedule may have changed at another replica */
}

/* ---- stopping ---- */

static void begin_stop(struct server *s, const char *why)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    s->boot.is_stopping = true;
    log_event(LOG_INFO, "serve", "stopping", "reason=%s", why);
    http_server_quiesce(s->http);
    api_quiesce(s->api);
    s->drain_deadline_ms = clock_mono_ms() + DRAIN_MS;
}

static void on_drain(uv_timer_t *timer)
{
    struct server *s = timer->data;

    if (s->is_stopping &&
        (http_server_open_requests(s->http) == 0 || clock_mono_ms() >= s->drain_deadline_ms))
        uv_stop(&s->loop);
}

/* A terminal that goes away is no reason to stop; a renewed certificate is one to read it. */
static void hang_up(struct server *s)
{
    struct err e;

    if (!s->options.tls_cert)
        log_event(LOG_INFO, "serve", "hangup", "msg=\"nothing to read again\"");
    else if (http_server_tls_reload(s->http, &e))
        log_event(LOG_ERROR, "serve", "tls_kept", "msg=%s",
                  log_quote(e.message)); /* a bad pair: the old one stays */
    else
        log_event(LOG_INFO, "serve", "tls_reloaded", "cert=%s", log_quote(s->options.tls_cert));
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct server *s = handle->data;

    if (signum == SIGHUP)
        hang_up(s);
    else
        begin_stop(s, signum == SIGTERM ? "SIGTERM" : "SIGINT");
}

/* ---- milestones of the start ---- */

static void attach_database(struct server *s)
{
    static const char *const channels[] = { "steward_events", NULL };
    const struct db_options options = { .url = s->boot.database_url,
                                        .application = "steward",
                                        .lock_timeout_ms = 2000,
                                        .on_notify = on_notify,
                                        .channels = channels,
                                        .user = s };
    struct err e;

    if (db_open(&s->loop, &options, &s->db, &e)) {
        log_error("serve", "database", &e);
        s->exit_code = EXIT_TROUBLE;
        begin_stop(s, "database");
        return;
    }
    api_attach(s->api, s->db, &s->boot.settings);
}

static void on_boot(struct boot *b)
{
    struct server *s = b->user;

    if (b->has_failed) {
        log_error("serve", "start_failed", &b->failure);
        (void) fprintf(stderr, "steward: %s\n", b->failure.message);
        s->exit_code = b->exit_code;
        begin_stop(s, "start-failed");
    } else if (!s->is_stopping && !s->db) {
        attach_database(s);
        if (b->is_new_token)
            (void) printf("first admin token: %s/admin.token\n", s->data_dir.path);
    }
    if (b->has_engine) {
        b->settings.account_id = b->account_id;
        host_wake(s);
        log_event(LOG_INFO, "serve", "working", "account=%s simulated=%s", b->account_id,
                  s->options.is_local ? "true" : "false");
        if (b->local) {
            (void) printf("local Amazon Personalize at %s%s (SIMULATED: nothing is billed)\n",
                          local_url(b->local), local_was_adopted(b->local) ? ", taken over" : "");
        }
    }
    if (b->local) {
        AUTO_FREE char *line = xasprintf("%s\n", local_url(b->local));
        struct err e;

        if (data_dir_write(&s->data_dir, "simulator.url", line, &e))
            log_error("serve", "simulator_url", &e);
    }
    (void) fflush(stdout);
}

/* ---- building ---- */

static int64_t limit_of(const struct server *s, int64_t wanted, int64_t usual)
{
    return wanted >= 0 ? wanted : address_is_loopback(s->host) ? 0 : usual;
}

static void fill_hosts(struct server *s)
{
    size_t n = 0;

    s->hosts[n++] = "localhost";
    s->hosts[n++] = "127.0.0.1";
    s->hosts[n++] = "::1";
    s->hosts[n++] = s->host;
    for (size_t i = 0; i < s->options.allowed_hosts.count && i < HOSTS_MAX; i++)
        s->hosts[n++] = s->options.allowed_hosts.items[i];
    s->hosts[n] = NULL;
}

static enum err_code open_http(struct server *s, struct err *e)
{
    struct http_options options = {
        .address = s->host,
        .default_headers = s->options.tls_cert ? api_default_headers_tls : api_default_headers,
        .tls_cert_file = s->options.tls_cert,
        .tls_key_file = s->options.tls_key,
        .allowed_hosts = s->hosts,
        .is_lint_strict = true,
        .connection_limit = s->clients_max,
        .connections_per_ip = (unsigned) limit_of(s, s->options.connections_per_address, 200),
        .on_headers = api_on_headers,
        .on_request = api_on_request,
        .on_done = api_on_done,
        .context = s->api
    };

    options.port = s->wanted_port;
    fill_hosts(s);
    return http_server_open(&s->loop, &options, &s->http, e);
}

static enum err_code announce(struct server *s, struct err *e)
{
    bool is_any = str_eq(s->host, "0.0.0.0") || str_eq(s->host, "::");
    const char *host = is_any ? "127.0.0.1" : s->host;
    AUTO_FREE char *url =
        xasprintf(strchr(host, ':') ? "http%s://[%s]:%u\n" : "http%s://%s:%u\n",
                  s->options.tls_cert ? "s" : "", host, http_server_port(s->http));

    TRY(data_dir_write(&s->data_dir, "steward.url", url, e));
    (void) printf("steward %s at %s", STEWARD_VERSION, url);
    (void) printf("data directory: %s\n", s->data_dir.path);
    (void) fflush(stdout);
    return OK;
}

static void watch_signals(struct server *s)
{
    uv_signal_t *handles[] = { &s->on_term, &s->on_int, &s->on_hup };
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

    for (size_t i = 0; i < ARRAY_LEN(handles); i++) {
        (void) uv_signal_init(&s->loop, handles[i]);
        handles[i]->data = s;
        (void) uv_signal_start(handles[i], on_signal, signals[i]);
    }
    (void) uv_timer_init(&s->loop, &s->drain);
    s->drain.data = s;
    (void) uv_timer_start(&s->drain, on_drain, 20, 20);
}

/* Places for clients, so that they never take the descriptors that the work needs: PostgreSQL's
 * connections, AWS's, files. */
static unsigned places_of(rlim_t files)
{
    rlim_t places = files > FILES_OWN ? (files - FILES_OWN) / 4 * 3 : 0;

    return places > CLIENTS_MAX   ? CLIENTS_MAX
           : places < CLIENTS_MIN ? CLIENTS_MIN
                                  : (unsigned) places;
}

/* Room for many clients (how many is returned); no core file that could hold a token. */
static unsigned set_limits(void)
{
    struct rlimit files = { 0, 0 }, none = { 0, 0 };

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        (void) setrlimit(RLIMIT_NOFILE, &files);
    }
    (void) setrlimit(RLIMIT_CORE, &none);
    return places_of(files.rlim_cur);
}

/* What webhooks need: the keys of their secrets, and where they may go. */
static enum err_code open_outbound(struct server *s, struct err *e)
{
    const struct outbound_options options = { .allow = s->options.webhook_allow.items,
                                              .n_allow = s->options.webhook_allow.count,
                                              .allows_http = s->options.allows_http_webhooks,
                                              .connect_to = s->options.webhook_connect_to.items,
                                              .n_connect_to = s->options.webhook_connect_to.count,
                                              .ca_bundle = s->options.webhook_ca_bundle };
    AUTO_FREE char *path = s->options.secret_key_file
                               ? xstrdup(s->options.secret_key_file)
                               : xasprintf("%s/secrets.key", s->data_dir.path);

    TRY(secret_box_open(path, &s->secrets, e));
    return outbound_rules_new(&options, &s->outbound, e);
}

static void fill_list(const struct conf_list *from, const char *to[NAMES_MAX + 1])
{
    size_t n = from->count < NAMES_MAX ? from->count : NAMES_MAX;

    for (size_t i = 0; i < n; i++)
        to[i] = from->items[i];
    to[n] = NULL;
}

/* What is limited, and for whom: nothing on loopback unless it was asked for. */
static void fill_limits(struct server *s, struct api_options *api)
{
    const struct serve_options *o = &s->options;

    api->rates =
        (struct api_rates){ .reads_per_second = limit_of(s, o->rate_reads, 50),
                            .writes_per_second = limit_of(s, o->rate_writes, 10),
                            .runs_per_minute = limit_of(s, o->rate_runs, 30),
                            .admin_per_minute = limit_of(s, o->rate_admin, 10),
                            .failed_auth_per_minute = limit_of(s, o->rate_failed_auth, 10) };
    api->auth_failure_ms = o->auth_failure_ms;
    api->streams_per_address = (size_t) limit_of(s, o->streams_per_address, 100);
    api->streams_per_token = (size_t) limit_of(s, o->streams_per_token, 100);
    fill_list(&o->cors_origins, s->cors_origins);
    fill_list(&o->trusted_proxies, s->trusted_proxies);
    api->cors_origins = s->cors_origins;
    api->trusted_proxies = s->trusted_proxies;
}

static enum err_code build(struct server *s, struct err *e)
{
    struct api_options api = { .loop = &s->loop,
                               .host = { s, host_wake, host_counters, host_not_ready },
                               .version = STEWARD_VERSION,
                               .commit = "",
                               .is_simulated = s->options.is_local,
                               .is_metrics_open = s->options.is_metrics_open,
                               .in_flight_limit = (size_t) s->options.in_flight };

    TRY(listen_parse(s->options.listen, s->host, sizeof s->host, &s->wanted_port, e));
    fill_limits(s, &api);
    TRY(data_dir_open(s->options.data_dir, &s->data_dir, e));
    TRY(open_outbound(s, e));
    api.outbound = s->outbound;
    api.secrets = s->secrets;
    api.fuse_per_solution = (int) s->options.fuse_per_solution;
    api.fuse_per_account = (int) s->options.fuse_per_account;
    if (mailbox_init(&s->mailbox, &s->loop))
        return err_set(e, ERR_INTERNAL, "The loop could not be set up.");
    s->has_mailbox = true;
    s->api = api_new(&api);
    TRY(open_http(s, e));
    watch_signals(s); /* first: who reads the announcement may ask us to stop */
    TRY(announce(s, e));
    s->boot = (struct boot){ .options = &s->options,
                             .data_dir = &s->data_dir,
                             .mailbox = &s->mailbox,
                             .outbound = s->outbound,
                             .secrets = s->secrets,
                             .on_event = on_boot,
                             .on_numbered = on_numbered,
                             .user = s };
    return boot_start(&s->boot, e);
}

/* ---- taking down, in reverse ---- */

static void on_db_closed(void *user)
{
    struct server *s = user;

    s->is_db_closed = true;
}

/* The signals' handles stay to the very end: with them the default would come back, and a second
 * SIGTERM end us before what we started has stopped. */
static void close_handle(uv_handle_t *handle, void *context)
{
    (void) context;
    if (handle->type == UV_SIGNAL)
        uv_unref(handle);
    else if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void take_down(struct server *s)
{
    s->is_stopping = true;
    if (s->drain.data)
        (void) uv_timer_stop(
            &s->drain); /* the loop turns a few more times: what it looks at is going */
    boot_join(&s->boot);
    engine_stop(s->boot.engine, ENGINE_STOP_MS);
    s->boot.has_engine = false;
    if (s->http)
        http_server_close(s->http);
    if (s->db)
        db_close(s->db, on_db_closed, s);
    while (s->db && !s->is_db_closed)
        (void) uv_run(&s->loop, UV_RUN_ONCE);
    if (s->has_mailbox)
        mailbox_close(&s->mailbox);
    if (s->api) {
        (void) uv_run(&s->loop, UV_RUN_NOWAIT);
        api_close(s->api);
    }
    uv_walk(&s->loop, close_handle, NULL);
    (void) uv_run(&s->loop, UV_RUN_DEFAULT);
    aws_session_close(s->boot.aws);
    local_stop(s->boot.local);
    pg_embedded_stop(s->boot.pg, false);
    boot_done(&s->boot);
    if (s->data_dir.path) {
        data_dir_remove(&s->data_dir, "steward.url");
        data_dir_remove(&s->data_dir, "simulator.url");
    }
    data_dir_close(&s->data_dir);
    outbound_rules_free(s->outbound);
    secret_box_close(s->secrets);
}

static int serve(struct server *s)
{
    struct err e;

    (void) uv_loop_init(&s->loop);
    if (build(s, &e)) {
        (void) fprintf(stderr, "steward: %s\n", e.message);
        s->exit_code = e.code == ERR_CONFLICT  ? EXIT_LOCKED
                       : e.code == ERR_INVALID ? EXIT_USAGE
                                               : EXIT_TROUBLE;
    } else {
        (void) uv_run(&s->loop, UV_RUN_DEFAULT);
    }
    take_down(s);
    log_event(LOG_INFO, "serve", "stopped", "exit=%d", s->exit_code);
    return s->exit_code;
}

int serve_run(char *const argv[])
{
    static struct server s = { .data_dir = { .lock_fd = -1 } };
    enum log_level level;
    bool is_help;
    struct err e;
    int status;

    if (conf_parse(&serve_program, argv, &s.options, NULL, &is_help, &e) ||
        (!is_help && serve_options_settle(&s.options, &e))) {
        (void) fprintf(stderr, "steward serve: %s\n", e.message);
        conf_done(&serve_program, &s.options);
        return EXIT_USAGE;
    }
    if (is_help) {
        conf_done(&serve_program, &s.options);
        return EXIT_GOOD;
    }
    if (!log_level_parse(s.options.log_level, &level)) {
        (void) fprintf(stderr, "steward serve: --log-level: debug, info, warn or error.\n");
        conf_done(&serve_program, &s.options);
        return EXIT_USAGE;
    }
    log_init(level, str_eq(s.options.log_format, "json"));
    s.clients_max = set_limits();
    status = serve(&s);
    conf_done(&serve_program, &s.options);
    return status;
}
