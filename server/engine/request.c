/*
 * request.c - what is sent: names, references, the body of a Create or Update call.
 *
 * Kind-specific twists are small functions here, pointed to by a table; nothing else in the engine
 * knows them.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "steward/decide.h"
#include "steward/json.h"
#include "steward/str.h"
#include "work.h"

void request_arn(const struct worker *k, const struct kind *kind, const char *name, char *out,
                 size_t size)
{
    const struct plan_settings *s = &k->options->settings;

    (void) snprintf(out, size, "arn:%s:personalize:%s:%s:%s/%s", s->partition, s->region,
                    s->account_id, kind->arn_type, name);
}

/* The readable part of a generated name. */
static void name_base(const struct step_row *row, char *out, size_t size)
{
    const char *given = json_text(row->request, row->kind->name_member);
    const char *of = json_text_or(row->options, "datasetType",
                                  json_text_or(row->options, "solution", row->name));

    if (given || !row->kind->job_prefix)
        (void) snprintf(out, size, "%s", given ? given : row->name);
    else
        (void) snprintf(out, size, "%s-%s", row->kind->job_prefix, of);
}

/* slug(base)[:36] + "-" + 20 base32 characters over who, which run, which step, which attempt: the
 * same after any crash. */
void request_intent_name(const struct worker *k, const struct step_row *row,
                         char out[INTENT_NAME_BYTES])
{
    char base[128], seed[256], digest[24];
    uint8_t sha[32];
    size_t n = 0;

    if (!row->kind->is_per_run) {
        str_copy(out, INTENT_NAME_BYTES, row->name);
        return;
    }
    name_base(row, base, sizeof base);
    for (const char *p = base; *p && n < 36; p++) {
        unsigned char c = (unsigned char) *p;

        if (isalnum(c) || (n > 0 && (c == '-' || c == '_')))
            out[n++] = (char) c;
        else if (n > 0)
            out[n++] = '-';
    }
    (void) snprintf(seed, sizeof seed, "%s|%s|%d|%d", k->options->settings.deployment_id,
                    row->run_id, row->ordinal, row->step.attempt);
    sha256(seed, strlen(seed), sha);
    base32_lower(sha, 20, digest);
    (void) snprintf(out + n, INTENT_NAME_BYTES - n, "%s%s", n ? "-" : "", digest);
}

static bool is_synced_with_latest(const struct step_row *row)
{
    return json_bool_or(json_object_get(row->request, "campaignConfig"),
                        "syncWithLatestSolutionVersion", false);
}

bool request_is_promoted_by_hand(const struct step_row *row)
{
    return json_text(row->options, "promotion") != NULL;
}

const char *request_campaign_version(const struct step_row *row)
{
    const char *asked = json_text(row->options, "version");
    const json_t *pin = json_object_get(json_object_get(row->known, "details"), "pin");
    bool is_unpinned = json_bool_or(row->options, "unpin", false);

    return asked ? asked : is_unpinned ? NULL : json_text(pin, "version");
}

/* A campaign serves the version it is held to, or the newest; or, where people promote, the one it
 * has. */
static void set_campaign_version(const struct step_row *row, json_t *desired)
{
    const char *held = request_campaign_version(row);

    if (held)
        json_object_set_new(desired, "solutionVersionArn", json_string(held));
    else if (request_is_promoted_by_hand(row))
        json_object_del(desired, "solutionVersionArn");
}

/* Around a deletion of data only the switch of Amazon's own training counts: off; and afterwards on
 * again where this run has switched it off. */
static json_t *desired_switch(const struct step_row *row, const char *how)
{
    if (str_eq(how, "off"))
        return json_pack("{s:b}", "performAutoTraining", 0);
    if (str_eq(row->earlier_result, "updated"))
        return json_pack("{s:b}", "performAutoTraining", 1);
    return json_object();
}

json_t *request_desired(const struct step_row *row)
{
    const char *how = json_text(row->options, "autoTraining");
    json_t *desired = how ? desired_switch(row, how) : json_clone(row->request);
    const char *member;
    json_t *arn;

    if (how)
        return desired;

    json_object_foreach (row->arns, member, arn) {
        /* A campaign that follows the newest version by itself is not held to the one of this run.
         */
        if (row->kind->id == KIND_CAMPAIGN && is_synced_with_latest(row))
            continue;
        if (json_is_string(arn))
            json_object_set(desired, member, arn);
    }
    if (row->kind->id == KIND_CAMPAIGN)
        set_campaign_version(row, desired);
    return desired;
}

