/*
 * look.c - observing one resource: a few calls, then what was seen.
 *
 * A look never changes anything and may be repeated at will. Config-owned resources are found by
 * name, children of a group by listing it, per-run resources by the rule of the AWS solution (which
 * of the listed ones is current) or, after an uncertain send, by our generated name.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "steward/clock.h"
#include "steward/decide.h"
#include "steward/json.h"
#include "steward/log.h"
#include "steward/str.h"
#include "work.h"

#define PAGES_MAX 1000

void look_done(struct look *l)
{
    json_decref(l->items);
    json_decref(l->tags);
    json_decref(l->unnamed);
    json_decref(l->ended);
    *l = (struct look){ 0 };
}

static void start_call(struct work *w, const char *operation, json_t *request)
{
    aws_call_done(&w->call);
    aws_call_init(&w->call, AWS_PERSONALIZE, operation, request);
    w->call.user = w;
}

/* Something of this attempt may be there already, under the generated name. */
static bool asks_by_name(const struct step_row *row)
{
    return step_look_by(&row->step, row->arn != NULL, row->is_restored) == LOOK_BY_NAME;
}

enum look_result look_describe(struct work *w, const char *arn)
{
    str_copy(w->look.arn, sizeof w->look.arn, arn);
    w->look.stage = LOOK_DESCRIBE;
    start_call(w, w->row.kind->describe_op, json_pack("{s:s}", w->row.kind->arn_member, arn));
    return LOOK_CALL;
}

/* Whoever only looks, stops or takes down finds nothing under a parent that is not there. */
static bool is_modest(const struct work *w)
{
    return w->row.step.goal != GOAL_PRESENT;
}

enum look_result look_list(struct work *w, enum seen *seen)
{
    const struct kind *kind = w->row.kind;
    const char *parent = json_text(w->row.arns, kind->list_filter);

    if (!parent && is_modest(w)) {
        *seen = SEEN_ABSENT;
        return LOOK_SEEN;
    }
    if (!parent) {
        (void) err_set(&w->trouble, ERR_INVALID,
                       "The %s of %s %s is not known yet; apply the config first.",
                       kind->list_filter, kind->title, w->row.name);
        return LOOK_NEVER;
    }
    w->look.stage = LOOK_LIST;
    start_call(w, kind->list_op,
               json_pack("{s:s, s:i}", kind->list_filter, parent, "maxResults", 100));
    if (*w->look.token)
        json_object_set_new(w->call.request, "nextToken", json_string(w->look.token));
    return LOOK_CALL;
}

/* ---- where the data of an import lies ---- */

static enum look_result look_folder(struct work *w)
{
    struct data_place p;
    char prefix[1030];

    place_find(&w->row, &p);
    (void) snprintf(prefix, sizeof prefix, "%s/", p.folder);
    w->look.stage = LOOK_FOLDER;
    aws_call_done(&w->call);
    aws_s3_list_call(&w->call, p.bucket, prefix, *w->look.token ? w->look.token : NULL);
    w->call.user = w;
    return LOOK_CALL;
}

static enum look_result look_file(struct work *w)
{
    struct data_place p;

    place_find(&w->row, &p);
    w->look.stage = LOOK_FILE;
    aws_call_done(&w->call);
    aws_s3_head_call(&w->call, p.bucket, p.file);
    w->call.user = w;
    return LOOK_CALL;
}

static enum look_result failed(const struct work *w)
{
    return judge_look_is_retryable(&w->call) ? LOOK_LATER : LOOK_NEVER;
}

static enum look_result after_folder(struct work *w, enum seen *seen)
{
    struct s3_listing listing;
    struct data_place p;
    bool is_more;

