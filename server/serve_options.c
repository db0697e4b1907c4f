/*
 * serve_options.c - the options of "steward serve": one table, in alphabetical order.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"
#include "steward/mem.h"
#include "steward/str.h"

#define MINUTE     INT64_C(60000)
#define HOUR       (60 * MINUTE)
#define PRICES_MAX 100000
#define TEXT(option, member, default_text, word, says)                                       \
    {                                                                                        \
        .name = option, .type = CONF_TEXT, .offset = offsetof(struct serve_options, member), \
        .fallback = default_text, .value = word, .help = says                                \
    }
#define FLAG(option, member, says)                                                           \
    {                                                                                        \
        .name = option, .type = CONF_FLAG, .offset = offsetof(struct serve_options, member), \
        .help = says                                                                         \
    }
#define NUMBER(option, member, default_text, least, most, says)                                 \
    {                                                                                           \
        .name = option, .type = CONF_INTEGER, .offset = offsetof(struct serve_options, member), \
        .fallback = default_text, .value = "N", .help = says, .min = least, .max = most         \
    }
#define DURATION(option, member, default_text, least, most, says)                   \
    {                                                                               \
        .name = option, .type = CONF_DURATION_MS,                                   \
        .offset = offsetof(struct serve_options, member), .fallback = default_text, \
        .value = "TIME", .help = says, .min = least, .max = most                    \
    }

#define NAMES(option, member, word, says)                                                    \
    {                                                                                        \
        .name = option, .type = CONF_LIST, .offset = offsetof(struct serve_options, member), \
        .value = word, .help = says                                                          \
    }
#define RATE(option, member, says) NUMBER(option, member, "-1", -1, 1000000, says)

static const struct conf_option table[] = {
    TEXT("account-id", account_id, NULL, "DIGITS", "AWS account (default: asked of STS)"),
    { .name = "allowed-host",
      .type = CONF_LIST,
      .offset = offsetof(struct serve_options, allowed_hosts),
      .value = "NAME",
      .help = "a Host header to accept besides localhost and the listen address; may be repeated" },
    DURATION("auth-failure-delay", auth_failure_ms, "200ms", 0, MINUTE,
             "a request without a good token is refused no sooner"),
    TEXT("bucket", bucket, NULL, "NAME",
         "S3 bucket of the data (default with --local: steward-local)"),
    TEXT("ca-bundle", ca_bundle, NULL, "FILE",
         "certificates that AWS endpoints are checked against"),
    DURATION("call-spacing", call_spacing_ms, NULL, 0, MINUTE,
             "least time between two of the engine's calls to one AWS service (default: none)"),
    DURATION("call-timeout", call_timeout_ms, "20s", 500, 5 * MINUTE,
             "a call to AWS must have been answered after it"),
    TEXT(
        "cloudwatch-namespace", cloudwatch_namespace, NULL, "NAME",
        "put the AWS solution's metrics there, e.g. personalize_solution_STACK (default: nowhere)"),
    RATE("connections-per-address", connections_per_address,
         "connections of one address (-1: 200, on loopback no limit; 0: no limit)"),
    NAMES("cors-origin", cors_origins, "ORIGIN",
          "an origin whose pages may read the API (https://host:port); may be repeated"),
    TEXT(
        "data-dir", data_dir, NULL, "DIR",
        "everything this server keeps (default: ~/.local/share/steward, as root /var/lib/steward)"),
    TEXT("database-url", database_url, NULL, "URL",
         "PostgreSQL to use (default: a private one in the data directory)"),
    FLAG("database-weak-tls", allows_weak_tls,
         "accept a database on another machine without verified TLS"),
    NUMBER("delivery-time-scale", delivery_time_scale, "1", 1, 1000000000,
           "how much faster than in earnest failed deliveries are tried again (for tests)"),
    DURATION("delivery-timeout", delivery_timeout_ms, "15s", 50, MINUTE,
             "the endpoint of a webhook or channel must have answered after it"),
    TEXT("endpoint-url", endpoint_url, NULL, "URL", "one endpoint for all AWS services"),
    DURATION("engine-lease", engine_lease_ms, "30s", 500, HOUR,
             "a dead worker's step is taken over after it"),
    DURATION("engine-quiescence", engine_quiescence_ms, "18m", 1000, 24 * HOUR,
             "after a create with an unknown outcome, wait so long before another"),
    TEXT("event-bus", event_bus, NULL, "NAME",
         "EventBridge bus (name or ARN) that resource status events are put on (default: none)"),
    NUMBER("fuse-per-account", fuse_per_account, "20", 1, 100000,
           "trainings started within 24 hours in the account, at most"),
    NUMBER(
        "fuse-per-solution", fuse_per_solution, "4", 1, 100000,
        "trainings of one solution started within 24 hours, at most (the scheduled ones of the day "
        "+ 2, when that is more)"),
    NUMBER("in-flight", in_flight, "256", 1, 100000,
           "requests worked on at once; more are answered 503"),
    FLAG("insecure-plain-http", is_plain_http_accepted,
         "listen on other addresses than loopback without TLS (a proxy does TLS)"),
    TEXT("listen", listen, "127.0.0.1:8080", "ADDR:PORT",
         "where the API listens; port 0: the kernel chooses"),
    FLAG("local", is_local,
         "rehearse: start a local Amazon Personalize; no AWS account, nothing is billed"),
    TEXT("log-format", log_format, "logfmt", "FORMAT", "logfmt or json"),
    TEXT("log-level", log_level, "info", "LEVEL", "debug, info, warn or error"),
    TEXT("mail-from", mail_from, NULL, "ADDRESS", "who mails come from"),
    NAMES("mail-to", mail_to, "ADDRESS",
          "who gets a mail when a run succeeded or failed; may be repeated"),
    FLAG("metrics-open", is_metrics_open, "serve /metrics without a token"),
    DURATION("observe-every", observe_every_ms, "10m", 0, 24 * HOUR,
             "look for drift so often (0: only when asked to)"),
    DURATION("poll-max", poll_max_ms, NULL, 0, HOUR,
             "longest time between looks at an AWS resource in progress (0: by kind)"),
    DURATION("poll-min", poll_min_ms, NULL, 0, HOUR,
             "shortest time between looks at an AWS resource in progress (0: by kind)"),
    TEXT("prefix", prefix, NULL, "TEXT",
         "prefix of the data in the bucket (default: train/<dataset group>/)"),
    TEXT("prices", prices_file, NULL, "FILE",
         "price list for the costs in plans (default: the one compiled in, model/prices.json)"),
    TEXT("profile", profile, NULL, "NAME", "profile of the AWS configuration files"),
    { .name = "quota",
      .type = CONF_LIST,
      .offset = offsetof(struct serve_options, quotas),
      .value = "NAME=N",
      .help = "a quota of this account that is not the default: how many dataset-import-jobs (5), "
              "solution-versions (20), batch-inference-jobs (5), batch-segment-jobs (5) may be in "
              "progress (0: any number), and for plans how many dataset-groups (5), schemas (500), "
              "filters (30), solutions (10), campaigns (5), recommenders (5) there may be; may be "
              "repeated" },
    RATE("rate-admin", rate_admin,
         "changes of tokens a minute and token (-1: 10, on loopback no limit; 0: no limit)"),
    RATE("rate-failed-auth", rate_failed_auth,
         "requests without a good token a minute and address (-1: 10, on loopback no limit; 0: no "
         "limit)"),
    RATE("rate-reads", rate_reads,
         "reads a second and token, bursts of four seconds (-1: 50, on loopback no limit; 0: no "
         "limit)"),
    RATE("rate-runs", rate_runs,
         "runs started a minute and token (-1: 30, on loopback no limit; 0: no limit)"),
    RATE("rate-writes", rate_writes,
         "writes a second and token, bursts of five seconds (-1: 10, on loopback no limit; 0: no "
         "limit)"),
    TEXT("region", region, NULL, "NAME", "AWS region"),
    DURATION("retain-events", retain_events_ms, "30d", 0, INT64_MAX,
             "how long events are kept; 0: for ever"),
    DURATION("retain-runs", retain_runs_ms, "365d", 0, INT64_MAX,
             "how long finished runs are kept; 0: for ever"),
    TEXT("role-arn", role_arn, NULL, "ARN",
         "role that Amazon Personalize reads and writes S3 with"),
    TEXT("secret-key-file", secret_key_file, NULL, "FILE",
         "keys that stored secrets are sealed with (default: secrets.key in the data directory)"),
    TEXT("simulator-listen", simulator_listen, "127.0.0.1:4580", "ADDR:PORT",
         "where the local Amazon Personalize listens (another port when it is taken)"),
    DURATION("simulator-signature-window", simulator_signature_window_ms, "15m", 1000, 24 * HOUR,
             "how old a signature the local Amazon Personalize accepts"),
    NUMBER("simulator-time-scale", simulator_time_scale, "600", 0, 1000000000,
           "how much faster than Amazon's the local life cycles are; 0: immediate"),
    TEXT("simulator-url", simulator_url, NULL, "URL",
         "with --local: use this running personalize-simulator"),
    TEXT("smtp-ca-bundle", smtp_ca_bundle, NULL, "FILE",
         "certificates that the mail server is checked against (default: the system's)"),
    TEXT("smtp-credentials-file", smtp_credentials_file, NULL, "FILE",
         "its first line is the user at the mail server, its second the password; mode 0600"),
    FLAG("smtp-plain", is_smtp_plain_accepted,
         "send mail without TLS when the server has none (a relay on this machine)"),
    TEXT("smtp-url", smtp_url, NULL, "URL",
         "mail server: smtp://HOST:587 (STARTTLS is required) or smtps://HOST:465"),
    TEXT("sns-topic-arn", sns_topic_arn, NULL, "ARN",
         "SNS topic that hears of runs that succeeded or failed (default: none)"),
    TEXT("sqs-queue-url", sqs_queue_url, NULL, "URL",
         "read S3's notifications of uploads from this queue"),
    RATE("streams-per-address", streams_per_address,
         "event streams of one address (-1: 100, on loopback no limit; 0: no limit)"),
    RATE("streams-per-token", streams_per_token,
         "event streams of one token (-1: 100, on loopback no limit; 0: no limit)"),
    TEXT("tls-cert", tls_cert, NULL, "FILE",
         "serve HTTPS with this certificate and its chain (PEM); SIGHUP reads both files again"),
    TEXT("tls-key", tls_key, NULL, "FILE", "the certificate's key (PEM, mode 0600 or 0640)"),
    NAMES("trusted-proxy", trusted_proxies, "ADDRESS",
          "a proxy whose X-Forwarded-For is believed (its last address); may be repeated"),
    DURATION("upload-quiet", upload_quiet_ms, "60s", 0, 24 * HOUR,
             "after uploaded data, wait until nothing more came for so long"),
    TEXT("upload-run", upload_run, "retrain", "KIND",
         "run that follows from uploaded data: retrain, import or none"),
    DURATION("watch-interval", watch_interval_ms, "60s", 100, 24 * HOUR,
             "with --watch-s3: look so often"),
    FLAG("watch-s3", watches_s3,
         "look at the bucket for uploaded parameter files and data (train/, or --prefix)"),
    { .name = "webhook-allow",
      .type = CONF_LIST,
      .offset = offsetof(struct serve_options, webhook_allow),
      .value = "CIDR",
      .help = "private addresses that webhooks may reach, such as 10.1.0.0/16; may be repeated" },
    TEXT("webhook-ca-bundle", webhook_ca_bundle, NULL, "FILE",
         "certificates that webhook endpoints are checked against (default: the system's)"),
    NAMES("webhook-connect-to", webhook_connect_to, "HOST:PORT:ADDR:PORT",
          "call ADDR:PORT where a webhook's URL, or an address of SNS, says HOST:PORT (for tests); "
          "may be repeated"),
    FLAG("webhook-http", allows_http_webhooks, "accept webhook URLs that begin with http://"),
    NUMBER("workers", workers, "4", 0, 64,
           "worker threads (0: this server answers and schedules, others work)"),
};

const struct conf_program serve_program = {
    .usage = "usage: steward serve [--local] [options]\n\n"
             "Runs the server: REST API, engine, and without --database-url a private PostgreSQL.",
    .env_prefix = "STEWARD",
    .options = table,
    .count = ARRAY_LEN(table),
};

enum err_code listen_parse(const char *text, char *host, size_t size, uint16_t *port, struct err *e)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t) (colon - text) : 0;
    int64_t number;

    if (!n || !str_to_i64(colon + 1, 0, 65535, &number))
        return err_set(e, ERR_INVALID, "\"%s\" is not ADDRESS:PORT, for example 127.0.0.1:8080.",
                       text);
    if (text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    }
    if (n == 0 || n >= size)
        return err_set(e, ERR_INVALID, "\"%s\" holds no address.", text);
    memcpy(host, text, n);
    host[n] = '\0';
    if (str_eq(host, "localhost"))
        (void) str_copy(host, size, "127.0.0.1");
    *port = (uint16_t) number;
    return OK;
}

bool address_is_loopback(const char *host)
{
    return str_eq(host, "::1") || str_starts(host, "127.");
}

static void set_default(char **field, const char *value)
{
    if (!*field)
        *field = xstrdup(value);
}

char *serve_default_data_dir(void)
{
    const char *home = getenv("HOME"), *share = getenv("XDG_DATA_HOME");

    if (geteuid() == 0)
        return xstrdup("/var/lib/steward");
    if (share && *share)
        return xasprintf("%s/steward", share);
    return xasprintf("%s/.local/share/steward", home && *home ? home : ".");
}

static enum err_code check_listen(const struct serve_options *o, struct err *e)
{
    unsigned char in[16];
    char host[64];
    uint16_t port;

    TRY(listen_parse(o->listen, host, sizeof host, &port, e));
    if (inet_pton(AF_INET, host, in) != 1 && inet_pton(AF_INET6, host, in) != 1)
        return err_set(e, ERR_INVALID, "--listen: \"%s\" is not an IP address.", host);
    if (!o->tls_cert != !o->tls_key)
        return err_set(e, ERR_INVALID, "--tls-cert and --tls-key belong together; %s is missing.",
                       o->tls_cert ? "--tls-key" : "--tls-cert");
    if (!address_is_loopback(host) && !o->is_plain_http_accepted && !o->tls_cert)
        return err_set(
            e, ERR_INVALID,
            "--listen %s is open to other machines: give --tls-cert and --tls-key, put a "
            "TLS proxy in front and say --insecure-plain-http, or listen on 127.0.0.1.",
            o->listen);
    return OK;
}

static enum err_code settle_local(struct serve_options *o, struct err *e)
{
    static const char *const ignored[] = { "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_REGION",
                                           "AWS_ENDPOINT_URL" };

    if (o->endpoint_url)
        return err_set(
            e, ERR_INVALID,
            "--local brings its own endpoint; leave --endpoint-url out (or say --simulator-url).");
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        if (getenv(ignored[i])) {
            (void) fprintf(
                stderr,
                "steward: --local ignores the AWS settings of the environment (%s is set).\n",
                ignored[i]);
            break;
        }
    set_default(&o->bucket, "steward-local");
    set_default(&o->account_id, "123456789012");
    set_default(&o->region, "us-east-1");
    set_default(&o->role_arn, "arn:aws:iam::123456789012:role/steward-local");
    /* The simulator's life cycles are as much faster as its clock, and looking at it costs nothing.
     */
    if (!o->poll_min_ms)
        o->poll_min_ms = 100;
    if (!o->poll_max_ms)
        o->poll_max_ms = 2000;
    return OK;
}

