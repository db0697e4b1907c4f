/*
 * hook.h - a message that was delivered to a trigger, on its way to a run. Private to the floor.
 */
#ifndef STEWARD_HOOK_H
#define STEWARD_HOOK_H

#include "api_private.h"
#include "steward/hook_auth.h"
#include "steward/plan.h"
#include "steward/sns_message.h"
#include "steward/triggers_store.h"

struct hook_work {
    /* the trigger */
    const char *trigger, *config, *updated;
    enum hook_auth auth;
    enum run_kind kind;
    bool is_quiet;
    const char *topic_arn;
    json_t *options; /* of its runs; owned */
    /* the message */
    struct hook_request request;
    json_t *payload; /* the body, when it is JSON; owned */
    json_t *inner;   /* the JSON inside an SNS message; owned */
    struct sns_message sns;
    json_t *files;            /* parameter files to be applied, of the objects; owned */
    json_t *objects;          /* S3 objects it tells of; NULL: it is no such notification; owned */
    const char *data_version; /* NULL: it names none */
    char id_key[HOOK_ID_BYTES], message_id[HOOK_ID_BYTES];
    char content_key[HOOK_ID_BYTES], body_sha256[HEX_SHA256];
    bool has_id;
    /* the run */
    struct parameter_file file;
    struct plan plan;
    struct hook_guard guard;
    struct hook_delivery delivery;
    const char *config_version;
    int64_t retry_after_s;
    bool is_waiting; /* a run of the trigger waits for quiet already */
};

/* In the call's state; freed with it. */
struct hook_work *hook_work_new(struct call *c);

/* ---- hook_start.c ---- */
/* What the message says: data version, S3 objects, the keys by which it is known again. Answers 422
 * and returns false when the data version is malformed. */
bool hook_read_payload(struct call *c, struct hook_work *w);
/* From an authenticated message to the answer. */
void hook_start(struct call *c);
/* The trigger's row of hooks_store_find(). False: its kind is none that this release knows. */
bool hook_take_trigger(struct call *c, struct hook_work *w);
/* Plans the run from the row of configs_store_current() at op; a sentence when it can not be. */
const char *hook_plan(struct call *c, struct hook_work *w, size_t op);
/* Fills the guard for the plan. */
void hook_fill_guard(struct call *c, struct hook_work *w);

/* ---- sns_fetch.c ---- */
struct sns_certificates; /* those that were fetched; of the loop thread */
struct sns_certificates *sns_certificates_new(struct api *api);
/* Calls under way are answered 503. */
void sns_certificates_flush(struct sns_certificates *s);
void sns_certificates_free(struct sns_certificates *s);
/* Verifies w->sns; then good, or bad (also when the certificate can not be had). */
void sns_check(struct call *c, phase_fn good, phase_fn bad);
/* GETs the subscribe URL; then good, or bad. */
void sns_confirm(struct call *c, phase_fn good, phase_fn bad);

#endif
