/*
 * admin.c - the simulator's own resources below /_simulator/: instance, clock, quotas, faults,
 * roles, ledger, snapshot, reset. Plain JSON, no signature; requests that a web page of another
 * origin sends are refused.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data_plane.h"
#include "neighbour.h"
#include "s3.h"
#include "state.h"
#include "steward/clock.h"
#include "steward/conf.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/mem.h"
#include "wire.h"

#define SETTLE_MAX_MS INT64_C(120000)
#define LEDGER_LIMIT  10000

struct admin_wait {
    struct admin_wait *next;
    struct http_request *rq;
};

static void respond(struct http_request *rq, int status, json_t *value)
{
    http_respond_json(rq, status, value);
    json_decref(value);
}

static void refuse(struct http_request *rq, const struct err *e)
{
    http_problem_err(rq, e);
}

/* The request's JSON object; NULL after it was refused. */
static json_t *read_object(struct http_request *rq)
{
    json_t *in = NULL;
    size_t n;
    const char *body = http_body(rq, &n);
    struct err e;

    if (n == 0)
        return json_object();
    if (json_parse(body, n, &in, NULL, &e) == OK && json_is_object(in))
        return in;
    if (in)
        (void) err_set(&e, ERR_INVALID, "The body must be a JSON object.");
    json_decref(in);
    refuse(rq, &e);
    return NULL;
}

static void get_instance(struct wire *w, struct http_request *rq)
{
    respond(rq, 200,
            json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:I, s:b}", "instanceId", w->instance_id,
                      "pid", (int) getpid(), "port", (int) http_server_port(w->server), "version",
                      STEWARD_VERSION, "accountId", w->sim->settings.account_id, "region",
                      w->sim->settings.region, "timeScale",
                      (json_int_t) w->sim->settings.time_scale, "simulated", true));
}

/* ---- clock ---- */

static json_t *clock_json(const struct sim *s)
{
    char now[CLOCK_TEXT_BYTES];

    clock_format_ms(sim_now_ms(s), now);
    return json_pack("{s:s, s:b, s:I, s:I}", "now", now, "isFrozen", s->clock.is_frozen,
                     "timeScale", (json_int_t) s->settings.time_scale, "working",
                     (json_int_t) s->working);
}

static void get_clock(struct wire *w, struct http_request *rq)
{
    respond(rq, 200, clock_json(w->sim));
}

static enum err_code set_clock(struct sim *s, const json_t *in, struct err *e)
{
    const char *set = json_text(in, "set"), *advance = json_text(in, "advance");
    int64_t now = sim_now_ms(s), ms;

    if (set) {
        if (!clock_parse(set, &now))
            return err_set(e, ERR_INVALID, "\"%.60s\" is not a time such as 2026-01-31T12:00:00Z.",
                           set);
    }
    if (advance) {
        if (!conf_duration_ms(advance, &ms))
            return err_set(e, ERR_INVALID,
                           "\"%.60s\" is not a duration such as 30s, 15m, 2h or 7d.", advance);
        now += ms;
    }
    if (json_object_get(in, "timeScale"))
        s->settings.time_scale = json_int_or(in, "timeScale", s->settings.time_scale);
    s->clock.is_frozen = json_bool_or(in, "freeze", s->clock.is_frozen);
    if (now > sim_now_ms(s))
        s->clock.jump_to_ms = now;
    s->clock.base_ms = now;
    s->clock.wall_ms = clock_wall_ms();
    return OK;
}

void admin_close(struct wire *w)
{
    while (w->admin_waiting) {
        struct admin_wait *wait = w->admin_waiting;

        w->admin_waiting = wait->next;
        respond(wait->rq, 200, clock_json(w->sim));
        free(wait);
    }
}

void admin_settle(struct wire *w)
{
    if (!w->admin_waiting || w->sim->working > 0)
        return;
    life_advance(w->sim);
    state_flush(w->sim);
    if (w->sim->working > 0)
        return;
    admin_close(w);
}

