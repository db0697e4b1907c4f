/*
 * api_private.h - what the files of this floor share: the call, its phases, the route table.
 *
 * A request is a list of phases. A phase is a plain function: it reads the rows of the phase before
 * and either asks for the next statements (call_read, call_list, call_write) or answers. The cut
 * between two phases is hidden in phases.c.
 */
#ifndef STEWARD_API_PRIVATE_H
#define STEWARD_API_PRIVATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steward/api.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/parameter_file.h"
#include "steward/rows.h"
#include "steward/str.h"

#define CALL_OPS_MAX      24
#define CALL_RESTARTS_MAX 3
#define LIMIT_MAX         200
#define LIMIT_DEFAULT     50

enum scope {
    SCOPE_OPEN,
    SCOPE_READ,
    SCOPE_OPERATE,
    SCOPE_APPLY,
    SCOPE_ADMIN,
    SCOPE_METRICS,
    SCOPE_COUNT
};
enum body_rule {
    BODY_NONE,
    BODY_JSON,
    BODY_OPTIONAL,
    BODY_DOCUMENT,
    BODY_ANY /* whatever the sender sends: its signature is over the bytes */
};

struct call;
typedef void (*phase_fn)(struct call *c);

enum route_flag {
    ROUTE_UNMETERED = 1,  /* waits on purpose: not counted in flight */
    ROUTE_DATALESS = 2,   /* answers without a database */
    ROUTE_STARTS_RUN = 4, /* counts against the rate of starting runs */
    /* what it can answer with besides JSON */
    ROUTE_TEXT = 8,    /* text/plain, text/markdown */
    ROUTE_STREAM = 16, /* text/event-stream */
    ROUTE_SCHEMA = 32  /* application/schema+json, which is JSON too */
};

struct api_route {
    const char *method, *path, *operation;
    enum scope scope;
    phase_fn start;
    enum body_rule body;
    unsigned flags;        /* of enum route_flag */
    const char *query[12]; /* names it takes besides pretty (and dryRun of mutating ones) */
};
extern const struct api_route api_routes[];
extern const size_t n_api_routes;

struct principal {
    char token_id[TOKEN_ID_BYTES];
    unsigned scopes; /* bit per enum scope */
};

/* What a write tells the world besides its effect. */
struct write_note {
    int status;           /* of the answer */
    const char *location; /* NULL: none */
    const char *link;     /* NULL: none */
    const char *detail;   /* JSON object for the audit row; NULL: {} */
    phase_fn next;        /* runs after the commit */
};

struct call {
    struct api *api;
    struct http_request *rq;
    struct arena *arena; /* lives as long as the request */
    const struct api_route *route;
    struct route_match match;
    struct principal who;
    const char *peer; /* the client's address; behind a trusted proxy the one that it names */
    bool is_dry_run;
    bool is_prune;               /* ?prune=true: delete what left the file */
    const char *idempotency_key; /* NULL: none */
    const char *traceparent;     /* of W3C Trace Context; NULL: none, or malformed */
    const char *fence_sha256;    /* the ETag that a write was asked to find; NULL: any */
    phase_fn found_next;         /* of schedule_find() */
    char body_sha256[HEX_SHA256];
    const struct db_reply *reply; /* of the phase before; valid in this phase only */
    phase_fn next;
    phase_fn on_stale; /* where a write starts over when its fence was raised */
    int restarts;
    bool is_write; /* the submission under way */
    bool is_in_flight;
    bool is_allowed_origin; /* CORS */
    bool is_parked;         /* long poll: in api->waiting */
    struct write_note note;
    size_t answer_op;                /* of the last op given to call_write */
    json_t *body;                    /* parsed; owned */
    void *state;                     /* the handler's own */
    struct observation *observation; /* the look that is waited for (observe.h) */
    phase_fn observation_next;
    void (*state_done)(void *state);
    struct call *next_waiting;
};

struct auth_cache;
struct answer_cache;
struct refusals;
struct feed;
struct metrics;
struct sns_certificates;

struct api {
    struct api_options options;
    struct db *db;
    const struct plan_settings *settings;
    struct router *router;
    struct router_entry *entries; /* borrowed by the router */
    struct auth_cache *auth;
    struct answer_cache *answers;
    struct refusals *refusals;
    struct feed *feed;
    struct metrics *metrics;
    struct sns_certificates *certificates;
    size_t in_flight;
    int64_t refusal_second; /* log lines about 503 in this second */
    int refusals_told;
    bool is_quiescing;
};

