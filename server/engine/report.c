/*
 * report.c - writing down: a work's command as a checkpoint item with its events.
 *
 * Whatever the command, the item says what was seen and when to look again; the store writes it
 * only when the lease still is ours. Event data is thin: ids and what people filter on.
 */
#include <stdio.h>
#include <string.h>

#include "steward/clock.h"
#include "steward/decide.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

static void add_event_as(struct work *w, const char *id, const char *type, json_t *data)
{
    json_array_append_new(w->events, json_pack("{s:s, s:s, s:s, s:o}", "event_id", id, "id",
                                               w->row.id, "type", type, "data", data));
}

static void add_event(struct work *w, const char *type, json_t *data)
{
    char id[ID_BYTES];

    id_new("evt", id);
    add_event_as(w, id, type, data);
}

static void set_text(json_t *item, const char *key, const char *value)
{
    if (!str_is_empty(value))
        json_object_set_new(item, key, json_string(value));
}

static void set_time(json_t *item, const char *key, const json_t *observed, const char *member)
{
    int64_t ms = decide_time_ms(observed, member);
    char text[CLOCK_TEXT_BYTES];

    if (ms == 0)
        return;
    clock_format_ms(ms, text);
    json_object_set_new(item, key, json_string(text));
}

/* What the kind or the verb adds. */
static void add_detail(json_t *item, const char *key, json_t *value)
{
    if (!json_object_get(item, "details"))
        json_object_set_new(item, "details", json_object());
    json_object_set_new(json_object_get(item, "details"), key, value);
}

/* What the description says about the resource, for the inventory. */
static void add_observed(struct work *w, json_t *item)
{
    const json_t *o = w->observed;
    const char *tracking_id;

    if (!o || w->row.verb == VERB_IMPORT || w->row.verb == VERB_AUDIT ||
        w->row.verb == VERB_APPROVE)
        return;
    json_object_set(item, "observed", (json_t *) o);
    set_text(item, "aws_status", decide_status(w->row.kind, o));
    set_text(item, "failure_reason", json_text(o, "failureReason"));
    set_text(item, "resource_name", json_text(o, w->row.kind->name_member));
    set_time(item, "aws_created_at", o, "creationDateTime");
    set_time(item, "aws_updated_at", o, "lastUpdatedDateTime");
    tracking_id = json_text(o, "trackingId");
    if (tracking_id)
        add_detail(item, "trackingId", json_string(tracking_id));
    if (w->row.kind->id != KIND_SOLUTION_VERSION)
        return;
    json_object_set_new(item, "version",
                        json_pack("{s:O?, s:O?, s:O?, s:O?}", "trainingMode",
                                  json_object_get(o, "trainingMode"), "trainingType",
                                  json_object_get(o, "trainingType"), "trainingHours",
                                  json_object_get(o, "trainingHours"), "metrics", w->metrics));
    if (w->metrics)
        add_detail(item, "metrics", json_incref(w->metrics));
}

static const char *result_otherwise(const struct work *w)
{
    const struct step *s = &w->row.step;
    bool has_acted = s->intent != INTENT_NONE;

    if (w->command.why == WHY_NOT_OURS || w->command.why == WHY_IN_USE)
        return "skipped";
    switch (s->goal) {
    case GOAL_ABSENT:
        return has_acted ? "deleted" : "unchanged";
    case GOAL_IDLE:
        return has_acted ? "stopped" : "unchanged";
    case GOAL_RELEASED:
        return has_acted ? "released" : "unchanged";
    case GOAL_ANSWERED:
        return approval_result(w->command.why);
    case GOAL_SEEN:
    case GOAL_PRESENT:
        break;
    }
    return "unchanged";
}

static const char *result_of(const struct work *w)
{
    const struct step *s = &w->row.step;

    if (s->goal != GOAL_PRESENT)
        return result_otherwise(w);
    if (w->command.why == WHY_NO_INPUT)
        return "skipped";
    if (w->command.why == WHY_CURRENT)
        return w->row.verb == VERB_RENEW ? "skipped" : w->row.known_arn ? "unchanged" : "adopted";
    /* An update that only put our mark on what was there is an adoption. */
    if (s->op == OP_UPDATE && s->intent != INTENT_NONE)
        return w->row.known_arn ? "updated" : "adopted";
    if (s->is_ours || s->intent == INTENT_SAVED)
        return "created";
    return w->row.known_arn ? "unchanged" : "adopted";
}

