/*
 * neighbour_cloudwatch.c - PutMetricData, and reading back: ListMetrics, GetMetricStatistics.
 */
#include <string.h>

#include "neighbour.h"
#include "steward/clock.h"
#include "steward/json.h"

#define DATA_MAX       1000
#define DIMENSIONS_MAX 30

/* Seconds since the epoch; forms bring text, JSON numbers. */
static int64_t time_of(const json_t *object, const char *key, int64_t fallback)
{
    int64_t ms;

    if (json_text(object, key) && clock_parse(json_text(object, key), &ms))
        return ms / 1000;
    if (json_is_number(json_object_get(object, key)))
        return (int64_t) json_number_value(json_object_get(object, key));
    return fallback;
}

static const char *check_datum(struct neighbour_call *c, const json_t *d)
{
    const json_t *dimensions = json_object_get(d, "Dimensions");
    size_t i;
    json_t *dimension;

    if (str_is_empty(json_text(d, "MetricName")))
        return neighbour_fail(c, "MissingParameter",
                              "The parameter MetricData.member.N.MetricName is required.");
    if (!json_object_get(d, "Value") && !json_object_get(d, "StatisticValues") &&
        !json_object_get(d, "Values"))
        return neighbour_fail(c, "InvalidParameterCombination",
                              "One of Value, Values and StatisticValues is required.");
    if (json_array_size(dimensions) > DIMENSIONS_MAX)
        return neighbour_fail(c, "InvalidParameterValue", "No more than %d dimensions.",
                              DIMENSIONS_MAX);
    json_array_foreach ((json_t *) dimensions, i, dimension)
        if (str_is_empty(json_text(dimension, "Name")) ||
            str_is_empty(json_text(dimension, "Value")))
            return neighbour_fail(c, "InvalidParameterValue",
                                  "A dimension needs a Name and a Value.");
    return NULL;
}

static const char *put_data(struct neighbour_call *c)
{
    const char *name_space = json_text(c->in, "Namespace");
    const json_t *data = json_object_get(c->in, "MetricData");
    size_t i;
    json_t *d;

    if (str_is_empty(name_space) || str_starts(name_space, "AWS/"))
        return neighbour_fail(c, "InvalidParameterValue",
                              "The value %.100s for parameter Namespace is invalid.",
                              name_space ? name_space : "");
    if (!json_is_array(data) || !json_array_size(data) || json_array_size(data) > DATA_MAX)
        return neighbour_fail(c, "MissingParameter", "1 to %d MetricData are required.", DATA_MAX);
    json_array_foreach ((json_t *) data, i, d) {
        const char *code = check_datum(c, d);

        if (code)
            return code;
    }
    json_array_foreach ((json_t *) data, i, d) {
        json_t *kept = json_deep_copy(d);

        json_object_set_new(kept, "Namespace", json_string(name_space));
        json_object_set_new(kept, "Value", json_real(neighbour_real(d, "Value", 0)));
        json_object_set_new(kept, "Timestamp",
                            json_integer(time_of(d, "Timestamp", c->now_ms / 1000)));
        neighbour_keep(c->all->metrics, kept);
    }
    c->has_effect = true;
    return NULL;
}

static bool has_dimension(const json_t *datum, const json_t *wanted)
{
    size_t i;
    json_t *d;

    json_array_foreach (json_object_get(datum, "Dimensions"), i, d)
        if (str_eq(json_text(d, "Name"), json_text(wanted, "Name")) &&
            (!json_text(wanted, "Value") ||
             str_eq(json_text(d, "Value"), json_text(wanted, "Value"))))
            return true;
    return false;
}

static bool matches(const json_t *datum, const json_t *in)
{
    static const char *const names[] = { "Namespace", "MetricName" };
    size_t i;
    json_t *d;

    for (i = 0; i < ARRAY_LEN(names); i++)
        if (json_text(in, names[i]) && !str_eq(json_text(in, names[i]), json_text(datum, names[i])))
            return false;
    json_array_foreach (json_object_get(in, "Dimensions"), i, d)
        if (!has_dimension(datum, d))
            return false;
    return true;
}