/* ---- phases.c ---- */
/* One statement or several of one lane; next runs with their rows. */
void call_read(struct call *c, const struct db_op *ops, size_t n, phase_fn next);
void call_list(struct call *c, const struct db_op *op, phase_fn next);
/* One transaction: lock of the idempotency key, ops, audit row, kept answer. When a fence (ST001)
   or a unique violation stops it, on_stale starts over, at most three times. The last of ops is
   often an …_answer(): c->answer_op is its number among the results. */
void call_write(struct call *c, const struct db_op *ops, size_t n, const struct write_note *note);
/* What was read is out of date: begins again with start, at most three times, then 409. */
void call_start_over(struct call *c, phase_fn start);
/* Looks for a kept answer first, when the request has a key; then begins with start. */
void call_begin_write(struct call *c, phase_fn start);

/* ---- answer.c ---- */
void answer_problem(struct call *c, int status, const char *code, const char *detail);
PRINTF_LIKE(4, 5)
void answer_problemf(struct call *c, int status, const char *code, const char *fmt, ...);
/* All findings at once; the sentence is the finding's own when there is one. */
void answer_findings(struct call *c, int status, const char *code, const struct findings *f);
/* Answers 422 when there is any, and frees them; true when it answered. */
bool answer_if_found(struct call *c, const char *code, struct findings *f);
/* One field's problem: 422 with errors [{pointer, code, detail}]. */
void answer_field(struct call *c, const char *pointer, const char *code, const char *detail);
void answer_not_found(struct call *c, const char *what, const char *name);
/* JSON text as it is. */
void answer_text(struct call *c, int status, const char *text, size_t n);
void answer_json(struct call *c, int status, const json_t *value);
/* One resource with its strong ETag; 304 when the client has it. tag: NULL: the hash alone. */
void answer_resource(struct call *c, const char *text, size_t n, const char *tag);
/* The ETag answer_resource() would send, in quotes. */
void answer_etag(const char *text, size_t n, const char *tag, char out[96]);
/* True when one of the entity tags of the header equals etag. */
bool etag_matches(const char *header, const char *etag);
/* Of the one resource whose JSON is in the reply: 412 and false when If-Match names another state.
   When there is an If-Match, c->fence_sha256 becomes what the write has to find unchanged. */
bool check_if_match(struct call *c, size_t op, int column, const char *what);
/* Rows (key, json, …) of op 0 as {"items", "next"}; more than limit rows were asked for, so one too
 * many says there is more. */
void answer_page(struct call *c, int64_t limit);
/* What a request would do: 200 {"dryRun": true, …} with the members of what, which it takes. */
void answer_dry_run(struct call *c, json_t *what);
/* 409: the config is not at the version a plan was made for. NULL: there is none. */
void answer_world_moved(struct call *c, const char *config, const char *then, const char *now);
/* A committed write: status, Location and Link of the note, body of the answer op. */
void answer_written(struct call *c, const char *text);
/* The same with a secret (NULL: none) added under this name: the kept answer of an idempotent
 * request has none, so that it is shown once. */
void answer_with_secret(struct call *c, const char *name, const char *secret);

/* As answer_resource(), of which etag is known already. */
void answer_tagged(struct call *c, const char *text, size_t n, const char *etag);
/* answer_page() of items that are one text already. next: key of the last shown row when there are
 * more, or NULL. */
void answer_items(struct call *c, const char *items, size_t n, const char *next);

/* ---- answer_cache.c ---- */
#define KEPT_VERSION_BYTES 96
struct kept_answer {
    char key[64], version[KEPT_VERSION_BYTES], etag[40];
    char next[ID_BYTES]; /* of a page: key of its last row when there are more; "" */
    size_t n;
    char text[]; /* NUL-terminated */
};
struct answer_cache *answer_cache_new(void);
void answer_cache_free(struct answer_cache *cache);
/* Valid until the next answer_cache_keep(). */
const struct kept_answer *answer_cache_find(const struct answer_cache *cache, const char *key);
/* Copies both; new->n bytes of text. */
void answer_cache_keep(struct answer_cache *cache, const struct kept_answer *new, const char *text);

