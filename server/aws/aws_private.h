/*
 * aws_private.h - what the files of the AWS floor share.
 *
 * Everything that reaches outside (environment, files, network, processes, time) goes through
 * struct aws_sources, so that tests replace it; the defaults are in sources.c.
 */
#ifndef STEWARD_AWS_PRIVATE_H
#define STEWARD_AWS_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ini.h"
#include "steward/aws.h"
#include "steward/budget.h"
#include "steward/mem.h"
#include "steward/sigv4.h"
#include "steward/str.h"

/* ---- sources.c: the outside world ---- */
struct aws_http_request {
    const char *method, *url;
    const struct sigv4_header *headers;
    size_t n_headers;
    const char *body; /* NULL: none */
    size_t body_n;
    int64_t timeout_ms;
    const char *ca_bundle; /* NULL: the system's */
};
struct aws_http_reply {
    int status;
    struct buf body;
};
struct aws_file {
    char *text;      /* owned */
    bool is_exposed; /* readable by others than the owner */
};
struct aws_output {
    int exit_status; /* 0: success */
    struct buf out, err;
};
struct aws_sources {
    void *context;
    /* NULL when unset or empty. */
    const char *(*env)(void *context, const char *name);
    /* ERR_NOT_FOUND when there is no such file. */
    enum err_code (*read_file)(void *context, const char *path, struct aws_file *out,
                               struct err *e);
    /* OK when an HTTP answer came, whatever its status. */
    enum err_code (*fetch)(void *context, const struct aws_http_request *rq,
                           struct aws_http_reply *out, struct err *e);
    enum err_code (*run)(void *context, char *const argv[], struct aws_output *out, struct err *e);
    int64_t (*now_ms)(void *context);
    void (*sleep_ms)(void *context, int64_t ms);
    /* Ends what is going on in fetch, run and sleep soon; from any thread. NULL: nothing ever
     * blocks. */
    void (*stop)(void *context);
};
/* The real world. Its environment is a copy of the AWS_… variables, taken now. */
struct aws_sources *aws_sources_new(void);
void aws_sources_free(struct aws_sources *s);
void aws_curl_init(void);
/* The fetch of the real world, in fetch.c; given up soon after *is_stopping became true. */
enum err_code aws_fetch_http(const atomic_bool *is_stopping, const struct aws_http_request *rq,
                             struct aws_http_reply *out, struct err *e);
/* The run of the real world, in process.c. */
enum err_code aws_run_process(const atomic_bool *is_stopping, char *const argv[],
                              struct aws_output *out, struct err *e);

/* ---- services.c: names and addresses ---- */
enum aws_protocol {
    AWS_PROTOCOL_JSON,
    AWS_PROTOCOL_REST_JSON,
    AWS_PROTOCOL_QUERY,
    AWS_PROTOCOL_S3
};
struct aws_service_facts {
    const char *id;     /* of AWS_ENDPOINT_URL_<ID> and [services] */
    const char *prefix; /* of the host name */
    const char *signing_name;
    enum aws_protocol protocol;
    const char *content_type;  /* JSON services */
    const char *target_prefix; /* X-Amz-Target */
    const char *version;       /* query services */
};
struct aws_partition_facts {
    const char *id, *region_prefix, *dns_suffix, *dual_stack_suffix;
};
extern const struct aws_service_facts aws_services[AWS_SERVICE_COUNT];
const struct aws_partition_facts *aws_partition_of(const char *region);
bool aws_region_is_valid(const char *region);
/* The standard address of a service; the caller owns it. */
char *aws_standard_endpoint(enum aws_service service, const char *region, bool is_fips,
                            bool is_dual_stack);
/* Checks a custom address and takes off its final slash; the caller owns *out. */
MUST_USE enum err_code aws_custom_endpoint(const char *url, const char *from, char **out,
                                           struct err *e);
/* The path of a REST operation ("/events"); NULL when unknown. */
const char *aws_rest_path(enum aws_service service, const char *operation);

/* ---- profiles.c: the two files ---- */
struct aws_ini_file {
    char *path;
    struct ini ini;
    bool is_exposed; /* readable by others than the owner */
};
struct aws_profiles {
    struct aws_ini_file config, credentials;
};
MUST_USE enum err_code aws_profiles_load(struct aws_sources *src, struct aws_profiles *out,
                                         struct err *e);
void aws_profiles_done(struct aws_profiles *p);
/* The value in the credentials file, else in the config file; NULL when absent or empty. */
const char *aws_profile_get(const struct aws_profiles *p, const char *profile, const char *key);
const char *aws_profile_get_config(const struct aws_profiles *p, const char *profile,
                                   const char *key);
const char *aws_profile_get_credentials(const struct aws_profiles *p, const char *profile,
                                        const char *key);
bool aws_profile_exists(const struct aws_profiles *p, const char *profile);

