/*
 * job_batch.c - batch inference and batch segment jobs: questions from S3, one a line, answers back
 * to S3.
 *
 * Every input object X gives an output object X.out under the output path, in the order of the
 * questions.
 */
#include <string.h>

#include "place.h"
#include "rules.h"
#include "s3.h"
#include "serve.h"
#include "steward/json.h"
#include "steward/mem.h"
#include "work.h"

#define INPUT_BYTES_MAX ((size_t) 1 << 30)

void batch_prepare(struct sim *s, const struct resource *r, json_t *spec)
{
    const struct resource *version =
        world_find_kind(&s->world, resource_text(r, "solutionVersionArn"), SIM_SOLUTION_VERSION);
    const struct resource *filter =
        world_find_kind(&s->world, resource_text(r, "filterArn"), SIM_FILTER);
    const char *input = json_string_value(json_at(r->body, "/jobInput/s3DataSource/path"));
    const char *output = json_string_value(json_at(r->body, "/jobOutput/s3DataDestination/path"));
    const char *role = resource_text(r, "roleArn");
    const json_t *theme =
        json_at(r->body, "/themeGenerationConfig/fieldsForThemeGeneration/itemName");
    struct s3_place in, out;

    json_object_set_new(spec, "data", group_data(s, resource_group(r)));
    json_object_set_new(spec, "recipe", json_string(resource_hidden(r, "recipe")));
    json_object_set_new(spec, "input", json_string(input));
    json_object_set_new(spec, "output", json_string(output));
    json_object_set_new(spec, "numResults", json_integer(json_int_or(r->body, "numResults", 25)));
    if (version && resource_hidden(version, "model"))
        json_object_set_new(spec, "model", json_string(resource_hidden(version, "model")));
    if (filter)
        json_object_set_new(spec, "filter", json_string(resource_text(filter, "filterExpression")));
    if (theme)
        json_object_set_new(spec, "theme", json_deep_copy(theme));
    json_object_set_new(spec, "isOpen",
                        json_boolean(s3_place_parse(input, &in) && s3_place_parse(output, &out) &&
                                     role_opens(s, role, in.bucket) &&
                                     role_opens(s, role, out.bucket)));
}

struct batch {
    struct job *j;
    const struct recipe *recipe;
    struct model model;
    struct catalog catalog;
    struct filter filter;
    bool has_filter;
    struct buf out;
};

static json_t *texts_of(const json_t *rows, const char *member)
{
    json_t *out = json_array();

    for (size_t i = 0; i < json_array_size(rows); i++)
        json_array_append(out, json_object_get(json_array_get(rows, i), member));
    return out;
}

/* The value most of the recommended items share in a field names what they have in common. */
static const char *theme_of(const struct batch *b, const json_t *rows)
{
    const char *field = json_text(b->j->spec, "theme"), *best = "related items";
    AUTO_JSON json_t *seen = json_object();
    json_int_t most = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *item =
            json_object_get(b->catalog.items, json_text(json_array_get(rows, i), "itemId"));
        const char *value = json_text(item, field);
        json_int_t n = value ? json_int_or(seen, value, 0) + 1 : 0;

        if (value)
            json_object_set_new(seen, value, json_integer(n));
        if (n > most) {
            most = n;
            best = value;
        }
    }
    return best;
}

static json_t *inference_output(const struct batch *b, const struct serve_question *q)
{
    AUTO_JSON json_t *rows = serve_items(&b->model, &b->catalog, q);
    json_t *out = json_object();
    bool has_theme = json_text(b->j->spec, "theme") != NULL;

    json_object_set_new(out, "recommendedItems", texts_of(rows, "itemId"));
    if (has_theme)
        json_object_set_new(out, "theme", json_string(theme_of(b, rows)));
    json_object_set_new(out, has_theme ? "itemsThemeRelevanceScores" : "scores",
                        texts_of(rows, "score"));
    return out;
}

/* What a question of this recipe must hold; NULL when it does. */
static const char *complaint(const struct batch *b, const json_t *input)
{
    if (str_eq(b->recipe->name, "aws-item-attribute-affinity"))
        return json_text(input, "itemAttributes") ? NULL : "itemAttributes is required.";
    if (str_eq(b->recipe->type, "USER_SEGMENTATION") || b->recipe->needs_item)
        return json_text(input, "itemId") ? NULL : "itemId is required.";
    if (b->recipe->needs_user && !json_text(input, "userId"))
        return "userId is required.";
    if (b->recipe->runtime == RUNTIME_RANKING && !json_is_array(json_object_get(input, "itemList")))
        return "itemList is required.";
    return NULL;
}