static void set_reason_of_success(const struct work *w, json_t *item)
{
    if (w->row.step.goal == GOAL_ANSWERED)
        json_object_set_new(item, "reason", approval_outcome(w));
    else if (w->command.why == WHY_NOT_OURS)
        json_object_set_new(item, "reason", json_string(w->look.conflict));
    else if (w->command.why == WHY_IN_USE)
        json_object_set_new(item, "reason",
                            json_sprintf("The %s %s is used by others, so it stays.",
                                         w->row.kind->title, w->row.name));
    else if (w->command.why == WHY_NO_INPUT && w->row.kind->id == KIND_SOLUTION)
        json_object_set_new(
            item, "reason",
            json_sprintf("There is no solution %s that could train by itself.", w->row.name));
    else if (w->command.why == WHY_NO_INPUT)
        json_object_set_new(
            item, "reason",
            json_sprintf("There is no CSV for %s under s3://%s/%s, so nothing was imported.",
                         json_text_or(w->row.options, "datasetType", "it"),
                         json_text_or(w->row.options, "bucket", ""),
                         json_text_or(w->row.options, "prefix", "")));
    else if (w->command.why == WHY_CURRENT && w->look.ended)
        json_object_set_new(item, "reason",
                            json_sprintf("No new data since the last FULL training, so Amazon made "
                                         "no new version; %s stays.",
                                         w->look.arn));
    else if (w->command.why == WHY_CURRENT && w->row.data_ms)
        json_object_set_new(item, "reason",
                            json_sprintf("No data came since %s was trained, so nothing was made "
                                         "(force: true trains all the same).",
                                         w->look.arn));
    else if (w->command.why == WHY_CURRENT && w->row.kind->id == KIND_DATASET_IMPORT_JOB)
        json_object_set_new(
            item, "reason",
            json_sprintf("The data is not newer than the last import (%s).", w->look.arn));
    else if (w->command.why == WHY_CURRENT)
        json_object_set_new(item, "reason",
                            json_sprintf("%s is current, so nothing was made.", w->look.arn));
}

/* How long the service took: a create, or the update that was made last. */
static void add_duration(const struct work *w, const char *result, json_t *data)
{
    const char *member = w->row.kind->update_member;
    const json_t *last = member ? json_object_get(w->observed, member) : NULL;
    const json_t *what = str_eq(result, "updated") && last ? last : w->observed;
    int64_t begin = decide_time_ms(what, "creationDateTime"),
            end = decide_time_ms(what, "lastUpdatedDateTime");

    if (begin && end > begin)
        json_object_set_new(data, "durationSeconds", json_integer((end - begin) / 1000));
}

static const char *own_event(const struct kind *kind, const char *result)
{
    return str_eq(result, "failed")    ? kind->event_failed
           : str_eq(result, "created") ? kind->event_succeeded
           : str_eq(result, "skipped") ? kind->event_skipped
                                       : NULL;
}

/* A resource kind's own event when something was really made, or failed to be. */
static void add_resource_event(struct work *w, const char *result)
{
    json_t *data = json_pack("{s:s}", "result", result);
    bool is_failure = str_eq(result, "failed");
    const char *own = own_event(w->row.kind, result);

    if (str_eq(result, "created") || str_eq(result, "updated"))
        add_duration(w, result, data);
    if (str_eq(result, "created") && w->metrics)
        json_object_set(data, "metrics", w->metrics);
    if (str_eq(result, "stopped"))
        add_event(w, "training.stopped", data);
    else if (own)
        add_event(w, own, data);
    else if (is_failure || str_eq(result, "created") || str_eq(result, "updated") ||
             str_eq(result, "adopted") || str_eq(result, "deleted")) {
        char type[40];

        (void) snprintf(type, sizeof type, "resource.%s", result);
        add_event(w, type, data);
    } else {
        json_decref(data);
    }
}

