/*
 * engine.h - the threads that do the work: workers, scheduler, publisher.
 *
 * They meet the API in rows only. Each thread owns its database connection; every thread is joined
 * at stop.
 */
#ifndef STEWARD_ENGINE_H
#define STEWARD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "steward/aws.h"
#include "steward/err.h"
#include "steward/plan.h"

struct engine;
struct outbound_rules;
struct secret_box;
/* Where the AWS solution's messages go, by this server's options; NULL: not there. Borrowed texts,
 * checked by who gives them. */
struct channel_options {
    const char *event_bus; /* name or ARN */
    const char *sns_topic_arn;
    const char *cloudwatch_namespace;
    const char *smtp_url;              /* "smtp://host:587" or "smtps://host:465" */
    bool is_smtp_plain_accepted;       /* smtp:// without STARTTLS */
    const char *smtp_credentials_file; /* read for every mail; NULL: no login */
    const char *smtp_ca_bundle;        /* NULL: the system's */
    const char *mail_from;
    char *const *mail_to; /* each a channel of its own */
    size_t n_mail_to;
};
struct engine_options {
    const char *database_url;
    struct aws_session *aws;
    struct plan_settings settings;            /* borrowed texts; live as long as the engine */
    int workers;                              /* 1..64 */
    int64_t lease_ms;                         /* 30 s */
    int64_t quiescence_ms;                    /* Q, 18 min */
    int64_t retain_events_ms, retain_runs_ms; /* 0: for ever */
    int64_t observe_ms;               /* between two looks for drift of a config; 0: never */
    int64_t poll_min_ms, poll_max_ms; /* bounds of the polling of AWS; 0: by kind */
    int quotas[KIND_COUNT]; /* how many of a kind may be in progress in the account; 0: any number
                             */
    int fuse_per_solution, fuse_per_account; /* trainings within 24 hours */
    bool is_simulated;
    /* Webhooks; NULL: none are sent. Shared with the API. */
    const struct outbound_rules *outbound;
    struct secret_box *secrets;
    int64_t delivery_timeout_ms; /* 15 s */
    int64_t delivery_time_scale; /* 1; tests: waits between attempts are so much shorter */
    struct channel_options channels;
    /* Uploads to S3. NULL, 0: not asked for. */
    const char *sqs_queue_url; /* where S3's notifications come in */
    int64_t watch_ms;          /* between two looks at the bucket */
    const char *upload_run;    /* run kind that follows from data; NULL: none */
    int64_t upload_quiet_ms;   /* when nothing more came for so long */
    /* Called on the publisher thread after events were numbered; the loop side passes it on by its
     * mailbox. */
    void (*on_events)(void *user);
    void *user;
};
MUST_USE enum err_code engine_start(const struct engine_options *options, struct engine **out,
                                    struct err *e);
/* Work was committed in this process: workers and scheduler look at once. Thread-safe, cheap. */
void engine_wake(struct engine *engine);
/* Something changed, perhaps at another replica: the scheduler looks at once. Thread-safe, cheap.
 */
void engine_wake_scheduler(struct engine *engine);
/* Drains: no new claims, open calls are finished or left as recoverable intents, leases released;
 * within deadline_ms. */
void engine_stop(struct engine *engine, int64_t deadline_ms);
/* Counters for /metrics, monotonic since the start. */
struct engine_stats {
    uint64_t claims, aws_calls, aws_refused, aws_unknown, checkpoints, steps_finished, fence_losses,
        fires, events, deliveries;
};
void engine_get_stats(const struct engine *engine, struct engine_stats *out);

#endif
