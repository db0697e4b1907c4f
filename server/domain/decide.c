/*
 * decide.c - judging what a look found.
 *
 * The rules of the AWS solution on when a job or version is current, and what counts as a
 * difference.
 */
#include "steward/decide.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "steward/json.h"
#include "steward/mem.h"
#include "steward/str.h"

/* What may change in place: the input shapes of the Update operations. */
static const struct {
    enum kind_id kind;
    const char *member;
} in_place[] = {
    { KIND_DATASET, "schemaArn" },
    { KIND_SOLUTION, "performAutoTraining" },
    { KIND_SOLUTION, "performIncrementalUpdate" },
    { KIND_SOLUTION, "solutionConfig/autoTrainingConfig" },
    { KIND_SOLUTION, "solutionConfig/eventsConfig" },
    { KIND_CAMPAIGN, "solutionVersionArn" },
    { KIND_CAMPAIGN, "minProvisionedTPS" },
    { KIND_CAMPAIGN, "campaignConfig" },
    { KIND_RECOMMENDER, "recommenderConfig" },
    { KIND_METRIC_ATTRIBUTION, "metrics" },
    { KIND_METRIC_ATTRIBUTION, "metricsOutputConfig" },
};

/* Members that say how to make a thing, not what it is. */
static const char *const never_compared[] = { "name", "jobName", "tags", "clientToken" };

bool decide_is_in_place(const struct kind *kind, const char *member)
{
    for (size_t i = 0; i < ARRAY_LEN(in_place); i++)
        if (in_place[i].kind == kind->id && str_eq(in_place[i].member, member))
            return true;
    return false;
}

/* The update in progress, when there is one that is newer than what serves. */
static const json_t *open_update(const struct kind *kind, const json_t *observed)
{
    const json_t *update =
        kind->update_member ? json_object_get(observed, kind->update_member) : NULL;
    const char *status = update ? json_text(update, "status") : NULL;

    if (!status || str_eq(status, "ACTIVE") || str_eq(status, "CREATE FAILED"))
        return NULL;
    return update;
}

const char *decide_status(const struct kind *kind, const json_t *observed)
{
    const json_t *update = open_update(kind, observed);

    if (update)
        return json_text(update, "status");
    if (!kind->has_status)
        return "ACTIVE";
    return json_text_or(observed, "status", "");
}

static bool is_same_trimmed(const char *a, const char *b)
{
    size_t n, m;

    while (isspace((unsigned char) *a))
        a++;
    while (isspace((unsigned char) *b))
        b++;
    n = strlen(a);
    m = strlen(b);
    while (n && isspace((unsigned char) a[n - 1]))
        n--;
    while (m && isspace((unsigned char) b[m - 1]))
        m--;
    return n == m && memcmp(a, b, n) == 0;
}

/* A schema is text on the service's side and may be an object on ours. */
static bool is_same_avro(const json_t *desired, const json_t *observed)
{
    AUTO_JSON json_t *a = json_is_string(desired)
                              ? json_loads(json_string_value(desired), JSON_DECODE_ANY, NULL)
                              : json_incref((json_t *) desired);
    AUTO_JSON json_t *b = json_is_string(observed)
                              ? json_loads(json_string_value(observed), JSON_DECODE_ANY, NULL)
                              : json_incref((json_t *) observed);

    return a && b && json_equal(a, b);
}

/* Wanted as far as given: every member of a desired object must be there and fit; depth is bounded
 * by the parser. */
// NOLINTNEXTLINE(misc-no-recursion): bounded by the parser's depth limit of 32
static bool fits(const json_t *desired, const json_t *observed)
{
    const char *key;
    json_t *value;

    if (json_is_object(desired)) {
        if (json_object_size(desired) == 0)
            return true;
        json_object_foreach ((json_t *) desired, key, value)
            if (!fits(value, json_object_get(observed, key)))
                return false;
        return true;
    }
    if (json_is_array(desired)) {
        if (json_array_size(desired) != json_array_size(observed))
            return false;
        for (size_t i = 0; i < json_array_size(desired); i++)
            if (!fits(json_array_get(desired, i), json_array_get(observed, i)))
                return false;
        return true;
    }
    if (json_is_number(desired) && json_is_number(observed))
        return fabs(json_number_value(desired) - json_number_value(observed)) < 1e-9;
    if (json_is_boolean(desired) && !observed)
        return json_is_false(desired); /* the service leaves false out */
    return json_equal(desired, observed);
}