static json_t *answer(const struct batch *b, const json_t *input, struct err *e)
{
    struct serve_question q = { .recipe = b->recipe,
                                .user = json_text(input, "userId"),
                                .item = json_text(input, "itemId"),
                                .attributes = json_text(input, "itemAttributes"),
                                .n = (size_t) json_int_or(b->j->spec, "numResults", 25),
                                .filter = b->has_filter ? &b->filter : NULL,
                                .filter_values = json_object_get(input, "filterValues") };
    const char *why = complaint(b, input),
               *missing =
                   b->has_filter ? sim_filter_missing_value(&b->filter, q.filter_values) : NULL;
    json_t *users;

    if (why || missing) {
        (void) err_set(e, ERR_INVALID, "%s%s", why ? why : "No value for the filter parameter ",
                       why ? "" : missing);
        return NULL;
    }
    if (b->recipe->runtime == RUNTIME_RANKING) {
        q.input_list = json_object_get(input, "itemList");
        q.n = json_array_size(q.input_list);
    }
    if (!str_eq(b->recipe->type, "USER_SEGMENTATION"))
        return inference_output(b, &q);
    users = q.attributes ? serve_attribute_segment(&b->model, &b->catalog, &q, e)
                         : serve_segment(&b->model, &b->catalog, &q);
    return users ? json_pack("{s:o}", "usersList", users) : NULL;
}

static void answer_line(struct batch *b, const char *line, size_t n)
{
    AUTO_JSON json_t *input = json_loadb(line, n, 0, NULL);
    AUTO_JSON json_t *row = json_object();
    AUTO_FREE char *text = NULL;
    struct err e = { .message = "The line is not a JSON object." };
    json_t *output = json_is_object(input) ? answer(b, input, &e) : NULL;

    json_object_set_new(row, "input", input ? json_incref(input) : json_stringn(line, n));
    json_object_set_new(row, "output", output ? output : json_null());
    json_object_set_new(row, "error", output ? json_null() : json_string(e.message));
    text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(9));
    buf_adds(&b->out, text ? text : "{\"input\":null,\"output\":null,\"error\":\"not UTF-8\"}");
    buf_addc(&b->out, '\n');
}

static bool put_output(struct batch *b, const char *name)
{
    struct s3_place place;
    AUTO_FREE char *key = NULL;
    struct s3_location at;
    const struct s3_content content = { b->out.data, b->out.length, "application/json" };
    struct err e;

    if (!s3_place_parse(json_text(b->j->spec, "output"), &place))
        return job_fail(b->j, "Invalid S3 output path");
    key = xasprintf("%s%s%s.out", place.key, !*place.key || str_ends(place.key, "/") ? "" : "/",
                    name);
    at = (struct s3_location){ place.bucket, key };
    return s3_object_put(b->j->s3, &at, &content, &e) == OK || job_fail(b->j, NO_PRIVILEGES);
}

static bool answer_object(struct batch *b, const struct s3_location *at)
{
    const char *slash = strrchr(at->key, '/');
    struct s3_blob blob = { .limit = INPUT_BYTES_MAX };
    struct err e;

    if (s3_object_read(b->j->s3, at, &blob, &e))
        return job_fail(b->j, NO_PRIVILEGES);
    buf_clear(&b->out);
    buf_adds(&b->out, "");
    for (const char *p = blob.data, *end = blob.data + blob.n; p < end;) {
        const char *stop = memchr(p, '\n', (size_t) (end - p));
        size_t n = (size_t) ((stop ? stop : end) - p);

        if (n > 0 && strspn(p, " \t\r") < n)
            answer_line(b, p, n);
        p += n + 1;
    }
    free(blob.data);
    return put_output(b, slash ? slash + 1 : at->key);
}

static bool answer_all(struct batch *b)
{
    struct s3_place place;
    struct s3_list list = { 0 };
    struct err e;
    size_t n = 0;
    bool ok = true;

    if (!json_bool_or(b->j->spec, "isOpen", false) ||
        !s3_place_parse(json_text(b->j->spec, "input"), &place))
        return job_fail(b->j, NO_PRIVILEGES);
    if (*place.key && !str_ends(place.key, "/")) {
        const struct s3_location at = { place.bucket, place.key };

        return answer_object(b, &at);
    }
    if (s3_list(b->j->s3, &(struct s3_query){ .bucket = place.bucket, .prefix = place.key }, &list,
                &e))
        return job_fail(b->j, NO_PRIVILEGES);
    for (size_t i = 0; ok && i < list.count; i++) {
        const struct s3_location at = { place.bucket, list.entries[i].key };

        if (!str_ends(at.key, "/")) {
            n++;
            ok = answer_object(b, &at);
        }
    }
    s3_list_done(&list);
    return ok && (n > 0 || job_fail(b->j, NO_PRIVILEGES));
}

bool batch_run(struct job *j)
{
    struct batch b = { .j = j, .recipe = recipe_named(json_text(j->spec, "recipe")) };
    const char *filter = json_text(j->spec, "filter");
    struct err e;
    bool ok;

    if (model_read(j->data_dir, json_text(j->spec, "model"), &b.model, &e))
        return job_fail(j, "%s", e.message);
    ok = catalog_load(&(struct catalog_source){ .data_dir = j->data_dir,
                                                .data = json_object_get(j->spec, "data") },
                      NULL, &b.catalog, &e) == OK ||
         job_fail(j, "%s", e.message);
    if (ok && filter)
        b.has_filter = sim_filter_parse(filter, &b.filter, &e) == OK;
    ok = ok && answer_all(&b);
    if (b.has_filter)
        sim_filter_done(&b.filter);
    buf_done(&b.out);
    catalog_done(&b.catalog);
    model_done(&b.model);
    return ok;
}