/* Answers when all that became due has happened, the work of jobs included. */
static void post_clock(struct wire *w, struct http_request *rq)
{
    AUTO_JSON json_t *in = read_object(rq);
    struct admin_wait *wait;
    struct err e;

    if (!in)
        return;
    if (set_clock(w->sim, in, &e)) {
        refuse(rq, &e);
        return;
    }
    life_advance(w->sim);
    state_flush(w->sim);
    state_save_settings(w->sim);
    wait = xcalloc(1, sizeof *wait);
    wait->rq = rq;
    wait->next = w->admin_waiting;
    w->admin_waiting = wait;
    http_extend(rq, SETTLE_MAX_MS);
    wire_settle(w);
}

/* ---- quotas, faults, roles ---- */

static void get_quotas(struct wire *w, struct http_request *rq)
{
    json_t *out = json_object();

    for (size_t i = 0; i < QUOTA_COUNT; i++)
        json_object_set_new(out, quota_name((enum quota_id) i), json_integer(w->sim->quotas[i]));
    respond(rq, 200, out);
}

static void post_quotas(struct wire *w, struct http_request *rq)
{
    AUTO_JSON json_t *in = read_object(rq);
    const char *name;
    json_t *value;
    struct err e;

    if (!in)
        return;
    json_object_foreach (in, name, value) {
        if (json_is_integer(value) && quota_set(w->sim->quotas, name, json_integer_value(value)))
            continue;
        (void) err_set(&e, ERR_INVALID,
                       "\"%.60s\" is not a quota with a number from 0; GET lists them.", name);
        refuse(rq, &e);
        return;
    }
    state_save_settings(w->sim);
    get_quotas(w, rq);
}

static void get_faults(struct wire *w, struct http_request *rq)
{
    respond(rq, 200, json_pack("{s:o}", "rules", faults_to_json(&w->sim->faults)));
}

static void delete_faults(struct wire *w, struct http_request *rq)
{
    faults_clear(&w->sim->faults);
    state_save_settings(w->sim);
    get_faults(w, rq);
}

/* One rule, or {"rules": [...]}; "replace": true drops the old ones first, "seed" loads the dice.
 */
static void post_faults(struct wire *w, struct http_request *rq)
{
    AUTO_JSON json_t *in = read_object(rq);
    AUTO_JSON json_t *rules = NULL;
    struct err e;

    if (!in)
        return;
    rules = json_is_array(json_object_get(in, "rules")) ? json_incref(json_object_get(in, "rules"))
                                                        : json_pack("[O]", in);
    if (json_bool_or(in, "replace", false))
        faults_clear(&w->sim->faults);
    if (json_object_get(in, "rules"))
        w->sim->faults.seed = (uint64_t) json_int_or(in, "seed", (json_int_t) w->sim->faults.seed);
    for (size_t i = 0; i < json_array_size(rules); i++) {
        if (fault_add_json(&w->sim->faults, json_array_get(rules, i), &e)) {
            refuse(rq, &e);
            return;
        }
    }
    state_save_settings(w->sim);
    get_faults(w, rq);
}

static void get_roles(struct wire *w, struct http_request *rq)
{
    http_respond_json(rq, 200, w->sim->roles);
}

/* {"arn:aws:iam::…:role/x": {"trust": true, "buckets": ["b"]}}: declared for --strict-iam; null
 * takes one away. */
static void post_roles(struct wire *w, struct http_request *rq)
{
    AUTO_JSON json_t *in = read_object(rq);
    const char *arn;
    json_t *role;

    if (!in)
        return;
    json_object_foreach (in, arn, role) {
        if (json_is_null(role))
            (void) json_object_del(w->sim->roles, arn);
        else
            json_object_set(w->sim->roles, arn, role);
    }
    state_save_settings(w->sim);
    get_roles(w, rq);
}

/* ---- ledger, snapshot, reset ---- */

static void get_ledger(struct wire *w, struct http_request *rq)
{
    struct ledger_query query = { .operation = http_query(rq, "operation"),
                                  .effects_only = http_query(rq, "effects") != NULL,
                                  .limit = LEDGER_LIMIT };
    const char *since = http_query(rq, "since");

    if (since && !str_to_i64(since, 0, INT64_MAX, &query.since)) {
        struct err e;

        (void) err_set(&e, ERR_INVALID, "since must be a sequence number.");
        refuse(rq, &e);
        return;
    }
    respond(rq, 200, json_pack("{s:o}", "calls", ledger_read(w->ledger, &query)));
}