/* Consecutive troubles; what ends in giving up is counted by itself: looks after an "exists", and
 * refusals of a deletion. An outage before them says nothing of either. */
static int failures_after(const struct work *w, bool is_trouble)
{
    if (!is_trouble)
        return 0;
    if ((w->command.why == WHY_LIST_LAG && !w->row.step.is_lagging) ||
        (w->command.why == WHY_BUSY && !w->row.step.is_busy &&
         w->call.error_class != AWS_ERROR_THROTTLED))
        return 1;
    return w->row.step.failures + 1;
}

/* A newer question takes the place of older ones on the same campaign. */
static void report_question(struct work *w, json_t *item)
{
    json_object_set_new(item, "reason", approval_words(w));
    add_detail(item, "question", approval_question(w));
    if (str_eq(w->row.waiting_for, judge_waiting_for(w, WHY_HELD)))
        return;
    json_object_set_new(item, "is_question", json_true());
    add_event(w, "model.held", approval_event(w));
}

/* A step that would buy and may not: told once for each of the two that can hold it, however often
 * it looks again. */
static void add_cost_event(struct work *w, enum why why, const json_t *reason)
{
    const char *code = judge_why_slug(why);
    AUTO_FREE char *seed = xasprintf("%s|%s", w->row.id, code);
    char id[ID_BYTES], digest[27];
    uint8_t sha[32];

    sha256(seed, strlen(seed), sha);
    base32_lower(sha, sizeof digest - 1, digest);
    (void) snprintf(id, sizeof id, "evt_%s", digest);
    add_event_as(w, id, "cost.blocked",
                 json_pack("{s:s, s:O}", "code", code, "reason", (json_t *) reason));
}

static void report_wait(const struct worker *k, struct work *w, json_t *item)
{
    const struct command *c = &w->command;
    const char *what = judge_waiting_for(w, c->why);
    int64_t jitter = c->jitter_ms > 0 ? (int64_t) random_below((uint64_t) c->jitter_ms) : 0;
    bool is_refused = c->why == WHY_QUOTA && c->is_refund;
    bool is_trouble = c->why == WHY_LOOK || c->why == WHY_BUSY || c->why == WHY_UNKNOWN_OUTCOME ||
                      c->why == WHY_LIST_LAG || is_refused;

    json_object_set_new(item, "state", json_string("waiting"));
    json_object_set_new(item, "wake_ms", json_integer(c->wait_ms + jitter));
    json_object_set_new(item, "waiting_for", json_string(what));
    json_object_set_new(item, "failures", json_integer(failures_after(w, is_trouble)));
    json_object_set_new(item, "is_in_line", json_boolean(c->why == WHY_QUOTA));
    if (c->why == WHY_QUOTA && !is_refused)
        json_object_set_new(
            item, "reason",
            json_sprintf("At most %d of its kind are in progress at a time (--quota %s=%d); it "
                         "stands in line.",
                         k->options->quotas[w->row.kind->id], w->row.kind->quota_name,
                         k->options->quotas[w->row.kind->id]));
    else if (c->why == WHY_FUSE)
        json_object_set_new(
            item, "reason",
            json_sprintf("The training fuse holds this training: %d of a solution and %d of the "
                         "account may start within 24 hours (--fuse-per-solution, "
                         "--fuse-per-account). It goes on when the oldest is 24 hours old, or when "
                         "the server starts with a larger fuse; cancel the run to give up.",
                         k->options->fuse_per_solution, k->options->fuse_per_account));
    else if (c->why == WHY_PAUSED || c->why == WHY_HALTED)
        json_object_set_new(item, "reason", json_string(w->trouble.message));
    else if (c->why == WHY_HELD)
        report_question(w, item);
    else if (is_trouble && w->call.outcome != AWS_DONE && w->call.operation) {
        char text[1400];

        aws_call_describe(&w->call, text, sizeof text);
        json_object_set_new(item, "reason", json_string(text));
    }
    if (c->type == CMD_SAVE && w->row.kind->event_started && w->row.step.op == OP_CREATE)
        add_event(w, w->row.kind->event_started, json_object());
    if ((c->why == WHY_FUSE || c->why == WHY_PAUSED) && !str_eq(what, w->row.waiting_for))
        add_cost_event(w, c->why, json_object_get(item, "reason"));
    /* One event per change of what is waited for, not one per look. */
    if (!str_eq(what, w->row.waiting_for))
        add_event(w, is_trouble ? "step.retrying" : "step.waiting",
                  json_pack("{s:s}", "waitingFor", what));
}