    if (w->call.outcome != AWS_DONE)
        return w->call.error_class == AWS_ERROR_NOT_FOUND ? look_file(w) : failed(w);
    if (aws_s3_parse_list(w->call.body, w->call.body_n, &listing, &w->trouble))
        return LOOK_LATER;
    place_find(&w->row, &p);
    for (size_t i = 0; i < listing.count; i++) {
        if (!str_ends(listing.objects[i].key, ".csv"))
            continue;
        (void) snprintf(w->look.location, sizeof w->look.location, "s3://%s/%s", p.bucket,
                        p.folder);
        if (listing.objects[i].last_modified_ms > w->look.data_ms)
            w->look.data_ms = listing.objects[i].last_modified_ms;
    }
    str_copy(w->look.token, sizeof w->look.token, listing.next_token ? listing.next_token : "");
    aws_s3_listing_done(&listing);
    is_more = *w->look.token && ++w->look.pages < PAGES_MAX;
    if (is_more)
        return look_folder(w);
    w->look.token[0] = '\0';
    w->look.pages = 0;
    return *w->look.location ? look_list(w, seen) : look_file(w);
}

static enum look_result after_file(struct work *w, enum seen *seen)
{
    struct data_place p;
    int64_t seconds;

    if (w->call.outcome != AWS_DONE && w->call.error_class == AWS_ERROR_NOT_FOUND) {
        *seen = SEEN_NO_INPUT;
        return LOOK_SEEN;
    }
    if (w->call.outcome != AWS_DONE)
        return failed(w);
    place_find(&w->row, &p);
    (void) snprintf(w->look.location, sizeof w->look.location, "s3://%s/%s", p.bucket, p.file);
    if (clock_parse_http(w->call.last_modified, &seconds))
        w->look.data_ms = seconds * 1000;
    return look_list(w, seen);
}

/* ---- lists ---- */

/* The one child that counts: the dataset of our type, the tracker or attribution of the group. */
static const json_t *pick_child(const struct work *w)
{
    const char *type = json_text(w->row.request, "datasetType");
    const json_t *best = NULL;
    size_t i;
    json_t *item;

    json_array_foreach (w->look.items, i, item) {
        const char *seen = json_text_or(item, "datasetType", "");

        if (w->row.kind->id == KIND_DATASET && (!type || strcasecmp(type, seen) != 0))
            continue;
        if (!best || (str_starts(json_text_or(best, "status", ""), "DELETE") &&
                      !str_starts(json_text_or(item, "status", ""), "DELETE")))
            best = item;
    }
    return best;
}

static void remember_baseline(struct work *w)
{
    int64_t newest = -1;
    size_t i;
    json_t *item;

    json_array_foreach (w->look.items, i, item) {
        int64_t created = decide_time_ms(item, "creationDateTime");

        if (created > newest) {
            newest = created;
            str_copy(w->look.baseline, sizeof w->look.baseline,
                     json_text_or(item, w->row.kind->arn_member, ""));
        }
    }
}

static void keep_observed(struct work *w, const json_t *resource)
{
    json_decref(w->observed);
    w->observed = json_incref((json_t *) resource);
}

/* The update that we asked for failed: asking again would fail again. */
static bool is_update_failed(const struct work *w)
{
    const char *member = w->row.kind->update_member;
    const json_t *update = member ? json_object_get(w->observed, member) : NULL;

    /* Tags and switches have calls of their own: theirs is not the update that failed. */
    return w->row.step.op == OP_UPDATE && w->row.step.intent == INTENT_SAVED &&
           json_object_get(w->row.intent_request, w->row.kind->arn_member) &&
           json_object_size(w->row.intent_request) > 1 &&
           str_eq(json_text(update, "status"), "CREATE FAILED");
}