/* Metrics of an attribution are a set, by name. */
static bool is_same_set(const json_t *desired, const json_t *observed, const char *key)
{
    size_t i, k;
    json_t *a, *b;

    if (json_array_size(desired) != json_array_size(observed))
        return false;
    json_array_foreach ((json_t *) desired, i, a) {
        bool is_found = false;

        json_array_foreach ((json_t *) observed, k, b)
            is_found |= str_eq(json_text(a, key), json_text(b, key)) && fits(a, b);
        if (!is_found)
            return false;
    }
    return true;
}

static bool is_same(const struct kind *kind, const char *member, const json_t *desired,
                    const json_t *observed)
{
    if (kind->id == KIND_SCHEMA && str_eq(member, "schema"))
        return is_same_avro(desired, observed);
    if (kind->id == KIND_METRIC_ATTRIBUTION && str_eq(member, "metrics"))
        return is_same_set(desired, observed, "metricName");
    if (str_eq(member, "datasetType") && json_is_string(desired) && json_is_string(observed))
        return strcasecmp(json_string_value(desired), json_string_value(observed)) == 0;
    if (str_eq(member, "filterExpression") && json_is_string(desired) && json_is_string(observed))
        return is_same_trimmed(json_string_value(desired), json_string_value(observed));
    return fits(desired, observed);
}

static bool is_listed(const char *member, const json_t *ignore)
{
    size_t i;
    json_t *item;

    for (size_t k = 0; k < ARRAY_LEN(never_compared); k++)
        if (str_eq(member, never_compared[k]))
            return true;
    json_array_foreach ((json_t *) ignore, i, item)
        if (str_eq(json_string_value(item), member))
            return true;
    return false;
}

/* What one comparison works with. */
struct comparison {
    const struct kind *kind;
    const json_t *observed, *update, *ignore;
    json_t *list;
    bool is_fixed; /* nothing of this resource can change in place */
};

static void add_difference(const struct comparison *x, const char *field, const json_t *desired,
                           const json_t *observed)
{
    json_array_append_new(x->list,
                          json_pack("{s:s, s:O, s:O?, s:b}", "field", field, "desired", desired,
                                    "observed", observed, "inPlace",
                                    (int) (!x->is_fixed && decide_is_in_place(x->kind, field))));
}

/* The parts of a solution's config are compared one by one: some can change, the others never. */
static void compare_solution_config(const struct comparison *x, const json_t *desired)
{
    const json_t *seen = json_object_get(x->observed, "solutionConfig");
    const json_t *update = json_object_get(x->update, "solutionUpdateConfig");
    const char *part;
    json_t *value;

    json_object_foreach ((json_t *) desired, part, value) {
        AUTO_FREE char *field = xasprintf("solutionConfig/%s", part);
        const json_t *now = json_object_get(update, part);

        if (!now)
            now = json_object_get(seen, part);
        if (!is_listed(field, x->ignore) && !fits(value, now))
            add_difference(x, field, value, now);
    }
}

/* Only the schemas of Items and Users can be replaced. */
static bool is_fixed_dataset(const struct kind *kind, const json_t *observed)
{
    const char *type = json_text_or(observed, "datasetType", "");

    return kind->id == KIND_DATASET && strcasecmp(type, "ITEMS") != 0 &&
           strcasecmp(type, "USERS") != 0;
}

json_t *decide_differences(const struct kind *kind, const json_t *desired, const json_t *observed,
                           const json_t *ignore)
{
    const struct comparison x = { .kind = kind,
                                  .observed = observed,
                                  .update = open_update(kind, observed),
                                  .ignore = ignore,
                                  .list = json_array(),
                                  .is_fixed = is_fixed_dataset(kind, observed) };
    const char *member;
    json_t *value;

    json_object_foreach ((json_t *) desired, member, value) {
        const json_t *seen = x.update ? json_object_get(x.update, member) : NULL;

        if (!seen)
            seen = json_object_get(observed, member);
        if (is_listed(member, ignore))
            continue;
        if (kind->id == KIND_SOLUTION && str_eq(member, "solutionConfig"))
            compare_solution_config(&x, value);
        else if (!is_same(kind, member, value, seen))
            add_difference(&x, member, value, seen);
    }
    return x.list;
}