static void report_failure(struct work *w, json_t *item)
{
    AUTO_BUF struct buf text = { 0 };

    judge_failure(w, w->command.why, &text);
    json_object_set_new(item, "state", json_string("failed"));
    json_object_set_new(item, "reason", json_string(text.data));
    json_object_set_new(item, "failure", judge_failure_json(w, w->command.why, text.data));
    json_object_set_new(item, "failures", json_integer(w->row.step.failures));
    add_event(w, "step.failed",
              json_pack("{s:s, s:s}", "code", judge_why_slug(w->command.why), "reason", text.data));
    add_resource_event(w, "failed");
}

/* ---- what only looked ---- */

static const char *const seen_names[SEEN_COUNT] = {
    [SEEN_ABSENT] = "absent",          [SEEN_STALE] = "stale",
    [SEEN_IN_PROGRESS] = "inProgress", [SEEN_MATCHES] = "matches",
    [SEEN_CURRENT] = "current",        [SEEN_NO_INPUT] = "noInput",
    [SEEN_DIFFERS] = "differs",        [SEEN_REPLACEABLE] = "replaceable",
    [SEEN_CONFLICT] = "conflict",      [SEEN_FAILED] = "failed",
    [SEEN_STOPPED] = "stopped",        [SEEN_DELETING] = "deleting",
    [SEEN_STOPPING] = "stopping"
};

/* What the file asks for and the world does not have: differences, or the resource itself. */
static json_t *drift_of(const struct work *w)
{
    json_t *drift;

    if (w->row.kind->is_per_run || json_object_get(w->row.options, "leftBehind"))
        return json_array();
    drift = w->differences && w->seen != SEEN_ABSENT ? json_clone(w->differences) : json_array();
    if (w->seen == SEEN_ABSENT || w->seen == SEEN_FAILED || w->seen == SEEN_DELETING)
        json_array_append_new(
            drift,
            json_pack("{s:s, s:s, s:s?, s:b}", "field", "status", "desired", "ACTIVE", "observed",
                      w->seen == SEEN_ABSENT ? NULL : decide_status(w->row.kind, w->observed),
                      "inPlace", 0));
    if (*w->look.conflict)
        json_array_append_new(drift, json_pack("{s:s, s:s, s:s, s:b}", "field", "owner", "desired",
                                               "ours", "observed", w->look.conflict, "inPlace", 0));
    return drift;
}

/* One event when drift appears or changes, one when it is gone. */
static void add_drift_event(struct work *w, const json_t *drift)
{
    const json_t *before = json_object_get(w->row.known, "drift");
    bool was = json_array_size(before) > 0, is = json_array_size(drift) > 0;
    json_t *fields;
    size_t i;
    json_t *d;

    if (!w->row.config || (!was && !is) || (was && is && json_equal(before, drift)))
        return;
    fields = json_array();
    json_array_foreach ((json_t *) drift, i, d)
        json_array_append(fields, json_object_get(d, "field"));
    add_event(w, is ? "drift.detected" : "drift.cleared", json_pack("{s:o}", "fields", fields));
}

/* A group has one tracker, one attribution and one dataset of a type: it is found whatever its
 * name, and keeps the one it has. */
static const char *other_name(const struct work *w)
{
    const char *name = json_text(w->observed, "name");

    if (!w->row.kind->is_single)
        return NULL;
    return str_eq(name, w->row.name) ? NULL : name;
}