/* ---- credentials ---- */
struct aws_credentials {
    char *access_key_id, *secret_access_key, *session_token; /* owned; token may be NULL */
    int64_t expires_ms;                                      /* 0: never */
};
void aws_credentials_done(struct aws_credentials *c); /* wipes */
void aws_credentials_copy(struct aws_credentials *to, const struct aws_credentials *from);

/* ---- settings.c: everything that was configured, immutable after open ---- */
struct aws_settings {
    struct aws_sources *src;
    struct aws_profiles profiles;
    char *profile;
    bool is_profile_explicit, is_ambient_ignored;
    char *region;
    const struct aws_partition_facts *partition;
    char *endpoints[AWS_SERVICE_COUNT];
    bool is_custom[AWS_SERVICE_COUNT];
    char *ca_bundle;
    int64_t connect_timeout_ms, total_timeout_ms;
    int64_t max_attempts;
    struct aws_credentials fixed; /* explicit keys of the options */
};
MUST_USE enum err_code aws_settings_open(const struct aws_options *options, struct aws_sources *src,
                                         struct aws_settings *out, struct err *e);
void aws_settings_done(struct aws_settings *s);
/* Environment, unless it is to be ignored. */
const char *aws_env(const struct aws_settings *s, const char *name);
/* Reads a file; "~" and "$NAME" are expanded. */
MUST_USE enum err_code aws_read_file(struct aws_sources *src, const char *path,
                                     struct aws_file *out, struct err *e);

/* ---- chain.c and provider_*.c ---- */
/* *is_found tells whether this provider is the one; an error of a configured provider stops the
 * chain. */
struct aws_ask {
    const struct aws_settings *settings;
    const char *profile;
};
typedef enum err_code (*aws_provider_fn)(const struct aws_ask *ask, struct aws_credentials *out,
                                         bool *is_found, struct err *e);
enum err_code aws_provider_env(const struct aws_ask *ask, struct aws_credentials *out,
                               bool *is_found, struct err *e);
enum err_code aws_provider_assume_role(const struct aws_ask *ask, struct aws_credentials *out,
                                       bool *is_found, struct err *e);
enum err_code aws_provider_web_identity(const struct aws_ask *ask, struct aws_credentials *out,
                                        bool *is_found, struct err *e);
enum err_code aws_provider_sso(const struct aws_ask *ask, struct aws_credentials *out,
                               bool *is_found, struct err *e);
enum err_code aws_provider_shared_keys(const struct aws_ask *ask, struct aws_credentials *out,
                                       bool *is_found, struct err *e);
enum err_code aws_provider_process(const struct aws_ask *ask, struct aws_credentials *out,
                                   bool *is_found, struct err *e);
enum err_code aws_provider_config_keys(const struct aws_ask *ask, struct aws_credentials *out,
                                       bool *is_found, struct err *e);
enum err_code aws_provider_container(const struct aws_ask *ask, struct aws_credentials *out,
                                     bool *is_found, struct err *e);
enum err_code aws_provider_imds(const struct aws_ask *ask, struct aws_credentials *out,
                                bool *is_found, struct err *e);
/* First provider that has credentials. */
MUST_USE enum err_code aws_chain_load(const struct aws_settings *s, struct aws_credentials *out,
                                      struct err *e);
/* What a named profile offers without the environment (as the source of a role). */
MUST_USE enum err_code aws_chain_load_profile(const struct aws_settings *s, const char *profile,
                                              struct aws_credentials *out, struct err *e);
/* The region of the instance; false when there is none. */
bool aws_imds_region(struct aws_sources *src, const char *config_endpoint, char **region);
/* Credentials from the JSON that container, instance and process providers share. Keys as AWS names
 * them. */
struct aws_json_names {
    const char *access, *secret, *token, *expiration;
};
MUST_USE enum err_code aws_credentials_from_json(const json_t *object,
                                                 const struct aws_json_names *names,
                                                 struct aws_credentials *out, struct err *e);

/* ---- cache.c: the credentials of a session, refreshed in time ---- */
struct aws_cache {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_loading, is_stopping, has_thread, is_wanted_fresh;
    bool is_given_up; /* somebody has waited for this load long enough */
    pthread_t thread;
    struct aws_credentials current;
    int64_t loaded_ms;   /* wall clock */
    int failures;        /* in a row */
    int64_t retry_at_ms; /* wall clock: no new attempt before */
    struct err error;    /* of the last failure */
};
void aws_cache_init(struct aws_cache *c);
void aws_cache_done(struct aws_cache *c);
/* A copy of credentials that have not expired; the caller owns it. */
MUST_USE enum err_code aws_cache_get(struct aws_session *s, struct aws_credentials *out,
                                     struct err *e);
/* A service said that these are expired: get new ones before the next call. */
void aws_cache_expire(struct aws_session *s, const char *access_key_id);
/* How long before the end the first refresh is tried. Pure. */
int64_t aws_refresh_window_ms(int64_t life_ms);