json_t *decide_switch(const struct kind *kind, const char *state, const json_t *observed)
{
    const char *status = json_text_or(observed, "status", "");
    const char *wanted = str_eq(state, "stopped") ? "INACTIVE" : "ACTIVE";

    if (!kind->start_op || str_eq(state, "any") || str_eq(status, wanted) ||
        (!str_eq(status, "ACTIVE") && !str_eq(status, "INACTIVE")))
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:b}", "field", "status", "desired", wanted, "observed",
                     status, "inPlace", 1);
}

static bool is_all_in_place(const json_t *differences)
{
    size_t i;
    json_t *item;

    json_array_foreach ((json_t *) differences, i, item)
        if (!json_bool_or(item, "inPlace", false))
            return false;
    return true;
}

enum seen decide_seen(const struct kind *kind, const json_t *observed, const json_t *differences)
{
    const char *status = decide_status(kind, observed);
    bool is_different = json_array_size(differences) > 0;

    if (str_starts(status, "DELETE"))
        return SEEN_DELETING;
    if (is_different && !is_all_in_place(differences))
        return SEEN_CONFLICT;
    if (str_eq(status, "ACTIVE") || str_eq(status, "INACTIVE") || str_eq(status, "COMPLETED"))
        return is_different ? SEEN_DIFFERS : SEEN_MATCHES;
    if (str_ends(status, "FAILED"))
        return is_different && kind->id == KIND_CAMPAIGN ? SEEN_DIFFERS : SEEN_FAILED;
    if (str_eq(status, "CREATE STOPPED"))
        return SEEN_STOPPED;
    return SEEN_IN_PROGRESS;
}

int64_t decide_time_ms(const json_t *observed, const char *member)
{
    const json_t *value = json_object_get(observed, member);

    return json_is_number(value) ? (int64_t) llround(json_number_value(value) * 1000.0) : 0;
}

static bool is_open(const char *status)
{
    return str_eq(status, "CREATE PENDING") || str_eq(status, "CREATE IN_PROGRESS") ||
           str_eq(status, "PENDING") || str_eq(status, "IN_PROGRESS");
}

static bool is_current(const json_t *summary, const struct currency *rule)
{
    const char *status = json_text_or(summary, "status", "");
    int64_t updated = decide_time_ms(summary, "lastUpdatedDateTime");
    int64_t knows = rule->is_of_data ? decide_time_ms(summary, "creationDateTime") : updated;

    if (is_open(status))
        return !rule->is_finished;
    if (!str_eq(status, "ACTIVE") || rule->is_forced)
        return false;
    if (rule->has_data_time && rule->data_ms <= knows)
        return true; /* nothing newer to import, however old the job is */
    if (rule->is_renewal)
        return false;
    return rule->max_age_s == 0 || rule->now_ms - updated <= rule->max_age_s * 1000;
}

size_t decide_current(const json_t *summaries, const struct currency *rule)
{
    size_t best = SIZE_MAX;
    int64_t newest = -1;
    size_t i;
    json_t *summary;

    json_array_foreach ((json_t *) summaries, i, summary) {
        int64_t created = decide_time_ms(summary, "creationDateTime");

        if (is_current(summary, rule) && created > newest) {
            newest = created;
            best = i;
        }
    }
    return best;
}

bool decide_is_as_asked(const struct kind *kind, const json_t *request, const json_t *observed,
                        const json_t *ignore)
{
    /* What the service fills in by itself is no difference where its description is silent. */
    static const struct {
        const char *member;
        bool has_default;
    } asked[] = { { "numResults", true },
                  { "batchInferenceJobMode", true },
                  { "filterArn", false },
                  { "batchInferenceJobConfig", false },
                  { "themeGenerationConfig", false } };

    if (kind->id != KIND_BATCH_INFERENCE_JOB && kind->id != KIND_BATCH_SEGMENT_JOB)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        const json_t *wanted = json_object_get(request, asked[i].member);
        const json_t *seen = json_object_get(observed, asked[i].member);

        if (wanted && (seen || !asked[i].has_default) && !is_listed(asked[i].member, ignore) &&
            !fits(wanted, seen))
            return false;
    }
    return true;
}

bool decide_is_without_news(const struct kind *kind, const json_t *observed)
{
    return kind->id == KIND_SOLUTION_VERSION &&
           str_eq(json_text(observed, "trainingMode"), "UPDATE") &&
           str_starts(json_text_or(observed, "failureReason", ""),
                      "There should be updates to at least one dataset");
}
