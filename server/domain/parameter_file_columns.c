/*
 * parameter_file_columns.c - columns and event types that a solution, a recommender or a metric
 * attribution names.
 *
 * They are looked up in the file's own schemas. What is not there is a warning, because the live
 * schema may be wider than the file's; a metric's column is asked for by the service, too.
 */
#include <stdio.h>
#include <strings.h>

#include "parameter_file_internal.h"
#include "steward/schema_check.h"

static const json_t *service_of(const json_t *section)
{
    return json_object_get(section, "serviceConfig");
}

const json_t *file_schema(const json_t *document, const char *type)
{
    const json_t *datasets = json_object_get(document, "datasets");

    for (size_t i = 0; i < N_DATASET_SECTIONS; i++)
        if (str_eq(dataset_sections[i].type, type))
            return json_object_get(
                service_of(
                    json_object_get(json_object_get(datasets, dataset_sections[i].key), "schema")),
                "schema");
    return NULL;
}

static bool has_column(const json_t *document, const char *type, const char *column)
{
    const json_t *schema = file_schema(document, type);

    return !json_is_object(schema) || schema_field(schema, column);
}

/* {"ITEMS": ["PRICE", …]}: columns left out of, or taken into, the training. */
static void check_column_map(struct check *c, const json_t *document, const json_t *map,
                             const char *pointer)
{
    const char *key;
    json_t *list;

    json_object_foreach ((json_t *) map, key, list) {
        const char *type = filter_dataset_type(key);
        struct place at = { "" };
        size_t i;
        const json_t *item;

        (void) str_copy(at.text, sizeof at.text, pointer);
        (void) place_key(&at, key);
        if (!type)
            problem(c, CODE_ENUM, at.text,
                    "\"%s\" is not a dataset type; use INTERACTIONS, ITEMS or USERS.", key);
        json_array_foreach (list, i, item) {
            const char *column = json_string_value(item);
            size_t length = place_index(&at, i);

            if (type && column && !has_column(document, type, column))
                caution(c, CODE_UNKNOWN_NAME, at.text, "The schema of %s has no column \"%s\".",
                        key, column);
            place_pop(&at, length);
        }
    }
}

void check_training_data(struct check *c, const json_t *document, const json_t *config,
                         const char *pointer)
{
    static const char *const keys[] = { "excludedDatasetColumns", "includedDatasetColumns" };
    const json_t *data = json_object_get(config, "trainingDataConfig");

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        AUTO_FREE char *at = xasprintf("%s/trainingDataConfig/%s", pointer, keys[i]);

        check_column_map(c, document, json_object_get(data, keys[i]), at);
    }
}

void check_solution_columns(struct check *c, const json_t *document, const json_t *solution,
                            const char *base)
{
    const json_t *service = service_of(solution);
    const json_t *config = json_object_get(service, "solutionConfig");
    const char *attribute =
        json_text(json_object_get(config, "optimizationObjective"), "itemAttribute");
    struct place at = place_below(base, "serviceConfig/solutionConfig");

    check_training_data(c, document, config, at.text);
    if (json_object_get(service, "eventType") &&
        !has_column(document, "INTERACTIONS", "EVENT_TYPE"))
        caution(c, CODE_UNKNOWN_NAME, place_below(base, "serviceConfig/eventType").text,
                "The interactions schema has no EVENT_TYPE: nothing would be left to train from.");
    if (attribute && !has_column(document, "ITEMS", attribute))
        caution(c, CODE_UNKNOWN_NAME,
                place_below(at.text, "optimizationObjective/itemAttribute").text,
                "The items schema has no column \"%s\".", attribute);
}

/* SUM(Items.COLUMN), SUM(Interactions.COLUMN) or SAMPLECOUNT(). */
static bool is_metric_expression(const char *text, char type[16], char column[151])
{
    size_t n;

    type[0] = '\0';
    if (strcasecmp(text, "SAMPLECOUNT()") == 0)
        return true;
    if (strncasecmp(text, "SUM(", 4) != 0)
        return false;
    text += 4;
    n = strcspn(text, ".");
    if (n >= 16 || text[n] != '.')
        return false;
    memcpy(type, text, n);
    type[n] = '\0';
    text += n + 1;
    n = strcspn(text, ")");
    if (n == 0 || n > 150 || strcmp(text + n, ")") != 0)
        return false;
    memcpy(column, text, n);
    column[n] = '\0';
    return strcasecmp(type, "Items") == 0 || strcasecmp(type, "Interactions") == 0;
}

void check_metric_attribution(struct check *c, const json_t *document)
{
    const json_t *metrics =
        json_object_get(service_of(json_object_get(document, "metricAttribution")), "metrics");
    AUTO_JSON json_t *seen = json_object();
    size_t i;
    const json_t *metric;

    c->phase = PHASE_OURS;
    json_array_foreach (metrics, i, metric) {
        const char *expression = json_text(metric, "expression");
        const char *name = json_text(metric, "metricName");
        char base[64], type[16], column[151];

        (void) snprintf(base, sizeof base, "/metricAttribution/serviceConfig/metrics/%zu", i);
        if (expression && !is_metric_expression(expression, type, column))
            problem(c, CODE_PATTERN, place_below(base, "expression").text,
                    "\"%s\" is no metric; write SUM(Items.COLUMN), SUM(Interactions.COLUMN) or "
                    "SAMPLECOUNT().",
                    expression);
        else if (expression && *type && !has_column(document, filter_dataset_type(type), column))
            problem(c, CODE_UNKNOWN_NAME, place_below(base, "expression").text,
                    "The schema of %s has no column \"%s\"; the service refuses such a metric.",
                    type, column);
        if (name && json_object_get(seen, name))
            problem(c, CODE_DUPLICATE_NAME, place_below(base, "metricName").text,
                    "The metric \"%s\" occurs twice; rename one.", name);
        else if (name)
            json_object_set_new(seen, name, json_true());
    }
}