static const char *list_metrics(struct neighbour_call *c)
{
    AUTO_JSON json_t *seen = json_object();
    json_t *list = json_array(), *d;
    size_t i;

    json_array_foreach (c->all->metrics, i, d) {
        json_t *dimensions = json_object_get(d, "Dimensions");
        json_t *metric = json_pack("{s:O, s:O, s:o}", "Namespace", json_object_get(d, "Namespace"),
                                   "MetricName", json_object_get(d, "MetricName"), "Dimensions",
                                   dimensions ? json_incref(dimensions) : json_array());
        AUTO_FREE char *text = json_canonical(metric);

        if (matches(d, c->in) && !json_object_get(seen, text)) {
            json_object_set_new(seen, text, json_true());
            json_array_append(list, metric);
        }
        json_decref(metric);
    }
    c->out = json_pack("{s:o}", "Metrics", list);
    return NULL;
}

/* All statistics of the points of one period; whoever asked for fewer gets more. */
static json_t *datapoint(int64_t start_s, bool is_form)
{
    char text[CLOCK_TEXT_BYTES];

    clock_format_s(start_s, text);
    return json_pack("{s:o, s:f, s:f, s:f, s:f, s:f, s:s}", "Timestamp",
                     is_form ? json_string(text) : json_integer(start_s), "SampleCount", 0.0, "Sum",
                     0.0, "Average", 0.0, "Minimum", 0.0, "Maximum", 0.0, "Unit", "None");
}

static void add_point(json_t *point, const json_t *datum)
{
    double value = neighbour_real(datum, "Value", 0);
    double n = neighbour_real(point, "SampleCount", 0), sum = neighbour_real(point, "Sum", 0);
    double least = neighbour_real(point, "Minimum", 0), most = neighbour_real(point, "Maximum", 0);

    json_object_set_new(point, "SampleCount", json_real(n + 1));
    json_object_set_new(point, "Sum", json_real(sum + value));
    json_object_set_new(point, "Average", json_real((sum + value) / (n + 1)));
    json_object_set_new(point, "Minimum", json_real(n == 0 || value < least ? value : least));
    json_object_set_new(point, "Maximum", json_real(n == 0 || value > most ? value : most));
    if (json_text(datum, "Unit"))
        json_object_set(point, "Unit", json_object_get(datum, "Unit"));
}

static const char *get_statistics(struct neighbour_call *c)
{
    int64_t start = time_of(c->in, "StartTime", 0), end = time_of(c->in, "EndTime", INT64_MAX);
    int64_t period = neighbour_int(c->in, "Period", 60);
    bool is_form = json_text(c->in, "StartTime") != NULL;
    AUTO_JSON json_t *by_time = json_object();
    json_t *list = json_array(), *d;
    size_t i;

    c->out =
        json_pack("{s:O?, s:o}", "Label", json_object_get(c->in, "MetricName"), "Datapoints", list);
    if (period < 1 || !json_text(c->in, "MetricName"))
        return neighbour_fail(c, "InvalidParameterValue", "MetricName and Period are required.");
    json_array_foreach (c->all->metrics, i, d) {
        int64_t at = json_int_or(d, "Timestamp", 0), slot = at - (at - start) % period;
        AUTO_FREE char *key = xasprintf("%lld", (long long) slot);

        if (at < start || at >= end || !matches(d, c->in))
            continue;
        if (!json_object_get(by_time, key)) {
            json_t *point = datapoint(slot, is_form);

            json_object_set_new(by_time, key, point);
            json_array_append(list, point);
        }
        add_point(json_object_get(by_time, key), d);
    }
    return NULL;
}

static const struct neighbour_operation operations[] = { { "GetMetricStatistics", get_statistics },
                                                         { "ListMetrics", list_metrics },
                                                         { "PutMetricData", put_data },
                                                         { NULL, NULL } };

const struct neighbour neighbour_cloudwatch = {
    .title = "CloudWatch",
    .scope = "monitoring",
    .target = "GraniteServiceVersion20100801.",
    .type = "application/x-amz-json-1.0",
    .xmlns = "http://monitoring.amazonaws.com/doc/2010-08-01/",
    .operations = operations,
};