/* ---- bodies of Create calls ---- */

static void twist_schema(const struct worker *k, struct work *w, json_t *body)
{
    json_t *schema = json_object_get(body, "schema");

    (void) k;
    (void) w;
    if (schema && !json_is_string(schema)) {
        AUTO_FREE char *text = json_compact(schema);

        json_object_set_new(body, "schema", json_string(text));
    }
}

static void twist_import(const struct worker *k, struct work *w, json_t *body)
{
    const struct currency any_finished = { .is_finished = true };

    (void) k;
    json_object_set_new(body, "dataSource", json_pack("{s:s}", "dataLocation", w->look.location));
    /* The service adds to data only where some is: the first import of a dataset is FULL. */
    if (decide_current(w->look.items, &any_finished) == SIZE_MAX)
        json_object_set_new(body, "importMode", json_string("FULL"));
}

static void twist_batch(const struct worker *k, struct work *w, json_t *body)
{
    const json_t *o = w->row.options;
    AUTO_FREE char *folder =
        xasprintf("s3://%s/batch/%s/%s", json_text_or(o, "bucket", ""),
                  json_text_or(o, "datasetGroup", ""), json_text_or(o, "solution", ""));
    AUTO_FREE char *input = xasprintf("%s/job_config.json", folder);
    AUTO_FREE char *output = xasprintf("%s/%s/", folder, w->intent_name);

    (void) k;
    json_object_set_new(body, "jobInput", json_pack("{s:{s:s}}", "s3DataSource", "path", input));
    json_object_set_new(body, "jobOutput",
                        json_pack("{s:{s:s}}", "s3DataDestination", "path", output));
}

static void twist_campaign(const struct worker *k, struct work *w, json_t *body)
{
    const char *arn = json_text(body, "solutionVersionArn");
    const char *slash = arn ? strrchr(arn, '/') : NULL;
    const char *held = request_campaign_version(&w->row);

    (void) k;
    if (arn && held)
        json_object_set_new(body, "solutionVersionArn", json_string(held));
    if (slash && is_synced_with_latest(&w->row))
        json_object_set_new(body, "solutionVersionArn",
                            json_sprintf("%.*s/$LATEST", (int) (slash - arn), arn));
}

static const struct {
    enum kind_id kind;
    void (*twist)(const struct worker *k, struct work *w, json_t *body);
} twists[] = {
    { KIND_SCHEMA, twist_schema },
    { KIND_DATASET_IMPORT_JOB, twist_import },
    { KIND_BATCH_INFERENCE_JOB, twist_batch },
    { KIND_BATCH_SEGMENT_JOB, twist_batch },
    { KIND_CAMPAIGN, twist_campaign },
};

static void add_tags(const struct worker *k, const struct work *w, json_t *body)
{
    json_t *tags = json_clone(w->row.tags);

    if (!tags)
        tags = json_array();
    json_array_append_new(tags, json_pack("{s:s, s:s}", "tagKey", "steward:deployment", "tagValue",
                                          k->options->settings.deployment_id));
    if (w->row.kind->is_per_run)
        json_array_append_new(
            tags, json_pack("{s:s, s:s}", "tagKey", "steward:intent", "tagValue", w->intent_name));
    json_object_set_new(body, "tags", tags);
}

static enum err_code add_references(const struct step_row *row, json_t *body, struct err *e)
{
    const char *member;
    json_t *arn;

    json_object_foreach (row->arns, member, arn) {
        if (!json_is_string(arn))
            return err_set(e, ERR_INVALID,
                           "The %s that %s %s refers to is not known yet; apply the config first.",
                           member, row->kind->title, row->name);
        json_object_set(body, member, arn);
    }
    return OK;
}

static enum err_code build_create(const struct worker *k, struct work *w, json_t *body,
                                  struct err *e)
{
    TRY(add_references(&w->row, body, e));
    json_object_set_new(body, w->row.kind->name_member, json_string(w->intent_name));
    for (size_t i = 0; i < ARRAY_LEN(twists); i++)
        if (twists[i].kind == w->row.kind->id)
            twists[i].twist(k, w, body);
    if (w->row.kind->is_taggable)
        add_tags(k, w, body);
    return OK;
}

/* ---- bodies of Update calls ---- */

static const char *metric_name(const json_t *metric)
{
    return json_text_or(metric, "metricName", "");
}

static bool has_metric(const json_t *list, const json_t *metric)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) list, i, item)
        if (str_eq(metric_name(item), metric_name(metric)) && json_equal(item, metric))
            return true;
    return false;
}