static void get_messages(struct wire *w, struct http_request *rq)
{
    respond(rq, 200, neighbour_messages(w));
}

static void get_snapshot(struct wire *w, struct http_request *rq)
{
    respond(rq, 200, state_snapshot(w->sim));
}

static void empty_world(struct sim *s)
{
    for (size_t k = 0; k < SIM_KIND_COUNT; k++)
        while (s->world.kinds[k].count)
            world_remove(&s->world, s->world.kinds[k].items[s->world.kinds[k].count - 1]);
    state_flush(s);
}

/* Data and models of resources that are gone; a job that still reads one fails, as it should. */
static void remove_files(const struct sim *s, const char *folder)
{
    AUTO_FREE char *path = xasprintf("%s/%s", s->data_dir, folder);
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) != 0)
            log_event(LOG_WARN, "simulator", "file_not_removed", "file=%s",
                      log_quote(entry->d_name));
    if (dir)
        (void) closedir(dir);
}

/* Resources, objects and ledger go; quotas, faults and clock stay unless "settings" is true. */
static void post_reset(struct wire *w, struct http_request *rq)
{
    AUTO_JSON json_t *in = read_object(rq);
    struct sim *s = w->sim;
    struct err e;

    if (!in)
        return;
    empty_world(s);
    remove_files(s, "data");
    remove_files(s, "models");
    runtime_done();
    ledger_reset(w->ledger);
    neighbour_reset(w);
    if (json_bool_or(in, "settings", false)) {
        quota_defaults(s->quotas);
        faults_clear(&s->faults);
        json_object_clear(s->roles);
        s->clock = (struct model_clock){ .base_ms = clock_wall_ms(), .wall_ms = clock_wall_ms() };
        state_save_settings(s);
    }
    if (!json_bool_or(in, "keepObjects", false) && s3_store_reset(s->s3, &e)) {
        refuse(rq, &e);
        return;
    }
    respond(rq, 200, json_pack("{s:b}", "reset", true));
}

static void post_snapshot(struct wire *w, struct http_request *rq)
{
    AUTO_JSON json_t *in = read_object(rq);
    struct err e;

    if (!in)
        return;
    if (json_bool_or(in, "replace", false))
        empty_world(w->sim);
    if (state_load(w->sim, in, &e)) {
        refuse(rq, &e);
        return;
    }
    respond(rq, 200, json_pack("{s:b}", "loaded", true));
}

static const struct {
    const char *method, *path;
    void (*handle)(struct wire *w, struct http_request *rq);
} routes[] = {
    { "GET", "instance", get_instance }, { "GET", "clock", get_clock },
    { "POST", "clock", post_clock },     { "GET", "quotas", get_quotas },
    { "POST", "quotas", post_quotas },   { "GET", "faults", get_faults },
    { "POST", "faults", post_faults },   { "DELETE", "faults", delete_faults },
    { "GET", "roles", get_roles },       { "POST", "roles", post_roles },
    { "GET", "ledger", get_ledger },     { "GET", "messages", get_messages },
    { "GET", "snapshot", get_snapshot }, { "POST", "snapshot", post_snapshot },
    { "POST", "reset", post_reset },
};

/* A browser names the page's origin on every request that another page could send. */
static bool is_foreign(const struct http_request *rq)
{
    const char *origin = http_header(rq, "origin"), *host = http_header(rq, "host");
    const char *authority = origin ? strstr(origin, "://") : NULL;

    return origin && !(authority && str_eq(authority + 3, host));
}

void admin_handle(struct wire *w, struct http_request *rq)
{
    const char *path = http_raw_path(rq) + strlen("/_simulator/");
    struct err e;

    if (is_foreign(rq)) {
        (void) err_set(&e, ERR_FORBIDDEN, "Pages of another origin may not steer the simulator.");
        refuse(rq, &e);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (str_eq(routes[i].method, http_method(rq)) && str_eq(routes[i].path, path)) {
            routes[i].handle(w, rq);
            return;
        }
    }
    (void) err_set(&e, ERR_NOT_FOUND, "The simulator has no %.20s /_simulator/%.60s.",
                   http_method(rq), path);
    refuse(rq, &e);
}