/* ---- query.c ---- */
/* Refuses names that the route does not take; answers 400 and returns false. */
bool query_check(struct call *c);
bool query_flag(const struct call *c, const char *name, bool *out); /* false when malformed */
/* 1..200; answers 400 and returns false when malformed. *plus_one is limit + 1 as text. */
bool query_limit(struct call *c, int64_t *limit, const char **plus_one);
/* Key of the row the page begins after; NULL: the first page. Answers 400 and returns false for a
 * foreign cursor. */
bool query_cursor(struct call *c, const char **key);
char *cursor_make(struct call *c, const char *key);
/* All values of a repeated parameter as a text array literal, NULL when absent. allowed:
 * NULL-terminated or NULL. */
bool query_list(struct call *c, const char *name, const char *const *allowed, const char **literal);
bool query_time(struct call *c, const char *name, const char **text);
bool query_integer(struct call *c, const char *name, const int64_t range[2], int64_t *out);

/* ---- body.c ---- */
/* Parses the JSON object of the body into c->body; answers 400 (broken), 415 or 422 (no object) and
 * returns false. */
bool body_parse(struct call *c);
/* The same for a JSON list. */
bool body_parse_list(struct call *c);
/* One row per member the body may have. */
struct body_member {
    const char *name;
    json_type type; /* JSON_TRUE: a boolean */
    bool is_required;
    size_t max_length; /* of strings; 0: 1,000 */
};
/* An object of the body, and where it is. */
struct body_object {
    const json_t *object;
    const char *pointer;
};
void body_check_object(const struct body_object *at, const struct body_member *members, size_t n,
                       struct findings *f);
/* All problems at once: unknown, missing, wrong type, too long. Answers 422 and returns false. */
bool body_check(struct call *c, const struct body_member *members, size_t n);

/* ---- auth.c ---- */
struct auth_cache *auth_cache_new(void);
void auth_cache_free(struct auth_cache *cache);
void auth_forget(struct api *api, const char *token_id);
/* Calls next with c->who filled, or answers 401 / 403. */
void auth_check(struct call *c, phase_fn next);
const char *scope_name(enum scope scope);
bool scope_find(const char *name, enum scope *out);

/* ---- refuse.c ---- */
struct refusals *refusals_new(struct api *api);
void refusals_flush(struct refusals *r); /* those that wait are answered now */
void refusals_close(struct refusals *r); /* freed in the loop's next turn */
/* 401, not before --auth-failure-delay; 429 when the address had too many. Told to the audit log.
 */
void refuse_unauthenticated(struct call *c, const char *detail);
void audit_refusal(struct call *c, int status, const char *token_id);
/* Counts the request of a token; answers 429 and returns false when it is one too many. */
bool rate_admit(struct call *c);
/* The same of a trigger, with the rate of reads: an upload of many parts is many messages. */
bool rate_admit_hook(struct call *c, const char *trigger);

/* ---- login.c ---- */
#define TICKET_TEXT_BYTES 65
void ticket_new(char text[TICKET_TEXT_BYTES], char sha256_hex_out[65]);

/* ---- feed.c ---- */
struct feed *feed_new(struct api *api);
void feed_start(struct feed *feed); /* the database is there */
void feed_poke(struct feed *feed);
void feed_stop(struct feed *feed);  /* ends streams and long polls */
void feed_close(struct feed *feed); /* closes handles; freed in the next turn */
/* Parks a long poll: wake is called when an event of the run arrives, or at the deadline
 * (is_expired set). */
struct feed_waiter {
    struct feed_waiter *next;
    struct call *call;
    const char *run_id;
    int64_t deadline_ms;
    bool is_expired;
    void (*wake)(struct feed_waiter *w);
};
void feed_wait(struct feed *feed, struct feed_waiter *w);
struct feed_filter {
    char **types; /* patterns with one trailing *; NULL-terminated or NULL */
    char *config, *run_id;
};
void feed_stream(struct call *c, const struct feed_filter *filter, int64_t after);
void feed_filter_done(struct feed_filter *f);
size_t feed_clients(const struct feed *feed);
/* Streams of a token or an address (NULL: any). */
size_t feed_streams_of(const struct feed *feed, const char *token_id, const char *peer);
int64_t feed_last(const struct feed *feed);