static enum err_code settle_prices(struct serve_options *o, struct err *e)
{
    AUTO_BUF struct buf text = { 0 };
    char block[4096];
    size_t n;
    FILE *file;

    o->price_list = *prices_builtin();
    if (!o->prices_file)
        return OK;
    file = fopen(o->prices_file, "re");
    if (!file)
        return err_set(e, ERR_INVALID, "--prices: %s cannot be read: %s.", o->prices_file,
                       strerror(errno));
    while ((n = fread(block, 1, sizeof block, file)) > 0 && text.length < PRICES_MAX)
        buf_add(&text, block, n);
    (void) fclose(file);
    return prices_parse(text.data ? text.data : "", text.length, &o->price_list, e);
}

enum err_code serve_options_settle(struct serve_options *o, struct err *e)
{
    if (!o->data_dir || !*o->data_dir) {
        free(o->data_dir);
        o->data_dir = serve_default_data_dir();
    }
    TRY(check_listen(o, e));
    TRY(settle_prices(o, e));
    TRY(serve_channels_check(o, e));
    TRY(quota_limits_parse(&o->quotas, &o->quota_limits, e));
    if (!str_eq(o->upload_run, "retrain") && !str_eq(o->upload_run, "import") &&
        !str_eq(o->upload_run, "none"))
        return err_set(e, ERR_INVALID, "--upload-run: \"%s\" is not retrain, import or none.",
                       o->upload_run);
    if (o->watches_s3 && !o->bucket && !o->is_local)
        return err_set(e, ERR_INVALID, "--watch-s3 needs the bucket to look at: --bucket.");
    if (o->account_id && (strlen(o->account_id) != 12 || strspn(o->account_id, "0123456789") != 12))
        return err_set(e, ERR_INVALID, "--account-id: \"%s\" is not 12 digits.", o->account_id);
    if (!str_eq(o->log_format, "logfmt") && !str_eq(o->log_format, "json"))
        return err_set(e, ERR_INVALID, "--log-format: \"%s\" is neither logfmt nor json.",
                       o->log_format);
    if (o->poll_min_ms && o->poll_max_ms && o->poll_min_ms > o->poll_max_ms)
        return err_set(e, ERR_INVALID, "--poll-min is longer than --poll-max.");
    if (o->database_url)
        TRY(db_url_check(o->database_url, o->allows_weak_tls, e));
    if (o->is_local)
        TRY(settle_local(o, e));
    return o->region ? serve_channels_check_region(o, o->region, e) : OK;
}
