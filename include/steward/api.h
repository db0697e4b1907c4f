/*
 * api.h - the REST API: from a complete HTTP request to its one answer, on the loop thread.
 *
 * The API and the engine meet in rows only: what the API needs of the process it runs in comes
 * through api_host.
 */
#ifndef STEWARD_API_H
#define STEWARD_API_H

#include <jansson.h>
#include <stdio.h>
#include <uv.h>

#include "steward/db.h"
#include "steward/http.h"
#include "steward/plan.h"

struct api;
struct outbound_rules;
struct secret_box;

/* Counters of the engine for /metrics: pairs of (metric name without prefix, value). */
struct api_counter {
    const char *name, *help;
    uint64_t value;
};

/* The process around the API. All called on the loop thread. */
struct api_host {
    void *user;
    void (*wake)(void *user);                                          /* work was committed */
    size_t (*counters)(void *user, struct api_counter *out, size_t n); /* how many it filled */
    /* Adds one member per thing the server waits for: {"database": "starting"}; empty = ready. */
    void (*not_ready)(void *user, json_t *reasons);
};

/* Rates per token; 0: no limit. Bursts: four seconds of reads, five of writes. */
struct api_rates {
    int64_t reads_per_second, writes_per_second, runs_per_minute, admin_per_minute;
    int64_t failed_auth_per_minute; /* per address */
};

struct api_options {
    uv_loop_t *loop;
    struct api_host host;
    const char *version; /* "0.1.0" */
    const char *commit;  /* "" when unknown */
    bool is_simulated;
    bool is_metrics_open;
    size_t in_flight_limit; /* then 503; 256 */
    struct api_rates rates;
    int64_t auth_failure_ms;                       /* a 401 is not given before */
    size_t streams_per_token, streams_per_address; /* 0: no limit */
    const char *const *trusted_proxies;    /* addresses; NULL-terminated or NULL: X-Forwarded-For is
                                              not believed */
    const char *const *cors_origins;       /* NULL-terminated or NULL: none */
    const struct outbound_rules *outbound; /* where webhooks may go */
    struct secret_box *secrets;            /* what their secrets are sealed with */
    int fuse_per_solution, fuse_per_account; /* trainings within 24 hours: what triggers ask before
                                                they start a run */
};

struct api *api_new(const struct api_options *options);
/* The database is there (schema complete); settings (borrowed) are where plans find account, bucket
   and roles. Before this every route that needs data answers 503. */
void api_attach(struct api *api, struct db *db, const struct plan_settings *settings);
/* Committed events may be numbered: look now. */
void api_on_events(struct api *api);
/* Long polls are answered and streams ended; no database use afterwards. */
void api_quiesce(struct api *api);
/* After the HTTP server and the database are closed; handles close in the loop's next turn. */
void api_close(struct api *api);

/* For http_options. */
size_t api_on_headers(struct http_request *rq, void *api);
void api_on_request(struct http_request *rq, void *api);
void api_on_done(struct http_request *rq, void *api);
extern const struct http_header_pair api_default_headers[];
extern const struct http_header_pair api_default_headers_tls[]; /* and HSTS */

/* The route table as JSON lines for tools: {"routes": [{method, path, operation, scope, query}]}.
 */
void api_print_routes(FILE *to);

/* ---- tokens: stw_<id 12>_<secret 43>_<crc 6>, base62 ---- */
#define TOKEN_ID_BYTES   13
#define TOKEN_TEXT_BYTES 72
struct token_text {
    char id[TOKEN_ID_BYTES];
    char text[TOKEN_TEXT_BYTES];
    char secret_sha256_hex[65];
};
void token_new(struct token_text *out);
/* The same secret under another id (rotation). */
void token_with_id(struct token_text *t, const char *id);
/* Checks form and checksum; fills id and hash. */
bool token_parse(const char *text, struct token_text *out);

#endif