/* ---- metrics.c ---- */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
void metrics_count(struct metrics *m, const struct api_route *route, int status, int64_t us);

/* Answers 404 for what can not be a config's name, before any statement is made of it. */
bool config_name_check(struct call *c);

/* ---- schedules.c ---- */
/* Makes the id of what the path names, an id or the name of one live schedule, and goes on with
 * next; answers 404, or 409 when several have the name. */
void schedule_find(struct call *c, phase_fn next);

/* ---- pause.c ---- */
/* op: the reply of pause_store_read(). Answers 423 with the reason and returns true while spending
 * is stopped. */
bool answer_if_paused(struct call *c, size_t op);

/* ---- handlers, one file per resource ---- */
void api_config_put(struct call *c);
void api_config_delete(struct call *c);
void api_config_plan_post(struct call *c);
void api_config_import(struct call *c);
void api_config_plan_get(struct call *c);
void api_run_approve(struct call *c);
void api_run_reject(struct call *c);
void api_campaign_promote(struct call *c);
void api_campaign_unpin(struct call *c);
void api_config_post(struct call *c);
void api_config_validate(struct call *c);
void api_configs_list(struct call *c);
void api_config_get(struct call *c);
void api_config_versions(struct call *c);
void api_config_version(struct call *c);
void api_config_resources(struct call *c);
void api_solution_versions(struct call *c);
void api_runs_list(struct call *c);
void api_run_get(struct call *c);
void api_run_events(struct call *c);
void api_run_post(struct call *c);
void api_run_cancel(struct call *c);
void api_run_retry(struct call *c);
void api_schedules_list(struct call *c);
void api_schedule_get(struct call *c);
void api_schedule_fires(struct call *c);
void api_schedule_post(struct call *c);
void api_schedule_patch(struct call *c);
void api_schedule_delete(struct call *c);
void api_schedule_run(struct call *c);
void api_pause_get(struct call *c);
void api_pause_post(struct call *c);
void api_resume_post(struct call *c);
void api_config_patch(struct call *c);
void api_campaign_patch(struct call *c);
void api_recommender_patch(struct call *c);
void api_config_schedule_get(struct call *c);
void api_config_rollback(struct call *c);
void api_plan_post(struct call *c);
void api_plan_get(struct call *c);
void api_plan_apply(struct call *c);
void api_problems(struct call *c);
void api_orphans(struct call *c);
void api_overview(struct call *c);
void api_events(struct call *c);
void api_recipes(struct call *c);
void api_quotas(struct call *c);
void api_event_types(struct call *c);
void api_event_type_get(struct call *c);
void api_schemas(struct call *c);
void api_schema_parameter_file(struct call *c);
void api_webhooks_list(struct call *c);
void api_channels_list(struct call *c);
void api_webhook_get(struct call *c); /* this, deliveries, test and replay: of channels, too */
void api_webhook_post(struct call *c);
void api_webhook_patch(struct call *c);
void api_webhook_delete(struct call *c);
void api_webhook_rotate(struct call *c);
void api_webhook_deliveries(struct call *c);
void api_webhook_test(struct call *c);
void api_webhook_replay(struct call *c);
void api_triggers_list(struct call *c);
void api_trigger_get(struct call *c);
void api_trigger_post(struct call *c);
void api_trigger_patch(struct call *c);
void api_trigger_delete(struct call *c);
void api_trigger_rotate(struct call *c);
void api_trigger_deliveries(struct call *c);
void api_trigger_test(struct call *c);
void api_hook_post(struct call *c);
void api_tokens_list(struct call *c);
void api_token_get(struct call *c);
void api_token_post(struct call *c);
void api_token_delete(struct call *c);
void api_token_rotate(struct call *c);
void api_login_ticket_post(struct call *c);
void api_login_post(struct call *c);
void api_audit(struct call *c);
void api_livez(struct call *c);
void api_readyz(struct call *c);
void api_version(struct call *c);
void api_metrics(struct call *c);
void api_openapi_yaml(struct call *c);
void api_openapi_json(struct call *c);
void api_docs(struct call *c);
void api_docs_style(struct call *c);
void api_root(struct call *c);

#endif
