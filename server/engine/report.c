/*
 * report.c - writing down: a work's command as a checkpoint item with its events.
 *
 * Whatever the command, the item says what was seen and when to look again; the store writes it
 * only when the lease still is ours. Event data is thin: ids and what people filter on.
 */
#include <stdio.h>

#include "steward/clock.h"
#include "steward/decide.h"
#include "steward/id.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

static void add_event(struct work *w, const char *type, json_t *data)
{
    char id[ID_BYTES];

    id_new("evt", id);
    json_array_append_new(w->events, json_pack("{s:s, s:s, s:s, s:o}", "event_id", id, "id",
                                               w->row.id, "type", type, "data", data));
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

/* What the description says about the resource, for the inventory. */
static void add_observed(struct work *w, json_t *item)
{
    const json_t *o = w->observed;
    const char *tracking_id;

    if (!o)
        return;
    json_object_set(item, "observed", (json_t *) o);
    set_text(item, "aws_status", decide_status(w->row.kind, o));
    set_text(item, "failure_reason", json_text(o, "failureReason"));
    set_text(item, "resource_name", json_text(o, w->row.kind->name_member));
    set_time(item, "aws_created_at", o, "creationDateTime");
    set_time(item, "aws_updated_at", o, "lastUpdatedDateTime");
    tracking_id = json_text(o, "trackingId");
    if (tracking_id)
        json_object_set_new(item, "details", json_pack("{s:s}", "trackingId", tracking_id));
    if (w->row.kind->id != KIND_SOLUTION_VERSION)
        return;
    json_object_set_new(item, "version",
                        json_pack("{s:O?, s:O?, s:O?, s:O?}", "trainingMode",
                                  json_object_get(o, "trainingMode"), "trainingType",
                                  json_object_get(o, "trainingType"), "trainingHours",
                                  json_object_get(o, "trainingHours"), "metrics", w->metrics));
    if (w->metrics)
        json_object_set_new(item, "details", json_pack("{s:O}", "metrics", w->metrics));
}

static const char *result_of(const struct work *w)
{
    const struct step *s = &w->row.step;

    if (w->command.why == WHY_NO_INPUT)
        return "skipped";
    if (w->command.why == WHY_CURRENT)
        return w->row.verb == VERB_RENEW ? "skipped" : w->row.known_arn ? "unchanged" : "adopted";
    if (s->op == OP_UPDATE && s->intent != INTENT_NONE)
        return "updated";
    if (s->is_ours || s->intent == INTENT_SAVED)
        return "created";
    return w->row.known_arn ? "unchanged" : "adopted";
}

static void set_reason_of_success(const struct work *w, json_t *item)
{
    if (w->command.why == WHY_NO_INPUT)
        json_object_set_new(
            item, "reason",
            json_sprintf("There is no CSV for %s under s3://%s/%s, so nothing was imported.",
                         json_text_or(w->row.options, "datasetType", "it"),
                         json_text_or(w->row.options, "bucket", ""),
                         json_text_or(w->row.options, "prefix", "")));
    else if (w->command.why == WHY_CURRENT && w->row.kind->id == KIND_DATASET_IMPORT_JOB)
        json_object_set_new(
            item, "reason",
            json_sprintf("The data is not newer than the last import (%s).", w->look.arn));
    else if (w->command.why == WHY_CURRENT)
        json_object_set_new(item, "reason",
                            json_sprintf("%s is current, so nothing was made.", w->look.arn));
}

/* A resource kind's own event when something was really made, or failed to be. */
static void add_resource_event(struct work *w, const char *result)
{
    json_t *data = json_pack("{s:s}", "result", result);
    bool is_failure = str_eq(result, "failed");

    if (w->row.kind->id == KIND_DATASET_IMPORT_JOB && (is_failure || str_eq(result, "created")))
        add_event(w, is_failure ? "import.failed" : "import.succeeded", data);
    else if (w->row.kind->id == KIND_DATASET_IMPORT_JOB && str_eq(result, "skipped"))
        add_event(w, "import.skipped", data);
    else if (w->row.kind->id == KIND_SOLUTION_VERSION && (is_failure || str_eq(result, "created")))
        add_event(w, is_failure ? "training.failed" : "training.succeeded", data);
    else if ((w->row.kind->id == KIND_BATCH_INFERENCE_JOB ||
              w->row.kind->id == KIND_BATCH_SEGMENT_JOB) &&
             (is_failure || str_eq(result, "created")))
        add_event(w, is_failure ? "batch.failed" : "batch.succeeded", data);
    else if (is_failure || str_eq(result, "created") || str_eq(result, "updated") ||
             str_eq(result, "adopted")) {
        char type[40];

        (void) snprintf(type, sizeof type, "resource.%s", result);
        add_event(w, type, data);
    } else {
        json_decref(data);
    }
}

static void report_wait(struct work *w, json_t *item)
{
    const struct command *c = &w->command;
    const char *what = judge_waiting_for(w, c->why);
    int64_t jitter = c->jitter_ms > 0 ? (int64_t) random_below((uint64_t) c->jitter_ms) : 0;
    bool is_trouble = c->why == WHY_LOOK || c->why == WHY_BUSY || c->why == WHY_UNKNOWN_OUTCOME ||
                      c->why == WHY_LIST_LAG;

    json_object_set_new(item, "state", json_string("waiting"));
    json_object_set_new(item, "wake_ms", json_integer(c->wait_ms + jitter));
    json_object_set_new(item, "waiting_for", json_string(what));
    json_object_set_new(item, "failures", json_integer(is_trouble ? w->row.step.failures + 1 : 0));
    if (is_trouble && w->call.outcome != AWS_DONE && w->call.operation) {
        char text[1400];

        aws_call_describe(&w->call, text, sizeof text);
        json_object_set_new(item, "reason", json_string(text));
    }
    if (c->type == CMD_SAVE && w->row.kind->id == KIND_SOLUTION_VERSION)
        add_event(w, "training.started", json_object());
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

static void report_success(struct work *w, json_t *item)
{
    const char *result = result_of(w);

    json_object_set_new(item, "state", json_string("succeeded"));
    json_object_set_new(item, "result", json_string(result));
    json_object_set_new(item, "failures", json_integer(0));
    json_object_set_new(item, "is_adopted", json_boolean(str_eq(result, "adopted")));
    set_reason_of_success(w, item);
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

void report_build(struct worker *k, struct work *w)
{
    const struct command *c = &w->command;
    const struct step *s = &w->row.step;
    json_t *item = json_pack("{s:s, s:s, s:I, s:i}", "id", w->row.id, "run_id", w->row.run_id,
                             "token", (json_int_t) w->row.token, "sends", s->sends);
    bool is_saved = c->type == CMD_SAVE || (c->is_found && s->intent == INTENT_MAYBE_SENT);

    (void) k;
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
    set_text(item, "aws_request_id", w->call.request_id);
    switch ((int) c->type) {
    case CMD_SAVE:
    case CMD_WAIT:
        report_wait(w, item);
        return;
    case CMD_RETRY:
        report_retry(w, item);
        return;
    case CMD_FAIL:
        report_failure(w, item);
        return;
    case CMD_CANCEL:
        json_object_set_new(item, "state", json_string("cancelled"));
        json_object_set_new(item, "failures", json_integer(0));
        return;
    case CMD_DONE:
        report_success(w, item);
        return;
    default:
        abort();
    }
}