static enum look_result judged(struct worker *k, struct work *w, enum seen *seen)
{
    ownership_judge(k, w);
    *seen = decide_seen(w->row.kind, w->observed, w->differences);
    if (look_is_without_news(w, *seen))
        return look_for_newest(w, seen);
    /* Somebody else's finished job or version makes ours unnecessary. */
    if (*seen == SEEN_MATCHES && w->look.is_foreign && w->row.kind->is_per_run)
        *seen = SEEN_CURRENT;
    if ((*seen == SEEN_FAILED || *seen == SEEN_STOPPED) && w->look.is_foreign &&
        w->row.kind->is_per_run)
        *seen = SEEN_STALE;
    if (replace_is_failed_create(w, *seen))
        *seen = SEEN_REPLACEABLE;
    if (*seen == SEEN_DIFFERS && is_update_failed(w))
        *seen = SEEN_FAILED;
    /* A filter of ours is replaced under its name; the service has no update for it. */
    if (*seen == SEEN_CONFLICT && w->row.kind->id == KIND_FILTER && !*w->look.conflict)
        *seen = w->look.is_owner || w->row.verb == VERB_OBSERVE ? SEEN_REPLACEABLE : SEEN_CONFLICT;
    if (*w->look.conflict && *seen != SEEN_DELETING)
        *seen = SEEN_CONFLICT;
    return LOOK_SEEN;
}

/* Older endpoints drop the names of versions. A version that came after the baseline without any
 * name, once no call of ours can land any more, is what our uncertain create made (or a training
 * somebody else paid for, which is as current): buying another would be the worse mistake. */
static bool take_unnamed(struct worker *k, struct work *w)
{
    const struct step *step = &w->row.step;

    if (!w->look.unnamed || (step->intent != INTENT_MAYBE_SENT && !w->row.baseline) ||
        clock_mono_ms() + k->db_offset_ms < step->last_mark_ms + step->quiescence_ms)
        return false;
    w->look.is_own_name = true;
    keep_observed(w, w->look.unnamed);
    str_copy(w->look.arn, sizeof w->look.arn,
             json_text_or(w->look.unnamed, w->row.kind->arn_member, ""));
    log_event(LOG_WARN, "engine", "unnamed_version_taken", "step=%s arn=%s candidates=%d",
              w->row.id, w->look.arn, w->look.n_unnamed);
    return true;
}

static enum look_result choose_current(struct worker *k, struct work *w, enum seen *seen);

/* After an uncertain CreateSolutionVersion: versions newer than the baseline that are nobody's
 * known, one by one. */
static enum look_result identify_next(struct worker *k, struct work *w, enum seen *seen)
{
    struct look *l = &w->look;

    for (; l->candidate < json_array_size(l->items); l->candidate++) {
        const json_t *item = json_array_get(l->items, l->candidate);
        const char *arn = json_text_or(item, w->row.kind->arn_member, "");

        if (str_eq(arn, w->row.baseline))
            break; /* newest first: the rest is older */
        if (str_eq(json_text(item, "trainingType"), "AUTOMATIC"))
            continue;
        str_copy(l->arn, sizeof l->arn, arn);
        l->stage = LOOK_IDENTIFY;
        start_call(w, w->row.kind->describe_op, json_pack("{s:s}", w->row.kind->arn_member, arn));
        return LOOK_CALL;
    }
    if (take_unnamed(k, w))
        return judged(k, w, seen);
    if (w->row.step.intent != INTENT_MAYBE_SENT)
        return choose_current(k, w, seen);
    *seen = SEEN_ABSENT;
    return LOOK_SEEN;
}

static enum look_result choose_current(struct worker *k, struct work *w, enum seen *seen)
{
    const struct step_row *row = &w->row;
    struct currency rule = {
        .is_renewal = row->verb == VERB_RENEW,
        .max_age_s = json_int_or(row->options, "maxAgeSeconds", 0),
        .now_ms = clock_wall_ms() + aws_clock_offset_ms(k->options->aws, AWS_PERSONALIZE),
        .data_ms = row->data_ms ? row->data_ms : w->look.data_ms,
        .has_data_time = row->kind->id == KIND_DATASET_IMPORT_JOB || row->data_ms,
        .is_of_data = row->data_ms != 0,
        .is_forced = json_bool_or(row->options, "isForced", false),
    };
    size_t at = decide_current(w->look.items, &rule);