struct aws_session {
    struct aws_settings settings;
    struct aws_sources *owned_sources; /* NULL: the settings' are somebody else's */
    struct aws_cache cache;
    _Atomic int64_t offset_ms[AWS_SERVICE_COUNT];
    _Atomic int64_t mono_offset_ms[AWS_SERVICE_COUNT]; /* to clock_mono_ms(); 0: not known yet */
    pthread_mutex_t budget_lock;
    struct aws_budget budgets[AWS_SERVICE_COUNT]; /* as each SDK client has its own */
};
/* The retry quota of the call's service: what a retry costs, or no; and back when it succeeded. */
bool aws_retry_take(struct aws_session *s, const struct aws_call *call, int64_t *spent);
void aws_retry_give(struct aws_session *s, const struct aws_call *call, int64_t spent);
/* Before attempt + 1, with full jitter. */
int64_t aws_retry_pause_ms(int attempt);
/* Before the next attempt: what the last one brought. */
void aws_call_forget(struct aws_call *call);
/* What became of a call: the service's brake learns of it. */
void aws_brake_note(struct aws_session *s, const struct aws_call *call);
/* A session over replaced sources (tests). */
MUST_USE enum err_code aws_session_open_with(const struct aws_options *options,
                                             struct aws_sources *src, struct aws_session **out,
                                             struct err *e);

/* ---- request.c: a call becomes bytes ---- */
struct aws_attempt {
    int number, max;
    const char *invocation_id;
};
struct aws_wire {
    struct aws_attempt attempt;
    struct arena arena;
    char *url, *path; /* path: as signed, the endpoint's base path included */
    const char *method;
    struct sigv4_header headers[16]; /* all that is sent, authorization included */
    size_t n_headers;
    char *body; /* NULL: none */
    size_t body_n;
    char access_key_id[129]; /* that signed it */
};
/* out->attempt was set by the caller. */
MUST_USE enum err_code aws_wire_build(struct aws_session *s, const struct aws_call *call,
                                      struct aws_wire *out, struct err *e);
void aws_wire_done(struct aws_wire *w);

/* ---- outcome.c: an answer becomes an outcome. Pure ---- */
struct aws_answer {
    bool is_complete;    /* a whole answer came */
    bool is_written;     /* the request may have left: the connection stood and writing began */
    const char *trouble; /* in words, when not complete */
    int http_status;
    const char *error_type;  /* x-amzn-errortype, or NULL */
    const char *query_error; /* x-amzn-query-error, or NULL */
    const char *body;        /* NUL-terminated */
    size_t body_n;
};
void aws_outcome_set(struct aws_call *call, const struct aws_answer *answer);
/* Fills outcome and error of a call that was never sent. */
void aws_outcome_not_sent(struct aws_call *call, enum aws_error_class error_class,
                          const struct err *e);
enum aws_error_class aws_error_class_of(const char *code, const char *message, int http_status);
/* The answer may be asked for again (reads): trouble on the way, 5xx, throttling. */
bool aws_is_worth_a_retry(const struct aws_call *call);

/* ---- transport.c: one exchange over a curl handle ---- */
struct aws_transfer;
struct aws_transfer *aws_transfer_new(struct aws_session *s, struct aws_call *call,
                                      struct aws_wire *wire); /* takes the wire */
void *aws_transfer_handle(struct aws_transfer *t);            /* the CURL handle */
/* Reads the result into the call. curl_code is curl's verdict. */
void aws_transfer_finish(struct aws_transfer *t, int curl_code);
void aws_transfer_free(struct aws_transfer *t);
/* Builds, signs and wraps a call; NULL when it ended before it began (the call says why). */
struct aws_transfer *aws_transfer_prepare(struct aws_session *s, struct aws_call *call,
                                          const struct aws_attempt *attempt);

/* ---- xml.c ---- */
/* The text of every element without children, by name (the last of a name counts). NULL when
 * malformed. Caller owns. */
json_t *aws_xml_leaves(const char *xml, size_t n);

/* ---- sts.c ---- */
struct aws_form {
    const struct aws_credentials *by; /* signs it; NULL: unsigned */
    struct buf body;
};
void aws_form_add(struct aws_form *f, const char *name, const char *value);
/* Calls STS with a form and frees it. The answer's Credentials go to out. */
MUST_USE enum err_code aws_sts_credentials(const struct aws_settings *s, struct aws_form *form,
                                           struct aws_credentials *out, struct err *e);

#define AUTO_CREDENTIALS __attribute__((cleanup(aws_credentials_done)))
#define AUTO_REPLY       __attribute__((cleanup(aws_http_reply_done)))
#define AUTO_FILE        __attribute__((cleanup(aws_file_done)))
#define AUTO_OUTPUT      __attribute__((cleanup(aws_output_done)))
void aws_http_reply_done(struct aws_http_reply *r); /* wipes */
void aws_file_done(struct aws_file *f);             /* wipes */
void aws_output_done(struct aws_output *o);         /* wipes */

#endif