/* Metrics are taken away by name and added whole; a changed one is both. */
static void set_metrics(json_t *body, const json_t *desired, const json_t *observed)
{
    json_t *add = json_array(), *remove = json_array();
    size_t i;
    json_t *metric;

    json_array_foreach ((json_t *) desired, i, metric)
        if (!has_metric(observed, metric))
            json_array_append(add, metric);
    json_array_foreach ((json_t *) observed, i, metric)
        if (!has_metric(desired, metric))
            json_array_append_new(remove, json_string(metric_name(metric)));
    json_object_set_new(body, "addMetrics", add);
    json_object_set_new(body, "removeMetrics", remove);
}

/* One field that differs, as the Update operation wants it. */
static void set_field(const struct work *w, json_t *body, const json_t *difference)
{
    const char *field = json_text(difference, "field");
    json_t *desired = json_object_get(difference, "desired");

    if (w->row.kind->id == KIND_METRIC_ATTRIBUTION && str_eq(field, "metrics")) {
        set_metrics(body, desired, json_object_get(difference, "observed"));
    } else if (str_starts(field, "solutionConfig/")) {
        if (!json_object_get(body, "solutionUpdateConfig"))
            json_object_set_new(body, "solutionUpdateConfig", json_object());
        json_object_set(json_object_get(body, "solutionUpdateConfig"), strchr(field, '/') + 1,
                        desired);
    } else {
        json_object_set(body, field, desired);
    }
}

/* Tags have calls of their own: first what is added or changed, then what goes. */
static void build_tags(struct work *w, json_t *body, const json_t *difference)
{
    json_t *missing = json_object_get(difference, "missing");

    json_object_set_new(body, "resourceArn", json_string(w->look.arn));
    if (json_array_size(missing)) {
        w->operation = "TagResource";
        json_object_set(body, "tags", missing);
    } else {
        w->operation = "UntagResource";
        json_object_set(body, "tagKeys", json_object_get(difference, "unwanted"));
    }
}

/* On before anything else is changed, off after it: Amazon changes what is on. */
static bool is_switch_next(const json_t *turn, size_t others)
{
    return turn && (others == 0 || str_eq(json_text(turn, "desired"), "ACTIVE"));
}

/* An Update names the resource and carries the fields that differ, with the values they should
 * have. What has a call of its own is one step of several. */
static void build_update(const struct worker *k, struct work *w, json_t *body)
{
    const json_t *tags = NULL, *turn = NULL;
    size_t i, n = 0;
    json_t *difference;

    json_object_clear(body);
    json_array_foreach (w->differences, i, difference) {
        const char *field = json_text_or(difference, "field", "");

        if (str_eq(field, "tags"))
            tags = difference;
        else if (str_eq(field, "status"))
            turn = difference;
        else
            n++, set_field(w, body, difference);
    }
    if (n == 0 && tags && !turn) {
        build_tags(w, body, tags);
        return;
    }
    w->operation = w->row.kind->update_op;
    if (is_switch_next(turn, n)) {
        json_object_clear(body);
        w->operation = str_eq(json_text(turn, "desired"), "ACTIVE") ? w->row.kind->start_op
                                                                    : w->row.kind->stop_op;
    }
    json_object_set_new(body, w->row.kind->arn_member, json_string(w->look.arn));
    if (w->row.kind->id == KIND_CAMPAIGN)
        twist_campaign(k, w, body);
}

enum err_code request_build(const struct worker *k, struct work *w, enum op op, json_t **out,
                            struct err *e)
{
    /* What may already be on its way is sent again as it was. */
    bool is_again =
        op == OP_CREATE && w->row.step.intent == INTENT_MAYBE_SENT && w->row.intent_request;
    AUTO_JSON json_t *body = json_clone(is_again ? w->row.intent_request : w->row.request);

    w->operation = w->row.kind->create_op;
    if (is_again) {
        *out = TAKE(body);
        return OK;
    }
    switch (op) {
    case OP_UPDATE:
        build_update(k, w, body);
        break;
    case OP_DELETE:
    case OP_STOP:
        w->operation = op == OP_DELETE ? w->row.kind->delete_op : w->row.kind->stop_op;
        json_object_clear(body);
        json_object_set_new(body, w->row.kind->arn_member, json_string(w->look.arn));
        break;
    case OP_CREATE:
    case OP_NONE:
        TRY(build_create(k, w, body, e));
        break;
    }
    *out = TAKE(body);
    return OK;
}