    remember_baseline(w);
    if (at == SIZE_MAX) {
        *seen = SEEN_STALE;
        return LOOK_SEEN;
    }
    w->look.is_foreign = true;
    return look_describe(
        w, json_text_or(json_array_get(w->look.items, at), row->kind->arn_member, ""));
}

static enum look_result after_list(struct worker *k, struct work *w, enum seen *seen)
{
    const struct kind *kind = w->row.kind;
    const json_t *page, *child;
    const char *token;

    if (w->call.outcome != AWS_DONE && is_modest(w) && w->call.error_class == AWS_ERROR_NOT_FOUND) {
        *seen = SEEN_ABSENT;
        return LOOK_SEEN;
    }
    if (w->call.outcome != AWS_DONE)
        return failed(w);
    page = json_object_get(w->call.response, kind->list_member);
    token = json_text(w->call.response, "nextToken");
    json_array_extend(w->look.items, (json_t *) page);
    if (!str_is_empty(token)) {
        if (str_eq(token, w->look.token) || ++w->look.pages >= PAGES_MAX) {
            (void) err_set(&w->trouble, ERR_UNAVAILABLE, "%s repeats its pages.", kind->list_op);
            return LOOK_LATER;
        }
        str_copy(w->look.token, sizeof w->look.token, token);
        return look_list(w, seen);
    }
    if (w->row.verb == VERB_STOP)
        return look_pick_running(w, seen);
    if (w->look.ended)
        return look_pick_newest(w, seen);
    if (!kind->is_per_run) {
        child = w->row.verb == VERB_RETIRE ? replace_find_retired(w) : pick_child(w);
        if (child)
            return look_describe(w, json_text_or(child, kind->arn_member, ""));
        *seen = SEEN_ABSENT;
        return LOOK_SEEN;
    }
    if (asks_by_name(&w->row))
        return identify_next(k, w, seen);
    return choose_current(k, w, seen);
}

/* ---- descriptions ---- */

static enum look_result ask_campaigns(struct work *w)
{
    w->look.stage = LOOK_CAMPAIGNS;
    start_call(w, "ListCampaigns", replace_campaigns_request(w));
    return LOOK_CALL;
}

static enum look_result after_campaigns(struct worker *k, struct work *w, enum seen *seen)
{
    if (w->call.outcome != AWS_DONE)
        return failed(w);
    replace_judge_campaigns(w);
    return judged(k, w, seen);
}

static enum look_result ask_tags(struct worker *k, struct work *w, enum seen *seen)
{
    if (!ownership_needs_tags(w))
        return judged(k, w, seen);
    w->look.stage = LOOK_TAGS;
    start_call(w, "ListTagsForResource", json_pack("{s:s}", "resourceArn", w->look.arn));
    return LOOK_CALL;
}

static enum look_result after_tags(struct worker *k, struct work *w, enum seen *seen)
{
    const json_t *tags = json_object_get(w->call.response, "tags");

    if (w->call.outcome != AWS_DONE) {
        if (w->call.error_class != AWS_ERROR_NOT_FOUND)
            return failed(w);
        *seen = SEEN_ABSENT; /* gone between the two calls */
        return LOOK_SEEN;
    }
    json_decref(w->look.tags);
    w->look.tags = tags ? json_incref((json_t *) tags) : json_array();
    return w->row.verb == VERB_RETIRE ? ask_campaigns(w) : judged(k, w, seen);
}