static void report_observation(struct work *w, json_t *item)
{
    json_t *drift = drift_of(w);
    json_t *o = json_pack("{s:s}", "seen", seen_names[w->seen]);

    if (w->differences)
        json_object_set(o, "differences", w->differences);
    set_text(o, "conflict", w->look.conflict);
    set_text(o, "leftBehind", json_text(w->row.options, "leftBehind"));
    set_text(o, "location", w->look.location);
    set_text(o, "name", other_name(w));
    if (w->row.kind->id == KIND_CAMPAIGN && request_is_promoted_by_hand(&w->row))
        json_object_set_new(o, "promotion", json_string(json_text(w->row.options, "promotion")));
    json_object_set_new(o, "isKnown", json_boolean(w->row.known_arn != NULL));
    json_object_set_new(o, "isOwned", json_boolean(w->look.is_owner));
    add_detail(item, "observation", o);
    json_object_set_new(item, "is_absent",
                        json_boolean(w->seen == SEEN_ABSENT || w->seen == SEEN_STALE));
    add_drift_event(w, drift);
    json_object_set_new(item, "drift", drift);
}

/* ---- what is remembered of a success ---- */

static void remember_tags(const struct work *w, json_t *item)
{
    json_t *keys = json_array();
    size_t i;
    json_t *tag;

    json_array_foreach (w->row.tags, i, tag)
        json_array_append(keys, json_object_get(tag, "tagKey"));
    add_detail(item, "tagKeys", keys);
}

static void remember_pin(const struct work *w, json_t *item)
{
    const json_t *o = w->row.options;
    const char *version = json_text(o, "version");

    if (json_bool_or(o, "unpin", false) || (version && !json_bool_or(o, "pin", false)))
        add_detail(item, "pin", json_null());
    else if (version)
        add_detail(item, "pin",
                   json_pack("{s:s, s:s?, s:s*}", "version", version, "reason",
                             json_text(o, "reason"), "until", json_text(o, "until")));
}

/* A version that waits for somebody to promote it is said so. */
static void say_what_waits(const struct work *w, json_t *item)
{
    const char *newest = json_text(w->row.arns, "solutionVersionArn");
    const char *serving = json_text(w->observed, "solutionVersionArn");
    const json_t *pin = json_object_get(json_object_get(w->row.known, "details"), "pin");

    if (!newest || !serving || str_eq(newest, serving) || str_eq(w->row.run_kind, "promote"))
        return;
    if (json_is_object(pin))
        json_object_set_new(item, "reason",
                            json_sprintf("Pinned to %s; %s is not promoted until %s.%s", serving,
                                         newest, json_text_or(pin, "until", "it is unpinned"),
                                         approval_left_behind(&w->row)));
    else if (request_is_promoted_by_hand(&w->row))
        json_object_set_new(item, "reason",
                            json_sprintf("%s waits to be promoted; %s goes on serving.%s", newest,
                                         serving, approval_left_behind(&w->row)));
}

static void remember(struct work *w, json_t *item)
{
    if (w->row.step.goal != GOAL_PRESENT || w->row.kind->is_per_run)
        return;
    if (w->row.kind->is_taggable)
        remember_tags(w, item);
    add_drift_event(w, NULL);
    if (w->row.kind->id != KIND_CAMPAIGN)
        return;
    remember_pin(w, item);
    say_what_waits(w, item);
}

static void report_success(struct work *w, json_t *item)
{
    const char *result = result_of(w);

    json_object_set_new(item, "state", json_string("succeeded"));
    json_object_set_new(item, "result", json_string(result));
    json_object_set_new(item, "failures", json_integer(0));
    json_object_set_new(item, "is_adopted", json_boolean(str_eq(result, "adopted")));
    set_reason_of_success(w, item);
    remember(w, item);
    if (w->row.verb == VERB_IMPORT)
        add_detail(item, "document", adopt_result(w));
    else if (w->row.step.goal == GOAL_SEEN && w->row.verb != VERB_AUDIT)
        report_observation(w, item);
    add_event(w, "step.succeeded", json_pack("{s:s}", "result", result));
    add_resource_event(w, result);
}

