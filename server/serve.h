/*
 * serve.h - what the files of "steward serve" share: options, the data directory, the start-up
 * thread. Private to server/.
 */
#ifndef STEWARD_SERVE_H
#define STEWARD_SERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "steward/aws.h"
#include "steward/conf.h"
#include "steward/db.h"
#include "steward/engine.h"
#include "steward/err.h"
#include "steward/kinds.h"
#include "steward/mailbox.h"
#include "steward/outbound.h"
#include "steward/prices.h"
#include "steward/quotas.h"
#include "steward/secret_box.h"

/* Exit codes of the program. */
enum { EXIT_GOOD = 0, EXIT_TROUBLE = 1, EXIT_USAGE = 2, EXIT_LOCKED = 3, EXIT_NEWER = 4 };

struct serve_options {
    bool is_local;
    char *listen, *data_dir, *database_url;
    bool allows_weak_tls;
    int64_t workers;
    char *bucket, *prefix, *role_arn, *region, *account_id, *endpoint_url, *profile, *ca_bundle;
    char *simulator_listen, *simulator_url;
    int64_t simulator_time_scale, simulator_signature_window_ms;
    bool is_metrics_open, is_plain_http_accepted;
    struct conf_list allowed_hosts, quotas;
    char *prices_file;
    struct prices price_list;         /* by serve_options_settle() */
    struct quota_limits quota_limits; /* likewise */
    int64_t fuse_per_solution, fuse_per_account;
    char *log_level, *log_format;
    int64_t observe_every_ms, retain_events_ms, retain_runs_ms;
    int64_t engine_lease_ms, engine_quiescence_ms, poll_min_ms, poll_max_ms, call_spacing_ms,
        call_timeout_ms;
    struct conf_list webhook_allow, webhook_connect_to;
    bool allows_http_webhooks;
    char *webhook_ca_bundle, *secret_key_file, *tls_cert, *tls_key;
    int64_t delivery_timeout_ms, delivery_time_scale;
    char *event_bus, *sns_topic_arn, *cloudwatch_namespace;
    char *smtp_url, *smtp_credentials_file, *smtp_ca_bundle, *mail_from;
    bool is_smtp_plain_accepted;
    struct conf_list mail_to;
    int64_t in_flight, auth_failure_ms, connections_per_address, streams_per_address,
        streams_per_token;
    int64_t rate_admin, rate_failed_auth, rate_reads, rate_runs, rate_writes;
    struct conf_list cors_origins, trusted_proxies;
    char *sqs_queue_url, *upload_run;
    bool watches_s3;
    int64_t watch_interval_ms, upload_quiet_ms;
};
extern const struct conf_program serve_program;
/* Checks what the table can not, and fills what depends on other options. */
MUST_USE enum err_code serve_options_settle(struct serve_options *o, struct err *e);
/* "HOST:PORT" or "[::1]:PORT" into its parts; host (size bytes) without brackets. */
MUST_USE enum err_code listen_parse(const char *text, char *host, size_t size, uint16_t *port,
                                    struct err *e);
bool address_is_loopback(const char *host);
char *serve_default_data_dir(void);

/* ---- serve_files.c ---- */
struct data_dir {
    char *path;
    int lock_fd; /* -1: not locked */
};
/* Makes and locks it. ERR_CONFLICT: another server uses it (exit 3). */
MUST_USE enum err_code data_dir_open(const char *path, struct data_dir *out, struct err *e);
void data_dir_close(struct data_dir *d);
/* Replaces a file as a whole. */
MUST_USE enum err_code data_dir_write(const struct data_dir *d, const char *name, const char *text,
                                      struct err *e);
/* A new file of mode 0600 that must not exist. */
MUST_USE enum err_code data_dir_create(const struct data_dir *d, const char *name, const char *text,
                                       struct err *e);
/* First line; NULL when it is not there. Caller owns. */
char *data_dir_read(const struct data_dir *d, const char *name);
MUST_USE enum err_code data_dir_rename(const struct data_dir *d, const char *from, const char *to,
                                       struct err *e);
void data_dir_remove(const struct data_dir *d, const char *name);

/* ---- serve_channels.c: where the AWS solution's messages go ---- */
MUST_USE enum err_code serve_channels_check(const struct serve_options *o, struct err *e);
/* A topic is called in its own region: the server's. */
MUST_USE enum err_code serve_channels_check_region(const struct serve_options *o,
                                                   const char *region, struct err *e);
struct channel_options serve_channels(const struct serve_options *o);

/* ---- local.c: the local Amazon Personalize as a child ---- */
struct local;
/* Adopts the one that runs in this data directory or starts one; waits until it answers. *url is
 * its address. */
MUST_USE enum err_code local_start(const struct serve_options *o, const struct data_dir *d,
                                   struct local **out, struct err *e);
const char *local_url(const struct local *l);
bool local_was_adopted(const struct local *l);
void local_stop(struct local *l); /* NULL is fine */
/* The bucket of --local, when it is missing. */
MUST_USE enum err_code local_make_bucket(struct aws_session *aws, const char *bucket,
                                         struct err *e);

/* ---- boot.c: everything that may take long before work begins, on a thread of its own ---- */
struct boot {
    /* in */
    const struct serve_options *options;
    const struct data_dir *data_dir;
    struct mailbox *mailbox;
    const struct outbound_rules *outbound;
    struct secret_box *secrets;
    void (*on_event)(struct boot *b); /* on the loop thread, after each milestone and at the end */
    void (*on_numbered)(void *user);  /* for the engine: on its publisher thread */
    void *user;
    /* out: written by the thread, read by the loop after the milestone's mail */
    char *database_url;
    char *owner_url; /* for the schema; the same without roles of our own */
    struct pg_embedded *pg;
    struct local *local;
    struct aws_session *aws;
    struct plan_settings settings;
    struct engine *engine;
    char deployment_id[40];
    char *account_id;
    int exit_code; /* of a failure that waiting does not cure; message said why */
    struct err failure;
    bool is_new_token;
    _Atomic bool has_database, has_engine, has_failed, is_stopping;
    /* what is being waited for, for /readyz */
    uv_mutex_t lock;
    char waiting_for[64], why[256];
    uv_thread_t thread;
    bool is_started;
};
MUST_USE enum err_code boot_start(struct boot *b, struct err *e);
/* Asks it to end and joins; takes down nothing. */
void boot_join(struct boot *b);
/* Copies of what it waits for; empty when it is through. */
void boot_waiting(struct boot *b, char what[64], char why[256]);
void boot_done(struct boot *b);

/* ---- serve.c ---- */
int serve_run(char *const argv[]);

/* ---- offline.c: what works on the database, whether a server runs or not ---- */
int offline_token(char *const argv[]);
int offline_audit(char *const argv[]);

#endif