static void compare(struct work *w)
{
    AUTO_JSON json_t *desired = NULL;
    json_t *turn;

    json_decref(w->differences);
    w->differences = NULL;
    if (w->row.kind->is_per_run)
        return;
    if (w->row.verb == VERB_DELETE || w->row.verb == VERB_RELEASE || w->row.verb == VERB_RETIRE) {
        w->differences = json_array();
        return;
    }
    desired = request_desired(&w->row);
    w->differences = decide_differences(w->row.kind, desired, w->observed,
                                        json_object_get(w->row.options, "ignoreFields"));
    turn = decide_switch(w->row.kind, json_text(w->row.options, "state"), w->observed);
    if (turn)
        json_array_append_new(w->differences, turn);
}

static enum look_result look_alternative(struct worker *k, struct work *w)
{
    char arn[512];

    w->look.is_alternative = true;
    replace_name(&w->row, w->intent_name);
    request_arn(k, w->row.kind, w->intent_name, arn, sizeof arn);
    return look_describe(w, arn);
}

/* What the description leaves out is asked for, before it is judged. */
static enum look_result look_closer(struct worker *k, struct work *w, enum seen *seen)
{
    const struct kind *kind = w->row.kind;

    if (kind->id == KIND_SOLUTION_VERSION && str_eq(json_text(w->observed, "status"), "ACTIVE")) {
        w->look.stage = LOOK_METRICS;
        start_call(w, "GetSolutionMetrics", json_pack("{s:s}", "solutionVersionArn", w->look.arn));
        return LOOK_CALL;
    }
    if (kind->id == KIND_METRIC_ATTRIBUTION) {
        w->look.stage = LOOK_ATTRIBUTION;
        start_call(w, "ListMetricAttributionMetrics",
                   json_pack("{s:s, s:i}", "metricAttributionArn", w->look.arn, "maxResults", 100));
        return LOOK_CALL;
    }
    return ask_tags(k, w, seen);
}

/* Nothing was sent for this attempt: is what others made current? */
static enum look_result look_for_current(struct work *w, enum seen *seen)
{
    if (w->row.kind->is_never_shared) {
        *seen = SEEN_STALE; /* what others made does not count */
        return LOOK_SEEN;
    }
    if (w->row.kind->id == KIND_DATASET_IMPORT_JOB)
        return look_folder(w);
    return look_list(w, seen);
}

static enum look_result after_describe(struct worker *k, struct work *w, enum seen *seen)
{
    const struct kind *kind = w->row.kind;
    const json_t *resource = json_object_get(w->call.response, kind->describe_member);

    if (w->call.outcome != AWS_DONE) {
        if (w->call.outcome != AWS_REFUSED || w->call.error_class != AWS_ERROR_NOT_FOUND)
            return failed(w);
        if (w->look.is_own_name && w->row.step.intent != INTENT_MAYBE_SENT) {
            w->look.is_own_name = false;
            return look_for_current(w, seen);
        }
        if (replace_was_made(w))
            return look_describe(w, w->row.known_arn);
        replace_begin_anew(w);
        *seen = w->look.is_alternative && replace_is_blue_green(&w->row) &&
                        w->row.verb == VERB_OBSERVE && w->observed
                    ? SEEN_REPLACEABLE
                : json_text(w->row.options, "autoTraining")
                    ? SEEN_NO_INPUT /* what is not there need not be switched off */
                    : SEEN_ABSENT;
        return LOOK_SEEN;
    }
    if (!json_is_object(resource)) {
        (void) err_set(&w->trouble, ERR_UNAVAILABLE, "%s answered without %s.", kind->describe_op,
                       kind->describe_member);
        return LOOK_LATER;
    }
    keep_observed(w, resource);
    compare(w);
    return look_pass_over(w)      ? choose_current(k, w, seen)
           : replace_is_wanted(w) ? look_alternative(k, w)
                                  : look_closer(k, w, seen);
}

/* An attribution has at most ten metrics: one page. */
static enum look_result after_attribution(struct worker *k, struct work *w, enum seen *seen)
{
    json_t *metrics = json_object_get(w->call.response, "metrics");