static void report_retry(struct work *w, json_t *item)
{
    AUTO_BUF struct buf text = { 0 };

    judge_failure(w, WHY_FAILED, &text);
    json_object_set_new(item, "state", json_string("waiting"));
    json_object_set_new(item, "is_retry", json_true());
    json_object_set_new(item, "wake_ms", json_integer(w->command.wait_ms));
    json_object_set_new(item, "waiting_for", json_string(judge_waiting_for(w, WHY_FAILED)));
    json_object_set_new(item, "reason", json_string(text.data));
    json_object_set_new(item, "failures", json_integer(0));
    add_event(w, "step.retrying",
              json_pack("{s:s, s:i}", "reason", text.data, "attempt", w->row.step.attempt + 1));
}

static void report_cancel(struct work *w, json_t *item)
{
    json_object_set_new(item, "state", json_string("cancelled"));
    json_object_set_new(item, "failures", json_integer(0));
    if (w->seen != SEEN_STOPPED)
        return;
    json_object_set_new(item, "result", json_string("stopped"));
    json_object_set_new(item, "reason",
                        json_sprintf("The training of %s was stopped.", w->row.name));
    add_resource_event(w, "stopped");
}

static void build_item(struct worker *k, struct work *w)
{
    const struct command *c = &w->command;
    const struct step *s = &w->row.step;
    json_t *item = json_pack("{s:s, s:s, s:I, s:i}", "id", w->row.id, "run_id", w->row.run_id,
                             "token", (json_int_t) w->row.token, "sends", s->sends);
    json_t *ended;
    bool is_saved = step_settles(s, c);

    w->item = item;
    w->events = json_array();
    json_object_set_new(item, "is_saved", json_boolean(is_saved));
    json_object_set_new(item, "is_refund", json_boolean(c->is_refund));
    json_object_set_new(item, "is_retry", json_false());
    json_object_set_new(item, "is_ambiguous", json_boolean(c->is_ambiguous));
    if (w->row.started_ms == 0)
        add_event(w, "step.started", json_object());
    if (c->is_found && c->type != CMD_RETRY)
        set_text(item, "arn", w->look.arn);
    if (c->type == CMD_SAVE && w->row.step.op == OP_CREATE) {
        set_text(item, "arn", json_text(w->call.response, w->row.kind->arn_member));
        json_object_set_new(item, "aws_status", json_string("CREATE PENDING"));
    } else {
        add_observed(w, item);
    }
    ended = look_ended_version(w);
    if (ended)
        json_object_set_new(item, "ended", ended);
    set_text(item, "aws_request_id", w->call.request_id);
    switch ((int) c->type) {
    case CMD_SAVE:
    case CMD_WAIT:
        report_wait(k, w, item);
        return;
    case CMD_RETRY:
        report_retry(w, item);
        return;
    case CMD_FAIL:
        report_failure(w, item);
        return;
    case CMD_CANCEL:
        report_cancel(w, item);
        return;
    case CMD_DONE:
        report_success(w, item);
        return;
    default:
        abort();
    }
}

/* The service took the step's create or update: "create", "update"; NULL: nothing new. */
static const char *sent_now(const struct work *w)
{
    const struct step *s = &w->row.step;

    if (!json_bool_or(w->item, "is_saved", false) || s->intent == INTENT_SAVED)
        return NULL;
    return s->op == OP_CREATE ? "create" : s->op == OP_UPDATE ? "update" : NULL;
}

/* Said once, by the step's own event of this checkpoint. */
static void tell_what_was_sent(struct work *w)
{
    const char *sent = sent_now(w);
    size_t i;
    json_t *event;

    if (!sent)
        return;
    json_array_foreach (w->events, i, event) {
        const char *type = json_text_or(event, "type", "");

        if (str_starts(type, "step.") && !str_eq(type, "step.started")) {
            json_object_set_new(json_object_get(event, "data"), "sent", json_string(sent));
            return;
        }
    }
    add_event(
        w, "step.waiting",
        json_pack("{s:s?, s:s}", "waitingFor", json_text(w->item, "waiting_for"), "sent", sent));
}

void report_build(struct worker *k, struct work *w)
{
    build_item(k, w);
    tell_what_was_sent(w);
}