    if (w->call.outcome != AWS_DONE)
        return failed(w);
    json_object_set(w->observed, "metrics", metrics);
    compare(w);
    return ask_tags(k, w, seen);
}

static enum look_result after_identify(struct worker *k, struct work *w, enum seen *seen)
{
    const json_t *resource = json_object_get(w->call.response, w->row.kind->describe_member);

    if (w->call.outcome != AWS_DONE && w->call.error_class != AWS_ERROR_NOT_FOUND)
        return failed(w);
    if (resource && str_eq(json_text(resource, "name"), w->intent_name)) {
        w->look.is_own_name = true;
        keep_observed(w, resource);
        return judged(k, w, seen);
    }
    if (resource && !json_text(resource, "name") &&
        str_eq(json_text(resource, "trainingMode"),
               json_text_or(w->row.request, "trainingMode", "FULL"))) {
        json_decref(w->look.unnamed); /* newest first: the oldest stays */
        w->look.unnamed = json_incref((json_t *) resource);
        w->look.n_unnamed++;
    }
    w->look.candidate++;
    return identify_next(k, w, seen);
}

/* Metrics are read once a version is ACTIVE; a version without any (UPDATE) is fine. */
static enum look_result after_metrics(struct worker *k, struct work *w, enum seen *seen)
{
    if (w->call.outcome == AWS_DONE)
        w->metrics = json_incref(json_object_get(w->call.response, "metrics"));
    else if (judge_look_is_retryable(&w->call))
        return LOOK_LATER;
    return judged(k, w, seen);
}

enum look_result look_begin(struct worker *k, struct work *w, enum seen *seen)
{
    const struct step_row *row = &w->row;
    char arn[512];

    look_done(&w->look);
    w->look.items = json_array();
    request_intent_name(k, row, w->intent_name);
    if (row->intent_name)
        str_copy(w->intent_name, sizeof w->intent_name, row->intent_name);
    if (row->verb == VERB_IMPORT)
        return adopt_begin(k, w);
    if (row->verb == VERB_AUDIT)
        return audit_begin(w);
    if (row->verb == VERB_APPROVE)
        return approval_begin(k, w);
    if (row->arn && row->verb != VERB_STOP && !asks_by_name(row)) {
        w->look.is_foreign = !row->step.is_ours;
        return look_describe(w, row->arn);
    }
    if ((row->verb == VERB_DELETE || json_object_get(row->options, "leftBehind")) && row->known_arn)
        return look_describe(w, row->known_arn);
    if (!row->kind->is_named_by_service && row->verb != VERB_RETIRE &&
        (!row->kind->is_per_run || asks_by_name(row))) {
        w->look.is_own_name = row->kind->is_per_run;
        request_arn(k, row->kind, w->intent_name, arn, sizeof arn);
        return look_describe(w, arn);
    }
    return look_for_current(w, seen);
}

enum look_result look_continue(struct worker *k, struct work *w, enum seen *seen)
{
    switch (w->look.stage) {
    case LOOK_FOLDER:
        return after_folder(w, seen);
    case LOOK_FILE:
        return after_file(w, seen);
    case LOOK_LIST:
        return after_list(k, w, seen);
    case LOOK_DESCRIBE:
        return after_describe(k, w, seen);
    case LOOK_IDENTIFY:
        return after_identify(k, w, seen);
    case LOOK_METRICS:
        return after_metrics(k, w, seen);
    case LOOK_ATTRIBUTION:
        return after_attribution(k, w, seen);
    case LOOK_TAGS:
        return after_tags(k, w, seen);
    case LOOK_ADOPT:
        return adopt_continue(w, seen);
    case LOOK_CAMPAIGNS:
        return after_campaigns(k, w, seen);
    case LOOK_AUDIT:
        return audit_continue(k, w, seen);
    case LOOK_QUESTION:
        return approval_continue(w, seen);
    case LOOK_START:
        break;
    }
    abort();
}
